"""Create ML's JSON files as rows, and back."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from detkit.errors import InputError
from detkit.findings import Finding, Loss
from detkit.formats._base import Kind, Probe, ReadOptions, WriteOptions
from detkit.formats._collect import Collector, Item
from detkit.formats._image_names import image_names
from detkit.formats._images import is_inside, place
from detkit.formats._json_file import as_numbers, names_in, read_json, read_many, write_json
from detkit.formats._labelme_read import json_below
from detkit.formats._manifest import read_manifest
from detkit.formats._text_folder import KnownImages, first_splits, write_text_sidecar
from detkit.formats._writing import plain, require_pixels
from detkit.tables import Categories, Dataset

__all__ = ["probe", "read_createml", "write_createml"]

_SPLITS = frozenset(("train", "val", "valid", "validation", "test"))
_SIDES = ("x", "y", "width", "height")
_SAMPLE = 5
_FILE = "_annotations.createml.json"


def probe(path: Path, kind: Kind) -> Probe:
    """Whether a path is Create ML's JSON, and why or why not."""
    if kind == "detections":
        return Probe(False, "holds labelled data only")
    if path.is_file():
        if path.suffix.lower() != ".json":
            return Probe(False, f"a `{path.suffix or 'suffixless'}` file, expected .json or a folder with one")
        files = [path]
    else:
        files = [file for _, file in json_below(path)[:_SAMPLE]]
        if read_manifest(path, "createml") is not None:
            return Probe(True, "detkit.json says this is a Create ML folder")
    if not files:
        return Probe(False, "no .json file in the folder")
    for file in files:
        names = names_in(file)
        if names is not None and not names & {"image", "imagefilename"}:
            continue
        try:
            if is_createml(read_json(file)):
                return Probe(True, "a list of images with labels and centre coordinates")
        except InputError:
            continue
    return Probe(False, f"`{files[0].name}` is no list of objects with `image` and `annotations`")


def is_createml(value: Any) -> bool:
    """Whether a JSON value is a list of images with annotations of a label and coordinates."""
    if not isinstance(value, list) or not value:
        return False
    fitting = 0
    for record in value:
        if not isinstance(record, dict) or "data" in record or _image_of(record) is None:
            return False
        rows = _rows_of(record)
        if rows is None:
            return False
        fitting += not rows or any(isinstance(r, dict) and isinstance(r.get("coordinates"), dict) for r in rows)
    return 2 * fitting > len(value)


def _image_of(record: Mapping[str, Any]) -> str | None:
    name = next((record[k] for k in ("image", "imagefilename") if isinstance(record.get(k), str)), None)
    return name or None


def _rows_of(record: Mapping[str, Any]) -> list[Any] | None:
    return next((record[k] for k in ("annotations", "annotation") if isinstance(record.get(k), list)), None)


def read_createml(path: Path, options: ReadOptions) -> tuple[Collector, Categories | None]:
    """Everything in Create ML's files at a path, and the classes that `detkit.json` lists.

    Parameters
    ----------
    path : Path
        A JSON file, or a folder with such files (one a split).
    options : ReadOptions

    Returns
    -------
    collected : Collector
    stated : Categories or None

    Raises
    ------
    InputError
        No file of Create ML's.
    """
    root = path if path.is_dir() else path.parent
    found = json_below(path) if path.is_dir() else [(path.name, path)]
    folders = [folder for _, file in found for folder in (file.parent, file.parent / "images")]
    collected = Collector(path, "createml", options, (*folders, root))
    known = KnownImages(collected, root if path.is_dir() else path, "createml")
    first = ""
    for (name, file), value in zip(found, read_many([f for _, f in found], options.jobs), strict=True):
        if isinstance(value, InputError):
            message = value.message.removeprefix(f"{file}: ")
            collected.findings.append(Finding("DK101", message, file=str(file)))
            first = first or f"; {file.name}: {message}"
        elif isinstance(value, list) and (is_createml(value) or (not value and known.manifest is not None)):
            collected.sources.append(file)
            top = name.partition("/")[0] if "/" in name else ""
            split = top if top and (known.manifest is not None or top.lower() in _SPLITS) else None
            _add_file(collected, known, file, value, split)
    if not any(file in collected.sources for _, file in found):
        raise InputError(f"no list of objects with `image` and `annotations`{first}", path=path)
    _warn_of_shares(collected)
    known.finish()
    return collected, known.categories


def _add_file(collected: Collector, known: KnownImages, file: Path, records: list[Any], split: str | None) -> None:
    for number, record in enumerate(records):
        stated = _image_of(record) or ""
        name = stated.replace("\\", "/")
        name = name if is_inside(name) else name.rpartition("/")[2]
        position = known.position(name, split or "")
        if split is not None:
            collected.splits.setdefault(split, []).append(position)
        for row, value in enumerate(_rows_of(record) or ()):
            item = _item(value)
            place_of = f"[{number}].annotations[{row}]"
            if isinstance(item, str):
                collected.bad(f"{place_of}: {item}", file, image=name, annotation=row)
                continue
            collected.suspicious(item, file, image=name, annotation=row)
            collected.add(position, item)


def _item(value: Any) -> Item | str:
    if not isinstance(value, dict) or not isinstance(value.get("label"), str) or not value["label"]:
        return "`label` is missing or no text"
    stated = value.get("coordinates")
    numbers = as_numbers([stated.get(side) for side in _SIDES], 4) if isinstance(stated, dict) else None
    if numbers is None:
        return "`coordinates` has not the finite numbers `x`, `y`, `width`, `height`"
    cx, cy, width, height = numbers
    return Item(value["label"], (_low(cx, width), _low(cy, height), width, height))


def _low(centre: float, size: float) -> float:
    """The edge at half the size before a centre; a number of 9 decimals where rounding noise alone sets it apart."""
    low = centre - size / 2
    near = round(low, 9)
    return near if abs(low - near) <= 4 * float(np.spacing(max(abs(centre), abs(size)))) else low


def _warn_of_shares(collected: Collector) -> None:
    if collected.rows and all(max(map(abs, row.xywh)) <= 1.5 for row in collected.rows):
        message = "all coordinates are below 1.5; Create ML holds pixels and they are taken as such, not as shares"
        collected.findings.append(Finding("DK107", message, file=str(collected.path)))


def write_createml(dataset: Dataset, target: Path, options: WriteOptions) -> list[Loss]:
    """Write a JSON file beside the images, in a folder for each split, and what it cannot say.

    Parameters
    ----------
    dataset : Dataset
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
    require_pixels(dataset, "Create ML")
    names, losses = image_names(dataset.images)
    rows = dataset.annotations
    xywh, category, offsets = rows.xywh.tolist(), rows.category_index.tolist(), dataset.offsets.tolist()
    split, doubled = first_splits(dataset)
    files: dict[Path, list[dict[str, Any]]] = {target: []} if not split else {}
    images = []
    for position, name in enumerate(names):
        folder = target / split[position] if position in split else target
        own = range(*offsets[position : position + 2])
        annotations = [
            {"label": dataset.categories.names[category[row]], "coordinates": _centred(xywh[row])} for row in own
        ]
        files.setdefault(folder, []).append({"image": name, "annotations": annotations})
        images.append((position, folder / name))
    for folder, records in files.items():
        write_json(records, folder / _FILE)
    write_text_sidecar(target, "createml", "dataset", dataset.images, names, dataset.categories)
    place(dataset.images, images, options.place_images or "leave")
    if doubled:
        losses.append(Loss("images in several splits", "written with the first one only", doubled))
    return losses


def _centred(xywh: list[float]) -> dict[str, float]:
    """Centre and size, the centre computed in decimal."""
    x, y, width, height = (Decimal(repr(v)) for v in xywh)
    centre = (float(x + width / 2), float(y + height / 2))
    return dict(zip(_SIDES, (plain(v) for v in (*centre, xywh[2], xywh[3])), strict=True))
