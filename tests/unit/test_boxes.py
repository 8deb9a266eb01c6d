"""Box arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detkit import boxes

SETTINGS = settings(derandomize=True, deadline=None, max_examples=60)
whole = st.integers(-500, 500)


@pytest.mark.parametrize(
    ("source", "target", "given_box", "expected"),
    [
        ("xywh", "xyxy", [10, 20, 30, 40], [10, 20, 10 + 30, 20 + 40]),
        ("xyxy", "xywh", [10, 20, 40, 60], [10, 20, 40 - 10, 60 - 20]),
        ("cxcywh", "xywh", [25, 40, 30, 40], [25 - 15, 40 - 20, 30, 40]),
        ("xywh", "cxcywh", [10, 20, 30, 40], [10 + 15, 20 + 20, 30, 40]),
        ("cxcywh", "xyxy", [25, 40, 30, 40], [10, 20, 40, 60]),
    ],
)
def test_convert(source: str, target: str, given_box: list[float], expected: list[float]) -> None:
    assert boxes.convert([given_box], source, target).tolist() == [expected]


def test_unknown_layout_is_named() -> None:
    with pytest.raises(ValueError, match="xyhw"):
        boxes.convert([[0, 0, 1, 1]], "xyhw", "xyxy")


@SETTINGS
@given(st.tuples(whole, whole, st.integers(0, 300), st.integers(0, 300)))
def test_whole_pixels_survive_every_layout(box: tuple[int, ...]) -> None:
    for layout in boxes.LAYOUTS:
        there = boxes.convert([box], "xywh", layout)
        assert boxes.convert(there, layout, "xywh").tolist() == [[float(v) for v in box]]


def test_clip_cuts_and_leaves_inside_boxes_as_they_are() -> None:
    inside = [0.1, 0.2, 0.30000000000000004, 0.7]
    cut = boxes.clip([inside, [-5, -5, 20, 8], [90, 90, 20, 20], [200, 0, 5, 5]], [[100, 100]] * 4)
    assert cut[0].tolist() == inside
    assert cut[1].tolist() == [0, 0, 15, 3]
    assert cut[2].tolist() == [90, 90, 10, 10]
    assert cut[3].tolist() == [100, 0, 0, 5]


def test_clip_leaves_boxes_of_images_without_size() -> None:
    assert boxes.clip([[-5.0, 0, 2, 2]], [[np.nan, np.nan]]).tolist() == [[-5.0, 0, 2, 2]]


@SETTINGS
@given(st.tuples(*[st.decimals(0, 600, places=3, allow_nan=False)] * 4), st.integers(1, 9000), st.integers(1, 9000))
def test_normalised_coordinates_come_back_exactly(box: tuple[object, ...], width: int, height: int) -> None:
    xywh = np.array([[float(v) for v in box]])  # type: ignore[arg-type]
    size = np.array([[width, height]])
    assert boxes.denormalise(boxes.normalise(xywh, size), size).tolist() == xywh.tolist()


@pytest.mark.parametrize(
    ("image", "tile", "overlap", "lefts", "tops"),
    [
        ((1000, 600), (640, 640), 0.2, [0, 360], [0]),
        ((640, 1280), (640, 640), 0.0, [0], [0, 640]),
        # Two steps of 512, whatever the last bit of 0.8 times 640 is.
        ((1664, 100), (640, 640), 0.2, [0, 512, 1024], [0]),
    ],
)
def test_windows_cover_an_image_and_end_at_its_border(image, tile, overlap, lefts, tops):
    found = boxes.windows(image, tile, overlap)
    assert [window[:2] for window in found] == [(x, y) for y in tops for x in lefts]
    assert all(b - a == min(image[0], tile[0]) and d - c == min(image[1], tile[1]) for a, c, b, d in found)
    assert found[-1][2:] == image
