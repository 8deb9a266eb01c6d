"""A `Dataset` as a project folder of Supervisely."""

from __future__ import annotations

import colorsys
import json
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from detkit.findings import Loss
from detkit.formats._base import WriteOptions
from detkit.formats._image_names import image_names
from detkit.formats._images import place
from detkit.formats._json_file import write_json
from detkit.formats._manifest import write_image_table, write_manifest
from detkit.formats._numbers import difference
from detkit.formats._supervisely_objects import bitmap_text
from detkit.formats._supervisely_read import ANN, CONFIDENCE, CROWD, DIFFICULT, IMG, META, NESTED
from detkit.formats._text_folder import first_splits
from detkit.formats._writing import (
    Outlines,
    edges,
    lost_extra,
    plain,
    require_pixels,
    require_sizes,
    stated_attributes,
)
from detkit.tables import Dataset, Detections

__all__ = ["write_supervisely"]

#: Folder of the images that are in no split.
_NO_SPLIT = "dataset"
_OWN_IMAGE = frozenset(("size", "objects", "description", "tags"))
_OWN_OBJECT = frozenset(("classTitle", "classId", "geometryType", "points", "bitmap", "tags"))


def write_supervisely(dataset: Dataset | Detections, target: Path, options: WriteOptions) -> list[Loss]:
    """Write a project: `meta.json`, a dataset for each split, a dataset inside it for each sub-folder of images.

    Parameters
    ----------
    dataset : Dataset or Detections
        Each prediction gets a tag `confidence`.
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
        Shares of images, images of unknown size, names that are no file names.
    """
    require_pixels(dataset, "Supervisely")
    require_sizes(dataset.images, "Supervisely")
    names, losses = image_names(dataset.images)
    is_truth = isinstance(dataset, Dataset)
    splits = dataset.splits if isinstance(dataset, Dataset) else {}
    split, doubled = first_splits(dataset) if isinstance(dataset, Dataset) else ({}, 0)
    # An ordinary name, but never one of the splits'.
    rest = _NO_SPLIT
    while rest in splits:
        rest += "_"
    figures = _Figures(dataset, options)
    images = []
    for position, name in enumerate(names):
        folder = _folder(target, split.get(position, rest), name)
        file = PurePosixPath(name).name
        write_json(figures.document(position), folder / ANN / f"{file}.json")
        images.append((position, folder / IMG / file))
    write_json(figures.meta(), target / META)
    table = write_image_table(target, dataset.images, names)
    kind = "dataset" if is_truth else "detections"
    write_manifest(target, "supervisely", kind, dataset.categories, splits=list(splits), **table)
    place(dataset.images, images, options.place_images or "leave")
    if doubled:
        losses.append(Loss("images in several splits", "written with the first one only", doubled))
    lost = lost_extra(dataset, images=False) if isinstance(dataset, Dataset) else []
    return [*losses, *lost, *figures.losses()]


def _folder(target: Path, dataset: str, name: str) -> Path:
    """The dataset's folder of an image: each sub-folder of its name is a dataset inside the one above."""
    folder = target / dataset
    for part in PurePosixPath(name).parts[:-1]:
        folder = folder / NESTED / part
    return folder


class _Figures:
    """Builds the content of one file after another."""

    def __init__(self, dataset: Dataset | Detections, options: WriteOptions) -> None:
        self.dataset = dataset
        rows = dataset.annotations if isinstance(dataset, Dataset) else dataset
        self.extra: Mapping[int, Mapping[str, Any]] = rows.extra if isinstance(dataset, Dataset) else {}
        self.score = dataset.score.tolist() if isinstance(dataset, Detections) else None
        self.offsets = dataset.offsets.tolist()
        corners = edges(rows.xywh)
        last = difference(corners[:, 2:], np.full((len(corners), 2), float(options.voc_offset)))
        self.corners = np.hstack([corners[:, :2], last]).tolist()
        self.category = rows.category_index.tolist()
        self.outlines = Outlines(dataset, options)
        self.flags: dict[str, list[bool]] = {}
        columns: Mapping[str, Any] = {}
        if isinstance(dataset, Dataset):
            truth = dataset.annotations
            self.flags = {DIFFICULT: truth.is_ignored.tolist(), CROWD: truth.is_crowd.tolist()}
            columns = truth.attributes
        self.attributes = stated_attributes(dataset)
        self.kinds = {name: _value_type(values.tolist()) for name, values in columns.items()}
        if self.score is not None:
            self.kinds[CONFIDENCE] = "any_number"
        self.narrow = 0
        self.changed: dict[str, int] = {}
        self.used: set[str] = set()

    def document(self, position: int) -> dict[str, Any]:
        """Content of the file of the image at a position."""
        images = self.dataset.images
        width, height = images.sizes[position].tolist()
        extra = images.extra.get(position, {})
        objects: list[dict[str, Any]] = []
        for row in range(*self.offsets[position : position + 2]):
            objects += self._objects(row)
        return {
            "description": extra.get("description", ""),
            "tags": extra.get("tags", []),
            "size": {"height": plain(height), "width": plain(width)},
            "objects": objects,
            **{k: v for k, v in extra.items() if k not in _OWN_IMAGE},
        }

    def _objects(self, row: int) -> list[dict[str, Any]]:
        window = self.outlines.window(row)
        if window is not None:
            left, top, pixels = window
            return [self._object(row, "bitmap", bitmap={"data": bitmap_text(pixels), "origin": [left, top]})]
        rings = self.outlines.rings(row)
        if len(rings) > 1:
            parts = [{"exterior": _pairs(ring.tolist()), "interior": []} for ring in rings]
            return [self._object(row, "multipolygon", parts=parts)]
        if rings:
            points = {"exterior": _pairs(rings[0].tolist()), "interior": []}
            return [self._object(row, "polygon", points=points)]
        left, top, right, bottom = self.corners[row]
        self.narrow += right < left or bottom < top
        points = {"exterior": _pairs([[left, top], [right, bottom]]), "interior": []}
        return [self._object(row, "rectangle", points=points)]

    def _object(self, row: int, kind: str, **geometry: Any) -> dict[str, Any]:
        own: Mapping[str, Any] = self.extra.get(row, {})
        return {
            "classTitle": self.dataset.categories.names[self.category[row]],
            "description": own.get("description", ""),
            "geometryType": kind,
            "tags": self._tags(row),
            **geometry,
            **{k: v for k, v in own.items() if k not in _OWN_OBJECT and k != "description" and k not in geometry},
        }

    def _tags(self, row: int) -> list[dict[str, Any]]:
        tags: list[dict[str, Any]] = [{"name": name, "value": None} for name, set_ in self.flags.items() if set_[row]]
        if self.score is not None:
            tags.append({"name": CONFIDENCE, "value": self.score[row]})
        for name, value in self.attributes(row).items():
            written = self._value(name, value)
            if written is not _NOTHING:
                tags.append({"name": name, "value": written})
        self.used |= {tag["name"] for tag in tags}
        return tags

    def _value(self, name: str, value: Any) -> Any:
        """The value of a tag; what cannot come back as it is is counted."""
        kind = self.kinds[name]
        if name in (DIFFICULT, CROWD):
            return self._count(f"attribute `{name}`", _NOTHING)
        if kind == "none":
            return None if value else self._count(f"attribute `{name}` where it is false", _NOTHING)
        if kind == "any_number" or isinstance(value, str):
            return value
        text = json.dumps(value, ensure_ascii=False, default=str)
        return self._count(f"attribute `{name}` of mixed kinds", text)

    def _count(self, what: str, result: Any) -> Any:
        self.changed[what] = self.changed.get(what, 0) + 1
        return result

    def meta(self) -> dict[str, Any]:
        """Content of `meta.json`: classes in order, and the tags in use."""
        count = len(self.dataset.categories)
        classes = [
            {"title": title, "shape": "any", "color": _color(n, count), "geometry_config": {}}
            for n, title in enumerate(self.dataset.categories.names)
        ]
        names = [name for name in (*self.flags, *self.kinds) if name in self.used]
        tags = [
            {"name": name, "value_type": self.kinds.get(name, "none"), "color": _color(n, len(names))}
            for n, name in enumerate(names)
        ]
        return {"classes": classes, "tags": tags, "projectType": "images"}

    def losses(self) -> list[Loss]:
        """What writing changed."""
        found = self.outlines.losses()
        if self.narrow:
            text = "written with the last pixel before the first one; Supervisely swaps them"
            found.append(Loss("boxes narrower than a pixel", text, self.narrow))
        for what, count in self.changed.items():
            action = "written as text" if what.endswith("kinds") else "dropped (no tag says it)"
            found.append(Loss(what, action, count))
        return found


_NOTHING = object()


def _value_type(values: Sequence[Any]) -> str:
    """How `meta.json` calls the values of a column: flags have none."""
    stated = [v for v in values if v is not None and v != "" and v == v]
    if stated and all(isinstance(v, bool) for v in stated):
        return "none"
    if stated and all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in stated):
        return "any_number"
    return "any_string"


def _pairs(points: Sequence[Sequence[float]]) -> list[list[int | float]]:
    return [[plain(x), plain(y)] for x, y in points]


def _color(number: int, count: int) -> str:
    """A colour for each of many, `#RRGGBB`."""
    red, green, blue = (round(255 * v) for v in colorsys.hsv_to_rgb(number / max(1, count), 0.8, 0.9))
    return f"#{red:02X}{green:02X}{blue:02X}"
