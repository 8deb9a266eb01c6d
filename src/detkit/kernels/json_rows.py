"""From the bytes of a JSON list of flat objects to columns, without an object per record.

One kernel serves every kind of record: a `Layout` says which keys have a column. Keys without one are passed over,
whatever they hold, as long as it is JSON. Anything else, right or wrong JSON, makes the scan give up: a library
reader then says what it is. Numbers are correctly rounded, see `_json_number`.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.kernels._bytes import byte_at
from detkit.kernels._jit import jit, readonly
from detkit.kernels._json_layout import (
    BOX,
    COLUMN,
    FLAG,
    HOLDS,
    ID,
    LENGTH,
    REFUSED,
    REQUIRED,
    SPAN,
    Columns,
    Layout,
)
from detkit.kernels._json_number import SLOW, WHOLE, WRONG, read_number, tables
from detkit.kernels._json_value import grammar, list_end, pair_end, skip

__all__ = ["Columns", "Layout", "release", "scan_rows"]

_PIECE = 1 << 21
_BETWEEN = re.compile(rb"\}[ \t\r\n]*,[ \t\r\n]*\{")


@jit
def _is_key(data: Any, pos: int, stop: int, table: Any, field: int) -> bool:
    length = np.int64(table[field, LENGTH])
    if pos + length >= stop:
        return False
    at = np.uint64(pos)
    for i in range(np.uint64(length)):  # noqa: SIM110 - kernels know no generators
        if data[at + i] != table[np.uint64(field), i]:
            return False
    return True


@jit
def _field(data: Any, pos: int, stop: int, table: Any, guess: int) -> int:
    """Which key stands here, -1 for none of them."""
    if guess >= 0 and _is_key(data, pos, stop, table, guess):
        return guess
    for field in range(table.shape[0]):
        if _is_key(data, pos, stop, table, field):
            return field
    return -1


@jit
def _rows(
    data: Any,
    bounds: Any,
    table: Any,
    grammar: Any,
    powers: Any,
    fives: Any,
    ids: Any,
    boxes: Any,
    numbers: Any,
    flags: Any,
    stated: Any,
    spans: Any,
    slow: Any,
    follows: Any,
) -> Any:
    """Records from `bounds[0]` to `bounds[1]`, the first of them to row `bounds[2]`, at most `bounds[3]` of them.

    Where `bounds[4]` is not 0, a key without a column or a `null` is another shape.

    (rows, position after them, slow numbers): the position is the end where a comma stood right before it, else behind
    the closing bracket; (-1, 0, 0) for another shape. `follows` is room to learn which key comes after which.
    """
    pos, stop, base, limit, is_closed = bounds[0], bounds[1], bounds[2], bounds[3], bounds[4] != 0
    required: Any = 0
    for field in range(table.shape[0]):
        required |= np.int64(table[field, REQUIRED]) << field
    count = 0
    hard = 0
    previous = -1
    while True:
        pos = skip(data, pos, stop)
        if pos >= stop or byte_at(data, pos) != 123 or count >= limit:
            return -1, 0, 0
        row = base + count
        pos += 1
        seen = 0
        held = 0
        for i in range(ids.shape[0]):
            ids[i, row] = 0
        for i in range(4):
            boxes[row, i] = np.nan
        for i in range(spans.shape[0]):
            spans[i, row, 0] = spans[i, row, 1] = spans[i, row, 2] = spans[i, row, 3] = 0
        for i in range(numbers.shape[0]):
            numbers[i, row] = np.nan
        for i in range(flags.shape[0]):
            flags[i, row] = 0
        while True:
            pos = skip(data, pos, stop)
            if pos >= stop:
                return -1, 0, 0
            field = _field(data, pos, stop, table, follows[previous + 1])
            follows[previous + 1] = field
            previous = field
            if field < 0:
                if is_closed:
                    return -1, 0, 0
                pos = pair_end(data, pos, stop, grammar)
                if pos < 0:
                    return -1, 0, 0
            else:
                holds = table[field, HOLDS]
                if seen & (1 << field) or holds == REFUSED:
                    return -1, 0, 0
                seen |= 1 << field
                key = pos
                pos = skip(data, pos + np.int64(table[field, LENGTH]), stop)
                if pos >= stop or byte_at(data, pos) != 58:
                    return -1, 0, 0
                pos = skip(data, pos + 1, stop)
                if pos >= stop:
                    return -1, 0, 0
                if byte_at(data, pos) == 110 and not table[field, REQUIRED] and not is_closed:
                    if (
                        pos + 4 > stop
                        or byte_at(data, pos + 1) != 117
                        or byte_at(data, pos + 2) != 108
                        or byte_at(data, pos + 3) != 108
                    ):
                        return -1, 0, 0
                    pos += 4
                elif holds == SPAN:
                    held |= 1 << field
                    column = np.int64(table[field, COLUMN])
                    end, count_of_numbers, lists = -1, 0, 0
                    if byte_at(data, pos) == 91:
                        end, count_of_numbers, lists = list_end(data, pos, stop)
                    if end < 0:
                        end = pair_end(data, key, stop, grammar)
                        if end < 0:
                            return -1, 0, 0
                    spans[column, row, 0] = pos
                    spans[column, row, 1] = end
                    spans[column, row, 2] = count_of_numbers
                    spans[column, row, 3] = lists
                    pos = end
                else:
                    held |= 1 << field
                    column = np.int64(table[field, COLUMN])
                    parts = 1
                    if holds == BOX:
                        if byte_at(data, pos) != 91:
                            return -1, 0, 0
                        pos += 1
                        parts = 4
                    for part in range(parts):
                        pos = skip(data, pos, stop)
                        start = pos
                        value, whole, pos, kind = read_number(data, pos, stop, powers, fives)
                        if kind == WRONG:
                            return -1, 0, 0
                        if holds == ID:
                            if kind != WHOLE:
                                return -1, 0, 0
                            ids[column, row] = whole
                        elif holds == FLAG:
                            if kind != WHOLE or whole < 0 or whole > 1:
                                return -1, 0, 0
                            flags[column, row] = whole
                        else:
                            if holds == BOX:
                                boxes[row, part] = value
                            else:
                                numbers[column, row] = value
                            if kind == SLOW:
                                slow[hard, 0] = row
                                slow[hard, 1] = part if holds == BOX else 4 + column
                                slow[hard, 2] = start
                                slow[hard, 3] = pos
                                hard += 1
                        if holds == BOX:
                            pos = skip(data, pos, stop)
                            if pos >= stop or byte_at(data, pos) != (93 if part == 3 else 44):
                                return -1, 0, 0
                            pos += 1
            pos = skip(data, pos, stop)
            if pos >= stop:
                return -1, 0, 0
            if byte_at(data, pos) == 44:
                pos += 1
                continue
            if byte_at(data, pos) != 125:
                return -1, 0, 0
            pos += 1
            break
        if held & required != required:
            return -1, 0, 0
        stated[row] = held
        count += 1
        pos = skip(data, pos, stop)
        if pos >= stop:
            return -1, 0, 0
        if byte_at(data, pos) == 93:
            return count, pos + 1, hard
        if byte_at(data, pos) != 44:
            return -1, 0, 0
        pos += 1
        if pos == stop:
            return count, pos, hard


def scan_rows(text: Any, start: int, layout: Layout, jobs: int = 2) -> Columns | None:
    """Columns of the list that starts there, or None where it is empty or of another shape.

    Parameters
    ----------
    text : bytes or mmap
        UTF-8; more may follow the list.
    start : int
        Position of its opening bracket.
    layout : Layout
    jobs : int
        Threads; the text is cut between records.

    Returns
    -------
    Columns or None
    """
    cuts = _cuts(text, start + 1, len(text))
    data = readonly(np.frombuffer(text, np.uint8), np.uint8)
    with ThreadPoolExecutor(max(1, jobs)) as pool:
        counts = list(pool.map(lambda span: _records_at_most(text, data, *span), pairwise(cuts)))
        if min(counts) < 0:
            return None
        starts = np.concatenate([[0], np.cumsum(counts)])
        out = _empty(layout, int(starts[-1]))
        scan = _scanner(text, data, layout, out)
        ends = pool.map(scan, zip(cuts, cuts[1:], starts.tolist(), counts, strict=False))
        rows = 0
        for first, (count, end) in zip(starts.tolist(), ends, strict=False):
            if count < 0:
                return None
            _move(out, first, rows, count)
            rows += count
            if data[end - 1] == 93:
                return _trimmed(out, rows, end)
    return None


_Parts = tuple[
    NDArray[np.int64],
    NDArray[np.float64],
    NDArray[np.float64],
    NDArray[np.uint8],
    NDArray[np.uint16],
    NDArray[np.int64],
]


def _empty(layout: Layout, rows: int) -> _Parts:
    return (
        np.empty((len(layout.ids), rows), np.int64),
        np.empty((rows, 4)),
        np.empty((len(layout.numbers), rows)),
        np.empty((len(layout.flags), rows), np.uint8),
        np.empty(rows, np.uint16),
        np.empty((len(layout.spans), rows, 4), np.int64),
    )


def _scanner(
    text: Any, data: NDArray[np.uint8], layout: Layout, out: _Parts
) -> Callable[[tuple[int, int, int, int]], tuple[int, int]]:
    table, (powers, fives) = layout.table(), tables()
    ids, boxes, numbers, flags, stated, spans = out

    def scan(piece: tuple[int, int, int, int]) -> tuple[int, int]:
        bounds = readonly(np.array([*piece, layout.is_closed]), np.int64)
        slow = np.empty((piece[3] * (4 + len(numbers)), 4), np.int64)
        follows = np.full(len(table) + 1, -1)
        given = (data, bounds, table, grammar(), powers, fives)
        rows, end, hard = _rows(*given, ids, boxes, numbers, flags, stated, spans, slow, follows)
        for row, column, a, b in slow[: max(hard, 0)].tolist():
            value = float(text[a:b])
            if not np.isfinite(value):
                return -1, 0
            if column < 4:
                boxes[row, column] = value
            else:
                numbers[column - 4, row] = value
        release(text, piece[0], piece[1])
        return rows, end

    return scan


def _records_at_most(text: Any, data: NDArray[np.uint8], first: int, last: int, step: int = 1 << 18) -> int:
    """How many opening braces there are; -1 for a text that is no UTF-8."""
    count, highest = 0, 0
    for at in range(first, last, step):
        some = data[at : min(at + step, last)]
        count += int(np.count_nonzero(some == 123))
        highest = max(highest, int(some.max()))
    if highest > 127:
        try:
            str(data[first:last].data, "utf-8")
        except UnicodeDecodeError:
            return -1
    release(text, first, last)
    return count


def release(text: Any, first: int, last: int) -> None:
    """Give the memory of a mapping's pages back; they come again from the file where they are looked at.

    Parameters
    ----------
    text : bytes or mmap
        Nothing is done for bytes.
    first, last : int
        The first byte that is done with, and the one behind the last.
    """
    if isinstance(text, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        first = -(-first // mmap.PAGESIZE) * mmap.PAGESIZE
        if first < last:
            text.madvise(mmap.MADV_DONTNEED, first, last - first)


def _move(out: _Parts, source: int, target: int, count: int) -> None:
    """Close the gap before the rows of a piece, where the one before it held fewer than its room."""
    if source != target:
        ids, boxes, numbers, flags, stated, spans = out
        for rows in (ids.T, boxes, numbers.T, flags.T, stated, spans.transpose(1, 0, 2)):
            rows[target : target + count] = rows[source : source + count]


def _trimmed(out: _Parts, rows: int, end: int) -> Columns:
    ids, boxes, numbers, flags, stated, spans = out
    return Columns(ids[:, :rows], boxes[:rows], numbers[:, :rows], flags[:, :rows], stated[:rows], spans[:, :rows], end)


def _cuts(text: Any, first: int, last: int) -> list[int]:
    """Places between records, behind a comma, about two million bytes apart; wrong ones make the scan give up."""
    cuts = [first]
    while last - cuts[-1] > 2 * _PIECE:
        found = _BETWEEN.search(text, cuts[-1] + _PIECE)
        if found is None:
            break
        cuts.append(text.find(b",", found.start()) + 1)
    return [*cuts, last]
