from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import naive
from detkit import masks
from detkit.errors import InputError, UsageError
from detkit.evaluation import evaluate, protocols
from detkit.evaluation.align import align
from detkit.evaluation.keypoint_overlaps import KeypointOverlap
from detkit.evaluation.overlaps import cell_overlaps
from detkit.ragged import RleColumns
from detkit.tables import Ragged, Shapes
from strategies import detections_of, truth_of

BOX = [0, 0, 10, 10]
SQUARE = [[0, 0, 10, 0, 10, 10, 0, 10]]
HALF = [[0, 0, 5, 0, 5, 10, 0, 10]]
SETTINGS = settings(derandomize=True, deadline=None, max_examples=50)


def run(truth, found, iou_type="segm", **changes):
    return evaluate(align(truth, found), protocols.get("coco", iou_type, **changes))


def masked(truth_shapes, dt_shapes, *, size=(640, 480), **rest):
    truth = truth_of([(0, 0, BOX)] * len(truth_shapes), shapes=Shapes.from_rows(truth_shapes), size=size, **rest)
    found = detections_of([(1, 1, BOX, 0.9)] * len(dt_shapes), shapes=Shapes.from_rows(dt_shapes))
    return truth, found


def test_boxes_are_left_to_the_kernel():
    truth, found = masked([SQUARE], [SQUARE])
    assert cell_overlaps(truth, found, protocols.get("coco")) is None


def test_masks_are_compared_pixel_by_pixel():
    result = run(*masked([SQUARE], [HALF]))
    assert result.scored.matched[0].iou.tolist() == [50 / 100]


def test_uncompressed_runs_are_masks_and_need_no_image_size():
    runs = {"size": [10, 10], "counts": [0, 50, 50]}
    whole = {"size": [10, 10], "counts": [0, 100]}
    result = run(*masked([whole], [runs], size=(np.nan, np.nan)))
    assert result.scored.matched[0].iou.tolist() == [50 / 100]


def test_polygons_need_an_image_size():
    with pytest.raises(InputError, match=r"image `1` has no size"):
        run(*masked([SQUARE], [SQUARE], size=(np.nan, np.nan)))


@pytest.mark.parametrize(
    ("truth_shapes", "dt_shapes", "message"),
    [
        ([None], [SQUARE], "1 of 1 rows of the truth have no mask"),
        ([SQUARE], [SQUARE, None], "1 of 2 rows of the predictions have no mask"),
    ],
)
def test_rows_without_masks_are_refused(truth_shapes, dt_shapes, message):
    with pytest.raises(InputError, match=message):
        run(*masked(truth_shapes, dt_shapes))


def test_tables_without_masks_are_refused_and_a_truth_without_rows_is_not():
    truth, found = masked([SQUARE], [SQUARE])
    with pytest.raises(InputError, match="no masks in the truth"):
        run(truth_of([(0, 0, BOX)]), found)
    with pytest.raises(InputError, match="no masks in the predictions"):
        run(truth, detections_of([(1, 1, BOX, 0.9)]))
    for iou_type in ("segm", "keypoints"):
        nothing = run(truth_of([], image_ids=[1], class_ids=[1]), found, iou_type)
        assert set(nothing.metrics.values()) == {None}


def test_strict_parity_takes_boxes_for_masks():
    truth, _ = masked([SQUARE], [])
    found = detections_of([(1, 1, [0, 0, 5, 10], 0.9)])
    assert run(truth, found, strict_parity=True).scored.matched[0].iou.tolist() == [50 / 100]


def test_an_unknown_iou_type_is_a_usage_error():
    with pytest.raises(UsageError, match="cubes"):
        protocols.get("coco", "cubes")


@pytest.mark.parametrize("columnar", [False, True])
def test_masks_of_every_kind_are_compared_as_the_reference_compares_them(columnar):
    chooser = np.random.default_rng(3)
    truth_shapes = [ring_shapes(chooser) for _ in range(12)]
    truth_shapes[4] = {"size": [60, 80], "counts": [100, 900, 3800]}
    found_shapes = [masks.to_rle(ring_shapes(chooser), 60, 80) for _ in range(20)]
    found_shapes = [{"size": rle["size"], "counts": rle["counts"].decode()} for rle in found_shapes]
    if not columnar:
        found_shapes[3], found_shapes[5] = ring_shapes(chooser), {"size": [60, 80], "counts": [0, 4800]}
    truth, found = masked(truth_shapes, found_shapes, size=(80, 60), is_crowd=[n % 5 == 0 for n in range(12)])
    if columnar:
        found = replace(found, shapes=replace(found.shapes, rle=as_columns(found.shapes.rle)))
    compare = cell_overlaps(truth, found, protocols.get("coco", "segm"))
    dt, gt = np.array([3, 0, 5, 19, 7, 8]), np.array([11, 4, 0, 5])
    encoded = [[masks.to_rle(side[i], 60, 80) for i in rows] for side, rows in ((found_shapes, dt), (truth_shapes, gt))]
    expected = masks.overlaps(*encoded, truth.annotations.is_crowd[gt])
    assert np.count_nonzero(expected) > 10
    assert compare(dt, gt).tolist() == expected.tolist()


def ring_shapes(chooser):
    corners = chooser.uniform(-5, 85, (int(chooser.integers(1, 3)), int(chooser.integers(3, 7)), 2))
    return [ring.ravel().round(2).tolist() for ring in corners]


def as_columns(rle):
    texts = [value["counts"].encode() for value in rle.values()]
    lengths = np.array([len(text) for text in texts])
    sizes = np.array([value["size"] for value in rle.values()])
    counts = np.frombuffer(b"".join(texts), np.uint8)
    return RleColumns(np.array(list(rle)), sizes, np.cumsum(lengths) - lengths, lengths, counts)


@pytest.mark.parametrize("shape", [[[0, 0, 5, np.nan, 9, 9]], [[0, 0, 5, 5]], []])
def test_a_truth_without_a_usable_polygon_is_refused(shape):
    truth, found = masked([SQUARE, shape], [SQUARE])
    with pytest.raises(InputError, match="not a usable mask"):
        run(truth, found)


# --- keypoints -------------------------------------------------------------------------------------------------------

point = st.tuples(st.floats(-50, 150), st.floats(-50, 150), st.sampled_from([0, 1, 2])).map(list)
people = st.lists(st.lists(point, min_size=3, max_size=3), min_size=1, max_size=4)
SIGMAS = (0.026, 0.05, 0.107)


@SETTINGS
@given(people, people, st.booleans())
def test_object_keypoint_similarity_equals_its_twin(truth_points, dt_points, hidden):
    if hidden:
        truth_points = [[[x, y, 0] for x, y, _ in person] for person in truth_points]
    box, area = [10.0, 20.0, 50.0, 60.0], 1500.0
    truth = truth_of(
        [(0, 0, box)] * len(truth_points),
        area=[area] * len(truth_points),
        keypoints=Ragged.from_rows(truth_points, (3,)),
    )
    found = detections_of([(1, 1, BOX, 0.9)] * len(dt_points), keypoints=Ragged.from_rows(dt_points, (3,)))
    compare = cell_overlaps(truth, found, protocols.get("coco", "keypoints", sigmas=SIGMAS))
    matrix = compare(np.arange(len(dt_points)), np.arange(len(truth_points)))
    for d, dt in enumerate(dt_points):
        for g, gt in enumerate(truth_points):
            # NumPy's exp and pairwise sum may differ from Python's in the last bits; the fuzzer compares bit for bit.
            assert matrix[d, g] == pytest.approx(naive.oks(dt, gt, box, area, SIGMAS), abs=1e-14, rel=1e-12)


@pytest.mark.parametrize("points", [1, 3, 17, 40])
def test_similarity_is_the_references_to_the_last_bit(points):
    chooser = np.random.default_rng(points)
    sigmas = chooser.uniform(0.02, 0.2, points)
    dt, gt = (np.round(chooser.uniform(-20, 120, (count, points, 3)), 2) for count in (60, 45))
    gt[:, :, 2] = chooser.integers(0, 3, gt.shape[:2]) * (chooser.random((45, 1)) < 0.8)
    boxes, area = chooser.uniform(0, 80, (45, 4)), chooser.uniform(1, 9000, 45)
    compare = KeypointOverlap(dt, gt, boxes, area, sigmas)
    dt_cells, gt_cells = np.array([0, 20, 21, 60]), np.array([0, 3, 40, 45])
    found = compare.flat(np.arange(60), np.arange(45), dt_cells, gt_cells)
    expected = [
        reference_oks(dt[d], gt[g], boxes[g], area[g], sigmas)
        for c in range(3)
        for d in range(dt_cells[c], dt_cells[c + 1])
        for g in range(gt_cells[c], gt_cells[c + 1])
    ]
    assert found.tolist() == expected


def reference_oks(dt, gt, box, area, sigmas):
    """One value, with NumPy called as pycocotools 2.0.11 calls it."""
    seen = gt[:, 2] > 0
    if seen.any():
        dx, dy = dt[:, 0] - gt[:, 0], dt[:, 1] - gt[:, 1]
    else:
        x, y, w, h = box
        nothing = np.zeros(len(sigmas))
        dx = np.max((nothing, (x - w) - dt[:, 0]), axis=0) + np.max((nothing, dt[:, 0] - (x + w * 2)), axis=0)
        dy = np.max((nothing, (y - h) - dt[:, 1]), axis=0) + np.max((nothing, dt[:, 1] - (y + h * 2)), axis=0)
    e = (dx**2 + dy**2) / (sigmas * 2) ** 2 / (area + np.spacing(1)) / 2
    if seen.any():
        e = e[seen]
    return float(np.sum(np.exp(-e)) / e.shape[0])


def test_keypoints_on_the_spot_overlap_by_one():
    points = Ragged.from_rows([[[n, 2 * n, 2] for n in range(17)]], (3,))
    result = run(
        truth_of([(0, 0, BOX)], keypoints=points), detections_of([(1, 1, BOX, 0.5)], keypoints=points), "keypoints"
    )
    assert result.scored.matched[0].iou.tolist() == [17 / 17]


def test_another_number_of_keypoints_is_refused_with_a_hint_to_the_sigmas():
    points = Ragged.from_rows([[[0, 0, 2]] * 5], (3,))
    with pytest.raises(InputError, match=r"without 17 keypoints \(first: row 0 with 5\)(?s:.*)--sigmas"):
        run(truth_of([(0, 0, BOX)], keypoints=points), detections_of([(1, 1, BOX, 0.5)], keypoints=points), "keypoints")


def test_tables_without_keypoints_are_refused():
    points = Ragged.from_rows([[[0, 0, 2]] * 17], (3,))
    with pytest.raises(InputError, match="no keypoints in the predictions"):
        run(truth_of([(0, 0, BOX)], keypoints=points), detections_of([(1, 1, BOX, 0.5)]), "keypoints")
    with pytest.raises(InputError, match="no keypoints in the truth"):
        run(truth_of([(0, 0, BOX)]), detections_of([(1, 1, BOX, 0.5)], keypoints=points), "keypoints")
