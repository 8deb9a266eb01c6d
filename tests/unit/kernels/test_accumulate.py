from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import naive
from detkit.kernels.accumulate import accumulate
from strategies import scores

SETTINGS = settings(derandomize=True, deadline=None, max_examples=80)
RECALLS = np.linspace(0, 1, 101)


@SETTINGS
@given(st.integers(0, 14), st.data())
def test_equals_its_twin(n, data):
    score = np.array(data.draw(st.lists(scores, min_size=n, max_size=n)), dtype=np.float64)
    rank = np.array(data.draw(st.lists(st.integers(0, 4), min_size=n, max_size=n)), dtype=np.int32)
    kinds = st.lists(st.integers(0, 2), min_size=n, max_size=n)
    outcome = np.array([[data.draw(kinds) for _ in range(2)] for _ in range(2)], dtype=np.uint8).reshape(2, 2, n)
    truths = np.array(data.draw(st.lists(st.integers(0, 9), min_size=2, max_size=2)))
    # A class never has more matched than counted truths.
    outcome[np.cumsum(outcome == naive.TRUE, axis=2) > truths[:, None, None]] = naive.FALSE
    caps = np.array([1, 3, 100])
    order = np.argsort(-score, kind="stable")
    order = order[np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)), dtype=np.bool_)]
    precision, recall, at = accumulate(order, score, rank, outcome, truths, caps, RECALLS)
    for a, t, m in np.ndindex(2, 2, 3):
        kept = [i for i in order if rank[i] < caps[m]]
        expected = naive.accumulate(
            score[kept].tolist(), outcome[a, t, kept].tolist(), int(truths[a]), RECALLS.tolist()
        )
        assert precision[t, :, a, m].tolist() == expected[0]
        assert recall[t, a, m] == expected[1]
        assert at[t, :, a, m].tolist() == expected[2]


def run(outcome, truths, recalls=RECALLS, score=None):
    n = len(outcome)
    score = np.linspace(0.9, 0.1, n) if score is None else np.array(score, dtype=np.float64)
    found = accumulate(
        np.arange(n), score, np.arange(n, dtype=np.int32), np.array([[outcome]], dtype=np.uint8).reshape(1, 1, n),
        np.array([truths]), np.array([100]), np.asarray(recalls),
    )  # fmt: skip
    return found[0][0, :, 0, 0], found[1][0, 0, 0], found[2][0, :, 0, 0]


def test_precision_is_lowered_by_the_spacing_of_one():
    precision, recall, _ = run([naive.TRUE], 1)
    assert precision.tolist() == [1 / (1 + np.spacing(1))] * 101
    assert precision[0] < 1
    assert recall == 1 / 1


def test_a_recall_that_is_reached_exactly_counts_as_reached():
    precision, recall, at = run([naive.TRUE, naive.FALSE], 2, recalls=[0.5, np.nextafter(0.5, 1)])
    assert precision.tolist() == [1 / (1 + np.spacing(1)), 0.0]
    assert at.tolist() == [0.9, 0.0]
    assert recall == 1 / 2


def test_precision_is_made_monotone_from_the_right():
    precision, _, _ = run([naive.FALSE, naive.TRUE, naive.TRUE], 2, recalls=[0.5, 1.0])
    assert precision.tolist() == [2 / (1 + 2), 2 / (1 + 2)]


def test_at_recall_zero_the_score_is_the_first_detections_even_when_it_is_ignored():
    _, _, at = run([naive.IGNORED, naive.TRUE], 1, recalls=[0.0, 1.0], score=[0.9, 0.1])
    assert at.tolist() == [0.9, 0.1]


def test_no_truth_is_minus_one_and_no_detection_is_zero():
    precision, recall, at = run([naive.FALSE], 0)
    assert set(precision) == {-1.0}
    assert recall == -1.0
    assert set(at) == {-1.0}
    precision, recall, at = run([], 3)
    assert set(precision) == {0.0}
    assert recall == 0.0
    assert set(at) == {0.0}


@pytest.mark.parametrize("spare", [1, 5])
def test_unreached_recalls_are_zero(spare):
    precision, _, _ = run([naive.TRUE], 1 + spare)
    assert np.count_nonzero(precision) == np.count_nonzero(1 / (1 + spare) >= RECALLS)
