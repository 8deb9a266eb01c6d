"""Pascal VOC 2007 and 2012 against the devkit's procedure written out here, and published figures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detkit import formats
from detkit.evaluation import evaluate, protocols
from detkit.evaluation.align import align
from detkit.formats import ReadOptions
from detkit.kernels.match import FALSE, IGNORED, TRUE
from strategies import detections_of, truth_of

CLASSES, IMAGES = 3, 6


def devkit(truth, found, k, threshold=0.5):
    """VOCevaldet for one class: outcomes in order of confidence, precision, recall.

    `truth` rows are image, class, inclusive corners, difficult; `found` rows image, class, inclusive corners, score.
    """
    objects = {i: [row for row in truth if row[0] == i and row[1] == k] for i in range(IMAGES)}
    detected = {i: [False] * len(rows) for i, rows in objects.items()}
    count = sum(not row[3] for rows in objects.values() for row in rows)
    mine = sorted((row for row in found if row[1] == k), key=lambda row: (-row[3], row[0]))
    outcome = []
    for image, _, bb, _ in mine:
        best, where = -np.inf, -1
        for j, (_, _, gt, _) in enumerate(objects[image]):
            width = min(bb[2], gt[2]) - max(bb[0], gt[0]) + 1
            height = min(bb[3], gt[3]) - max(bb[1], gt[1]) + 1
            if width > 0 and height > 0:
                both = (bb[2] - bb[0] + 1) * (bb[3] - bb[1] + 1) + (gt[2] - gt[0] + 1) * (gt[3] - gt[1] + 1)
                overlap = width * height / (both - width * height)
                if overlap > best:
                    best, where = overlap, j
        if best >= threshold:
            if objects[image][where][3]:
                outcome.append(IGNORED)
            elif not detected[image][where]:
                detected[image][where] = True
                outcome.append(TRUE)
            else:
                outcome.append(FALSE)
        else:
            outcome.append(FALSE)
    tp = np.cumsum(np.array(outcome) == TRUE)
    fp = np.cumsum(np.array(outcome) == FALSE)
    with np.errstate(invalid="ignore", divide="ignore"):
        return outcome, tp / (fp + tp), tp / np.float64(count), count


def average(precision, recall, year):
    counted = ~np.isnan(precision)
    precision, recall = precision[counted], recall[counted]
    if year == 2007:
        ap = 0.0
        for t in np.arange(0, 1.1, 0.1):
            p = np.max(precision[recall >= t], initial=0.0)
            ap = ap + p / 11
        return ap
    mrec, mpre = np.concatenate([[0], recall, [1]]), np.concatenate([[0], precision, [0]])
    for i in range(len(mpre) - 2, -1, -1):
        mpre[i] = max(mpre[i], mpre[i + 1])
    i = np.flatnonzero(mrec[1:] != mrec[:-1]) + 1
    return float(np.sum((mrec[i] - mrec[i - 1]) * mpre[i]))


def draw(seed):
    rng = np.random.default_rng(seed)

    def box():
        x, y = rng.integers(1, 40, 2)
        w, h = rng.integers(0, 30, 2)
        return [int(x), int(y), int(x + w), int(y + h)]

    truth = [
        (int(rng.integers(IMAGES)), int(rng.integers(CLASSES)), box(), bool(rng.random() < 0.25)) for _ in range(25)
    ]
    found = []
    for image, k, (x1, y1, x2, y2), _ in truth:
        for _ in range(int(rng.integers(0, 4))):
            x1, y1, x2, y2 = (np.array([x1, y1, x2, y2]) + rng.integers(-3, 4, 4)).tolist()
            found.append((image, k, [x1, y1, max(x1, x2), max(y1, y2)], round(float(rng.random()), 1)))
    found += [(int(rng.integers(IMAGES)), int(rng.integers(CLASSES)), box(), 0.5) for _ in range(10)]
    return truth, found


def edges(box):
    return [box[0] - 1, box[1] - 1, box[2] - box[0] + 1, box[3] - box[1] + 1]


@pytest.mark.parametrize("year", [2007, 2012])
@pytest.mark.parametrize("threshold", [0.5, 0.75])
@pytest.mark.parametrize("seed", range(20))
def test_equals_the_devkits_procedure(seed, threshold, year):
    truth, found = draw(seed)
    table = truth_of(
        [(i, k, edges(box)) for i, k, box, _ in truth],
        image_ids=list(range(IMAGES)),
        class_ids=list(range(CLASSES)),
        is_ignored=[difficult for *_, difficult in truth],
    )
    detections = detections_of([(i, k, edges(box), score) for i, k, box, score in found])
    result = evaluate(align(table, detections), protocols.get(f"voc{year}", iou_thresholds=(threshold,)))
    aps = []
    for k in range(CLASSES):
        outcome, precision, recall, count = devkit(truth, found, k, threshold)
        order = result.scored.order[k]
        assert result.scored.matched[k].outcome[0, 0, order].tolist() == outcome
        assert result.scored.truths[k, 0] == count
        aps.append(average(precision, recall, year))
        assert result.per_class[k].metrics["AP"] == aps[-1]
    assert result.metrics["mAP"] == np.mean(aps)


def test_the_draws_hold_what_they_are_for():
    """Difficult objects that are hit, second hits, equal scores, overlap at a threshold."""
    seen = set()
    for seed in range(20):
        truth, found = draw(seed)
        for k in range(CLASSES):
            seen |= set(devkit(truth, found, k)[0])
    assert seen == {TRUE, FALSE, IGNORED}


def test_a_match_needs_at_least_the_threshold_or_more_when_strict():
    table = truth_of([(0, 0, [0, 0, 10, 10])])
    detections = detections_of([(1, 1, [0, 0, 5, 10], 0.9)])  # 50 / 100
    assert evaluate(align(table, detections), protocols.get("voc2012")).metrics["mAP"] == 1 / 1
    assert evaluate(align(table, detections), protocols.get("voc2012", strict_iou=True)).metrics["mAP"] == 0.0


def score(truth, found, protocol, options=None, **settings):
    table = formats.read_dataset(truth, "auto", ReadOptions())
    options = replace(options or ReadOptions(), reference_images=table.images)
    detections = formats.read_detections(found, "auto", options)
    return evaluate(align(table, detections), protocols.get(protocol, **settings)).metrics


def test_cartucho(shared_data):
    folder = shared_data / "cartucho"
    ap = score(folder / "ground-truth", folder / "detection-results", "voc2012")["mAP"]
    assert f"{ap:.2%}" == "31.05%"


@pytest.mark.parametrize(
    ("layout", "area75", "eleven75"),
    [
        ("dets_classname_abs_xyx2y2", 0.5097222222222222, 0.4924242424242424),
        ("dets_classid_abs_xywh", 0.5170454545454545, 0.4979338842975206),
        ("dets_classid_rel_xcycwh", 0.5170454545454545, 0.4979338842975206),
    ],
)
def test_padilla(layout, area75, eleven75, shared_data):
    folder = shared_data / "padilla_toy"
    names = tuple((folder / "voc.names").read_text(encoding="utf-8").split())
    for protocol, at50, at75 in [("voc2012", 0.8958333333333334, area75), ("voc2007", 0.8863636363636364, eleven75)]:
        metrics = score(
            folder / "gts_vocpascal_format",
            folder / layout,
            protocol,
            ReadOptions(names=names),
            iou_thresholds=(0.5, 0.75),
        )
        assert metrics["AP50"] == pytest.approx(at50, abs=1e-12)
        assert metrics["AP75"] == pytest.approx(at75, abs=1e-12)
