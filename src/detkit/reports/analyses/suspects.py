"""Suspicious labels as tables: how many, the worst of each kind, the worst images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from detkit.reports._tables import Table

__all__ = ["tables"]

_MEANING = {
    "overlooked": "object without a box",
    "swapped": "box of the wrong class",
    "badly located": "box in the wrong place",
}


def tables(found: Mapping[str, Any]) -> list[Table]:
    """One table of totals, one of each kind that has suspects, one of images."""
    kinds = [_kind(kind, row) for kind, row in found["kinds"].items() if row["examples"]]
    return [_totals(found), *kinds, _images(found)]


def _totals(found: Mapping[str, Any]) -> Table:
    rows = [
        [kind, _MEANING[kind], *(str(row[key]) for key in ("suspects", "issues", "explained"))]
        for kind, row in found["kinds"].items()
    ]
    notes = [
        "0: surely wrong, 1: looks right; issue: at or below ObjectLab's own limit",
        "explained: as low a score, but the detection that tells so found another truth",
    ]
    if not found["as_published"]:
        notes.append(
            f"no detection has a score >= 0.95: detections are believed from {found['confident']:.4g}, "
            "the median of the true positives"
        )
    header = ["suspects", "what it is", f"score < {found['suspect_below']:g}", "issues", "explained"]
    return Table("labels that are likely wrong (ObjectLab)", header, rows, left=2, notes=notes)


def _kind(kind: str, found: Mapping[str, Any]) -> Table:
    rows = [
        [
            row["file_name"] or str(row["image_id"]),
            row["category"] or "-",
            f"{row['suggestion']['action']}: {row['suggestion']['category']}",
            _box(row["suggestion"]["box"]),
            _score(row["detection_score"]),
            _score(row["score"]),
        ]
        for row in found["examples"]
    ]
    more = found["suspects"] - len(rows)
    notes = [f"{more} more suspects are not listed"] if more else []
    header = ["image", "label", "suggestion", "box (x, y, w, h)", "detected", "score"]
    return Table(f"{kind}: {_MEANING[kind]}, the most likely first", header, rows, left=4, notes=notes)


def _images(found: Mapping[str, Any]) -> Table:
    images = found["images"]
    rows = [
        [
            row["file_name"] or str(row["image_id"]),
            *(_score(row[key]) for key in ("score", "overlooked", "swapped", "badly_located")),
        ]
        for row in images["worst"]
    ]
    more = images["suspicious"] - len(rows)
    notes = [f"{more} more with a score < {found['suspect_below']:g} are not listed"] if more else []
    title = f"{images['suspicious']} of {images['total']} images have labels that look wrong"
    return Table(title, ["image", "score", "overlooked", "swapped", "located"], rows, notes=notes)


def _box(box: list[float]) -> str:
    return " ".join(f"{v:.0f}" if abs(v) >= 10 else f"{v:.3g}" for v in box)


def _score(value: float | None) -> str:
    if value is None:
        return "-"
    return "0.000" if value < 0.0005 else f"{value:.3f}"
