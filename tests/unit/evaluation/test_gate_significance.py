"""Gate rules on intervals: significance, non-inferiority, ends; and that they never pass without the matches."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import detkit
from detkit import api
from detkit.errors import InputError, UsageError
from detkit.evaluation.gate import Rule, rules_from_mapping
from detkit.evaluation.outcomes import outcomes_of
from detkit.evaluation.uncertainty import Resampling, intervals

DEMO = Path(__file__).resolve().parents[3] / "fixtures" / "demo"
TRUTH, GOOD, WORSE = (
    DEMO / "coco" / "instances_val.json", *(DEMO / "predictions" / n for n in ("coco.json", "coco_worse.json"))
)  # fmt: skip
COCO = {"truth_format": "coco", "predictions_format": "coco"}
FEW = {"replicates": 200}


@pytest.fixture(scope="module")
def good() -> Any:
    return detkit.evaluate(TRUTH, GOOD, **COCO)


@pytest.fixture(scope="module")
def worse() -> Any:
    return detkit.evaluate(TRUTH, WORSE, **COCO)


@pytest.fixture
def saved(good: Any, worse: Any, tmp_path: Path) -> dict[str, Path]:
    paths = {}
    for name, result in (("good", good), ("worse", worse)):
        result = api.save_matches(result, tmp_path / f"{name}.npz")
        paths[name] = tmp_path / f"{name}.json"
        paths[name].write_text(json.dumps(result.to_dict()), encoding="utf-8")
    return paths


def interval(good: Any, worse: Any, metric: str) -> tuple[float, float]:
    from detkit.evaluation.comparison import compare

    (pair,) = compare([("old", good), ("new", worse)], Resampling(200, permutations=0)).pairs
    found = pair.metrics[metric].ci
    assert found is not None
    return found


def test_significance_fails_only_when_the_whole_interval_is_lower(good: Any, worse: Any) -> None:
    low, high = interval(good, worse, "AR1")
    assert high < 0
    for margin, verdict in ((0.0, "fail"), (-high, "pass"), (-high - 1e-9, "fail"), (0.5, "pass")):
        report = api.gate(worse, [Rule("AR1", significance={"margin": margin}, **FEW)], baseline=good)
        assert report.rows[0].verdict == verdict
        assert report.rows[0].interval == pytest.approx((low, high), abs=1e-12)
    assert api.gate(good, [Rule("AR1", significance={}, **FEW)], baseline=worse).outcome == "pass"


def test_non_inferiority_passes_only_when_the_whole_interval_is_above(good: Any, worse: Any) -> None:
    low, _ = interval(good, worse, "AR1")
    for margin, verdict in ((0.01, "fail"), (-low - 1e-9, "fail"), (-low + 1e-9, "pass")):
        report = api.gate(worse, [Rule("AR1", non_inferiority=margin, **FEW)], baseline=good)
        assert report.rows[0].verdict == verdict
    assert api.gate(good, [Rule("AP", non_inferiority=0.001, **FEW)], baseline=good).outcome == "pass"


def test_a_limit_at_an_end_of_the_interval(good: Any) -> None:
    low, high = intervals(good, Resampling(200)).metrics["AP"]  # type: ignore[misc]
    for rule, verdict in (
        (Rule("AP", min=low, at="lower", **FEW), "pass"),
        (Rule("AP", min=low + 1e-9, at="lower", **FEW), "fail"),
        (Rule("AP", min=high, at="upper", **FEW), "pass"),
        (Rule("mAP", max=low - 1e-9, at="lower", **FEW), "fail"),
    ):
        assert api.gate(good, [rule]).rows[0].verdict == verdict
    row = api.gate(good, [Rule("AP", min=0.4, at="lower", **FEW)]).rows[0]
    assert "lower end of the 95 % interval" in row.message
    assert row.to_dict()["interval"] == [low, high]


def test_classes_and_sizes_have_intervals(good: Any, worse: Any) -> None:
    rules = [Rule(m, significance={}, **FEW) for m in ("class.star.AP", "class.*.AP50", "size.small.AP", "mAP75")]
    report = api.gate(worse, rules, baseline=good)
    assert len(report.rows) == 1 + 4 + 1 + 1
    assert all(row.interval is not None for row in report.rows)
    one, every = report.rows[0], api.gate(worse, [Rule("class.*.AP", significance={}, **FEW)], baseline=good).rows
    assert one.interval in [row.interval for row in every]


def test_saved_matches_decide_as_the_evaluations_do(good: Any, worse: Any, saved: dict[str, Path]) -> None:
    rules = [Rule("AR1", significance={}, **FEW), Rule("APlarge", non_inferiority=0.01, **FEW)]
    direct = api.gate(worse, rules, baseline=good)
    read = api.gate(api.load_result(saved["worse"]), rules, baseline=api.load_baseline(saved["good"]))
    assert [(r.interval, r.verdict) for r in read.rows] == [(r.interval, r.verdict) for r in direct.rows]


def test_matches_are_found_beside_a_result_that_moved(saved: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "moved").mkdir()
    for name in ("good.json", "good.npz"):
        (tmp_path / name).rename(tmp_path / "moved" / name)
    report = api.gate(api.load_result(tmp_path / "moved" / "good.json"), [Rule("AP", min=0.1, at="lower", **FEW)])
    assert report.outcome == "pass"


def spoil_missing(folder: Path) -> None:
    (folder / "good.npz").unlink()


def spoil_hash(folder: Path) -> None:
    (folder / "good.npz").write_bytes((folder / "worse.npz").read_bytes())


def spoil_unnamed(folder: Path) -> None:
    content = json.loads((folder / "good.json").read_text(encoding="utf-8"))
    (folder / "good.json").write_text(json.dumps({**content, "matches": None}), encoding="utf-8")


def spoil_metrics(folder: Path) -> None:
    content = json.loads((folder / "good.json").read_text(encoding="utf-8"))
    content["metrics"]["AP"] += 0.01
    (folder / "good.json").write_text(json.dumps(content), encoding="utf-8")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (spoil_missing, "the saved matches are missing"),
        (spoil_hash, "SHA-256 differs"),
        (spoil_unnamed, "names no saved matches"),
        (spoil_metrics, "they lead to AP"),
    ],
)
def test_without_its_matches_nothing_is_judged(
    saved: dict[str, Path], tmp_path: Path, spoil: Any, message: str
) -> None:
    spoil(tmp_path)
    for result, baseline, rule in (
        ("good", None, Rule("AP", min=0.1, at="lower", **FEW)),
        ("worse", "good", Rule("AP", significance={"margin": 1.0}, **FEW)),
    ):
        before = None if baseline is None else api.load_baseline(saved[baseline])
        report = api.gate(api.load_result(saved[result]), [rule], baseline=before)
        assert (report.outcome, report.exit_code) == ("undecided", 3)
        assert message in report.rows[0].message


def test_no_baseline_is_undecided(good: Any) -> None:
    for rule in (Rule("AP", significance={}), Rule("AP", non_inferiority=0.01)):
        report = api.gate(good, [rule])
        assert report.outcome == "undecided"
        assert "no baseline is given" in report.rows[0].message


def test_another_truth_is_undecided(good: Any, worse: Any) -> None:
    fewer = detkit.evaluate(good.truth.take_images(np.arange(10)), worse.detections)
    report = api.gate(fewer, [Rule("AP", significance={"margin": 1.0}, **FEW)], baseline=good)
    assert report.outcome == "undecided"


@pytest.mark.parametrize("metric", ["worst_class.AP", "coverage", "recall@score=0.5", "class.star.AR100"])
def test_metrics_without_an_interval_are_a_wrong_request(good: Any, metric: str) -> None:
    with pytest.raises(UsageError, match="has no interval"):
        api.gate(good, [Rule(metric, min=0.0, at="lower", **FEW)])


def test_a_rule_without_intervals_reads_no_matches(saved: dict[str, Path], tmp_path: Path) -> None:
    spoil_missing(tmp_path)
    assert api.gate(api.load_result(saved["good"]), ["AP>=0.1"]).outcome == "pass"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"significance": {"margin": -0.1}}, "expected 0 or more"),
        ({"significance": {"margin": 2}}, "more than AP can fall"),
        ({"significance": {"level": 0.9}}, "unknown field `level`"),
        ({"significance": 0.1}, "expected a table"),
        ({"significance": {"margin": "2%"}}, "expected 0 or more"),
        ({"non_inferiority": 0}, "above 0"),
        ({"non_inferiority": "1%"}, "expected a number"),
        ({"non_inferiority": True}, "expected a number"),
        ({"min": 0.1, "at": "middle"}, "expected `lower` or `upper`"),
        ({"at": "lower"}, "has no limit"),
        ({"max_drop": 0.1, "at": "lower"}, "neither is given"),
        ({"min": 0.1, "level": 95}, "expected a share"),
        ({"min": 0.1, "level": 1.5}, "between 0 and 1"),
        ({"min": 0.1, "replicates": 10}, "expected 100 or more"),
        ({"min": 0.1, "seed": -1}, "expected 0 or more"),
        ({"metric": "latency.p95_ms", "significance": {}}, "has no interval"),
        ({"signifcance": {}}, "unknown field"),
    ],
)
def test_wrong_rules_in_a_file(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        rules_from_mapping({"rules": [{"metric": "AP", **fields}]}, "detkit.toml")


def test_rules_of_a_file() -> None:
    rules = rules_from_mapping(
        {"rules": [
            {"metric": "AP", "significance": {"margin": 0.01}, "level": 0.9, "replicates": 500, "seed": 4},
            {"metric": "AP50", "non_inferiority": 0.02},
            {"metric": "AP", "min": "40%", "at": "lower"},
        ]},
        "detkit.toml",
    )  # fmt: skip
    assert [rule.label for rule in rules] == [
        "AP significance, margin 0.01", "AP50 non_inferiority 0.02", "AP >= 0.4 at the lower end",
    ]  # fmt: skip
    assert all(rule.resamples for rule in rules)


def test_outcomes_of_an_evaluation_need_no_file(good: Any) -> None:
    assert outcomes_of(good).images == tuple(sorted(good.truth.images.ids.tolist()))
