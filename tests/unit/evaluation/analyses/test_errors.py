from __future__ import annotations

import json
import math
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
from detkit.reports.analyses import tables
from strategies import detections_of, grid_boxes, scores, truth_of

SETTINGS = settings(derandomize=True, deadline=None, max_examples=60)
CLASSES = 3
BOX = [0, 0, 10, 10]
FAR = [70, 70, 10, 10]
MAIN = ("Cls", "Loc", "Both", "Dupe", "Bkg", "Miss")

truth_rows = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, CLASSES - 1), grid_boxes, st.booleans()), min_size=1, max_size=9
)
dt_rows = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, CLASSES - 1), grid_boxes, scores), min_size=1, max_size=14
)


def result_of(truth, found, protocol="coco", class_wise=True, image_ids=(0, 1), **changes):
    """Truths (image, class, box, crowd), detections (image, class, box, score), both numbered from 0."""
    ids = list(range(CLASSES))
    table = truth_of(
        [(i, k, list(box)) for i, k, box, *_ in truth],
        image_ids=list(image_ids),
        class_ids=ids,
        class_names=["cat", "dog", "cow"],
        is_crowd=[row[3] if len(row) > 3 else False for row in truth],
    )
    rows = [(image_ids[i], k, list(b), s) for i, k, b, s in found]
    seen = detections_of(rows, class_ids=ids, image_ids=list(image_ids))
    rule = replace(protocols.get(protocol, **changes), class_wise=class_wise)
    return evaluate(align(table, seen), rule, with_partners=True)


def by_hand(truth, found, limit):
    """Kinds, and APs of every class after each fix, in plain loops: every detection is looked at on its own."""
    gts = [{"image": i, "class": k, "box": b, "crowd": c, "by": None, "pointed": False} for i, k, b, c in truth]
    # In the order of images, then of the file: what equal scores are ranked by.
    dts = [{"image": i, "class": k, "box": b, "score": s} for i, k, b, s in sorted(found, key=lambda r: r[0])]
    for image in (0, 1):
        for k in range(CLASSES):
            g = [t for t in gts if (t["image"], t["class"]) == (image, k)]
            d = sorted((t for t in dts if (t["image"], t["class"]) == (image, k)), key=lambda t: -t["score"])
            crowd = [t["crowd"] for t in g]
            overlap = naive.iou_matrix([t["box"] for t in d], [t["box"] for t in g], crowd)
            for t, partner in zip(d, naive.greedy(overlap, crowd, crowd, limit), strict=True):
                t["state"] = "fp" if partner < 0 else "ignored" if crowd[partner] else "tp"
                if t["state"] == "tp":
                    g[partner]["by"] = t
    real = [g for g in gts if not g["crowd"]]
    claims = {}
    for d in sorted(dts, key=lambda t: -t["score"]):
        d["kind"], d["truth"] = None, None
        if d["state"] != "fp":
            continue
        near = [(naive.iou(d["box"], g["box"]), g) for g in real if g["image"] == d["image"]]
        own, other = ([(v, g) for v, g in near if (g["class"] == d["class"]) == same] for same in (True, False))
        best, target = max(own, key=lambda p: p[0], default=(0, None))
        best_other, target_other = max(other, key=lambda p: p[0], default=(0, None))
        if 0.1 <= best < limit:
            d["kind"], d["truth"] = "Loc", target
        elif best_other >= limit:
            d["kind"], d["truth"] = "Cls", target_other
        elif any(v >= limit and g["by"] for v, g in own):
            d["kind"] = "Dupe"
        else:
            d["kind"] = "Bkg" if max(best, best_other) <= 0.1 else "Both"
        if d["truth"] is not None:
            d["truth"]["pointed"] = True
            if d["truth"]["by"] is None:
                claims.setdefault(id(d["truth"]), d)
    winners = [id(d) for d in claims.values()]
    missed = [g for g in real if g["by"] is None and not g["pointed"]]

    def aps(kind):
        out = []
        for k in range(CLASSES):
            rows = []
            for d in dts:
                fixed = d["state"] == "fp" and (kind == "FalsePos" or d["kind"] == kind)
                wins = fixed and kind in ("Loc", "Cls") and id(d) in winners
                place = d["truth"]["class"] if wins else d["class"]
                if place == k and d["state"] != "ignored" and (wins or not fixed):
                    rows.append((d["score"], 1 if wins or d["state"] == "tp" else 0))
            count = sum(g["class"] == k for g in real)
            count -= sum(g["class"] == k for g in missed) if kind == "Miss" else 0
            count -= sum(g["class"] == k and g["by"] is None for g in real) if kind == "FalseNeg" else 0
            rows.sort(key=lambda r: -r[0])
            if count:
                at = protocols.get("coco").recall_thresholds
                curve = naive.accumulate([s for s, _ in rows], [o for _, o in rows], count, at)[0]
                out.append(sum(curve) / 101)
            else:
                out.append(math.nan)
        return out

    counts = {kind: sum(d["kind"] == kind for d in dts) for kind in MAIN} | {"Miss": len(missed)}
    return counts, {kind: aps(kind) for kind in (None, *MAIN, "FalsePos", "FalseNeg")}


def mean(values):
    known = [v for v in values if not math.isnan(v)]
    return sum(known) / len(known) if known else math.nan


@SETTINGS
@given(truth_rows, dt_rows, st.sampled_from([0.25, 0.5]))
def test_equals_plain_loops(truth, found, limit):
    result = result_of(truth, found, iou_thresholds=(0.25, 0.5))
    got = analyse("errors", result, Settings(iou_threshold=limit))
    plain = got.to_dict()
    counts, aps = by_hand(truth, found, limit)
    kinds = {row["type"]: row for row in plain["types"]}
    assert {kind: kinds[kind]["count"] for kind in MAIN} == counts
    assert kinds["FalsePos"]["count"] == sum(counts[kind] for kind in MAIN[:-1])
    assert got.ap == pytest.approx(aps[None], abs=1e-12, nan_ok=True)
    for n, kind in enumerate(kinds):
        assert got.fixed[n] == pytest.approx(aps[kind], abs=1e-12, nan_ok=True)
        change = mean(aps[kind]) - mean(aps[None])
        assert kinds[kind]["dAP"] == (None if math.isnan(change) else pytest.approx(change, abs=1e-12))
        assert math.isnan(change) or kinds[kind]["dAP"] >= -1e-12


def costs(truth, found, **changes):
    rows = analyse("errors", result_of(truth, found, **changes)).to_dict()["types"]
    return {row["type"]: (row["count"], row["dAP"]) for row in rows if row["count"]}


def half():
    """A hit of one of two truths of a class."""
    return [(0, 0, FAR), (0, 0, BOX)], [(0, 0, FAR, 0.9)]


#: AP when one of two truths is found and nothing is wrong: recalls 0, 0.01, ... 0.50.
HALF = 51 / 101


def test_a_loose_box_becomes_a_hit():
    truth, found = half()
    made = costs(truth, [*found, (0, 0, [0, 0, 10, 4], 0.8)])
    # The fix finds the second truth: AP 1. Taken away, the false positive stood below the only hit and costs nothing.
    assert made == {
        "Loc": (1, pytest.approx(1 - HALF)),
        "FalsePos": (1, pytest.approx(0)),
        "FalseNeg": (1, pytest.approx(1 - HALF)),
    }


def test_a_wrong_class_becomes_a_hit_of_the_right_one():
    truth, found = half()
    made = costs([*truth, (1, 1, BOX)], [*found, (1, 1, BOX, 0.9), (0, 1, BOX, 0.95)])
    # Class cat: one of two. Class dog: a hit behind a false alarm, precision 1 / 2 everywhere.
    before = (HALF + 1 / 2) / 2
    assert made["Cls"] == (1, pytest.approx(1 - before))
    assert made["FalsePos"] == (1, pytest.approx((HALF + 1) / 2 - before))
    assert made["FalseNeg"] == (1, pytest.approx((1 + 1 / 2) / 2 - before))


def test_only_the_best_claimant_becomes_a_hit_whatever_its_kind():
    truth, found = half()
    loose, other = (0, 0, [0, 0, 10, 4], 0.8), (0, 1, BOX, 0.7)
    made = costs(truth, [*found, loose, other])
    # The loose box scores more and is the claimant: the wrong class is only taken away.
    assert made["Loc"][1] == pytest.approx(1 - HALF)
    assert made["Cls"][1] == 0
    made = costs(truth, [*found, loose, (*other[:3], 0.85)])
    assert made["Cls"][1] == pytest.approx(1 - HALF)
    assert made["Loc"][1] == 0


@pytest.mark.parametrize(
    ("image", "first", "image_ids", "ap"),
    [
        (0, True, (0, 1), 1),  # in one image the file decides
        (0, False, (0, 1), 1 / 2),
        (1, False, (0, 1), 1),  # across images their ids do, wherever they stand in the file
        (1, True, (9, 2), 1 / 2),
    ],
)
def test_a_fixed_detection_keeps_its_place_among_equal_scores(image, first, image_ids, ap):
    fixed, false_alarm = (0, 1, BOX, 0.9), (image, 0, FAR, 0.9)
    found = [fixed, false_alarm] if first else [false_alarm, fixed]
    assert costs([(0, 0, BOX)], found, image_ids=image_ids)["Cls"] == (1, pytest.approx(ap))


@pytest.mark.parametrize(
    ("box", "label", "kind"),
    [
        ([70, 70, 10, 9], 0, "Dupe"),
        ([30, 30, 5, 5], 0, "Bkg"),
        ([70, 70, 10, 4], 1, "Both"),
        ([70, 70, 10, 1], 0, "Loc"),  # exactly 0.1
        ([70, 70, 10, 1], 1, "Bkg"),  # exactly 0.1 with another class
        ([70, 70, 10, 5], 0, "Dupe"),  # exactly 0.5
        ([70, 70, 10, 5], 1, "Cls"),
    ],
)
def test_kinds_that_are_taken_away(box, label, kind):
    truth = [(0, 0, FAR), (1, 1, BOX)]
    made = costs(truth, [(0, 0, FAR, 1.0), (1, 1, BOX, 0.5), (0, label, box, 0.9)])
    assert made[kind][0] == 1
    # Above the only hit of its class it halves the precision there; below it costs nothing.
    assert made[kind][1] == pytest.approx((1 - 1 / 2) / 2 if label else 0)


def test_a_class_that_was_missed_wholly_leaves_the_mean():
    found = analyse("errors", result_of([(0, 0, BOX), (0, 1, FAR)], [(0, 0, BOX, 0.9)])).to_dict()
    (miss,) = [row for row in found["types"] if row["type"] == "Miss"]
    assert miss == {"type": "Miss", "count": 1, "dAP": pytest.approx(1 - 1 / 2)}
    assert found["per_class"][1]["dAP"]["Miss"] is None
    assert found["per_class"][1]["count"]["Miss"] == 1
    assert found["per_class"][2]["AP"] is None


def test_pascal_voc_and_its_own_average():
    truth, found = half()
    made = costs(truth, [*found, (0, 0, [0, 0, 10, 4], 0.8)], protocol="voc2012")
    # The area under the curve: a rectangle of recall 1 / 2.
    assert made["Loc"] == (1, pytest.approx(1 - 1 / 2))


def test_without_classes_none_is_wrong():
    made = costs([(0, 0, BOX)], [(0, 1, BOX, 0.9), (0, 2, BOX, 0.8)], class_wise=False)
    assert set(made) == {"Dupe", "FalsePos"}


def test_starts_from_the_reported_ap():
    truth, found = half()
    result = result_of([*truth, (1, 1, BOX)], [*found, (1, 1, [1, 1, 9, 9], 0.3), (1, 0, BOX, 0.95)])
    found = analyse("errors", result)
    assert found.to_dict()["AP"] == result.metrics["AP50"]
    assert found.ap.tolist()[:2] == [row.metrics["AP50"] for row in result.per_class[:2]]


def test_plain_values():
    truth, found = half()
    got = analyse("errors", result_of(truth, found), Settings(iou_threshold=0.75)).to_dict()
    assert json.loads(json.dumps(got, allow_nan=False)) == got
    assert (got["foreground"], got["background"]) == (0.75, 0.1)
    assert [row["type"] for row in got["types"]] == [*MAIN, "FalsePos", "FalseNeg"]


def test_nothing_to_judge_is_none():
    got = analyse("errors", result_of([], [(0, 0, BOX, 0.9)])).to_dict()
    assert got["AP"] is None
    assert {row["type"]: (row["count"], row["dAP"]) for row in got["types"]}["Bkg"] == (1, None)


def test_refuses_an_evaluation_without_partners():
    result = result_of(*half())
    bare = evaluate(align(result.truth, result.detections), protocols.get("coco"))
    with pytest.raises(UsageError, match="did not keep who matched whom"):
        analyse("errors", bare)
    assert np.isnan(analyse("errors", result).ap[2])


def test_is_shown_with_the_costliest_class_first():
    truth, found = half()
    result = result_of([*truth, (1, 1, BOX)], [*found, (0, 0, [0, 0, 10, 4], 0.8)])
    kinds, classes = tables("errors", analyse("errors", result).to_dict())
    assert kinds.rows[1][:3] == ["Loc", "right class, box too loose", "1"]
    assert [row[0] for row in classes.rows] == ["dog", "cat"]
    assert classes.rows[0] == ["dog", "0.0000", *["0.0000"] * 5, "-"]
    assert classes.notes == ["-: no truth is left after the fix"]
