"""Error types against tidecv 1.0.1, where it is right, and what it says where it is not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from detkit.evaluation import protocols
from detkit.evaluation.align import align
from detkit.evaluation.analyses import Settings, analyse
from detkit.evaluation.scoring import evaluate
from strategies import detections_of, truth_of

FOLDER = Path(__file__).resolve().parents[2] / "fixtures" / "tide"
CASES = json.loads((FOLDER / "cases.json").read_text(encoding="utf-8"))["cases"]
RANDOM = [case for case in CASES if case["name"].startswith("seed")]
ODD = {case["name"]: case for case in CASES if case not in RANDOM}
#: tidecv reads recall at x / 100, pycocotools at np.linspace(0, 1, 101), which is not the same at every x.
GRID = tuple(x / 100 for x in range(101))


def scored(case, **changes):
    """The evaluation of a case: images and classes are numbered from 0 in it."""
    truths = [*case["truths"], *case["crowds"]]
    images = 1 + max(row[0] for row in [*truths, *case["found"]])
    classes = 1 + max(row[1] for row in [*truths, *case["found"]])
    truth = truth_of(
        [(i, k, box) for i, k, *box in truths],
        image_ids=list(range(images)),
        class_ids=list(range(classes)),
        is_crowd=[n >= len(case["truths"]) for n in range(len(truths))],
    )
    found = detections_of(
        [(i, k, box, score) for i, k, score, *box in case["found"]],
        image_ids=list(range(images)),
        class_ids=list(range(classes)),
    )
    return evaluate(align(truth, found), replace(protocols.get("coco"), **changes), with_partners=True)


def ours(case, **changes):
    found = analyse("errors", scored(case, **changes), Settings()).to_dict()
    return {
        "AP": found["AP"],
        "count": {row["type"]: row["count"] for row in found["types"]},
        "dAP": {row["type"]: row["dAP"] for row in found["types"]},
    }


def equal(found, expected):
    """Counts alike, AP and its costs to rounding."""
    assert {kind: found["count"][kind] for kind in expected["count"]} == expected["count"]
    assert found["AP"] == pytest.approx(expected["AP"], abs=1e-12)
    assert found["dAP"] == pytest.approx(expected["dAP"], abs=1e-12)


@pytest.mark.parametrize("case", RANDOM, ids=lambda case: case["name"])
def test_equals_tidecv(case):
    equal(ours(case, recall_thresholds=GRID), case["tidecv"])


def test_the_random_cases_hold_every_kind():
    total = {kind: sum(case["tidecv"]["count"][kind] for case in RANDOM) for kind in RANDOM[0]["tidecv"]["count"]}
    assert min(total.values()) > 20


def test_tidecv_ranks_errors_before_hits_of_equal_score():
    case = ODD["equal scores"]
    # Nothing was missed, so nothing can be won; tidecv puts the false positive first and loses half.
    assert case["tidecv"]["dAP"]["FalseNeg"] == -0.5
    assert ours(case)["dAP"]["FalseNeg"] == 0


def test_tidecv_counts_classes_without_truth():
    case = ODD["class without truth"]
    assert (case["tidecv"]["AP"], case["tidecv"]["dAP"]["Bkg"]) == (0.5, 0.5)
    assert ours(case)["AP"] == pytest.approx(1, abs=1e-12)
    assert ours(case)["dAP"]["Bkg"] == 0


def test_tidecv_makes_errors_of_ignored_detections():
    case = ODD["detection in a crowd"]
    assert (case["tidecv"]["count"]["Cls"], case["tidecv"]["count"]["Miss"]) == (2, 0)
    found = ours(case)
    assert (found["count"]["Cls"], found["count"]["Miss"]) == (1, 1)
    # The one wrong class points at a truth that is found already: to remove it wins nothing in a class with no hit.
    assert found["dAP"]["Cls"] == 0


def test_tidecv_reads_recall_on_another_grid():
    case = ODD["recall on the grid"]
    # 7 of 20 reach 7 / 20, and not linspace's 0.35000000000000003, where pycocotools already reads 20 / 21.
    precisions = np.where(np.array(GRID) <= 7 / 20, 1, 20 / 21)
    assert case["tidecv"]["AP"] == pytest.approx(np.mean(precisions), abs=1e-12)
    assert ours(case, recall_thresholds=GRID)["AP"] == pytest.approx(np.mean(precisions), abs=1e-12)
    precisions[35] = 20 / 21
    assert ours(case)["AP"] == pytest.approx(np.mean(precisions), abs=1e-12)


def test_tidecv_calls_a_duplicate_at_the_very_threshold_loose():
    case = ODD["duplicate at the threshold"]
    assert (case["tidecv"]["count"]["Loc"], case["tidecv"]["count"]["Dupe"]) == (1, 0)
    assert (ours(case)["count"]["Loc"], ours(case)["count"]["Dupe"]) == (0, 1)


def test_tidecv_drops_a_class_only_when_it_has_no_detection():
    bare, seen = ODD["class all missed"], ODD["class all missed, with a detection"]
    assert (bare["tidecv"]["dAP"]["Miss"], seen["tidecv"]["dAP"]["Miss"]) == (0.5, 0)
    # Both times the mean over two classes, 1 / 2, becomes that of the one class that has truth left.
    assert ours(bare)["dAP"]["Miss"] == pytest.approx(1 - 1 / 2, abs=1e-12)
    assert ours(seen)["dAP"]["Miss"] == pytest.approx(1 - 1 / 2, abs=1e-12)


REAL = json.loads((FOLDER / "real.json").read_text(encoding="utf-8"))["cases"]


@pytest.mark.parametrize("expected", REAL, ids=lambda case: case["found"])
def test_equals_tidecv_on_real_data(expected, shared_data):
    """As tools/make_tide_cases.py cleans it: no crowds, no classes of which nothing was found, scores by rank."""
    truth, found = (json.loads((shared_data / expected[k]).read_text(encoding="utf-8")) for k in ("truth", "found"))
    images = {row["id"]: n for n, row in enumerate(truth["images"])}
    classes = {k: n for n, k in enumerate(expected["classes"])}
    rows = [row for row in truth["annotations"] if row["category_id"] in classes and not row.get("iscrowd")]
    kept = [row for row in found if row["category_id"] in classes and row["image_id"] in images]
    score = np.empty(len(kept))
    score[np.argsort([-row["score"] for row in kept], kind="stable")] = 1 - np.arange(1, len(kept) + 1) / (
        len(kept) + 1
    )

    def place(row):
        return images[row["image_id"]], classes[row["category_id"]]

    case = {
        "truths": [[*place(row), *row["bbox"]] for row in rows],
        "found": [[*place(row), float(s), *row["bbox"]] for s, row in zip(score, kept, strict=True)],
        "crowds": [],
    }
    # tidecv ignores nothing by area and knows no cap of ours: none of these may matter here.
    changes = {"recall_thresholds": GRID, "max_detections": (10**6,)}
    equal(ours(case, **changes), expected["tidecv"])
