"""Which boxes are kept: against an obvious twin, and the cases at the edges."""

from __future__ import annotations

import numpy as np
import pytest

from detkit.detectors import Choice, Dense, Frame, Sparse
from detkit.detectors import _rows as rows
from detkit.kernels.nms import nms

FRAME = Frame((200, 100), (100, 50), (0.5, 0.5), (0.0, 0.0))


def dense(count: int, classes: int, seed: int = 0) -> Dense:
    """Many overlapping boxes, scores in steps so that there are ties."""
    random = np.random.default_rng(seed)
    corner = random.uniform(0, 60, (count, 2))
    xyxy = np.concatenate([corner, corner + random.uniform(5, 40, (count, 2))], axis=1)
    return Dense(xyxy.astype(np.float32), (random.integers(0, 500, (count, classes)) / 500).astype(np.float32))


def slow(output: Dense, choice: Choice) -> list[tuple[int, int]]:
    """(row, class) of every box that stays: all candidates, class by class, then the best."""
    found = []
    for label in range(output.scores.shape[1]):
        some = np.flatnonzero(output.scores[:, label] >= np.float32(choice.score_threshold))
        xyxy = output.xyxy[some].astype(np.float64)
        xywh = np.concatenate([xyxy[:, :2], xyxy[:, 2:] - xyxy[:, :2]], axis=1)
        score = output.scores[some, label].astype(np.float64)
        kept = nms(xywh, score, iou_threshold=choice.iou_threshold)
        found += [(-score[i], int(some[i]), label) for i in kept]
    return [(row, label) for _, row, label in sorted(found)][: choice.max_detections]


@pytest.mark.parametrize("first_look", [1, 40, 100_000])
@pytest.mark.parametrize("most", [1, 30, 5000])
def test_an_early_look_changes_nothing(monkeypatch: pytest.MonkeyPatch, first_look: int, most: int) -> None:
    monkeypatch.setattr(rows, "_FIRST_LOOK", first_look)
    output, choice = dense(300, 5), Choice(score_threshold=0.1, iou_threshold=0.3, max_detections=most)
    found = rows.finish(output, FRAME, choice, needs_nms=True)
    assert list(zip(found.source.tolist(), found.label.tolist(), strict=True)) == slow(output, choice)


def test_boxes_go_back_to_the_image_and_are_cut_to_it() -> None:
    output = Dense(np.array([[-5, 10, 30, 60]], np.float32), np.array([[0.5]], np.float32))
    found = rows.finish(output, FRAME, Choice(), needs_nms=True)
    # (-5, 10, 30, 60) / 0.5 = (-10, 20, 60, 120), cut to 200 x 100
    assert found.xywh.tolist() == [[0, 20, 60, 80]]


def test_best_class_or_several() -> None:
    output = Dense(np.array([[0, 0, 10, 10]], np.float32), np.array([[0.6, 0.0, 0.7]], np.float32))
    assert rows.finish(output, FRAME, Choice(), needs_nms=True).label.tolist() == [2, 0]
    assert rows.finish(output, FRAME, Choice(multi_label=False), needs_nms=True).label.tolist() == [2]
    agnostic = Choice(class_agnostic=True)
    assert rows.finish(output, FRAME, agnostic, needs_nms=True).label.tolist() == [2]


def test_threshold_is_kept_and_order_is_stable() -> None:
    boxes = np.array([[0, 0, 4, 4], [50, 0, 54, 4], [0, 40, 4, 44]], np.float32)
    output = Sparse(boxes, np.array([0.25, 0.25, 0.2499], np.float32), np.array([1, 0, 0]))
    found = rows.finish(output, FRAME, Choice(score_threshold=0.25), needs_nms=False)
    assert found.source.tolist() == [0, 1]


def test_what_is_no_box_or_no_class_is_left_out() -> None:
    boxes = np.array([[0, 0, np.nan, 4], [0, 0, 4, 4], [0, 0, 5, 5], [0, 0, 6, 6], [0, 0, np.inf, 7]], np.float32)
    output = Sparse(boxes, np.array([0.9, 0.8, np.nan, np.inf, 0.7], np.float32), np.array([0, -1, 0, 0, 0]))
    for needs_nms in (True, False):
        assert len(rows.finish(output, FRAME, Choice(), needs_nms=needs_nms).score) == 0
    good = Sparse(boxes[1:2], np.array([0.8], np.float32), np.array([3]))
    assert rows.finish(good, FRAME, Choice(), needs_nms=True).label.tolist() == [3]


def test_no_boxes() -> None:
    output = Dense(np.zeros((0, 4), np.float32), np.zeros((0, 3), np.float32))
    for choice in (Choice(), Choice(multi_label=False)):
        assert rows.finish(output, FRAME, choice, needs_nms=True).xywh.shape == (0, 4)


def test_turned_boxes_and_points() -> None:
    quarter = np.array([np.pi / 2], np.float32)
    points = np.array([[[10, 20, 0.5], [0, 0, 0.0]]], np.float32)
    output = Dense(np.array([[10, 20, 30, 24]], np.float32), np.ones((1, 1), np.float32), points, angle=quarter)
    found = rows.finish(output, FRAME, Choice(), needs_nms=True)
    # 20 x 4 about (20, 22), turned by a quarter: 4 x 20, from (18, 12) to (22, 32); twice that in the image.
    np.testing.assert_allclose(found.xywh, [[36, 24, 8, 40]], atol=1e-4)
    assert found.polygons is not None
    assert found.polygons.shape == (1, 4, 2)
    assert found.keypoints is not None
    assert found.keypoints.tolist() == [[[20, 40, 0.5], [0, 0, 0]]]


def test_boxes_in_image_pixels_stay() -> None:
    output = Sparse(np.array([[150, 50, 220, 90]], np.float32), np.ones(1, np.float32), np.zeros(1, np.int64))
    from dataclasses import replace

    told = replace(output, in_image_pixels=True)
    assert rows.finish(told, FRAME, Choice(), needs_nms=False).xywh.tolist() == [[150, 50, 50, 40]]
