"""A `Dataset` as image folders of Hugging Face."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from detkit.findings import Loss
from detkit.formats._base import WriteOptions
from detkit.formats._huggingface_files import METADATA
from detkit.formats._image_names import image_names
from detkit.formats._images import place
from detkit.formats._json_file import json_bytes
from detkit.formats._manifest import write_image_table, write_manifest
from detkit.formats._text_folder import first_splits
from detkit.formats._writing import plain, require_pixels, stated_attributes
from detkit.tables import Dataset, Detections

__all__ = ["write_huggingface"]

_OWN = frozenset(("id", "bbox", "category", "area", "iscrowd"))


def write_huggingface(dataset: Dataset | Detections, target: Path, options: WriteOptions) -> list[Loss]:
    """Write `metadata.jsonl` beside the images, in a folder for each split, and what it cannot say.

    Parameters
    ----------
    dataset : Dataset or Detections
        The objects of predictions have a `score`.
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
        Shares of images whose sizes are unknown, or a split that is no folder name.
    """
    require_pixels(dataset, "a Hugging Face image folder")
    names, losses = image_names(dataset.images)
    is_truth = isinstance(dataset, Dataset)
    splits = list(dataset.splits) if isinstance(dataset, Dataset) else []
    split, doubled = first_splits(dataset) if isinstance(dataset, Dataset) else ({}, 0)
    offsets = dataset.offsets.tolist()
    lines: dict[Path, list[bytes]] = {target: []} if not split else {}
    images = []
    ids, sizes = dataset.images.ids.tolist(), dataset.images.sizes.tolist()
    objects = _Objects(dataset)
    for position, name in enumerate(names):
        folder = target / split[position] if position in split else target
        width, height = (None if math.isnan(v) else plain(v) for v in sizes[position])
        record = {"file_name": name, "image_id": ids[position], "width": width, "height": height}
        line = json_bytes({**record, "objects": objects.of(range(*offsets[position : position + 2]))})
        lines.setdefault(folder, []).append(line)
        images.append((position, folder / name))
    for folder, content in lines.items():
        folder.mkdir(exist_ok=True)
        (folder / METADATA[0]).write_bytes(b"".join(content))
    table = write_image_table(target, dataset.images, names)
    kind = "dataset" if is_truth else "detections"
    write_manifest(target, "huggingface", kind, dataset.categories, splits=splits, **table)
    place(dataset.images, images, options.place_images or "leave")
    if doubled:
        losses.append(Loss("images in several splits", "written with the first one only", doubled))
    return losses + objects.losses


class _Objects:
    """Lists of the fields of an image's objects; the same fields for every image, as a table wants them."""

    def __init__(self, dataset: Dataset | Detections) -> None:
        rows = dataset.annotations if isinstance(dataset, Dataset) else dataset
        is_truth = isinstance(dataset, Dataset)
        ids = dataset.annotations.ids if isinstance(dataset, Dataset) else rows.source_row + 1
        attributes = dataset.annotations.attributes if isinstance(dataset, Dataset) else {}
        crowds = dataset.annotations.is_crowd if isinstance(dataset, Dataset) else np.zeros(0, np.bool_)
        self.names = dataset.categories.names
        self.columns = {"id": ids.tolist(), "area": rows.area.tolist(), "bbox": rows.xywh.tolist()}
        self.category = rows.category_index.tolist()
        self.crowds = crowds.tolist() if crowds.any() else None
        self.score = None if is_truth else dataset.score.tolist()  # type: ignore[union-attr]
        self.stated = stated_attributes(dataset)
        self.attributes = [name for name in attributes if name not in _OWN]
        self.losses = [
            Loss(f"attribute `{name}`", "dropped (a column of objects has this name)", len(rows))
            for name in attributes
            if name in _OWN
        ]

    def of(self, rows: range) -> dict[str, list[Any]]:
        """Fields of these rows."""
        found: dict[str, list[Any]] = {
            "id": [self.columns["id"][row] for row in rows],
            "area": [plain(self.columns["area"][row]) for row in rows],
            "bbox": [[plain(v) for v in self.columns["bbox"][row]] for row in rows],
            "category": [self.names[self.category[row]] for row in rows],
        }
        if self.score is not None:
            found["score"] = [self.score[row] for row in rows]
        if self.crowds is not None:
            found["iscrowd"] = [int(self.crowds[row]) for row in rows]
        stated = [self.stated(row) for row in rows] if self.attributes else []
        return found | {name: [values.get(name) for values in stated] for name in self.attributes}
