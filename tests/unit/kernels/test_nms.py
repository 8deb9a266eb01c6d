from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import naive
from detkit.kernels.nms import grouped_nms, nms
from strategies import box_arrays, grid_boxes, scores

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")
SETTINGS = settings(derandomize=True, deadline=None, max_examples=60)


@SETTINGS
@given(box_arrays(12, grid_boxes), st.data())
def test_grouped_equals_its_twin(boxes, data):
    n = len(boxes)
    score = data.draw(st.lists(scores, min_size=n, max_size=n))
    group = data.draw(st.lists(st.integers(-1, 2), min_size=n, max_size=n))
    threshold = data.draw(st.sampled_from([0.0, 0.25, 0.5, 1 / 3, 1.0]))
    limit = data.draw(st.sampled_from([None, 0, 1, 2]))
    keep = grouped_nms(boxes, score, group, iou_threshold=threshold, max_detections=limit)
    assert np.flatnonzero(keep).tolist() == naive.nms(boxes, score, group, threshold, limit)


@SETTINGS
@given(box_arrays(12, grid_boxes), st.data())
def test_doing_it_twice_changes_nothing(boxes, data):
    score = np.array(data.draw(st.lists(scores, min_size=len(boxes), max_size=len(boxes))))
    group = np.zeros(len(boxes), np.int64)
    keep = grouped_nms(boxes, score, group)
    assert grouped_nms(boxes[keep], score[keep], group[keep]).all()


def test_overlap_equal_to_the_threshold_survives():
    boxes = [[0, 0, 10, 10], [0, 0, 5, 10]]
    assert grouped_nms(boxes, [0.9, 0.8], [0, 0], iou_threshold=50 / 100).tolist() == [True, True]
    assert grouped_nms(boxes, [0.9, 0.8], [0, 0], iou_threshold=0.49).tolist() == [True, False]


def test_a_suppressed_box_suppresses_nothing():
    boxes = [[0, 0, 10, 10], [4, 0, 10, 10], [8, 0, 10, 10]]  # neighbours overlap by 60 / 140, ends by 20 / 180
    assert grouped_nms(boxes, [0.9, 0.8, 0.7], [0, 0, 0], iou_threshold=0.4).tolist() == [True, False, True]


def test_equal_scores_keep_input_order():
    assert grouped_nms([[0, 0, 1, 1]] * 3, [0.5] * 3, [0] * 3).tolist() == [True, False, False]


def test_classes_do_not_compete():
    boxes, score = [[0, 0, 1, 1]] * 3, [0.1, 0.2, 0.3]
    assert nms(boxes, score, [1, 2, 1]).tolist() == [2, 1]
    assert nms(boxes, score).tolist() == [2]


def test_the_limit_is_over_all_classes_of_an_image_and_takes_the_highest():
    boxes = [[0, 0, 1, 1], [5, 0, 1, 1], [9, 0, 1, 1]]
    assert nms(boxes, [0.1, 0.3, 0.2], [1, 2, 3], max_detections=2).tolist() == [1, 2]


def test_empty():
    assert nms([], []).tolist() == []
    assert grouped_nms([], [], []).tolist() == []


@pytest.mark.parametrize(
    ("boxes", "score", "group", "threshold", "name"),
    [
        ([[0, 0, 1, 1]], [0.1, 0.2], [0], 0.5, "score"),
        ([[0, 0, 1, 1]], [0.1], [0, 1], 0.5, "group"),
        ([[0, 0, 1, 1]], [np.nan], [0], 0.5, "score"),
        ([[0, 0, np.inf, 1]], [0.1], [0], 0.5, "xywh"),
        ([[0, 0, 1, 1]], [0.1], [0], 1.5, "iou_threshold"),
        ([[0, 0, 1, 1]], [0.1], [0], -0.1, "iou_threshold"),
    ],
)
def test_refuses(boxes, score, group, threshold, name):
    with pytest.raises(ValueError, match=name):
        grouped_nms(boxes, score, group, iou_threshold=threshold)
