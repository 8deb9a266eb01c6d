"""Four images as one: each fills a quarter, cut where it sticks out."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from detkit.transforms._items import Item, clipped, scaled

__all__ = ["mosaic"]


def mosaic(
    pictures: Sequence[NDArray[np.uint8]], items: Sequence[Sequence[Item]], random: np.random.Generator
) -> tuple[NDArray[np.uint8], list[Item]]:
    """A mosaic of the first picture's size; the point where the four meet lies in its middle part.

    Parameters
    ----------
    pictures : 4 of (H, W, 3) uint8
    items : 4 sequences of Item
    random : numpy.random.Generator

    Returns
    -------
    image : (H, W, 3) uint8
    items : list of Item
        Cut to their quarters, in order of the pictures.
    """
    from PIL import Image

    height, width = pictures[0].shape[:2]
    x, y = (max(1, min(side - 1, round(side * random.uniform(0.3, 0.7)))) for side in (width, height))
    quarters = [(0, 0, x, y), (x, 0, width, y), (0, y, x, height), (x, y, width, height)]
    out = np.empty((height, width, 3), np.uint8)
    found: list[Item] = []
    for number, (picture, mine, quarter) in enumerate(zip(pictures, items, quarters, strict=True)):
        left, top, right, bottom = quarter
        high, wide = picture.shape[:2]
        ratio = max((right - left) / wide, (bottom - top) / high)
        size = (math.ceil(wide * ratio - 1e-6), math.ceil(high * ratio - 1e-6))
        small = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BILINEAR))
        # The corner of the picture lies where the four meet.
        offset = (x if number % 2 else x - size[0], y if number >= 2 else y - size[1])
        out[top:bottom, left:right] = small[top - offset[1] : bottom - offset[1], left - offset[0] : right - offset[0]]
        moved = scaled(mine, ratio, offset, (width, height))
        found += [cut for cut in (clipped(item, quarter) for item in moved) if cut is not None]
    return out, found
