"""Protocol `lvis` against lvis 0.5.3, from file to number: arrays bit for bit, the thirteen numbers but for a last bit.

The thirteen are means of these arrays, and the last bit of `np.mean` differs between releases of NumPy. The cases are
ours (tools/make_lvis_cases.py): ties, lists of absent and not exhaustive classes, ignored and crowd flags, boxes
without area, classes without truth, and more than 300 detections an image.
"""

from __future__ import annotations

import copy
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import detkit
from detkit.errors import InputError, UsageError
from detkit.evaluation import protocols
from detkit.evaluation.result import Evaluation

ROOT = Path(__file__).resolve().parents[2]
CASES = json.loads((ROOT / "fixtures" / "lvis" / "cases.json").read_text(encoding="utf-8"))["cases"]
REAL = ROOT / ".." / "shared" / "data" / "lvis_100"
#: detkit's names of the reference's rows.
NAMES = {
    "AP": "AP", "AP50": "AP50", "AP75": "AP75", "APsmall": "APs", "APmedium": "APm", "APlarge": "APl",
    "APr": "APr", "APc": "APc", "APf": "APf",
    "AR300": "AR@300", "ARsmall": "ARs@300", "ARmedium": "ARm@300", "ARlarge": "ARl@300",
}  # fmt: skip


def _evaluate(folder: Path, truth: Any, results: Any, **settings: Any) -> Evaluation:
    (folder / "gt.json").write_text(json.dumps(truth), encoding="utf-8")
    (folder / "dt.json").write_text(json.dumps(results), encoding="utf-8")
    return detkit.evaluate(folder / "gt.json", folder / "dt.json", **{"protocol": "lvis", **settings})


def _case(name: str) -> dict[str, Any]:
    return copy.deepcopy(next(case for case in CASES if case["name"] == name))


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_equal_to_the_reference(case: dict[str, Any], tmp_path: Path) -> None:
    expected = case["lvis"]
    result = _evaluate(tmp_path, case["truth"], case["results"], iou_type=case["iou_type"])
    recall = result.recall[..., 0]
    assert recall.shape == np.shape(expected["recall"])
    assert (recall == np.array(expected["recall"])).all()
    precision = np.ascontiguousarray(result.precision[..., 0])
    assert list(precision.shape) == expected["precision_shape"]
    assert hashlib.sha256(precision.astype("<f8").tobytes()).hexdigest() == expected["precision_sha256"]
    values = {theirs: -1.0 if (v := result.metrics[ours]) is None else v for ours, theirs in NAMES.items()}
    assert values == pytest.approx(expected["results"], rel=1e-15, abs=0)


def test_the_cases_hold_what_they_are_for() -> None:
    truths = [case["truth"] for case in CASES]
    counts: dict[int, int] = {}
    for row in _case("more_than_300-0")["results"]:
        counts[row["image_id"]] = counts.get(row["image_id"], 0) + 1
    assert max(counts.values()) > 300
    for field in ("ignore", "iscrowd"):
        assert any(row.get(field) for truth in truths for row in truth["annotations"])
    for field in ("neg_category_ids", "not_exhaustive_category_ids"):
        assert any(image[field] for truth in truths for image in truth["images"])
    assert any(row["area"] == 0 for truth in truths for row in truth["annotations"])
    assert {case["iou_type"] for case in CASES} == {"bbox", "segm"}


def test_the_thirteen_rows_come_in_order(tmp_path: Path) -> None:
    case = _case("ties-0")
    result = _evaluate(tmp_path, case["truth"], case["results"])
    assert list(result.metrics) == list(NAMES)
    assert [row.name for row in protocols.get("lvis").metrics] == list(NAMES)
    assert set(result.per_class[0].metrics) == {"AP", "AP50", "AP75", "APsmall", "APmedium", "APlarge", "AR300"}


def test_what_is_left_out_is_counted(tmp_path: Path) -> None:
    case = _case("more_than_300-0")
    counts = _evaluate(tmp_path, case["truth"], case["results"]).to_dict()["inputs"]["predictions"]
    looked_for = {
        (image["id"], category)
        for image in case["truth"]["images"]
        for category in image["neg_category_ids"]
        + [r["category_id"] for r in case["truth"]["annotations"] if r["image_id"] == image["id"] and r["area"] > 0]
    }
    rows = case["results"]
    empty = sum(row["bbox"][2] * row["bbox"][3] == 0 for row in rows)
    strange = sum(
        (row["image_id"], row["category_id"]) not in looked_for and row["bbox"][2] * row["bbox"][3] > 0 for row in rows
    )
    assert counts["beyond_max_detections"] == 2 * (420 - 300)
    assert (counts["without_area"], counts["class_not_verified"]) == (empty, strange)


@pytest.mark.parametrize("field", ["neg_category_ids", "not_exhaustive_category_ids"])
def test_truth_without_the_lists_is_refused(field: str, tmp_path: Path) -> None:
    case = _case("sparse-0")
    del case["truth"]["images"][2][field]
    name = case["truth"]["images"][2]["file_name"]
    with pytest.raises(InputError, match=rf"1 of 6 images lack .*`{field}`.*first: `{name}`") as caught:
        _evaluate(tmp_path, case["truth"], case["results"])
    assert "--protocol coco" in str(caught.value.hint)


def test_lists_that_are_no_lists_are_refused(tmp_path: Path) -> None:
    case = _case("sparse-0")
    case["truth"]["images"][0]["neg_category_ids"] = "all of them"
    with pytest.raises(InputError, match="expected a list of class ids"):
        _evaluate(tmp_path, case["truth"], case["results"])


def test_under_coco_a_finding_says_that_the_lists_are_not_read(tmp_path: Path) -> None:
    case = _case("sparse-0")
    result = _evaluate(tmp_path, case["truth"], case["results"], protocol="coco")
    found = [f for f in result.findings if f.code == "DK709"]
    assert [f.count for f in found] == [6]
    assert "`neg_category_ids`" in found[0].message
    assert "`coco`" in found[0].message
    assert not [f for f in _evaluate(tmp_path, case["truth"], case["results"]).findings if f.code == "DK709"]


def test_keypoints_are_not_known() -> None:
    with pytest.raises(UsageError, match="`lvis` knows iou types bbox and segm"):
        protocols.get("lvis", "keypoints")


@pytest.mark.skipif(not REAL.is_dir(), reason="real data not beside the checkout (../shared/data/lvis_100)")
def test_real_data_scores_what_the_reference_published() -> None:
    metrics = detkit.evaluate(REAL / "gt.json", REAL / "dt.json", protocol="lvis").metrics
    expected = {
        "AP": 0.386848, "AP50": 0.597101, "AP75": 0.427857, "APsmall": 0.323278, "APmedium": 0.479331,
        "APlarge": 0.505774, "APr": 0.7, "APc": 0.356144, "APf": 0.390671,
    }  # fmt: skip
    assert {name: round(metrics[name] or 0.0, 6) for name in expected} == expected
