"""Models of the TensorFlow Object Detection API: pixels in, `detection_boxes`, `_classes`, `_scores` out.

Input uint8 (B, H, W, 3), normalised and resized in the graph. `detection_boxes` (B, N, 4) are top, left, bottom, right
from 0 to 1; `detection_classes` (B, N) count from 1 and are floating; `num_detections` (B,) says how many rows are
filled. `raw_detection_*` and the anchors are left aside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.detectors._base import Output, Probe, Settings, Sparse
from detkit.detectors._graph import Graph
from detkit.detectors._pieces import class_positions, usual
from detkit.detectors._prepare import Frame, Preparation
from detkit.errors import InputError

__all__ = ["NEEDS_NMS", "decode", "prepare", "recognise"]

NEEDS_NMS = False
_PARTS = ("detection_boxes", "detection_classes", "detection_scores", "num_detections", "detection_masks")


def recognise(graph: Graph) -> Probe:
    """Whether the outputs bear the names of the TensorFlow Object Detection API."""
    missing = [part for part in _PARTS[:3] if part not in _names(graph)]
    if missing:
        return Probe(False, f"no output `{missing[0]}`")
    return Probe(True, f"outputs `detection_boxes`, `detection_classes`, `detection_scores`; input {graph.image.dtype}")


def prepare(graph: Graph) -> Preparation:
    """Pixels as they are, RGB, stretched; 640 x 640 where the graph leaves it free (it resizes by itself)."""
    return usual(graph, (640, 640), resize="stretch", scale=1.0)


def decode(
    outputs: Mapping[str, NDArray[Any]], graph: Graph, settings: Settings, frames: Sequence[Frame]
) -> list[Output]:
    """One `Sparse` an image, as many rows as the graph says it filled."""
    names = _names(graph)
    if not set(_PARTS[:3]) <= set(names):
        raise InputError(f"ssd_tf: expected outputs {', '.join(_PARTS[:3])}", path=graph.path)
    boxes, classes, scores = (np.asarray(outputs[names[part]], dtype=np.float32) for part in _PARTS[:3])
    counts = np.asarray(outputs[names["num_detections"]]).reshape(-1) if "num_detections" in names else None
    masks = np.asarray(outputs[names["detection_masks"]], np.float32) if "detection_masks" in names else None
    found: list[Output] = []
    for i, frame in enumerate(frames):
        position = class_positions(np.rint(classes[i]), settings, 1)
        filled = len(position) if counts is None else int(counts[i])
        kept = np.flatnonzero(position[:filled] >= 0)
        width, height = frame.network_size
        xyxy = boxes[i][kept][:, [1, 0, 3, 2]] * np.array([width, height, width, height], dtype=np.float32)
        own = None if masks is None else masks[i][kept]
        found.append(Sparse(xyxy, scores[i][kept], position[kept], masks=own, masks_of_boxes=own is not None))
    return found


def _names(graph: Graph) -> dict[str, str]:
    """Part -> name of the output, which may have a scope before it and `:0` behind it."""
    found = {}
    for port in graph.outputs:
        part = port.name.split(":")[0].rsplit("/", 1)[-1]
        if part in _PARTS:
            found[part] = port.name
    return found
