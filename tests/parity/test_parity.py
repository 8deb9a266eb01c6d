"""The reference against detkit on real data and on one small fixture for each of its quirks."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from detkit.errors import InputError
from detkit.evaluation.result import Evaluation
from detkit.kernels.match import FALSE, IGNORED, TRUE
from parity.harness import (
    Comparison,
    Params,
    candidate,
    compare,
    compare_arrays,
    compare_cells,
    load_case,
    reference,
    strict,
)

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "fixtures" / "parity"

BOX = Params("bbox")
SEGM = Params("segm")
KEYPOINTS = Params("keypoints")
#: Of each fixture folder the ways to score it.
CASES: dict[str, list[Params]] = {
    "01-sorted-ids": [BOX, replace(BOX, max_dets=(100, 10, 1))],
    "02-stable-ties": [BOX, replace(BOX, use_cats=False)],
    "03-cap-per-class": [replace(BOX, max_dets=(1, 2, 100)), replace(BOX, max_dets=(1, 2, 100), use_cats=False)],
    "04-touching-boxes": [BOX],
    "05-later-equal-truth": [BOX, replace(BOX, iou_thrs=(0.5, 1.0))],
    "06-counted-truth-first": [BOX],
    "07-crowd-matches-many": [BOX],
    "08-area-limits-inclusive": [BOX],
    "09-detection-area": [BOX, SEGM],
    "10-ignore-overwritten": [BOX],
    "11a-annotation-id-0": [BOX],
    "11b-repeated-annotation-id": [BOX],
    "12-spacing-and-left-search": [BOX],
    "13-absent-class": [BOX],
    "14-cap-100-by-name": [replace(BOX, max_dets=(1, 2, 3)), replace(BOX, max_dets=(1, 2, 3, 100)), BOX],
    "15-keypoints": [KEYPOINTS, replace(KEYPOINTS, max_dets=(1, 10)), replace(KEYPOINTS, sigmas=(0.05,) * 17)],
    "15b-keypoints-without-classes": [replace(KEYPOINTS, use_cats=False)],
    "16a-masks": [SEGM, replace(SEGM, use_cats=False)],
    "16b-results-without-masks": [SEGM],
}
#: What cannot be compared by default: detkit refuses, or answers otherwise (both pinned below).
ELSEWHERE = ("15b-keypoints-without-classes", "16b-results-without-masks")


@pytest.mark.parametrize(("name", "n"), [(name, n) for name, sets in CASES.items() for n in range(len(sets))])
def test_under_strict_parity_each_quirk_is_the_references(name, n, tmp_path):
    found = compare(*load_case(FIXTURES / name), strict(CASES[name][n]), tmp_path)
    assert found.differences == []
    assert found.compared > 20


@pytest.mark.parametrize(
    ("name", "n"), [(name, n) for name, sets in CASES.items() if name not in ELSEWHERE for n in range(len(sets))]
)
def test_by_default_the_answer_is_the_references_without_the_quirk(name, n, tmp_path):
    assert compare(*load_case(FIXTURES / name), CASES[name][n], tmp_path).differences == []


def test_every_fixture_has_a_case_a_description_and_a_place_in_the_docs():
    folders = sorted(folder.name for folder in FIXTURES.iterdir() if folder.is_dir())
    assert folders == sorted(CASES)
    page = (ROOT / "docs" / "reference" / "parity.md").read_text(encoding="utf-8")
    for name in folders:
        assert f"`{name}`" in page
        meta = (FIXTURES / name / "meta.md").read_text(encoding="utf-8")
        for part in ("pycocotools 2.0.11:", "detkit by default:", "`--strict-parity`:", "seen in:"):
            assert part in meta


# --- what each fixture shows, as arithmetic ------------------------------------------------------------------------

ONE = 1 / (1 + np.spacing(1))


def steps(*parts: tuple[int, float]) -> float:
    """Mean over the 101 recalls of precisions, each at so many of them, the rest 0."""
    values = [value for count, value in parts for _ in range(count)]
    return float(np.mean(values + [0.0] * (101 - len(values))))


def run(name: str, params: Params, tmp_path: Path) -> Evaluation:
    return candidate(*load_case(FIXTURES / name), params, tmp_path)


@pytest.fixture
def metrics(tmp_path: Path) -> Callable[..., Mapping[str, float | None]]:
    """Metrics of a fixture, which the reference gives too under strict parity."""

    def of(name: str, params: Params) -> Mapping[str, float | None]:
        return run(name, params, tmp_path).metrics

    return of


def test_01_classes_and_images_by_id(tmp_path):
    found = run("01-sorted-ids", BOX, tmp_path)
    assert found.precision[0, :, :, 0, 2].mean(axis=0).tolist() == [1 / 2, 0.0]
    assert [row.category_id for row in found.per_class] == [3, 7]


def test_02_equal_scores_keep_their_order(metrics):
    assert metrics("02-stable-ties", BOX)["AP50"] == steps((101, 1 / 31))
    assert metrics("02-stable-ties", replace(BOX, use_cats=False))["AP50"] == steps((101, 1 / 32))


def test_03_caps_are_per_image_and_class(metrics):
    caps = replace(BOX, max_dets=(1, 2, 100))
    assert metrics("03-cap-per-class", caps)["AR1"] == (0 + 1) / 2
    assert metrics("03-cap-per-class", replace(caps, use_cats=False))["AR1"] == 0.0


def test_04_a_line_overlaps_nothing(metrics):
    assert metrics("04-touching-boxes", BOX)["AP50"] == steps((101, 1 / 3))


def test_05_the_later_of_equal_truths(tmp_path):
    found = run("05-later-equal-truth", BOX, tmp_path)
    assert found.scored.matched[0].partners[0, 0].tolist() == [1, 0, 2]
    assert found.recall[0, 0, 0, 2] == 3 / 3


def test_05_a_threshold_of_one_is_lowered(tmp_path):
    found = run("05-later-equal-truth", replace(BOX, iou_thrs=(0.5, 1.0)), tmp_path)
    assert found.recall[:, 0, 0, 2].tolist() == [3 / 3, 2 / 3]


def test_06_a_counted_truth_first(metrics):
    assert metrics("06-counted-truth-first", BOX)["AP50"] == steps((101, ONE))


def test_07_a_crowd_takes_many(tmp_path):
    found = run("07-crowd-matches-many", BOX, tmp_path)
    assert found.scored.matched[0].outcome[0, 0].tolist() == [IGNORED, IGNORED, TRUE]
    assert found.metrics["AP50"] == steps((101, ONE))


def test_08_both_limits_belong_to_a_range(tmp_path):
    scored = run("08-area-limits-inclusive", BOX, tmp_path).scored
    assert scored.truths.tolist() == [[3, 1, 2, 2]]
    assert scored.matched[0].outcome[:, 0, 3].tolist() == [FALSE, IGNORED, FALSE, FALSE]


@pytest.mark.parametrize("params", [BOX, SEGM])
def test_09_the_area_of_a_detection_is_its_boxs(params, metrics):
    found = metrics("09-detection-area", params)
    # Overlap 1440 / 1600 is 0.9: nine of the ten thresholds.
    assert found["APsmall"] == float(np.mean([ONE] * 101 * 9 + [0.0] * 101))
    assert found["AP50"] == steps((101, 1 / 2))


def test_10_ignore_says_nothing(tmp_path):
    found = run("10-ignore-overwritten", BOX, tmp_path)
    assert found.scored.truths[0, 0] == 2
    assert found.metrics["AP50"] == steps((51, ONE))
    assert "DK109" in {f.code for f in found.findings}


@pytest.mark.parametrize("name", ["11a-annotation-id-0", "11b-repeated-annotation-id"])
def test_11_ids_that_the_reference_trips_over(name, tmp_path):
    found = run(name, BOX, tmp_path)
    assert found.metrics["AP50"] == steps((51, ONE), (50, 2 / 2))
    assert [f.message.split(": ")[-1] for f in found.findings if f.code == "DK706"] == ["pycocotools answers otherwise"]
    found = run(name, strict(BOX), tmp_path)
    assert found.metrics["AP50"] == steps((51, 1 / 2))
    assert [f.message.split(": ")[-1] for f in found.findings if f.code == "DK706"] == [
        "reproduced here (--strict-parity)"
    ]


def test_12_spacing_and_left_search(metrics):
    found = metrics("12-spacing-and-left-search", BOX)["AP50"]
    assert found == steps((51, ONE))
    assert found != steps((51, 1.0))


def test_13_an_absent_class(tmp_path):
    found = run("13-absent-class", BOX, tmp_path)
    assert set(found.precision[:, :, 1].ravel()) == {-1.0}
    assert set(found.precision[:, :, 2, 0].ravel()) == {0.0}
    assert found.metrics["AP50"] == float(np.mean([ONE, 0.0] * 101))
    assert found.metrics["APmedium"] is None
    assert [row.metrics["AP50"] is None for row in found.per_class] == [False, True, False]


def test_14_caps_by_name_and_by_place(tmp_path):
    name, three = "14-cap-100-by-name", replace(BOX, max_dets=(1, 2, 3))
    assert run(name, strict(three), tmp_path).metrics["AP"] is None
    assert run(name, three, tmp_path).metrics["AP"] == steps((51, ONE))
    assert "DK706" in {f.code for f in run(name, three, tmp_path).findings}
    four = replace(BOX, max_dets=(1, 2, 3, 100))
    assert run(name, strict(four), tmp_path).metrics["AP50"] == steps((51, ONE))
    assert run(name, four, tmp_path).metrics["AP50"] == steps((51, ONE), (50, 2 / 4))
    assert "DK706" in {f.code for f in run(name, four, tmp_path).findings}
    assert "DK706" not in {f.code for f in run(name, BOX, tmp_path).findings}


def test_15_keypoints(tmp_path):
    found = run("15-keypoints", KEYPOINTS, tmp_path)
    assert found.scored.truths.tolist() == [[1, 1, 0]]
    assert found.scored.matched[0].outcome[0, 0].tolist() == [IGNORED, TRUE]
    assert found.scored.matched[0].iou[0] == 17 / 17
    assert list(found.metrics) == [
        "AP",
        "AP50",
        "AP75",
        "APmedium",
        "APlarge",
        "AR",
        "AR50",
        "AR75",
        "ARmedium",
        "ARlarge",
    ]


def test_15b_keypoints_without_classes(tmp_path):
    params = replace(KEYPOINTS, use_cats=False)
    found = run("15b-keypoints-without-classes", params, tmp_path)
    assert found.metrics["AP"] == float(np.mean([ONE] * 1010))
    assert "DK706" in {f.code for f in found.findings}
    assert run("15b-keypoints-without-classes", strict(params), tmp_path).metrics["AP"] == 0.0


def test_16_masks(tmp_path):
    found = run("16a-masks", SEGM, tmp_path)
    assert found.scored.matched[0].iou.tolist() == [50 / 100, 400 / 400, 100 / 100]
    assert found.scored.matched[0].outcome[0, :2].tolist() == [[TRUE, TRUE, IGNORED], [FALSE, TRUE, IGNORED]]


def test_16_results_without_masks_are_refused_by_default(tmp_path):
    with pytest.raises(InputError, match="no masks in the predictions"):
        run("16b-results-without-masks", SEGM, tmp_path)


# --- real data -------------------------------------------------------------------------------------------------------

REAL = {
    "bbox": ("instances.json", "bbox_results.json", 0.5045806987249628),
    "segm": ("instances.json", "segm_results.json", 0.3195452758576433),
    "keypoints": ("person_keypoints.json", "keypoints_results.json", 0.3721605920962963),
}


@pytest.mark.parametrize("iou_type", REAL)
@pytest.mark.parametrize("strict_parity", [False, True])
def test_coco14_100(iou_type, strict_parity, shared_data, tmp_path):
    gt, dt, ap = REAL[iou_type]
    gt, dt = (json.loads((shared_data / "coco14_100" / name).read_text(encoding="utf-8")) for name in (gt, dt))
    params = Params(iou_type, strict_parity=strict_parity)
    found = compare(gt, dt, params, tmp_path)
    assert found.differences == []
    assert found.compared > 1000
    assert candidate(gt, dt, params, tmp_path).metrics["AP"] == ap


@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
def test_coco14_100_without_classes(iou_type, shared_data, tmp_path):
    gt, dt, _ = REAL[iou_type]
    gt, dt = (json.loads((shared_data / "coco14_100" / name).read_text(encoding="utf-8")) for name in (gt, dt))
    assert compare(gt, dt, Params(iou_type, use_cats=False), tmp_path).differences == []


@pytest.mark.parametrize(
    ("truth", "strict_parity", "ap"),
    [
        ("gt.json", False, 0.5979231494578029),
        ("gt_id0.json", False, 0.5979231494578029),
        ("gt_id0.json", True, 0.4952168788307403),
    ],
)
def test_padilla_with_and_without_annotation_id_0(truth, strict_parity, ap, shared_data, tmp_path):
    folder = shared_data / "padilla_toy"
    gt, dt = (json.loads((folder / name).read_text(encoding="utf-8")) for name in (truth, "dt.json"))
    params = Params(strict_parity=strict_parity)
    assert compare(gt, dt, params, tmp_path).differences == []
    assert candidate(gt, dt, params, tmp_path).metrics["AP"] == ap


def test_threads_change_nothing(shared_data, tmp_path):
    gt, dt, _ = REAL["bbox"]
    gt, dt = (json.loads((shared_data / "coco14_100" / name).read_text(encoding="utf-8")) for name in (gt, dt))
    one, many = (candidate(gt, dt, BOX, tmp_path, jobs=jobs) for jobs in (1, 8))
    for name in ("precision", "recall", "scores"):
        assert np.array_equal(getattr(one, name), getattr(many, name))


# --- the harness itself ----------------------------------------------------------------------------------------------


def test_the_harness_sees_a_difference_in_every_array(tmp_path):
    """One changed score, box, flag or id shows up; a harness that sees nothing proves nothing."""
    gt, dt = load_case(FIXTURES / "07-crowd-matches-many")
    run_of = reference(gt, dt, BOX)
    changes = {
        "dtScores": (gt, [dict(dt[0], score=0.95), *dt[1:]]),
        "ious": (gt, [*dt[:2], dict(dt[2], bbox=[200, 0, 10, 9])]),
        "gtIgnore": (dict(gt, annotations=[gt["annotations"][0], dict(gt["annotations"][1], area=1e11)]), dt),
        "gtIds": (dict(gt, annotations=gt["annotations"][::-1]), dt),
        "dtMatches": (gt, [*dt[:2], dict(dt[2], bbox=[300, 0, 10, 10])]),
        "precision": (gt, [*dt[:2], dict(dt[2], bbox=[300, 0, 10, 10])]),
        "metric AP": (gt, [*dt[:2], dict(dt[2], bbox=[300, 0, 10, 10])]),
    }
    for what, (other_gt, other_dt) in changes.items():
        seen = Comparison()
        ours = candidate(other_gt, other_dt, strict(BOX), tmp_path)
        compare_cells(seen, run_of, ours, other_gt, strict(BOX))
        compare_arrays(seen, run_of, ours, strict(BOX))
        assert any(what in line for line in seen.differences), what
