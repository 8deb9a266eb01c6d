"""Conditions as text against plain Python on every row, and what a filter leaves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from detkit.errors import UsageError
from detkit.ragged import id_array
from detkit.tables import Categories, Dataset, Images
from detkit.transforms._expression import condition
from detkit.transforms.filter import filter_dataset
from unit.transforms._rich import rich, rows_of


def records(dataset: Dataset) -> list[dict[str, Any]]:
    """Every box as a plain mapping."""
    table = dataset.annotations
    found = []
    for n in range(len(table)):
        i, k = int(table.image_index[n]), int(table.category_index[n])
        x, y, w, h = table.xywh[n].tolist()
        width, height = dataset.images.sizes[i].tolist()
        found.append(
            {
                **{
                    "x": x,
                    "y": y,
                    "w": w,
                    "h": h,
                    "width": width,
                    "height": height,
                    "class": dataset.categories.names[k],
                },
                **{"class_id": dataset.categories.ids.tolist()[k], "area": float(table.area[n])},
                **{"is_crowd": bool(table.is_crowd[n]), "is_ignored": bool(table.is_ignored[n])},
                "file_name": dataset.images.file_names[i],
                "scene": dataset.images.extra[i]["scene"],
                "splits": [name for name, members in dataset.splits.items() if i in members],
                "boxes": int(np.count_nonzero(table.image_index == i)),
                **{name: values[n] for name, values in table.attributes.items()},
            }
        )
    return found


CASES: list[tuple[str, Callable[[dict[str, Any]], bool]]] = [
    ("w > 20", lambda r: r["w"] > 20),
    ("w > 20 and not h <= 10", lambda r: r["w"] > 20 and r["h"] > 10),
    ("w < 5 or h < 5", lambda r: r["w"] < 5 or r["h"] < 5),
    ("10 < w <= 30 != h", lambda r: 10 < r["w"] <= 30 != r["h"]),
    ("w * h >= 8 ** 2 - 1.5", lambda r: r["w"] * r["h"] >= 8**2 - 1.5),
    ("box_area / 2 > area", lambda r: r["w"] * r["h"] / 2 > r["area"]),
    ("aspect > 2", lambda r: r["w"] / r["h"] > 2),
    ("area_share < 0.05", lambda r: r["w"] * r["h"] / (r["width"] * r["height"]) < 0.05),
    ("x + w > width or -y // 7 % 3 == 1", lambda r: r["x"] + r["w"] > r["width"] or -r["y"] // 7 % 3 == 1),
    ("abs(w - h) < max(w, h) / 4", lambda r: abs(r["w"] - r["h"]) < max(r["w"], r["h"]) / 4),
    ("sqrt(min(w, h)) > 3", lambda r: min(r["w"], r["h"]) ** 0.5 > 3),
    ('class == "class 1"', lambda r: r["class"] == "class 1"),
    ('"class 1" == class', lambda r: r["class"] == "class 1"),
    ('class != "class 1"', lambda r: r["class"] != "class 1"),
    ('class in ["class 0", "class 2"]', lambda r: r["class"] in ("class 0", "class 2")),
    ('class not in ("class 0",)', lambda r: r["class"] != "class 0"),
    ('class >= "class 1"', lambda r: r["class"] >= "class 1"),
    ('"class 1" <= class', lambda r: r["class"] >= "class 1"),
    ("class_id in [10, 12]", lambda r: r["class_id"] in (10, 12)),
    ('"_001." in file_name', lambda r: "_001" in r["file_name"]),
    ('"_001." not in file_name', lambda r: "_001" not in r["file_name"]),
    ('file_name.endswith("3.jpg")', lambda r: r["file_name"].endswith("3.jpg")),
    ('matches(file_name, "_00[24]")', lambda r: "_002" in r["file_name"] or "_004" in r["file_name"]),
    ('lower(attributes.pose) == "left"', lambda r: r["pose"] == "Left"),
    ("is_crowd", lambda r: r["is_crowd"]),
    ("not is_crowd and is_ignored == True", lambda r: not r["is_crowd"] and r["is_ignored"]),
    ('split == "val"', lambda r: "val" in r["splits"]),
    ('split != "val"', lambda r: "val" not in r["splits"]),
    ("boxes >= 12", lambda r: r["boxes"] >= 12),
    ('image.scene == "s1"', lambda r: r["scene"] == "s1"),
    ("attributes.occluded", lambda r: r["occluded"]),
    ('attributes["score"] > 0.5', lambda r: r["score"] > 0.5),
    ("attributes.score == None", lambda r: r["score"] != r["score"]),
    ("attributes.score is not None", lambda r: r["score"] == r["score"]),
    ('attributes.mixed == "one"', lambda r: r["mixed"] == "one"),
    ("attributes.mixed == None", lambda r: r["mixed"] is None),
    ("True", lambda r: True),
    ("  w >\n 20", lambda r: r["w"] > 20),
]


@pytest.mark.parametrize(("text", "twin"), CASES, ids=[c[0] for c in CASES])
def test_conditions_on_boxes(text: str, twin: Callable[[dict[str, Any]], bool]) -> None:
    dataset = rich(images=8, seed=2, boxes=90)
    found = condition(dataset, text, "boxes", "--where").mask
    expected = [bool(twin(row)) for row in records(dataset)]
    assert found.tolist() == expected
    assert text in ("True",) or len(set(expected)) == 2


IMAGE_CASES: list[tuple[str, Callable[[list[dict[str, Any]]], bool]]] = [
    ("boxes > 3", lambda rows: len(rows) > 3),
    ('any(class == "class 1" and w > 30)', lambda rows: any(r["class"] == "class 1" and r["w"] > 30 for r in rows)),
    ("all(w > 8)", lambda rows: all(r["w"] > 8 for r in rows)),
    ("count(h > 25) >= 2", lambda rows: sum(r["h"] > 25 for r in rows) >= 2),
    ("count(is_crowd) / boxes > 0.2", lambda rows: bool(rows) and sum(r["is_crowd"] for r in rows) / len(rows) > 0.2),
]


@pytest.mark.parametrize(("text", "twin"), IMAGE_CASES, ids=[c[0] for c in IMAGE_CASES])
def test_conditions_on_images(text: str, twin: Callable[[list[dict[str, Any]]], bool]) -> None:
    dataset = rich(images=12, seed=4, boxes=40)
    rows = records(dataset)
    found = condition(dataset, text, "images", "--images-where").mask
    of_image = [[r for r in rows if r["file_name"] == name] for name in dataset.images.file_names]
    assert found.tolist() == [twin(mine) for mine in of_image]
    assert len(set(found.tolist())) == 2


WRONG = [
    ("w >", 4, "cannot be read"),
    ("(w > 3", 1, "cannot be read"),
    ("clas == 1", 1, "unknown name `clas`"),
    ('w > 3 and file_nam == "x"', 11, "unknown name `file_nam`"),
    ('class == "é" or wdth > 1', 17, "unknown name `wdth`"),
    ("w", 1, "expected a condition, found a number"),
    ("class", 1, "expected a condition, found a text"),
    ('w + "3" > 2', 5, "expected a number, found a text"),
    ('w == "3"', 6, "compares a number with a text"),
    ("class == 3", 10, "compares a text with a number"),
    ("w > 3 and h", 11, "expected a condition, found a number"),
    ("w in 3", 6, "expected a list"),
    ("w > 1 & h > 1", 5, "this operator is not known here"),
    ("foo(w) > 1", 1, "unknown function `foo`"),
    ("min(w) > 1", 1, "`min` has 1 argument, expected 2"),
    ('matches(file_name, "(")', 20, "not a regular expression"),
    ("matches(w, 'a')", 9, "`matches` is of a text"),
    ("any(w > 1)", 1, "`any` is for conditions on images"),
    ("attributes.weather == 1", 1, "unknown name `attributes.weather`"),
    ("image.w > 1", 1, "images have no `w`"),
    ('__import__("os").system("true")', 1, "unknown function `system`"),
    ("().__class__.__bases__", 1, "expected `attributes.NAME`"),
    ("(lambda: 1)() > 0", 1, "unknown function"),
    ("[w for w in [1]] == 1", 1, "is not known here"),
    ("w if h else x", 1, "is not known here"),
    ("(w := 3) > 1", 2, "is not known here"),
    ("f'{w}' == 'a'", 1, "is not known here"),
    ("w > 1" + "0" * 400, 5, "too large"),
    ("w > b'a'", 5, "expected a number or a text"),
    ("abs(x=w) > 1", 1, "named arguments"),
    ("file_name.startswith(class)", 22, "expected a text, found a text"),
]


@pytest.mark.parametrize(("text", "column", "told"), WRONG, ids=[w[0][:40] for w in WRONG])
def test_what_cannot_be_read_is_pointed_at(text: str, column: int, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        condition(rich(), text, "boxes", "--where")
    message = str(caught.value.message)
    assert message.startswith(f"--where: column {column}: "), message
    assert told in message
    assert message.split("\n")[-1].index("^") == column + 1


@pytest.mark.parametrize("text", ["not " * 2000 + "True", "(" * 4000 + "w", "w" * 6000, "w > 1\0"])
def test_what_is_too_deep_or_too_long_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        condition(rich(), text, "boxes", "--where")


def test_boxes_are_asked_for_in_conditions_on_images() -> None:
    with pytest.raises(UsageError, match="is of a box") as caught:
        condition(rich(), "w > 3", "images", "--images-where")
    assert "any(w ...)" in str(caught.value.hint)


def test_powers_that_overflow_are_infinite_not_endless() -> None:
    assert not condition(rich(), "w > 9 ** 9 ** 9 ** 9", "boxes", "--where").mask.any()


def test_a_filter_keeps_all_of_what_it_keeps() -> None:
    dataset = rich(images=10, seed=1, boxes=60)
    change = filter_dataset(dataset, where="w > 20", images_where='split == "train"', drop_empty=True)
    twins = records(dataset)
    kept = [row for row, r in zip(rows_of(dataset), twins, strict=True) if r["w"] > 20 and "train" in r["splits"]]
    assert rows_of(change.dataset) == kept
    assert set(change.dataset.images.file_names) == {row[0] for row in kept}
    assert {name: len(m) for name, m in change.dataset.splits.items()} == {
        "train": len({row[0] for row in kept}),
        "val": 0,
    }
    lost = {loss.what: loss.count for loss in change.losses}
    assert lost["boxes"] == sum(r["w"] <= 20 for r in twins)
    assert lost["images"] == 5
    assert lost["boxes of dropped images"] == sum(r["w"] > 20 and "val" in r["splits"] for r in twins)
    assert change.details["after"] == {"images": len(change.dataset.images), "boxes": len(kept)}


def test_classes_leave_the_list_and_the_lists_of_images() -> None:
    dataset = Dataset.build(
        Images(
            id_array([1, 2]),
            ("a", "b"),
            np.full((2, 2), 9.0),
            extra={0: {"neg_category_ids": [5, 7], "x": 1}, 1: {"not_exhaustive_category_ids": [6]}},
        ),
        Categories(id_array([5, 6, 7]), ("cat", "dog", "cow"), ("pet", "pet", None), extra={2: {"colour": "brown"}}),
        image_index=[0, 0, 1],
        category_index=[0, 1, 2],
        xywh=np.ones((3, 4)),
    )
    change = filter_dataset(dataset, classes=["cow", "5"])
    kept = change.dataset
    assert kept.categories.names == ("cat", "cow")
    assert kept.categories.ids.tolist() == [5, 7]
    assert dict(kept.categories.extra) == {1: {"colour": "brown"}}
    assert kept.annotations.category_index.tolist() == [0, 1]
    assert kept.images.extra[0] == {"neg_category_ids": [5, 7], "x": 1}
    assert kept.images.extra[1] == {"not_exhaustive_category_ids": []}
    assert [(loss.what, loss.count) for loss in change.losses] == [("classes", 1), ("boxes of dropped classes", 1)]
    with pytest.raises(UsageError, match="unknown class `cwo`") as caught:
        filter_dataset(dataset, classes=["cwo"])
    assert "`cow`" in str(caught.value.hint)


def test_sizes_that_are_unknown_are_told() -> None:
    dataset = Dataset.build(
        Images(id_array([1, 2]), ("a", "b"), np.array([[np.nan, np.nan], [10.0, 10]])),
        Categories.from_names(["x"]),
        image_index=[0, 1],
        category_index=[0, 0],
        xywh=[[0, 0, 5, 5], [0, 0, 5, 5]],
    )
    change = filter_dataset(dataset, where="area_share > 0")
    assert len(change.dataset.annotations) == 1
    assert [(f.code, f.count) for f in change.findings] == [("DK403", 1)]


def test_nothing_asked_for_is_refused() -> None:
    with pytest.raises(UsageError, match="nothing to filter by"):
        filter_dataset(rich())
