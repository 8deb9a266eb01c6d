"""Outlines against their boxes, areas and images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit import masks
from detkit.checks._base import Code, Context, Fixed, box_text, changed_rows
from detkit.checks._blocks import in_blocks
from detkit.checks._outlines import bounds, clamped, fewest_points, polygon_areas, rows_of
from detkit.findings import Finding
from detkit.tables import Annotations, Dataset, Shapes
from detkit.wording import percent, plural

__all__ = ["CODES", "fix", "run"]

#: A box may differ from its outline's bounds by this many pixels, or this share of its longer side.
_PIXELS, _SHARE = 2.0, 0.05
#: A stated area may differ from the outline's by this share, and by this many pixels.
_AREA_SHARE, _AREA_PIXELS = 0.25, 25.0

CODES = (
    Code("DK213", "A box is not the bounding box of its outline.",
         f"They differ by more than {_PIXELS:g} pixels and {percent(_SHARE, None)}: one was edited without the other.",
         "unsafe", "Takes the outline's bounds as the box."),
    Code("DK214", "The stated area is not that of the outline, or cannot be that of the box.",
         "Metrics by object size go by this number.", "unsafe", "Takes the outline's area, else width times height."),
    Code("DK215", "An outline has fewer than three points or no area, or a mask is not as large as its image.",
         "Training with masks stops at it.", "unsafe", "Takes the outline away and keeps the box."),
    Code("DK216", "An outline leaves its image while its box does not.",
         "Ultralytics leaves out the labels of such an image.", "safe", "Moves the points to the image's edge."),
)  # fmt: skip


def run(dataset: Dataset, context: Context) -> Iterator[Finding]:
    """Faults of outlines and areas; nothing where the set has neither."""
    if dataset.units != "pixels":
        return
    rows, found = dataset.annotations, _faults(context)
    limits, areas = found["bounds"], found["area"]
    yield from context.of_rows("DK213", found["DK213"], lambda row: _differs(rows.xywh[row], limits[row]))
    yield from context.of_rows("DK214", found["DK214"], lambda row: _area_text(dataset, areas, row))
    yield from context.of_rows("DK215", found["DK215"], lambda row: _broken_text(dataset, row))
    yield from context.of_rows(
        "DK216", found["DK216"], lambda row: f"outline {_corners(limits[row])} leaves the {_size(context, row)} image"
    )


def fix(dataset: Dataset, context: Context, code: str) -> Fixed:
    """Boxes, areas and outlines made to agree."""
    if dataset.units != "pixels":
        return dataset, []
    rows, found = dataset.annotations, _faults(context)
    which = found[code]
    if code == "DK213":
        limits = found["bounds"]
        xywh = np.where(which[:, None], np.hstack([limits[:, :2], limits[:, 2:] - limits[:, :2]]), rows.xywh)
        return changed_rows(dataset, which, "boxes beside their outline", "set to its bounds", xywh=xywh)
    if code == "DK214":
        own = np.where(np.isnan(found["area"]), rows.xywh[:, 2] * rows.xywh[:, 3], found["area"])
        return changed_rows(dataset, which, "areas", "computed anew", area=np.where(which, own, rows.area))
    if rows.shapes is None:
        return dataset, []
    if code == "DK215":
        return changed_rows(
            dataset, which, "broken outlines", "dropped, boxes kept", shapes=_without(rows.shapes, which)
        )
    shapes = clamped(rows.shapes, which, context.geometry.sizes)
    return changed_rows(dataset, which, "outlines", "moved into the image", shapes=shapes)


def _faults(context: Context) -> dict[str, Any]:
    """Masks of each code, and the bounds and areas they were told from."""
    return context.once("outlines", lambda: _look(context))  # type: ignore[no-any-return]


def _look(context: Context) -> dict[str, Any]:
    rows, geometry = context.dataset.annotations, context.geometry
    if rows.shapes is None:
        none, nan = np.zeros(len(rows), np.bool_), np.broadcast_to(np.nan, len(rows))
        usable = geometry.usable & ~geometry.partly & ~geometry.outside
        (wrong,) = in_blocks(len(rows), lambda part: (usable[part] & _is_impossible(rows, part),))
        limits = np.broadcast_to(nan[:1, None] if len(nan) else np.nan, (len(rows), 4))
        return {"bounds": limits, "area": nan, "DK213": none, "DK214": wrong, "DK215": none, "DK216": none}
    limits, areas, broken = _measured(rows.shapes, context)
    usable, partly, oriented = geometry.usable & ~broken, geometry.partly, geometry.is_oriented
    inside = ~partly & ~geometry.outside

    def look(part: slice) -> tuple[NDArray[np.bool_], ...]:
        box, limit, area = rows.xywh[part], limits[part], areas[part]
        leaving = ((limit[:, :2] < -1) | (limit[:, 2:] > geometry.sizes_of(part) + 1)).any(axis=1)
        leaving &= usable[part] & inside[part] & ~oriented[part]
        allowed = np.maximum(_PIXELS, _SHARE * box[:, 2:].max(axis=1, initial=0))
        corners = np.hstack([box[:, :2], box[:, :2] + box[:, 2:]])
        beside = usable[part] & ~leaving & ~partly[part] & (np.abs(corners - limit) > allowed[:, None]).any(axis=1)
        stated = rows.area[part]
        gap = np.abs(stated - area)
        # An area that is the box's own was not stated, or was never meant to be the outline's.
        wrong = (gap > _AREA_SHARE * area) & (gap > _AREA_PIXELS) & (stated != box[:, 2] * box[:, 3])
        wrong = np.where(np.isnan(area), _is_impossible(rows, part), wrong | (stated <= 0))
        return beside, usable[part] & ~beside & ~leaving & inside[part] & wrong, leaving

    beside, wrong, leaving = in_blocks(len(rows), look)
    return {"bounds": limits, "area": areas, "DK213": beside, "DK214": wrong, "DK215": broken, "DK216": leaving}


def _is_impossible(rows: Annotations, part: slice) -> NDArray[np.bool_]:
    """Whether the stated area can be that of nothing inside the box."""
    stated, own = rows.area[part], rows.xywh[part, 2] * rows.xywh[part, 3]
    return np.asarray((stated <= 0) | (stated > 1.02 * own + 1))


def _measured(shapes: Shapes, context: Context) -> tuple[Any, Any, NDArray[np.bool_]]:
    """Bounds and areas of outlines and masks, and which of them are none."""

    def measure(part: slice) -> tuple[NDArray[Any], ...]:
        some = rows_of(shapes, part)
        drawn, area = some.rings.lengths() > 0, polygon_areas(some)
        broken = drawn & ((fewest_points(some) < 3) | (area <= 1e-9))
        return bounds(some), np.where(drawn, area, np.nan), broken

    limits, areas, broken = in_blocks(len(shapes), measure)
    masked = sorted(shapes.rle)
    if masked:
        sizes = context.dataset.images.sizes[context.dataset.annotations.image_index[masked]]
        stated = np.array([shapes.rle[row]["size"] for row in masked], np.float64)[:, ::-1]
        broken[masked] = ~np.isnan(sizes).any(axis=1) & (stated != sizes).any(axis=1)
        rles = [masks.to_rle(shapes.rle[row], 0, 0) for row in masked]
        found = masks.boxes(rles)
        limits[masked] = np.hstack([found[:, :2], found[:, :2] + found[:, 2:]])
        areas[masked] = masks.areas(rles)
        broken[masked] |= areas[masked] == 0
    return limits, areas, broken


def _without(shapes: Shapes, which: NDArray[np.bool_]) -> Shapes:
    kept = np.flatnonzero(~which)
    rings, points = shapes.rings, shapes.points
    lengths = np.where(which, 0, rings.lengths()), np.where(which, 0, points.lengths())
    parts = [
        type(part)(np.concatenate([[0], np.cumsum(length)]), part.take(kept).values)
        for part, length in zip((rings, points), lengths, strict=True)
    ]
    rle = {row: value for row, value in shapes.rle.items() if not which[row]}
    return Shapes(np.where(which, Shapes.NONE, shapes.kind).astype(np.uint8), parts[0], parts[1], rle)


def _differs(box: Any, limits: Any) -> str:
    return f"box {box_text(box)} is not the bounding box of its outline, {_corners(limits)}"


def _corners(limits: Any) -> str:
    return box_text(np.concatenate([limits[:2], limits[2:] - limits[:2]]))


def _area_text(dataset: Dataset, areas: Any, row: int) -> str:
    stated, box = dataset.annotations.area[row], dataset.annotations.xywh[row]
    if np.isnan(areas[row]):
        return f"area {stated:g} cannot be that of box {box_text(box)}, at most {box[2] * box[3]:g}"
    return f"area {stated:g} is not that of the outline, {areas[row]:g}"


def _broken_text(dataset: Dataset, row: int) -> str:
    shapes = dataset.annotations.shapes
    if shapes is not None and row in shapes.rle:
        height, width = shapes.rle[row]["size"]
        size = dataset.images.sizes[dataset.annotations.image_index[row]]
        if [width, height] != size.tolist():
            return f"mask of {width} x {height} pixels in an image of {size[0]:g} x {size[1]:g}"
        return "mask without a pixel"
    fewest = 0 if shapes is None else int(fewest_points(shapes.take(np.array([row])))[0])
    return f"outline with a ring of {plural(fewest, 'point')}, expected 3" if fewest < 3 else "outline without area"


def _size(context: Context, row: int) -> str:
    return "{:g} x {:g}".format(*context.geometry.sizes_of(row))
