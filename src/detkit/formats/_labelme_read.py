"""LabelMe's JSON files as rows."""

from __future__ import annotations

import os
from collections.abc import Mapping
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.errors import InputError
from detkit.files import FOLDER_MARK
from detkit.findings import Finding
from detkit.formats._base import Kind, Probe, ReadOptions
from detkit.formats._collect import Collector, Item
from detkit.formats._images import SUFFIXES, is_inside
from detkit.formats._json_file import as_number, as_points, names_in, read_json, read_many
from detkit.formats._manifest import Manifest, read_manifest
from detkit.formats._mask_windows import rle_of_window
from detkit.formats._turned import bounds
from detkit.tables import Categories
from detkit.wording import examples

__all__ = ["json_below", "probe", "read_labelme"]

_SAMPLE = 20
_SPLITS = frozenset(("train", "val", "valid", "validation", "test"))
_IMAGE_FIELDS = frozenset(
    ("version", "flags", "shapes", "imagePath", "imageData", "imageHeight", "imageWidth", "lineColor", "fillColor")
)
_SHAPE_FIELDS = frozenset(("label", "points", "shape_type", "mask", "difficult", "score", "attributes"))
#: Stated by the tools whether there is something to say or not; other fields that are empty are kept.
_OFTEN_EMPTY = frozenset(("group_id", "description", "flags", "kie_linking", "line_color", "fill_color"))
#: Shapes that are no region: nothing is boxed by them.
_NO_REGION = frozenset(("point", "points", "line", "linestrip"))
_ORIENTED = frozenset(("rotation", "oriented_rectangle"))


def probe(path: Path, kind: Kind) -> Probe:
    """Whether a path is LabelMe's JSON, and why or why not."""
    if path.is_file():
        if path.suffix.lower() != ".json":
            return Probe(False, f"a `{path.suffix or 'suffixless'}` file, expected a .json file or a folder of them")
        files = [path]
    else:
        files = list(islice((file for _, file in json_below(path)), _SAMPLE))
        if not files:
            return Probe(False, "no .json file in the folder")
        manifest = read_manifest(path, "labelme")
        if manifest is not None and manifest.kind in ("dataset", "detections"):
            return Probe(manifest.kind == kind, f"detkit.json says this is a LabelMe folder ({manifest.kind})")
    ours = [value for value in map(_glance, files) if is_labelme(value)]
    if not ours:
        return Probe(False, f"`{files[0].name}` has no list `shapes` beside `imagePath`")
    if kind == "dataset":
        return Probe(True, "JSON with `shapes` and `imagePath`")
    scored = any(as_number(s.get("score")) is not None for v in ours for s in v["shapes"] if isinstance(s, dict))
    return Probe(scored, "shapes with a `score`" if scored else "shapes without `score`: this looks like a truth")


def is_labelme(value: Any) -> bool:
    """Whether a JSON value is one of LabelMe's files."""
    return isinstance(value, dict) and isinstance(value.get("shapes"), list) and "imagePath" in value


def json_below(folder: Path) -> list[tuple[str, Path]]:
    """Relative name and path of each JSON file below a folder but detkit's own, sorted."""
    found = []
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        for name in names:
            if name.lower().endswith(".json") and not name.startswith(".") and name != FOLDER_MARK:
                path = Path(root, name)
                found.append((path.relative_to(folder).as_posix(), path))
    return sorted(found)


def _glance(file: Path) -> Any:
    """The value of a file; None of one that cannot be read, or that is large and another format's by its names."""
    names = names_in(file)
    if names is not None and not {"shapes", "imagePath"} <= names:
        return None
    try:
        return read_json(file)
    except InputError:
        return None


def read_labelme(path: Path, options: ReadOptions) -> tuple[Collector, Categories | None]:
    """Everything in LabelMe's files at a path, and the classes that `detkit.json` lists.

    Parameters
    ----------
    path : Path
        A JSON file, or a folder with such files at any depth.
    options : ReadOptions

    Returns
    -------
    collected : Collector
    stated : Categories or None

    Raises
    ------
    InputError
        No file of LabelMe's, or none that can be read.
    """
    root = path if path.is_dir() else path.parent
    found = json_below(path) if path.is_dir() else [(path.name, path)]
    collected = Collector(path, "labelme", options, (root, root.parent / "images"))
    readable = 0
    for (name, file), value in zip(found, read_many([f for _, f in found], options.jobs), strict=True):
        if isinstance(value, InputError):
            message = str(value.message).removeprefix(f"{file}: ")
            collected.findings.append(Finding("DK101", message, file=str(file)))
        elif is_labelme(value):
            readable += 1
            collected.sources.append(file)
            _add_file(collected, name, file, value)
        else:
            collected.skipped["JSON files that are not LabelMe's"] += 1
    if not readable:
        first = next((f"; {f.where}: {f.message}" for f in collected.findings if f.code == "DK101"), "")
        raise InputError(
            f"no LabelMe file (an object with `shapes` and `imagePath`) among {len(found)}{first}", path=path
        )
    manifest = read_manifest(root, "labelme") if path.is_dir() else None
    return collected, _stated(collected, manifest)


def _stated(collected: Collector, manifest: Manifest | None) -> Categories | None:
    if manifest is None:
        return None
    collected.sources.append(manifest.path)
    return manifest.categories


def _add_file(collected: Collector, name: str, file: Path, value: Mapping[str, Any]) -> None:
    width, height = as_number(value.get("imageWidth")), as_number(value.get("imageHeight"))
    size = (width, height) if width and height and width > 0 and height > 0 else None
    image_name, image_path = _image_of(collected, name, file, value.get("imagePath"))
    parts = PurePosixPath(name).parts
    split = parts[0] if len(parts) > 1 and parts[0].lower() in _SPLITS else None
    position = collected.image(image_name, size, image_path, split)
    extra = {k: v for k, v in value.items() if k not in _IMAGE_FIELDS}
    if value.get("flags"):
        extra["flags"] = value["flags"]
    if extra:
        collected.image_extra[position] = extra
    groups: dict[tuple[str, Any], Item] = {}
    for number, shape in enumerate(value["shapes"]):
        item = _item(collected, file, number, shape, size)
        if item is None:
            continue
        if not _joined(groups, item, shape):
            collected.add(position, item)
            collected.suspicious(item, file, image=image_name, annotation=number)
    collected.findings += _grouped(groups, file)


def _image_of(collected: Collector, name: str, file: Path, stated: Any) -> tuple[str, str | None]:
    """Name of the image in the dataset, and its file: as stated from the JSON file's folder, else found elsewhere."""
    here = PurePosixPath(name).parent
    text = stated.replace("\\", "/") if isinstance(stated, str) else ""
    last = PurePosixPath(text).name
    if not last:
        stem = PurePosixPath(name).with_suffix("")
        found = collected.finder.find(stem.as_posix())
        return (f"{stem}{Path(found).suffix}" if found else f"{stem}", found)
    joined = os.path.normpath(f"{here}/{text}") if is_inside_drive(text) else ".."
    # Outside the dataset a path says nothing that lasts: the name goes beside the JSON file.
    own = joined if is_inside(joined) else (here / last).as_posix()
    direct = file.parent / text
    if is_inside_drive(text) and direct.suffix.lower() in SUFFIXES and direct.is_file():
        return own, str(direct)
    found = collected.finder.find(own) or collected.finder.find(PurePosixPath(name).with_suffix("").name)
    return own, found


def is_inside_drive(text: str) -> bool:
    """Whether a path is relative; `..` is allowed, a drive or a root is not."""
    return not (text.startswith("/") or (len(text) > 1 and text[1] == ":"))


def _item(collected: Collector, file: Path, number: int, shape: Any, size: tuple[float, float] | None) -> Item | None:
    """One shape, or None where it has no box; the reason is reported."""

    def bad(message: str) -> Item | None:
        collected.bad(f"shapes[{number}]: {message}", file, annotation=number)
        return None

    if not isinstance(shape, dict):
        return bad("not an object")
    label = shape.get("label")
    if not isinstance(label, str) or not label:
        return bad("`label` is missing or no text")
    kind = shape.get("shape_type") or "polygon"
    if not isinstance(kind, str):
        return bad("`shape_type` is no text")
    if kind in _NO_REGION:
        collected.skipped[f"shapes of type `{kind}`"] += 1
        return None
    points = as_points(shape.get("points"))
    if points is None or len(points) < (2 if kind in ("rectangle", "circle", "mask") else 3):
        return bad(f"`points` of a {kind} is not a list of enough finite x, y")
    item = _shaped(collected, kind, points, shape, size)
    if item is None:
        return bad(f"shape of type `{kind}`, expected rectangle, polygon, circle, mask or rotation")
    item.name = label
    item.is_ignored = shape.get("difficult") is True
    score = as_number(shape.get("score"))
    item.score = float("nan") if score is None else score
    attributes = shape.get("attributes")
    if isinstance(attributes, dict):
        item.attributes = {str(k): v for k, v in attributes.items() if v is not None}
    if collected.options.with_extra:
        item.extra = {k: v for k, v in shape.items() if k not in _SHAPE_FIELDS and not _says_nothing(k, v)}
    return item


def _says_nothing(name: str, value: Any) -> bool:
    return name in _OFTEN_EMPTY and value in (None, "", [], {})


def _shaped(
    collected: Collector, kind: str, points: NDArray[np.float64], shape: Mapping[str, Any], size: Any
) -> Item | None:
    if kind == "rectangle":
        return Item("", bounds(points))
    if kind == "circle":
        radius = float(np.hypot(*(points[1] - points[0])))
        x, y = points[0].tolist()
        collected.from_shapes += 1
        return Item("", (x - radius, y - radius, 2 * radius, 2 * radius))
    if kind == "mask":
        return _masked(points, shape.get("mask"), size)
    if kind == "polygon" or kind in _ORIENTED:
        return Item("", bounds(points), [points.ravel().tolist()], is_oriented=kind in _ORIENTED and len(points) == 4)
    return None


def _masked(points: NDArray[np.float64], encoded: Any, size: tuple[float, float] | None) -> Item:
    """A mask's box (its corners are pixels, both inside), and its run lengths where the image's size is known."""
    left, top = (int(v) for v in points.min(axis=0))
    right, bottom = (int(v) for v in points.max(axis=0))
    item = Item("", (float(left), float(top), float(right - left + 1), float(bottom - top + 1)))
    window = _decoded(encoded)
    if window is not None and size is not None:
        item.shape = rle_of_window(window, left, top, int(size[0]), int(size[1]))
    return item


def _decoded(encoded: Any) -> NDArray[np.bool_] | None:
    import base64
    import io

    from PIL import Image

    if not isinstance(encoded, str):
        return None
    try:
        with Image.open(io.BytesIO(base64.b64decode(encoded))) as image:
            return np.asarray(image.convert("L")) > 0
    except MemoryError:
        raise
    except Exception:  # a damaged picture makes Pillow's plugins raise nearly anything
        return None


def _joined(groups: dict[tuple[str, Any], Item], item: Item, shape: Mapping[str, Any]) -> bool:
    """Whether a polygon was added to an earlier one of the same label and group."""
    group = shape.get("group_id")
    if not isinstance(group, (int, str)) or isinstance(item.shape, dict) or item.shape is None or item.is_oriented:
        return False
    first = groups.setdefault((item.name, group), item)
    if first is item:
        return False
    first.shape = [*first.shape, *item.shape]
    first.xywh = bounds(np.array([v for ring in first.shape for v in ring], np.float64).reshape(-1, 2))
    return True


def _grouped(groups: Mapping[tuple[str, Any], Item], file: Path) -> list[Finding]:
    several = [name for (name, _), item in groups.items() if len(item.shape) > 1]
    if not several:
        return []
    message = f"polygons with the same label and `group_id` are read as parts of one object: {examples(several)}"
    return [Finding("DK107", message, file=str(file), count=len(several))]
