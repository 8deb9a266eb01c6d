"""Permuted classes and images of another numbering are named; detectors that are merely bad are not."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import detkit
from detkit.api import sharding
from detkit.evaluation import encounters, evaluate, protocols
from detkit.evaluation.align import align
from detkit.evaluation.encounters import (
    Encounters,
    best_rows,
    encounter_findings,
    encounters_of,
    spread,
)
from detkit.evaluation.shift import looks_wrong
from strategies import detections_of, truth_of

WIDTH, HEIGHT, IMAGES, CLASSES = 640, 480, 60, 6
NAMES = ["ant", "bee", "cat", "dog", "eel", "fox"]
IDS = list(range(1, CLASSES + 1))
CODES = ("DK714", "DK715")
DATA = Path(__file__).resolve().parents[4] / "shared" / "data"


def drawn(rng, count):
    low = rng.random((count, 2)) * [WIDTH - 40, HEIGHT - 40]
    size = 20 + rng.random((count, 2)) * (np.array([WIDTH, HEIGHT]) - low - 20) * 0.5
    return np.hstack([low, size])


def scene(seed=0, per_image=6):
    """Truth rows (image, class, box) of boxes all over the image."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(IMAGES):
        rows += [(i, int(rng.integers(CLASSES)), box) for box in drawn(rng, per_image).tolist()]
    return rows


def model(rows, seed=1, *, jitter=0.04, noise=4):
    """Predictions (image, class, box, score) of a fair detector: boxes near the truth, and some that mean nothing."""
    rng = np.random.default_rng(seed)
    found = []
    for i, k, (x, y, w, h) in rows:
        dx, dy, dw, dh = rng.normal(0, jitter, 4)
        box = [x + dx * w, y + dy * h, w * np.exp(dw), h * np.exp(dh)]
        found.append((i, k, box, float(rng.uniform(0.4, 1))))
    for i in range(IMAGES):
        extra = drawn(rng, noise).tolist()
        found += [(i, int(rng.integers(CLASSES)), box, float(rng.uniform(0, 0.5))) for box in extra]
    return found


def run(found, *, rows=None, protocol="coco", names=True, **changes):
    truth = truth_of(rows or scene(), class_ids=IDS, class_names=NAMES, size=(WIDTH, HEIGHT))
    rows = [(1 + i, IDS[k], [float(v) for v in box], score) for i, k, box, score in found]
    ids = list(range(1, IMAGES + 1))
    aligned = align(truth, detections_of(rows, class_names=NAMES if names else None, class_ids=IDS, image_ids=ids))
    return evaluate(aligned, protocols.get(protocol, **changes))


def told(result):
    return [f for f in result.findings if f.code in CODES]


def classes_as(found, table):
    return [(i, table[k], box, score) for i, k, box, score in found]


def test_a_fair_detector_is_not_looked_at():
    result = run(model(scene()))
    assert told(result) == []
    assert not looks_wrong(result)
    assert result.metrics["AP50"] > 0.8


@pytest.mark.parametrize("protocol", ["coco", "voc2012", "ultralytics8"])
def test_names_in_another_order_are_named_by_what_they_lie_on(protocol):
    found = model(scene())
    # Detections of `ant` are called `cat`, and so on.
    (finding,) = told(run(classes_as(found, [2, 0, 4, 1, 5, 3]), protocol=protocol))
    assert (finding.code, finding.severity, finding.count) == ("DK714", "warning", 6)
    lies_on = {"cat": "ant", "ant": "bee", "eel": "cat", "bee": "dog", "fox": "eel", "dog": "fox"}
    shown = [f"`{mine}` lie on `{theirs}` truths in" for mine, theirs in lies_on.items()]
    assert sum(text in finding.message for text in shown) == 3
    assert "and 3 more classes likewise" in finding.message
    assert "--class-map" in finding.message


def test_what_is_said_is_what_a_plain_count_finds():
    rows, table = scene(), [1, 0, 2, 3, 4, 5]
    found = classes_as(model(rows), table)
    cases, lain = Counter(), Counter()
    for image in range(IMAGES):
        truths = [(k, box) for i, k, box in rows if i == image]
        best = sorted((row for row in found if row[0] == image), key=lambda row: -row[3])[: len(truths)]
        for _, k, box, _ in best:
            met = [(overlap(box, other), c) for c, other in truths if overlap(box, other) >= 0.5]
            if met:
                cases[k] += 1
                lain[k, k if any(c == k for _, c in met) else max(met)[1]] += 1
    (finding,) = told(run(found))
    for mine, theirs in ((0, 1), (1, 0)):
        said = f"`{NAMES[mine]}` lie on `{NAMES[theirs]}` truths in {lain[mine, theirs]} of {cases[mine]} cases"
        assert said in finding.message
    right = sum(n for (mine, theirs), n in lain.items() if mine == theirs)
    mended = sum(n for (mine, theirs), n in lain.items() if theirs == table[mine])
    assert f"{mended} and not {right} of {sum(cases.values())} would meet" in finding.message


def overlap(a, b):
    wide = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    high = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    shared = max(wide, 0) * max(high, 0)
    return shared / (a[2] * a[3] + b[2] * b[3] - shared)


def test_a_shift_that_is_named_already_is_not_named_again():
    found = classes_as(model(scene()), [1, 2, 3, 4, 5, 0])
    by_id = run(found, names=False)
    assert [f.code for f in by_id.findings if f.code in ("DK703", *CODES)] == ["DK703"]
    assert [f.code for f in told(run(found))] == ["DK714"]


def test_a_class_that_lies_on_another_alone_is_a_model_that_knows_no_better():
    # All `dog` is called `cat`, and `cat` is still called `cat`; nothing is called `dog`.
    assert told(run(classes_as(model(scene()), [0, 1, 2, 2, 4, 5]))) == []


def test_classes_that_hardly_occur_say_nothing():
    rows = [row for row in scene() if row[0] < 5]
    few = [row for row in model(scene()) if row[0] < 5]
    met = run(classes_as(few, [1, 0, 2, 3, 4, 5]), rows=[*rows, (IMAGES - 1, 0, [0, 0, 9, 9])])
    assert told(met) == []


def counted(*classes, **changes):
    met = Encounters(classes=[pair if len(pair) == 3 else (*pair, 50) for pair in classes], **changes)
    truth = truth_of(scene(), class_ids=IDS, class_names=NAMES)
    return [(f.code, f.count) for f in encounter_findings(met, truth, class_wise=True)]


def test_rings_are_permuted_and_lines_only_where_they_are_most():
    others = [(4, 4), (5, 5)]
    assert counted((0, 1), (1, 0), (2, 2), (3, 3), *others) == [("DK714", 2)]
    assert counted((0, 1), (1, 2), (2, 0), (3, 3), *others) == [("DK714", 3)]
    assert counted((0, 1), (1, 1), (2, 3), (3, 3), *others) == []
    assert counted((0, 1), (2, 3), *others) == []
    # A list of names that lacks its first one: the last class is called by nobody.
    assert counted((1, 0), (2, 1), (3, 2), (4, 3), (5, 4)) == [("DK714", 5)]
    # All are on the only class that is found.
    assert counted((1, 0), (2, 0), (3, 0), (4, 0), (5, 0)) == []


def test_a_class_that_is_everywhere_holds_much_by_chance():
    # Two thirds of `bee` lie on `ant`, as two thirds of anything do; and so with `ant` where `bee` is everywhere.
    assert counted((0, 0, 900), (0, 1, 10), (1, 0, 30), (1, 1, 10)) == []
    # Half of `ant` lies on `bee`, of which there are few.
    assert counted((0, 0, 20), (0, 1, 25), (1, 0, 900), (1, 1, 1)) == [("DK714", 2)]


def test_images_are_strange_only_where_nothing_is_met():
    images = [(n, n + 1, 5) for n in range(10)]
    assert counted(rows=100, own=5, others=0, images=images) == [("DK715", 10)]
    assert counted(rows=100, own=15, others=10, images=images) == [("DK715", 10)]
    assert counted(rows=100, own=16, others=10, images=images) == []
    assert counted(rows=100, own=5, others=0, images=images[:5]) == []
    assert counted(rows=100, own=5, others=0, images=images, chances=2) == []


def test_a_truth_of_the_same_class_is_what_a_detection_lies_on():
    truth = truth_of([(0, 0, [10, 10, 100, 80]), (0, 1, [10, 10, 100, 100]), (0, 1, [300, 10, 50, 50])])
    rows = [(1, 1, [10, 10, 100, 100], 0.9), (1, 1, [300, 10, 50, 50], 0.8), (1, 2, [10, 10, 100, 90], 0.7)]
    aligned = align(truth, detections_of(rows))
    met = encounters_of(aligned.truth, aligned.detections, class_wise=True)
    assert (met.rows, met.own, met.classes) == (3, 3, [(0, 0, 1), (0, 1, 1), (1, 1, 1)])


def test_the_own_image_is_no_other():
    # Four of ten truths are met exactly, and boxes of higher score lie nowhere.
    rng = np.random.default_rng(0)
    rows = [(i, 0, box) for i in range(8) for box in drawn(rng, 10).tolist()]
    found = [(1 + i, 1, box, 0.5) for n, (i, _, box) in enumerate(rows) if n % 10 < 4]
    found += [(1 + i, 1, [60 * n, 300, 1, 1], 0.9) for i in range(8) for n in range(6)]
    aligned = align(truth_of(rows), detections_of(found))
    met = encounters_of(aligned.truth, aligned.detections, class_wise=True)
    assert (met.rows, met.own) == (80, 32)
    assert met.images == []


@pytest.mark.parametrize("seed", range(3))
def test_crowded_truths_are_met_by_chance(seed):
    # Boxes of one size, twenty-four an image: ten random ones meet three truths of some image or other.
    rng = np.random.default_rng(seed)

    def boxes():
        return np.hstack([rng.random((24, 2)) * [WIDTH - 120, HEIGHT - 120], 100 + 20 * rng.random((24, 2))]).tolist()

    rows = [(i, 0, box) for i in range(IMAGES) for box in boxes()]
    found = [(i, 0, box, float(rng.random())) for i in range(IMAGES) for box in boxes()]
    result = run(found, rows=rows)
    met = encounters_of(result.truth, result.detections, class_wise=True)
    assert met.own < 1.5 * met.others
    assert told(result) == []


def shuffled_images(found, seed=5):
    order = np.random.default_rng(seed).permutation(IMAGES)
    return [(int(order[i]), k, box, score) for i, k, box, score in found]


@pytest.mark.parametrize("changes", [{}, {"class_wise": False}])
def test_images_of_another_numbering_are_named(changes):
    order = np.random.default_rng(5).permutation(IMAGES)
    (finding,) = told(run(shuffled_images(model(scene())), **changes))
    assert (finding.code, finding.severity) == ("DK715", "warning")
    moved = {f"those of `img_{order[i] + 1}.jpg` on 6 truths of `img_{i + 1}.jpg`" for i in range(IMAGES)}
    assert any(text in finding.message for text in moved)
    assert "file names" in finding.message


def poor(kind, found, rng):
    """What honest, bad detectors write."""
    if kind == "random boxes":
        return [(i, k, box, score) for (i, k, _, score), box in zip(found, drawn(rng, len(found)), strict=True)]
    if kind == "boxes of any image":
        order = rng.permutation(len(found))
        return [(i, k, found[j][2], score) for (i, k, _, score), j in zip(found, order, strict=True)]
    if kind == "the same boxes everywhere":
        own = [row for row in found if row[0] == 7]
        return [(i, *row[1:]) for i in range(IMAGES) for row in own]
    if kind == "weak":
        return [(i, k, box, float(rng.random())) for i, k, box, _ in model(scene(), jitter=0.25)]
    if kind == "weaker":
        return [(i, k, box, float(rng.random())) for i, k, box, _ in model(scene(), jitter=0.6)]
    if kind == "one class for all":
        return [(i, 0 if rng.random() < 0.8 else k, box, score) for i, k, box, score in found]
    if kind == "pairs of classes confused":
        return [(i, k ^ 1 if rng.random() < 0.5 else k, box, score) for i, k, box, score in found]
    share = {"confused 30 %": 0.3, "confused 90 %": 0.9}[kind]
    return [(i, int(rng.integers(CLASSES)) if rng.random() < share else k, b, s) for i, k, b, s in found]


KINDS = ["random boxes", "boxes of any image", "the same boxes everywhere", "weak", "weaker", "one class for all",
         "pairs of classes confused", "confused 30 %", "confused 90 %"]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(4))
def test_bad_detectors_are_not_accused(kind, seed):
    result = run(poor(kind, model(scene()), np.random.default_rng(seed)))
    assert told(result) == []
    # What they do is counted whether or not the score calls for a look.
    met = encounters_of(result.truth, result.detections, class_wise=True)
    assert encounter_findings(met, result.truth, class_wise=True) == []


@pytest.mark.parametrize("looked", [None, 24])
@pytest.mark.parametrize("kind", ["classes", "images", "random boxes"])
def test_counts_of_shards_add_up(kind, looked, monkeypatch):
    """Also where some of the images alone are looked at."""
    if looked is not None:
        monkeypatch.setattr(encounters, "_LOOKED", looked)
    found = model(scene())
    found = {
        "classes": lambda: classes_as(found, [2, 0, 4, 1, 5, 3]),
        "images": lambda: shuffled_images(found),
        "random boxes": lambda: poor("random boxes", found, np.random.default_rng(0)),
    }[kind]()
    result = run(found)
    truth, all_rows = result.truth, result.detections
    whole = encounters_of(truth, all_rows, class_wise=True)
    own = np.random.default_rng(3).integers(3, size=IMAGES)[all_rows.image_index]
    parts = [encounters_of(truth, all_rows.take(own == n), class_wise=True) for n in range(3)]
    assert Encounters.joined(parts) == Encounters.joined([whole])
    assert Encounters.joined([]) == Encounters(classes=[], images=[])
    assert encounter_findings(Encounters.joined(parts), truth, class_wise=True) == told(result)


@pytest.mark.parametrize("kind", ["classes", "images", "corners"])
def test_shards_say_what_one_process_says(kind, tmp_path):
    rows = scene()
    found = {
        "classes": lambda: classes_as(model(rows), [2, 0, 4, 1, 5, 3]),
        "images": lambda: shuffled_images(model(rows)),
        "corners": lambda: [(i, k, [x, y, x + w, y + h], s) for i, k, (x, y, w, h), s in model(rows)],
    }[kind]()
    document = {
        "images": [{"id": i + 1, "file_name": f"{i}.jpg", "width": WIDTH, "height": HEIGHT} for i in range(IMAGES)],
        "categories": [{"id": k, "name": name} for k, name in zip(IDS, NAMES, strict=True)],
        "annotations": [
            {"id": n, "image_id": i + 1, "category_id": IDS[k], "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
            for n, (i, k, box) in enumerate(rows, 1)
        ],
    }
    results = [
        {"image_id": i + 1, "category_id": IDS[k], "bbox": [float(v) for v in box], "score": score}
        for i, k, box, score in found
    ]
    (tmp_path / "truth.json").write_text(json.dumps(document))
    (tmp_path / "found.json").write_text(json.dumps(results))
    one = detkit.evaluate(tmp_path / "truth.json", tmp_path / "found.json")
    folded = sharding.evaluate_in_shards(tmp_path / "truth.json", tmp_path / "found.json", 4)
    code = {"classes": "DK714", "images": "DK715", "corners": "DK711"}[kind]
    assert code in {f.code for f in one.findings}
    assert json.dumps(folded.to_dict()) == json.dumps(one.to_dict())


def test_best_rows_are_those_that_a_plain_sort_finds():
    rng = np.random.default_rng(2)
    rows = [(1 + int(rng.integers(8)), 1, [0, 0, 5, 5], float(rng.integers(4)) / 4) for _ in range(60)]
    truth = truth_of([(i, 0, [0, 0, 9, 9]) for i in range(8)], size=(WIDTH, HEIGHT))
    found = align(truth, detections_of(rows)).detections
    most = np.array([0, 1, 2, 3, 4, 5, 99, 0])
    starts, chosen = best_rows(found, most)
    expected = []
    for i in range(8):
        own = [row for row in range(len(found)) if found.image_index[row] == i]
        expected.append(sorted(own, key=lambda row: -found.score[row])[: most[i]])
    assert [chosen[starts[i] : starts[i + 1]].tolist() for i in range(8)] == expected


def test_spread_positions_are_distinct_and_few():
    assert spread(0, 5).tolist() == []
    assert spread(3, 5).tolist() == [0, 1, 2]
    assert spread(11, 3).tolist() == [0, 5, 10]


def test_odd_boxes_and_empty_tables_meet_nothing():
    odd = [[np.inf, 0, 5, 5], [0, 0, np.inf, 5], [-1e150, 0, 1e150, 1e150], [0, 0, -5, 3], [0, 0, 0, 0]]
    truth = truth_of([(i, 0, [5, 5, 9, 9]) for i in range(3)], size=(WIDTH, HEIGHT))
    found = align(truth, detections_of([(1 + n % 3, 1, box, 0.5) for n, box in enumerate(odd * 6)])).detections
    assert encounters_of(truth, found, class_wise=True).own == 0
    none = found.take(np.zeros(0, np.int64))
    assert encounters_of(truth, none, class_wise=True) == Encounters(classes=[], images=[])
    bare = truth.take_rows(np.zeros(0, np.int64))
    assert encounters_of(bare, found, class_wise=False) == Encounters(classes=[], images=[])


def test_crowds_and_ignored_truths_are_met_by_nobody():
    truth = truth_of([(0, 0, [5, 5, 9, 9]), (0, 0, [50, 50, 9, 9]), (0, 0, [90, 90, 9, 9])], size=(WIDTH, HEIGHT))
    marked = replace(
        truth.annotations, is_crowd=np.array([True, False, False]), is_ignored=np.array([False, True, False])
    )
    found = detections_of([(1, 1, [5, 5, 9, 9], 0.9), (1, 1, [90, 90, 9, 9], 0.5)])
    aligned = align(replace(truth, annotations=marked), found)
    met = encounters_of(aligned.truth, aligned.detections, class_wise=True)
    assert (met.rows, met.own) == (1, 0)


@pytest.mark.skipif(not DATA.is_dir(), reason="needs the real data beside the checkout")
@pytest.mark.parametrize(("kind", "code"), [("as they are", None), ("classes", "DK714"), ("images", "DK715")])
@pytest.mark.parametrize(
    ("truth", "results"),
    [("coco14_100/instances.json", "coco14_100/bbox_results.json"), ("lvis_100/gt.json", "lvis_100/dt.json")],
)
def test_real_predictions(kind, code, truth, results, tmp_path):
    document = json.loads((DATA / truth).read_text(encoding="utf-8"))
    rows = json.loads((DATA / results).read_text(encoding="utf-8"))
    field, records = {"images": ("image_id", "images")}.get(kind, ("category_id", "categories"))
    ids = [record["id"] for record in document[records]]
    order = np.random.default_rng(0).permutation(len(ids)) if code else np.arange(len(ids))
    table = {i: ids[n] for i, n in zip(ids, order.tolist(), strict=True)}
    (tmp_path / "found.json").write_text(json.dumps([{**row, field: table[row[field]]} for row in rows]))
    result = detkit.evaluate(DATA / truth, tmp_path / "found.json")
    assert [f.code for f in told(result)] == ([code] if code else [])
