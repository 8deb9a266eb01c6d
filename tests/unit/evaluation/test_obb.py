"""Oriented boxes: which rows are compared by what, areas, crowds, refusals, suppression."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from detkit.detectors import Choice, Dense, Frame
from detkit.detectors import _rows as rows
from detkit.errors import InputError, UsageError
from detkit.evaluation import evaluate, protocols
from detkit.evaluation.align import align
from detkit.evaluation.engine import score
from detkit.evaluation.oriented import corners_of_predictions, corners_of_truth, oriented_findings
from detkit.evaluation.overlaps import areas_of
from detkit.tables import Shapes
from detkit.transforms.nms import suppress
from strategies import detections_of, truth_of

#: A square of side 100, and the one that stands on its corner in the middle of it: half the area.
BOX = [0, 0, 100, 100]
SQUARE = [[0, 0, 100, 0, 100, 100, 0, 100]]
DIAMOND = [[50, 0, 100, 50, 50, 100, 0, 50]]
TRIANGLE = [[0, 0, 100, 0, 100, 100]]
#: pycocotools adds a last digit to what precision is divided by.
FULL = pytest.approx(1.0, abs=1e-15)
MASK = {"size": [480, 640], "counts": [0, 640 * 480]}


def tables(gt_shapes, dt_shapes, *, scores=None, **rest):
    truth = truth_of([(0, 0, BOX)] * len(gt_shapes), shapes=Shapes.from_rows(gt_shapes), **rest)
    scores = scores or [0.9 - i / 10 for i in range(len(dt_shapes))]
    found = detections_of([(1, 1, BOX, s) for s in scores], shapes=Shapes.from_rows(dt_shapes))
    return truth, found


def run(truth, found, name="coco", **changes):
    return evaluate(align(truth, found), protocols.get(name, "obb", **changes))


def test_polygons_are_compared_not_the_boxes_around_them():
    result = run(*tables([SQUARE], [DIAMOND]))
    assert result.scored.matched[0].iou.tolist() == [5000 / (10_000 + 5000 - 5000)]
    assert result.metrics["AP50"] == FULL
    assert result.metrics["AP75"] == 0.0
    assert result.metrics["AP"] == pytest.approx(1 / 10)


@pytest.mark.parametrize("name", ["voc2007", "voc2012"])
def test_voc_at_one_half_is_the_measure_of_dota(name):
    result = run(*tables([SQUARE, DIAMOND], [DIAMOND] * 3), name)
    # The first finds the diamond exactly, the others look at it again: one of two truths at precision 1.
    assert result.metrics["mAP"] == pytest.approx({"voc2007": 6 / 11, "voc2012": 1 / 2}[name])


def test_a_row_without_an_outline_counts_as_its_own_box_unrotated():
    truth, found = tables([None, DIAMOND], [DIAMOND, None])
    assert corners_of_truth(truth)[0].tolist() == [[0, 0], [100, 0], [100, 100], [0, 100]]
    assert corners_of_truth(truth)[1].ravel().tolist() == DIAMOND[0]
    assert corners_of_predictions(found).reshape(2, 8).tolist() == [DIAMOND[0], SQUARE[0]]
    assert run(truth, found).metrics["AP"] == FULL
    findings = oriented_findings(truth, found, protocols.get("coco", "obb"))
    assert [(f.code, f.count) for f in findings] == [("DK110", 1), ("DK110", 1)]
    assert "1 of 2 rows of the truth state no four corners" in findings[0].message
    assert oriented_findings(truth, found, protocols.get("coco")) == []
    assert oriented_findings(*tables([SQUARE], [DIAMOND]), protocols.get("coco", "obb")) == []


@pytest.mark.parametrize(
    ("gt_shapes", "dt_shapes", "message"),
    [
        ([None], [DIAMOND], "no oriented boxes in the truth"),
        ([SQUARE], [None], "no oriented boxes in the predictions"),
        ([TRIANGLE], [DIAMOND], r"no oriented boxes in the truth \(no outline of four points\)"),
        ([SQUARE, TRIANGLE], [DIAMOND], "1 of 2 rows of the truth have an outline that is no quadrangle"),
        ([SQUARE], [DIAMOND, MASK], r"rows of the predictions have an outline that is no quadrangle \(first: `1`\)"),
        ([SQUARE], [DIAMOND, SQUARE + DIAMOND], "1 of 2 rows of the predictions"),
    ],
)
def test_what_has_no_four_corners_is_refused(gt_shapes, dt_shapes, message):
    with pytest.raises(InputError, match=message):
        run(*tables(gt_shapes, dt_shapes))


def test_tables_without_outlines_are_refused_and_empty_ones_are_not():
    truth, found = tables([SQUARE], [DIAMOND])
    with pytest.raises(InputError, match=r"no oriented boxes in the truth \(no outlines\)(?s:.*)--iou-type bbox"):
        run(truth_of([(0, 0, BOX)]), found)
    with pytest.raises(InputError, match="no oriented boxes in the predictions"):
        run(truth, detections_of([(1, 1, BOX, 0.9)]))
    assert set(run(truth_of([], image_ids=[1], class_ids=[1]), found).metrics.values()) == {None}
    assert score(truth, found.take(np.zeros(0, np.int64)), protocols.get("coco", "obb")).truths.tolist()[0][0] == 1


def test_a_crowd_takes_many_and_is_measured_by_the_detection():
    truth, found = tables([SQUARE, DIAMOND], [DIAMOND, DIAMOND], is_crowd=[True, False])
    result = run(truth, found)
    # The second one lies in the crowd with all of its area: ignored, not false.
    assert result.metrics["AP"] == FULL
    assert result.scored.matched[0].iou.tolist() == [1.0, 1.0]
    # Pascal VOC has no crowds: an ignored truth, whose overlap is the usual one.
    again = run(truth, found.take(np.array([0])), "voc2012")
    assert again.scored.matched[0].iou.tolist() == [1.0]


def test_a_crowd_may_have_any_outline_and_counts_as_its_box():
    truth, found = tables([MASK, DIAMOND], [DIAMOND], is_crowd=[True, False])
    assert corners_of_truth(truth)[0].ravel().tolist() == SQUARE[0]
    assert run(truth, found).metrics["AP"] == FULL


def test_difficult_truths_are_ignored_as_boxes_are():
    truth, found = tables([SQUARE, DIAMOND], [SQUARE, DIAMOND], is_ignored=[True, False], scores=[0.9, 0.5])
    assert run(truth, found, "voc2012").metrics["mAP"] == FULL


def test_the_area_is_that_of_the_polygon_unless_another_is_stated():
    truth, found = tables([DIAMOND, DIAMOND], [DIAMOND], area=[100 * 100, 7.0])
    for settings, expected in (({}, [5000, 7]), ({"area": "box"}, [5000, 5000])):
        areas = areas_of(truth, found, protocols.get("coco", "obb", **settings))
        assert [a.tolist() for a in areas] == [expected, [5000]]
    areas = areas_of(truth, found, protocols.get("coco"))
    assert [a.tolist() for a in areas] == [[10_000, 7], [10_000]]
    # 5000 square pixels are medium, the box around them would be large.
    result = run(*tables([DIAMOND], [DIAMOND]))
    assert (result.metrics["APmedium"], result.metrics["APlarge"]) == (FULL, None)


def test_upright_quadrangles_score_as_boxes_do():
    random = np.random.default_rng(11)
    boxes = np.concatenate([random.uniform(0, 200, (60, 2)), random.uniform(10, 120, (60, 2))], axis=1).round(1)
    near = (boxes + random.normal(0, 4, boxes.shape)).round(1)
    outline = [[[x, y, x + w, y, x + w, y + h, x, y + h]] for x, y, w, h in [*boxes.tolist(), *near.tolist()]]
    places = [(i % 5, i % 3) for i in range(60)]
    truth = truth_of(
        [(i, k, b) for (i, k), b in zip(places, boxes.tolist(), strict=True)], is_crowd=[i % 9 == 0 for i in range(60)]
    )
    found = detections_of(
        [(i + 1, k + 1, b, s) for (i, k), b, s in zip(places, near.tolist(), random.random(60).round(1), strict=True)]
    )
    order = [i for image in range(5) for i in range(60) if i % 5 == image]
    drawn = replace(truth.annotations, shapes=Shapes.from_rows([outline[i] for i in order]))
    turned = replace(found, shapes=Shapes.from_rows([outline[60 + i] for i in order]))
    for name in ("coco", "voc2007", "voc2012"):
        by_box = evaluate(align(truth, found), protocols.get(name))
        assert run(replace(truth, annotations=drawn), turned, name).metrics == by_box.metrics
        assert 0.1 < by_box.metrics[protocols.get(name).metrics[0].name] < 0.9


# --- suppression -----------------------------------------------------------------------------------------------------


def crossed():
    """Two bars at right angles, whose boxes are one square, and the first bar once more."""
    rising = [[0, 90, 90, 0, 100, 10, 10, 100]]
    falling = [[0, 10, 10, 0, 100, 90, 90, 100]]
    return detections_of(
        [(1, 1, BOX, 0.9), (1, 1, BOX, 0.8), (1, 1, BOX, 0.7), (1, 2, BOX, 0.6)],
        shapes=Shapes.from_rows([rising, falling, rising, rising]),
    )


def test_suppression_by_polygons():
    table = crossed()
    assert suppress(table).score.tolist() == [0.9, 0.6]
    assert suppress(table, iou_type="obb").score.tolist() == [0.9, 0.8, 0.6]
    assert suppress(table, iou_type="obb", class_agnostic=True).score.tolist() == [0.9, 0.8]
    assert suppress(table, iou_type="obb", max_detections=1).score.tolist() == [0.9]
    kept = suppress(table, iou_type="obb", score_threshold=0.75)
    assert kept.shapes.polygons(1)[0].ravel().tolist() == [0, 10, 10, 0, 100, 90, 90, 100]


def test_suppression_refuses_what_it_cannot_compare():
    with pytest.raises(InputError, match="no oriented boxes in the predictions"):
        suppress(detections_of([(1, 1, BOX, 0.9)]), iou_type="obb")
    with pytest.raises(UsageError, match="`diou` does not know oriented boxes"):
        suppress(crossed(), iou_type="obb", method="diou")
    with pytest.raises(UsageError, match="unknown iou type `segm`"):
        suppress(crossed(), iou_type="segm")
    assert len(suppress(detections_of([], image_ids=[1], class_ids=[1]), iou_type="obb")) == 0


def test_a_detector_suppresses_oriented_boxes_by_their_polygons():
    bars = np.array([[0, 45, 100, 55]] * 3, np.float32)
    output = Dense(bars, np.array([[0.9], [0.8], [0.7]], np.float32), angle=np.array([0.7, 0.7 + math.pi / 2, 0.72]))
    found = rows.finish(output, Frame((100, 100), (100, 100), (1, 1), (0, 0)), Choice(), needs_nms=True)
    # Bars of 100 by 10 at right angles share 100 of 1900; at 0.02 radians from each other nearly all.
    assert found.source.tolist() == [0, 1]
    flat = replace(output, angle=None)
    assert len(rows.finish(flat, Frame((100, 100), (100, 100), (1, 1), (0, 0)), Choice(), needs_nms=True).score) == 1


def test_a_detector_leaves_out_an_angle_that_is_no_number():
    output = Dense(np.array([[0, 0, 9, 9]] * 2, np.float32), np.full((2, 1), 0.5), angle=np.array([np.nan, 0.1]))
    for needs_nms in (True, False):
        found = rows.finish(output, Frame((9, 9), (9, 9), (1, 1), (0, 0)), Choice(), needs_nms=needs_nms)
        assert found.source.tolist() == [1]
