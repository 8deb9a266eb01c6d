"""Kinds of errors with their cost, overall and for the classes where errors cost most."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from detkit.reports._table import number
from detkit.reports._tables import Table

__all__ = ["tables"]

_MEANING = {
    "Cls": "on a truth of another class",
    "Loc": "right class, box too loose",
    "Both": "loose box and wrong class",
    "Dupe": "second hit on a truth",
    "Bkg": "on nothing",
    "Miss": "truth no error points at",
    "FalsePos": "all false positives",
    "FalseNeg": "all missed truths",
}
_MAIN = ("Cls", "Loc", "Both", "Dupe", "Bkg", "Miss")


def tables(found: Mapping[str, Any]) -> list[Table]:
    """Two tables: each kind, and each class with what each kind costs it."""
    at = f"IoU {found['foreground']:g}, background {found['background']:g}"
    rows = [[row["type"], _MEANING[row["type"]], str(row["count"]), number(row["dAP"], 4)] for row in found["types"]]
    kinds = Table(
        f"errors and the AP that fixing one kind alone would win, from AP {number(found['AP'])} ({at})",
        ["error", "what it is", "count", "dAP"],
        rows,
        left=2,
        notes=["costs do not add up: each is of a fix of its own"],
    )
    judged = [row for row in found["per_class"] if row["AP"] is not None]
    # A class of which nothing was found has no AP left once its misses are fixed: no other costs more.
    judged.sort(key=lambda row: -max(1.0 if row["dAP"][kind] is None else row["dAP"][kind] for kind in _MAIN))
    classes = Table(
        f"AP and dAP by class, costliest error first ({at})",
        ["class", "AP", *_MAIN],
        [[row["name"], number(row["AP"]), *(number(row["dAP"][kind]) for kind in _MAIN)] for row in judged],
        notes=["-: no truth is left after the fix"] if any(row["dAP"]["Miss"] is None for row in judged) else [],
    )
    return [kinds, classes]
