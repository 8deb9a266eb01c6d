"""Small tables for round trips of annotation formats, drawn by hypothesis, and how two are compared."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from detkit.tables import Categories, Dataset, Detections, Images, Shapes

CLASSES = ("cat", "größe", "traffic light")
FILES = ("a.jpg", "night/b c.png", "c.v2.JPG")
SIZE = (640.0, 480.0)

#: Coordinates as people have them: whole pixels, CVAT's two decimals, and six of them.
_whole = st.integers(0, 300).map(float)
_decimals = st.integers(0, 300_000_000).map(lambda n: round(n / 1e6, 6))
_cents = st.integers(0, 30_000).map(lambda n: round(n / 100, 2))
coordinate = st.one_of(_whole, _cents, _decimals)
side = st.one_of(st.integers(1, 150).map(float), st.integers(1, 150_000_000).map(lambda n: round(n / 1e6, 6)))
box = st.tuples(coordinate, coordinate, side, side)
row = st.tuples(st.integers(0, len(FILES) - 1), st.integers(0, len(CLASSES) - 1), box, st.booleans())
rows = st.lists(row, max_size=8)
scored = st.lists(st.tuples(row, st.floats(0, 1)), min_size=1, max_size=8)


def images() -> Images:
    """Three images, one of them in a folder, with sizes and without ids of their own."""
    return Images(np.arange(1, 4), FILES, np.tile(SIZE, (3, 1)), has_own_ids=False)


def dataset(drawn: list[Any], *, ignored: bool = False, **columns: Any) -> Dataset:
    """A dataset of drawn rows."""
    if ignored:
        columns["is_ignored"] = [r[3] for r in drawn]
    return Dataset.build(
        images(),
        Categories.from_names(CLASSES),
        image_index=[r[0] for r in drawn],
        category_index=[r[1] for r in drawn],
        xywh=np.array([r[2] for r in drawn], float).reshape(-1, 4),
        **columns,
    )


def detections(drawn: list[Any]) -> Detections:
    """Predictions of drawn rows with scores."""
    return Detections.build(
        images(),
        Categories.from_names(CLASSES),
        image_index=[r[0] for r, _ in drawn],
        category_index=[r[1] for r, _ in drawn],
        xywh=np.array([r[2] for r, _ in drawn], float).reshape(-1, 4),
        score=[s for _, s in drawn],
    )


def turned(drawn: list[Any], degrees: float) -> Shapes:
    """The boxes of drawn rows as rectangles turned around their top left corner, corners rounded to 6 decimals."""
    angle = np.radians(degrees)
    across, down = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    outlines = []
    for _, _, (x, y, w, h), _ in drawn:
        start = np.array([x, y])
        ring = [start, start + w * across, start + w * across + h * down, start + h * down]
        outlines.append([np.round(np.concatenate(ring), 6).tolist()])
    return Shapes.from_rows(outlines)


def values(table: Dataset | Detections) -> list[tuple[Any, ...]]:
    """(file, class, box, further columns) of each row, in order of the files."""
    data = table.annotations if isinstance(table, Dataset) else table
    more = data.is_ignored if isinstance(table, Dataset) else table.score
    found = [
        (table.images.file_names[i], table.categories.names[c], *box, last)
        for i, c, box, last in zip(
            data.image_index.tolist(), data.category_index.tolist(), data.xywh.tolist(), more.tolist(), strict=True
        )
    ]
    return sorted(found, key=lambda r: r[0])


def rings(table: Dataset) -> list[Any]:
    """Outlines of each row, in order of the files."""
    shapes, data = table.annotations.shapes, table.annotations
    if shapes is None:
        return []
    found = [
        (table.images.file_names[i], [ring.tolist() for ring in shapes.polygons(n)])
        for n, i in enumerate(data.image_index.tolist())
    ]
    return sorted(found, key=lambda r: r[0])
