"""A table a block of rows at a time: temporaries stay in the processor's cache, whatever the length of the table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ROWS", "blocks", "in_blocks"]

#: Rows of a block.
ROWS = 1 << 14


def blocks(count: int) -> Iterator[slice]:
    """Slices that follow each other and cover `count` rows; one empty slice where there are none."""
    for start in range(0, max(count, 1), ROWS):
        yield slice(start, min(start + ROWS, count))


def in_blocks(count: int, function: Callable[[slice], tuple[NDArray[Any], ...]]) -> tuple[NDArray[Any], ...]:
    """The arrays that a function gives for each block of rows, put together.

    Parameters
    ----------
    count : int
        Rows in all.
    function : callable
        Slice of rows -> arrays with an entry for each of these rows.

    Returns
    -------
    tuple of (count, ...) arrays
    """
    whole: tuple[NDArray[Any], ...] = ()
    for part in blocks(count):
        found = function(part)
        whole = whole or tuple(np.empty((count, *array.shape[1:]), array.dtype) for array in found)
        for target, array in zip(whole, found, strict=True):
            target[part] = array
    return whole
