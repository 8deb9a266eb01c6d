"""Box arithmetic in plain NumPy: layouts, clipping, area, windows, how images are resized for a network.

Layouts carry the field's names: `xywh` (left, top, width, height), `xyxy` (left, top, right, bottom), `cxcywh`
(centre, size). With the suffix `_norm` coordinates are shares of the image's width and height. Pixels count from the
left edge of the first pixel, x to the right, y down.
"""

from __future__ import annotations

import math
from itertools import product
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["LAYOUTS", "Resize", "area", "clip", "convert", "denormalise", "frames_of", "normalise", "windows"]

LAYOUTS = ("xywh", "xyxy", "cxcywh")

Resize = Literal["letterbox", "letterbox-topleft", "stretch"]


def convert(boxes: ArrayLike, source: str, target: str) -> NDArray[np.float64]:
    """Boxes in another layout.

    Parameters
    ----------
    boxes : (N, 4) array_like of float
    source, target : {"xywh", "xyxy", "cxcywh"}

    Returns
    -------
    (N, 4) float64
        A new array; no rounding, no clipping, NaN stays NaN.

    Raises
    ------
    ValueError
        Unknown layout.

    Examples
    --------
    >>> convert([[10, 20, 30, 40]], "xywh", "xyxy").tolist()
    [[10.0, 20.0, 40.0, 60.0]]
    """
    for layout in (source, target):
        if layout not in LAYOUTS:
            raise ValueError(f"unknown box layout {layout!r}; known: {', '.join(LAYOUTS)}")
    out = np.array(boxes, dtype=np.float64).reshape(-1, 4)
    if source == target:
        return out
    if source == "xyxy":
        out[:, 2:] -= out[:, :2]
    elif source == "cxcywh":
        out[:, :2] -= out[:, 2:] / 2
    if target == "xyxy":
        out[:, 2:] += out[:, :2]
    elif target == "cxcywh":
        out[:, :2] += out[:, 2:] / 2
    return out


def area(xywh: ArrayLike) -> NDArray[np.float64]:
    """Width times height of each box.

    Parameters
    ----------
    xywh : (N, 4) array_like of float

    Returns
    -------
    (N,) float64
    """
    xywh = np.asarray(xywh, dtype=np.float64).reshape(-1, 4)
    return xywh[:, 2] * xywh[:, 3]


def clip(xywh: ArrayLike, sizes: ArrayLike) -> NDArray[np.float64]:
    """Boxes cut to their images; a box wholly outside gets zero width or height.

    Parameters
    ----------
    xywh : (N, 4) array_like of float
        Pixels.
    sizes : (N, 2) array_like of float
        Width and height of each box's image; NaN leaves the box as it is.

    Returns
    -------
    (N, 4) float64
        Boxes that lie inside are returned unchanged, bit for bit.
    """
    xywh = np.array(xywh, dtype=np.float64).reshape(-1, 4)
    sizes = np.asarray(sizes, dtype=np.float64).reshape(-1, 2)
    corner = xywh[:, :2] + xywh[:, 2:]
    low = np.clip(xywh[:, :2], 0, np.where(np.isnan(sizes), np.inf, sizes))
    high = np.clip(corner, 0, np.where(np.isnan(sizes), np.inf, sizes))
    cut = ~np.isnan(sizes) & ((low != xywh[:, :2]) | (high != corner))
    xywh[:, :2] = np.where(cut, low, xywh[:, :2])
    xywh[:, 2:] = np.where(cut, high - low, xywh[:, 2:])
    return xywh


def normalise(xywh: ArrayLike, sizes: ArrayLike) -> NDArray[np.float64]:
    """Pixel boxes as shares of their image's size.

    Parameters
    ----------
    xywh : (N, 4) array_like of float
    sizes : (N, 2) array_like of float
        Width and height in pixels.

    Returns
    -------
    (N, 4) float64
    """
    sizes = np.asarray(sizes, dtype=np.float64).reshape(-1, 2)
    return np.asarray(xywh, dtype=np.float64).reshape(-1, 4) / np.hstack([sizes, sizes])


def denormalise(xywh: ArrayLike, sizes: ArrayLike) -> NDArray[np.float64]:
    """Boxes given as shares of the image's size, in pixels.

    The product carries a rounding noise of about 1e-13 pixels, which would turn 452 into 451.99999999999994: the
    result is rounded to 9 decimals, so that every coordinate that had up to 9 decimals before it was normalised
    comes back exactly.

    Parameters
    ----------
    xywh : (N, 4) array_like of float
    sizes : (N, 2) array_like of float
        Width and height in pixels.

    Returns
    -------
    (N, 4) float64
    """
    sizes = np.asarray(sizes, dtype=np.float64).reshape(-1, 2)
    pixels = np.asarray(xywh, dtype=np.float64).reshape(-1, 4) * np.hstack([sizes, sizes])
    return np.asarray(np.round(pixels, 9), dtype=np.float64)


def frames_of(sizes: ArrayLike, network_size: tuple[int, int], resize: Resize) -> NDArray[np.float64]:
    """How images lie in the input of a network: network = image * scale + offset, for x and y.

    Parameters
    ----------
    sizes : (I, 2) float64
        Width and height; NaN where unknown.
    network_size : (width, height)
        Pixels.
    resize : {"letterbox", "letterbox-topleft", "stretch"}
        Keep the aspect and pad both sides, keep it and pad right and below, or fill.

    Returns
    -------
    (I, 4) float64
        Scale x, scale y, offset x, offset y. The scale is not rounded; the border of a letterbox is whole pixels, its
        odd one right and below, as the training frameworks do it. NaN where the size is unknown.
    """
    sizes = np.asarray(sizes, dtype=np.float64).reshape(-1, 2)
    network = np.array(network_size, dtype=np.float64)
    with np.errstate(divide="ignore"):
        scale = network / sizes
    if resize == "stretch":
        return np.hstack([scale, np.where(np.isnan(scale), np.nan, 0.0)])
    scale = np.repeat(scale.min(axis=1, keepdims=True), 2, axis=1)
    offset = np.where(np.isnan(scale), np.nan, 0.0)
    if resize == "letterbox":
        offset = np.round((network - np.maximum(1, np.round(sizes * scale))) / 2 - 0.1)
    return np.hstack([scale, offset])


def windows(image_size: tuple[int, int], tile: tuple[int, int], overlap: float) -> list[tuple[int, int, int, int]]:
    """Windows of one size that cover an image, row by row: evenly stepped, the last ones flush with the border.

    Parameters
    ----------
    image_size : (width, height)
        Pixels.
    tile : (width, height)
        Of a window. An image that is smaller is one window of its own size.
    overlap : float
        Share of a window that its neighbour shows too, at least; from 0 to below 1.

    Returns
    -------
    list of (left, top, right, bottom)
    """
    columns, rows = (_starts(image_size[i], tile[i], overlap) for i in (0, 1))
    width, height = (min(image_size[i], tile[i]) for i in (0, 1))
    return [(x, y, x + width, y + height) for y, x in product(rows, columns)]


def _starts(length: int, tile: int, overlap: float) -> list[int]:
    if length <= tile:
        return [0]
    # A whisker less, so that a step of 0.8 times 640 is not taken for one too short.
    steps = math.ceil((length - tile) / max(1.0, tile * (1 - overlap)) - 1e-9)
    return [round(i * (length - tile) / steps) for i in range(steps + 1)]
