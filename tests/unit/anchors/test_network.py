from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from anchor_cases import dataset
from detkit.anchors.network import network_boxes
from detkit.boxes import Resize, frames_of
from detkit.detectors import Preparation
from detkit.detectors._prepare import frame_of


@pytest.mark.parametrize("resize", get_args(Resize))
def test_images_lie_where_predict_puts_them(resize):
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 3000, (300, 2))
    network = (640, 384)
    frames = frames_of(sizes.astype(np.float64), network, resize)
    for size, found in zip(sizes.tolist(), frames.tolist(), strict=True):
        frame = frame_of((size[0], size[1]), Preparation(size=network, resize=resize))
        assert found == pytest.approx([*frame.scale, *frame.offset], rel=1e-12)


def test_letterbox_and_stretch():
    table = dataset([[0, 0, 10, 20, 30, 40]], [(320, 160)])
    boxes = network_boxes(table, (640, 640))
    assert boxes.wh.tolist() == [[30 * 2, 40 * 2]]
    assert boxes.centre.tolist() == [[25 * 2, 40 * 2 + (640 - 320) / 2]]
    boxes = network_boxes(table, (640, 640), "stretch")
    assert boxes.wh.tolist() == [[30 * 640 / 320, 40 * 640 / 160]]
    assert boxes.centre.tolist() == [[25 * 2, 40 * 4]]


def test_what_is_left_out_is_counted_once():
    rows = [
        [0, 0, 0, 0, 5, 5],
        [0, 0, 0, 0, 0, 5],  # crowd without area: a crowd
        [0, 0, 0, 0, 5, 5],  # ignored
        [0, 0, 0, 0, 5, 0],
        [0, 0, np.nan, 0, 5, 5],
        [1, 0, 0, 0, 5, 5],  # unknown size
    ]
    crowd = np.array([0, 1, 0, 0, 0, 0], bool)
    ignored = np.array([0, 1, 1, 0, 0, 0], bool)
    table = dataset(rows, [(64, 64), (np.nan, np.nan)], is_crowd=crowd, is_ignored=ignored)
    boxes = network_boxes(table, (64, 64))
    assert boxes.rows.tolist() == [0]
    assert boxes.left_out == {"crowds": 1, "ignored": 1, "without_area": 2, "without_image_size": 1}


def test_shares_can_be_stretched_without_image_sizes():
    table = dataset([[0, 0, 0.25, 0.5, 0.5, 0.25]], [(np.nan, np.nan)], units="normalised")
    boxes = network_boxes(table, (640, 320), "stretch")
    assert boxes.wh.tolist() == [[0.5 * 640, 0.25 * 320]]
    assert boxes.centre.tolist() == [[0.5 * 640, 0.625 * 320]]
    assert network_boxes(table, (640, 320)).left_out["without_image_size"] == 1


def test_shares_of_a_known_image_are_letterboxed():
    shares = dataset([[0, 0, 0.25, 0.5, 0.5, 0.25]], [(200, 100)], units="normalised")
    pixels = dataset([[0, 0, 50, 50, 100, 25]], [(200, 100)])
    for resize in get_args(Resize):
        found, expected = (network_boxes(table, (320, 320), resize) for table in (shares, pixels))
        assert found.wh == pytest.approx(expected.wh)
        assert found.centre == pytest.approx(expected.centre)
