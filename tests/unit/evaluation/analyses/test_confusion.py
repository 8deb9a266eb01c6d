from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import naive
from detkit.errors import UsageError
from detkit.evaluation import evaluate, protocols
from detkit.evaluation.align import align
from detkit.evaluation.analyses import Settings, analyse, confusion
from detkit.evaluation.analyses.thresholds import operating_point
from detkit.kernels.cross import near_pairs
from detkit.kernels.match import FALSE, TRUE
from detkit.reports.analyses import tables
from detkit.tables import Shapes
from strategies import box_arrays, detections_of, grid_boxes, scores, truth_of

SETTINGS = settings(derandomize=True, deadline=None, max_examples=80)
CLASSES = 3
BOX = [0, 0, 10, 10]

truth_rows = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, CLASSES - 1), grid_boxes, st.booleans(), st.booleans()),
    min_size=1,
    max_size=9,
)
dt_rows = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, CLASSES - 1), grid_boxes, scores), min_size=1, max_size=14
)


def result_of(truth, found, protocol="coco", class_wise=True, **changes):
    """Truths (image, class, box, crowd, ignored), detections (image, class, box, score), both numbered from 0."""
    ids = list(range(CLASSES))
    table = truth_of(
        [(i, k, list(box)) for i, k, box, *_ in truth],
        image_ids=[0, 1],
        class_ids=ids,
        class_names=["cat", "dog", "cow"],
        is_crowd=[row[3] if len(row) > 3 else False for row in truth],
        is_ignored=[row[4] if len(row) > 4 else False for row in truth],
    )
    seen = detections_of([(i, k, list(b), s) for i, k, b, s in found], class_ids=ids, image_ids=[0, 1])
    rule = replace(protocols.get(protocol, **changes), class_wise=class_wise)
    return evaluate(align(table, seen), rule, with_partners=True)


def cells_of(found):
    """(row name, column name) -> count."""
    names = [*(name for _, name in found.classes), "background"]
    return {
        (names[i], names[j]): n
        for i, j, n in zip(found.truth.tolist(), found.predicted.tolist(), found.count.tolist(), strict=True)
    }


def by_hand(truth, found, limit, threshold):
    """The rule in plain loops: cells, ignored truths, ignored detections."""
    cells, ignored_dt = Counter(), 0
    for image in (0, 1):
        gts = [row for row in truth if row[0] == image]
        dts = [row for row in found if row[0] == image and row[3] >= threshold]
        free_gt = [not (crowd or ignored) for _, _, _, crowd, ignored in gts]
        free_dt = [True] * len(dts)
        for k in range(CLASSES):
            g = [n for n, row in enumerate(gts) if row[1] == k]
            d = sorted((n for n, row in enumerate(dts) if row[1] == k), key=lambda n: -dts[n][3])
            crowd, gone = [gts[n][3] for n in g], [not free_gt[n] for n in g]
            overlap = naive.iou_matrix([dts[n][2] for n in d], [gts[n][2] for n in g], crowd)
            for n, partner in zip(d, naive.greedy(overlap, gone, crowd, limit), strict=True):
                if partner < 0:
                    continue
                free_dt[n] = False
                if gone[partner]:
                    ignored_dt += 1
                else:
                    free_gt[g[partner]] = False
                    cells[k, k] += 1
        for n in sorted(range(len(dts)), key=lambda n: -dts[n][3]):
            if not free_dt[n]:
                continue
            best, best_iou = -1, limit
            for m, row in enumerate(gts):
                iou = naive.iou_matrix([dts[n][2]], [row[2]], [False])[0][0]
                if free_gt[m] and row[1] != dts[n][1] and iou >= best_iou:
                    best, best_iou = m, iou
            if best >= 0:
                free_dt[n] = free_gt[best] = False
                cells[gts[best][1], dts[n][1]] += 1
            else:
                cells[CLASSES, dts[n][1]] += 1
        for m, row in enumerate(gts):
            if free_gt[m]:
                cells[row[1], CLASSES] += 1
    return dict(cells), ignored_dt


@SETTINGS
@given(truth_rows, dt_rows, st.sampled_from([-20.0, 0.25, 0.5]), st.sampled_from([0.25, 0.5]))
def test_equals_plain_loops_and_counts_every_box_once(truth, found, threshold, iou):
    result = result_of(truth, found, iou_thresholds=(0.25, 0.5))
    got = analyse("confusion", result, Settings(score_threshold=threshold, iou_threshold=iou))
    expected, ignored = by_hand(truth, found, iou, threshold)
    cells = zip(got.truth.tolist(), got.predicted.tolist(), strict=True)
    assert dict(zip(cells, got.count.tolist(), strict=True)) == expected
    assert got.left_out["detections_ignored"] == ignored
    matrix, t = got.matrix(), result.protocol.iou_thresholds.index(iou)
    for k in range(CLASSES):
        matched = result.scored.matched[k]
        score = result.detections.score[result.scored.layout.dt_row[result.scored.layout.detections_of(k)]]
        kept = score >= threshold
        outcome = matched.outcome[0, t]
        # The diagonal is what the curve counts as true at that threshold.
        assert matrix[k, k] == np.count_nonzero(kept & (outcome == TRUE))
        assert matrix[k].sum() == np.count_nonzero(~matched.gt_ignored[0])
        assert matrix[:, k].sum() == np.count_nonzero(kept & ((outcome == TRUE) | (outcome == FALSE)))
    left = got.left_out
    assert matrix[:CLASSES].sum() + left["truths_ignored"] == len(truth)
    below = sum(row[3] < threshold for row in found)
    assert left["detections_below_threshold"] == below
    assert matrix[:, :CLASSES].sum() + left["detections_ignored"] == len(found) - below
    assert matrix[CLASSES, CLASSES] == 0


TRUTHS = [(0, 0, BOX), (0, 1, [30, 0, 10, 10]), (0, 1, [60, 0, 10, 10]), (1, 2, BOX), (1, 0, [40, 0, 9, 9], True)]
FOUND = [
    (0, 0, BOX, 0.9),
    (0, 2, [30, 0, 10, 9], 0.8),  # a dog taken for a cow
    (0, 0, [30, 0, 10, 10], 0.7),  # the dog is taken already: nothing there
    (1, 0, [40, 0, 9, 9], 0.6),  # in the crowd
    (1, 2, BOX, 0.2),  # below the threshold
]


def test_by_hand():
    found = analyse("confusion", result_of(TRUTHS, FOUND), Settings(score_threshold=0.5))
    assert cells_of(found) == {
        ("cat", "cat"): 1,
        ("dog", "cow"): 1,
        ("dog", "background"): 1,
        ("cow", "background"): 1,
        ("background", "cat"): 1,
    }
    assert found.left_out == {
        "truths_ignored": 1,
        "detections_ignored": 1,
        "detections_below_threshold": 1,
        "detections_unscored": 0,
    }
    assert found.matrix("truth")[1].tolist() == [0, 0, 1 / 2, 1 / 2]
    assert found.matrix("prediction")[:, 0].tolist() == [1 / 2, 0, 0, 1 / 2]
    assert found.matrix("truth")[3].tolist() == [1, 0, 0, 0]
    assert found.matrix("prediction")[:, 1].tolist() == [0, 0, 0, 0]


def test_plain_values_name_the_cases():
    found = analyse("confusion", result_of(TRUTHS, FOUND), Settings(score_threshold=0.5)).to_dict()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    (top,) = found["top"]
    assert type(top["share_of_truth"]) is float
    assert (top["truth"], top["prediction"], top["count"], top["share_of_truth"]) == ("dog", "cow", 1, 1 / 2)
    assert found["cells"][top["cell"]]["examples"] == [
        {
            "image_id": 0,
            "file_name": "img_0.jpg",
            "truth_id": 2,
            "truth_box": [30, 0, 10, 10],
            "box": [30, 0, 10, 9],
            "score": 0.8,
            "row": 1,
        }
    ]
    missed = next(c for c in found["cells"] if (c["truth"], c["prediction"]) == (2, found["background"]))
    assert (missed["examples"][0]["truth_id"], missed["examples"][0]["box"]) == (4, None)
    assert found["classes"][1] == {"category_id": 1, "name": "dog", "truths": 2, "detections": 0}


def test_the_nearest_free_truth_of_another_class_is_taken():
    truth = [(0, 1, [0, 0, 10, 10]), (0, 2, [0, 0, 10, 9])]
    found = [(0, 0, [0, 0, 10, 9], 0.9), (0, 0, [0, 0, 10, 9], 0.8)]
    got = analyse("confusion", result_of(truth, found), Settings(score_threshold=0))
    assert cells_of(got) == {("cow", "cat"): 1, ("dog", "cat"): 1}
    # Of equal overlaps the later truth, as in the matching within a class.
    got = analyse("confusion", result_of([(0, 1, BOX), (0, 2, BOX)], found[:1]), Settings(score_threshold=0))
    assert cells_of(got) == {("cow", "cat"): 1, ("dog", "background"): 1}


def test_a_second_hit_is_no_confusion_with_its_own_class():
    """Pascal VOC looks at the best truth only: what it leaves of the same class stays apart."""
    truth = [(0, 0, [0, 0, 10, 10]), (0, 0, [0, 0, 10, 8])]
    found = [(0, 0, [0, 0, 10, 10], 0.9), (0, 0, [0, 0, 10, 10], 0.8)]
    got = analyse("confusion", result_of(truth, found, "voc2012"), Settings(score_threshold=0))
    assert cells_of(got) == {("cat", "cat"): 1, ("cat", "background"): 1, ("background", "cat"): 1}


def test_without_classes_there_is_one():
    got = analyse("confusion", result_of(TRUTHS, FOUND, class_wise=False), Settings(score_threshold=0.5))
    assert cells_of(got) == {
        ("all classes", "all classes"): 2,
        ("all classes", "background"): 2,
        ("background", "all classes"): 1,
    }


def test_the_operating_point_is_the_best_f_score():
    result = result_of(TRUTHS, FOUND)
    assert analyse("confusion", result).score_threshold == operating_point(result, Settings())


def test_when_nothing_is_kept_everything_is_background():
    got = analyse("confusion", result_of(TRUTHS, FOUND), Settings(score_threshold=1))
    assert cells_of(got) == {("cat", "background"): 1, ("dog", "background"): 2, ("cow", "background"): 1}
    assert got.to_dict()["top"] == []


def test_without_truth_everything_is_spurious():
    got = analyse("confusion", result_of([], FOUND), Settings(score_threshold=0.5))
    assert cells_of(got) == {("background", "cat"): 3, ("background", "cow"): 1}


def test_every_cell_shows_a_case_before_any_shows_a_second(monkeypatch):
    found = [(0, k, [50 + 20 * n, 50, 5, 5], 0.5 + n / 100) for k in (0, 2) for n in range(5)]
    result = result_of(TRUTHS, found)

    def shown(**changes):
        cells = analyse("confusion", result, Settings(score_threshold=0, **changes)).to_dict()["cells"]
        return [len(cell["examples"]) for cell in cells if cell["truth"] == CLASSES], cells

    counts, cells = shown(examples=3)
    assert counts == [3, 3]
    assert [case["score"] for case in cells[-1]["examples"]] == [0.54, 0.53, 0.52]
    monkeypatch.setattr(confusion, "MOST_EXAMPLES", 7)
    counts, cells = shown()
    assert counts == [2, 2]
    assert sum(len(cell["examples"]) for cell in cells) == 7


def test_masks_are_compared_as_masks():
    square = [[0, 0, 10, 0, 10, 10, 0, 10]]
    half = [[0, 0, 10, 0, 0, 10]]
    truth = truth_of(
        [(0, 0, BOX), (0, 1, BOX)], class_names=["cat", "dog"], shapes=Shapes.from_rows([square, half]), size=(20, 20)
    )
    found = detections_of([(1, 2, BOX, 0.9)], class_ids=[1, 2], shapes=Shapes.from_rows([square]))
    result = evaluate(align(truth, found), protocols.get("coco", "segm", iou_thresholds=(0.75,)), with_partners=True)
    # The boxes of dog and detection are the same; its mask covers half of the other and is the cat's.
    assert cells_of(analyse("confusion", result)) == {("cat", "dog"): 1, ("dog", "background"): 1}


def test_refusals():
    result = result_of(TRUTHS, FOUND)
    with pytest.raises(UsageError, match="matched at"):
        analyse("confusion", result, Settings(iou_threshold=0.42))
    bare = evaluate(align(result.truth, result.detections), protocols.get("coco"))
    with pytest.raises(UsageError, match="did not keep who matched whom"):
        analyse("confusion", bare)


def test_is_shown_with_its_operating_point():
    found = analyse("confusion", result_of(TRUTHS, FOUND), Settings(score_threshold=0.5))
    top, classes, matrix = tables("confusion", found.to_dict())
    assert "score >= 0.5, IoU >= 0.5" in top.title
    assert top.rows == [["dog", "cow", "1", "50.0 %"]]
    assert classes.rows[0] == ["dog", "2", "0", "1", "1", "0", "0"]
    assert classes.rows[-1] == ["cat", "1", "1", "0", "0", "2", "1"]
    assert classes.notes == ["outside: 1 ignored truth, 1 detection on them, 1 below the score threshold"]
    assert matrix.rows == [
        ["cat", "1", "0", "0", "0"],
        ["dog", "0", "0", "1", "1"],
        ["cow", "0", "0", "0", "1"],
        ["background", "1", "0", "0", "-"],
    ]
    (none, *_) = tables(
        "confusion", analyse("confusion", result_of(TRUTHS, FOUND), Settings(score_threshold=1)).to_dict()
    )
    assert none.title.startswith("no class was taken for another")


@SETTINGS
@given(box_arrays(boxes=grid_boxes), box_arrays(boxes=grid_boxes), st.integers(0, 8), st.sampled_from([0.1, 0.5, 1e-9]))
def test_near_pairs_equal_plain_loops(a, b, cut, least):
    """Two groups, cut anywhere."""
    starts = [np.array([0, min(cut, len(x)), len(x)]) for x in (a, b)]
    first, second, iou = near_pairs(a, b, *starts, least)
    expected = [
        (i, j, naive.iou(a[i], b[j]))
        for i in range(len(a))
        for j in range(len(b))
        if (i >= cut) == (j >= cut) and naive.iou(a[i], b[j]) >= least
    ]
    assert list(zip(first.tolist(), second.tolist(), iou.tolist(), strict=True)) == expected
