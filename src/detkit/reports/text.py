"""The result as plain text for a terminal: what was scored, classes, verdict, and the reference's own lines last."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING

from detkit.reports._gap import gap_lines
from detkit.reports._gate_table import GateTable, gate_table
from detkit.reports._metrics import shown_once
from detkit.reports._table import WIDTH, number, table
from detkit.reports._tables import as_text
from detkit.reports._verdict import headline
from detkit.reports.analyses import tables
from detkit.wording import percent, plural, printable

if TYPE_CHECKING:
    from detkit.evaluation.gate import GateReport, GateRow
    from detkit.evaluation.result import Evaluation

__all__ = ["gate_lines", "render", "summary_lines"]

_CLASSES_SHOWN = 20
#: Of each table of an analysis.
_ROWS_SHOWN = 10
#: Cells for the name of a result where several are judged.
_RESULT_WIDTH = 24


def render(result: Evaluation, gate: GateReport | None = None, *, details: bool = False) -> str:
    """Header, classes, bands, analyses, verdict; under protocol coco the reference's summary lines end the text.

    With `details` every class and every row of the verdict is shown.
    """
    lines = _header(result)
    lines += ["", *_classes(result, details), "", *_bands(result), *_intervals(result), ""]
    if result.gap is not None:
        lines += [*gap_lines(result.gap), ""]
    for name, found in result.analyses.items():
        for shown in tables(name, found):
            lines += [*as_text(shown, _ROWS_SHOWN), ""]
    if gate is not None:
        lines += [*gate_lines(gate, details=details), ""]
    lines += summary_lines(result)
    return "\n".join(lines) + "\n"


def _header(result: Evaluation) -> list[str]:
    protocol, coverage = result.protocol, result.coverage
    how = f"{protocol.name} {protocol.iou_type}, IoU {_thresholds(result)}"
    if not protocol.class_wise:
        how += ", classes not told apart"
    truths = int(result.scored.truths[:, 0].sum()) if len(result.scored.truths) else 0
    counts = (
        f"{plural(coverage.images, 'image')} ({coverage.predicted} with predictions), {plural(truths, 'truth')}, "
        f"{plural(len(result.detections), 'detection')}, {plural(len(result.per_class), 'class', 'classes')}"
    )
    return [how, counts]


def _thresholds(result: Evaluation) -> str:
    values = result.protocol.iou_thresholds
    sign = ">" if result.protocol.strict_iou else ">="
    if len(values) == 1:
        return f"{sign} {values[0]:g}"
    return f"{sign} {values[0]:g} to {values[-1]:g} ({plural(len(values), 'threshold')})"


def _classes(result: Evaluation, details: bool) -> list[str]:
    shown = [row for row in result.per_class if row.ground_truths or row.detections]
    key = "AP" if shown and "AP" in shown[0].metrics else "mAP"
    shown.sort(key=lambda row: (row.metrics.get(key) is None, row.metrics.get(key) or 0.0))
    known = shown_once(shown[0].metrics, result.protocol.iou_thresholds) if shown else {}
    columns = [n for n in known if n in ("AP", "AP50", "AP75")]
    recall = next((n for n in (shown[0].metrics if shown else ()) if n.startswith("AR")), None)
    columns += [recall] if recall else []
    rows = [
        [row.name, *(number(row.metrics[c]) for c in columns), str(row.ground_truths), str(row.detections)]
        for row in (shown if details else shown[:_CLASSES_SHOWN])
    ]
    lines = table(["class (worst first)", *columns, "truths", "detections"], rows)
    if len(shown) > len(rows):
        lines.append(f"... {len(shown) - len(rows)} more classes (all of them: --details)")
    return lines


def _bands(result: Evaluation) -> list[str]:
    total = sum(b.count for b in result.bands)
    parts = [f"{b.count} {b.name} ({b.low:g}+)" for b in result.bands]
    return [f"{total} matched, by IoU: {', '.join(parts)}"]


def _intervals(result: Evaluation) -> list[str]:
    """Headline metrics with their bootstrap intervals, where the result carries them."""
    if result.intervals is None:
        return []
    drawn = result.intervals["settings"]
    rows = [
        [name, number(value), *(map(number, result.intervals[name] or (None, None)))]
        for name, value in shown_once(result.metrics, result.protocol.iou_thresholds).items()
        if name in result.intervals
    ]
    level = percent(drawn["level"], None)
    title = f"{level} intervals, {plural(drawn['replicates'], 'replicate')} of {drawn['units']} {drawn['unit']}s"
    return ["", f"{title}, seed {drawn['seed']}", *table(["metric", "value", "low", "high"], rows)]


def gate_lines(gate: GateReport, *, details: bool = False) -> list[str]:
    """The verdict table: value, limit, margin, verdict; first what fails, and what could not be judged.

    Passing rows of a rule on `class.*` are one line, and warnings at most ten, unless `details` asks for each. The
    last line is the verdict.
    """
    found = gate_table(gate, details=details)
    lines = _gate_rows(found)
    notes = [] if gate.problems else [r.message for r in found.rows if r.verdict in ("undefined", "error")]
    told = [r.message for r in found.rows if r.verdict in ("fail", "warn") and _needs_words(r)]
    if found.hidden:
        lines.append(f"... {plural(found.hidden, 'warning')} nearer to the limit left out (all of them: --details)")
    lines += [line for text in found.folded for line in _wrapped(text, "")]
    lines += [line for text in dict.fromkeys([*gate.problems, *notes, *told]) for line in _wrapped(text, "  ")]
    lines += [line for text in gate.notes for line in _wrapped(f"note: {text}", "")]
    return [*lines, f"verdict: {headline(gate)}"]


def _gate_rows(found: GateTable) -> list[str]:
    if not found.rows:
        return []
    labels = _short({row.result for row in found.rows})
    several = len(labels) > 1
    header = [*(["result"] if several else []), "metric", "value", "limit", "margin", "verdict"]
    rows = [
        [*([labels[row.result]] if several else []), *cells] for row, cells in zip(found.rows, found.cells, strict=True)
    ]
    return table(header, rows, left=2 if several else 1, flexible=1 if several else 0)


def _needs_words(row: GateRow) -> bool:
    """Whether the table alone does not say what was judged: which class is the worst, which end of which interval."""
    return row.metric.startswith("worst_class") or row.interval is not None


def _wrapped(text: str, indent: str) -> list[str]:
    return wrap(
        printable(text), WIDTH, initial_indent=indent, subsequent_indent=f"{indent}  ",
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


def _short(results: set[str]) -> dict[str, str]:
    """Names of results, cut at their start where they are long and still differ."""
    cut = {name: name if len(name) <= _RESULT_WIDTH else "…" + name[1 - _RESULT_WIDTH :] for name in results}
    return cut if len(set(cut.values())) == len(cut) else {name: name for name in results}


def summary_lines(result: Evaluation) -> list[str]:
    """The headline: under protocol coco the lines of `COCOeval.summarize()`, byte for byte."""
    protocol = result.protocol
    if protocol.match_rule != "greedy" or protocol.operating_point is not None:
        lines = [
            f"{name} = {number(value)}" for name, value in shown_once(result.metrics, protocol.iou_thresholds).items()
        ]
        return lines[1:] + lines[:1]
    from detkit.evaluation.result import metric_rows

    lines = []
    reported = {row.name for row in metric_rows(protocol)[: len(protocol.metrics)]}
    for row in metric_rows(protocol):
        if row.name not in reported:
            continue
        title, kind = ("Average Precision", "(AP)") if row.statistic == "AP" else ("Average Recall", "(AR)")
        low, high = protocol.iou_thresholds[0], protocol.iou_thresholds[-1]
        iou = f"{low:0.2f}:{high:0.2f}" if row.iou is None else f"{row.iou:0.2f}"
        cap = protocol.max_detections[row.cap]
        value = result.metrics[row.name]
        shown = -1.0 if value is None else value
        group = "" if row.group is None else f"| classes={row.group} "
        lines.append(
            f" {title:<18} {kind} @[ IoU={iou:<9} | area={row.area:>6s} | maxDets={cap:>3d} {group}] = {shown:0.3f}"
        )
    return lines
