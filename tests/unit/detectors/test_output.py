"""Chunks on disk, and masks of kept boxes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from detkit import masks
from detkit.detectors import Choice, Dense, Frame, Sparse, locked, start_parts
from detkit.detectors._masks import has_masks, masks_of
from detkit.detectors._output import Answer
from detkit.detectors._rows import Rows, finish
from detkit.errors import OutputError, UsageError


def rows(count: int, seed: int = 0, **more: np.ndarray) -> Rows:
    random = np.random.default_rng(seed)
    return Rows(random.random((count, 4)), random.random(count), random.integers(0, 9, count), np.arange(count), **more)


def test_chunks_come_back_in_order(tmp_path: Path) -> None:
    parts, done = start_parts(tmp_path / ".x.part", {"a": 1}, 5, 2, resume=False, overwrite=False)
    assert (len(parts), done) == (3, [])
    answers = [
        Answer((10, 20), rows(2, 0)),
        Answer(None, None, problem="damaged"),
        Answer((30, 40), rows(0, 1)),
        Answer((50, 60), rows(3, 2)),
        Answer((70, 80), rows(1, 3)),
    ]
    for number in (2, 0, 1):
        parts.write(number, [answers[i] for i in parts.members(number)])
    found = parts.columns(list("abcde"))
    good = [a.rows for a in answers if a.rows is not None]
    assert found.counts.tolist() == [2, -1, 0, 3, 1]
    assert np.array_equal(found.xywh, np.concatenate([r.xywh for r in good]))
    assert np.array_equal(found.label, np.concatenate([r.label for r in good]))
    assert np.isnan(found.sizes[1]).all()
    assert [(f.code, f.image, f.message) for f in found.findings] == [("DK404", "b", "damaged")]
    assert (found.keypoints, found.shapes) == (None, None)
    again, done = start_parts(tmp_path / ".x.part", {"a": 1}, 5, 99, resume=True, overwrite=False)
    assert (again.chunk, done) == (2, [0, 1, 2])


def test_outlines_and_points_come_back(tmp_path: Path) -> None:
    points = np.random.default_rng(1).random((2, 3, 3))
    corners = np.random.default_rng(2).random((2, 4, 2))
    parts, _ = start_parts(tmp_path / "p", {}, 2, 1, resume=False, overwrite=False)
    parts.write(0, [Answer((9, 9), rows(0, keypoints=points[:0], polygons=corners[:0]))])
    parts.write(1, [Answer((9, 9), rows(2, keypoints=points, polygons=corners))])
    found = parts.columns("ab")
    assert found.keypoints is not None
    assert found.shapes is not None
    assert np.array_equal(found.keypoints[1], points[1])
    assert np.array_equal(found.shapes.polygons(1)[0], corners[1])


def test_masks_come_back(tmp_path: Path) -> None:
    rles = [masks.to_rle([[1, 1, 5, 1, 5, 4, 1, 4]], 8, 9), masks.to_rle({"size": [8, 9], "counts": [72]}, 8, 9)]
    parts, _ = start_parts(tmp_path / "p", {}, 3, 3, resume=False, overwrite=False)
    parts.write(0, [Answer((9, 8), rows(2), rles), Answer(None, None, problem="x"), Answer((9, 8), rows(0), [])])
    found = parts.columns("abc").shapes
    assert found is not None
    assert [masks.decode(found.rle[i]).sum() for i in (0, 1)] == [4 * 3, 0]


def test_state_is_compared_and_an_empty_folder_is_nobodys(tmp_path: Path) -> None:
    folder = tmp_path / "p"
    folder.mkdir()
    start_parts(folder, {"a": 1, "b": [1, 2]}, 4, 2, resume=False, overwrite=False)
    with pytest.raises(OutputError, match="0 of 2 chunks of 2 images done"):
        start_parts(folder, {"a": 1}, 4, 2, resume=False, overwrite=False)
    with pytest.raises(UsageError, match=r"a was 1, is 2; b was \[1, 2\], is null; c was null, is x"):
        start_parts(folder, {"a": 2, "c": "x"}, 4, 2, resume=True, overwrite=False)
    start_parts(folder, {"a": 2}, 4, 2, resume=False, overwrite=True)
    start_parts(folder, {"a": 2}, 4, 2, resume=True, overwrite=False)


def test_lock_is_let_go(tmp_path: Path) -> None:
    for _ in range(2):
        with locked(tmp_path / ".x.part"):
            pass
    assert list(tmp_path.iterdir()) == []


FRAME = Frame((80, 40), (40, 40), (0.5, 0.5), (0.0, 10.0))


def test_mask_of_prototypes_is_cut_to_its_box_and_lies_in_the_image() -> None:
    # One prototype: positive in the right half of the network input (columns 10 to 19 of 20).
    prototypes = np.where(np.arange(20) < 10, -8.0, 8.0)[None, None].repeat(20, axis=1).astype(np.float32)
    boxes = np.array([[10, 15, 30, 25], [10, 15, 30, 25]], np.float32)
    output = Dense(boxes, np.ones((2, 1), np.float32), coefficients=np.array([[1], [-1]], np.float32))
    output = Dense(boxes, output.scores, coefficients=output.coefficients, prototypes=prototypes)
    kept = finish(output, FRAME, Choice(iou_threshold=1.0), needs_nms=True)
    assert has_masks(output)
    right, left = (masks.decode(m) for m in masks_of(output, kept, FRAME))
    assert right.shape == (40, 80)
    # The box is x 20 to 60, y 10 to 30 of the image; the middle of the input is x 40.
    expected = np.zeros((40, 80), np.uint8)
    expected[10:30, 40:60] = 1
    assert np.array_equal(right, expected)
    assert np.array_equal(left, np.roll(expected, -20, axis=1))


def test_mask_over_its_own_box() -> None:
    mask = np.zeros((1, 4, 4), np.float32)
    mask[0, :, 2:] = 1
    output = Sparse(
        np.array([[10, 15, 30, 25]], np.float32),
        np.ones(1, np.float32),
        np.zeros(1, np.int64),
        masks=mask,
        masks_of_boxes=True,
    )
    (found,) = masks_of(output, finish(output, FRAME, Choice(), needs_nms=False), FRAME)
    inside = masks.decode(found)
    assert (inside[10:30, 20:40].sum(), inside[10:30, 40:60].sum(), inside.sum()) == (0, 400, 400)


def test_mask_of_a_box_without_area_is_empty() -> None:
    output = Sparse(
        np.array([[10, 15, 10, 25]], np.float32),
        np.ones(1, np.float32),
        np.zeros(1, np.int64),
        masks=np.ones((1, 4, 4), np.float32),
        masks_of_boxes=True,
    )
    (found,) = masks_of(output, finish(output, FRAME, Choice(), needs_nms=False), FRAME)
    assert masks.decode(found).sum() == 0


def test_mask_that_fills_the_image() -> None:
    whole = Sparse(
        np.array([[0, 10, 40, 30]], np.float32),
        np.ones(1, np.float32),
        np.zeros(1, np.int64),
        masks=np.ones((1, 40, 40), np.float32),
    )
    (found,) = masks_of(whole, finish(whole, FRAME, Choice(), needs_nms=False), FRAME)
    assert masks.decode(found).sum() == 80 * 40
