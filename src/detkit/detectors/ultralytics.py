"""Ultralytics YOLO v8, 11, 12 (and 26 without its end-to-end head): one column a grid cell, boxes still overlapping.

Output [B, 4 + nc + extra, N]: centre x, centre y, width, height in network pixels, a score a class, then by task 32
mask coefficients (with a prototype output), keypoints or an angle in radians.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.detectors import _yolo
from detkit.detectors._base import Array, Dense, Output, Probe, Settings
from detkit.detectors._graph import Graph, Port
from detkit.detectors._prepare import Frame, Preparation
from detkit.errors import InputError, UsageError
from detkit.wording import plural

__all__ = ["NEEDS_NMS", "SETTINGS", "decode", "prepare", "recognise"]

NEEDS_NMS = True
SETTINGS = ("task",)

_TASKS = ("detect", "segment", "pose", "obb")


def recognise(graph: Graph) -> Probe:
    """Whether rows lie along the second dimension, 4 + classes (+ the task's) of them, one column a grid cell."""
    ports = _yolo.table_and_prototypes(graph)
    if isinstance(ports, str):
        return Probe(False, ports)
    main, prototypes = ports
    rows, columns = _yolo.shape(main, graph)
    found = str(main)
    if _yolo.says_end_to_end(graph):
        return Probe(False, f"{_yolo.says_end_to_end(graph)} says end-to-end")
    if graph.metadata.get("task") and graph.class_names:
        return _by_metadata(graph, rows, found, prototypes)
    if rows is None or rows < 5:
        return Probe(False, f"output {found}: expected 4 + classes rows, at least 5")
    if graph.class_names and rows != _expected(graph, prototypes):
        return Probe(False, f"output {found}: {len(graph.class_names)} names make {_expected(graph, prototypes)} rows")
    strides = _yolo.grid_strides(columns, graph.size)
    if strides is not None and columns is not None and rows < columns:
        return Probe(True, f"output {found}: 4 + {rows - 4} rows, one column a cell of strides {_text(strides)}")
    if columns is None or (graph.size is None and rows < columns):
        return Probe(True, f"output {found}: could be 4 + {rows - 4} rows by grid cells", certain=False)
    return Probe(False, f"output {found}: the last dimension is not the number of grid cells")


def _by_metadata(graph: Graph, rows: int | None, found: str, prototypes: Port | None) -> Probe:
    task, names = graph.metadata["task"], graph.class_names or ()
    if task not in _TASKS:
        return Probe(False, f"metadata task is `{task}`, expected one of {', '.join(_TASKS)}")
    expected = _expected(graph, prototypes)
    what = f"metadata task `{task}` with {len(names)} names"
    if expected is None or rows != expected:
        return Probe(False, f"output {found}: {what} makes {expected or 'an unknown number of'} rows")
    return Probe(True, f"{what}; output {found} has these {expected} rows")


def _expected(graph: Graph, prototypes: Port | None) -> int | None:
    task = graph.metadata.get("task", "segment" if prototypes is not None else "detect")
    extra = _yolo.task_width(graph, task, prototypes)
    return None if extra is None or not graph.class_names else 4 + len(graph.class_names) + extra


def prepare(graph: Graph) -> Preparation:
    """RGB, 0 to 1, letterbox in the middle on 114; the metadata's `imgsz` where the graph leaves the size free."""
    return _yolo.preparation(graph)


def decode(
    outputs: Mapping[str, NDArray[Any]], graph: Graph, settings: Settings, frames: Sequence[Frame]
) -> list[Output]:
    """Boxes with a score a class, and what the task adds.

    Raises
    ------
    InputError, UsageError
        The number of rows does not fit the task and the number of classes.
    """
    ports = _yolo.table_and_prototypes(graph)
    if isinstance(ports, str):
        raise InputError(ports, path=graph.path)
    main, prototypes = ports
    (table,) = _yolo.batches(outputs, graph, frames, main)
    masks = _yolo.batches(outputs, graph, frames, prototypes)[0] if prototypes else None
    task, classes = _layout(graph, settings, table.shape[1], None if masks is None else masks.shape[1])
    answers: list[Output] = []
    for i, rows in enumerate(table):
        # Transposed views: no copy of the scores, of which most are never looked at.
        scores, extra = rows[4 : 4 + classes].T, rows[4 + classes :].T
        answers.append(
            Dense(
                _yolo.boxes_from_centres(rows[:4].T),
                scores,
                keypoints=_yolo.keypoints_of(extra, graph) if task == "pose" else None,
                coefficients=extra if task == "segment" else None,
                prototypes=masks[i] if masks is not None and task == "segment" else None,
                angle=_angle(extra) if task == "obb" else None,
            )
        )
    return answers


def _layout(graph: Graph, settings: Settings, rows: int, masks: int | None) -> tuple[str, int]:
    """(task, number of classes) of a table with this many rows."""
    task = settings.values.get("task") or graph.metadata.get("task") or ("detect" if masks is None else "segment")
    if task not in _TASKS:
        raise UsageError(f"task: found `{task}`, expected one of {', '.join(_TASKS)}")
    if task == "segment" and masks is None:
        raise InputError("task `segment` needs an output of mask prototypes", path=graph.path)
    known = _yolo.class_numbers(graph, settings)
    extra = masks if task == "segment" else 1 if task == "obb" else _yolo.task_width(graph, task)
    if extra is None:  # keypoints without kpt_shape: what the classes leave
        if known is None:
            raise UsageError("the model does not say how many classes it has", hint="say it with `--set classes=1`")
        extra = rows - 4 - known
    classes = rows - 4 - extra
    if classes < 1 or (known is not None and known != classes):
        wanted = f"4 + {known} classes" if known is not None else "4 + at least one class"
        raise InputError(f"found {plural(rows, 'row')}, task `{task}` expects {wanted} + {extra}", path=graph.path)
    return task, classes


def _angle(extra: NDArray[Any]) -> Array:
    return np.ascontiguousarray(extra[:, 0], dtype=np.float32)


def _text(strides: Sequence[int]) -> str:
    return ", ".join(map(str, strides))
