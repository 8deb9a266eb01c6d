"""YuNet: faces with five landmarks, from twelve outputs: class, objectness, box and landmarks at 8, 16, 32.

Scores are activated in the graph; a face's score is the root of class times objectness. The centre of a box is the
cell plus the first two values, its size the exponential of the others, landmarks are the cell plus their values, all
times the stride. Landmarks are right eye, left eye, nose, right and left corner of the mouth, as the person sees it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.detectors._base import Array, Dense, Output, Probe, Settings
from detkit.detectors._graph import Graph
from detkit.detectors._pieces import corners, grid, is_float, stride_of, usual
from detkit.detectors._prepare import Frame, Preparation
from detkit.errors import InputError

__all__ = ["NEEDS_NMS", "decode", "prepare", "recognise"]

NEEDS_NMS = True
_STRIDES = (8, 16, 32)
_WIDTHS = {1: 6, 4: 3, 10: 3}


def recognise(graph: Graph) -> Probe:
    """Whether there are twelve outputs: six of one value, three of four, three of ten."""
    if len(graph.outputs) != 12 or not all(is_float(p, 3) for p in graph.outputs):
        return Probe(False, "outputs are not twelve of rank 3")
    widths = [p.shape[2] for p in graph.outputs]
    if any(widths.count(width) != count for width, count in _WIDTHS.items()):
        return Probe(False, "outputs are not six of one value, three of four and three of ten")
    return Probe(True, "twelve outputs: class, objectness, box and five landmarks at three strides")


def prepare(graph: Graph) -> Preparation:
    """BGR pixels as they are, letterboxed top left with black; 640 x 640 where the graph leaves it free."""
    return usual(graph, (640, 640), resize="letterbox-topleft", color="bgr", scale=1.0, pad=0)


def decode(
    outputs: Mapping[str, NDArray[Any]], graph: Graph, settings: Settings, frames: Sequence[Frame]
) -> list[Output]:
    """One `Dense` of one class an image, with (N, 5, 3) keypoints: x, y and 1.

    Raises
    ------
    InputError
        Outputs of another kind, or rows that fit no stride (the input's sides have to be multiples of 32).
    """
    heads: dict[int, dict[int, list[Array]]] = {}
    for output in outputs.values():
        values = np.asarray(output, dtype=np.float32)
        if values.ndim != 3 or values.shape[2] not in _WIDTHS:
            raise InputError(f"yunet: an output is {list(values.shape)}, expected 1, 4 or 10 wide", path=graph.path)
        heads.setdefault(values.shape[1], {}).setdefault(values.shape[2], []).append(values)
    if any({width: len(found) for width, found in head.items()} != {1: 2, 4: 1, 10: 1} for head in heads.values()):
        raise InputError("yunet: expected class, objectness, box and landmarks for each stride", path=graph.path)
    return [_decoded(heads, i, frame, graph) for i, frame in enumerate(frames)]


def _decoded(heads: Mapping[int, Mapping[int, list[Array]]], i: int, frame: Frame, graph: Graph) -> Dense:
    boxes, scores, landmarks = [], [], []
    for rows, head in heads.items():
        stride = stride_of(rows, frame.network_size, _STRIDES, graph.path)
        cells = grid(frame.network_size, stride)
        # Class and objectness are multiplied: which of the two is which does not matter.
        first, second = (np.clip(values[i], 0, 1) for values in head[1])
        box, points = head[4][0][i], head[10][0][i].reshape(-1, 5, 2)
        centred = np.concatenate([cells + box[:, :2], np.exp(np.minimum(box[:, 2:], 20))], axis=1)
        boxes.append(corners(centred * np.float32(stride)))
        scores.append(np.sqrt(first * second))
        landmarks.append((cells[:, None] + points) * np.float32(stride))
    places = np.concatenate(landmarks)
    keypoints = np.concatenate([places, np.ones((*places.shape[:2], 1), np.float32)], axis=2)
    return Dense(np.concatenate(boxes), np.concatenate(scores), keypoints=keypoints)
