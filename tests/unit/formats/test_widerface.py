"""WIDER FACE: counts, the row of zeros, invalid faces, classes at the end of rows, results."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detkit import evaluate, formats
from detkit.errors import InputError, UsageError
from detkit.findings import summarize
from detkit.formats._base import ReadOptions, WriteOptions
from detkit.tables import Categories, Dataset, Images, id_array

FIXTURES = Path(__file__).resolve().parents[3] / "fixtures" / "formats" / "widerface"
BCCD = Path(__file__).resolve().parents[4] / "shared" / "data" / "bccd"


@pytest.mark.parametrize(
    ("case", "kind"),
    [("basic", "dataset"), ("classes", "dataset"), ("bad_rows", "dataset"), ("results", "detections"),
     ("many_rows", "detections")],
)  # fmt: skip
def test_is_recognised_as_nothing_else(case: str, kind: formats.Kind) -> None:
    assert formats.detect(FIXTURES / case, kind) == "widerface"
    other: formats.Kind = "detections" if kind == "dataset" else "dataset"
    with pytest.raises(InputError, match="not recognised"):
        formats.detect(FIXTURES / case, other)


def test_the_basic_case() -> None:
    data = formats.read_dataset(FIXTURES / "basic")
    assert data.images.file_names == (
        "0--Parade/0_Parade_marchingband_1_849.jpg",
        "0--Parade/0_Parade_Parade_0_452.jpg",
        "0--Parade/0_Parade_marchingband_1_799.jpg",
        "1--Handshaking/1_Handshaking_Handshaking_1_107.jpg",
    )
    assert data.categories.names == ("face",)
    assert data.annotations.image_index.tolist() == [0, 2, 2, 2, 3, 3]
    assert data.annotations.xywh.tolist()[0] == [449, 330, 122, 149]
    assert data.annotations.xywh.tolist()[4] == [10.5, 20, 30, 40.25]
    assert data.annotations.is_ignored.tolist() == [False, False, True, False, False, False]
    assert data.annotations.attributes["occlusion"].tolist() == [0, 0, 2, 0, 0, 0]
    assert data.annotations.attributes["pose"].tolist() == [0, 0, 1, 0, 1, 0]
    assert "invalid" not in data.annotations.attributes
    assert {name: members.tolist() for name, members in data.splits.items()} == {"train": [0, 1, 2], "val": [3]}
    assert summarize(data.findings) == {"DK201": 1}


def test_a_split_and_one_file() -> None:
    val = formats.read_dataset(FIXTURES / "basic", options=ReadOptions(split="val"))
    assert (len(val.images), list(val.splits)) == (1, ["val"])
    with pytest.raises(UsageError, match="unknown split `test`"):
        formats.read_dataset(FIXTURES / "basic", options=ReadOptions(split="test"))
    file = FIXTURES / "basic" / "wider_face_split" / "wider_face_train_bbx_gt.txt"
    assert (len(formats.read_dataset(file).annotations), formats.read_dataset(file).splits) == (4, {})


def test_classes_at_the_end_of_rows() -> None:
    data = formats.read_dataset(FIXTURES / "classes")
    assert data.categories.names == ("cat", "face", "traffic light")
    assert data.annotations.category_index.tolist() == [2, 0, 1]
    assert data.images.file_names == ("0--a/1.jpg", "0--a/2.PNG", "0--a/3.jpg")
    nan = np.nan
    assert np.array_equal(data.annotations.attributes["blur"], [nan, 1, nan], equal_nan=True)
    assert np.array_equal(data.annotations.attributes["illumination"], [nan, 0, nan], equal_nan=True)


def test_rows_that_cannot_be_used_are_named() -> None:
    data = formats.read_dataset(FIXTURES / "bad_rows")
    assert data.images.file_names == ("x/1.jpg", "x/2.jpg", "x/3.jpg")
    assert data.annotations.image_index.tolist() == [0, 1]
    assert [(f.code, f.line) for f in data.findings] == [("DK102", 4), ("DK106", 6), ("DK102", 9)]
    with pytest.raises(InputError, match="no list of images"):
        formats.read_dataset(FIXTURES / "results", "widerface")


def test_results_score_against_the_truth() -> None:
    found = formats.read_detections(FIXTURES / "results")
    assert len(found.images) == 3
    assert found.xywh.tolist() == [[449, 330, 122, 149], [10, 10, 20, 20], [10, 20, 30, 40]]
    assert summarize(found.findings) == {"DK102": 1}
    truth = FIXTURES / "basic" / "wider_face_split" / "wider_face_train_bbx_gt.txt"
    result = evaluate(truth, FIXTURES / "results", protocol="voc2012", drop_invalid=True)
    # Three faces are scored (one of four is invalid), and one of them is found first.
    assert round(result.metrics["mAP"], 9) == round(1 / 3, 9)


def _table(rows: list[tuple[int, int, tuple[float, ...]]], names: tuple[str, ...] = ("face",)) -> Dataset:
    images = Images(id_array([1, 2]), ("0--a/b c.jpg", "é.png"), np.array([[640, 480], [9, 9]]), has_own_ids=False)
    return Dataset.build(
        images,
        Categories.from_names(names),
        image_index=[i for i, _, _ in rows],
        category_index=[c for _, c, _ in rows],
        xywh=np.array([b for _, _, b in rows]).reshape(-1, 4),
        is_ignored=[b[0] > 2500 for _, _, b in rows],
    )


def test_what_stands_in_the_list(tmp_path: Path) -> None:
    data = _table([(0, 0, (1, 2, 3.5, 4)), (0, 0, (3000, 0, 1, 1))])
    losses = formats.write_dataset(data, tmp_path / "out", "widerface")
    assert [(loss.what, loss.count) for loss in losses] == [("faces with marks that are not stated", 2)]
    text = (tmp_path / "out" / "wider_face_split" / "wider_face_all_bbx_gt.txt").read_text(encoding="utf-8")
    assert text == ("0--a/b c.jpg\n2\n1 2 3.5 4 0 0 0 0 0 0\n3000 0 1 1 0 0 0 1 0 0\né.png\n0\n0 0 0 0 0 0 0 0 0 0\n")
    assert not (tmp_path / "out" / "labels.txt").exists()


@pytest.mark.parametrize("name", ["two  blanks", "a b c d e f", ""])
def test_names_that_a_row_cannot_hold_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot stand in a row"):
        formats.write_dataset(_table([], (name,)), tmp_path / "out", "widerface")


number = st.decimals(0, 5000, places=3).map(float)


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 2), st.tuples(number, number, number, number)), max_size=10)
)
def test_any_boxes_come_back(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, int, tuple[float, ...]]]):
    data, target = _table(rows, ("no 1", "face", "12")), tmp_path_factory.mktemp("any") / "out"
    formats.write_dataset(data, target, "widerface")
    back = formats.read_dataset(target)
    assert back.annotations.xywh.tolist() == data.annotations.xywh.tolist()
    assert back.annotations.category_index.tolist() == data.annotations.category_index.tolist()
    assert back.annotations.is_ignored.tolist() == data.annotations.is_ignored.tolist()
    assert back.images.file_names == data.images.file_names


@pytest.mark.skipif(not BCCD.is_dir(), reason="the shared data is not beside this checkout")
def test_real_boxes_come_back_through_it(tmp_path: Path) -> None:
    first = formats.read_dataset(BCCD, "voc")
    formats.write_dataset(first, tmp_path / "wider", "widerface", WriteOptions(place_images="leave"))
    back = formats.read_dataset(tmp_path / "wider")
    assert back.images.file_names == first.images.file_names
    assert np.array_equal(back.annotations.xywh, first.annotations.xywh)
    assert np.array_equal(back.annotations.is_ignored, first.annotations.is_ignored)
