"""From an image to a tensor and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from detkit.detectors import Preparation
from detkit.detectors._prepare import changed, frame_of, prepare
from detkit.errors import UsageError


def test_letterbox_lies_in_the_middle_and_top_left() -> None:
    image = Image.new("RGB", (200, 100), (10, 20, 30))
    tensor, frame = prepare(image, Preparation(size=(64, 64), scale=1.0))
    # 200 -> 64 is a ratio of 0.32, so 100 -> 32, and (64 - 32) / 2 = 16 above.
    assert (frame.scale, frame.offset) == ((0.32, 0.32), (0.0, 16.0))
    assert tensor[:, 15, 0].tolist() == [114] * 3
    assert tensor[:, 16, 0].tolist() == [10, 20, 30]
    tensor, frame = prepare(image, Preparation(size=(64, 64), scale=1.0, resize="letterbox-topleft", pad=7))
    assert frame.offset == (0.0, 0.0)
    assert (tensor[0, 31, 5], tensor[0, 32, 5]) == (10, 7)


def test_odd_border_is_larger_below() -> None:
    frame = frame_of((64, 31), Preparation(size=(64, 64)))
    # 33 rows are left: 16 above and 17 below.
    assert frame.offset == (0.0, 16.0)


def test_values_follow_colour_scale_mean_and_deviation() -> None:
    image = Image.new("RGB", (8, 8), (255, 51, 0))
    preparation = Preparation((8, 8), "bgr", 255.0, (0.1, 0.2, 0.5), (0.5, 0.5, 0.25), "stretch")
    tensor, _ = prepare(image, preparation)
    # blue 0, green 51 / 255 = 0.2, red 1
    np.testing.assert_allclose(tensor[:, 0, 0], [(0 - 0.1) / 0.5, (0.2 - 0.2) / 0.5, (1 - 0.5) / 0.25], atol=1e-6)
    assert tensor.flags.c_contiguous


@pytest.mark.parametrize("dtype", ["float32", "float16", "uint8"])
@pytest.mark.parametrize("nhwc", [False, True])
def test_place_in_a_batch_is_filled_whole(dtype: str, nhwc: bool) -> None:
    image = Image.effect_noise((37, 21), 90).convert("RGB")
    preparation = Preparation(size=(32, 24), mean=(0.1, 0.2, 0.3), std=(0.2, 0.2, 0.2), nhwc=nhwc, dtype=dtype)
    alone, _ = prepare(image, preparation)
    batch = np.full((2, *alone.shape), 99, dtype)
    out, _ = prepare(image, preparation, batch[1])
    assert out.base is batch
    assert (batch[0] == 99).all()
    assert alone.dtype == dtype
    assert np.array_equal(batch[1], alone)


@settings(derandomize=True, deadline=None, max_examples=50)
@given(
    size=st.tuples(st.integers(1, 4000), st.integers(1, 4000)),
    network=st.tuples(st.integers(1, 1300), st.integers(1, 1300)),
    resize=st.sampled_from(["letterbox", "letterbox-topleft", "stretch"]),
)
def test_boxes_come_back_to_the_image(size: tuple[int, int], network: tuple[int, int], resize: str) -> None:
    frame = frame_of(size, Preparation(size=network, resize=resize))  # type: ignore[arg-type]
    box = np.array([[0.0, 0.0, size[0], size[1]], [size[0] / 3, size[1] / 4, size[0] / 2, size[1] / 2]])
    scale, offset = np.tile(frame.scale, 2), np.tile(frame.offset, 2)
    np.testing.assert_allclose(frame.to_image(box * scale + offset, clip=False), box, rtol=1e-9, atol=1e-9)
    outside = frame.to_image(np.array([[-1e6, -1e6, 1e6, 1e6]]))
    assert outside.tolist() == [[0, 0, *map(float, size)]]


def test_size_must_be_known() -> None:
    with pytest.raises(UsageError, match="leaves its input size free"):
        frame_of((10, 10), Preparation())


@pytest.mark.parametrize(
    "values",
    [
        {"color": "grey"},
        {"scale": "0"},
        {"mean": "1,2"},
        {"std": "0"},
        {"resize": "crop"},
        {"pad": "256"},
        {"pad": "x"},
    ],
)
def test_values_that_make_no_sense(values: dict[str, str]) -> None:
    ((key, value),) = values.items()
    with pytest.raises(UsageError, match=f"--set {key}: found `{value}`, expected"):
        changed(Preparation(), values)


def test_values_replace_the_usual_ones() -> None:
    found = changed(Preparation(), {"color": "bgr", "scale": "1", "mean": "127", "std": "1,2,3", "labels": "1"})
    assert (found.color, found.scale, found.mean, found.std) == ("bgr", 1.0, (127.0,) * 3, (1.0, 2.0, 3.0))
