"""Detections to Parquet, row group by row group: memory holds one row group, however many rows there are."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.formats._parquet_files import pyarrow
from detkit.formats._parquet_header import KEY, Header, keys_of, write_header
from detkit.ragged import EMPTY, Ragged, Shapes
from detkit.tables import Detections

__all__ = ["ROWS", "Extras", "cut", "extras_of", "write_file", "write_shards"]

#: Rows a row group, and a shard unless another number is asked for.
ROWS = 200_000
#: Numbers that hardly repeat: a dictionary would only be built and thrown away.
_PLAIN = frozenset(("x", "y", "width", "height", "score", "area", "source_row"))


@dataclass(frozen=True)
class Extras:
    """Which columns beyond images, classes, boxes and scores are written."""

    area: bool = False
    source_row: bool = False
    polygons: bool = False
    rle: bool = False
    run_lengths: bool = False
    keypoints: bool = False
    extra: bool = False


def extras_of(detections: Detections) -> Extras:
    """The columns that a table needs: an area that is width times height and rows in source order need none."""
    shapes, xywh = detections.shapes, detections.xywh
    kinds = np.zeros(0, np.uint8) if shapes is None else shapes.kind
    rle = EMPTY if shapes is None else shapes.rle
    return Extras(
        # Bytes are compared: -0 is 0 for a number.
        area=detections.area.tobytes() != (xywh[:, 2] * xywh[:, 3]).tobytes(),
        source_row=not np.array_equal(detections.source_row, np.arange(len(detections))),
        # Of shapes that state nothing one column is kept, all null: they are not the same as no shapes.
        polygons=(shapes is not None and not rle) or bool((kinds == Shapes.POLYGONS).any()),
        rle=bool(rle),
        run_lengths=any(not isinstance(mask["counts"], str | bytes) for mask in rle.values()),
        keypoints=detections.keypoints is not None,
        extra=bool(detections.extra),
    )


def cut(offsets: NDArray[np.int64], rows: int) -> list[tuple[int, int]]:
    """First and last (exclusive) image of each shard: whole images, at most so many rows unless one image has more.

    Parameters
    ----------
    offsets : (I + 1,) int64
        Rows of image i are `offsets[i]:offsets[i + 1]`.
    rows : int

    Returns
    -------
    list of (int, int)
        At least one.
    """
    images = len(offsets) - 1
    shards = []
    first = 0
    while first < images:
        last = int(np.searchsorted(offsets, offsets[first] + rows, side="right")) - 1
        last = max(first + 1, last)
        shards.append((first, last))
        first = last
    return shards or [(0, 0)]


def write_file(target: Path, header: Header, extras: Extras, batches: Iterable[Detections]) -> None:
    """One file with all rows.

    Parameters
    ----------
    target : Path
    header : Header
    extras : Extras
    batches : iterable of Detections
        Rows in order; image and class positions are those of the header's tables.
    """
    _Writer(header, extras, batches).write(target, header, None)


def write_shards(
    folder: Path, header: Header, extras: Extras, batches: Iterable[Detections], offsets: NDArray[np.int64], rows: int
) -> int:
    """A folder of `part-00000.parquet`, ...: each a whole file with the images of its rows.

    Parameters
    ----------
    folder : Path
    header, extras, batches
        See `write_file`.
    offsets : (I + 1,) int64
        Rows of each image.
    rows : int
        Most rows a shard.

    Returns
    -------
    int
        How many.
    """
    shards = cut(offsets, rows)
    writer = _Writer(header, extras, batches)
    for number, (first, last) in enumerate(shards):
        members = np.arange(first, last)
        own = replace(header, images=header.images.take(members), shard=(number + 1, len(shards)))
        writer.write(folder / f"part-{number:05d}.parquet", own, int(offsets[last] - offsets[first]))
    return len(shards)


class _Writer:
    """Cuts a stream of batches into row groups; where a batch ends leaves no trace in the files."""

    def __init__(self, header: Header, extras: Extras, batches: Iterable[Detections]) -> None:
        self.pa, _, self.pq = pyarrow()
        self.columns = _columns(self.pa, header, extras)
        self.schema = self.pa.schema([self.pa.field(c.name, c.type, nullable=c.nullable) for c in self.columns])
        self.tables = self._tables(batches)
        self.waiting: list[Any] = []

    def write(self, path: Path, header: Header, rows: int | None) -> None:
        """One file with the next so many rows, or with all that are left."""
        plain = [c.name for c in self.columns if c.name not in _PLAIN and not self.pa.types.is_nested(c.type)]
        codec = "zstd" if self.pa.Codec.is_available("zstd") else "snappy"
        # Opened here: pyarrow takes no name but UTF-8, and has its own words for a full disk.
        with (
            path.open("wb") as out,
            self.pq.ParquetWriter(
                out, self.schema, compression=codec, use_dictionary=plain, store_schema=False
            ) as writer,
        ):
            writer.add_key_value_metadata({KEY: write_header(header)})
            left = rows
            while left is None or left > 0:
                table = self._next(ROWS if left is None else min(ROWS, left))
                if not table.num_rows:
                    break
                writer.write_table(table, row_group_size=ROWS)
                left = None if left is None else left - table.num_rows

    def _next(self, rows: int) -> Any:
        """The next so many rows as one table, fewer at the end of the stream."""
        have = sum(t.num_rows for t in self.waiting)
        while have < rows:
            table = next(self.tables, None)
            if table is None:
                break
            self.waiting.append(table)
            have += table.num_rows
        if not self.waiting:
            return self.schema.empty_table()
        whole = self.pa.concat_tables(self.waiting)
        self.waiting = [whole.slice(rows)] if whole.num_rows > rows else []
        return whole.slice(0, rows).combine_chunks()

    def _tables(self, batches: Iterable[Detections]) -> Iterator[Any]:
        for batch in batches:
            for start in range(0, len(batch), ROWS):
                part = _Slice(batch, start, min(start + ROWS, len(batch)))
                yield self.pa.table([c.values(part) for c in self.columns], schema=self.schema)


@dataclass(frozen=True)
class _Slice:
    """Rows of a table, without a copy."""

    table: Detections
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def of(self, column: NDArray[Any]) -> NDArray[Any]:
        return column[self.start : self.stop]

    def ragged(self, rows: Ragged) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """Offsets from 0, and values."""
        offsets = rows.offsets[self.start : self.stop + 1]
        return offsets - offsets[0], rows.values[offsets[0] : offsets[-1]]


@dataclass(frozen=True)
class _Column:
    name: str
    type: Any
    values: Callable[[_Slice], Any]
    nullable: bool = False


def _columns(pa: Any, header: Header, extras: Extras) -> list[_Column]:
    images, categories = header.images, header.categories
    number, whole, text = pa.float64(), pa.int64(), pa.string()

    def taken(values: Sequence[Any], by: str, type: Any) -> Callable[[_Slice], Any]:
        known = pa.array(values, type)
        return lambda part: known.take(pa.array(part.of(getattr(part.table, by))))

    def plain(name: str) -> Callable[[_Slice], Any]:
        return lambda part: pa.array(part.of(getattr(part.table, name)))

    def side(i: int) -> Callable[[_Slice], Any]:
        return lambda part: pa.array(np.ascontiguousarray(part.of(part.table.xywh)[:, i]))

    id_type, class_type = (whole if ids.dtype != object else text for ids in (images.ids, categories.ids))
    columns = [
        _Column("image_id", id_type, taken(keys_of(images.ids), "image_index", id_type)),
        _Column("file_name", text, taken(_names(images.file_names), "image_index", text), True),
        _Column("category_id", class_type, taken(keys_of(categories.ids), "category_index", class_type)),
        _Column("category_name", text, taken(_names(categories.names), "category_index", text), True),
        *(_Column(name, number, side(i)) for i, name in enumerate(("x", "y", "width", "height"))),
        _Column("score", number, plain("score")),
    ]
    if extras.area:
        columns.append(_Column("area", number, plain("area")))
    if extras.source_row:
        columns.append(_Column("source_row", whole, plain("source_row")))
    if extras.rle:
        columns += _rle_columns(pa, extras)
    if extras.polygons:
        rings = pa.list_(pa.list_(number))
        columns.append(_Column("segmentation_polygons", rings, lambda part: _polygons(pa, part), True))
    if extras.keypoints:
        columns.append(_Column("keypoints", pa.list_(number), lambda part: _keypoints(pa, part)))
    if extras.extra:
        columns.append(_Column("extra", text, lambda part: _extra(pa, part), True))
    return columns


def _names(names: Sequence[str]) -> list[str | None]:
    """Names as text, None for none; the header holds those that are no Unicode text."""
    return [name.encode("utf-8", "replace").decode("utf-8") or None for name in names]


def _rle_columns(pa: Any, extras: Extras) -> list[_Column]:
    def masks(part: _Slice) -> list[Any]:
        shapes = part.table.shapes
        return [None] * len(part) if shapes is None else [shapes.rle.get(i) for i in range(part.start, part.stop)]

    def side(place: int) -> Callable[[_Slice], Any]:
        return lambda part: pa.array([m and m["size"][place] for m in masks(part)], pa.int64())

    def counts(part: _Slice) -> Any:
        found = [m and m["counts"] for m in masks(part)]
        texts = [c.decode("ascii") if isinstance(c, bytes) else c if isinstance(c, str) else None for c in found]
        return pa.array(texts, pa.string())

    def runs(part: _Slice) -> Any:
        found = [m and m["counts"] for m in masks(part)]
        return pa.array([None if isinstance(c, str | bytes) else c for c in found], pa.list_(pa.int64()))

    columns = [
        _Column("segmentation_height", pa.int64(), side(0), True),
        _Column("segmentation_width", pa.int64(), side(1), True),
        _Column("segmentation_counts", pa.string(), counts, True),
    ]
    if extras.run_lengths:
        columns.append(_Column("segmentation_run_lengths", pa.list_(pa.int64()), runs, True))
    return columns


def _polygons(pa: Any, part: _Slice) -> Any:
    shapes = part.table.shapes
    if shapes is None:
        return pa.nulls(len(part), pa.list_(pa.list_(pa.float64())))
    outer, lengths = part.ragged(shapes.rings)
    _, points = part.ragged(shapes.points)
    inner = np.concatenate([[0], np.cumsum(2 * lengths)])
    rings = pa.ListArray.from_arrays(_offsets(pa, inner), pa.array(np.ascontiguousarray(points).reshape(-1)))
    none = pa.array(part.of(shapes.kind) != Shapes.POLYGONS)
    return pa.ListArray.from_arrays(_offsets(pa, outer), rings, mask=none)


def _keypoints(pa: Any, part: _Slice) -> Any:
    points = part.table.keypoints
    if points is None:
        return pa.array([[]] * len(part), pa.list_(pa.float64()))
    offsets, values = part.ragged(points)
    flat = pa.array(np.ascontiguousarray(values).reshape(-1))
    return pa.ListArray.from_arrays(_offsets(pa, 3 * offsets), flat)


def _offsets(pa: Any, offsets: NDArray[np.int64]) -> Any:
    return pa.array(offsets.astype(np.int32))


def _extra(pa: Any, part: _Slice) -> Any:
    found = (part.table.extra.get(i) for i in range(part.start, part.stop))
    return pa.array([None if fields is None else json.dumps(dict(fields)) for fields in found], pa.string())
