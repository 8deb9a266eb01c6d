"""From the bytes of a COCO results list to columns, without an object per record.

Only the plain shape is read: a list of objects with exactly `image_id` and `category_id` (whole numbers), `bbox`
(four numbers) and `score` (a number), in any order and with any white space. Anything else, right or wrong JSON,
makes the scan give up: a library reader then says what it is. Numbers are correctly rounded: those of up to 15
digits or so in one exact operation (Clinger, "How to read floating point numbers accurately", 1990, section 4),
the rest by Python's own `float`.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.kernels._jit import jit, readonly

__all__ = ["scan_results"]

_EXACT, _SLOW, _WRONG = 0, 1, 2
_POWERS = 10.0 ** np.arange(23)
_KEYS = (b'"image_id"', b'"category_id"', b'"bbox"', b'"score"')
_KEY_LENGTHS = tuple(len(key) for key in _KEYS)
_PIECE = 1 << 22


@jit
def _skip(data: Any, pos: int, stop: int) -> int:
    while pos < stop and (data[pos] == 32 or data[pos] == 10 or data[pos] == 13 or data[pos] == 9):
        pos += 1
    return pos


@jit
def _number(data: Any, pos: int, stop: int, powers: Any) -> Any:
    """(value, position after it, `_EXACT` | `_SLOW` | `_WRONG`, whether it is a whole number)."""
    negative = pos < stop and data[pos] == 45
    if negative:
        pos += 1
    mantissa = np.uint64(0)
    digits = 0
    exponent = 0
    first = pos
    while pos < stop and 48 <= data[pos] <= 57:
        if digits < 19:
            mantissa = mantissa * np.uint64(10) + np.uint64(data[pos] - 48)
        if mantissa > 0:
            digits += 1
        pos += 1
    if pos == first or (data[first] == 48 and pos > first + 1):
        return 0.0, pos, _WRONG, False
    whole = True
    if pos < stop and data[pos] == 46:
        whole = False
        pos += 1
        first = pos
        while pos < stop and 48 <= data[pos] <= 57:
            if digits < 19:
                mantissa = mantissa * np.uint64(10) + np.uint64(data[pos] - 48)
                exponent -= 1
            if mantissa > 0:
                digits += 1
            pos += 1
        if pos == first:
            return 0.0, pos, _WRONG, False
    if pos < stop and (data[pos] == 101 or data[pos] == 69):
        whole = False
        pos += 1
        down = pos < stop and data[pos] == 45
        if pos < stop and (data[pos] == 45 or data[pos] == 43):
            pos += 1
        first = pos
        written = 0
        while pos < stop and 48 <= data[pos] <= 57:
            written = min(written * 10 + int(data[pos] - 48), 100000)
            pos += 1
        if pos == first:
            return 0.0, pos, _WRONG, False
        exponent += -written if down else written
    value = 0.0
    kind = _EXACT
    if digits > 19 or mantissa >= np.uint64(9007199254740992) or exponent < -22 or exponent > 22:
        kind = _EXACT if mantissa == 0 and digits <= 19 else _SLOW
    elif exponent < 0:
        value = np.float64(mantissa) / powers[-exponent]
    else:
        value = np.float64(mantissa) * powers[exponent]
    if negative and not (whole and mantissa == 0):  # the whole number -0 is 0
        value = -value
    return value, pos, kind, whole


@jit
def _field(data: Any, pos: int, stop: int, keys: Any) -> int:
    """Which key stands here, -1 for none of them."""
    for field in range(4):
        length = _KEY_LENGTHS[field]
        if pos + length < stop and data[pos + 1] == keys[field, 1]:
            same = True
            for i in range(length):
                if data[pos + i] != keys[field, i]:
                    same = False
                    break
            if same:
                return field
    return -1


@jit
def _records(
    data: Any, pos: int, stop: int, powers: Any, keys: Any, row: int, limit: int, ids: Any, numbers: Any, slow: Any
) -> Any:
    """Records from `pos` on, the comma after each included; (rows, slow numbers), or (-1, 0) for another shape."""
    count = 0
    hard = 0
    while True:
        pos = _skip(data, pos, stop)
        if pos >= stop:
            return count, hard
        if data[pos] != 123 or count >= limit:
            return -1, 0
        pos += 1
        seen = 0
        while True:
            pos = _skip(data, pos, stop)
            if pos >= stop:
                return -1, 0
            field = _field(data, pos, stop, keys)
            if field < 0 or seen & (1 << field):
                return -1, 0
            seen |= 1 << field
            pos = _skip(data, pos + _KEY_LENGTHS[field], stop)
            if pos >= stop or data[pos] != 58:
                return -1, 0
            pos = _skip(data, pos + 1, stop)
            if field == 2:
                if pos >= stop or data[pos] != 91:
                    return -1, 0
                pos += 1
            for part in range(4 if field == 2 else 1):
                pos = _skip(data, pos, stop)
                start = pos
                value, pos, kind, whole = _number(data, pos, stop, powers)
                if kind == _WRONG:
                    return -1, 0
                if field < 2:
                    if kind == _SLOW or not whole:
                        return -1, 0
                    ids[field, row + count] = np.int64(value)
                else:
                    column = part if field == 2 else 4
                    numbers[row + count, column] = value
                    if kind == _SLOW:
                        if hard >= slow.shape[0]:
                            return -1, 0
                        slow[hard, 0] = (row + count) * 5 + column
                        slow[hard, 1] = start
                        slow[hard, 2] = pos
                        hard += 1
                if field == 2:
                    pos = _skip(data, pos, stop)
                    if pos >= stop or data[pos] != (93 if part == 3 else 44):
                        return -1, 0
                    pos += 1
            pos = _skip(data, pos, stop)
            if pos >= stop:
                return -1, 0
            if data[pos] == 44:
                pos += 1
                continue
            if data[pos] != 125:
                return -1, 0
            pos += 1
            break
        if seen != 15:
            return -1, 0
        count += 1
        pos = _skip(data, pos, stop)
        if pos >= stop:
            return count, hard
        if data[pos] != 44:
            return -1, 0
        pos += 1


def scan_results(text: bytes, jobs: int = 2) -> tuple[NDArray[np.int64], NDArray[np.float64]] | None:
    """Columns of a plain COCO results list, or None where the text is of another shape.

    Parameters
    ----------
    text : bytes
        UTF-8 without a byte order mark.
    jobs : int
        Threads; the text is cut between records.

    Returns
    -------
    ids : (2, N) int64
        Rows `image_id`, `category_id`.
    numbers : (N, 5) float64
        `bbox` as xywh, `score`; correctly rounded.
    """
    body = _body(text)
    if body is None:
        return None
    first, last = body
    cuts = _cuts(text, first, last)
    counts = [text.count(b"{", a, b) for a, b in pairwise(cuts)]
    starts = np.concatenate([[0], np.cumsum(counts)]).tolist()
    ids, numbers = np.empty((2, starts[-1]), np.int64), np.empty((starts[-1], 5))
    data = readonly(np.frombuffer(text, np.uint8), np.uint8)
    powers = readonly(_POWERS, np.float64)
    keys = readonly([list(key.ljust(16)) for key in _KEYS], np.uint8)

    def piece(n: int) -> bool:
        # A cut stands behind a comma: only the last piece may end without one, and none may be empty.
        slow = np.empty((counts[n] * 5, 3), np.int64)
        rows, hard = _records(data, cuts[n], cuts[n + 1], powers, keys, starts[n], counts[n], ids, numbers, slow)
        if rows != counts[n]:
            return False
        flat = numbers.reshape(-1)
        for at, a, b in slow[:hard].tolist():
            flat[at] = float(text[a:b])
        return bool(np.isfinite(flat[starts[n] * 5 : starts[n + 1] * 5]).all()) if hard else True

    with ThreadPoolExecutor(max(1, jobs)) as pool:
        return (ids, numbers) if all(pool.map(piece, range(len(counts)))) else None


def _body(text: bytes) -> tuple[int, int] | None:
    """Where the records of a list lie between its brackets; None for an empty list or no list."""
    head, tail = text[:4096].lstrip(b" \t\r\n"), text[-4096:].rstrip(b" \t\r\n")
    if not head.startswith(b"[") or not tail.endswith(b"]"):
        return None
    first = text.index(b"[") + 1
    last = len(text) - (min(4096, len(text)) - len(tail)) - 1
    inner = text[max(first, last - 4096) : last].rstrip(b" \t\r\n")
    return (first, last) if inner.endswith(b"}") else None


def _cuts(text: bytes, first: int, last: int) -> list[int]:
    """Places between records, behind a comma, about four million bytes apart."""
    cuts = [first]
    while last - cuts[-1] > 2 * _PIECE:
        brace = text.find(b"}", cuts[-1] + _PIECE, last)
        comma = text.find(b",", brace, last) if brace >= 0 else -1
        if comma < 0 or text[brace + 1 : comma].strip(b" \t\r\n"):
            break
        cuts.append(comma + 1)
    return [*cuts, last]
