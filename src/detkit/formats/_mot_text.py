"""MOTChallenge sequences: where they are, and the rows of their text files."""

from __future__ import annotations

import configparser
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detkit import files
from detkit.errors import InputError
from detkit.findings import Finding
from detkit.formats._images import SUFFIXES
from detkit.formats._json_file import as_count

__all__ = ["COLUMNS", "OFFICIAL", "Sequences", "class_names", "find", "frames_of", "load", "probe_rows"]

#: frame, id, left, top, width, height, confidence, class (or x), visibility (or y), z
COLUMNS = 10

#: Classes of MOT16, MOT17 and MOT20 by their numbers from 1.
OFFICIAL = ("Pedestrian", "Person on vehicle", "Car", "Bicycle", "Motorbike", "Non motorized vehicle", "Static person",
            "Distractor", "Occluder", "Occluder on the ground", "Occluder full", "Reflection", "Crowd")  # fmt: skip

_HEAD = 1 << 15
#: More than nine hours at thirty a second: a greater `seqLength` is a mistake, and would be as many images.
_MOST_FRAMES = 1_000_000


@dataclass(frozen=True)
class Sequences:
    """One sequence: its rows' file, its folder where it has one, its name and split, and what `seqinfo.ini` says."""

    file: Path
    folder: Path | None
    name: str
    split: str
    key: str
    length: int | None = None
    image_folder: str = "img1"
    suffix: str = ".jpg"
    size: tuple[float, float] | None = None


def find(path: Path, what: str) -> list[Sequences]:
    """The sequences at a path.

    Parameters
    ----------
    path : Path
        A sequence, a folder of sequences, a folder of splits with sequences in them, or one text file. For
        detections also a folder with one text file a sequence, as results are handed in.
    what : {"gt", "det"}

    Returns
    -------
    list of Sequences
        Sorted by path.
    """
    if path.is_file():
        home = path.parent.parent if path.parent.name in ("gt", "det") else None
        name = path.stem if home is None else home.name
        return [_described(path, home, name, "", name)] if path.suffix.lower() == ".txt" else []
    own = path / what / f"{what}.txt"
    if own.is_file():
        return [_described(own, path, path.resolve().name, "", path.resolve().name)]
    found = []
    for child in _folders(path):
        if (child / what / f"{what}.txt").is_file():
            found.append(_described(child / what / f"{what}.txt", child, child.name, "", child.name))
            continue
        for inner in _folders(child):
            if (inner / what / f"{what}.txt").is_file():
                key = f"{child.name}/{inner.name}"
                found.append(_described(inner / what / f"{what}.txt", inner, inner.name, child.name, key))
    if not found and what == "det":
        files = sorted(p for p in path.iterdir() if p.suffix.lower() == ".txt" and p.is_file())
        found = [_described(p, None, p.stem, "", p.stem) for p in files if p.name.lower() != "labels.txt"]
    return found


def _folders(path: Path) -> list[Path]:
    return sorted(p for p in path.iterdir() if p.is_dir() and not p.name.startswith("."))


def _described(file: Path, folder: Path | None, name: str, split: str, key: str) -> Sequences:
    ini = None if folder is None else folder / "seqinfo.ini"
    if ini is None or not ini.is_file():
        return Sequences(file, folder, name, split, key)
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(files.read_small(ini).decode("utf-8-sig"))
        section = parser["Sequence"]
        width, height = float(section.get("imWidth", "nan")), float(section.get("imHeight", "nan"))
        length = as_count(section["seqLength"].strip()) if "seqLength" in section else None
        if "seqLength" in section and (length is None or length > _MOST_FRAMES):
            found = section["seqLength"][:40]
            raise ValueError(f"`seqLength` is `{found}`, expected a whole number up to {_MOST_FRAMES:,}")
    except (configparser.Error, KeyError, ValueError, OSError) as error:
        # UnicodeDecodeError is a ValueError.
        raise InputError(f"is no seqinfo.ini that can be used: {error}", path=ini) from error
    return Sequences(
        file,
        folder,
        section.get("name") or name,
        split,
        key,
        length,
        section.get("imDir", "img1"),
        section.get("imExt", ".jpg"),
        (width, height) if 0 < width < np.inf and 0 < height < np.inf else None,
    )


def probe_rows(path: Path) -> tuple[int, str]:
    """How many columns the first rows of a file have (0 where they are no MOT rows, -1 for an empty file), and why."""
    with os.fdopen(files.open_regular(path), "rb") as handle:
        head = handle.read(_HEAD)
    whole = len(head) < _HEAD
    if b"\0" in head:
        return 0, "not a text file"
    lines = [line for line in head.decode("utf-8-sig", "replace").splitlines() if line.strip()]
    lines = lines[:50] if whole or len(lines) < 2 else lines[:-1][:50]
    if not lines:
        return -1, "an empty file"
    counts: list[int] = []
    for line in lines:
        cells = line.strip().rstrip(",").split(",")
        try:
            values = [float(cell) for cell in cells]
        except ValueError:
            continue
        if 6 <= len(values) <= COLUMNS and 1 <= values[0] < np.inf and values[0] == int(values[0]):
            counts.append(len(values))
    if 2 * len(counts) <= len(lines):
        return 0, f"`{lines[0][:40]}`, expected frame,id,left,top,width,height,confidence,..."
    usual = max(set(counts), key=counts.count)
    return usual, f"rows frame,id,left,top,width,height,... of {usual} numbers"


def load(file: Path) -> tuple[NDArray[np.float64], NDArray[np.int64], int, list[Finding]]:
    """Rows of a file.

    Parameters
    ----------
    file : Path

    Returns
    -------
    values : (R, 10) float64
        NaN for columns that a row does not have.
    lines : (R,) int64
        1-based.
    columns : int
        The most that a row has.
    findings : list of Finding
        `DK102` for each row that cannot be used.

    Raises
    ------
    InputError
        Not UTF-8 text.
    """
    try:
        text = files.read_small(file).decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", path=file) from error
    except UnicodeDecodeError as error:
        raise InputError("not a text file in UTF-8", path=file, place=f"byte {error.start}") from error
    rows: list[list[float]] = []
    lines: list[int] = []
    findings: list[Finding] = []
    columns = 0
    for number, line in enumerate(text.splitlines(), 1):
        cells = line.strip().rstrip(",").split(",")
        if cells == [""]:
            continue
        values = None if "_" in line else _values(cells)
        if values is None:
            message = f"found `{line.strip()[:60]}`, expected frame,id,left,top,width,height and what may follow"
            findings.append(Finding("DK102", message, file=str(file), line=number))
            continue
        columns = max(columns, len(values))
        rows.append(values + [np.nan] * (COLUMNS - len(values)))
        lines.append(number)
    return np.array(rows, np.float64).reshape(-1, COLUMNS), np.array(lines, np.int64), columns, findings


def _values(cells: Sequence[str]) -> list[float] | None:
    try:
        values = [float(cell) for cell in cells]
    except ValueError:
        return None
    usable = (
        6 <= len(values) <= COLUMNS
        and all(map(math.isfinite, values))
        and 1 <= values[0] < 1e9
        and values[0].is_integer()
    )
    return values if usable else None


def class_names(sequences: Sequence[Sequences]) -> tuple[list[str] | None, list[Path]]:
    """Names in `labels.txt` beside the rows (they agree over all sequences), and the files read.

    Raises
    ------
    InputError
        Two sequences whose lists differ.
    """
    names: list[str] | None = None
    read: list[Path] = []
    for sequence in sequences:
        file = sequence.file.parent / "labels.txt"
        if not file.is_file():
            continue
        text = files.read_small(file).decode("utf-8-sig", "replace")
        own = [line.strip() for line in text.splitlines() if line.strip()]
        if names is not None and own != names:
            raise InputError(f"names other classes than `{read[0]}`", path=file, hint="make the lists of classes agree")
        names = own
        read.append(file)
    return names, read


def frames_of(sequence: Sequences, used: NDArray[np.float64], *, all_of_them: bool) -> dict[int, str]:
    """Frame -> file name, for all frames that `seqinfo.ini`, the image folder or the rows name."""
    folder = f"{sequence.name}/{sequence.image_folder}"
    frames = {int(frame): f"{folder}/{int(frame):06d}{sequence.suffix}" for frame in np.unique(used).tolist()}
    if not all_of_them:
        return dict(sorted(frames.items()))
    for frame in range(1, (sequence.length or 0) + 1):
        frames.setdefault(frame, f"{folder}/{frame:06d}{sequence.suffix}")
    place = None if sequence.folder is None else sequence.folder / sequence.image_folder
    if place is not None and place.is_dir():
        for image in place.iterdir():
            number = as_count(image.stem)
            if number and image.suffix.lower() in SUFFIXES:
                frames[number] = f"{folder}/{image.name}"
    return dict(sorted(frames.items()))
