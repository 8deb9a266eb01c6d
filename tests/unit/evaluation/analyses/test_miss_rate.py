from __future__ import annotations

import json
import math

import numpy as np
import pytest

from analysis_cases import random_result, scored
from detkit.evaluation.analyses._base import Settings
from detkit.evaluation.analyses.miss_rate import FPPI_POINTS, RECALLS, analyse
from detkit.kernels.match import FALSE, TRUE
from detkit.reports._tables import as_text
from detkit.reports.analyses.miss_rate import tables


def of(result, name="class 0", **settings):
    return next(row for row in analyse(result, Settings(**settings)).classes if row.name == name)


def test_nine_points_even_in_log_space():
    assert len(FPPI_POINTS) == 9
    assert (FPPI_POINTS[0], FPPI_POINTS[4], FPPI_POINTS[8]) == (0.01, 0.1, 1.0)
    np.testing.assert_allclose(np.diff(np.log10(FPPI_POINTS)), 0.25, rtol=0, atol=1e-15)


def test_the_average_by_hand():
    # Ten images: a false positive each is 0.1 a image. Recall 1/4 before the first, 2/4 after it, 3/4 after two.
    rows = [(0, 0, 1, 0.9), (-1, 0, 1, 0.8), (1, 0, 1, 0.7), (-1, 0, 1, 0.6), (2, 0, 1, 0.5)]
    found = of(scored([(0, 0)] * 4, rows, images=10))
    # points: 0.01 0.0178 0.0316 0.0562 | 0.1 0.178 | 0.316 0.562 1.0
    assert found.miss_rates.tolist() == [3 / 4] * 4 + [2 / 4] * 2 + [1 / 4] * 3
    expected = math.exp((4 * math.log(3 / 4) + 2 * math.log(2 / 4) + 3 * math.log(1 / 4)) / 9)
    assert found.log_average == pytest.approx(expected, abs=1e-15)


def test_before_the_first_point_everything_is_missed_and_after_the_last_its_miss_rate_holds():
    # The first detection is false: with 10 images the curve starts at 0.1 a image.
    found = of(scored([(0, 0)] * 2, [(-1, 0, 1, 0.9), (0, 0, 1, 0.8)], images=10))
    assert found.miss_rates.tolist() == [1.0] * 4 + [0.5] * 5


def test_detections_of_equal_score_enter_together():
    found = of(scored([(0, 0)] * 2, [(0, 0, 1, 0.9), (-1, 0, 1, 0.9)], images=10))
    assert found.miss_rates.tolist() == [1.0] * 4 + [0.5] * 5


def test_nothing_missed_is_the_least_value_and_everything_missed_is_one():
    assert of(scored([(0, 0)], [(0, 0, 1, 0.9)])).log_average == pytest.approx(1e-10, rel=1e-9)
    assert of(scored([(0, 0)], [(-1, 0, 1, 0.9)])).log_average == 1.0
    assert of(scored([(0, 0)], [])).log_average == 1.0


def test_classes_without_truth_are_undefined_and_stay_out_of_the_mean():
    rows = [(0, 0, 1, 0.9), (-1, 1, 1, 0.8)]
    result = scored([(0, 0), (0, 0), (0, 2)], rows, classes=3)
    found = analyse(result, Settings()).to_dict()
    json.dumps(found, allow_nan=False)
    empty = found["classes"][1]
    assert empty["log_average_miss_rate"] is None
    assert empty["miss_rate"] is empty["miss_rates"] is empty["recalls"] is empty["curve"] is None
    assert found["log_average_miss_rate"] == pytest.approx((0.5 + 1.0) / 2, abs=1e-15)


def test_false_positives_per_image_at_the_operating_point_count_images_without_objects():
    rows = [(0, 0, 1, 0.9), *[(-1, 0, 1, 0.8)] * 3, (1, 0, 1, 0.7)]
    result = scored([(0, 0)] * 2, rows, images=4)
    found = analyse(result, Settings(score_threshold=0.75))
    assert (found.images, found.classes[0].fppi, found.classes[0].miss_rate) == (4, 3 / 4, 1 / 2)
    assert (found.overall.fppi, found.overall.miss_rate) == (3 / 4, 1 / 2)
    assert analyse(result, Settings()).score_threshold == 0.9
    assert of(result, score_threshold=0.95).fppi == 0
    assert of(result, score_threshold=0.95).miss_rate == 1


def test_what_a_recall_costs():
    rows = [(0, 0, 1, 0.9), (-1, 0, 1, 0.8), (1, 0, 1, 0.7), (-1, 0, 1, 0.6), (2, 0, 1, 0.5)]
    costs = {cost.recall: cost for cost in of(scored([(0, 0)] * 5, rows, images=10)).costs}
    assert tuple(costs) == RECALLS
    # recalls 1/5, 2/5, 3/5
    assert (costs[0.5].fppi, costs[0.5].score_threshold) == (2 / 10, 0.5)
    assert (costs[0.6].fppi, costs[0.6].score_threshold) == (2 / 10, 0.5)
    assert (costs[0.7].fppi, costs[0.7].score_threshold) == (None, None)


def naive(rows, truths, images):
    """Dollar's rule, one threshold after the other: rows are (score, outcome)."""
    if not truths:
        return None
    read = []
    for n in range(-8, 1):
        limit, missed = 10 ** (n / 4), 1.0
        for s in sorted({s for s, _ in rows}, reverse=True):
            fp = sum(score >= s and outcome == FALSE for score, outcome in rows)
            tp = sum(score >= s and outcome == TRUE for score, outcome in rows)
            if fp / images <= limit:
                missed = 1 - tp / truths
        read.append(max(missed, 1e-10))
    return math.prod(read) ** (1 / 9)


@pytest.mark.parametrize("seed", range(40))
def test_log_averages_equal_a_slow_reading_of_the_rule(seed):
    result = random_result(seed, protocol="voc2012" if seed % 5 == 0 else "coco")
    t = seed % len(result.protocol.iou_thresholds)
    found = analyse(result, Settings(iou_threshold=result.protocol.iou_thresholds[t]))
    layout, images = result.scored.layout, len(result.truth.images)
    everything, expected = [], []
    for k, matched in enumerate(result.scored.matched):
        scores = result.detections.score[layout.dt_row[layout.detections_of(k)]].tolist()
        rows = list(zip(scores, matched.outcome[0, t].tolist(), strict=True))
        everything += rows
        expected.append(naive(rows, int(result.scored.truths[k, 0]), images))
    for row, value in zip(found.classes, expected, strict=True):
        assert np.isnan(row.log_average) if value is None else row.log_average == pytest.approx(value, rel=1e-9)
    defined = [value for value in expected if value is not None]
    if defined:
        assert found.mean == pytest.approx(sum(defined) / len(defined), rel=1e-9)
        total = naive(everything, int(result.scored.truths[:, 0].sum()), images)
        assert found.overall.log_average == pytest.approx(total, rel=1e-9)
    else:
        assert np.isnan(found.mean)


@pytest.mark.parametrize("seed", range(10))
def test_the_drawn_curve_falls_and_passes_through_the_nine_points(seed):
    found = analyse(random_result(seed), Settings()).to_dict()
    grid = found["curve_fppi"]
    for row in [found["overall"], *found["classes"]]:
        if row["truths"]:
            assert row["curve"] == sorted(row["curve"], reverse=True)
            for x, value in zip(found["fppi_points"], row["miss_rates"], strict=True):
                assert row["curve"][grid.index(x)] == value


def test_tables_without_any_truth():
    found = analyse(scored([(0, 0)], [(0, 0, 1, 0.9)], crowds=[True]), Settings()).to_dict()
    json.dumps(found, allow_nan=False)
    costs, classes = tables(found)
    assert [row[2] for row in classes.rows] == ["-", "-"]
    assert as_text(costs)


def test_tables_show_costs_and_the_worst_class_first():
    rows = [(0, 0, 1, 0.9), (1, 1, 1, 0.9), (-1, 0, 1, 0.8)]
    result = scored([(0, 0), (0, 1), (0, 1)], rows, classes=3, images=10)
    costs, classes = tables(analyse(result, Settings()).to_dict())
    assert costs.rows[0] == ["0.5", "0.0000", "0.9000"]
    assert costs.rows[-1] == ["0.95", "-", "-"]
    assert costs.notes
    assert [row[0] for row in classes.rows] == ["all classes", "class 1", "class 0", "class 2"]
    assert classes.rows[1] == ["class 1", "2", "0.5000", "0.5000", "0.0000"]
    assert classes.rows[3] == ["class 2", "0", "-", "-", "0.0000"]
    assert max(len(line) for shown in (costs, classes) for line in as_text(shown)) <= 100
