"""Figures of Supervisely as boxes and outlines."""

from __future__ import annotations

import base64
import contextlib
import io
import math
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.formats._collect import Collector, Item
from detkit.formats._json_file import as_number, as_numbers, as_points
from detkit.formats._mask_windows import rle_of_window
from detkit.formats._numbers import difference
from detkit.formats._turned import bounds, corners_around_centre

__all__ = ["bitmap_text", "shaped"]

#: Figures that are no region: nothing is boxed by them.
_NO_REGION = frozenset(
    ("point", "point_location", "polyline", "line", "graph", "cuboid", "cuboid_2d", "any", "multichannel_bitmap")
)
#: Bytes that the picture of one mask may have.
_LARGEST_MASK = 64_000_000


def shaped(
    collected: Collector, kind: str, figure: Mapping[str, Any], size: tuple[float, float] | None, *, in_order: bool
) -> Item | str | None:
    """A figure's box and outline; a text says what is wrong with it, None that it is no region and was counted.

    Parameters
    ----------
    collected : Collector
        Counts what is passed over.
    kind : str
        `geometryType`.
    figure : mapping
    size : (width, height), optional
        Of the image; without it a bitmap is its box only.
    in_order : bool
        Whether the first corner of a rectangle is the top left one for sure.
    """
    if kind in _NO_REGION:
        collected.skipped[f"objects of type `{kind}`"] += 1
        return None
    if kind in ("rectangle", "oriented_bbox"):
        return _rectangle(kind, figure, collected.options.voc_offset, in_order)
    if kind in ("polygon", "multipolygon"):
        parts = figure.get("parts") if kind == "multipolygon" else [figure.get("points")]
        return _polygon(collected, kind, parts)
    if kind in ("bitmap", "alpha_mask", "mask"):
        return _bitmap(figure.get("bitmap") or figure.get("mask"), size)
    return f"`geometryType` is `{kind}`, expected rectangle, polygon or bitmap"


def _rectangle(kind: str, figure: Mapping[str, Any], offset: int, in_order: bool) -> Item | str:
    stated = figure.get("points")
    points = as_points(stated.get("exterior") if isinstance(stated, dict) else stated)
    if points is None or len(points) != 2:
        return f"`points` of a {kind} is not two finite corners x, y"
    low, last = (points[0], points[1]) if in_order else (points.min(axis=0), points.max(axis=0))
    high = difference(last, np.full(2, -float(offset)))
    width, height = difference(high, low).tolist()
    x, y = low.tolist()
    if kind == "rectangle":
        return Item("", (x, y, width, height))
    degrees = math.degrees(as_number(figure.get("angle")) or 0.0)
    ring = np.array(corners_around_centre(x, y, width, height, degrees), np.float64)
    return Item("", bounds(ring), [ring.ravel().tolist()], is_oriented=True)


def _polygon(collected: Collector, kind: str, parts: Any) -> Item | str:
    if not isinstance(parts, list) or not parts:
        return f"a {kind} without points"
    rings = []
    for part in parts:
        points = as_points(part.get("exterior")) if isinstance(part, dict) else None
        if points is None or len(points) < 3:
            return f"`exterior` of a {kind} is not a list of three or more finite x, y"
        rings.append(points)
        holes = part.get("interior")
        if isinstance(holes, list) and holes:
            collected.skipped["holes in polygons"] += len(holes)
    return Item("", bounds(np.concatenate(rings)), [ring.ravel().tolist() for ring in rings])


def _bitmap(stated: Any, size: tuple[float, float] | None) -> Item | str:
    origin = as_numbers(stated.get("origin"), 2) if isinstance(stated, dict) else None
    window = _decoded(stated.get("data")) if origin is not None else None
    if origin is None or window is None:
        return "`bitmap` has not an `origin` x, y and `data`, a picture in base64"
    rows, columns = np.flatnonzero(window.any(axis=1)), np.flatnonzero(window.any(axis=0))
    if not rows.size:
        return "`bitmap` is empty"
    left, top = (math.floor(v) for v in origin)
    x, y = left + int(columns[0]), top + int(rows[0])
    item = Item("", (float(x), float(y), float(np.ptp(columns) + 1), float(np.ptp(rows) + 1)))
    if size is not None:
        item.shape = rle_of_window(window, left, top, int(size[0]), int(size[1]))
    return item


def _decoded(text: Any) -> NDArray[np.bool_] | None:
    """Pixels of a PNG in base64, packed by zlib or not: what is opaque, or not black where all of it is."""
    from PIL import Image

    if not isinstance(text, str):
        return None
    try:
        data = base64.b64decode(text)
        # Some exports leave the picture as it is.
        with contextlib.suppress(zlib.error):
            data = zlib.decompressobj().decompress(data, _LARGEST_MASK)
        with Image.open(io.BytesIO(data)) as image:
            if "A" in image.getbands() or "transparency" in image.info:
                return np.asarray(image.convert("RGBA"))[..., 3] > 0
            return np.asarray(image.convert("L")) > 0
    except MemoryError:
        raise
    except Exception:  # a damaged picture makes Pillow's plugins raise nearly anything
        return None


def bitmap_text(window: NDArray[np.bool_]) -> str:
    """The `data` of a bitmap: a grey PNG, packed by zlib, in base64."""
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(window.astype(np.uint8) * 255).save(out, format="PNG")
    return base64.b64encode(zlib.compress(out.getvalue())).decode("ascii")
