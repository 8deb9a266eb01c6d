"""Slow, obvious twins of the kernels: plain Python, one rule a line, nothing shared with the package.

Where a sum or quotient is rounded, the twin does the same operations in the same order, so that results are compared
with `==`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

FALSE, TRUE, IGNORED = 0, 1, 2


def divide(a: float, b: float) -> float:
    """IEEE division: Python raises where a kernel gives infinity or NaN."""
    if b != 0:
        return a / b
    return math.nan if a == 0 or math.isnan(a) else math.copysign(math.inf, a) * math.copysign(1, b)


def iou(a: Sequence[float], b: Sequence[float], crowd: bool = False) -> float:
    """Overlap of two xywh boxes; over the area of `a` alone when `b` is a crowd."""
    ax, ay, aw, ah = (float(v) for v in a)
    bx, by, bw, bh = (float(v) for v in b)
    width = min(ax + aw, bx + bw) - max(ax, bx)
    height = min(ay + ah, by + bh) - max(ay, by)
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return divide(shared, aw * ah if crowd else aw * ah + bw * bh - shared)


def iou_matrix(a: Any, b: Any, crowd: Sequence[bool] | None = None) -> list[list[float]]:
    """Every box of `a` with every box of `b`."""
    return [[iou(x, y, bool(crowd is not None and crowd[j])) for j, y in enumerate(b)] for x in a]


def nms(boxes: Any, scores: Sequence[float], groups: Sequence[int], threshold: float, limit: int | None) -> list[int]:
    """Which boxes survive, in input order: each kept box removes lower ones of its group that overlap it by more."""
    kept: list[int] = []
    for i in sorted(range(len(scores)), key=lambda i: -scores[i]):
        rivals = [j for j in kept if groups[j] == groups[i]]
        if limit is not None and len(rivals) >= limit:
            continue
        if not any(iou(boxes[i], boxes[j]) > threshold for j in rivals):
            kept.append(i)
    return sorted(kept)


def greedy(overlap: Any, ignored: Sequence[bool], crowd: Sequence[bool], threshold: float) -> list[int]:
    """COCO: each detection takes the free truth of highest overlap, a counted truth before any ignored one."""
    free = set(range(len(ignored)))
    partners = []
    for row in overlap:
        partner = -1
        for wanted in (False, True):
            best = min(threshold, 1 - 1e-10)
            for g in range(len(ignored)):
                if bool(ignored[g]) == wanted and (g in free or crowd[g]) and row[g] >= best:
                    best, partner = row[g], g
            if partner >= 0:
                break
        free.discard(partner)
        partners.append(partner)
    return partners


def best_only(overlap: Any, ignored: Sequence[bool], threshold: float) -> list[int]:
    """Pascal VOC: each detection looks at its nearest truth only; a second hit on it is none."""
    used: set[int] = set()
    partners = []
    for row in overlap:
        g = max(range(len(row)), key=lambda g: (row[g], -g)) if len(row) else -1
        if g >= 0 and (row[g] < threshold or (g in used and not ignored[g])):
            g = -1
        used.add(g)
        partners.append(g)
    return partners


def outcomes(
    partners: Sequence[int],
    ignored: Sequence[bool],
    areas: Sequence[float],
    low: float,
    high: float,
    uncounted: Sequence[bool],
) -> list[int]:
    """What each detection of a cell counts as."""
    found = []
    for g, area in zip(partners, areas, strict=True):
        outside = not low <= area <= high
        if g >= 0 and ignored[g]:
            found.append(IGNORED)
        elif g >= 0 and not uncounted[g]:
            found.append(TRUE)
        else:
            found.append(IGNORED if outside else FALSE)
    return found


def accumulate(
    scores: Sequence[float], outcome: Sequence[int], truths: int, recalls: Sequence[float]
) -> tuple[list[float], float, list[float]]:
    """Interpolated precision, recall and scores at one threshold, area range and cap, detections in score order."""
    if truths == 0:
        return [-1.0] * len(recalls), -1.0, [-1.0] * len(recalls)
    precision, recall = [], []
    tp = fp = 0
    for kind in outcome:
        tp += kind == TRUE
        fp += kind == FALSE
        precision.append(tp / (fp + tp + 2.0**-52))
        recall.append(tp / truths)
    envelope = [max(precision[i:]) for i in range(len(precision))]
    at, score_at = [], []
    for wanted in recalls:
        reached = [i for i, r in enumerate(recall) if r >= wanted]
        at.append(envelope[reached[0]] if reached else 0.0)
        score_at.append(scores[reached[0]] if reached else 0.0)
    return at, recall[-1] if recall else 0.0, score_at


def points(outcome: Sequence[int], truths: int) -> list[tuple[float, float]]:
    """(recall, precision) after each detection that counts."""
    found = []
    tp = fp = 0
    for kind in outcome:
        if kind != IGNORED:
            tp, fp = tp + (kind == TRUE), fp + (kind == FALSE)
            found.append((tp / truths, tp / (tp + fp)))
    return found


def voc_area(outcome: Sequence[int], truths: int) -> float:
    """Area under the precision-recall curve made monotone."""
    curve = points(outcome, truths)
    total = before = 0.0
    for recall in sorted({r for r, _ in curve}):
        total += (recall - before) * max(p for r, p in curve if r >= recall)
        before = recall
    return total


def voc_eleven(outcome: Sequence[int], truths: int) -> float:
    """Mean of the best precision at recalls of at least 0, 0.1, ..., 1."""
    curve = points(outcome, truths)
    total = 0.0
    for threshold in np.arange(0.0, 1.1, 0.1):
        total += max((p for r, p in curve if r >= threshold), default=0.0) / 11.0
    return total


def oks(dt: Any, gt: Any, box: Sequence[float], area: float, sigmas: Sequence[float]) -> float:
    """Object keypoint similarity of two (P, 3) lists of x, y, visibility."""
    visible = [n for n, point in enumerate(gt) if point[2] > 0]
    x, y, w, h = box
    terms = []
    for n in visible or range(len(gt)):
        if visible:
            dx, dy = dt[n][0] - gt[n][0], dt[n][1] - gt[n][1]
        else:
            dx = max(0.0, x - w - dt[n][0]) + max(0.0, dt[n][0] - (x + w * 2))
            dy = max(0.0, y - h - dt[n][1]) + max(0.0, dt[n][1] - (y + h * 2))
        terms.append((dx**2 + dy**2) / (2 * sigmas[n]) ** 2 / (area + 2.0**-52) / 2)
    return sum(math.exp(-term) for term in terms) / len(terms)
