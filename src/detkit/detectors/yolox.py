"""YOLOX: one row a grid cell, BGR from 0 to 255, letterbox at the top left.

Output [B, N, 5 + nc]: box, objectness, a score a class; a box's score is their product. As usually exported the box is
raw (offset in the cell, logarithm of the size in strides); an Exp operator marks an export with boxes
in network pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.detectors import _yolo
from detkit.detectors._base import Dense, Output, Probe, Settings
from detkit.detectors._graph import Graph
from detkit.detectors._prepare import Frame, Preparation
from detkit.errors import InputError, UsageError
from detkit.wording import plural

__all__ = ["NEEDS_NMS", "SETTINGS", "decode", "prepare", "recognise"]

NEEDS_NMS = True
SETTINGS = ("decoded",)


def recognise(graph: Graph) -> Probe:
    """Whether the one output has a row for each grid cell, and boxes that YOLOX could have made."""
    fault = _fault(graph)
    if fault is not None:
        return Probe(False, fault)
    (main,) = graph.outputs
    rows, width = _yolo.shape(main, graph)
    names = graph.class_names
    if width is None or width < 6:
        return Probe(False, f"output {main}: expected 5 + classes columns")
    if names is not None and width != 5 + len(names):
        return Probe(False, f"output {main}: {len(names)} names make {5 + len(names)} columns")
    if "task" in graph.metadata or _yolo.says_end_to_end(graph):
        return Probe(False, "metadata is of Ultralytics")
    if "Exp" not in graph.operators and "Sub" in graph.operators:
        # YOLOv6 has this very shape, decoded from edges, and wants RGB from 0 to 1.
        return Probe(False, f"output {main}: boxes seem to be decoded (Sub), but not as YOLOX does it (Exp)")
    kind = "an Exp operator: decoded" if "Exp" in graph.operators else "no Exp operator: boxes raw"
    strides = _yolo.grid_strides(rows, graph.size, 1, (_yolo.P5, _yolo.P6))
    if strides == _yolo.P6 and names is None and "Exp" not in graph.operators:
        # NanoDet-Plus has these rows as well, with other columns and other pixels.
        return Probe(False, f"output {main}: rows of strides 8 to 64, and neither names nor an Exp operator")
    if strides is not None:
        cells = ", ".join(map(str, strides))
        return Probe(True, f"output {main}: 5 + {width - 5} columns, one row a cell of strides {cells}; {kind}")
    if (rows is not None and (graph.size is not None or rows <= 1000)) or "Pow" in graph.operators:
        return Probe(False, f"output {main}: not one row a grid cell")
    if graph.metadata.get("stride") and names is not None:
        return Probe(False, "metadata stride and names are of YOLOv5")
    return Probe(True, f"output {main}: could be 5 + {width - 5} columns, one row a cell; {kind}", certain=False)


def _fault(graph: Graph) -> str | None:
    fault = _yolo.image_fault(graph)
    if fault is not None:
        return fault
    if len(graph.inputs) != 1 or len(graph.outputs) != 1 or len(_yolo.shape(graph.outputs[0], graph)) != 2:
        return f"{_yolo.ports(graph)}: expected 1, and one table"
    return None


def prepare(graph: Graph) -> Preparation:
    """BGR, 0 to 255, letterbox at the top left on 114."""
    return _yolo.preparation(graph, color="bgr", scale=1.0, resize="letterbox-topleft")


def decode(
    outputs: Mapping[str, NDArray[Any]], graph: Graph, settings: Settings, frames: Sequence[Frame]
) -> list[Output]:
    """Boxes with objectness times class score.

    Raises
    ------
    InputError
        The number of columns does not fit the number of classes, or that of rows the strides.
    """
    fault = _fault(graph)
    if fault is not None:
        raise InputError(fault, path=graph.path)
    (table,) = _yolo.batches(outputs, graph, frames, graph.outputs[0])
    known = _yolo.class_numbers(graph, settings)
    if table.shape[2] < 6 or (known is not None and table.shape[2] != 5 + known):
        wanted = known if known is not None else "at least one"
        raise InputError(f"found {plural(table.shape[2], 'column')}, expected 5 + {wanted} classes", path=graph.path)
    boxes = table[..., :4] if _is_decoded(graph, settings) else _decoded(table[..., :4], graph, frames)
    xyxy = _yolo.boxes_from_centres(boxes)
    return [Dense(box, rows[:, 4:5] * rows[:, 5:]) for box, rows in zip(xyxy, table, strict=True)]


def _is_decoded(graph: Graph, settings: Settings) -> bool:
    said = settings.values.get("decoded")
    if said not in (None, "0", "1"):
        raise UsageError(f"--set decoded: found `{said}`, expected 0 or 1")
    return "Exp" in graph.operators if said is None else said == "1"


def _decoded(raw: NDArray[Any], graph: Graph, frames: Sequence[Frame]) -> NDArray[Any]:
    """Centre and size in network pixels, (B, N, 4) float32."""
    size = _yolo.network_size(graph, frames)
    strides = _yolo.grid_strides(raw.shape[1], size, 1, (_yolo.P5, _yolo.P6))
    if strides is None:
        expected = _yolo.positions(size, _yolo.P5)
        raise InputError(
            f"found {plural(raw.shape[1], 'row')}, expected {expected} for an input of {size[0]}x{size[1]}",
            path=graph.path,
        )
    cells, steps = _yolo.grid(size, strides)
    out = np.empty(raw.shape, np.float32)
    out[..., :2] = (raw[..., :2] + cells) * steps
    with np.errstate(over="ignore"):
        out[..., 2:] = np.exp(raw[..., 2:4]) * steps
    return out
