"""KITTI's label and result files as rows."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from detkit.errors import InputError
from detkit.findings import Finding
from detkit.formats._base import Kind, Probe, ReadOptions
from detkit.formats._collect import Collector, Item
from detkit.formats._manifest import read_manifest
from detkit.formats._numbers import difference
from detkit.formats._text_folder import KnownImages, read_names_of, splits_from_lists
from detkit.formats._text_rows import TextRows, list_text_files, parse_files
from detkit.formats._text_start import has_content
from detkit.tables import Categories

__all__ = ["DONT_CARE", "UNKNOWN", "probe", "read_kitti"]

DONT_CARE = "DontCare"
#: What stands in a column that says nothing: truncated, occluded, alpha, dimensions, location, rotation_y.
UNKNOWN = {
    "truncated": -1.0,
    "occluded": -1.0,
    "alpha": -10.0,
    "dimensions": [-1.0, -1.0, -1.0],
    "location": [-1000.0, -1000.0, -1000.0],
    "rotation_y": -10.0,
}
#: Numbers after the class: 14, and the score.
_NUMBERS = {"dataset": 14, "detections": 15}
_SAMPLE = 50


def probe(path: Path, kind: Kind) -> Probe:
    """Whether a path holds KITTI's rows, and why or why not."""
    if not path.is_dir():
        return Probe(False, "a folder of .txt files, one an image, was expected; this is a file")
    manifest = read_manifest(path, "kitti")
    if manifest is not None and manifest.kind in ("dataset", "detections"):
        return Probe(manifest.kind == kind, f"detkit.json says this is a KITTI folder ({manifest.kind})")
    files = [f for folder in _label_folders(path)[:3] for f in list_text_files(folder, _SAMPLE)]
    filled = [f for f in files if has_content(f.path)][:_SAMPLE]
    if not filled:
        return Probe(False, "no .txt file with rows in it")
    columns = _columns(filled)
    if columns is None:
        return Probe(
            False, f"rows of {filled[0].path.name} are not `type truncated occluded alpha box ...` (15 columns)"
        )
    if columns == _NUMBERS[kind]:
        return Probe(True, f"rows of {columns + 1} columns, as KITTI has them")
    return Probe(False, "rows with a score: predictions" if kind == "dataset" else "rows without a score: labels")


def _columns(files: list[Any]) -> int | None:
    """How many numbers follow the class in the bulk of rows: 14, 15, or None where they are no KITTI rows."""
    for numbers in (15, 14):
        rows = parse_files(files, numbers, strict_labels=False, start_only=True)
        words = sum(not _is_number(label) and " " not in label for label in rows.labels)
        if words and words > len(rows.bad) and words * 2 > len(rows):
            plausible = (rows.values[:, 0] <= 1) & (rows.values[:, 0] >= -1) & np.isin(rows.values[:, 1], range(-1, 4))
            return numbers if 2 * int(plausible.sum()) > len(rows) else None
    return None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _label_folders(path: Path) -> list[Path]:
    """Folders called `label_2` (or `label_02`) below a path, else `labels` beside `images`, else the path itself."""
    found = []
    for root, folders, _ in os.walk(path):
        depth = len(Path(root).relative_to(path).parts)
        folders[:] = sorted(f for f in folders if not f.startswith(".")) if depth < 4 else []
        found += [Path(root, f) for f in folders if f.lower() in ("label_2", "label_02")]
    if found:
        return sorted(found)
    return [path / "labels"] if (path / "labels").is_dir() else [path]


def read_kitti(path: Path, options: ReadOptions, kind: Kind) -> tuple[Collector, Categories | None]:
    """Everything in KITTI's text files at a path, and the classes that `detkit.json` lists.

    Parameters
    ----------
    path : Path
        A folder: KITTI's own, or one of label files.
    options : ReadOptions
    kind : {"dataset", "detections"}

    Returns
    -------
    collected : Collector
    stated : Categories or None

    Raises
    ------
    InputError
        No text file, or rows of the other kind.
    """
    if not path.is_dir():
        raise InputError("a folder of .txt files, one an image, was expected; this is a file", path=path)
    folders = _label_folders(path)
    images = [f.parent / name for f in folders for name in ("image_2", "image_02", "images")]
    collected = Collector(path, "kitti", options, (*images, path))
    known = KnownImages(collected, path, "kitti")
    names = read_names_of(known.manifest)
    files = [(folder, file) for folder in folders for file in list_text_files(folder)]
    files = [(folder, file) for folder, file in files if "ImageSets" not in file.path.parts[len(path.parts) :]]
    if not files:
        raise InputError("no .txt file in the folder", path=path)
    rows = parse_files([f for _, f in files], _NUMBERS[kind], strict_labels=False, jobs=options.jobs)
    _refuse_other_kind(rows, kind, path)
    several = len(folders) > 1
    positions = [known.position(f.name, folder.parent.name if several else "") for folder, f in files]
    collected.sources += [f.path for _, f in files]
    _add_rows(collected, rows, positions, names)
    collected.findings += rows.findings()
    known.finish()
    splits_from_lists(collected, known, path / "ImageSets")
    return collected, known.categories


def _refuse_other_kind(rows: TextRows, kind: Kind, path: Path) -> None:
    wrong = sum(_is_number(label.rpartition(" ")[2]) for label in rows.labels)
    if kind == "dataset" and wrong * 2 > len(rows) > 0:
        raise InputError("rows have a score (16 columns): these are predictions, not labels", path=path)
    if kind == "detections" and rows.bad and not len(rows):
        short = rows.bad[0]
        place = f"{rows.files[short.file].path.name} line {short.line}"
        raise InputError(f"no row has a score: {short.message}", path=path, place=place)


def _add_rows(collected: Collector, rows: TextRows, positions: list[int], names: Any) -> None:
    edges = rows.values[:, 3:7]
    size = difference(edges[:, 2:], edges[:, :2])
    for row, (values, label) in enumerate(zip(rows.values.tolist(), rows.labels, strict=True)):
        file, place = rows.place(row)
        line = int(place.split()[1])
        width, height = size[row].tolist()
        if width < 0 or height < 0:
            collected.bad("corners are reversed, expected left <= right and top <= bottom", file, line=line)
            continue
        item = Item(names.get(label, label), (values[3], values[4], width, height), is_ignored=label == DONT_CARE)
        item.attributes = _attributes(values)
        if len(values) == _NUMBERS["detections"]:
            item.score = values[14]
        collected.suspicious(item, file, line=line)
        collected.add(positions[int(rows.file_index[row])], item)
    count = sum(item.is_ignored for item in collected.rows)
    if count:
        message = f"`{DONT_CARE}` regions are ignored objects"
        collected.findings.append(Finding("DK107", message, file=str(collected.path), count=count))


def _attributes(values: list[float]) -> dict[str, Any]:
    """What the columns beside the box state."""
    stated = {
        "truncated": values[0],
        "occluded": values[1],
        "alpha": values[2],
        "dimensions": values[7:10],
        "location": values[10:13],
        "rotation_y": values[13],
    }
    return {name: value for name, value in stated.items() if value != UNKNOWN[name]}
