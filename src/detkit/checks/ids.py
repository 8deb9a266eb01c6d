"""Ids and file names that stand more than once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.checks._base import Code, Context, Fixed, Index, changed_rows
from detkit.findings import Finding
from detkit.ragged import fresh_ids, id_array, python_value
from detkit.tables import Dataset

__all__ = ["CODES", "fix", "run"]

CODES = (
    Code("DK103", "An id or class name occurs more than once.",
         "Of images and classes the last one counts; annotations all stay, but tools that index them by id lose some.",
         "safe", "Gives the later annotations new ids after the highest."),
    Code("DK111", "Two images have one file name.",
         "They are one picture with its boxes in two places: each half looks like missing labels. Join them."),
)  # fmt: skip


def run(dataset: Dataset, context: Context) -> Iterator[Finding]:
    """Repeated annotation ids and file names."""
    rows = dataset.annotations
    yield from context.of_rows(
        "DK103", _later(dataset), lambda row: f"annotation id {python_value(rows.ids[row])!r} is there more than once"
    )
    where = defaultdict(list)
    for position, name in enumerate(dataset.images.file_names):
        if name:
            where[name].append(position)
    twice = {p: held[0] for held in where.values() if len(held) > 1 for p in held[1:]}
    ids = dataset.images.ids
    yield from context.of_images(
        "DK111",
        sorted(twice),
        lambda p: f"images {python_value(ids[twice[p]])!r} and {python_value(ids[p])!r} have one file name",
    )


def fix(dataset: Dataset, context: Context, code: str) -> Fixed:
    """New ids for annotations whose id is taken."""
    later = _later(dataset)
    if not len(later):
        return dataset, []
    ids = dataset.annotations.ids.tolist()
    for row, number in zip(later.tolist(), fresh_ids([None] * len(later), ids), strict=True):
        ids[row] = number
    return changed_rows(dataset, later, "repeated annotation ids", "renumbered", ids=id_array(ids))


def _later(dataset: Dataset) -> Index:
    """Rows whose id an earlier row of the source has."""
    ids = dataset.annotations.ids
    if ids.dtype != object and _are_distinct(ids):
        return np.empty(0, np.int64)
    order = np.argsort(dataset.annotations.source_row, kind="stable")
    if ids.dtype != object:
        _, first = np.unique(ids[order], return_index=True)
        repeated = np.ones(len(ids), np.bool_)
        repeated[order[first]] = False
        return np.flatnonzero(repeated)
    seen: set[Any] = set()
    found = []
    for row in order.tolist():
        if ids[row] in seen:
            found.append(row)
        seen.add(ids[row])
    return np.array(sorted(found), np.int64)


def _are_distinct(ids: NDArray[np.int64]) -> bool:
    """Whether no id repeats; most files count upwards, which needs no sorting."""
    if (ids[1:] > ids[:-1]).all():
        return True
    ordered = np.sort(ids)
    return not (ordered[1:] == ordered[:-1]).any()
