"""Boxes that stand twice in one image."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.checks._base import Code, Context, Fixed, Index, box_text, dropped_rows
from detkit.findings import Finding
from detkit.tables import Annotations, Dataset

__all__ = ["CODES", "fix", "run"]

#: Boxes of one class that overlap by more are one object, and so are boxes of two classes.
SAME, SAME_PLACE = 0.9, 0.95

CODES = (
    Code("DK501", "The same row stands twice in one image.",
         "One of them will count as missed. Two exports were joined, or a label was saved twice.",
         "safe", "Keeps the first."),
    Code("DK503", f"Two boxes of one class overlap by more than {SAME:g}.",
         "Most likely one object labelled twice; two objects in one place are rare.",
         "unsafe", "Keeps the first."),
    Code("DK504", f"Two boxes of different classes overlap by more than {SAME_PLACE:g}.",
         "One object with two names: one of them is wrong, unless classes are nested on purpose."),
)  # fmt: skip


def run(dataset: Dataset, context: Context) -> Iterator[Finding]:
    """Repeated boxes."""
    rows, names = dataset.annotations, dataset.categories.names

    def box(row: int) -> str:
        return f"box {box_text(rows.xywh[row])} of `{names[rows.category_index[row]]}`"

    same = _same(context)
    yield from context.of_rows("DK501", same, lambda row: f"{box(row)} is there twice in this image")
    near, other, partner = _near(context, same)
    yield from context.of_rows(
        "DK503", near, lambda row: f"{box(row)} lies on {box_text(rows.xywh[partner[row]])} of the same class"
    )
    yield from context.of_rows("DK504", other, lambda row: f"{box(row)} lies on {box(partner[row])}")


def fix(dataset: Dataset, context: Context, code: str) -> Fixed:
    """The first of each kept."""
    same = _same(context)
    if code == "DK501":
        return dropped_rows(dataset, same, "boxes that stand twice")
    return dropped_rows(dataset, _near(context, same)[0], "boxes that lie on another of their class")


def _same(context: Context) -> Index:
    """Rows that repeat an earlier row of their image in everything but their id."""
    rows = context.dataset.annotations
    if not len(rows):
        return np.empty(0, np.int64)
    numbers = rows.xywh + 0.0  # minus zero becomes zero
    # One cheap hash finds the few candidates, which are then compared in full.
    weights = np.array([3, 5, 7, 11], np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    hashes = (numbers.view(np.uint64) * weights).sum(axis=1, dtype=np.uint64)
    key = rows.image_index.astype(np.uint64) * np.uint64(0xC2B2AE3D27D4EB4F) + rows.category_index.astype(np.uint64)
    order = np.argsort(hashes + key, kind="stable")
    ordered = (hashes + key)[order]
    alike = np.concatenate([[False], ordered[1:] == ordered[:-1]])
    alike[:-1] |= alike[1:]
    seen: set[tuple[Any, ...]] = set()
    found = []
    for row in np.sort(order[alike]).tolist():
        whole = _content(rows, numbers, row)
        if whole in seen:
            found.append(row)
        seen.add(whole)
    return np.array(found, np.int64)


def _content(rows: Annotations, numbers: NDArray[np.float64], row: int) -> tuple[Any, ...]:
    outline: Any = None
    if rows.shapes is not None:
        outline = rows.shapes.points[row].tobytes(), rows.shapes.rings[row].tobytes(), repr(rows.shapes.rle.get(row))
    points = None if rows.keypoints is None else rows.keypoints[row].tobytes()
    flags = bool(rows.is_crowd[row]), bool(rows.is_ignored[row])
    return int(rows.image_index[row]), int(rows.category_index[row]), numbers[row].tobytes(), flags, outline, points


def _near(context: Context, same: Index) -> tuple[NDArray[np.bool_], NDArray[np.bool_], Index]:
    """Rows on an earlier box of their class, rows on one of another class, and the box they lie on."""
    from detkit.kernels.cross import near_pairs

    rows, geometry = context.dataset.annotations, context.geometry
    near, other = np.zeros((2, len(rows)), np.bool_)
    partner = np.full(len(rows), -1, np.int64)
    left = ~geometry.empty & ~rows.is_crowd & ~geometry.is_oriented & np.isfinite(rows.xywh).all(axis=1)
    left[same] = False
    kept = np.flatnonzero(left)
    if len(kept) < 2:
        return near, other, partner
    counts = np.bincount(rows.image_index[kept], minlength=len(context.dataset.images))
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    boxes = rows.xywh[kept]
    first, second, iou = near_pairs(boxes, boxes, starts, starts, SAME)
    pairs = (first < second) & (iou > SAME)
    a, b = kept[first[pairs]], kept[second[pairs]]
    alike = rows.category_index[a] == rows.category_index[b]
    for mask, chosen in ((other, ~alike & (iou[pairs] > SAME_PLACE)), (near, alike)):
        mask[b[chosen]] = True
        partner[b[chosen][::-1]] = a[chosen][::-1]
    other &= ~near
    return near, other, partner
