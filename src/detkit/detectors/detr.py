"""DETR: boxes and logits for each query, a softmax whose last column is "no object".

Outputs `logits` (B, Q, C + 1) and `pred_boxes` (B, Q, 4) centre and size from 0 to 1. A second input `pixel_mask`
(whole numbers or truth values, rank 3) is fed with ones: the whole input is image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.detectors._base import Dense, Output, Probe, Settings
from detkit.detectors._graph import Graph, Port
from detkit.detectors._pieces import class_columns, corners, imagenet, softmax
from detkit.detectors._prepare import Frame, Preparation
from detkit.detectors._queries import box_and_class, is_set_prediction, named, samples
from detkit.errors import InputError

__all__ = ["NEEDS_NMS", "decode", "feeds", "prepare", "recognise"]

NEEDS_NMS = False


def recognise(graph: Graph) -> Probe:
    """Whether the outputs are boxes and logits of queries whose scores are a softmax."""
    pair = box_and_class(graph)
    if pair is None:
        return Probe(False, "outputs are not boxes (B, Q, 4) and class logits (B, Q, C + 1)")
    if named(pair, ("dets",), ("labels",)):
        return Probe(False, "outputs `dets` and `labels` are RF-DETR's")
    if not is_set_prediction(pair):
        return Probe(False, "more rows than a set of queries has")
    if samples(graph):
        return Probe(False, "the decoder samples features (GridSample): models of that kind have sigmoid scores")
    if "Sigmoid" in graph.last.get(pair[1].name, ()):
        return Probe(False, "scores are sigmoids")
    if named(pair, ("boxes",), ("scores",)):
        return Probe(False, "outputs `scores` and `boxes` are finished ones, not logits")
    if named(pair, ("pred_boxes",), ("logits", "pred_logits")):
        return Probe(True, "outputs `logits` (B, Q, C + 1) and `pred_boxes` (B, Q, 4)")
    return Probe(True, "boxes and class logits of queries; softmax scores would fit, sigmoid too", certain=False)


def prepare(graph: Graph) -> Preparation:
    """RGB less ImageNet's mean by its deviation, stretched; 800 x 800 where the graph leaves it free."""
    return imagenet(graph, (800, 800), resize="stretch")


def feeds(graph: Graph, frames: Sequence[Frame]) -> dict[str, NDArray[Any]]:
    """Ones for the mask of pixels, where the graph asks for one."""
    port = _mask(graph)
    if port is None or not frames:
        return {}
    width, height = frames[0].network_size
    shape = (len(frames), port.shape[1] or height, port.shape[2] or width)
    return {port.name: np.ones(shape, dtype=port.dtype)}


def decode(
    outputs: Mapping[str, NDArray[Any]], graph: Graph, settings: Settings, frames: Sequence[Frame]
) -> list[Output]:
    """One `Dense` an image, a row a query, without the column "no object"."""
    pair = box_and_class(graph)
    if pair is None:
        raise InputError("detr: expected outputs boxes (B, Q, 4) and class logits (B, Q, C + 1)", path=graph.path)
    boxes, logits = (np.asarray(outputs[port.name], dtype=np.float32) for port in pair)
    columns = class_columns(logits.shape[2], settings, "last", graph.path)
    scores = logits if "Softmax" in graph.last.get(pair[1].name, ()) else softmax(logits)
    return [Dense(corners(boxes[i], frame.network_size), scores[i][:, columns]) for i, frame in enumerate(frames)]


def _mask(graph: Graph) -> Port | None:
    others = [p for p in graph.inputs if p is not graph.image and len(p.shape) == 3]
    return others[0] if others and others[0].dtype in ("int64", "int32", "bool", "float32") else None
