"""The confusion matrix: the top confusions, what becomes of each class, and the matrix itself where it fits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from detkit.reports._tables import Table
from detkit.wording import percent, plural

__all__ = ["tables"]

#: A matrix of more classes does not fit a terminal.
_MOST_CLASSES = 8


def tables(found: Mapping[str, Any]) -> list[Table]:
    """Three tables: one class taken for another, each class, and the matrix of few classes."""
    at = f"score >= {found['score_threshold']:.4g}, IoU >= {found['iou_threshold']:g}"
    shown = [_top(found, at), _classes(found, at)]
    if 0 < len(found["classes"]) <= _MOST_CLASSES:
        shown.append(_matrix(found, at))
    return shown


def _top(found: Mapping[str, Any], at: str) -> Table:
    rows = [
        [row["truth"], row["prediction"], str(row["count"]), percent(row["share_of_truth"])] for row in found["top"]
    ]
    background = found["background"]
    every = sum(
        cell["count"]
        for cell in found["cells"]
        if cell["truth"] != cell["prediction"] and background not in (cell["truth"], cell["prediction"])
    )
    shown = sum(row["count"] for row in found["top"])
    notes = [f"of other pairs of classes: {every - shown} of {plural(every, 'confusion')}"] if shown < every else []
    title = f"classes taken for one another ({at})" if rows else f"no class was taken for another ({at})"
    return Table(title, ["truth", "detected as", "count", "of its truths"], rows, left=2, notes=notes)


def _classes(found: Mapping[str, Any], at: str) -> Table:
    background = found["background"]
    right, lost, spurious = Counter[int](), Counter[int](), Counter[int]()
    for cell in found["cells"]:
        i, j = cell["truth"], cell["prediction"]
        if i == j:
            right[i] = cell["count"]
        elif j == background:
            lost[i] = cell["count"]
        elif i == background:
            spurious[j] = cell["count"]
    rows = [
        [
            row["name"],
            str(row["truths"]),
            str(right[k]),
            str(row["truths"] - right[k] - lost[k]),
            str(lost[k]),
            str(row["detections"]),
            str(spurious[k]),
        ]
        for k, row in enumerate(found["classes"])
        if row["truths"] or row["detections"]
    ]
    rows.sort(key=lambda row: int(row[2]) - int(row[1]))
    left_out = found["left_out"]
    notes = [
        f"outside: {plural(left_out['truths_ignored'], 'ignored truth')}, "
        f"{plural(left_out['detections_ignored'], 'detection')} on them, "
        f"{left_out['detections_below_threshold']} below the score threshold"
    ]
    if left_out["detections_unscored"]:
        unscored = plural(left_out["detections_unscored"], "detection")
        notes.append(f"outside: {unscored} that the protocol does not score")
    header = ["class", "truths", "right", "as another", "missed", "detections", "on nothing"]
    return Table(f"what became of each class, most errors first ({at})", header, rows, notes=notes)


def _matrix(found: Mapping[str, Any], at: str) -> Table:
    names = [*(row["name"] for row in found["classes"]), "background"]
    count = {(cell["truth"], cell["prediction"]): cell["count"] for cell in found["cells"]}
    places = range(len(names))
    rows = [[names[i], *(str(count.get((i, j), 0)) for j in places)] for i in places]
    rows[-1][-1] = "-"
    return Table(f"truths (rows) and what they were detected as (columns; {at})", ["truth", *names], rows)
