from __future__ import annotations

import json

import numpy as np
import pytest

from analysis_cases import random_result, recount, rescored, scored
from detkit.errors import UsageError
from detkit.evaluation.analyses._base import Settings
from detkit.evaluation.analyses.thresholds import analyse, operating_point
from detkit.reports._tables import as_text
from detkit.reports.analyses.thresholds import tables

POINT = {"score_threshold", "precision", "recall", "f", "tp", "fp", "fn"}


def best(result, name="class 0", **settings):
    return analyse(result, Settings(**settings)).classes[name]


def test_the_best_f1_is_taken_from_counts():
    found = best(scored([(0, 0)] * 3, [(0, 0, 1, 0.9), (-1, 0, 1, 0.8), (1, 0, 1, 0.7), (-1, 0, 1, 0.6)]))
    # F1 = 2 tp / (kept + truths): 2/4, 2/5, 4/6, 4/7
    assert found.score_threshold == 0.7
    assert (found.tp, found.fp, found.fn) == (2, 1, 1)
    assert (found.precision, found.recall, found.f) == (2 / 3, 2 / 3, 4 / 6)


def test_of_equal_f_the_highest_score_is_taken():
    found = best(scored([(0, 0)] * 2, [(0, 0, 1, 0.9), (-1, 0, 1, 0.8), (-1, 0, 1, 0.7), (1, 0, 1, 0.6)]))
    assert 2 * 1 / (1 + 2) == 2 * 2 / (4 + 2)
    assert found.score_threshold == 0.9


def test_detections_of_equal_score_enter_together():
    found = best(scored([(0, 0)] * 2, [(0, 0, 1, 0.5), (-1, 0, 1, 0.5), (-1, 0, 1, 0.5), (1, 0, 1, 0.4)]))
    # at 0.5: 2 * 1 / (3 + 2); at 0.4: 2 * 2 / (4 + 2). The true positive alone would give 2 / 3.
    assert (found.score_threshold, found.f) == (0.4, 4 / 6)
    assert found.fp == 2


def test_beta_weighs_recall():
    rows = [(0, 0, 1, 0.9), *[(-1, 0, 1, 0.8)] * 3, (1, 0, 1, 0.7)]
    result = scored([(0, 0)] * 2, rows)
    assert best(result, beta=0.5).score_threshold == 0.9
    found = best(result, beta=2.0)
    assert (found.score_threshold, found.f) == (0.7, 5 * 2 / (5 + 4 * 2))
    precision, recall = 2 / 5, 1.0
    assert found.f == pytest.approx(5 * precision * recall / (4 * precision + recall), abs=1e-15)


def test_one_threshold_for_all_classes_is_judged_on_all_counts():
    rows = [(0, 0, 1, 0.9), (-1, 0, 1, 0.3), (1, 1, 1, 0.2), (-1, 1, 1, 0.1)]
    found = analyse(scored([(0, 0), (0, 1)], rows), Settings())
    assert [p.score_threshold for p in found.classes.values()] == [0.9, 0.2]
    # 2/3, 2/4, 4/5, 4/6
    assert (found.overall.score_threshold, found.overall.f) == (0.2, 4 / 5)
    assert (found.overall.tp, found.overall.fp, found.overall.fn) == (2, 1, 0)


def test_no_truth_or_nothing_right_has_no_threshold():
    result = scored([(0, 0), (0, 2)], [(-1, 0, 1, 0.9), (-1, 1, 1, 0.8)], classes=4)
    found = analyse(result, Settings()).to_dict()
    nothing_right = {"score_threshold": None, "precision": None, "recall": 0.0, "f": 0.0, "tp": 0, "fp": 0, "fn": 1}
    no_truth = {"score_threshold": None, "precision": None, "recall": None, "f": None, "tp": 0, "fp": 0, "fn": 0}
    assert found["classes"] == {
        "class 0": nothing_right,
        "class 1": no_truth,
        "class 2": nothing_right,  # no detections at all
        "class 3": no_truth,
    }
    assert found["overall"] == {**nothing_right, "fn": 2}


def test_the_file_has_exactly_the_fields_of_its_schema():
    found = json.loads(json.dumps(analyse(random_result(3), Settings(beta=2.0)).to_dict(), allow_nan=False))
    assert set(found) == {"schema", "beta", "iou_threshold", "overall", "classes"}
    assert (found["schema"], found["beta"], found["iou_threshold"]) == ("detkit.thresholds/1", 2.0, 0.5)
    assert all(set(point) == POINT for point in [found["overall"], *found["classes"].values()])


def test_the_overlap_threshold_is_one_of_the_protocols():
    result = scored([(0, 0)], [(0, 0, 0.7, 0.9)])
    assert best(result, iou_threshold=0.7).tp == 1
    assert best(result, iou_threshold=0.75).score_threshold is None
    with pytest.raises(UsageError, match="matched at"):
        analyse(result, Settings(iou_threshold=0.42))


def test_classes_that_share_a_name_share_a_threshold():
    rows = [(0, 0, 1, 0.9), (1, 1, 1, 0.3), (-1, 1, 1, 0.2)]
    found = analyse(scored([(0, 0), (0, 1)], rows, names=["cat", "cat"]), Settings())
    assert list(found.classes) == ["cat"]
    assert (found.classes["cat"].score_threshold, found.classes["cat"].tp) == (0.3, 2)


@pytest.mark.parametrize("seed", range(40))
def test_no_score_is_better_and_the_counts_are_reproduced(seed):
    beta = [0.5, 1.0, 2.0][seed % 3]
    protocol = "voc2012" if seed % 5 == 0 else "coco"
    result = random_result(seed, protocol=protocol)
    t = seed % len(result.protocol.iou_thresholds)
    found = analyse(result, Settings(beta=beta, iou_threshold=result.protocol.iou_thresholds[t]))
    scores = sorted(set(result.detections.score.tolist()), reverse=True)
    counts = {s: rescored(result, s).scored for s in scores}
    assert list(found.classes) == [row.name for row in result.per_class]
    everything = list(range(len(result.per_class)))
    for ks, point in [
        *zip([[k] for k in everything], found.classes.values(), strict=True),
        (everything, found.overall),
    ]:
        truths = sum(int(result.scored.truths[k, 0]) for k in ks)
        tried = []
        for s in scores:
            outcome = np.concatenate([counts[s].matched[k].outcome[0, t] for k in ks]).tolist()
            tp, fp = outcome.count(1), outcome.count(0)
            tried.append(((1 + beta**2) * tp / (tp + fp + beta**2 * truths) if truths else 0.0, s, tp, fp))
        top = max(tried, key=lambda row: row[:2], default=(0.0, None, 0, 0))
        if top[0] == 0:
            assert point.score_threshold is None
        else:
            assert (point.f, point.score_threshold, point.tp, point.fp) == top
        assert point.tp + point.fn == truths


def test_the_operating_point_is_set_or_the_best_overall():
    result = scored([(0, 0)] * 2, [(0, 0, 1, 0.9), (-1, 0, 1, 0.8), (1, 0, 1, 0.7)])
    assert operating_point(result, Settings(score_threshold=0.25)) == 0.25
    assert operating_point(result, Settings(score_threshold=0.0)) == 0.0
    assert operating_point(result, Settings()) == 0.7
    assert operating_point(result, Settings(beta=0.1)) == 0.9
    assert recount(result, 0.7, 0, 0) == (2, 1)


def test_the_operating_point_keeps_everything_where_nothing_is_right():
    assert operating_point(scored([(0, 0)], [(-1, 0, 1, 0.9), (-1, 0, 1, 0.2)]), Settings()) == 0.2
    assert operating_point(scored([(0, 0)], []), Settings()) == 0.0


@pytest.mark.parametrize(
    "settings",
    [{"beta": 0.0}, {"beta": -1.0}, {"beta": float("nan")}, {"beta": float("inf")}, {"score_threshold": float("nan")}],
)
def test_settings_that_make_no_sense_are_refused(settings):
    with pytest.raises(UsageError, match="must be a"):
        Settings(**settings)


def test_the_table_holds_every_class_the_worst_first():
    rows = [(0, 0, 1, 0.9), (1, 1, 1, 0.8), (-1, 1, 1, 0.85)]
    (shown,) = tables(analyse(scored([(0, 0), (0, 1), (0, 2)], rows, classes=4), Settings()).to_dict())
    assert [row[0] for row in shown.rows] == ["all classes", "class 2", "class 1", "class 0", "class 3"]
    assert shown.rows[2] == ["class 1", "0.8000", "0.5000", "1.0000", "0.6667", "1", "1", "0"]
    assert "2 classes have no threshold" in as_text(shown)[-1]
    assert max(len(line) for line in as_text(shown)[1:-2]) <= 80


def test_real_detections_are_reproduced(shared_data):
    import detkit

    folder = shared_data / "cartucho"
    result = detkit.evaluate(folder / "ground-truth", folder / "detection-results", with_partners=True)
    found = analyse(result, Settings())
    again = rescored(result, found.overall.score_threshold)
    outcome = np.concatenate([m.outcome[0, 0] for m in again.scored.matched]).tolist()
    assert (found.overall.tp, found.overall.fp) == (outcome.count(1), outcome.count(0))
    for k, point in enumerate(found.classes.values()):
        if point.score_threshold is not None:
            assert (point.tp, point.fp) == recount(result, point.score_threshold, k, 0)
