"""The images with the most errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from detkit.reports._tables import Table
from detkit.wording import plural

__all__ = ["tables"]


def tables(found: Mapping[str, Any]) -> list[Table]:
    """One table: the worst images first."""
    rows = [
        [row["file_name"] or str(row["image_id"]), *(str(row[key]) for key in ("tp", "fp", "fn"))]
        for row in found["worst"]
    ]
    title = (
        f"images with the most errors (score >= {found['score_threshold']:.4g}, IoU >= {found['iou_threshold']:g}); "
        f"{found['without_errors']} of {found['images']} have none"
    )
    notes = []
    if found["errors"]:
        notes.append(f"half of all {found['errors']} errors lie on {plural(found['half_of_errors_on'], 'image')}")
    if found["listed"] < found["with_errors"]:
        notes.append(f"{found['with_errors'] - found['listed']} more images with errors are not listed")
    return [Table(title, ["image", "TP", "FP", "FN"], rows, notes=notes)]
