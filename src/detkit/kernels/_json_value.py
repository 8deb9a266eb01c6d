"""Passing over a JSON value that nobody asked for, without letting anything through that is no JSON.

A table says for each state and byte what comes next, as a lexer generator would write it; the table is built here
from the grammar of RFC 8259, and one short loop follows it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.kernels._bytes import byte_at
from detkit.kernels._jit import jit, readonly

__all__ = ["grammar", "list_end", "pair_end", "skip"]

#: A container is no deeper than this: one bit a level says whether it is an object.
_DEEPEST = 60
#: What some bytes do besides: 0 stands for what is no JSON.
_OPEN_LIST, _OPEN_OBJECT, _CLOSE_LIST, _CLOSE_OBJECT, _COMMA = 1, 2, 3, 4, 5
_OUR_KEY, _VALUE, _LIST_START, _OBJECT_START, _KEY, _DONE = 6, 7, 8, 9, 10, 11
_FREE = 12
_SPACE, _DIGITS, _HEX = b" \t\r\n", b"0123456789", b"0123456789abcdefABCDEF"
_TEXT = bytes(c for c in range(32, 256) if c not in b'"\\')


@lru_cache
def grammar() -> NDArray[np.uint8]:
    """(states, 256) the next state, or what else is to be done, for each byte."""
    rows: list[NDArray[np.uint8]] = [np.zeros(256, np.uint8) for _ in range(_FREE)]

    def state() -> int:
        rows.append(np.zeros(256, np.uint8))
        return len(rows) - 1

    def on(source: int, found: bytes, target: int) -> None:
        rows[source][list(found)] = target

    def string(after: int, *, escapes: bool) -> int:
        inside = state()
        on(inside, _TEXT, inside)
        on(inside, b'"', after)
        if escapes:
            escaped, *digits = (state() for _ in range(5))
            on(inside, b"\\", escaped)
            on(escaped, b'"\\/bfnrt', inside)
            on(escaped, b"u", digits[0])
            for here, following in zip(digits, [*digits[1:], inside], strict=True):
                on(here, _HEX, following)
        return inside

    def ends(source: int) -> None:
        on(source, _SPACE, _DONE)
        on(source, b",", _COMMA)
        on(source, b"]", _CLOSE_LIST)
        on(source, b"}", _CLOSE_OBJECT)

    colon = state()
    on(colon, _SPACE, colon)
    on(colon, b":", _VALUE)
    on(_OUR_KEY, b'"', string(colon, escapes=False))
    key = string(colon, escapes=True)
    for start in (_KEY, _OBJECT_START):
        on(start, _SPACE, start)
        on(start, b'"', key)
    on(_OBJECT_START, b"}", _CLOSE_OBJECT)
    on(_LIST_START, b"]", _CLOSE_LIST)
    ends(_DONE)
    text = string(_DONE, escapes=True)
    minus, zero, digits, point, fraction, e, sign, power = (state() for _ in range(8))
    for start in (_VALUE, _LIST_START):
        on(start, _SPACE, start)
        on(start, b"[", _OPEN_LIST)
        on(start, b"{", _OPEN_OBJECT)
        on(start, b'"', text)
        on(start, b"-", minus)
        on(start, b"0", zero)
        on(start, b"123456789", digits)
    on(minus, b"0", zero)
    on(minus, b"123456789", digits)
    for here in (zero, digits, fraction, power):
        ends(here)
    for here in (zero, digits):
        on(here, b".", point)
    for here in (zero, digits, fraction):
        on(here, b"eE", e)
    on(digits, _DIGITS, digits)
    for here in (point, fraction):
        on(here, _DIGITS, fraction)
    on(e, b"+-", sign)
    for here in (e, sign, power):
        on(here, _DIGITS, power)
    for word in (b"null", b"true", b"false"):
        steps = [*(state() for _ in word[1:]), _DONE]
        for start in (_VALUE, _LIST_START):
            on(start, word[:1], steps[0])
        for at, letter in enumerate(word[1:]):
            on(steps[at], bytes([letter]), steps[at + 1])
    return readonly(np.array(rows), np.uint8)


@jit
def pair_end(data: Any, pos: int, stop: int, table: Any) -> int:
    """Position of the comma or brace behind the key (without escapes) and value that start here, -1 for no JSON."""
    state = np.uint8(_OUR_KEY)
    depth = 0
    objects = 0
    while pos < stop:
        state = table[state, byte_at(data, pos)]
        if state <= _COMMA:
            if state == 0:
                return -1
            if state <= _OPEN_OBJECT:
                if depth == _DEEPEST:
                    return -1
                depth += 1
                objects = 2 * objects + (1 if state == _OPEN_OBJECT else 0)
                state = np.uint8(_LIST_START if state == _OPEN_LIST else _OBJECT_START)
            elif depth == 0:
                return -1 if state == _CLOSE_LIST else pos
            elif state == _COMMA:
                state = np.uint8(_KEY if objects & 1 else _VALUE)
            else:
                if (objects & 1 == 1) != (state == _CLOSE_OBJECT):
                    return -1
                depth -= 1
                objects >>= 1
                state = np.uint8(_DONE)
        pos += 1
    return -1


@jit
def list_end(data: Any, pos: int, stop: int) -> Any:
    """Position behind the list that starts here, numbers and lists in it; -1 where more than numbers are in it."""
    depth = 0
    commas = 0
    lists = 0
    has_number: Any = 0
    while pos < stop:
        byte = byte_at(data, pos)
        pos += 1
        if byte == 44:
            commas += 1
        elif byte == 91:
            depth += 1
            lists += 1
        elif byte == 93:
            depth -= 1
            if depth == 0:
                return pos, (commas + 1) * has_number, lists - 1
        elif byte == 34 or byte == 123:
            return -1, 0, 0
        else:
            has_number |= 48 <= byte <= 57
    return -1, 0, 0


@jit
def skip(data: Any, pos: Any, stop: int) -> Any:
    """The first position from here on without white space."""
    while pos < stop:
        byte = byte_at(data, pos)
        if byte > 32 or not (byte == 32 or byte == 10 or byte == 13 or byte == 9):
            break
        pos += 1
    return pos
