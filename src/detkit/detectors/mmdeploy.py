"""What mmdeploy exports: `dets` (B, N, 5) with the score in the last column and `labels` (B, N), suppressed already.

Boxes are left, top, right, bottom in network pixels, labels count from 0 and are -1 in unused rows. Instance masks
(B, N, h, w) may follow. Exports of fixed size were made with a stretched image, dynamic ones with a kept aspect and
padding right and below.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.detectors._base import Output, Probe, Settings, Sparse
from detkit.detectors._graph import Graph
from detkit.detectors._pieces import class_positions, imagenet, is_float, is_whole
from detkit.detectors._prepare import Frame, Preparation
from detkit.errors import InputError

__all__ = ["NEEDS_NMS", "decode", "prepare", "recognise"]

NEEDS_NMS = False


def recognise(graph: Graph) -> Probe:
    """Whether the outputs are boxes with scores, five wide, and whole-numbered labels."""
    ports = _ports(graph)
    if ports is None:
        return Probe(False, "outputs are not dets (B, N, 5) and labels (B, N) of whole numbers")
    certain = ports[:2] == ("dets", "labels")
    return Probe(True, f"outputs `{ports[0]}` (B, N, 5) and `{ports[1]}` (B, N) of whole numbers", certain=certain)


def prepare(graph: Graph) -> Preparation:
    """RGB less ImageNet's mean by its deviation; stretched where the size is fixed, else letterboxed top left."""
    return imagenet(graph, (1344, 800), resize="letterbox-topleft" if graph.size is None else "stretch")


def decode(
    outputs: Mapping[str, NDArray[Any]], graph: Graph, settings: Settings, frames: Sequence[Frame]
) -> list[Output]:
    """One `Sparse` an image, without unused rows."""
    ports = _ports(graph)
    if ports is None:
        raise InputError("mmdeploy: expected outputs dets (B, N, 5) and labels (B, N)", path=graph.path)
    dets, labels = np.asarray(outputs[ports[0]], dtype=np.float32), outputs[ports[1]]
    masks = None if ports[2] is None else np.asarray(outputs[ports[2]], dtype=np.float32)
    found: list[Output] = []
    for i, frame in enumerate(frames):
        position = class_positions(labels[i], settings, 0)
        kept = position >= 0
        own = None if masks is None else masks[i][kept]
        whole = own is not None and own.shape[1:] == frame.network_size[::-1]
        found.append(
            Sparse(
                dets[i][kept, :4],
                dets[i][kept, 4],
                position[kept],
                masks=own,
                masks_of_boxes=own is not None and not whole,
            )
        )
    return found


def _ports(graph: Graph) -> tuple[str, str, str | None] | None:
    """Names of boxes with scores, labels and, where there are some, masks."""
    dets = [p.name for p in graph.outputs if is_float(p, 3) and p.shape[2] == 5]
    labels = [p.name for p in graph.outputs if is_whole(p, 2)]
    masks = [p.name for p in graph.outputs if is_float(p, 4)]
    if not len(dets) == len(labels) == 1 or len(graph.outputs) != 2 + len(masks) or len(masks) > 1:
        return None
    return dets[0], labels[0], masks[0] if masks else None
