"""The per-class table as CSV: a row per class, full precision, empty where undefined."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from detkit.evaluation.gate import GateReport
    from detkit.evaluation.result import Evaluation

__all__ = ["render"]


def render(result: Evaluation, gate: GateReport | None = None) -> str:
    """One row for all classes together (category_id empty, name `all`), then one a class."""
    columns = list(result.per_class[0].metrics) if result.per_class else []
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["category_id", "name", *columns, "ground_truths", "detections"])
    overall = {**result.metrics, "AP": result.metrics.get("AP", result.metrics.get("mAP"))}
    truths = sum(row.ground_truths for row in result.per_class)
    found = sum(row.detections for row in result.per_class)
    writer.writerow(["", "all", *(_plain(overall.get(c)) for c in columns), truths, found])
    for row in result.per_class:
        values = [_plain(row.metrics[c]) for c in columns]
        writer.writerow([row.category_id, row.name, *values, row.ground_truths, row.detections])
    return out.getvalue()


def _plain(value: float | None) -> str:
    return "" if value is None else repr(value)
