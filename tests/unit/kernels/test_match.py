from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import naive
from detkit.kernels.match import FALSE, IGNORED, TRUE, Cells, match
from strategies import box_arrays, grid_boxes

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")
SETTINGS = settings(derandomize=True, deadline=None, max_examples=200)
THRESHOLDS = np.array([0.25, 0.5, 1.0])
RANGES = np.array([[0.0, 1e10], [4.0, 16.0]])


def one_cell(dt, gt, *, ignored=None, crowd=None, uncounted=None, dt_area=None, gt_area=None):
    dt, gt = (np.asarray(v, dtype=np.float64).reshape(-1, 4) for v in (dt, gt))
    no = np.zeros(len(gt), np.bool_)
    return (
        Cells(
            np.array([0, len(dt)]),
            np.array([0, len(gt)]),
            np.asarray(dt[:, 2] * dt[:, 3] if dt_area is None else dt_area, dtype=np.float64),
            np.asarray(gt[:, 2] * gt[:, 3] if gt_area is None else gt_area, dtype=np.float64),
            np.array(no if ignored is None else ignored, dtype=np.bool_),
            np.array(no if crowd is None else crowd, dtype=np.bool_),
            np.array(no if uncounted is None else uncounted, dtype=np.bool_),
        ),
        (dt, gt),
    )


def flags(data, n):
    return data.draw(st.lists(st.booleans(), min_size=n, max_size=n))


@SETTINGS
@given(box_arrays(6, grid_boxes), box_arrays(5, grid_boxes), st.sampled_from(["greedy", "best"]), st.data())
def test_equals_its_twin(dt, gt, rule, data):
    crowd = np.array(flags(data, len(gt)), dtype=bool)
    ignored = crowd | np.array(flags(data, len(gt)), dtype=bool)
    uncounted = flags(data, len(gt))
    cells, boxes = one_cell(dt, gt, ignored=ignored, crowd=crowd, uncounted=uncounted)
    overlap = naive.iou_matrix(dt, gt, crowd)
    steps = data.draw(st.sampled_from([THRESHOLDS, THRESHOLDS[::-1], np.linspace(0.0, 1.0, 21), THRESHOLDS[[1, 1]]]))
    found = match(cells, steps, RANGES, rule=rule, boxes=boxes, reference=1, with_partners=True)
    for a, (low, high) in enumerate(RANGES):
        out = [bool(i or not low <= area <= high) for i, area in zip(ignored, cells.gt_area, strict=True)]
        assert found.gt_ignored[a].tolist() == out
        for t, threshold in enumerate(steps):
            partners = (
                naive.greedy(overlap, out, crowd, threshold)
                if rule == "greedy"
                else naive.best_only(overlap, out, threshold)
            )
            assert found.partners[a, t].tolist() == partners
            expected = naive.outcomes(partners, out, cells.dt_area, low, high, uncounted)
            assert found.outcome[a, t].tolist() == expected
            if (a, t) == (0, 1):
                kept = [row[g] if g >= 0 else max(row, default=0.0) for g, row in zip(partners, overlap, strict=True)]
                assert found.iou.tolist() == kept


@SETTINGS
@given(st.lists(st.tuples(box_arrays(4, grid_boxes), box_arrays(4, grid_boxes)), max_size=4))
def test_cells_do_not_see_each_other_and_given_overlaps_equal_boxes(parts):
    dt = np.concatenate([np.empty((0, 4)), *[d for d, _ in parts]])
    gt = np.concatenate([np.empty((0, 4)), *[g for _, g in parts]])
    cells, boxes = one_cell(dt, gt)
    cells = replace(
        cells,
        dt_starts=np.cumsum([0, *[len(d) for d, _ in parts]]),
        gt_starts=np.cumsum([0, *[len(g) for _, g in parts]]),
    )
    together = match(cells, THRESHOLDS, RANGES, rule="greedy", boxes=boxes, with_partners=True)
    matrices = [np.array(naive.iou_matrix(d, g)).ravel() for d, g in parts]
    starts = np.cumsum([0, *map(len, matrices)])[:-1]
    flat = np.concatenate([np.empty(0), *matrices])
    given_overlaps = match(
        cells, THRESHOLDS, RANGES, rule="greedy", overlaps=(flat, starts.astype(np.int64)), with_partners=True
    )
    for name in ("outcome", "gt_ignored", "iou", "partners"):
        if parts:
            assert np.array_equal(getattr(together, name), getattr(given_overlaps, name))
    for n, (d, g) in enumerate(parts):
        alone_cells, alone_boxes = one_cell(d, g)
        alone = match(alone_cells, THRESHOLDS, RANGES, rule="greedy", boxes=alone_boxes)
        where = slice(cells.dt_starts[n], cells.dt_starts[n + 1])
        assert np.array_equal(alone.outcome, together.outcome[:, :, where])


def outcome(dt, gt, threshold=0.5, rule="greedy", area=(0.0, 1e10), **flags_of):
    cells, boxes = one_cell(dt, gt, **flags_of)
    found = match(cells, np.array([threshold]), np.array([area]), rule=rule, boxes=boxes, with_partners=True)
    return found.outcome[0, 0].tolist(), found.partners[0, 0].tolist()


BOX = [0, 0, 10, 10]
HALF = [0, 0, 5, 10]  # overlaps BOX by exactly 50 / 100


def test_overlap_equal_to_the_threshold_is_a_match():
    assert outcome([HALF], [BOX], 0.5) == ([TRUE], [0])
    assert outcome([HALF], [BOX], np.nextafter(0.5, 1)) == ([FALSE], [-1])
    assert outcome([HALF], [BOX], 0.5, "best") == ([TRUE], [0])
    assert outcome([HALF], [BOX], np.nextafter(0.5, 1), "best") == ([FALSE], [-1])


def test_threshold_one_is_lowered_by_the_greedy_rule():
    almost = [0, 0, 10, 10 * (1 - 5e-11)]
    assert outcome([almost], [BOX], 1.0) == ([TRUE], [0])
    assert outcome([almost], [BOX], 1.0, "best") == ([FALSE], [-1])


def test_of_equal_overlaps_the_later_truth_wins_under_greedy_and_the_first_under_best():
    assert outcome([BOX], [BOX, BOX]) == ([TRUE], [1])
    assert outcome([BOX], [BOX, BOX], rule="best") == ([TRUE], [0])


def test_a_second_hit_is_false_and_greedy_looks_further():
    near = [0, 0, 10, 8]
    assert outcome([BOX, BOX], [BOX]) == ([TRUE, FALSE], [0, -1])
    assert outcome([BOX, BOX], [BOX, near], 0.75) == ([TRUE, TRUE], [0, 1])
    assert outcome([BOX, BOX], [BOX, near], 0.75, "best") == ([TRUE, FALSE], [0, -1])


def test_a_counted_truth_is_taken_before_a_better_ignored_one():
    assert outcome([BOX], [BOX, HALF], ignored=[True, False]) == ([TRUE], [1])
    assert outcome([BOX], [BOX, HALF], 0.75, ignored=[True, False]) == ([IGNORED], [0])


def test_a_crowd_takes_many_and_an_ignored_truth_one():
    assert outcome([BOX] * 3, [BOX], ignored=[True], crowd=[True]) == ([IGNORED] * 3, [0] * 3)
    assert outcome([BOX] * 3, [BOX], ignored=[True]) == ([IGNORED, FALSE, FALSE], [0, -1, -1])
    assert outcome([BOX] * 3, [BOX], rule="best", ignored=[True]) == ([IGNORED] * 3, [0] * 3)


def test_area_ranges_include_both_ends():
    for area, inside in [(100, True), (200, True), (99.99, False), (200.01, False)]:
        expected = TRUE if inside else IGNORED
        assert outcome([BOX], [BOX], area=(100.0, 200.0), gt_area=[area])[0] == [expected]
        alone = outcome([BOX], [[50, 50, 9, 9]], area=(100.0, 200.0), dt_area=[area], gt_area=[150.0])
        assert alone == ([FALSE if inside else IGNORED], [-1])


def test_a_matched_detection_outside_the_range_still_counts():
    assert outcome([BOX], [BOX], area=(0.0, 50.0), gt_area=[50.0], dt_area=[100.0])[0] == [TRUE]


def test_an_uncounted_truth_takes_the_match_and_gives_nothing():
    assert outcome([BOX, BOX], [BOX], uncounted=[True]) == ([FALSE, FALSE], [0, -1])
    assert outcome([BOX], [BOX], uncounted=[True], area=(0.0, 50.0), gt_area=[50.0], dt_area=[100.0])[0] == [IGNORED]


def test_nothing_on_one_side():
    assert outcome([], [BOX]) == ([], [])
    assert outcome([BOX], []) == ([FALSE], [-1])
    assert outcome([], []) == ([], [])


def test_partners_are_kept_only_when_asked_for():
    cells, boxes = one_cell([BOX], [BOX])
    assert match(cells, THRESHOLDS, RANGES, rule="greedy", boxes=boxes).partners.shape == (0, 0, 1)


def test_needs_boxes_or_overlaps_and_a_known_rule():
    cells, boxes = one_cell([BOX], [BOX])
    with pytest.raises(ValueError, match="boxes or overlaps"):
        match(cells, THRESHOLDS, RANGES, rule="greedy")
    with pytest.raises(KeyError):
        match(cells, THRESHOLDS, RANGES, rule="hungarian", boxes=boxes)
