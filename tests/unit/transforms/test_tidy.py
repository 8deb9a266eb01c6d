"""Clipping and dropping are counted."""

from __future__ import annotations

import numpy as np

from detkit.ragged import id_array
from detkit.tables import Categories, Dataset, Images
from detkit.transforms.tidy import clip_boxes, drop_invalid_boxes


def dataset() -> Dataset:
    return Dataset.build(
        Images(id_array([1]), ("a.jpg",), np.array([[100.0, 50.0]])),
        Categories.from_names(["x"]),
        image_index=[0] * 4,
        category_index=[0] * 4,
        xywh=[[10, 10, 5, 5], [-5, 0, 10, 10], [20, 20, 0, 5], [200, 0, 5, 5]],
        area=[20, 10 * 10, 0, 25],
    )


def test_clip_counts_what_it_cut_and_keeps_stated_areas() -> None:
    cut, losses = clip_boxes(dataset())
    assert cut.annotations.xywh[1].tolist() == [0, 0, 5, 10]
    assert cut.annotations.area.tolist()[:2] == [20, 5 * 10]
    assert [(loss.count, loss.examples) for loss in losses] == [(2, ("a.jpg",))]


def test_invalid_boxes_are_dropped_by_reason() -> None:
    kept, losses = drop_invalid_boxes(dataset())
    assert kept.annotations.source_row.tolist() == [0, 1]
    assert {loss.what: loss.count for loss in losses} == {"boxes without area": 1, "boxes wholly outside": 1}


def test_a_clean_dataset_loses_nothing() -> None:
    clean = dataset().take_rows([0])
    assert clip_boxes(clean)[1] == []
    assert drop_invalid_boxes(clean)[1] == []
