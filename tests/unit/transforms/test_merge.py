"""Several datasets as one: nothing of any is lost, ids and names meet nowhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detkit.errors import InputError, UsageError
from detkit.ragged import id_array
from detkit.tables import Annotations, Categories, Dataset, Images
from detkit.transforms._concat import concatenate
from detkit.transforms.merge import merge
from unit.transforms._rich import rich, rows_of


def with_files(dataset: Dataset, folder: Path, contents: list[bytes]) -> Dataset:
    """The dataset with image files of these bytes."""
    folder.mkdir()
    paths = []
    for name, content in zip(dataset.images.file_names, contents, strict=True):
        (folder / name).write_bytes(content)
        paths.append(str(folder / name))
    return replace(dataset, images=replace(dataset.images, paths=tuple(paths)))


def lost(change: Any) -> dict[str, int]:
    return {loss.what: loss.count for loss in change.losses}


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(1, 4), st.booleans()), min_size=2, max_size=4), st.integers(0, 99)
)
def test_rows_of_all_sources_survive(kinds: list[tuple[int, int, bool]], seed: int) -> None:
    parts = [
        rich(images=n, classes=k, seed=seed + i, prefix=f"s{i}", own_ids=own) for i, (n, k, own) in enumerate(kinds)
    ]
    change = merge(parts, [f"source{i}" for i in range(len(parts))])
    whole = change.dataset
    assert rows_of(whole, ids=False) == [row for part in parts for row in rows_of(part, ids=False)]
    assert len(set(whole.images.ids.tolist())) == len(whole.images) == sum(n for n, _, _ in kinds)
    assert len(set(whole.categories.ids.tolist())) == len(whole.categories) == max(k for _, k, _ in kinds)
    ids = whole.annotations.ids.tolist()
    assert len(set(ids)) == len(ids)
    members = {name: sorted(whole.images.file_names[i] for i in m.tolist()) for name, m in whole.splits.items()}
    expected: dict[str, list[str]] = {}
    for part in parts:
        for name, m in part.splits.items():
            expected.setdefault(name, []).extend(part.images.file_names[i] for i in m.tolist())
    assert members == {name: sorted(files) for name, files in expected.items()}


def test_file_order_is_kept_within_and_between_sources() -> None:
    parts = [rich(images=3, seed=1, prefix="a"), rich(images=3, seed=2, prefix="b")]
    whole = merge(parts, ["a", "b"]).dataset
    order = np.argsort(whole.annotations.source_row)
    places = [whole.annotations.xywh[i].tolist() for i in order]
    expected = [p.annotations.xywh[i].tolist() for p in parts for i in np.argsort(p.annotations.source_row)]
    assert places == expected


def test_ids_that_meet_are_renumbered_and_counted() -> None:
    parts = [rich(images=3, prefix="a"), rich(images=3, prefix="b", first_id=2)]
    change = merge(parts, ["a", "b"])
    assert change.dataset.images.ids.tolist() == [1, 2, 3, 5, 6, 4]
    assert lost(change)["image ids"] == 2
    assert lost(change)["annotation ids"] == 9


def test_classes_meet_by_name() -> None:
    def of(*names: str, ids: list[int], **rest: Any) -> Dataset:
        return Dataset.build(
            Images(id_array([]), (), np.empty((0, 2))),
            Categories(id_array(ids), names, **rest),
            image_index=[],
            category_index=[],
            xywh=[],
        )

    change = merge(
        [of("cat", "dog", ids=[1, 2]), of("dog", "cow", "Cat", ids=[1, 2, 9], supercategories=("pet", None, None))],
        ["a", "b"],
    )
    assert change.dataset.categories.names == ("cat", "dog", "cow", "Cat")
    assert change.dataset.categories.ids.tolist() == [1, 2, 3, 9]
    assert change.dataset.categories.supercategories == (None, "pet", None, None)
    assert lost(change) == {"class ids": 1}
    assert [f.code for f in change.findings] == ["DK304"]
    with pytest.raises(UsageError, match="`b` numbers its classes"):
        merge([of("cat", ids=[1]), of("0", ids=[1], has_names=False)], ["a", "b"])
    with pytest.raises(UsageError, match="expected two or more"):
        merge([of("cat", ids=[1])], ["a"])
    fields = of("cat", ids=[1], extra={0: {"keypoints": ["nose"]}}), of("cat", ids=[1], extra={0: {"keypoints": []}})
    assert [f.code for f in merge(fields, ["a", "b"]).findings] == ["DK109"]


def test_lists_of_class_ids_on_images_follow() -> None:
    def of(classes: list[str], absent: list[int]) -> Dataset:
        return Dataset.build(
            Images(
                id_array([1]), (f"{classes[0]}.jpg",), np.full((1, 2), 9.0), extra={0: {"neg_category_ids": absent}}
            ),
            Categories(id_array(range(1, len(classes) + 1)), tuple(classes)),
            image_index=[],
            category_index=[],
            xywh=[],
        )

    whole = merge([of(["a", "b"], [2]), of(["c", "a"], [1, 2])], ["x", "y"]).dataset
    assert [whole.images.extra[i]["neg_category_ids"] for i in (0, 1)] == [[2], [3, 1]]


def test_file_names_that_meet_get_a_folder() -> None:
    def of(*names: str) -> Dataset:
        return Dataset.build(
            Images(id_array(range(len(names))), names, np.full((len(names), 2), 9.0)),
            Categories.from_names(["x"]),
            image_index=[],
            category_index=[],
            xywh=[],
        )

    change = merge([of("a.jpg", "d/b.jpg"), of("A.png", "d/b.jpg", "c.jpg"), of("c.jpg", "y/c.jpg")], ["x", "y", "y"])
    assert change.dataset.images.file_names == (
        *("a.jpg", "d/b.jpg"),
        *("y/A.png", "y/d/b.jpg", "c.jpg"),
        *("y-2/c.jpg", "y/c.jpg"),
    )
    assert lost(change)["file names"] == 3


@pytest.mark.parametrize("duplicates", ["keep", "first", "join", "error"])
def test_copies_of_images(tmp_path: Path, duplicates: Any) -> None:
    """Image 1 of the second source is image 0 of the first; both have one box in common and one of their own."""

    def of(prefix: str, boxes: list[list[float]]) -> Dataset:
        return Dataset.build(
            Images(id_array([1, 2]), (f"{prefix}0.jpg", f"{prefix}1.jpg"), np.full((2, 2), 9.0)),
            Categories.from_names(["x"]),
            image_index=[0, 0, 1, 1] if prefix == "a" else [0, 1, 1],
            category_index=[0] * len(boxes),
            xywh=boxes,
            splits={"train": np.array([0]), "val": np.array([1])},
        )

    common, mine, theirs, other = [1.0, 1, 2, 2], [2.0, 2, 2, 2], [3.0, 3, 2, 2], [4.0, 4, 2, 2]
    first = with_files(of("a", [common, mine, other, other]), tmp_path / "a", [b"same", b"1"])
    second = with_files(of("b", [other, common, theirs]), tmp_path / "b", [b"2", b"same"])
    if duplicates == "error":
        with pytest.raises(InputError, match=r"1 image is a copy of an earlier source's: `b/b1.jpg is a/a0.jpg`"):
            merge([first, second], ["a", "b"], "error")
        return
    change = merge([first, second], ["a", "b"], duplicates)
    whole = change.dataset
    rows = [(whole.images.file_names[i], b) for i, b in zip(whole.annotations.image_index,
                                                           whole.annotations.xywh.tolist(), strict=True)]  # fmt: skip
    own = [("a0.jpg", common), ("a0.jpg", mine)]
    rest = [("a1.jpg", other), ("a1.jpg", other), ("b0.jpg", other)]
    if duplicates == "keep":
        assert rows == [*own, *rest, ("b1.jpg", common), ("b1.jpg", theirs)]
        assert [(f.code, f.count) for f in change.findings] == [("DK502", 1)]
        return
    assert rows == [*own, *([("a0.jpg", theirs)] if duplicates == "join" else []), *rest]
    assert {name: len(m) for name, m in whole.splits.items()} == {"train": 2, "val": 1}
    what = "boxes that both copies have" if duplicates == "join" else "boxes of dropped images"
    assert lost(change)[what] == (1 if duplicates == "join" else 2)
    assert change.details["duplicates"] == {"images": 1, "action": duplicates}


def test_columns_that_one_source_lacks_are_empty_there() -> None:
    bare = Dataset.build(
        Images(id_array([1]), ("bare.jpg",), np.full((1, 2), 90.0)),
        Categories.from_names(["class 0"]),
        image_index=[0],
        category_index=[0],
        xywh=[[1, 2, 3, 4]],
    )
    whole = merge([rich(images=2, seed=3), bare], ["a", "b"]).dataset.annotations
    row = len(whole) - 1
    assert whole.shapes is not None
    assert whole.keypoints is not None
    assert whole.num_keypoints is not None
    assert whole.is_oriented is not None
    assert (int(whole.shapes.kind[row]), len(whole.keypoints[row]), int(whole.num_keypoints[row])) == (0, 0, -1)
    assert not whole.is_oriented[row]
    values = {name: column[row] for name, column in whole.attributes.items()}
    assert np.isnan(values.pop("score"))
    assert values == {"occluded": None, "pose": "", "mixed": None}


def test_concatenation_of_nothing_has_no_optional_columns() -> None:
    empty: Annotations = merge([rich(images=0), rich(images=0)], ["a", "b"]).dataset.annotations
    assert len(empty) == 0
    columns = concatenate([replace(empty, shapes=None, keypoints=None, attributes={})] * 2)
    assert columns["shapes"] is None
    assert columns["attributes"] == {}


def test_licences_are_joined_and_other_fields_kept() -> None:
    first, second = rich(images=2, prefix="a"), rich(images=2, prefix="b", first_id=9)
    second = replace(
        second, info={"info": {"year": 2021}, "licenses": [{"id": 1, "name": "B"}, {"id": 2, "name": "C"}]}
    )
    change = merge([first, second], ["a", "b"])
    assert change.dataset.info == {
        "info": {"year": 2020},
        "licenses": [{"id": 1, "name": "A"}, {"id": 2, "name": "B"}, {"id": 3, "name": "C"}],
    }
    assert [change.dataset.images.extra[i]["license"] for i in range(4)] == [1, 2, 2, 3]
    assert lost(change)["top-level fields"] == 1


def test_shares_meet_pixels_where_sizes_are_known() -> None:
    shares = Dataset.build(
        Images(id_array([1]), ("s.jpg",), np.array([[200.0, 100.0]])),
        Categories.from_names(["class 0"]),
        image_index=[0],
        category_index=[0],
        xywh=[[0.1, 0.1, 0.5, 0.5]],
        units="normalised",
    )
    whole = merge([rich(images=1), shares], ["a", "b"]).dataset
    assert whole.units == "pixels"
    assert whole.annotations.xywh[-1].tolist() == [20, 10, 100, 50]
    assert whole.annotations.area[-1] == 5000
    unknown = replace(shares, images=replace(shares.images, sizes=np.full((1, 2), np.nan)))
    with pytest.raises(UsageError, match="size is unknown"):
        merge([rich(images=1), unknown], ["a", "b"])
    assert merge([unknown, unknown], ["a", "b"]).dataset.units == "normalised"
