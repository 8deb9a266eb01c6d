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

from detkit.kernels._jit import jit, readonly
from detkit.kernels.iou import box_iou

__all__ = ["FALSE", "IGNORED", "TRUE", "Cells", "Matched", "match"]

FALSE, TRUE, IGNORED = 0, 1, 2


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
def _greedy(
    overlap: Any,
    live: Any,
    count: int,
    truths: int,
    peak: Any,
    ignored: Any,
    crowd: Any,
    first: int,
    threshold: float,
    used: Any,
    order: Any,
    partner: Any,
) -> None:
    """Partner of each live detection of one cell at one threshold, by the rule of COCO.

    Source: pycocotools 2.0.11, cocoeval.py, evaluateImg. `order` lists truths not ignored first; a later truth of
    equal overlap wins; the search stops at the first ignored truth once a real match exists. `peak` is the largest
    overlap of each detection: below the threshold there is nothing to look for. The cell's truths begin at `first`.
    """
    for n in range(count):
        d = live[n]
        best = min(threshold, 1 - 1e-10)
        match = -1
        if peak[d] >= best:
            for i in range(truths):
                g = order[i]
                if used[g] and not crowd[first + g]:
                    continue
                if match > -1 and not ignored[match] and ignored[g]:
                    break
                if overlap[d * truths + g] < best:
                    continue
                best = overlap[d * truths + g]
                match = g
        partner[d] = match
        if match > -1:
            used[match] = True


@jit
def _best(
    overlap: Any, live: Any, count: int, truths: int, ignored: Any, threshold: float, used: Any, partner: Any
) -> None:
    """Partner of each live detection of one cell at one threshold, by the rule of Pascal VOC.

    Source: VOCdevkit, VOCevaldet.m. Each detection looks at its best-overlap truth only (the first of equal ones);
    a second hit on a truth has no partner; an ignored truth can be hit many times.
    """
    for n in range(count):
        d = live[n]
        best = -1.0
        match = -1
        for g in range(truths):
            if overlap[d * truths + g] > best:
                best = overlap[d * truths + g]
                match = g
        if match > -1 and (best < threshold or (used[match] and not ignored[match])):
            match = -1
        partner[d] = match
        if match > -1:
            used[match] = True


@jit
def _level(value: float, thresholds: Any) -> int:
    """How many of the rising thresholds an overlap reaches."""
    level = 0
    while level < thresholds.shape[0] and not value < min(thresholds[level], 1 - 1e-10):
        level += 1
    return level


@jit
def _cells(
    dt_xywh: Any,
    gt_xywh: Any,
    flat: Any,
    flat_starts: Any,
    dt_starts: Any,
    gt_starts: Any,
    dt_area: Any,
    gt_area: Any,
    gt_ignored: Any,
    gt_crowd: Any,
    gt_uncounted: Any,
    thresholds: Any,
    ranges: Any,
    best_only: bool,
    reference: int,
    overlap: Any,
    peak: Any,
    partner: Any,
    live: Any,
    alone: Any,
    wanted: Any,
    order: Any,
    ignored: Any,
    used: Any,
    changes: Any,
    outcome: Any,
    partners: Any,
    gt_out: Any,
    iou_out: Any,
) -> None:
    # `overlap`, `peak`, `partner` (a row a threshold), `live`, `alone`, `wanted`, `order`, `ignored`, `used`: room
    # for the largest cell; `changes`: whether partners may differ from those of the threshold before.
    # `partners` come in as -1: only what differs is written.
    for a in range(ranges.shape[0]):
        for t in range(thresholds.shape[0]):
            for d in range(dt_area.shape[0]):
                is_outside = dt_area[d] < ranges[a, 0] or dt_area[d] > ranges[a, 1]
                outcome[a, t, d] = IGNORED if is_outside else FALSE
    from_boxes = flat_starts.shape[0] == 0
    lowest = 1 - 1e-10
    is_rising = True
    for t in range(thresholds.shape[0]):
        lowest = min(lowest, thresholds[t])
        is_rising = is_rising and (t == 0 or thresholds[t] > thresholds[t - 1])
    for c in range(dt_starts.shape[0] - 1):
        d0, g0 = dt_starts[c], gt_starts[c]
        dets, truths = dt_starts[c + 1] - d0, gt_starts[c + 1] - g0
        if truths == 0:
            for d in range(dets):
                iou_out[d0 + d] = 0.0
            continue
        # Detections below the lowest threshold have no partner at any: only the live ones are matched.
        for g in range(truths):
            wanted[g] = 0
        living = 0
        for d in range(dets):
            peak[d] = 0.0
            for g in range(truths):
                if from_boxes:
                    value = box_iou(dt_xywh, d0 + d, gt_xywh, g0 + g, gt_crowd[g0 + g])
                else:
                    value = flat[flat_starts[c] + d * truths + g]
                overlap[d * truths + g] = value
                peak[d] = max(peak[d], value)
                if not value < lowest:
                    wanted[g] += 1
            iou_out[d0 + d] = peak[d]
            if not peak[d] < lowest:
                live[living] = d
                living += 1
        # A detection that can have one truth alone, which no other can have, needs no assignment; the others compete.
        count, settled = 0, 0
        for t in range(thresholds.shape[0]):
            changes[t] = not is_rising
        for n in range(living):
            d = live[n]
            choices, only = 0, 0
            for g in range(truths):
                if not overlap[d * truths + g] < lowest:
                    choices += 1
                    only = g
            if is_rising and not best_only and choices == 1 and wanted[only] == 1 and peak[d] >= lowest:
                alone[settled, 0], alone[settled, 1] = d, only
                alone[settled, 2] = _level(peak[d], thresholds)
                settled += 1
                continue
            live[count] = d
            count += 1
            for g in range(truths):
                value = overlap[d * truths + g]
                if is_rising and not value < lowest:
                    level = _level(value, thresholds)
                    if level < thresholds.shape[0]:
                        changes[level] = True
        # Where all truths of a cell are ignored, or none is, greedy assignment is the same: found once for such ranges.
        found = False
        for a in range(ranges.shape[0]):
            low, high = ranges[a, 0], ranges[a, 1]
            n = 0
            for g in range(truths):
                ignored[g] = gt_ignored[g0 + g] or gt_area[g0 + g] < low or gt_area[g0 + g] > high
                gt_out[a, g0 + g] = ignored[g]
                if not ignored[g]:
                    order[n] = g
                    n += 1
            for i in range(settled):
                d, g = d0 + alone[i, 0], alone[i, 1]
                for t in range(alone[i, 2]):
                    if ignored[g]:
                        outcome[a, t, d] = IGNORED
                    elif not gt_uncounted[g0 + g]:
                        outcome[a, t, d] = TRUE
                    if partners.shape[0] > 0:
                        partners[a, t, d] = g
            if count == 0:
                continue
            is_whole = not best_only and (n == 0 or n == truths)
            for g in range(truths):
                if ignored[g]:
                    order[n] = g
                    n += 1
            stop = 0
            while stop < thresholds.shape[0]:
                # From here on to before the stop, partners are the same.
                t, stop = stop, stop + 1
                while stop < thresholds.shape[0] and not changes[stop]:
                    stop += 1
                row = partner[t]
                if not (is_whole and found):
                    for g in range(truths):
                        used[g] = False
                    if best_only:
                        _best(overlap, live, count, truths, ignored, thresholds[t], used, row)
                    else:
                        _greedy(
                            overlap, live, count, truths, peak, ignored, gt_crowd, g0, thresholds[t], used, order, row
                        )
                for n in range(count):
                    d = live[n]
                    g = row[d]
                    if g < 0:
                        continue
                    if ignored[g]:
                        for same in range(t, stop):
                            outcome[a, same, d0 + d] = IGNORED
                    elif not gt_uncounted[g0 + g]:
                        for same in range(t, stop):
                            outcome[a, same, d0 + d] = TRUE
                    if partners.shape[0] > 0:
                        for same in range(t, stop):
                            partners[a, same, d0 + d] = g
                    if a == 0 and t <= reference < stop:
                        iou_out[d0 + d] = overlap[d * truths + g]
            found = is_whole


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
    dets, truths = len(cells.dt_area), len(cells.gt_area)
    shape = len(ranges), len(thresholds), dets
    outcome = np.empty(shape, np.uint8) if room is None else room.reshape(shape)
    gt_out = np.empty((len(ranges), truths), np.bool_)
    partners = np.full(outcome.shape if with_partners else (0, 0, dets), -1, np.int32)
    iou = np.empty(dets)
    none = np.empty((0, 4))
    dt_xywh, gt_xywh = boxes if boxes is not None else (none, none)
    flat, starts = overlaps if overlaps is not None else (np.empty(0), np.empty(0, np.int64))
    if boxes is None and overlaps is None:
        raise ValueError("either boxes or overlaps must be given")
    dt_sizes, gt_sizes = np.diff(cells.dt_starts), np.diff(cells.gt_starts)
    most_dt, most_gt = int(dt_sizes.max(initial=0)), int(gt_sizes.max(initial=0))
    _cells(
        readonly(dt_xywh, np.float64),
        readonly(gt_xywh, np.float64),
        readonly(flat, np.float64),
        readonly(starts, np.int64),
        readonly(cells.dt_starts, np.int64),
        readonly(cells.gt_starts, np.int64),
        readonly(cells.dt_area, np.float64),
        readonly(cells.gt_area, np.float64),
        readonly(cells.gt_ignored, np.bool_),
        readonly(cells.gt_crowd, np.bool_),
        readonly(cells.gt_uncounted, np.bool_),
        readonly(thresholds, np.float64),
        readonly(ranges, np.float64),
        {"greedy": False, "best": True}[rule],
        reference,
        np.empty(int((dt_sizes * gt_sizes).max(initial=0))),
        np.empty(most_dt),
        np.empty((len(thresholds), most_dt), np.int64),
        np.empty(most_dt, np.int64),
        np.empty((most_dt, 3), np.int64),
        np.empty(most_gt, np.int64),
        np.empty(most_gt, np.int64),
        np.empty(most_gt, np.bool_),
        np.empty(most_gt, np.bool_),
        np.empty(len(thresholds), np.bool_),
        outcome,
        partners,
        gt_out,
        iou,
    )
    return Matched(outcome, gt_out, iou, partners)
