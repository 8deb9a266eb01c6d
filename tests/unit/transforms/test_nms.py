"""Suppression of a predictions table."""

from __future__ import annotations

import numpy as np

from detkit.ragged import id_array
from detkit.tables import Categories, Detections, Images
from detkit.transforms.nms import suppress


def table(rows: list[tuple[int, int, list[float], float]]) -> Detections:
    return Detections.build(
        Images(id_array([1, 2]), ("a", "b"), np.full((2, 2), np.nan)),
        Categories.from_names(["x", "y"]),
        image_index=[r[0] for r in rows],
        category_index=[r[1] for r in rows],
        xywh=[r[2] for r in rows],
        score=[r[3] for r in rows],
    )


BOX, NEAR, FAR = [0.0, 0, 10, 10], [1.0, 0, 10, 10], [50.0, 50, 10, 10]


def kept(found: Detections) -> list[int]:
    return found.source_row.tolist()


def test_classes_and_images_do_not_suppress_each_other() -> None:
    found = table([(0, 0, BOX, 0.9), (0, 1, BOX, 0.8), (1, 0, BOX, 0.7), (0, 0, NEAR, 0.6)])
    assert kept(suppress(found, iou_threshold=0.5)) == [0, 1, 2]
    assert kept(suppress(found, iou_threshold=0.5, class_agnostic=True)) == [0, 2]


def test_iou_equal_to_the_threshold_is_kept() -> None:
    found = table([(0, 0, [0, 0, 10, 10], 0.9), (0, 0, [0, 0, 10, 5], 0.8)])
    assert kept(suppress(found, iou_threshold=0.5)) == [0, 1]
    assert kept(suppress(found, iou_threshold=0.4999)) == [0]


def test_equal_scores_keep_the_first() -> None:
    found = table([(0, 0, NEAR, 0.5), (0, 0, BOX, 0.5)])
    assert kept(suppress(found, iou_threshold=0.5)) == [0]


def test_score_threshold_keeps_equal_scores() -> None:
    found = table([(0, 0, BOX, 0.5), (0, 0, FAR, 0.49)])
    assert kept(suppress(found, score_threshold=0.5)) == [0]


def test_cap_takes_the_best_of_all_classes_of_an_image() -> None:
    found = table([(0, 0, BOX, 0.1), (0, 1, FAR, 0.9), (1, 0, BOX, 0.2)])
    assert kept(suppress(found, max_detections=1)) == [1, 2]


def test_nothing_in_nothing_out() -> None:
    assert len(suppress(table([]))) == 0
