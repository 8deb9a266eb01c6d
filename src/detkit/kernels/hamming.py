"""Pairs of 64-bit hashes that differ in few bits, by multi-index hashing."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detkit.errors import UsageError
from detkit.kernels._jit import jit, readonly

__all__ = ["LARGEST_RADIUS", "near_hashes"]

#: Above this the index tells too little apart; hashes of unrelated images differ in 32 bits on average.
LARGEST_RADIUS = 24
#: A hash is cut into this many parts of 16 bits.
_PARTS = 4
_LEAST_CAPACITY = 1 << 20

_M1, _M2, _M4 = np.uint64(0x5555555555555555), np.uint64(0x3333333333333333), np.uint64(0x0F0F0F0F0F0F0F0F)
_H01, _LOW = np.uint64(0x0101010101010101), np.uint64(0xFFFF)
_S1, _S2, _S4, _S56 = np.uint64(1), np.uint64(2), np.uint64(4), np.uint64(56)


@jit
def count_bits(value: Any) -> Any:
    """Bits set in a uint64."""
    value = value - ((value >> _S1) & _M1)
    value = (value & _M2) + ((value >> _S2) & _M2)
    value = (value + (value >> _S4)) & _M4
    return np.int64((value * _H01) >> _S56)


@jit
def _near(
    hashes: Any, order: Any, starts: Any, masks: Any, radius: int, slack: int, first: int, pairs: Any, distance: Any
) -> tuple[int, int]:
    """Fills `pairs` from query `first` on; (pairs found, next query), the latter N when all are done."""
    found = 0
    for i in range(first, hashes.shape[0]):
        before = found
        own = hashes[i]
        for part in range(order.shape[0]):
            shift = np.uint64(16 * part)
            key = (own >> shift) & _LOW
            for m in range(masks.shape[0]):
                at = np.int64(key ^ masks[m])
                for n in range(starts[part, at], starts[part, at + 1]):
                    j = np.int64(order[part, n])
                    if j <= i:
                        continue
                    bits = own ^ hashes[j]
                    differ = count_bits(bits)
                    if differ > radius:
                        continue
                    # Reported by the first part that is near enough, and by no other.
                    seen = False
                    for earlier in range(part):
                        seen = seen or count_bits((bits >> np.uint64(16 * earlier)) & _LOW) <= slack
                    if seen:
                        continue
                    if found == pairs.shape[0]:
                        return before, i
                    pairs[found, 0] = i
                    pairs[found, 1] = j
                    distance[found] = differ
                    found += 1
    return found, hashes.shape[0]


def near_hashes(hashes: ArrayLike, radius: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All pairs of hashes that differ in at most `radius` bits.

    Source: Norouzi, Punjani, Fleet, Fast Exact Search in Hamming Space with Multi-Index Hashing (2014), section 3: of
    four parts one differs in at most a quarter of the bits. Exact; time grows with N times the size of a bucket of
    65,536.

    Parameters
    ----------
    hashes : (N,) array_like of uint64
    radius : int
        0 to 24.

    Returns
    -------
    pairs : (P, 2) int64
        Positions, the smaller first, in ascending order.
    distance : (P,) int64
        Bits.

    Raises
    ------
    UsageError
        A radius out of range.

    Examples
    --------
    >>> near_hashes([0b0000, 0b0111, 0b0011], 2)
    (array([[0, 2],
           [1, 2]]), array([2, 1]))
    """
    if not 0 <= radius <= LARGEST_RADIUS:
        raise UsageError(f"distance: found {radius}, expected 0 to {LARGEST_RADIUS} bits of 64")
    values, codes = np.unique(np.asarray(hashes, dtype=np.uint64), return_inverse=True)
    codes = codes.reshape(-1)
    parts = [((values >> np.uint64(16 * p)) & _LOW).astype(np.int64) for p in range(_PARTS)]
    order = readonly([np.argsort(part, kind="stable") for part in parts], np.int32)
    counts = [np.bincount(part, minlength=1 << 16) for part in parts]
    starts = readonly([np.concatenate([[0], np.cumsum(count)]) for count in counts], np.int64)
    slack = radius // _PARTS
    every = np.arange(1 << 16)
    bits = sum((every >> b) & 1 for b in range(16))
    masks = readonly(every[bits <= slack], np.uint64)
    values = readonly(values, np.uint64)
    capacity = max(_LEAST_CAPACITY, len(values))
    pairs, distance = np.empty((capacity, 2), np.int64), np.empty(capacity, np.int64)
    blocks: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
    at = 0
    while at < len(values):
        found, at = _near(values, order, starts, masks, radius, slack, at, pairs, distance)
        blocks.append((pairs[:found].copy(), distance[:found].copy()))
    return _of_images(blocks, codes)


def _of_images(
    blocks: list[tuple[NDArray[np.int64], NDArray[np.int64]]], codes: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Every pair of positions, from the pairs of distinct hashes and from hashes that several positions share."""
    members = np.argsort(codes, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(codes, minlength=int(codes.max(initial=-1)) + 1))])
    sizes = np.diff(starts)
    near = np.concatenate([pairs for pairs, _ in blocks] or [np.empty((0, 2), np.int64)])
    differ = np.concatenate([distance for _, distance in blocks] or [np.empty(0, np.int64)])
    same = np.flatnonzero(sizes > 1)
    near = np.concatenate([near, np.stack([same, same], axis=1)])
    differ = np.concatenate([differ, np.zeros(len(same), np.int64)])
    counts = sizes[near[:, 0]] * sizes[near[:, 1]]
    owner = np.repeat(np.arange(len(near)), counts)
    within = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    width = sizes[near[owner, 1]]
    left = members[starts[near[owner, 0]] + within // np.maximum(width, 1)]
    right = members[starts[near[owner, 1]] + within % np.maximum(width, 1)]
    # A hash paired with itself: every pair of its images once.
    kept = (near[owner, 0] != near[owner, 1]) | (left < right)
    pairs = np.sort(np.stack([left, right], axis=1)[kept], axis=1)
    ranked = np.lexsort((pairs[:, 1], pairs[:, 0]))
    return pairs[ranked], differ[owner[kept]][ranked]
