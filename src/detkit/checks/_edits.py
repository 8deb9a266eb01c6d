"""What mending changed, row by row, and the edits of source files that say the same: nothing else in them is touched.

An edit is made only where the row's own text is found in the file; whatever cannot be told that way is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.errors import UsageError
from detkit.tables import Annotations, Dataset

__all__ = ["Edit", "RowChanges", "refuse", "row_changes"]

Index = NDArray[np.int64]


@dataclass(frozen=True)
class Edit:
    """New content of a file of the source."""

    path: str
    content: bytes


@dataclass(frozen=True, eq=False)
class RowChanges:
    """What became of the rows of a dataset.

    Parameters
    ----------
    dropped : (D,) int64
        Rows that are gone.
    old, new : (C,) int64
        Rows that changed, before and after.
    """

    dropped: Index
    old: Index
    new: Index


def refuse(what: str) -> UsageError:
    """The error for a change that cannot be made where the source is."""
    return UsageError(f"--in-place: {what}", hint="write a mended copy with `-o`, or leave the check out with --ignore")


def row_changes(before: Dataset, after: Dataset) -> RowChanges:
    """What became of each row of `before`, told by its place in the source.

    Parameters
    ----------
    before, after : Dataset
        `after` has some of the rows of `before`, perhaps changed.
    """
    a, b = before.annotations, after.annotations
    kept = np.isin(a.source_row, b.source_row)
    old = np.flatnonzero(kept)
    old = old[np.argsort(a.source_row[old], kind="stable")]
    new = np.argsort(b.source_row, kind="stable")
    changed = _differ(a.xywh, b.xywh, old, new).any(axis=1) | _differ(a.area, b.area, old, new)
    changed |= a.ids[old] != b.ids[new]
    changed |= before.categories.ids[a.category_index[old]] != after.categories.ids[b.category_index[new]]
    if a.num_keypoints is not None and b.num_keypoints is not None:
        changed |= a.num_keypoints[old] != b.num_keypoints[new]
    changed |= other_outlines(a, b, old, new)
    return RowChanges(np.flatnonzero(~kept), old[changed], new[changed])


def other_outlines(a: Annotations, b: Annotations, old: Index, new: Index) -> NDArray[np.bool_]:
    """(R,) whether the outlines of rows differ."""
    if a.shapes is b.shapes or a.shapes is None or b.shapes is None:
        return np.zeros(len(old), np.bool_)
    one, other = a.shapes, b.shapes
    found = np.asarray(one.kind[old] != other.kind[new])
    for position in np.flatnonzero(~found).tolist():
        i, j = int(old[position]), int(new[position])
        found[position] = not (
            np.array_equal(one.points[i], other.points[j]) and np.array_equal(one.rings[i], other.rings[j])
        )
    return found


def _differ(a: NDArray[Any], b: NDArray[Any], old: Index, new: Index) -> NDArray[np.bool_]:
    here, there = a[old], b[new]
    return np.asarray((here != there) & ~(np.isnan(here) & np.isnan(there)))
