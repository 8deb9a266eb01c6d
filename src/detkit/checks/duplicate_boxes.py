"""Boxes that stand twice in one image."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from detkit.checks._base import Code, Context, Fixed, Index, box_text, dropped_rows
from detkit.checks._pairs import close_pairs, repeated_rows
from detkit.findings import Finding
from detkit.tables import Dataset

__all__ = ["CODES", "fix", "run"]

#: Boxes of one class that overlap by more are one object, and so are boxes of two classes.
SAME, SAME_PLACE = 0.9, 0.95
_NO_PAIRS = np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)

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
    near, other, partner = _near(context)
    yield from context.of_rows(
        "DK503", near, lambda row: f"{box(row)} lies on {box_text(rows.xywh[partner[row]])} of the same class"
    )
    yield from context.of_rows("DK504", other, lambda row: f"{box(row)} lies on {box(partner[row])}")


def fix(dataset: Dataset, context: Context, code: str) -> Fixed:
    """The first of each kept."""
    if code == "DK501":
        return dropped_rows(dataset, _same(context), "boxes that stand twice")
    return dropped_rows(dataset, _near(context)[0], "boxes that lie on another of their class")


def _same(context: Context) -> Index:
    """Rows that repeat an earlier row of their image in everything but their id."""
    rows = context.dataset.annotations
    return context.once("same rows", lambda: repeated_rows(rows))  # type: ignore[no-any-return]


def _near(context: Context) -> tuple[Index, Index, dict[int, int]]:
    """Rows on an earlier box of their class, rows on one of another class, and the box each lies on."""
    return context.once("near boxes", lambda: _look(context))  # type: ignore[no-any-return]


def _look(context: Context) -> tuple[Index, Index, dict[int, int]]:
    from detkit.kernels.cross import near_pairs

    rows, geometry = context.dataset.annotations, context.geometry
    left = ~(geometry.empty | rows.is_crowd | geometry.is_oriented)
    left[_same(context)] = False
    first, second = close_pairs(rows, np.flatnonzero(left), 1 - SAME)
    # Each pair is a group of its own: the overlap is computed where all overlaps are.
    groups = np.arange(len(first) + 1)
    pair, _, iou = near_pairs(rows.xywh[first], rows.xywh[second], groups, groups, SAME) if len(first) else _NO_PAIRS
    over = iou > SAME
    first, second, iou = first[pair[over]], second[pair[over]], iou[over]
    alike = rows.category_index[first] == rows.category_index[second]
    partner: dict[int, int] = {}
    found = []
    for chosen in (alike, ~alike & (iou > SAME_PLACE)):
        a, b = first[chosen], second[chosen]
        order = np.lexsort((a, b))
        there, at = np.unique(b[order], return_index=True)
        fresh = np.array([row not in partner for row in there.tolist()], np.bool_)
        found.append(there[fresh])
        partner.update(zip(there[fresh].tolist(), a[order][at][fresh].tolist(), strict=True))
    return found[0], found[1], partner
