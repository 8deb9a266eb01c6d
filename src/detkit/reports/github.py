"""The verdict as workflow commands: a GitHub runner turns these lines of a log into annotations.

`::error` for what fails or cannot be judged, `::warning` for missed rules of severity warn, `::notice` for the rest.
A runner shows ten annotations of a kind for a step: at most ten are written, the last counts those left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from detkit.reports._table import number
from detkit.reports._verdict import headline
from detkit.reports._workflow_commands import MOST, command

if TYPE_CHECKING:
    from detkit.evaluation.gate import GateReport, GateRow
    from detkit.evaluation.result import Evaluation

__all__ = ["gate_lines", "render"]

_CLASSES_SHOWN = 20
_RULES_SHOWN = 5


def render(result: Evaluation, gate: GateReport | None = None) -> str:
    """Annotations of the verdict; without rules, notices with the metrics and the worst classes."""
    lines = _measured(result) if gate is None else gate_lines(gate)
    return "\n".join(lines) + "\n"


def gate_lines(gate: GateReport) -> list[str]:
    """One annotation a failed, undecided or missed rule, and one notice when everything passes."""
    errors = [("detkit cannot judge", problem) for problem in gate.problems]
    # Rows of a result that cannot be judged repeat its problem.
    told = () if not gate.problems else ("undefined",)
    errors += [_annotation(r) for r in gate.rows if _is_error(r) and r.verdict not in told]
    warned = [_annotation(r) for r in gate.rows if r.verdict in ("warn", "undefined") and r.severity == "warn"]
    lines = [*_commands("error", errors), *_commands("warning", warned)]
    if gate.outcome == "pass":
        held = [row.message for row in gate.rows if row.verdict == "pass"]
        more = f"; and {len(held) - _RULES_SHOWN} more" if len(held) > _RULES_SHOWN else ""
        lines.append(command("notice", f"detkit gate {headline(gate)}", "; ".join(held[:_RULES_SHOWN]) + more))
    elif not errors:
        lines.append(command("error", "detkit gate", headline(gate)))
    return lines


def _is_error(row: GateRow) -> bool:
    return row.verdict in ("fail", "error") or (row.verdict == "undefined" and row.severity == "error")


def _annotation(row: GateRow) -> tuple[str, str]:
    limits = f" (value {row.value_text}, limit {row.limit_text}, margin {row.margin_text})" if row.margin_text else ""
    return f"detkit gate: {row.rule}", f"{row.result}: {row.message}{limits}"


def _measured(result: Evaluation) -> list[str]:
    values = ", ".join(f"{name} {_figure(value)}" for name, value in result.metrics.items())
    lines = [command("notice", f"detkit {result.protocol.name} {result.protocol.iou_type}", values)]
    rows = [(row.name, row.metrics.get("AP")) for row in result.per_class]
    rows.sort(key=lambda row: (row[1] is None, row[1] or 0.0))
    if rows:
        shown = ", ".join(f"{name} {_figure(value)}" for name, value in rows[:_CLASSES_SHOWN])
        more = f", and {len(rows) - _CLASSES_SHOWN} more classes" if len(rows) > _CLASSES_SHOWN else ""
        lines.append(command("notice", "detkit AP by class, worst first", shown + more))
    return lines


def _figure(value: float | None) -> str:
    return "undefined" if value is None else number(value)


def _commands(kind: str, found: Sequence[tuple[str, str]]) -> list[str]:
    if len(found) <= MOST:
        return [command(kind, title, message) for title, message in found]
    lines = [command(kind, title, message) for title, message in found[: MOST - 1]]
    return [*lines, command(kind, "detkit gate", f"and {len(found) - MOST + 1} more rules, see the log")]
