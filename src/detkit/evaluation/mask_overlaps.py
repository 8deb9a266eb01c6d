"""Overlap of masks: run lengths as they are stored, polygons drawn, all cells of a class at once."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit import masks
from detkit.errors import InputError
from detkit.kernels.rings import FARTHEST, draw_rings
from detkit.kernels.rle import Measured, Strings, overlaps
from detkit.ragged import RleColumns
from detkit.tables import Images, Shapes

__all__ = ["MaskOverlap", "MaskTable"]

Index = NDArray[np.int64]

#: Masks that the reference makes are not all in memory at once.
_AT_ONCE = 1 << 16
#: The reference counts pixels in 32 bits.
_MOST_PIXELS = 1 << 32


class MaskTable:
    """The masks of one side.

    Parameters
    ----------
    shapes : Shapes
    images : Images
        Of the truth; their sizes are those of drawn polygons.
    image_index : (N,) int64
        The image of each row.
    boxes : (N, 4) float64, optional
        Drawn where a row has no mask.

    Raises
    ------
    InputError
        A row has no usable mask, or its image no size.
    """

    def __init__(
        self, shapes: Shapes, images: Images, image_index: Index, boxes: NDArray[np.float64] | None = None
    ) -> None:
        self._shapes, self._images, self._image_index, self._boxes = shapes, images, image_index, boxes
        self._all = self._strings()

    def strings(self, rows: Index) -> Strings:
        """Compressed masks of these rows."""
        return self._all.take(rows)

    def _strings(self) -> Strings:
        """Compressed masks of all rows: as they were read, drawn from polygons, or made by the reference."""
        rle, rows = self._shapes.rle, np.arange(len(self._image_index))
        at = rle.places(rows) if isinstance(rle, RleColumns) else np.full(len(rows), -1)
        coded = at >= 0
        parts = []
        if isinstance(rle, RleColumns) and coded.any():
            parts.append((np.flatnonzero(coded), _as_read(rle, at[coded])))
            if coded.all():
                return parts[0][1]
        sizes = self._sizes()
        drawn = self._can_be_drawn(sizes) & ~coded
        if drawn.any():
            some = np.flatnonzero(drawn)
            points, rings = self._shapes.points, self._shapes.rings
            columns = (points.values, points.offsets[:-1], rings.values, rings.offsets)
            parts.append((some, draw_rings(*columns, some, sizes[some].astype(np.int64), jobs=os.cpu_count() or 1)))
        rest = np.flatnonzero(~drawn & ~coded)
        for some in np.array_split(rest, -(-len(rest) // _AT_ONCE)) if len(rest) else ():
            values = [self._value(row) for row in some.tolist()]
            parts.append((some, _joined([_text(mask) for mask in masks.to_rles(values, sizes[some, ::-1])])))
        return _together(parts, len(rows))

    def _sizes(self) -> NDArray[np.float64]:
        """(N, 2) height and width of the image of each row, NaN where a mask of run lengths needs none."""
        sizes = self._images.sizes[self._image_index][:, ::-1]
        unknown = np.flatnonzero((self._shapes.kind != Shapes.RLE) & np.isnan(sizes).any(axis=1))
        if len(unknown):
            image = self._images.ids[self._image_index[unknown[0]]]
            raise InputError(
                f"image `{image}` has no size, which masks from polygons need",
                hint="--images DIR or --image-sizes",
            )
        return sizes

    def _can_be_drawn(self, sizes: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which rows are polygons that the reference takes, within the bounds of the drawing."""
        shapes = self._shapes
        out = (shapes.kind == Shapes.POLYGONS) & (shapes.rings.lengths() > 0)
        firsts = np.minimum(shapes.rings.offsets[:-1], max(len(shapes.rings.values) - 1, 0))
        if out.any():
            out &= shapes.rings.values[firsts] >= 3
            out &= (sizes >= 1).all(axis=1) & (sizes.prod(axis=1) < _MOST_PIXELS)
            near = (np.abs(shapes.points.values) <= FARTHEST).all(axis=1)
            out[np.repeat(np.arange(len(out)), shapes.points.lengths())[~near]] = False
            out[np.repeat(np.arange(len(out)), shapes.rings.lengths())[shapes.rings.values < 1]] = False
        return np.asarray(out, dtype=np.bool_)

    def _value(self, row: int) -> Any:
        if self._shapes.kind[row] == Shapes.RLE:
            return self._shapes.rle[row]
        rings = [ring.ravel().tolist() for ring in self._shapes.polygons(row)]
        return [_outline(self._boxes[row])] if not rings and self._boxes is not None else rings


class MaskOverlap:
    """Intersection over union of masks, bit-equal to the reference; over the detection's area for a crowd.

    Parameters
    ----------
    detections, truths : MaskTable
    is_crowd : (G,) bool
    """

    def __init__(self, detections: MaskTable, truths: MaskTable, is_crowd: NDArray[np.bool_]) -> None:
        self._detections, self._truths, self._is_crowd = detections, truths, is_crowd

    def __call__(self, dt: Index, gt: Index) -> NDArray[np.float64]:
        """(D, G) overlap of these rows of one image."""
        return self.flat(dt, gt, np.array([0, len(dt)]), np.array([0, len(gt)])).reshape(len(dt), len(gt))

    def flat(self, dt: Index, gt: Index, dt_cells: Index, gt_cells: Index) -> NDArray[np.float64]:
        """The matrices of many cells one after the other; cell c holds `dt[dt_cells[c]:dt_cells[c + 1]]` and so on."""
        found, truths = self._detections.strings(dt), self._truths.strings(gt)
        return overlaps(found, truths, self._is_crowd[gt], dt_cells, gt_cells)


def _as_read(rle: RleColumns, at: Index) -> Strings:
    """Masks as they were read, with what was measured then."""
    found = None
    if rle.area is not None and rle.xywh is not None:
        found = Measured(np.ones(len(at), np.bool_), rle.area[at], rle.xywh[at])
    return Strings(rle.sizes[at], rle.starts[at], rle.lengths[at], rle.counts, found)


def _together(parts: list[tuple[Index, Strings]], count: int) -> Strings:
    """Masks of all rows from those of some rows each."""
    sizes, starts, lengths = np.empty((count, 2), np.int64), np.empty(count, np.int64), np.empty(count, np.int64)
    shift = 0
    for rows, some in parts:
        sizes[rows], starts[rows], lengths[rows] = some.sizes, some.starts + shift, some.lengths
        shift += len(some.counts)
    counts = np.concatenate([some.counts for _, some in parts]) if parts else np.empty(0, np.uint8)
    return Strings(sizes, starts, lengths, counts)


def _text(mask: dict[str, Any]) -> tuple[bytes, tuple[int, int]]:
    """Run lengths and size of a mask."""
    text = mask["counts"]
    return (text.encode("latin-1", "replace") if isinstance(text, str) else bytes(text)), tuple(mask["size"])


def _joined(texts: list[tuple[bytes, tuple[int, int]]]) -> Strings:
    lengths = np.fromiter((len(text) for text, _ in texts), np.int64, len(texts))
    sizes = np.array([size for _, size in texts], dtype=np.int64).reshape(-1, 2)
    counts = np.frombuffer(b"".join(text for text, _ in texts), np.uint8)
    return Strings(sizes, np.cumsum(lengths) - lengths, lengths, counts)


def _outline(box: NDArray[np.float64]) -> list[float]:
    """Corners in the order the reference gives a box without a mask."""
    x1, y1, x2, y2 = box[0], box[1], box[0] + box[2], box[1] + box[3]
    return [x1, y1, x1, y2, x2, y2, x2, y1]
