"""MOTChallenge: pixels from 1, flags, classes, frames without rows, detections."""

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

FIXTURES = Path(__file__).resolve().parents[3] / "fixtures" / "formats" / "mot"
BCCD = Path(__file__).resolve().parents[4] / "shared" / "data" / "bccd"


@pytest.mark.parametrize(
    ("case", "kind"),
    [
        ("basic", "dataset"),
        ("basic/train/MOT17-02-FRCNN", "dataset"),
        ("basic/train/MOT17-02-FRCNN/gt/gt.txt", "dataset"),
        ("mot15", "dataset"),
        ("mot15/ADL-Rundle-6/gt/gt.txt", "dataset"),
        ("labels", "dataset"),
        ("bad_rows", "dataset"),
        ("basic", "detections"),
        ("basic/train/MOT17-02-FRCNN/det/det.txt", "detections"),
        ("results", "detections"),
        ("results/MOT17-04-FRCNN.txt", "detections"),
    ],
)
def test_is_recognised_as_nothing_else(case: str, kind: formats.Kind) -> None:
    assert formats.detect(FIXTURES / case, kind) == "mot"


@pytest.mark.parametrize(
    ("case", "kind"),
    [
        ("results", "dataset"),
        ("labels", "detections"),
        ("mot15", "detections"),
        ("basic/train/MOT17-02-FRCNN/gt/gt.txt", "detections"),
        ("basic/train/MOT17-02-FRCNN/det/det.txt", "dataset"),
    ],
)
def test_a_truth_is_no_predictions(case: str, kind: formats.Kind) -> None:
    with pytest.raises(InputError, match="not recognised"):
        formats.detect(FIXTURES / case, kind)


def test_the_basic_case() -> None:
    data = formats.read_dataset(FIXTURES / "basic")
    assert data.images.file_names == (
        "MOT17-01-FRCNN/img1/000001.jpg",
        "MOT17-01-FRCNN/img1/000002.jpg",
        *(f"MOT17-02-FRCNN/img1/00000{i}.jpg" for i in (1, 2, 3, 4)),
        "MOT17-04-FRCNN/img1/000001.jpg",
    )
    assert set(map(tuple, data.images.sizes.tolist())) == {(1920, 1080)}
    assert {name: members.tolist() for name, members in data.splits.items()} == {
        "test": [0, 1],
        "train": [2, 3, 4, 5, 6],
    }
    rows = data.annotations
    assert rows.image_index.tolist() == [1, 2, 2, 4, 6]
    assert rows.xywh.tolist() == [
        [-6, -0.5, 10, 20],
        [911, 483, 97, 109],
        [1337, 417, 167, 379],
        [1341.5, 416.25, 168, 380],
        [0, 0, 10, 20],
    ]
    assert [data.categories.names[k] for k in rows.category_index] == [
        "Pedestrian", "Static person", "Pedestrian", "Pedestrian", "Car",
    ]  # fmt: skip
    assert rows.is_ignored.tolist() == [False, True, False, False, False]
    assert rows.attributes["track_id"].tolist() == [1, 1, 2, 2, 5]
    assert rows.attributes["visibility"].tolist() == [0, 1, 0.5, 0.25, 1]
    assert len(data.categories) == 12


def test_pixels_from_zero_and_a_split() -> None:
    data = formats.read_dataset(FIXTURES / "basic", options=ReadOptions(voc_offset=0, split="test"))
    assert data.annotations.xywh.tolist() == [[-5, 0.5, 10, 20]]
    assert list(data.splits) == ["test"]
    with pytest.raises(UsageError, match=r"unknown split `val`; .* has `test`, `train`"):
        formats.read_dataset(FIXTURES / "basic", options=ReadOptions(split="val"))


def test_ten_columns_have_no_class() -> None:
    data = formats.read_dataset(FIXTURES / "mot15")
    assert data.categories.names == ("Pedestrian",)
    assert data.annotations.is_ignored.tolist() == [False, True]
    assert np.allclose(data.annotations.xywh[0], [1690.97, 380.048, 152.23, 352.617], rtol=0, atol=1e-12)
    assert "visibility" not in data.annotations.attributes
    assert summarize(data.findings) == {"DK403": 2}


def test_classes_of_labels_txt() -> None:
    data = formats.read_dataset(FIXTURES / "labels")
    assert data.categories.names == ("cat", "dog")
    assert data.annotations.category_index.tolist() == [1, 0]
    (odd,) = [f for f in data.findings if f.code == "DK301"]
    assert (odd.line, odd.message) == (3, "class 3, expected 1 to 2")
    assert data.images.file_names == ("labels/img1/000001.jpg", "labels/img1/000002.jpg")


def test_rows_that_cannot_be_used_are_named() -> None:
    data = formats.read_dataset(FIXTURES / "bad_rows")
    assert [(f.code, f.line) for f in data.findings if f.line] == [
        ("DK102", 2), ("DK102", 3), ("DK102", 4), ("DK102", 5), ("DK301", 8),
    ]  # fmt: skip
    assert summarize(data.findings)["DK201"] == 1
    assert data.annotations.xywh.tolist() == [[0, 0, 10, 10], [0, 0, 0, 5], [0, 0, 5, 5]]


def test_detections_score_against_the_truth() -> None:
    sequence = FIXTURES / "basic" / "train" / "MOT17-02-FRCNN"
    found = formats.read_detections(sequence)
    assert found.score.tolist() == [2.3092, 0.9, 0.8]
    assert summarize(found.findings) == {"DK708": 1}
    result = evaluate(sequence, sequence, protocol="voc2012")
    # Two pedestrians: one is found first (and again second), the other third.
    assert round(result.metrics["mAP"], 9) == round(1 / 2 * 1 + 1 / 2 * 2 / 3, 9)


def test_results_name_their_sequence() -> None:
    found = formats.read_detections(FIXTURES / "results")
    assert found.images.file_names == (
        "MOT17-02-FRCNN/img1/000001.jpg",
        "MOT17-02-FRCNN/img1/000003.jpg",
        "MOT17-04-FRCNN/img1/000001.jpg",
    )
    assert summarize(found.findings) == {"DK109": 3}


def test_sequences_come_back_with_tracks(tmp_path: Path) -> None:
    data = formats.read_dataset(FIXTURES / "basic")
    assert formats.write_dataset(data, tmp_path / "out", "mot") == []
    text = (tmp_path / "out" / "train" / "MOT17-02-FRCNN" / "gt" / "gt.txt").read_text()
    assert text == (FIXTURES / "basic" / "train" / "MOT17-02-FRCNN" / "gt" / "gt.txt").read_text()
    back = formats.read_dataset(tmp_path / "out")
    assert back.images.file_names == data.images.file_names
    assert {k: v.tolist() for k, v in back.splits.items()} == {k: v.tolist() for k, v in data.splits.items()}
    for name, values in data.annotations.attributes.items():
        assert back.annotations.attributes[name].tolist() == values.tolist()


def _table(rows: list[tuple[int, int, tuple[float, ...]]]) -> Dataset:
    images = Images(id_array([7, 8, 9]), ("cam/3.jpg", "cam/1.jpg", "x y.png"), np.array([[640, 480]] * 3))
    return Dataset.build(
        images,
        Categories.from_names(["a b", "é"]),
        image_index=[i for i, _, _ in rows],
        category_index=[c for _, c, _ in rows],
        xywh=np.array([b for _, _, b in rows]).reshape(-1, 4),
    )


def test_frames_are_the_numbers_that_names_are(tmp_path: Path) -> None:
    formats.write_dataset(
        _table([(0, 0, (0, 0, 1, 1)), (1, 1, (2, 2, 3, 3)), (2, 0, (4, 4, 5, 5))]), tmp_path / "o", "mot"
    )
    assert (tmp_path / "o" / "cam" / "gt" / "gt.txt").read_text() == "1,-1,3,3,3,3,1,2,-1\n3,-1,1,1,1,1,1,1,-1\n"
    assert (tmp_path / "o" / "sequence" / "gt" / "gt.txt").read_text() == "1,-1,5,5,5,5,1,1,-1\n"
    assert "imWidth=640\n" in (tmp_path / "o" / "cam" / "seqinfo.ini").read_text()


number = st.decimals(-50, 5000, places=3).map(float)


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1), st.tuples(number, number, number, number)), max_size=10)
)
def test_any_boxes_come_back(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, int, tuple[float, ...]]]):
    data, target = _table(rows), tmp_path_factory.mktemp("any") / "out"
    formats.write_dataset(data, target, "mot")
    back = formats.read_dataset(target)
    assert back.annotations.xywh.tolist() == data.annotations.xywh.tolist()
    assert back.annotations.category_index.tolist() == data.annotations.category_index.tolist()
    assert back.images.file_names == data.images.file_names
    assert back.images.ids.tolist() == [7, 8, 9]


@pytest.mark.skipif(not BCCD.is_dir(), reason="the shared data is not beside this checkout")
def test_real_boxes_and_images_come_back_through_it(tmp_path: Path) -> None:
    first = formats.read_dataset(BCCD, "voc")
    losses = formats.write_dataset(first, tmp_path / "mot", "mot", WriteOptions(place_images="link"))
    several = sum(len(members) for members in first.splits.values()) - len(first.images)
    assert sum(loss.count for loss in losses if loss.what == "images in several splits") == max(several, 0)
    back = formats.read_dataset(tmp_path / "mot")
    assert back.images.file_names == first.images.file_names
    assert np.array_equal(back.annotations.xywh, first.annotations.xywh)
    assert np.array_equal(back.images.sizes, first.images.sizes)
    assert all(path is not None for path in back.images.paths)
