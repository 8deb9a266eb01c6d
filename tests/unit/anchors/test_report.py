from __future__ import annotations

import json

import numpy as np
import pytest

from anchor_cases import dataset, random_dataset
from detkit.anchors.assess import assess
from detkit.anchors.report import AnchorSettings, design
from detkit.errors import CannotJudgeError, InputError, UsageError


def test_assessment_by_hand():
    wh = np.array([[10.0, 10], [20, 10], [100, 10], [5, 5]])
    found = assess(wh, np.array([[10.0, 10], [40, 20]]), category_index=np.array([0, 0, 2, 0]), names=["a", "b", "c"])
    # The third box shares 40 x 10 with the second anchor: 400 of 1000 + 800 - 400.
    assert found.mean_best_iou == pytest.approx((1 + 0.5 + 400 / 1400 + 0.25) / 4)
    # A side ratio of exactly 1/4, that of the first box and the second anchor, does not count.
    assert found.mean_best_ratio == pytest.approx((1 + 0.5 + 0.4 + 0.5) / 4)
    assert found.aat == (1 + 2 + 1 + 1) / 4
    assert (found.bpr, found.uncovered) == (1.0, 0)
    assert found.best_of.tolist() == [3, 1]
    assert [(c.name, c.boxes) for c in found.classes] == [("c", 1), ("a", 3)]
    strict = assess(wh, np.array([[10.0, 10], [40, 20]]), ratio_threshold=2.2)
    assert strict.uncovered == 1
    assert strict.bpr == 3 / 4
    assert strict.fitness == pytest.approx((1 + 0.5 + 0 + 0.5) / 4)


def test_report_holds_together():
    table = random_dataset(5)
    settings = AnchorSettings((256, 256), sweep=(3, 4, 5, 6, 7, 8), generations=50)
    given = np.array([[5.0, 5], [20, 20], [60, 60]])
    report = design(table, settings, given)
    found = report.to_dict()
    json.dumps(found, allow_nan=False)
    assert found["schema"] == "detkit.anchors/1"
    assert len(found["anchors"]) == len(given)  # as many as are given
    assert found["mean_best_iou"] > found["given"]["mean_best_iou"]
    assert [row["k"] for row in found["sweep"]["rows"]] == [3, 4, 5, 6, 7, 8]
    means = [row["mean_best_iou"] for row in found["sweep"]["rows"]]
    assert means == sorted(means)
    assert found["evolution"]["after"] == found["fitness"] >= found["evolution"]["before"]
    assert sum(row["boxes"] for row in found["per_anchor"]) == found["boxes"] == len(table.annotations)
    assert [anchor for level in found["levels"] for anchor in level["anchors"]] == found["anchors"]
    assert design(table, settings, given).to_dict() == found


def test_how_many_anchors():
    table = random_dataset(5)
    assert len(design(table, AnchorSettings((256, 256))).found.anchors) == 9
    swept = design(table, AnchorSettings((256, 256), sweep=tuple(range(3, 10))))
    assert len(swept.found.anchors) == swept.knee
    assert len(design(table, AnchorSettings((256, 256), k=6, sweep=(3, 4, 5))).found.anchors) == 6


def test_refusals():
    table = random_dataset(5)
    with pytest.raises(UsageError, match="2 anchors do not fill 3 levels"):
        design(table, AnchorSettings((256, 256), k=2))
    with pytest.raises(UsageError, match="is no multiple of the stride 8"):
        design(table, AnchorSettings((250, 256)))
    with pytest.raises(InputError, match="1 distinct sizes, 9 anchors"):
        design(dataset([[0, 0, 1, 1, 5, 5]]), AnchorSettings((64, 64)))
    with pytest.raises(CannotJudgeError, match="no box to fit anchors to: 1 of images of unknown size were left out"):
        design(dataset([[0, 0, 1, 1, 5, 5]], [(np.nan, np.nan)]), AnchorSettings((64, 64)))
    for wrong in ({"k": 0}, {"restarts": 0}, {"ratio_threshold": 1.0}, {"sweep": (4, 3)}, {"seed": -1}):
        with pytest.raises(UsageError):
            AnchorSettings((64, 64), **wrong)
