"""RT-DETR as Ultralytics exports it: centre and size as shares of the input, scores already between 0 and 1.

Output [B, queries, 4 + nc] with a score a class; since its May 2026 releases [B, queries, 6] with score and class.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.detectors import _yolo
from detkit.detectors._base import Dense, Output, Probe, Settings, Sparse
from detkit.detectors._graph import Graph
from detkit.detectors._pieces import class_positions
from detkit.detectors._prepare import Frame, Preparation
from detkit.errors import InputError, UsageError
from detkit.wording import plural

__all__ = ["NEEDS_NMS", "SETTINGS", "decode", "prepare", "recognise"]

NEEDS_NMS = False
SETTINGS = ("layout",)

_QUERIES = 300


def recognise(graph: Graph) -> Probe:
    """Whether the one output is a table of queries with 4 + classes columns, or 6."""
    fault = _fault(graph)
    if fault is not None:
        return Probe(False, fault)
    (main,) = graph.outputs
    rows, width = _yolo.shape(main, graph)
    if width is None or width < 5:
        return Probe(False, f"output {main}: expected 4 + classes columns")
    named = _yolo.says_end_to_end(graph)
    if named:
        return Probe(False, f"{named} says end-to-end")
    mark, classes = _yolo.transformer_mark(graph), len(graph.class_names) if graph.class_names else None
    if classes is not None and width != 4 + classes and (mark is None or width != 6):
        return Probe(False, f"output {main}: {classes} names make {4 + classes} columns")
    if mark is not None:
        return Probe(True, f"{mark}; output {main} has {'4 + classes' if width != 6 else 'box, score, class'} columns")
    if rows != _QUERIES or any(_yolo.grid_strides(rows, graph.size, n) for n in (1, 3)):
        return Probe(False, f"output {main}: expected {_QUERIES} queries")
    return Probe(True, f"output {main}: could be {_QUERIES} queries of 4 + {width - 4} classes", certain=False)


def _fault(graph: Graph) -> str | None:
    fault = _yolo.image_fault(graph)
    if fault is not None:
        return fault
    if len(graph.inputs) != 1 or len(graph.outputs) != 1 or len(_yolo.shape(graph.outputs[0], graph)) != 2:
        return f"{_yolo.ports(graph)}: expected 1, and one table"
    return None


def prepare(graph: Graph) -> Preparation:
    """RGB, 0 to 1, stretched to the input."""
    return _yolo.preparation(graph, resize="stretch")


def decode(
    outputs: Mapping[str, NDArray[Any]], graph: Graph, settings: Settings, frames: Sequence[Frame]
) -> list[Output]:
    """Boxes in network pixels with a score a class, or with score and class.

    Raises
    ------
    InputError
        The number of columns fits neither layout.
    """
    fault = _fault(graph)
    if fault is not None:
        raise InputError(fault, path=graph.path)
    (table,) = _yolo.batches(outputs, graph, frames, graph.outputs[0])
    scale = np.tile(np.array(_yolo.network_size(graph, frames), np.float32), 2)
    boxes = _yolo.boxes_from_centres(table[..., :4]) * scale
    if not _is_chosen(table, graph, settings):
        return [Dense(box, rows[:, 4:]) for box, rows in zip(boxes, table, strict=True)]
    positions = class_positions(np.rint(table[..., 5]), settings, 0)
    return [
        Sparse(box[p >= 0], rows[p >= 0, 4], p[p >= 0]) for box, rows, p in zip(boxes, table, positions, strict=True)
    ]


def _is_chosen(table: NDArray[Any], graph: Graph, settings: Settings) -> bool:
    """Whether columns are box, score, class; with two classes or none known, only the values tell."""
    width, classes = int(table.shape[2]), _yolo.class_numbers(graph, settings)
    said = settings.values.get("layout")
    if said not in (None, "scores", "chosen"):
        raise UsageError(f"--set layout: found `{said}`, expected scores or chosen")
    if said == "chosen" and width != 6:
        raise InputError(f"found {plural(width, 'column')}, layout `chosen` expects 6", path=graph.path)
    if said is not None:
        return said == "chosen"
    if classes is not None and classes != 2:
        if width not in (4 + classes, 6):
            raise InputError(f"found {plural(width, 'column')}, expected 4 + {classes} classes, or 6", path=graph.path)
        return width != 4 + classes
    # A class column holds whole numbers only; scores of a sigmoid do not.
    return bool(width == 6 and np.array_equal(table[..., 5], np.rint(table[..., 5])))
