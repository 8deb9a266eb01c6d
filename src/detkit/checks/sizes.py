"""Boxes without a size, tiny ones, those as large as the image, and odd shapes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from detkit import boxes
from detkit.checks._base import Code, Context, Fixed, box_text, changed_rows, dropped_rows
from detkit.checks._blocks import in_blocks
from detkit.findings import Finding
from detkit.tables import Dataset
from detkit.wording import percent

__all__ = ["CODES", "fix", "run"]

#: Shorter sides below this many pixels are tiny.
TINY = 3.0
#: A box of at least this share of the image's area covers it.
WHOLE = 0.99
#: Longer side over shorter side.
ODD_ASPECT = 20.0

CODES = (
    Code("DK201", "A box has no width or height, or a negative one.",
         "It holds no object: training drops it or stops. Often a click without a drag, or corners mixed up.",
         "unsafe", "Turns boxes of negative size around, drops the others."),
    Code("DK204", "A box is one pixel wide or high.", "Some tools take it for empty; often a click without a drag."),
    Code("DK207", f"A box is less than {TINY:g} pixels wide or high.",
         "Too small to be found at usual input sizes, and often a slip of the mouse."),
    Code("DK208", f"A box covers {percent(WHOLE, None)} of its image or more.",
         "Right for close-ups; in other sets a default box nobody has drawn."),
    Code("DK209", f"A box is more than {ODD_ASPECT:g} times as long as wide.",
         "Poles and cables are; else it is a slip, or x and y are mixed up."),
)  # fmt: skip


def run(dataset: Dataset, context: Context) -> Iterator[Finding]:
    """Faults of single boxes that need no other box."""
    found, rows = context.geometry, dataset.annotations

    def text(row: int) -> str:
        return f"box {box_text(rows.xywh[row])}"

    yield from context.of_rows("DK201", found.empty, lambda row: f"{text(row)} has no positive width and height")

    def share(row: int) -> float:
        return float(_share_of(dataset, context, slice(row, row + 1))[0])

    one, tiny, whole, odd = _looks(dataset, context)
    yield from context.of_rows("DK204", one, lambda row: f"{text(row)} is one pixel wide or high")
    yield from context.of_rows("DK207", tiny, lambda row: f"{text(row)} is less than {TINY:g} pixels wide or high")
    yield from context.of_rows("DK208", whole, lambda row: f"{text(row)} covers {percent(share(row))} of its image")
    yield from context.of_rows(
        "DK209", odd, lambda row: f"{text(row)}: one side is {_aspect(rows.xywh[row]):.0f} times the other"
    )


def fix(dataset: Dataset, context: Context, code: str) -> Fixed:
    """Boxes of negative size turned around, boxes without area dropped."""
    xywh = dataset.annotations.xywh
    negative = (xywh[:, 2:] < 0).any(axis=1) & (xywh[:, 2:] != 0).all(axis=1)
    turned = xywh.copy()
    turned[:, :2] = np.where(negative[:, None], np.minimum(xywh[:, :2], xywh[:, :2] + xywh[:, 2:]), xywh[:, :2])
    turned[:, 2:] = np.where(negative[:, None], np.abs(xywh[:, 2:]), xywh[:, 2:])
    own = dataset.annotations.area == boxes.area(xywh)
    area = np.where(negative & own, boxes.area(turned), dataset.annotations.area)
    dataset, losses = changed_rows(dataset, negative, "boxes of negative size", "turned around", xywh=turned, area=area)
    empty = np.asarray((dataset.annotations.xywh[:, 2:] <= 0).any(axis=1))
    dataset, more = dropped_rows(dataset, empty, "boxes without area")
    return dataset, [*losses, *more]


def _looks(dataset: Dataset, context: Context) -> tuple[NDArray[np.bool_], ...]:
    """(N,) masks: one pixel, tiny, as large as the image, odd aspect."""
    found, rows = context.geometry, dataset.annotations
    usable, sound = found.usable, found.sound

    def look(part: slice) -> tuple[NDArray[np.bool_], ...]:
        shorter, (_, _, width, height) = found.shorter_of(part), rows.xywh[part].T
        one = usable[part] & (shorter <= 1)
        tiny = usable[part] & ~one & (shorter < TINY)
        whole = usable[part] & sound[part] & ~rows.is_crowd[part] & (_share_of(dataset, context, part) >= WHOLE)
        odd = usable[part] & ~one & ~tiny & ((width > ODD_ASPECT * height) | (height > ODD_ASPECT * width))
        return one, tiny, whole, odd & found.in_pixels

    return in_blocks(len(rows), look)


def _share_of(dataset: Dataset, context: Context, part: slice) -> NDArray[np.float64]:
    """(R,) share of the image's area that each box covers; NaN where the image's size is unknown."""
    return np.asarray(boxes.area(dataset.annotations.xywh[part]) / context.geometry.sizes_of(part).prod(axis=1))


def _aspect(box: NDArray[np.float64]) -> float:
    return float(max(box[2], box[3]) / min(box[2], box[3]))
