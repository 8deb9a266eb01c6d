"""A table before it is text, Markdown or HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from detkit.reports._table import table
from detkit.wording import folded, printable

__all__ = ["Table", "as_text"]


@dataclass(frozen=True)
class Table:
    """What a renderer draws as a table.

    Parameters
    ----------
    title : str
        One line: what is counted, under which thresholds.
    header : sequence of str
    rows : sequence of sequences of str
        Cells as text, figures already rounded for reading.
    left : int
        How many columns are text and flush left.
    notes : sequence of str
        Lines under the table: what was left out, what to do next.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    left: int = 1
    notes: Sequence[str] = ()


def as_text(shown: Table, most: int | None = None) -> list[str]:
    """Lines for a terminal of 80 columns.

    Parameters
    ----------
    shown : Table
    most : int, optional
        Rows at most; the rest is counted.

    Returns
    -------
    list of str
    """
    rows = list(shown.rows if most is None else shown.rows[:most])
    lines = folded(printable(shown.title), hang="")
    if rows:
        lines += table(shown.header, rows, left=shown.left)
    if len(rows) < len(shown.rows):
        lines.append(f"... {len(shown.rows) - len(rows)} more rows (all of them: --format json)")
    return [*lines, *(line for note in shown.notes for line in folded(printable(note), hang=""))]
