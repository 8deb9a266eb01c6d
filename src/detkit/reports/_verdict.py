"""The verdict in one line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from detkit.evaluation.gate import GateReport, GateRow, Verdict

__all__ = ["conclusion", "headline", "in_order", "only_warns"]

_WORDS = {"pass": "passed", "fail": "FAILED", "undecided": "CANNOT BE JUDGED", "error": "WRONG REQUEST"}
#: The verdict of the rows that an outcome hangs on.
_DECIDING: dict[str, Verdict] = {"fail": "fail", "undecided": "undefined", "error": "error"}
#: What a reader looks for first; what only warns comes after all that decides.
_RANK: dict[Verdict, int] = {"error": 0, "fail": 1, "undefined": 2, "warn": 3, "pass": 4}


def headline(gate: GateReport) -> str:
    """Outcome and how many rules came out how: `FAILED (2 fail, 8 pass)`.

    Parameters
    ----------
    gate : GateReport

    Returns
    -------
    str
    """
    counts = Counter(row.verdict for row in gate.rows)
    parts = ", ".join(f"{counts[verdict]} {verdict}" for verdict in _RANK if counts[verdict])
    return f"{_WORDS[gate.outcome]} ({parts})" if parts else _WORDS[gate.outcome]


def conclusion(gate: GateReport) -> str:
    """The headline and what it hangs on: `FAILED (2 fail): AP is 0.484 < 0.500, and 1 more`.

    Parameters
    ----------
    gate : GateReport

    Returns
    -------
    str
    """
    line = headline(gate)
    if gate.problems:
        return f"{line}: {gate.problems[0]}"
    deciding = [row for row in gate.rows if row.verdict == _DECIDING.get(gate.outcome) and not only_warns(row)]
    if not deciding:
        return line
    more = f", and {len(deciding) - 1} more" if len(deciding) > 1 else ""
    return f"{line}: {deciding[0].message}{more}"


def in_order(rows: Iterable[GateRow]) -> list[GateRow]:
    """Failed and undecided rows first, then warnings, then what passes; else in the order of the rules."""
    return sorted(rows, key=_rank)


def only_warns(row: GateRow) -> bool:
    """Whether the row is worth a look and decides nothing: also an undefined metric under a rule that only warns."""
    return row.verdict == "warn" or (row.verdict == "undefined" and row.severity == "warn")


def _rank(row: GateRow) -> int:
    return _RANK["warn" if only_warns(row) else row.verdict]
