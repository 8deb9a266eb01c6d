"""Pictures of a report: small images with truth and predictions drawn over them by the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

__all__ = ["DrawnBox", "Gallery", "Picture"]


@dataclass(frozen=True)
class DrawnBox:
    """A box over a picture, in the picture's coordinates.

    Parameters
    ----------
    kind : {"tp", "fp", "fn", "gt"}
        Hit, false positive, missed truth, found truth.
    x, y, w, h : float
    label : str
    score, iou : float, optional
    corners : tuple of (float, float), optional
        Of an oriented box; x, y, w, h is what holds it.
    """

    kind: Literal["tp", "fp", "fn", "gt"]
    x: float
    y: float
    w: float
    h: float
    label: str
    score: float | None = None
    iou: float | None = None
    corners: tuple[tuple[float, float], ...] | None = None

    def moved(self, x: float, y: float) -> DrawnBox:
        """The box where the picture's corner lies at x, y."""
        corners = self.corners and tuple((a - x, b - y) for a, b in self.corners)
        return replace(self, x=self.x - x, y=self.y - y, corners=corners)


@dataclass(frozen=True)
class Picture:
    """One image, or a part of one.

    Parameters
    ----------
    name : str
    src : str, optional
        Data URI; None where the image file is not at hand: boxes on an empty ground.
    width, height : float
        Extent of the coordinates the boxes are in.
    boxes : tuple of DrawnBox
    """

    name: str
    src: str | None
    width: float
    height: float
    boxes: tuple[DrawnBox, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for the page."""
        return {**vars(self), "boxes": [vars(box) for box in self.boxes]}


@dataclass(frozen=True)
class Gallery:
    """The pictures of a report.

    Parameters
    ----------
    pictures : tuple of Picture
        The worst images.
    crops : mapping of str to sequence of Picture
        Examples: `confusion N` of a cell of the confusion matrix, `misses REASON`.
    note : str
        How many there are, which were taken, what was left out.
    """

    pictures: tuple[Picture, ...]
    crops: Mapping[str, Sequence[Picture]]
    note: str
