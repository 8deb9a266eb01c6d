"""Protocols `ultralytics` and `ultralytics8` against the figures of the package, and its rules written out in Python.

`fixtures/ultralytics` holds random cases and what two versions of the package answer; `tools/make_ultralytics_cases.py`
writes them.
"""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import detkit
from detkit.errors import UsageError
from detkit.evaluation import protocols
from detkit.evaluation.averaging import trapezoid, trapezoid_to_end
from detkit.evaluation.best_f1 import at_best_mean_f1
from detkit.evaluation.result import Evaluation
from detkit.kernels.match import FALSE, IGNORED, TRUE
from detkit.tables import Categories, Dataset, Detections, Images, id_array

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "fixtures" / "ultralytics"
VERSIONS = {"ultralytics": "8.4.190", "ultralytics8": "8.3.253"}
CASES = json.loads((FIXTURES / "cases.json").read_text())
BOX = [0.0, 0.0, 10.0, 10.0]


def _tables(case: dict[str, Any], **columns: Any) -> tuple[Dataset, Detections]:
    rows, found = case["truth"], case["found"]
    ids = sorted({row[0] for row in [*rows, *found]} or {1})
    classes = sorted({row[1] for row in [*rows, *found]} or {1})
    images = Images(id_array(ids), tuple(f"{i}.jpg" for i in ids), np.full((len(ids), 2), 400.0))
    categories = Categories(id_array(classes), tuple(f"class {c}" for c in classes))

    def plain(rows: list[Any]) -> dict[str, Any]:
        return {
            "image_index": [ids.index(row[0]) for row in rows],
            "category_index": [classes.index(row[1]) for row in rows],
            "xywh": np.array([row[2:6] for row in rows], np.float64).reshape(-1, 4),
        }

    truth = Dataset.build(images, categories, **plain(rows), **columns)
    return truth, Detections.build(images, categories, **plain(found), score=[row[6] for row in found])


def _evaluate(
    case: dict[str, Any], protocol: str, *, settings: dict[str, Any] | None = None, **columns: Any
) -> Evaluation:
    return detkit.evaluate(*_tables(case, **columns), protocol=protocol, **(settings or {}))


@pytest.mark.parametrize("protocol", VERSIONS)
@pytest.mark.parametrize("n", range(len(CASES)))
def test_random_cases_give_the_figures_of_the_package(protocol: str, n: int) -> None:
    result = _evaluate(CASES[n], protocol)
    expected = json.loads((FIXTURES / f"{VERSIONS[protocol]}.json").read_text())[n]
    of_classes = expected.pop("classes")
    # Overlaps in float32 there: a figure moves where one lies within a rounding of a threshold, and here none does.
    assert result.metrics == pytest.approx(expected, abs=1e-6)
    for row in result.per_class:
        if str(row.category_id) in of_classes:
            wanted = of_classes.pop(str(row.category_id))
            assert {name: row.metrics[name] for name in wanted} == pytest.approx(wanted, abs=1e-6)
        else:
            assert set(row.metrics.values()) == {None}
    assert not of_classes


def test_the_versions_and_coco_differ_on_the_cases() -> None:
    """Otherwise the comparison above would show little."""
    found = {name: [_evaluate(case, name).metrics["AP"] for case in CASES] for name in (*VERSIONS, "coco")}
    for a, b in (("ultralytics", "ultralytics8"), ("ultralytics", "coco")):
        assert sum(abs(x - y) > 1e-3 for x, y in zip(found[a], found[b], strict=True)) > len(CASES) // 2


def _pairs_matched(overlap: np.ndarray, threshold: float) -> set[int]:
    """Detections matched by the older rule, step by step: a list of pairs, thinned twice.

    All pairs that overlap enough, best first; of each detection its first pair; of each truth the pair whose detection
    comes first by score.
    """
    pairs = [(overlap[d, g], d, g) for d in range(len(overlap)) for g in range(overlap.shape[1])]
    pairs = sorted((p for p in pairs if p[0] >= threshold), key=lambda p: -p[0])
    of_detection: dict[int, int] = {}
    for _, d, g in pairs:
        of_detection.setdefault(d, g)
    of_truth: dict[int, int] = {}
    for d in sorted(of_detection):
        of_truth.setdefault(of_detection[d], d)
    return set(of_truth.values())


def _claims_matched(overlap: np.ndarray, threshold: float) -> set[int]:
    """Detections matched by today's rule: each in turn takes the best of the truths that are left."""
    free, matched = set(range(overlap.shape[1])), set()
    for d in range(len(overlap)):
        best = max(free, key=lambda g: overlap[d, g], default=None)
        if best is not None and overlap[d, best] >= threshold:
            matched.add(d)
            free.discard(best)
    return matched


@pytest.mark.parametrize(("rule", "twin"), [("best", _pairs_matched), ("greedy", _claims_matched)])
def test_the_rules_of_matching_are_the_ones_that_are_there(rule: str, twin: Any) -> None:
    from detkit.kernels.match import Cells, match

    rng = np.random.default_rng(5)
    differing = 0
    for _ in range(200):
        overlap = rng.uniform(0.3, 1, (int(rng.integers(1, 9)), int(rng.integers(1, 6))))
        dets, truths = overlap.shape
        no = np.zeros(truths, np.bool_)
        cells = Cells(np.array([0, dets]), np.array([0, truths]), np.ones(dets), np.ones(truths), no, no, no)
        found = match(
            cells,
            np.array([0.5, 0.75]),
            np.array([[0.0, np.inf]]),
            rule=rule,
            overlaps=(overlap.ravel(), np.array([0])),
        ).outcome[0]
        for t, threshold in enumerate((0.5, 0.75)):
            assert set(np.flatnonzero(found[t] == TRUE).tolist()) == twin(overlap, threshold)
        differing += _pairs_matched(overlap, 0.5) != _claims_matched(overlap, 0.5)
    assert differing > 50


def _average(function: Any, outcome: list[int], truths: int) -> float:
    n = len(outcome)
    precision, _, _ = function(
        np.arange(n),
        np.linspace(1, 0, n),
        np.arange(n, dtype=np.int32),
        np.array(outcome, np.uint8).reshape(1, 1, n),
        np.array([truths]),
        np.array([300]),
        np.empty(0),
    )
    return float(precision[0, 0, 0, 0])


def test_a_perfect_class_has_995_thousandths() -> None:
    """Precision is 1 up to recall 0.99 and 0 at 1: ninety-nine whole steps and half of the last."""
    assert _average(trapezoid, [TRUE, TRUE], 2) == pytest.approx((99 + 0.5) / 100)
    assert _average(trapezoid_to_end, [TRUE, TRUE], 2) == pytest.approx((99 + 0.5) / 100)


def test_the_versions_differ_beyond_the_last_recall() -> None:
    """One of two truths found: up to recall 0.5, then nothing; or a line from (0.5, 1) down to (1, 0)."""
    assert _average(trapezoid, [TRUE], 2) == pytest.approx(0.5 - 0.01 / 2)
    assert _average(trapezoid_to_end, [TRUE], 2) == pytest.approx(0.5 + 0.5 * 1 / 2)


def test_precision_is_that_of_the_envelope() -> None:
    """TP, FP, TP of two truths: 1 below recall 0.5, there and above it 2/3, and 0 at recall 1."""
    heights = [1.0] * 50 + [2 / 3] * 50
    expected = sum((a + b) / 200 for a, b in pairwise([*heights, 0.0]))
    assert _average(trapezoid, [TRUE, FALSE, TRUE], 2) == pytest.approx(expected)


def test_precision_between_two_recalls_lies_on_a_line() -> None:
    """TP, then FP and TP of one recall step of 1/3: from (1/3, 2/3) up to (2/3, 2/3), then on as the version has it."""
    thirds = [1.0] * 34 + [2 / 3] * 33
    to_end = [*thirds, *(2 / 3 - (r / 100 - 2 / 3) / (1 / 3) * (2 / 3) for r in range(67, 101))]
    assert _average(trapezoid_to_end, [TRUE, FALSE, TRUE], 3) == pytest.approx(
        sum((a + b) / 200 for a, b in pairwise(to_end))
    )
    up_to_last = [*thirds, *[0.0] * 34]
    assert _average(trapezoid, [TRUE, FALSE, TRUE], 3) == pytest.approx(
        sum((a + b) / 200 for a, b in pairwise(up_to_last))
    )


def test_nothing_found_is_zero() -> None:
    for function in (trapezoid, trapezoid_to_end):
        assert _average(function, [], 2) == 0.0
        assert _average(function, [FALSE, FALSE], 2) == 0.0


def _best_f1_by_hand(classes: list[tuple[list[float], list[int], int]]) -> tuple[list[float], list[float]]:
    """Thresholds one by one, a window of 101 of them around each one by one."""
    thresholds = [n / 999 for n in range(1000)]
    curves = []
    for scores, outcome, truths in classes:
        points, tp = [], 0
        for n, hit in enumerate(outcome):
            tp += hit
            points.append((scores[n], tp / (n + 1), tp / truths))
        row = []
        for x in thresholds:
            if not points:
                row.append((0.0, 0.0))
            elif x > points[0][0]:
                row.append((1.0, 0.0))
            elif x <= points[-1][0]:
                row.append(points[-1][1:])
            else:
                (a, pa, ra), (b, pb, rb) = next(p for p in pairwise(points) if p[1][0] < x <= p[0][0])
                w = (a - x) / (a - b)
                row.append((pa + w * (pb - pa), ra + w * (rb - ra)))
        curves.append(row)
    f1 = [np.mean([2 * p * r / (p + r + 1e-16) for p, r in at]) for at in zip(*curves, strict=True)]
    smooth = [np.mean([f1[min(max(n + d, 0), 999)] for d in range(-50, 51)]) for n in range(1000)]
    best = int(np.argmax(np.round(smooth, 12)))
    return [row[best][0] for row in curves], [row[best][1] for row in curves]


def test_precision_and_recall_are_those_of_the_best_mean_f1() -> None:
    rng = np.random.default_rng(3)
    classes = [
        (sorted(rng.random(30).tolist(), reverse=True), rng.integers(0, 2, 30).tolist(), 20),
        (sorted(rng.random(5).tolist(), reverse=True), [1, 0, 1, 1, 0], 4),
        ([], [], 3),
    ]
    found = at_best_mean_f1([(np.array(s), np.array(o, np.uint8), t) for s, o, t in classes])
    assert found.tolist() == [pytest.approx(row, abs=1e-9) for row in _best_f1_by_hand(classes)]


def test_detections_that_are_ignored_change_no_operating_point() -> None:
    """Also not the first ones, before which there is no precision."""
    score, outcome = [0.9, 0.8, 0.6, 0.3], [IGNORED, TRUE, IGNORED, FALSE]
    found = at_best_mean_f1([(np.array(score), np.array(outcome, np.uint8), 1)])
    without = at_best_mean_f1([(np.array([0.8, 0.3]), np.array([TRUE, FALSE], np.uint8), 1)])
    assert found.tolist() == without.tolist()


def test_a_class_without_truth_has_no_operating_point() -> None:
    found = at_best_mean_f1(
        [(np.array([0.9]), np.array([FALSE], np.uint8), 0), (np.array([0.8]), np.array([TRUE], np.uint8), 1)]
    )
    assert found[:, 0].tolist() == [-1.0, -1.0]
    assert found[:, 1].tolist() == [1.0, 1.0]
    assert at_best_mean_f1([]).shape == (2, 0)


def test_crowds_difficult_empty_and_repeated_labels_are_not_read() -> None:
    """Five of six labels are no truth; the detection on the crowd is a plain false positive, under COCO it is none."""
    rows = [[1, 1, *BOX], [1, 1, *BOX], [1, 1, 50, 50, 40, 40], [1, 1, 0, 60, 0, 5], [1, 1, 70, 0, 9, 9], [2, 1, *BOX]]
    found = [[1, 1, 50, 50, 40, 40, 0.9], [1, 1, *BOX, 0.8], [2, 1, *BOX, 0.7]]
    case = {"truth": rows, "found": found}
    crowd, difficult = [row[2] == 50 for row in rows], [row[2] == 70 for row in rows]
    result = _evaluate(case, "ultralytics", is_crowd=crowd, is_ignored=difficult)
    assert result.per_class[0].ground_truths == 2
    assert len(result.truth.annotations) == 2
    assert result.metrics["AP50"] == pytest.approx(_average(trapezoid, [FALSE, TRUE, TRUE], 2))
    told = [f for f in result.findings if f.code == "DK707"]
    assert [(f.count, f.message) for f in told] == [
        (
            4,
            "4 truths not read by protocol `ultralytics`: 2 crowds or difficult, 1 without width or height, 1 repeated",
        )
    ]
    assert _evaluate(case, "coco", is_crowd=crowd, is_ignored=difficult).per_class[0].ground_truths == 4


def test_an_image_keeps_300_detections_of_all_classes_together() -> None:
    crowd = [[1, 2, 5.0 * n, 300, 4, 4, 0.5] for n in range(299)]
    truth = [[1, 1, *BOX], [1, 1, 100, 100, 10, 10], [1, 2, 0, 300, 4, 4]]
    found = [[1, 1, *BOX, 0.9], *crowd, [1, 1, 100, 100, 10, 10, 0.4]]
    result = _evaluate({"truth": truth, "found": found}, "ultralytics")
    assert result.counts["beyond_max_detections"] == 1
    assert result.per_class[0].metrics["AP50"] == pytest.approx(_average(trapezoid, [TRUE], 2))
    assert _evaluate({"truth": truth, "found": found}, "coco").per_class[0].metrics["AP50"] == 1.0


def test_scores_below_a_thousandth_are_left_out() -> None:
    found = [[1, 1, *BOX, 0.001], [1, 1, 50, 50, 5, 5, 0.0009]]
    result = _evaluate({"truth": [[1, 1, *BOX]], "found": found}, "ultralytics")
    assert (len(result.detections), result.counts["below_score_threshold"]) == (1, 1)


def test_metrics_by_their_other_names_and_settings() -> None:
    case = CASES[0]
    result = _evaluate(case, "ultralytics8")
    assert list(result.metrics) == ["AP", "AP50", "AP75", "P", "R"]
    plain = result.to_dict()["protocol"]
    assert (plain["operating_point"], plain["match_rule"]) == ("at_best_mean_f1", "best")
    assert plain["drop_truths"] == ["ignored", "empty", "duplicates"]
    verdict = detkit.gate({"result": result}, ["mAP50-95>=0", "mAP50>=0", "P>=0", "R>=0"])
    assert verdict.exit_code == 0
    one = _evaluate(case, "ultralytics", settings={"iou_thresholds": (0.75,)})
    assert one.metrics["AP75"] == _evaluate(case, "ultralytics").metrics["AP75"]
    assert (one.metrics["P"], one.metrics["AP50"]) == (None, None)


@pytest.mark.parametrize("iou_type", ["segm", "keypoints", "obb"])
def test_boxes_only(iou_type: str) -> None:
    with pytest.raises(UsageError, match=f"`{iou_type}`"):
        protocols.get("ultralytics", iou_type)
