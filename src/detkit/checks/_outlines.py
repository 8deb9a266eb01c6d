"""Polygons of many rows at once: bounds, areas, counts of points, and clamping."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detkit.tables import Ragged, Shapes

__all__ = ["bounds", "clamped", "fewest_points", "polygon_areas", "rows_of", "turned_into_pixels"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]

#: Shares may exceed 1 by this much.
_ROUNDING = 1e-9


def rows_of(shapes: Shapes, part: slice) -> Shapes:
    """The polygons of some rows that follow each other, nothing copied; masks are left away.

    Parameters
    ----------
    shapes : Shapes
    part : slice
    """
    return Shapes(shapes.kind[part], _part(shapes.rings, part), _part(shapes.points, part))


def bounds(shapes: Shapes) -> Array:
    """(N, 4) left, top, right, bottom of each row's points; NaN where there are none."""
    count = shapes.points.lengths()
    out = np.full((len(shapes), 4), np.nan)
    held = np.flatnonzero(count > 0)
    if len(held):
        starts = shapes.points.offsets[:-1][held]
        out[held, :2] = np.minimum.reduceat(shapes.points.values, starts)
        out[held, 2:] = np.maximum.reduceat(shapes.points.values, starts)
    return out


def polygon_areas(shapes: Shapes) -> Array:
    """(N,) summed area of each row's rings; holes are rings like others, as COCO has it."""
    points, lengths = shapes.points.values, shapes.rings.values
    out = np.zeros(len(shapes))
    kept = np.flatnonzero(lengths > 0)
    if not len(kept):
        return out
    ends = np.cumsum(lengths)
    starts = (ends - lengths)[kept]
    following = np.arange(1, len(points) + 1)
    following[ends[kept] - 1] = starts
    # Around the first point of each ring: large coordinates would cost digits.
    origin = np.repeat(points[starts], lengths[kept], axis=0)
    here, there = points - origin, points[following] - origin
    cross = here[:, 0] * there[:, 1] - there[:, 0] * here[:, 1]
    ring = np.abs(np.add.reduceat(cross, starts)) / 2
    owner = np.repeat(np.arange(len(shapes)), shapes.rings.lengths())[kept]
    return np.bincount(owner, ring, minlength=len(shapes)).astype(np.float64)


def fewest_points(shapes: Shapes) -> Index:
    """(N,) points of each row's smallest ring; a large number where there is no ring."""
    out = np.full(len(shapes), np.iinfo(np.int64).max)
    owner = np.repeat(np.arange(len(shapes)), shapes.rings.lengths())
    np.minimum.at(out, owner, shapes.rings.values)
    return out


def _part(ragged: Ragged, part: slice) -> Ragged:
    offsets = ragged.offsets[part.start : part.stop + 1]
    return Ragged(offsets - offsets[0], ragged.values[offsets[0] : offsets[-1]])


def clamped(shapes: Shapes | None, rows: NDArray[np.bool_], sizes: Array) -> Shapes | None:
    """The shapes with all points of these rows moved into their image.

    Parameters
    ----------
    shapes : Shapes, optional
    rows : (N,) bool
    sizes : (N, 2) float64
    """
    if shapes is None or not rows.any():
        return shapes
    lengths = shapes.points.lengths()
    limit = np.repeat(np.where(rows[:, None] & ~np.isnan(sizes), sizes, np.inf), lengths, axis=0)
    low = np.repeat(np.where(rows[:, None], 0.0, -np.inf), lengths, axis=0)
    points = np.clip(shapes.points.values, low, limit)
    return Shapes(shapes.kind, shapes.rings, Ragged(shapes.points.offsets, points), shapes.rle)


def turned_into_pixels(shapes: Shapes | None, rows: NDArray[np.bool_], sizes: Array) -> Shapes | None:
    """The shapes with the outlines of these rows multiplied by the size of their image, where they are shares of it.

    Parameters
    ----------
    shapes : Shapes, optional
    rows : (N,) bool
    sizes : (N, 2) float64
    """
    if shapes is None or not rows.any():
        return shapes
    are_shares = rows & (np.nan_to_num(bounds(shapes)[:, 2:], nan=np.inf) <= 1 + _ROUNDING).all(axis=1)
    factor = np.repeat(np.where(are_shares[:, None], sizes, 1.0), shapes.points.lengths(), axis=0)
    return Shapes(shapes.kind, shapes.rings, Ragged(shapes.points.offsets, shapes.points.values * factor), shapes.rle)
