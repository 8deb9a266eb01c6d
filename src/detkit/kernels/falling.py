"""Stable order of scores from the highest to the lowest, by counting digits instead of comparing."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.kernels._jit import jit, readonly

__all__ = ["falling_order"]

#: The bits of a score as six digits of eleven bits.
_DIGITS, _BITS = 6, 11
_MASK, _SIGN, _LAST = np.uint64((1 << _BITS) - 1), np.uint64(1 << 63), np.uint64(2**64 - 1)
#: Fewer scores are sorted by comparing in less time than it takes to clear the counts.
FEW = 1500


@jit
def _keys(bits: Any, key: Any, counts: Any) -> None:
    """A whole number for each score that rises as the score falls; how often each digit occurs at each place."""
    for place in range(counts.shape[0]):
        for digit in range(counts.shape[1]):
            counts[place, digit] = 0
    for i in range(bits.shape[0]):
        value = bits[i]
        if value & ~_SIGN > np.uint64(0x7FF0000000000000):
            value = _LAST  # NaN
        elif value & _SIGN == 0:
            value = ~(value | _SIGN)
        key[i] = value
        for place in range(_DIGITS):
            counts[place, np.int64(value & _MASK)] += 1
            value = value >> np.uint64(_BITS)


@jit
def _sort(bits: Any, key: Any, counts: Any, order: Any, spare: Any) -> bool:
    """Sorts the positions of the scores, one digit after the other; whether they stand in `spare` then."""
    _keys(bits, key, counts)
    count = bits.shape[0]
    for i in range(count):
        order[i] = i
    source, target = order, spare
    is_spare = False
    for place in range(_DIGITS):
        shift = np.uint64(place * _BITS)
        if counts[place, np.int64((key[0] >> shift) & _MASK)] == count:
            continue
        start = 0
        for digit in range(counts.shape[1]):
            start, counts[place, digit] = start + counts[place, digit], start
        for i in range(count):
            row = source[i]
            found = np.int64((key[row] >> shift) & _MASK)
            target[counts[place, found]] = row
            counts[place, found] += 1
        source, target = target, source
        is_spare = not is_spare
    return is_spare


def falling_order(scores: NDArray[np.float64]) -> NDArray[np.int64]:
    """Positions of the scores from the highest to the lowest; equal ones in the order they stand in.

    Parameters
    ----------
    scores : (N,) float64
        NaN stands behind every number.

    Returns
    -------
    (N,) int64
    """
    count = len(scores)
    if count < FEW:
        return np.argsort(-scores, kind="stable")
    bits = readonly(scores + 0.0, np.float64).view(np.uint64)  # -0.0 is 0.0
    key, order, spare = np.empty(count, np.uint64), np.empty(count, np.int64), np.empty(count, np.int64)
    is_spare = _sort(bits, key, np.empty((_DIGITS, 1 << _BITS), np.int64), order, spare)
    return spare if is_spare else order
