"""YOLOv3 of the ONNX model zoo: a second input holds the image's size, suppression is in the graph.

Outputs: boxes [B, N, 4] as top, left, bottom, right, scores [B, nc, N], selected indices [M, 3] (or [1, M, 3]) of
image, class, box. The graph undoes a letterbox from `image_shape` to its input; it is told the input's own size here,
so that boxes stay in network pixels and the frame undoes exactly what was done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.detectors import _yolo
from detkit.detectors._base import Output, Probe, Settings, Sparse
from detkit.detectors._graph import Graph, Port
from detkit.detectors._pieces import class_positions
from detkit.detectors._prepare import Frame, Preparation
from detkit.errors import InputError

__all__ = ["NEEDS_NMS", "decode", "feeds", "prepare", "recognise"]

NEEDS_NMS = False


def recognise(graph: Graph) -> Probe:
    """Whether there is an image and its size, and boxes, scores and selected indices come out."""
    ports = _ports(graph)
    if isinstance(ports, str):
        return Probe(False, ports)
    size, boxes, scores, selected = ports
    said = "operator NonMaxSuppression; " if "NonMaxSuppression" in graph.operators else ""
    return Probe(True, f"{said}input {size}; outputs boxes {boxes}, scores {scores}, selected {selected}")


def _ports(graph: Graph) -> tuple[Port, Port, Port, Port] | str:
    """(image size, boxes, scores, selected indices), or why the ports are not these."""
    fault = _yolo.image_fault(graph)
    if fault is not None:
        return fault
    sizes = [p for p in graph.inputs if p is not graph.image and len(p.shape) in (1, 2) and p.shape[-1] in (2, None)]
    if len(graph.inputs) != 2 or len(sizes) != 1 or len(graph.outputs) != 3:
        return f"{_yolo.ports(graph)}: expected image and its size, and 3"
    selected = [p for p in graph.outputs if p.dtype in ("int32", "int64") and p.shape[-1:] == (3,)]
    floats = [p for p in graph.outputs if p.dtype.startswith("float") and len(p.shape) == 3]
    boxes = [p for p in floats if p.shape[2] == 4]
    if len(selected) != 1 or len(floats) != 2 or not boxes:
        return "expected outputs of boxes [B, N, 4], scores [B, classes, N] and selected indices [M, 3]"
    scores = next(p for p in floats if p is not boxes[0])
    return sizes[0], boxes[0], scores, selected[0]


def prepare(graph: Graph) -> Preparation:
    """RGB, 0 to 1, letterbox in the middle on mid grey."""
    return _yolo.preparation(graph, pad=128)


def feeds(graph: Graph, frames: Sequence[Frame]) -> dict[str, NDArray[Any]]:
    """The size the graph asks for, height first.

    Parameters
    ----------
    graph : Graph
    frames : sequence of Frame

    Returns
    -------
    dict of str to (1, 2) or (B, 2) array
        (height, width) of the network input: the graph's own letterbox is then the identity.
    """
    ports = _ports(graph)
    if isinstance(ports, str):
        raise InputError(ports, path=graph.path)
    width, height = _yolo.network_size(graph, frames)
    value = np.array([height, width], ports[0].dtype)
    return {ports[0].name: value if len(ports[0].shape) == 1 else np.tile(value, (ports[0].shape[0] or 1, 1))}


def decode(
    outputs: Mapping[str, NDArray[Any]], graph: Graph, settings: Settings, frames: Sequence[Frame]
) -> list[Output]:
    """The selected boxes of each image.

    Raises
    ------
    InputError
        A selected index points outside the boxes.
    """
    ports = _ports(graph)
    if isinstance(ports, str):
        raise InputError(ports, path=graph.path)
    boxes, scores = (np.asarray(outputs[p.name]).astype(np.float32, copy=False) for p in ports[1:3])
    selected = np.asarray(outputs[ports[3].name]).reshape(-1, 3).astype(np.int64)
    selected = selected[selected[:, 0] >= 0]  # filled up with -1 in some exports
    limits = np.array([len(boxes), scores.shape[1], boxes.shape[1]])
    if (selected < 0).any() or (selected >= limits).any():
        raise InputError("a selected index points outside the boxes", path=graph.path)
    position = class_positions(selected[:, 1], settings, 0)
    answers: list[Output] = []
    for image in range(len(frames) or len(boxes)):
        own = (selected[:, 0] == image) & (position >= 0)
        _, label, row = selected[own].T
        answers.append(Sparse(boxes[image, row][:, [1, 0, 3, 2]], scores[image, label, row], position[own]))
    return answers
