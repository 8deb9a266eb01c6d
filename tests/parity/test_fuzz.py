"""A few hundred random inputs; `make fuzz` runs thousands."""

from __future__ import annotations

import pytest

import strategies
from parity.harness import compare, has_id_quirk

CHUNKS, CASES = 16, 11


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_every_intermediate_equals_the_reference(chunk, tmp_path):
    comparisons = 0
    for n in range(CASES):
        seed = chunk * CASES + n
        make = (strategies.box_case, strategies.segm_case, strategies.box_case, strategies.keypoint_case)[n % 4]
        case = make(seed)
        sets = strategies.parameter_sets(case, seed)
        # The first two are the defaults, loose and strict; the rest take turns.
        for params in [sets[0], sets[1], sets[2 + seed % (len(sets) - 2)]]:
            found = compare(case.gt, case.dt, params, tmp_path)
            assert found.differences == [], f"seed {seed}, {params}"
            comparisons += found.compared
    assert comparisons > 1000


def test_the_cases_hold_what_they_are_for():
    """A fuzzer that never draws the odd things proves nothing."""
    cases = [strategies.box_case(seed) for seed in range(300)]
    truths = [row for case in cases for row in case.gt["annotations"]]
    results = [row for case in cases for row in case.dt]
    assert 0.1 < sum(row["iscrowd"] for row in truths) / len(truths) < 0.3
    for area in (1024.0, 9216.0, 1e10):
        assert any(row["area"] == area for row in truths)
    for test in (
        lambda box: box[2] == 0,
        lambda box: box[0] < 0,
        lambda box: 0 < box[2] < 1e-8,
        lambda box: box[0] > 1e6,
        lambda box: box[2] < 0,
    ):
        assert any(test(row["bbox"]) for row in truths)
        assert any(test(row["bbox"]) for row in results)
    for score in (0.0, -1.0, 2.0, 17):
        assert any(row["score"] == score for row in results)
    assert any(str(row["score"]) == "-0.0" for row in results)
    assert any(row["category_id"] == 999 for row in results)
    assert any(max(map(crowding(case).count, crowding(case))) > 100 for case in cases)
    assert sum(has_id_quirk(case.gt) for case in cases) > 30
    assert any(not case.gt["annotations"] for case in cases)
    for ids in ("images", "categories"):
        assert any([r["id"] for r in case.gt[ids]] != sorted(r["id"] for r in case.gt[ids]) for case in cases)


def crowding(case):
    return [(row["image_id"], row["category_id"]) for row in case.dt]
