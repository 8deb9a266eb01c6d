from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as reference

import naive
from detkit.kernels.iou import pairwise_iou
from strategies import any_boxes, box_arrays

# Without the JIT the same overflow that a kernel passes over in silence is a NumPy warning.
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")
SETTINGS = settings(derandomize=True, deadline=None, max_examples=60)


def same(a, b):
    return np.array_equal(np.asarray(a, dtype=np.float64).reshape(np.shape(b)), b, equal_nan=True)


@SETTINGS
@given(box_arrays(), box_arrays(), st.data())
def test_equals_its_twin_and_the_reference(a, b, data):
    crowd = data.draw(st.lists(st.booleans(), min_size=len(b), max_size=len(b)))
    found = pairwise_iou(a, b, is_crowd=crowd)
    assert same(naive.iou_matrix(a, b, crowd), found)
    assert same(reference.iou(np.ascontiguousarray(a), np.ascontiguousarray(b), [int(c) for c in crowd]), found)


@SETTINGS
@given(any_boxes, any_boxes)
def test_is_symmetric(a, b):
    assert same(pairwise_iou([a], [b]), pairwise_iou([b], [a]))


@SETTINGS
@given(box_arrays(), box_arrays(), st.sampled_from([0.25, 0.5, 2.0, 1024.0]))
def test_does_not_change_when_everything_is_scaled_by_a_power_of_two(a, b, factor):
    a, b = (np.where(np.abs(v) < 1e-5, 0, v) for v in (a, b))
    assert same(pairwise_iou(a, b), pairwise_iou(a * factor, b * factor))


@pytest.mark.parametrize(
    ("a", "b", "crowd", "expected"),
    [
        ([0, 0, 10, 10], [0, 0, 10, 10], False, 1.0),
        ([0, 0, 10, 10], [0, 0, 5, 10], False, 50 / (100 + 50 - 50)),
        ([0, 0, 10, 10], [0, 0, 20, 10], True, 100 / 100),
        ([0, 0, 20, 10], [0, 0, 10, 10], True, 100 / 200),
        ([0, 0, 10, 10], [10, 0, 10, 10], False, 0.0),
        ([0, 0, 10, 10], [10, 10, 10, 10], False, 0.0),
        ([0, 0, 0, 10], [0, 0, 0, 10], False, 0.0),
        ([0, 0, 10, 10], [2, 2, 0, 0], False, 0.0),
        ([-10, -10, 20, 20], [0, 0, 10, 10], False, 100 / (400 + 100 - 100)),
        ([0, 0, 10, -10], [0, 0, 10, 10], False, 0.0),
        ([0, 0, 1e-200, 1e-200], [0, 0, 1e-200, 1e-200], False, np.nan),
    ],
)
def test_values(a, b, crowd, expected):
    assert same([[expected]], pairwise_iou([a], [b], is_crowd=[crowd]))


@pytest.mark.parametrize(
    ("a", "b", "shape"), [([], [], (0, 0)), ([], [[0, 0, 1, 1]], (0, 1)), ([[0, 0, 1, 1]], [], (1, 0))]
)
def test_empty_sides(a, b, shape):
    assert pairwise_iou(a, b).shape == shape


@pytest.mark.parametrize("wrong", [[[0, 0, 1]], [0, 0, 1, 1], [[0, 0, np.nan, 1]], [[0, 0, np.inf, 1]]])
def test_refuses_what_is_no_box(wrong):
    with pytest.raises(ValueError, match="`b`"):
        pairwise_iou([[0, 0, 1, 1]], wrong)


def test_refuses_flags_of_another_length():
    with pytest.raises(ValueError, match="is_crowd"):
        pairwise_iou([[0, 0, 1, 1]], [[0, 0, 1, 1]], is_crowd=[True, False])


def test_takes_lists_other_dtypes_and_strided_arrays():
    boxes = np.arange(32, dtype=np.float32).reshape(4, 8)[:, ::2]
    assert same(naive.iou_matrix(boxes.tolist(), boxes.tolist()), pairwise_iou(boxes, boxes.tolist()))
