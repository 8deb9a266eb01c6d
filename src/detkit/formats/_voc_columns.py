"""Objects of many VOC files as columns, from plain files and from files that the XML library read alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.formats._numbers import difference
from detkit.formats._voc_plain import PlainRows
from detkit.formats._voc_xml import XmlObject, XmlRecord
from detkit.tables import Shapes

__all__ = ["Columns", "columns_of"]


@dataclass(frozen=True)
class Columns:
    """Objects in the order of files.

    Parameters
    ----------
    names : list of str
        Every name that occurs, once.
    name_index : (N,) int64
        Position of each object's name.
    xywh : (N, 4) float64
        Pixels.
    difficult : (N,) bool
    shapes : Shapes or None
    attributes : dict of str to (N,) array
        Columns that at least one object states.
    extra : dict of int to dict
    """

    names: list[str]
    name_index: NDArray[np.int64]
    xywh: NDArray[np.float64]
    difficult: NDArray[np.bool_]
    shapes: Shapes | None
    attributes: dict[str, NDArray[Any]]
    extra: dict[int, dict[str, Any]]


def columns_of(records: Sequence[XmlRecord], rows: PlainRows, voc_offset: int) -> Columns:
    """Columns of all objects.

    Parameters
    ----------
    records : sequence of XmlRecord
    rows : PlainRows
        Objects of those that have plain ones, in their order.
    voc_offset : {0, 1}

    Returns
    -------
    Columns
    """
    others = [item for record in records for item in record.objects]
    is_plain = np.repeat([record.plain > 0 for record in records], [len(record) for record in records])

    def column(plain: NDArray[Any], rest: list[Any]) -> NDArray[Any]:
        """A column of all objects from that of the plain ones and that of the others."""
        if not others:
            return plain
        out = np.empty((len(is_plain), *plain.shape[1:]), plain.dtype)
        out[is_plain], out[~is_plain] = plain, rest
        return out

    texts = {text: position for position, text in enumerate(rows.texts)}
    names = column(rows.names, [texts.setdefault(o.name, len(texts)) for o in others])
    poses = column(rows.poses, [texts.setdefault(o.pose, len(texts)) for o in others])
    truncated = column(rows.truncated, [o.truncated for o in others])
    occluded = column(rows.occluded, [o.occluded for o in others])
    at = np.flatnonzero(~is_plain).tolist() if others else []
    every = np.array(list(texts), object)
    used, name_index = np.unique(names, return_inverse=True)
    return Columns(
        every[used].tolist(),
        name_index,
        column(_boxes(rows.corners, voc_offset), [o.xywh for o in others]),
        column(rows.difficult, [o.difficult for o in others]),
        _shapes(others, at, len(names)),
        _attributes(truncated, occluded, every, poses),
        {row: o.extra for row, o in zip(at, others, strict=True) if o.extra},
    )


def _boxes(corners: NDArray[np.float64], voc_offset: int) -> NDArray[np.float64]:
    low = difference(corners[:, :2], voc_offset)
    return np.hstack([low, difference(corners[:, 2:], low)])


def _shapes(others: list[XmlObject], at: list[int], count: int) -> Shapes | None:
    if all(o.polygon is None for o in others):
        return None
    rings: list[Any] = [None] * count
    for row, item in zip(at, others, strict=True):
        rings[row] = None if item.polygon is None else [item.polygon]
    return Shapes.from_rows(rings)


def _attributes(
    truncated: NDArray[np.float64], occluded: NDArray[np.float64], texts: NDArray[Any], poses: NDArray[np.int64]
) -> dict[str, NDArray[Any]]:
    columns: dict[str, NDArray[Any]] = {
        name: values
        for name, values in (("truncated", truncated), ("occluded", occluded))
        if not np.isnan(values).all()
    }
    pose = texts[poses]
    if pose.any():
        columns["pose"] = pose
    return columns
