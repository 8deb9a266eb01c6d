"""Slices as tables: what fails most, every slice, crossings, recall against the number of objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from detkit.reports._table import number
from detkit.reports._tables import Table
from detkit.wording import percent

__all__ = ["tables"]

#: Kinds as they stand before a name.
_SHORT = {"objects per image": "objects", "relative size": "share", "truncation": "box"}


def tables(found: Mapping[str, Any]) -> list[Table]:
    """Failure modes, the slices, their crossings where there are any, recall by objects in an image."""
    at = f"score >= {found['score_threshold']:.4g}, IoU >= {found['iou_threshold']:g}"
    shown = [_modes(found, at), _figures(found, "slices", [found["overall"], *found["slices"]], at, _left_out(found))]
    for kind in dict.fromkeys(row["kind"] for row in found["crossed"]):
        rows = [{**row, "kind": ""} for row in found["crossed"] if row["kind"] == kind]
        shown.append(_figures(found, kind, rows, at, []))
    if found["crossed_too_small"]:
        shown[-1] = replace(shown[-1], notes=[*shown[-1].notes, _too_small(found)])
    return [*shown, _by_count(found, at)]


def _modes(found: Mapping[str, Any], at: str) -> Table:
    rows = [
        [
            row["mode"] or _name(row),
            str(row["truths"]),
            str(row["missed"]),
            percent(row["share_of_missed"]),
            number(row["recall"], 3),
            "-" if row["against_overall"] is None else f"{row['against_overall']:+.3f}",
            f"{row['excess_missed']:+.0f}",
        ]
        for row in found["failure_modes"]
    ]
    overall = found["overall"]
    notes = [
        f"{overall['fn']} of {overall['truths']} truths are missed; excess: misses beyond what recall "
        f"{number(overall['recall'], 3)} would leave"
    ]
    header = ["where truths are missed", "truths", "missed", "of all", "recall", "against", "excess"]
    return Table(f"failure modes ({at})", header, rows, notes=notes)


def _figures(
    found: Mapping[str, Any], title: str, rows: Sequence[Mapping[str, Any]], at: str, notes: Sequence[str]
) -> Table:
    headline = found["headline"]
    metrics = ["AP", "AP50"] if headline != "AP50" else ["AP50"]
    f = f"F{found['beta']:g}"
    shown = [
        [
            _name(row),
            str(row["truths"]),
            *(number(row[metric], 3) for metric in metrics),
            number(row["recall"], 3),
            number(row["precision"], 3),
            number(row["f"], 3),
            "-" if row["fp"] is None else str(row["fp"]),
        ]
        for row in rows
    ]
    header = ["slice", "truths", *(headline if m == "AP" else m for m in metrics), "recall", "prec.", f, "FP"]
    if any(row["fp"] is None for row in rows):
        notes = [*notes, "recall alone: a detection cannot tell whether it is of the slice"]
    return Table(f"{title} (counts: {at})", header, shown, notes=notes)


def _by_count(found: Mapping[str, Any], at: str) -> Table:
    rows = [
        [
            _range(row["first"], row["last"]),
            str(row["images"]),
            str(row["truths"]),
            str(row["missed"]),
            number(row["recall"], 3),
            f"{row['fp_per_image']:.2f}",
        ]
        for row in found["recall_by_count"]
    ]
    header = ["objects in the image", "images", "truths", "missed", "recall", "FP per image"]
    return Table(f"recall against the number of objects ({at})", header, rows)


def _left_out(found: Mapping[str, Any]) -> list[str]:
    reasons: dict[str, list[str]] = {}
    for kind, why in found["left_out"].items():
        reasons.setdefault(why, []).append(kind)
    return [f"left out: {', '.join(kinds)}: {why}" for why, kinds in reasons.items()]


def _too_small(found: Mapping[str, Any]) -> str:
    return f"{found['crossed_too_small']} crossed slices with fewer than {found['least_truths']} truths are not listed"


def _name(row: Mapping[str, Any]) -> str:
    if row["kind"] in ("overall", ""):
        return str(row["name"])
    return f"{_SHORT.get(row['kind'], row['kind'])}: {row['name']}"


def _range(first: int, last: int | None) -> str:
    if last is None:
        return f"{first} and more"
    return str(first) if first == last else f"{first} to {last}"
