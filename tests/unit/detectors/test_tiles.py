"""Windows over large images: where they lie, that boxes come back to their place, and what becomes of cut boxes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from detkit import masks as coco
from detkit.api.predicting import predict
from detkit.detectors import Looks, part_folder
from detkit.detectors._base import Dense
from detkit.detectors._masks import masks_of
from detkit.detectors._merge import NEAR, SAME, SURE, Seen, joined, placed
from detkit.detectors._prepare import Frame
from detkit.detectors._rows import Choice, Rows
from detkit.detectors._views import View, windows
from detkit.errors import UsageError
from detkit.kernels.cut import cut_losers
from detkit.kernels.nms import grouped_nms
from unit.detectors.cells import CELL, cell_graphs, cells, drawn, found

__all__ = ["cell_graphs", "cells"]

ROOT = Path(__file__).resolve().parents[3]
MODELS = ROOT / "fixtures" / "models"
Model = Callable[..., Path]

#: One cell in each corner of the first tile, at the seams of its neighbours, and at the far corner of the image.
BLOCKS = [(0, 0, 8, 8, 0), (56, 56, 8, 8, 1), (48, 8, 8, 8, 2), (96, 40, 8, 8, 0), (152, 104, 8, 8, 2)]
SIZE = (160, 112)
EXPECTED = sorted((float(label), *map(float, (x, y, w, h)), 1.0) for x, y, w, h, label in BLOCKS)
SURELY = {"score_threshold": 0.9, "tile": (64, 64)}


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    drawn(SIZE, BLOCKS).save(folder / "a.png")
    return folder


# --- windows


@given(st.integers(1, 2000), st.integers(1, 2000), st.integers(90, 900), st.integers(90, 900), st.floats(0, 0.6))
def test_windows_cover_the_image_and_share_what_they_must(
    width: int, height: int, tile_width: int, tile_height: int, overlap: float
) -> None:
    boxes = windows((width, height), Looks((tile_width, tile_height), overlap, whole=False))
    for low, high, length, tile in ((0, 2, width, tile_width), (1, 3, height, tile_height)):
        edges = sorted({(box[low], box[high]) for box in boxes})
        assert {end - start for start, end in edges} == {min(tile, length)}
        assert (edges[0][0], edges[-1][1]) == (0, length)
        for (start, _), (following, _) in pairwise(edges):
            # Positions are whole pixels.
            assert following - start <= tile * (1 - overlap) + 1
    assert len(boxes) == len(set(boxes))


@pytest.mark.parametrize(
    ("size", "looks", "expected"),
    [
        ((160, 64), Looks((64, 64), 0.0), [(0, 0, 160, 64), (0, 0, 64, 64), (48, 0, 112, 64), (96, 0, 160, 64)]),
        ((64, 64), Looks((64, 64)), [(0, 0, 64, 64)]),
        ((50, 40), Looks((64, 64), whole=False), [(0, 0, 50, 40)]),
        ((70, 40), Looks((64, 64), whole=False), [(0, 0, 64, 40), (6, 0, 70, 40)]),
        # 0.2 of 640 is 128: steps of 512, and (1664 - 640) / 512 = 2 of them.
        ((1664, 640), Looks((640, 640), 0.2, False), [(0, 0, 640, 640), (512, 0, 1152, 640), (1024, 0, 1664, 640)]),
        ((160, 64), Looks(), [(0, 0, 160, 64)]),
    ],
)
def test_windows_by_hand(size: tuple[int, int], looks: Looks, expected: list[tuple[int, ...]]) -> None:
    assert windows(size, looks) == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tile": (15, 64)}, "tile: found 15x64, expected at least 16"),
        ({"tile": (64, 64), "overlap": 1.0}, "overlap: found 1, expected a share"),
        ({"tile": (64, 64), "overlap": -0.1}, "overlap: found -0.1"),
        ({"overlap": 0.3}, "there are none"),
        ({"whole": False}, "there are none"),
        ({"merge": "wbf"}, "merge joins several views"),
        ({"merge": "soft", "tile": (64, 64)}, "merge: found `soft`, expected nms or wbf"),
        ({"tile": (64, 64), "draft": True}, "draft: tiles need every pixel"),
    ],
)
def test_settings_that_make_no_sense(cells: Model, photo: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        predict(cells(), photo, **changes)


# --- a model whose answer is known, cell by cell


@pytest.mark.parametrize("merge", ["nms", "wbf"])
@pytest.mark.parametrize("batch", [1, 3, 16])
def test_boxes_of_tiles_come_back_to_their_place_once(cells: Model, photo: Path, merge: str, batch: int) -> None:
    # Windows start at 0, 48 and 96, and at 0 and 48: whole cells each.
    done = predict(cells(), photo, merge=merge, batch=batch, **SURELY)
    assert found(done.detections) == EXPECTED
    assert done.settings["tile"] == [64, 64]
    assert any(line.startswith("tiles 64x64, overlap at least 0.2 and the whole image") for line in done.assumptions)


def test_without_tiles_the_cells_are_too_small(cells: Model, photo: Path) -> None:
    assert found(predict(cells(), photo, score_threshold=0.9).detections) == []


def test_the_whole_image_is_one_more_view(cells: Model, tmp_path: Path) -> None:
    drawn((160, 160), [(40, 40, 40, 40, 1)]).save(tmp_path / "a.png")
    tiles = found(predict(cells(), tmp_path, whole=False, **SURELY).detections)
    both = found(predict(cells(), tmp_path, **SURELY).detections)
    # In the tiles the block is 5 x 5 cells of 8 pixels, in the whole image (160 -> 64) 2 x 2 cells of 20.
    assert len(tiles) == 25
    # Its filter mixes a little black in.
    more = [row[:5] for row in sorted(set(both) - set(tiles))]
    assert more == [(1.0, x, y, 20.0, 20.0) for x in (40.0, 60.0) for y in (40.0, 60.0)]


def test_small_and_bad_images_among_large_ones(cells: Model, photo: Path) -> None:
    drawn((64, 64), [(8, 16, 8, 8, 2)]).save(photo / "b.png")
    (photo / "c.png").write_bytes(b"no image")
    drawn(SIZE, BLOCKS[:1]).save(photo / "d.png")
    done = predict(cells(), photo, batch=4, **SURELY)
    assert [f.code for f in done.findings] == ["DK404"]
    assert [found(done.detections, i) for i in range(4)] == [
        EXPECTED,
        [(2.0, 8.0, 16.0, 8.0, 8.0, 1.0)],
        [],
        [(0.0, 0.0, 0.0, 8.0, 8.0, 1.0)],
    ]


def test_most_detections_hold_for_the_image(cells: Model, photo: Path) -> None:
    assert len(predict(cells(), photo, max_detections=2, **SURELY).detections) == 2


def test_truth_gives_the_ids(cells: Model, photo: Path, tmp_path: Path) -> None:
    names = [{"id": 7, "name": "red"}, {"id": 5, "name": "blue"}]
    truth = {"images": [{"id": 70, "file_name": "a.png"}], "categories": names, "annotations": []}
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    predict(cells(), photo, tmp_path / "found.json", truth=tmp_path / "truth.json", **SURELY)
    rows = json.loads((tmp_path / "found.json").read_text())
    assert sorted((r["image_id"], r["category_id"], *r["bbox"]) for r in rows) == [
        (70, 5, 0, 0, 8, 8),
        (70, 5, 96, 40, 8, 8),
        (70, 7, 48, 8, 8, 8),
        (70, 7, 152, 104, 8, 8),
    ]


def test_several_workers_and_another_batch_write_the_same(cells: Model, photo: Path, tmp_path: Path) -> None:
    for i in range(9):
        drawn((100 + 20 * i, 90), BLOCKS[: i % 4 + 1]).save(photo / f"b{i}.png")
    settings = {"tile": (64, 64), "tta": ("flip",), "batch": 4}
    predict(cells(), photo, tmp_path / "one.json", **settings)
    predict(cells(), photo, tmp_path / "two.json", device=("cpu", "cpu"), **settings)
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()


_KILLED = """
import os, signal, sys
from detkit.detectors import _output
write = _output.Parts.write
def until_third(self, number, answers):
    if number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    write(self, number, answers)
_output.Parts.write = until_third
import detkit
detkit.predict(sys.argv[1], sys.argv[2], sys.argv[3], tile=(64, 64), tta=("flip",), batch=1)
"""


def test_killed_run_goes_on_to_the_same_bytes(cells: Model, photo: Path, tmp_path: Path) -> None:
    for i in range(9):
        drawn((100 + 20 * i, 90), BLOCKS[: i % 4 + 1]).save(photo / f"b{i}.png")
    target = tmp_path / "out" / "found.json"
    command = [sys.executable, "-c", _KILLED, str(cells()), str(photo), str(target)]
    killed = subprocess.run(command, check=False, capture_output=True, cwd=ROOT)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert len(list(part_folder(target).glob("chunk-*.npz"))) == 2
    settings = {"tile": (64, 64), "tta": ("flip",), "batch": 1}
    for changes, message in (
        ({"tile": (80, 80)}, r"tile was \[64, 64\], is \[80, 80\]"),
        ({"overlap": 0.5}, r"overlap was 0\.2, is 0\.5"),
        ({"whole": False}, "whole was true, is false"),
        ({"tta": ()}, r'tta was \["flip"\], is \[\]'),
        ({"merge": "wbf"}, "merge was nms, is wbf"),
    ):
        with pytest.raises(UsageError, match=message):
            predict(cells(), photo, target, resume=True, **(settings | changes))
    predict(cells(), photo, tmp_path / "undisturbed.json", **settings)
    assert predict(cells(), photo, target, resume=True, **settings).resumed == 4
    assert target.read_bytes() == (tmp_path / "undisturbed.json").read_bytes()


def test_an_error_in_the_middle_ends_the_run(cells: Model, photo: Path) -> None:
    from detkit.detectors import _looking
    from detkit.errors import InputError

    def broken(*_: object) -> None:
        raise InputError("broken")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_looking, "joined", broken)
        with pytest.raises(InputError, match="broken"):
            predict(cells(), photo, batch=1, **SURELY)


def test_frames_of_a_video(cells: Model, tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.bit_rate = 128, 64, 8_000_000
        for i in range(5):
            frame = av.VideoFrame.from_image(drawn((128, 64), [(64, 16 * (i % 3), 32, 16, i % 3)]))
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    done = predict(cells(), path, every=2, tile=(64, 64), overlap=0.0, whole=False, score_threshold=0.6).detections
    assert done.images.file_names == ("clip_000000.jpg", "clip_000002.jpg", "clip_000004.jpg")
    for image, i in enumerate((0, 2, 4)):
        rows = [row for row in found(done, image) if row[0] == i % 3]
        assert [row[1:5] for row in rows] == [
            (x, y, 8.0, 8.0) for x in (64.0, 72.0, 80.0, 88.0) for y in (16.0 * (i % 3), 16.0 * (i % 3) + 8)
        ]


# --- what becomes of boxes that a tile cuts

LEFT, RIGHT = View((0, 0, 100, 100), False, (100, 100), 0), View((60, 0, 160, 100), False, (100, 100), 0)
WHOLE = View((0, 0, 160, 100), False, (100, 100), 0)


def seen(view: View, *rows: tuple[float, float, float, float, float, int]) -> Seen:
    """What a view showed: x, y, width, height (of the view), score, class."""
    table = np.array(rows, dtype=np.float64).reshape(-1, 6)
    label = table[:, 5].astype(np.int64)
    found = Rows(table[:, :4], table[:, 4], label, np.arange(len(table)))
    return Seen(view, found, Frame(view.size, view.network, (1.0, 1.0), (0.0, 0.0)))


def joined_rows(*views: Seen, looks: Looks | None = None) -> list[list[float]]:
    rows, masks = joined(views, (160, 100), Choice(), looks or Looks((100, 100)))
    assert masks is None
    return np.column_stack([rows.xywh, rows.score]).round(6).tolist()


def test_a_cut_box_loses_to_the_whole_one_of_another_tile() -> None:
    # An object from 70 to 130: the left tile shows 30 of its 60 pixels, with the higher score; IoU is 0.5 only.
    cut, uncut = (70, 20, 30, 40, 0.9, 0), (10, 20, 60, 40, 0.8, 0)
    assert joined_rows(seen(LEFT, cut), seen(RIGHT, uncut)) == [[70, 20, 60, 40, 0.8]]
    # And so where the whole image shows it.
    assert joined_rows(seen(WHOLE, (70, 20, 60, 40, 0.8, 0)), seen(LEFT, cut)) == [[70, 20, 60, 40, 0.8]]


def test_a_cut_box_stays_where_nothing_whole_is_like_it() -> None:
    cut = (70, 20, 30, 40, 0.9, 0)
    others = {
        "another class": (10, 20, 60, 40, 0.8, 1),
        "another place": (10, 70, 60, 20, 0.8, 0),
        "of the window only a corner": (35, 20, 60, 40, 0.8, 0),
        "a shadow": (10, 20, 60, 40, 0.9 * SURE - 0.01, 0),
    }
    for why, other in others.items():
        assert [70, 20, 30, 40, 0.9] in joined_rows(seen(LEFT, cut), seen(RIGHT, other)), why
    # A box of the same tile has met it in that tile's own suppression.
    assert len(joined_rows(seen(LEFT, cut, (72, 20, 27, 40, 0.8, 0)), seen(RIGHT))) == 1
    assert len(joined_rows(seen(LEFT, cut, (80, 20, 15, 40, 0.8, 0)), seen(RIGHT))) == 2


def test_a_box_at_the_border_of_the_image_is_not_cut() -> None:
    # It ends where the image ends: nothing of it is missing, and the larger box (IoU 39 / 70) is another one.
    at_border = (60, 5, 40, 40, 0.9, 0)
    assert len(joined_rows(seen(RIGHT, at_border), seen(WHOLE, (90, 5, 69, 40, 0.8, 0)))) == 2
    lower = (30, 60, 40, 40, 0.9, 0)
    assert len(joined_rows(seen(RIGHT, lower), seen(WHOLE, (75, 58, 60, 40, 0.8, 0)))) == 2


def test_a_part_far_smaller_than_its_object_loses_too() -> None:
    # 10 of 60 pixels: the IoU with the object is 1/6.
    cut = (90, 20, 10, 40, 0.9, 0)
    assert joined_rows(seen(LEFT, cut), seen(RIGHT, (30, 20, 60, 40, 0.3, 0))) == [[90, 20, 60, 40, 0.3]]


def test_class_agnostic_parts_lose_across_classes() -> None:
    views = [seen(LEFT, (70, 20, 30, 40, 0.9, 0)), seen(RIGHT, (10, 20, 60, 40, 0.8, 1))]
    rows, _ = joined(views, (160, 100), Choice(class_agnostic=True), Looks((100, 100)))
    assert rows.label.tolist() == [1]


def naive_losers(
    xywh: np.ndarray, score: np.ndarray, group: np.ndarray, view: np.ndarray, is_cut: np.ndarray, windows: np.ndarray
) -> list[bool]:
    """As the sentence says it, one pair after the other."""
    loses = []
    for i, (x, y, w, h) in enumerate(xywh):
        lost = False
        for j in range(len(xywh)):
            if not is_cut[i] or is_cut[j] or view[i] == view[j] or group[i] != group[j] or score[j] < SURE * score[i]:
                continue
            left, top, right, bottom = windows[view[i]]
            a, b = max(xywh[j, 0], left), max(xywh[j, 1], top)
            c, d = min(xywh[j, 0] + xywh[j, 2], right), min(xywh[j, 1] + xywh[j, 3], bottom)
            width, height = min(c, x + w) - max(a, x), min(d, y + h) - max(b, y)
            if width > 0 and height > 0 and width * height / (w * h + (c - a) * (d - b) - width * height) > SAME:
                lost = True
        loses.append(lost)
    return loses


@pytest.mark.parametrize("seed", range(20))
def test_kernel_is_the_sentence(seed: int) -> None:
    random = np.random.default_rng(seed)
    n = 200
    boxes = np.array([[0, 0, 60, 60], [40, 0, 100, 60], [0, 0, 100, 60]], dtype=float)
    xywh = np.column_stack([random.integers(0, 40, (n, 2)), random.integers(20, 40, (n, 2))]).astype(float)
    score = random.integers(1, 20, n) / 20
    columns = (xywh, score, random.integers(0, 3, n), random.integers(0, 3, n), random.random(n) < 0.4, boxes)
    mine = cut_losers(*columns, iou_threshold=SAME, share=SURE)
    assert mine.tolist() == naive_losers(*columns)
    assert mine.any()


def test_nearness_is_a_share_of_the_tile() -> None:
    wide = View((0, 0, 1000, 100), False, (100, 100), 0)
    other = View((500, 0, 1500, 100), False, (100, 100), 0)
    for gap, stays in ((NEAR * 1000 - 1, 1), (NEAR * 1000 + 1, 2)):
        cut = (900, 20, 100 - gap, 40, 0.9, 0)
        rows, _ = joined([seen(wide, cut), seen(other, (400, 20, 300, 40, 0.8, 0))], (1500, 100), Choice(), Looks())
        assert len(rows.score) == stays


def test_fused_scores_count_variants_not_tiles() -> None:
    # One object in both tiles: the mean of two boxes, and no less for the whole image that missed it.
    left, right = (70, 20, 20, 40, 0.8, 0), (11, 20, 20, 40, 0.4, 0)
    looks = Looks((100, 100), merge="wbf")
    rows = joined_rows(seen(WHOLE), seen(LEFT, left), seen(RIGHT, right), looks=looks)
    x = (70 * 0.8 + 71 * 0.4) / 1.2
    np.testing.assert_allclose(rows, [[x, 20, 20, 40, 0.6]], atol=1e-6)
    # Mirrored views are a second variant: what only one of the two shows counts half.
    mirrored = replace(LEFT, flip=True, variant=1)
    (alone,) = joined_rows(seen(LEFT, left), seen(mirrored), looks=looks)
    np.testing.assert_allclose(alone[4], 0.8 * 1 / 2)


# --- masks, keypoints, oriented boxes


def twice(tmp_path: Path, name: str) -> tuple[Path, Path, dict[str, object]]:
    """Two folders: with the known image of a family, and with two of them side by side."""
    case = json.loads((MODELS / f"{name}.json").read_text(encoding="utf-8"))
    image = Image.fromarray(_pixels(case))
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
    image.save(tmp_path / "one" / "a.png")
    wide = Image.new("RGB", (2 * image.width, image.height))
    wide.paste(image, (0, 0))
    wide.paste(image, (image.width, 0))
    wide.save(tmp_path / "two" / "a.png")
    return tmp_path / "one", tmp_path / "two", {"width": image.width, "height": image.height}


def _pixels(case: dict[str, object]) -> np.ndarray:
    pixels = np.zeros((48, 64, 3), np.uint8)
    rectangles = [(0, 0, 64, 48, (20, 30, 25)), (2, 3, 27, 24, (255, 40, 10)), (36, 5, 60, 30, (30, 250, 60))]
    for left, top, right, bottom, colour in rectangles:
        pixels[top:bottom, left:right] = colour
    return pixels


@pytest.mark.parametrize("name", ["ultralytics-segment", "ultralytics-pose", "ultralytics-obb"])
def test_outlines_move_with_their_tile(tmp_path: Path, name: str) -> None:
    pytest.importorskip("onnxruntime")
    one, two, size = twice(tmp_path, name)
    width = int(str(size["width"]))
    settings = {"score_threshold": 0.3, "iou_threshold": 0.5}
    alone = predict(MODELS / f"{name}.onnx", one, **settings).detections
    tiled = predict(
        MODELS / f"{name}.onnx", two, tile=(width, size["height"]), overlap=0.0, whole=False, **settings
    ).detections
    assert len(alone)
    # Cut to its tile, a box may be nearer to another: suppression of all views sees boxes as they are written.
    survive = grouped_nms if alone.shapes is None or name.endswith("segment") else None
    if survive is not None:
        alone = alone.take(survive(alone.xywh, alone.score, alone.category_index, iou_threshold=0.5))
    order = np.argsort(tiled.xywh[:, 0] >= width - 1e-6, kind="stable")
    expected = np.concatenate([alone.xywh, alone.xywh + np.array([width, 0, 0, 0])])
    np.testing.assert_allclose(tiled.xywh[order], expected, atol=1e-4)
    if name.endswith("pose"):
        assert alone.keypoints is not None
        assert tiled.keypoints is not None
        points = alone.keypoints.values
        both = np.concatenate([points, points + np.array([width, 0, 0])]).reshape(len(order), -1, 3)
        np.testing.assert_allclose(tiled.keypoints.values.reshape(len(order), -1, 3)[order], both, atol=1e-4)
    else:
        assert alone.shapes is not None
        assert tiled.shapes is not None
    with pytest.raises(UsageError, match="merge wbf: box fusion is for boxes"):
        predict(MODELS / f"{name}.onnx", two, tile=(width, size["height"]), merge="wbf")


@pytest.mark.parametrize("flip", [False, True])
def test_masks_of_a_view_lie_where_the_view_lies(flip: bool) -> None:
    random = np.random.default_rng(3)
    coefficients = random.normal(size=(4, 5)).astype(np.float32)
    prototypes = random.normal(size=(5, 16, 12)).astype(np.float32)
    xyxy = np.array([[2, 3, 30, 40], [0, 0, 48, 64], [10, 50, 47, 64], [5, 5, 5, 20]], np.float32)
    output = Dense(xyxy, np.ones((4, 1), np.float32), coefficients=coefficients, prototypes=prototypes)
    xywh = np.concatenate([xyxy[:, :2], xyxy[:, 2:] - xyxy[:, :2]], axis=1).astype(np.float64)
    rows = Rows(xywh, np.ones(4), np.zeros(4, np.int64), np.arange(4))
    frame = Frame((48, 64), (48, 64), (1.0, 1.0), (0.0, 0.0))
    view = View((20, 7, 68, 71), flip, (48, 64), 0)
    for own, moved in zip(masks_of(output, rows, frame), masks_of(output, rows, frame, view, (90, 80)), strict=True):
        part = coco.decode(own)
        expected = np.zeros((80, 90), np.uint8)
        expected[7:71, 20:68] = part[:, ::-1] if flip else part
        assert np.array_equal(coco.decode(moved), expected)


def test_outlines_of_a_mirrored_view() -> None:
    view = View((100, 10, 200, 60), True, (100, 50), 1)
    polygon = np.array([[[10, 5], [30, 5], [30, 25], [10, 25]]], dtype=np.float64)
    points = np.array([[[10, 5, 1.0]]])
    rows = Rows(
        np.array([[10.0, 5, 20, 20]]), np.ones(1), np.zeros(1, np.int64), np.zeros(1, np.int64), points, polygon
    )
    moved = placed(rows, view)
    assert moved.xywh.tolist() == [[170, 15, 20, 20]]
    assert moved.keypoints is not None
    assert moved.polygons is not None
    assert moved.keypoints.tolist() == [[[190, 15, 1.0]]]
    assert moved.polygons.tolist() == [[[170, 15], [190, 15], [190, 35], [170, 35]]]


def test_cells_are_what_the_tests_say() -> None:
    assert all(value % CELL == 0 for block in BLOCKS for value in block[:4])
