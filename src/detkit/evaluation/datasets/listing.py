"""Every box that two versions of a dataset do not have alike, a row each."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.evaluation.datasets.changes import CHANGES
from detkit.evaluation.datasets.differences import DatasetDifferences
from detkit.evaluation.datasets.pairs import alone
from detkit.evaluation.images import image_label
from detkit.tables import Dataset

__all__ = ["listing"]


def listing(found: DatasetDifferences) -> dict[str, list[Any]]:
    """A row for every box that was added, removed or changed, as equally long columns.

    Parameters
    ----------
    found : DatasetDifferences

    Returns
    -------
    dict of str to list
        `image`, `change` (of several, with `+` between), `class_a`, `class_b`, `iou`, `shift`, then `id`, `x`, `y`,
        `width`, `height` of each version. None where a version has no such box. By image of A, in its order, then
        those of B alone.
    """
    versions, pairs, changes = found.versions, found.pairs, found.changes
    tables = versions.a.annotations, versions.b.annotations
    lost, new = (np.flatnonzero(alone(len(t), rows)) for t, rows in zip(tables, pairs[:2], strict=True))
    hit = np.flatnonzero(changes.any)
    names = [
        *("+".join(name for name in CHANGES if changes.marks[name][n]) for n in hit.tolist()),
        *["removed"] * len(lost),
        *["added"] * len(new),
    ]
    nothing = np.full(len(hit) + len(lost) + len(new), np.nan)
    iou, shift = nothing.copy(), nothing.copy()
    iou[: len(hit)], shift[: len(hit)] = pairs.iou[hit], changes.shift[hit]
    row_a = np.concatenate([pairs.a[hit], lost, np.full(len(new), -1)])
    row_b = np.concatenate([pairs.b[hit], np.full(len(lost), -1), new])
    place_b = versions.image_of[tables[1].image_index]
    place_b = np.where(place_b < 0, len(versions.a.images) + tables[1].image_index, place_b)
    place = np.where(row_a >= 0, tables[0].image_index[row_a] if len(tables[0]) else 0, 0)
    place = np.where(row_a >= 0, place, place_b[row_b] if len(tables[1]) else 0)
    order = np.lexsort((row_b, np.where(row_a >= 0, row_a, len(tables[0])), place))
    count = len(versions.a.images)
    columns: dict[str, list[Any]] = {
        "image": [
            image_label(versions.a.images, p) if p < count else image_label(versions.b.images, p - count)
            for p in place[order].tolist()
        ],
        "change": [names[n] for n in order.tolist()],
    }
    sides = [_side(versions.a, row_a[order]), _side(versions.b, row_b[order])]
    columns |= {f"class_{name}": side.pop("class") for name, side in zip("ab", sides, strict=True)}
    columns |= {"iou": _defined(iou[order]), "shift": _defined(shift[order])}
    for name, side in zip("ab", sides, strict=True):
        columns |= {f"{key}_{name}": values for key, values in side.items()}
    return columns


def _side(dataset: Dataset, rows: NDArray[np.int64]) -> dict[str, list[Any]]:
    """Class, id and box of each row, None for row -1."""
    table, names = dataset.annotations, dataset.categories.names
    known = rows[rows >= 0]

    def spread(values: list[Any]) -> list[Any]:
        stated = iter(values)
        return [next(stated) if n >= 0 else None for n in rows.tolist()]

    boxes = {name: spread(table.xywh[known, k].tolist()) for k, name in enumerate(("x", "y", "width", "height"))}
    classes = [names[k] for k in table.category_index[known].tolist()]
    return {"class": spread(classes), "id": spread(table.ids[known].tolist()), **boxes}


def _defined(values: NDArray[np.float64]) -> list[float | None]:
    return [None if value != value else value for value in values.tolist()]
