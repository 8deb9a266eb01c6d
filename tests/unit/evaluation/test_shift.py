from __future__ import annotations

import pytest

from detkit.errors import CannotJudgeError
from detkit.evaluation import evaluate, protocols
from detkit.evaluation.align import align
from detkit.evaluation.shift import class_mismatch
from detkit.tables import Ragged
from strategies import detections_of, truth_of

IDS = [1, 2, 3, 4]


def boxes(count=12):
    return [(n % 3, n % 4, [30 * n, 0, 20, 20]) for n in range(count)]


def run(moved, *, protocol="coco", ids=IDS, names=None, own=True, **changes):
    """The truth's own boxes as predictions, class position k given as class `moved(k)`."""
    truth = truth_of(boxes(), class_ids=ids, class_names=["a", "b", "c", "d"])
    rows = [(i + 1, moved(k), box, 0.9) for i, k, box in boxes()]
    found = detections_of(rows, class_names=names, own_class_ids=own, class_ids=changes.pop("class_ids", None))
    return evaluate(align(truth, found), protocols.get(protocol, **changes))


def shifts(result):
    return [f.message for f in result.findings if f.code == "DK703"]


def test_right_classes_are_no_finding():
    assert shifts(run(lambda k: IDS[k])) == []
    assert class_mismatch(run(lambda k: IDS[k])) is None


@pytest.mark.parametrize("protocol", ["coco", "voc2007", "voc2012"])
@pytest.mark.parametrize("step", [1, -1])
def test_ids_off_by_one_within_the_truths_are_found_by_what_mends_them(step, protocol):
    # One end wraps round, so that every id is known and only the score can tell.
    result = run(lambda k: IDS[(k - step) % 4], protocol=protocol)
    (message,) = shifts(result)
    assert f"every class id {step:+d}" in message
    assert result.metrics[next(iter(result.metrics))] < 0.3


def test_dense_numbers_from_0_against_ids_with_holes():
    result = run(lambda k: k + 1, ids=[2, 3, 4, 18])
    assert len(shifts(result)) == 1


def test_a_shuffle_is_no_shift():
    result = run(lambda k: [3, 1, 4, 2][k])
    assert shifts(result) == []
    mismatch = class_mismatch(result)
    assert mismatch is not None
    assert (mismatch.here, mismatch.shift) == (0.0, None)
    assert mismatch.agnostic > 0.99


def test_names_are_believed():
    assert shifts(run(lambda k: IDS[(k + 1) % 4], names=["a", "b", "c", "d"])) == []


def test_positions_that_do_not_follow_the_truths_order_are_not_judged():
    with pytest.raises(CannotJudgeError, match="class list"):
        run(lambda k: [2, 0, 3, 1][k], own=False, class_ids=[0, 1, 2, 3])
    run(lambda k: k, own=False, class_ids=[0, 1, 2, 3])


def test_without_classes_nothing_is_looked_for():
    assert shifts(run(lambda k: IDS[(k + 1) % 4], class_wise=False)) == []


def test_one_class_cannot_be_shifted():
    truth = truth_of([(0, 0, [0, 0, 9, 9])])
    result = evaluate(align(truth, detections_of([(1, 1, [50, 50, 9, 9], 0.9)])), protocols.get("coco"))
    assert class_mismatch(result) is None


def test_bad_boxes_are_no_shift():
    truth = truth_of(boxes(), class_ids=IDS)
    rows = [(i + 1, IDS[(k + 1) % 4], [x + 500, 300, w, h], 0.9) for i, k, (x, _, w, h) in boxes()]
    assert class_mismatch(evaluate(align(truth, detections_of(rows)), protocols.get("coco"))) is None


def test_keypoints_are_not_looked_at():
    points = Ragged.from_rows([[[n, n, 2] for n in range(17)]], (3,))
    truth = truth_of([(0, 0, [0, 0, 9, 9])], keypoints=points)
    found = detections_of([(1, 1, [0, 0, 9, 9], 0.9)], keypoints=points)
    assert class_mismatch(evaluate(align(truth, found), protocols.get("coco", "keypoints"))) is None
