"""YOLOv7 exported with suppression in the graph: one row a detection, all images of the batch in one table.

Output [N, 7]: image of the batch, left, top, right, bottom in network pixels, class, score.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.detectors import _yolo
from detkit.detectors._base import Output, Probe, Settings, Sparse
from detkit.detectors._graph import Graph
from detkit.detectors._pieces import class_positions
from detkit.detectors._prepare import Frame, Preparation
from detkit.errors import InputError

__all__ = ["NEEDS_NMS", "decode", "prepare", "recognise"]

NEEDS_NMS = False

#: Part of an output's name -> columns it stands for, for post-processing that names its own order.
_PARTS = {"batchno": 1, "classid": 1, "score": 1, "x1y1x2y2": 4}
_ORDER = ("batchno", "x1y1x2y2", "classid", "score")


def recognise(graph: Graph) -> Probe:
    """Whether the one output is a table of seven columns without a batch dimension."""
    fault = _fault(graph)
    if fault is not None:
        return Probe(False, fault)
    (main,) = graph.outputs
    if main.shape[1] != 7:
        return Probe(False, f"output {main}: expected 7 columns")
    if _named_order(main.name) not in (None, _ORDER):
        # Such tails sit behind models of several families, each with its own preparation.
        return Probe(False, f"output {main}: its name says another order of columns (readable with --family)")
    if "NonMaxSuppression" in graph.operators:
        return Probe(True, f"operator NonMaxSuppression; output {main} has image, box, class, score")
    return Probe(True, f"output {main}: could be image, box, class, score", certain=False)


def _fault(graph: Graph) -> str | None:
    fault = _yolo.image_fault(graph)
    if fault is not None:
        return fault
    if len(graph.image.shape) != 4 or len(graph.inputs) != 1 or [len(p.shape) for p in graph.outputs] != [2]:
        return f"{_yolo.ports(graph)}: expected 1, and one table without a batch"
    return None


def _named_order(name: str) -> tuple[str, ...] | None:
    """The parts of a name such as `batchno_classid_score_x1y1x2y2` in their order, None for other names."""
    parts = tuple(part for part in name.lower().split("_") if part in _PARTS)
    return parts if sorted(parts) == sorted(_PARTS) else None


def prepare(graph: Graph) -> Preparation:
    """RGB, 0 to 1, letterbox in the middle on 114."""
    return _yolo.preparation(graph)


def decode(
    outputs: Mapping[str, NDArray[Any]], graph: Graph, settings: Settings, frames: Sequence[Frame]
) -> list[Output]:
    """Detections, sorted back to their images.

    Raises
    ------
    InputError
        Not seven columns, or a row of an image that is not in the batch.
    """
    fault = _fault(graph)
    if fault is not None:
        raise InputError(fault, path=graph.path)
    table = np.asarray(outputs[graph.outputs[0].name]).astype(np.float32, copy=False)
    if table.ndim != 2 or table.shape[1] != 7:
        raise InputError(f"found {list(table.shape)}, expected [N, 7]", path=graph.path)
    columns, start = {}, 0
    for part in _named_order(graph.outputs[0].name) or _ORDER:
        columns[part] = table[:, start : start + _PARTS[part]]
        start += _PARTS[part]
    # A padded batch holds images behind the last frame: their rows are nobody's.
    image = np.rint(columns["batchno"][:, 0]).astype(np.int64)
    count = len(frames) or graph.batch or int(image.max(initial=0)) + 1
    if len(image) and (image.min() < 0 or (graph.batch is not None and image.max() >= graph.batch)):
        raise InputError(f"a row of image {image.min() if image.min() < 0 else image.max()}", path=graph.path)
    label = class_positions(np.rint(columns["classid"][:, 0]), settings, 0)
    box, score = columns["x1y1x2y2"], columns["score"][:, 0]
    rows = [np.flatnonzero((image == i) & (label >= 0)) for i in range(count)]
    return [Sparse(box[r], score[r], label[r]) for r in rows]
