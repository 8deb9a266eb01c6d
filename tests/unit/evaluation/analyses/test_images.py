"""Errors per image: counts, order, and agreement with a recount."""

from __future__ import annotations

import numpy as np
import pytest

from analysis_cases import random_result, rescored, scored
from detkit.evaluation.analyses import Settings, analyse
from detkit.kernels.match import FALSE, TRUE
from detkit.reports.analyses import tables

# Image 0: one hit, one false positive. Image 1: two misses, one of them found below the threshold. Image 2: all right.
TRUTHS = [(0, 0), (1, 0), (1, 1), (2, 0)]
FOUND = [(0, 0, 1.0, 0.9), (-1, 0, 1.0, 0.8), (1, 0, 1.0, 0.1), (3, 0, 1.0, 0.7)]


def test_counts_and_order() -> None:
    found = analyse("images", scored(TRUTHS, FOUND), Settings(score_threshold=0.5)).to_dict()
    assert [(row["image_id"], row["tp"], row["fp"], row["fn"]) for row in found["worst"]] == [
        (2, 0, 0, 2),
        (1, 1, 1, 0),
    ]
    assert found["without_errors"] == 1
    assert found["errors"] == 3
    # Two of three errors lie on one image.
    assert found["half_of_errors_on"] == 1


def test_only_the_worst_are_named_and_the_rest_is_counted() -> None:
    found = analyse("images", scored(TRUTHS, FOUND), Settings(score_threshold=0.5, examples=1)).to_dict()
    assert len(found["worst"]) == found["listed"] == 1
    assert found["with_errors"] == 2
    (table,) = tables("images", found)
    assert table.notes[-1] == "1 more images with errors are not listed"


@pytest.mark.parametrize("seed", range(6))
def test_sums_equal_a_recount(seed: int) -> None:
    result = random_result(seed)
    found = analyse("images", result, Settings(score_threshold=0.5))
    again = rescored(result, 0.5)
    layout, t = again.scored.layout, again.protocol.reference_threshold
    outcome = np.concatenate([m.outcome[0, t] for m in again.scored.matched])
    image = again.detections.image_index[layout.dt_row]
    for i in range(len(again.truth.images)):
        assert found.tp[i] == np.count_nonzero(outcome[image == i] == TRUE)
        assert found.fp[i] == np.count_nonzero(outcome[image == i] == FALSE)
    assert found.tp.sum() + found.fn.sum() == again.scored.truths[:, 0].sum()
