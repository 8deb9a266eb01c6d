"""Protocol `openimages` against TensorFlow's OpenImagesChallengeEvaluator, from file to number, class by class.

The cases are ours (tools/make_openimages_cases.py): image labels, group-of boxes under both spellings, boxes without
area, classes without truth, and truth expanded by the reference's own tool for class hierarchies.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from detkit.errors import InputError, UsageError
from detkit.evaluation import evaluate, hierarchy, protocols
from detkit.evaluation.align import align
from detkit.evaluation.result import Evaluation
from detkit.formats import ReadOptions, read_dataset, read_detections

ROOT = Path(__file__).resolve().parents[2]
CASES = json.loads((ROOT / "fixtures" / "openimages" / "cases.json").read_text(encoding="utf-8"))["cases"]


def _evaluate(folder: Path, case: dict[str, Any], **settings: Any) -> Evaluation:
    (folder / "gt.json").write_text(json.dumps(case["truth"]), encoding="utf-8")
    (folder / "dt.json").write_text(json.dumps(case["results"]), encoding="utf-8")
    options = ReadOptions(with_extra=False, with_shapes=False)
    truth = read_dataset(folder / "gt.json", "coco", options)
    if case["hierarchy"] is not None:
        truth = hierarchy.expand(truth, hierarchy.read_hierarchy(case["hierarchy"]))
    detections = read_detections(folder / "dt.json", "coco", options)
    chosen = {"group_of": case["group_of"], **settings}
    return evaluate(align(truth, detections), protocols.get("openimages", "bbox", **chosen))


def _case(name: str) -> dict[str, Any]:
    return copy.deepcopy(next(case for case in CASES if case["name"] == name))


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_equal_to_the_reference(case: dict[str, Any], tmp_path: Path) -> None:
    result = _evaluate(tmp_path, case)
    assert {row.name: row.metrics["AP"] for row in result.per_class} == case["expected"]["per_class"]
    # The mean alone depends on how NumPy adds up.
    assert result.metrics["mAP"] == pytest.approx(case["expected"]["mAP"], rel=1e-15, abs=0)
    assert list(result.metrics) == ["mAP", "AP50"]


def test_the_cases_hold_what_they_are_for() -> None:
    truths = [case["truth"] for case in CASES]
    for field in ("is_group_of", "iscrowd"):
        assert any(row.get(field) for truth in truths for row in truth["annotations"])
    for field in ("neg_category_ids", "pos_category_ids"):
        assert any(image[field] for truth in truths for image in truth["images"])
    assert any(0 in row["bbox"][2:] for case in CASES for row in case["results"])
    assert any(value is None for case in CASES for value in case["expected"]["per_class"].values())
    assert {case["group_of"] for case in CASES} == {"count", "ignore"}
    assert any(case["hierarchy"] for case in CASES)


def test_partners_point_at_the_box_or_the_group(tmp_path: Path) -> None:
    """Every detection that is no false positive has a partner it overlaps, by IoU or by its share in the group."""
    case = _case("groups-0")
    aligned_case = _evaluate(tmp_path, case)
    with_partners = evaluate(
        align(aligned_case.truth, aligned_case.detections), aligned_case.protocol, with_partners=True
    )
    assert with_partners.metrics == aligned_case.metrics
    layout, truth = with_partners.scored.layout, with_partners.truth
    seen = 0
    for k, matched in enumerate(with_partners.scored.matched):
        first, last = int(layout.class_cells[k]), int(layout.class_cells[k + 1])
        d0, g0 = layout.detections_of(k).start, layout.truths_of(k).start
        for c in range(first, last):
            for d in range(layout.dt_starts[c] - d0, layout.dt_starts[c + 1] - d0):
                partner = int(matched.partners[0, 0, d])
                assert (partner >= 0) == (matched.outcome[0, 0, d] != 0)
                if partner < 0:
                    continue
                row = layout.gt_row[layout.gt_starts[c] + partner]
                assert layout.gt_starts[c] + partner < layout.gt_starts[c + 1]
                seen += bool(truth.annotations.attributes["is_group_of"][row])
                x, y, w, h = with_partners.detections.xywh[layout.dt_row[d0 + d]]
                left, top, width, height = truth.annotations.xywh[row]
                shared = (min(x + w, left + width) - max(x, left)) * (min(y + h, top + height) - max(y, top))
                group = truth.annotations.attributes["is_group_of"][row]
                union = w * h if group else w * h + width * height - shared
                assert shared / union == matched.iou[d] >= 0.5
        assert g0 <= layout.truths_of(k).stop
    assert seen > 5


def test_the_protocol_says_what_is_in_force() -> None:
    settings = protocols.get("openimages").to_dict()
    assert settings["group_of"] == "count"
    assert settings["image_labels"] == ["neg_category_ids", "pos_category_ids"]
    assert settings["iou_thresholds"] == [0.5]


def test_truth_without_image_labels_is_refused(tmp_path: Path) -> None:
    case = _case("plain-0")
    for image in case["truth"]["images"]:
        del image["neg_category_ids"], image["pos_category_ids"]
    with pytest.raises(InputError, match="no image has `neg_category_ids` or `pos_category_ids`"):
        _evaluate(tmp_path, case)


def test_an_image_without_labels_is_scored_by_its_boxes(tmp_path: Path) -> None:
    """As in the reference, which only warns: classes with a box in the image are looked through, no others."""
    case, same = _case("plain-0"), _case("plain-0")
    for field in ("neg_category_ids", "pos_category_ids"):
        del case["truth"]["images"][0][field]
        same["truth"]["images"][0][field] = []
    assert _evaluate(tmp_path, case).metrics == _evaluate(tmp_path, same).metrics


@pytest.mark.parametrize("iou_type", ["segm", "keypoints", "obb"])
def test_boxes_only(iou_type: str) -> None:
    with pytest.raises(UsageError, match="`openimages` knows iou type bbox"):
        protocols.get("openimages", iou_type)
