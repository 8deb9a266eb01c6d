"""What every model family offers.

A family is one file of this room; its name is the public name. It defines

- `recognise(graph)` -> `Probe`: whether a graph speaks this way, decided from metadata, inputs, outputs, shapes and
  operators, with the reason; it must say no to the graphs of every other family;
- `prepare(graph)` -> `Preparation`: how images are usually prepared for it (metadata first);
- `decode(outputs, graph, settings)` -> one `Output` an image: boxes in network pixels;
- `NEEDS_NMS`: whether boxes still overlap and are to be suppressed;
- `feeds(graph, frames)` -> extra inputs (optional), for graphs that want more than the image;
- `SETTINGS`: names of `--set` keys that only this family reads (optional).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from detkit.errors import InputError
from detkit.wording import examples

if TYPE_CHECKING:
    from detkit.detectors._graph import Graph
    from detkit.detectors._prepare import Frame, Preparation

__all__ = ["Dense", "Family", "Output", "Probe", "Settings", "Sparse", "too_many_classes"]

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Probe:
    """Whether a graph is of a family, and why (or why not).

    Parameters
    ----------
    matches : bool
    why : str
        Lower case: what decided.
    certain : bool
        False: shapes fit, but they would fit by accident too (no metadata, no telling name).
    """

    matches: bool
    why: str
    certain: bool = True


@dataclass(frozen=True)
class Dense:
    """Boxes with a score for every class, before any choice is made.

    Parameters
    ----------
    xyxy : (N, 4) float32
        Network pixels: left, top, right, bottom.
    scores : (N, C) float32
        0 to 1.
    keypoints : (N, K, 3) float32, optional
        Network pixels x, y and visibility or score.
    coefficients : (N, M) float32, optional
        Mask coefficients, for `prototypes`.
    prototypes : (M, h, w) float32, optional
    angle : (N,) float32, optional
        Radians; xyxy is then the box before rotation about its centre.
    """

    xyxy: Array
    scores: Array
    keypoints: Array | None = None
    coefficients: Array | None = None
    prototypes: Array | None = None
    angle: Array | None = None


@dataclass(frozen=True)
class Sparse:
    """Boxes that are each of one class already.

    Parameters
    ----------
    xyxy : (N, 4) float32
        Network pixels.
    score : (N,) float32
    label : (N,) int64
        Class position, counted from 0.
    keypoints, coefficients, prototypes, angle
        As `Dense`.
    masks : (N, h, w) float32, optional
        Mask probabilities, each over its own box (`masks_of_boxes`) or over the whole network input.
    masks_of_boxes : bool
    in_image_pixels : bool
        Boxes are already in pixels of the displayed image (the graph was told its size).
    """

    xyxy: Array
    score: Array
    label: NDArray[np.int64]
    keypoints: Array | None = None
    coefficients: Array | None = None
    prototypes: Array | None = None
    angle: Array | None = None
    masks: Array | None = None
    masks_of_boxes: bool = False
    in_image_pixels: bool = False


Output = Dense | Sparse


@dataclass(frozen=True)
class Settings:
    """What the user said about the model, for families that cannot read it off the graph.

    Parameters
    ----------
    values : mapping of str to str
        From `--set key=value`: `anchors`, `labels`, `classes`, `background`, ...
    classes : int, optional
        Number of classes where names are known.
    """

    values: Mapping[str, str] = field(default_factory=dict)
    classes: int | None = None


class Family(Protocol):
    """A family file, as the type checker sees it."""

    NEEDS_NMS: bool

    def recognise(self, graph: Graph) -> Probe:
        """Whether the graph is of this family."""

    def prepare(self, graph: Graph) -> Preparation:
        """The family's usual preparation."""

    def decode(
        self, outputs: Mapping[str, NDArray[Any]], graph: Graph, settings: Settings, frames: Sequence[Frame]
    ) -> list[Output]:
        """One answer for each image of the batch."""


def too_many_classes(graph: Graph, found: str, known: int) -> InputError:
    """Another number of classes than of names."""
    hint = "give a name for each class in the model's order with `--names FILE`"
    if graph.class_names is not None:
        hint += f", or leave it out: the file itself names {examples(graph.class_names)}"
    else:
        hint += "; labels of COCO's 91 numbers need `--label-base coco91`"
    return InputError(f"the model {found}, names are known for {known}", path=graph.path, hint=hint)
