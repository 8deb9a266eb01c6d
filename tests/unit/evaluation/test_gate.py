"""The gate: every verdict, every refusal, and that it never passes for want of knowing better."""

from __future__ import annotations

import ast
import copy
import itertools
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detkit.config import line_of, load_config, load_json
from detkit.errors import CannotJudgeError, InputError, UsageError
from detkit.evaluation import gate as module
from detkit.evaluation.gate import (
    GateReport,
    Rule,
    gate,
    parse_expression,
    resolve,
    rules_from_mapping,
    validate_result,
)

ROOT = Path(__file__).resolve().parents[3]
CASES = ROOT / "fixtures" / "cli" / "gate"
RESULTS = {path.stem: path for path in (CASES / "results").glob("*.json")}

quick = settings(derandomize=True, deadline=None, max_examples=50)


def load(name: str) -> Any:
    return json.loads(RESULTS[name].read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def _good() -> Any:
    return load("good")


@pytest.fixture
def good(_good: Any) -> Any:
    return copy.deepcopy(_good)


@pytest.fixture
def baseline() -> Any:
    return load("baseline")


def judge(result: Mapping[str, Any], *rules: Rule | str, **options: Any) -> GateReport:
    return gate({"r.json": result}, rules, **options)


def with_metric(result: Any, value: float | None, name: str = "AP") -> Any:
    changed = copy.deepcopy(result)
    changed["metrics"][name] = value
    return changed


# --- paths


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("AP", 0.5),
        (" AP ", 0.5),
        ("AP50", 0.75),
        ("mAP", 0.5),
        ("mAP50-95", 0.5),
        ("mAP50:95", 0.5),
        ("mAP50", 0.75),
        ("mAP75", 0.55),
        ("APsmall", None),
        ("size.small.AP", None),
        ("size.medium.AP", 0.45),
        ("size.medium.AR", 0.5),
        ("size.large.mAP", 0.625),
        ("class.person.AP50", 0.875),
        ("class.person.mAP50", 0.875),
        ("class.person.AR100", 0.7),
        ("class.person.ground_truths", 20),
        ("class.traffic light.AP", 0.5),
        ("class.No. 5.AP50", 0.625),
        ('class["No. 5"].AP50', 0.625),
        ("class['No. 5'].AP50", 0.625),
        ("class.kite.AP", None),
        ("worst_class.AP", 0.375),
        ("worst_class.mAP50", 0.625),
        ("slice.night.AP", 0.3125),
        ('slice["day"].mAP50', 0.8),
        ("recall@score=0.4", 24 / 40),
        ("precision@score=0.40", 24 / 30),
        ("f1@score=.4", 2 * 24 / (2 * 24 + 6 + 16)),
        ("latency.p95_ms", 14.25),
        ("coverage", 0.9),
    ],
)
def test_resolve(good: Any, path: str, expected: float | None) -> None:
    assert resolve(good, path) == expected


@pytest.mark.parametrize(
    ("path", "found", "hint"),
    [
        ("ap", "unknown metric `ap`", "`AP`"),
        ("APs", "unknown metric `APs`", "`APsmall`"),
        ("APtiny", "unknown metric `APtiny`", "`AP`"),
        ("zzz", "unknown metric `zzz`", "known: `AP`, `AP50`"),
        ("size.tiny.AP", "unknown metric `size.tiny.AP`", "`size.small.AP`"),
        ("size.AP", "unknown metric `size.AP`", "size."),
        ("worst_class", "unknown metric `worst_class`", "`worst_class.AP`"),
        ("worst_class.APx", "unknown metric `APx` per class", "`AP`"),
        ("class.Person.AP", "unknown class `Person`", "`person`"),
        ("class.persn.AP", "unknown class `persn`", "`person`"),
        ('class["No 5"].AP', "unknown class `No 5`", "`No. 5`"),
        ("class.person.AP55", "unknown metric `AP55` per class", "`AP50`"),
        ("class.person.name", "unknown metric `name` per class", "known"),
        ("class.person", "expected a form such as `class.NAME.AP`", ""),
        ("class.person.", "expected a form such as `class.NAME.AP`", ""),
        ("class[person].AP", "expected a quoted name", "single quotes"),
        ("class.*.AP", "one value per class", "`worst_class`"),
        ("slice.nigth.AP", "unknown slice `nigth`", "`night`"),
        ("slice.night.AP75", "unknown metric `AP75` in", "`AP50`"),
        ("latency.p95", "unknown latency figure `p95`", "`p95_ms`"),
        ("recall@0.4", "expected a form such as `recall@score=0.4`", ""),
        ("recall@score=", "expected a form such as", ""),
        ("recall@score=0.405", "score 0.405 is not listed in the result; scores are listed every 0.01", "0.4 or 0.41"),
        ("recall@score=1.5", "score 1.5 is not listed", "0.99 or 1"),
    ],
)
def test_unknown_paths_name_the_nearest(good: Any, path: str, found: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        resolve(good, path)
    assert found in caught.value.message
    assert hint in (caught.value.hint or "")


def test_at_most_five_nearest_names(good: Any) -> None:
    row = good["per_class"][0]
    names = [f"person {i}" for i in range(10)] + [f"Person {i}" for i in range(10)]
    good["per_class"] = [{**row, "category_id": i, "name": name} for i, name in enumerate(names)]
    with pytest.raises(UsageError) as caught:
        resolve(good, "class.person x.AP")
    assert (caught.value.hint or "").casefold().count("`person ") == 5


@pytest.mark.parametrize("path", ["slice.night.AP", "latency.p95_ms", "recall@score=0.4", "coverage"])
def test_a_part_the_result_does_not_hold_cannot_be_judged(path: str) -> None:
    with pytest.raises(CannotJudgeError, match="the result holds no"):
        resolve(load("bare"), path)
    assert judge(load("bare"), Rule(path, min=0)).outcome == "undecided"


def test_no_values_per_class_cannot_be_judged(good: Any) -> None:
    good["per_class"] = []
    for path in ("class.person.AP", "class.*.AP", "worst_class.AP"):
        assert judge(good, Rule(path, min=0)).outcome == "undecided"


def test_names_with_dots_match_the_longest_known_name(good: Any) -> None:
    good["per_class"][0]["name"] = "a.b"
    good["per_class"][1]["name"] = "a"
    good["per_class"][1]["b.AP"] = 0.25
    assert resolve(good, "class.a.b.AP") == good["per_class"][0]["AP"]
    assert resolve(good, "class.a.AP") == good["per_class"][1]["AP"]


@pytest.mark.parametrize("name", ["*", 'the "big" one', "it's", "a]b", "x >= 1", "名前", "e\u0301cran"])
def test_awkward_names_can_be_quoted(good: Any, name: str) -> None:
    good["per_class"][0]["name"] = name
    quote = "'" if '"' in name else '"'
    assert judge(good, f"class[{quote}{name}{quote}].AP >= 0.625").outcome == "pass"
    metrics = [row.metric for row in judge(good, "class.*.AP>=0").rows]
    assert resolve(good, metrics[0]) == good["per_class"][0]["AP"]  # the printed path can be pasted back


def test_an_accent_typed_composed_meets_a_decomposed_name(good: Any) -> None:
    good["per_class"][0]["name"] = "e\u0301cran"
    assert resolve(good, "class.\u00e9cran.AP") == 0.625


def test_two_classes_of_one_name_are_told_apart_or_refused(good: Any, baseline: Any) -> None:
    for result in (good, baseline):
        result["per_class"][1]["name"] = "person"
    with pytest.raises(UsageError, match=r"several classes are named `person` \(ids 1, 2\)"):
        resolve(good, "class.person.AP")
    rows = judge(good, Rule("class.*.AP", max_drop=0.2), baseline=baseline).rows
    assert [row.baseline for row in rows] == [0.65, 0.5, 0.375]


def test_the_mean_over_thresholds_is_not_the_voc_mean() -> None:
    voc = load("voc")
    assert resolve(voc, "mAP") == resolve(voc, "AP") == resolve(voc, "mAP50") == 0.75
    assert resolve(voc, "class.person.mAP") == 0.875
    for path in ("mAP50-95", "class.person.mAP50:95", "AP75"):
        with pytest.raises(UsageError, match="unknown metric"):
            resolve(voc, path)


@pytest.mark.parametrize(("stat", "column"), [("recall", "fn"), ("precision", "fp"), ("f1", "fn")])
def test_operating_points_without_counts_are_undefined(good: Any, stat: str, column: str) -> None:
    for name in {"tp", column} | ({"fp"} if stat == "f1" else set()):
        good["operating_points"][name] = [0] * 101
    assert resolve(good, f"{stat}@score=0.4") is None


def test_listed_scores_are_found_despite_binary_noise(good: Any) -> None:
    good["operating_points"]["score"] = [i * 0.01 for i in range(101)]
    assert good["operating_points"]["score"][35] != 0.35
    tp, fn = good["operating_points"]["tp"][35], good["operating_points"]["fn"][35]
    assert resolve(good, "recall@score=0.35") == tp / (tp + fn)


# --- expressions


@pytest.mark.parametrize(
    ("text", "metric", "low", "high", "strict"),
    [
        ("AP>=0.40", "AP", 0.4, None, False),
        ("  AP50 > .4 ", "AP50", 0.4, None, True),
        ("latency.p95_ms<=20", "latency.p95_ms", None, 20.0, False),
        ("AP<1e-1", "AP", None, 0.1, True),
        ("AP >= 40%", "AP", 0.4, None, False),
        ("AP>=7 %", "AP", 0.07, None, False),
        ("AP>=0.7%", "AP", 0.007, None, False),  # 0.7 / 100 is 0.006999999999999999 in binary
        ("recall@score=0.4>=0.6", "recall@score=0.4", 0.6, None, False),
        ('class["a >= b"].AP>=0.1', 'class["a >= b"].AP', 0.1, None, False),
        ("class.*.AP50 >= 0", "class.*.AP50", 0.0, None, False),
    ],
)
def test_expressions(text: str, metric: str, low: float | None, high: float | None, strict: bool) -> None:
    rule = parse_expression(text)
    assert (rule.metric, rule.min, rule.max) == (metric, low, high)
    assert (rule.min_strict or rule.max_strict) is strict
    assert rule.label == text.strip()


@pytest.mark.parametrize(
    ("text", "found", "hint"),
    [
        ("AP", "`AP` has no operator: was the `>` taken by the shell?", "quote it: --require 'AP>=0.40'"),
        ("recall@score=0.4", "has no operator", "quote it"),
        ("", "has no operator", "quote it"),
        ("AP 0.4", "has no operator", "quote it"),
        ("AP==0.4", "operator `==` in `AP==0.4` is refused: equality", "`>=`"),
        ("AP=0.4", "operator `=`", "`>=`"),
        ("AP!=0.4", "operator `!=`", "`>=`"),
        ("AP=>0.4", "the operator is written `>=`", "`>=`"),
        ("AP≥0.4", "the operator is written `>=`", "`>=`"),
        ("AP>>0.4", "operator `>>`", "`>=`"),
        ("0.2<AP<0.4", "has 2 operators", "one rule for each"),
        ("0.4<=AP", "has no metric before `<=`", "the metric comes first"),
        (">=0.4", "has no metric before", "the metric comes first"),
        ("AP>=", "has no limit after `>=`", "a number"),
        ("AP>=x", "expected a number", ""),
        ("AP>=0,40", "expected a number", "write 0.40"),
        ("AP>=nan", "expected a finite number", ""),
        ("AP>=inf", "expected a finite number", ""),
        ("AP>=1e999", "expected a finite number", ""),
        ("AP>=40", "AP is 0 to 1; found 40", "write 0.40"),
        ("AP>=42.5", "AP is 0 to 1; found 42.5", "write 0.425"),
        ("class.person.AP50>=1.5", "class.person.AP50 is 0 to 1; found 1.5", ""),
        ("AP>=-0.1", "AP is 0 to 1; found -0.1", ""),
        ("AP>=140%", "AP is 0% to 100%; found 140%", ""),
        ("coverage>=90", "coverage is 0 to 1; found 90", "write 0.90"),
        ("recall@score=0.4>=60", "is 0 to 1; found 60", "write 0.60"),
        ("latency.p95_ms<=40%", "a percentage fits only", ""),
        ("latency.p95_ms<=20ms", "expected a number", ""),
        ("latency.p95_ms<=-1", "is 0 or more; found -1", ""),
        ("AP>1", "can never pass", ""),
        ("AP<0", "can never pass", ""),
    ],
)
def test_refused_expressions(text: str, found: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_expression(text)
    assert found in caught.value.message
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"metric": ""}, "expected a metric path"),
        ({"metric": "AP"}, "has no limit"),
        ({"metric": "AP", "min": 0.6, "max": 0.5}, "nothing can pass"),
        ({"metric": "AP", "min": math.nan}, "expected a finite number"),
        ({"metric": "AP", "min": True}, "expected a finite number"),
        ({"metric": "AP", "min": 0.5, "severity": "fatal"}, "expected `error` or `warn`"),
        ({"metric": "AP", "max_drop": -0.1}, "expected an amount"),
        ({"metric": "AP", "max_drop": math.inf}, "expected an amount"),
        ({"metric": "AP", "max_drop": "2"}, "expected an amount"),
        ({"metric": "AP", "max_drop": 2}, "more than AP can fall"),
        ({"metric": "AP", "max_drop": "200%"}, "more than AP can fall"),
    ],
)
def test_rules_without_sense(fields: dict[str, Any], found: str) -> None:
    with pytest.raises(UsageError, match=found):
        Rule(**fields)


def test_a_share_is_read_in_decimal() -> None:
    drop = Rule("AP", max_drop="0.7%").drop
    assert drop is not None
    assert (drop.amount, drop.relative, str(drop)) == (0.007, True, "0.7%")
    assert 0.7 / 100 != 0.007


def test_limits_may_be_whole_numbers() -> None:
    assert Rule("AP", min=1).min == 1.0
    assert isinstance(Rule("AP", min=1).min, float)


# --- verdicts


@pytest.mark.parametrize(
    ("rule", "verdict", "outcome", "code"),
    [
        ("AP>=0.4", "pass", "pass", 0),
        ("AP>=0.5", "pass", "pass", 0),
        ("AP>0.5", "fail", "fail", 1),
        ("AP<=0.5", "pass", "pass", 0),
        ("AP<0.5", "fail", "fail", 1),
        ("AP>=0.6", "fail", "fail", 1),
        (Rule("AP", min=0.6, severity="warn"), "warn", "pass", 0),
        (Rule("AP", min=0.4, severity="warn"), "pass", "pass", 0),
        ("APsmall>=0", "undefined", "undecided", 3),
        (Rule("APsmall", min=0, allow_missing=True), "pass", "pass", 0),
        (Rule("APsmall", min=0, severity="warn"), "undefined", "pass", 0),
        ("class.kite.AP>=0", "undefined", "undecided", 3),
    ],
)
def test_verdicts(good: Any, rule: Rule | str, verdict: str, outcome: str, code: int) -> None:
    report = judge(good, rule)
    assert [row.verdict for row in report.rows] == [verdict]
    assert (report.outcome, report.exit_code) == (outcome, code)
    assert report.to_dict()["outcome"] == outcome


def test_a_rule_with_two_limits_is_two_rows(good: Any) -> None:
    low, high = judge(good, Rule("AP", min=0.4, max=0.45)).rows
    assert (low.verdict, low.operator, low.limit, low.margin) == ("pass", ">=", 0.4, 0.5 - 0.4)
    assert (high.verdict, high.operator, high.limit, high.margin) == ("fail", "<=", 0.45, 0.45 - 0.5)


def test_float_noise_counts_and_is_shown(good: Any) -> None:
    noisy = 0.1 + 0.2
    assert noisy > 0.3
    assert judge(with_metric(good, noisy), "AP>=0.3").outcome == "pass"
    (row,) = judge(with_metric(good, noisy), "AP<=0.3").rows
    assert (row.verdict, row.value_text, row.limit_text) == ("fail", "0.30000000000000004", "<= 0.30000000000000000")
    assert row.margin_text == "-0.00000000000000004"
    (row,) = judge(with_metric(good, 0.3), Rule("AP", min=noisy)).rows
    assert row.verdict == "fail"
    assert row.margin is not None
    assert row.margin < 0


@pytest.mark.parametrize(
    ("value", "limit", "texts"),
    [
        (0.5, 0.4, ("0.500", ">= 0.400", "+0.100")),
        (0.4, 0.4, ("0.400", ">= 0.400", "0.000")),
        (0.39999999, 0.4, ("0.39999999", ">= 0.40000000", "-0.00000001")),
        (0.3996, 0.4, ("0.3996", ">= 0.4000", "-0.0004")),
        (0.45, 0.4004, ("0.4500", ">= 0.4004", "+0.0496")),
        (0.0, 5e-324, ("0.0", ">= 5e-324", "-4.94e-324")),
        (1.0, 1.0, ("1.000", ">= 1.000", "0.000")),
    ],
)
def test_texts_agree_with_the_verdict(good: Any, value: float, limit: float, texts: tuple[str, ...]) -> None:
    (row,) = judge(with_metric(good, value), Rule("AP", min=limit)).rows
    assert (row.value_text, row.limit_text, row.margin_text) == texts


def test_counts_and_times_are_shown_as_such(good: Any) -> None:
    (count,) = judge(good, "class.person.ground_truths>=20").rows
    assert (count.value_text, count.limit_text, count.margin_text) == ("20", ">= 20", "0")
    (time,) = judge(good, "latency.p95_ms<=20").rows
    assert (time.value_text, time.limit_text, time.margin_text) == ("14.250", "<= 20.000", "+5.750")


def test_every_class_is_judged_and_those_without_truth_are_counted(good: Any) -> None:
    report = judge(good, "class.*.AP50>=0.7")
    assert [(row.metric, row.verdict) for row in report.rows] == [
        ("class.person.AP50", "pass"),
        ('class["traffic light"].AP50', "pass"),
        ('class["No. 5"].AP50', "fail"),
    ]
    assert report.notes == ("r.json: `class.*.AP50`: 1 class without ground truth left out",)
    assert report.outcome == "fail"


def test_a_class_with_truth_and_no_value_is_not_passed_over(good: Any) -> None:
    good["per_class"][1]["AP"] = None
    report = judge(good, "class.*.AP>=0.1")
    assert [row.verdict for row in report.rows] == ["pass", "undefined", "pass"]
    assert report.outcome == "undecided"


def test_all_classes_undefined_is_undefined(good: Any) -> None:
    for row in good["per_class"]:
        row.update(AP=None, ground_truths=0)
    for path in ("class.*.AP", "worst_class.AP"):
        report = judge(good, Rule(path, min=0))
        assert [row.verdict for row in report.rows] == ["undefined"]
        assert report.outcome == "undecided"


def test_worst_class_is_named(good: Any) -> None:
    (row,) = judge(good, "worst_class.AP>=0.4").rows
    assert (row.verdict, row.value) == ("fail", 0.375)
    assert "`No. 5`" in row.message


@pytest.mark.parametrize("position", [0, 1, 2])
def test_worst_class_with_a_nan_is_undefined(good: Any, position: int) -> None:
    good["per_class"][position]["AP"] = math.nan
    assert judge(good, "worst_class.AP>=0.1").outcome == "undecided"
    assert judge(good, "class.*.AP>=0.1").outcome == "undecided"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_never_passes(good: Any, value: float) -> None:
    for rule in ("AP>=0", "AP<=1", Rule("AP", min=0, allow_missing=True)):
        report = judge(with_metric(good, value), rule)
        assert [row.verdict for row in report.rows] == ["undefined"]
        assert report.outcome == "undecided"
        json.dumps(report.to_dict(), allow_nan=False)


# --- whole results that cannot be judged


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("empty", "the predictions hold no detection"),
        ("shifted", "look shifted (DK703)"),
    ],
)
def test_nothing_passes_in_a_result_that_means_nothing(name: str, message: str) -> None:
    report = judge(load(name), "AP>=0", Rule("AP", min=0, severity="warn", allow_missing=True))
    assert {row.verdict for row in report.rows} == {"undefined"}
    assert report.exit_code == 3
    assert message in report.problems[0]
    assert message in report.rows[0].message
    only_warnings = judge(load(name), Rule("AP", min=0, severity="warn"))
    assert only_warnings.outcome == "undecided"


def test_predictions_that_meet_no_image_cannot_be_judged(good: Any) -> None:
    good["coverage"].update(predicted=0, ratio=0.0)
    assert judge(good, "AP>=0.1").outcome == "undecided"


@pytest.mark.parametrize(("least", "outcome"), [(0.9, "pass"), (0.91, "undecided"), (0, "pass")])
def test_min_coverage(good: Any, least: float, outcome: str) -> None:
    assert judge(good, "AP>=0.4", min_coverage=least).outcome == outcome


def test_min_coverage_needs_a_stated_coverage(good: Any) -> None:
    assert judge(load("bare"), "AP>=0.4", min_coverage=0.1).outcome == "undecided"
    good["coverage"]["ratio"] = None
    assert judge(good, "AP>=0.4", min_coverage=0.1).outcome == "undecided"
    with pytest.raises(UsageError, match="smallest coverage is 0 to 1; found 90"):
        judge(good, "AP>=0.4", min_coverage=90)


# --- baseline


@pytest.mark.parametrize(
    ("before", "now", "drop", "verdict"),
    [
        (0.5, 0.4, 0.1, "pass"),
        (0.4, 0.3, 0.1, "pass"),  # 0.4 - 0.1 is 0.30000000000000004 in binary
        (0.5, 0.39999, 0.1, "fail"),
        (0.5, 0.49, "2%", "pass"),
        (0.5, 0.4899999, "2%", "fail"),
        (0.5, 0.5, 0, "pass"),
        (0.5, 0.4999999, 0, "fail"),
        (0.5, 0.9, 0, "pass"),
        (0.0, 0.0, "2%", "pass"),
    ],
)
def test_max_drop(good: Any, before: float, now: float, drop: float | str, verdict: str) -> None:
    report = judge(with_metric(good, now), Rule("AP", max_drop=drop), baseline=with_metric(good, before))
    (row,) = report.rows
    assert (row.verdict, row.baseline, row.value) == (verdict, before, now)


@pytest.mark.parametrize(
    ("before", "now", "drop", "verdict"),
    [(10.0, 11.0, "10%", "pass"), (10.0, 11.01, "10%", "fail"), (10.0, 12.0, 2, "pass"), (10.0, 3.0, 0, "pass")],
)
def test_latency_is_better_when_lower(good: Any, before: float, now: float, drop: float | str, verdict: str) -> None:
    old = copy.deepcopy(good)
    old["latency"]["p95_ms"], good["latency"]["p95_ms"] = before, now
    (row,) = judge(good, Rule("latency.p95_ms", max_drop=drop), baseline=old).rows
    assert (row.verdict, row.operator) == (verdict, "<=")


def test_drop_rules_fail_closed(good: Any, baseline: Any) -> None:
    drop = Rule("AP", max_drop=0.02)
    assert judge(good, drop, baseline=baseline).outcome == "pass"
    missing = judge(good, drop)
    assert missing.outcome == "undecided"
    assert "no baseline is given" in missing.rows[0].message
    assert "baseline - 0.02" in missing.rows[0].limit_text
    excused = Rule("AP", max_drop=0.02, allow_missing=True)
    assert judge(good, excused).outcome == "undecided"  # a forgotten --baseline is not a missing metric
    undefined = with_metric(baseline, None)
    assert judge(good, drop, baseline=undefined).outcome == "undecided"
    assert judge(good, excused, baseline=undefined).rows[0].skipped
    assert judge(good, excused, baseline=with_metric(baseline, math.nan)).outcome == "undecided"


def test_a_baseline_without_the_class_or_part_is_undecided(good: Any, baseline: Any) -> None:
    baseline["per_class"][0]["name"] = "people"
    report = judge(good, Rule("class.person.AP", max_drop=0.1), baseline=baseline)
    assert report.outcome == "undecided"
    assert "in the baseline: unknown class `person`" in report.rows[0].message
    del baseline["latency"]
    assert judge(good, Rule("latency.p95_ms", max_drop=0.1), baseline=baseline).outcome == "undecided"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("other_truth", "ground truth differs from the baseline's: sha256 3f3f3f3f3f3f against e0e0e0e0e0e0"),
        ("other_protocol", "protocol differs from the baseline's: max_detections [1, 10, 100] against [1, 10, 300]"),
        ("voc", "protocol differs from the baseline's: name 'coco' against 'voc2012'"),
        ("empty", "the baseline's predictions hold no detection"),
        ("shifted", "ids of the baseline's predictions look shifted"),
    ],
)
def test_a_baseline_that_cannot_be_compared(good: Any, name: str, message: str) -> None:
    for rule in (Rule("AP", max_drop=0.5), "AP>=0.1"):
        report = judge(good, rule, baseline=load(name))
        assert report.exit_code == 3
        assert message in report.problems[0]


@pytest.mark.parametrize("digest", [None, ""])
def test_truth_without_a_hash_cannot_be_compared(good: Any, digest: str | None) -> None:
    old = copy.deepcopy(good)
    good["inputs"]["ground_truth"]["sha256"] = old["inputs"]["ground_truth"]["sha256"] = digest
    assert judge(good, Rule("AP", max_drop=0.1), baseline=old).outcome == "undecided"
    assert judge(good, "AP>=0.4").outcome == "pass"


def test_another_image_set_of_the_same_file_cannot_be_compared(good: Any, baseline: Any) -> None:
    baseline["inputs"]["ground_truth"]["images"] = 9
    report = judge(good, Rule("AP", max_drop=0.1), baseline=baseline)
    assert "10 images against 9" in report.problems[0]


def test_settings_fresh_from_an_evaluation_equal_those_from_a_file(good: Any, baseline: Any) -> None:
    good["protocol"]["max_detections"] = tuple(good["protocol"]["max_detections"])
    good["protocol"]["area_ranges"] = {k: tuple(v) for k, v in good["protocol"]["area_ranges"].items()}
    assert judge(good, Rule("AP", max_drop=0.1), baseline=baseline).outcome == "pass"


# --- several verdicts


def test_wrong_request_over_undecided_over_fail(good: Any) -> None:
    fail, undecided, wrong = "AP>=0.9", "APsmall>=0.1", "APsmal>=0.1"
    for rules in itertools.permutations([fail, undecided]):
        assert judge(good, *rules).exit_code == 3
    for rules in itertools.permutations([fail, undecided, wrong]):
        with pytest.raises(UsageError, match="unknown metric `APsmal`"):
            judge(good, *rules)
        report = judge(good, *rules, errors="rows")
        assert sorted(row.verdict for row in report.rows) == ["error", "fail", "undefined"]
        assert (report.outcome, report.exit_code) == ("error", 2)


def test_a_misspelt_name_is_wrong_even_for_warnings_and_empty_predictions(good: Any) -> None:
    with pytest.raises(UsageError):
        judge(good, Rule("class.persn.AP", min=0.1, severity="warn", allow_missing=True))
    with pytest.raises(UsageError):
        judge(load("empty"), "APx>=0.1")


def test_all_wrong_rules_are_named_at_once(good: Any) -> None:
    with pytest.raises(UsageError) as caught:
        judge(good, "APsmal>=0.1", "class.persn.AP>=0.1")
    assert "2 rules cannot be applied" in caught.value.message
    assert "`APsmall`" in caught.value.message
    assert "`person`" in caught.value.message


def test_several_results(good: Any) -> None:
    report = gate([("a", good), ("b", load("worse"))], ["AP>=0.4", "AP50>=0.7"])
    assert [(row.result, row.verdict) for row in report.rows] == [
        ("a", "pass"),
        ("a", "pass"),
        ("b", "pass"),
        ("b", "fail"),
    ]
    assert report.outcome == "fail"
    assert gate([("a", good), ("b", load("empty"))], ["AP>=0.9"]).outcome == "undecided"


def test_a_lone_result_needs_no_label(good: Any) -> None:
    assert gate(good, ["AP>=0.4"]).rows[0].result == "result"


def test_nothing_to_judge_is_a_wrong_request(good: Any) -> None:
    with pytest.raises(UsageError, match="no rules"):
        judge(good)
    with pytest.raises(UsageError, match="no results"):
        gate({}, ["AP>=0.4"])
    assert GateReport(()).outcome == "undecided"


def test_ten_rules_of_a_file(good: Any, baseline: Any) -> None:
    path = CASES / "rules" / "ten.toml"
    rules = rules_from_mapping(load_config(path), path)
    assert len(rules) == 10
    report = gate({"good.json": good}, rules, baseline=baseline)
    assert report.outcome == "pass"
    assert len(report.rows) == 10 + 1 + 2  # one rule has two limits, one stands for three classes
    assert sum(row.skipped for row in report.rows) == 1
    worse = gate({"worse.json": load("worse")}, rules, baseline=baseline)
    assert {row.rule for row in worse.rows if row.verdict == "fail"} == {
        "mAP50 >= 0.7, max_drop 0.02",
        "AP max_drop 2%",
        "worst_class.AP >= 0.3",
    }


def test_dict_holds_every_field_and_is_json(good: Any, baseline: Any) -> None:
    report = judge(good, Rule("AP", min=0.4, name="overall"), Rule("AP", max_drop="2%"), baseline=baseline)
    found = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert found["schema"] == "detkit.gate/1"
    assert found["rules"][0] == {
        "result": "r.json",
        "rule": "overall",
        "metric": "AP",
        "value": 0.5,
        "operator": ">=",
        "limit": 0.4,
        "margin": 0.5 - 0.4,
        "baseline": 0.51,
        "verdict": "pass",
        "severity": "error",
        "skipped": False,
        "message": "AP is 0.500 >= 0.400",
    }
    assert found["rules"][1]["limit"] == pytest.approx(0.51 * 0.98, abs=1e-15)


# --- rules files


@pytest.mark.parametrize(
    "mapping",
    [
        {"tool": {"detkit": {"gate": {"rules": [{"metric": "AP", "min": 0.4}]}}}},
        {"gate": {"rules": [{"metric": "AP", "min": 0.4}]}, "check": {}},
        {"rules": [{"metric": "AP", "min": 0.4}]},
    ],
)
def test_rules_stand_in_three_places(mapping: dict[str, Any]) -> None:
    assert rules_from_mapping(mapping, "f.toml") == (Rule("AP", min=0.4),)


def test_every_field_of_a_rule_is_read() -> None:
    raw = {
        "metric": "AP",
        "min": "40%",
        "max": 1,
        "max_drop": "2%",
        "severity": "warn",
        "allow_missing": True,
        "name": "n",
    }
    (rule,) = rules_from_mapping({"rules": [raw]}, "f")
    assert rule == Rule("AP", 0.4, 1.0, "2%", "warn", True, "n")


@pytest.mark.parametrize(
    ("mapping", "found", "hint"),
    [
        ({}, "f.toml: no gate rules found", "[[gate.rules]]"),
        ({"ruels": []}, "no gate rules found", "`ruels` meant to be `rules`"),
        ({"gate": {"ruels": []}}, "gate: unknown field `ruels`", "`rules`"),
        ({"gate": {"rules": [], "min_coverage": 1}}, "unknown field `min_coverage`", ""),
        ({"gate": {"rules": []}}, "gate: `rules` is a list of 0", ""),
        ({"gate": {"rules": [1]}, "rules": [1]}, "gate rules stand in gate and in top level", ""),
        ({"gate": {"rules": [1]}, "tool": {"detkit": {"gate": {}}}}, "stand in tool.detkit.gate and in gate", ""),
        ({"gate": []}, "gate: is a list of 0, expected a table", "[[gate.rules]]"),
        ({"rules": "AP>=0.4"}, "`rules` is text 'AP>=0.4', expected a list", ""),
        ({"rules": ["AP>=0.4"]}, "rules[0]: is text 'AP>=0.4', expected a table", "metric ="),
        ({"rules": [{"metric": "AP", "minn": 0.4}]}, "rules[0]: unknown field `minn`", "`min`"),
        ({"rules": [{"metric": "AP", "margin": 0.4}]}, "rules[0]: unknown field `margin`", ""),
        ({"rules": [{"min": 0.4}]}, "rules[0]: field `metric` is missing", ""),
        ({"rules": [{"metric": 5, "min": 0.4}]}, "rules[0].metric: is 5, expected a metric path", ""),
        ({"rules": [{"metric": "AP", "min": "0.4x"}]}, "rules[0].min: limit `0.4x`", ""),
        ({"rules": [{"metric": "AP", "min": True}]}, "rules[0].min: is True, expected a number", ""),
        ({"rules": [{"metric": "AP", "min": None}]}, "rules[0].min: is missing or empty", ""),
        ({"rules": [{"metric": "AP", "max": [1]}]}, "rules[0].max: is a list of 1", ""),
        ({"rules": [{"metric": "AP", "min": 40}]}, "rules[0].min: AP is 0 to 1; found 40", "write 0.40"),
        ({"rules": [{"metric": "AP", "min": math.nan}]}, "rules[0].min: limit of AP is nan", ""),
        ({"rules": [{"metric": "AP", "min": 10**400}]}, "rules[0].min: limit of AP is 1", ""),
        ({"rules": [{"metric": "AP", "max_drop": 2}]}, "rules[0]: max_drop of AP is 2", '"2%"'),
        ({"rules": [{"metric": "AP", "min": 0.4, "severity": "warning"}]}, "rules[0]: severity is 'warning'", ""),
        ({"rules": [{"metric": "AP", "min": 0.4, "allow_missing": "yes"}]}, "rules[0].allow_missing: is text", ""),
        ({"rules": [{"metric": "AP", "min": 0.4}, {"metric": "AP"}]}, "rules[1]: rule on `AP` has no limit", ""),
    ],
)
def test_refused_rules_name_file_rule_and_field(mapping: dict[str, Any], found: str, hint: str) -> None:
    with pytest.raises(InputError) as caught:
        rules_from_mapping(mapping, "f.toml")
    assert caught.value.message.startswith("f.toml: ")
    assert found in caught.value.message
    assert hint in (caught.value.hint or "")


def test_only_tool_detkit_counts_in_a_pyproject() -> None:
    raw = {"rules": [{"metric": "AP", "min": 0.4}]}
    with pytest.raises(InputError, match="no gate rules found"):
        rules_from_mapping({"gate": raw}, "a/pyproject.toml")
    assert rules_from_mapping({"tool": {"detkit": {"gate": raw}}, "gate": 5}, "a/pyproject.toml")
    assert rules_from_mapping(raw, "a/pyproject.toml")  # its section, already cut out


def test_the_line_is_named_where_it_is_known() -> None:
    path = CASES / "rules" / "wrong_field.toml"
    with pytest.raises(InputError, match=r"wrong_field.toml: line 5, rules\[1\]: unknown field `minn`"):
        rules_from_mapping(load_config(path), path, line_of=lambda index: line_of(path, index))


# --- what is no result


@pytest.mark.parametrize("name", ["good", "baseline", "worse", "empty", "shifted", "nan", "bare", "voc"])
def test_results_are_accepted(name: str) -> None:
    result = load(name)
    assert validate_result(result, name) is result


def _without(*keys: str) -> Any:
    result = load("good")
    node = result
    for key in keys[:-1]:
        node = node[key]
    del node[keys[-1]]
    return result


def _with(value: Any, *keys: Any) -> Any:
    result = load("good")
    node = result
    for key in keys[:-1]:
        node = node[key]
    node[keys[-1]] = value
    return result


@pytest.mark.parametrize(
    ("mapping", "found"),
    [
        (load("coco_truth"), "found a COCO annotation file"),
        (load("coco_detections"), "found a list of 1 COCO detections"),
        ({}, "found an empty object"),
        ([], "found []"),
        (None, "found missing or null"),
        ("x" * 99, "found 'xxx"),
        ({"a": 1}, "an object without `schema` (its keys: `a`)"),
        (_with("detkit.gate/1", "schema"), "schema is `detkit.gate/1`, expected `detkit.evaluation/1`"),
        (_with("detkit.evaluation/2", "schema"), "schema is `detkit.evaluation/2`"),
        (_without("metrics"), "metrics: is missing"),
        (_with({}, "metrics"), "metrics: is empty"),
        (_with([], "metrics"), "metrics: is [], expected an object"),
        (_with("0.5", "metrics", "AP"), "metrics.AP: is '0.5', expected a number or null"),
        (_with(True, "metrics", "AP"), "metrics.AP: is True"),
        (_with(50.0, "metrics", "AP"), "metrics.AP: is 50, expected 0 to 1"),
        (_with(-1.0, "metrics", "AP"), "metrics.AP: is -1, expected 0 to 1"),
        (_without("inputs"), "inputs: is missing"),
        (_without("inputs", "ground_truth"), "inputs.ground_truth: is missing"),
        (_without("inputs", "predictions", "detections"), "inputs.predictions.detections: is missing or null"),
        (_with(1.5, "inputs", "predictions", "detections"), "inputs.predictions.detections: is 1.5"),
        (_without("protocol"), "protocol: is missing"),
        (_without("per_class"), "per_class: is missing or null"),
        (_with([1], "per_class"), "per_class[0]: is 1 without a class name"),
        (_with("x", "per_class", 1, "AP"), "per_class[1].AP: is 'x'"),
        (_without("findings"), "findings: is missing or null"),
        (_with([1], "findings"), "findings: is [1], expected a list of objects"),
        (_with(3, "coverage"), "coverage: is 3, expected an object"),
        (_with(3, "slices", "night"), "slices.night: is 3, expected an object"),
        (_with("x", "slices", "night", "AP"), "slices.night.AP: is 'x'"),
        (_with([0.1], "operating_points", "tp"), "columns differ in length: [1, 101]"),
        (_with(["a"], "operating_points", "tp"), "operating_points.tp: is ['a']"),
    ],
)
def test_other_files_are_refused(mapping: Any, found: str) -> None:
    with pytest.raises(InputError) as caught:
        validate_result(mapping, "r.json")
    assert caught.value.message.startswith("r.json: ")
    assert found in caught.value.message
    assert "detkit" in (caught.value.hint or "")
    with pytest.raises(InputError):
        gate([("r.json", mapping)], ["AP>=0"])


def test_a_truncated_result_is_no_json() -> None:
    with pytest.raises(InputError, match=r"truncated\.json: line \d+, column \d+: is not valid JSON"):
        load_json(RESULTS["truncated"])


# --- properties

fractions = st.floats(0, 1)


@quick
@given(value=fractions, better=fractions, limit=fractions, drop=st.floats(0, 1))
def test_raising_a_value_never_turns_pass_to_fail(value: float, better: float, limit: float, drop: float) -> None:
    value, better = sorted((value, better))
    good = load("good")
    rules = [Rule("AP", min=limit), Rule("AP", max_drop=drop), Rule("AP", max_drop=f"{drop * 100:.6f}%")]
    before = with_metric(good, limit)
    low = judge(with_metric(good, value), *rules, baseline=before).rows
    high = judge(with_metric(good, better), *rules, baseline=before).rows
    for worse_row, better_row in zip(low, high, strict=True):
        assert worse_row.verdict != "pass" or better_row.verdict == "pass"


@quick
@given(value=fractions, limit=fractions, lower=st.booleans())
def test_margin_sign_texts_and_verdict_tell_the_same(value: float, limit: float, lower: bool) -> None:
    rule = Rule("AP", max=limit) if lower else Rule("AP", min=limit)
    (row,) = judge(with_metric(load("good"), value), rule).rows
    assert row.margin is not None
    assert (row.verdict == "pass") == (row.margin >= 0)
    assert (row.margin_text.startswith("-")) == (row.margin < 0)
    shown, against = float(row.value_text), float(row.limit_text.split()[1])
    assert (shown <= against if lower else shown >= against) == (row.verdict == "pass")
    assert (shown == against) == (value == limit)


@quick
@given(text=st.text(max_size=30))
def test_any_expression_is_a_rule_or_a_usage_error(text: str) -> None:
    try:
        rule = parse_expression(text)
    except UsageError:
        return
    assert rule.metric
    assert rule.metric in text
    try:
        report = judge(load("good"), rule)
    except UsageError:
        return
    assert report.outcome in ("pass", "fail", "undecided")


# --- import rules


@pytest.mark.parametrize("name", ["gate", "_gate_names", "_gate_paths", "_gate_result", "_gate_rows", "_gate_rules"])
def test_the_gate_imports_nothing_heavy(name: str) -> None:
    tree = ast.parse(Path(module.__file__).with_name(f"{name}.py").read_text(encoding="utf-8"))
    imported = {
        target
        for node in ast.walk(tree)
        for target in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    light = {"collections.abc", "dataclasses", "decimal", "difflib", "itertools", "math", "pathlib", "re", "typing"}
    light |= {
        "__future__",
        "unicodedata",
        "detkit.errors",
        "detkit.findings",
        "detkit.wording",
        "detkit.evaluation.schemas",
    }
    assert {m for m in imported if not m.startswith("detkit.evaluation._gate_")} <= light


def test_exported_names_are_sorted_and_exist() -> None:
    assert sorted(module.__all__) == module.__all__
    assert all(hasattr(module, name) for name in module.__all__)
