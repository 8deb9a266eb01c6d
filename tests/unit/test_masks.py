"""Masks against pycocotools, and against arithmetic where a mask is small enough to count."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from pycocotools import mask as reference
from pycocotools.coco import COCO

from detkit import masks
from detkit.errors import InputError

COLUMN = {"size": [5, 5], "counts": "55?"}  # second column of five


def ann_to_rle(segmentation, height, width):
    coco = COCO()
    coco.imgs = {1: {"height": height, "width": width}}
    return coco.annToRLE({"image_id": 1, "segmentation": segmentation})


@pytest.mark.parametrize(
    "value",
    [
        [[0, 0, 4, 0, 4, 3, 0, 3]],
        [[0.5, 0.5, 4.2, 0, 4, 3], [5, 5, 9, 5, 9, 9, 5, 9]],
        [[0, 0, 4, 0, 4, 3], [1, 1, 2, 2]],
        {"size": [10, 8], "counts": [5, 20, 55]},
        COLUMN,
    ],
)
def test_to_rle_is_what_the_reference_makes(value):
    assert masks.to_rle(value, 10, 12) == ann_to_rle(value, 10, 12)
    assert masks.to_rles([value, value], [[12, 10]] * 2) == [ann_to_rle(value, 10, 12)] * 2


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([], "no polygon"),
        ([[1, 2, 3, 4]], "2 points"),
        ([[]], "0 points"),
        ([[1, 2, 3]], "even"),
        ([[1, 2, 3, float("nan"), 5, 6]], "finite"),
        ([[1, 2, 3, "4", 5, 6]], "finite"),
        ([[1, 2, 3, True, 5, 6]], "finite"),
        ([[1, 2, 3, 10**400, 5, 6]], "finite"),
        ([1, 2, 3, 4, 5, 6], "no list"),
        ("abc", "expected a list"),
        (None, "expected a list"),
        ({"counts": "55?"}, "`size`"),
        ({"size": [5, 5]}, "`counts`"),
        ({"size": [5, -5], "counts": "55?"}, "`size`"),
        ({"size": [5, 5], "counts": [30]}, "add up to 30"),
        ({"size": [5, 5], "counts": [-5, 30]}, "`counts`"),
        ({"size": [5, 5], "counts": "55"}, "add up"),
        ({"size": [5, 5], "counts": "55?P"}, "add up"),
        ({"size": [5, 5], "counts": "5\u00e95?"}, "add up"),
        ({"size": [5, 5], "counts": "oooooooooooooooooooo"}, "add up"),
    ],
)
def test_what_is_no_mask_is_an_input_error(value, expected):
    with pytest.raises(InputError, match=expected):
        masks.to_rle(value, 10, 10)
    with pytest.raises(InputError, match=r"\[1\].*" + expected):
        masks.to_rles([COLUMN, value], [[10, 10]] * 2)


def test_areas_and_boxes_of_a_column_of_five():
    rles = [COLUMN, {"size": [5, 5], "counts": b"i0"}]
    assert masks.areas(rles).tolist() == [5.0, 0.0]
    assert masks.boxes(rles).tolist() == [[1.0, 0.0, 1.0, 5.0], [0.0, 0.0, 0.0, 0.0]]
    assert masks.decode(COLUMN).tolist() == [[0, 1, 0, 0, 0]] * 5


@pytest.mark.parametrize("count", [255, 256, 700])
def test_many_masks_at_once(count):
    assert masks.areas([COLUMN] * count).tolist() == [5.0] * count
    assert masks.boxes([COLUMN] * count).shape == (count, 4)
    assert masks.overlaps([COLUMN] * count, [COLUMN] * 2, [0, 1]).tolist() == [[1.0, 1.0]] * count


def test_overlaps_with_a_crowd_divide_by_the_detection():
    wide = masks.to_rle({"size": [5, 5], "counts": [0, 10, 15]}, 5, 5)
    assert masks.overlaps([COLUMN], [wide, wide], [False, True]).tolist() == [[5 / 10, 5 / 5]]


def test_empty_inputs_keep_their_shape():
    assert masks.overlaps([], [COLUMN], [0]).shape == (0, 1)
    assert masks.overlaps([COLUMN], [], []).shape == (1, 0)
    assert masks.areas([]).shape == (0,)
    assert masks.boxes([]).shape == (0, 4)
    assert masks.valid_rles([]).shape == (0,)


def test_uncompressed_masks_are_refused_where_compressed_ones_are_due():
    raw = {"size": [5, 5], "counts": [25]}
    for call in (lambda: masks.areas([raw]), lambda: masks.boxes([raw]), lambda: masks.overlaps([raw], [raw], [0])):
        with pytest.raises(InputError):
            call()


@settings(derandomize=True, deadline=None, max_examples=50)
@given(st.lists(arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=40), elements=st.integers(0, 1))))
def test_every_mask_of_the_reference_is_valid_and_comes_back(pixels):
    rles = [reference.encode(np.asfortranarray(p)) for p in pixels]
    assert masks.valid_rles(rles).all()
    assert masks.areas(rles).tolist() == [float(p.sum()) for p in pixels]
    for rle, expected in zip(rles, pixels, strict=True):
        assert masks.decode(rle).tolist() == expected.tolist()
    longer = [{**r, "size": [r["size"][0] + 1, r["size"][1]]} for r in rles]
    assert not masks.valid_rles(longer).any()


def test_validity_does_not_depend_on_the_neighbours(monkeypatch):
    good, bad = COLUMN, {"size": [5, 5], "counts": "55"}
    cut = {"size": [5, 5], "counts": "55?P"}
    assert masks.valid_rles([good, bad, cut, good, bad]).tolist() == [True, False, False, True, False]
    monkeypatch.setattr(masks, "_CHUNK", 4)
    assert masks.valid_rles([good, bad, cut, good, bad]).tolist() == [True, False, False, True, False]
