"""OpenMetrics text, read back by the rules of the format and as GitLab reads it."""

from __future__ import annotations

import math
import re
import shlex

from hypothesis import given, settings
from hypothesis import strategies as st

from detkit.evaluation.gate import GateReport, GateRow
from detkit.reports import render_gate

#: Prometheus' data model: metric and label names.
LINE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\[\\"n])*",?)+)\})? (\S+)')


def row(verdict: str = "pass", **changes: object) -> GateRow:
    fields: dict[str, object] = {
        "result": "new.json", "rule": "AP >= 0.6", "metric": "AP", "severity": "error", "operator": ">=",
        "message": "m", "value": 0.7, "limit": 0.6, "margin": 0.1,
    }  # fmt: skip
    return GateRow(verdict=verdict, **{**fields, **changes})  # type: ignore[arg-type]


def read(text: str) -> dict[tuple[str, str], float]:
    """Series with their values; each family after its type, each series once, the end marked."""
    lines = text.splitlines()
    assert lines.pop() == "# EOF"
    found: dict[tuple[str, str], float] = {}
    family = ""
    for line in lines:
        if line.startswith("# TYPE "):
            _, _, family, kind = line.split(" ")
            assert kind == "gauge"
            assert family not in {name for name, _ in found}
            continue
        match = LINE.fullmatch(line)
        assert match, line
        assert match[1] == family
        assert (match[1], match[2] or "") not in found
        found[match[1], match[2] or ""] = float(match[3])
    assert all(map(math.isfinite, found.values()))
    return found


def gitlab(text: str) -> dict[str, str]:
    """As its parser does: each line cut at the number sign, split as a shell would, the first value taken."""
    parts = [shlex.split(re.sub(r"#.*$", "", line)) for line in text.splitlines()]
    return {part[0]: part[1] for part in parts if part}


def test_outcome_value_and_margin_of_every_rule() -> None:
    text = render_gate(
        GateReport((row(), row("fail", rule="AP50 >= 0.9", metric="AP50", value=0.5, margin=-0.4))), "gitlab"
    )
    first = 'result="new.json",rule="AP >= 0.6",metric="AP",operator=">="'
    second = 'result="new.json",rule="AP50 >= 0.9",metric="AP50",operator=">="'
    assert read(text) == {
        ("detkit_gate_passed", ""): 0,
        ("detkit_gate_rule_passed", first): 1,
        ("detkit_gate_rule_passed", second): 0,
        ("detkit_gate_rule_value", first): 0.7,
        ("detkit_gate_rule_value", second): 0.5,
        ("detkit_gate_rule_margin", first): 0.1,
        ("detkit_gate_rule_margin", second): -0.4,
    }
    assert len(gitlab(text)) == 7


def test_what_is_not_finite_is_left_out() -> None:
    found = read(render_gate(GateReport((row("undefined", value=math.nan, margin=None),)), "gitlab"))
    assert [name for name, _ in found] == ["detkit_gate_passed", "detkit_gate_rule_passed"]


def test_a_series_stands_there_once() -> None:
    assert len(read(render_gate(GateReport((row(), row())), "gitlab"))) == 1 + 2 * 3


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.text(max_size=20))
def test_any_name_is_a_label(name: str) -> None:
    text = render_gate(GateReport((row(rule=name, metric=f"class.{name}.AP"),)), "gitlab")
    assert len(read(text)) == 4
    assert len(gitlab(text)) == 4
