"""Best thresholds as tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from detkit.reports._table import number
from detkit.reports._tables import Table
from detkit.wording import plural

__all__ = ["tables"]


def tables(found: Mapping[str, Any]) -> list[Table]:
    """One table: all classes under one threshold, then each class on its own, the lowest F first."""
    f = f"F{found['beta']:g}"
    classes = sorted(found["classes"].items(), key=lambda item: (item[1]["f"] is None, item[1]["f"] or 0.0))
    undefined = [name for name, row in classes if row["score_threshold"] is None]
    notes = ["detections with score >= threshold are kept; of equal F the highest score is taken"]
    if undefined:
        notes.append(f"{plural(len(undefined), 'class has', 'classes have')} no threshold: no truth, or nothing right")
    return [
        Table(
            f"score thresholds of the best {f}, IoU >= {found['iou_threshold']:g}",
            ["class (worst first)", "score >=", "precision", "recall", f, "TP", "FP", "FN"],
            [_row("all classes", found["overall"]), *(_row(name, row) for name, row in classes)],
            notes=notes,
        )
    ]


def _row(name: str, row: Mapping[str, Any]) -> list[str]:
    shares = (number(row[key]) for key in ("score_threshold", "precision", "recall", "f"))
    return [name, *shares, *(str(row[key]) for key in ("tp", "fp", "fn"))]
