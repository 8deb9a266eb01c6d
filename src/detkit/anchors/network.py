"""A dataset's boxes as the network sees them: in pixels of its input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.boxes import Resize, frames_of
from detkit.tables import Dataset

__all__ = ["NetworkBoxes", "network_boxes"]


@dataclass(frozen=True, eq=False)
class NetworkBoxes:
    """Objects in network pixels, and what was left out.

    Parameters
    ----------
    image_size : (width, height)
        Of the network input.
    resize : {"letterbox", "letterbox-topleft", "stretch"}
    rows : (N,) int64
        Rows of the dataset's annotations.
    image_index, category_index : (N,) int64
    centre : (N, 2) float64
    wh : (N, 2) float64
        More than 0.
    frames : (I, 4) float64
        Of each image: scale x, scale y, offset x, offset y; network = image * scale + offset.
    left_out : mapping of str to int
        `crowds`, `ignored`, `without_area`, `without_image_size`.
    """

    image_size: tuple[int, int]
    resize: Resize
    rows: NDArray[np.int64]
    image_index: NDArray[np.int64]
    category_index: NDArray[np.int64]
    centre: NDArray[np.float64]
    wh: NDArray[np.float64]
    frames: NDArray[np.float64]
    left_out: Mapping[str, int]

    def __len__(self) -> int:
        return len(self.rows)


def network_boxes(dataset: Dataset, image_size: tuple[int, int], resize: Resize = "letterbox") -> NetworkBoxes:
    """The objects of a dataset in network pixels.

    Parameters
    ----------
    dataset : Dataset
    image_size : (width, height)
        Of the network input.
    resize : {"letterbox", "letterbox-topleft", "stretch"}

    Returns
    -------
    NetworkBoxes
        Crowds, ignored boxes, boxes without area and boxes of images of unknown size are left out, each counted once
        in this order. Shares of an image can be stretched without knowing its size; its frame then maps shares.
    """
    rows: Any = dataset.annotations
    sizes = dataset.images.sizes
    if dataset.units == "normalised":
        known_shape = ~np.isnan(sizes).any(axis=1, keepdims=True)
        # Shares need the aspect of the image only: one of width 1 and height 1 is all that stretching asks for.
        frames = frames_of(np.where(known_shape | (resize != "stretch"), sizes, 1.0), image_size, resize)
        frames[:, :2] *= np.where(known_shape, sizes, 1.0)
    else:
        frames = frames_of(sizes, image_size, resize)
    with np.errstate(invalid="ignore"):
        has_area = np.isfinite(rows.xywh).all(axis=1) & (rows.xywh[:, 2:] > 0).all(axis=1)
    usable = np.asarray(np.isfinite(frames).all(axis=1))[rows.image_index]
    left = np.ones(len(rows), np.bool_)
    left_out = {}
    for name, out in (
        ("crowds", rows.is_crowd),
        ("ignored", rows.is_ignored),
        ("without_area", ~has_area),
        ("without_image_size", ~usable),
    ):
        left_out[name] = int(np.count_nonzero(left & out))
        left &= ~out
    taken = np.flatnonzero(left)
    image_index = rows.image_index[taken]
    frame, xywh = frames[image_index], rows.xywh[taken]
    return NetworkBoxes(
        image_size,
        resize,
        taken,
        image_index,
        rows.category_index[taken],
        (xywh[:, :2] + xywh[:, 2:] / 2) * frame[:, :2] + frame[:, 2:],
        xywh[:, 2:] * frame[:, :2],
        frames,
        left_out,
    )
