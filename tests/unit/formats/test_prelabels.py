"""Predictions as pre-labels of Supervisely and Hugging Face: written, recognised, and read back as they were."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from detkit import formats
from detkit.errors import InputError
from detkit.tables import Categories, Detections, Images, Shapes

FORMATS = ("supervisely", "huggingface")
TRIANGLE = [1.0, 2.0, 5.0, 2.0, 1.0, 6.0]


def detections(*, with_shapes: bool = False) -> Detections:
    """Three boxes on two of three images."""
    return Detections.build(
        Images(np.array([7, 3, 9]), ("a.jpg", "night/b.png", "c.jpg"), np.tile([64.0, 48.0], (3, 1))),
        Categories(np.array([4, 2]), ("cat", "dog")),
        image_index=[0, 0, 2],
        category_index=[1, 0, 0],
        xywh=[[1, 2, 4, 4], [5.5, 6.25, 7.125, 8], [0, 0, 64, 48]],
        score=[0.125, 1.0, 1 / 3],
        shapes=Shapes.from_rows([[TRIANGLE], None, None]) if with_shapes else None,
    )


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("has_manifest", [True, False])
def test_predictions_come_back(name: str, has_manifest: bool, tmp_path: Path) -> None:
    before = detections()
    assert formats.write_detections(before, tmp_path / "out", name) == []
    assert formats.detect(tmp_path / "out", "detections") == name
    if has_manifest:
        with pytest.raises(InputError, match="not recognised as a labelled dataset"):
            formats.detect(tmp_path / "out", "dataset")
    else:
        (tmp_path / "out" / "detkit.json").unlink()
    after = formats.read_detections(tmp_path / "out")

    def rows(table: Detections) -> list[tuple[object, ...]]:
        names = [Path(table.images.file_names[i]).name for i in table.image_index]
        classes = [table.categories.names[k] for k in table.category_index]
        return sorted(zip(names, classes, map(tuple, table.xywh.tolist()), table.score.tolist(), strict=True))

    assert rows(after) == rows(before)
    assert after.findings == () or {f.code for f in after.findings} <= {"DK403"}
    if has_manifest:
        assert after.images.ids.tolist() == [7, 3, 9]
        assert after.images.file_names == before.images.file_names
        assert after.categories.ids.tolist() == [4, 2]


def test_outlines_of_predictions(tmp_path: Path) -> None:
    formats.write_detections(detections(with_shapes=True), tmp_path / "s", "supervisely")
    shapes = formats.read_detections(tmp_path / "s").shapes
    assert shapes is not None
    assert shapes.polygons(0)[0].ravel().tolist() == TRIANGLE
    losses = formats.write_detections(detections(with_shapes=True), tmp_path / "h", "huggingface")
    assert [(loss.what, loss.count) for loss in losses] == [("polygons", 1)]


def test_scores_stand_where_the_tools_look(tmp_path: Path) -> None:
    formats.write_detections(detections(), tmp_path / "s", "supervisely")
    meta = json.loads((tmp_path / "s" / "meta.json").read_text())
    assert [(tag["name"], tag["value_type"]) for tag in meta["tags"]] == [("confidence", "any_number")]
    figures = json.loads((tmp_path / "s" / "dataset" / "ann" / "a.jpg.json").read_text())["objects"]
    assert [figure["tags"] for figure in figures] == [[{"name": "confidence", "value": s}] for s in (0.125, 1.0)]
    formats.write_detections(detections(), tmp_path / "h", "huggingface")
    lines = [json.loads(line) for line in (tmp_path / "h" / "metadata.jsonl").read_text().splitlines()]
    assert [line["objects"]["score"] for line in lines] == [[0.125, 1.0], [], [1 / 3]]
    assert [line["objects"]["category"] for line in lines] == [["dog", "cat"], [], ["cat"]]


@pytest.mark.parametrize("name", FORMATS)
def test_a_truth_is_no_prediction(name: str, tmp_path: Path) -> None:
    data = formats.read_dataset(Path(__file__).resolve().parents[3] / "fixtures/demo/coco/instances_val.json")
    formats.write_dataset(data, tmp_path / "t", name)
    with pytest.raises(InputError, match="not recognised as predictions"):
        formats.detect(tmp_path / "t", "detections")
    (tmp_path / "t" / "detkit.json").unlink()
    with pytest.raises(InputError, match="not recognised as predictions"):
        formats.detect(tmp_path / "t", "detections")


@pytest.mark.parametrize("name", FORMATS)
def test_objects_without_a_score_are_left_out_and_counted(name: str, tmp_path: Path) -> None:
    formats.write_detections(detections(), tmp_path / "p", name)
    for file in [*(tmp_path / "p").rglob("a.jpg.json"), *(tmp_path / "p").rglob("metadata.jsonl")]:
        text = (
            file.read_text().replace('"value": 0.125', '"value": null').replace('"score": [0.125, ', '"score": [null, ')
        )
        file.write_text(text)
    found = formats.read_detections(tmp_path / "p")
    assert sorted(found.score.tolist()) == [1 / 3, 1.0]
    assert [(f.code, f.count) for f in found.findings if f.code == "DK109"] == [("DK109", 1)]
