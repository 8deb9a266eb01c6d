"""Outlines, keypoints and further fields of our own Parquet files, batch by batch."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.formats._parquet_files import pyarrow
from detkit.ragged import EMPTY, Ragged, Shapes

__all__ = ["Outlines"]


class Outlines:
    """What is gathered of the columns that not every file has.

    Parameters
    ----------
    with_shapes, with_extra : bool
        Whether anybody asks for outlines and keypoints, or further fields.
    """

    def __init__(self, *, with_shapes: bool, with_extra: bool) -> None:
        self.with_shapes = with_shapes
        self.with_extra = with_extra
        self.rows = 0
        self.has_shapes = self.has_points = False
        self.kinds: list[NDArray[np.uint8]] = []
        self.rings: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
        self.points: list[NDArray[np.float64]] = []
        self.rle: dict[int, Mapping[str, Any]] = {}
        self.keypoints: list[tuple[NDArray[np.int64], NDArray[np.float64]]] = []
        self.extra: dict[int, Mapping[str, Any]] = {}

    def wants(self, name: str) -> bool:
        """Whether a column is to be read."""
        return self.with_extra if name == "extra" else self.with_shapes and name not in ("area", "source_row")

    def begin(self, names: Sequence[str]) -> None:
        """Begin a file: columns that are there count, be there rows or not."""
        self.has_shapes |= bool({"segmentation_height", "segmentation_polygons"} & set(names))
        self.has_points |= "keypoints" in names

    def add(self, batch: Any, kept: NDArray[np.int64]) -> None:
        """Take these rows of a batch."""
        pa, _, _ = pyarrow()
        names = batch.schema.names
        some = batch if len(kept) == batch.num_rows else batch.take(pa.array(kept))
        if self.with_shapes:
            kind = np.zeros(len(kept), np.uint8)
            if "segmentation_height" in names:
                self._masks(some, kind)
            self._polygons(some, kind, "segmentation_polygons" in names)
            self._points(some, "keypoints" in names)
        if self.with_extra and "extra" in names:
            for i, text in enumerate(some.column("extra").to_pylist()):
                if text is not None:
                    self.extra[self.rows + i] = json.loads(text)
        self.rows += len(kept)

    def columns(self, rows: int) -> dict[str, Any]:
        """What was gathered, by the names that `Detections.build` knows."""
        found: dict[str, Any] = {"extra": self.extra or EMPTY}
        if self.has_shapes:
            counts, lengths = _joined(self.rings, np.int64)
            points = np.concatenate([*self.points, np.zeros((0, 2))])
            ends = np.concatenate([[0], np.cumsum(lengths)])
            rings = Ragged(np.concatenate([[0], np.cumsum(counts)]), lengths)
            kinds = np.concatenate([*self.kinds, np.zeros(0, np.uint8)])
            found["shapes"] = Shapes(kinds, rings, Ragged(ends[rings.offsets], points), self.rle or EMPTY)
        if self.has_points:
            lengths, values = _joined(self.keypoints, np.float64)
            offsets = np.concatenate([[0], np.cumsum(lengths // 3)])
            found["keypoints"] = Ragged(offsets, values.reshape(-1, 3))
        return found

    def _masks(self, batch: Any, kind: NDArray[np.uint8]) -> None:
        names = ("segmentation_height", "segmentation_width", "segmentation_counts", "segmentation_run_lengths")
        heights, widths, counts, runs = (
            batch.column(n).to_pylist() if n in batch.schema.names else [None] * batch.num_rows for n in names
        )
        for i, (height, width, text, lengths) in enumerate(zip(heights, widths, counts, runs, strict=True)):
            if height is not None:
                kind[i] = Shapes.RLE
                self.rle[self.rows + i] = {"size": [height, width], "counts": lengths if text is None else text}

    def _polygons(self, batch: Any, kind: NDArray[np.uint8], there: bool) -> None:
        none = np.zeros(batch.num_rows, np.int64)
        counts, lengths, flat = none, none[:0], np.zeros(0)
        if there:
            column = batch.column("segmentation_polygons")
            kind[~column.is_null().to_numpy(zero_copy_only=False)] = Shapes.POLYGONS
            counts, rings = _flattened(column)
            points, flat = _flattened(rings)
            lengths = points // 2
        self.kinds.append(kind)
        self.rings.append((counts, lengths))
        self.points.append(np.asarray(flat, np.float64).reshape(-1, 2))

    def _points(self, batch: Any, there: bool) -> None:
        lengths, flat = np.zeros(batch.num_rows, np.int64), np.zeros(0)
        if there:
            lengths, flat = _flattened(batch.column("keypoints"))
        self.keypoints.append((lengths, np.asarray(flat, np.float64)))


def _flattened(column: Any) -> tuple[NDArray[np.int64], Any]:
    """Lengths of a column's lists (0 for null), and their values one after the other."""
    pa, pc, _ = pyarrow()
    lengths = pc.list_value_length(column).fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    values = pc.list_flatten(column)
    return lengths, values if pa.types.is_nested(values.type) else values.to_numpy(zero_copy_only=False)


def _joined(parts: list[tuple[NDArray[np.int64], NDArray[Any]]], dtype: Any) -> tuple[NDArray[np.int64], NDArray[Any]]:
    lengths = np.concatenate([*(part[0] for part in parts), np.zeros(0, np.int64)])
    return lengths, np.concatenate([*(part[1] for part in parts), np.zeros(0, dtype)])
