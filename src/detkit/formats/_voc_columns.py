"""Objects of many VOC files as columns, from files read by pattern and files read by the XML library alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.formats._voc_numbers import difference
from detkit.formats._voc_xml import XmlObject, XmlRecord
from detkit.tables import Shapes

__all__ = ["Columns", "columns_of"]


@dataclass(frozen=True)
class Columns:
    """Objects in the order of files.

    Parameters
    ----------
    names : list of str
    xywh : (N, 4) float64
        Pixels.
    difficult : list of bool
    shapes : Shapes or None
    attributes : dict of str to (N,) array
        Columns that at least one object states.
    extra : dict of int to dict
    """

    names: list[str]
    xywh: NDArray[np.float64]
    difficult: list[bool]
    shapes: Shapes | None
    attributes: dict[str, NDArray[Any]]
    extra: dict[int, dict[str, Any]]


def columns_of(records: Sequence[XmlRecord], voc_offset: int) -> Columns:
    """Columns of all objects.

    Parameters
    ----------
    records : sequence of XmlRecord
    voc_offset : {0, 1}

    Returns
    -------
    Columns
    """
    names: list[str] = []
    difficult: list[bool] = []
    pose: list[str] = []
    flags: dict[str, list[float]] = {"truncated": [], "occluded": []}
    corners: list[list[float]] = [[], [], [], []]
    others: list[XmlObject] = []
    rows_of_others: list[int] = []
    for record in records:
        rows, count = record.rows, len(record)
        if rows is None:
            rows_of_others += range(len(names), len(names) + count)
            others += record.objects
            names += [o.name for o in record.objects]
            difficult += [o.difficult for o in record.objects]
            pose += [o.pose for o in record.objects]
            for name, values in flags.items():
                values += [getattr(o, name) for o in record.objects]
            continue
        names += rows.names
        difficult += rows.difficult or [False] * count
        pose += rows.pose or [""] * count
        flags["truncated"] += rows.truncated or [_UNSTATED] * count
        flags["occluded"] += rows.occluded or [_UNSTATED] * count
        for all_of_side, side in zip(corners, rows.corners, strict=True):
            all_of_side += side
    return Columns(
        names,
        _boxes(corners, others, rows_of_others, len(names), voc_offset),
        difficult,
        _shapes(others, rows_of_others, len(names)),
        _attributes(flags, pose),
        {row: o.extra for row, o in zip(rows_of_others, others, strict=True) if o.extra},
    )


_UNSTATED = float("nan")


def _boxes(
    corners: list[list[float]], others: list[XmlObject], rows_of_others: list[int], count: int, voc_offset: int
) -> NDArray[np.float64]:
    xywh = np.empty((count, 4))
    plain = np.ones(count, np.bool_)
    plain[rows_of_others] = False
    edges = np.array(corners, np.float64).reshape(4, -1).T
    low = difference(edges[:, :2], voc_offset)
    xywh[plain] = np.hstack([low, difference(edges[:, 2:], low)])
    if others:
        xywh[~plain] = [o.xywh for o in others]
    return xywh


def _shapes(others: list[XmlObject], rows_of_others: list[int], count: int) -> Shapes | None:
    if all(o.polygon is None for o in others):
        return None
    rings: list[Any] = [None] * count
    for row, item in zip(rows_of_others, others, strict=True):
        rings[row] = None if item.polygon is None else [item.polygon]
    return Shapes.from_rows(rings)


def _attributes(flags: dict[str, list[float]], pose: list[str]) -> dict[str, NDArray[Any]]:
    columns: dict[str, NDArray[Any]] = {}
    for name, stated in flags.items():
        values = np.array(stated, np.float64)
        if not np.isnan(values).all():
            columns[name] = values
    if any(pose):
        texts = np.empty(len(pose), dtype=object)
        texts[:] = pose
        columns["pose"] = texts
    return columns
