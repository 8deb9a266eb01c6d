"""A `Dataset` as projects of VGG Image Annotator 2."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from detkit.errors import InputError
from detkit.findings import Loss
from detkit.formats._base import WriteOptions
from detkit.formats._beside import unique_names, write_beside
from detkit.formats._images import is_inside, place_and_tell
from detkit.formats._json_text import encode
from detkit.formats._numbers import difference
from detkit.formats._text_folder import split_parts
from detkit.formats._writing import require_pixels
from detkit.tables import Dataset, Images, Shapes

__all__ = ["write_projects"]

_CLASS = "class"


def write_projects(dataset: Dataset, target: Path, options: WriteOptions) -> list[Loss]:
    """Write one project a split into an empty folder.

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
        Shares of images of unknown size, two images or two classes with one name, a class name that is blank.
    """
    require_pixels(dataset, "VIA")
    _check_classes(dataset.categories.names)
    names = unique_names(dataset.images)
    parts, losses = split_parts(dataset)
    shapes, more = _shapes(dataset, options)
    described = _attributes(dataset, losses)
    for split, members in parts.items():
        folder = target / split if split else target
        folder.mkdir(exist_ok=True)
        metadata = _metadata(dataset, names, shapes, members)
        project = {
            "_via_settings": {"project": {"name": split or "detkit"}},
            "_via_img_metadata": metadata,
            "_via_attributes": {"region": described, "file": {}},
            "_via_data_format_version": "2.0.10",
            "_via_image_id_list": list(metadata),
        }
        (folder / "via_project.json").write_bytes(encode(project) + b"\n")
    write_beside(target, "via", "dataset", dataset.images, dataset.categories)
    return [*losses, *more, *_place(dataset.images, names, parts, target, options)]


def _check_classes(names: Sequence[str]) -> None:
    if len(set(names)) < len(names) or any(not name or name != name.strip() for name in names):
        raise InputError("class names are blank, have outer blanks or are there twice", hint="rename the classes first")


def _shapes(dataset: Dataset, options: WriteOptions) -> tuple[list[dict[str, Any]], list[Loss]]:
    """The shape of each row: its polygon where it has one ring, else its box."""
    rows = dataset.annotations
    out: list[dict[str, Any]] = []
    parted = moved = 0
    kind = None if rows.shapes is None or options.shapes != "keep" else rows.shapes.kind
    for row, box in enumerate(rows.xywh.tolist()):
        rings = rows.shapes.polygons(row) if kind is not None and rows.shapes is not None else []
        if kind is not None and (len(rings) > 1 or (kind[row] == Shapes.RLE)):
            parted += 1
        if len(rings) == 1 and len(rings[0]) >= 3:
            low, high = rings[0].min(axis=0), rings[0].max(axis=0)
            moved += not np.allclose([*low, *difference(high, low)], box, rtol=0, atol=1e-6)
            xs, ys = (list(map(_number, axis)) for axis in rings[0].T.tolist())
            out.append({"name": "polygon", "all_points_x": xs, "all_points_y": ys})
        else:
            x, y, w, h = map(_number, box)
            out.append({"name": "rect", "x": x, "y": y, "width": w, "height": h})
    counted = (
        ("masks, and polygons of several parts", "turned into boxes", parted),
        ("boxes that are not the bounds of their polygon", "replaced by these when read back", moved),
    )
    return out, [Loss(what, action, count) for what, action, count in counted if count]


def _number(value: float) -> int | float:
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


def _attributes(dataset: Dataset, losses: list[Loss]) -> dict[str, Any]:
    rows = dataset.annotations
    if _CLASS in rows.attributes:
        losses.append(Loss(f"attribute `{_CLASS}`", "dropped (VIA's class has that name)", len(rows)))
    choices = dict.fromkeys(dataset.categories.names, "")
    described: dict[str, Any] = {
        _CLASS: {"type": "dropdown", "description": "", "options": choices, "default_options": {}}
    }
    for name in rows.attributes:
        described.setdefault(name, {"type": "text", "description": "", "default_value": ""})
    return described


def _metadata(
    dataset: Dataset, names: Sequence[str], shapes: Sequence[dict[str, Any]], members: Sequence[int]
) -> dict[str, Any]:
    rows = dataset.annotations
    offsets = dataset.offsets.tolist()
    category = rows.category_index.tolist()
    others = {name: values.tolist() for name, values in rows.attributes.items() if name != _CLASS}
    metadata = {}
    for i in members:
        regions = []
        for row in range(offsets[i], offsets[i + 1]):
            stated = {n: v[row] for n, v in others.items() if v[row] is not None and v[row] == v[row] and v[row] != ""}
            attributes = {_CLASS: dataset.categories.names[category[row]], **stated}
            regions.append({"shape_attributes": shapes[row], "region_attributes": attributes})
        path = dataset.images.paths[i]
        size = Path(path).stat().st_size if path is not None and Path(path).is_file() else -1
        own = dataset.images.extra.get(i, {}).get("file_attributes")
        metadata[f"{names[i]}{size}"] = {
            "filename": names[i],
            "size": size,
            "regions": regions,
            "file_attributes": own if isinstance(own, dict) else {},
        }
    return metadata


def _place(
    images: Images, names: Sequence[str], parts: dict[str, list[int]], target: Path, options: WriteOptions
) -> list[Loss]:
    pairs = [
        (i, (target / split if split else target) / names[i])
        for split, members in parts.items()
        for i in members
        if is_inside(names[i])
    ]
    mode = options.place_images or "leave"
    return place_and_tell(images, pairs, mode, "not found, not placed", also_all=True)
