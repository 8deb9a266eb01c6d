"""Boxes against their images, looked at once for all checks that look at boxes."""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detkit.checks._blocks import blocks
from detkit.tables import Dataset

__all__ = ["Geometry"]

Mask = NDArray[np.bool_]
Array = NDArray[np.float64]

#: A box that sticks out by no more is rounding: COCO's own boxes have two decimals, YOLO's six of a share.
_PIXELS, _SHARE = 0.011, 1e-6
#: Read as corners, a set of boxes is taken for xyxy where at least so many of them leave their image.
_LEAST_SHARE, _LEAST = 0.2, 3
_SMALLEST_IMAGE = 10
#: What is remembered of each row.
_EMPTY, _NORMALISED, _BEYOND, _OVER, _AT_START = 1, 2, 4, 8, 16


class _Look(NamedTuple):
    """One pass over all boxes: a byte for each row, and what only all rows together tell."""

    flags: NDArray[np.uint8]
    usable: int
    leaving: int
    are_ordered: bool
    reach_the_end: bool
    begin_below: bool


class Geometry:
    """Masks over the annotation rows; each kind of fault excludes those that explain it.

    Parameters
    ----------
    dataset : Dataset
    """

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self.in_pixels = dataset.units == "pixels"
        self.xywh = dataset.annotations.xywh
        self._sizes = dataset.images.sizes if self.in_pixels else np.ones((len(dataset.images), 2))

    def sizes_of(self, rows: Any) -> Array:
        """(R, 2) width and height of the image of each of these rows, in the unit of the boxes; NaN where unknown.

        Parameters
        ----------
        rows : int, slice, or (R,) array
            A single row gives its (2,).
        """
        return np.asarray(self._sizes[self.dataset.annotations.image_index[rows]])

    @property
    def sizes(self) -> Array:
        """(N, 2) `sizes_of` all rows."""
        return self.sizes_of(slice(None))

    def shorter_of(self, rows: slice) -> Array:
        """(R,) shorter side in pixels; NaN where the image's size is unknown and it is needed."""
        sides = self.xywh[rows, 2:]
        if not self.in_pixels:
            sides = sides * self.dataset.images.sizes[self.dataset.annotations.image_index[rows]]
        return np.asarray(np.minimum(sides[:, 0], sides[:, 1]))

    @property
    def empty(self) -> Mask:
        """(N,) no width or height, or a negative one."""
        return self._has(_EMPTY)

    @property
    def normalised(self) -> Mask:
        """(N,) boxes in pixels that lie within the first pixel: shares of the image, most likely."""
        return self._has(_NORMALISED)

    @cached_property
    def is_oriented(self) -> Mask:
        """(N,) oriented boxes, which may leave their image."""
        stated = self.dataset.annotations.is_oriented
        return np.zeros(len(self.xywh), np.bool_) if stated is None else stated

    @property
    def are_corners(self) -> bool:
        """Whether the boxes make sense as left, top, right, bottom only."""
        look = self._look
        return look.are_ordered and look.leaving >= max(_LEAST, _LEAST_SHARE * look.usable)

    @property
    def usable(self) -> Mask:
        """(N,) boxes that have a size, in the unit that is stated."""
        if self.are_corners:
            return np.zeros(len(self.xywh), np.bool_)
        return ~self._has(_EMPTY | _NORMALISED)

    @property
    def from_zero(self) -> Mask:
        """(N,) boxes of a VOC set that start at 0, where no box reaches the last pixel: it counts from 0."""
        source, look = self.dataset.source, self._look
        if source is None or source.format != "voc" or look.reach_the_end or look.begin_below:
            return np.zeros(len(self.xywh), np.bool_)
        return self._has(_AT_START) & ~self.empty

    @property
    def outside(self) -> Mask:
        """(N,) boxes wholly outside their image."""
        return self._has(_BEYOND) & self.usable

    @property
    def partly(self) -> Mask:
        """(N,) boxes that stick out of their image."""
        return self._has(_OVER) & ~self._has(_BEYOND) & self.usable & ~self.from_zero

    @property
    def sound(self) -> Mask:
        """(N,) boxes inside their image that have a size."""
        return ~(self._has(_EMPTY | _NORMALISED) | self.outside | self.partly)

    def _has(self, flags: int) -> Mask:
        return np.asarray((self._look.flags & flags) != 0)

    @cached_property
    def _look(self) -> _Look:
        flags = np.zeros(len(self.xywh), np.uint8)
        usable = leaving = 0
        ordered, reach, below = True, False, False
        slack = _PIXELS if self.in_pixels else 0.0
        for part in blocks(len(flags)):
            sizes = self.sizes_of(part)
            left, top, width, height = self.xywh[part].T
            right, bottom, wide, high = left + width, top + height, sizes[:, 0], sizes[:, 1]
            across, down = _SHARE * wide + slack, _SHARE * high + slack  # what is taken for rounding
            empty = ~((width > 0) & (height > 0))
            shares = self._in_first_pixel(part, right, bottom, sizes) & ~empty
            beyond = (right <= 0) | (bottom <= 0) | (left >= wide) | (top >= high)
            before, behind = (left < -across) | (top < -down), (right > wide + across) | (bottom > high + down)
            at_start = (left == -1) | (top == -1)
            flags[part] = (
                empty * np.uint8(_EMPTY)
                | shares * np.uint8(_NORMALISED)
                | beyond * np.uint8(_BEYOND)
                | (before | behind) * np.uint8(_OVER)
                | at_start * np.uint8(_AT_START)
            )
            some = ~(empty | shares)
            usable += int(np.count_nonzero(some))
            leaving += int(np.count_nonzero(some & behind))
            as_corners = (width > left) & (height > top) & ~before & (width <= wide + across) & (height <= high + down)
            ordered = ordered and bool((as_corners | ~some).all())
            reach = reach or bool(((right >= wide) | (bottom >= high)).any())
            below = below or bool(((left < -1) | (top < -1)).any())
        return _Look(flags, usable, leaving, ordered and usable > 0, reach, below)

    def _in_first_pixel(self, part: slice, right: Array, bottom: Array, sizes: Array) -> Mask:
        """Boxes in pixels that lie within the first pixel and do not fill it."""
        if not self.in_pixels:
            return np.zeros(len(right), np.bool_)
        left, top, width, height = self.xywh[part].T
        within = (right <= 1 + 1e-9) & (bottom <= 1 + 1e-9) & (left >= 0) & (top >= 0) & ((width < 1) | (height < 1))
        return np.asarray(within & (sizes[:, 0] > _SMALLEST_IMAGE) & (sizes[:, 1] > _SMALLEST_IMAGE))
