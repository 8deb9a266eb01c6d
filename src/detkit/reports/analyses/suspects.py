"""Suspicious labels as tables: how many, the worst of each kind, the worst images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from detkit.reports._tables import Table

__all__ = ["tables"]

#: Letters of a class name, so that two fit.
_LONGEST = 12
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
            _label(row),
            _box(row["suggestion"]["box"]),
            _score(row["detection_score"]),
            _score(row["score"]),
        ]
        for row in found["examples"]
    ]
    more = found["suspects"] - len(rows)
    notes = [f"{more} more suspects are not listed"] if more else []
    if any(row["suggestion"]["action"] == "settle" for row in found["examples"]):
        notes.append("a or b: two labels of one object")
    header = ["image", "label", "suggested box (x, y, w, h)", "detected", "score"]
    return Table(f"{kind}: {_MEANING[kind]}, the most likely first", header, rows, left=3, notes=notes)


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
    notes = [f"{more} more images with suspects are not listed"] if more else []
    title = f"{images['suspicious']} of {images['total']} images hold suspects, the lowest image score first"
    return Table(title, ["image", "score", "overlooked", "swapped", "located"], rows, notes=notes)


def _label(row: Mapping[str, Any]) -> str:
    """The class, and what it should be where that differs."""
    own, suggested = row["category"], _short(row["suggestion"]["category"])
    if own is None or own == row["suggestion"]["category"]:
        return suggested
    between = "or" if row["suggestion"]["action"] == "settle" else "->"
    return f"{_short(own)} {between} {suggested}"


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"


def _box(box: list[float]) -> str:
    return " ".join(f"{v:.0f}" if abs(v) >= 10 else f"{v:.3g}" for v in box)


def _score(value: float | None) -> str:
    if value is None:
        return "-"
    return "0.000" if value < 0.0005 else f"{value:.3f}"
