"""One bootstrap replicate against pycocotools on files in which the images are physically repeated."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from detkit.evaluation.outcomes import outcomes_of
from detkit.evaluation.replicates import Resampler
from detkit.evaluation.result import metric_rows
from detkit.evaluation.uncertainty import class_rows
from parity.harness import Params, candidate

ROOT = Path(__file__).resolve().parents[2]
CASES = json.loads((ROOT / "fixtures" / "bootstrap" / "cases.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_bootstrap_cases", ROOT / "tools" / "make_bootstrap_cases.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def replicate(case: dict[str, Any], folder: Path) -> tuple[np.ndarray, np.ndarray, Any]:
    result = candidate(case["truth"], case["results"], Params(), folder)
    outcomes = outcomes_of(result)
    ids = [image["id"] for image in case["truth"]["images"]]
    weights = np.array([[case["weights"][ids.index(i)] for i in outcomes.images]], dtype=np.int32)
    overall, per_class = Resampler(outcomes, metric_rows(result.protocol), class_rows(result.protocol)).metrics(
        weights, weights
    )
    return overall[0], per_class[0], result


def same(found: Any, expected: Any) -> None:
    """To 1e-12; the reference's -1 is our NaN."""
    expected = np.where(np.asarray(expected) == -1, np.nan, expected)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"seed{case['seed']}")
def test_a_replicate_is_the_score_of_repeated_images(case: dict[str, Any], tmp_path: Path) -> None:
    assert max(case["weights"]) > 1
    assert min(case["weights"]) == 0
    overall, per_class, result = replicate(case, tmp_path)
    same(overall, case["statistics"])
    average = np.array(case["average"])
    names = [row.name for row in class_rows(result.protocol)]
    same(per_class[names.index("AP")], average.mean(axis=0))
    same(per_class[names.index("AP50")], average[0])


@pytest.mark.parametrize("seed", range(100, 115))
def test_also_on_data_that_no_fixture_holds(tool: ModuleType, seed: int, tmp_path: Path) -> None:
    truth, results, weights = tool.draw(seed)
    again = tool.repeated(truth, results, weights)
    if not again[1]:
        pytest.skip("nothing is predicted on the images drawn: the reference refuses an empty file")
    overall, _, _ = replicate({"truth": truth, "results": results, "weights": weights}, tmp_path)
    same(overall, tool.reference(*again)["statistics"])


def test_the_fixture_holds_what_the_tool_writes(tool: ModuleType) -> None:
    truth, results, weights = tool.draw(1)
    assert json.loads(json.dumps([truth, results, weights])) == [CASES[1][k] for k in ("truth", "results", "weights")]
    assert tool.reference(*tool.repeated(truth, results, weights))["statistics"] == CASES[1]["statistics"]


def test_cases_hold_ties_within_an_image() -> None:
    """Where the order of copies matters: two detections of one image, class and score, one right and one wrong."""
    tied = 0
    for case in CASES:
        keys = [(r["image_id"], r["category_id"], r["score"]) for r in case["results"]]
        tied += len(keys) - len(set(keys))
    assert tied >= 10
