"""Rules that no value can miss are said to judge nothing; what a row holds about its rule."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from detkit.evaluation._gate_rows import judging_nothing
from detkit.evaluation.gate import GateRow, Rule, gate

GOOD = Path(__file__).resolve().parents[3] / "fixtures" / "cli" / "gate" / "results" / "good.json"


@pytest.fixture
def good() -> Any:
    return json.loads(GOOD.read_text(encoding="utf-8"))


def notes(result: Any, *rules: Any, **options: Any) -> list[str]:
    return [note for note in gate({"r.json": result}, rules, **options).notes if "judges nothing" in note]


@pytest.mark.parametrize(
    ("rule", "idle"),
    [
        ("AP>=0", True),
        ("AP<=1", True),
        ("AP>0", False),
        ("AP>=0.001", False),
        ("AP<=0.999", False),
        ("latency.p95_ms<=1", False),
        ("class.person.ground_truths>=0", False),
    ],
)
def test_limits_out_of_reach(good: Any, rule: str, idle: bool) -> None:
    assert bool(notes(good, rule)) == idle


def test_the_note_names_rule_and_limit(good: Any) -> None:
    assert notes(good, "AP>=0") == ["r.json: `AP>=0` judges nothing: AP cannot miss its limit, >= 0.000"]


def weak(result: Any, **values: float) -> Any:
    """The result with other values of some classes."""
    result = copy.deepcopy(result)
    for one in result["per_class"]:
        one["AP"] = values.get(one["name"], one["AP"])
    return result


def test_a_weak_class_cannot_fall_by_more_than_it_has(good: Any) -> None:
    names = [one["name"] for one in good["per_class"] if one["AP"] is not None]
    before = weak(good, **{names[0]: 0.02})
    (note,) = notes(before, Rule("class.*.AP", max_drop=0.05), baseline=before)
    assert "judges nothing of 1 class that cannot miss the limit" in note
    assert names[0] in note
    assert notes(before, Rule("class.*.AP", max_drop="10%"), baseline=before) == []
    # a tenth of 0.02 is 0.002: 0.0179 is below 0.018
    after = weak(before, **{names[0]: 0.0179})
    verdicts = {
        row.metric: row.verdict
        for row in gate({"r": after}, [Rule("class.*.AP", max_drop="10%")], baseline=before).rows
    }
    assert list(verdicts.values()).count("fail") == 1


def test_a_class_at_zero_cannot_fall_at_all(good: Any) -> None:
    names = [one["name"] for one in good["per_class"] if one["AP"] is not None]
    before = weak(good, **dict.fromkeys(names[:2], 0.0))
    (note,) = notes(before, Rule("class.*.AP", max_drop="10%"), baseline=before)
    assert "judges nothing of 2 classes" in note


@pytest.mark.parametrize(
    ("baseline", "limit", "operator", "idle"),
    [
        (0.02, -0.05, ">=", True),  # the least change is -0.02
        (0.02, -0.02, ">=", True),
        (0.02, -0.02, ">", False),
        (0.02, -0.01, ">=", False),
        (None, -0.05, ">=", False),
    ],
)
def test_changes_against_the_baseline(baseline: float | None, limit: float, operator: str, idle: bool) -> None:
    row = GateRow(
        *("r", "a rule", "AP", "error", operator, "pass", ""), value=0.0, limit=limit, margin=0.0 - limit,
        baseline=baseline, judged="change at best",
    )  # fmt: skip
    assert bool(judging_nothing([row])) == idle


def test_rows_know_what_their_rule_stands_for(good: Any) -> None:
    report = gate({"r": good}, ["AP>=0.1", "class.*.AP50>=0.1", Rule("AP", min=0.1, max_drop=0.1)], baseline=good)
    assert {(row.metric, row.pattern, row.judged) for row in report.rows if not row.metric.startswith("class")} == {
        ("AP", "", "value"),
        ("AP", "", "drop"),
    }
    assert {row.pattern for row in report.rows if row.metric.startswith("class")} == {"class.*.AP50"}
    assert not {"pattern", "judged"} & report.to_dict()["rules"][0].keys()


def test_a_limit_from_the_baseline_has_no_digits_of_its_own(good: Any) -> None:
    before = copy.deepcopy(good)
    before["metrics"]["AP"] = 0.512345678
    (row,) = gate({"r": good}, [Rule("AP", max_drop=0.02)], baseline=before).rows
    # 0.512345678 - 0.02 = 0.492345678, good's AP is 0.5
    assert (row.value_text, row.limit_text, row.margin_text) == ("0.500", ">= 0.492", "+0.008")


def test_a_baseline_that_no_rule_compares_with_is_told(good: Any) -> None:
    idle = "no rule judges the change from the baseline: that takes `max_drop`, `significance` or `non_inferiority`"
    notes = gate({"r": good}, ["AP>=0.1", "AP50>=0.1"], baseline=good).notes
    assert [note for note in notes if "baseline" in note] == [f"{idle} in a rules file"]
    assert gate({"r": good}, ["AP>=0.1"]).notes == ()
    for limit in ({"max_drop": 0.1}, {"significance": {"margin": 0.0}}, {"non_inferiority": 0.1}):
        assert not any(idle in note for note in gate({"r": good}, [Rule("AP", **limit)], baseline=good).notes)
