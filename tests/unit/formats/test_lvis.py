"""LVIS: names from addresses, lists of classes, frequencies; and COCO stays COCO."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detkit import evaluate, formats
from detkit.errors import UsageError
from detkit.findings import summarize
from detkit.formats import lvis
from detkit.formats._base import ReadOptions, WriteOptions
from detkit.formats._lvis_images import file_name_of, is_lvis
from detkit.tables import Categories, Dataset, Images, id_array

FIXTURES = Path(__file__).resolve().parents[3] / "fixtures" / "formats" / "lvis"
DATA = Path(__file__).resolve().parents[4] / "shared" / "data"


@pytest.mark.parametrize("case", ["basic", "basic/lvis_v1_val.json", "splits", "bad_rows"])
def test_is_recognised_as_nothing_else(case: str) -> None:
    assert formats.detect(FIXTURES / case, "dataset") == "lvis"
    assert not lvis.detect(FIXTURES / case, "detections").matches


def test_images_with_file_names_are_coco() -> None:
    image = {"id": 1, "coco_url": "http://x/val2017/1.jpg", "neg_category_ids": [], "not_exhaustive_category_ids": []}
    assert is_lvis([image])
    assert not is_lvis([{**image, "file_name": "1.jpg"}])
    assert not is_lvis([image, {**image, "file_name": "1.jpg"}])
    assert not is_lvis([{"id": 1, "coco_url": "http://x/1.jpg"}])
    assert not is_lvis([])


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://images.cocodataset.org/val2017/000000397133.jpg", "val2017/000000397133.jpg"),
        ("https://host/some/path/a%20b.jpg?x=1", "a b.jpg"),
        ("https://host/train/%C3%A9.png", "train/é.png"),
        ("night/a%20b.jpg", "night/a%20b.jpg"),
    ],
)
def test_names_of_addresses(url: str, name: str) -> None:
    assert file_name_of(url) == name


def test_the_basic_case() -> None:
    data = formats.read_dataset(FIXTURES / "basic" / "lvis_v1_val.json")
    assert data.images.file_names == ("val2017/000000397133.jpg", "train2017/000000037777.jpg")
    assert data.images.ids.tolist() == [397133, 37777]
    assert data.images.extra[0]["neg_category_ids"] == [1203]
    assert data.images.extra[1]["not_exhaustive_category_ids"] == [3]
    assert data.categories.extra[1]["frequency"] == "r"
    assert data.annotations.xywh.tolist() == [[10.5, 20.25, 30, 40], [0, 0, 64, 48]]
    assert data.annotations.area.tolist() == [600, 1536]
    assert (data.splits, [f for f in data.findings if f.severity == "error"]) == ({}, [])


def test_lists_are_read_even_where_unknown_fields_are_not_wanted() -> None:
    data = formats.read_dataset(FIXTURES / "basic", options=ReadOptions(with_extra=False, with_shapes=False))
    assert data.images.extra[0]["neg_category_ids"] == [1203]
    assert data.images.file_names[0] == "val2017/000000397133.jpg"


def test_a_file_a_split() -> None:
    data = formats.read_dataset(FIXTURES / "splits")
    assert {name: members.tolist() for name, members in data.splits.items()} == {"train": [0], "val": [1]}
    val = formats.read_dataset(FIXTURES / "splits", options=ReadOptions(split="val"))
    assert (val.images.ids.tolist(), list(val.splits)) == ([397133], ["val"])
    with pytest.raises(UsageError, match="unknown split `test`"):
        formats.read_dataset(FIXTURES / "splits", options=ReadOptions(split="test"))


def test_rows_that_cannot_be_used_are_named() -> None:
    data = formats.read_dataset(FIXTURES / "bad_rows")
    assert len(data.annotations) == 1
    codes = summarize(data.findings)
    assert (codes["DK102"], codes["DK104"]) == (1, 1)


@pytest.mark.parametrize("case", ["basic", "splits"])
def test_lvis_to_lvis_is_value_identical(case: str, tmp_path: Path) -> None:
    source = FIXTURES / case
    losses = formats.write_dataset(formats.read_dataset(source), tmp_path / "out", "lvis")
    assert losses == []
    written = sorted((tmp_path / "out" / "annotations").iterdir())
    originals = sorted(source.rglob("*.json"))
    assert len(written) == len(originals)
    for new, old in zip(written, originals, strict=True):
        a, b = json.loads(new.read_text()), json.loads(old.read_text())
        for record in a["annotations"]:
            assert record.pop("iscrowd") == 0
        assert a == b


def _full(rows: list[tuple[int, int, tuple[float, ...]]]) -> Dataset:
    images = Images(id_array([10, 20]), ("a b.jpg", "val2017/é.png"), np.array([[640, 480], [99, 99]]))
    return Dataset.build(
        images,
        Categories(id_array([5, 2, 9]), ("x", "y", "z")),
        image_index=[i for i, _, _ in rows],
        category_index=[c for _, c, _ in rows],
        xywh=np.array([b for _, _, b in rows]).reshape(-1, 4),
    )


def test_fully_labelled_images_name_what_is_not_there(tmp_path: Path) -> None:
    data = _full([(0, 0, (1, 1, 2, 2)), (0, 2, (1, 1, 2, 2)), (1, 2, (3, 3, 4, 4))])
    formats.write_dataset(data, tmp_path / "out", "lvis")
    back = formats.read_dataset(tmp_path / "out")
    assert [back.images.extra[i]["neg_category_ids"] for i in (0, 1)] == [[2], [5, 2]]
    assert [back.categories.extra[k]["image_count"] for k in range(3)] == [1, 0, 2]
    assert [back.categories.extra[k]["frequency"] for k in range(3)] == ["r", "r", "r"]
    renumbered = WriteOptions(category_ids="dense")
    losses = formats.write_dataset(back, tmp_path / "dense", "lvis", renumbered)
    assert [(loss.what, loss.count) for loss in losses] == [("category ids", 2)]
    dense = formats.read_dataset(tmp_path / "dense")
    assert dense.images.extra[1]["neg_category_ids"] == [1, 2]
    with pytest.raises(UsageError, match="coco91"):
        formats.write_dataset(back, tmp_path / "coco91", "lvis", WriteOptions(category_ids="coco91"))


number = st.decimals(0, 5000, places=3).map(float)


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 2), st.tuples(number, number, number, number)), max_size=10)
)
def test_any_boxes_come_back(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, int, tuple[float, ...]]]):
    data, target = _full(rows), tmp_path_factory.mktemp("any") / "out"
    assert formats.write_dataset(data, target, "lvis") == []
    back = formats.read_dataset(target, "lvis")
    assert back.annotations.xywh.tolist() == data.annotations.xywh.tolist()
    assert back.images.file_names == data.images.file_names
    assert back.categories.ids.tolist() == [5, 2, 9]


@pytest.mark.skipif(not (DATA / "lvis_100").is_dir(), reason="the shared data is not beside this checkout")
def test_real_images_score_the_same_without_file_names(tmp_path: Path) -> None:
    truth = json.loads((DATA / "lvis_100" / "gt.json").read_bytes())
    assert formats.detect(DATA / "lvis_100" / "gt.json", "dataset") == "coco"
    for image in truth["images"]:
        del image["file_name"]
    bare = tmp_path / "truth.json"
    bare.write_text(json.dumps(truth))
    assert formats.detect(bare, "dataset") == "lvis"
    result = evaluate(bare, DATA / "lvis_100" / "dt.json", protocol="lvis")
    assert round(result.metrics["AP"], 6) == 0.386848
    assert round(result.metrics["APr"], 6) == 0.7


@pytest.mark.skipif(not (DATA / "bccd").is_dir(), reason="the shared data is not beside this checkout")
def test_real_boxes_come_back_through_it(tmp_path: Path) -> None:
    first = formats.read_dataset(DATA / "bccd", "voc")
    formats.write_dataset(first, tmp_path / "lvis", "lvis", WriteOptions(place_images="leave"))
    back = formats.read_dataset(tmp_path / "lvis")
    assert sorted(back.images.file_names) == sorted(first.images.file_names)
    assert sorted(map(tuple, back.annotations.xywh.tolist())) == sorted(map(tuple, first.annotations.xywh.tolist()))
