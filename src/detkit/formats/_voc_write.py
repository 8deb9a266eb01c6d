"""A `Dataset` as a VOC folder: Annotations, ImageSets, JPEGImages, `classes.txt` and a manifest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from detkit.errors import InputError
from detkit.files import write_small
from detkit.findings import Loss
from detkit.formats._base import WriteOptions
from detkit.formats._image_names import image_names, stems_of
from detkit.formats._images import place
from detkit.formats._voc_document import NOT_XML, OWN_IMAGE, OWN_OBJECT, documents, is_writable
from detkit.formats._voc_manifest import write_manifest
from detkit.formats._writing import require_sizes
from detkit.tables import Dataset

__all__ = ["write_xml_dataset"]


def write_xml_dataset(dataset: Dataset, target: Path, options: WriteOptions) -> list[Loss]:
    """Write a dataset into an empty folder.

    Parameters
    ----------
    dataset : Dataset
    target : Path
    options : WriteOptions

    Returns
    -------
    list of Loss
        Beyond what the capabilities say.

    Raises
    ------
    InputError
        Image sizes unknown, two images that would share an XML file, or a text that XML cannot hold.
    """
    require_sizes(dataset.images, "VOC XML")
    names, losses = image_names(dataset.images)
    stems = stems_of(names)
    _check_texts(dataset, names)
    losses += _lost_fields(dataset) + _changed_attributes(dataset) + _same_names(dataset)
    folder = target / "Annotations"
    folder.mkdir(exist_ok=True)
    made = {""}
    for stem, document in zip(stems, documents(dataset, names, options), strict=True):
        below = stem.rpartition("/")[0]
        if below not in made:
            (folder / below).mkdir(parents=True, exist_ok=True)
            made.add(below)
        write_small(f"{folder}/{stem}.xml", document)
    _write_splits(dataset, stems, target)
    text = "".join(f"{name}\n" for name in dataset.categories.names)
    (target / "classes.txt").write_text(text, encoding="utf-8", newline="\n")
    write_manifest(target, "dataset", dataset.categories)
    mode = options.place_images or "leave"
    if mode != "leave":
        place(dataset.images, ((i, target / "JPEGImages" / name) for i, name in enumerate(names)), mode)
    return losses


def _check_texts(dataset: Dataset, names: list[str]) -> None:
    for kind, texts in (("class name", dataset.categories.names), ("image name", names)):
        for text in texts:
            if NOT_XML.search(text) or "\n" in text or "\r" in text or not text.strip():
                raise InputError(f"{kind} {text!r} cannot be written: it is blank or has control characters")


def _same_names(dataset: Dataset) -> list[Loss]:
    doubled = [name for name, count in Counter(dataset.categories.names).items() if count > 1]
    return [Loss("classes with the same name", "merged", len(doubled), tuple(doubled[:3]))] if doubled else []


def _lost_fields(dataset: Dataset) -> list[Loss]:
    """Unknown fields that are no text: only text, and nested text, has a place in VOC XML."""
    losses = []
    groups: tuple[tuple[str, Mapping[int, Mapping[str, Any]], frozenset[str]], ...] = (
        ("image", dataset.images.extra, OWN_IMAGE - {"depth"}),
        ("annotation", dataset.annotations.extra, OWN_OBJECT),
    )
    for what, extra, own in groups:
        lost = Counter(k for fields in extra.values() for k, v in fields.items() if not is_writable(k, v, own))
        losses += [Loss(f"{what} field `{name}`", "dropped", count) for name, count in lost.items()]
    lost = Counter(name for fields in dataset.categories.extra.values() for name in fields)
    losses += [Loss(f"category field `{name}`", "dropped", count) for name, count in lost.items()]
    return losses


def _changed_attributes(dataset: Dataset) -> list[Loss]:
    """Attributes that VOC XML states in another form, of columns that state something."""
    columns = dataset.annotations.attributes
    truncated, pose = columns.get("truncated", np.empty(0)).tolist(), columns.get("pose", np.empty(0)).tolist()
    unstated = sum(value is None or value != value for value in truncated)
    numbers = sum(isinstance(value, int | float) and value == value for value in pose)
    losses = [
        Loss("attribute `truncated`", "not stated, written as 0", 0 if unstated == len(truncated) else unstated),
        Loss("attribute `pose`", "written as text", numbers),
    ]
    return [loss for loss in losses if loss.count]


def _write_splits(dataset: Dataset, stems: list[str], target: Path) -> None:
    if not dataset.splits:
        return
    folder = target / "ImageSets" / "Main"
    folder.mkdir(parents=True)
    members = {name: [int(i) for i in index] for name, index in dataset.splits.items()}
    if {"train", "val"} <= set(members) and "trainval" not in members:
        members["trainval"] = sorted(set(members["train"]) | set(members["val"]))
    for name, positions in members.items():
        if not name or "/" in name or "\\" in name or "\0" in name or name.startswith("."):
            raise InputError(f"split name {name!r} cannot be used as a file name")
        text = "".join(f"{stems[i]}\n" for i in positions)
        (folder / f"{name}.txt").write_text(text, encoding="utf-8", newline="\n")
