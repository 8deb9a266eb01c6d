"""Every protocol keeps the same contract, whatever it computes: perfect is 1, nothing is 0, no truth is undefined."""

from __future__ import annotations

import json
import math
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import detkit
from detkit import registry
from detkit.errors import UsageError
from detkit.evaluation import protocols
from detkit.evaluation.result import Evaluation, metric_rows
from detkit.tables import Categories, Dataset, Detections, Images, Ragged, Shapes, id_array

ROOT = Path(__file__).resolve().parents[2]
IOU_TYPES = ("bbox", "segm", "keypoints", "obb")
CLASS_NAMES = ("person", "dog", "never there")
#: AP of a class without a fault: where the curve ends at precision 0, half of the last step is lost.
PERFECT_AP = {"ultralytics": 0.995, "ultralytics8": 0.995}
#: What partly labelled truth states: every image was looked through for every class.
LABELS = {"neg_category_ids": [1, 2, 3], "pos_category_ids": [], "not_exhaustive_category_ids": []}
#: One object of each class in each image: 400, 2500 and 40000 square pixels are small, medium and large.
SIDES = (20.0, 50.0, 200.0)


def _knows(name: str, iou_type: str) -> bool:
    try:
        protocols.get(name, iou_type)
    except UsageError:
        return False
    return True


CASES = [(name, iou_type) for name in protocols.names() for iou_type in IOU_TYPES if _knows(name, iou_type)]


def _columns(shift: float = 0.0) -> dict[str, Any]:
    boxes = [[100 * k + shift, 10 + shift, side, side] for side in SIDES for k in range(2)]
    corners = [[x, y, x + w, y, x + w, y + h, x, y + h] for x, y, w, h in boxes]
    points = [[[x + w * n / 16, y + h * (n % 3) / 2, 2] for n in range(17)] for x, y, w, h in boxes]
    return {
        "image_index": [i for i in range(3) for _ in range(2)],
        "category_index": [0, 1] * 3,
        "xywh": boxes,
        "shapes": Shapes.from_rows([[ring] for ring in corners]),
        "keypoints": Ragged.from_rows(points, (3,)),
    }


def _tables() -> tuple[Images, Categories]:
    sizes = np.full((3, 2), 640.0)
    images = Images(id_array([1, 2, 3]), ("a.jpg", "b.jpg", "c.jpg"), sizes, extra=dict.fromkeys(range(3), LABELS))
    return images, Categories(id_array([1, 2, 3]), CLASS_NAMES, extra={k: {"frequency": "rcf"[k]} for k in range(3)})


def _defined(result: Evaluation) -> dict[str, float | None]:
    """The metrics but for those of the group that has only the class that is never there."""
    empty = {row.name for row in result.protocol.metrics if row.group == "f"}
    assert all(result.metrics[name] is None for name in empty)
    return {name: value for name, value in result.metrics.items() if name not in empty}


def _truth() -> Dataset:
    return Dataset.build(*_tables(), **_columns(), num_keypoints=[17] * 6)


def _found(rows: list[int] | None = None, shift: float = 0.0) -> Detections:
    table = Detections.build(*_tables(), **_columns(shift), score=[0.9, 0.8, 0.7, 0.6, 0.5, 0.4])
    return table if rows is None else table.take(np.array(rows, np.int64))


def _evaluate(case: tuple[str, str], found: Detections, truth: Dataset | None = None) -> Evaluation:
    return detkit.evaluate(truth or _truth(), found, protocol=case[0], iou_type=case[1])


@pytest.fixture(params=CASES, ids="-".join)
def case(request: pytest.FixtureRequest) -> tuple[str, str]:
    name, iou_type = request.param
    return name, iou_type


def test_there_are_protocols() -> None:
    assert {"coco", "voc2007", "voc2012"} <= set(protocols.names())
    assert {name for name, _ in CASES} == set(protocols.names())


def test_the_record_is_named_frozen_and_plain(case: tuple[str, str]) -> None:
    protocol = registry.load("detkit.evaluation.protocols", case[0]).protocol(case[1])
    assert (protocol.name, protocol.iou_type) == case
    with pytest.raises(FrozenInstanceError):
        protocol.name = "other"
    settings = json.loads(json.dumps(protocol.to_dict(), allow_nan=False))
    assert settings == protocol.to_dict()
    assert protocol == registry.load("detkit.evaluation.protocols", case[0]).protocol(case[1])


def test_metrics_are_named_once_and_speak_of_what_is_there(case: tuple[str, str]) -> None:
    protocol = protocols.get(*case)
    names = [row.name for row in metric_rows(protocol)]
    assert len(names) == len(set(names))
    assert names[: len(protocol.metrics)] == [row.name for row in protocol.metrics]
    for row in protocol.metrics:
        assert row.area in {a.name for a in protocol.area_ranges}
        assert row.iou is None or row.iou in protocol.iou_thresholds
        assert row.cap < len(protocol.max_detections)


@pytest.mark.parametrize("name", protocols.names())
def test_an_unknown_overlap_is_a_wrong_request(name: str) -> None:
    with pytest.raises(UsageError, match="`sphere`"):
        protocols.get(name, "sphere")


def test_a_perfect_set_scores_one(case: tuple[str, str]) -> None:
    result = _evaluate(case, _found())
    scored = _defined(result)
    expected = {name: PERFECT_AP.get(case[0], 1.0) if name.startswith("AP") else 1.0 for name in scored}
    assert scored == pytest.approx(expected, abs=1e-12)


def test_a_set_that_finds_nothing_scores_zero(case: tuple[str, str]) -> None:
    result = _evaluate(case, _found(shift=400.0))
    assert set(_defined(result).values()) == {0.0}


def test_a_class_without_truth_is_undefined_and_out_of_the_mean(case: tuple[str, str]) -> None:
    result = _evaluate(case, _found())
    absent = result.per_class[2]
    assert (absent.name, absent.ground_truths, absent.detections) == (CLASS_NAMES[2], 0, 0)
    assert set(absent.metrics.values()) == {None}
    assert all(row["AP"] is None for row in result.to_dict()["per_class"] if row["name"] == CLASS_NAMES[2])


def test_false_positives_of_a_class_without_truth_change_nothing(case: tuple[str, str]) -> None:
    found = _found()
    stray = replace(found, category_index=np.full(len(found), 2), score=np.full(len(found), 0.99))
    both = Detections.build(
        *_tables(),
        image_index=[*found.image_index, *stray.image_index],
        category_index=[*found.category_index, *stray.category_index],
        xywh=[*found.xywh, *stray.xywh],
        score=[*found.score, *stray.score],
        shapes=Shapes.from_rows([[ring.ravel().tolist() for ring in found.shapes.polygons(i)] for i in range(6)] * 2),
        keypoints=Ragged.from_rows([found.keypoints[i] for i in range(6)] * 2, (3,)),
    )
    result = _evaluate(case, both)
    assert result.metrics == _evaluate(case, found).metrics
    assert (result.per_class[2].detections, set(result.per_class[2].metrics.values())) == (6, {None})


def test_a_class_with_truth_and_no_detection_is_zero_and_in_the_mean(case: tuple[str, str]) -> None:
    result = _evaluate(case, _found([0, 2, 4]))
    headline = protocols.get(*case).metrics[0].name
    perfect = PERFECT_AP.get(case[0], 1.0)
    assert result.per_class[0].metrics["AP"] == pytest.approx(perfect, abs=1e-12)
    assert result.per_class[1].metrics["AP"] == 0.0
    assert result.metrics[headline] == pytest.approx((perfect + 0.0) / 2, abs=1e-12)


def test_a_truth_without_boxes_leaves_everything_undefined(case: tuple[str, str]) -> None:
    empty = Dataset.build(*_tables(), image_index=[], category_index=[], xywh=np.empty((0, 4)))
    result = _evaluate(case, _found(), empty)
    assert set(result.metrics.values()) == {None}
    assert result.to_dict()["inputs"]["predictions"]["detections"] == 6


def test_metrics_lie_between_none_found_and_all_found(case: tuple[str, str]) -> None:
    headline = protocols.get(*case).metrics[0].name
    values = [_evaluate(case, _found(list(range(n)))).metrics[headline] for n in range(1, 7)]
    assert all(value is not None and 0 < value <= 1 + 1e-12 and math.isfinite(value) for value in values)
    assert values == sorted(values)


def test_the_order_of_the_rows_does_not_matter(case: tuple[str, str]) -> None:
    found = _found()
    order = np.array([1, 0, 3, 2, 5, 4])
    assert _evaluate(case, found.take(order)).metrics == _evaluate(case, found).metrics


def test_the_gate_knows_every_metric(case: tuple[str, str]) -> None:
    result = _evaluate(case, _found())
    names = list(_defined(result))
    report = detkit.gate(result, [f"{name}>=0.5" for name in names])
    assert report.outcome == "pass"
    assert [row.metric for row in report.rows] == names


@pytest.mark.parametrize("name", protocols.names())
def test_is_documented(name: str) -> None:
    page = (ROOT / "docs" / "reference" / "protocols.md").read_text(encoding="utf-8")
    written, generated = page.split("<!-- begin generated: protocols -->")
    assert f"| `{name}` |" in written
    assert f"### {name}: " in generated
    cli = (ROOT / "src" / "detkit" / "cli" / "_options.py").read_text(encoding="utf-8")
    assert name in cli, "the help of `--protocol` lists it"
