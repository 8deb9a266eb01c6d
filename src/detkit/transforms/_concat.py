"""Tables of several datasets one after another: every optional column survives where any of them has it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.ragged import Ragged, Shapes
from detkit.tables import Annotations

__all__ = ["concatenate", "shifted"]


def concatenate(tables: Sequence[Annotations]) -> dict[str, Any]:
    """Columns of all rows, as `Dataset.build` takes them, but for image, class and ids.

    What a table does not state is empty: no outline, no keypoints, -1, false, or an attribute that is None, NaN or
    the empty text as the column's type has it.

    Parameters
    ----------
    tables : sequence of Annotations

    Returns
    -------
    dict
    """
    counts = [len(table) for table in tables]
    joined: dict[str, Any] = {
        name: np.concatenate([getattr(table, name) for table in tables])
        for name in ("xywh", "area", "is_crowd", "is_ignored")
    }
    return {
        **joined,
        "shapes": _optional([t.shapes for t in tables], counts, _no_shapes, _join_shapes),
        "keypoints": _optional([t.keypoints for t in tables], counts, _no_keypoints, _join_ragged),
        "num_keypoints": _optional(
            [t.num_keypoints for t in tables], counts, lambda n: np.full(n, -1, np.int64), np.concatenate
        ),
        "is_oriented": _optional(
            [t.is_oriented for t in tables], counts, lambda n: np.zeros(n, np.bool_), np.concatenate
        ),
        "attributes": _attributes([t.attributes for t in tables], counts),
        "extra": shifted([t.extra for t in tables], counts),
    }


def shifted(parts: Sequence[Mapping[int, Any]], counts: Sequence[int]) -> dict[int, Any]:
    """Mappings by position joined into one: each moved behind the rows of those before it."""
    starts = np.concatenate([[0], np.cumsum(counts)]).tolist()
    return {start + key: value for start, part in zip(starts, parts, strict=False) for key, value in part.items()}


def _optional(
    parts: Sequence[Any], counts: Sequence[int], empty: Callable[[int], Any], join: Callable[[list[Any]], Any]
) -> Any:
    if all(part is None for part in parts):
        return None
    return join([empty(n) if part is None else part for part, n in zip(parts, counts, strict=True)])


def _no_shapes(count: int) -> Shapes:
    nothing = np.zeros(count + 1, np.int64)
    return Shapes(
        np.zeros(count, np.uint8), Ragged(nothing, np.zeros(0, np.int64)), Ragged(nothing, np.zeros((0, 2), np.float64))
    )


def _no_keypoints(count: int) -> Ragged:
    return Ragged(np.zeros(count + 1, np.int64), np.zeros((0, 3), np.float64))


def _join_shapes(parts: Sequence[Shapes]) -> Shapes:
    return Shapes(
        np.concatenate([part.kind for part in parts]),
        _join_ragged([part.rings for part in parts]),
        _join_ragged([part.points for part in parts]),
        shifted([part.rle for part in parts], [len(part) for part in parts]),
    )


def _join_ragged(parts: Sequence[Ragged]) -> Ragged:
    lengths = np.concatenate([part.lengths() for part in parts])
    return Ragged(np.concatenate([[0], np.cumsum(lengths)]), np.concatenate([part.values for part in parts]))


def _attributes(parts: Sequence[Mapping[str, NDArray[Any]]], counts: Sequence[int]) -> dict[str, NDArray[Any]]:
    names = dict.fromkeys(name for part in parts for name in part)
    return {name: _attribute([part.get(name) for part in parts], counts) for name in names}


def _attribute(columns: Sequence[NDArray[Any] | None], counts: Sequence[int]) -> NDArray[Any]:
    columns = [column if n else None for column, n in zip(columns, counts, strict=True)]
    kinds = {column.dtype.kind for column in columns if column is not None}
    complete = all(column is not None or not n for column, n in zip(columns, counts, strict=True))
    (kind,) = kinds if len(kinds) == 1 else ("O",)
    missing = {"f": np.nan, "U": ""}.get(kind)
    if not complete and kind not in "fU":
        kind = "O"
    filled = []
    for column, count in zip(columns, counts, strict=True):
        if column is None and count == 0:
            continue
        if column is None:
            column = np.full(count, missing, {"f": np.float64, "U": np.str_}.get(kind, object))
        filled.append(column.astype(object) if kind == "O" else column)
    return np.concatenate(filled) if filled else np.zeros(0, object)
