"""The rows of a verdict as a reader needs them: what decides first, passing classes in a line, columns aligned."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from detkit.reports._verdict import in_order, only_warns

if TYPE_CHECKING:
    from detkit.evaluation.gate import GateReport, GateRow

__all__ = ["GateTable", "gate_table"]

#: Rows that only warn: those nearest to nothing are many, and what decides must not scroll away.
_WARNINGS_SHOWN = 10
#: A row that needs more decimals to show on which side of its limit it lies has them for itself.
_MOST_PLACES = 6
_Key = tuple[str, str, str, str, str]


@dataclass(frozen=True, slots=True)
class GateTable:
    """The verdict's rows, with the texts of their cells.

    Parameters
    ----------
    rows : tuple of GateRow
        Failed and undecided ones first, then warnings, then what passes.
    cells : tuple of list of str
        Metric, value, limit, margin, verdict; figures with one number of decimals where they allow it.
    folded : tuple of str
        A line for each rule whose passing rows are left out.
    hidden : int
        Rows that only warn and are left out.
    """

    rows: tuple[GateRow, ...]
    cells: tuple[list[str], ...]
    folded: tuple[str, ...]
    hidden: int = 0


def gate_table(gate: GateReport, *, details: bool = False) -> GateTable:
    """The table of a verdict: without details, warnings are the ten that miss by most.

    Parameters
    ----------
    gate : GateReport
    details : bool
        Whether every warning is shown, and passing rows of a rule on `class.*` one by one.

    Returns
    -------
    GateTable
    """
    passing: dict[_Key, list[GateRow]] = {}
    for row in () if details else gate.rows:
        if row.pattern and row.verdict == "pass":
            passing.setdefault(_key(row), []).append(row)
    folds = {key: rows for key, rows in passing.items() if len(rows) > 1}
    rows = tuple(row for row in in_order(gate.rows) if not (row.verdict == "pass" and _key(row) in folds))
    shown = rows if details else _fewer_warnings(rows)
    several = len({row.result for row in gate.rows}) > 1
    counts = Counter(map(_key, gate.rows))
    lines = [_folded(found, counts[key], several) for key, found in folds.items()]
    return GateTable(shown, tuple(_cells(shown)), tuple(lines), len(rows) - len(shown))


def _fewer_warnings(rows: tuple[GateRow, ...]) -> tuple[GateRow, ...]:
    """The rows with only those warnings that miss their limit by most, in the order they had."""
    warnings = [n for n, row in enumerate(rows) if only_warns(row)]
    if len(warnings) <= _WARNINGS_SHOWN:
        return rows
    worst = sorted(warnings, key=lambda n: -math.inf if (margin := rows[n].margin) is None else margin)
    left_out = set(worst[_WARNINGS_SHOWN:])
    return tuple(row for n, row in enumerate(rows) if n not in left_out)


def _key(row: GateRow) -> _Key:
    """Rows of one limit of one rule on one result."""
    return row.result, row.rule, row.pattern, row.judged, row.operator


def _folded(rows: Sequence[GateRow], count: int, several: bool) -> str:
    """`class.*.AP50: 11 of 13 pass, closest class.cat.AP50 0.610 >= 0.500 (+0.110)`."""
    first = rows[0]
    text = f"{first.result}: " if several else ""
    text += f"{first.pattern}{_what(first)}: {len(rows)} of {count} pass"
    if skipped := sum(row.skipped for row in rows):
        text += f", {skipped} of them skipped as undefined"
    judged = [row for row in rows if row.margin is not None]
    if not judged:
        return text
    least = min(judged, key=lambda row: math.inf if row.margin is None else row.margin)
    return f"{text}, closest {least.metric} {least.value_text} {least.limit_text} ({least.margin_text})"


def _cells(rows: Sequence[GateRow]) -> list[list[str]]:
    places = max((p for row in rows if row.margin_text and (p := _places(row)) <= _MOST_PLACES), default=0)
    return [[f"{row.metric}{_what(row)}", *_figures(row, places), row.verdict] for row in rows]


def _what(row: GateRow) -> str:
    """What is judged where that is not the value; a drop is compared by its value."""
    return "" if row.judged in ("value", "drop") else f", {row.judged}"


def _places(row: GateRow) -> int:
    """Decimals that the row needs by itself; none for counts."""
    return len(row.value_text.partition(".")[2])


def _figures(row: GateRow, places: int) -> tuple[str, str, str]:
    """Value, limit and margin of a row in a table of so many decimals."""
    from detkit.evaluation.gate import figures

    value, limit = row.value, row.limit
    if value is None or limit is None or not row.margin_text or not _places(row):
        shown = _at(value, row.value_text, places)
        against = row.limit_text if limit is None else f"{row.operator} {_at(limit, row.limit_text, places)}"
        return shown, against, row.margin_text
    above = row.operator in (">=", ">")
    shown, against, margin = figures(row.metric, value, limit, above=above, least=places)
    return shown, f"{row.operator} {against}", margin


def _at(value: float | None, text: str, places: int) -> str:
    """A figure that is compared with nothing, with as many decimals as the others; counts and `nan` as they are."""
    if value is None or not places or "." not in text:
        return text.rpartition(" ")[2]
    return f"{value:.{places}f}"
