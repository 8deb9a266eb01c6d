"""DOTA's text files as rows."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

import numpy as np

from detkit.errors import InputError
from detkit.formats._base import Kind, Probe, ReadOptions
from detkit.formats._collect import Collector, Item
from detkit.formats._json_file import as_number
from detkit.formats._manifest import read_manifest
from detkit.formats._names import read_text
from detkit.formats._numbers import difference
from detkit.formats._text_folder import KnownImages, read_names_of
from detkit.formats._text_rows import TextFile, list_text_files, parse_files
from detkit.formats._text_start import has_content, text_start
from detkit.formats._turned import bounds
from detkit.tables import Categories

__all__ = ["probe", "read_dota", "task_file"]

_TASK = re.compile(r"Task([12])_(.+)\.txt$")
_HEADER = re.compile(r"\s*(imagesource|gsd|acquisition dates?)\s*:\s*(.*?)\s*$", re.IGNORECASE)
_SPLITS = frozenset(("train", "val", "valid", "validation", "test", "test-dev", "test-challenge"))
_SAMPLE = 50
_SAMPLED_ROWS = 20


@dataclass(frozen=True)
class _Row:
    """One line: corners, class, and the last column (difficult, or a score)."""

    corners: list[float]
    name: str
    last: float | None


def task_file(name: str) -> tuple[int, str] | None:
    """Task (1 oriented, 2 upright) and class of a result file by its name, or None."""
    match = _TASK.fullmatch(name)
    return (int(match[1]), unquote(match[2])) if match else None


def probe(path: Path, kind: Kind) -> Probe:
    """Whether a path holds DOTA's rows, and why or why not."""
    if not path.is_dir():
        return Probe(False, "a folder of .txt files was expected; this is a file")
    manifest = read_manifest(path, "dota")
    if manifest is not None and manifest.kind in ("dataset", "detections"):
        return Probe(manifest.kind == kind, f"detkit.json says this is a DOTA folder ({manifest.kind})")
    if _task_files(path):
        return Probe(kind == "detections", "files Task1_<class>.txt, which are predictions")
    files = [file for file in list_text_files(path, 400) if has_content(file.path)][:_SAMPLE]
    rows: list[_Row | str] = []
    for file in files:
        with contextlib.suppress(InputError):
            rows += [row for _, row in _rows_of(text_start(file.path))[1][:_SAMPLED_ROWS]]
    good = [row for row in rows if isinstance(row, _Row)]
    if 2 * len(good) <= len(rows) or not good:
        return Probe(False, "no .txt rows of eight coordinates, a class name and a flag")
    scored = any(row.last is not None and row.last != int(row.last) for row in good)
    if kind == "dataset":
        return Probe(not scored, "rows with scores: predictions" if scored else "rows of four corners and a class name")
    return Probe(scored, "rows of four corners, a class name and a score" if scored else "rows without a score: labels")


def _task_files(path: Path) -> list[Path]:
    return sorted(p for p in path.glob("Task*.txt") if task_file(p.name) is not None)


def _rows_of(text: str) -> tuple[dict[str, str], list[tuple[int, _Row | str]]]:
    """Header fields and (line number, row or what is wrong with it) of a file."""
    header: dict[str, str] = {}
    rows: list[tuple[int, _Row | str]] = []
    for number, line in enumerate(text.splitlines(), 1):
        match = _HEADER.match(line)
        if match:
            header[match[1].lower()] = match[2]
        elif line.strip():
            rows.append((number, _row(line.split())))
    return header, rows


def _row(tokens: Sequence[str]) -> _Row | str:
    corners = [as_number(token) for token in tokens[:8]]
    known = [value for value in corners if value is not None]
    rest = list(tokens[8:])
    if len(known) < 8 or not rest:
        shown = " ".join(tokens)[:80]
        return f"found `{shown}`, expected eight finite coordinates, a class and a flag"
    last = as_number(rest[-1]) if len(rest) > 1 else None
    name = " ".join(rest if last is None else rest[:-1])
    # A name may hold spaces, but it does not begin with a number: such rows are another format's.
    if as_number(rest[0]) is not None:
        return f"found `{name}` after the coordinates, expected a class name"
    return _Row(known, name, last)


def read_dota(path: Path, options: ReadOptions, kind: Kind) -> tuple[Collector, Categories | None]:
    """Everything in DOTA's text files at a path, and the classes that `detkit.json` lists.

    Parameters
    ----------
    path : Path
        A folder.
    options : ReadOptions
    kind : {"dataset", "detections"}

    Returns
    -------
    collected : Collector
    stated : Categories or None

    Raises
    ------
    InputError
        No text file, or none of the kind.
    """
    if not path.is_dir():
        raise InputError("a folder of .txt files was expected; this is a file", path=path)
    files = [] if kind == "detections" and _task_files(path) else _label_files(path)
    folders = sorted({f for file, _, _ in files for f in _image_folders(file.path, path)})
    collected = Collector(path, "dota", options, (*folders, path / "images", path))
    known = KnownImages(collected, path, "dota")
    names = read_names_of(known.manifest)
    if kind == "detections" and not files:
        stated = _add_results(collected, known, names)
        return collected, known.categories or Categories.from_names(stated)
    if not files:
        raise InputError("no .txt file in the folder", path=path)
    for file, label, split in files:
        _add_file(collected, known, file.path, label, split, names, kind)
    if kind == "detections" and collected.rows and all(np.isnan(row.score) for row in collected.rows):
        raise InputError("no row has a score: these are labels, not predictions", path=path)
    known.finish()
    return collected, known.categories


def _label_files(path: Path) -> list[tuple[TextFile, str, str | None]]:
    """Each label file with its name below its `labelTxt` and its split; upright copies (`reclabelTxt`) are left out."""
    found = []
    # Splits may have any name where detkit wrote the folder.
    is_ours = read_manifest(path, "dota") is not None
    every = list_text_files(path)
    parts = [PurePosixPath(file.name).parts for file in every]
    inside = [any(p.lower().startswith("labeltxt") for p in own[:-1]) for own in parts]
    for file, own, is_label in zip(every, parts, inside, strict=True):
        if any("reclabeltxt" in p.lower() for p in own) or (any(inside) and not is_label):
            continue
        start = max((n + 1 for n, p in enumerate(own[:-1]) if p.lower().startswith("labeltxt")), default=0)
        split = own[0] if start > 1 and (is_ours or own[0].lower() in _SPLITS) else None
        found.append((file, "/".join(own[start:]), split))
    return found


def _image_folders(file: Path, root: Path) -> list[Path]:
    """Folders `images` beside the folders above a label file, inside the dataset."""
    return [p / "images" for p in file.parents if (p == root or root in p.parents) and (p / "images").is_dir()]


def _add_file(
    collected: Collector,
    known: KnownImages,
    path: Path,
    label: str,
    split: str | None,
    names: Mapping[str, str],
    kind: Kind,
) -> None:
    position = known.position(label, split or "")
    if split is not None:
        collected.splits.setdefault(split, []).append(position)
    collected.sources.append(path)
    try:
        header, rows = _rows_of(read_text(path))
    except InputError as error:
        collected.bad(error.message.removeprefix(f"{path}: "), path)
        return
    if header:
        collected.image_extra[position] = {k: v for k, v in header.items() if v.lower() not in ("", "none", "null")}
    for line, row in rows:
        if isinstance(row, str):
            collected.bad(row, path, line=line)
            continue
        item = _item(row.corners, names.get(row.name, row.name))
        if kind == "detections" and row.last is not None:
            item.score = row.last
        elif kind == "dataset":
            item.is_ignored = bool(row.last)
        collected.suspicious(item, path, line=line)
        collected.add(position, item)


def _item(corners: list[float], name: str) -> Item:
    points = np.array(corners, np.float64).reshape(4, 2)
    return Item(name, bounds(points), [corners], is_oriented=True)


def _add_results(collected: Collector, known: KnownImages, names: Mapping[str, str]) -> list[str]:
    """Rows of `Task1_<class>.txt` files: image, score, corners; classes in order of the files."""
    stated = []
    for path in _task_files(collected.path):
        found = task_file(path.name)
        if found is None:
            continue
        task, word = found
        name = names.get(word, word)
        stated.append(name)
        collected.sources.append(path)
        rows = parse_files([TextFile(path, word)], 9 if task == 1 else 5, strict_labels=False)
        collected.findings += rows.findings()
        for row, (label, values) in enumerate(zip(rows.labels, rows.values.tolist(), strict=True)):
            item = _item(values[1:], name) if task == 1 else _upright(values[1:], name)
            item.score = values[0]
            collected.suspicious(item, path, line=int(rows.line[row]))
            collected.add(known.position(label), item)
    known.finish()
    return list(dict.fromkeys(stated))


def _upright(edges: list[float], name: str) -> Item:
    left, top, right, bottom = edges
    width, height = difference([right, bottom], [left, top]).tolist()
    return Item(name, (left, top, width, height))
