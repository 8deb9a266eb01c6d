"""One batch of a Parquet file after the other into columns, and what is wrong with its rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit import boxes
from detkit.errors import InputError
from detkit.findings import Finding
from detkit.formats._numbers import difference
from detkit.formats._parquet_columns import Columns
from detkit.formats._parquet_files import pyarrow
from detkit.wording import plural

__all__ = ["Table", "numbers_of", "positions_of"]

#: Rows of one kind that are reported one by one; the others are counted.
_MOST = 100


class Table:
    """Columns of so many rows at most, filled from the start, and findings about rows that were left out.

    Parameters
    ----------
    rows : int
        Of all files together.
    """

    def __init__(self, rows: int) -> None:
        self.image = np.empty(rows, np.int64)
        self.category = np.empty(rows, np.int64)
        self.xywh = np.empty((rows, 4), np.float64)
        self.score = np.empty(rows, np.float64)
        self.kept = 0
        self.part = Path()
        self.seen = 0
        self.seen_in_part = 0
        self.batch = 0
        self._findings: list[Finding] = []
        self._more: dict[tuple[str, str], int] = {}

    def start(self, part: Path, rows: int) -> NDArray[np.bool_]:
        """Begin a batch: which of its rows are unusable, none so far."""
        self.seen += self.batch
        self.seen_in_part = 0 if part != self.part else self.seen_in_part + self.batch
        self.part, self.batch = part, rows
        return np.zeros(rows, np.bool_)

    def end(self) -> None:
        """End a file."""
        self.seen += self.batch
        self.batch = 0

    def rows_before(self, kept: NDArray[np.int64]) -> NDArray[np.int64]:
        """Position in all files of rows of this batch."""
        return self.seen + kept

    def reject(
        self,
        bad: NDArray[np.bool_],
        wrong: NDArray[np.bool_],
        message: Callable[[int], str],
        code: str = "DK102",
    ) -> None:
        """Leave rows of this batch out that were good so far, with a finding each."""
        rows = np.flatnonzero(wrong & ~bad)
        bad |= wrong
        told = sum(f.code == code for f in self._findings)
        for row in rows[: max(0, _MOST - told)].tolist():
            place = self.seen_in_part + row
            self._findings.append(Finding(code, f"row {place}: {message(row)}", file=str(self.part), annotation=place))
        more = len(rows) - max(0, min(len(rows), _MOST - told))
        if more:
            key = (code, str(self.part))
            self._more[key] = self._more.get(key, 0) + more

    def add(
        self,
        rows: NDArray[np.int64],
        image: NDArray[np.int64],
        category: NDArray[np.int64],
        xywh: NDArray[np.float64],
        score: NDArray[np.float64],
    ) -> None:
        """Take these rows of a batch."""
        end = self.kept + len(rows)
        for column, values in ((self.image, image), (self.category, category), (self.xywh, xywh), (self.score, score)):
            column[self.kept : end] = values[rows]
        self.kept = end

    def columns(self) -> dict[str, NDArray[Any]]:
        """What was taken, by the names that `Detections.build` knows."""
        end = self.kept
        return {
            "image_index": self.image[:end],
            "category_index": self.category[:end],
            "xywh": self.xywh[:end],
            "score": self.score[:end],
        }

    def findings(self, *, suspects: bool) -> list[Finding]:
        """Rows left out; with `suspects` rows that are kept and look wrong, too."""
        more = [
            Finding(code, f"{plural(count, 'more row')} of this kind", file=file, count=count)
            for (code, file), count in self._more.items()
        ]
        return [*self._findings, *more, *(self._suspects() if suspects else ())]

    def _suspects(self) -> list[Finding]:
        score, xywh = self.score[: self.kept], self.xywh[: self.kept]
        found = []
        outside = np.flatnonzero((score < 0) | (score > 1))
        if len(outside):
            message = f"{plural(len(outside), 'score')} outside [0, 1], the first is {score[outside[0]]:g}; kept"
            found.append(Finding("DK708", message, file=str(self.part), count=len(outside)))
        flat = np.flatnonzero((xywh[:, 2] <= 0) | (xywh[:, 3] <= 0))
        if len(flat):
            width, height = xywh[flat[0], 2:].tolist()
            first = f"the first has width {width:g} and height {height:g}"
            message = f"{plural(len(flat), 'box', 'boxes')} without area, {first}; kept"
            found.append(Finding("DK201", message, file=str(self.part), count=len(flat)))
        return found


def positions_of(column: Any, known: dict[Any, int], *, grow: bool) -> NDArray[np.int64]:
    """Position of each value, -1 for one that is not known, -2 for null.

    Parameters
    ----------
    column : pyarrow array
    known : dict
        Value -> position.
    grow : bool
        New values are added at the end.

    Returns
    -------
    (N,) int64
    """
    pa, _, _ = pyarrow()
    coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    values = coded.dictionary.to_pylist()
    if grow:
        for value in values:
            if value is not None:
                known.setdefault(value, len(known))
    at = np.array([-2 if value is None else known.get(value, -1) for value in values] + [-2], np.int64)
    return np.asarray(at[coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)])


def numbers_of(
    table: Table, batch: Any, columns: Columns, bad: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Boxes and scores of a batch; rows where one of the five numbers is none are marked and reported.

    Returns
    -------
    xywh : (N, 4) float64
        NaN in the rows left out.
    score : (N,) float64
    """
    score = _floats(table, batch, columns.score)
    parts = [_listed(table, batch, columns.box[0], bad)] if len(columns.box) == 1 else []
    if not parts:
        parts = [_floats(table, batch, name)[:, None] for name in columns.box]
    four = np.hstack(parts)
    five = np.column_stack([score, four])
    names = [columns.score, *(columns.box if len(columns.box) == 4 else columns.box * 4)]

    def message(row: int) -> str:
        wrong = int(np.flatnonzero(~np.isfinite(five[row]))[0])
        value = batch.column(names[wrong])[row].as_py()
        return f"`{names[wrong]}` is {'null' if value is None else value}, expected a finite number"

    table.reject(bad, np.asarray(~np.isfinite(five).all(axis=1)), message)
    if columns.layout == "xyxy":
        xywh = np.hstack([four[:, :2], difference(four[:, 2:], four[:, :2])])
    else:
        xywh = np.asarray(boxes.convert(four, columns.layout, "xywh"), np.float64)
    table.reject(bad, np.asarray(~np.isfinite(xywh).all(axis=1)), lambda row: "corners are too far apart")
    return xywh, score


def _floats(table: Table, batch: Any, name: str) -> NDArray[np.float64]:
    """A column as float64, null as NaN."""
    return _as_floats(table, batch.column(name), name)


def _as_floats(table: Table, column: Any, name: str) -> NDArray[np.float64]:
    pa, pc, _ = pyarrow()
    kinds = pa.types
    held = column.type
    if not (kinds.is_integer(held) or kinds.is_floating(held) or kinds.is_decimal(held) or kinds.is_null(held)):
        raise InputError(f"found {held}, expected numbers", path=table.part, place=f"column `{name}`")
    numbers = pc.cast(column, pa.float64(), safe=False)
    return np.asarray(numbers.to_numpy(zero_copy_only=False), np.float64)


def _listed(table: Table, batch: Any, name: str, bad: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(N, 4) from a column of lists; rows with another number of values are reported."""
    _, pc, _ = pyarrow()
    column = batch.column(name)
    lengths = pc.list_value_length(column).fill_null(-1).to_numpy(zero_copy_only=False)

    def message(row: int) -> str:
        length = int(lengths[row])
        return f"`{name}` is null" if length < 0 else f"`{name}` has {plural(length, 'value')}, expected 4"

    table.reject(bad, lengths != 4, message)
    good = lengths == 4
    four = np.full((len(lengths), 4), np.nan)
    pa = pyarrow()[0]
    flat = pc.list_flatten(column.filter(pa.array(good)))
    four[good] = _as_floats(table, flat, name).reshape(-1, 4)
    return four
