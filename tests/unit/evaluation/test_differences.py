from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detkit.errors import CannotJudgeError, InputError, UsageError
from detkit.evaluation.differences import compare_predictions, judge_differences
from detkit.tables import Categories, Dataset, Detections, Images, id_array


def table(rows, *, ids=(1, 2), classes=("cat", "dog"), **rest):
    """Predictions from rows (image position, class position, box, score)."""
    columns = list(zip(*rows, strict=True)) if rows else ([], [], [], [])
    return Detections.build(
        Images(id_array(ids), ("",) * len(ids), np.full((len(ids), 2), np.nan)),
        Categories.from_names(classes),
        image_index=columns[0],
        category_index=columns[1],
        xywh=np.reshape(columns[2], (-1, 4)),
        score=columns[3],
        **rest,
    )


A = [
    (0, 0, [0, 0, 10, 10], 0.9),
    (0, 1, [0, 0, 10, 10], 0.8),
    (1, 0, [20, 20, 10, 10], 0.5),
]
B = [
    (0, 0, [0, 1, 10, 10], 0.85),  # one pixel lower: IoU 90 / 110
    (0, 1, [0, 0, 10, 10], 0.8),
    (1, 0, [60, 60, 10, 10], 0.45),  # elsewhere
]


def test_counts_and_shifts():
    found = compare_predictions(table(A), table(B))
    assert found.metrics == {
        "boxes_a": 3,
        "boxes_b": 3,
        "matched": 2,
        "unmatched": 1 + 1,
        "unmatched_a": 1,
        "unmatched_b": 1,
        "unmatched_share": 2 / 6,
        "below_threshold": 0,
        "score_shift": {
            "mean": pytest.approx(0.05 / 2),
            "p95": pytest.approx(0.05 * 0.95),
            "max": pytest.approx(0.05),
        },
        "iou": {"mean": (90 / 110 + 1) / 2, "p5": pytest.approx(90 / 110 + 0.05 * (1 - 90 / 110)), "min": 90 / 110},
        "corner_shift": {"mean": 1 / 2, "p95": pytest.approx(0.95), "max": 1.0},
    }
    assert found.images == {"compared": 2, "differing": 1, "only_a": 0, "only_b": 0}


def test_classes_come_worst_first():
    cat, dog = compare_predictions(table(A), table(B)).per_class
    assert (cat["name"], cat["category_id"], cat["unmatched"], cat["matched"]) == ("cat", 1, 2, 1)
    assert (dog["name"], dog["unmatched"], dog["score_shift"]["max"], dog["iou"]["min"]) == ("dog", 0, 0.0, 1.0)


def test_the_same_twice_differs_in_nothing_even_where_boxes_are_doubled():
    rows = [*A, (0, 0, [0, 0, 10, 10], 0.7), (0, 0, [0, 0, 10, 10], 0.2)]
    found = compare_predictions(table(rows), table(rows))
    assert found.metrics["unmatched"] == 0
    assert found.metrics["score_shift"]["max"] == 0
    assert found.metrics["iou"]["min"] == 1


def test_a_box_has_one_partner_and_the_best_score_chooses_first():
    a = [(0, 0, [0, 0, 10, 10], 0.9), (0, 0, [0, 0, 10, 10], 0.8)]
    b = [(0, 0, [0, 0, 10, 9], 0.9)]
    found = compare_predictions(table(a), table(b))
    assert (found.metrics["unmatched_a"], found.metrics["unmatched_b"]) == (1, 0)
    assert found.metrics["score_shift"]["max"] == 0


def test_overlap_equal_to_the_threshold_is_a_pair():
    halves = [table([(0, 0, [0, 0, 10, h], 0.5)]) for h in (10, 5)]
    assert compare_predictions(*halves, iou_threshold=0.5).metrics["matched"] == 1
    assert compare_predictions(*halves, iou_threshold=0.51).metrics["matched"] == 0


def test_a_partner_below_the_score_threshold_is_told_apart():
    a, b = table([(0, 0, [0, 0, 9, 9], 0.3), A[0]]), table([(0, 0, [0, 0, 9, 9], 0.29), B[0]])
    found = compare_predictions(a, b, score_threshold=0.3).metrics
    assert (found["boxes_a"], found["boxes_b"]) == (2, 1)
    assert (found["unmatched"], found["unmatched_a"], found["below_threshold"]) == (1, 1, 1)
    back = compare_predictions(b, a, score_threshold=0.3).metrics
    assert (back["unmatched_b"], back["below_threshold"]) == (1, 1)
    assert compare_predictions(a, b).metrics["unmatched"] == 0


def test_images_that_only_one_file_speaks_of_are_counted():
    found = compare_predictions(table(A, ids=(1, 2)), table(B[:2], ids=(1,)))
    assert found.images == {"compared": 2, "differing": 1, "only_a": 1, "only_b": 0}


def test_one_side_may_be_empty_but_not_both():
    found = compare_predictions(table(A), table([]))
    assert found.metrics["unmatched"] == found.metrics["unmatched_a"] == 3
    assert found.metrics["iou"]["min"] is None
    with pytest.raises(CannotJudgeError, match="nothing to compare"):
        compare_predictions(table([]), table([]))
    with pytest.raises(CannotJudgeError, match=r"score 0\.95 or more"):
        compare_predictions(table(A), table(B), score_threshold=0.95)


def test_files_that_do_not_meet():
    with pytest.raises(CannotJudgeError, match="no image is one of the others'"):
        compare_predictions(table(A, ids=(1, 2)), table(B, ids=(3, 4)))
    with pytest.raises(InputError, match="normalised"):
        compare_predictions(table(A), table(B, units="normalised"))
    with pytest.raises(UsageError, match="iou threshold is 0"):
        compare_predictions(table(A), table(B), iou_threshold=0)


def test_a_truth_joins_names_with_ids():
    truth = Dataset.build(
        Images(id_array([1, 2]), ("a.jpg", "b.jpg"), np.full((2, 2), 100.0)),
        Categories.from_names(("cat", "dog")),
        image_index=[], category_index=[], xywh=[],
    )  # fmt: skip
    named = Detections.build(
        Images(id_array([1]), ("b.txt",), [[100, 100]], has_own_ids=False),
        Categories.from_names(("cat", "dog")),
        image_index=[0], category_index=[0], xywh=[[20, 20, 10, 10]], score=[0.5],
    )  # fmt: skip
    found = compare_predictions(table(A), named, truth=truth)
    assert (found.metrics["matched"], found.metrics["unmatched_a"]) == (1, 2)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1), st.integers(0, 12), st.integers(1, 9)), max_size=14))
def test_every_box_is_in_a_pair_or_without_partner(drawn):
    rows = [(i, c, [x, 0, 10, 10], s / 10) for i, c, x, s in drawn]
    half = len(rows) // 2
    if not rows:
        return
    found = compare_predictions(table(rows[:half]), table(rows[half:]))
    numbers = found.metrics
    assert numbers["matched"] + numbers["unmatched_a"] == half
    assert numbers["matched"] + numbers["unmatched_b"] == len(rows) - half
    assert sum(row["matched"] for row in found.per_class) == numbers["matched"]
    assert sum(row["unmatched"] for row in found.per_class) == numbers["unmatched"]
    assert compare_predictions(table(rows), table(rows)).metrics["unmatched"] == 0


FOUND = compare_predictions(table(A, classes=("cat", "No. 5")), table(B, classes=("cat", "No. 5")))


@pytest.mark.parametrize(
    ("rule", "verdict", "value"),
    [
        ("unmatched<=2", "pass", 2),
        ("unmatched<2", "fail", 2),
        ("unmatched_share<=0.3", "fail", 1 / 3),
        ("iou.min>=0.8", "pass", 90 / 110),
        ("score_shift.max<=0.01", "fail", 0.9 - 0.85),
        ("class.cat.unmatched<=0", "fail", 2),
        ('class["No. 5"].unmatched<=0', "pass", 0),
        ('class["No. 5"].corner_shift.p95<=0', "pass", 0),
    ],
)
def test_rules(rule, verdict, value):
    (row,) = judge_differences(FOUND, [rule]).rows
    assert (row.verdict, row.value) == (verdict, pytest.approx(value))


def test_verdicts_become_one_outcome():
    assert judge_differences(FOUND, ["unmatched<=2", "iou.min>=0.8"]).exit_code == 0
    assert judge_differences(FOUND, ["unmatched<=2", "iou.min>=0.9"]).exit_code == 1
    alone = compare_predictions(table(A), table([]))
    assert judge_differences(alone, ["iou.min>=0.9"]).exit_code == 3
    assert judge_differences(alone, ["unmatched<=3", "iou.min>=0.9"]).exit_code == 3


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("unmatch<=0", "unknown metric `unmatch`"),
        ("iou.max>=0.9", "unknown metric `iou.max`"),
        ("class.cow.unmatched<=0", "unknown class `cow`"),
        ("class.cat.AP>=0.5", "unknown metric"),
        ("unmatched", "has no operator"),
    ],
)
def test_wrong_rules(rule, message):
    with pytest.raises(UsageError, match=message):
        judge_differences(FOUND, [rule])


def test_a_rule_on_a_name_that_several_classes_have_is_refused():
    found = compare_predictions(table(A, classes=("cat", "cat")), table(B, classes=("cat", "cat")))
    with pytest.raises(UsageError, match=r"several classes are named `cat` \(ids 1, 2\)"):
        judge_differences(found, ["class.cat.unmatched<=0"])


def test_a_class_name_may_hold_a_dot_without_quotes():
    found = compare_predictions(table(A, classes=("a.b", "dog")), table(B, classes=("a.b", "dog")))
    plain, quoted = judge_differences(found, ["class.a.b.unmatched>=0", 'class["a.b"].unmatched>=0']).rows
    assert plain.value == quoted.value
