"""Rows of many small text files as arrays: a label and a fixed number of trailing numbers a row."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detkit import files
from detkit.findings import Finding
from detkit.formats._numbers import FARTHEST
from detkit.formats._text_start import start_of

__all__ = ["BadRow", "TextFile", "TextRows", "list_text_files", "parse_files"]

_NOT_ROWS = frozenset(
    f"{name}.txt" for name in ("classes", "class_names", "classnames", "labels", "names", "label_list", "requirements")
)
_NOT_ROWS_PREFIXES = ("readme", "license", "licence", "changelog")
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class TextFile:
    """One text file: its path, and its name relative to the folder without the suffix, `/` between."""

    path: Path
    name: str


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be used: which file (position), which line, what was found, and of what kind it is."""

    file: int
    line: int
    message: str
    kind: str = "row"


@dataclass
class TextRows:
    """Rows of text files in file order.

    Parameters
    ----------
    files : sequence of TextFile
    file_index : (N,) int64
        Position of each row's file.
    line : (N,) int64
        1-based.
    labels : list of str
        What stands before the numbers.
    values : (N, C) float64
        Finite, and so are sums and products of two.
    flagged : (N,) bool
        Rows with an extra last column: a track id, or the word `difficult`.
    bad : list of BadRow
    unreadable : list of Finding
        Whole files that cannot be read.
    """

    files: Sequence[TextFile]
    file_index: NDArray[np.int64]
    line: NDArray[np.int64]
    labels: list[str]
    values: NDArray[np.float64]
    flagged: NDArray[np.bool_]
    bad: list[BadRow] = field(default_factory=list)
    unreadable: list[Finding] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.labels)

    def keep(self, mask: NDArray[np.bool_]) -> TextRows:
        """Only the rows where the mask is true."""
        labels = [label for label, wanted in zip(self.labels, mask.tolist(), strict=True) if wanted]
        return TextRows(
            self.files,
            self.file_index[mask],
            self.line[mask],
            labels,
            self.values[mask],
            self.flagged[mask],
            self.bad,
            self.unreadable,
        )

    def drop(self, mask: ArrayLike, message: str) -> TextRows:
        """Without the rows where the mask is true; each becomes a bad row with this message."""
        mask = np.asarray(mask, np.bool_)
        if not mask.any():
            return self
        for row in np.flatnonzero(mask).tolist():
            self.bad.append(BadRow(int(self.file_index[row]), int(self.line[row]), message))
        return self.keep(~mask)

    def place(self, row: int) -> tuple[str, str]:
        """File and `line N` of a row, for messages."""
        return str(self.files[int(self.file_index[row])].path), f"line {int(self.line[row])}"

    def findings(self) -> list[Finding]:
        """One `DK102` for each bad row, in file order, after the unreadable files."""
        ordered = sorted(self.bad, key=lambda b: (b.file, b.line))
        rows = [Finding("DK102", b.message, file=str(self.files[b.file].path), line=b.line) for b in ordered]
        return [*self.unreadable, *rows]


def list_text_files(folder: Path, limit: int | None = None) -> list[TextFile]:
    """Text files with rows below a folder, sorted by name; class lists, read-mes and hidden files are passed over.

    Parameters
    ----------
    folder : Path
    limit : int, optional
        Stop after about so many.

    Returns
    -------
    list of TextFile
    """
    found: list[TextFile] = []
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        for name in sorted(names):
            if is_row_file(name):
                path = Path(root, name)
                found.append(TextFile(path, path.relative_to(folder).as_posix()[: -len(".txt")]))
        if limit is not None and len(found) >= limit:
            break
    return sorted(found, key=lambda f: f.name)


def is_row_file(name: str) -> bool:
    """Whether a file name is that of a text file which may hold rows of one image."""
    lower = name.lower()
    return (
        lower.endswith(".txt")
        and not lower.startswith(".")
        and lower not in _NOT_ROWS
        and not lower.startswith(_NOT_ROWS_PREFIXES)
    )


def parse_files(
    files: Sequence[TextFile],
    numbers: int,
    *,
    flag: str = "",
    strict_labels: bool = True,
    jobs: int = 4,
    start_only: bool = False,
) -> TextRows:
    """Rows of text files.

    Parameters
    ----------
    files : sequence of TextFile
    numbers : int
        How many numbers end a row.
    flag : {"", "track", "difficult"}
        What may follow them.
    strict_labels : bool
        Whether a label with several numbers in it is taken as a sign of another format.
    jobs : int
        Threads for reading.
    start_only : bool
        Only the first rows of each file: enough to tell a format, whatever else is in the file.

    Returns
    -------
    TextRows
    """
    read = _start if start_only else _content
    with ThreadPoolExecutor(max(1, jobs)) as pool:
        contents = list(pool.map(read, [f.path for f in files], chunksize=64))
    parser = _Parser(numbers, flag, strict_labels)
    unreadable = []
    for index, content in enumerate(contents):
        if isinstance(content, str):
            unreadable.append(Finding("DK101", content, file=str(files[index].path)))
        else:
            parser.add(index, content)
    values = np.array(parser.values, np.float64).reshape(-1, numbers)
    rows = TextRows(
        files,
        np.array(parser.file_index, np.int64),
        np.array(parser.line, np.int64),
        _decode(parser.labels),
        values,
        np.array(parser.flagged, np.bool_),
        parser.bad,
        unreadable,
    )
    rows = rows.drop(~np.isfinite(values).all(axis=1), "a number is not finite")
    return rows.drop(~(np.abs(rows.values) <= FARTHEST).all(axis=1), "a number is too large")


def _start(path: Path) -> bytes | str:
    return _content(path, start_of)


def _content(path: Path, read: Callable[[Path], bytes] = files.read_small) -> bytes | str:
    """Bytes of a UTF-8 text file, or why it is none."""
    try:
        data = read(path)
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
    data = data.removeprefix(_BOM)
    if b"\0" in data:
        return "not a text file in UTF-8 (it holds zero bytes)"
    try:
        if not data.isascii():
            data.decode("utf-8")
    except UnicodeDecodeError as error:
        return f"not a text file in UTF-8 (byte {error.start})"
    return data


def _decode(labels: list[bytes]) -> list[str]:
    texts = {label: label.decode("utf-8") for label in set(labels)}
    return [texts[label] for label in labels]


class _Parser:
    """Collects the rows of one file after another."""

    def __init__(self, numbers: int, flag: str, strict_labels: bool) -> None:
        self.numbers, self.flag, self.strict_labels = numbers, flag, strict_labels
        self.file_index: list[int] = []
        self.line: list[int] = []
        self.labels: list[bytes] = []
        self.values: list[float] = []
        self.flagged: list[bool] = []
        self.bad: list[BadRow] = []

    def add(self, index: int, data: bytes) -> None:
        lines = data.splitlines()
        rows = [line.split() for line in lines]
        while rows and not rows[-1]:
            rows.pop()
        width = self.numbers + 1
        if all(len(row) == width for row in rows) and b"_" not in data:
            try:
                values = [float(token) for row in rows for token in row[1:]]
            except ValueError:
                pass
            else:
                self.values += values
                self.labels += [row[0] for row in rows]
                self.file_index += [index] * len(rows)
                self.line += range(1, len(rows) + 1)
                self.flagged += [False] * len(rows)
                return
        for number, (line, tokens) in enumerate(zip(lines, rows, strict=False), 1):
            if tokens:
                self._add_row(index, number, line, tokens)

    def _add_row(self, index: int, number: int, line: bytes, tokens: list[bytes]) -> None:
        flagged = False
        if self.flag == "difficult" and tokens[-1].lower() == b"difficult":
            line, tokens, flagged = line.rstrip()[: -len(b"difficult")], tokens[:-1], True
        elif self.flag == "track" and len(tokens) == self.numbers + 2 and _all_numbers(tokens):
            line, tokens, flagged = line.rstrip()[: -len(tokens[-1])], tokens[:-1], True
        problem = self._problem(tokens)
        if problem is not None:
            self.bad.append(BadRow(index, number, *problem))
            return
        self.values += [float(token) for token in tokens[-self.numbers :]]
        self.labels.append(line.rsplit(None, self.numbers)[0].strip())
        self.file_index.append(index)
        self.line.append(number)
        self.flagged.append(flagged)

    def _problem(self, tokens: list[bytes]) -> tuple[str, str] | None:
        """What is wrong with a row, and its kind; None when it can be read."""
        if any(b"," in token and _is_number(token.replace(b",", b"")) for token in tokens):
            shown = b" ".join(tokens).decode("utf-8", "replace")[:80]
            return f"found `{shown}`, expected columns set apart by blanks and decimal points, not commas", "row"
        found = f"found {len(tokens)} {'column' if len(tokens) == 1 else 'columns'}"
        expected = f"expected a class and {self.numbers} numbers"
        if len(tokens) > 1 and _all_numbers(tokens):
            if len(tokens) == self.numbers + 1 or (not self.strict_labels and len(tokens) > self.numbers):
                return None
            if len(tokens) == self.numbers:
                return f"{found}, one too few: {expected}", "short"
            return f"{found}, all numbers: {expected}", "polygon" if len(tokens) >= 8 else "row"
        if len(tokens) > self.numbers and _all_numbers(tokens[-self.numbers :]):
            if not self.strict_labels or self._is_label(tokens[: -self.numbers]):
                return None
        elif len(tokens) >= self.numbers and _all_numbers(tokens[1 - self.numbers :]):
            return f"{found}, one number too few: {expected}", "short"
        shown = b" ".join(tokens).decode("utf-8", "replace")[:80]
        return f"{found} (`{shown}`), {expected}", "row"

    def _is_label(self, tokens: list[bytes]) -> bool:
        """Whether tokens before the numbers are a name with blanks (`No. 5`) and not columns of another format."""
        if len(tokens) == 1:
            return True
        numeric = [token for token in tokens if _is_number(token)]
        allowed = 1 if self.numbers == 5 else 0
        return not _is_number(tokens[0]) and len(numeric) <= allowed and all(t.isdigit() for t in numeric)


def _is_number(token: bytes) -> bool:
    try:
        float(token)
    except ValueError:
        return False
    return b"_" not in token


def _all_numbers(tokens: list[bytes]) -> bool:
    return all(map(_is_number, tokens))
