"""How kernels are compiled: no GIL, cached where a cache folder can be written, IEEE arithmetic untouched."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

F = TypeVar("F", bound=Callable[..., Any])


def jit(function: F) -> F:
    """Compile on first call. No fastmath: matches are decided by these numbers.

    Numba looks for a writable cache folder beside the source, then in the user's cache folder; where it finds
    neither (read-only install without a home), the kernel is compiled anew in each process instead of failing.
    """
    try:
        return njit(nogil=True, cache=True, error_model="numpy")(function)  # type: ignore[return-value]
    except RuntimeError:
        return njit(nogil=True, error_model="numpy")(function)  # type: ignore[return-value]


def readonly(array: ArrayLike, dtype: Any) -> NDArray[Any]:
    """Contiguous and read-only view of an array, copied only where needed."""
    out = np.ascontiguousarray(array, dtype=dtype).view()
    out.flags.writeable = False
    return out
