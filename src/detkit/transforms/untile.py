"""Predictions on tiles put back together: moved to their images, then joined where several tiles show one object."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.errors import UsageError
from detkit.evaluation.align import align
from detkit.findings import Finding, Loss
from detkit.kernels.cut import cut_losers
from detkit.kernels.fusion import fuse
from detkit.kernels.iou import pairwise_iou
from detkit.kernels.polygon import polygon_iou
from detkit.tables import Dataset, Detections, Images, Ragged, Shapes, freeze
from detkit.transforms._outlines import paste_mask
from detkit.transforms.tile import JoinSettings, TileIndex

__all__ = ["Joined", "join"]

Int = NDArray[np.int64]
#: A box ends at a border when it is nearer to it than this share of the tile's side, or than a pixel.
_NEAR = 0.005


@dataclass(frozen=True, eq=False)
class Joined:
    """Predictions on whole images.

    Parameters
    ----------
    detections : Detections
        Rows of an image by falling score.
    losses : tuple of Loss
    findings : tuple of Finding
    details : dict
        Boxes on tiles, cut boxes dropped, boxes joined.
    """

    detections: Detections
    losses: tuple[Loss, ...]
    findings: tuple[Finding, ...]
    details: dict[str, Any]


def join(detections: Detections, index: TileIndex, settings: JoinSettings | None = None) -> Joined:
    """Predictions on tiles as predictions on the images the tiles were cut from.

    Parameters
    ----------
    detections : Detections
        On tiles; they meet the index by id where both have ids, else by file name.
    index : TileIndex
    settings : JoinSettings, optional

    Returns
    -------
    Joined
        A box that a tile cuts loses to a whole box of another tile that shows the same object, whatever the scores.
        Of boxes of different tiles that overlap, the one with the highest score stays (or their mean, by fusion).
        Boxes of one tile are never joined with each other: the detector told them apart.

    Raises
    ------
    CannotJudgeError
        No prediction is on a tile of the index.
    InputError
        Coordinates are shares of tiles that are not in the index.
    """
    settings = settings or JoinSettings()
    if not len(detections):
        details = {"tiles": len(index.tiles), "source_boxes": 0, "cut_boxes_dropped": 0, "joined": 0}
        nothing = replace(detections, images=index.images, units="pixels")
        return Joined(nothing, (), detections.findings, details)
    aligned = align(_as_dataset(index.tiles, detections), detections, unmapped="count")
    on_tiles = aligned.detections
    moved, losses = _moved(on_tiles, index, settings)
    tile = on_tiles.image_index
    group = _groups(moved, settings.class_agnostic)
    dropped = _cut_off(moved, group, tile, index)
    alive = np.flatnonzero(~dropped)
    alive = alive[np.argsort(moved.image_index[alive], kind="stable")]
    pool, tile, group = moved.take(alive), tile[alive], group[alive]
    kept = (
        _fused(pool, group, settings) if settings.merge == "wbf" else pool.take(_survivors(pool, group, tile, settings))
    )
    kept = kept.take(np.lexsort((-kept.score, kept.image_index)))
    if settings.max_detections is not None:
        place = np.arange(len(kept)) - np.searchsorted(kept.image_index, kept.image_index)
        kept = kept.take(place < settings.max_detections)
    kept = replace(kept, source_row=freeze(np.arange(len(kept))), source=detections.source)
    details = {
        "tiles": len(index.tiles),
        "source_boxes": len(detections),
        "cut_boxes_dropped": int(np.count_nonzero(dropped)),
        "joined": len(pool) - len(kept),
    }
    return Joined(kept, tuple(losses), (*detections.findings, *aligned.findings), details)


def _as_dataset(tiles: Images, detections: Detections) -> Dataset:
    """Tiles without objects, so that predictions can be met with them."""
    nothing: Int = np.empty(0, np.int64)
    return Dataset.build(
        tiles,
        detections.categories,
        image_index=nothing,
        category_index=nothing,
        xywh=np.empty((0, 4)),
        units=detections.units,
    )


def _moved(on_tiles: Detections, index: TileIndex, settings: JoinSettings) -> tuple[Detections, list[Loss]]:
    """Rows in pixels of their images, still in order of the tiles."""
    tile = on_tiles.image_index
    low = index.windows[tile, :2].astype(np.float64)
    if on_tiles.units == "normalised":
        sizes = (index.windows[:, 2:] - index.windows[:, :2]).astype(np.float64)[tile]
        xywh = on_tiles.xywh * np.hstack([sizes, sizes])
        scale = sizes
    else:
        xywh, scale = np.array(on_tiles.xywh), np.ones_like(low)
    area = np.where(on_tiles.area == on_tiles.xywh[:, 2] * on_tiles.xywh[:, 3], xywh[:, 2] * xywh[:, 3], on_tiles.area)
    xywh[:, :2] += low
    outlined = on_tiles.shapes is not None or on_tiles.keypoints is not None
    fused = settings.merge == "wbf"
    moved = replace(
        on_tiles,
        images=index.images,
        image_index=freeze(index.source[tile]),
        xywh=freeze(xywh),
        area=freeze(area),
        units="pixels",
        shapes=None if fused or on_tiles.shapes is None else _moved_shapes(on_tiles.shapes, tile, index, low, scale),
        keypoints=None if fused or on_tiles.keypoints is None else _moved_points(on_tiles.keypoints, low, scale),
    )
    losses = [Loss("masks and keypoints", "dropped: fusion makes boxes", len(moved))] if fused and outlined else []
    return moved, losses


def _moved_shapes(shapes: Shapes, tile: Int, index: TileIndex, low: Any, scale: Any) -> Shapes:
    owner = np.repeat(np.arange(len(shapes)), shapes.points.lengths())
    points = shapes.points.values.reshape(-1, 2) * scale[owner] + low[owner]
    rle = {}
    for row, value in shapes.rle.items():
        width, height = np.round(index.images.sizes[index.source[tile[row]]]).astype(np.int64).tolist()
        left, top = index.windows[tile[row], :2].tolist()
        rle[row] = paste_mask(value, (left, top), (width, height))
    return Shapes(shapes.kind, shapes.rings, Ragged(shapes.points.offsets, points), rle)


def _moved_points(keypoints: Ragged, low: Any, scale: Any) -> Ragged:
    owner = np.repeat(np.arange(len(keypoints)), keypoints.lengths())
    values = np.array(keypoints.values, dtype=np.float64).reshape(-1, 3)
    unset = (values == 0).all(axis=1)
    values[:, :2] = np.where(unset[:, None], 0.0, values[:, :2] * scale[owner] + low[owner])
    return Ragged(keypoints.offsets, values)


def _groups(moved: Detections, class_agnostic: bool) -> Int:
    if class_agnostic:
        return moved.image_index
    return moved.image_index * max(1, len(moved.categories)) + moved.category_index


def _cut_off(moved: Detections, group: Int, tile: Int, index: TileIndex) -> NDArray[np.bool_]:
    """Which rows show a part of what another tile shows whole."""
    if not len(moved):
        return np.zeros(0, np.bool_)
    windows = index.windows.astype(np.float64)
    sizes = index.images.sizes[index.source]
    inner = np.concatenate([windows[:, :2] > 0, windows[:, 2:] < np.floor(sizes)], axis=1)
    near = np.maximum(1.0, _NEAR * np.tile(windows[:, 2:] - windows[:, :2], 2))
    xyxy = np.concatenate([moved.xywh[:, :2], moved.xywh[:, :2] + moved.xywh[:, 2:]], axis=1)
    is_cut = (inner[tile] & (np.abs(xyxy - windows[tile]) <= near[tile])).any(axis=1)
    return cut_losers(moved.xywh, moved.score, group, tile, is_cut, windows)


def _survivors(pool: Detections, group: Int, tile: Int, settings: JoinSettings) -> Int:
    """Rows that stay: greedy, by score, and a box is removed by a kept box of another tile only."""
    order = np.lexsort((-pool.score, group))
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    ends = np.append(starts[1:], len(order))
    keep = np.ones(len(pool), np.bool_)
    corners = _corners(pool.shapes)
    several = np.flatnonzero(_several(tile[order], starts)) if len(order) else np.empty(0, np.int64)
    for n in several.tolist():
        rows = order[starts[n] : ends[n]]
        overlap = pairwise_iou(pool.xywh[rows], pool.xywh[rows])
        if corners is not None:
            overlap = np.where(overlap > 0, polygon_iou(corners[rows], corners[rows]), 0.0)
        rivals = (overlap > settings.iou_threshold) & (tile[rows][:, None] != tile[rows][None])
        for i in np.flatnonzero(rivals.any(axis=1)).tolist():
            if keep[rows[i]]:
                behind = np.flatnonzero(rivals[i, i + 1 :]) + i + 1
                keep[rows[behind]] = False
    return np.flatnonzero(keep)


def _several(tile: Int, starts: Int) -> NDArray[np.bool_]:
    """Which groups have rows of more than one tile."""
    return np.asarray(np.minimum.reduceat(tile, starts) != np.maximum.reduceat(tile, starts), np.bool_)


def _corners(shapes: Shapes | None) -> NDArray[np.float64] | None:
    """(N, 4, 2) where every row is one ring of four points: oriented boxes are compared as such."""
    if shapes is None or not len(shapes) or not ((shapes.rings.lengths() == 1) & (shapes.points.lengths() == 4)).all():
        return None
    return np.asarray(shapes.points.values, dtype=np.float64).reshape(-1, 4, 2)


def _fused(pool: Detections, group: Int, settings: JoinSettings) -> Detections:
    """Means by score; a box is not lowered because only some tiles show its object."""
    one_model = np.zeros(len(pool), np.int64)
    try:
        found = fuse(pool.xywh, pool.score, group, one_model, np.ones(1), iou_threshold=settings.iou_threshold)
    except ValueError as error:
        raise UsageError(f"wbf: {error}") from error
    first = pool.take(found.first)
    return replace(
        first,
        xywh=freeze(found.xywh),
        score=freeze(found.score),
        area=freeze(found.xywh[:, 2] * found.xywh[:, 3]),
    )
