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
from detkit.evaluation.analyses import Settings, analyse
from detkit.evaluation.analyses.misses import REASONS
from detkit.reports.analyses import tables
from detkit.tables import Shapes
from strategies import detections_of, grid_boxes, scores, truth_of

SETTINGS = settings(derandomize=True, deadline=None, max_examples=80)
CLASSES = 3
BOX = [0, 0, 10, 10]
FAR = [70, 70, 10, 10]

truth_rows = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, CLASSES - 1), grid_boxes, st.booleans()), min_size=1, max_size=9
)
dt_rows = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, CLASSES - 1), grid_boxes, scores), min_size=1, max_size=14
)


def table_of(found):
    rows = [(i, k, list(b), s) for i, k, b, s in found]
    return detections_of(rows, class_ids=list(range(CLASSES)), image_ids=[0, 1])


def result_of(truth, found, protocol="coco", class_wise=True, **changes):
    """Truths (image, class, box, crowd), detections (image, class, box, score), both numbered from 0."""
    table = truth_of(
        [(i, k, list(box)) for i, k, box, *_ in truth],
        image_ids=[0, 1],
        class_ids=list(range(CLASSES)),
        class_names=["cat", "dog", "cow"],
        is_crowd=[row[3] if len(row) > 3 else False for row in truth],
    )
    rule = replace(protocols.get(protocol, **changes), class_wise=class_wise)
    return evaluate(align(table, table_of(found)), rule, with_partners=True)


def raw_of(result, found):
    return align(result.truth, table_of(found)).detections


def reasons(result, threshold=0.5, raw=None, **changes):
    """Truth id -> (reason, score of the candidate)."""
    found = analyse("misses", result, Settings(score_threshold=threshold, raw=raw, **changes)).columns()
    return dict(zip(found["truth_id"], zip(found["reason"], found["candidate_score"], strict=True), strict=True))


def by_hand(truth, found, raw, limit, threshold):
    """Position in the truth -> reason, each reason asked for in turn."""
    gts = [{"at": n, "image": i, "class": k, "box": b, "crowd": c, "by": None} for n, (i, k, b, c) in enumerate(truth)]
    dts = [{"image": i, "class": k, "box": b, "score": s, "free": True} for i, k, b, s in found]
    for image in (0, 1):
        for k in range(CLASSES):
            g = [t for t in gts if (t["image"], t["class"]) == (image, k)]
            d = sorted((t for t in dts if (t["image"], t["class"]) == (image, k)), key=lambda t: -t["score"])
            crowd = [t["crowd"] for t in g]
            overlap = naive.iou_matrix([t["box"] for t in d], [t["box"] for t in g], crowd)
            for t, partner in zip(d, naive.greedy(overlap, crowd, crowd, limit), strict=True):
                t["free"] = partner < 0
                if partner >= 0 and not crowd[partner]:
                    g[partner]["by"] = t
    out = {}
    for g in gts:
        if g["crowd"] or (g["by"] and g["by"]["score"] >= threshold):
            continue
        near = [(naive.iou(d["box"], g["box"]), d) for d in dts if d["image"] == g["image"]]
        kept = [(v, d, d["class"] == g["class"]) for v, d in near if d["free"] and d["score"] >= threshold]
        removed = [
            r
            for r in raw
            if r[:2] == (g["image"], g["class"]) and r[3] >= threshold and naive.iou(r[2], g["box"]) >= limit
            and not any(r[:2] == (d["image"], d["class"]) and naive.iou(r[2], d["box"]) >= 0.99 for d in dts)
        ]  # fmt: skip
        if g["by"]:
            reason = "below threshold"
        elif removed:
            reason = "removed by NMS"
        elif any(v >= limit and not same for v, _, same in kept):
            reason = "wrong class"
        elif any(0.1 <= v < limit and same for v, _, same in kept):
            reason = "loose box"
        elif any(v >= limit and d["class"] == g["class"] for v, d in near):
            reason = "taken"
        else:
            reason = "no candidate"
        out[g["at"] + 1] = reason
    return out


@SETTINGS
@given(truth_rows, dt_rows, dt_rows, st.sampled_from([-20.0, 0.25, 0.5]), st.sampled_from([0.25, 0.5]))
def test_equals_plain_loops_and_gives_every_miss_one_reason(truth, found, more, threshold, limit):
    result = result_of(truth, found, iou_thresholds=(0.25, 0.5))
    raw = [*found, *more]
    settings_of = Settings(score_threshold=threshold, iou_threshold=limit, raw=raw_of(result, raw))
    got = analyse("misses", result, settings_of)
    columns, plain = got.columns(), got.to_dict()
    assert dict(zip(columns["truth_id"], columns["reason"], strict=True)) == by_hand(
        truth, found, raw, limit, threshold
    )
    assert len(set(columns["truth_id"])) == len(columns["truth_id"]) == plain["missed"]
    matrix = analyse("confusion", result, settings_of).matrix()
    diagonal = int(np.trace(matrix[:CLASSES, :CLASSES]))
    assert plain["missed"] == plain["truths"] - diagonal
    assert sum(row["count"] for row in plain["reasons"]) == plain["missed"]
    assert [row["missed"] for row in plain["per_class"]] == [sum(row["reasons"].values()) for row in plain["per_class"]]
    assert Counter(columns["reason"]) == {r["reason"]: r["count"] for r in plain["reasons"] if r["count"]}


WRONG, LOOSE = (0, 1, BOX, 0.9), (0, 0, [0, 0, 10, 4], 0.8)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([(0, 0, BOX, 0.4), WRONG, LOOSE], ("below threshold", 0.4)),
        ([WRONG, LOOSE], ("wrong class", 0.9)),
        ([LOOSE], ("loose box", 0.8)),
        ([(0, 0, [0, 0, 10, 1], 0.8)], ("loose box", 0.8)),  # exactly 0.1
        ([(0, 0, [0, 0, 10, 0.99], 0.8)], ("no candidate", None)),
        ([(0, 1, [0, 0, 10, 4], 0.8)], ("no candidate", None)),
        ([(*WRONG[:3], 0.4), (*LOOSE[:3], 0.4)], ("no candidate", None)),  # not kept
        ([(1, 0, BOX, 0.9)], ("no candidate", None)),  # another image
    ],
)
def test_the_first_reason_that_applies(found, expected):
    assert reasons(result_of([(0, 0, BOX)], found)) == {1: expected}


def test_the_candidate_that_overlaps_most_is_named():
    found = [(0, 1, [0, 0, 10, 6], 0.9), (0, 2, [0, 0, 10, 9], 0.6), (0, 1, [0, 0, 10, 7], 0.8)]
    assert reasons(result_of([(0, 0, BOX)], found)) == {1: ("wrong class", 0.6)}


def test_one_detection_on_two_neighbours_is_taken():
    near = [2, 0, 10, 10]  # IoU 8 / 12 with the first
    assert reasons(result_of([(0, 0, BOX), (0, 0, near)], [(0, 0, BOX, 0.9)])) == {2: ("taken", 0.9)}
    # A neighbour's own detection explains nothing where it only touches: neither a loose box nor a wrong class.
    beside, above = [8, 0, 10, 10], [0, 0, 10, 9]
    truth = [(0, 0, BOX), (0, 0, beside), (0, 1, above)]
    assert reasons(result_of(truth, [(0, 0, BOX, 0.9)])) == {2: ("no candidate", None), 3: ("no candidate", None)}


def test_removed_by_nms_needs_raw_predictions():
    truth = [(0, 0, BOX), (0, 0, [2, 0, 10, 10])]
    found = [(0, 0, BOX, 0.9)]
    result = result_of(truth, found)
    removed = (0, 0, [2, 0, 10, 9.9], 0.8)
    assert reasons(result)[2] == ("taken", 0.9)
    assert reasons(result, raw=raw_of(result, [*found, removed])) == {2: ("removed by NMS", 0.8)}
    # Below the threshold, of another class, too far away, or kept (coordinates rounded): not removed.
    for other in [
        (*removed[:3], 0.4),
        (0, 1, *removed[2:]),
        (0, 0, [6, 0, 10, 10], 0.8),
        (0, 0, [0.01, 0, 10, 10], 0.9),
    ]:
        assert reasons(result, raw=raw_of(result, [*found, other]))[2] == ("taken", 0.9)


def test_without_classes_any_raw_prediction_counts():
    result = result_of([(0, 0, BOX)], [(0, 0, FAR, 0.9)], class_wise=False)
    assert reasons(result, raw=raw_of(result, [(0, 1, BOX, 0.8)])) == {1: ("removed by NMS", 0.8)}


def test_a_detection_beyond_the_cap_is_named():
    result = result_of([(0, 0, BOX)], [(0, 0, FAR, 0.9), (0, 0, BOX, 0.8)], max_detections=(1,))
    assert reasons(result) == {1: ("beyond cap", 0.8)}
    assert reasons(result, threshold=0.85) == {1: ("no candidate", None)}


def test_pascal_voc_leaves_a_truth_beside_a_second_hit():
    truth = [(0, 0, BOX), (0, 0, [0, 0, 10, 8])]
    found = [(0, 0, BOX, 0.9), (0, 0, BOX, 0.8)]
    assert reasons(result_of(truth, found, "voc2012")) == {2: ("taken", 0.9)}


def test_another_overlap_than_the_reported_one():
    found = [(0, 0, [0, 0, 10, 8], 0.4)]
    assert reasons(result_of([(0, 0, BOX)], found), iou_threshold=0.75) == {1: ("below threshold", 0.4)}
    assert reasons(result_of([(0, 0, BOX)], found), iou_threshold=0.85) == {1: ("no candidate", None)}
    got = analyse("misses", result_of([(0, 0, BOX)], found), Settings(score_threshold=0.5, iou_threshold=0.75))
    assert got.iou.tolist() == [8 / 10]


def test_sizes_are_the_protocol_s_and_include_both_ends():
    truth = [(0, 0, [0, 0, 32, 32]), (0, 0, [100, 0, 10, 10]), (0, 1, [200, 200, 96, 96]), (1, 0, BOX, True)]
    found = analyse("misses", result_of(truth, [(0, 0, FAR, 0.9)]), Settings(score_threshold=0.5)).to_dict()
    # 32 x 32 is small and medium, 96 x 96 medium and large, as in APsmall, APmedium and APlarge.
    assert found["sizes"] == {"small": 2, "medium": 2, "large": 1}
    assert found["reasons"][-1]["by_size"] == {"small": 2, "medium": 2, "large": 1}
    assert (found["missed"], found["truths"]) == (3, 3)
    assert [row["missed"] for row in found["per_class"]] == [2, 1, 0]
    assert found["per_class"][0]["reasons"]["no candidate"] == 2


def test_plain_values_show_the_largest_first():
    truth = [(0, 0, [0, 0, 10 + n, 10]) for n in range(3)]
    got = analyse("misses", result_of(truth, [(0, 1, [0, 0, 12, 10], 0.9)]), Settings(score_threshold=0.5, examples=2))
    plain = got.to_dict()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert [row["reason"] for row in plain["reasons"]] == list(REASONS)
    shown = plain["reasons"][REASONS.index("wrong class")]["examples"]
    assert [case["area"] for case in shown] == [120, 110]
    assert shown[0] == {
        "image_id": 0,
        "file_name": "img_0.jpg",
        "truth_id": 3,
        "truth_box": [0, 0, 12, 10],
        "category": "cat",
        "area": 120,
        "candidate": {"category": "dog", "box": [0, 0, 12, 10], "score": 0.9, "row": 0, "iou": 1},
    }
    assert got.columns()["candidate_category"] == ["dog"] * 3


def test_nothing_missed():
    found = analyse("misses", result_of([(0, 0, BOX)], [(0, 0, BOX, 0.9)])).to_dict()
    assert (found["missed"], {row["share"] for row in found["reasons"]}) == (0, {None})


def test_refusals():
    result = result_of([(0, 0, BOX)], [(0, 0, FAR, 0.9)])
    bare = evaluate(align(result.truth, result.detections), protocols.get("coco"))
    with pytest.raises(UsageError, match="did not keep who matched whom"):
        analyse("misses", bare)
    elsewhere = detections_of([(n, 0, BOX, 0.9) for n in range(5)])
    with pytest.raises(UsageError, match="not in the truth's images"):
        analyse("misses", result, Settings(raw=elsewhere))


def test_is_shown_by_size_and_by_class():
    truth = [(0, 0, BOX), (0, 1, FAR)]
    found = analyse("misses", result_of(truth, [WRONG, (0, 1, FAR, 0.3)]), Settings(score_threshold=0.5)).to_dict()
    reasons_of, classes = tables("misses", found)
    assert reasons_of.title == "why 2 of 2 truths were missed (score >= 0.5, IoU >= 0.5)"
    assert reasons_of.rows[0] == ["below threshold", "1", "50.0 %", "1", "0", "0"]
    assert "before NMS" in reasons_of.notes[0]
    assert list(classes.header) == ["class", "truths", "missed", "below", "wrong class"]
    assert classes.rows == [["cat", "1", "1", "0", "1"], ["dog", "1", "1", "1", "0"]]


def test_masks_are_compared_as_masks():
    square, half = [[0, 0, 10, 0, 10, 10, 0, 10]], [[0, 0, 10, 0, 0, 10]]
    truth = truth_of([(0, 0, BOX)], shapes=Shapes.from_rows([square]), size=(20, 20))
    found = detections_of([(1, 1, BOX, 0.9)], class_ids=[1], shapes=Shapes.from_rows([half]))
    result = evaluate(align(truth, found), protocols.get("coco", "segm", iou_thresholds=(0.75,)), with_partners=True)
    # The boxes are the same; the mask covers about half.
    assert reasons(result) == {1: ("loose box", 0.9)}
    assert analyse("errors", result).to_dict()["types"][1] == {"type": "Loc", "count": 1, "dAP": pytest.approx(1)}
