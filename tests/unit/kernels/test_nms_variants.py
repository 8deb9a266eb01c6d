from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import naive_nms
from detkit.kernels import _groups
from detkit.kernels._groups import in_threads
from detkit.kernels.fusion import fuse
from detkit.kernels.nms import grouped_nms
from detkit.kernels.soft_nms import grouped_matrix_nms, grouped_soft_nms
from strategies import box_arrays, grid_boxes

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")
SETTINGS = settings(derandomize=True, deadline=None, max_examples=60)
#: Two decimals, so that many are equal and none is negative.
SCORES = st.integers(0, 100).map(lambda n: n / 100)


def _columns(data, n):
    score = data.draw(st.lists(SCORES, min_size=n, max_size=n))
    group = data.draw(st.lists(st.integers(-1, 1), min_size=n, max_size=n))
    return score, group


def _plain(values):
    return [None if math.isnan(v) else v for v in values.tolist()]


def _close(found, expected):
    assert [v is None for v in found] == [v is None for v in expected]
    kept = [(a, b) for a, b in zip(found, expected, strict=True) if a is not None]
    np.testing.assert_allclose([a for a, _ in kept], [b for _, b in kept], rtol=1e-12)


def _distinct(boxes):
    """No two lowered scores are equal by accident of the grid: ties are pinned by tests of their own."""
    return np.asarray(boxes, dtype=float) + np.arange(4 * len(boxes)).reshape(-1, 4) % 7 / 64


@SETTINGS
@given(box_arrays(10, grid_boxes), st.data())
def test_diou_equals_its_twin(boxes, data):
    score, group = _columns(data, len(boxes))
    threshold = data.draw(st.sampled_from([0.0, 0.25, 0.5, 1.0]))
    keep = grouped_nms(boxes, score, group, iou_threshold=threshold, overlap="diou")
    assert np.flatnonzero(keep).tolist() == naive_nms.diou_nms(boxes, score, group, threshold)


@SETTINGS
@given(box_arrays(10, grid_boxes), st.data())
def test_soft_equals_its_twin(boxes, data):
    boxes = _distinct(boxes)
    score, group = _columns(data, len(boxes))
    decay, floor = data.draw(st.sampled_from(["linear", "gaussian"])), data.draw(st.sampled_from([0.0, 0.001, 0.3]))
    threshold, sigma = data.draw(st.sampled_from([0.0, 0.3, 0.5])), data.draw(st.sampled_from([0.1, 0.5, 2.0]))
    found = grouped_soft_nms(
        boxes, score, group, decay=decay, iou_threshold=threshold, sigma=sigma, score_threshold=floor
    )
    _close(_plain(found), naive_nms.soft_nms(boxes, score, group, decay, threshold, sigma, floor))


@SETTINGS
@given(box_arrays(10, grid_boxes), st.data())
def test_matrix_equals_its_twin(boxes, data):
    score, group = _columns(data, len(boxes))
    decay, floor = data.draw(st.sampled_from(["linear", "gaussian"])), data.draw(st.sampled_from([0.0, 0.001, 0.3]))
    sigma = data.draw(st.sampled_from([0.1, 0.5, 2.0]))
    found = grouped_matrix_nms(boxes, score, group, decay=decay, sigma=sigma, score_threshold=floor)
    _close(_plain(found), naive_nms.matrix_nms(boxes, score, group, decay, sigma, floor))


@SETTINGS
@given(box_arrays(10, grid_boxes), st.data())
def test_fusion_equals_its_twin(boxes, data):
    score, group = _columns(data, len(boxes))
    threshold = data.draw(st.sampled_from([0.0, 0.3, 0.55]))
    found = fuse(boxes, score, group, [0] * len(boxes), [1.0], iou_threshold=threshold)
    expected = naive_nms.fuse(boxes, score, group, threshold)
    for n, members in enumerate(expected):
        assert sorted(members) == np.flatnonzero(found.members == n).tolist()
        assert found.first[n] == members[0]
        np.testing.assert_allclose(found.xywh[n], naive_nms.mean_box(boxes, score, members), rtol=1e-12, atol=1e-12)
    assert len(found.xywh) == len(found.score) == len(expected)


HALVES = [[0, 0, 10, 10], [0, 0, 10, 5], [50, 50, 10, 10]]  # the second is half of the first: IoU 50 / 100


def test_soft_linear_multiplies_by_one_less_the_overlap():
    found = grouped_soft_nms(HALVES, [0.9, 0.8, 0.7], [0] * 3, decay="linear", iou_threshold=0.3)
    assert found.tolist() == [0.9, 0.8 * (1 - 0.5), 0.7]
    kept = grouped_soft_nms(HALVES, [0.9, 0.8, 0.7], [0] * 3, decay="linear", iou_threshold=0.5)
    assert kept.tolist() == [0.9, 0.8, 0.7]  # only more than the threshold lowers


def test_soft_gaussian_multiplies_by_the_bell():
    found = grouped_soft_nms(HALVES, [0.9, 0.8, 0.7], [0] * 3, sigma=0.5)
    assert found.tolist() == [0.9, 0.8 * math.exp(-(0.5**2) / 0.5), 0.7]


def test_what_falls_below_the_threshold_is_gone_and_lowers_nothing():
    third = [0, 0, 10, 4]  # overlaps the second by 4 / 5, the first by 4 / 10
    found = grouped_soft_nms([*HALVES[:2], third], [0.9, 0.8, 0.79], [0] * 3, decay="linear", score_threshold=0.45,
                             iou_threshold=0.3)  # fmt: skip
    assert np.isnan(found[1])  # .8 * .5
    assert found[2] == 0.79 * (1 - 0.4)


def test_equal_scores_go_in_input_order():
    boxes = [[0, 0, 10, 10], [0, 0, 10, 5], [0, 0, 10, 10]]
    found = grouped_soft_nms(boxes, [0.5] * 3, [0] * 3, decay="linear", iou_threshold=0.4, score_threshold=0)
    assert found.tolist() == [0.5, 0.5 * 0.5, 0.0]
    later = grouped_soft_nms([[50, 50, 9, 9], *boxes[:2]], [0.9, 0.5, 0.5], [0] * 3, decay="linear", iou_threshold=0.4)
    assert later.tolist() == [0.9, 0.5, 0.5 * 0.5]


def test_diou_lets_the_neighbour_live_that_iou_removes():
    boxes = [[0, 0, 10, 10], [3, 0, 10, 10]]  # IoU 70 / 130, centres 3 apart, diagonal of 13 x 10
    assert 70 / 130 - 9 / (13**2 + 10**2) < 0.51 < 70 / 130
    assert grouped_nms(boxes, [0.9, 0.8], [0, 0], iou_threshold=0.51).tolist() == [True, False]
    assert grouped_nms(boxes, [0.9, 0.8], [0, 0], iou_threshold=0.51, overlap="diou").tolist() == [True, True]


def test_matrix_discounts_a_rival_that_is_covered_itself():
    boxes = [[0, 0, 10, 10], [0, 0, 10, 8], [0, 0, 10, 4]]
    overlaps = {(0, 1): 80 / 100, (0, 2): 40 / 100, (1, 2): 40 / 80}
    found = grouped_matrix_nms(boxes, [0.9, 0.8, 0.7], [0] * 3, decay="linear")
    last = min(1 - overlaps[0, 2], (1 - overlaps[1, 2]) / (1 - overlaps[0, 1]))
    np.testing.assert_allclose(found, [0.9, 0.8 * (1 - overlaps[0, 1]), 0.7 * last])
    assert last == 1 - overlaps[0, 2]


def test_a_copy_is_removed_by_matrix_nms_and_does_not_spoil_others():
    found = grouped_matrix_nms([[0, 0, 4, 4]] * 3, [0.9, 0.8, 0.7], [0] * 3, decay="linear")
    assert found[0] == 0.9
    assert np.isnan(found[1:]).all()


@pytest.mark.parametrize("decay", ["linear", "gaussian"])
@pytest.mark.parametrize("method", [grouped_soft_nms, grouped_matrix_nms])
def test_groups_leave_each_other_alone_and_nothing_is_fine(method, decay):
    assert method([[0, 0, 1, 1]] * 2, [0.5, 0.4], [0, 1], decay=decay).tolist() == [0.5, 0.4]
    assert method([], [], [], decay=decay).tolist() == []


BOXES, BOTH = [[0, 0, 10, 10], [2, 0, 10, 10]], [0.6, 0.3]  # IoU 80 / 120


def test_fused_box_is_the_mean_by_score():
    found = fuse(BOXES, BOTH, [0, 0], [0, 1], [1, 1])
    np.testing.assert_allclose(found.xywh, [[(0.6 * 0 + 0.3 * 2) / (0.6 + 0.3), 0, 10, 10]], rtol=1e-15)
    assert found.score.tolist() == [(0.6 + 0.3) / 2 * 2 / 2]
    assert found.first.tolist() == [0]


def test_a_box_that_only_one_of_two_models_has_is_lowered():
    assert fuse(BOXES[:1], [0.6], [0], [1], [1, 1]).score.tolist() == [0.6 * 1 / 2]


@pytest.mark.parametrize(
    ("confidence", "overflow", "expected"),
    [
        ("avg", False, (0.6 * 3 + 0.3 * 1 + 0.2 * 3) / 3 * 2 / 4),  # three boxes of two models
        ("avg", True, (0.6 * 3 + 0.3 * 1 + 0.2 * 3) / 3 * 3 / 4),
        ("max", False, 0.6 * 3 / 3),
        ("box_and_model_avg", False, (0.6 * 3 + 0.3 * 1 + 0.2 * 3) / (3 + 1 + 3) * (3 + 1) / 4),
        ("absent_model_aware_avg", False, (0.6 * 3 + 0.3 * 1 + 0.2 * 3) / (3 + 1 + 3 + 0)),
    ],
)
def test_confidence(confidence, overflow, expected):
    boxes = [*BOXES, [1, 0, 10, 10]]
    found = fuse(boxes, [0.6, 0.3, 0.2], [0] * 3, [0, 1, 0], [3, 1], confidence=confidence, allows_overflow=overflow)
    np.testing.assert_allclose(found.score, [expected], rtol=1e-14)


def test_absent_models_count_as_zero():
    found = fuse(BOXES[:1], [0.6], [0], [0], [3, 1], confidence="absent_model_aware_avg")
    np.testing.assert_allclose(found.score, [0.6 * 3 / (3 + 1)])


def test_equal_overlap_is_not_enough_to_fuse():
    halves = [[0, 0, 10, 10], [0, 0, 10, 5]]
    assert len(fuse(halves, BOTH, [0, 0], [0, 1], [1, 1], iou_threshold=0.5).xywh) == 2
    assert len(fuse(halves, BOTH, [0, 0], [0, 1], [1, 1], iou_threshold=0.49).xywh) == 1


def test_scores_of_zero_do_not_make_nan():
    found = fuse(BOXES, [0.0, 0.0], [0, 0], [0, 1], [1, 1])
    assert found.xywh.tolist() == [BOXES[0]]
    assert found.score.tolist() == [0]


def test_threads_change_nothing():
    rng = np.random.default_rng(0)
    n = 40_000
    boxes = np.concatenate([rng.random((n, 2)) * 50, rng.random((n, 2)) * 30 + 1], axis=1)
    score, group = rng.random(n), rng.integers(0, 900, n)
    for run in (
        lambda jobs: grouped_nms(boxes, score, group, jobs=jobs),
        lambda jobs: grouped_nms(boxes, score, group, overlap="diou", jobs=jobs),
        lambda jobs: grouped_soft_nms(boxes, score, group, jobs=jobs),
        lambda jobs: grouped_matrix_nms(boxes, score, group, jobs=jobs),
        lambda jobs: fuse(boxes, score, group, group % 2, [1, 2], jobs=jobs).xywh,
    ):
        np.testing.assert_array_equal(run(1), run(3))


def test_every_group_is_done_once():
    for starts in ([0, 30_000], [0, 10, 10, 30_000, 60_000], [0, *range(1, 25_000)], [0, 29_999, 30_000]):
        starts, seen = np.array(starts), []
        in_threads(lambda part, seen=seen: seen.append((int(part[0]), part.tolist())), starts, 3)
        joined = [a for _, part in sorted(seen) for a in part[:-1]] + [int(starts[-1])]
        assert joined == starts.tolist()


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: grouped_nms(BOXES, BOTH, [0, 0], overlap="giou"), "overlap"),
        (lambda: grouped_soft_nms(BOXES, BOTH, [0, 0], decay="cubic"), "decay"),
        (lambda: grouped_soft_nms(BOXES, BOTH, [0, 0], sigma=0), "sigma"),
        (lambda: grouped_soft_nms(BOXES, BOTH, [0, 0], iou_threshold=2), "iou_threshold"),
        (lambda: grouped_soft_nms(BOXES, [-0.1, 0], [0, 0]), "negative"),
        (lambda: grouped_matrix_nms(BOXES, [math.nan, 0], [0, 0]), "not a number"),
        (lambda: grouped_matrix_nms(BOXES, [0.1], [0, 0]), "shape"),
        (lambda: fuse(BOXES, BOTH, [0, 0], [0, 2], [1, 1]), "model"),
        (lambda: fuse(BOXES, BOTH, [0, 0], [0, 1], [1, 0]), "weights"),
        (lambda: fuse(BOXES, BOTH, [0, 0], [0, 1], [1, 1], confidence="median"), "confidence"),
        (lambda: fuse(BOXES, [-1, 0], [0, 0], [0, 1], [1, 1]), "score"),
        (lambda: fuse(BOXES, BOTH, [0, 0], [0, 1], [1, 1], iou_threshold=1.5), "iou_threshold"),
    ],
)
def test_refuses(call, name):
    with pytest.raises(ValueError, match=name):
        call()


def test_rows_are_sorted_run_by_run_as_all_at_once(monkeypatch):
    rng = np.random.default_rng(1)
    score, group = rng.integers(0, 5, 400) / 5, np.repeat(rng.permutation(30), 40)[:400] // 3
    expected = np.lexsort((-score, group))
    for run in (1, 7, 64, 1000):
        monkeypatch.setattr(_groups, "_RUN", run)
        np.testing.assert_array_equal(_groups.grouped(np.ones((400, 4)), score, group).order, expected)
