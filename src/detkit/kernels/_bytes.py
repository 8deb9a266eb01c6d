"""Bytes of a text, one or eight at a time, for the kernels that read it."""

from __future__ import annotations

from typing import Any

import numpy as np

from detkit.kernels._jit import jit

__all__ = ["byte_at", "word_at"]


@jit
def byte_at(data: Any, pos: Any) -> Any:
    """The byte there; of a signed place Numba would ask each time whether it counts from the end."""
    return data[np.uint64(pos)]


@jit
def word_at(data: Any, pos: Any) -> Any:
    """The eight bytes from there on, the first of them lowest; LLVM makes one load of it."""
    at = np.uint64(pos)
    out = np.uint64(data[at])
    out |= np.uint64(data[at + np.uint64(1)]) << np.uint64(8)
    out |= np.uint64(data[at + np.uint64(2)]) << np.uint64(16)
    out |= np.uint64(data[at + np.uint64(3)]) << np.uint64(24)
    out |= np.uint64(data[at + np.uint64(4)]) << np.uint64(32)
    out |= np.uint64(data[at + np.uint64(5)]) << np.uint64(40)
    out |= np.uint64(data[at + np.uint64(6)]) << np.uint64(48)
    return out | np.uint64(data[at + np.uint64(7)]) << np.uint64(56)
