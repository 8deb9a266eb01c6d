"""VOC XML files as nearly all of them are, read with one compiled pattern for each order of tags.

The first file, read the ordinary way, shows the order its writer puts the tags of an object in; files that hold nothing
but objects of a known order, plain text and boxes with a positive size are then cut by that pattern. Whatever differs
in any way gets None, and the caller reads it with the XML library: the result is the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from operator import lt
from typing import Any

from detkit.formats._base import ReadOptions

__all__ = ["PlainFile", "PlainFiles", "PlainRows"]

_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_FLAGS = ("difficult", "truncated", "occluded")
_TEXTS = ("name", "pose")
_BLANKS = rb"[ \t\r\n]*"
#: Text without markup, line ends and control characters, so that XML's rules for these do not matter.
_TEXT = rb"([^<>&\x00-\x1f]*)"
#: So few digits that arithmetic on the nearest floats, rounded to nine decimals, is exact.
_NUMBER = rb"(\d{1,6}(?:\.\d{1,9})?)"
_START = re.compile(rb"(?:<\?xml version=[\"']1\.0[\"'](?: encoding=[\"'](?i:utf-8)[\"'])? ?\?>\s*)?<annotation[ >]")
_HEAD = re.compile(
    rb"(.*?)<filename>" + _TEXT + rb"</filename>(?:(" + _BLANKS + rb"<path>)" + _TEXT + rb"(</path>))?(.*?)"
    rb"<width>(\d{1,6})</width>(" + _BLANKS + rb")<height>(\d{1,6})</height>(.*)",
    re.DOTALL,
)
_MOST_LAYOUTS, _MOST_HEADS = 8, 1024


@dataclass(slots=True)
class PlainRows:
    """Objects of one file as columns; a flag or pose that the file's objects do not have is None."""

    names: list[str]
    corners: tuple[list[float], list[float], list[float], list[float]]
    difficult: list[bool] | None
    truncated: list[float] | None
    occluded: list[float] | None
    pose: list[str] | None


@dataclass(slots=True)
class PlainFile:
    """What a file says: image, size, objects, and fields without a column."""

    file_name: str
    size: tuple[float, float]
    rows: PlainRows | None
    extra: dict[str, Any]


@dataclass(frozen=True)
class _Layout:
    pattern: re.Pattern[bytes]
    columns: dict[str, int]


class PlainFiles:
    """Reads files of the layouts it has learned.

    Parameters
    ----------
    options : ReadOptions
    head_of : callable
        From the bytes of a document to its name, size and fields as the XML library reads them and the number of its
        objects, or None.
    """

    def __init__(
        self,
        options: ReadOptions,
        head_of: Callable[[bytes], tuple[str, tuple[float, float] | None, dict[str, Any], int] | None],
    ) -> None:
        self.options, self.head_of = options, head_of
        self.layouts: dict[tuple[str, ...], _Layout] = {}
        self.heads: dict[tuple[bytes, ...], dict[str, Any] | None] = {}
        self.texts: dict[bytes, str] = {}

    def learn(self, element: Any) -> None:
        """Take over the order of tags of one object, an element of the XML library."""
        tags: list[str] = []
        for child in element:
            tags.append(child.tag)
            tags += [corner.tag for corner in child]
        key = tuple(tags)
        known = {"name", "bndbox", *_CORNERS} <= set(tags) <= {"bndbox", *_CORNERS, *_FLAGS, *_TEXTS}
        if known and len(set(tags)) == len(tags) and key not in self.layouts and len(self.layouts) < _MOST_LAYOUTS:
            corners = element.find("bndbox")
            if [corner.tag for corner in corners] == [tag for tag in tags if tag in _CORNERS]:
                self.layouts[key] = _layout(element)

    def read(self, data: bytes) -> PlainFile | None:
        """The content of a file, or None where it is not plain."""
        if not _START.match(data) or (not data.isascii() and not _is_text(data)):
            return None
        # A copy: other threads may be learning.
        for layout in tuple(self.layouts.values()):
            parts = layout.pattern.split(data)
            stride = len(layout.columns) + 1
            if any(parts[stride:-1:stride]):
                continue
            document = data if len(parts) == 1 else parts[0] + b"<object/>" + parts[-1]
            head = self._head(document, min(len(parts) - 1, 1))
            rows = None if head is None or len(parts) == 1 else self._rows(parts, layout, stride)
            if head is not None and (rows is not None or len(parts) == 1):
                return PlainFile(*head[:2], rows, head[2])
        return None

    def _head(self, document: bytes, objects: int) -> tuple[str, tuple[float, float], dict[str, Any]] | None:
        match = _HEAD.fullmatch(document)
        if match is None:
            return None
        before, name, start, _, end, between, width, blanks, height, after = match.groups(b"")
        key = before, start, end, between, blanks, after, b"" if objects else b"none"
        try:
            fields = self.heads[key]
        except KeyError:
            if len(self.heads) >= _MOST_HEADS:
                self.heads.clear()
            fields = self.heads[key] = self._fields(key, objects)
        if fields is None or int(width) == 0 or int(height) == 0:
            return None
        return name.decode().strip(), (float(width), float(height)), dict(fields)

    def _fields(self, key: tuple[bytes, ...], objects: int) -> dict[str, Any] | None:
        """Fields without a column around the name and size, if those are the ones the XML library would find."""
        before, start, end, between, blanks, after, _ = key
        found = self.head_of(
            before + b"<filename>N</filename>" + start + end + between + b"<width>7</width>" + blanks
            + b"<height>9</height>" + after
        )  # fmt: skip
        return found[2] if found is not None and (*found[:2], found[3]) == ("N", (7.0, 9.0), objects) else None

    def _rows(self, parts: list[bytes], layout: _Layout, stride: int) -> PlainRows | None:
        columns = {tag: parts[at::stride] for tag, at in layout.columns.items()}
        left, top, right, bottom = (list(map(float, columns[tag])) for tag in _CORNERS)
        names = [self._text(name) for name in columns["name"]]
        # A reversed, flat or one pixel wide box is reported, and an object without a name is left out.
        if not all(names) or not all(map(lt, left, right)) or not all(map(lt, top, bottom)):
            return None
        poses = [self._text(pose) for pose in columns["pose"]] if "pose" in columns else None
        return PlainRows(
            names,
            (left, top, right, bottom),
            [flag == b"1" for flag in columns["difficult"]] if "difficult" in columns else None,
            list(map(float, columns["truncated"])) if "truncated" in columns else None,
            list(map(float, columns["occluded"])) if "occluded" in columns else None,
            None if poses is None else ["" if pose.lower() == "unspecified" else pose for pose in poses],
        )

    def _text(self, data: bytes) -> str:
        text = self.texts.get(data)
        if text is None:
            text = self.texts[data] = data.decode().strip()
        return text


def _layout(element: Any) -> _Layout:
    """The pattern of an object whose tags come in the order of this one."""
    pattern, groups = _BLANKS + b"<object>", []

    def add(tag: str, content: bytes) -> None:
        nonlocal pattern
        groups.append(tag)
        pattern += _BLANKS + f"<{tag}>".encode() + content + f"</{tag}>".encode()

    for child in element:
        if child.tag == "bndbox":
            pattern += _BLANKS + b"<bndbox>"
            for corner in child:
                add(corner.tag, _NUMBER)
            pattern += _BLANKS + b"</bndbox>"
        else:
            add(child.tag, rb"([01])" if child.tag in _FLAGS else _TEXT)
    pattern += _BLANKS + b"</object>"
    return _Layout(re.compile(pattern), {tag: i for i, tag in enumerate(groups, 1)})


def _is_text(data: bytes) -> bool:
    """Whether bytes are UTF-8 that XML allows: two code points are not."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return False
    return "\ufffe" not in text and "\uffff" not in text
