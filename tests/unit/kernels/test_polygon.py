"""Overlap of oriented boxes: against shapely, against exact arithmetic in fractions, and by hand."""

from __future__ import annotations

import itertools
import json
import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detkit.kernels import _groups
from detkit.kernels.nms import grouped_nms
from detkit.kernels.polygon import grouped_polygon_nms, matched_iou, polygon_area, polygon_intersection, polygon_iou

FIXTURES = Path(__file__).resolve().parents[3] / "fixtures" / "obb"
SETTINGS = settings(derandomize=True, deadline=None, max_examples=80)
SQUARE = [[0, 0], [2, 0], [2, 2], [0, 2]]


def cases(name):
    return json.loads((FIXTURES / f"{name}.json").read_text())["cases"]


# --- exact twins -----------------------------------------------------------------------------------------------------


def cross(o, a, b):
    return (a[0] - o[0]) * (b[1] - o[1]) - (a[1] - o[1]) * (b[0] - o[0])


def exact_hull(points):
    """Corners of the convex hull in turn, by walking round it (gift wrapping)."""
    points = sorted(set(points))
    if len(points) < 3 or all(cross(points[0], points[1], p) == 0 for p in points):
        return []
    hull, here = [], points[0]
    while not hull or here != points[0]:
        hull.append(here)
        there = next(p for p in points if p != here)
        for p in points:
            turn = cross(here, there, p)
            far = sum((a - b) ** 2 for a, b in zip(p, here, strict=True))
            if turn < 0 or (turn == 0 and far > sum((a - b) ** 2 for a, b in zip(there, here, strict=True))):
                there = p
        here = there
    return hull


def exact_area(hull):
    return abs(sum(a[0] * b[1] - a[1] * b[0] for a, b in zip(hull, hull[1:] + hull[:1], strict=True))) / Fraction(2)


def inside(point, hull):
    return all(cross(a, b, point) >= 0 for a, b in zip(hull, hull[1:] + hull[:1], strict=True))


def crossing(a, b, c, d):
    """Where two edges meet in one point."""
    turn = (b[0] - a[0]) * (d[1] - c[1]) - (b[1] - a[1]) * (d[0] - c[0])
    if turn == 0:
        return []
    t = ((c[0] - a[0]) * (d[1] - c[1]) - (c[1] - a[1]) * (d[0] - c[0])) / turn
    u = ((c[0] - a[0]) * (b[1] - a[1]) - (c[1] - a[1]) * (b[0] - a[0])) / turn
    return [(a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1]))] if 0 <= t <= 1 and 0 <= u <= 1 else []


def exact(a, b):
    """Areas of both and of what they share: corners inside the other, and where edges cross, span the latter."""
    p, q = (exact_hull([(Fraction(x), Fraction(y)) for x, y in corners]) for corners in (a, b))
    if not p or not q:
        return exact_area(p), exact_area(q), Fraction(0)
    shared = [v for v in p if inside(v, q)] + [v for v in q if inside(v, p)]
    for one, other in itertools.product(zip(p, p[1:] + p[:1], strict=True), zip(q, q[1:] + q[:1], strict=True)):
        shared += crossing(*one, *other)
    return exact_area(p), exact_area(q), exact_area(exact_hull(shared))


def exact_iou(a, b):
    first, second, shared = exact(a, b)
    return shared / (first + second - shared) if shared else Fraction(0)


def naive_nms(corners, score, group, threshold):
    kept = []
    for i in sorted(range(len(score)), key=lambda i: -score[i]):
        if all(group[i] != group[j] or exact_iou(corners[i], corners[j]) <= threshold for j in kept):
            kept.append(i)
    return sorted(kept)


# --- against shapely -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", cases("pairs"), ids=lambda case: case["name"])
def test_pairs_equal_shapely(case):
    for a, b in ((case["a"], case["b"]), (case["b"], case["a"])):
        assert polygon_intersection([a], [b]).item() == pytest.approx(case["intersection"], rel=1e-12, abs=0)
        assert polygon_iou([a], [b]).item() == pytest.approx(case["iou"], rel=1e-12, abs=0)
    np.testing.assert_allclose(polygon_area([case["a"], case["b"]]), case["areas"], rtol=1e-12)


@pytest.mark.parametrize("case", cases("matrices"), ids=lambda case: str(case["seed"]))
def test_matrices_equal_shapely(case):
    np.testing.assert_allclose(polygon_intersection(case["a"], case["b"]), case["intersection"], rtol=1e-12, atol=1e-12)
    found = polygon_iou(case["a"], case["b"])
    np.testing.assert_allclose(found, case["iou"], rtol=1e-12, atol=1e-14)
    assert np.count_nonzero(found) > 20
    # Matrix and pairs are one computation.
    assert matched_iou(case["a"][:9], case["b"]).tolist() == np.diag(found).tolist()


@pytest.mark.parametrize("case", cases("suppression"), ids=lambda case: str(case["seed"]))
def test_suppression_equals_shapely(case):
    for threshold, kept in case["kept"].items():
        found = grouped_polygon_nms(case["corners"], case["score"], case["label"], iou_threshold=float(threshold))
        assert np.flatnonzero(found).tolist() == kept
    for threshold, kept in case["kept_agnostic"].items():
        found = grouped_polygon_nms(case["corners"], case["score"], [0] * 40, iou_threshold=float(threshold))
        assert np.flatnonzero(found).tolist() == kept
    assert len({len(kept) for kept in case["kept"].values()}) > 2


# --- against exact arithmetic ----------------------------------------------------------------------------------------

#: Quarters: corners coincide, edges lie on each other, corners lie on edges, all often.
grid_corner = st.tuples(st.integers(-8, 8).map(lambda n: n / 4), st.integers(-8, 8).map(lambda n: n / 4))
free_corner = st.tuples(st.floats(-50, 50, width=32), st.floats(-50, 50, width=32))
grid = st.lists(grid_corner, min_size=4, max_size=4)


@SETTINGS
@given(grid, grid)
def test_coordinates_on_a_grid_equal_exact_arithmetic(a, b):
    first, second, shared = exact(a, b)
    assert polygon_area([a, b]).tolist() == [first, second]
    assert polygon_intersection([a], [b]).item() == pytest.approx(float(shared), rel=1e-12, abs=1e-14)
    assert polygon_iou([a], [b]).item() == pytest.approx(float(exact_iou(a, b)), rel=1e-12, abs=1e-14)


@SETTINGS
@given(st.lists(free_corner, min_size=4, max_size=4), st.lists(free_corner, min_size=4, max_size=4))
def test_any_coordinates_equal_exact_arithmetic(a, b):
    # What rounding can do to an area is a share of the square that holds both boxes, not of a sliver in it.
    assert abs(polygon_intersection([a], [b]).item() - float(exact(a, b)[2])) <= 1e-15 * 100**2 * 4
    assert 0 <= polygon_iou([a], [b]).item() <= 1


@SETTINGS
@given(grid, st.permutations(range(4)), grid)
def test_the_order_of_corners_does_not_matter(a, order, b):
    mixed = [a[i] for i in order]
    assert polygon_iou([mixed], [b]).item() == polygon_iou([a], [b]).item()
    assert polygon_iou([mixed], [a]).item() == (1.0 if polygon_area([a]).item() > 0 else 0.0)


@settings(derandomize=True, deadline=None, max_examples=30)
@given(st.lists(grid, min_size=1, max_size=6), st.data())
def test_suppression_equals_its_twin(corners, data):
    n = len(corners)
    score = data.draw(st.lists(st.integers(0, 3), min_size=n, max_size=n))
    group = data.draw(st.lists(st.integers(0, 1), min_size=n, max_size=n))
    threshold = data.draw(st.sampled_from([0.0, 0.3, 0.55, 1.0]))
    keep = grouped_polygon_nms(corners, score, group, iou_threshold=threshold)
    assert np.flatnonzero(keep).tolist() == naive_nms(corners, score, group, threshold)


# --- by hand ---------------------------------------------------------------------------------------------------------


def upright(boxes):
    return [[[x, y], [x + w, y], [x + w, y + h], [x, y + h]] for x, y, w, h in boxes]


def test_a_diamond_in_a_square_is_half_of_it():
    diamond = [[1, 0], [2, 1], [1, 2], [0, 1]]
    assert polygon_area([diamond]).tolist() == [2 * 2 / 2]
    assert polygon_intersection([SQUARE], [diamond]).tolist() == [[2.0]]
    assert polygon_iou([SQUARE], [diamond]).tolist() == [[2 / (4 + 2 - 2)]]


def test_two_squares_at_45_degrees_share_an_octagon():
    half = math.sqrt(2)
    diamond = [[1, 1 - half], [1 + half, 1], [1, 1 + half], [1 - half, 1]]
    # Four corners of the square stick out, each a right triangle of height sqrt(2) - 1.
    octagon = 4 - 4 * (half - 1) ** 2
    assert polygon_intersection([SQUARE], [diamond]).item() == pytest.approx(octagon, rel=1e-14)


def test_a_crowd_is_measured_by_the_area_of_the_other():
    crowd = [[0, 0], [10, 0], [10, 10], [0, 10]]
    half_inside = [[-1, 0], [1, 0], [1, 2], [-1, 2]]
    found = polygon_iou([SQUARE, half_inside], [crowd, crowd], is_crowd=[True, False])
    assert found.tolist() == [[4 / 4, 4 / 100], [2 / 4, 2 / (4 + 100 - 2)]]


def test_where_nothing_is_shared():
    beside, corner = [[2, 0], [4, 0], [4, 2], [2, 2]], [[2, 2], [4, 2], [4, 4], [2, 4]]
    line, point = [[0, 0], [1, 1], [2, 2], [1, 1]], [[1, 1]] * 4
    assert polygon_iou([SQUARE], [beside, corner, line, point]).tolist() == [[0.0] * 4]
    assert polygon_iou([line, point], [SQUARE, line, point]).tolist() == [[0.0] * 3] * 2
    assert polygon_area([line, point]).tolist() == [0, 0]


def test_nothing_at_all():
    assert polygon_iou([], [SQUARE]).shape == (0, 1)
    assert polygon_intersection([SQUARE], []).shape == (1, 0)
    assert matched_iou([], []).shape == (0,)
    assert grouped_polygon_nms([], [], []).tolist() == []


def test_equal_scores_go_by_input_order_and_the_threshold_itself_keeps():
    corners = upright([(0, 0, 10, 10), (0, 0, 10, 5), (0, 0, 10, 10)])
    assert grouped_polygon_nms(corners, [0.5, 0.5, 0.5], [0, 0, 0], iou_threshold=0.5).tolist() == [True, True, False]
    assert grouped_polygon_nms(corners, [0.5, 0.5, 0.9], [0, 0, 0], iou_threshold=0.49).tolist() == [0, 0, 1]
    assert grouped_polygon_nms(corners, [0.5, 0.5, 0.5], [0, 1, 2], iou_threshold=0.0).all()


def test_a_removed_box_removes_nothing():
    corners = upright([(0, 0, 10, 10), (4, 0, 10, 10), (8, 0, 10, 10)])
    # 6 / 14 of the first two, and of the last two; 2 / 18 of the first and the last.
    assert grouped_polygon_nms(corners, [0.9, 0.8, 0.7], [0, 0, 0], iou_threshold=0.4).tolist() == [1, 0, 1]


def test_most_boxes_of_a_group():
    corners = upright([(20 * i, 0, 10, 10) for i in range(6)])
    keep = grouped_polygon_nms(corners, [1, 2, 3, 4, 5, 6], [0, 0, 0, 1, 1, 1], max_detections=2)
    assert keep.tolist() == [0, 1, 1, 0, 1, 1]


def test_upright_boxes_are_suppressed_as_boxes_are_and_threads_change_nothing(monkeypatch):
    monkeypatch.setattr(_groups, "_WORTH_A_THREAD", 10)
    random = np.random.default_rng(3)
    boxes = np.concatenate([random.uniform(0, 60, (400, 2)), random.uniform(5, 40, (400, 2))], axis=1)
    score, group = random.random(400).round(2), random.integers(0, 9, 400)
    expected = grouped_nms(boxes, score, group, iou_threshold=0.4)
    for jobs in (1, 4):
        found = grouped_polygon_nms(upright(boxes), score, group, iou_threshold=0.4, jobs=jobs)
        assert found.tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: polygon_iou([[0, 0, 1, 1]], [SQUARE]), r"shape \(1, 4\), expected \(N, 4, 2\)"),
        (lambda: polygon_area([[[0, 0], [1, 0], [1, 1], [0, math.nan]]]), "not finite"),
        (lambda: polygon_iou([SQUARE], [SQUARE], is_crowd=[False, True]), r"shape \(2,\), expected \(1,\)"),
        (lambda: matched_iou([SQUARE], [SQUARE, SQUARE]), "`a` has 1 rows and `b` has 2"),
        (lambda: grouped_polygon_nms([SQUARE], [0.5], [0], iou_threshold=1.5), "1.5, expected 0 to 1"),
        (lambda: grouped_polygon_nms([SQUARE], [math.nan], [0]), "not finite"),
        (lambda: grouped_polygon_nms([SQUARE], [0.5, 0.4], [0]), "need shape"),
    ],
)
def test_what_cannot_be_computed_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
