"""Faster and Mask R-CNN (also RetinaNet, FCOS and SSD of torchvision): boxes, labels, scores of one image.

Outputs boxes (N, 4) in pixels of the input, labels (N,) whole numbers from 1, scores (N,), and masks (N, 1, h, w) where
there are some: over the whole input (torchvision) or over each box (model zoo, 28 x 28). torchvision takes RGB from
0 to 1 and normalises in the graph; the model zoo takes BGR pixels less a mean. One image a run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.detectors._base import Output, Probe, Settings, Sparse
from detkit.detectors._graph import Graph
from detkit.detectors._pieces import class_positions, is_float, is_whole, usual
from detkit.detectors._prepare import Frame, Preparation
from detkit.errors import InputError

__all__ = ["NEEDS_NMS", "decode", "prepare", "recognise"]

NEEDS_NMS = False
_ZOO_MEAN = (102.9801, 115.9465, 122.7717)


def recognise(graph: Graph) -> Probe:
    """Whether the outputs are boxes (N, 4), labels (N,), scores (N,) of a single image."""
    ports = _ports(graph)
    if ports is None or len(graph.inputs) != 1:
        return Probe(False, "outputs are not boxes (N, 4), labels (N,) whole and scores (N,) of one image")
    if graph.batch is not None and graph.batch != 1:
        return Probe(False, f"a batch of {graph.batch} and outputs of one image")
    masks = ", masks" if ports[3] is not None else ""
    layout = "torchvision: normalised in the graph" if _normalises(graph) else "model zoo: pixels less a mean"
    return Probe(True, f"boxes (N, 4), labels (N,), scores (N,){masks} of one image; {layout}")


def prepare(graph: Graph) -> Preparation:
    """RGB from 0 to 1 (torchvision) or BGR pixels less a mean (model zoo), letterboxed top left; 800 x 800 if free."""
    if _normalises(graph):
        return usual(graph, (800, 800), resize="letterbox-topleft")
    return usual(graph, (800, 800), resize="letterbox-topleft", color="bgr", scale=1.0, mean=_ZOO_MEAN)


def decode(
    outputs: Mapping[str, NDArray[Any]], graph: Graph, settings: Settings, frames: Sequence[Frame]
) -> list[Output]:
    """One `Sparse`, for the one image.

    Raises
    ------
    InputError
        Outputs of another kind, or several images.
    """
    ports = _ports(graph)
    if ports is None:
        raise InputError("rcnn: expected outputs boxes (N, 4), labels (N,) and scores (N,)", path=graph.path)
    if len(frames) != 1:
        raise InputError(f"rcnn: the graph answers for one image, found a batch of {len(frames)}", path=graph.path)
    boxes, labels, scores = (np.asarray(outputs[str(name)]) for name in ports[:3])
    position = class_positions(labels, settings, 1)
    kept = position >= 0
    masks = None if ports[3] is None else np.asarray(outputs[ports[3]], dtype=np.float32)[kept]
    width, height = frames[0].network_size
    if masks is not None:
        masks = masks.reshape(len(masks), *masks.shape[-2:])
    return [
        Sparse(
            boxes[kept].astype(np.float32),
            scores[kept].astype(np.float32),
            position[kept],
            masks=masks,
            masks_of_boxes=masks is not None and masks.shape[1:] != (height, width),
        )
    ]


def _normalises(graph: Graph) -> bool:
    """Whether the graph subtracts and divides before its first convolution."""
    return "Sub" in graph.first and bool({"Div", "Mul"} & graph.first)


def _ports(graph: Graph) -> tuple[str, str, str, str | None] | None:
    """Names of boxes, labels, scores and, where there are some, masks."""
    boxes = [p.name for p in graph.outputs if is_float(p, 2) and p.shape[1] in (4, None)]
    labels = [p.name for p in graph.outputs if is_whole(p, 1)]
    scores = [p.name for p in graph.outputs if is_float(p, 1)]
    masks = [p.name for p in graph.outputs if is_float(p, 4)]
    if not len(boxes) == len(labels) == len(scores) == 1 or len(graph.outputs) != 3 + len(masks) or len(masks) > 1:
        return None
    return boxes[0], labels[0], scores[0], masks[0] if masks else None
