"""Ultralytics' `predictions.json`: oriented boxes by this format, all other tasks as COCO results."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import detkit
from detkit import formats, registry
from detkit.formats import ReadOptions
from detkit.tables import Categories, Dataset, Images, Shapes

ROOT = Path(__file__).resolve().parents[3]
FIXTURE = ROOT / "fixtures" / "formats" / "ultralytics" / "oriented" / "predictions.json"


def saved(folder: Path, rows: list[Any]) -> Path:
    place = folder / "predictions.json"
    place.write_text(json.dumps(rows), encoding="utf-8")
    return place


def oriented(**fields: Any) -> dict[str, Any]:
    return {"image_id": "a", "file_name": "a.png", "category_id": 1, "score": 0.5, "poly": [0, 0, 4, 0, 4, 2, 0, 2],
            **fields}  # fmt: skip


def test_corners_are_outlines_and_give_the_box() -> None:
    found = formats.read_detections(FIXTURE)
    assert found.source is not None
    assert found.source.format == "ultralytics"
    assert found.images.ids.tolist() == ["harbour", 42]
    assert found.images.file_names == ("harbour.png", "000042.png")
    assert found.xywh.tolist() == [[80, 50, 40, 20], [-5, 0, 110, 100]]
    assert found.score.tolist() == [0.91234, 0.5]
    assert found.categories.ids.tolist() == [1, 2]
    assert not found.categories.has_names
    assert found.shapes is not None
    assert found.shapes.polygons(0)[0].tolist() == [[120, 70], [120, 50], [80, 50], [80, 70]]
    assert found.findings == ()


@pytest.mark.parametrize("angle", [0.0, 0.3, math.pi / 4, 1.5, -2.0])
def test_a_box_with_an_angle_gives_its_corners(angle: float, tmp_path: Path) -> None:
    row = oriented(rbox=[10, 20, 8, 4, angle])
    del row["poly"]
    found = formats.read_detections(saved(tmp_path, [row]))
    cos, sin = math.cos(angle), math.sin(angle)
    corners = [(10 + sx * 4 * cos - sy * 2 * sin, 20 + sx * 4 * sin + sy * 2 * cos) for sx in (1, -1) for sy in (1, -1)]
    assert found.shapes is not None
    assert np.allclose(sorted(found.shapes.polygons(0)[0].tolist()), sorted(map(list, corners)))
    low, high = np.min(corners, axis=0), np.max(corners, axis=0)
    assert np.allclose(found.xywh[0], [*low, *(high - low)])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (7, "[1]: not an object"),
        (oriented(image_id=None), "[1].image_id: found `None`, expected a number or text"),
        (oriented(category_id="x"), "[1].category_id: found `x`, expected a whole number"),
        (oriented(score=float("nan")), "[1].score: is missing or no finite number"),
        (oriented(poly=[1, 2, 3]), "[1].poly: expected 8 finite numbers, or 5 in `rbox`"),
        (oriented(poly=None, rbox=[1, 2, 3, 4, "x"]), "[1].poly: expected 8 finite numbers, or 5 in `rbox`"),
    ],
)
def test_rows_that_cannot_be_used_are_left_out(row: Any, message: str, tmp_path: Path) -> None:
    found = formats.read_detections(saved(tmp_path, [oriented(), row]))
    assert len(found) == 1
    assert [(f.code, f.message) for f in found.findings] == [("DK102", message)]


def test_names_scores_and_sizes(tmp_path: Path) -> None:
    place = saved(tmp_path, [oriented(score=1.5, category_id=2)])
    known = Images(np.array([7]), ("deep/a.png",), np.array([[64.0, 48.0]]))
    found = formats.read_detections(place, options=ReadOptions(names=("ship", "plane"), reference_images=known))
    assert found.categories.names == ("ship", "plane")
    assert found.category_index.tolist() == [1]
    assert found.images.sizes.tolist() == [[64, 48]]
    assert [f.code for f in found.findings] == ["DK708"]
    few = formats.read_detections(place, options=ReadOptions(names=("ship",)))
    assert few.categories.names == ("2",)


@pytest.mark.parametrize("content", ["{}", "[]", "[1]", "[{}]", '[{"image_id": 1}]', "no json", ""])
def test_other_files_are_not_taken(content: str, tmp_path: Path) -> None:
    place = tmp_path / "a.json"
    place.write_text(content)
    module = registry.load("detkit.formats", "ultralytics")
    assert not module.detect(place, "detections").matches
    assert not module.detect(tmp_path, "detections").matches
    assert not module.detect(FIXTURE, "dataset").matches


def test_oriented_predictions_are_scored_against_any_truth(tmp_path: Path) -> None:
    rings = [[[0, 0, 4, 0, 4, 2, 0, 2]], [[20, 10, 30, 20, 20, 30, 10, 20]]]
    truth = Dataset.build(
        Images(np.array([1, 2]), ("a.png", "000042.png"), np.tile([64.0, 48.0], (2, 1)), has_own_ids=False),
        Categories.from_names(("ship", "plane")),
        image_index=[0, 1],
        category_index=[0, 1],
        xywh=[[0, 0, 4, 2], [10, 10, 20, 20]],
        shapes=Shapes.from_rows(rings),
        is_oriented=[True, True],
    )
    formats.write_dataset(truth, tmp_path / "truth", "dota")
    rows = [oriented(), oriented(image_id=42, file_name="000042.png", category_id=2, poly=rings[1][0])]
    result = detkit.evaluate(tmp_path / "truth", saved(tmp_path, rows), iou_type="obb")
    assert result.metrics["AP"] == pytest.approx(1.0)


@pytest.mark.parametrize("has_ids", [True, False])
def test_other_tasks_are_coco_results_with_stems_for_ids(has_ids: bool, tmp_path: Path) -> None:
    """A number is an image's id where the truth has ids, and else the number that its file is called."""
    files = ("000000000042.jpg", "night/b.jpg", "7.jpg")
    images = Images(np.array([42, 5, 7]) if has_ids else np.arange(1, 4), files, np.tile([64.0, 48.0], (3, 1)),
                    has_own_ids=has_ids)  # fmt: skip
    boxes = [[0, 0, 4, 2], [10, 10, 20, 20], [3, 3, 9, 9]]
    truth = Dataset.build(
        images, Categories.from_names(("ship", "plane")), image_index=[0, 1, 2], category_index=[0, 1, 0], xywh=boxes
    )
    where = tmp_path / ("truth.json" if has_ids else "truth")
    formats.write_dataset(truth, where, "coco" if has_ids else "voc")
    rows = [
        {"image_id": own, "file_name": Path(file).name, "category_id": category, "bbox": box, "score": 0.9}
        for own, file, category, box in zip((42, "b", 7), files, (1, 2, 1), boxes, strict=True)
    ]
    result = detkit.evaluate(where, saved(tmp_path, rows))
    assert result.detections_source is not None
    assert result.detections_source.format == "coco"
    assert result.metrics["AP"] == pytest.approx(1.0)
