"""Arrays that the tables are made of: frozen columns, ids, and rows of different length without an object per row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["EMPTY", "Ragged", "RleColumns", "Shapes", "freeze", "fresh_ids", "id_array", "is_rising", "offsets_of",
           "python_value"]  # fmt: skip

EMPTY: Mapping[Any, Any] = MappingProxyType({})


def freeze(array: ArrayLike, dtype: Any = None) -> NDArray[Any]:
    """A contiguous, read-only array; copied only where it must be.

    Parameters
    ----------
    array : array_like
    dtype : optional
        By default the array's own.

    Returns
    -------
    array
    """
    out = np.ascontiguousarray(array, dtype=dtype)
    if out.flags.writeable:
        out = out.view()
        out.flags.writeable = False
    return out


def id_array(ids: Iterable[Any]) -> NDArray[Any]:
    """Ids as int64 where all are integers that fit, else as objects (strings stay strings)."""
    ids = list(ids)
    if all(type(i) is int and -(2**63) <= i < 2**63 for i in ids):
        return freeze(ids, np.int64)
    out = np.empty(len(ids), dtype=object)
    out[:] = ids
    return freeze(out)


def is_rising(values: NDArray[Any]) -> bool:
    """Whether no value is smaller than the one before it."""
    return bool((values[1:] >= values[:-1]).all())


def python_value(value: Any) -> Any:
    """A NumPy scalar, such as an id of a table, as Python's own; anything else as it is."""
    return value.item() if isinstance(value, np.generic) else value


def fresh_ids(wanted: Iterable[Any], taken: Iterable[Any]) -> list[Any]:
    """The wanted ids, each that is taken replaced by a number above every whole number among all of them.

    Parameters
    ----------
    wanted : iterable of (int, str or None)
        None asks for any number.
    taken : iterable of (int or str)

    Returns
    -------
    list of (int or str)
        None of them taken, and none twice.
    """
    wanted, used = list(wanted), set(taken)
    numbers = count(max((i for i in (*used, *wanted) if isinstance(i, int)), default=0) + 1)
    found = []
    for value in wanted:
        found.append(next(numbers) if value is None or value in used else value)
        used.add(found[-1])
    return found


@dataclass(frozen=True, eq=False)
class Ragged:
    """Rows of different length in one flat array: row i is `values[offsets[i]:offsets[i + 1]]`.

    Parameters
    ----------
    offsets : (N + 1,) int64
    values : (M, ...) array
    """

    offsets: NDArray[np.int64]
    values: NDArray[Any]

    def __post_init__(self) -> None:
        object.__setattr__(self, "offsets", freeze(self.offsets, np.int64))
        object.__setattr__(self, "values", freeze(self.values))

    @classmethod
    def from_rows(cls, rows: Sequence[Any], shape: tuple[int, ...] = (), dtype: Any = np.float64) -> Ragged:
        """Build from one sequence a row (None or empty for none); each is reshaped to `(-1, *shape)`."""
        parts = [np.asarray(r if r is not None else [], dtype=dtype).reshape(-1, *shape) for r in rows]
        lengths = np.fromiter((len(p) for p in parts), np.int64, len(parts))
        values = np.concatenate(parts) if parts else np.empty((0, *shape), dtype)
        return cls(np.concatenate([[0], np.cumsum(lengths)]), values)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, i: int) -> NDArray[Any]:
        return self.values[self.offsets[i] : self.offsets[i + 1]]

    def lengths(self) -> NDArray[np.int64]:
        """Length of each row, (N,) int64."""
        return np.diff(self.offsets)

    def take(self, index: NDArray[np.int64]) -> Ragged:
        """The rows at these positions, in this order."""
        if _is_whole(index, len(self)):
            return self
        lengths = self.lengths()[index]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        source = np.repeat(self.offsets[:-1][index] - offsets[:-1], lengths) + np.arange(offsets[-1])
        return Ragged(offsets, self.values[source])


class RleColumns(Mapping[int, Mapping[str, Any]]):
    """Masks of some rows of a table, as `Shapes.rle` holds them: a dictionary is made only where one is asked for.

    Parameters
    ----------
    rows : (M,) int64
        Ascending.
    sizes : (M, 2) int64
        Height and width in pixels.
    starts, lengths : (M,) int64
        The compressed runs of mask i are `counts[starts[i]:starts[i] + lengths[i]]`.
    counts : (B,) uint8
        ASCII.
    others : mapping of int to mapping
        Masks of other rows that are written differently.
    area : (M,) float64, optional
        Pixels inside, where they were counted.
    xywh : (M, 4) float64, optional
        Bounding box of the pixels inside.
    """

    def __init__(
        self,
        rows: NDArray[np.int64],
        sizes: NDArray[np.int64],
        starts: NDArray[np.int64],
        lengths: NDArray[np.int64],
        counts: NDArray[np.uint8],
        others: Mapping[int, Mapping[str, Any]] = EMPTY,
        area: NDArray[np.float64] | None = None,
        xywh: NDArray[np.float64] | None = None,
    ) -> None:
        self.rows, self.sizes, self.others = freeze(rows, np.int64), freeze(sizes, np.int64), others
        self.starts, self.lengths = freeze(starts, np.int64), freeze(lengths, np.int64)
        self.counts = freeze(counts, np.uint8)
        self.area, self.xywh = area, xywh

    def __len__(self) -> int:
        return len(self.rows) + len(self.others)

    def __iter__(self) -> Iterator[int]:
        return iter([*self.rows.tolist(), *self.others])

    def __getitem__(self, row: int) -> Mapping[str, Any]:
        at = int(self.places(np.array([row]))[0])
        if at < 0:
            return self.others[row]
        start = int(self.starts[at])
        counts = self.counts[start : start + int(self.lengths[at])].tobytes().decode("ascii")
        return {"size": self.sizes[at].tolist(), "counts": counts}

    def places(self, index: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where these rows stand in the columns, -1 where they do not."""
        if not len(self.rows):
            return np.full(len(index), -1, np.int64)
        at = np.minimum(np.searchsorted(self.rows, index), len(self.rows) - 1)
        return np.asarray(np.where(self.rows[at] == index, at, -1), dtype=np.int64)

    def take(self, index: NDArray[np.int64]) -> RleColumns:
        """The masks of these rows, numbered anew in this order; no run is moved."""
        at = self.places(index)
        rows = np.flatnonzero(at >= 0)
        at = at[rows]
        missing = index.tolist() if self.others else ()
        others = {new: self.others[old] for new, old in enumerate(missing) if old in self.others}
        area, xywh = (None if column is None else column[at] for column in (self.area, self.xywh))
        placed = (self.sizes[at], self.starts[at], self.lengths[at], self.counts)
        return RleColumns(rows, *placed, others or EMPTY, area, xywh)


@dataclass(frozen=True, eq=False)
class Shapes:
    """Outlines of N rows: polygons flat in one array, masks run-length encoded.

    Parameters
    ----------
    kind : (N,) uint8
        `NONE` (not stated), `POLYGONS` (zero or more rings), `RLE` (compressed or uncompressed).
    rings : Ragged
        For each row the lengths (in points) of its rings, int64.
    points : Ragged
        For each row the points of all its rings, (M, 2) float64, pixels x, y (or shares, as the table's units).
    rle : mapping of int to dict
        Row -> `{"size": [height, width], "counts": bytes | str | list of int}` exactly as read.
    """

    NONE = 0
    POLYGONS = 1
    RLE = 2

    kind: NDArray[np.uint8]
    rings: Ragged
    points: Ragged
    rle: Mapping[int, Mapping[str, Any]] = field(default_factory=lambda: EMPTY)

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", freeze(self.kind, np.uint8))

    def __len__(self) -> int:
        return len(self.kind)

    @classmethod
    def from_rows(cls, rows: Sequence[Any]) -> Shapes:
        """Build from COCO-style values: None, a list of flat polygons `[x, y, x, y, ...]`, or an RLE mapping."""
        kind = np.zeros(len(rows), np.uint8)
        rings: list[list[int]] = []
        points: list[list[float]] = []
        rle: dict[int, Mapping[str, Any]] = {}
        for i, row in enumerate(rows):
            lengths: list[int] = []
            flat: list[float] = []
            if isinstance(row, Mapping):
                kind[i] = cls.RLE
                rle[i] = row
            elif row is not None:
                kind[i] = cls.POLYGONS
                for ring in row:
                    lengths.append(len(ring) // 2)
                    flat.extend(ring)
            rings.append(lengths)
            points.append(flat)
        return cls(
            kind,
            Ragged.from_rows(rings, dtype=np.int64),
            Ragged.from_rows(points, (2,)),
            MappingProxyType(rle) if rle else EMPTY,
        )

    def polygons(self, i: int) -> list[NDArray[np.float64]]:
        """Rings of row i, each (P, 2) float64; empty for a row without polygons."""
        lengths = self.rings[i]
        return list(np.split(self.points[i], np.cumsum(lengths)[:-1])) if len(lengths) else []

    def take(self, index: NDArray[np.int64]) -> Shapes:
        """The rows at these positions, in this order."""
        rle: Mapping[int, Mapping[str, Any]] = EMPTY
        if isinstance(self.rle, RleColumns):
            rle = self.rle.take(index)
        elif self.rle:
            rle = {new: self.rle[int(old)] for new, old in enumerate(index) if int(old) in self.rle}
        return Shapes(self.kind[index], self.rings.take(index), self.points.take(index), rle)


def _is_whole(index: NDArray[np.int64], count: int) -> bool:
    """Whether these are all positions in their order."""
    return len(index) == count and bool((index == np.arange(count)).all())


def offsets_of(image_index: NDArray[np.int64], images: int) -> NDArray[np.int64]:
    """(I + 1,) int64: where the rows of each image start in a table sorted by image.

    Parameters
    ----------
    image_index : (N,) int64
        Ascending.
    images : int
        How many images there are.

    Returns
    -------
    (I + 1,) int64
    """
    counts = np.bincount(image_index, minlength=images) if len(image_index) else np.zeros(images, np.int64)
    return freeze(np.concatenate([[0], np.cumsum(counts)]), np.int64)
