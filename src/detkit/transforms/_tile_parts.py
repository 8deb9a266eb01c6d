"""The part of each object that each tile shows: box, outline, keypoints, visible share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit import boxes, masks
from detkit.errors import InputError
from detkit.ragged import offsets_of
from detkit.tables import Dataset, Ragged, Shapes
from detkit.transforms._outlines import clip_quadrangle, clip_rings, crop_mask, ring_area

__all__ = ["Parts", "cut_parts"]

Int = NDArray[np.int64]
Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Parts:
    """One row for each object and tile that shows something of it, sorted by tile.

    Parameters
    ----------
    row : (N,) int64
        Of the annotations table.
    tile : (N,) int64
    xywh : (N, 4) float64
        Pixels of the tile.
    share : (N,) float64
        Visible share of what the image shows of the object.
    is_whole : (N,) bool
        The tile cuts nothing off the object.
    outlines : list of N
        As `Shapes.from_rows` takes them; empty where the table has no outlines.
    keypoints : Ragged, optional
    hidden : (N,) int64
        Labelled keypoints outside the tile.
    odd_masks : (M,) int64
        Rows whose mask has another size than the image.
    """

    row: Int
    tile: Int
    xywh: Float
    share: Float
    is_whole: NDArray[np.bool_]
    outlines: list[Any]
    keypoints: Ragged | None
    hidden: Int
    odd_masks: Int

    def take(self, index: Int) -> Parts:
        """The parts at these positions."""
        return Parts(
            self.row[index],
            self.tile[index],
            self.xywh[index],
            self.share[index],
            self.is_whole[index],
            [self.outlines[i] for i in index.tolist()] if self.outlines else [],
            None if self.keypoints is None else self.keypoints.take(index),
            self.hidden[index],
            self.odd_masks,
        )

    def hidden_rows(self, index: Int) -> Int:
        """The row of each keypoint hidden among these parts, once a keypoint."""
        return np.repeat(self.row[index], self.hidden[index])


def cut_parts(dataset: Dataset, source: Int, windows: Int) -> Parts:
    """What each tile shows of each object.

    Parameters
    ----------
    dataset : Dataset
        In pixels.
    source : (T,) int64
        Image of each tile, ascending.
    windows : (T, 4) int64
        Left, top, right, bottom of each tile.

    Returns
    -------
    Parts
    """
    open_windows = _open(windows, dataset.images.sizes[source])
    row, tile = _meetings(dataset, source, open_windows)
    window = open_windows[tile]
    xywh, share, is_whole = _boxes(dataset, row, window)
    outlines: list[Any] = []
    odd = np.empty(0, np.int64)
    if dataset.annotations.shapes is not None:
        cutter = _Outlines(dataset, windows, open_windows)
        outlines = [cutter.cut(int(r), int(t)) for r, t in zip(row, tile, strict=True)]
        odd = np.array(sorted(cutter.odd), dtype=np.int64)
        for n, found in enumerate(outlines):
            if found.share is not None:
                share[n] = found.share
                is_whole[n] &= found.is_whole
            if found.xyxy is not None and not found.is_whole:
                xywh[n] = _within(xywh[n], found.xyxy)
        outlines = [found.value for found in outlines]
    visible = np.flatnonzero(share > 0)
    low = windows[tile, :2].astype(np.float64)
    xywh[:, :2] -= low
    keypoints, hidden = _keypoints(dataset.annotations.keypoints, row, window, low)
    parts = Parts(row, tile, xywh, np.minimum(share, 1.0), is_whole, outlines, keypoints, hidden, odd)
    return parts.take(visible)


def _open(windows: Int, sizes: Float) -> Float:
    """Windows without the sides that are borders of the image: a tile cuts nothing off there."""
    out = windows.astype(np.float64)
    out[:, :2][windows[:, :2] <= 0] = -np.inf
    out[:, 2:][windows[:, 2:] >= np.floor(sizes)] = np.inf
    return out


def _meetings(dataset: Dataset, source: Int, windows: Float) -> tuple[Int, Int]:
    """Pairs of object and tile whose boxes touch, by tile and then in table order."""
    xyxy = boxes.convert(_reach(dataset), "xywh", "xyxy")
    starts = np.searchsorted(source, np.arange(len(dataset.images) + 1))
    offsets = offsets_of(dataset.annotations.image_index, len(dataset.images))
    rows, tiles = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for image in np.flatnonzero(np.diff(offsets)).tolist():
        mine, cut = xyxy[offsets[image] : offsets[image + 1]], windows[starts[image] : starts[image + 1]]
        # A box without area touches the tiles that hold its corner, those on their left and upper side.
        low = (mine[None, :, :2] < cut[:, None, 2:]).all(axis=2)
        high = ((mine[None, :, 2:] > cut[:, None, :2]) | (mine[None, :, :2] >= cut[:, None, :2])).all(axis=2)
        tile, row = np.nonzero(low & high)
        tiles.append(tile + starts[image])
        rows.append(row + offsets[image])
    return np.concatenate(rows), np.concatenate(tiles)


def _reach(dataset: Dataset) -> Float:
    """Boxes with negative sizes turned, so that every row has a place."""
    xywh = dataset.annotations.xywh
    return np.concatenate([xywh[:, :2] + np.minimum(xywh[:, 2:], 0), np.abs(xywh[:, 2:])], axis=1)


def _boxes(dataset: Dataset, row: Int, window: Float) -> tuple[Float, Float, NDArray[np.bool_]]:
    """Boxes as the tiles show them (image pixels), visible shares, and which are whole."""
    own = dataset.annotations.xywh[row]
    xyxy = boxes.convert(_reach(dataset)[row], "xywh", "xyxy")
    low, high = np.maximum(xyxy[:, :2], window[:, :2]), np.minimum(xyxy[:, 2:], window[:, 2:])
    is_whole = (low == xyxy[:, :2]).all(axis=1) & (high == xyxy[:, 2:]).all(axis=1)
    shown = np.where(is_whole[:, None], own, np.concatenate([low, high - low], axis=1))
    size = dataset.images.sizes[dataset.annotations.image_index[row]]
    part = _area_inside(low, high, size)
    whole = _area_inside(xyxy[:, :2], xyxy[:, 2:], size)
    corner = ((xyxy[:, :2] >= 0) & (xyxy[:, :2] <= size)).all(axis=1)
    share = np.where(whole > 0, part / np.where(whole > 0, whole, 1.0), (is_whole & corner).astype(np.float64))
    return shown, np.where(is_whole & (whole > 0), 1.0, share), is_whole


def _area_inside(low: Float, high: Float, size: Float) -> Float:
    """Area of what lies inside the image."""
    sides = np.maximum(np.minimum(high, size) - np.maximum(low, 0), 0)
    return np.asarray(sides[:, 0] * sides[:, 1], dtype=np.float64)


def _within(xywh: Float, xyxy: Float) -> Float:
    """The box cut to the bounds of the visible outline, which are in it but for loose labels."""
    low = np.maximum(xywh[:2], xyxy[:2])
    high = np.minimum(xywh[:2] + xywh[2:], xyxy[2:])
    return np.concatenate([low, high - low]) if (high > low).all() else np.concatenate([xyxy[:2], xyxy[2:] - xyxy[:2]])


@dataclass(frozen=True, eq=False)
class _Outline:
    """An outline in pixels of its tile; bounds in pixels of the image; share None where there is no outline."""

    value: Any
    share: float | None = None
    is_whole: bool = True
    xyxy: Float | None = None


class _Outlines:
    """Cuts outlines; a mask is decoded once for all tiles that follow one another."""

    def __init__(self, dataset: Dataset, windows: Int, open_windows: Float) -> None:
        rows = dataset.annotations
        assert rows.shapes is not None
        self._shapes = rows.shapes
        self._oriented = np.zeros(len(rows), np.bool_) if rows.is_oriented is None else rows.is_oriented
        self._sizes = dataset.images.sizes[rows.image_index]
        self._windows, self._open = windows, open_windows
        self._decoded: dict[int, NDArray[np.uint8] | None] = {}
        self.odd: set[int] = set()

    def cut(self, row: int, tile: int) -> _Outline:
        kind = self._shapes.kind[row]
        if kind == Shapes.NONE:
            return _Outline(None)
        return self._mask(row, tile) if kind == Shapes.RLE else self._polygons(row, tile)

    def _polygons(self, row: int, tile: int) -> _Outline:
        rings, window = self._shapes.polygons(row), self._open[tile]
        shift = self._windows[tile, :2].astype(np.float64)
        if not rings:
            return _Outline([])
        points = self._shapes.points[row]
        if (points >= window[:2]).all() and (points <= window[2:]).all():
            return _Outline([(ring - shift).ravel().tolist() for ring in rings], 1.0)
        total = sum(ring_area(ring) for ring in rings)
        pieces = clip_rings(rings, window)
        share = sum(ring_area(ring) for ring in pieces) / total if total > 0 else None
        if self._oriented[row] and len(rings) == 1 and len(rings[0]) == 4:
            around = clip_quadrangle(rings[0], window)
            pieces = [] if around is None else [around]
        if not pieces:
            return _Outline([], 0.0 if share is not None else None, is_whole=False)
        seen = np.concatenate(pieces)
        bounds = np.concatenate([seen.min(axis=0), seen.max(axis=0)])
        return _Outline([(ring - shift).ravel().tolist() for ring in pieces], share, is_whole=False, xyxy=bounds)

    def _mask(self, row: int, tile: int) -> _Outline:
        pixels = self._pixels(row)
        if pixels is None:
            return _Outline(None)
        left, top, right, bottom = self._windows[tile].tolist()
        total, seen = int(pixels.sum()), pixels[top:bottom, left:right]
        found = crop_mask(pixels, (left, top, right, bottom))
        count = int(seen.sum())
        if total == 0:
            return _Outline(found)
        if count == 0:
            return _Outline(found, 0.0, is_whole=False)
        columns, lines = np.flatnonzero(seen.any(axis=0)), np.flatnonzero(seen.any(axis=1))
        bounds = np.array([left + columns[0], top + lines[0], left + columns[-1] + 1, top + lines[-1] + 1], np.float64)
        return _Outline(found, count / total, is_whole=count == total, xyxy=bounds)

    def _pixels(self, row: int) -> NDArray[np.uint8] | None:
        """The mask of a row, None where it does not fit its image or cannot be decoded."""
        if row not in self._decoded:
            if len(self._decoded) >= 64:
                self._decoded.clear()
            self._decoded[row] = _decoded(self._shapes.rle[row], self._sizes[row])
        if self._decoded[row] is None:
            self.odd.add(row)
        return self._decoded[row]


def _decoded(rle: Mapping[str, Any], size: Sequence[float]) -> NDArray[np.uint8] | None:
    try:
        pixels = masks.decode(masks.to_rle(rle, int(size[1]), int(size[0])))
    except InputError:
        return None
    return pixels if pixels.shape == (int(size[1]), int(size[0])) else None


def _keypoints(keypoints: Ragged | None, row: Int, window: Float, shift: Float) -> tuple[Ragged | None, Int]:
    """Keypoints in pixels of the tiles, and how many labelled ones of each row lie outside."""
    if keypoints is None:
        return None, np.zeros(len(row), np.int64)
    taken = keypoints.take(row)
    owner = np.repeat(np.arange(len(row)), taken.lengths())
    values = np.array(taken.values, dtype=np.float64).reshape(-1, 3)
    point = values[:, :2]
    outside = ((point < window[owner, :2]) | (point >= window[owner, 2:])).any(axis=1)
    # What is not labelled stands at 0, 0: it stays there.
    unset = (values[:, 2] == 0) & (point == 0).all(axis=1)
    lost = outside & ~unset & (values[:, 2] != 0)
    values[:, :2] = np.where(unset[:, None], 0.0, point - shift[owner])
    values[outside & ~unset] = 0.0
    return Ragged(taken.offsets, values), np.bincount(owner[lost], minlength=len(row)).astype(np.int64)
