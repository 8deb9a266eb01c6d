"""The verdict as JUnit XML: a test case per rule, as Jenkins, GitLab, GitHub actions and IDEs read it.

The elements are those of the Surefire dialect (Jenkins' `junit-10.xsd`). Without rules each metric and each class is a
test case that passes, or is skipped where it is undefined, so that a CI system charts them. No time stamp is written:
the same result gives the same bytes.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from detkit.reports._verdict import headline
from detkit.wording import printable

if TYPE_CHECKING:
    from detkit.evaluation.gate import GateReport, GateRow
    from detkit.evaluation.result import Evaluation

__all__ = ["gate_lines", "render"]

_SUITE = "detkit gate"
#: A full stop or a slash in a class name opens a package in the readers' trees.
_ODD = re.compile(r"[^\w-]+")


@dataclass(frozen=True)
class _Case:
    """One test case: `kind` is `failure`, `error`, `skipped`, or empty where it passes."""

    group: str
    name: str
    out: str = ""
    kind: str = ""
    why: str = ""
    cause: str = ""


def render(result: Evaluation, gate: GateReport | None = None) -> str:
    """A suite of rules where there is a verdict, else one of metrics and classes; the metrics are its properties."""
    protocol = result.protocol
    facts = {"protocol": protocol.name, "iou_type": protocol.iou_type}
    facts |= {name: "undefined" if value is None else repr(value) for name, value in result.metrics.items()}
    lines = _suite("detkit eval", _measured(result), facts) if gate is None else _of_gate(gate, facts)
    return "\n".join(lines) + "\n"


def gate_lines(gate: GateReport) -> list[str]:
    """A suite with a test case per rule and result."""
    return _of_gate(gate, {})


def _of_gate(gate: GateReport, facts: Mapping[str, str]) -> list[str]:
    several = len({row.result for row in gate.rows}) > 1
    taken: set[tuple[str, str]] = set()
    cases = []
    for row in gate.rows:
        group = f"detkit.gate.{_ODD.sub('_', row.result)}" if several else "detkit.gate"
        cases.append(_judged(row, group, _unused(group, _name(row), row.operator, taken)))
    if gate.problems or not gate.rows:
        why = "; ".join(gate.problems) or "no rule was applied"
        cases.append(_Case("detkit.gate", "results can be judged", why, "error", why, "undecided"))
    facts = {"outcome": gate.outcome, "exit_code": str(gate.exit_code), **facts}
    return _suite(_SUITE, cases, facts, [headline(gate), *gate.notes])


def _name(row: GateRow) -> str:
    """Stable from run to run: a limit that follows from the baseline is no part of it."""
    return row.rule if not row.metric or row.metric in row.rule else f"{row.rule}: {row.metric}"


def _unused(group: str, name: str, operator: str, taken: set[tuple[str, str]]) -> str:
    """The name, told apart from the other limits of a rule and from rules of the same name."""
    candidates = [name, f"{name} ({operator})"]
    while (group, candidates[0]) in taken:
        candidates = candidates[1:] or [f"{name} #{sum(g == group for g, _ in taken) + 1}"]
    taken.add((group, candidates[0]))
    return candidates[0]


def _judged(row: GateRow, group: str, name: str) -> _Case:
    out = "\n".join(
        f"{label}: {printable(text)}"
        for label, text in (
            ("warning" if row.verdict == "warn" else "message", row.message),
            ("value", row.value_text if row.limit_text else ""),
            ("limit", row.limit_text),
            ("margin", row.margin_text),
        )
        if text
    )
    if row.skipped:
        return _Case(group, name, out, "skipped", row.message)
    if row.verdict == "undefined" and row.severity == "warn":  # shown, and leaves the outcome alone
        return _Case(group, name, out, "skipped", row.message)
    kind = {"fail": "failure", "undefined": "error", "error": "error"}.get(row.verdict, "")
    return _Case(group, name, out, kind, row.message if kind else "", row.verdict)


def _measured(result: Evaluation) -> list[_Case]:
    """Metrics, and the headline of each class."""
    cases = [_measurement("detkit.metrics", name, value) for name, value in result.metrics.items()]
    taken: set[tuple[str, str]] = set()
    for row in result.per_class:
        stat = "AP" if "AP" in row.metrics else next(iter(row.metrics), "AP")
        name = _unused("detkit.classes", f"{row.name}: {stat}", str(row.category_id), taken)
        cases.append(_measurement("detkit.classes", name, row.metrics.get(stat)))
    return cases


def _measurement(group: str, name: str, value: float | None) -> _Case:
    if value is None:
        return _Case(group, name, kind="skipped", why="undefined")
    return _Case(group, name, out=f"value: {value!r}")


def _suite(name: str, cases: list[_Case], facts: Mapping[str, str], said: Iterable[str] = ()) -> list[str]:
    counts = {kind: sum(case.kind == kind for case in cases) for kind in ("failure", "error", "skipped")}
    totals = f'tests="{len(cases)}" failures="{counts["failure"]}" errors="{counts["error"]}"'
    out = "\n".join(map(printable, said))
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<testsuites name="detkit" {totals} time="0">',
        f'  <testsuite name="{name}" {totals} skipped="{counts["skipped"]}" time="0">',
        "    <properties>",
        *(f'      <property name="{_attribute(k)}" value="{_attribute(v)}"/>' for k, v in facts.items()),
        "    </properties>",
    ]
    for case in cases:
        lines += _case(case)
    if out:
        lines.append(f"    <system-out>{_text(out)}</system-out>")
    return [*lines, "  </testsuite>", "</testsuites>"]


def _case(case: _Case) -> list[str]:
    head = f'    <testcase classname="{_attribute(case.group)}" name="{_attribute(case.name)}" time="0"'
    why, text = _attribute(case.why), _text(case.out)
    if case.kind == "skipped":
        return [f"{head}>", f'      <skipped message="{why}"/>', "    </testcase>"]
    if case.kind:
        body = f'      <{case.kind} type="{case.cause}" message="{why}">{text}</{case.kind}>'
    else:
        body = f"      <system-out>{text}</system-out>"
    return [f"{head}>", body, "    </testcase>"]


def _attribute(text: str) -> str:
    """On one line: XML has no way to write control characters, so they are spelt out."""
    return html.escape(printable(text))


def _text(text: str) -> str:
    return "\n".join(html.escape(printable(line), quote=False) for line in text.split("\n"))
