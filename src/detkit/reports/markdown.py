"""The result as Markdown, for a step summary or a pull request comment."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from detkit.reports._gate_table import gate_table
from detkit.reports._metrics import shown_once
from detkit.reports._table import number
from detkit.reports._tables import Table
from detkit.reports._verdict import headline
from detkit.reports.analyses import tables
from detkit.wording import plural, printable

if TYPE_CHECKING:
    from detkit.evaluation.gate import GateReport
    from detkit.evaluation.result import Evaluation

__all__ = ["escape", "gate_lines", "grid", "render"]

#: Of each table of an analysis: a comment is not a report.
_ROWS_SHOWN = 50
_GATE_HEADER = ("metric", "value", "limit", "margin", "verdict")
_SPECIAL = re.compile(r"([\\`*_{}\[\]|])")


def render(result: Evaluation, gate: GateReport | None = None) -> str:
    """Verdict first, then the metrics, the classes and what was noticed."""
    protocol = result.protocol
    lines = [f"## Detection metrics: {protocol.name}, {protocol.iou_type}", ""]
    if gate is not None:
        lines += gate_lines(gate)
    coverage, metrics = result.coverage, shown_once(result.metrics, protocol.iou_thresholds)
    truths = sum(row.ground_truths for row in result.per_class)
    lines += [
        f"{plural(truths, 'truth')} and {plural(len(result.detections), 'detection')} on "
        f"{plural(coverage.images, 'image')} ({coverage.predicted} with predictions).",
        "",
        *grid(["metric", "value"], [[name, number(value)] for name, value in metrics.items()]),
        "",
    ]
    bands = ", ".join(f"{b.count} {b.name} (IoU >= {b.low:g})" for b in result.bands)
    lines += [f"Matched detections by overlap: {bands}.", ""]
    known = shown_once(result.per_class[0].metrics, protocol.iou_thresholds) if result.per_class else {}
    names = [n for n in ("AP", "AP50", "AP75") if n in known]
    rows = [
        [row.name, *(number(row.metrics[n]) for n in names), str(row.ground_truths), str(row.detections)]
        for row in result.per_class
        if row.ground_truths or row.detections
    ]
    lines += ["<details><summary>Classes</summary>", "", *grid(["class", *names, "truths", "detections"], rows)]
    lines += ["", "</details>", ""]
    for name, found in result.analyses.items():
        for shown in tables(name, found):
            lines += _section(shown)
    for finding in result.findings:
        lines.append(f"- {finding.severity} {finding.code}: {escape(finding.message)}")
    return "\n".join(lines).rstrip() + "\n"


def _section(shown: Table) -> list[str]:
    lines = [f"<details><summary>{escape(shown.title)}</summary>", ""]
    if shown.rows:
        lines += [*grid(shown.header, shown.rows[:_ROWS_SHOWN]), ""]
    if len(shown.rows) > _ROWS_SHOWN:
        lines += [f"{len(shown.rows) - _ROWS_SHOWN} more rows.", ""]
    return [*lines, *(line for note in shown.notes for line in (escape(note), "")), "</details>", ""]


def gate_lines(gate: GateReport) -> list[str]:
    """The verdict and a row per rule; passing rows of a rule on `class.*` are a line, and stand in a fold."""
    lines = [f"**Verdict**: {escape(headline(gate))}", ""]
    found = gate_table(gate)
    if found.rows:
        lines += [*grid(_GATE_HEADER, found.cells), ""]
    notes = [r.message for r in found.rows if r.verdict in ("undefined", "error")]
    hidden = [f"{plural(found.hidden, 'more warning')}, in the fold below"] if found.hidden else []
    said = [
        f"- {escape(text)}" for text in dict.fromkeys([*gate.problems, *notes, *hidden, *found.folded, *gate.notes])
    ]
    if said:
        lines += [*said, ""]
    if found.folded or found.hidden:
        everything = grid(_GATE_HEADER, gate_table(gate, details=True).cells)
        lines += ["<details><summary>Every rule</summary>", "", *everything, "", "</details>", ""]
    return lines


def grid(header: Sequence[str], rows: Sequence[Sequence[str]], rule: str = "---") -> list[str]:
    """Lines of a table; header and cells are shown literally.

    Parameters
    ----------
    header : sequence of str
    rows : sequence of sequences of str
    rule : str
        Below every column but the first: `---:` is flush right.

    Returns
    -------
    list of str
    """
    lines = [f"| {' | '.join(map(escape, row))} |" for row in (header, *rows)]
    return [lines[0], f"| {' | '.join(['---', *[rule] * (len(header) - 1)])} |", *lines[1:]]


def escape(text: str) -> str:
    """The text as Markdown shows it literally, control characters spelt out."""
    return _SPECIAL.sub(r"\\\1", html.escape(printable(text), quote=False))
