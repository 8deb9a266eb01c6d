"""RT-DETR, D-FINE, DEIM: the graph is told the size of each image and answers labels, boxes and scores.

Inputs `images` and `orig_target_sizes` (B, 2) whole numbers, width first. Outputs labels (B, Q) whole numbers from 0,
boxes (B, Q, 4) left, top, right, bottom in the units of the size told, scores (B, Q). No suppression.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.detectors._base import Output, Probe, Settings, Sparse
from detkit.detectors._graph import Graph, Port
from detkit.detectors._pieces import class_positions, is_float, is_stretched, is_whole, usual
from detkit.detectors._prepare import Frame, Preparation
from detkit.errors import InputError

__all__ = ["NEEDS_NMS", "decode", "feeds", "prepare", "recognise"]

NEEDS_NMS = False


def recognise(graph: Graph) -> Probe:
    """Whether a second, whole-numbered input takes sizes and the outputs are labels, boxes and scores."""
    sizes = _sizes(graph)
    if sizes is None:
        return Probe(False, "no second input of whole numbers (B, 2) that takes image sizes")
    if _ports(graph) is None:
        return Probe(False, "outputs are not labels (B, Q) whole, boxes (B, Q, 4) and scores (B, Q)")
    return Probe(True, f"second whole-numbered input `{sizes.name}` takes image sizes; labels, boxes, scores")


def prepare(graph: Graph) -> Preparation:
    """RGB from 0 to 1, stretched."""
    return usual(graph, (640, 640), resize="stretch")


def feeds(graph: Graph, frames: Sequence[Frame]) -> dict[str, NDArray[Any]]:
    """The second input: (B, 2) width and height of each image.

    Where an image does not fill the network input (letterbox), the network's own size, so that the boxes come back in
    network pixels.
    """
    port = _sizes(graph)
    if port is None:
        return {}
    return {port.name: np.array([_told(frame) for frame in frames], dtype=port.dtype).reshape(-1, 2)}


def decode(
    outputs: Mapping[str, NDArray[Any]], graph: Graph, settings: Settings, frames: Sequence[Frame]
) -> list[Output]:
    """One `Sparse` an image, in image pixels where the image was stretched."""
    ports = _ports(graph)
    if ports is None:
        raise InputError("rtdetr: expected outputs labels (B, Q), boxes (B, Q, 4) and scores (B, Q)", path=graph.path)
    labels, boxes, scores = (outputs[name] for name in ports)
    found: list[Output] = []
    for i, frame in enumerate(frames):
        position = class_positions(labels[i], settings, 0)
        kept = position >= 0
        found.append(
            Sparse(
                np.asarray(boxes[i], dtype=np.float32)[kept],
                np.asarray(scores[i], dtype=np.float32)[kept],
                position[kept],
                in_image_pixels=is_stretched(frame),
            )
        )
    return found


def _told(frame: Frame) -> tuple[int, int]:
    return frame.image_size if is_stretched(frame) else frame.network_size


def _sizes(graph: Graph) -> Port | None:
    others = [p for p in graph.inputs if p is not graph.image]
    found = [p for p in others if is_whole(p, 2) and p.shape[-1] in (2, None)]
    return found[0] if len(others) == len(found) == 1 else None


def _ports(graph: Graph) -> tuple[str, str, str] | None:
    """Names of labels, boxes, scores."""
    labels = [p.name for p in graph.outputs if is_whole(p, 2)]
    boxes = [p.name for p in graph.outputs if is_float(p, 3) and p.shape[-1] in (4, None)]
    scores = [p.name for p in graph.outputs if is_float(p, 2)]
    if len(graph.outputs) == 3 and len(labels) == len(boxes) == len(scores) == 1:
        return labels[0], boxes[0], scores[0]
    return None
