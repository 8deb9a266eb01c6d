"""VOC XML files as nearly all of them are, read by the hundred: objects by a compiled kernel, heads by a pattern.

What stands around the name, the size and the objects of a file is the same text in most files of a dataset; the XML
library says once what it means. Whatever differs in any way from a plain file gets None, and the caller reads it with
the XML library: the result is the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.formats._base import ReadOptions

__all__ = ["Head", "PlainFile", "PlainFiles", "PlainRows"]

_BLANKS = rb"[ \t\r\n]*"
#: Text without markup, line ends and control characters, so that XML's rules for these do not matter.
_TEXT = rb"([^<>&\x00-\x1f]*)"
_START = re.compile(rb"(?:<\?xml version=[\"']1\.0[\"'](?: encoding=[\"'](?i:utf-8)[\"'])? ?\?>\s*)?<annotation[ >]")
_HEAD = re.compile(
    rb"(.*?)<filename>" + _TEXT + rb"</filename>(?:(" + _BLANKS + rb"<path>)" + _TEXT + rb"(</path>))?(.*?)"
    rb"<width>(\d{1,6})</width>(" + _BLANKS + rb")<height>(\d{1,6})</height>(.*)",
    re.DOTALL,
)
_MOST_HEADS = 1024
#: What the XML library says of a document: its name, size and fields, and the number of its objects.
Head = tuple[str, tuple[float, float] | None, dict[str, Any], int]


@dataclass(frozen=True)
class PlainRows:
    """Objects of plain files, in the order of files.

    Parameters
    ----------
    texts : list of str
        Every name and pose; an unspecified pose is empty.
    names, poses : (N,) int64
        Positions in `texts`.
    corners : (N, 4) float64
        xmin, ymin, xmax, ymax as written.
    difficult : (N,) bool
    truncated, occluded : (N,) float64
        NaN where not stated.
    """

    texts: list[str]
    names: NDArray[np.int64]
    poses: NDArray[np.int64]
    corners: NDArray[np.float64]
    difficult: NDArray[np.bool_]
    truncated: NDArray[np.float64]
    occluded: NDArray[np.float64]


@dataclass(slots=True)
class PlainFile:
    """What a plain file says: image, size, fields without a column, and how many objects it has."""

    file_name: str
    size: tuple[float, float]
    extra: dict[str, Any]
    count: int


class PlainFiles:
    """Reads the plain files among many.

    Parameters
    ----------
    options : ReadOptions
    head_of : callable
        From the bytes of a document to what the XML library says of it, or None.
    """

    def __init__(self, options: ReadOptions, head_of: Callable[[bytes], Head | None]) -> None:
        self.options, self.head_of = options, head_of
        self.heads: dict[tuple[bytes, ...], dict[str, Any] | None] = {}
        self.texts: dict[str, int] = {"": 0}
        self.parts: list[tuple[NDArray[Any], ...]] = []

    def read(self, contents: Sequence[bytes]) -> list[PlainFile | None]:
        """The content of each file, None where it is not plain; objects are kept for `rows`."""
        from detkit.kernels.voc_objects import read_objects

        fit = [data if _is_fit(data) else b"" for data in contents]
        joined, ends = b"".join(fit), np.cumsum([0, *map(len, fit)])
        found = read_objects(joined, ends)
        texts = [joined[start:stop].decode().strip() for start, stop in found.texts.tolist()]
        unnamed = _files_with(found.names, np.array([not text for text in texts], np.bool_), found.spans[:, 2])
        plain: list[PlainFile | None] = []
        for data, start, (first, last, count), is_unnamed in zip(
            fit, ends.tolist(), found.spans.tolist(), unnamed.tolist(), strict=False
        ):
            # An object without a name is left out, and reported.
            usable = data and count >= 0 and not is_unnamed
            plain.append(self._file(data, first - start, last - start, count) if usable else None)
        keep = np.repeat([file is not None for file in plain], np.maximum(found.spans[:, 2], 0))
        names = np.array([self._position(text) for text in texts], np.int64)
        # The last one stands for an object without a pose.
        poses = np.array([self._position("" if t.lower() == "unspecified" else t) for t in [*texts, ""]], np.int64)
        columns = (names[found.names], poses[found.poses], found.corners, found.flags)
        self.parts.append(tuple(column[keep] for column in columns))
        return plain

    def rows(self) -> PlainRows:
        """Objects of all plain files that were read."""
        empty = np.empty(0, np.int64), np.empty(0, np.int64), np.empty((0, 4)), np.empty((0, 3))
        names, poses, corners, flags = (np.concatenate(column) for column in zip(empty, *self.parts, strict=True))
        return PlainRows(list(self.texts), names, poses, corners, flags[:, 0] == 1, flags[:, 1], flags[:, 2])

    def _position(self, text: str) -> int:
        return self.texts.setdefault(text, len(self.texts))

    def _file(self, data: bytes, first: int, last: int, count: int) -> PlainFile | None:
        """A file whose objects stand from `first` to `last`."""
        match = _HEAD.fullmatch(data[:first] + b"<object/>" + data[last:] if count else data)
        if match is None:
            return None
        before, name, start, _, end, between, width, blanks, height, after = match.groups(b"")
        key = before, start, end, between, blanks, after, b"" if count else b"none"
        try:
            fields = self.heads[key]
        except KeyError:
            if len(self.heads) >= _MOST_HEADS:
                self.heads.clear()
            fields = self.heads[key] = self._fields(key, min(count, 1))
        if fields is None or int(width) == 0 or int(height) == 0:
            return None
        return PlainFile(name.decode().strip(), (float(width), float(height)), dict(fields), count)

    def _fields(self, key: tuple[bytes, ...], objects: int) -> dict[str, Any] | None:
        """Fields without a column around the name and size, if those are the ones the XML library would find."""
        before, start, end, between, blanks, after, _ = key
        if sum(part.count(b"<object") for part in key) > objects:
            # The ones that were cut out may stand deeper than another one.
            return None
        found = self.head_of(
            before + b"<filename>N</filename>" + start + end + between + b"<width>7</width>" + blanks
            + b"<height>9</height>" + after
        )  # fmt: skip
        return found[2] if found is not None and (*found[:2], found[3]) == ("N", (7.0, 9.0), objects) else None


def _is_fit(data: bytes) -> bool:
    """Whether bytes begin as an annotation does, and are UTF-8 that XML allows: two code points are not."""
    if not _START.match(data):
        return False
    if data.isascii():
        return True
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return False
    return "\ufffe" not in text and "\uffff" not in text


def _files_with(rows: NDArray[np.int64], marked: NDArray[np.bool_], counts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(F,) bool: files with an object whose text is marked."""
    file = np.repeat(np.arange(len(counts)), np.maximum(counts, 0))
    return np.bincount(file[marked[rows]], minlength=len(counts)) > 0
