"""From the bytes of keypoints, polygons and run-length masks to columns: the values whose places `json_rows` noted.

Plain values only: flat lists of numbers, lists of flat lists of numbers, and objects of `size` and a string `counts`.
What is none of these makes the reading give up, or is named so that a library can read it, as the function says.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from detkit.kernels._jit import jit, readonly
from detkit.kernels._json_number import SLOW, WRONG, read_number, tables
from detkit.kernels._json_value import skip
from detkit.kernels.json_rows import release

__all__ = ["Lists", "Texts", "read_lists", "read_masks"]

T = TypeVar("T")

#: Bytes of text a thread reads at a time.
_PIECE = 1 << 21
_LIST, _LIST_END, _COMMA = 91, 93, 44
_LARGEST_SIZE = 2**31


@dataclass(frozen=True)
class Lists:
    """Lists of numbers, or lists of lists of numbers.

    Parameters
    ----------
    starts : (N + 1,) int64
        The numbers of row i are `values[starts[i]:starts[i + 1]]`.
    values : (M,) float64
    list_starts : (N + 1,) int64
        The inner lists of row i are `lengths[list_starts[i]:list_starts[i + 1]]`; all 0 for flat lists.
    lengths : (L,) int64
        How many numbers each inner list holds.
    """

    starts: NDArray[np.int64]
    values: NDArray[np.float64]
    list_starts: NDArray[np.int64]
    lengths: NDArray[np.int64]


@dataclass(frozen=True)
class Texts:
    """Masks as they are written.

    Parameters
    ----------
    plain : (N,) bool
        Which rows were read; the others are for a library.
    sizes : (N, 2) int64
        Height and width in pixels; 0 where not plain.
    starts : (N + 1,) int64
        The bytes of `counts` of row i are `counts[starts[i]:starts[i + 1]]`.
    counts : (B,) uint8
        ASCII, escapes resolved.
    """

    plain: NDArray[np.bool_]
    sizes: NDArray[np.int64]
    starts: NDArray[np.int64]
    counts: NDArray[np.uint8]


@jit
def _numbers(
    data: Any, pos: int, stop: int, powers: Any, fives: Any, at: int, room: int, values: Any, slow: Any, hard: int
) -> Any:
    """Position behind the flat list that starts here, the place behind its last number, and of its last slow one.

    The position is -1 for anything else, and where its numbers need places from `room` on.
    """
    if pos >= stop or data[pos] != _LIST:
        return -1, at, hard
    pos = skip(data, pos + 1, stop)
    if pos < stop and data[pos] == _LIST_END:
        return pos + 1, at, hard
    while True:
        begin = pos
        value, _, pos, kind = read_number(data, pos, stop, powers, fives)
        if kind == WRONG or at >= room:
            return -1, at, hard
        values[at] = value
        if kind == SLOW:
            slow[hard, 0], slow[hard, 1], slow[hard, 2] = at, begin, pos
            hard += 1
        at += 1
        pos = skip(data, pos, stop)
        if pos >= stop:
            return -1, at, hard
        if data[pos] == _LIST_END:
            return pos + 1, at, hard
        if data[pos] != _COMMA:
            return -1, at, hard
        pos = skip(data, pos + 1, stop)


@jit
def _lists(
    data: Any,
    spans: Any,
    bounds: Any,
    powers: Any,
    fives: Any,
    starts: Any,
    list_starts: Any,
    values: Any,
    lengths: Any,
    slow: Any,
) -> int:
    """How many numbers are left for Python, which `slow` has room for; -1 where a value is of another shape.

    Of the rows from `bounds[0]` to `bounds[1]`; `bounds[2]` says whether their values are lists of lists.
    """
    hard = 0
    for row in range(bounds[0], bounds[1]):
        pos, stop = spans[row, 0], spans[row, 1]
        if pos == stop:
            continue
        at, room = starts[row], starts[row + 1]
        inner, most = list_starts[row], list_starts[row + 1]
        if bounds[2] == 0:
            pos, at, hard = _numbers(data, pos, stop, powers, fives, at, room, values, slow, hard)
        else:
            pos = skip(data, pos + 1, stop)
            if pos < stop and data[pos] == _LIST_END:
                pos += 1
            else:
                while True:
                    first = at
                    pos, at, hard = _numbers(data, pos, stop, powers, fives, at, room, values, slow, hard)
                    if pos < 0 or inner >= most:
                        return -1
                    lengths[inner] = at - first
                    inner += 1
                    pos = skip(data, pos, stop)
                    if pos >= stop or (data[pos] != _COMMA and data[pos] != _LIST_END):
                        return -1
                    pos += 1
                    if data[pos - 1] == _LIST_END:
                        break
                    pos = skip(data, pos, stop)
        if pos < 0 or skip(data, pos, stop) != stop or at != room or inner != most:
            return -1
    return hard


@jit
def _is_word(data: Any, pos: int, stop: int, word: Any) -> bool:
    if pos + word.shape[0] > stop:
        return False
    for i in range(word.shape[0]):  # noqa: SIM110 - kernels know no generators
        if data[pos + i] != word[i]:
            return False
    return True


@jit
def _whole(data: Any, pos: int, stop: int) -> Any:
    """A number of a few digits and the position behind it; -1 for anything else."""
    value: Any = 0
    first = pos
    while pos < stop and 48 <= data[pos] <= 57 and pos - first < 10:
        value = value * 10 + np.int64(data[pos] - 48)
        pos += 1
    if pos == first or value >= _LARGEST_SIZE or (data[first] == 48 and pos > first + 1):
        return 0, -1
    return value, pos


@jit
def _size(data: Any, pos: int, stop: int) -> Any:
    """Height, width and the position behind `[height, width]`; -1 for anything else."""
    if pos >= stop or data[pos] != _LIST:
        return 0, 0, -1
    height, pos = _whole(data, skip(data, pos + 1, stop), stop)
    if pos < 0:
        return 0, 0, -1
    pos = skip(data, pos, stop)
    if pos >= stop or data[pos] != _COMMA:
        return 0, 0, -1
    width, pos = _whole(data, skip(data, pos + 1, stop), stop)
    if pos < 0:
        return 0, 0, -1
    pos = skip(data, pos, stop)
    if pos >= stop or data[pos] != _LIST_END:
        return 0, 0, -1
    return height, width, pos + 1


@jit
def _text(data: Any, pos: int, stop: int, at: int, counts: Any) -> Any:
    """Position behind the string that starts here and the place behind its last byte; -1 for one that is not plain."""
    if pos >= stop or data[pos] != 34:
        return -1, at
    pos += 1
    while pos < stop:
        byte = data[pos]
        if byte == 34:
            return pos + 1, at
        if byte == 92:
            pos += 1
            if pos >= stop or data[pos] != 92:
                return -1, at
        elif byte < 32 or byte > 126:
            return -1, at
        counts[at] = byte
        at += 1
        pos += 1
    return -1, at


@jit
def _masks(
    data: Any, spans: Any, bounds: Any, size: Any, counts_key: Any, plain: Any, sizes: Any, lengths: Any, counts: Any
) -> int:
    """How many bytes of `counts` the rows from `bounds[0]` to `bounds[1]` hold, one row's behind the other's."""
    used = 0
    for row in range(bounds[0], bounds[1]):
        pos, stop = spans[row, 0], spans[row, 1]
        begin = used
        seen = 0
        height: Any = 0
        width: Any = 0
        plain[row] = False
        sizes[row, 0] = sizes[row, 1] = lengths[row] = 0
        pos = skip(data, pos + 1, stop)
        while pos >= 0:
            is_size = _is_word(data, pos, stop, size)
            if not is_size and not _is_word(data, pos, stop, counts_key):
                break
            bit = 1 if is_size else 2
            pos = skip(data, pos + (size.shape[0] if is_size else counts_key.shape[0]), stop)
            if seen & bit or pos >= stop or data[pos] != 58:
                break
            seen |= bit
            pos = skip(data, pos + 1, stop)
            if is_size:
                height, width, pos = _size(data, pos, stop)
            else:
                pos, used = _text(data, pos, stop, used, counts)
            if pos < 0:
                break
            pos = skip(data, pos, stop)
            if pos >= stop:
                break
            if data[pos] == 125:
                plain[row] = seen == 3 and skip(data, pos + 1, stop) == stop
                break
            if data[pos] != _COMMA:
                break
            pos = skip(data, pos + 1, stop)
        if plain[row]:
            sizes[row, 0], sizes[row, 1], lengths[row] = height, width, used - begin
        else:
            used = begin
    return used


def read_lists(text: Any, spans: NDArray[np.int64], jobs: int = 2, *, nested: bool = False) -> Lists | None:
    """The numbers of all rows, or None where one row is of another shape or holds a number beyond a double.

    Parameters
    ----------
    text : bytes or mmap
    spans : (N, 4) int64
        Of `json_rows.Columns`; a row of zeros is read as an empty list.
    jobs : int
        Threads.
    nested : bool
        Whether the values are lists of lists of numbers.

    Returns
    -------
    Lists or None
    """
    starts, list_starts = _starts(spans[:, 2]), _starts(spans[:, 3])
    values, lengths = np.empty(int(starts[-1])), np.empty(int(list_starts[-1]) if nested else 0, np.int64)
    if not nested and list_starts[-1]:
        return None
    data, table = readonly(np.frombuffer(text, np.uint8), np.uint8), readonly(spans, np.int64)
    powers, fives = tables()
    given = readonly(starts, np.int64), readonly(list_starts, np.int64), values, lengths

    def read(first: int, last: int) -> bool:
        slow = np.empty((int(starts[last] - starts[first]), 3), np.int64)
        bounds = readonly([first, last, nested], np.int64)
        hard = _lists(data, table, bounds, powers, fives, *given, slow)
        for at, begin, end in slow[: max(hard, 0)].tolist():
            values[at] = float(text[begin:end])
            if not np.isfinite(values[at]):
                return False
        return hard >= 0

    if not all(_in_pieces(read, text, spans, jobs)):
        return None
    return Lists(starts, values, list_starts, lengths)


def read_masks(text: Any, spans: NDArray[np.int64], jobs: int = 2) -> Texts:
    """The masks of all rows, as far as they are plain.

    Parameters
    ----------
    text : bytes or mmap
    spans : (N, 4) int64
        Of `json_rows.Columns`: objects, in the order of the text.
    jobs : int
        Threads.

    Returns
    -------
    Texts
    """
    rows = len(spans)
    plain, sizes, lengths = np.zeros(rows, np.bool_), np.zeros((rows, 2), np.int64), np.zeros(rows, np.int64)
    data, table = readonly(np.frombuffer(text, np.uint8), np.uint8), readonly(spans, np.int64)
    size, counts_key = (readonly(np.frombuffer(key, np.uint8), np.uint8) for key in (b'"size"', b'"counts"'))

    def read(first: int, last: int) -> NDArray[np.uint8]:
        room = np.empty(int((spans[first:last, 1] - spans[first:last, 0]).sum()), np.uint8)
        used = _masks(data, table, readonly([first, last], np.int64), size, counts_key, plain, sizes, lengths, room)
        return room[:used].copy()

    parts = _in_pieces(read, text, spans, jobs)
    counts = np.concatenate(parts) if parts else np.empty(0, np.uint8)
    return Texts(plain, sizes, _starts(lengths), counts)


def _starts(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    out = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=out[1:])
    return out


def _in_pieces(read: Callable[[int, int], T], text: Any, spans: NDArray[np.int64], jobs: int) -> list[T]:
    """What `read` makes of runs of rows, in threads; the pages of a mapping are given back behind it."""
    if not len(spans):
        return []
    behind = np.cumsum(spans[:, 1] - spans[:, 0])
    wanted = np.arange(_PIECE, behind[-1], _PIECE)
    cuts = np.unique(np.concatenate([[0], np.searchsorted(behind, wanted), [len(spans)]])).tolist()

    def piece(bounds: tuple[int, int]) -> T:
        found = read(*bounds)
        some = spans[bounds[0] : bounds[1]]
        release(text, int(some[:, 0].min()), int(some[:, 1].max()))
        return found

    with ThreadPoolExecutor(max(1, jobs)) as pool:
        return list(pool.map(piece, pairwise(cuts)))
