from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from analysis_cases import random_result, scored
from detkit.evaluation import evaluate
from detkit.evaluation.align import align
from detkit.evaluation.analyses._base import Settings
from detkit.evaluation.analyses.calibration import analyse
from detkit.kernels.match import IGNORED, TRUE
from detkit.reports._tables import as_text
from detkit.reports.analyses.calibration import tables

ALL = Settings(score_threshold=0.0)


def test_d_ece_by_hand():
    rows = [(0, 0, 1, 0.95), (1, 0, 1, 0.91), (-1, 0, 1, 0.93), (2, 0, 1, 0.55), (-1, 0, 1, 0.05)]
    found = analyse(scored([(0, 0)] * 4, rows), ALL)
    last = 3 / 5 * abs((0.95 + 0.91 + 0.93) / 3 - 2 / 3)
    assert found.d_ece == pytest.approx(last + 1 / 5 * abs(0.55 - 1) + 1 / 5 * abs(0.05 - 0), abs=1e-15)
    assert found.bins.count.tolist() == [1, 0, 0, 0, 0, 1, 0, 0, 0, 3]
    assert found.bins.accuracy[9] == 2 / 3
    assert found.detections == 5


def test_la_ece_by_hand():
    # class 0: one bin (0.88, 0.92] of three with overlaps 0.8 and 0.6; class 1: its only detection, exact
    rows = [(0, 0, 0.8, 0.91), (1, 0, 0.6, 0.9), (-1, 0, 1, 0.89), (2, 1, 0.9, 0.9)]
    found = analyse(scored([(0, 0), (0, 0), (0, 1)], rows), ALL)
    first = abs((0.91 + 0.9 + 0.89) / 3 - 2 / 3 * (0.8 + 0.6) / 2)
    assert found.classes[0].la_ece == pytest.approx(first, abs=1e-15)
    assert found.classes[1].la_ece == pytest.approx(0.0, abs=1e-15)
    assert found.la_ece == pytest.approx((first + 0) / 2, abs=1e-15)


def test_la_ace_by_hand():
    rows = [(0, 0, 0.8, 0.91), (1, 0, 0.6, 0.5), (-1, 0, 1, 0.3), (2, 1, 0.9, 0.7)]
    found = analyse(scored([(0, 0), (0, 0), (0, 1)], rows), ALL)
    first = (abs(0.91 - 0.8) + abs(0.5 - 0.6) + 0.3) / 3
    assert found.la_ace == pytest.approx((first + abs(0.7 - 0.9)) / 2, abs=1e-15)


def test_a_model_whose_scores_are_right_has_no_error():
    rows = [*[(n, 0, 1, 0.75) for n in range(3)], (-1, 0, 1, 0.75)]
    found = analyse(scored([(0, 0)] * 3, rows), ALL)
    assert found.d_ece == found.la_ece == 0
    assert found.la_ace == pytest.approx((3 * 0.25 + 0.75) / 4, abs=1e-15)  # no score can be right for every box


def test_an_edge_belongs_to_the_bin_below_it():
    rows = [(-1, 0, 1, s) for s in (0.0, 0.1, 0.2, 0.5, 1.0)]
    assert analyse(scored([(0, 0)], rows), ALL).bins.count.tolist() == [2, 1, 0, 0, 1, 0, 0, 0, 0, 1]


def test_the_score_threshold_comes_first():
    rows = [(0, 0, 1, 0.9), (-1, 0, 1, 0.5), (-1, 0, 1, 0.49)]
    result = scored([(0, 0)], rows)
    assert analyse(result, Settings(score_threshold=0.5)).detections == 2
    default = analyse(result, Settings())
    assert (default.score_threshold, default.detections) == (0.9, 1)
    assert default.d_ece == pytest.approx(1 - 0.9, abs=1e-15)


def test_ignored_detections_are_left_out():
    result = scored([(0, 0), (0, 0)], [(0, 0, 1, 0.9), (1, 0, 1, 0.8)], crowds=[True, False])
    found = analyse(result, ALL)
    assert found.detections == 1
    assert found.d_ece == pytest.approx(1 - 0.8, abs=1e-15)


def test_scores_that_are_no_confidences_are_counted_apart():
    found = analyse(scored([(0, 0)], [(0, 0, 1, 7.0), (-1, 0, 1, 0.8), (-1, 0, 1, -3.0)]), Settings(score_threshold=-9))
    assert (found.detections, found.outside) == (1, 2)
    assert found.d_ece == pytest.approx(0.8, abs=1e-15)
    assert any("2 detections left out: scores outside 0 to 1" in note for note in tables(found.to_dict())[0].notes)


def test_classes_without_truth_or_detections_stay_out_of_the_mean():
    result = scored([(0, 0), (0, 2)], [(0, 0, 1, 0.9), (-1, 1, 1, 0.9)], classes=3)
    found = analyse(result, ALL)
    assert found.classes[1].la_ece == pytest.approx(0.9, abs=1e-15)
    assert np.isnan(found.classes[2].la_ece)
    assert found.la_ece == found.classes[0].la_ece
    # All classes together every detection counts.
    assert found.d_ece == pytest.approx(abs(0.9 - 1 / 2), abs=1e-15)


def test_nothing_kept_is_undefined():
    found = analyse(scored([(0, 0)], [(0, 0, 1, 0.9)]), Settings(score_threshold=0.95)).to_dict()
    json.dumps(found, allow_nan=False)
    assert found["d_ece"] is found["la_ece"] is found["la_ace"] is None
    assert found["bins"][0] == {
        "low": 0.0,
        "high": 0.1,
        "count": 0,
        "confidence": None,
        "accuracy": None,
        "iou": None,
    }
    assert [as_text(shown) for shown in tables(found)]


def naive(result, scored_at, t, threshold):
    """The three errors by loops over bins of masks, nothing shared with the package."""
    layout = scored_at.layout
    per_class, together = [], []
    for k, matched in enumerate(scored_at.matched):
        scores = result.detections.score[layout.dt_row[layout.detections_of(k)]]
        outcome = matched.outcome[0, t]
        rows = [
            (float(s), o == TRUE, float(i) if o == TRUE else 0.0)
            for s, o, i in zip(scores, outcome, matched.iou, strict=True)
            if s >= threshold and o != IGNORED
        ]
        together += rows
        if rows and scored_at.truths[k, 0]:
            per_class.append(rows)
    return (
        binned(together, 10, lambda rows: sum(hit for _, hit, _ in rows) / len(rows)),
        mean([binned(rows, 25, lambda held: sum(iou for _, _, iou in held) / len(held)) for rows in per_class]),
        mean([mean([abs(s - iou) for s, _, iou in rows]) for rows in per_class]),
    )


def binned(rows, count, target):
    if not rows:
        return None
    edges, total = np.linspace(0, 1, count + 1), 0.0
    for b in range(count):
        held = [r for r in rows if (edges[b] < r[0] or b == 0) and r[0] <= edges[b + 1]]
        if held:
            total += len(held) / len(rows) * abs(mean([s for s, _, _ in held]) - target(held))
    return total


def mean(values):
    return sum(values) / len(values) if values else None


@pytest.mark.parametrize("seed", range(40))
def test_all_three_equal_slow_loops(seed):
    result = random_result(seed, protocol="voc2012" if seed % 7 == 0 else "coco")
    threshold = [0.0, 0.2, 0.5][seed % 3]
    found = analyse(result, Settings(score_threshold=threshold)).to_dict()
    expected = naive(result, result.scored, 0, threshold)
    for name, value in zip(("d_ece", "la_ece", "la_ace"), expected, strict=True):
        assert found[name] == (None if value is None else pytest.approx(value, abs=1e-12)), name


@pytest.mark.parametrize("seed", range(30))
def test_another_overlap_threshold_takes_the_overlaps_of_its_own_partners(seed):
    result = random_result(seed, iou_thresholds=(0.2, 0.5, 0.7))
    t = 0 if seed % 2 else 2
    value = result.protocol.iou_thresholds[t]
    found = analyse(result, Settings(score_threshold=0.0, iou_threshold=value)).to_dict()
    alone = replace(result.protocol, iou_thresholds=(value,))
    again = evaluate(align(result.truth, result.detections), alone)
    assert [m.outcome[0, 0].tolist() for m in again.scored.matched] == [
        m.outcome[0, t].tolist() for m in result.scored.matched
    ]
    for name, expected in zip(("d_ece", "la_ece", "la_ace"), naive(again, again.scored, 0, 0.0), strict=True):
        assert found[name] == (None if expected is None else pytest.approx(expected, abs=1e-12)), name


def test_another_threshold_does_change_partners():
    """The case above would pass on overlaps of the reference threshold if partners never differed."""
    differ = 0
    for seed in range(30):
        result = random_result(seed, iou_thresholds=(0.2, 0.5, 0.7))
        again = evaluate(align(result.truth, result.detections), replace(result.protocol, iou_thresholds=(0.2,)))
        for low, high in zip(again.scored.matched, result.scored.matched, strict=True):
            hit = low.outcome[0, 0] == TRUE
            differ += int((low.iou[hit] != high.iou[hit]).sum())
    assert differ > 0


def test_tables_show_the_diagram_and_the_worst_class_first():
    rows = [(0, 0, 1, 0.9), (1, 1, 0.6, 0.9)]
    diagram, classes = tables(analyse(scored([(0, 0), (0, 1)], rows), ALL).to_dict())
    assert diagram.rows[8] == ["0.8 to 0.9", "2", "0.9000", "1.0000", "0.8000"]
    assert diagram.rows[0][2:] == ["-", "-", "-"]
    assert [row[0] for row in classes.rows] == ["class 1", "class 0"]
    assert classes.rows[0] == ["class 1", "1", "0.900", "1.000", "0.600", "0.100", "0.300", "0.300"]
    assert max(len(line) for shown in (diagram, classes) for line in as_text(shown)[1:4]) <= 80
