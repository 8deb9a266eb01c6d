"""The XML texts of a VOC dataset: plain objects by the thousand from a compiled kernel, the others one by one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

from detkit import boxes
from detkit.formats._base import WriteOptions
from detkit.formats._numbers import corner_texts, corner_values, number_text
from detkit.tables import Dataset

__all__ = ["NOT_XML", "OWN_IMAGE", "OWN_OBJECT", "documents", "is_writable"]

NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TAG = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*$")
#: Elements that are written from columns; a field of the same name would say it twice.
OWN_IMAGE = frozenset(("filename", "folder", "path", "size", "object", "depth"))
OWN_OBJECT = frozenset(("name", "bndbox", "difficult", "truncated", "occluded", "pose", "polygon"))
#: Objects whose texts are in memory at once, and from how many on loading the kernel that writes them is worth it.
_ROWS, _MANY = 1 << 14, 2000

_HEAD = """<annotation>
\t<folder>JPEGImages</folder>
\t<filename>%s</filename>
%s\t<size>
\t\t<width>%s</width>
\t\t<height>%s</height>
\t\t<depth>%s</depth>
\t</size>
"""
_TAIL = b"</annotation>\n"
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


def documents(dataset: Dataset, names: Sequence[str], options: WriteOptions) -> Iterator[bytes]:
    """The XML file of each image.

    Parameters
    ----------
    dataset : Dataset
        Image sizes are known.
    names : sequence of str
        File name of each image.
    options : WriteOptions

    Yields
    ------
    bytes
    """
    objects = _Objects(dataset, options)
    heads = _heads(dataset, names)
    for first, last in pairwise(_cuts(objects.offsets)):
        start, stop = objects.offsets[first], objects.offsets[last]
        text, ends = objects.texts(int(start), int(stop))
        for a, b in pairwise(ends[objects.offsets[first : last + 1] - start].tolist()):
            yield b"".join((next(heads), text[a:b], _TAIL))


def _cuts(offsets: NDArray[np.int64]) -> list[int]:
    """Images where a batch begins, and their number: as many as have `_ROWS` objects, at least one."""
    cuts, images = [0], len(offsets) - 1
    while cuts[-1] < images:
        reach = int(np.searchsorted(offsets, offsets[cuts[-1]] + _ROWS, "right")) - 1
        cuts.append(max(cuts[-1] + 1, reach))
    return cuts


def _heads(dataset: Dataset, names: Sequence[str]) -> Iterator[bytes]:
    for position, (name, (width, height)) in enumerate(zip(names, dataset.images.sizes.tolist(), strict=True)):
        extra = dataset.images.extra.get(position, {})
        depth = extra.get("depth")
        head = _HEAD % (
            escape(name),
            "".join(f"{line}\n" for line in _fields(extra, 1, OWN_IMAGE)) if extra else "",
            number_text(width),
            number_text(height),
            escape(depth) if isinstance(depth, str) else 3,
        )
        yield head.encode()


class _Objects:
    """The objects that are written, image by image.

    Parameters
    ----------
    dataset : Dataset
    options : WriteOptions

    Attributes
    ----------
    offsets : (I + 1,) int64
        Objects of image i are those from `offsets[i]` to `offsets[i + 1]`.
    """

    def __init__(self, dataset: Dataset, options: WriteOptions) -> None:
        table = dataset.annotations
        self.table, self.voc_offset = table, options.voc_offset
        self.rows = np.flatnonzero(~_dropped(dataset, options))
        self.offsets = np.searchsorted(self.rows, dataset.offsets)
        self.xywh: NDArray[np.float64] = table.xywh[self.rows]
        if dataset.units == "normalised":
            sizes = dataset.images.sizes[table.image_index]
            self.xywh = boxes.denormalise(table.xywh, sizes)[self.rows]
        self.names = [escape(name).encode() for name in dataset.categories.names]
        self.difficult = table.is_ignored | (table.is_crowd if options.crowds == "difficult" else False)
        self.attributes = {k: table.attributes[k] for k in ("pose", "truncated", "occluded") if k in table.attributes}
        self.truncated, self.is_usual = _usual(self.attributes, table.extra, len(table))
        self.is_many = len(self.rows) >= _MANY

    def texts(self, start: int, stop: int) -> tuple[memoryview | bytes, NDArray[np.int64]]:
        """Text of some objects, and where each of them ends in it, 0 before them."""
        rows, xywh = self.rows[start:stop], self.xywh[start:stop]
        values, is_plain = corner_values(xywh, self.voc_offset)
        is_plain &= self.is_usual[rows] & self.is_many
        corners = corner_texts(xywh[~is_plain], self.voc_offset)
        ready = [self._text(row, *c).encode() for row, c in zip(rows[~is_plain].tolist(), corners, strict=True)]
        if not is_plain.any():
            return b"".join(ready), np.cumsum([0, *map(len, ready)])
        from detkit.kernels.voc_text import object_texts

        at = np.full(len(rows), -1)
        at[~is_plain] = np.arange(len(ready))
        flags = np.column_stack([self.truncated[rows], self.difficult[rows]])
        text, ends = object_texts(values, self.table.category_index[rows], flags, at, self.names, ready)
        return text.data, ends

    def _text(self, row: int, *corners: str) -> str:
        pose, truncated, occluded = "Unspecified", "0", ""
        if self.attributes:
            stated = str(self.attributes["pose"][row] or "") if "pose" in self.attributes else ""
            pose = escape(NOT_XML.sub("?", stated)) or pose
            truncated = self._flag("truncated", row) or truncated
            flag = self._flag("occluded", row)
            occluded = "" if flag is None else f"\t\t<occluded>{flag}</occluded>\n"
        extra = self.table.extra.get(row)
        return _OBJECT % (
            self.names[self.table.category_index[row]].decode(),
            pose,
            truncated,
            occluded,
            self.difficult[row],
            *corners,
            "".join(f"{line}\n" for line in _fields(extra, 2, OWN_OBJECT)) if extra else "",
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


def _dropped(dataset: Dataset, options: WriteOptions) -> NDArray[np.bool_]:
    """(N,) bool: objects that are left out."""
    rows = dataset.annotations
    dropped = np.zeros(len(rows), np.bool_)
    if options.crowds == "drop":
        dropped |= rows.is_crowd
    if options.shapes == "drop" and rows.shapes is not None:
        dropped |= (rows.shapes.kind == rows.shapes.RLE) | (rows.shapes.rings.lengths() > 0)
    return dropped


def _usual(
    attributes: Mapping[str, NDArray[Any]], extra: Mapping[int, Any], count: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether each object is truncated, and whether it is one of those of which nothing else is said: (N,) bool both.

    No pose, no `occluded`, no unknown field, and `truncated` is 0 or 1 if it is stated.
    """
    is_usual, truncated = np.ones(count, np.bool_), np.zeros(count, np.bool_)
    is_usual[list(extra)] = False
    for name, values in attributes.items():
        if name == "pose" or values.dtype.kind != "f":
            is_usual &= np.array([value is None or value == "" for value in values.tolist()], np.bool_)
        elif name == "truncated":
            truncated = values == 1
            is_usual &= np.isnan(values) | (values == 0) | truncated
        else:
            is_usual &= np.isnan(values)
    return truncated, is_usual


def is_writable(tag: Any, value: Any, own: frozenset[str] = frozenset()) -> bool:
    """Whether a field is text, or nested text, under a tag that XML takes and that no column is written as."""
    if not isinstance(tag, str) or tag in own or not _TAG.match(tag) or tag[:3].lower() == "xml":
        return False
    if isinstance(value, str):
        return NOT_XML.search(value) is None
    if isinstance(value, list):
        return bool(value) and all(not isinstance(v, list) and is_writable(tag, v) for v in value)
    return isinstance(value, Mapping) and bool(value) and all(is_writable(k, v) for k, v in value.items())


def _fields(fields: Mapping[str, Any], depth: int, own: frozenset[str] = frozenset()) -> list[str]:
    """Lines of text fields and nested ones."""
    lines: list[str] = []
    for tag, value in fields.items():
        if not is_writable(tag, value, own):
            continue
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, str):
                lines.append("\t" * depth + f"<{tag}>{escape(item)}</{tag}>")
            else:
                lines += ["\t" * depth + f"<{tag}>", *_fields(item, depth + 1), "\t" * depth + f"</{tag}>"]
    return lines
