"""RF-DETR and other set predictors with sigmoid scores: boxes and logits for each query, nothing chosen yet.

Outputs `dets` (B, Q, 4) centre and size from 0 to 1 and `labels` (B, Q, C) logits; a score is the sigmoid of its logit
and each query may be of several classes (the runner's choice of the best rows is the family's top-k over Q * C). One
of the columns may be background: the graph does not say, so the user does (`--set background=none|first|last`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.detectors._base import Dense, Output, Probe, Settings
from detkit.detectors._graph import Graph
from detkit.detectors._pieces import class_columns, corners, imagenet, logistic
from detkit.detectors._prepare import Frame, Preparation
from detkit.detectors._queries import box_and_class, is_set_prediction, named, samples
from detkit.errors import InputError

__all__ = ["NEEDS_NMS", "decode", "prepare", "recognise"]

NEEDS_NMS = False


def recognise(graph: Graph) -> Probe:
    """Whether the outputs are boxes and logits of queries whose scores are sigmoids."""
    pair = box_and_class(graph)
    if pair is None:
        return Probe(False, "outputs are not boxes (B, Q, 4) and class logits (B, Q, C)")
    if named(pair, ("dets",), ("labels",)):
        return Probe(True, "outputs `dets` (B, Q, 4) and `labels` (B, Q, C) of logits")
    if not is_set_prediction(pair):
        return Probe(False, "more rows than a set of queries has")
    if "Softmax" in graph.last.get(pair[1].name, ()):
        return Probe(False, "scores are a softmax")
    if named(pair, ("boxes",), ("scores",)):
        return Probe(False, "outputs `scores` and `boxes` are finished ones, not logits")
    if samples(graph):
        return Probe(True, "boxes and class logits of queries that sample features: sigmoid scores")
    if named(pair, ("pred_boxes",), ("logits", "pred_logits")):
        return Probe(False, "outputs `logits` and `pred_boxes` without sampling are DETR's")
    return Probe(True, "boxes and class logits of queries; sigmoid scores would fit, softmax too", certain=False)


def prepare(graph: Graph) -> Preparation:
    """RGB less ImageNet's mean by its deviation, stretched; 560 x 560 where the graph leaves it free."""
    return imagenet(graph, (560, 560), resize="stretch")


def decode(
    outputs: Mapping[str, NDArray[Any]], graph: Graph, settings: Settings, frames: Sequence[Frame]
) -> list[Output]:
    """One `Dense` an image, a row a query."""
    pair = box_and_class(graph)
    if pair is None:
        raise InputError("rfdetr: expected outputs boxes (B, Q, 4) and class logits (B, Q, C)", path=graph.path)
    boxes, logits = (np.asarray(outputs[port.name], dtype=np.float32) for port in pair)
    columns = class_columns(logits.shape[2], settings, None, graph.path)
    activated = "Sigmoid" in graph.last.get(pair[1].name, ())
    return [
        Dense(
            corners(boxes[i], frame.network_size),
            logits[i][:, columns] if activated else logistic(logits[i][:, columns]),
        )
        for i, frame in enumerate(frames)
    ]
