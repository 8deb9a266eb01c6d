"""Hugging Face's records as rows."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

from detkit.errors import InputError, MissingExtraError
from detkit.findings import Finding
from detkit.formats._base import Kind, Probe, ReadOptions
from detkit.formats._collect import Collector, Item
from detkit.formats._huggingface_files import (
    PARQUET,
    Record,
    class_names,
    data_files,
    has_boxes,
    records,
    split_of,
    starts_with_a_line,
)
from detkit.formats._images import SUFFIXES, displayed_size, is_inside
from detkit.formats._json_file import as_number, as_numbers
from detkit.formats._manifest import Manifest, ids_of, read_manifest, table_of_images
from detkit.formats._shard_pictures import Unpacker
from detkit.formats._sidecar import IMAGES_TABLE
from detkit.tables import Categories, Dataset, Detections, id_array

__all__ = ["CATEGORY", "probe", "read_huggingface", "read_scored"]

_SAMPLE = 5
#: What datasets of the Hub call the class of an object.
CATEGORY = ("category", "categories", "category_id", "label", "labels", "class")
_BOX = ("bbox", "bboxes", "box", "boxes")
SCORE = "score"
_OWN = frozenset((*CATEGORY, *_BOX, "id", "bbox_id", "area", "iscrowd", "is_crowd", "segmentation"))


@dataclass(frozen=True)
class _Image:
    """One record with what its file says of it."""

    file: Path
    record: Record
    name: str
    split: str | None
    path: str | None
    size: tuple[float, float] | None
    has_picture: bool


def probe(path: Path, kind: Kind) -> Probe:
    """Whether a path is Hugging Face's, and why or why not."""
    if path.is_file() and path.suffix.lower() not in (".jsonl", ".csv", PARQUET):
        return Probe(False, f"a `{path.suffix or 'suffixless'}` file, expected .jsonl, .csv, .parquet or a folder")
    files = data_files(path)[:_SAMPLE]
    if not files:
        return Probe(False, "no `metadata.jsonl`, `metadata.csv` or .parquet file")
    for file in files:
        manifest = read_manifest(file.parent, "huggingface")
        if manifest is not None:
            return Probe(manifest.kind == kind, f"detkit.json says this is a Hugging Face folder ({manifest.kind})")
        try:
            fits = _fits(file) and (kind == "dataset" or _has_scores(file))
        except MissingExtraError:
            return Probe(kind == "dataset", "Parquet; its columns were not looked at without `pyarrow`")
        except InputError as error:
            return Probe(False, str(error).splitlines()[0])
        if fits:
            return Probe(True, "records of images with `objects` that have a `bbox`")
    wanted = "a `bbox`" if kind == "dataset" else "a `bbox` and a `score`"
    return Probe(False, f"`{files[0].name}` has no images with `objects` that have {wanted}")


def _has_scores(file: Path) -> bool:
    """Whether the objects of the first records have a score."""
    if file.suffix.lower() == PARQUET:
        return has_boxes(file, (SCORE,))
    first = [r for r in islice(records(file), _SAMPLE) if isinstance(r, Record)]
    return any(SCORE in row for r in first for row in _rows_of(r.value.get("objects")) or ())


def _fits(file: Path) -> bool:
    """Whether the first record of a text, or the columns of a shard, are ours; nothing large is read."""
    if file.suffix.lower() == PARQUET:
        return has_boxes(file, _BOX)
    if not starts_with_a_line(file):
        return False
    first = next(iter(records(file)), None)
    if not isinstance(first, Record) or _rows_of(first.value.get("objects")) is None:
        return False
    return any(first.value.get(key) is not None for key in ("file_name", "image_id"))


def _rows_of(objects: Any) -> list[Any] | None:
    """Objects one by one, from lists of their fields or from a list of them; None where there are no boxes."""
    if isinstance(objects, list):
        fits = all(isinstance(row, dict) and any(key in row for key in _BOX) for row in objects)
        return objects if fits else None
    if not isinstance(objects, dict):
        return None
    count = next((len(objects[key]) for key in _BOX if isinstance(objects.get(key), list)), None)
    if count is None:
        return None
    lists = {k: v for k, v in objects.items() if isinstance(v, list) and len(v) == count}
    return [{key: values[n] for key, values in lists.items()} for n in range(count)]


def read_huggingface(path: Path, options: ReadOptions) -> Dataset:
    """Everything in the files at a path; see `huggingface.read`."""
    collected, stated = _collected(path, options)
    area = [row.extra.get("area", row.xywh[2] * row.xywh[3]) for row in collected.rows]
    ids = [row.extra.get("id") for row in collected.rows]
    for row in collected.rows:
        row.extra = {}
    known = None not in ids and len(set(ids)) == len(ids) and bool(ids)
    return collected.dataset(stated, area=area, ids=id_array(ids) if known else None)


def read_scored(path: Path, options: ReadOptions) -> Detections:
    """The objects that have a score; see `huggingface.read_detections`."""
    collected, stated = _collected(path, options)
    return collected.detections(stated)


def _collected(path: Path, options: ReadOptions) -> tuple[Collector, Categories | tuple[str, ...] | None]:
    root = path if path.is_dir() else path.parent
    files = data_files(path)
    manifest = read_manifest(root, "huggingface") if path.is_dir() else None
    collected = Collector(path, "huggingface", options, (root,))
    names, source = class_names(files, root) if options.names is None else (options.names, None)
    found = [image for file in files for image in _images(collected, file, root, manifest)]
    if not collected.sources:
        raise InputError("no records of images with `objects` that have a `bbox`", path=path)
    collected.sources += [] if source is None or source in collected.sources else [source]
    _add_all(collected, found, root, manifest, names)
    if collected.rows and not names and all(row.name.isdigit() for row in collected.rows):
        message = "classes are numbers and no ClassLabel names them: the numbers are taken as names"
        collected.findings.append(Finding("DK107", message, file=str(path)))
    collected.keep_split(options.split)
    stated = manifest.categories if manifest is not None else None
    return collected, stated or names or None


def _images(collected: Collector, file: Path, root: Path, manifest: Manifest | None) -> Iterator[_Image]:
    """Records of a file that are images."""
    stated = manifest.content.get("splits") if manifest is not None else None
    split = split_of(file, root, stated if isinstance(stated, list) else None)
    options = collected.options
    unpacker = Unpacker(file) if options.unpack_images and (options.with_extra or options.find_images) else None
    for record in records(file, pictures=unpacker is not None):
        if isinstance(record, str):
            collected.bad(record, file)
            continue
        value = record.value
        if _rows_of(value.get("objects")) is None:
            collected.bad(f"row {record.number}: no `objects` with a list `bbox`", file)
            continue
        text = value.get("file_name") or value.get("image_id")
        name = str(f"{split or file.stem}-{record.number}" if text in (None, "") else text).replace("\\", "/")
        name = name if is_inside(name) else PurePosixPath(name).name
        beside = file.parent / name
        if not collected.sources or collected.sources[-1] != file:
            collected.sources.append(file)
        size = _size(record, collected.options)
        path = str(beside) if beside.is_file() else None
        if path is None and record.picture is not None and unpacker is not None:
            path = unpacker.unpack(record.picture, record.number, name)
            if PurePosixPath(name).suffix.lower() not in SUFFIXES:
                # A picture that stands by itself needs a suffix: it is written under this name.
                name += PurePosixPath(path).suffix
        elif path is None and record.picture is not None and options.with_extra:
            collected.skipped["pictures in the shards (`--place-images copy` writes them)"] += 1
        # The picture itself is let go: a shard's pictures need not fit into memory.
        yield _Image(file, replace(record, picture=None), name, split, path, size, record.picture is not None)


def _add_all(
    collected: Collector, found: list[_Image], root: Path, manifest: Manifest | None, names: tuple[str, ...]
) -> None:
    """All images: those that detkit's table lists first, in its order and with its ids."""
    rows = table_of_images(root) if manifest is not None else []
    order = {row.name or row.file: n for n, row in enumerate(rows)}
    ids: list[Any] = []
    for image in sorted(found, key=lambda i: order.get(i.name, len(order))):
        name = image.name
        if name in collected.positions and image.split:
            name = f"{image.split}/{name}"
        is_new = name not in collected.positions
        path = image.path or (None if image.has_picture else collected.finder.find(name))
        position = collected.image(name, image.size, path, image.split)
        if is_new:
            ids.append(image.record.value.get("image_id"))
        _add_objects(collected, position, image, names)
    if manifest is not None and rows:
        collected.sources += [manifest.path, root / IMAGES_TABLE]
        own = ids_of(rows, manifest)
        collected.ids = own if own is not None and len(own) == len(collected.names) else None
    elif ids and all(type(i) in (int, str) for i in ids) and len(set(ids)) == len(ids):
        collected.ids = ids


def _size(record: Record, options: ReadOptions) -> tuple[float, float] | None:
    width, height = as_number(record.value.get("width")), as_number(record.value.get("height"))
    if width and height and width > 0 and height > 0:
        return width, height
    if record.picture is None or not options.read_sizes:
        return None
    try:
        return displayed_size(io.BytesIO(record.picture))  # type: ignore[arg-type]
    except InputError:
        return None


def _add_objects(collected: Collector, position: int, image: _Image, names: tuple[str, ...]) -> None:
    name = collected.names[position]
    for number, row in enumerate(_rows_of(image.record.value["objects"]) or ()):
        item = _item(row, names)
        if isinstance(item, str):
            place = f"row {image.record.number}, objects[{number}]"
            collected.bad(f"{place}: {item}", image.file, image=name, annotation=number)
            continue
        if row.get("segmentation"):
            collected.skipped["`segmentation` of objects"] += 1
        collected.suspicious(item, image.file, image=name, annotation=number)
        collected.add(position, item)


def _item(row: Mapping[str, Any], names: tuple[str, ...]) -> Item | str:
    box = as_numbers(next((row[key] for key in _BOX if key in row), None), 4)
    if box is None:
        return "`bbox` is not four finite numbers x, y, width, height"
    stated = next((row[key] for key in CATEGORY if row.get(key) is not None), None)
    name = _class(stated, names)
    if name is None:
        return f"category `{stated}`, expected a name or a number below {len(names)}"
    item = Item(name, (box[0], box[1], box[2], box[3]))
    score = as_number(row.get(SCORE))
    item.score = float("nan") if score is None else score
    item.is_crowd = bool(row.get("iscrowd") or row.get("is_crowd"))
    item.attributes = {k: v for k, v in row.items() if k not in _OWN and v is not None}
    area, own = as_number(row.get("area")), row.get("id", row.get("bbox_id"))
    kept: dict[str, Any] = {} if area is None else {"area": area}
    item.extra = kept | ({"id": own} if type(own) in (int, str) else {})
    return item


def _class(stated: Any, names: tuple[str, ...]) -> str | None:
    if isinstance(stated, str):
        return stated or None
    if type(stated) is not int or stated < 0 or (names and stated >= len(names)):
        return None
    return names[stated] if names else str(stated)
