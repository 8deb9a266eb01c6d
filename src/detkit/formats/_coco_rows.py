"""Records to columns: every value checked, every unusable row named, nothing built per box."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import chain
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit import masks
from detkit.findings import Finding
from detkit.formats._coco_ids import id_column
from detkit.tables import Ragged, Shapes

__all__ = ["Rows", "box_areas", "keypoint_rows", "note_flat", "shape_rows"]


class Rows:
    """The records of one section of a file, read column by column.

    A record that turns out unusable is remembered in `bad` with the first reason and gets a placeholder in every
    column; the caller drops these rows with `keep()` and reports them with `findings()`.

    Parameters
    ----------
    items : sequence
        Dictionaries, or typed records whose fields are a superset of those asked for.
    section : str
        `annotations`, `images`, or empty for a plain list.
    file : str
    """

    def __init__(self, items: Sequence[Any], section: str, file: str) -> None:
        kinds = set(map(type, items))
        self.bad: dict[int, str] = {}
        self.notes: list[Finding] = []
        self.section, self.file = section, file
        self._typed = bool(kinds) and not kinds & {dict, list, str, int, float, bool, type(None)}
        if not self._typed and not kinds <= {dict}:
            for i, item in enumerate(items):
                if not isinstance(item, dict):
                    self.bad[i] = f"{self.place(i)}: found {_show(item)}, expected an object"
            items = [item if isinstance(item, dict) else {} for item in items]
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def place(self, row: int, name: str = "") -> str:
        """`annotations[3].bbox`."""
        return f"{self.section}[{row}]" + (f".{name}" if name else "")

    def reject(self, row: int, name: str, reason: str) -> None:
        """Mark a row as unusable; the first reason stays."""
        self.bad.setdefault(int(row), f"{self.place(row, name)}: {reason}")

    def keep(self) -> NDArray[np.bool_]:
        """(N,) bool, false for rows marked unusable."""
        keep = np.ones(len(self), np.bool_)
        keep[list(self.bad)] = False
        return keep

    def findings(self) -> list[Finding]:
        """`DK102` for each unusable row in file order, then what else was noticed."""
        rows = [Finding("DK102", self.bad[i], file=self.file, annotation=i) for i in sorted(self.bad)]
        return rows + self.notes

    def note(
        self, code: str, message: str, count: int = 1, row: int | None = None, kind: type[Finding] = Finding
    ) -> None:
        """Add a finding about this file."""
        if count:
            self.notes.append(kind(code, message, file=self.file, count=count, annotation=row))

    def may_say_more(self) -> bool:
        """Whether records may hold something that no column has."""
        return True

    def holds(self, name: str) -> bool:
        """Whether any record states the field."""
        return self.values(name).count(None) < len(self)

    def truths(self, name: str) -> NDArray[np.bool_]:
        """(N,) bool, whether the field is there and neither 0, false nor empty."""
        return np.fromiter(map(bool, self.values(name)), np.bool_, len(self))

    def flags(self, name: str) -> NDArray[np.bool_]:
        """(N,) bool: 1, or with a finding any other number but 0; what is no number makes the record unusable."""
        values = self.values(name)
        if not set(map(type, values)) <= {int, bool, type(None)} or not set(values) <= {0, 1, None}:
            odd = 0
            for i, value in enumerate(values):
                if not (isinstance(value, (int, float, type(None))) and value == value):
                    self.reject(i, name, f"found {value!r}, expected 0 or 1")
                odd += isinstance(value, (int, float)) and value not in (0, 1)
            self.note("DK106", f"`{name}` is neither 0 nor 1 and is read as 1", odd)
        return np.fromiter(map(bool, values), np.bool_, len(values))

    def values(self, name: str) -> list[Any]:
        """The field of every record, None where it is missing."""
        if self._typed:
            return list(map(attrgetter(name), self.items))
        return [item.get(name) for item in self.items]

    def stated_by(self) -> str:
        """What the first record states its place by, `none` where by nothing."""
        if not len(self):
            return "bbox"
        first = self.items[0]
        for name in ("bbox", "segmentation", "keypoints"):
            value = first.get(name) if isinstance(first, dict) else getattr(first, name, None)
            if value is not None and value != []:
                return name
        return "none"

    def shapes(self, report: Callable[[int, str], None]) -> Shapes | None:
        """The outlines, see `shape_rows`."""
        return shape_rows(self.values("segmentation"), report)

    def keypoints(self, report: Callable[[int, str], None]) -> Ragged | None:
        """The keypoints, see `keypoint_rows`."""
        return keypoint_rows(self.values("keypoints"), report)

    def counts(self, name: str) -> NDArray[np.int64]:
        """A column of numbers of something, -1 where the record states none."""
        values = self.values(name)
        return np.array([v if type(v) is int and 0 <= v < 2**31 else -1 for v in values], dtype=np.int64)

    def ids(self, name: str, *, required: bool = True) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """A column of ids and whether each is stated.

        Whole numbers and strings are taken as they are, `1.0` is taken as 1 with a finding; anything else is unusable.

        Returns
        -------
        values : (N,) int64 or object
        stated : (N,) bool
        """
        values = self.values(name)
        kinds = set(map(type, values))
        stated = np.ones(len(values), np.bool_)
        if not kinds <= {int} and not kinds <= {str}:
            coerced: list[int] = []
            for i, value in enumerate(values):
                if type(value) is float and value.is_integer():
                    values[i] = int(value)
                    coerced.append(i)
                elif type(value) is not int and type(value) is not str:
                    stated[i] = False
                    values[i] = 0
                    if value is not None or required:
                        self.reject(i, name, _missing_or(value, "a whole number or a string"))
            if coerced:
                place = self.place(coerced[0], name)
                self.note("DK106", f"{place}: an id written as a fraction is read as a whole number", len(coerced))
        return id_column(values), stated

    def numbers(self, name: str, *, required: bool = False) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """A column of finite numbers (NaN where missing) and whether each is stated.

        Returns
        -------
        values : (N,) float64
        stated : (N,) bool
        """
        values = self.values(name)
        count = len(values)
        out: NDArray[np.float64]
        if set(map(type, values)) <= {int, float, type(None)}:
            try:
                out = np.array([math.nan if v is None else v for v in values], dtype=np.float64)
            except OverflowError:
                out = np.fromiter((_float(v) for v in values), np.float64, count)
        else:
            out = np.fromiter((_float(v) for v in values), np.float64, count)
        suspects = np.flatnonzero(~np.isfinite(out))
        stated = np.ones(count, np.bool_)
        for i in suspects.tolist():
            stated[i] = False
            if values[i] is not None or required:
                self.reject(i, name, _missing_or(values[i], "a finite number"))
        return out, stated

    def boxes(self, name: str = "bbox") -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """A column of four finite numbers each (NaN where missing or an empty list) and whether each is stated.

        Returns
        -------
        values : (N, 4) float64
        stated : (N,) bool
        """
        values = self.values(name)
        kinds = set(map(type, values))
        if values and kinds <= {tuple}:
            out = np.fromiter(chain.from_iterable(values), np.float64, 4 * len(values)).reshape(-1, 4)
        elif values and kinds <= {list} and set(map(len, values)) == {4} and _all_numbers(values):
            out = np.fromiter(map(_float, chain.from_iterable(values)), np.float64, 4 * len(values)).reshape(-1, 4)
        else:
            out = np.full((len(values), 4), math.nan)
            for i, value in enumerate(values):
                if isinstance(value, (list, tuple)) and len(value) == 4:
                    out[i] = [_float(v) for v in value]
        stated = np.asarray(np.isfinite(out).all(axis=1), dtype=np.bool_)
        for i in np.flatnonzero(~stated).tolist():
            if values[i] is not None and values[i] != []:
                self.reject(i, name, f"found {_show(values[i])}, expected 4 finite numbers")
        return out, stated


def box_areas(xywh: NDArray[np.float64]) -> NDArray[np.float64]:
    """Width times height of (N, 4) boxes; infinite where that is beyond a double, NaN where there is no box."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(xywh[:, 2] * xywh[:, 3])


def note_flat(rows: Rows, xywh: NDArray[np.float64], source_row: NDArray[np.int64], by: str) -> None:
    """Note the boxes without positive width and height; `source_row` says which record each box is of."""
    flat = np.flatnonzero((xywh[:, 2] <= 0) | (xywh[:, 3] <= 0))
    if len(flat):
        row = int(source_row[flat[0]])
        message = f"boxes without positive width and height, first {rows.place(row, by)}; kept"
        rows.note("DK201", message, len(flat), row=row)


def shape_rows(values: list[Any], report: Callable[[int, str], None]) -> Shapes | None:
    """Outlines of all rows, or None where no row states any.

    Parameters
    ----------
    values : list of N
        COCO `segmentation` values, None where missing.
    report : callable
        Called with row and reason for each that cannot be used; such a row has no outline.

    Returns
    -------
    Shapes or None
    """
    kind = np.zeros(len(values), np.uint8)
    rle: dict[int, Any] = {}
    clean = _all_polygons_are_clean(values)
    for i, value in enumerate(values):
        if value is None:
            continue
        problem = None if clean and type(value) is list else masks.problem_of(value)
        if problem is not None:
            report(i, problem)
        elif isinstance(value, dict):
            kind[i] = Shapes.RLE
            rle[i] = value
        else:
            kind[i] = Shapes.POLYGONS
    coded = [i for i, value in rle.items() if isinstance(value["counts"], str)]
    for at in np.flatnonzero(~masks.valid_rles([rle[i] for i in coded])).tolist():
        report(coded[at], "run lengths do not add up to height times width")
        kind[coded[at]] = Shapes.NONE
        del rle[coded[at]]
    if not kind.any():
        return None
    polygons = [value if k == Shapes.POLYGONS else () for value, k in zip(values, kind.tolist(), strict=True)]
    rings = list(chain.from_iterable(polygons))
    lengths = np.fromiter(map(len, rings), np.int64, len(rings)) // 2
    per_row = np.fromiter(map(len, polygons), np.int64, len(polygons))
    row_cuts = np.concatenate([[0], np.cumsum(per_row)])
    point_cuts = np.concatenate([[0], np.cumsum(lengths)])
    flat = np.fromiter(chain.from_iterable(rings), np.float64, 2 * int(point_cuts[-1]))
    return Shapes(kind, Ragged(row_cuts, lengths), Ragged(point_cuts[row_cuts], flat.reshape(-1, 2)), rle)


def keypoint_rows(values: list[Any], report: Callable[[int, str], None]) -> Ragged | None:
    """Keypoints of all rows as (P, 3) x, y, visibility, or None where no row states any.

    Parameters
    ----------
    values : list of N
        Flat `[x, y, v, ...]`, None where missing.
    report : callable
        Called with row and reason for each that cannot be used; such a row has none.

    Returns
    -------
    Ragged or None
    """
    if values.count(None) == len(values):
        return None
    parts: list[list[float]] = []
    for i, value in enumerate(values):
        usable = value is not None
        if value is not None and not (isinstance(value, list) and len(value) % 3 == 0 and _finite(value)):
            report(i, f"found {_show(value)}, expected finite numbers in threes")
            usable = False
        parts.append(value if usable else [])
    if not any(parts):
        return None
    lengths = np.fromiter(map(len, parts), np.int64, len(parts)) // 3
    cuts = np.concatenate([[0], np.cumsum(lengths)])
    flat = np.fromiter(chain.from_iterable(parts), np.float64, 3 * int(cuts[-1]))
    return Ragged(cuts, flat.reshape(-1, 3))


def _all_polygons_are_clean(values: list[Any]) -> bool:
    """One look at all coordinates together, many times quicker than one at each row."""
    rings = list(chain.from_iterable(value for value in values if type(value) is list))
    if not set(map(type, rings)) <= {list} or any(len(ring) % 2 for ring in rings) or not _all_numbers(rings):
        return False
    flat = np.fromiter(map(_float, chain.from_iterable(rings)), np.float64)
    return bool(np.isfinite(flat).all())


def _finite(values: list[Any]) -> bool:
    return all(math.isfinite(_float(v)) for v in values)


def _all_numbers(rows: list[Any]) -> bool:
    return set(map(type, chain.from_iterable(rows))) <= {int, float}


def _float(value: Any) -> float:
    """A JSON number as a float; NaN for anything else (true and "1" are no numbers)."""
    if type(value) is float:
        return value
    if type(value) is not int:
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _missing_or(value: Any, expected: str) -> str:
    return f"is missing, expected {expected}" if value is None else f"found {_show(value)}, expected {expected}"


def _show(value: Any, limit: int = 60) -> str:
    import json

    if isinstance(value, (list, tuple)) and len(value) > 8:
        return f"a list of {len(value)}"
    try:
        text = json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        text = str(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."
