"""What matching does with one cell: overlaps, detections that need no assignment, partners by either rule, outcomes.

These are the parts of the kernels of `match`, which hand them room for the largest cell.
"""

from __future__ import annotations

from typing import Any

from detkit.kernels._jit import jit
from detkit.kernels.iou import box_iou

__all__ = ["FALSE", "IGNORED", "MOST", "TRUE", "best", "compare", "greedy", "level", "note", "settle"]

FALSE, TRUE, IGNORED = 0, 1, 2
#: No threshold is above this overlap.
MOST = 1 - 1e-10


@jit
def greedy(
    overlap: Any,
    live: Any,
    count: int,
    truths: int,
    peak: Any,
    code: Any,
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
    overlap of each detection: below the threshold there is nothing to look for. The cell's truths begin at `first`;
    `code` says which are ignored.
    """
    for n in range(count):
        d = live[n]
        best = threshold if threshold < MOST else MOST
        match = -1
        if peak[d] >= best:
            for i in range(truths):
                g = order[i]
                if used[g] and not crowd[first + g]:
                    continue
                if match > -1 and code[match] != IGNORED and code[g] == IGNORED:
                    break
                if overlap[d * truths + g] < best:
                    continue
                best = overlap[d * truths + g]
                match = g
        partner[d] = match
        if match > -1:
            used[match] = True


@jit
def best(
    overlap: Any, live: Any, count: int, truths: int, code: Any, threshold: float, used: Any, partner: Any
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
        if match > -1 and (best < threshold or (used[match] and code[match] != IGNORED)):
            match = -1
        partner[d] = match
        if match > -1:
            used[match] = True


@jit
def level(value: float, thresholds: Any) -> int:
    """How many of the rising thresholds an overlap reaches."""
    count = 0
    while count < thresholds.shape[0] and not (value < thresholds[count] and value < MOST):
        count += 1
    return count


@jit
def compare(
    dt_xywh: Any,
    gt_xywh: Any,
    flat: Any,
    start: int,
    d0: int,
    dets: int,
    g0: int,
    truths: int,
    gt_crowd: Any,
    lowest: float,
    overlap: Any,
    peak: Any,
    wanted: Any,
    live: Any,
    iou_out: Any,
) -> int:
    """Overlaps of one cell, how many detections want each truth, and the detections that want any: how many."""
    for g in range(truths):
        wanted[g] = 0
    living = 0
    at = 0
    for d in range(dets):
        highest = 0.0
        for g in range(truths):
            if start < 0:
                value = box_iou(dt_xywh, d0 + d, gt_xywh, g0 + g, gt_crowd[g0 + g])
            else:
                value = flat[start + at]
            overlap[at] = value
            at += 1
            if value > highest:
                highest = value
            if not value < lowest:
                wanted[g] += 1
        peak[d] = highest
        iou_out[d0 + d] = highest
        if truths > 0 and not highest < lowest:
            live[living] = d
            living += 1
    return living


@jit
def settle(
    overlap: Any,
    peak: Any,
    wanted: Any,
    live: Any,
    living: int,
    truths: int,
    thresholds: Any,
    lowest: float,
    reached: Any,
    alone: Any,
    changes: Any,
) -> int:
    """Detections of one cell that need no assignment go to `alone`: how many; the others stay in `live`, in front.

    Such a detection can have one truth alone, which no other can have; it is noted with this truth and the thresholds
    from which and to before which it has it. At thresholds that do not change, no overlap of the others lies between
    this one and the one before.
    """
    count, settled = 0, 0
    for n in range(living):
        d = live[n]
        choices, only = 0, 0
        for g in range(truths):
            reached[g] = -1
            value = overlap[d * truths + g]
            if not value < lowest:
                reached[g] = level(value, thresholds)
                choices += 1
                only = g
        if choices == 1 and wanted[only] == 1 and peak[d] >= lowest:
            alone[settled, 0], alone[settled, 1] = d, only
            alone[settled, 2], alone[settled, 3] = 0, reached[only]
            settled += 1
            continue
        live[count] = d
        count += 1
        for g in range(truths):
            if 0 <= reached[g] < thresholds.shape[0]:
                changes[reached[g]] = True
    return settled


@jit
def note(outcome: Any, partners: Any, a: int, first: int, stop: int, d: int, g: int, code: int) -> None:
    """What becomes of a detection with that partner at the thresholds from the first to before the stop."""
    if code != FALSE:
        for t in range(first, stop):
            outcome[a, t, d] = code
    if partners.shape[0] > 0:
        for t in range(first, stop):
            partners[a, t, d] = g
