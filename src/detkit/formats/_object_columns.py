"""Columns of arbitrary values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["object_column"]


def object_column(values: Sequence[Any]) -> NDArray[Any]:
    """(N,) object: the values as they are; assigning to a slice would take lists apart.

    Parameters
    ----------
    values : sequence of N
    """
    return np.fromiter(values, dtype=object, count=len(values))
