"""Differences of two predictions as plain text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from detkit.reports._table import number, table
from detkit.reports.text import gate_lines
from detkit.wording import percent, plural, printable

if TYPE_CHECKING:
    from detkit.evaluation.gate import GateReport

__all__ = ["text"]

_CLASSES_SHOWN = 20


def text(found: Mapping[str, Any], gate: GateReport | None = None) -> str:
    """Counts, shifts, classes, verdict; `found` is of schema `detkit.diff/1`."""
    metrics, images = found["metrics"], found["images"]
    share = metrics["unmatched_share"]
    lines = [
        _side(found, "a"),
        _side(found, "b"),
        f"{plural(metrics['matched'], 'pair')} of a class at IoU >= {found['iou_threshold']:g}, score >= "
        f"{found['score_threshold']:g}; {plural(metrics['unmatched'], 'box', 'boxes')} unmatched"
        + ("" if share is None else f" ({percent(share)})"),
    ]
    if metrics["below_threshold"]:
        lines.append(f"{metrics['below_threshold']} of them have a partner below the score threshold")
    lines.append(f"{plural(images['compared'], 'image')}, {images['differing']} with unmatched boxes")
    if images["only_a"] or images["only_b"]:
        lines.append(f"images of A only: {images['only_a']}, of B only: {images['only_b']}")
    unit = "px" if found["units"] == "pixels" else "shares"
    labels = {"score_shift": "score shift", "iou": "IoU of pairs", "corner_shift": f"corner shift ({unit})"}
    rows = []
    for name, label in labels.items():
        values = list(metrics[name].values())
        rows.append([label, *(number(v, 6) for v in values), " ".join(metrics[name])])
    lines += ["", *table(["of the pairs", "mean", "tail", "worst", "are"], rows)]
    classes = found["per_class"]
    shown = [row for row in classes if row["unmatched"] or row["matched"]][:_CLASSES_SHOWN]
    header = ["class (worst first)", "A", "B", "only A", "only B", "score max", "IoU min", "px max"]
    if unit != "px":
        header[-1] = "shift max"
    cells = [
        [
            row["name"],
            *(str(row[k]) for k in ("boxes_a", "boxes_b", "unmatched_a", "unmatched_b")),
            number(row["score_shift"]["max"], 5),
            number(row["iou"]["min"]),
            number(row["corner_shift"]["max"], 3),
        ]
        for row in shown
    ]
    lines += ["", *table(header, cells)]
    if len(classes) > len(shown):
        left = plural(len(classes) - len(shown), "more class", "more classes")
        lines.append(f"... {left} (all of them: --format json)")
    if gate is not None:
        lines += ["", *gate_lines(gate)]
    return "\n".join(lines) + "\n"


def _side(found: Mapping[str, Any], side: str) -> str:
    """One of the two: its path, its boxes, and how many have no partner."""
    metrics = found["metrics"]
    boxes = plural(metrics[f"boxes_{side}"], "box", "boxes")
    return f"{side.upper()} {printable(found[side])}: {boxes}, {metrics[f'unmatched_{side}']} without partner"
