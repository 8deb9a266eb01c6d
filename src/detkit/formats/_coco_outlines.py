"""Masks, polygons and keypoints of scanned COCO records, where all of them are plain and sound."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit import masks
from detkit.kernels.json_outlines import Lists, Texts, read_lists, read_masks
from detkit.kernels.json_rows import Columns
from detkit.kernels.rle import Measured, Strings, measure
from detkit.ragged import EMPTY, RleColumns
from detkit.tables import Ragged, Shapes

__all__ = ["Outlines", "read_outlines"]

_LIST, _OBJECT = ord("["), ord("{")


@dataclass(frozen=True, eq=False)
class Outlines:
    """What the records state besides boxes.

    Parameters
    ----------
    shapes : Shapes or None
    keypoints : Ragged or None
    measured : Measured or None
        Of the masks, where every record has a compressed one.
    first : {"segmentation", "keypoints", "none"}
        What the first record states.
    """

    shapes: Shapes | None
    keypoints: Ragged | None
    measured: Measured | None
    first: str


def read_outlines(text: Any, columns: Columns, jobs: int) -> Outlines | None:
    """The outlines at the places noted in `columns.spans` (segmentation, keypoints); None where one is unusual.

    Parameters
    ----------
    text : bytes or mmap
    columns : Columns
    jobs : int
    """
    outlined, pointed = columns.spans
    points = read_lists(text, pointed, jobs)
    if points is None or (np.diff(points.starts) % 3).any():
        return None
    keypoints = Ragged(points.starts // 3, points.values.reshape(-1, 3)) if len(points.values) else None
    stated = outlined[:, 1] > 0
    opening = np.zeros(len(outlined), np.uint8)
    opening[stated] = np.frombuffer(text, np.uint8)[outlined[stated, 0]]
    if not np.isin(opening[stated], (_LIST, _OBJECT)).all():
        return None
    drawn = outlined if (opening != _OBJECT).all() else np.where((opening == _LIST)[:, None], outlined, 0)
    polygons = read_lists(text, drawn, jobs, nested=True)
    if polygons is None or (polygons.lengths % 2).any():
        return None
    coded = np.flatnonzero(opening == _OBJECT)
    found = _masks(text, outlined, coded, jobs)
    if found is None:
        return None
    rle, measured = found
    shapes = _shapes(opening, polygons, rle) if stated.any() else None
    first = "segmentation" if len(stated) and (opening[0] == _OBJECT or outlined[0, 2:].any()) else "none"
    if first == "none" and len(pointed) and pointed[0, 2]:
        first = "keypoints"
    return Outlines(shapes, keypoints, measured, first)


def _shapes(opening: NDArray[np.uint8], polygons: Lists, rle: Any) -> Shapes:
    kind = np.select([opening == _LIST, opening == _OBJECT], [Shapes.POLYGONS, Shapes.RLE], Shapes.NONE)
    points = Ragged(polygons.starts // 2, polygons.values.reshape(-1, 2))
    return Shapes(kind.astype(np.uint8), Ragged(polygons.list_starts, polygons.lengths // 2), points, rle)


def _masks(
    text: Any, spans: NDArray[np.int64], coded: NDArray[np.int64], jobs: int
) -> tuple[Any, Measured | None] | None:
    """The masks by row, and their measures where no row has anything else; None where one is not sound."""
    if not len(coded):
        return EMPTY, None
    found = read_masks(text, spans[coded], jobs)
    strings = _strings(found)
    measured = measure(strings, jobs=jobs)
    if not measured.valid.all():
        return None
    others: dict[int, Any] = {}
    for at in np.flatnonzero(~found.plain).tolist():
        value = _by_library(text, spans[coded[at]])
        if value is None:
            return None
        others[int(coded[at])] = value
    rows = coded[found.plain]
    placed = (strings.sizes, strings.starts, strings.lengths, strings.counts)
    rle = RleColumns(rows, *placed, others or EMPTY, measured.area, measured.xywh)
    return rle, measured if len(rows) == len(spans) else None


def _strings(found: Texts) -> Strings:
    plain = found.plain
    return Strings(found.sizes[plain], found.starts[:-1][plain], np.diff(found.starts)[plain], found.counts)


def _by_library(text: Any, span: NDArray[np.int64]) -> Any:
    """A mask that is written in another way, None where it is not sound."""
    import msgspec

    try:
        value = msgspec.json.decode(text[int(span[0]) : int(span[1])])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    if masks.problem_of(value) is not None:
        return None
    return value if not isinstance(value["counts"], str) or masks.valid_rles([value])[0] else None
