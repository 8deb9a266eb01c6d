"""Differences of two predictions as plain text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from detkit.reports._table import number, printable, table
from detkit.reports.text import gate_lines

if TYPE_CHECKING:
    from detkit.evaluation.gate import GateReport

__all__ = ["text"]

_CLASSES_SHOWN = 20


def text(found: Mapping[str, Any], gate: GateReport | None = None) -> str:
    """Counts, shifts, classes, verdict; `found` is of schema `detkit.diff/1`."""
    metrics, images = found["metrics"], found["images"]
    share = metrics["unmatched_share"]
    lines = [
        f"A {printable(found['a'])}: {metrics['boxes_a']} boxes, {metrics['unmatched_a']} without partner",
        f"B {printable(found['b'])}: {metrics['boxes_b']} boxes, {metrics['unmatched_b']} without partner",
        f"{metrics['matched']} pairs of a class at IoU >= {found['iou_threshold']:g}, score >= "
        f"{found['score_threshold']:g}; {metrics['unmatched']} boxes unmatched"
        + ("" if share is None else f" ({100 * share:.3g}%)"),
    ]
    if metrics["below_threshold"]:
        lines.append(f"{metrics['below_threshold']} of them have a partner below the score threshold")
    lines.append(f"{images['compared']} images, {images['differing']} with unmatched boxes")
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
        lines.append(f"... {len(classes) - len(shown)} more classes (all of them: --format json)")
    if gate is not None:
        lines += ["", *gate_lines(gate)]
    return "\n".join(lines) + "\n"
