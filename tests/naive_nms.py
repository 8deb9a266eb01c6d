"""Slow, obvious twins of the suppression variants and of box fusion: plain Python, nothing shared with the package."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from naive import iou

Box = Sequence[float]


def diou(a: Box, b: Box) -> float:
    """IoU less (distance of centres / diagonal of the box around both) squared."""
    left, top = min(a[0], b[0]), min(a[1], b[1])
    right, bottom = max(a[0] + a[2], b[0] + b[2]), max(a[1] + a[3], b[1] + b[3])
    dx, dy = (a[0] + a[2] / 2) - (b[0] + b[2] / 2), (a[1] + a[3] / 2) - (b[1] + b[3] / 2)
    diagonal = (right - left) * (right - left) + (bottom - top) * (bottom - top)
    return iou(a, b) - ((dx * dx + dy * dy) / diagonal if diagonal > 0 else 0.0)


def diou_nms(boxes: Any, scores: Sequence[float], groups: Sequence[int], threshold: float) -> list[int]:
    """Rows that survive greedy suppression by distance IoU."""
    kept: list[int] = []
    for i in sorted(range(len(scores)), key=lambda i: -scores[i]):
        if not any(diou(boxes[i], boxes[j]) > threshold for j in kept if groups[j] == groups[i]):
            kept.append(i)
    return sorted(kept)


def soft_nms(
    boxes: Any, scores: Sequence[float], groups: Sequence[int], decay: str, threshold: float, sigma: float, floor: float
) -> list[float | None]:
    """Lowered scores, None for what fell below the floor."""
    out: list[float | None] = [None] * len(scores)
    for group in set(groups):
        rest = {i: float(scores[i]) for i in range(len(scores)) if groups[i] == group and scores[i] >= floor}
        while rest:
            best = min(rest, key=lambda i: (-rest[i], -scores[i], i))
            out[best] = rest.pop(best)
            for i in list(rest):
                overlap = iou(boxes[i], boxes[best])
                if decay == "gaussian":
                    rest[i] *= math.exp(-(overlap * overlap) / sigma)
                elif overlap > threshold:
                    rest[i] *= 1 - overlap
                if rest[i] < floor:
                    del rest[i]
    return out


def matrix_nms(
    boxes: Any, scores: Sequence[float], groups: Sequence[int], decay: str, sigma: float, floor: float
) -> list[float | None]:
    """Lowered scores: each box by its worst better rival, who counts less the more it is covered itself."""
    out: list[float | None] = [None] * len(scores)
    order = sorted(range(len(scores)), key=lambda i: -scores[i])
    for j in order:
        better = [i for i in order[: order.index(j)] if groups[i] == groups[j]]
        factor = 1.0
        for n, i in enumerate(better):
            covered = max((iou(boxes[k], boxes[i]) for k in better[:n]), default=0.0)
            overlap = iou(boxes[i], boxes[j])
            if decay == "gaussian":
                factor = min(factor, math.exp((covered * covered - overlap * overlap) / sigma))
            elif covered < 1:
                factor = min(factor, (1 - overlap) / (1 - covered))
        if scores[j] >= floor and scores[j] * factor >= floor:
            out[j] = scores[j] * factor
    return out


def fuse(boxes: Any, scores: Sequence[float], groups: Sequence[int], threshold: float) -> list[list[int]]:
    """Clusters of weighted box fusion: rows of each, best first; clusters by group and then by their first box."""
    clusters: list[list[int]] = []
    for i in sorted(range(len(scores)), key=lambda i: (groups[i], -scores[i])):
        found, most = None, threshold
        for members in clusters:
            if groups[members[0]] == groups[i]:
                overlap = iou(mean_box(boxes, scores, members), boxes[i])
                if overlap > most:
                    found, most = members, overlap
        if found is None:
            clusters.append([i])
        else:
            found.append(i)
    return clusters


def mean_box(boxes: Any, scores: Sequence[float], members: Sequence[int]) -> list[float]:
    """Mean of boxes by score; the first box where all scores are zero."""
    total = 0.0
    sums = [0.0] * 4
    for i in members:
        total += scores[i]
        sums = [s + scores[i] * float(v) for s, v in zip(sums, boxes[i], strict=True)]
    if len(members) == 1 or total == 0:
        return [float(v) for v in boxes[members[0]]]
    return [s / total for s in sums]
