"""Cells: detections sorted inside them, two tables merged; against sorting and sets in Python."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import detkit.kernels.cells as cells_module
from detkit.kernels.cells import merge_cells, order_by_two, sort_within


@pytest.fixture(params=["few", "many"], autouse=True)
def many(request, monkeypatch):
    """Both ways: few rows are compared, many counted."""
    if request.param == "many":
        monkeypatch.setattr(cells_module, "FEW", 0)


@pytest.mark.parametrize("longest", [3, 64, 65, 200])
def test_rows_of_a_cell_fall_in_score_and_ties_keep_their_order(longest):
    generator = np.random.default_rng(longest)
    sizes = np.append(generator.integers(1, longest, 20), longest)
    key = np.repeat(np.arange(len(sizes)) * 3, sizes)
    score = generator.integers(0, 5, len(key)) / 4
    order = generator.permutation(len(key))
    wanted, start = [], 0
    for size in sizes:
        wanted += sorted(order[start : start + size].tolist(), key=lambda row: -score[row])
        start += size
    rank = sort_within(key, score, order)
    assert order.tolist() == wanted
    assert rank.tolist() == [i for size in sizes for i in range(size)]


def test_a_score_that_is_no_number_stands_last():
    score = np.array([np.nan, 0.5, -np.inf, np.nan, 0.9])
    order = np.arange(5)
    sort_within(np.array([1, 1, 1, 1, 1]), score, order)
    assert order.tolist() == np.argsort(-score, kind="stable").tolist() == [4, 1, 2, 0, 3]


@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 12)), st.lists(st.integers(0, 12)))
def test_merged_cells_are_those_of_either_table(dt, gt):
    dt, gt = sorted(dt), sorted(gt)
    cells, dt_starts, gt_starts = merge_cells(np.array(dt, np.int64), np.array(gt, np.int64))
    assert cells.tolist() == sorted({*dt, *gt})
    for c, key in enumerate(cells.tolist()):
        assert dt[dt_starts[c] : dt_starts[c + 1]] == [key] * dt.count(key)
        assert gt[gt_starts[c] : gt_starts[c + 1]] == [key] * gt.count(key)
    assert (dt_starts[0], gt_starts[0]) == (0, 0)
    assert (dt_starts[-1], gt_starts[-1]) == (len(dt), len(gt))


@pytest.mark.parametrize(("classes", "images"), [(1, 1), (2, 65_537), (70_000, 3), (5, 5)])
@pytest.mark.parametrize("is_sorted", [False, True])
def test_rows_go_by_class_and_image_and_keep_their_order(classes, images, is_sorted):
    rng = np.random.default_rng(classes)
    class_place, image_place = rng.permutation(classes), rng.permutation(images)
    label, image = rng.integers(0, classes, 1000), rng.integers(0, images, 1000)
    if is_sorted:
        image, image_place = np.sort(image), np.arange(images)
    order, key = order_by_two((label, class_place), (image, image_place), width=images)
    wanted = class_place[label] * images + image_place[image]
    assert np.array_equal(order, np.argsort(wanted, kind="stable"))
    assert np.array_equal(key, np.sort(wanted))
    order, key = order_by_two((label, class_place), (image, image_place))
    assert np.array_equal(order, np.argsort(wanted, kind="stable"))
    assert np.array_equal(key, np.sort(class_place[label]))


def test_a_table_without_rows_has_no_order():
    none, places = np.zeros(0, np.int64), np.arange(3)
    order, key = order_by_two((none, places), (none, none), width=0)
    assert len(order) == len(key) == 0
