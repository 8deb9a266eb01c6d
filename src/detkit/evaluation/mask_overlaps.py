"""Overlap of masks: run lengths as they are stored, polygons drawn by the reference, all cells of a class at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit import masks
from detkit.errors import InputError
from detkit.kernels.rle import Strings, overlaps
from detkit.ragged import RleColumns
from detkit.tables import Images, Shapes

__all__ = ["MaskOverlap", "MaskTable"]

Index = NDArray[np.int64]

_AT_ONCE = 1 << 16


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
        every = self._all
        return Strings(every.sizes[rows], every.starts[rows], every.lengths[rows], every.counts)

    def _strings(self) -> Strings:
        """Compressed masks of all rows: as they were read, or else encoded here, all of one size in one call."""
        rle, rows = self._shapes.rle, np.arange(len(self._image_index))
        at = rle.places(rows) if isinstance(rle, RleColumns) else np.full(len(rows), -1)
        if isinstance(rle, RleColumns) and (at >= 0).all():
            return Strings(rle.sizes[at], rle.starts[at], rle.lengths[at], rle.counts)
        return _joined([mask for part in _parts(rows) for mask in map(_text, self._encoded(part))])

    def _encoded(self, rows: Index) -> list[dict[str, Any]]:
        """Masks of some rows as the reference makes them."""
        kind, image = self._shapes.kind[rows], self._image_index[rows]
        sizes = self._images.sizes[image]
        unknown = np.flatnonzero((kind != Shapes.RLE) & np.isnan(sizes).any(axis=1))
        if len(unknown):
            raise InputError(
                f"image `{self._images.ids[image[unknown[0]]]}` has no size, which masks from polygons need",
                hint="--images DIR or --image-sizes",
            )
        out: list[dict[str, Any]] = [{}] * len(rows)
        can_be_drawn = self._can_be_drawn(rows)
        drawn = np.flatnonzero(can_be_drawn)
        distinct, which, counts = np.unique(sizes[drawn], axis=0, return_inverse=True, return_counts=True)
        drawn = drawn[np.argsort(which.reshape(-1), kind="stable")]
        for (width, height), end, count in zip(distinct.tolist(), np.cumsum(counts), counts, strict=True):
            some = drawn[end - count : end]
            rings = self._rings(rows[some])
            for place, mask in zip(some.tolist(), masks.from_polygons(rings, int(height), int(width)), strict=True):
                out[place] = mask
        rest = np.flatnonzero(~can_be_drawn)
        values = [self._value(row) for row in rows[rest].tolist()]
        for place, mask in zip(rest.tolist(), masks.to_rles(values, sizes[rest]), strict=True):
            out[place] = mask
        return out

    def _rings(self, rows: Index) -> list[list[NDArray[np.float64]]]:
        """Flat x, y of each ring of these rows; `Shapes.polygons` without its detours."""
        points, rings = self._shapes.points, self._shapes.rings
        flat = points.values.reshape(-1)
        first, last = (2 * points.offsets[rows]).tolist(), (2 * points.offsets[rows + 1]).tolist()
        found = [[flat[a:b]] for a, b in zip(first, last, strict=True)]
        for place in np.flatnonzero(np.diff(rings.offsets)[rows] > 1).tolist():
            ends = 2 * np.cumsum(rings[int(rows[place])])
            found[place] = np.split(found[place][0], ends[:-1])
        return found

    def _can_be_drawn(self, rows: Index) -> NDArray[np.bool_]:
        """Which rows are polygons that the reference takes, so that none has to be looked at one by one."""
        shapes = self._shapes
        many = shapes.rings.lengths()[rows] > 0
        firsts = np.minimum(shapes.rings.offsets[:-1][rows], max(len(shapes.rings.values) - 1, 0))
        out = (shapes.kind[rows] == Shapes.POLYGONS) & many
        if out.any():
            out &= shapes.rings.values[firsts] >= 3
            points = shapes.points.take(rows[out])
            finite = np.isfinite(points.values).all(axis=1)
            owner = np.repeat(np.flatnonzero(out), points.lengths())
            out[owner[~finite]] = False
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


def _parts(rows: Index) -> list[Index]:
    """The rows, so many at a time that what the reference makes of them is not all in memory at once."""
    return np.array_split(rows, max(1, -(-len(rows) // _AT_ONCE)))


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
