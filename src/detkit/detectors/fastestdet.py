"""FastestDet: one output (B, 5 + C, h, w) at stride 16: objectness, four box values, class scores for each cell.

Objectness is a sigmoid and the classes are a softmax in the graph already; the box values are raw: the centre is the
cell plus the tangent of x and y, in cells, width and height are sigmoids of the whole input.
A score is objectness ** 0.6 * class ** 0.4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.detectors._base import Array, Dense, Output, Probe, Settings
from detkit.detectors._graph import Graph
from detkit.detectors._pieces import corners, is_float, logistic, rows_of, softmax, usual
from detkit.detectors._prepare import Frame, Preparation
from detkit.errors import InputError

__all__ = ["NEEDS_NMS", "decode", "prepare", "recognise"]

NEEDS_NMS = True
_STRIDE = 16


def recognise(graph: Graph) -> Probe:
    """Whether the one output is a grid at stride 16 made of a sigmoid, raw values and a softmax."""
    if len(graph.outputs) != 1 or not is_float(graph.outputs[0], 4):
        return Probe(False, "outputs are not one grid (B, 5 + C, h, w)")
    port = graph.outputs[0]
    channels, height, width = port.shape[1:]
    if channels is not None and channels < 6:
        return Probe(False, f"{channels} channels leave none for classes")
    if graph.size is not None and height is not None and width is not None:
        expected = (-(-graph.size[0] // _STRIDE), -(-graph.size[1] // _STRIDE))
        if (width, height) != expected:
            return Probe(False, f"the grid is {width}x{height}, at stride 16 it would be {expected[0]}x{expected[1]}")
    last = graph.last.get(port.name, frozenset())
    if not {"Sigmoid", "Softmax"} <= last:
        return Probe(False, "the grid is not made of a sigmoid (objectness) and a softmax (classes)")
    return Probe(True, "one grid at stride 16 made of a sigmoid (objectness), raw boxes and a softmax (classes)")


def prepare(graph: Graph) -> Preparation:
    """BGR from 0 to 1, stretched; 352 x 352 where the graph leaves it free."""
    return usual(graph, (352, 352), resize="stretch", color="bgr")


def decode(
    outputs: Mapping[str, NDArray[Any]], graph: Graph, settings: Settings, frames: Sequence[Frame]
) -> list[Output]:
    """One `Dense` an image, a row a cell."""
    name, output = next(iter(outputs.items()))
    values = np.asarray(output, dtype=np.float32)
    if values.ndim != 4 or values.shape[1] < 6:
        raise InputError(
            f"fastestdet: output `{name}` is {list(values.shape)}, expected (B, 5 + C, h, w)", path=graph.path
        )
    height, width = values.shape[2:]
    y, x = np.divmod(np.arange(height * width), width)
    cells = np.stack([x, y], axis=1).astype(np.float32)
    size = np.array([width, height], dtype=np.float32)
    last = graph.last.get(name, frozenset({"Sigmoid", "Softmax"}))
    found: list[Output] = []
    for rows, frame in zip(rows_of(values), frames, strict=False):
        objectness = rows[:, :1] if "Sigmoid" in last else logistic(rows[:, :1])
        classes = rows[:, 5:] if "Softmax" in last else softmax(rows[:, 5:])
        boxes = np.concatenate([(cells + np.tanh(rows[:, 1:3])) / size, logistic(rows[:, 3:5])], axis=1)
        found.append(Dense(corners(boxes, frame.network_size), _score(objectness, classes)))
    return found


def _score(objectness: Array, classes: Array) -> Array:
    return np.asarray(np.maximum(objectness, 0) ** np.float32(0.6) * np.maximum(classes, 0) ** np.float32(0.4))
