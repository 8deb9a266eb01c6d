"""The textbook accumulation table of one class: detections in score order with running precision and recall."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from detkit.errors import UsageError
from detkit.reports._table import number, table
from detkit.reports.markdown import grid
from detkit.wording import plural, printable

if TYPE_CHECKING:
    from detkit.evaluation.result import Evaluation

__all__ = ["render_class"]

_HEADER = ("image", "confidence", "IoU", "outcome", "acc TP", "acc FP", "precision", "recall")


def render_class(result: Evaluation, category: str, format: str) -> str:
    """The table as text, JSON, Markdown or CSV.

    Raises
    ------
    UsageError
        Unknown class.
    """
    from detkit.evaluation.matches import accumulation_table

    known = [row.name for row in result.per_class]
    if category not in known:
        from difflib import get_close_matches

        near = get_close_matches(category, known, n=5, cutoff=0.4)
        raise UsageError(
            f"unknown class `{category}`", hint=f"did you mean {', '.join(f'`{n}`' for n in near or known[:5])}?"
        )
    rows = accumulation_table(result, category)
    mine = next(row for row in result.per_class if row.name == category)
    if format == "json":
        content = {"schema": "detkit.accumulation/1", "class": category, "truths": mine.ground_truths, "rows": rows}
        return json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False) + "\n"
    if format == "csv":
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(rows[0] if rows else [h.lower().replace(" ", "_") for h in _HEADER])
        writer.writerows(r.values() for r in rows)
        return out.getvalue()
    cells = [_cells(row) for row in rows]
    if format == "markdown":
        return "\n".join(grid(_HEADER, cells)) + "\n"
    protocol = result.protocol
    sign = ">" if protocol.strict_iou else ">="
    lines = [
        f"{printable(category)}: {plural(mine.ground_truths, 'truth')}, {plural(len(rows), 'detection')}, "
        f"match at IoU {sign} {protocol.iou_thresholds[protocol.reference_threshold]:g}",
        "",
        *table(_HEADER, cells),
        "",
        *_averages(mine.metrics, result),
    ]
    return "\n".join(lines) + "\n"


def _averages(metrics: Mapping[str, float | None], result: Evaluation) -> list[str]:
    """The average at the table's overlap, and the class's AP where that is a mean over several."""
    protocol = result.protocol
    at = protocol.iou_thresholds[protocol.reference_threshold]
    name, count = f"AP{at * 100:.6g}", len(protocol.iou_thresholds)
    lines = [f"{name} = {number(metrics.get(name), 6)}, at IoU {at:g}"] if count > 1 else []
    mean = f", mean over {count} overlaps" if count > 1 else ""
    return [*lines, f"AP = {number(metrics.get('AP'), 6)} ({protocol.name}{mean})"]


def _cells(row: dict[str, Any]) -> list[str]:
    return [
        row["image"],
        f"{row['confidence']:.4g}",
        number(row["iou"]),
        row["outcome"],
        str(row["acc_tp"]),
        str(row["acc_fp"]),
        number(row["precision"]),
        number(row["recall"]),
    ]
