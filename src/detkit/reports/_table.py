"""Plain text tables that fit a terminal of 80 columns."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from detkit.wording import printable

__all__ = ["WIDTH", "number", "shortened", "table", "width_of"]

WIDTH = 80
_LONG = 10 * WIDTH


def number(value: float | None, digits: int = 4) -> str:
    """A figure as text, `-` where undefined."""
    return "-" if value is None else f"{value:.{digits}f}"


def width_of(text: str) -> int:
    """Terminal cells the text takes: wide characters two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def shortened(text: str, width: int) -> str:
    """The text in that many terminal cells: names differ at their ends more often than in their middle."""
    if width_of(text) <= width:
        return text
    text = _cut(text)
    head, tail = text[: len(text) // 2], text[len(text) // 2 :]
    while width_of(head) + width_of(tail) > width - 1:
        head, tail = (head[:-1], tail) if len(head) >= len(tail) else (head, tail[1:])
    return f"{head}…{tail}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1, flexible: int = 0) -> list[str]:
    """Lines of a table: the first `left` columns are flush left, the others flush right.

    Parameters
    ----------
    header : sequence of str
    rows : sequence of sequences of str
    left : int
        How many columns are text.
    flexible : int
        The column that is shortened when the table would be wider than 80 cells.

    Returns
    -------
    list of str
        Header, rule, rows.
    """
    cells = [[printable(_cut(c)) for c in row] for row in (header, *rows)]
    widths = [max(width_of(row[i]) for row in cells) for i in range(len(header))]
    excess = sum(widths) + 2 * (len(widths) - 1) - WIDTH
    if excess > 0:
        widths[flexible] = max(min(8, widths[flexible]), widths[flexible] - excess)
    lines = []
    for row in cells:
        parts = [_fit(cell, widths[i], flush_left=i < left) for i, cell in enumerate(row)]
        lines.append("  ".join(parts).rstrip())
    lines.insert(1, "  ".join("-" * w for w in widths))
    return lines


def _cut(text: str) -> str:
    """A text of several lines' length without its middle: nothing of that would be shown."""
    return text if len(text) <= _LONG else f"{text[: _LONG // 2]}…{text[-_LONG // 2 :]}"


def _fit(text: str, width: int, *, flush_left: bool) -> str:
    text = shortened(text, width)
    pad = " " * (width - width_of(text))
    return text + pad if flush_left else pad + text
