"""Anchors spread over the output levels of a detector, and how they are written down."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detkit.errors import InputError, UsageError
from detkit.wording import plural

__all__ = ["Levels", "checked_anchors", "parse_anchors", "split_levels", "strides_for"]

_COARSEST = 32  # of up to three levels; a fourth and fifth go on to 64 and 128
_NUMBER = r"\d+(?:\.\d*)?(?:[eE][+-]?\d+)?"


@dataclass(frozen=True, eq=False)
class Levels:
    """Output levels of a detector, the finest first.

    Parameters
    ----------
    strides : tuple of int
        Network pixels per cell.
    anchors : tuple of (A, 2) float64
        Width and height of each level's anchors, in network pixels.
    """

    strides: tuple[int, ...]
    anchors: tuple[NDArray[np.float64], ...]

    @property
    def all(self) -> NDArray[np.float64]:
        """(K, 2) float64: the anchors of all levels in turn."""
        return np.concatenate(self.anchors)

    @property
    def level(self) -> NDArray[np.int64]:
        """(K,) int64: level of each of `all`."""
        return np.repeat(np.arange(len(self.anchors)), [len(a) for a in self.anchors])

    @property
    def place(self) -> NDArray[np.int64]:
        """(K,) int64: position of each of `all` in its level."""
        return np.concatenate([np.arange(len(a)) for a in self.anchors])

    def grids(self, image_size: tuple[int, int]) -> list[tuple[int, int]]:
        """(columns, rows) of each level at an input size.

        Raises
        ------
        UsageError
            The size is no multiple of a stride.
        """
        width, height = image_size
        for stride in self.strides:
            if width % stride or height % stride:
                largest = max(self.strides)
                hint = f"for instance --image-size {-(-width // largest) * largest}x{-(-height // largest) * largest}"
                raise UsageError(f"the input size {width}x{height} is no multiple of the stride {stride}", hint=hint)
        return [(width // stride, height // stride) for stride in self.strides]


def strides_for(levels: int | None, strides: Sequence[int] | None) -> tuple[int, ...]:
    """Strides of the output levels, the finest first.

    Parameters
    ----------
    levels : int, optional
        How many; 3 by default: 8, 16, 32. One level has 32, two have 16, 32, a fourth adds 64.
    strides : sequence of int, optional
        Themselves.

    Returns
    -------
    tuple of int

    Raises
    ------
    UsageError
        The two contradict each other, or strides do not ascend from 1.
    """
    if strides is None:
        count = 3 if levels is None else levels
        if not 1 <= count <= 8:
            raise UsageError(f"found {plural(count, 'level')}, expected 1 to 8")
        first = _COARSEST >> (min(count, 3) - 1)
        return tuple(first << n for n in range(count))
    if levels is not None and levels != len(strides):
        raise UsageError(
            f"found {plural(levels, 'level')} and {plural(len(strides), 'stride')}, "
            "expected as many of one as of the other"
        )
    if not strides or strides[0] < 1 or any(b <= a for a, b in pairwise(strides)):
        raise UsageError(f"found strides {', '.join(map(str, strides))}; expected whole numbers that ascend from 1")
    return tuple(strides)


def split_levels(anchors: ArrayLike, strides: Sequence[int]) -> Levels:
    """Anchors spread over levels in their order, the first ones to the finest.

    Parameters
    ----------
    anchors : (K, 2) array_like of float
        The smallest level first. Where the levels do not share them evenly, the first levels get one more.
    strides : sequence of int

    Returns
    -------
    Levels

    Raises
    ------
    UsageError
        A level would have none, or a coarser level smaller anchors on average than a finer one.
    """
    anchors = np.asarray(anchors, dtype=np.float64).reshape(-1, 2)
    if len(anchors) < len(strides):
        raise UsageError(
            f"{plural(len(anchors), 'anchor does', 'anchors do')} not fill {plural(len(strides), 'level')}",
            hint="ask for more, or --levels 1",
        )
    parts = tuple(np.array_split(anchors, len(strides)))
    sizes = [float(np.sqrt(part.prod(axis=1)).mean()) for part in parts]
    if any(later < earlier for earlier, later in pairwise(sizes)):
        raise UsageError(
            "the anchors of a coarse level are smaller than those of a finer one",
            hint="list them level by level, the smallest first: strides ascend",
        )
    return Levels(tuple(strides), parts)


def parse_anchors(text: str) -> NDArray[np.float64]:
    """Anchors from `10,13 16,30 33,23`, as configurations write them, or from a JSON file of `detkit anchors`.

    Parameters
    ----------
    text : str
        Widths and heights in network pixels; spaces, commas, semicolons and brackets may separate them.

    Returns
    -------
    (K, 2) float64
        In the order given.

    Raises
    ------
    UsageError
        Not pairs of numbers above 0.
    InputError
        A file that holds no anchors.
    """
    if text.strip().endswith(".json"):
        return _from_file(Path(text.strip()))
    numbers = re.split(r"[\s,;x()\[\]]+", text.strip(" \t\n,;()[]"))
    if not all(re.fullmatch(_NUMBER, n) for n in numbers) or len(numbers) % 2:
        raise UsageError(f"anchors: found `{text}`, expected pairs of numbers such as `10,13 16,30 33,23`")
    return checked_anchors(np.array([float(n) for n in numbers]).reshape(-1, 2))


def _from_file(path: Path) -> NDArray[np.float64]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return checked_anchors(content["anchors"] if isinstance(content, dict) else content)
    except (ValueError, KeyError, TypeError, UsageError):
        raise InputError(
            "no list of [width, height] under `anchors`, expected a report of `detkit anchors`", path=path
        ) from None


def checked_anchors(anchors: ArrayLike) -> NDArray[np.float64]:
    """Anchors as an array, once they are pairs of finite numbers above 0.

    Raises
    ------
    UsageError
    """
    found = np.asarray(anchors, dtype=np.float64)
    if found.ndim != 2 or found.shape[1] != 2 or not len(found):
        raise UsageError(f"anchors: found an array of shape {found.shape}, expected pairs of width and height")
    if not (np.isfinite(found) & (found > 0)).all():
        raise UsageError("anchors: found a side that is not above 0")
    return found
