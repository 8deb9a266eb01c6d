from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import naive
from detkit.evaluation import evaluate, protocols
from detkit.evaluation.align import align
from detkit.evaluation.engine import score
from detkit.kernels.match import FALSE, IGNORED, TRUE
from strategies import detections_of, grid_boxes, scores, truth_of

BOX = [0, 0, 10, 10]
SETTINGS = settings(derandomize=True, deadline=None, max_examples=50)

truth_rows = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 1), grid_boxes, st.booleans(), st.booleans()), min_size=1, max_size=8
)
dt_rows = st.lists(st.tuples(st.integers(1, 3), st.integers(1, 2), grid_boxes, scores), min_size=1, max_size=14)


def table_of(rows):
    crowd = [c for *_, c, _ in rows]
    return truth_of(
        [(i, k, list(box)) for i, k, box, _, _ in rows],
        image_ids=[1, 2, 3],
        class_ids=[1, 2],
        is_crowd=crowd,
        is_ignored=[i for *_, i in rows],
    )


@SETTINGS
@given(truth_rows, dt_rows)
def test_the_whole_walk_equals_its_twin(truth, found):
    """Layout, matching and accumulation together, written out in plain Python for caps 1 and 3."""
    result = evaluate(
        align(table_of(truth), detections_of([(i, k, list(b), s) for i, k, b, s in found], class_ids=[1, 2])),
        protocols.get("coco", max_detections=(1, 3), iou_thresholds=(0.25, 0.5)),
    )
    for k in (1, 2):
        for a, area in enumerate(result.protocol.area_ranges):
            for t, threshold in enumerate((0.25, 0.5)):
                for m, cap in enumerate((1, 3)):
                    rows, count = [], 0
                    for image in (1, 2, 3):
                        gts = [row for row in truth if row[0] + 1 == image and row[1] + 1 == k]
                        dts = sorted((r for r in found if r[0] == image and r[1] == k), key=lambda r: -r[3])[:3]
                        crowd = [c for *_, c, _ in gts]
                        ignored = [c or i or not area.low <= box[2] * box[3] <= area.high for _, _, box, c, i in gts]
                        count += ignored.count(False)
                        overlap = naive.iou_matrix([r[2] for r in dts], [r[2] for r in gts], crowd)
                        partners = naive.greedy(overlap, ignored, crowd, threshold)
                        kinds = naive.outcomes(
                            partners, ignored, [r[2][2] * r[2][3] for r in dts], area.low, area.high, [False] * len(gts)
                        )
                        rows += [(r[3], kind) for r, kind in zip(dts, kinds, strict=True)][:cap]
                    rows.sort(key=lambda row: -row[0])
                    at = result.protocol.recall_thresholds
                    expected = naive.accumulate([s for s, _ in rows], [o for _, o in rows], count, at)
                    assert result.precision[t, :, k - 1, a, m].tolist() == expected[0]
                    assert result.recall[t, k - 1, a, m] == expected[1]
                    assert result.scores[t, :, k - 1, a, m].tolist() == expected[2]


def run(truth, detections, **settings_of):
    aligned = align(truth, detections)
    protocol = protocols.get("coco", **settings_of)
    return score(aligned.truth, aligned.detections, protocol, with_partners=True)


def test_a_crowd_and_an_ignored_truth_differ():
    found = detections_of([(1, 1, BOX, 0.9), (1, 1, BOX, 0.8)])
    crowd = run(truth_of([(0, 0, BOX)], is_crowd=[True]), found).matched[0].outcome[0, 0]
    ignored = run(truth_of([(0, 0, BOX)], is_ignored=[True]), found).matched[0].outcome[0, 0]
    assert (crowd.tolist(), ignored.tolist()) == ([IGNORED, IGNORED], [IGNORED, FALSE])


def test_strict_parity_knows_no_ignored_truths_but_crowds():
    found = detections_of([(1, 1, BOX, 0.9)])
    scored = run(truth_of([(0, 0, BOX)], is_ignored=[True]), found, strict_parity=True)
    assert scored.matched[0].outcome[0, 0].tolist() == [TRUE]


def test_area_by_box_instead_of_the_stated_one():
    truth = truth_of([(0, 0, [0, 0, 40, 40])], area=[900.0])  # 1600 as a box: medium
    found = detections_of([(1, 1, [0, 0, 40, 40], 0.9)], area=[900.0])
    assert run(truth, found).truths.tolist() == [[1, 1, 0, 0]]
    assert run(truth, found, area="box").truths.tolist() == [[1, 0, 1, 0]]


def test_areas_at_an_image_size():
    truth = truth_of([(0, 0, [0, 0, 40, 40])], size=(1280, 720))
    found = detections_of([(1, 1, [0, 0, 40, 40], 0.9)])
    # 1600 * (640 / 1280)**2 = 400: small.
    assert run(truth, found).truths.tolist() == [[1, 0, 1, 0]]
    assert run(truth, found, at_image_size=640).truths.tolist() == [[1, 1, 0, 0]]


@pytest.mark.parametrize("rule", ["greedy", "best"])
def test_a_strict_overlap_must_exceed_the_threshold(rule):
    found, truth = detections_of([(1, 1, [0, 0, 5, 10], 0.9)]), truth_of([(0, 0, BOX)])
    for strict, kind in ((False, TRUE), (True, FALSE)):
        scored = run(truth, found, iou_thresholds=(0.5,), strict_iou=strict, match_rule=rule)
        assert scored.matched[0].outcome[0, 0].tolist() == [kind]


def test_equal_scores_of_many_images_keep_image_order():
    # Two scores in turns over forty images: a sort that is not stable mixes them.
    truth = truth_of([(n, 0, BOX) for n in range(40)])
    found = detections_of([(n + 1, 1, BOX, score) for n in range(40) for score in (0.5, 0.4)])
    scored = run(truth, found)
    assert scored.order[0].tolist() == [*range(0, 80, 2), *range(1, 80, 2)]


def test_classes_without_any_row_are_undefined():
    truth = truth_of([(0, 0, BOX)], class_ids=[1, 2, 3])
    scored = run(truth, detections_of([(1, 1, BOX, 0.5)]))
    assert scored.truths[:, 0].tolist() == [1, 0, 0]
    assert set(scored.precision[:, :, 1:].ravel()) == {-1.0}


def test_a_truth_without_rows_scores_nothing():
    truth = truth_of([], image_ids=[1], class_ids=[1])
    scored = run(truth, detections_of([(1, 1, BOX, 0.5)]))
    assert set(scored.precision.ravel()) == {-1.0}
    assert scored.matched[0].outcome[0, 0].tolist() == [FALSE]


@SETTINGS
@given(truth_rows, dt_rows)
def test_the_number_of_threads_changes_nothing(truth, found):
    aligned = align(table_of(truth), detections_of([(i, k, list(b), s) for i, k, b, s in found], class_ids=[1, 2]))
    one, four = (score(aligned.truth, aligned.detections, protocols.get("coco"), jobs=jobs) for jobs in (1, 4))
    assert np.array_equal(one.precision, four.precision)
    assert np.array_equal(one.scores, four.scores)
