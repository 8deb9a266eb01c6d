"""Why truths were missed: reasons by size, and by class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from detkit.reports._tables import Table
from detkit.wording import percent

__all__ = ["tables"]

#: Reasons as column heads.
_SHORT = {"below threshold": "below", "removed by NMS": "NMS", "beyond cap": "cap", "no candidate": "nothing"}


def tables(found: Mapping[str, Any]) -> list[Table]:
    """Two tables: reasons by size, and by class, the class with most misses first."""
    at = f"score >= {found['score_threshold']:.4g}, IoU >= {found['iou_threshold']:g}"
    sizes = list(found["sizes"])
    rows = [
        [
            row["reason"],
            str(row["count"]),
            percent(row["share"]),
            *(str(row["by_size"][size]) for size in sizes),
        ]
        for row in found["reasons"]
    ]
    notes = [] if found["raw_predictions"] else ["removed by NMS: known only when the predictions before NMS are given"]
    title = f"why {found['missed']} of {found['truths']} truths were missed ({at})"
    reasons = Table(title, ["reason", "truths", "share", *sizes], rows, notes=notes)
    names = [row["reason"] for row in found["reasons"] if row["count"]]
    classes = sorted((row for row in found["per_class"] if row["missed"]), key=lambda row: -row["missed"])
    by_class = Table(
        f"missed truths by class and reason ({at})",
        ["class", "truths", "missed", *(_SHORT.get(name, name) for name in names)],
        [
            [row["name"], str(row["truths"]), str(row["missed"]), *(str(row["reasons"][name]) for name in names)]
            for row in classes
        ],
    )
    return [reasons, by_class]
