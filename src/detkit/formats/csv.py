"""Predictions as CSV: one row a box, columns by name. Corners are exclusive edges, no inclusive pixel is added."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detkit import boxes, files
from detkit.errors import InputError
from detkit.findings import Finding, Loss
from detkit.formats._base import Capabilities, Kind, Probe, ReadOptions, WriteOptions
from detkit.formats._csv_columns import Columns, columns_of, delimiter_of
from detkit.formats._numbers import FARTHEST, difference
from detkit.formats._stems import find_sizes
from detkit.formats._text_classes import case_twins, classes_of
from detkit.tables import Categories, Detections, Images, Source, id_array
from detkit.wording import examples, plural

__all__ = ["CAPABILITIES", "detect", "read_detections", "write_detections"]

CAPABILITIES = Capabilities(
    holds=frozenset(("image_ids", "category_ids", "scores")),
    read_from=(".csv", ".tsv", ".txt"),
    file_suffixes=(".csv",),
    folder=False,
    unlisted=frozenset(("detections",)),
)

_HEAD = 65_536


def detect(path: Path, kind: Kind) -> Probe:
    """Whether a path is a CSV file of predictions: its header names image, class, confidence and box."""
    if kind == "dataset":
        return Probe(False, "holds predictions only")
    if not path.is_file():
        return Probe(False, "one file was expected, this is a folder")
    with os.fdopen(files.open_regular(path), "rb") as handle:
        head = handle.read(_HEAD)
    if b"\0" in head:
        return Probe(False, "not a text file")
    lines = head.decode("utf-8-sig", "replace").splitlines()
    line = next((line for line in lines if line.strip()), "")
    if not line or line.lstrip()[0] in "{[<":
        return Probe(False, "no header line" if not line else "JSON or XML, not a table")
    try:
        columns = columns_of(next(csv.reader([line], delimiter=delimiter_of(line))))
    except csv.Error as error:
        return Probe(False, f"no header line: {error}")
    if isinstance(columns, str):
        return Probe(False, columns)
    return Probe(True, f"header with image, class, confidence and {columns.layout} box")


@dataclass
class _Table:
    """Rows of a file as they stand, cut to the header's width."""

    path: Path
    rows: list[list[str]]
    lines: list[int]
    labels: list[str]
    findings: list[Finding]

    def place(self, row: int) -> tuple[str, str]:
        return str(self.path), f"line {self.lines[row]}"

    def keep(self, wanted: Sequence[bool]) -> None:
        self.rows = [row for row, keep in zip(self.rows, wanted, strict=True) if keep]
        self.lines = [line for line, keep in zip(self.lines, wanted, strict=True) if keep]

    def bad(self, row: int, message: str) -> None:
        self.findings.append(Finding("DK102", message, file=str(self.path), line=self.lines[row]))


def read_detections(path: Path, options: ReadOptions) -> Detections:
    """Predictions from one CSV file.

    Parameters
    ----------
    path : Path
    options : ReadOptions

    Returns
    -------
    Detections
        Images and classes in order of appearance, except class names, which are sorted or in the order of a names
        file.

    Raises
    ------
    InputError
        Not UTF-8, not a table, columns missing, or a class number without a name.
    """
    if not path.is_file():
        raise InputError("one .csv file was expected, this is a folder", path=path)
    table, columns = _load(path)
    if columns.unused:
        message = f"columns nothing is read from: {examples(columns.unused, 9)}"
        table.findings.append(Finding("DK109", message, file=str(path), count=len(columns.unused)))
    values = _numbers(table, columns)
    if columns.layout == "xyxy":
        xywh = np.hstack([values[:, 1:3], difference(values[:, 3:], values[:, 1:3])])
    else:
        xywh = boxes.convert(values[:, 1:], columns.layout, "xywh")
    images, image_index = _images(table, columns, path, options)
    categories, category_index = _categories(table, columns, path, options)
    _suspect(table, xywh, values[:, 0])
    order = np.argsort([f.line or 0 for f in table.findings], kind="stable")
    return Detections.build(
        images,
        categories,
        image_index=image_index,
        category_index=category_index,
        xywh=xywh,
        score=values[:, 0],
        source=Source(str(path), "csv", files.sha256_of([path])),
        findings=tuple(table.findings[i] for i in order.tolist()),
    )


def _load(path: Path) -> tuple[_Table, Columns]:
    """All rows with as many fields as the header; others are bad rows."""
    try:
        text = files.read_small(path).decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", path=path) from error
    except UnicodeDecodeError as error:
        raise InputError("not a text file in UTF-8", path=path, place=f"byte {error.start}") from error
    if not text.strip():
        raise InputError("empty file, expected a header line", path=path)
    first = next(line for line in text.splitlines() if line.strip())
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter_of(first), strict=True)
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        header = next(row for row in reader if any(cell.strip() for cell in row))
        columns = columns_of(header)
        start = reader.line_num
        for row in reader:
            if row and any(row):
                rows.append(row)
                lines.append(start + 1)
            start = reader.line_num
    except csv.Error as error:
        raise InputError(f"not a CSV table: {error}", path=path, place=f"line {reader.line_num}") from error
    if isinstance(columns, str):
        raise InputError(columns, path=path, place="line 1", hint="name the columns in the first line")
    table = _Table(path, rows, lines, [], [])
    width = len(header)
    fits = [len(row) == width for row in rows]
    if not all(fits):
        for i, (row, is_fit) in enumerate(zip(rows, fits, strict=True)):
            if not is_fit:
                hint = "; are there decimal commas?" if len(row) > width else ""
                table.bad(i, f"{plural(len(row), 'field')}, expected {width} as in the header{hint}")
        table.keep(fits)
    return table, columns


def _numbers(table: _Table, columns: Columns) -> NDArray[np.float64]:
    """Confidence and four coordinates of each row, (N, 5) float64; rows without five numbers are taken out."""
    cells = list(zip(*table.rows, strict=True)) or [()] * (1 + max(columns.score, *columns.box))
    texts = [cells[p] for p in (columns.score, *columns.box)]
    try:
        values = np.array([list(map(float, column)) for column in texts], np.float64).T
        clean = not any("_" in "".join(column) for column in texts)
    except ValueError:
        clean = False
    if not clean:
        values = _numbers_one_by_one(table, [list(five) for five in zip(*texts, strict=True)])
    wanted = np.asarray((np.abs(values) <= FARTHEST).all(axis=1), np.bool_)
    if clean:
        for i in np.flatnonzero(~wanted).tolist():
            wrong = [c[i] for c in texts if not abs(float(c[i])) <= FARTHEST]
            kind = "too large" if np.isfinite(values[i]).all() else "not finite"
            table.bad(i, f"{examples(wrong)} is {kind}")
    for what, positions in (
        ("image", (columns.image_id, columns.image)),
        ("class", (columns.category_id, columns.category)),
    ):
        stated = [cells[p] for p in positions if p is not None]
        if all(any(not text.strip() for text in set(column)) for column in stated):
            for i in range(len(table.rows)):
                if wanted[i] and not any(column[i].strip() for column in stated):
                    table.bad(i, f"the {what} is blank")
                    wanted[i] = False
    if not wanted.all():
        table.keep(wanted.tolist())
    return np.asarray(values[wanted], np.float64)


def _numbers_one_by_one(table: _Table, texts: list[list[str]]) -> NDArray[np.float64]:
    """The same where some are no plain numbers; NaN in the rows that are reported."""
    values = np.full((len(texts), 5), np.nan)
    commas = 0
    for i, five in enumerate(texts):
        parsed = [_number(text) for text in five]
        wrong = [text for text, value in zip(five, parsed, strict=True) if value is None]
        if wrong:
            table.bad(i, f"found {examples([t[:40] for t in wrong])}, expected a finite number")
            continue
        values[i] = [value for value in parsed if value is not None]
        commas += any("," in text for text in five)
    if commas:
        message = "rows with decimal commas, read as points"
        table.findings.append(Finding("DK106", message, file=str(table.path), count=commas))
    return values


def _number(text: str) -> float | None:
    text = text.strip()
    if text.count(",") == 1 and "." not in text:
        text = text.replace(",", ".")
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) <= FARTHEST and "_" not in text else None


def _images(table: _Table, columns: Columns, path: Path, options: ReadOptions) -> tuple[Images, NDArray[np.int64]]:
    """Images in order of appearance: by id where the id column holds integers, else by name."""
    ids = None if columns.image_id is None else [row[columns.image_id].strip() for row in table.rows]
    names = None if columns.image is None else [row[columns.image].strip().replace("\\", "/") for row in table.rows]
    if ids is not None and names is None and not all(map(_is_integer, set(ids))):
        ids, names = None, ids
    keys = ids if ids is not None else names or []
    position: dict[str, int] = {}
    index = np.fromiter((position.setdefault(key, len(position)) for key in keys), np.int64, len(keys))
    file_names = [""] * len(position)
    if names is not None:
        for i, name in zip(index.tolist(), names, strict=True):
            file_names[i] = file_names[i] or name
    sizes, _, findings = find_sizes(file_names, path.parent, options)
    table.findings += findings
    if ids is None:
        own = id_array(range(1, len(position) + 1))
    else:
        own = id_array(int(key) if _is_integer(key) else key for key in position)
    return Images(own, tuple(file_names), sizes, has_own_ids=ids is not None), index


def _categories(
    table: _Table, columns: Columns, path: Path, options: ReadOptions
) -> tuple[Categories, NDArray[np.int64]]:
    """Classes: by id where `category_id` holds integers (with the name beside it), else by name or number."""
    if columns.category_id is not None:
        ids = [row[columns.category_id].strip() for row in table.rows]
        if all(map(_is_integer, set(ids))):
            return _by_id(table, [int(i) for i in ids], columns)
    column = columns.category if columns.category is not None else columns.category_id
    table.labels = [row[column or 0].strip() for row in table.rows]
    categories, index, findings = classes_of(table, path, options)
    table.findings += findings
    return categories, index


def _by_id(table: _Table, ids: list[int], columns: Columns) -> tuple[Categories, NDArray[np.int64]]:
    distinct = sorted(set(ids))
    position = {own: i for i, own in enumerate(distinct)}
    names: dict[int, str] = {}
    if columns.category is not None:
        for own, row in zip(ids, table.rows, strict=True):
            name = row[columns.category].strip()
            if names.setdefault(own, name) != name:
                raise InputError(
                    f"category {own} is called `{names[own]}` and `{name}`",
                    path=table.path,
                    place=f"column `{columns.category_name}`",
                )
    known = bool(names) and all(names.values())
    texts = tuple(names[own] if known else str(own) for own in distinct)
    table.findings += case_twins(texts, table.path)
    index = np.fromiter((position[own] for own in ids), np.int64, len(ids))
    return Categories(id_array(distinct), texts, has_names=known), index


def _is_integer(text: str) -> bool:
    """Whether a text is an integer as ids are written; `0012` is a name."""
    digits = text.removeprefix("-")
    return digits.isascii() and digits.isdigit() and (digits == "0" or digits[0] != "0") and len(digits) < 19


def _suspect(table: _Table, xywh: NDArray[np.float64], score: NDArray[np.float64]) -> None:
    """Report rows that are kept but look wrong."""
    for row in np.flatnonzero(~((score >= 0) & (score <= 1))).tolist():
        message = f"confidence {score[row]:g}, expected 0 to 1"
        table.findings.append(Finding("DK708", message, file=str(table.path), line=table.lines[row]))
    for row in np.flatnonzero(~(xywh[:, 2:] > 0).all(axis=1)).tolist():
        width, height = xywh[row, 2:].tolist()
        message = f"width {width:g} and height {height:g}, expected both above zero"
        table.findings.append(Finding("DK201", message, file=str(table.path), line=table.lines[row]))
    if len(xywh) and (np.abs(xywh) <= 1.5).all():
        message = "all coordinates are below 1.5; CSV holds pixels and they are taken as such, not as shares"
        table.findings.append(Finding("DK107", message, file=str(table.path)))


def write_detections(detections: Detections, target: Path, options: WriteOptions) -> list[Loss]:
    """Write `image,category,score,x,y,width,height`, with the source's own ids in further columns.

    Parameters
    ----------
    detections : Detections
    target : Path
    options : WriteOptions

    Returns
    -------
    list of Loss

    Raises
    ------
    InputError
        Coordinates are shares of images whose sizes are unknown.
    """
    if detections.units == "normalised":
        raise InputError(
            "coordinates are shares of the image and image sizes are unknown; CSV holds pixels",
            hint="give the sizes with `--image-sizes FILE` or `--images DIR`",
        )
    images, categories = detections.images, detections.categories
    names = all(images.file_names) and len(images) > 0
    image = detections.image_index.tolist()
    category = detections.category_index.tolist()
    ids, class_ids = images.ids.tolist(), categories.ids.tolist()
    header: list[str] = ["image" if names else "image_id", "category" if categories.has_names else "category_id"]
    class_texts = list(categories.names) if categories.has_names else _numbers_of(categories, class_ids)
    columns: list[list[object]] = [
        [images.file_names[i] if names else ids[i] for i in image],
        [class_texts[i] for i in category],
        detections.score.tolist(),
        *detections.xywh.T.tolist(),
    ]
    header += ["score", "x", "y", "width", "height"]
    if names and images.has_own_ids:
        header.append("image_id")
        columns.append([ids[i] for i in image])
    if categories.has_names and categories.has_own_ids:
        header.append("category_id")
        columns.append([class_ids[i] for i in category])
    if not categories.has_names and not categories.has_own_ids:
        header[1] = "class"
    with target.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(zip(*columns, strict=True))
    bare = len(images) - len(set(image))
    return [Loss("images without predictions", "not listed (the layout lists none)", bare)] if bare else []


def _numbers_of(categories: Categories, class_ids: list[object]) -> list[object]:
    """What stands for classes without names: their own ids, else their numbers."""
    return class_ids if categories.has_own_ids else list(categories.names)
