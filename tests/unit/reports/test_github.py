"""Workflow commands, read back as a runner reads them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detkit.evaluation.gate import GateReport, GateRow
from detkit.reports import render_gate


def row(verdict: str, rule: str = "AP >= 0.6", message: str = "AP is 0.500 < 0.600", **changes: object) -> GateRow:
    severity = "warn" if verdict == "warn" else "error"
    fields = {"result": "new.json", "metric": "AP", "severity": severity, "operator": ">=", **changes}
    return GateRow(rule=rule, message=message, verdict=verdict, **fields)  # type: ignore[arg-type]


def runner(text: str) -> list[tuple[str, str, str]]:
    """(command, title, message) of every line: unescaped in the order of actions/runner, `%25` last."""
    found = []
    for line in text.splitlines():
        command, properties, message = re.fullmatch(r"::(\w+) (.*?)::(.*)", line).groups()  # type: ignore[union-attr]
        (title,) = [part.removeprefix("title=") for part in properties.split(",")]
        found.append((command, _plain(title, ("%3A", ":"), ("%2C", ",")), _plain(message)))
    return found


def _plain(text: str, *more: tuple[str, str]) -> str:
    for escaped, plain in (("%0D", "\r"), ("%0A", "\n"), *more, ("%25", "%")):
        text = text.replace(escaped, plain)
    return text


def test_a_failed_rule_is_an_error_and_a_missed_warning_a_warning() -> None:
    report = GateReport(
        (row("fail", limit_text=">= 0.600", value_text="0.500", margin_text="-0.100"), row("warn"), row("pass"))
    )
    assert runner(render_gate(report, "github")) == [
        (
            "error",
            "detkit gate: AP >= 0.6",
            "new.json: AP is 0.500 < 0.600 (value 0.500, limit >= 0.600, margin -0.100)",
        ),
        ("warning", "detkit gate: AP >= 0.6", "new.json: AP is 0.500 < 0.600"),
    ]


def test_all_passed_is_one_notice() -> None:
    rows = tuple(row("pass", message=f"rule {n} holds") for n in range(7))
    ((command, title, message),) = runner(render_gate(GateReport(rows), "github"))
    assert (command, title) == ("notice", "detkit gate passed (7 pass)")
    assert message == "; ".join(f"rule {n} holds" for n in range(5)) + "; and 2 more"


@pytest.mark.parametrize(("count", "shown", "rest"), [(9, 9, 0), (10, 10, 0), (11, 9, 2), (500, 9, 491)])
def test_at_most_ten_and_the_last_counts_the_rest(count: int, shown: int, rest: int) -> None:
    lines = runner(render_gate(GateReport(tuple(row("fail") for _ in range(count))), "github"))
    assert len(lines) == shown + bool(rest) <= 10
    if rest:
        assert lines[-1][2] == f"and {rest} more rules, see the log"
        assert rest + shown == count


def test_a_result_that_cannot_be_judged_says_so_once() -> None:
    rows = tuple(row("undefined", message="cannot be judged: ...") for _ in range(30))
    report = GateReport(rows, ("new.json: the predictions hold no detection",))
    assert runner(render_gate(report, "github")) == [
        ("error", "detkit cannot judge", "new.json: the predictions hold no detection")
    ]


def test_no_rules_is_no_silence() -> None:
    assert runner(render_gate(GateReport(()), "github"))[0][0] == "error"


def test_escapes_of_the_toolkit() -> None:
    text = render_gate(GateReport((row("fail", rule="a:b,c%d", message="50%\r\n::error::x"),)), "github")
    assert text == "::error title=detkit gate%3A a%3Ab%2Cc%25d::new.json: 50%25%0D%0A::error::x\n"


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=30), st.text(alphabet=":,%\r\n 0AD2C3", max_size=20))
def test_any_text_comes_back_and_stays_on_its_line(odd: str, hard: str) -> None:
    ((_, title, message),) = runner(render_gate(GateReport((row("fail", rule=hard, message=hard),)), "github"))
    assert (title, message) == (f"detkit gate: {hard}", f"new.json: {hard}")
    assert len(render_gate(GateReport((row("fail", rule=odd, message=odd),)), "github").splitlines()) == 1
