"""Boxes against their images, computed once for all checks that look at boxes."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from detkit.tables import Dataset

__all__ = ["Geometry"]

Mask = NDArray[np.bool_]
Array = NDArray[np.float64]

#: A box that sticks out by no more is rounding: COCO's own boxes have two decimals, YOLO's six of a share.
_PIXELS, _SHARE = 0.011, 1e-6
#: Read as corners, a set of boxes is taken for xyxy where at least so many of them leave their image.
_LEAST_SHARE, _LEAST = 0.2, 3
_SMALLEST_IMAGE = 10


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

    @cached_property
    def sizes(self) -> Array:
        """(N, 2) width and height of each row's image in the unit of the boxes; NaN where unknown."""
        images = self.dataset.images.sizes if self.in_pixels else np.ones((len(self.dataset.images), 2))
        return np.asarray(images[self.dataset.annotations.image_index])

    @cached_property
    def corner(self) -> Array:
        """(N, 2) right and bottom edge."""
        return np.asarray(self.xywh[:, :2] + self.xywh[:, 2:])

    @cached_property
    def tolerance(self) -> Array:
        """(N, 2) what is taken for rounding."""
        return np.asarray(_SHARE * self.sizes + (_PIXELS if self.in_pixels else 0.0))

    @cached_property
    def empty(self) -> Mask:
        """(N,) no width or height, or a negative one."""
        return _any(~(self.xywh[:, 2:] > 0))

    @cached_property
    def is_oriented(self) -> Mask:
        """(N,) oriented boxes, which may leave their image."""
        stated = self.dataset.annotations.is_oriented
        return np.zeros(len(self.xywh), np.bool_) if stated is None else stated

    @cached_property
    def normalised(self) -> Mask:
        """(N,) boxes in pixels that lie within the first pixel: shares of the image, most likely."""
        if not self.in_pixels:
            return np.zeros(len(self.xywh), np.bool_)
        within = (self.corner <= 1 + 1e-9).all(axis=1) & (self.xywh[:, :2] >= 0).all(axis=1)
        large = (self.sizes > _SMALLEST_IMAGE).all(axis=1)
        return np.asarray(within & large & ~self.empty & (self.xywh[:, 2:] < 1).any(axis=1))

    @cached_property
    def are_corners(self) -> bool:
        """Whether the boxes make sense as left, top, right, bottom only."""
        usable = np.flatnonzero(~self.empty & ~self.normalised)
        if not len(usable):
            return False
        box, size, tolerance = self.xywh[usable], self.sizes[usable], self.tolerance[usable]
        leaving = _any(self.corner[usable] > size + tolerance).sum()
        if leaving < max(_LEAST, _LEAST_SHARE * len(usable)):
            return False
        ordered = (box[:, 2:] > box[:, :2]) & (box[:, :2] >= -tolerance) & (box[:, 2:] <= size + tolerance)
        return bool(ordered.all())

    @cached_property
    def from_zero(self) -> Mask:
        """(N,) boxes of a VOC set that start at 0, where no box reaches the last pixel: it counts from 0."""
        none = np.zeros(len(self.xywh), np.bool_)
        source = self.dataset.source
        if source is None or source.format != "voc" or (self.corner >= self.sizes).any():
            return none
        start = _any(self.xywh[:, :2] == -1)
        return none if (self.xywh[:, :2] < -1).any() else np.asarray(start & ~self.empty)

    @cached_property
    def outside(self) -> Mask:
        """(N,) boxes wholly outside their image."""
        beyond = (self.corner <= 0) | (self.xywh[:, :2] >= self.sizes)
        return _any(beyond) & ~self.empty & ~self.normalised & (not self.are_corners)

    @cached_property
    def partly(self) -> Mask:
        """(N,) boxes that stick out of their image."""
        over = (self.xywh[:, :2] < -self.tolerance) | (self.corner > self.sizes + self.tolerance)
        explained = self.empty | self.outside | self.normalised | self.from_zero
        return _any(over) & ~explained & (not self.are_corners)

    @cached_property
    def shorter(self) -> Array:
        """(N,) shorter side in pixels; NaN where the image's size is unknown."""
        if self.in_pixels:
            return np.asarray(self.xywh[:, 2:].min(axis=1)) if len(self.xywh) else np.zeros(0)
        known = self.dataset.images.sizes[self.dataset.annotations.image_index]
        return np.asarray((self.xywh[:, 2:] * known).min(axis=1)) if len(self.xywh) else np.zeros(0)

    @cached_property
    def sound(self) -> Mask:
        """(N,) boxes inside their image that have a size."""
        return ~(self.empty | self.normalised | self.outside | self.partly)


def _any(mask: Mask) -> Mask:
    return np.asarray(mask.any(axis=1))
