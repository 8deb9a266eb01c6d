"""The CSV files of Open Images: which of them a folder has, told by their headers, and their columns."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detkit import files
from detkit.errors import InputError
from detkit.findings import Finding
from detkit.formats._numbers import FARTHEST
from detkit.wording import plural

__all__ = ["Table", "files_of", "load", "role_of", "split_of"]

_HEAD = 65_536
_MOST_FILES = 200
_BOX = frozenset(("imageid", "labelname", "xmin", "xmax", "ymin", "ymax"))
_CLASS_ID = re.compile(r"/[a-z]/\w")
_SPLIT = re.compile(r"(?:^|[-_/])(train|validation|val|test)(?=[-_./]|$)", re.IGNORECASE)


@dataclass
class Table:
    """Columns of one file as text.

    Parameters
    ----------
    path : Path
    columns : dict of str to list of str
        Lower-case header -> cells.
    lines : list of int
        1-based line of each row.
    findings : list of Finding
        `DK102` for each row of another width than the header's.
    """

    path: Path
    columns: dict[str, list[str]]
    lines: list[int]
    findings: list[Finding] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.lines)

    def texts(self, name: str) -> list[str]:
        """Cells of a column.

        Raises
        ------
        InputError
            The header has no such column.
        """
        if name not in self.columns:
            raise InputError(f"the header has no column `{name}`", path=self.path)
        return self.columns[name]

    def numbers(self, names: Sequence[str]) -> NDArray[np.float64]:
        """(R, C) float64 of these columns, NaN for a cell that is no finite number; raises as `texts`."""
        return np.column_stack([_numbers(self.texts(name)) for name in names])

    def keep(self, wanted: NDArray[np.bool_]) -> None:
        """Leave out all other rows."""
        if wanted.all():
            return
        rows = np.flatnonzero(wanted).tolist()
        self.columns = {name: [cells[i] for i in rows] for name, cells in self.columns.items()}
        self.lines = [self.lines[i] for i in rows]

    def reject(self, bad: NDArray[np.bool_], message: str) -> None:
        """Leave rows out with `DK102` each."""
        for row in np.flatnonzero(bad).tolist():
            self.findings.append(Finding("DK102", message, file=str(self.path), line=self.lines[row]))


def _numbers(cells: Sequence[str]) -> NDArray[np.float64]:
    try:
        values = np.array(cells, dtype=np.float64) if cells else np.empty(0)
    except ValueError:
        values = np.array([_number(cell) for cell in cells], dtype=np.float64)
    return np.where(np.abs(values) <= FARTHEST, values, np.nan)


def _number(cell: str) -> float:
    try:
        return float(cell) if "_" not in cell else np.nan
    except ValueError:
        return np.nan


def role_of(path: Path) -> tuple[str, str]:
    """What a CSV file holds, and why.

    Returns
    -------
    role : {"boxes", "labels", "images", "classes", "scores", "strings", ""}
        `scores` and `strings` are predictions, a row a box or a row an image.
    why : str
    """
    with os.fdopen(files.open_regular(path), "rb") as handle:
        head = handle.read(_HEAD)
    if b"\0" in head:
        return "", "not a text file"
    text = head.decode("utf-8-sig", "replace")
    line = next((line for line in text.splitlines() if line.strip()), "")
    try:
        cells = [cell.strip() for cell in next(csv.reader([line]), [])]
    except csv.Error as error:
        return "", f"no CSV header: {error}"
    names = {cell.lower() for cell in cells}
    if names >= _BOX:
        role = "scores" if "score" in names else "boxes"
        return role, "a header with ImageID, LabelName and the corners" + (" and Score" if role == "scores" else "")
    if {"imageid", "predictionstring"} <= names:
        return "strings", "a header with ImageID and PredictionString"
    if {"imageid", "labelname"} <= names and {"confidence", "confidenceimagelabel"} & names:
        return "labels", "image-level labels, expected boxes"
    if names == {"labelname", "displayname"} or (len(cells) == 2 and _CLASS_ID.match(cells[0])):
        return "classes", "class descriptions, expected boxes"
    if "imageid" in names and (names & {"subset", "originalurl", "rotation"} or len(names) == 1):
        return "images", "a list of images, expected boxes"
    return "", "no header with `ImageID,LabelName,XMin,XMax,YMin,YMax`"


def files_of(folder: Path) -> Iterator[tuple[Path, str]]:
    """CSV files of a folder and of the folders in it that have a role, with the role."""
    places = [folder, *sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))]
    seen = 0
    for place in places:
        for path in sorted(p for p in place.iterdir() if p.suffix.lower() == ".csv" and p.is_file()):
            seen += 1
            if seen > _MOST_FILES:
                return
            role, _ = role_of(path)
            if role:
                yield path, role


def split_of(path: Path) -> str:
    """Split by the file's name, else by its folder's: `oidv6-train-annotations-bbox.csv` is `train`."""
    for text in (path.name, path.parent.name):
        found = _SPLIT.search(text)
        if found:
            return found[1].lower()
    return ""


def load(path: Path, header: Sequence[str] | None = None) -> Table:
    """All rows of a file.

    Parameters
    ----------
    path : Path
    header : sequence of str, optional
        For a file whose first line is a row already.

    Returns
    -------
    Table

    Raises
    ------
    InputError
        Not UTF-8, or no CSV.
    """
    try:
        text = files.read_small(path).decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", path=path) from error
    except UnicodeDecodeError as error:
        raise InputError("not a text file in UTF-8", path=path, place=f"byte {error.start}") from error
    reader = csv.reader(io.StringIO(text, newline=""))
    rows: list[list[str]] = []
    lines: list[int] = []
    findings: list[Finding] = []
    names = None if header is None else list(header)
    try:
        for row in reader:
            if not any(cell.strip() for cell in row):
                continue
            if names is None:
                names = [cell.strip().lower() for cell in row]
            elif len(row) == len(names):
                rows.append(row)
                lines.append(reader.line_num)
            else:
                message = f"found {plural(len(row), 'field')}, expected {len(names)}"
                findings.append(Finding("DK102", message, file=str(path), line=reader.line_num))
    except csv.Error as error:
        raise InputError(f"not a CSV table: {error}", path=path, place=f"line {reader.line_num}") from error
    if names is None:
        raise InputError("empty file, expected a header line", path=path)
    cells = list(zip(*rows, strict=True)) if rows else [() for _ in names]
    columns = {name: [c.strip() for c in column] for name, column in zip(names, cells, strict=True)}
    return Table(path, columns, lines, findings)
