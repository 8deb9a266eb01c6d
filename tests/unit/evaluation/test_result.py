from __future__ import annotations

import json
import math

import numpy as np
import pytest

from detkit.evaluation import evaluate, protocols
from detkit.evaluation.align import align
from detkit.evaluation.result import metric_rows
from strategies import detections_of, truth_of

BOX = [0, 0, 10, 10]


def run(protocol="coco", iou_type="bbox", **changes):
    truth = truth_of([(0, 0, BOX), (0, 0, [50, 0, 10, 10]), (1, 1, BOX)], class_names=["cat", "dog"])
    rows = [(1, 1, BOX, 0.95), (1, 1, [50, 0, 10, 8], 0.7), (1, 1, [50, 0, 10, 6], 0.6), (1, 1, [300, 0, 9, 9], 0.505)]
    return evaluate(align(truth, detections_of(rows)), protocols.get(protocol, iou_type, **changes))


def names(*args, **changes):
    return [row.name for row in metric_rows(protocols.get(*args, **changes))]


COCO = [
    "AP",
    "AP50",
    "AP75",
    "APsmall",
    "APmedium",
    "APlarge",
    "AR1",
    "AR10",
    "AR100",
    "ARsmall",
    "ARmedium",
    "ARlarge",
]


def test_names_of_the_metrics():
    assert names("coco") == COCO
    assert names("coco", "keypoints") == [
        "AP",
        "AP50",
        "AP75",
        "APmedium",
        "APlarge",
        "AR",
        "AR50",
        "AR75",
        "ARmedium",
        "ARlarge",
    ]
    assert names("voc2012") == ["mAP", "AP50"]
    assert names("voc2007", iou_thresholds=(0.5, 0.75)) == ["mAP", "AP50", "AP75"]
    assert names("coco", max_detections=(1, 10, 300))[6:9] == ["AR1", "AR10", "AR300"]
    assert names("coco", max_detections=(5,))[6:7] == ["AR5"]
    assert names("coco", iou_thresholds=(0.25, 0.333))[-2:] == ["AP25", "AP33.3"]


def test_own_area_ranges_get_their_rows_and_others_are_none():
    areas = (protocols.AreaRange("all", 0, 1e10), protocols.AreaRange("tiny", 0, 256))
    metrics = run(area_ranges=areas).metrics
    assert metrics["APtiny"] is not None
    assert metrics["APsmall"] is None


def test_a_threshold_that_is_not_in_force_is_none():
    metrics = run(iou_thresholds=(0.6,)).metrics
    assert metrics["AP50"] is None
    assert metrics["AP60"] == metrics["AP"]


def test_classes_have_their_metrics_and_counts():
    cat, dog = run().per_class
    one = 1 / (1 + np.spacing(1))
    assert (cat.name, cat.category_id, cat.ground_truths, cat.detections) == ("cat", 1, 2, 4)
    assert cat.metrics["AP50"] == float(np.mean([one] * 51 + [2 / 2] * 50))
    assert cat.metrics["AR100"] == float(np.mean([2 / 2] * 7 + [1 / 2] * 3))  # overlap 80 / 100 reaches seven
    assert (dog.ground_truths, dog.detections, dog.metrics["AP"]) == (1, 0, 0.0)


def test_a_class_of_voc_has_ap_and_no_map():
    assert set(run("voc2012").per_class[0].metrics) == {"AP", "AP50", "AR"}


def test_bands_hold_each_matched_detection_once():
    bands = run("voc2012").bands
    assert [(b.name, b.low, b.high, b.count) for b in bands] == [
        ("satisfactory", 0.5, 0.7, 0),
        ("good", 0.7, 0.9, 1),
        ("best", 0.9, 1.0, 1),
    ]


def test_the_lower_end_belongs_to_a_band():
    truth = truth_of([(0, 0, [50 * n, 0, 10, 10]) for n in range(4)])
    rows = [(1, 1, [50 * n, 0, 10, height], 0.9) for n, height in enumerate((5, 7, 9, 10))]  # heights of 10
    bands = evaluate(align(truth, detections_of(rows)), protocols.get("voc2012")).bands
    assert [b.count for b in bands] == [1, 1, 2]


def test_operating_points_count_at_each_threshold():
    points = run("voc2012").operating_points
    assert (len(points.score), points.iou, points.truths) == (101, 0.5, 3)
    at = {round(s, 2): (tp, fp) for s, tp, fp in zip(points.score, points.tp, points.fp, strict=True)}
    assert at[0.0] == (2, 2)
    assert at[0.5] == (2, 2)
    assert at[0.51] == (2, 1)
    assert at[0.6] == (2, 1)  # a score equal to the threshold is kept
    assert at[0.61] == (2, 0)
    assert at[0.7] == (2, 0)
    assert at[0.95] == (1, 0)
    assert at[0.96] == (0, 0)
    assert points.to_dict()["fn"][0] == 3 - 2


@pytest.mark.parametrize("protocol", ["coco", "voc2007", "voc2012"])
def test_to_dict_is_json_without_nan_and_complete(protocol):
    result = run(protocol)
    plain = result.to_dict()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert plain["schema"] == "detkit.evaluation/1"
    assert plain["metrics"] == dict(result.metrics)
    assert plain["inputs"]["ground_truth"]["annotations"] == 3
    assert plain["inputs"]["predictions"]["detections"] == 4
    assert plain["coverage"] == {"images": 2, "predicted": 1, "ratio": 1 / 2}
    assert [row["name"] for row in plain["per_class"]] == ["cat", "dog"]
    assert {f["code"] for f in plain["findings"]} == {"DK705"}


def test_undefined_is_none_and_never_minus_one():
    metrics = run().metrics
    assert metrics["APmedium"] is None
    assert all(v is None or (0 <= v <= 1 and math.isfinite(v)) for v in metrics.values())


def test_without_classes_there_is_one_row():
    (row,) = run(class_wise=False).per_class
    assert (row.category_id, row.name, row.ground_truths) == (None, "all classes", 3)
