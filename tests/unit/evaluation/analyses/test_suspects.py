from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detkit.errors import UsageError
from detkit.evaluation import evaluate, protocols
from detkit.evaluation.align import align
from detkit.evaluation.analyses import Settings, _objectlab, analyse
from detkit.reports._tables import as_text
from detkit.reports.analyses import tables
from strategies import box_arrays, detections_of, scores, truth_of

ROOT = Path(__file__).resolve().parents[4]
CASES = json.loads((ROOT / "fixtures/objectlab/cases.json").read_text(encoding="utf-8"))["cases"]
SETTINGS = settings(derandomize=True, deadline=None, max_examples=60)
BOX = [100, 100, 50, 50]


def boxes_of(rows):
    """(image, class, box, ...) rows."""
    return _objectlab.Boxes(
        np.array([row[2] for row in rows], np.float64).reshape(-1, 4),
        np.array([row[0] for row in rows], np.int64),
        np.array([row[1] for row in rows], np.int64),
    )


def flat(parts):
    return np.array([math.nan if v is None else v for part in parts for v in part], np.float64)


def scored_case(labels, found, images, **changes):
    probability = np.array([row[3] for row in found], np.float64)
    return _objectlab.score_labels(boxes_of(labels), boxes_of(found), probability, images, **changes)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["seed"])
def test_scores_are_those_of_cleanlab(case):
    labels = [(i, k, box) for i, image in enumerate(case["images"]) for k, box in image["labels"]]
    found = [(i, k, box, s) for i, image in enumerate(case["images"]) for k, box, s in image["found"]]
    count = len(case["images"])
    got = scored_case(labels, found, count)
    by_kind = {
        "overlooked": (got.overlooked, boxes_of(found).image),
        "swapped": (got.swapped, boxes_of(labels).image),
        "located": (got.located, boxes_of(labels).image),
    }
    pools = {}
    for kind, (score, image) in by_kind.items():
        np.testing.assert_allclose(score, flat(case[kind]), rtol=0, atol=1e-9, equal_nan=True)
        pools[kind] = _objectlab.image_scores(score, image, count)
        np.testing.assert_allclose(pools[kind], case["pooled"][kind], rtol=0, atol=1e-9)
    np.testing.assert_allclose(_objectlab.joined(**pools), case["image"], rtol=0, atol=1e-9)


def iou(a, b):
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / (a[2] * a[3] + b[2] * b[3] - width * height)


def alike(a, b):
    apart = math.hypot(a[0] + a[2] / 2 - b[0] - b[2] / 2, a[1] + a[3] / 2 - b[1] - b[3] / 2)
    return 0.9 * iou(a, b) + 0.1 * math.exp(-0.1 * apart)


rows = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1), st.sampled_from([0, 8, 30, 200])), max_size=6)


@SETTINGS
@given(rows, st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1), st.sampled_from([2, 9, 33, 190]),
                                st.sampled_from([0.3, 0.5, 0.6, 0.95, 0.97])), max_size=7))  # fmt: skip
def test_scores_are_those_of_loops(label_rows, found_rows):
    labels = sorted([(i, k, [x, 0, 40, 40]) for i, k, x in label_rows], key=lambda row: row[0])
    found = sorted([(i, k, [x, 2, 40, 36], s) for i, k, x, s in found_rows], key=lambda row: row[0])
    got = scored_case(labels, found, 3)
    every = [alike(a[2], b[2]) for a in labels for b in found if a[0] == b[0]]
    least = min(every, default=1.0)
    assert got.least == pytest.approx(least, abs=1e-12)
    for n, (i, k, box, s) in enumerate(found):
        here = [row for row in labels if row[0] == i]
        if s < 0.95 or any(iou(row[2], box) > 0 for row in here):
            assert math.isnan(got.overlooked[n])
        else:
            own = [alike(row[2], box) for row in here if row[1] == k]
            assert got.overlooked[n] == pytest.approx(max(own, default=least * (1 - s)), abs=1e-12)
    for n, (i, k, box) in enumerate(labels):
        here = [row for row in found if row[0] == i]
        own = [alike(box, row[2]) for row in here if row[1] == k and row[3] > 0.5 and iou(box, row[2]) > 0]
        assert got.located[n] == pytest.approx(max(own, default=1.0), abs=1e-12)
        other = [alike(box, row[2]) for row in here if row[1] != k and row[3] > 0.95]
        twin = any(m != n and row[0] == i and row[1] != k and iou(row[2], box) >= 0.95 for m, row in enumerate(labels))
        expected = least if twin else max(least, 1 - max(other)) if other else 1.0
        assert got.swapped[n] == pytest.approx(expected, abs=1e-12)


def test_pairs_in_chunks_give_the_same(monkeypatch):
    case = max(CASES, key=lambda case: sum(len(image["found"]) for image in case["images"]))
    labels = [(i, k, box) for i, image in enumerate(case["images"]) for k, box in image["labels"]]
    found = [(i, k, box, s) for i, image in enumerate(case["images"]) for k, box, s in image["found"]]
    whole = scored_case(labels, found, len(case["images"])).least
    for size in (1, 2, 5):
        monkeypatch.setattr(_objectlab, "_CHUNK", size)
        assert scored_case(labels, found, len(case["images"])).least == whole


def result_of(truths, found, **rest):
    """Truths (image, class, box), detections (image, class, box, score), all from 0."""
    changes = {name: rest.pop(name) for name in ("protocol", "class_wise") if name in rest}
    images = 1 + max([r[0] for r in truths] + [r[0] for r in found])
    table = truth_of(
        truths,
        image_ids=list(range(images)),
        class_ids=[0, 1, 2],
        class_names=["cat", "dog", "cow"],
        size=(600, 400),
        **rest,
    )
    seen = detections_of([(i, k, b, s) for i, k, b, s in found], class_ids=[0, 1, 2], image_ids=list(range(images)))
    protocol = protocols.get(changes.get("protocol", "coco"))
    protocol = replace(protocol, class_wise=changes.get("class_wise", True))
    return evaluate(align(table, seen), protocol, with_partners=True)


def looked_at(*args, **rest):
    return analyse("suspects", result_of(*args, **rest), Settings()).to_dict()


def test_each_kind_with_its_suggestion():
    far, loose = [400, 50, 60, 60], [100, 100, 50, 20]
    found = looked_at(
        [(0, 0, BOX), (1, 1, BOX), (2, 2, BOX)],
        [(0, 0, far, 0.97), (1, 0, BOX, 0.99), (2, 2, loose, 0.9)],
    )
    (overlooked,) = found["kinds"]["overlooked"]["examples"]
    (swapped,) = found["kinds"]["swapped"]["examples"]
    (located,) = found["kinds"]["badly located"]["examples"]
    assert overlooked["image_id"] == 0
    assert overlooked["truth_id"] is overlooked["category"] is None
    assert overlooked["suggestion"] == {"action": "add", "category_id": 0, "category": "cat", "box": far}
    assert swapped["score"] < 1e-9
    assert (swapped["category"], swapped["truth_id"]) == ("dog", 2)
    assert swapped["suggestion"] == {"action": "relabel", "category_id": 0, "category": "cat", "box": BOX}
    # The label is 2.5 times as high as the detection on it, and their centres lie 15 apart.
    assert located["score"] == pytest.approx(0.9 * 0.4 + 0.1 * math.exp(-1.5))
    assert located["suggestion"] == {"action": "move", "category_id": 2, "category": "cow", "box": loose}
    assert found["as_published"]
    assert {row["image_id"] for row in found["images"]["worst"]} == {0, 1, 2}


def test_two_labels_of_one_object_are_settled():
    found = looked_at([(0, 0, BOX), (0, 1, BOX), (0, 1, [300, 0, 20, 20])], [(0, 2, [0, 300, 9, 9], 0.96)])
    pair = found["kinds"]["swapped"]["examples"]
    assert [(row["category"], row["suggestion"]["action"], row["suggestion"]["category"]) for row in pair] == [
        ("cat", "settle", "dog"),
        ("dog", "settle", "cat"),
    ]
    assert pair[0]["box"] is pair[0]["detection_score"] is None


def test_a_detection_that_found_its_truth_accuses_no_other():
    beside = [130, 100, 50, 50]
    found = looked_at([(0, 0, BOX), (0, 0, beside)], [(0, 0, BOX, 0.99)])
    # 20 of 80 columns are common: overlap 0.25, centres 30 apart.
    assert found["kinds"]["badly located"] == {"suspects": 0, "issues": 0, "explained": 1, "examples": []}
    assert found["images"] == {"total": 1, "suspicious": 0, "worst": []}


def test_nothing_is_overlooked_in_a_crowd():
    region, elsewhere = [0, 0, 400, 400], [500, 300, 9, 9]
    for box, count in (([150, 150, 10, 10], 0), ([450, 0, 10, 10], 1)):
        found = looked_at([(0, 0, region), (0, 1, elsewhere)], [(0, 0, box, 0.99)], is_crowd=[True, False])
        assert found["kinds"]["overlooked"]["suspects"] == count
        # A crowd is no label: no detection can tell that it is badly placed.
        assert found["kinds"]["badly located"]["suspects"] == 0


def test_classes_of_which_an_image_was_not_looked_through():
    extra = {"neg_category_ids": [1], "not_exhaustive_category_ids": []}
    result = result_of([(0, 0, BOX)], [(0, k, [400, 10 + 60 * k, 50, 50], 0.99) for k in (0, 1, 2)])
    images = replace(result.truth.images, extra={0: extra})
    truth = replace(result.truth, images=images)
    federated = evaluate(align(truth, result.detections), protocols.get("lvis"), with_partners=True)
    found = analyse("suspects", federated, Settings()).to_dict()
    assert {row["suggestion"]["category"] for row in found["kinds"]["overlooked"]["examples"]} == {"cat", "dog"}


def test_a_timid_detector_is_taken_at_its_own_word():
    truths = [(n, 0, BOX) for n in range(3)]
    found = [(n, 0, BOX, s) for n, s in enumerate((0.3, 0.4, 0.5))] + [(0, 1, [400, 0, 30, 30], 0.45)]
    plain = looked_at(truths, found)
    # The median of 0.3, 0.4 and 0.5.
    assert (plain["confident"], plain["likely"], plain["as_published"]) == (0.4, 0.4, False)
    assert plain["kinds"]["overlooked"]["suspects"] == 1
    text = [line for shown in tables("suspects", plain) for line in as_text(shown)]
    assert any("no detection has a score >= 0.95" in line for line in text)


def test_issue_is_objectlabs_limit():
    """A fifth of the class's AP."""
    truths = [(n, 0, BOX) for n in range(4)]
    hits = [(n, 0, BOX, 0.99) for n in range(3)]
    result = result_of(truths, [*hits, (3, 0, [140, 140, 50, 50], 0.9)])
    ap = result.per_class[0].metrics["AP"]
    found = analyse("suspects", result, Settings())
    kind = found.kinds["badly located"]
    # 100 of 4,900 are common.
    assert kind.score[0] == pytest.approx(0.9 * 100 / 4900 + 0.1 * math.exp(-0.1 * math.hypot(40, 40)))
    assert kind.is_issue.tolist() == [kind.score[0] <= 0.2 * ap] == [True]


def test_worst_takes_turns():
    truths = [(n, n % 2, BOX) for n in range(4)]
    found = [(n, 1 - n % 2, BOX, 0.99) for n in range(4)] + [(0, 2, [400, 0, 30, 30], 0.98)]
    suspects = analyse("suspects", result_of(truths, found), Settings())
    assert [row["kind"] for row in suspects.worst(3)] == ["overlooked", "swapped", "swapped"]
    assert len(suspects.worst(1)) == 1
    assert suspects.worst(0) == []


@pytest.mark.parametrize("class_wise", [True, False])
def test_classes_that_are_not_told_apart_are_never_swapped(class_wise):
    # The pair that is far apart: without it no similarity is lower than that of the two equal boxes.
    found = looked_at([(0, 1, BOX)], [(0, 0, BOX, 0.99), (0, 0, [300, 0, 9, 9], 0.1)], class_wise=class_wise)
    assert found["kinds"]["swapped"]["suspects"] == int(class_wise)


@SETTINGS
@given(box_arrays(), st.lists(scores, max_size=8), st.integers(0, 5))
def test_plain_values_and_tables_of_anything(boxes, drawn, listed):
    truths = [(n % 2, n % 3, list(b)) for n, b in enumerate(np.asarray(boxes).reshape(-1, 4)[:4].tolist())]
    found = [(0, n % 3, truths[n % len(truths)][2] if truths else BOX, s) for n, s in enumerate(drawn)]
    result = result_of([*truths, (1, 0, BOX)], [*found, (1, 1, BOX, 0.9)])
    suspects = analyse("suspects", result, Settings(examples=listed)).to_dict()
    json.dumps(suspects, allow_nan=False)
    for shown in tables("suspects", suspects):
        assert as_text(shown)


def test_partners_are_needed():
    result = result_of([(0, 0, BOX)], [(0, 0, BOX, 0.9)])
    again = evaluate(align(result.truth, result.detections), result.protocol)
    with pytest.raises(UsageError, match="who matched whom"):
        analyse("suspects", again, Settings())
