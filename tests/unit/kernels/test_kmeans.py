from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detkit.kernels.kmeans import medians, nearest, ratios

SETTINGS = settings(derandomize=True, deadline=None, max_examples=60)
side = st.floats(0.01, 2000)
sizes = st.lists(st.tuples(side, side), min_size=1, max_size=12)


def naive_similarity(box, anchor, metric):
    (w, h), (aw, ah) = box, anchor
    if metric == "iou":
        inner = min(w, aw) * min(h, ah)
        return inner / (w * h + aw * ah - inner)
    return min(min(w / aw, aw / w), min(h / ah, ah / h))


@SETTINGS
@given(sizes, sizes, st.sampled_from(["iou", "ratio"]))
def test_nearest_equals_its_twin(wh, anchors, metric):
    label, similarity = nearest(wh, anchors, metric)
    for n, box in enumerate(wh):
        values = [naive_similarity(box, anchor, metric) for anchor in anchors]
        assert similarity[n] == pytest.approx(max(values), rel=1e-12)
        assert values[label[n]] == pytest.approx(max(values), rel=1e-12)


@SETTINGS
@given(sizes, sizes, st.sampled_from([1.5, 2.0, 4.0]))
def test_ratios_equal_their_twin(wh, anchors, threshold):
    best, above = ratios(wh, anchors, threshold)
    for n, (w, h) in enumerate(wh):
        factors = [max(w / aw, aw / w, h / ah, ah / h) for aw, ah in anchors]
        assert best[n] == pytest.approx(1 / min(factors), rel=1e-12)
        near = [f for f in factors if abs(f - threshold) < 1e-9]
        assert abs(int(above[n]) - sum(f < threshold for f in factors)) <= len(near)


@SETTINGS
@given(sizes, st.integers(1, 4), st.randoms(use_true_random=False))
def test_medians_equal_their_twin(wh, count, random):
    wh = np.array(wh)
    label = np.array([random.randrange(count) for _ in wh])
    found, counts = medians(wh, np.argsort(wh, axis=0), label, count)
    for j in range(count):
        mine = wh[label == j]
        assert counts[j] == len(mine)
        expected = np.median(mine, axis=0) if len(mine) else np.zeros(2)
        assert found[j] == pytest.approx(expected, rel=1e-12)


def test_values():
    label, similarity = nearest([[10, 10], [20, 30]], [[10, 5], [20, 20]])
    assert label.tolist() == [0, 1]
    assert similarity.tolist() == [50 / 100, 400 / 600]
    label, similarity = nearest([[10, 10], [20, 30]], [[10, 5], [20, 20]], "ratio")
    assert label.tolist() == [0, 1]
    assert similarity.tolist() == [5 / 10, 20 / 30]


def test_of_equals_the_first_anchor_wins():
    assert nearest([[10, 10]], [[10, 5], [5, 10]])[0].tolist() == [0]


def test_a_factor_of_exactly_the_threshold_is_not_covered():
    """YOLOv5 trains an anchor on sides that differ by less than `anchor_t`."""
    best, above = ratios([[40, 10], [39.9, 10]], [[10, 10]], 4.0)
    assert above.tolist() == [0, 1]
    assert best[0] == 10 / 40


@pytest.mark.parametrize(
    ("wh", "anchors", "message"),
    [
        ([[1, 2]], np.empty((0, 2)), "`anchors` is empty"),
        ([[1, 2, 3]], [[1, 1]], r"`wh` has shape \(1, 3\)"),
        ([[1, 0]], [[1, 1]], "`wh` holds a side"),
        ([[1, 1]], [[1, np.nan]], "`anchors` holds a side"),
    ],
)
def test_refuses(wh, anchors, message):
    with pytest.raises(ValueError, match=message):
        nearest(wh, anchors)


def test_empty():
    label, similarity = nearest([], [[1, 1]])
    assert label.shape == similarity.shape == (0,)
