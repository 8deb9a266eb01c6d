"""Counts of tables."""

from __future__ import annotations

import numpy as np

from detkit.ragged import id_array
from detkit.tables import Categories, Dataset, Images
from detkit.transforms.stats import describe


def test_counts() -> None:
    dataset = Dataset.build(
        Images(id_array([1, 2, 3]), ("a", "b", "c"), np.full((3, 2), 200.0)),
        Categories.from_names(["x", "y"]),
        image_index=[0, 0, 2],
        category_index=[0, 0, 1],
        xywh=[[0, 0, 32, 32], [0, 0, 31, 33], [150, 0, 97, 100]],
        is_crowd=[False, True, False],
        splits={"val": np.array([2]), "train": np.array([0, 1])},
    )
    found = describe(dataset)
    assert (found.images, found.negatives, found.boxes) == (3, 1, 3)
    x, y = found.classes
    assert (x.boxes, x.images, x.sizes) == (2, 1, {"small": 1, "medium": 1, "large": 0})
    assert (y.sizes["large"], y.median_width) == (1, 97.0)
    assert [(s.name, s.images, s.negatives, s.boxes) for s in found.splits] == [("train", 2, 1, 2), ("val", 1, 0, 1)]
    assert found.flags["crowds"] == 1
    assert found.flags["sticking_out"] == 1
    assert found.boxes_per_image == {"min": 0.0, "median": 1.0, "max": 2.0, "mean": 1.0}


def test_shares_have_no_sizes() -> None:
    dataset = Dataset.build(
        Images(id_array([1]), ("a",), np.full((1, 2), np.nan)),
        Categories.from_names(["x"]),
        image_index=[0],
        category_index=[0],
        xywh=[[0.1, 0.1, 0.5, 0.5]],
        units="normalised",
    )
    found = describe(dataset)
    assert found.units == "normalised"
    assert found.classes[0].sizes == {}
    assert found.to_dict()["schema"] == "detkit.stats/1"


def test_an_empty_dataset_has_counts_too() -> None:
    empty = Dataset.build(
        Images(id_array([]), (), np.empty((0, 2))),
        Categories.from_names([]),
        image_index=[],
        category_index=[],
        xywh=[],
    )
    assert describe(empty).to_dict()["boxes"] == 0
