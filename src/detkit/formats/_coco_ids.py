"""Ids of a file as columns: where each stands, which are new, which come again."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.formats._object_columns import object_column

__all__ = ["distinct_of", "duplicates", "first_seen", "id_column", "positions"]


def id_column(values: list[Any]) -> NDArray[Any]:
    """Ids as int64 where all are whole numbers that fit, else as objects."""
    if set(map(type, values)) <= {int}:
        try:
            return np.array(values, dtype=np.int64)
        except OverflowError:
            pass
    return object_column(values)


def positions(keys: NDArray[Any], ids: NDArray[Any]) -> NDArray[np.int64]:
    """Where each key stands among the (unique) ids; -1 where it does not.

    Parameters
    ----------
    keys : (N,) int64 or object
    ids : (M,) int64 or object

    Returns
    -------
    (N,) int64
    """
    if keys.dtype == object or ids.dtype == object:
        known = {value: i for i, value in enumerate(ids.tolist())}
        return np.fromiter((known.get(key, -1) for key in keys.tolist()), np.int64, len(keys))
    if not len(ids):
        return np.full(len(keys), -1, np.int64)
    low, high = int(ids.min()), int(ids.max())
    if _is_dense(low, high, len(ids) + len(keys)):
        table = np.full(high - low + 1, -1, np.int64)
        table[ids - low] = np.arange(len(ids))
        if len(keys) and low <= int(keys.min()) and int(keys.max()) <= high:
            return table.take(keys - low)
        at = table[np.clip(keys, low, high) - low]
        return np.asarray(np.where((keys < low) | (keys > high), -1, at), dtype=np.int64)
    order = np.argsort(ids, kind="stable")
    at = order[np.minimum(np.searchsorted(ids, keys, sorter=order), len(ids) - 1)]
    return np.asarray(np.where(ids[at] == keys, at, -1), dtype=np.int64)


def first_seen(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Distinct values in order of first appearance, and the position of each value among them.

    Returns
    -------
    distinct : (M,) of the same dtype
    index : (N,) int64
    """
    if values.dtype == object:
        seen: dict[Any, int] = {}
        index = np.fromiter((seen.setdefault(v, len(seen)) for v in values.tolist()), np.int64, len(values))
        return id_column(list(seen)), index
    heads = np.flatnonzero(np.concatenate([values[:1] == values[:1], values[1:] != values[:-1]]))
    if 4 * len(heads) < len(values):
        # Rows mostly follow each other image by image: one look-up a run instead of one a row.
        distinct, index = first_seen(values[heads])
        return distinct, np.repeat(index, np.diff(np.append(heads, len(values))))
    if len(values) and _is_dense(low := int(values.min()), high := int(values.max()), len(values)):
        table = np.full(high - low + 1, len(values))
        np.minimum.at(table, values - low, np.arange(len(values)))
        present = np.flatnonzero(table < len(values))
        present = present[np.argsort(table[present])]
        table[present] = np.arange(len(present))
        return present + low, table[values - low]
    distinct, first, inverse = np.unique(values, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return distinct[order], rank[inverse.reshape(-1)]


def distinct_of(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Distinct values, numbers in ascending order and objects as they appear, and each value's position among them.

    Returns
    -------
    distinct : (M,) of the same dtype
    index : (N,) int64
    """
    if values.dtype == object or not len(values):
        return first_seen(values)
    low, high = int(values.min()), int(values.max())
    if not _is_dense(low, high, len(values)):
        distinct, index = np.unique(values, return_inverse=True)
        return distinct, index.reshape(-1)
    own = values if low == 0 else values - low
    table = np.zeros(high - low + 1, np.int64)
    table[own] = 1
    distinct = np.flatnonzero(table)
    table[distinct] = np.arange(len(distinct))
    return distinct + low, table.take(own)


def _is_dense(low: int, high: int, count: int) -> bool:
    """Whether a table from the lowest to the highest value is worth its memory."""
    return high - low < 4 * count + 1024


def duplicates(values: NDArray[Any]) -> tuple[int, Any]:
    """How many values repeat an earlier one, and the first that does."""
    if values.dtype != object and bool((values[1:] > values[:-1]).all()):
        return 0, None
    distinct, index = first_seen(values)
    if len(distinct) == len(values):
        return 0, None
    again = np.flatnonzero(np.bincount(index) > 1)
    return len(values) - len(distinct), distinct[again[:1]].tolist()[0]
