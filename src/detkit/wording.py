"""Words as people read them: counts with their nouns, shares, examples, lines of a width, text safe to print."""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["examples", "folded", "percent", "plural", "printable"]


def plural(count: int, noun: str, many: str | None = None) -> str:
    """The count with its noun: `1 image`, `2 images`, `2 boxes`.

    Parameters
    ----------
    count : int
    noun : str
        For one.
    many : str, optional
        For any other count, where it is not the noun with an `s`.

    Returns
    -------
    str
    """
    return f"{count} {noun if count == 1 else many or noun + 's'}"


def folded(text: str, width: int = 80, *, hang: str = "  ") -> list[str]:
    """A text as lines of a width; what stands in backticks, or has no blank in it, stays whole.

    Parameters
    ----------
    text : str
        One line; blanks at its start set all lines in.
    width : int
        Characters a line: commands, paths and long words may exceed it.
    hang : str
        How much further the later lines are set in.

    Returns
    -------
    list of str
    """
    if len(text) <= width:
        return [text]
    margin = text[: len(text) - len(text.lstrip(" "))] + hang
    lines, line = [], ""
    for blanks, word in re.findall(r"(\s*)((?:`[^`]*`|\S)+)", text):
        if line and len(line) + len(blanks) + len(word) > width:
            lines.append(line)
            line = margin + word
        else:
            line += blanks + word
    return [*lines, line]


def percent(share: float | None, digits: int | None = 1) -> str:
    """A share from 0 to 1 as people read it: `12.3 %`.

    Parameters
    ----------
    share : float or None
        Undefined where None: `-`.
    digits : int or None
        After the point; None for as many as it takes.

    Returns
    -------
    str
    """
    if share is None:
        return "-"
    if digits is None:
        return f"{100 * share:g} %"
    least = 10.0**-digits
    return f"< {least:g} %" if 0 < 100 * share < least / 2 else f"{100 * share:.{digits}f} %"


def examples(items: Sequence[object], limit: int = 3) -> str:
    """The first few items as one string, with `...` when there are more.

    Parameters
    ----------
    items : sequence
    limit : int
        Most items to name.

    Returns
    -------
    str
        Each in backticks.
    """
    shown = ", ".join(f"`{item}`" for item in items[:limit])
    return shown + (", ..." if len(items) > limit else "")


def printable(text: str) -> str:
    """The text with control characters made visible, so that no name can write to the terminal.

    Parameters
    ----------
    text : str

    Returns
    -------
    str
        Line feeds are spelt out too.
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
