"""Label files of the YOLO family as flat columns: numbers of all rows in one array, unusable rows named.

Nothing here knows what the numbers mean, see `_yolo_columns`. Files are read in chunks; a file with
anything unusual in it goes the slow way, line by line, for messages with the line's number.
"""

from __future__ import annotations

import hashlib
import re
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.files import each_file, read_small
from detkit.findings import Finding

__all__ = ["RawRows", "read_rows"]

_CHUNK = 4096


@dataclass(frozen=True)
class RawRows:
    """All usable rows of many label files.

    Parameters
    ----------
    values : (M,) float64
        The numbers of all rows one after the other, the class first.
    lengths : (R,) int64
        How many numbers each row has.
    file : (R,) int64
        Position of the row's file.
    line : (R,) int64
        1-based line in it.
    findings : list of Finding
    digests : list of bytes
        SHA-256 of each file's bytes, in the order of the files.
    unreadable : int
        Files that are not text.
    """

    values: NDArray[np.float64]
    lengths: NDArray[np.int64]
    file: NDArray[np.int64]
    line: NDArray[np.int64]
    findings: list[Finding]
    digests: list[bytes]
    unreadable: int


@dataclass
class _Chunk:
    values: array[float] = field(default_factory=lambda: array("d"))
    lengths: array[int] = field(default_factory=lambda: array("q"))
    file: array[int] = field(default_factory=lambda: array("q"))
    line: array[int] = field(default_factory=lambda: array("q"))
    findings: list[Finding] = field(default_factory=list)
    digests: list[bytes] = field(default_factory=list)
    coerced: list[tuple[str, int]] = field(default_factory=list)
    unreadable: int = 0


def read_rows(files: Sequence[str], jobs: int) -> RawRows:
    """The rows of many label files.

    Parameters
    ----------
    files : sequence of str
    jobs : int
        Threads, where the storage is slow.

    Returns
    -------
    RawRows
        Rows in the order of the files and lines. Blank lines are passed over. A row with anything but numbers is left
        out with `DK102`, a file that is not text with `DK101`.
    """
    chunks = []
    for start in range(0, len(files), _CHUNK):
        chunk = _Chunk()
        some = files[start : start + _CHUNK]
        for position, data in enumerate(each_file(_content, some, jobs), start):
            _read_file(files[position], data, position, chunk)
        chunks.append(chunk)
    findings = [f for c in chunks for f in c.findings]
    coerced = [place for c in chunks for place in c.coerced]
    if coerced:
        text = "class numbers written with a decimal point (`1.0`) were read as integers"
        findings.append(Finding("DK106", text, file=coerced[0][0], line=coerced[0][1], count=len(coerced)))
    return RawRows(
        _join([c.values for c in chunks], np.float64),
        _join([c.lengths for c in chunks], np.int64),
        _join([c.file for c in chunks], np.int64),
        _join([c.line for c in chunks], np.int64),
        findings,
        [d for c in chunks for d in c.digests],
        sum(c.unreadable for c in chunks),
    )


def _join(parts: Sequence[array[float] | array[int]], dtype: Any) -> NDArray[Any]:
    arrays: list[NDArray[Any]] = [np.frombuffer(p, dtype) for p in parts if len(p)]
    return np.concatenate(arrays) if arrays else np.empty(0, dtype)


def _content(file: str) -> bytes | OSError:
    try:
        return read_small(file)
    except OSError as error:
        return error


def _read_file(file: str, data: bytes | OSError, position: int, chunk: _Chunk) -> None:
    if isinstance(data, OSError):
        chunk.findings.append(Finding("DK101", f"cannot be read: {data.strerror or data}", file=file))
        chunk.digests.append(hashlib.sha256(b"").digest())
        chunk.unreadable += 1
        return
    chunk.digests.append(hashlib.sha256(data).digest())
    try:
        text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as error:
        chunk.findings.append(Finding("DK101", f"not UTF-8 text (byte {error.start})", file=file))
        chunk.unreadable += 1
        return
    lines = text.splitlines()
    rows = list(map(str.split, lines))
    if all(rows):
        numbers: Sequence[int] = range(1, len(rows) + 1)
    else:
        numbers = [i for i, row in enumerate(rows, 1) if row]
        rows = [row for row in rows if row]
    # `n` is in every spelling of nan and infinity; an underscore is taken by float() but by nobody else.
    plain = text.isascii() and not any(c in text for c in "nN_")
    if plain and all(row[0].isdigit() for row in rows):
        try:
            values = array("d", map(float, chain.from_iterable(rows)))
        except ValueError:
            pass
        else:
            chunk.values.extend(values)
            chunk.lengths.extend(map(len, rows))
            chunk.file.extend([position] * len(rows))
            chunk.line.extend(numbers)
            return
    _read_slowly(file, position, zip(numbers, rows, strict=True), chunk)


def _read_slowly(file: str, position: int, rows: zip[tuple[int, list[str]]], chunk: _Chunk) -> None:
    for number, tokens in rows:
        problem = _class_problem(tokens[0]) or next(filter(None, map(_problem, tokens[1:])), None)
        if problem:
            chunk.findings.append(Finding("DK102", problem, file=file, line=number))
            continue
        values = [float(token) for token in tokens]
        if not re.fullmatch(r"[+-]?\d+", tokens[0]):
            chunk.coerced.append((file, number))
        chunk.values.extend(values)
        chunk.lengths.append(len(values))
        chunk.file.append(position)
        chunk.line.append(number)


def _class_problem(token: str) -> str | None:
    if token.count(",") > 1 or token.count(";") > 1:
        return f"found `{token[:40]}`, expected numbers separated by blanks"
    problem = _problem(token)
    if problem is None and not float(token).is_integer():
        problem = f"class `{token[:40]}` is not an integer"
    elif problem is not None:
        problem = problem.replace("value", "class", 1)
    return problem


def _problem(token: str) -> str | None:
    """What is wrong with a number as text; None if it is one."""
    if re.fullmatch(r"[+-]?\d*,\d+", token):
        return f"value `{token}` has a decimal comma, expected a decimal point"
    try:
        value = float(token) if token.isascii() and "_" not in token else None
    except ValueError:
        value = None
    if value is None:
        return f"value `{token[:40]}` is not a number"
    if value - value != 0:
        return f"value `{token[:40]}` is not finite"
    return None
