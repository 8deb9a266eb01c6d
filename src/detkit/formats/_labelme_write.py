"""A table as LabelMe's JSON files, one an image."""

from __future__ import annotations

import base64
import io
import math
import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.findings import Loss
from detkit.formats._base import WriteOptions
from detkit.formats._images import place
from detkit.formats._json_file import write_json
from detkit.formats._manifest import write_manifest
from detkit.formats._unpacked import is_unpacked
from detkit.formats._writing import (
    Outlines,
    distinct,
    edges,
    groups_of,
    image_targets,
    lost_extra,
    new_group,
    plain,
    require_pixels,
    stated_attributes,
)
from detkit.tables import Dataset, Detections

__all__ = ["write_labelme"]

#: The version of labelme whose files these are like.
_VERSION = "5.5.0"
_OWN_IMAGE = frozenset(("version", "shapes", "imagePath", "imageData", "imageHeight", "imageWidth"))
_OWN_SHAPE = frozenset(("label", "points", "shape_type", "mask", "difficult", "score", "attributes"))


def write_labelme(table: Dataset | Detections, target: Path, options: WriteOptions) -> list[Loss]:
    """Write a JSON file for each image, the images beside them, and `detkit.json`.

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
        Shares of images whose sizes are unknown, or image names that are no file names.
    """
    require_pixels(table, "LabelMe")
    names, labels, losses = distinct(table.images, ".json")
    writer = _Writer(table, options)
    for position, (name, label) in enumerate(zip(names, labels, strict=True)):
        stays = table.images.paths[position] if options.place_images == "leave" else None
        image_path = _way_to(stays, (target / label).parent, name)
        write_json(writer.document(position, image_path), target / label)
    kind = "dataset" if isinstance(table, Dataset) else "detections"
    write_manifest(target, "labelme", kind, table.categories)
    place(table.images, image_targets(table.images, names, target), options.place_images or "leave")
    if isinstance(table, Dataset):
        losses += lost_extra(table, images=False)
    return losses + writer.outlines.losses()


def _way_to(image: str | None, folder: Path, name: str) -> str:
    """How LabelMe finds an image from the folder of its JSON file: beside it, or where it was left."""
    last = PurePosixPath(name).name
    if image is None or Path(image).name != last or is_unpacked(image):
        return last
    try:
        return Path(os.path.relpath(Path(image).absolute(), folder.absolute())).as_posix()
    except ValueError:
        # Another drive: there is no way from here to there.
        return Path(image).absolute().as_posix()


class _Writer:
    """Builds the content of one file after another."""

    def __init__(self, table: Dataset | Detections, options: WriteOptions) -> None:
        self.table = table
        rows = table.annotations if isinstance(table, Dataset) else table
        self.offsets = table.offsets.tolist()
        self.edges = edges(rows.xywh).tolist()
        self.category = rows.category_index.tolist()
        self.outlines = Outlines(table, options)
        self.score = table.score.tolist() if isinstance(table, Detections) else None
        self.ignored = table.annotations.is_ignored.tolist() if isinstance(table, Dataset) else None
        self.attributes = stated_attributes(table)
        self.extra: Mapping[int, Mapping[str, Any]] = rows.extra if isinstance(table, Dataset) else {}

    def document(self, position: int, image_path: str) -> dict[str, Any]:
        """Content of the file of the image at a position."""
        images = self.table.images
        width, height = images.sizes[position].tolist()
        extra = images.extra.get(position, {}) if isinstance(self.table, Dataset) else {}
        shapes: list[dict[str, Any]] = []
        rows = range(*self.offsets[position : position + 2])
        used = groups_of(self.extra.get(row, {}).get("group_id") for row in rows)
        for row in rows:
            shapes += self._shapes(row, used)
        return {
            "version": _VERSION,
            "flags": extra.get("flags") or {},
            "shapes": shapes,
            "imagePath": image_path,
            "imageData": None,
            "imageHeight": None if math.isnan(height) else plain(height),
            "imageWidth": None if math.isnan(width) else plain(width),
            **{k: v for k, v in extra.items() if k not in _OWN_IMAGE | {"flags"}},
        }

    def _shapes(self, row: int, used: set[Any]) -> list[dict[str, Any]]:
        window = self.outlines.window(row)
        if window is not None:
            return [self._masked(row, *window)]
        rings = self.outlines.rings(row)
        if not rings:
            left, top, right, bottom = self.edges[row]
            return [self._shape(row, "rectangle", [[left, top], [right, bottom]])]
        if len(rings) == 1 and self.outlines.is_oriented(row):
            return [self._turned(row, rings[0])]
        shapes = [self._shape(row, "polygon", ring.tolist()) for ring in rings]
        if len(shapes) > 1:
            group = shapes[0]["group_id"]
            group = new_group(used) if group is None else group
            for shape in shapes:
                shape["group_id"] = group
        return shapes

    def _turned(self, row: int, ring: NDArray[np.float64]) -> dict[str, Any]:
        shape = self._shape(row, "rotation", ring.tolist())
        (x1, y1), (x2, y2) = ring[:2].tolist()
        shape.setdefault("direction", round(math.atan2(y2 - y1, x2 - x1) % (2 * math.pi), 9))
        return shape

    def _masked(self, row: int, left: int, top: int, window: NDArray[np.bool_]) -> dict[str, Any]:
        from PIL import Image

        out = io.BytesIO()
        Image.fromarray(window.astype(np.uint8) * 255).save(out, format="PNG")
        height, width = window.shape
        shape = self._shape(row, "mask", [[left, top], [left + width - 1, top + height - 1]])
        shape["mask"] = base64.b64encode(out.getvalue()).decode("ascii")
        return shape

    def _shape(self, row: int, kind: str, points: list[list[float]]) -> dict[str, Any]:
        own = self.extra.get(row, {})
        shape: dict[str, Any] = {
            "label": self.table.categories.names[self.category[row]],
            "points": [[plain(x), plain(y)] for x, y in points],
            "group_id": own.get("group_id"),
            "description": own.get("description", ""),
            "shape_type": kind,
            "flags": own.get("flags", {}),
            "mask": None,
        }
        if self.score is not None:
            shape["score"] = self.score[row]
        if self.ignored is not None and self.ignored[row]:
            shape["difficult"] = True
        attributes = self.attributes(row)
        if attributes:
            shape["attributes"] = attributes
        return shape | {k: v for k, v in own.items() if k not in _OWN_SHAPE and k not in shape}
