from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import naive
from detkit.evaluation.averaging import area_under_curve, curve, eleven_point

SETTINGS = settings(derandomize=True, deadline=None, max_examples=100)
outcomes = st.lists(st.sampled_from([naive.TRUE, naive.TRUE, naive.FALSE, naive.FALSE, naive.IGNORED]), max_size=25)


def run(average, outcome, truths, rank=None, caps=(1000,)):
    n = len(outcome)
    return average(
        np.arange(n),
        np.linspace(1, 0, n),
        np.arange(n, dtype=np.int32) if rank is None else np.array(rank, dtype=np.int32),
        np.array(outcome, dtype=np.uint8).reshape(1, 1, n),
        np.array([truths]),
        np.array(caps),
        np.empty(0),
    )


@SETTINGS
@given(outcomes, st.integers(0, 3))
def test_averages_equal_their_twins(outcome, missed):
    truths = outcome.count(naive.TRUE) + missed
    for average, twin in ((area_under_curve, naive.voc_area), (eleven_point, naive.voc_eleven)):
        ap, recall, _ = run(average, outcome, truths)
        if truths == 0:
            assert (ap[0, 0, 0, 0], recall[0, 0, 0]) == (-1.0, -1.0)
            continue
        # Sums of more than eight terms are rounded pairwise by NumPy and one by one by the twin.
        assert ap[0, 0, 0, 0] == pytest.approx(twin(outcome, truths), abs=1e-14)
        assert recall[0, 0, 0] == outcome.count(naive.TRUE) / truths


@pytest.mark.parametrize(
    ("outcome", "truths", "area", "eleven"),
    [
        ([1], 1, 1.0, 1.0),
        ([1], 2, 0.5 * 1, 6 / 11),
        ([0, 1], 1, 1 / 2, 1 / 2),
        ([1, 0, 1], 2, 0.5 * 1 + 0.5 * 2 / 3, (6 * 1 + 5 * 2 / 3) / 11),
        ([0, 0], 3, 0.0, 0.0),
        ([], 3, 0.0, 0.0),
        ([2, 1, 2], 1, 1.0, 1.0),
    ],
)
def test_values(outcome, truths, area, eleven):
    assert run(area_under_curve, outcome, truths)[0][0, 0, 0, 0] == pytest.approx(area, abs=1e-15)
    assert run(eleven_point, outcome, truths)[0][0, 0, 0, 0] == pytest.approx(eleven, abs=1e-15)


def test_eleven_points_reach_a_recall_of_exactly_a_tenth():
    # The devkit's thresholds are 0:0.1:1 and recall 3/10 must reach the fourth, though 0.1 * 3 > 0.3.
    ap, _, _ = run(eleven_point, [1] * 3, 10)
    assert ap[0, 0, 0, 0] == pytest.approx(naive.voc_eleven([1] * 3, 10), abs=1e-15)


def test_caps_filter_by_rank_in_the_cell():
    ap, recall, _ = run(area_under_curve, [0, 1], 1, rank=[1, 0], caps=(1, 2))
    assert ap[0, 0, 0].tolist() == [1.0, 1 / 2]
    assert recall[0, 0].tolist() == [1.0, 1.0]


def test_the_curve_is_not_moved_by_ignored_detections():
    tp, fp, precision, recall = curve(np.array([2, 1, 2, 0], np.uint8), 2)
    assert (tp.tolist(), fp.tolist()) == ([0, 1, 1, 1], [0, 0, 0, 1])
    assert np.isnan(precision[0])
    assert precision[1:].tolist() == [1 / 1, 1 / 1, 1 / 2]
    assert recall.tolist() == [0 / 2, 1 / 2, 1 / 2, 1 / 2]


@SETTINGS
@given(outcomes, st.integers(1, 5))
def test_removing_false_positives_never_lowers_an_average(outcome, missed):
    truths = outcome.count(naive.TRUE) + missed
    clean = [kind for kind in outcome if kind != naive.FALSE]
    for average in (area_under_curve, eleven_point):
        worse, better = (run(average, o, truths)[0][0, 0, 0, 0] for o in (outcome, clean))
        assert better >= worse - 1e-15
