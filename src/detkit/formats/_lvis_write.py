"""A `Dataset` as LVIS: one JSON object a split, written by COCO's writer once images and classes have LVIS' fields."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from detkit._version import __version__
from detkit.errors import InputError, UsageError
from detkit.files import FOLDER_MARK
from detkit.findings import Loss
from detkit.formats._base import WriteOptions
from detkit.formats._beside import unique_names
from detkit.formats._class_ids import class_ids
from detkit.formats._coco_files import UNASSIGNED
from detkit.formats._coco_write import write_object
from detkit.formats._images import is_inside, place
from detkit.formats._lvis_images import LISTS, file_name_of
from detkit.formats._writing import require_pixels
from detkit.tables import Categories, Dataset, Images

__all__ = ["write_files"]

NEGATIVE, PARTIAL = LISTS
_FREQUENCIES = (("r", 10), ("c", 100))


def write_files(dataset: Dataset, target: Path, options: WriteOptions) -> list[Loss]:
    """Write `annotations/lvis_v1_<split>.json` and `detkit.json` into an empty folder.

    Parameters
    ----------
    dataset : Dataset
    target : Path
    options : WriteOptions

    Returns
    -------
    list of Loss

    Raises
    ------
    InputError
        Unknown image sizes, or two images with one name.
    UsageError
        COCO's class ids are asked for.
    """
    require_pixels(dataset, "LVIS")
    ids, losses = _class_ids(dataset.categories, options)
    names = unique_names(dataset.images)
    ready = replace(
        dataset,
        images=_images(dataset, names, dict(zip(dataset.categories.ids.tolist(), ids, strict=True))),
        categories=replace(dataset.categories, extra=_class_fields(dataset)),
    )
    folder = target / "annotations"
    folder.mkdir()
    everything = np.arange(len(dataset.images))
    splits: dict[str, Any] = dict(dataset.splits)
    rest = np.setdiff1d(everything, np.concatenate([*splits.values(), np.empty(0, np.int64)]).astype(np.int64))
    if splits and len(rest):
        splits[UNASSIGNED] = rest
    for split, members in (splits or {"": everything}).items():
        file = folder / (f"lvis_v1_{_file_part(split)}.json" if split else "lvis_v1.json")
        write_object(ready, members, ids, options.shapes, file)
    mark = {"detkit": __version__, "format": "lvis", "splits": list(dataset.splits)}
    (target / FOLDER_MARK).write_text(json.dumps(mark, ensure_ascii=False) + "\n", encoding="utf-8")
    return [*losses, *_place(dataset.images, names, target, options)]


def _file_part(split: str) -> str:
    if "/" in split or "\\" in split or "\0" in split:
        raise InputError(f"split name {split!r} cannot be used as a file name")
    return split


def _class_ids(categories: Categories, options: WriteOptions) -> tuple[list[Any], list[Loss]]:
    if options.category_ids == "coco91":
        raise UsageError("category ids coco91: LVIS has classes of its own", hint="use `keep` or `dense`")
    return class_ids(categories, options)


def _images(dataset: Dataset, names: Sequence[str], new_id: dict[Any, Any]) -> Images:
    """Images without file names: with an address that gives the name back, and with both lists of class ids."""
    images = dataset.images
    partly = any(name in fields for fields in images.extra.values() for name in LISTS)
    present = np.zeros((len(images), len(dataset.categories)), np.bool_) if not partly else None
    if present is not None:
        present[dataset.annotations.image_index, dataset.annotations.category_index] = True
    every = list(new_id.values())
    extra: dict[int, dict[str, Any]] = {}
    for i, name in enumerate(names):
        fields = dict(images.extra.get(i, {}))
        url = fields.get("coco_url")
        if not (isinstance(url, str) and file_name_of(url) == name):
            fields["coco_url"] = name
        if present is not None:
            # Fully labelled: whatever has no box in an image was looked for and is not there.
            fields |= {NEGATIVE: [every[k] for k in np.flatnonzero(~present[i]).tolist()], PARTIAL: []}
        for list_name in LISTS:
            stated = fields.get(list_name)
            fields[list_name] = [new_id.get(own, own) for own in stated] if isinstance(stated, (list, tuple)) else []
        extra[i] = fields
    return Images(images.ids, ("",) * len(images), images.sizes, images.paths, images.has_own_ids, extra)


def _class_fields(dataset: Dataset) -> dict[int, dict[str, Any]]:
    """`frequency` and the counts that it is made from, where a class does not state them."""
    rows = dataset.annotations
    boxes = Counter(rows.category_index.tolist())
    pairs = set(zip(rows.image_index.tolist(), rows.category_index.tolist(), strict=True))
    images = Counter(category for _, category in pairs)
    fields: dict[int, dict[str, Any]] = {}
    for k in range(len(dataset.categories)):
        stated = dict(dataset.categories.extra.get(k, {}))
        counted = {
            "frequency": _frequency(images[k]),
            "image_count": images[k],
            "instance_count": boxes[k],
        }
        fields[k] = stated if "frequency" in stated else {**counted, **stated}
    return fields


def _frequency(images: int) -> str:
    """Rare up to 10 images, common up to 100, frequent above: as LVIS counts them in its training images."""
    return next((letter for letter, limit in _FREQUENCIES if images <= limit), "f")


def _place(images: Images, names: Sequence[str], target: Path, options: WriteOptions) -> list[Loss]:
    mode = options.place_images or "leave"
    if mode == "leave":
        return []
    inside = [(i, target / "images" / name) for i, name in enumerate(names) if is_inside(name)]
    missing = place(images, inside, mode)
    lost = missing + len(names) - len(inside)
    return [Loss("image files", "not found, or not placed (their names leave the folder)", lost)] if lost else []
