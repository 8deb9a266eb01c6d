"""Classes renamed, joined, dropped, ordered and numbered."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from detkit.errors import UsageError
from detkit.ragged import id_array
from detkit.tables import Categories, Dataset, Images
from detkit.transforms.remap import remap
from unit.transforms._rich import rich, rows_of


def named(*names: str, ids: list[int] | None = None, own: bool = True, boxes: list[int] | None = None) -> Dataset:
    """One image with as many boxes of each class as asked for, by default one, all at different places."""
    counts = boxes or [1] * len(names)
    classes = [k for k, count in enumerate(counts) for _ in range(count)]
    return Dataset.build(
        Images(id_array([1]), ("a.jpg",), np.array([[100.0, 100]])),
        Categories(id_array(ids or range(1, len(names) + 1)), names, has_own_ids=own),
        image_index=[0] * len(classes),
        category_index=classes,
        xywh=[[n, 0, 1, 1] for n in range(len(classes))],
    )


def told(dataset: Dataset) -> tuple[tuple[str, ...], list[Any], list[str]]:
    """Names, ids, and the class of each box."""
    names = dataset.categories.names
    return names, dataset.categories.ids.tolist(), [names[k] for k in dataset.annotations.category_index]


def test_renamed_joined_and_dropped_at_once() -> None:
    change = remap(named("car", "van", "dog", "cat"), {"car": "vehicle", "van": "vehicle", "cat": None}, drop=["dog"])
    assert told(change.dataset) == (("vehicle",), [1], ["vehicle", "vehicle"])
    assert [(loss.what, loss.count) for loss in change.losses] == [("classes", 2), ("boxes of dropped classes", 2)]
    assert (change.details["renamed"], change.details["joined"], change.details["dropped"]) == (2, 1, 2)


def test_names_are_exchanged_not_chained() -> None:
    change = remap(named("a", "b", "c"), {"a": "b", "b": "a"})
    assert told(change.dataset) == (("b", "a", "c"), [1, 2, 3], ["b", "a", "c"])
    assert told(remap(named("a", "b", "c"), {"a": "b", "b": "c"}).dataset) == (("b", "c"), [1, 3], ["b", "c", "c"])


def test_a_joined_class_takes_the_place_of_its_name() -> None:
    change = remap(named("van", "dog", "car", ids=[7, 8, 9]), {"van": "car"})
    assert told(change.dataset) == (("dog", "car"), [8, 9], ["car", "dog", "car"])


def test_ids_name_classes_where_no_name_does() -> None:
    assert told(remap(named("a", "b", ids=[10, 20]), {"20": "c"}).dataset)[0] == ("a", "c")
    assert told(remap(named("20", "b", ids=[10, 20]), {"20": "c"}).dataset)[0] == ("c", "b")


def test_made_up_ids_are_made_up_anew() -> None:
    change = remap(named("a", "b", "c", own=False), drop=["a"])
    assert told(change.dataset) == (("b", "c"), [1, 2], ["b", "c"])


def test_every_column_stays() -> None:
    dataset = rich(images=8, boxes=40)
    change = remap(dataset, {"class 0": "zero"}, order=["class 2"])
    renamed = [(row[0], "zero" if row[1] == "class 0" else row[1], *row[2:]) for row in rows_of(dataset)]
    assert rows_of(change.dataset) == renamed
    assert change.dataset.categories.names == ("class 2", "zero", "class 1")
    assert change.dataset.categories.ids.tolist() == [12, 10, 11]
    assert dict(change.dataset.categories.extra) == {1: {"colour": "red"}}
    assert dict(change.dataset.images.extra) == dict(dataset.images.extra)


@pytest.mark.parametrize(
    ("order", "names"),
    [("source", ("b", "c", "a")), ("name", ("a", "b", "c")), ("boxes", ("a", "b", "c")), (["c"], ("c", "b", "a"))],
)
def test_orders(order: Any, names: tuple[str, ...]) -> None:
    dataset = named("b", "c", "a", "x", boxes=[2, 1, 3, 1])
    change = remap(dataset, drop=["x"], order=order)
    assert change.dataset.categories.names == names
    assert sorted(told(change.dataset)[2]) == ["a"] * 3 + ["b"] * 2 + ["c"]


@pytest.mark.parametrize(
    ("case", "names"),
    [
        ("lower", ("car", "big dog")),
        ("upper", ("CAR", "BIG DOG")),
        ("title", ("Car", "Big Dog")),
        ("join", ("CAR", "Big dog")),
    ],
)
def test_case(case: Any, names: tuple[str, ...]) -> None:
    change = remap(named("Car", "CAR", " car", "Big dog", boxes=[1, 3, 2, 1]), {" car": "car"}, case=case)
    assert set(change.dataset.categories.names) == set(names)
    assert len(change.dataset.annotations) == 7
    if case == "join":
        spaces = remap(named("Car", " car ", boxes=[1, 2]), case="join")
        assert spaces.dataset.categories.names == (" car ",)


def test_coco_ids_there_and_back() -> None:
    names = [f"n{k}" for k in range(80)]
    there = remap(named(*names), coco="80to91").dataset
    ids = there.categories.ids.tolist()
    holes = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83, 91}
    assert ids == [i for i in range(1, 91) if i not in holes]
    assert remap(there, coco="91to80").dataset.categories.ids.tolist() == list(range(1, 81))
    from_zero = remap(named(*names, ids=list(range(80))), coco="80to91").dataset
    assert from_zero.categories.ids.tolist() == ids
    assert remap(named("a", "b", ids=[13, 90]), coco="91to80").dataset.categories.ids.tolist() == [12, 80]
    with pytest.raises(UsageError, match="2 class ids `12`, `99`"):
        remap(named("a", "b", "c", ids=[1, 12, 99]), coco="91to80")


def test_lists_of_classes_on_images_follow() -> None:
    """LVIS: two classes joined are verified absent only where both are."""
    images = Images(
        id_array([1, 2]),
        ("a", "b"),
        np.full((2, 2), 9.0),
        extra={
            0: {"neg_category_ids": [1, 2, 3], "not_exhaustive_category_ids": [2]},
            1: {"neg_category_ids": [1, 3], "pos_category_ids": [2]},
        },
    )
    dataset = Dataset.build(
        images, Categories(id_array([1, 2, 3]), ("a", "b", "c")), image_index=[], category_index=[], xywh=[]
    )
    extra = remap(dataset, {"a": "b"}, drop=["c"]).dataset.images.extra
    assert extra[0] == {"neg_category_ids": [2], "not_exhaustive_category_ids": [2]}
    assert extra[1] == {"neg_category_ids": [], "pos_category_ids": [2]}


def test_boxes_that_are_twice_after_joining_are_told() -> None:
    dataset = Dataset.build(
        Images(id_array([1]), ("a",), np.full((1, 2), 9.0)),
        Categories.from_names(["a", "b"]),
        image_index=[0, 0],
        category_index=[0, 1],
        xywh=[[1, 1, 2, 2], [1, 1, 2, 2]],
    )
    assert [(f.code, f.count) for f in remap(dataset, {"a": "b"}).findings] == [("DK501", 1)]


def test_what_is_not_there_is_refused_with_what_is_near() -> None:
    for arguments in ({"names": {"sqare": "x"}}, {"drop": ["sqare"]}, {"order": ["sqare"]}):
        with pytest.raises(UsageError, match="unknown class `sqare`") as caught:
            remap(named("square", "circle"), **arguments)  # type: ignore[arg-type]
        assert "`square`" in str(caught.value.hint)
    with pytest.raises(UsageError, match="nothing to change"):
        remap(named("a"))
    with pytest.raises(UsageError, match="empty name"):
        remap(named("a"), {"a": "  "})
    with pytest.raises(UsageError, match="renamed by --map and dropped by --drop"):
        remap(named("a", "b"), {"a": "c"}, drop=["a"])
