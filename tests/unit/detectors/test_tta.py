"""Test-time augmentation: mirrored views and views of several sizes come back to the image, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from detkit.api.predicting import predict
from detkit.detectors import Looks
from detkit.detectors._views import SCALES, network_sizes
from detkit.errors import InputError, UsageError
from unit.detectors.cells import cell_graphs, cells, drawn, found

__all__ = ["cell_graphs", "cells"]

ROOT = Path(__file__).resolve().parents[3]
MODELS = ROOT / "fixtures" / "models"
Model = Callable[..., Path]

#: Whole cells of a 64 x 64 input, left and right of the middle.
BLOCKS = [(0, 0, 8, 8, 0), (40, 16, 8, 8, 1), (48, 48, 8, 8, 2)]
EXPECTED = sorted((float(label), *map(float, (x, y, w, h)), 1.0) for x, y, w, h, label in BLOCKS)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    drawn((64, 64), BLOCKS).save(folder / "a.png")
    return folder


@pytest.mark.parametrize("merge", ["nms", "wbf"])
@pytest.mark.parametrize("name", ["fixed", "free"])
def test_mirrored_boxes_come_back(cells: Model, photo: Path, merge: str, name: str) -> None:
    settings = {"image_size": (64, 64), "family": "yolox", "score_threshold": 0.9}
    done = predict(cells(name), photo, tta=("flip",), merge=merge, **settings)
    assert found(done.detections) == EXPECTED
    joined = "NMS" if merge == "nms" else "weighted box fusion"
    assert f"test-time augmentation: mirrored too; joined by {joined} 0.65" in done.assumptions
    # Unjoined, each cell is there twice.
    twice = predict(cells(name), photo, tta=("flip",), iou_threshold=1.0, **settings).detections
    assert found(twice) == sorted(EXPECTED * 2)


def test_mirrored_boxes_of_an_odd_letterbox(cells: Model, tmp_path: Path) -> None:
    # 50 x 64: the border is on the right of both views, the image is not.
    drawn((50, 64), [(0, 0, 8, 8, 0)]).save(tmp_path / "a.png")
    rows = found(predict(cells(), tmp_path, tta=("flip",), score_threshold=0.2, iou_threshold=1.0).detections)
    blue = [row for row in rows if row[:1] + row[2:3] == (0.0, 0.0) and row[1] < 25 and row[3] > 0]
    # Mirrored it lies at 42..50 of the view: 6 pixels in the cell 40..48 and 2 in the last one, which the border fills.
    border = (2 * 255 + 6 * 114) / (8 * 255)
    assert blue == [
        (0.0, 0.0, 0.0, 2.0, 8.0, round(border, 4)),
        (0.0, 0.0, 0.0, 8.0, 8.0, 1.0),
        (0.0, 2.0, 0.0, 8.0, 8.0, 0.75),
    ]


def test_sizes_are_whole_strides() -> None:
    looks = Looks(scale=True)
    assert SCALES == (0.83, 1.0, 1.2)
    # 0.83 of 640 is 531 or 16.6 strides, 1.2 of it 768 or 24.
    assert network_sizes((640, 640), looks, 32) == [(544, 544), (640, 640), (768, 768)]
    assert network_sizes((320, 160), looks, 32) == [(256, 128), (320, 160), (384, 192)]
    assert network_sizes((64, 64), looks, 32) == [(64, 64)]
    assert network_sizes((640, 640), Looks(), 32) == [(640, 640)]


def test_boxes_of_other_sizes_come_back(cells: Model, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    drawn((160, 160), [(40, 80, 40, 40, 1)]).save(folder / "a.png")
    settings = {"image_size": (160, 160), "family": "yolox", "score_threshold": 0.999, "iou_threshold": 1.0}
    rows = found(predict(cells("free"), folder, tta=("scale",), **settings).detections)
    # 160 is looked at in 128, 160 and 192 pixels: a cell is 10, 8 and 6 2/3 pixels of the image.
    expected = set()
    for size in (128, 160, 192):
        cell = 8 * 160 / size
        inside = [i * cell for i in range(size // 8)]
        edge = 0 if size == 160 else 160 / size
        expected |= {
            (1.0, round(x, 4), round(y, 4), round(cell, 4), round(cell, 4))
            for x in inside
            for y in inside
            if 40 + edge <= x <= 80 - cell - edge and 80 + edge <= y <= 120 - cell - edge
        }
    assert {row[:5] for row in rows} >= expected
    assert {row[3] for row in rows} == {10.0, 8.0, 6.6667}
    assert all(39.9 <= row[1] <= 80.1 - row[3] and 79.9 <= row[2] <= 120.1 - row[4] for row in rows)


def test_flip_and_scale_are_six_views(cells: Model, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    drawn((160, 160), [(40, 80, 40, 40, 1)]).save(folder / "a.png")
    settings = {"image_size": (160, 160), "family": "yolox", "score_threshold": 0.999, "iou_threshold": 1.0, "batch": 4}
    one = found(predict(cells("free"), folder, tta=("scale",), **settings).detections)
    both = found(predict(cells("free"), folder, tta=("flip", "scale"), **settings).detections)
    np.testing.assert_allclose(sorted(both), sorted(one * 2), atol=1e-3)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("fixed", {"tta": ("scale",)}, r"tta scale needs an input whose size is free, the model takes images float32"),
        ("fixed", {"tta": ("rotate",)}, "tta: found `rotate`, expected flip, scale or both"),
        ("fixed", {"letterbox": "rect"}, "letterbox rect needs an input whose size is free"),
        ("fixed", {"letterbox": "oval"}, "letterbox: found `oval`"),
    ],
)
def test_what_the_model_cannot_take(
    cells: Model, photo: Path, name: str, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        predict(cells(name), photo, **changes)


@pytest.mark.parametrize(
    ("changes", "size"), [({"tta": ("scale",)}, "128x128"), ({"letterbox": "rect"}, "160x128"), ({}, None)]
)
def test_a_size_that_is_free_in_name_only(
    cells: Model, photo: Path, changes: dict[str, object], size: str | None
) -> None:
    settings = {"image_size": (160, 160), "family": "yolox", **changes}
    if size is None:
        assert predict(cells("stale"), photo, **settings).images == 1
        return
    with pytest.raises(InputError, match=f"the file leaves its input size free, but {size} fails: "):
        predict(cells("stale"), photo, **settings)


def test_keypoints_cannot_be_mirrored(photo: Path) -> None:
    with pytest.raises(UsageError, match="tta flip: the model answers with keypoints, and does not say"):
        predict(MODELS / "ultralytics-pose.onnx", photo, tta=("flip",))


def test_masks_and_oriented_boxes_can(photo: Path) -> None:
    for name in ("ultralytics-segment", "ultralytics-obb"):
        assert predict(MODELS / f"{name}.onnx", photo, tta=("flip",)).detections.shapes is not None


def test_bench_measures_one_look(cells: Model) -> None:
    from detkit.api.benching import bench

    with pytest.raises(UsageError, match="bench measures one look at an image"):
        bench(cells(), tta=("flip",))
