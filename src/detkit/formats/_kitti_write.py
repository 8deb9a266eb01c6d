"""A table as KITTI's text files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from detkit.errors import InputError
from detkit.findings import Loss
from detkit.formats._base import WriteOptions
from detkit.formats._images import place
from detkit.formats._json_file import as_number, as_numbers
from detkit.formats._kitti_rows import UNKNOWN
from detkit.formats._numbers import corner_texts, number_text
from detkit.formats._text_folder import class_words, write_text_sidecar
from detkit.formats._writing import distinct, image_targets, require_pixels
from detkit.tables import Dataset, Detections

__all__ = ["write_kitti"]


def write_kitti(table: Dataset | Detections, target: Path, options: WriteOptions) -> list[Loss]:
    """Write a text file for each image, and what the rows cannot say beside them.

    Parameters
    ----------
    table : Dataset or Detections
    target : Path
        An empty folder.
    options : WriteOptions

    Returns
    -------
    list of Loss
        Beyond what the capabilities say.

    Raises
    ------
    InputError
        Shares of images whose sizes are unknown, or classes that would share a word.
    """
    require_pixels(table, "KITTI")
    names, labels, losses = distinct(table.images, ".txt")
    is_truth = isinstance(table, Dataset)
    folder = target / "training" / "label_2" if is_truth else target
    lines, coerced = _lines(table)
    offsets = table.offsets.tolist()
    folder.mkdir(parents=True, exist_ok=True)
    for position, label in enumerate(labels):
        file = folder / label
        file.parent.mkdir(parents=True, exist_ok=True)
        text = "".join(lines[offsets[position] : offsets[position + 1]])
        file.write_text(text, encoding="utf-8", newline="\n")
    write_text_sidecar(target, "kitti", "dataset" if is_truth else "detections", table.images, names, table.categories)
    if isinstance(table, Dataset):
        _write_splits(table, labels, target)
        images = image_targets(table.images, names, target / "training" / "image_2")
        place(table.images, images, options.place_images or "leave")
    if coerced:
        losses.append(Loss("attribute values that are no KITTI numbers", "written as unknown", coerced))
    return losses


def _lines(table: Dataset | Detections) -> tuple[list[str], int]:
    """A line for each row, and how many values were no numbers."""
    rows = table.annotations if isinstance(table, Dataset) else table
    words = class_words(table.categories.names, "KITTI")
    corners = corner_texts(rows.xywh, 0)
    columns = dict(table.annotations.attributes) if isinstance(table, Dataset) else {}
    stated = {name: columns[name].tolist() for name in UNKNOWN if name in columns}
    unknown = {name: _text(value) for name, value in UNKNOWN.items()}
    scores = [f" {score!r}" for score in table.score.tolist()] if isinstance(table, Detections) else None
    lines, coerced = [], 0
    for row, category in enumerate(rows.category_index.tolist()):
        texts = dict(unknown)
        for name, values in stated.items():
            value = _text(_as_stated(name, values[row]))
            coerced += value == "" and values[row] is not None and values[row] == values[row]
            texts[name] = value or unknown[name]
        before = f"{words[category]} {texts['truncated']} {texts['occluded']} {texts['alpha']}"
        after = f"{texts['dimensions']} {texts['location']} {texts['rotation_y']}"
        score = "" if scores is None else scores[row]
        lines.append(f"{before} {' '.join(corners[row])} {after}{score}\n")
    return lines, coerced


def _as_stated(name: str, value: Any) -> Any:
    if isinstance(UNKNOWN[name], list):
        return as_numbers(value, 3)
    return float(value) if isinstance(value, bool) else as_number(value)


def _text(value: Any) -> str:
    if value is None:
        return ""
    return " ".join(map(number_text, value)) if isinstance(value, list) else number_text(value)


def _write_splits(dataset: Dataset, labels: Sequence[str], target: Path) -> None:
    for name, members in dataset.splits.items():
        if not name or "/" in name or "\\" in name or "\0" in name or name.startswith("."):
            raise InputError(f"split name {name!r} cannot be used as a file name")
        folder = target / "ImageSets"
        folder.mkdir(exist_ok=True)
        text = "".join(f"{labels[i].removesuffix('.txt')}\n" for i in members.tolist())
        (folder / f"{name}.txt").write_text(text, encoding="utf-8", newline="\n")
