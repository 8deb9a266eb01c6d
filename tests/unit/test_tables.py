"""Tables: sorting, freezing, taking parts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detkit.ragged import Ragged, Shapes, id_array
from detkit.tables import Categories, Dataset, Detections, Images


def images(count: int) -> Images:
    return Images(id_array(range(10, 10 + count)), tuple(f"{i}.jpg" for i in range(count)), np.full((count, 2), 100.0))


def dataset(image_index: list[int], **columns: object) -> Dataset:
    boxes = [[float(i), 0.0, 1.0, 2.0] for i in range(len(image_index))]
    return Dataset.build(
        images(3), Categories.from_names(["a", "b"]), image_index=image_index, category_index=[0] * len(boxes),
        xywh=boxes, **columns,
    )  # fmt: skip


def test_rows_are_sorted_by_image_and_keep_file_order() -> None:
    built = dataset([2, 0, 2, 1, 0])
    assert built.annotations.image_index.tolist() == [0, 0, 1, 2, 2]
    assert built.annotations.source_row.tolist() == [1, 4, 3, 0, 2]
    assert built.offsets.tolist() == [0, 2, 3, 5]


def test_defaults_are_area_of_the_box_and_no_flags() -> None:
    built = dataset([0, 1])
    assert built.annotations.area.tolist() == [1.0 * 2.0, 1.0 * 2.0]
    assert not built.annotations.is_crowd.any()
    assert not built.annotations.is_ignored.any()
    assert built.annotations.ids.tolist() == [1, 2]


@pytest.mark.parametrize("column", ["image_index", "xywh", "area", "is_crowd", "ids"])
def test_columns_are_read_only(column: str) -> None:
    built = dataset([1, 0])
    with pytest.raises(ValueError, match="read-only"):
        getattr(built.annotations, column)[0] = 0


def test_detections_columns_are_read_only_whether_sorted_or_not() -> None:
    for order in ([0, 1], [1, 0]):
        found = Detections.build(
            images(2), Categories.from_names(["a"]), image_index=order, category_index=[0, 0],
            xywh=np.ones((2, 4)), score=[0.5, 0.25],
        )  # fmt: skip
        assert not found.score.flags.writeable
        assert found.image_index.tolist() == [0, 1]
    assert found.source_row.tolist() == [1, 0]


def test_take_images_reorders_and_cuts_splits() -> None:
    built = dataset([0, 1, 2, 2], splits={"train": np.array([0, 1]), "val": np.array([2])})
    part = built.take_images([2, 0])
    assert part.images.ids.tolist() == [12, 10]
    assert part.annotations.image_index.tolist() == [0, 0, 1]
    assert part.annotations.source_row.tolist() == [2, 3, 0]
    assert {k: v.tolist() for k, v in part.splits.items()} == {"train": [1], "val": [0]}


@pytest.mark.parametrize("own", [True, False])
def test_taken_classes_keep_all_they_have_and_their_numbers_where_asked(own: bool) -> None:
    classes = Categories(id_array([7, 8, 9]), ("a", "b", "c"), ("x", None, "z"), own, False, {2: {"colour": "red"}})
    taken = classes.take([2, 0])
    assert (taken.names, taken.supercategories, taken.extra) == (("c", "a"), ("z", "x"), {0: {"colour": "red"}})
    assert (taken.ids.tolist(), taken.has_own_ids, taken.has_names) == ([9, 7], own, False)
    assert classes.take([2, 0], renumber=True).ids.tolist() == ([9, 7] if own else [1, 2])
    assert len(classes.take([])) == 0


def test_ids_stay_text_or_numbers() -> None:
    assert id_array([3, 1]).dtype == np.int64
    assert id_array(["3", 1]).tolist() == ["3", 1]
    assert id_array([2**70]).tolist() == [2**70]
    assert id_array([True]).dtype == object


@settings(derandomize=True, deadline=None, max_examples=50)
@given(st.lists(st.lists(st.floats(-10, 10), max_size=4), max_size=8), st.data())
def test_ragged_take_is_indexing(rows: list[list[float]], data: st.DataObject) -> None:
    ragged = Ragged.from_rows(rows)
    picks = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=10)) if rows else []
    taken = ragged.take(np.array(picks, dtype=np.int64))
    assert [taken[i].tolist() for i in range(len(taken))] == [rows[p] for p in picks]


def test_shapes_keep_missing_empty_and_parts_apart() -> None:
    rows = [None, [], [[0, 0, 4, 0, 4, 4], [1, 1, 2, 1, 2, 2]], {"size": [2, 2], "counts": [4]}]
    shapes = Shapes.from_rows(rows)
    assert shapes.kind.tolist() == [Shapes.NONE, Shapes.POLYGONS, Shapes.POLYGONS, Shapes.RLE]
    assert [ring.tolist() for ring in shapes.polygons(2)] == [
        [[0, 0], [4, 0], [4, 4]],
        [[1, 1], [2, 1], [2, 2]],
    ]
    assert shapes.polygons(1) == []
    turned = shapes.take(np.array([3, 2]))
    assert turned.rle[0] == rows[3]
    assert len(turned.polygons(1)) == 2


def test_classes_are_called_by_name_and_by_ids_that_are_no_name() -> None:
    classes = Categories(id_array([2, 1, 5]), ("1", "a", "1"))
    assert classes.places() == {"2": [0], "1": [0, 2], "5": [2], "a": [1]}
    assert Categories.from_names(["a"]).places() == {"a": [0], "1": [0]}
    assert Categories.from_names(["a"]).places(own_ids=True) == {"a": [0]}
