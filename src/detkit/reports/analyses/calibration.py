"""Calibration as tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from detkit.reports._table import number
from detkit.reports._tables import Table
from detkit.wording import plural

__all__ = ["tables"]


def tables(found: Mapping[str, Any]) -> list[Table]:
    """The reliability diagram of all classes, then the classes, the worst LaECE first."""
    scope = f"score >= {found['score_threshold']:.4g}, IoU >= {found['iou_threshold']:g}"
    diagram = [
        [
            f"{row['low']:.3g} to {row['high']:.3g}",
            str(row["count"]),
            *(number(row[key]) for key in ("confidence", "accuracy", "iou")),
        ]
        for row in found["bins"]
    ]
    errors = (
        f"D-ECE {number(found['d_ece'])} ({plural(found['bin_count'], 'bin')}), "
        f"LaECE {number(found['la_ece'])} ({plural(found['class_bin_count'], 'bin')} a class), "
        f"LaACE {number(found['la_ace'])}"
    )
    notes = [errors, "each is 0 when every score is right; accuracy above confidence means scores are too low"]
    if found["outside"]:
        outside = plural(found["outside"], "detection")
        notes.append(f"{outside} left out: scores outside 0 to 1 are no confidences")
    classes = sorted(found["classes"], key=lambda row: (row["la_ece"] is None, -(row["la_ece"] or 0.0)))
    rows = [
        [
            row["name"],
            str(row["detections"]),
            *(number(row[key], 3) for key in ("confidence", "accuracy", "iou", "d_ece", "la_ece", "la_ace")),
        ]
        for row in classes
    ]
    return [
        Table(
            f"calibration of {plural(found['detections'], 'detection')}, {scope}",
            ["confidence", "detections", "mean confidence", "accuracy", "mean IoU"],
            diagram,
            notes=notes,
        ),
        Table(
            f"calibration by class, {scope}",
            ["class (worst first)", "detections", "conf.", "accuracy", "IoU", "D-ECE", "LaECE", "LaACE"],
            rows,
        ),
    ]
