"""Predictions that are no x, y, width, height in pixels, or stand there twice: said, and only where it is so."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import detkit
from detkit.evaluation import evaluate, protocols
from detkit.evaluation.align import align
from detkit.evaluation.misread import RowCounts, findings_of, misread_findings, row_counts
from detkit.evaluation.quirks import unheeded_ignores
from strategies import detections_of, truth_of

WIDTH, HEIGHT = 640.0, 480.0
DATA = Path(__file__).resolve().parents[4] / "shared" / "data"


def aligned(boxes, *, copies=1, size=(WIDTH, HEIGHT), truth_box=(10.0, 10.0, 300.0, 200.0)):
    """Boxes spread over four images, each row as often as said, in the order of the file."""
    truth = truth_of([(i, 0, list(truth_box)) for i in range(4)], image_ids=[1, 2, 3, 4], size=size)
    rows = [(1 + n % 4, 1, list(map(float, box)), 0.9 - n / 1000) for n, box in enumerate(boxes)]
    return align(truth, detections_of(rows * copies, class_ids=[1]))


def drawn(count=80, seed=3):
    """Boxes of all sizes inside the image."""
    rng = np.random.default_rng(seed)
    low = rng.random((count, 2)) * [WIDTH - 20, HEIGHT - 20]
    size = 4 + rng.random((count, 2)) * (np.array([WIDTH, HEIGHT]) - low - 4)
    return np.hstack([low, size])


def told(found):
    return [(f.code, f.severity, f.count) for f in misread_findings(found.truth, found.detections)]


@pytest.mark.parametrize("seed", range(20))
def test_good_predictions_raise_no_alarm(seed):
    boxes = drawn(seed=seed)
    assert told(aligned(boxes)) == []
    assert told(aligned(boxes * 1.2)) == []  # a fifth of all boxes leaves the image, as raw outputs do
    assert told(aligned(boxes / 30, size=(WIDTH / 30, HEIGHT / 30))) == []  # tiny images


def test_shares_are_told_from_pixels():
    shares = drawn() / [WIDTH, HEIGHT, WIDTH, HEIGHT]
    assert told(aligned(shares)) == [("DK710", "warning", 80)]
    assert told(aligned(shares, size=(np.nan, np.nan))) == [("DK710", "warning", 80)]
    assert told(aligned(shares, size=(np.nan, np.nan), truth_box=(0.1, 0.1, 0.5, 0.5))) == []
    assert told(aligned(np.zeros((20, 4)))) == []
    assert told(aligned(shares[:9])) == []


def test_corners_are_told_from_sizes():
    boxes = drawn()
    corners = np.hstack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]])
    outside = int((corners[:, :2] + corners[:, 2:] > [WIDTH * 1.02 + 1, HEIGHT * 1.02 + 1]).any(axis=1).sum())
    assert told(aligned(corners)) == [("DK711", "warning", 80)]
    found = aligned(corners)
    assert misread_findings(found.truth, found.detections)[0].message.startswith(f"{outside} of 80 predictions leave")
    assert told(aligned(corners, size=(np.nan, np.nan))) == []
    # Large objects near the corner: width exceeds x everywhere, and no box leaves its image.
    assert told(aligned([[x, y, WIDTH - x, HEIGHT - y] for x, y in zip(range(80), range(80), strict=True)])) == []


def detected(centres, sides, *, size=(WIDTH, HEIGHT), jitter=0.05, seed=4):
    """Truth boxes around the centres, five an image, and predictions near them, as corners and as sizes."""
    rng = np.random.default_rng(seed)
    boxes = np.hstack([centres - sides / 2, sides])
    near = boxes + rng.normal(0, jitter, boxes.shape) * np.tile(sides, 2)
    near[:, :2] = np.maximum(near[:, :2], 0)
    images = np.arange(len(boxes)) // 5
    rows = [(int(i), 0, box) for i, box in zip(images, boxes.tolist(), strict=True)]
    given = truth_of([*rows, (int(images[-1]), 0, [0, 0, 1, 1])], size=size)
    found = []
    for read in (near, np.hstack([near[:, :2], near[:, :2] + near[:, 2:]])):
        table = [
            (1 + int(i), 1, box, 0.9 - n / 1e4) for n, (i, box) in enumerate(zip(images, read.tolist(), strict=True))
        ]
        found.append(align(given, detections_of(table, class_ids=[1])))
    return found


def laid_out(kind, count=100, seed=6):
    """Centres and sides of objects whose corners rarely leave the image when they are read as sizes, or always do."""
    rng = np.random.default_rng(seed)
    image = np.array([WIDTH, HEIGHT])
    if kind == "small, in the middle":
        return image * (0.35 + 0.14 * rng.random((count, 2))), 10 + 20 * rng.random((count, 2))
    if kind == "top left":
        return image * (0.1 + 0.3 * rng.random((count, 2))), 20 + 60 * rng.random((count, 2))
    if kind == "beyond the image":
        return image * (0.5 + 0.5 * rng.random((count, 2))), 60 + 100 * rng.random((count, 2))
    assert kind == "all but the whole image"
    return image * (0.55 + 0.01 * rng.random((count, 2))), image * (0.97 + 0.01 * rng.random((count, 2)))


@pytest.mark.parametrize("kind", ["small, in the middle", "top left", "beyond the image"])
@pytest.mark.parametrize("size", [(WIDTH, HEIGHT), (np.nan, np.nan)])
def test_corners_are_told_by_the_truths_that_they_meet(kind, size):
    sizes, corners = detected(*laid_out(kind), size=size)
    assert told(sizes) == []
    assert told(corners) == [("DK711", "warning", 100)]
    (finding,) = misread_findings(corners.truth, corners.detections)
    assert finding.message.startswith("0 of the best predictions lie on a truth, and 100 would as left, top, right")


def test_objects_that_fill_their_image_are_no_corners():
    # Width exceeds x in all rows, a fifth and more leave the image, and as corners all are inside.
    sizes, _ = detected(*laid_out("all but the whole image"), jitter=0.002)
    xywh = sizes.detections.xywh
    assert (xywh[:, 2:] >= xywh[:, :2]).all()
    assert (xywh[:, :2] + xywh[:, 2:] > [WIDTH * 1.02 + 1, HEIGHT * 1.02 + 1]).any(axis=1).mean() > 0.2
    assert (xywh[:, 2:] < [WIDTH * 1.02, HEIGHT * 1.02]).all()
    assert told(sizes) == []


def test_boxes_without_an_end_are_no_corners():
    boxes = [[np.inf, 5, np.inf, 5], [0, 0, np.inf, 5], [-1e150, 0, 1e150, 1e150], [5, 5, 9, 9]]
    assert told(aligned(boxes * 5)) == told(aligned([*boxes, *drawn()])) == []


@pytest.mark.parametrize("seed", range(5))
def test_boxes_that_mean_nothing_are_no_corners(seed):
    rng = np.random.default_rng(seed)
    low = rng.random((200, 2)) * 100
    boxes = np.hstack([low, low + rng.random((200, 2)) * 200])
    assert told(aligned(boxes, truth_box=(400, 300, 30, 30))) == []


@pytest.mark.parametrize("copies", [2, 3])
def test_repeated_rows_are_counted(copies):
    assert told(aligned(drawn(), copies=copies)) == [("DK712", "warning", 80 * (copies - 1))]


def test_some_repeated_rows_are_no_alarm():
    boxes = drawn()
    found = aligned(boxes)
    index = np.sort(np.concatenate([np.arange(80), np.arange(0, 80, 3)]))
    assert told(type(found)(**{**vars(found), "detections": found.detections.take(index)})) == []


def test_an_evaluation_says_it_and_scores_what_it_read():
    found = aligned(drawn() / [WIDTH, HEIGHT, WIDTH, HEIGHT])
    result = evaluate(found, protocols.get("coco"))
    assert "DK710" in {f.code for f in result.findings}
    assert result.detections.xywh.tolist() == found.detections.xywh.tolist()


@pytest.mark.skipif(not DATA.is_dir(), reason="needs the real data beside the checkout")
@pytest.mark.parametrize("name", ["coco51", "bccd", "lvis_100"])
def test_real_labels_as_predictions_raise_no_alarm(name, tmp_path):
    """Real boxes, each with a score: what a perfect model would write."""
    files = sorted(p for p in (DATA / name).rglob("*.json") if b'"annotations"' in p.read_bytes()[:200_000_000])
    if not files:
        pytest.skip(f"no COCO file in {name}")
    content = json.loads(files[0].read_text(encoding="utf-8"))
    keys = ("image_id", "category_id", "bbox")
    rows = [{**{k: a[k] for k in keys}, "score": 1 - n / 1e6} for n, a in enumerate(content["annotations"])]
    (tmp_path / "found.json").write_text(json.dumps(rows))
    result = detkit.evaluate(files[0], tmp_path / "found.json")
    assert not {"DK710", "DK711", "DK712"} & {f.code for f in result.findings}


def test_lvis_heeds_ignore_and_no_other_protocol_does():
    truth = aligned(drawn())
    images = replace(truth.truth.images, extra={
        i: {"neg_category_ids": [], "not_exhaustive_category_ids": []} for i in range(4)})  # fmt: skip
    rows = replace(truth.truth.annotations, extra={0: {"ignore": 1}, 1: {"ignore": 0}, 2: {"ignore": 1}, 3: {"x": 1}})
    other = detkit.findings.Finding("DK109", "another field")
    marked = replace(truth, truth=replace(truth.truth, images=images, annotations=rows, findings=(other,)))
    said = {}
    for name in ("coco", "voc2012", "lvis"):
        found = evaluate(marked, protocols.get(name)).findings
        said[name] = [(f.message, f.count) for f in found if f.code == "DK109"]
    unheeded = ("`ignore` is overwritten by `iscrowd`, as in pycocotools", 2)
    assert said == {
        "coco": [("another field", 1), unheeded],
        "voc2012": [("another field", 1), unheeded],
        "lvis": [("another field", 1)],
    }


def test_ignore_of_crowds_and_of_ignored_rows_is_not_unheeded():
    truth = aligned(drawn()).truth
    extra = {0: {"ignore": 1}, 1: {"ignore": 1}, 2: {"ignore": 1}}
    rows = replace(
        truth.annotations,
        extra=extra,
        is_crowd=np.array([True, False, False, False]),
        is_ignored=np.array([False, True, False, False]),
    )
    assert [f.count for f in unheeded_ignores(replace(truth, annotations=rows))] == [1]


@pytest.mark.parametrize("kind", ["boxes", "shares", "corners", "copies"])
@pytest.mark.parametrize("size", [(WIDTH, HEIGHT), (np.nan, np.nan)])
def test_counts_of_shards_say_what_all_rows_say(kind, size):
    boxes = drawn()
    if kind == "shares":
        boxes = boxes / [WIDTH, HEIGHT, WIDTH, HEIGHT]
    if kind == "corners":
        boxes = np.hstack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]])
    found = aligned(boxes, copies=2 if kind == "copies" else 1, size=size)
    image = found.detections.image_index
    for cut in ([], [0], [3], [1, 2], [0, 1, 2, 3]):
        own = [np.isin(image, cut), ~np.isin(image, cut)]
        parts = [row_counts(found.truth, found.detections.take(np.flatnonzero(rows))) for rows in own]
        assert findings_of(RowCounts.joined(parts)) == misread_findings(found.truth, found.detections)


def test_copies_are_counted_as_a_dictionary_counts_them():
    rng = np.random.default_rng(7)
    rows = [
        (1 + int(rng.integers(4)), 1, [float(rng.integers(3)), -0.0 if rng.random() < 0.5 else 0.0, 5.0, 5.0], 0.5)
        for _ in range(60)
    ]
    truth = truth_of([(i, 0, [0, 0, 9, 9]) for i in range(4)], image_ids=[1, 2, 3, 4], size=(WIDTH, HEIGHT))
    found = align(truth, detections_of(rows, class_ids=[1]))
    distinct = {(image, *box, score) for image, _, box, score in rows}
    assert row_counts(found.truth, found.detections).copies == len(rows) - len(distinct)
