"""SSD as pytorch-ssd and UltraFace export it: class scores with the background first, boxes decoded in the graph.

Outputs scores (B, N, 1 + C) and boxes (B, N, 4), left, top, right, bottom from 0 to 1; thousands of anchors, to be
suppressed. Scores that are no softmax in the graph get it here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.detectors._base import Dense, Output, Probe, Settings
from detkit.detectors._graph import Graph
from detkit.detectors._pieces import class_columns, softmax, usual
from detkit.detectors._prepare import Frame, Preparation
from detkit.detectors._queries import MOST_QUERIES, box_and_class
from detkit.errors import InputError

__all__ = ["NEEDS_NMS", "decode", "prepare", "recognise"]

NEEDS_NMS = True


def recognise(graph: Graph) -> Probe:
    """Whether the outputs are scores of many anchors, background first, and decoded boxes."""
    pair = box_and_class(graph)
    if pair is None or len(graph.outputs) != 2:
        return Probe(False, "outputs are not scores (B, N, 1 + C) and boxes (B, N, 4)")
    boxes, scores = pair
    if scores.shape[2] is not None and scores.shape[2] < 2:
        return Probe(False, "one score a box leaves no column for the background")
    rows = boxes.shape[1] or scores.shape[1]
    names = {boxes.name.lower(), scores.name.lower()}
    telling = names == {"boxes", "scores"}
    if "Sigmoid" in graph.last.get(scores.name, ()):
        return Probe(False, "scores are sigmoids: no column is the background")
    if not telling and (rows is None or rows <= MOST_QUERIES):
        return Probe(False, "too few rows for anchors")
    if rows is not None and rows == _cells(graph):
        return Probe(False, "one row for each cell of a grid: no anchors")
    if "Exp" not in graph.operators:
        return Probe(False, "boxes are not decoded in the graph (no Exp): they would need its anchors")
    certain = telling and "Softmax" in graph.last.get(scores.name, ())
    return Probe(True, f"scores and decoded boxes of {rows or 'many'} anchors", certain=certain)


def prepare(graph: Graph) -> Preparation:
    """RGB (pixel - 127) / 128, stretched; 300 x 300 where the graph leaves it free."""
    return usual(graph, (300, 300), resize="stretch", scale=1.0, mean=(127.0,) * 3, std=(128.0,) * 3)


def decode(
    outputs: Mapping[str, NDArray[Any]], graph: Graph, settings: Settings, frames: Sequence[Frame]
) -> list[Output]:
    """One `Dense` an image, a row an anchor, without the background."""
    pair = box_and_class(graph)
    if pair is None:
        raise InputError("ssd: expected outputs scores (B, N, 1 + C) and boxes (B, N, 4)", path=graph.path)
    boxes, scores = (np.asarray(outputs[port.name], dtype=np.float32) for port in pair)
    columns = class_columns(scores.shape[2], settings, "first", graph.path)
    if "Softmax" not in graph.operators:
        scores = softmax(scores)
    return [
        Dense(boxes[i] * np.tile(np.array(frame.network_size, np.float32), 2), scores[i][:, columns])
        for i, frame in enumerate(frames)
    ]


def _cells(graph: Graph) -> int | None:
    """Rows of an anchor-free head at strides 8, 16 and 32."""
    if graph.size is None:
        return None
    return sum(-(-graph.size[0] // s) * -(-graph.size[1] // s) for s in (8, 16, 32))
