"""A `Dataset` as a VOC folder: Annotations, ImageSets, JPEGImages, `classes.txt` and a manifest."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

from detkit.errors import InputError
from detkit.files import write_small
from detkit.findings import Loss, examples
from detkit.formats._base import WriteOptions
from detkit.formats._images import place
from detkit.formats._voc_manifest import write_manifest
from detkit.formats._voc_names import image_names, image_stems
from detkit.formats._voc_numbers import corner_texts, number_text
from detkit.tables import Dataset

__all__ = ["write_xml_dataset"]

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TAG = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*$")
#: Elements that are written from columns; a field of the same name would say it twice.
_OWN_IMAGE = frozenset(("filename", "folder", "path", "size", "object", "depth"))
_OWN_OBJECT = frozenset(("name", "bndbox", "difficult", "truncated", "occluded", "pose", "polygon"))


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
    _require_sizes(dataset)
    stems, losses = image_stems(dataset.images)
    names, _ = image_names(dataset.images)
    _check_texts(dataset, names)
    losses += _lost_fields(dataset) + _changed_attributes(dataset) + _same_names(dataset)
    writer = _Writer(dataset, options)
    folder = target / "Annotations"
    folder.mkdir(exist_ok=True)
    made = {""}
    for position, stem in enumerate(stems):
        below = stem.rpartition("/")[0]
        if below not in made:
            (folder / below).mkdir(parents=True, exist_ok=True)
            made.add(below)
        write_small(f"{folder}/{stem}.xml", writer.document(position, names[position]).encode())
    _write_splits(dataset, stems, target)
    text = "".join(f"{name}\n" for name in dataset.categories.names)
    (target / "classes.txt").write_text(text, encoding="utf-8", newline="\n")
    write_manifest(target, "dataset", dataset.categories)
    mode = options.place_images or "leave"
    if mode != "leave":
        place(dataset.images, ((i, target / "JPEGImages" / name) for i, name in enumerate(names)), mode)
    return losses


def _require_sizes(dataset: Dataset) -> None:
    unknown = np.flatnonzero(np.isnan(dataset.images.sizes).any(axis=1)).tolist()
    if unknown:
        shown = examples([dataset.images.file_names[i] or str(dataset.images.ids[i]) for i in unknown])
        raise InputError(
            f"the size of {len(unknown)} images is unknown, VOC XML states it: {shown}",
            hint="give the images with `--images DIR`, or the sizes with `--image-sizes FILE`",
        )


def _check_texts(dataset: Dataset, names: list[str]) -> None:
    for kind, texts in (("class name", dataset.categories.names), ("image name", names)):
        for text in texts:
            if _NOT_XML.search(text) or "\n" in text or "\r" in text or not text.strip():
                raise InputError(f"{kind} {text!r} cannot be written: it is blank or has control characters")


def _same_names(dataset: Dataset) -> list[Loss]:
    doubled = [name for name, count in Counter(dataset.categories.names).items() if count > 1]
    return [Loss("classes with the same name", "merged", len(doubled), tuple(doubled[:3]))] if doubled else []


def _lost_fields(dataset: Dataset) -> list[Loss]:
    """Unknown fields that are no text: only text, and nested text, has a place in VOC XML."""
    losses = []
    groups: tuple[tuple[str, Mapping[int, Mapping[str, Any]], frozenset[str]], ...] = (
        ("image", dataset.images.extra, _OWN_IMAGE - {"depth"}),
        ("annotation", dataset.annotations.extra, _OWN_OBJECT),
    )
    for what, extra, own in groups:
        lost = Counter(k for fields in extra.values() for k, v in fields.items() if not _is_writable(k, v, own))
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


def _is_writable(tag: Any, value: Any, own: frozenset[str] = frozenset()) -> bool:
    if not isinstance(tag, str) or tag in own or not _TAG.match(tag) or tag[:3].lower() == "xml":
        return False
    if isinstance(value, str):
        return _NOT_XML.search(value) is None
    if isinstance(value, list):
        return bool(value) and all(not isinstance(v, list) and _is_writable(tag, v) for v in value)
    return isinstance(value, Mapping) and bool(value) and all(_is_writable(k, v) for k, v in value.items())


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


_DOCUMENT = """<annotation>
\t<folder>JPEGImages</folder>
\t<filename>%s</filename>
%s\t<size>
\t\t<width>%s</width>
\t\t<height>%s</height>
\t\t<depth>%s</depth>
\t</size>
%s</annotation>
"""
_OBJECT = """\t<object>
\t\t<name>%s</name>
\t\t<pose>%s</pose>
\t\t<truncated>%s</truncated>
%s\t\t<difficult>%d</difficult>
\t\t<bndbox>
\t\t\t<xmin>%s</xmin>
\t\t\t<ymin>%s</ymin>
\t\t\t<xmax>%s</xmax>
\t\t\t<ymax>%s</ymax>
\t\t</bndbox>
%s\t</object>
"""


class _Writer:
    """Builds the XML text of one image after another."""

    def __init__(self, dataset: Dataset, options: WriteOptions) -> None:
        self.dataset = dataset
        rows = dataset.annotations
        xywh: NDArray[np.float64] = rows.xywh
        if dataset.units == "normalised":
            from detkit import boxes

            xywh = boxes.denormalise(xywh, dataset.images.sizes[rows.image_index])
        self.corners = corner_texts(xywh, options.voc_offset)
        self.names = [escape(name) for name in dataset.categories.names]
        dropped = np.zeros(len(rows), np.bool_)
        if options.crowds == "drop":
            dropped |= rows.is_crowd
        if options.shapes == "drop" and rows.shapes is not None:
            dropped |= (rows.shapes.kind == rows.shapes.RLE) | (rows.shapes.rings.lengths() > 0)
        difficult = rows.is_ignored | (rows.is_crowd if options.crowds == "difficult" else False)
        self.dropped, self.difficult = dropped.tolist(), difficult.tolist()
        self.category = rows.category_index.tolist()
        self.extra = rows.extra
        self.sizes, self.offsets = dataset.images.sizes.tolist(), dataset.offsets.tolist()
        self.attributes = {k: rows.attributes[k] for k in ("pose", "truncated", "occluded") if k in rows.attributes}

    def document(self, position: int, name: str) -> str:
        """XML of the image at a position."""
        width, height = self.sizes[position]
        extra = self.dataset.images.extra.get(position, {})
        depth = extra.get("depth")
        start, stop = self.offsets[position : position + 2]
        objects = [self._object(row) for row in range(start, stop) if not self.dropped[row]]
        return _DOCUMENT % (
            escape(name),
            "".join(f"{line}\n" for line in _fields(extra, 1, _OWN_IMAGE)) if extra else "",
            number_text(width),
            number_text(height),
            escape(depth) if isinstance(depth, str) else 3,
            "".join(objects),
        )

    def _object(self, row: int) -> str:
        pose, truncated, occluded = "Unspecified", "0", ""
        if self.attributes:
            stated = str(self.attributes["pose"][row] or "") if "pose" in self.attributes else ""
            pose = escape(_NOT_XML.sub("?", stated)) or pose
            truncated = self._flag("truncated", row) or truncated
            flag = self._flag("occluded", row)
            occluded = "" if flag is None else f"\t\t<occluded>{flag}</occluded>\n"
        extra = self.extra.get(row)
        return _OBJECT % (
            self.names[self.category[row]],
            pose,
            truncated,
            occluded,
            int(self.difficult[row]),
            *self.corners[row],
            "".join(f"{line}\n" for line in _fields(extra, 2, _OWN_OBJECT)) if extra else "",
        )

    def _flag(self, name: str, row: int) -> str | None:
        """Text of a flag, None where it is not stated; other types come from other formats."""
        if name not in self.attributes:
            return None
        value = self.attributes[name][row]
        try:
            number = float(value)
        except (TypeError, ValueError):
            return None
        return number_text(number) if np.isfinite(number) else None


def _fields(fields: Mapping[str, Any], depth: int, own: frozenset[str] = frozenset()) -> list[str]:
    """Lines of text fields and nested ones."""
    lines: list[str] = []
    for tag, value in fields.items():
        if not _is_writable(tag, value, own):
            continue
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, str):
                lines.append("\t" * depth + f"<{tag}>{escape(item)}</{tag}>")
            else:
                lines += ["\t" * depth + f"<{tag}>", *_fields(item, depth + 1), "\t" * depth + f"</{tag}>"]
    return lines
