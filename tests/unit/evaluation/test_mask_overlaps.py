"""Masks of a table, however each row states it: those that the reference makes of the rows one by one."""

from __future__ import annotations

import numpy as np
import pytest

from detkit import masks
from detkit.errors import InputError
from detkit.evaluation.mask_overlaps import MaskTable
from detkit.kernels.rle import Measured
from detkit.ragged import RleColumns
from detkit.tables import Images, Shapes

SIZE = (12, 9)  # width, height
POLYGONS = [
    [[0.0, 0.0, 4.0, 0.0, 4.0, 3.0, 0.0, 3.0]],
    [[1.0, 1.0, 6.5, 1.0, 6.5, 8.0], [5.0, 5.0, 11.0, 5.0, 11.0, 9.0, 5.0, 9.0]],
    [[1.0, 1.0, 6.5, 1.0, 6.5, 8.0], [5.0, 5.0]],
    [[-3e6, 0.0, 4.0, 0.0, 4.0, 3e6]],
]
RUNS = {"size": [9, 12], "counts": [10, 5, 4, 5, 84]}


def images(size=SIZE):
    return Images(np.array([7]), ("a.jpg",), np.array([size], dtype=np.float64))


def texts(table, rows):
    found = table.strings(np.array(rows))
    return [found.counts[a : a + n].tobytes() for a, n in zip(found.starts, found.lengths, strict=True)]


def expected(value):
    counts = masks.to_rle(value, SIZE[1], SIZE[0])["counts"]
    return counts.encode() if isinstance(counts, str) else counts


def test_every_way_to_state_a_mask_gives_the_mask_of_the_reference():
    compressed = masks.to_rle(RUNS, 9, 12)
    values = [*POLYGONS, RUNS, compressed, POLYGONS[0]]
    table = MaskTable(Shapes.from_rows(values), images(), np.zeros(len(values), np.int64))
    order = [6, 0, 5, 3, 2, 4, 1]
    assert texts(table, order) == [expected(values[i]) for i in order]


def test_masks_as_they_were_read_stand_beside_drawn_ones():
    compressed = expected(RUNS)
    rle = RleColumns(
        np.array([1]), np.array([[9, 12]]), np.array([2]), np.array([len(compressed)]),
        np.frombuffer(b"~~" + compressed, np.uint8),
    )  # fmt: skip
    polygons = Shapes.from_rows([POLYGONS[0], [], POLYGONS[1]])
    kind = np.array([Shapes.POLYGONS, Shapes.RLE, Shapes.POLYGONS], np.uint8)
    table = MaskTable(Shapes(kind, polygons.rings, polygons.points, rle), images(), np.zeros(3, np.int64))
    assert texts(table, [0, 1, 2]) == [expected(POLYGONS[0]), compressed, expected(POLYGONS[1])]
    assert table.strings(np.arange(3)).sizes.tolist() == [[9, 12]] * 3


def test_what_was_measured_when_reading_is_not_measured_again():
    rle = RleColumns(
        np.arange(2), np.ones((2, 2), np.int64), np.zeros(2, np.int64), np.full(2, 2),
        np.frombuffer(b"01", np.uint8), area=np.array([3.0, 4.0]), xywh=np.arange(8.0).reshape(2, 4),
    )  # fmt: skip
    shapes = Shapes.from_rows([[], []])
    shapes = Shapes(np.full(2, Shapes.RLE, np.uint8), shapes.rings, shapes.points, rle).take(np.array([1, 0]))
    found = MaskTable(shapes, images(), np.zeros(2, np.int64)).strings(np.array([0])).measured
    assert isinstance(found, Measured)
    assert (found.area.tolist(), found.xywh.tolist()) == ([4.0], [[4.0, 5.0, 6.0, 7.0]])


def test_an_outline_that_leads_beyond_all_bounds_is_refused():
    with pytest.raises(InputError, match=r"an outline of 2e\+09 pixels, expected at most 1e\+07"):
        MaskTable(Shapes.from_rows([[[0.0, 0.0, 1e9, 0.0, 1e9, 1.0]]]), images(), np.zeros(1, np.int64))


@pytest.mark.parametrize("value", [POLYGONS[0], POLYGONS[3]])
def test_a_polygon_needs_the_size_of_its_image(value):
    with pytest.raises(InputError, match="image `7` has no size"):
        MaskTable(Shapes.from_rows([value]), images((np.nan, np.nan)), np.zeros(1, np.int64))
    table = MaskTable(Shapes.from_rows([RUNS]), images((np.nan, np.nan)), np.zeros(1, np.int64))
    assert texts(table, [0]) == [expected(RUNS)]
