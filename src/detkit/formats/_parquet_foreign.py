"""Images and classes of other people's Parquet files, by the rules of CSV: integers are ids, other texts are names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.errors import InputError, UsageError
from detkit.findings import Finding
from detkit.formats._base import ReadOptions
from detkit.formats._layouts import layout_named
from detkit.formats._parquet_batch import Table, positions_of
from detkit.formats._parquet_columns import Columns
from detkit.formats._stems import find_sizes
from detkit.formats._text_classes import case_twins, classes_of
from detkit.tables import Categories, Images, id_array
from detkit.wording import examples

__all__ = ["Foreign"]


class Foreign:
    """Distinct images and classes of a file, in order of appearance while it is read.

    Parameters
    ----------
    path : Path
    columns : Columns
    options : ReadOptions
    """

    def __init__(self, path: Path, columns: Columns, options: ReadOptions) -> None:
        self.path = path
        self.options = options
        self.columns = _forced(columns, options)
        self.image = _Keys(columns.image_id, columns.image)
        self.category = _Keys(columns.category_id, columns.category)
        self._findings: list[Finding] = []

    def keys(self, table: Table, batch: Any, bad: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Positions of each row's image and class; rows without one are left out."""
        return self.image.take(table, batch, bad, "image"), self.category.take(table, batch, bad, "class")

    def images(self, result: dict[str, NDArray[Any]]) -> Images:
        """The images, those of rows that were left out not among them; `image_index` is brought to them."""
        used, index = np.unique(result["image_index"], return_inverse=True)
        result["image_index"] = index.astype(np.int64)
        keys = [self.image.keys[i] for i in used.tolist()]
        ids = _integers(keys) if self.columns.image_id is not None else None
        has_ids = self.columns.image_id is not None and (ids is not None or self.columns.image is not None)
        if self.columns.image_id is None or not has_ids:
            names = [str(key).replace("\\", "/") for key in keys]
        else:
            names = [str(self.image.names.get(i, "") or "").replace("\\", "/") for i in used.tolist()]
        sizes, _, findings = find_sizes(names, self.path.parent, self.options)
        self._findings += findings
        own = id_array(range(1, len(keys) + 1)) if not has_ids else id_array(ids if ids is not None else keys)
        return Images(own, tuple(names), sizes, has_own_ids=has_ids)

    def categories(self, result: dict[str, NDArray[Any]]) -> Categories:
        """The classes; `category_index` is brought to them."""
        used, index = np.unique(result["category_index"], return_inverse=True)
        keys = [self.category.keys[i] for i in used.tolist()]
        ids = _integers(keys) if self.columns.category_id is not None else None
        if ids is not None:
            order = np.argsort(ids, kind="stable")
            names = [self.category.names.get(i) for i in used.tolist()]
            known = bool(names) and all(isinstance(n, str) and n for n in names)
            texts = tuple(str(names[i]) if known else str(ids[i]) for i in order.tolist())
            self._findings += case_twins(texts, self.path)
            to_category = np.argsort(order, kind="stable")
            found = Categories(id_array([ids[i] for i in order.tolist()]), texts, has_names=known)
        else:
            labels = _Labels(self.path, [str(key) for key in keys])
            found, to_category, findings = classes_of(labels, self.path, self.options)
            self._findings += findings
        result["category_index"] = to_category[index.reshape(-1)] if len(used) else index.astype(np.int64)
        return found

    def findings(self, xywh: NDArray[np.float64]) -> list[Finding]:
        """What was assumed or passed over."""
        file, found = str(self.path), list(self._findings)
        if self.columns.unused:
            message = f"columns nothing is read from: {examples(self.columns.unused, 9)}"
            found.insert(0, Finding("DK109", message, file=file, count=len(self.columns.unused)))
        if len(self.columns.box) == 1:
            order = {"xywh": "x, y, width, height", "xyxy": "x1, y1, x2, y2", "cxcywh": "centre x, y, width, height"}
            message = f"lists of `{self.columns.box[0]}` are taken as {order[self.columns.layout]}"
            found.append(Finding("DK107", message, file=file))
        if len(xywh) and (np.abs(xywh) <= 1.5).all():
            message = "all coordinates are below 1.5; Parquet holds pixels and they are taken as such, not as shares"
            found.append(Finding("DK107", message, file=file))
        return found


def _forced(columns: Columns, options: ReadOptions) -> Columns:
    """The columns with the box layout that was asked for, which only a list of four leaves open."""
    if options.layout is None or len(columns.box) != 1:
        return columns
    from dataclasses import replace

    layout = layout_named(options.layout)
    if layout.relative:
        raise UsageError(f"layout `{options.layout}`: Parquet predictions hold pixels, not shares")
    return replace(columns, layout=layout.box)


class _Keys:
    """Distinct ids (or names, where a file has no ids) in order of appearance, and the name beside each id."""

    def __init__(self, id_column: str | None, name_column: str | None) -> None:
        self.column = id_column or name_column or ""
        self.name_column = name_column if id_column is not None else None
        self.known: dict[Any, int] = {}
        self.names_known: dict[Any, int] = {}
        self.names: dict[int, Any] = {}

    @property
    def keys(self) -> list[Any]:
        return list(self.known)

    def take(self, table: Table, batch: Any, bad: NDArray[np.bool_], what: str) -> NDArray[np.int64]:
        index = positions_of(batch.column(self.column), self.known, grow=True)
        blank = [position for key, position in self.known.items() if isinstance(key, str) and not key.strip()]
        table.reject(bad, index == -2, lambda row: f"`{self.column}` is null, expected the {what}")
        table.reject(bad, np.isin(index, blank), lambda row: f"`{self.column}` is blank, expected the {what}")
        broken = [p for key, p in self.known.items() if isinstance(key, float) and not key.is_integer()]
        table.reject(bad, np.isin(index, broken), lambda row: f"`{self.column}` is no whole number")
        if self.name_column is not None:
            self._name(table, batch.column(self.name_column), index, ~bad, what)
        return index

    def _name(self, table: Table, column: Any, index: NDArray[np.int64], good: NDArray[np.bool_], what: str) -> None:
        names = positions_of(column, self.names_known, grow=True)
        texts = list(self.names_known)
        stated = good & (names >= 0)
        for pair in np.unique(np.column_stack([index[stated], names[stated]]), axis=0).tolist():
            name = texts[pair[1]]
            if self.names.setdefault(pair[0], name) != name and what == "class":
                raise InputError(
                    f"category {self.keys[pair[0]]} is called `{self.names[pair[0]]}` and `{name}`",
                    path=table.part,
                    place=f"column `{self.name_column}`",
                )


class _Labels:
    """Distinct labels, as `classes_of` takes rows."""

    def __init__(self, path: Path, labels: list[str]) -> None:
        self.path = path
        self.labels = labels

    def place(self, row: int) -> tuple[str, str]:
        return str(self.path), f"class `{self.labels[row]}`"


def _integers(keys: list[Any]) -> list[int] | None:
    """Keys as integers where all are, as numbers or as texts; `0012` is a name."""
    found = []
    for key in keys:
        if isinstance(key, str):
            digits = key.strip().removeprefix("-")
            if not (digits.isascii() and digits.isdigit()) or (digits[0] == "0" and digits != "0") or len(digits) > 18:
                return None
        elif not isinstance(key, int | float) or isinstance(key, bool):
            return None
        found.append(int(key))
    return found
