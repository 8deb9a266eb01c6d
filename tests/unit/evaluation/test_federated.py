"""Partly labelled truth, group-of boxes and class hierarchies: by hand, and against a plain reading of the rules."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detkit.errors import InputError, UsageError
from detkit.evaluation import evaluate, protocols
from detkit.evaluation.align import align
from detkit.evaluation.cells import lay_out
from detkit.evaluation.federated import as_read, contains, unused_labels, verified_cells
from detkit.evaluation.hierarchy import expand, read_hierarchy
from detkit.evaluation.result import Evaluation
from detkit.tables import Categories, Dataset, Detections, Images, id_array

HALF: dict[str, list[int]] = {"neg_category_ids": [], "not_exhaustive_category_ids": []}


def _truth(boxes: list[tuple[int, int, list[float]]], labels: dict[int, dict[str, Any]], **more: Any) -> Dataset:
    """Images 10, 20, ... and classes 1, 2, 3 (rare, common, frequent); boxes are (image, class, xywh), from 0."""
    count = max(labels) + 1
    images = Images(id_array(10 * (i + 1) for i in range(count)), tuple(f"{i}.jpg" for i in range(count)),
                    np.full((count, 2), 500.0), extra=labels)  # fmt: skip
    groups = {k: {"frequency": name} for k, name in enumerate("rcf")}
    categories = Categories(id_array([1, 2, 3]), ("a", "b", "c"), extra=groups)
    return Dataset.build(
        images,
        categories,
        image_index=[b[0] for b in boxes],
        category_index=[b[1] for b in boxes],
        xywh=np.array([b[2] for b in boxes], dtype=float).reshape(-1, 4),
        **more,
    )


def _found(truth: Dataset, rows: list[tuple[int, int, list[float], float]]) -> Detections:
    return Detections.build(
        truth.images,
        truth.categories,
        image_index=[r[0] for r in rows],
        category_index=[r[1] for r in rows],
        xywh=np.array([r[2] for r in rows], dtype=float).reshape(-1, 4),
        score=[r[3] for r in rows],
    )


def _score(truth: Dataset, found: Detections, name: str, **changes: Any) -> Evaluation:
    return evaluate(align(truth, found), protocols.get(name, "bbox", **changes))


BOX, AWAY = [10.0, 10.0, 40.0, 40.0], [200.0, 200.0, 40.0, 40.0]


def test_detections_of_classes_nobody_looked_for_are_left_out() -> None:
    labels = {0: {**HALF, "neg_category_ids": [2]}}
    truth = _truth([(0, 0, BOX)], labels)
    # A hit; a class known to be absent (false); a class nobody looked for (left out).
    found = _found(truth, [(0, 0, BOX, 0.5), (0, 1, AWAY, 0.9), (0, 2, AWAY, 0.9)])
    result = _score(truth, found, "lvis")
    assert [row.detections for row in result.per_class] == [1, 1, 0]
    assert result.counts["class_not_verified"] == 1
    assert (result.operating_points.tp[0], result.operating_points.fp[0]) == (1, 1)
    assert result.metrics["AP"] == pytest.approx(1.0)


def test_unmatched_detections_of_partly_boxed_classes_count_neither_way() -> None:
    rows = [(0, 0, AWAY, 0.9), (0, 0, BOX, 0.5)]
    for partial, ap in (([], 0.5), ([1], 1.0)):
        truth = _truth([(0, 0, BOX)], {0: {**HALF, "not_exhaustive_category_ids": partial}})
        result = _score(truth, _found(truth, rows), "lvis")
        # One false positive above the only hit halves precision at every recall.
        assert result.metrics["AP50"] == pytest.approx(ap)


def test_the_cap_counts_all_classes_of_an_image() -> None:
    labels = {i: {**HALF, "neg_category_ids": [1, 2, 3]} for i in range(2)}
    truth = _truth([(0, 0, BOX), (1, 1, BOX)], labels)
    found = _found(
        truth, [(0, 0, BOX, 0.2), (0, 1, AWAY, 0.3), (0, 2, AWAY, 0.3), (1, 1, BOX, 0.1), (1, 2, AWAY, 0.05)]
    )
    layout = lay_out(truth, found, replace(protocols.get("lvis"), max_detections=(2,)))
    # Image 0 keeps the two of score 0.3, image 1 both.
    assert sorted(layout.dt_row.tolist()) == [1, 2, 3, 4]
    assert (layout.cut, sorted(layout.dt_rank.tolist())) == (1, [0, 0, 1, 1])
    result = _score(truth, found, "lvis", max_detections=(2,))
    # The hit of class a is cut; that of class b stands below a false positive.
    assert [row.metrics["AP50"] for row in result.per_class] == [0.0, pytest.approx(0.5), None]


def test_ties_at_the_cap_keep_the_order_of_the_file() -> None:
    truth = _truth([], {0: {**HALF, "neg_category_ids": [1, 2, 3]}})
    found = _found(truth, [(0, k, AWAY, 0.5) for k in (2, 0, 1)])
    layout = lay_out(truth, found, replace(protocols.get("lvis"), max_detections=(2,)))
    assert sorted(layout.dt_row.tolist()) == [0, 1]


def test_a_smaller_cap_is_a_filter_on_the_rank_in_the_image() -> None:
    labels = {0: {**HALF, "neg_category_ids": [1, 2, 3]}}
    truth = _truth([(0, 0, BOX)], labels)
    found = _found(truth, [(0, 1, AWAY, 0.9), (0, 0, BOX, 0.5)])
    recall = _score(truth, found, "lvis", max_detections=(1, 2)).recall
    assert recall[0, 0, 0].tolist() == [0.0, 1.0]


def test_groups_of_classes_have_their_own_rows() -> None:
    labels = {0: {**HALF, "neg_category_ids": [1, 2, 3]}}
    truth = _truth([(0, 0, BOX), (0, 1, BOX), (0, 1, AWAY)], labels)
    found = _found(truth, [(0, 0, BOX, 0.9), (0, 1, BOX, 0.9)])
    metrics = _score(truth, found, "lvis").metrics
    # Class b finds one of two: precision 1 at the 51 recalls up to 0.5.
    assert metrics["APr"] == pytest.approx(1.0)
    assert metrics["APc"] == pytest.approx(51 / 101)
    assert metrics["APf"] is None
    assert metrics["AP"] == pytest.approx((1 + 51 / 101) / 2)


def test_classes_without_a_stated_group_leave_the_groups_undefined() -> None:
    labels = {0: {**HALF, "neg_category_ids": [1]}}
    truth = _truth([(0, 0, BOX)], labels)
    truth = replace(truth, categories=replace(truth.categories, extra={}))
    metrics = _score(truth, _found(truth, [(0, 0, BOX, 0.9)]), "lvis").metrics
    assert (metrics["APr"], metrics["AP"]) == (None, pytest.approx(1.0))


def test_crowds_are_objects_and_ignored_boxes_are_ignored_under_lvis() -> None:
    truth = _truth([(0, 0, BOX), (0, 0, AWAY)], {0: HALF}, is_crowd=[True, False], extra={1: {"ignore": 1}})
    # The crowd is hit once (a second hit is false); the ignored box takes its detection out of the count.
    found = _found(truth, [(0, 0, BOX, 0.9), (0, 0, BOX, 0.8), (0, 0, AWAY, 0.7)])
    result = _score(truth, found, "lvis")
    assert result.per_class[0].ground_truths == 1
    assert (result.operating_points.tp[0], result.operating_points.fp[0]) == (1, 1)


def test_rows_without_area_are_left_out_under_lvis() -> None:
    flat = [10.0, 10.0, 0.0, 40.0]
    truth = _truth([(0, 0, BOX), (0, 1, flat)], {0: HALF})
    result = _score(truth, _found(truth, [(0, 0, BOX, 0.5), (0, 0, flat, 0.9), (0, 1, BOX, 0.9)]), "lvis")
    # The flat truth makes class b no class that was looked for.
    assert [(row.ground_truths, row.detections) for row in result.per_class] == [(1, 1), (0, 0), (0, 0)]
    assert (result.counts["without_area"], result.counts["class_not_verified"]) == (1, 1)


def test_classes_not_told_apart_keep_the_filter() -> None:
    truth = _truth([(0, 0, BOX)], {0: HALF})
    found = _found(truth, [(0, 2, BOX, 0.9), (0, 0, AWAY, 0.5)])
    result = evaluate(align(truth, found), replace(protocols.get("lvis"), class_wise=False))
    assert len(result.scored.layout.dt_row) == 1
    assert (result.metrics["AP"], result.metrics["APr"]) == (0.0, None)


def test_ids_of_classes_the_truth_lacks_are_passed_over() -> None:
    truth = _truth([], {0: {**HALF, "neg_category_ids": [3, 99]}})
    cells = verified_cells(truth, protocols.get("lvis"))
    assert cells is not None
    assert cells.tolist() == [2]
    assert verified_cells(truth, protocols.get("coco")) is None


@given(st.lists(st.integers(0, 30)), st.lists(st.integers(0, 30)))
@settings(derandomize=True, deadline=None, max_examples=50)
def test_contains_is_membership(cells: list[int], wanted: list[int]) -> None:
    found = contains(np.unique(np.array(cells, np.int64)), np.array(wanted, np.int64))
    assert found.tolist() == [w in cells for w in wanted]


def test_the_finding_names_the_lists() -> None:
    truth = _truth([], {0: {"not_exhaustive_category_ids": []}, 1: {"license": 1}})
    findings = unused_labels(truth, protocols.get("voc2012"))
    assert [(f.code, f.severity, f.count) for f in findings] == [("DK709", "warning", 1)]
    assert unused_labels(truth, protocols.get("lvis")) == []


def test_other_protocols_read_the_truth_as_it_is() -> None:
    truth = _truth([(0, 0, BOX)], {0: HALF}, is_crowd=[True])
    assert as_read(truth, protocols.get("coco")) is truth


# --- groups ---


def _naive_groups(
    truths: list[tuple[list[float], bool]], found: list[tuple[list[float], float]], threshold: float
) -> list[str]:
    """Outcome of each detection of one image and class, best score first, by the rules as they are told."""

    def shared(a: list[float], b: list[float]) -> float:
        w = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
        h = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
        return max(w, 0.0) * max(h, 0.0)

    single = [t for t, group in truths if not group]
    groups = [t for t, group in truths if group]
    used: set[int] = set()
    taken: set[int] = set()
    out = []
    for box, _ in found:
        area = box[2] * box[3]
        iou = [shared(box, t) / (area + t[2] * t[3] - shared(box, t)) for t in single]
        inside = [shared(box, t) / area for t in groups]
        best = max(range(len(iou)), key=lambda g: (iou[g], -g), default=-1)
        into = max(range(len(inside)), key=lambda g: (inside[g], -g), default=-1)
        if best >= 0 and iou[best] >= threshold and best not in used:
            used.add(best)
            out.append("hit")
        elif into >= 0 and inside[into] >= threshold:
            out.append("ignored" if into in taken else "hit")
            taken.add(into)
        else:
            out.append("false")
    return out


_boxes = st.tuples(*(st.integers(0, 12) for _ in range(2)), *(st.integers(1, 12) for _ in range(2)))


@given(
    truths=st.lists(st.tuples(_boxes, st.booleans()), max_size=5),
    found=st.lists(_boxes, min_size=1, max_size=8),
    threshold=st.sampled_from([0.3, 0.5, 1.0]),
)
@settings(derandomize=True, deadline=None, max_examples=200)
def test_groups_match_as_told(
    truths: list[tuple[tuple[int, ...], bool]], found: list[tuple[int, ...]], threshold: float
) -> None:
    plain = [([float(v) for v in box], group) for box, group in truths]
    rows = [([float(v) for v in box], 1 - n / 10) for n, box in enumerate(found)]
    table = _truth(
        [(0, 0, box) for box, _ in plain],
        {0: {"neg_category_ids": [1]}},
        attributes={"is_group_of": np.array([group for _, group in plain], dtype=np.bool_)},
    )
    result = _score(table, _found(table, [(0, 0, *row) for row in rows]), "openimages", iou_thresholds=(threshold,))
    outcome = result.scored.matched[0].outcome[0, 0]
    names = ("false", "hit", "ignored")
    assert [names[o] for o in outcome] == _naive_groups(plain, rows, threshold)
    assert result.per_class[0].ground_truths == len(plain)


def test_a_group_counts_once_or_not_at_all() -> None:
    group, small = [0.0, 0.0, 100.0, 100.0], [10.0, 10.0, 20.0, 20.0]
    truth = _truth([(0, 0, group)], {0: {"pos_category_ids": [1]}}, is_crowd=[True])
    found = _found(truth, [(0, 0, small, 0.9), (0, 0, small, 0.8), (0, 0, [300.0, 0.0, 9.0, 9.0], 0.7)])
    counted = _score(truth, found, "openimages")
    assert (counted.metrics["mAP"], counted.per_class[0].ground_truths) == (1.0, 1)
    ignored = _score(truth, found, "openimages", group_of="ignore")
    assert (ignored.metrics["mAP"], ignored.per_class[0].ground_truths) == (None, 0)


def test_an_ignored_group_is_no_truth() -> None:
    group = [0.0, 0.0, 100.0, 100.0]
    truth = _truth([(0, 0, group), (0, 0, AWAY)], {0: {"pos_category_ids": [1]}}, is_crowd=[True, False],
                   is_ignored=[True, False])  # fmt: skip
    result = _score(truth, _found(truth, [(0, 0, BOX, 0.9), (0, 0, AWAY, 0.8)]), "openimages")
    assert (result.metrics["mAP"], result.per_class[0].ground_truths) == (1.0, 1)


def test_groups_need_boxes_and_the_rule_best() -> None:
    with pytest.raises(UsageError, match="group-of boxes"):
        replace(protocols.get("coco"), group_of="count")


# --- hierarchy ---

TREE = {
    "LabelName": "root",
    "Subcategory": [{"LabelName": "c", "Subcategory": [
        {"LabelName": "b", "Subcategory": [{"LabelName": "a"}]}, {"LabelName": "a"}, {"LabelName": "no class"},
    ]}],
}  # fmt: skip


def test_every_class_above_is_listed_once_nearest_first() -> None:
    assert read_hierarchy(TREE).ancestors == {"c": (), "b": ("c",), "a": ("b", "c"), "no class": ("c",)}


def test_boxes_and_lists_are_widened() -> None:
    extra = {0: {"pos_category_ids": [1], "neg_category_ids": [2]}, 1: {"neg_category_ids": [3], "license": 7}}
    truth = _truth([(0, 0, BOX), (0, 2, AWAY), (1, 1, BOX)], extra, ids=id_array([5, 6, 9]))
    wide = expand(truth, read_hierarchy(TREE))
    rows = wide.annotations
    assert rows.category_index.tolist() == [0, 1, 2, 2, 1, 2]
    assert rows.image_index.tolist() == [0, 0, 0, 0, 1, 1]
    assert rows.ids.tolist() == [5, 10, 11, 6, 9, 12]
    assert rows.xywh.tolist() == [BOX, BOX, BOX, AWAY, BOX, BOX]
    # Present goes up, absent goes down.
    assert wide.images.extra[0] == {"pos_category_ids": [1, 2, 3], "neg_category_ids": [2, 1]}
    assert wide.images.extra[1] == {"neg_category_ids": [3, 1, 2], "license": 7}
    assert (wide.findings, truth.annotations.category_index.tolist()) == ((), [0, 2, 1])


def test_copies_get_ids_beyond_the_largest_whole_number() -> None:
    truth = _truth([(0, 0, BOX)], {0: {}}, ids=id_array([2**63 - 1]))
    assert expand(truth, read_hierarchy(TREE)).annotations.ids.tolist() == [2**63 - 1, 2**63, 2**63 + 1]


def test_labels_are_names_ids_or_freebase_ids() -> None:
    tree = {"Subcategory": [{"LabelName": "/m/03", "Subcategory": [{"LabelName": "1"}, {"LabelName": "b"}]}]}
    truth = _truth([(0, 0, BOX), (0, 1, BOX)], {0: {}})
    extra = {**truth.categories.extra, 2: {"freebase_id": "/m/03"}}
    wide = expand(replace(truth, categories=replace(truth.categories, extra=extra)), read_hierarchy(tree))
    assert wide.annotations.category_index.tolist() == [0, 2, 1, 2]


def test_classes_the_hierarchy_lacks_are_named() -> None:
    truth = _truth([(0, 0, BOX)], {0: {}})
    wide = expand(truth, read_hierarchy({"Subcategory": [{"LabelName": "a"}]}))
    assert [(f.code, f.count) for f in wide.findings] == [("DK110", 2)]
    assert len(wide.annotations) == 1
    with pytest.raises(InputError, match="no class of the truth is in the class hierarchy"):
        expand(truth, read_hierarchy({"Subcategory": [{"LabelName": "zebra"}]}))


def test_text_ids_get_numbers_for_their_copies() -> None:
    truth = _truth([(0, 0, BOX)], {0: {}}, ids=id_array(["x1"]))
    assert expand(truth, read_hierarchy(TREE)).annotations.ids.tolist() == ["x1", 1, 2]


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ([], "no `Subcategory` at the top"),
        ({"LabelName": "x"}, "no `Subcategory` at the top"),
        ({"Subcategory": 3}, "Subcategory is int, expected a list"),
        ({"Subcategory": [{"LabelName": "a"}, {"Label": "b"}]}, r"Subcategory\[1\] has no `LabelName`"),
        ({"Subcategory": [{"LabelName": "a", "Subcategory": [{"LabelName": "a"}]}]}, "`a` stands below itself"),
    ],
)
def test_a_tree_that_is_none_is_refused(tree: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_hierarchy(tree)
