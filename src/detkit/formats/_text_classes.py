"""Classes of text rows: names as they stand, or numbers that a list of names explains."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from detkit.errors import InputError
from detkit.findings import Finding
from detkit.formats._base import ReadOptions
from detkit.tables import Categories
from detkit.wording import examples, plural

__all__ = ["case_twins", "class_number", "classes_of", "ordered_names"]

_MOST_CLASSES = 100_000


class Labelled(Protocol):
    """Rows with a class label each, and where each row stands."""

    labels: list[str]

    def place(self, row: int) -> tuple[str, str]:
        """File and `line N`."""
        ...


def classes_of(rows: Labelled, path: Path, options: ReadOptions) -> tuple[Categories, NDArray[np.int64], list[Finding]]:
    """Classes of rows, and the position of each row's class.

    Parameters
    ----------
    rows : TextRows or the like
    path : Path
        The folder; names for numbers are looked for in it and above.
    options : ReadOptions
        `names` come before any file.

    Returns
    -------
    categories : Categories
        For class numbers the position is the number; without names the names are the numbers as text.
    category_index : (N,) int64
    findings : list of Finding

    Raises
    ------
    InputError
        A class number that has no name, or one that is negative.
    """
    distinct = sorted(set(rows.labels))
    numbers = {label: class_number(label) for label in distinct}
    if distinct and all(number is not None for number in numbers.values()):
        return _numbered(rows, {k: v for k, v in numbers.items() if v is not None}, path, options)
    names, findings = ordered_names(distinct, path, options)
    position = {name: i for i, name in enumerate(names)}
    index = np.fromiter((position[label] for label in rows.labels), np.int64, len(rows.labels))
    return Categories.from_names(names), index, [*findings, *case_twins(names, path)]


def ordered_names(used: Iterable[str], path: Path, options: ReadOptions) -> tuple[tuple[str, ...], list[Finding]]:
    """Names in the order of a list that has all of them (`--classes`, then a file nearby), else sorted."""
    from detkit.formats._names import find_names

    used = sorted(set(used))
    if options.names is not None and set(used) <= set(options.names):
        return tuple(options.names), []
    if options.names is not None:
        unknown = [name for name in used if name not in options.names]
        message = f"{plural(len(unknown), 'class is', 'classes are')} not among the names given: {examples(unknown)}"
        return (*options.names, *unknown), [Finding("DK302", message, file=str(path), count=len(unknown))]
    try:
        found = find_names(path)
    except InputError:
        # The names stand in the rows themselves: a list nearby that is damaged decides nothing.
        found = None
    return (found[0] if found is not None and set(used) <= set(found[0]) else tuple(used)), []


def case_twins(names: Sequence[str], path: Path) -> list[Finding]:
    """`DK304` for each group of names that differ by upper and lower case only."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name in names:
        groups[name.casefold()].append(name)
    return [
        Finding("DK304", f"class names differ by case only: {examples(twins, 9)}", file=str(path), count=len(twins))
        for twins in groups.values()
        if len(twins) > 1
    ]


def class_number(label: str) -> int | None:
    """A class number: `7`, or `7.0` as some tools write it; None for a name."""
    try:
        value = float(label)
    except ValueError:
        return None
    return int(value) if "_" not in label and value == np.floor(value) and abs(value) < 2**53 else None


def _numbered(
    rows: Labelled, numbers: dict[str, int], path: Path, options: ReadOptions
) -> tuple[Categories, NDArray[np.int64], list[Finding]]:
    from detkit.formats._names import find_names

    names, findings = options.names, []
    if names is None:
        found = find_names(path)
        if found is not None:
            names = found[0]
            message = f"class numbers named by `{found[1].name}`, {len(names)} names"
            findings.append(Finding("DK303", message, file=str(found[1])))
    index = np.fromiter((numbers[label] for label in rows.labels), np.int64, len(rows.labels))
    limit = _MOST_CLASSES if names is None else len(names)
    outside = (index < 0) | (index >= limit)
    if outside.any():
        row = int(np.argmax(outside))
        file, line = rows.place(row)
        expected = "a class number of 0 or more" if names is None else f"0 to {limit - 1}, there are {limit} names"
        raise InputError(
            f"class number {index[row]}, expected {expected}",
            path=file,
            place=line,
            hint="give all names of this model with `--names FILE`",
        )
    if names is not None:
        return Categories.from_names(names), index, findings
    count = int(index.max()) + 1
    return Categories.from_names([str(i) for i in range(count)], has_names=False), index, findings
