"""Ultralytics end-to-end: v10, 26, and every task exported with `nms=True`. One row a detection, zeros at the end.

Output [B, max_det, 6 + extra]: left, top, right, bottom in network pixels, score, class, then by task 32 mask
coefficients (with a prototype output), keypoints or an angle. Oriented boxes come as centre and size instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.detectors import _yolo
from detkit.detectors._base import Output, Probe, Settings, Sparse
from detkit.detectors._graph import Graph, Port
from detkit.detectors._pieces import class_positions
from detkit.detectors._prepare import Frame, Preparation
from detkit.errors import InputError, UsageError
from detkit.wording import plural

__all__ = ["NEEDS_NMS", "SETTINGS", "decode", "prepare", "recognise"]

NEEDS_NMS = False
SETTINGS = ("task",)

_TASKS = ("detect", "segment", "pose", "obb")
#: Columns -> task, for graphs that say nothing: 6 + 17 keypoints of 3 is COCO's pose.
_BY_WIDTH = {6: "detect", 7: "obb", 57: "pose"}


def recognise(graph: Graph) -> Probe:
    """Whether rows are box, score, class (and the task's), as metadata or a suppression in the graph tells."""
    ports = _yolo.table_and_prototypes(graph)
    if isinstance(ports, str):
        return Probe(False, ports)
    main, prototypes = ports
    rows, width = _yolo.shape(main, graph)
    if _yolo.transformer_mark(graph):
        return Probe(False, f"{_yolo.transformer_mark(graph)} says RT-DETR")
    if _grid(rows, graph):
        return Probe(False, f"output {main}: as many rows as grid cells or anchors")
    task = graph.metadata.get("task", "segment" if prototypes is not None else _BY_WIDTH.get(width or 0, ""))
    extra = _extra(graph, task, prototypes, width)
    if task not in _TASKS or width is None or width != 6 + (extra if extra is not None else -1):
        return Probe(False, f"output {main}: expected 6 columns and what the task adds")
    named = _yolo.says_end_to_end(graph)
    if named:
        return Probe(True, f"{named}; output {main} has box, score, class{_plus(task)}")
    return _unnamed(graph, main, task, rows, width)


def _unnamed(graph: Graph, main: Port, task: str, rows: int | None, width: int) -> Probe:
    """The verdict where no metadata says end-to-end."""
    classes = len(graph.class_names) if graph.class_names else None
    if "NonMaxSuppression" in graph.operators:
        return Probe(True, f"operator NonMaxSuppression; output {main} has box, score, class{_plus(task)}")
    if classes is not None and "task" not in graph.metadata and rows is None:
        return Probe(False, f"output {main}: names without a task, and rows of any number")
    if rows is not None and rows > 1000:
        return Probe(False, f"output {main}: more rows than detections are given out")
    if task == "segment" or (classes is not None and "task" in graph.metadata and width != 4 + classes):
        return Probe(True, f"output {main}: box, score, class{_plus(task)}; 4 + classes would be another width")
    other = f"or 4 + {width - 4} classes"
    return Probe(True, f"output {main}: could be box, score, class{_plus(task)} ({other})", certain=False)


def _grid(rows: int | None, graph: Graph) -> bool:
    return any(_yolo.grid_strides(rows, graph.size, anchors) is not None for anchors in (1, 3))


def _extra(graph: Graph, task: str, prototypes: Port | None, width: int | None) -> int | None:
    extra = _yolo.task_width(graph, task, prototypes)
    if extra is None and task == "pose" and width is not None and width > 6:
        return width - 6
    return extra


def _plus(task: str) -> str:
    return {"segment": ", mask coefficients", "pose": ", keypoints", "obb": ", angle"}.get(task, "")


def prepare(graph: Graph) -> Preparation:
    """RGB, 0 to 1, letterbox in the middle on 114; the metadata's `imgsz` where the graph leaves the size free."""
    return _yolo.preparation(graph)


def decode(
    outputs: Mapping[str, NDArray[Any]], graph: Graph, settings: Settings, frames: Sequence[Frame]
) -> list[Output]:
    """Detections without the zero rows at the end.

    Raises
    ------
    InputError, UsageError
        The number of columns does not fit the task.
    """
    ports = _yolo.table_and_prototypes(graph)
    if isinstance(ports, str):
        raise InputError(ports, path=graph.path)
    main, prototypes = ports
    (table,) = _yolo.batches(outputs, graph, frames, main)
    masks = _yolo.batches(outputs, graph, frames, prototypes)[0] if prototypes else None
    width = table.shape[2]
    by_shape = "segment" if masks is not None else _BY_WIDTH.get(width, "detect")
    task = settings.values.get("task") or graph.metadata.get("task") or by_shape
    _check(graph, task, width, None if masks is None else masks.shape[1])
    answers: list[Output] = []
    for i, rows in enumerate(table):
        position = class_positions(np.rint(rows[:, 5]), settings, 0)
        real = (rows[:, 4] > 0) & (position >= 0)
        kept = rows[real]
        extra = kept[:, 6:]
        answers.append(
            Sparse(
                _yolo.boxes_from_centres(kept[:, :4]) if task == "obb" else kept[:, :4],
                kept[:, 4],
                position[real],
                keypoints=_yolo.keypoints_of(extra, graph) if task == "pose" else None,
                coefficients=extra if task == "segment" else None,
                prototypes=masks[i] if masks is not None and task == "segment" else None,
                angle=extra[:, 0] if task == "obb" else None,
            )
        )
    return answers


def _check(graph: Graph, task: str, width: int, masks: int | None) -> None:
    if task not in _TASKS:
        raise UsageError(f"task: found `{task}`, expected one of {', '.join(_TASKS)}")
    if task == "segment" and masks is None:
        raise InputError("task `segment` needs an output of mask prototypes", path=graph.path)
    extra = masks if task == "segment" else _yolo.task_width(graph, task)
    if task == "pose" and extra is None:
        extra = width - 6
    if extra is None or width != 6 + extra:
        raise InputError(f"found {plural(width, 'column')}, task `{task}` expects 6 + {extra}", path=graph.path)
