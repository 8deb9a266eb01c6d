"""Rect letterbox, draft reading of JPEG files, and operators inside the branches of a graph."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detkit.api.predicting import predict
from detkit.detectors import read_graph
from detkit.detectors._images import Loader, Pictures
from detkit.detectors._prepare import Preparation, frame_of, prepare
from detkit.detectors._views import fitted
from detkit.errors import UsageError
from unit.detectors.cells import cell_graphs, cells, drawn, found

__all__ = ["cell_graphs", "cells"]

Model = Callable[..., Path]


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        # 640 x 480 fits as it is; 500 x 375 grows to it; 333 of 500 rows are 426, or 13.3 strides.
        ((640, 480), (640, 480)),
        ((500, 375), (640, 480)),
        ((500, 333), (640, 448)),
        ((333, 500), (448, 640)),
        ((1000, 1000), (640, 640)),
        ((4000, 10), (640, 32)),
    ],
)
def test_smallest_input_of_whole_strides(image: tuple[int, int], expected: tuple[int, int]) -> None:
    assert fitted(image, (640, 640), 32) == expected
    square = frame_of(image, Preparation(size=(640, 640)))
    assert frame_of(image, Preparation(size=expected)).scale == pytest.approx(square.scale, rel=2e-3)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Images of four shapes, in turn, each with one block of its own."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for i, size in enumerate([(160, 64), (64, 160), (160, 160), (160, 96)] * 3):
        drawn(size, [(8 * (i % 4), 16, 8, 8, i % 3)]).save(folder / f"{i:02d}.png")
    return folder


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_rect_finds_the_same_boxes_without_the_border(cells: Model, photos: Path, batch: int) -> None:
    settings = {"image_size": (160, 160), "family": "yolox", "score_threshold": 0.4, "batch": batch}
    square = predict(cells("free"), photos, **settings)
    rect = predict(cells("free"), photos, letterbox="rect", **settings)
    for i in range(12):
        block = (float(i % 3), 8.0 * (i % 4), 16.0, 8.0, 8.0, 1.0)
        assert found(rect.detections, i) == [block]
        # The border of the square one is grey: cells of 114 / 255 = 0.447 in all classes, cut to nothing by the image.
        inside = [row for row in found(square.detections, i) if row[3] > 0 and row[4] > 0]
        assert inside == [block]
    assert len(square.detections) > len(rect.detections)
    assert (square.settings["letterbox"], rect.settings["letterbox"]) == ("square", "rect")
    assert "letterbox rect: padded to multiples of 32" in rect.assumptions


def test_rect_with_mirroring_tiles_and_workers(cells: Model, photos: Path, tmp_path: Path) -> None:
    settings = {"image_size": (96, 96), "family": "yolox", "score_threshold": 0.9, "tta": ("flip",)}
    settings |= {"letterbox": "rect", "tile": (96, 96)}
    predict(cells("free"), photos, tmp_path / "one.json", batch=3, **settings)
    predict(cells("free"), photos, tmp_path / "two.json", batch=3, device=("cpu", "cpu"), **settings)
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()
    done = predict(cells("free"), photos, batch=1, **settings).detections
    assert [found(done, i) for i in (0, 2)] == [
        [(0.0, 0.0, 16.0, 8.0, 8.0, 1.0)],
        [(2.0, 16.0, 16.0, 8.0, 8.0, 1.0)],
    ]


def test_stretching_models_have_nothing_to_pad(cells: Model, photos: Path) -> None:
    with pytest.raises(UsageError, match="letterbox rect: images of this family are stretched"):
        settings = {"image_size": (160, 160), "family": "yolox", "values": {"resize": "stretch"}}
        predict(cells("free"), photos, letterbox="rect", **settings)


# --- draft


def smooth(width: int, height: int) -> Image.Image:
    """A photo-like image without sharp edges."""
    coarse = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


@pytest.mark.parametrize(
    ("size", "draft", "by"),
    [
        ((1024, 768), (64, 64), 4),  # 768 / 64 = 12: a quarter is three times the input
        ((1025, 771), (64, 64), 4),
        ((1024, 1024), (64, 64), 8),
        ((512, 255), (64, 64), 1),  # 255 / 64 is less than 4: half of it is less than twice the input
        ((512, 256), (64, 64), 2),
        ((300, 200), (640, 640), 1),
    ],
)
def test_draft_reads_at_a_reduced_size(tmp_path: Path, size: tuple[int, int], draft: tuple[int, int], by: int) -> None:
    smooth(*size).save(tmp_path / "a.jpg", quality=95)
    pictures = Pictures(("a.jpg",), (str(tmp_path / "a.jpg"),))
    full, reduced = Loader(pictures).load(0), Loader(pictures, draft).load(0)
    assert full.size == reduced.size == full.image.size == size
    assert reduced.image.size == (-(-size[0] // by), -(-size[1] // by))
    preparation = Preparation(size=draft, scale=1.0)
    (a, frame), (b, other) = (prepare(one.image, preparation, None, one.size) for one in (full, reduced))
    assert frame == other
    assert np.abs(a - b).max() < 6


def test_draft_of_turned_images_and_other_files(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    smooth(1024, 768).save(tmp_path / "a.jpg", exif=exif)
    smooth(1025, 771).save(tmp_path / "b.jpg", exif=exif)
    smooth(1024, 768).save(tmp_path / "c.png")
    smooth(1024, 768).convert("CMYK").save(tmp_path / "d.jpg")
    smooth(1024, 768).convert("L").save(tmp_path / "e.jpg")
    names = ("a.jpg", "b.jpg", "c.png", "d.jpg", "e.jpg")
    loader = Loader(Pictures(names, tuple(str(tmp_path / name) for name in names)), (64, 64))
    loaded = [loader.load(i) for i in range(5)]
    # An odd size that is turned would have its odd edge on another side: read whole.
    assert [one.size for one in loaded] == [(768, 1024), (771, 1025), *[(1024, 768)] * 3]
    assert [one.image.size for one in loaded] == [(192, 256), (771, 1025), (1024, 768), (1024, 768), (256, 192)]


def test_boxes_of_a_draft_are_in_pixels_of_the_image(cells: Model, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    drawn((512, 512), [(128, 64, 128, 128, 2)]).save(folder / "a.jpg", quality=100, subsampling=0)
    done = predict(cells(), folder, draft=True, score_threshold=0.9)
    # 512 -> 64: a cell is 64 pixels, the block 2 x 2 of them.
    boxes = [row[:5] for row in found(done.detections)]
    assert boxes == [(2.0, x, y, 64.0, 64.0) for x in (128.0, 192.0) for y in (64.0, 128.0)]
    assert done.settings["draft"] is True
    assert any(line.startswith("draft: large JPEG") for line in done.assumptions)


# --- graphs inside graphs


def test_operators_of_branches_and_bodies_are_counted(cells: Model) -> None:
    operators = read_graph(cells("branching")).operators
    assert operators == {"If": 1, "Loop": 1, "Identity": 1, "Tanh": 1, "Sigmoid": 1}
