"""Compressed run-length masks in bulk: whether they are sound, their areas, boxes and overlaps.

A mask is a string of COCO: six bits a character (five of them data, one that says whether more follow), the last
character's fifth bit the sign, each run from the fourth on a difference to the run before the previous one. Runs go
down the columns, the first one outside the mask. Source: pycocotools 2.0.11, maskApi.c, rleFrString, rleToBbox,
rleIou: the integers are the same, so the results are bit-equal.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.kernels._jit import jit, readonly
from detkit.kernels.iou import box_iou

__all__ = ["Measured", "Strings", "measure", "overlaps"]

#: A run of more characters than this is none.
_MOST_DIGITS = 12
#: Masks that a thread measures at once.
_PIECE = 4096
#: The reference counts pixels in 32 bits.
_WORD = 0xFFFFFFFF


@dataclass(frozen=True, eq=False)
class Strings:
    """Compressed masks, their bytes anywhere in one array.

    Parameters
    ----------
    sizes : (N, 2) int64
        Height and width in pixels.
    starts, lengths : (N,) int64
        The bytes of mask i are `counts[starts[i]:starts[i] + lengths[i]]`.
    counts : (B,) uint8
    measured : Measured, optional
        What `measure` would find, where that is known.
    """

    sizes: NDArray[np.int64]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    counts: NDArray[np.uint8]
    measured: Measured | None = None

    def __len__(self) -> int:
        return len(self.starts)

    def take(self, index: NDArray[np.int64]) -> Strings:
        """The masks at these positions; no byte is moved."""
        known = None if self.measured is None else self.measured.take(index)
        return Strings(self.sizes[index], self.starts[index], self.lengths[index], self.counts, known)


@dataclass(frozen=True, eq=False)
class Measured:
    """What `measure` found.

    Parameters
    ----------
    valid : (N,) bool
        Whether the runs are well formed and add up to height times width.
    area : (N,) float64
        Pixels inside; 0 where not valid, as is the box.
    xywh : (N, 4) float64
        Bounding box in pixels, zeros for an empty mask.
    """

    valid: NDArray[np.bool_]
    area: NDArray[np.float64]
    xywh: NDArray[np.float64]

    def take(self, index: NDArray[np.int64]) -> Measured:
        """What was found of the masks at these positions."""
        return Measured(self.valid[index], self.area[index], self.xywh[index])


@jit
def _number(counts: Any, pos: int, stop: int) -> Any:
    """The number that starts here and the position behind it, -1 for none."""
    if pos < stop and 48 <= counts[pos] < 80:
        # Most runs are one character.
        value = np.int64(counts[pos]) - 48
        return (value - 32 if value & 16 else value), pos + 1
    value = np.int64(0)
    for digit in range(_MOST_DIGITS):
        if pos >= stop:
            return 0, -1
        code = np.int64(counts[pos]) - 48
        pos += 1
        if code < 0 or code > 63:
            return 0, -1
        value |= (code & 31) << (5 * digit)
        if code & 32 == 0:
            if code & 16:
                value -= np.int64(1) << (5 * digit + 5)
            return value, pos
    return 0, -1


@jit
def _moved(column: Any, row: Any, run: Any, height: Any) -> Any:
    """So many pixels on, down the columns; without a division where it is one column at most."""
    row += run
    if row >= height > 0:
        row -= height
        column += 1
        if row >= height:
            column += row // height
            row %= height
    return column, row


@jit
def _measure(sizes: Any, starts: Any, lengths: Any, counts: Any, valid: Any, area: Any, xywh: Any) -> None:
    for n in range(starts.shape[0]):
        height, width = sizes[n, 0], sizes[n, 1]
        pos, stop = starts[n], starts[n] + lengths[n]
        left, top, right, bottom = width, height, np.int64(0), np.int64(0)
        # The run before the previous one, the previous one, all of them, those inside, how many.
        older, old, total, inside, number = np.int64(0), np.int64(0), np.int64(0), np.int64(0), 0
        column: Any = 0
        row: Any = 0
        sound = True
        while pos < stop:
            run, pos = _number(counts, pos, stop)
            if number > 2:
                run += older
            if pos < 0 or run < 0:
                sound = False
                break
            total += run
            older, old = old, run
            if number % 2 == 1 and run > 0 and height > 0:
                inside += run
                # The first pixel of the run lies at `column`, `row`; here comes its last one.
                last_column, last_row = _moved(column, row, run - 1, height)
                if column < last_column:
                    top, bottom = np.int64(0), height - 1
                left, right = min(left, column), max(right, last_column)
                top, bottom = min(top, row, last_row), max(bottom, row, last_row)
            column, row = _moved(column, row, run, height)
            number += 1
        valid[n] = sound and total == height * width
        area[n] = 0.0
        xywh[n, 0] = xywh[n, 1] = xywh[n, 2] = xywh[n, 3] = 0.0
        if valid[n]:
            area[n] = inside
            if number > 1 and height > 0:
                xywh[n, 0], xywh[n, 1] = left, top
                # In 32 bits as the reference: a mask of empty runs has a box beyond all bounds.
                xywh[n, 2], xywh[n, 3] = (right - left + 1) & _WORD, (bottom - top + 1) & _WORD


@jit
def _runs(counts: Any, pos: int, stop: int, runs: Any, at: int) -> int:
    """Place behind the last run of a valid mask, when the first is written to `runs[at]`."""
    first = at
    while pos < stop:
        run, pos = _number(counts, pos, stop)
        if at - first > 2:
            run += runs[at - 2]
        runs[at] = run
        at += 1
    return at


@jit
def _shared(runs_a: Any, a: int, a_end: int, runs_b: Any, b: int, b_end: int) -> Any:
    """Pixels inside both masks and inside either; steps and end as the reference has them, empty runs included."""
    left_a, left_b = runs_a[a], runs_b[b]
    a, b = a + 1, b + 1
    in_a, in_b = False, False
    both = np.int64(0)
    either = np.int64(0)
    rest = np.int64(1)
    while rest > 0:
        step = min(left_a, left_b)
        if in_a or in_b:
            either += step
            if in_a and in_b:
                both += step
        rest = np.int64(0)
        left_a -= step
        if left_a == 0 and a < a_end:
            left_a = runs_a[a]
            a += 1
            in_a = not in_a
        rest += left_a
        left_b -= step
        if left_b == 0 and b < b_end:
            left_b = runs_b[b]
            b += 1
            in_b = not in_b
        rest += left_b
    return both, either


@jit
def _cells(
    dt_sizes: Any,
    dt_starts: Any,
    dt_lengths: Any,
    dt_counts: Any,
    dt_area: Any,
    dt_xywh: Any,
    gt_sizes: Any,
    gt_starts: Any,
    gt_lengths: Any,
    gt_counts: Any,
    gt_xywh: Any,
    crowd: Any,
    dt_cells: Any,
    gt_cells: Any,
    dt_runs: Any,
    gt_runs: Any,
    places: Any,
    out: Any,
) -> None:
    """`dt_runs`: room for the longest mask; `gt_runs`: for those of a cell; `places` (most truths of a cell, 2)."""
    at = 0
    for c in range(dt_cells.shape[0] - 1):
        g0, g1 = gt_cells[c], gt_cells[c + 1]
        for g in range(g1 - g0):
            places[g, 0] = -1
        free: Any = 0
        for d in range(dt_cells[c], dt_cells[c + 1]):
            end: Any = -1
            for g in range(g0, g1):
                value = box_iou(dt_xywh, d, gt_xywh, g, crowd[g])
                if value > 0:
                    if dt_sizes[d, 0] != gt_sizes[g, 0] or dt_sizes[d, 1] != gt_sizes[g, 1]:
                        value = -1.0
                    else:
                        if end < 0:
                            end = _runs(dt_counts, dt_starts[d], dt_starts[d] + dt_lengths[d], dt_runs, 0)
                        if places[g - g0, 0] < 0:
                            places[g - g0, 0] = free
                            free = _runs(gt_counts, gt_starts[g], gt_starts[g] + gt_lengths[g], gt_runs, free)
                            places[g - g0, 1] = free
                        first, last = places[g - g0, 0], places[g - g0, 1]
                        both, either = _shared(dt_runs, 0, end, gt_runs, first, last)
                        if both == 0:
                            value = 0.0
                        elif crowd[g]:
                            value = both / dt_area[d]
                        else:
                            value = both / either
                out[at] = value
                at += 1


def measure(masks: Strings, *, jobs: int = 1) -> Measured:
    """Validity, area and bounding box of every mask.

    Parameters
    ----------
    masks : Strings
    jobs : int
        Threads.

    Returns
    -------
    Measured
    """
    if masks.measured is not None:
        return masks.measured
    count = len(masks)
    found = Measured(np.empty(count, np.bool_), np.empty(count), np.empty((count, 4)))
    sizes, starts, lengths, counts = _columns(masks)

    def some(first: int) -> None:
        part = slice(first, first + _PIECE)
        out = found.valid[part], found.area[part], found.xywh[part]
        _measure(sizes[part], starts[part], lengths[part], counts, *out)

    if jobs > 1 and count > _PIECE:
        with ThreadPoolExecutor(jobs) as pool:
            list(pool.map(some, range(0, count, _PIECE)))
    else:
        _measure(sizes, starts, lengths, counts, found.valid, found.area, found.xywh)
    return found


def overlaps(
    dt: Strings,
    gt: Strings,
    is_crowd: NDArray[np.bool_],
    dt_cells: NDArray[np.int64],
    gt_cells: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Intersection over union of masks, cell by cell; over the detection's own area where the truth is a crowd.

    Parameters
    ----------
    dt, gt : Strings
        Sound ones, cell after cell.
    is_crowd : (G,) bool
    dt_cells, gt_cells : (C + 1,) int64
        Cell c holds detections `dt_cells[c]:dt_cells[c + 1]` and truths likewise.

    Returns
    -------
    float64
        The (D, G) matrix of each cell, one after the other: -1 for masks of different sizes whose boxes overlap.

    Raises
    ------
    ValueError
        A mask is not sound.
    """
    dt_found, gt_found = measure(dt), measure(gt)
    if not (dt_found.valid.all() and gt_found.valid.all()):
        raise ValueError("a mask has run lengths that do not add up to height times width")
    dt_counts, gt_counts = np.diff(dt_cells), np.diff(gt_cells)
    out = np.empty(int((dt_counts * gt_counts).sum()))
    behind = np.concatenate([[0], np.cumsum(gt.lengths)])[gt_cells]
    _cells(
        *_columns(dt),
        readonly(dt_found.area, np.float64),
        readonly(dt_found.xywh, np.float64),
        *_columns(gt),
        readonly(gt_found.xywh, np.float64),
        readonly(is_crowd, np.bool_),
        readonly(dt_cells, np.int64),
        readonly(gt_cells, np.int64),
        np.empty(int(dt.lengths.max(initial=0)), np.int64),
        np.empty(int(np.diff(behind).max(initial=0)), np.int64),
        np.empty((int(gt_counts.max(initial=0)), 2), np.int64),
        out,
    )
    return out


def _columns(masks: Strings) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]:
    return (
        readonly(masks.sizes, np.int64),
        readonly(masks.starts, np.int64),
        readonly(masks.lengths, np.int64),
        readonly(masks.counts, np.uint8),
    )
