"""How the boxes of a table are spread: over sizes, shapes, places in the image, and over pairs of classes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit import boxes
from detkit.tables import Dataset, Detections

__all__ = ["GRID", "centres", "histograms", "pairs"]

#: Rows and columns of the map of centres.
GRID = 16
#: Pairs of classes that are listed.
_PAIRS = 1000
_IMAGES_AT_ONCE = 8192
#: Square root of the area, pixels; COCO's limits 32 and 96 are among the edges.
_SIZES = (0, 4, 8, 16, 32, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
#: Square root of the share of the image's area.
_SHARES = (0.0, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
#: Width by height, symmetrical about the square.
_ASPECTS = (0, 1 / 8, 1 / 5, 1 / 3, 1 / 2, 2 / 3, 4 / 5, 5 / 4, 3 / 2, 2, 3, 5, 8)
_PER_IMAGE = (0, 1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 50, 100, 200, 500)


def histograms(table: Dataset | Detections) -> dict[str, dict[str, list[float]]]:
    """Histograms of size, share of the image, aspect and boxes per image.

    Parameters
    ----------
    table : Dataset or Detections

    Returns
    -------
    dict of str to dict
        `edges` and `counts`, equally many: bin n is from edge n to below the next, the last one is open. `size` only
        in pixels, `image_share` only where image sizes are known. Boxes without area are in `boxes_per_image` alone.
    """
    rows: Any = table.annotations if isinstance(table, Dataset) else table
    xywh = np.round(rows.xywh, 6)
    solid = (xywh[:, 2:] > 0).all(axis=1)
    sides, image = xywh[solid, 2:], rows.image_index[solid]
    found = {}
    if table.units == "pixels":
        found["size"] = _histogram(np.sqrt(sides[:, 0] * sides[:, 1]), _SIZES)
    share, aspect = _of_image(table, sides, image)
    found["image_share"] = _histogram(np.sqrt(share), _SHARES)
    found["aspect"] = _histogram(aspect, _ASPECTS)
    per_image = np.bincount(rows.image_index, minlength=len(table.images))
    found["boxes_per_image"] = _histogram(per_image.astype(np.float64), _PER_IMAGE)
    return found


def _of_image(
    table: Dataset | Detections, sides: NDArray[np.float64], image: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Shares of the image's area and aspects, each as far as known."""
    sizes = table.images.sizes[image]
    known = ~np.isnan(sizes).any(axis=1) & (sizes > 0).all(axis=1)
    if table.units == "pixels":
        shares = sides[known] / sizes[known]
        return shares[:, 0] * shares[:, 1], sides[:, 0] / sides[:, 1]
    pixels = sides[known] * sizes[known]
    return sides[:, 0] * sides[:, 1], pixels[:, 0] / pixels[:, 1]


def _histogram(values: NDArray[np.float64], edges: tuple[float, ...]) -> dict[str, list[float]]:
    place = np.searchsorted(edges, values, side="right") - 1
    return {"edges": list(edges), "counts": np.bincount(place, minlength=len(edges)).tolist()}


def centres(table: Dataset | Detections) -> list[list[int]]:
    """How many boxes have their centre in each cell of a grid over the image; rows from the top.

    Parameters
    ----------
    table : Dataset or Detections

    Returns
    -------
    list of list of int
        Empty where no image size is known. Centres outside their image are not counted.
    """
    rows: Any = table.annotations if isinstance(table, Dataset) else table
    centre = boxes.convert(rows.xywh, "xywh", "cxcywh")[:, :2]
    if table.units == "pixels":
        sizes = table.images.sizes[rows.image_index]
        known = ~np.isnan(sizes).any(axis=1) & (sizes > 0).all(axis=1)
        if len(known) and not known.any():
            return []
        centre = centre[known] / sizes[known]
    centre = centre[((centre >= 0) & (centre <= 1)).all(axis=1)]
    cell = np.minimum((centre * GRID).astype(np.int64), GRID - 1)
    counts = np.bincount(cell[:, 1] * GRID + cell[:, 0], minlength=GRID * GRID)
    return counts.reshape(GRID, GRID).tolist()


def pairs(table: Dataset | Detections) -> tuple[list[tuple[str, str, int]], int]:
    """Pairs of classes by the number of images that show both, most first, and how many pairs are not listed.

    Parameters
    ----------
    table : Dataset or Detections

    Returns
    -------
    list of (str, str, int), int
        Names in the order of the class list.
    """
    rows: Any = table.annotations if isinstance(table, Dataset) else table
    # Of a long class list, the classes that occur.
    used, place = np.unique(rows.category_index, return_inverse=True)
    names = [table.categories.names[k] for k in used.tolist()]
    count = np.zeros((len(names), len(names)), np.int64)
    for first in range(0, len(table.images), _IMAGES_AT_ONCE):
        low, high = np.searchsorted(rows.image_index, (first, first + _IMAGES_AT_ONCE))
        shows = np.zeros((min(_IMAGES_AT_ONCE, len(table.images) - first), len(names)), np.float32)
        shows[rows.image_index[low:high] - first, place[low:high]] = 1
        count += np.rint(shows.T @ shows).astype(np.int64)
    a, b = np.nonzero(np.triu(count, 1))
    order = np.lexsort((b, a, -count[a, b]))
    listed = [(names[a[n]], names[b[n]], int(count[a[n], b[n]])) for n in order[:_PAIRS]]
    return listed, max(0, len(order) - _PAIRS)
