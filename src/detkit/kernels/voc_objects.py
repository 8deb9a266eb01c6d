"""From the bytes of many VOC XML files to columns of their objects, without an object per element.

Only the plain shape is read: objects one after the other, each child at most once and without attributes, text without
markup, numbers of few digits, boxes with a positive size. A file with anything else is named, and a library reads it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.kernels._jit import jit, readonly

__all__ = ["FLAGS", "VocObjects", "read_objects"]

#: Children that hold 0 or 1; their order is that of the columns.
FLAGS = ("difficult", "truncated", "occluded")
_TAGS = ("name", "pose", *FLAGS, "xmin", "ymin", "xmax", "ymax", "bndbox", "object")
_NAME, _POSE, _FLAG, _CORNER, _BNDBOX, _OBJECT = 0, 1, 2, 5, 9, 10
#: Row of the table of tags: `tag>`, then its length.
_LENGTH, _WIDTH = 15, 16
#: A name and a box with its four corners.
_REQUIRED = (1 << _NAME) | (0b11111 << _CORNER)
#: So few digits that a whole number divided by a power of ten is the nearest double of the text.
_MOST_WHOLE, _MOST_DECIMALS = 6, 9


@dataclass(frozen=True)
class VocObjects:
    """Objects of the plain files, in the order of files.

    Parameters
    ----------
    spans : (F, 3) int64
        Where the objects of each file begin, with the blanks before them, where they end, and how many there are: -1
        for a file that is not plain. A file without objects has an empty span at its end.
    texts : (T, 2) int64
        Start and end of each different text.
    names, poses : (N,) int64
        Row of `texts`; -1 for an object without a pose.
    corners : (N, 4) float64
        xmin, ymin, xmax, ymax.
    flags : (N, 3) float64
        0 or 1 for each of `FLAGS`, NaN where it is not stated.
    """

    spans: NDArray[np.int64]
    texts: NDArray[np.int64]
    names: NDArray[np.int64]
    poses: NDArray[np.int64]
    corners: NDArray[np.float64]
    flags: NDArray[np.float64]


@jit
def _past_blanks(data: Any, pos: int, stop: int) -> int:
    while pos < stop and (data[pos] == 32 or data[pos] == 9 or data[pos] == 10 or data[pos] == 13):
        pos += 1
    return pos


@jit
def _is_tag(data: Any, pos: int, stop: int, tags: Any, tag: int) -> bool:
    """Whether `tag>` stands here."""
    length = np.int64(tags[tag, _LENGTH])
    if pos + length > stop:
        return False
    for i in range(length):  # noqa: SIM110 - kernels know no generators
        if data[pos + i] != tags[tag, i]:
            return False
    return True


@jit
def _past_end(data: Any, pos: int, stop: int, tags: Any, tag: int) -> Any:
    """Position behind `</tag>`, -1 where it does not stand here."""
    if pos + 2 >= stop or data[pos] != 60 or data[pos + 1] != 47 or not _is_tag(data, pos + 2, stop, tags, tag):
        return -1
    return pos + 2 + np.int64(tags[tag, _LENGTH])


@jit
def _number(data: Any, pos: int, stop: int, powers: Any) -> Any:
    """(value, position behind it), the position -1 where no plain number stands here."""
    digits: Any = 0
    first = pos
    while pos < stop and pos - first <= _MOST_WHOLE and 48 <= data[pos] <= 57:
        digits = digits * 10 + np.int64(data[pos] - 48)
        pos += 1
    if pos == first or pos - first > _MOST_WHOLE:
        return 0.0, -1
    if pos >= stop or data[pos] != 46:
        return np.float64(digits), pos
    pos += 1
    first = pos
    while pos < stop and pos - first <= _MOST_DECIMALS and 48 <= data[pos] <= 57:
        digits = digits * 10 + np.int64(data[pos] - 48)
        pos += 1
    if pos == first or pos - first > _MOST_DECIMALS:
        return 0.0, -1
    return np.float64(digits) / powers[pos - first], pos


@jit
def _text(data: Any, pos: int, stop: int, slots: Any, texts: Any, known: int) -> Any:
    """(row of the text that stands here, position of the markup behind it, texts now known); -1 for no plain text."""
    first = pos
    mixed: Any = 2166136261  # FNV-1a, 32 bits
    while pos < stop and data[pos] >= 32 and data[pos] != 60 and data[pos] != 62 and data[pos] != 38:
        mixed = ((mixed ^ np.int64(data[pos])) * 16777619) & 0xFFFFFFFF
        pos += 1
    if pos >= stop or data[pos] != 60:
        return -1, pos, known
    slot = mixed & (slots.shape[0] - 1)
    while slots[slot] >= 0:
        row = slots[slot]
        same = texts[row, 1] - texts[row, 0] == pos - first
        i = 0
        while same and i < pos - first:
            same = data[first + i] == data[texts[row, 0] + i]
            i += 1
        if same:
            return row, pos, known
        slot = (slot + 1) & (slots.shape[0] - 1)
    slots[slot] = known
    texts[known, 0] = first
    texts[known, 1] = pos
    return known, pos, known + 1


@jit
def _object(
    data: Any,
    pos: Any,
    stop: int,
    tags: Any,
    powers: Any,
    slots: Any,
    texts: Any,
    known: int,
    row: int,
    words: Any,
    corners: Any,
    flags: Any,
) -> Any:
    """(position behind `</object>`, texts now known); the position is -1 for an object that is not plain.

    `pos` is behind `<object>`; its columns go to `row`.
    """
    seen: Any = 0
    words[1, row] = -1
    for i in range(flags.shape[1]):
        flags[row, i] = np.nan
    inside = False
    while True:
        pos = _past_blanks(data, pos, stop)
        if pos + 1 >= stop or data[pos] != 60:
            return -1, known
        if data[pos + 1] == 47:
            end = _past_end(data, pos, stop, tags, _BNDBOX if inside else _OBJECT)
            if end < 0:
                return -1, known
            pos = end
            if not inside:
                break
            inside = False
            continue
        pos += 1
        tag = _CORNER if inside else 0
        last = _BNDBOX if inside else _OBJECT
        while tag < last and ((_CORNER <= tag < _BNDBOX and not inside) or not _is_tag(data, pos, stop, tags, tag)):
            tag += 1
        if tag == last or seen & (1 << tag):
            return -1, known
        seen |= 1 << tag
        pos += np.int64(tags[tag, _LENGTH])
        if tag == _BNDBOX:
            inside = True
            continue
        if tag < _FLAG:
            word, pos, known = _text(data, pos, stop, slots, texts, known)
            if word < 0:
                return -1, known
            words[tag, row] = word
        elif tag < _CORNER:
            if pos >= stop or (data[pos] != 48 and data[pos] != 49):
                return -1, known
            flags[row, tag - _FLAG] = np.float64(data[pos] - 48)
            pos += 1
        else:
            value, pos = _number(data, pos, stop, powers)
            if pos < 0:
                return -1, known
            corners[row, tag - _CORNER] = value
        pos = _past_end(data, pos, stop, tags, tag)
        if pos < 0:
            return -1, known
    has_size = seen & _REQUIRED == _REQUIRED
    if has_size:
        has_size = corners[row, 0] < corners[row, 2] and corners[row, 1] < corners[row, 3]
    return (pos if has_size else -1), known


@jit
def _objects(
    data: Any,
    ends: Any,
    tags: Any,
    powers: Any,
    slots: Any,
    texts: Any,
    spans: Any,
    words: Any,
    corners: Any,
    flags: Any,
) -> Any:
    """(objects, texts): fills `spans` a file, `words`, `corners` and `flags` an object, and `texts`."""
    rows = 0
    known = 0
    for file in range(spans.shape[0]):
        start, stop = ends[file], ends[file + 1]
        pos = start
        while pos < stop and not (data[pos] == 60 and _is_tag(data, pos + 1, stop, tags, _OBJECT)):
            pos += 1
        first = pos
        while first < stop and first > start and _past_blanks(data, first - 1, first) == first:
            first -= 1
        count = 0
        end = pos
        while pos < stop and data[pos] == 60 and _is_tag(data, pos + 1, stop, tags, _OBJECT):
            pos += 1 + np.int64(tags[_OBJECT, _LENGTH])
            pos, known = _object(
                data, pos, stop, tags, powers, slots, texts, known, rows + count, words, corners, flags
            )
            if pos < 0:
                count = -1
                break
            count += 1
            end = pos
            pos = _past_blanks(data, pos, stop)
        spans[file, 0] = first
        spans[file, 1] = end
        spans[file, 2] = count
        rows += max(count, 0)
    return rows, known


def read_objects(data: bytes, ends: NDArray[np.int64]) -> VocObjects:
    """Objects of files that stand one after the other in `data`.

    Parameters
    ----------
    data : bytes
        Text in an encoding that has ASCII's bytes for ASCII's characters, and for them alone.
    ends : (F + 1,) int64
        File i is `data[ends[i]:ends[i + 1]]`.

    Returns
    -------
    VocObjects
    """
    room, files = data.count(b"<object>"), len(ends) - 1
    spans, texts = np.empty((files, 3), np.int64), np.empty((2 * room, 2), np.int64)
    words, corners, flags = np.empty((2, room), np.int64), np.empty((room, 4)), np.empty((room, len(FLAGS)))
    # Twice as many slots as there can be texts, a power of two.
    slots = np.full(1 << (4 * room + 1).bit_length(), -1, np.int64)
    given = readonly(np.frombuffer(data, np.uint8), np.uint8), readonly(ends, np.int64), _table(), _powers()
    rows, known = _objects(*given, slots, texts, spans, words, corners, flags)
    return VocObjects(spans, texts[:known], words[0, :rows], words[1, :rows], corners[:rows], flags[:rows])


def _table() -> NDArray[np.uint8]:
    rows = [[*f"{tag}>".ljust(_LENGTH).encode(), len(tag) + 1] for tag in _TAGS]
    return readonly(np.array(rows, np.uint8), np.uint8)


def _powers() -> NDArray[np.float64]:
    return readonly(10.0 ** np.arange(_MOST_DECIMALS + 1), np.float64)
