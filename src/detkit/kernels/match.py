"""Assign detections to truths, cell by cell, over any overlap matrix.

A cell is one image and one class. Detections of a cell lie in a row, highest score first; so do its truths, in file
order. Two ways to assign: `greedy` (COCO) and `best` (Pascal VOC). Neither knows what the overlap is: boxes are
computed on the way from the one IoU expression, everything else (masks, keypoints) comes in as a flat matrix.

Outcome of a detection at one area range and threshold: `FALSE` (unmatched), `TRUE` (matched), `IGNORED`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.kernels._assign import FALSE, IGNORED, MOST, TRUE, best, compare, greedy, note, settle
from detkit.kernels._jit import jit, readonly

__all__ = ["FALSE", "IGNORED", "TRUE", "Cells", "Matched", "match"]


@dataclass(frozen=True, eq=False)
class Cells:
    """Detections and truths of consecutive cells, as the matching kernels take them.

    Parameters
    ----------
    dt_starts, gt_starts : (C + 1,) int64
        Cell c holds detections `dt_starts[c]:dt_starts[c + 1]` and truths likewise.
    dt_area, gt_area : (D,), (G,) float64
        Areas that are held against the area ranges.
    gt_ignored : (G,) bool
        Truths that are ignored at every area range (crowds included).
    gt_crowd : (G,) bool
        Truths that may be matched many times.
    gt_uncounted : (G,) bool
        Truths whose match counts as none (the reference's annotation id 0); normally all False.
    """

    dt_starts: NDArray[np.int64]
    gt_starts: NDArray[np.int64]
    dt_area: NDArray[np.float64]
    gt_area: NDArray[np.float64]
    gt_ignored: NDArray[np.bool_]
    gt_crowd: NDArray[np.bool_]
    gt_uncounted: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Matched:
    """What `match` found.

    Parameters
    ----------
    outcome : (A, T, D) uint8
        `FALSE`, `TRUE` or `IGNORED`.
    gt_ignored : (A, G) bool
        Truths ignored at each area range.
    iou : (D,) float64
        At the first area range and the reference threshold: overlap with the partner, or with the nearest truth of
        the cell where there is none.
    partners : (A, T, D) int32
        Truth position in its cell, -1 for none; of shape (0, 0, D) unless asked for.
    """

    outcome: NDArray[np.uint8]
    gt_ignored: NDArray[np.bool_]
    iou: NDArray[np.float64]
    partners: NDArray[np.int32]


@jit
def _greedy_cells(
    dt_xywh: Any,
    gt_xywh: Any,
    flat: Any,
    flat_starts: Any,
    dt_starts: Any,
    gt_starts: Any,
    gt_ignored: Any,
    gt_crowd: Any,
    gt_uncounted: Any,
    thresholds: Any,
    reference: int,
    overlap: Any,
    peak: Any,
    partner: Any,
    live: Any,
    wanted: Any,
    code: Any,
    used: Any,
    alone: Any,
    reached: Any,
    order: Any,
    changes: Any,
    outcome: Any,
    partners: Any,
    iou_out: Any,
) -> None:
    # From `overlap` to `order`: room for the largest cell; `changes`: whether partners may differ from those of the
    # threshold before. `outcome` comes in as of detections without a partner and `partners` as -1: only what differs
    # is written.
    lowest = MOST
    is_rising = True
    for t in range(thresholds.shape[0]):
        if thresholds[t] < lowest:
            lowest = thresholds[t]
        is_rising = is_rising and (t == 0 or thresholds[t] > thresholds[t - 1])
    for c in range(dt_starts.shape[0] - 1):
        d0, g0 = dt_starts[c], gt_starts[c]
        dets, truths = dt_starts[c + 1] - d0, gt_starts[c + 1] - g0
        start = flat_starts[c] if flat_starts.shape[0] > 0 else -1
        # Detections below the lowest threshold have no partner at any: only the live ones are matched.
        count = compare(
            dt_xywh, gt_xywh, flat, start, d0, dets, g0, truths, gt_crowd, lowest, overlap, peak, wanted, live, iou_out
        )
        settled = 0
        for t in range(thresholds.shape[0]):
            changes[t] = not is_rising
        if is_rising:
            settled = settle(overlap, peak, wanted, live, count, truths, thresholds, lowest, reached, alone, changes)
            count -= settled
        # Where all truths of a cell are ignored, or none is, assignment is the same: found once for such ranges.
        found = False
        for a in range(gt_ignored.shape[0] if truths > 0 else 0):
            n = 0
            for g in range(truths):
                if gt_ignored[a, g0 + g]:
                    code[g] = IGNORED
                else:
                    code[g] = FALSE if gt_uncounted[g0 + g] else TRUE
                    order[n] = g
                    n += 1
            for i in range(settled):
                g = alone[i, 1]
                note(outcome, partners, a, alone[i, 2], alone[i, 3], d0 + alone[i, 0], g, code[g])
            if count == 0:
                continue
            is_whole = n == 0 or n == truths
            for g in range(truths):
                if code[g] == IGNORED:
                    order[n] = g
                    n += 1
            for t in range(thresholds.shape[0]):
                if t > 0 and not changes[t]:
                    continue
                # From here on to before the stop, partners are the same.
                stop = t + 1
                while stop < thresholds.shape[0] and not changes[stop]:
                    stop += 1
                if not (is_whole and found):
                    for g in range(truths):
                        used[g] = False
                    greedy(
                        overlap, live, count, truths, peak, code, gt_crowd, g0, thresholds[t], used, order, partner[t]
                    )
                for n in range(count):
                    d = live[n]
                    g = partner[t, d]
                    if g >= 0:
                        note(outcome, partners, a, t, stop, d0 + d, g, code[g])
                        if a == 0 and t <= reference < stop:
                            iou_out[d0 + d] = overlap[d * truths + g]
            found = is_whole


@jit
def _best_cells(
    dt_xywh: Any,
    gt_xywh: Any,
    flat: Any,
    flat_starts: Any,
    dt_starts: Any,
    gt_starts: Any,
    gt_ignored: Any,
    gt_crowd: Any,
    gt_uncounted: Any,
    thresholds: Any,
    reference: int,
    overlap: Any,
    peak: Any,
    partner: Any,
    live: Any,
    wanted: Any,
    code: Any,
    used: Any,
    outcome: Any,
    partners: Any,
    iou_out: Any,
) -> None:
    # As `_greedy_cells`.
    lowest = MOST
    for t in range(thresholds.shape[0]):
        if thresholds[t] < lowest:
            lowest = thresholds[t]
    for c in range(dt_starts.shape[0] - 1):
        d0, g0 = dt_starts[c], gt_starts[c]
        dets, truths = dt_starts[c + 1] - d0, gt_starts[c + 1] - g0
        start = flat_starts[c] if flat_starts.shape[0] > 0 else -1
        count = compare(
            dt_xywh, gt_xywh, flat, start, d0, dets, g0, truths, gt_crowd, lowest, overlap, peak, wanted, live, iou_out
        )
        for a in range(gt_ignored.shape[0] if count > 0 else 0):
            for g in range(truths):
                code[g] = IGNORED if gt_ignored[a, g0 + g] else FALSE if gt_uncounted[g0 + g] else TRUE
            for t in range(thresholds.shape[0]):
                for g in range(truths):
                    used[g] = False
                best(overlap, live, count, truths, code, thresholds[t], used, partner[t])
                for n in range(count):
                    d = live[n]
                    g = partner[t, d]
                    if g >= 0:
                        note(outcome, partners, a, t, t + 1, d0 + d, g, code[g])
                        if a == 0 and t == reference:
                            iou_out[d0 + d] = overlap[d * truths + g]


def match(
    cells: Cells,
    thresholds: NDArray[np.float64],
    ranges: NDArray[np.float64],
    *,
    rule: str,
    boxes: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None,
    overlaps: tuple[NDArray[np.float64], NDArray[np.int64]] | None = None,
    reference: int = 0,
    with_partners: bool = False,
    room: NDArray[np.uint8] | None = None,
) -> Matched:
    """Outcome of every detection at every area range and overlap threshold.

    Parameters
    ----------
    cells : Cells
    thresholds : (T,) float64
        Overlap thresholds; a match needs overlap >= threshold.
    ranges : (A, 2) float64
        Area ranges, both ends inclusive.
    rule : {"greedy", "best"}
    boxes : ((D, 4) float64, (G, 4) float64), optional
        Detection and truth boxes xywh: overlaps are computed on the way.
    overlaps : (flat float64, (C,) int64), optional
        Instead of boxes: each cell's (D, G) matrix in C order from its start in `flat`.
    reference : int
        Which threshold `Matched.iou` speaks of.
    with_partners : bool
        Whether the partner of each detection is wanted.
    room : (A * T * D,) uint8, optional
        Where `Matched.outcome` is to lie: one large room for all classes is got sooner than many small ones.

    Returns
    -------
    Matched
    """
    dets = len(cells.dt_area)
    shape = len(ranges), len(thresholds), dets
    outcome = np.empty(shape, np.uint8) if room is None else room.reshape(shape)
    outcome[:] = np.multiply(_outside(cells.dt_area, ranges), IGNORED, dtype=np.uint8)[:, None, :]
    gt_out = _outside(cells.gt_area, ranges) | cells.gt_ignored
    partners = np.full(outcome.shape if with_partners else (0, 0, dets), -1, np.int32)
    iou = np.empty(dets)
    none = np.empty((0, 4))
    dt_xywh, gt_xywh = boxes if boxes is not None else (none, none)
    flat, starts = overlaps if overlaps is not None else (np.empty(0), np.empty(0, np.int64))
    if rule not in ("greedy", "best"):
        raise KeyError(rule)
    if boxes is None and overlaps is None:
        raise ValueError("either boxes or overlaps must be given")
    dt_sizes, gt_sizes = np.diff(cells.dt_starts), np.diff(cells.gt_starts)
    most_dt, most_gt = int(dt_sizes.max(initial=0)), int(gt_sizes.max(initial=0))
    given = (
        readonly(dt_xywh, np.float64),
        readonly(gt_xywh, np.float64),
        readonly(flat, np.float64),
        readonly(starts, np.int64),
        readonly(cells.dt_starts, np.int64),
        readonly(cells.gt_starts, np.int64),
        readonly(gt_out, np.bool_),
        readonly(cells.gt_crowd, np.bool_),
        readonly(cells.gt_uncounted, np.bool_),
        readonly(thresholds, np.float64),
        reference,
    )
    rooms = (
        np.empty(int((dt_sizes * gt_sizes).max(initial=0))),
        np.empty(most_dt),
        np.empty((len(thresholds), most_dt), np.int64),
        np.empty(most_dt, np.int64),
        np.empty(most_gt, np.int64),
        np.empty(most_gt, np.int64),
        np.empty(most_gt, np.bool_),
    )
    found = outcome, partners, iou
    if rule == "best":
        _best_cells(*given, *rooms, *found)
    else:
        more = (
            np.empty((most_dt, 4), np.int64),
            np.empty(most_gt, np.int64),
            np.empty(most_gt, np.int64),
            np.empty(len(thresholds), np.bool_),
        )
        _greedy_cells(*given, *rooms, *more, *found)
    return Matched(outcome, gt_out, iou, partners)


def _outside(area: NDArray[np.float64], ranges: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(A, N) bool: areas below or above each range."""
    return np.asarray((area < ranges[:, :1]) | (area > ranges[:, 1:]))
