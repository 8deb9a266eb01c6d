"""How an image is looked at: as a whole, window by window, mirrored, at several sizes. One such look is a view."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Literal

from detkit import boxes
from detkit.detectors._prepare import Preparation
from detkit.errors import UsageError

__all__ = ["SCALES", "Looks", "View", "fitted", "network_sizes", "views_of", "windows"]

#: Shares of the network input at which `scale` looks.
SCALES = (0.83, 1.0, 1.2)
_LEAST_TILE = 16


@dataclass(frozen=True)
class Looks:
    """How every image is looked at, and how what was seen is joined. Plain values: they travel to worker processes.

    Parameters
    ----------
    tile : (width, height), optional
        Window in image pixels that slides over images larger than it.
    overlap : float
        Share of a window that its neighbour shows too, at least.
    whole : bool
        With windows: look at the whole image as well.
    flip : bool
        Look at each view mirrored too, left for right.
    scale : bool
        Look at each view in network inputs of several sizes (`SCALES`).
    merge : {"nms", "wbf"}
        How boxes of several views become one.
    letterbox : {"square", "rect"}
        Pad to the network's size, or only to the next multiple of its stride.
    draft : bool
        Read large JPEG files at a reduced size.
    """

    tile: tuple[int, int] | None = None
    overlap: float = 0.2
    whole: bool = True
    flip: bool = False
    scale: bool = False
    merge: Literal["nms", "wbf"] = "nms"
    letterbox: Literal["square", "rect"] = "square"
    draft: bool = False

    def __post_init__(self) -> None:
        if self.tile is not None and min(self.tile) < _LEAST_TILE:
            raise UsageError(f"tile: found {_text(self.tile)}, expected at least {_LEAST_TILE} pixels a side")
        if not 0 <= self.overlap < 1:
            raise UsageError(f"overlap: found {self.overlap:g}, expected a share of the tile from 0 to below 1")
        if self.merge not in ("nms", "wbf"):
            raise UsageError(f"merge: found `{self.merge}`, expected nms or wbf")
        if self.letterbox not in ("square", "rect"):
            raise UsageError(f"letterbox: found `{self.letterbox}`, expected square or rect")
        if self.draft and self.tile is not None:
            raise UsageError("draft: tiles need every pixel of the image", hint="leave one of the two out")

    @property
    def is_plain(self) -> bool:
        """One look at the whole image, in a network input that is the same for all."""
        return not self.joins and self.letterbox == "square"

    @property
    def joins(self) -> bool:
        """Whether an image may have several views."""
        return self.tile is not None or self.flip or self.scale

    def to_dict(self) -> dict[str, Any]:
        """What the answers depend on, for the run's record; what has no say is None."""
        tiled = self.tile is not None
        return {
            "tile": list(self.tile) if self.tile is not None else None,
            "overlap": self.overlap if tiled else None,
            "whole": self.whole if tiled else None,
            "tta": [name for name in ("flip", "scale") if getattr(self, name)],
            "merge": self.merge if self.joins else None,
            "letterbox": self.letterbox,
            "draft": self.draft,
        }


@dataclass(frozen=True)
class View:
    """One look at an image.

    Parameters
    ----------
    box : (left, top, right, bottom)
        What is shown, image pixels.
    flip : bool
        Mirrored, left for right.
    network : (width, height)
        Size of the network input.
    variant : int
        Number of the combination of mirroring and size.
    """

    box: tuple[int, int, int, int]
    flip: bool
    network: tuple[int, int]
    variant: int

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of what is shown."""
        return self.box[2] - self.box[0], self.box[3] - self.box[1]


def windows(image_size: tuple[int, int], looks: Looks) -> list[tuple[int, int, int, int]]:
    """What the views of an image show: the whole image first, then window by window, row by row.

    Parameters
    ----------
    image_size : (width, height)
    looks : Looks

    Returns
    -------
    list of (left, top, right, bottom)
        Image pixels; evenly stepped, the last one flush with the border. An image that is no larger than the window is
        one window of itself, and is looked at once.
    """
    whole = (0, 0, *image_size)
    if looks.tile is None:
        return [whole]
    found = boxes.windows(image_size, looks.tile, looks.overlap)
    return [whole, *found] if looks.whole and found != [whole] else found


def network_sizes(size: tuple[int, int], looks: Looks, stride: int) -> list[tuple[int, int]]:
    """Network inputs of the views, before padding to their own shape: the model's size, or one a scale.

    Parameters
    ----------
    size : (width, height)
    looks : Looks
    stride : int
        Other sizes are multiples of this.

    Returns
    -------
    list of (width, height)
    """
    if not looks.scale:
        return [size]
    scaled = [
        size if scale == 1 else _pair(max(stride, round(side * scale / stride) * stride) for side in size)
        for scale in SCALES
    ]
    return list(dict.fromkeys(scaled))


def views_of(image_size: tuple[int, int], looks: Looks, preparation: Preparation, stride: int) -> list[View]:
    """The views of an image, in the order in which they are run.

    Parameters
    ----------
    image_size : (width, height)
    looks : Looks
    preparation : Preparation
        Its size is that of the network input.
    stride : int

    Returns
    -------
    list of View
    """
    assert preparation.size is not None
    sizes = network_sizes(preparation.size, looks, stride)
    variants = list(product(sizes, (False, True) if looks.flip else (False,)))
    shown = windows(image_size, looks)
    views = [View(box, flip, size, number) for number, (size, flip) in enumerate(variants) for box in shown]
    if looks.letterbox == "square":
        return views
    return [replace(view, network=fitted(view.size, view.network, stride)) for view in views]


def fitted(image_size: tuple[int, int], network: tuple[int, int], stride: int) -> tuple[int, int]:
    """The smallest network input of whole strides that an image fits into as it fits into `network`.

    Parameters
    ----------
    image_size, network : (width, height)
    stride : int

    Returns
    -------
    (width, height)
    """
    ratio = min(network[i] / image_size[i] for i in (0, 1))
    return _pair(math.ceil(max(1, round(side * ratio)) / stride) * stride for side in image_size)


def _pair(values: Any) -> tuple[int, int]:
    width, height = values
    return int(width), int(height)


def _text(size: Sequence[int]) -> str:
    return f"{size[0]}x{size[1]}"
