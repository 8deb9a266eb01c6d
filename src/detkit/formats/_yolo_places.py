"""Where the images and labels of a written YOLO folder go: split folders, safe file names, one label a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.errors import InputError
from detkit.findings import Loss
from detkit.formats._data_yaml import UNASSIGNED
from detkit.formats._images import is_inside
from detkit.formats._yolo_layout import label_twin
from detkit.tables import Dataset, Images

__all__ = ["Places", "places_of", "safe_names"]

_RESERVED = frozenset(
    ("path", "names", "nc", "download", "task", "kpt_shape", "flip_idx", "kpt_names", "channels", "roboflow")
)


@dataclass(frozen=True)
class Places:
    """Relative paths of everything that is written.

    Parameters
    ----------
    names, images, labels : list of str
        One for each image, `/` between: its safe file name, and where it and its labels go.
    folders : mapping of str to str
        Split -> its image folder.
    keys : mapping of str to str
        Split -> its key in data.yaml.
    unassigned : str or None
        Key and folder of the images in no split, where there are such.
    lists : mapping of str to list of str
        Split -> its images, where splits share images and are written as list files.
    losses : list of Loss
    """

    names: list[str]
    images: list[str]
    labels: list[str]
    folders: Mapping[str, str]
    keys: Mapping[str, str]
    unassigned: str | None
    lists: Mapping[str, list[str]]
    losses: list[Loss]


def places_of(dataset: Dataset) -> Places:
    """Where each image and label goes.

    Raises
    ------
    InputError
        Two images whose label would be the same file, or a split whose name cannot name a folder.
    """
    names, losses = safe_names(dataset.images)
    home, shared = _home_splits(dataset)
    splits = list(dataset.splits)
    for split in splits:
        if not is_inside(split) or "/" in split or "\\" in split or split in (".", ""):
            raise InputError(f"split `{split}` cannot be the name of a folder")
    loose = any(split is None for split in home) and bool(splits)
    unassigned = _free_name(splits) if loose else None
    folders = {split: f"images/{split}" for split in splits}
    images = []
    for name, at_home in zip(names, home, strict=True):
        folder = "images" if not splits else f"images/{unassigned}" if at_home is None else folders[at_home]
        images.append(f"{folder}/{name}")
    labels = [_label_of(image) for image in images]
    _check_unique(labels, dataset.images)
    lists = {s: [images[int(i)] for i in members] for s, members in dataset.splits.items()} if shared else {}
    return Places(names, images, labels, folders, _keys(splits), unassigned, lists, losses)


def safe_names(images: Images) -> tuple[list[str], list[Loss]]:
    """File names that stay inside the target, and what was changed for it.

    An absolute name, or one with `..`, keeps what follows the root or the last `..`; an image without a name gets its
    id.
    """
    names, changed, numbered = [], [], []
    for position, name in enumerate(images.file_names):
        safe = _safe(name)
        if not safe:
            safe = f"{_safe(str(images.ids[position])) or position + 1}.jpg"
            numbered.append(safe)
        elif safe != name:
            changed.append(name)
        names.append(safe)
    losses = []
    if changed:
        losses.append(Loss("file names", "made relative", len(changed), tuple(changed[:3])))
    if numbered:
        losses.append(Loss("images without a file name", "named by their id", len(numbered), tuple(numbered[:3])))
    return names, losses


def _safe(name: str) -> str:
    text = name.replace("\0", "")
    if not text:
        return ""
    if not is_inside(text):
        text = text.replace("\\", "/")
        parts = [p for p in text.split("/") if p and not (len(p) == 2 and p[1] == ":")]
        after = max((i + 1 for i, p in enumerate(parts) if p == ".."), default=0)
        text = "/".join(parts[after:])
        if text[1:2] == ":":
            text = text[2:]
    text = str(PurePosixPath(text)) if text else ""
    return "" if text == "." else text


def _home_splits(dataset: Dataset) -> tuple[list[str | None], bool]:
    """The first split of each image, and whether any image is in several."""
    home: list[str | None] = [None] * len(dataset.images)
    shared = False
    for split, members in dataset.splits.items():
        for i in members:
            shared |= home[int(i)] is not None
            home[int(i)] = home[int(i)] or split
    return home, shared


def _free_name(splits: Sequence[str]) -> str:
    name = UNASSIGNED
    while name in splits:
        name += "_"
    return name


def _keys(splits: Sequence[str]) -> dict[str, str]:
    """Keys in data.yaml: `val` is what Ultralytics wants to read."""
    keys: dict[str, str] = {}
    for split in splits:
        key = f"split_{split}" if split in _RESERVED else split
        if split in ("valid", "validation") and not {"val"} & {*splits, *keys.values()}:
            key = "val"
        keys[split] = key
    return keys


def _label_of(image: str) -> str:
    twin = label_twin(f"/{image}")[1:]
    folder, separator, name = twin.rpartition("/")
    return f"{folder}{separator}{name.rpartition('.')[0] or name}.txt"


def _check_unique(labels: Sequence[str], images: Images) -> None:
    first: dict[str, int] = {}
    for position, label in enumerate(labels):
        other = first.setdefault(label, position)
        if other != position:
            pair = [f"`{images.file_names[i]}` (id {images.ids[i]})" for i in (other, position)]
            raise InputError(f"{pair[0]} and {pair[1]} would share the label file `{label}`", hint="rename one of them")


def first_names(images: Images, index: NDArray[Any], limit: int = 3) -> tuple[str, ...]:
    """Names of the first few different images at these positions."""
    positions = dict.fromkeys(int(i) for i in np.asarray(index)[: limit * 8])
    return tuple(images.file_names[i] or str(images.ids[i]) for i in positions)[:limit]
