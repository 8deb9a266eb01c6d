"""Boxes of one image and class brought together: rows put in order of their cells, sorted inside them, cells merged."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.kernels._jit import jit, readonly

__all__ = ["FEW", "merge_cells", "order_by_two", "sort_within"]

#: Fewer rows are sorted by comparing: in the first run of all, that is sooner done than a kernel is compiled.
FEW = 20_000
#: Runs up to this length are sorted by insertion; longer ones are left to NumPy.
_SHORT = 64


@jit
def _by_two(
    major: Any, major_place: Any, minor: Any, minor_place: Any, width: int, start: Any, spare: Any, order: Any, key: Any
) -> None:
    """Rows by major, then by minor place, by counting; and the key of each. `start`: room for all counts, of zeros."""
    rows = major.shape[0]
    latest = -1
    is_sorted = True
    for row in range(rows):
        here = minor_place[minor[row]]
        is_sorted = is_sorted and here >= latest
        latest = here
        start[here + 1] += 1
    if not is_sorted:
        for i in range(1, start.shape[0]):
            start[i] += start[i - 1]
        for row in range(rows):
            here = minor_place[minor[row]]
            spare[start[here]] = row
            start[here] += 1
    for i in range(start.shape[0]):
        start[i] = 0
    for row in range(rows):
        start[major_place[major[row]] + 1] += 1
    for i in range(1, start.shape[0]):
        start[i] += start[i - 1]
    for i in range(rows):
        row = i if is_sorted else spare[i]
        here = major_place[major[row]]
        order[start[here]] = row
        key[start[here]] = here * width + minor_place[minor[row]] if width > 0 else here
        start[here] += 1


@jit
def _sort_short(key: Any, score: Any, order: Any, rank: Any, longer: Any) -> int:
    """Sorts the rows of each run of equal keys by falling score, ties as they stand; counts the runs left alone."""
    count = key.shape[0]
    left = 0
    first = 0
    while first < count:
        stop = first + 1
        while stop < count and key[stop] == key[first]:
            stop += 1
        if stop - first > _SHORT:
            longer[left, 0], longer[left, 1] = first, stop
            left += 1
        else:
            for i in range(first + 1, stop):
                row = order[i]
                value = score[row]
                k = i
                while k > first and score[order[k - 1]] < value:
                    order[k] = order[k - 1]
                    k -= 1
                order[k] = row
        for i in range(first, stop):
            rank[i] = i - first
        first = stop
    return left


@jit
def _merge(dt_key: Any, gt_key: Any, cell: Any, dt_start: Any, gt_start: Any) -> int:
    """Distinct keys of two sorted columns, and where each begins in both; the ends are written behind them.

    Without room for them they are counted alone.
    """
    is_written = dt_start.shape[0] > 0
    d, g, count = 0, 0, 0
    while d < dt_key.shape[0] or g < gt_key.shape[0]:
        if g == gt_key.shape[0] or (d < dt_key.shape[0] and dt_key[d] < gt_key[g]):
            key = dt_key[d]
        else:
            key = gt_key[g]
        if is_written:
            cell[count], dt_start[count], gt_start[count] = key, d, g
        count += 1
        while d < dt_key.shape[0] and dt_key[d] == key:
            d += 1
        while g < gt_key.shape[0] and gt_key[g] == key:
            g += 1
    if is_written:
        dt_start[count], gt_start[count] = d, g
    return count


def order_by_two(
    major: tuple[NDArray[np.int64], NDArray[np.int64]],
    minor: tuple[NDArray[np.int64], NDArray[np.int64]],
    *,
    width: int = 0,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of a table by two of the things they belong to; rows alike in both keep their order.

    Parameters
    ----------
    major, minor : ((N,) int64, (M,) int64)
        What each row belongs to, an image or a class say, and the place of each of these, from 0 to M - 1.
    width : int
        Of the key: number of minor places, or 0 for a key that the minor place has no part in.

    Returns
    -------
    order : (N,) int64
    key : (N,) int64
        Ascending: major place times width plus minor place, or the major place alone.
    """
    rows = len(major[0])
    if rows < FEW:
        in_major, in_minor = major[1][major[0]], minor[1][minor[0]]
        by_both = np.lexsort((in_minor, in_major))
        return by_both, (in_major * width + in_minor if width else in_major)[by_both]
    start = np.zeros(max(len(major[1]), len(minor[1])) + 1, np.int64)
    spare, order, key = (np.empty(rows, np.int64) for _ in range(3))
    first, first_place = (readonly(column, np.int64) for column in major)
    second, second_place = (readonly(column, np.int64) for column in minor)
    _by_two(first, first_place, second, second_place, width, start, spare, order, key)
    return order, key


def sort_within(key: NDArray[np.int64], score: NDArray[np.float64], order: NDArray[np.int64]) -> NDArray[np.int32]:
    """Sort rows of one key by falling score, in place; ties keep their order.

    Parameters
    ----------
    key : (D,) int64
        Ascending: runs of equal keys are the cells.
    score : (N,) float64
        By row of the table; NaN stands behind every number.
    order : (D,) int64
        Row of each place, written anew.

    Returns
    -------
    (D,) int32
        Rank inside the cell, 0 for the highest score.
    """
    if len(order) < FEW or np.isnan(score).any():
        order[:] = order[np.lexsort((-score[order], key))]
    if len(order) < FEW:
        return (np.arange(len(key)) - np.searchsorted(key, key)).astype(np.int32)
    rank = np.empty(len(order), np.int32)
    longer = np.empty((len(order) // (_SHORT + 1), 2), np.int64)
    count = _sort_short(readonly(key, np.int64), readonly(score, np.float64), order, rank, longer)
    for first, stop in longer[:count].tolist():
        rows = order[first:stop]
        order[first:stop] = rows[np.argsort(-score[rows], kind="stable")]
    return rank


def merge_cells(
    dt_key: NDArray[np.int64], gt_key: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Cells that hold a detection or a truth.

    Parameters
    ----------
    dt_key, gt_key : (D,), (G,) int64
        Ascending.

    Returns
    -------
    cells : (C,) int64
        Distinct keys, ascending.
    dt_starts, gt_starts : (C + 1,) int64
        Where each cell begins in either column; the last entry is its length.
    """
    if len(dt_key) + len(gt_key) < FEW:
        cells = np.union1d(dt_key, gt_key)
        dt_starts, gt_starts = (np.append(np.searchsorted(k, cells), len(k)) for k in (dt_key, gt_key))
        return cells, dt_starts, gt_starts
    keys = readonly(dt_key, np.int64), readonly(gt_key, np.int64)
    none = np.empty(0, np.int64)
    count = _merge(*keys, none, none, none)
    cell, dt_start, gt_start = (np.empty(count + extra, np.int64) for extra in (0, 1, 1))
    _merge(*keys, cell, dt_start, gt_start)
    return cell, dt_start, gt_start
