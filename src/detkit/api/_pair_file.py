"""Pairs of texts from a CSV file without a header, as groups of images and new names of classes are written."""

from __future__ import annotations

import csv
from pathlib import Path

from detkit import files
from detkit.errors import InputError
from detkit.wording import plural

__all__ = ["read_pairs"]


def read_pairs(path: Path, expected: str) -> list[tuple[str, str]]:
    """The two cells of each row, without blanks around them; empty lines are passed over.

    Parameters
    ----------
    path : Path
    expected : str
        What the two columns are, for the message.

    Returns
    -------
    list of (str, str)

    Raises
    ------
    InputError
        Not readable, no CSV text, or a row of another length.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            rows = [row for row in csv.reader(handle) if row]
    except OSError as error:
        raise files.unreadable(path, error) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"not a CSV text: {error}", path=path) from error
    for number, row in enumerate(rows, 1):
        if len(row) != 2:
            message = f"has {plural(len(row), 'column')}, expected {expected}"
            raise InputError(message, path=path, place=f"row {number}")
    return [(a.strip(), b.strip()) for a, b in rows]
