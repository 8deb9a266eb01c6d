"""The verdict in one line."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from detkit.evaluation.gate import GateReport

__all__ = ["headline"]

_WORDS = {"pass": "passed", "fail": "FAILED", "undecided": "CANNOT BE JUDGED", "error": "WRONG REQUEST"}


def headline(gate: GateReport) -> str:
    """Outcome and how many rules came out how: `FAILED (8 pass, 2 fail)`."""
    counts = Counter(row.verdict for row in gate.rows)
    parts = ", ".join(f"{counts[verdict]} {verdict}" for verdict in dict.fromkeys(row.verdict for row in gate.rows))
    return f"{_WORDS[gate.outcome]} ({parts})" if parts else _WORDS[gate.outcome]
