"""Names in metric paths: of classes and slices, plain or quoted, and what was meant by one that nothing has."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from typing import Any, TypeVar

from detkit.errors import UsageError

__all__ = ["ALIASES", "nearest", "quoted", "select_name", "select_row", "suggestion"]

#: What else metrics are called.
ALIASES = {"mAP": "AP", "mAP50-95": "AP", "mAP50:95": "AP", "mAP50": "AP50", "mAP75": "AP75"}
_BRACKET = re.compile(r"""\[(["'])(.+)\1\]\.(.+)""", re.DOTALL)

Row = TypeVar("Row")


def nearest(word: str, candidates: Iterable[str], limit: int = 5) -> list[str]:
    """The candidates most like a word, whatever their case, best first; at most `limit`."""
    by_fold: dict[str, list[str]] = {}
    for candidate in candidates:
        by_fold.setdefault(candidate.casefold(), []).append(candidate)
    close = difflib.get_close_matches(word.casefold(), list(by_fold), n=limit, cutoff=0.5)
    return [name for fold in close for name in by_fold[fold]][:limit]


def suggestion(word: str, candidates: Sequence[str]) -> str | None:
    """A hint with the nearest names; the first few known ones when none is near."""
    if close := nearest(word, candidates):
        return f"did you mean {' or '.join(f'`{name}`' for name in close)}?"
    if not candidates:
        return None
    return f"known: {', '.join(f'`{name}`' for name in candidates[:5])}{', ...' if len(candidates) > 5 else ''}"


def select_name(what: str, tail: str, known: Collection[str], path: str) -> tuple[str, str]:
    """Name and statistic of `.name.AP` or `["name"].AP`; a name may hold dots, the longest known one counts.

    Parameters
    ----------
    what : str
        `class` or `slice`, for messages.
    tail : str
        The path behind that word.
    known : collection of str
    path : str
        The whole, for messages.

    Returns
    -------
    str, str

    Raises
    ------
    UsageError
        Not such a path, or an unknown name; the message lists the nearest ones.
    """
    if tail.startswith("["):
        found = _BRACKET.fullmatch(tail)
        if found is None:
            raise UsageError(
                f'`{path}` is not understood, expected a quoted name: `{what}["NAME"].AP`',
                hint="in a shell, put the whole expression in single quotes, so that the inner ones survive",
            )
        splits = [(found[2], found[3])]
    else:
        text = tail[1:]
        splits = [(text[:dot], text[dot + 1 :]) for dot in range(len(text) - 1, 0, -1) if text[dot] == "."]
    if not splits or not splits[0][1]:
        raise UsageError(f"`{path}` is not understood, expected a form such as `{what}.NAME.AP`")
    composed = {unicodedata.normalize("NFC", name): name for name in known}
    for name, stat in splits:
        # an accent typed as one character meets the same accent stored as two
        match = name if name in known else composed.get(unicodedata.normalize("NFC", name))
        if match is not None:
            return match, stat
    raise UsageError(f"unknown {what} `{splits[0][0]}` in `{path}`", hint=suggestion(splits[0][0], list(known)))


def select_row(tail: str, rows: Iterable[tuple[str, Any, Row]], path: str) -> tuple[Row, str]:
    """The row of the class in a path, and the statistic behind it.

    Parameters
    ----------
    tail : str
        The path behind `class`.
    rows : iterable of (str, id, row)
        Name, id and row of each class.
    path : str
        The whole, for messages.

    Returns
    -------
    row, str

    Raises
    ------
    UsageError
        As `select_name`, or several classes have that name.
    """
    by_name: dict[str, list[tuple[Any, Row]]] = {}
    for name, identifier, row in rows:
        by_name.setdefault(name, []).append((identifier, row))
    name, stat = select_name("class", tail, by_name, path)
    if len(by_name[name]) > 1:
        ids = ", ".join(str(identifier) for identifier, _ in by_name[name])
        hint = "give them different names, or judge all with `class.*`"
        raise UsageError(f"several classes are named `{name}` (ids {ids})", hint=hint)
    ((_, row),) = by_name[name]
    return row, stat


def quoted(name: str) -> str:
    """The name as a path writes it: `.name`, or `["name"]` where it is awkward."""
    if re.fullmatch(r"[\w-]+", name):
        return f".{name}"
    return f"['{name}']" if '"' in name else f'["{name}"]'
