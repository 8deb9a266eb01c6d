"""BDD100K: inclusive corners, three releases, outlines, attributes, scores."""

from __future__ import annotations

import json
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

FIXTURES = Path(__file__).resolve().parents[3] / "fixtures" / "formats" / "bdd100k"
BCCD = Path(__file__).resolve().parents[4] / "shared" / "data" / "bccd"


@pytest.mark.parametrize(
    ("case", "kind"),
    [("basic", "dataset"), ("basic/bdd100k_labels_images_val.json", "dataset"), ("first_release", "dataset"),
     ("scalabel", "dataset"), ("bad_rows", "dataset"), ("predictions", "detections")],
)  # fmt: skip
def test_is_recognised_as_nothing_else(case: str, kind: formats.Kind) -> None:
    assert formats.detect(FIXTURES / case, kind) == "bdd100k"
    other: formats.Kind = "detections" if kind == "dataset" else "dataset"
    with pytest.raises(InputError, match="not recognised"):
        formats.detect(FIXTURES / case, other)


def test_the_basic_case() -> None:
    data = formats.read_dataset(FIXTURES / "basic")
    assert data.images.file_names == ("0000f77c-6257be58.jpg", "0000f77c-62c2a288.jpg", "b1c66a42-6f7d68ca.jpg")
    assert data.categories.names == ("car", "drivable area", "traffic light")
    rows = data.annotations
    assert rows.xywh.tolist() == [
        [1125.902264, 133.184488, 32.076381, 78.690957],
        [10, 20, 30, 40],
        [10, 10, 40, 30.5],
        [0, 0, 1, 1],
    ]
    assert rows.ids.tolist() == [0, 1, 2, 7]
    assert rows.shapes is not None
    assert rows.shapes.polygons(2)[0].tolist() == [[10, 10], [50, 10], [50, 40.5], [10, 40]]
    assert rows.attributes["truncated"].tolist() == [True, True, None, True]
    assert rows.attributes["areaType"].tolist() == [None, None, "direct", None]
    assert rows.extra[0] == {"manualShape": True, "manualAttributes": True}
    assert data.images.extra[0]["attributes"]["weather"] == "clear"
    assert {name: members.tolist() for name, members in data.splits.items()} == {"train": [0, 1], "val": [2]}
    assert summarize(data.findings) == {"DK109": 1, "DK206": 1, "DK403": 3}


def test_edges_and_a_split() -> None:
    data = formats.read_dataset(FIXTURES / "basic", options=ReadOptions(voc_offset=0, split="train"))
    assert data.annotations.xywh[1].tolist() == [10, 20, 29, 39]
    assert list(data.splits) == ["train"]
    with pytest.raises(UsageError, match="unknown split `test`"):
        formats.read_dataset(FIXTURES / "basic", options=ReadOptions(split="test"))


def test_the_first_release() -> None:
    data = formats.read_dataset(FIXTURES / "first_release")
    assert data.images.file_names == ("00067cfb-e535423e.jpg",)
    assert data.annotations.xywh.tolist() == [[45.24, 254.53, 313.56, 234.37]]
    assert data.images.extra[0]["timestamp"] == 10000
    assert summarize(data.findings)["DK109"] == 1  # the curve


def test_scalabel_has_a_config() -> None:
    data = formats.read_dataset(FIXTURES / "scalabel")
    assert data.images.file_names == ("b1c81faa/0001.jpg", "b1c81faa/0002.jpg")
    assert data.images.sizes.tolist() == [[640, 360], [1280, 720]]
    assert data.categories.names == ("pedestrian", "rider", "car")
    assert dict(data.categories.extra[1]) == {"color": [1, 2, 3]}
    assert data.annotations.is_crowd.tolist() == [True, False]
    assert data.annotations.is_ignored.tolist() == [False, True]
    assert data.annotations.ids.tolist() == ["34", "35"]
    assert data.annotations.shapes is not None
    assert dict(data.annotations.shapes.rle[1]) == {"counts": "041N8", "size": [4, 4]}


def test_rows_that_cannot_be_used_are_named() -> None:
    data = formats.read_dataset(FIXTURES / "bad_rows")
    assert data.annotations.xywh.tolist() == [[1, 2, 3, 3]]
    bad = [f.message.partition(":")[0] for f in data.findings if f.code == "DK102"]
    assert bad == ["frames[1]", "frames[0].labels[0].box2d", "frames[0].labels[1]", "frames[0].labels[2].box2d"]


def test_predictions_score_against_the_truth() -> None:
    found = formats.read_detections(FIXTURES / "predictions")
    assert (found.xywh.tolist(), found.score.tolist()) == ([[10, 20, 30, 40]], [0.75])
    assert len(found.images) == 2
    truth = FIXTURES / "basic" / "bdd100k_labels_images_train.json"
    result = evaluate(truth, FIXTURES / "predictions", protocol="voc2012", drop_invalid=True)
    assert {row.name: row.metrics["AP"] for row in result.per_class}["car"] == 1.0


def test_everything_comes_back(tmp_path: Path) -> None:
    for case in ("basic", "scalabel"):
        data = formats.read_dataset(FIXTURES / case)
        losses = formats.write_dataset(data, tmp_path / case, "bdd100k")
        assert {loss.what for loss in losses} <= {"stated areas"}
        back = formats.read_dataset(tmp_path / case)
        assert back.images.file_names == data.images.file_names
        assert dict(back.images.extra) == dict(data.images.extra)
        assert back.annotations.xywh.tolist() == data.annotations.xywh.tolist()
        assert dict(back.annotations.extra) == dict(data.annotations.extra)
        assert dict(back.info) == dict(data.info)
        for name, values in data.annotations.attributes.items():
            assert back.annotations.attributes[name].tolist() == values.tolist()


def _table(rows: list[tuple[int, int, tuple[float, ...]]]) -> Dataset:
    images = Images(id_array([7, 8]), ("cam/3.jpg", "x y.png"), np.array([[640, 480]] * 2))
    return Dataset.build(
        images,
        Categories.from_names(["z b", "é"]),
        image_index=[i for i, _, _ in rows],
        category_index=[c for _, c, _ in rows],
        xywh=np.array([b for _, _, b in rows]).reshape(-1, 4),
        splits={"fold 1": np.array([1])},
    )


def test_what_stands_in_the_file(tmp_path: Path) -> None:
    formats.write_dataset(_table([(1, 1, (10, 20, 30, 40))]), tmp_path / "out", "bdd100k")
    content = json.loads((tmp_path / "out" / "labels" / "det_fold 1.json").read_text(encoding="utf-8"))
    (frame,) = content["frames"]
    assert frame["labels"] == [{"id": 1, "category": "é", "box2d": {"x1": 10, "y1": 20, "x2": 39, "y2": 59}}]
    assert content["config"] == {"categories": [{"name": "z b"}, {"name": "é"}]}


number = st.decimals(-50, 5000, places=3).map(float)


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1), st.tuples(number, number, number, number)), max_size=10)
)
def test_any_boxes_come_back(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, int, tuple[float, ...]]]):
    data, target = _table(rows), tmp_path_factory.mktemp("any") / "out"
    formats.write_dataset(data, target, "bdd100k")
    back = formats.read_dataset(target)
    assert back.annotations.xywh.tolist() == data.annotations.xywh.tolist()
    assert back.annotations.category_index.tolist() == data.annotations.category_index.tolist()
    assert back.images.ids.tolist() == [7, 8]
    assert {name: members.tolist() for name, members in back.splits.items()} == {"fold 1": [1]}


@pytest.mark.skipif(not BCCD.is_dir(), reason="the shared data is not beside this checkout")
def test_real_boxes_come_back_through_it(tmp_path: Path) -> None:
    first = formats.read_dataset(BCCD, "voc")
    formats.write_dataset(first, tmp_path / "bdd", "bdd100k", WriteOptions(place_images="leave"))
    back = formats.read_dataset(tmp_path / "bdd")
    assert back.images.file_names == first.images.file_names
    assert np.array_equal(back.annotations.xywh, first.annotations.xywh)
    assert np.array_equal(back.annotations.is_ignored, first.annotations.is_ignored)


@pytest.mark.parametrize(("types", "outlines", "counted"), [("LLLL", 1, 0), ("LCCL", 0, 1)])
def test_curves_are_left_out_and_the_box_stays(types: str, outlines: int, counted: int, tmp_path: Path) -> None:
    polygon = {"vertices": [[1, 1], [9, 1], [9, 9], [1, 9]], "types": types, "closed": True}
    label = {"id": 1, "category": "x", "box2d": {"x1": 1, "y1": 1, "x2": 8, "y2": 8}, "poly2d": [polygon]}
    file = tmp_path / "frames.json"
    file.write_text(json.dumps([{"name": "a.jpg", "labels": [label]}]))
    data = formats.read_dataset(file)
    shapes = data.annotations.shapes
    assert data.annotations.xywh.tolist() == [[1, 1, 8, 8]]
    assert (0 if shapes is None else len(shapes.polygons(0))) == outlines
    assert summarize(data.findings).get("DK109", 0) == counted
