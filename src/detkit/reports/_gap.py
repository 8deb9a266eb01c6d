"""Why AP differs between COCO and a training framework, as a table for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from detkit.reports._table import number, table

__all__ = ["gap_lines"]

_METRICS = ("AP", "AP50")
_SAYS = {
    "ids": "ids: 0, repeated, ignore",
    "crowds": "crowds are not read",
    "labels": "empty, repeated not read",
    "areas": "areas without limit",
    "scores": "scores from 0.001",
    "caps": "300 an image, all classes",
    "matching": "matching",
    "interpolation": "interpolation",
}


def gap_lines(found: Mapping[str, Any]) -> list[str]:
    """Lines of the table, at most 80 cells wide; `found` is of schema `detkit.gap/1`.

    Each change is the difference of the two figures above and beside it as they are printed, so that the column adds
    up to the gap digit by digit.
    """
    points = [found["start"], *found["steps"]]
    labels = [found["from"], *(_SAYS.get(step["name"], step["name"]) for step in found["steps"])]
    header = ["one setting after another", *(word for name in _METRICS for word in (name, "change", "reversed"))]
    rows = []
    for n, (label, point) in enumerate(zip(labels, points, strict=True)):
        row = [label]
        for name in _METRICS:
            row += [number(point[name])]
            row += ["", ""] if n == 0 else [_moved(points[n - 1][name], point[name]), _signed(point["reversed"][name])]
        rows.append(row)
    total = [f"{found['to']}, the gap"]
    for name in _METRICS:
        total += [number(found["end"][name]), _moved(found["start"][name], found["end"][name]), ""]
    start, end = found["start"], found["end"]
    return [
        *table(header, [*rows, total]),
        f"truths {start['truths']} -> {end['truths']}, detections {start['detections']} -> {end['detections']}; "
        "reversed: the change when",
        "the steps are taken from the last to the first",
    ]


def _moved(before: float, after: float) -> str:
    return _signed(round(after, 4) - round(before, 4))


def _signed(value: float) -> str:
    # A change that rounds to nothing has no sign.
    return f"{round(value, 4) + 0.0:+.4f}" if round(value, 4) else "0.0000"
