"""WIDER FACE's text files: which of them there are, and their images and rows."""

from __future__ import annotations

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
from detkit.formats._images import SUFFIXES
from detkit.formats._json_file import as_count
from detkit.wording import plural

__all__ = [
    "ATTRIBUTES",
    "Lists",
    "is_name",
    "list_files",
    "numbers_in",
    "parse",
    "probe_lists",
    "probe_result",
    "split_of",
]

#: The six marks of a face, in the order of the columns after the box.
ATTRIBUTES = ("blur", "expression", "illumination", "invalid", "occlusion", "pose")
INVALID = ATTRIBUTES.index("invalid")

_LIST = re.compile(r"wider_face_(.+?)(?:_bbx_gt|_filelist)", re.IGNORECASE)
_HEAD = 1 << 16
_SUFFIXES = tuple(SUFFIXES)


@dataclass
class Lists:
    """Images and rows of list files.

    Parameters
    ----------
    names : dict of str to int
        Image -> position.
    members : dict of str to dict
        Split -> positions of its images.
    image_index : list of int
        Of each row.
    boxes : list of list of float
    marks : list of (list of float or None)
        The six marks of each row, NaN for one that is not stated; None for a row without marks.
    classes : list of str
        Of each row.
    findings : list of Finding
    """

    names: dict[str, int] = field(default_factory=dict)
    members: dict[str, dict[int, None]] = field(default_factory=dict)
    image_index: list[int] = field(default_factory=list)
    boxes: list[list[float]] = field(default_factory=list)
    marks: list[list[float] | None] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def xywh(self) -> NDArray[np.float64]:
        """(N, 4) float64."""
        return np.array(self.boxes, np.float64).reshape(-1, 4)


def is_name(line: str) -> bool:
    """Whether a line is an image's name: it ends in an image suffix."""
    return line.lower().endswith(_SUFFIXES)


def _lines(path: Path, limit: int | None = None) -> list[str]:
    with os.fdopen(files.open_regular(path), "rb") as handle:
        data = handle.read() if limit is None else handle.read(limit)
    if b"\0" in data:
        return []
    return data.decode("utf-8-sig", "strict" if limit is None else "replace").splitlines()


def probe_lists(path: Path) -> tuple[bool, str]:
    """Whether a file is a list of images with faces: a name, a count, and rows of four or ten numbers."""
    lines = [line.strip() for line in _lines(path, _HEAD)]
    lines = [line for line in lines if line]
    if len(lines) < 2 or not is_name(lines[0]):
        return False, "the first line is no image name"
    counted = [at for at, line in enumerate(lines[1:], 1) if is_name(lines[at - 1]) and as_count(line) is not None]
    if not counted:
        return False, "no image name is followed by the number of its faces"
    for at in counted[:20]:
        if as_count(lines[at]) and at + 1 < len(lines) and numbers_in(lines[at + 1].split()[:4]) is None:
            return False, f"`{lines[at + 1][:40]}` after a count, expected x y w h and marks"
    return True, "image names, each with the number of its faces, and rows `x y w h blur ...`"


def list_files(path: Path) -> list[Path]:
    """The lists at a path: itself, those in the folder, or those in its `wider_face_split`."""
    if path.is_file():
        return [path] if path.suffix.lower() == ".txt" else []
    places = [path / "wider_face_split", path]
    found = [p for place in places if place.is_dir() for p in sorted(place.glob("*.txt")) if p.is_file()]
    gt = [p for p in found if _LIST.fullmatch(p.stem)]
    return gt or [p for p in found if p.parent == path]


def split_of(path: Path) -> str:
    """Split by the list's name: `wider_face_train_bbx_gt.txt` is `train`; `all` is none."""
    found = _LIST.fullmatch(path.stem)
    return found[1] if found and found[1] != "all" else ""


def parse(path: Path, split: str, into: Lists) -> None:
    """Read a list.

    Raises
    ------
    InputError
        Not UTF-8 text, or rows before the first image name.
    """
    try:
        lines = _lines(path)
    except UnicodeDecodeError as error:
        raise InputError("not a text file in UTF-8", path=path, place=f"byte {error.start}") from error
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", path=path) from error
    for start, stop, name in _blocks(lines, path):
        position = into.names.setdefault(name, len(into.names))
        if split:
            into.members.setdefault(split, {})[position] = None
        _parse_image(lines, start + 1, stop, position, into, path)


def _blocks(lines: Sequence[str], path: Path) -> Iterator[tuple[int, int, str]]:
    """First line, end and name of each image."""
    starts = [at for at, line in enumerate(lines) if is_name(line.strip())]
    if lines and (not starts or any(line.strip() for line in lines[: starts[0]])):
        raise InputError(f"found `{lines[0].strip()[:40]}`, expected an image name", path=path, place="line 1")
    for start, stop in zip(starts, [*starts, len(lines)][1:], strict=True):
        yield start, stop, lines[start].strip().replace("\\", "/")


def _parse_image(lines: Sequence[str], start: int, stop: int, position: int, into: Lists, path: Path) -> None:
    rows = [(at + 1, lines[at].split()) for at in range(start, stop) if lines[at].strip()]
    if not rows:
        return
    number, tokens = rows.pop(0)
    stated = as_count(tokens[0]) if len(tokens) == 1 else None
    if stated is None:
        message = f"found `{' '.join(tokens)[:40]}`, expected the number of faces"
        into.findings.append(Finding("DK102", message, file=str(path), line=number))
        return
    if stated == 0 and len(rows) == 1 and set(rows[0][1]) == {"0"}:
        # WIDER FACE writes one row of zeros under the count 0.
        return
    if stated != len(rows):
        message = f"the count is {stated}, and {plural(len(rows), 'row follows', 'rows follow')}; the rows are taken"
        into.findings.append(Finding("DK106", message, file=str(path), line=number))
    for line, cells in rows:
        _parse_row(cells, line, position, into, path)


def _parse_row(cells: list[str], line: int, position: int, into: Lists, path: Path) -> None:
    box = numbers_in(cells[:4]) if len(cells) >= 4 else None
    rest = cells[4:]
    marks = [_mark(cell) for cell in rest[:6]] if len(rest) >= 6 else None
    if box is None or (marks is not None and None in marks):
        message = f"found `{' '.join(cells)[:60]}`, expected x y w h and six marks"
        into.findings.append(Finding("DK102", message, file=str(path), line=line))
        return
    into.image_index.append(position)
    into.boxes.append(box)
    into.marks.append(None if marks is None else [np.nan if v is None else v for v in marks])
    into.classes.append(" ".join(rest[6:] if marks is not None else rest) or "face")


def _mark(cell: str) -> float | None:
    """A mark as a number; `-` is one that is not stated, None what is no mark at all."""
    if cell == "-":
        return np.nan
    named = {"True": 1.0, "False": 0.0}
    if cell in named:
        return named[cell]
    value = numbers_in([cell])
    return None if value is None else value[0]


def numbers_in(cells: Sequence[str]) -> list[float] | None:
    """Finite numbers of these texts; None where one is none."""
    try:
        values = [float(cell) for cell in cells]
    except ValueError:
        return None
    return values if all(np.isfinite(values)) and not any("_" in cell for cell in cells) else None


def probe_result(path: Path) -> tuple[bool, str]:
    """Whether a text file is one image's result: its name, a count, and as many rows `x y w h score`."""
    lines = [line.split() for line in _lines(path, _HEAD) if line.strip()]
    if len(lines) < 2 or len(lines[1]) != 1 or not lines[1][0].isdecimal():
        return False, "no image name and number of faces in the first two lines"
    if len(lines[0]) >= 5 and numbers_in(lines[0][1:]) is not None:
        return False, "the first line is a row of numbers, expected an image name"
    rows = lines[2:]
    if rows and (len(rows[0]) < 5 or numbers_in(rows[0][:5]) is None or numbers_in(rows[0][5:6] or ["-"]) is not None):
        return False, f"`{' '.join(rows[0])[:40]}` after the count, expected x y w h score"
    return True, "one file an image: its name, the number of faces, rows `x y w h score`"
