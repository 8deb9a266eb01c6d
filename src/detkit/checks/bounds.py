"""Boxes outside their image, and sets whose coordinates mean something else than pixels from the left edge."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from detkit import boxes
from detkit.checks._base import Code, Context, Fixed, box_text, changed_rows, dropped_rows
from detkit.checks._outlines import clamped, turned_into_pixels
from detkit.findings import Finding
from detkit.tables import Dataset

__all__ = ["CODES", "fix", "run"]

CODES = (
    Code("DK202", "A box lies wholly outside its image.",
         "It marks nothing, or belongs to another image. Look at it; the fix takes it away.", "unsafe", "Drops it."),
    Code("DK203", "A box sticks out of its image.",
         "Ultralytics leaves out every box of an image with one coordinate above 1; other tools cut or refuse it.",
         "safe", "Cuts the box, and its outline, to the image; oriented boxes stay."),
    Code("DK210", "A box in pixels lies within the first pixel: shares of the image, most likely.",
         "The export wrote coordinates in 0..1 where pixels were expected.",
         "unsafe", "Multiplies box and outline by the image's size."),
    Code("DK211", "The boxes make sense as left, top, right, bottom only, not as left, top, width, height.",
         "The export wrote xyxy where xywh was expected: every box is too large.",
         "unsafe", "Reads the boxes as corners."),
    Code("DK212", "Boxes of a VOC set start at 0 where VOC counts from 1.",
         "The whole set is moved by a pixel. Read it with `--voc-offset 0`."),
)  # fmt: skip


def run(dataset: Dataset, context: Context) -> Iterator[Finding]:
    """Faults of boxes against the size of their image."""
    found, rows = context.geometry, dataset.annotations

    def text(row: int) -> str:
        return f"box {box_text(rows.xywh[row])}"

    def image(row: int) -> str:
        return "its image" if not found.in_pixels else "the {:g} x {:g} image".format(*found.sizes_of(row))

    def partly(row: int) -> str:
        refused = _is_refused(dataset, found.sizes_of(row), row)
        tail = "; Ultralytics leaves out the labels of this image" if refused else ""
        return f"{text(row)} sticks out of {image(row)}{tail}"

    yield from context.of_rows("DK202", found.outside, lambda row: f"{text(row)} lies wholly outside {image(row)}")
    yield from context.of_rows("DK203", found.partly, partly)
    yield from context.of_rows(
        "DK210", found.normalised, lambda row: f"{text(row)} lies within one pixel: shares of {image(row)}, most likely"
    )
    if found.are_corners:
        count = int(np.count_nonzero(~found.empty & ~found.normalised))
        message = "boxes leave their images, and none does when read as left, top, right, bottom: they are xyxy"
        yield context.of_dataset("DK211", f"{message}, first {text(0)}", count=count)
    from_zero = found.from_zero
    if from_zero.any():
        count, row = int(np.count_nonzero(from_zero)), int(np.argmax(from_zero))
        message = "boxes start at 0, and none reaches the last pixel: this set counts from 0, VOC counts from 1"
        place = context.places.of_row(row)
        yield Finding("DK212", f"{message}; read it with `--voc-offset 0`", place["file"], place["line"], count=count)


def fix(dataset: Dataset, context: Context, code: str) -> Fixed:
    """Boxes cut, dropped, scaled or read anew."""
    found, rows = context.geometry, dataset.annotations
    if code == "DK202":
        return dropped_rows(dataset, found.outside, "boxes wholly outside their image")
    if code == "DK203":
        which = found.partly & ~found.is_oriented
        xywh = np.where(which[:, None], boxes.clip(rows.xywh, found.sizes), rows.xywh)
        return _with(dataset, which, "boxes", "cut to the image", xywh, shapes=clamped(rows.shapes, which, found.sizes))
    if code == "DK210":
        which = found.normalised
        xywh = rows.xywh * np.where(which[:, None], np.hstack([found.sizes, found.sizes]), 1)
        shapes = turned_into_pixels(rows.shapes, which, found.sizes)
        return _with(dataset, which, "boxes in shares of the image", "turned into pixels", xywh, shapes=shapes)
    which = ~found.empty & ~found.normalised & found.are_corners
    xywh = rows.xywh.copy()
    xywh[which, 2:] -= xywh[which, :2]
    return _with(dataset, which, "boxes read as corners", "turned into xywh", xywh)


def _with(dataset: Dataset, which: Any, what: str, action: str, xywh: Any, **columns: Any) -> Fixed:
    """New boxes; areas that were width times height follow them."""
    rows = dataset.annotations
    area = np.where(which & (rows.area == boxes.area(rows.xywh)), boxes.area(xywh), rows.area)
    return changed_rows(dataset, which, what, action, xywh=xywh, area=area, **columns)


def _is_refused(dataset: Dataset, size: Any, row: int) -> bool:
    """Whether Ultralytics refuses the label: centre and size of a box are looked at, not its corners."""
    rows = dataset.annotations
    if dataset.source is None or dataset.source.format != "yolo":
        return False
    if rows.shapes is not None and rows.shapes.kind[row]:
        points = rows.shapes.points[row]
        return bool(((points < 0) | (points > size)).any())
    x, y, width, height = rows.xywh[row]
    values = np.array([(x + width / 2, y + height / 2), (width, height)])
    return bool(((values < 0) | (values > size)).any())
