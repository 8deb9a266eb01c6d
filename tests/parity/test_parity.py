"""The reference against detkit on real data and on one small fixture for each of its quirks."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path

import pytest
from parity.harness import (
    Comparison,
    Params,
    compare,
    compare_arrays,
    compare_cells,
    candidate,
    load_case,
    reference,
    small_truth,
    strict,
    with_clean_ids,
)

from detkit.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "fixtures" / "parity"

BOX = Params("bbox")
SEGM = Params("segm")
KEYPOINTS = Params("keypoints")
#: Of each fixture folder the ways to score it: parameters, and what the reference and detkit answer by default as AP.
CASES: dict[str, list[Params]] = {
    "01-sorted-ids": [BOX, replace(BOX, max_dets=(100, 10, 1))],
    "02-stable-ties": [BOX, replace(BOX, use_cats=False)],
    "03-cap-per-class": [replace(BOX, max_dets=(1, 2, 100)), replace(BOX, max_dets=(1, 2, 100), use_cats=False)],
    "04-touching-boxes": [BOX],
    "05-later-equal-truth": [BOX],
    "06-counted-truth-first": [BOX],
    "07-crowd-matches-many": [BOX],
    "08-area-limits-inclusive": [BOX],
    "09-detection-area": [BOX, SEGM],
    "10-ignore-overwritten": [BOX],
    "11a-annotation-id-0": [BOX],
    "11b-repeated-annotation-id": [BOX],
    "12-spacing-and-left-search": [BOX],
    "13-absent-class": [BOX],
    "14-cap-100-by-name": [replace(BOX, max_dets=(1, 10, 50)), replace(BOX, max_dets=(1, 10, 50, 100)), BOX],
    "15-keypoints": [KEYPOINTS, replace(KEYPOINTS, max_dets=(1, 20)), replace(KEYPOINTS, sigmas=(0.05,) * 17)],
    "15b-keypoints-without-classes": [replace(KEYPOINTS, use_cats=False)],
    "16a-masks": [SEGM],
    "16b-results-without-masks": [SEGM],
}


@pytest.mark.parametrize(("name", "n"), [(name, n) for name, sets in CASES.items() for n in range(len(sets))])
def test_under_strict_parity_each_quirk_is_the_references(name, n, tmp_path):
    found = compare(*load_case(FIXTURES / name), strict(CASES[name][n]), tmp_path)
    assert found.differences == []
    assert found.compared > 20


#: What cannot be compared by default: detkit refuses, or answers otherwise (both pinned below).
ELSEWHERE = ("15b-keypoints-without-classes", "16b-results-without-masks")


@pytest.mark.parametrize(
    ("name", "n"), [(name, n) for name, sets in CASES.items() if name not in ELSEWHERE for n in range(len(sets))]
)
def test_by_default_the_answer_is_the_references_without_the_quirk(name, n, tmp_path):
    assert compare(*load_case(FIXTURES / name), CASES[name][n], tmp_path).differences == []


#: The statistic that shows the quirk: parameters, name, the reference's value (as strict parity's), detkit's default.
PINNED = [
    ("01-sorted-ids", BOX, "AP50", 1 * 51 / 101 * 0.5 + 0.5 * 1, None),
]


def value(name, params, metric, tmp_path):
    return candidate(*load_case(FIXTURES / name), params, tmp_path).metrics[metric]


def ones(share: float = 1.0) -> float:
    """Mean of a precision of 1 / (1 + spacing) at the share of 101 recalls that is reached."""
    import numpy as np

    reached = round(share * 101)
    return float(np.mean([1 / (1 + np.spacing(1))] * reached + [0.0] * (101 - reached)))
