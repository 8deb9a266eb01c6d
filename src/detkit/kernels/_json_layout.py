"""What the byte scanner is told of a record, and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detkit.kernels._jit import readonly

__all__ = ["Columns", "Layout"]

#: What a key holds: a whole number, a number, four numbers, 0 or 1, something whose place is noted, or something that
#: only the library reads.
ID, NUMBER, BOX, FLAG, SPAN, REFUSED = 0, 1, 2, 3, 4, 5
#: Row of a layout's table: the key with its quotes, its length, what it holds, its column, whether it must be there.
LENGTH, HOLDS, COLUMN, REQUIRED, WIDTH = 20, 21, 22, 23, 24


@dataclass(frozen=True)
class Layout:
    """Which keys of a record are read.

    Parameters
    ----------
    ids, numbers, flags : tuple of str
        Keys with a whole number, a number, and 0 or 1; `null` is the same as no key.
    required : frozenset of str
        Of these and of the box.
    refused : tuple of str
        Keys that make the scan give up.
    box : str
    spans : tuple of str
        Keys with a list or an object, of which the place in the text is noted (see `json_outlines`, which reads it).
    is_closed : bool
        Give up on any other key, and on a `null`: what is read is then all that the records say.
    """

    ids: tuple[str, ...]
    numbers: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    required: frozenset[str] = frozenset()
    refused: tuple[str, ...] = ()
    box: str = "bbox"
    spans: tuple[str, ...] = ()
    is_closed: bool = False

    def keys(self) -> tuple[str, ...]:
        """All keys; `Columns.stated` has one bit for each in this order."""
        return (*self.ids, self.box, *self.numbers, *self.flags, *self.spans, *self.refused)

    def table(self) -> NDArray[np.uint8]:
        """(K, 24) what the kernel is told."""
        groups = ((self.ids, ID), ((self.box,), BOX), (self.numbers, NUMBER), (self.flags, FLAG))
        out = np.zeros((len(self.keys()), WIDTH), np.uint8)
        at = 0
        for names, holds in (*groups, (self.spans, SPAN), (self.refused, REFUSED)):
            for column, name in enumerate(names):
                key = f'"{name}"'.encode()
                out[at] = [*key.ljust(LENGTH), len(key), holds, column, name in self.required]
                at += 1
        return readonly(out, np.uint8)


@dataclass(frozen=True)
class Columns:
    """What was read.

    Parameters
    ----------
    ids : (I, N) int64
    boxes : (N, 4) float64
        NaN where not stated, as are the numbers.
    numbers : (S, N) float64
    flags : (F, N) uint8
    stated : (N,) uint16
        One bit for each key of the layout.
    spans : (P, N, 4) int64
        First byte and the byte behind the value, zeros where it is not stated; how many numbers and lists a list has
        in it if it is made of these alone. A list was not looked into: who reads it has to see that it is JSON.
    end : int
        Position after the closing bracket.
    """

    ids: NDArray[np.int64]
    boxes: NDArray[np.float64]
    numbers: NDArray[np.float64]
    flags: NDArray[np.uint8]
    stated: NDArray[np.uint16]
    spans: NDArray[np.int64]
    end: int
