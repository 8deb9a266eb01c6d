"""WIDER FACE's lists to a `Dataset`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from detkit import files
from detkit.errors import InputError, UsageError
from detkit.formats._base import ReadOptions
from detkit.formats._beside import build_images, load_beside, suspects
from detkit.formats._sidecar import Sidecar
from detkit.formats._widerface_text import ATTRIBUTES, INVALID, Lists, list_files, parse, probe_lists, split_of
from detkit.tables import Categories, Dataset, Source, freeze
from detkit.wording import examples

__all__ = ["read_dataset"]

FACE = "face"


def read_dataset(path: Path, options: ReadOptions) -> Dataset:
    """The dataset of one list, or of a folder with a list a split.

    Parameters
    ----------
    path : Path
    options : ReadOptions

    Returns
    -------
    Dataset
        Invalid faces are ignored; the other marks are attributes. Images without faces are kept.

    Raises
    ------
    InputError
        No list, or one that is none.
    UsageError
        No such split.
    """
    found = [file for file in list_files(path) if path.is_file() or probe_lists(file)[0]]
    if not found:
        raise InputError("no list of images with the number of their faces", path=path)
    root = path if path.is_dir() else path.parent
    home = root.parent if root.name == "wider_face_split" else root
    sidecar = load_beside([home], "widerface")
    lists = Lists()
    stated = sidecar.rows.values() if path.is_dir() and options.split is None else ()
    for row in stated:
        lists.names.setdefault(row.file, len(lists.names))
    for file in _chosen(found, options.split, path):
        parse(file, split_of(file) if path.is_dir() or options.split else "", lists)
    splits = {name: freeze(np.array(sorted(members), np.int64)) for name, members in lists.members.items()}
    splits.pop("unassigned", None)
    folders = [home / f"WIDER_{split_of(file) or 'all'}" / "images" for file in found]
    images, notes = build_images(list(lists.names), [*folders, home / "images"], options, sidecar=sidecar)
    categories = _categories(lists, home, sidecar)
    position = {name: i for i, name in enumerate(categories.names)}
    marks = np.array([[np.nan] * len(ATTRIBUTES) if m is None else m for m in lists.marks], np.float64)
    marks = marks.reshape(-1, len(ATTRIBUTES))
    xywh = lists.xywh()
    notes += suspects(path, xywh)
    used = [*found, *([home / "labels.txt"] if (home / "labels.txt").is_file() else [])]
    return Dataset.build(
        images,
        categories,
        image_index=lists.image_index,
        category_index=[position[name] for name in lists.classes],
        xywh=xywh,
        is_ignored=marks[:, INVALID] == 1,
        attributes={
            name: marks[:, at]
            for at, name in enumerate(ATTRIBUTES)
            if at != INVALID and not np.isnan(marks[:, at]).all()
        },
        splits=splits,
        source=Source(str(path), "widerface", files.sha256_of(used, root=home)),
        findings=(*lists.findings, *notes),
    )


def _chosen(found: list[Path], split: str | None, path: Path) -> list[Path]:
    if split is None:
        return found
    chosen = [file for file in found if split_of(file) == split]
    if not chosen:
        known = examples([split_of(file) for file in found if split_of(file)], 9) or "no splits"
        raise UsageError(f"unknown split `{split}`; {path} has {known}")
    return chosen


def _categories(lists: Lists, home: Path, sidecar: Sidecar) -> Categories:
    """Faces, unless rows or `labels.txt` name classes."""
    names: list[str] = []
    if (home / "labels.txt").is_file():
        text = files.read_small(home / "labels.txt").decode("utf-8-sig", "replace")
        names = [line.strip() for line in text.splitlines() if line.strip()]
    names = list(dict.fromkeys([*names, *sorted(set(lists.classes) - set(names))])) or [FACE]
    stated = sidecar.categories(names)
    return Categories.from_names(names) if stated is None else replace(stated)
