"""The objects of one image while it is warped: box, outline, mask and keypoints, moved and cut together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit import masks
from detkit.errors import InputError
from detkit.tables import Annotations, Shapes
from detkit.transforms._outlines import clip_quadrangle, clip_rings, crop_mask, ring_area

__all__ = ["Item", "area_of", "box_of_mask", "clipped", "items_of", "outline_of", "scaled", "swapped"]

Float = NDArray[np.float64]
Window = tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class Item:
    """One object.

    Parameters
    ----------
    row : int
        In the annotations it comes from.
    xyxy : (4,) float64
    rings : tuple of (P, 2) float64
        Outline, empty without one.
    mask : (H, W) uint8, optional
        Of the image's size.
    points : (K, 3) float64, optional
        Keypoints: x, y, visibility.
    is_oriented : bool
    visible : float
        Share of the source's object that is left.
    """

    row: int
    xyxy: Float
    rings: tuple[Float, ...] = ()
    mask: NDArray[np.uint8] | None = None
    points: Float | None = None
    is_oriented: bool = False
    visible: float = 1.0


def items_of(rows: Annotations, first: int, last: int, size: tuple[int, int], *, as_masks: bool = False) -> list[Item]:
    """The objects of one image.

    Parameters
    ----------
    rows : Annotations
    first, last : int
        Its slice.
    size : (width, height)
    as_masks : bool
        Draw polygons as masks: for warps that bend lines.

    Returns
    -------
    list of Item
        A mask of another size than the image's is left out, and the object is its box.
    """
    found = []
    for row in range(first, last):
        x, y, w, h = rows.xywh[row].tolist()
        item = Item(row, np.array([x, y, x + w, y + h]))
        if rows.keypoints is not None and len(rows.keypoints[row]):
            item = replace(item, points=rows.keypoints[row].copy())
        if rows.is_oriented is not None and rows.is_oriented[row]:
            item = replace(item, is_oriented=True)
        if rows.shapes is not None:
            item = _with_shape(item, rows.shapes, size, as_masks)
        found.append(item)
    return found


def _with_shape(item: Item, shapes: Shapes, size: tuple[int, int], as_masks: bool) -> Item:
    value: Any = shapes.rle.get(item.row)
    if value is None:
        rings = tuple(np.array(ring) for ring in shapes.polygons(item.row) if len(ring) >= 3)
        if not (rings and as_masks and not item.is_oriented):
            return replace(item, rings=rings)
        value = [ring.ravel().tolist() for ring in rings]
    try:
        mask = masks.decode(masks.to_rle(value, size[1], size[0]))
    except InputError:
        return item
    return replace(item, mask=mask) if mask.shape == (size[1], size[0]) else item


def box_of_mask(mask: NDArray[np.uint8]) -> Float | None:
    """x1, y1, x2, y2 around the pixels that are set; None where none is."""
    down, across = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(down):
        return None
    return np.array([across[0], down[0], across[-1] + 1, down[-1] + 1], dtype=np.float64)


def scaled(items: Sequence[Item], ratio: float, offset: tuple[float, float], size: tuple[int, int]) -> list[Item]:
    """Objects of an image that was made larger or smaller and put on a canvas.

    Parameters
    ----------
    items : sequence of Item
    ratio : float
    offset : (x, y)
        Where the image's corner comes to lie, whole pixels.
    size : (width, height)
        Of the canvas.

    Returns
    -------
    list of Item
    """
    shift = np.array(offset, dtype=np.float64)

    def move(values: Float) -> Float:
        return values * ratio + shift

    found = []
    for item in items:
        points = None
        if item.points is not None:
            points = np.column_stack([move(item.points[:, :2]), item.points[:, 2]])
        found.append(
            replace(
                item,
                xyxy=item.xyxy * ratio + np.tile(shift, 2),
                rings=tuple(move(ring) for ring in item.rings),
                points=points,
                mask=None if item.mask is None else _placed(item.mask, ratio, offset, size),
            )
        )
    return found


def _placed(
    mask: NDArray[np.uint8], ratio: float, offset: tuple[float, float], size: tuple[int, int]
) -> NDArray[np.uint8]:
    """Nearest neighbours at the centres of the canvas's pixels."""
    x, y = ((np.arange(size[n]) + 0.5 - offset[n]) / ratio for n in (0, 1))
    inside_x, inside_y = (x >= 0) & (x < mask.shape[1]), (y >= 0) & (y < mask.shape[0])
    out = np.zeros((size[1], size[0]), np.uint8)
    out[np.ix_(inside_y, inside_x)] = mask[np.ix_(y[inside_y].astype(np.int64), x[inside_x].astype(np.int64))]
    return out


def clipped(item: Item, window: Window) -> Item | None:
    """What a window shows of an object, None where it is nothing.

    Parameters
    ----------
    item : Item
    window : (left, top, right, bottom)
        Whole pixels.

    Returns
    -------
    Item or None
        The box is that of the visible outline; `visible` shrinks by area. Keypoints outside become 0, 0, 0.
    """
    left, top, right, bottom = window
    whole = area_of(item)
    rings = item.rings
    mask = item.mask
    if item.is_oriented and len(rings):
        corners = clip_quadrangle(rings[0], window)
        rings = () if corners is None else (corners,)
    else:
        rings = tuple(clip_rings(rings, window))
    if mask is not None:
        kept = np.zeros_like(mask)
        inner = np.s_[max(0, int(top)) : int(bottom), max(0, int(left)) : int(right)]
        kept[inner] = mask[inner]
        mask = kept
    cut = np.array([*np.maximum(item.xyxy[:2], (left, top)), *np.minimum(item.xyxy[2:], (right, bottom))])
    if mask is not None:
        found = box_of_mask(mask)
    elif item.rings:
        found = _box_of_rings(rings) if rings else None
        if found is not None and item.is_oriented:
            found = np.array([*np.maximum(found[:2], (left, top)), *np.minimum(found[2:], (right, bottom))])
    else:
        found = cut
    if found is None or (found[2:] <= found[:2]).any():
        return None
    out = replace(item, xyxy=found, rings=rings, mask=mask, points=_shown(item.points, window))
    share = area_of(out) / whole if whole > 0 else 1.0
    return replace(out, visible=item.visible * min(1.0, share))


def area_of(item: Item) -> float:
    """Pixels of the mask, else area of the outline, else of the box."""
    if item.mask is not None:
        return float(np.count_nonzero(item.mask))
    if item.rings:
        return sum(ring_area(ring) for ring in item.rings)
    return float(np.prod(np.maximum(0, item.xyxy[2:] - item.xyxy[:2])))


def _box_of_rings(rings: Sequence[Float]) -> Float:
    points = np.concatenate(rings)
    return np.concatenate([points.min(axis=0), points.max(axis=0)])


def _shown(points: Float | None, window: Window) -> Float | None:
    if points is None:
        return None
    left, top, right, bottom = window
    outside = (points[:, 0] < left) | (points[:, 0] > right) | (points[:, 1] < top) | (points[:, 1] > bottom)
    shown = points.copy()
    shown[outside] = 0
    return shown


def swapped(points: Float, partner: Sequence[int]) -> Float:
    """Keypoints of a mirrored object: left and right change names."""
    return points[list(partner)] if len(partner) == len(points) else points


def outline_of(item: Item) -> Any:
    """The outline as COCO writes it, None without one."""
    if item.mask is not None:
        height, width = item.mask.shape
        return crop_mask(item.mask, (0, 0, width, height))
    return [ring.ravel().tolist() for ring in item.rings] or None
