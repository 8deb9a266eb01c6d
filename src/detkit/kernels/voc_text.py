"""Text of the objects of VOC XML files, thousands at a time in one piece of memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.kernels._jit import jit, readonly

__all__ = ["object_texts"]

#: Between the values of an object: behind the name, `truncated`, `difficult`, xmin, ymin, xmax, and at the end.
_PARTS = (
    b"\t<object>\n\t\t<name>",
    b"</name>\n\t\t<pose>Unspecified</pose>\n\t\t<truncated>",
    b"</truncated>\n\t\t<difficult>",
    b"</difficult>\n\t\t<bndbox>\n\t\t\t<xmin>",
    b"</xmin>\n\t\t\t<ymin>",
    b"</ymin>\n\t\t\t<xmax>",
    b"</xmax>\n\t\t\t<ymax>",
    b"</ymax>\n\t\t</bndbox>\n\t</object>\n",
)
_FIXED = len(_PARTS)
#: A sign and 16 digits, or a sign, 6 digits, a point and 9 decimals.
_LONGEST_NUMBER = 17
_TRUNCATED, _DIFFICULT, _READY = 0, 1, 2


@jit
def _put_piece(out: Any, at: int, pieces: Any, ends: Any, piece: int) -> int:
    for i in range(ends[piece], ends[piece + 1]):
        out[at] = pieces[i]
        at += 1
    return at


@jit
def _put_digits(out: Any, at: int, digits: Any, least: int) -> int:
    """At least so many digits of a number that is not negative."""
    count = 1
    rest = digits // 10
    while rest > 0:
        count += 1
        rest //= 10
    count = max(count, least)
    for i in range(count - 1, -1, -1):
        out[at + i] = 48 + digits % 10
        digits //= 10
    return at + count


@jit
def _put_number(out: Any, at: int, value: float) -> int:
    """A number that is whole, or below a million with at most nine decimals."""
    if value < 0:
        out[at] = 45
        at += 1
        value = -value
    whole = np.int64(value)
    at = _put_digits(out, at, whole, 1)
    decimals = np.int64((value - whole) * 1e9 + 0.5)
    if decimals == 0:
        return at
    out[at] = 46
    at = _put_digits(out, at + 1, decimals, 9)
    while out[at - 1] == 48:
        at -= 1
    return at


@jit
def _objects(corners: Any, flags: Any, texts: Any, pieces: Any, piece_ends: Any, out: Any, ends: Any) -> None:
    at = 0
    for row in range(ends.shape[0] - 1):
        ends[row] = at
        if flags[row, _READY]:
            at = _put_piece(out, at, pieces, piece_ends, texts[row])
            continue
        at = _put_piece(out, at, pieces, piece_ends, 0)
        at = _put_piece(out, at, pieces, piece_ends, texts[row])
        for i in range(2):
            at = _put_piece(out, at, pieces, piece_ends, 1 + i)
            out[at] = 48 + flags[row, i]
            at += 1
        for i in range(4):
            at = _put_piece(out, at, pieces, piece_ends, 3 + i)
            at = _put_number(out, at, corners[row, i])
        at = _put_piece(out, at, pieces, piece_ends, 7)
    ends[ends.shape[0] - 1] = at


def object_texts(
    corners: NDArray[np.float64],
    names: NDArray[np.int64],
    flags: NDArray[np.bool_],
    ready: NDArray[np.int64],
    name_texts: Sequence[bytes],
    ready_texts: Sequence[bytes],
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Text of each object, one after the other.

    Parameters
    ----------
    corners : (N, 4) float64
        xmin, ymin, xmax, ymax; whole and below 2**53, or below a million with at most nine decimals.
    names : (N,) int64
        Positions in `name_texts`.
    flags : (N, 2) bool
        `truncated` and `difficult`.
    ready : (N,) int64
        Position in `ready_texts` of an object that is written already, -1 for the others.
    name_texts : sequence of bytes
    ready_texts : sequence of bytes

    Returns
    -------
    text : (M,) uint8
    ends : (N + 1,) int64
        Object i is `text[ends[i]:ends[i + 1]]`.
    """
    pieces = [*_PARTS, *name_texts, *ready_texts]
    lengths = np.array([len(piece) for piece in pieces], np.int64)
    is_ready = ready >= 0
    texts = np.where(is_ready, _FIXED + len(name_texts) + ready, _FIXED + names)
    fixed = int(lengths[:_FIXED].sum()) + 2 + 4 * _LONGEST_NUMBER
    room = int(lengths[texts].sum()) + fixed * int(np.count_nonzero(~is_ready))
    out, ends = np.empty(room, np.uint8), np.empty(len(names) + 1, np.int64)
    _objects(
        readonly(corners, np.float64),
        readonly(np.column_stack([flags, is_ready]), np.uint8),
        readonly(texts, np.int64),
        readonly(np.frombuffer(b"".join(pieces), np.uint8), np.uint8),
        readonly(np.concatenate([[0], np.cumsum(lengths)]), np.int64),
        out,
        ends,
    )
    return out[: ends[-1]], ends
