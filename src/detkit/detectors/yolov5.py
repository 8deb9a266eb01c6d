"""YOLOv5 and v7 (also YOLOv3 and v4 of that lineage): three anchors a grid cell, decoded in the graph.

Output [B, N, 5 + nc]: centre x, centre y, width, height in network pixels, objectness, a score a class; a box's score
is their product. Segmentation models add 32 mask coefficients and a prototype output.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from detkit.detectors import _yolo
from detkit.detectors._base import Dense, Output, Probe, Settings
from detkit.detectors._graph import Graph, Port
from detkit.detectors._prepare import Frame, Preparation
from detkit.errors import InputError
from detkit.wording import plural

__all__ = ["NEEDS_NMS", "decode", "prepare", "recognise"]

NEEDS_NMS = True

_MASKS = 32


def recognise(graph: Graph) -> Probe:
    """Whether there are three rows a grid cell, or as many columns as the names say where rows are not fixed."""
    ports = _ports(graph)
    if isinstance(ports, str):
        return Probe(False, ports)
    main, prototypes = ports
    rows, width = _yolo.shape(main, graph)
    names, extra = graph.class_names, _MASKS if prototypes is not None else 0
    if width is None or width < 6 + extra:
        return Probe(False, f"output {main}: expected 5 + classes columns, at least {6 + extra}")
    if "task" in graph.metadata:
        return Probe(False, "metadata `task` is of later models")
    if names is not None and width != 5 + len(names) + extra:
        return Probe(False, f"output {main}: {len(names)} names make {5 + len(names) + extra} columns")
    strides = _yolo.grid_strides(rows, graph.size, 3)
    if strides is not None:
        cells = ", ".join(map(str, strides))
        return Probe(True, f"output {main}: 5 + {width - 5 - extra} columns, three rows a cell of strides {cells}")
    if rows is not None and graph.size is not None:
        return Probe(False, f"output {main}: not three rows a grid cell")
    if names is not None and "stride" in graph.metadata:
        return Probe(True, f"metadata stride and {len(names)} names; output {main} has 5 + {len(names)} columns")
    if "Exp" in graph.operators or (rows is not None and (rows % 3 or rows <= 1000)):
        return Probe(False, f"output {main}: rows are not three a cell, or boxes are decoded with Exp")
    if "Pow" in graph.operators:
        return Probe(True, f"output {main}: 5 + {width - 5 - extra} columns and the operator Pow")
    return Probe(True, f"output {main}: could be 5 + {width - 5 - extra} columns, three rows a cell", certain=False)


def _ports(graph: Graph) -> tuple[Port, Port | None] | str:
    """(table, prototypes), or why the ports are not these; raw heads of rank 5 beside the table are left alone."""
    fault = _yolo.image_fault(graph)
    if fault is not None:
        return fault
    tables, others = _yolo.split_outputs(graph)
    prototypes = [p for p in others if len(_yolo.shape(p, graph)) == 3]
    heads = [p for p in others if len(_yolo.shape(p, graph)) == 4]
    if len(graph.inputs) != 1 or len(tables) != 1 or len(prototypes) > 1 or len(prototypes + heads) != len(others):
        return f"{_yolo.ports(graph)}: expected 1, and a table"
    if prototypes and _yolo.shape(prototypes[0], graph)[0] not in (_MASKS, None):
        return f"output {prototypes[0]}: expected {_MASKS} mask prototypes"
    return tables[0], prototypes[0] if prototypes else None


def prepare(graph: Graph) -> Preparation:
    """RGB, 0 to 1, letterbox in the middle on 114."""
    return _yolo.preparation(graph)


def decode(
    outputs: Mapping[str, NDArray[Any]], graph: Graph, settings: Settings, frames: Sequence[Frame]
) -> list[Output]:
    """Boxes with objectness times class score.

    Raises
    ------
    InputError
        The number of columns does not fit the number of classes.
    """
    ports = _ports(graph)
    if isinstance(ports, str):
        raise InputError(ports, path=graph.path)
    main, prototypes = ports
    (table,) = _yolo.batches(outputs, graph, frames, main)
    masks = _yolo.batches(outputs, graph, frames, prototypes)[0] if prototypes else None
    end = table.shape[2] - (_MASKS if masks is not None else 0)
    known = _yolo.class_numbers(graph, settings)
    if end < 6 or (known is not None and end != 5 + known):
        wanted = known if known is not None else "at least one"
        raise InputError(f"found {plural(table.shape[2], 'column')}, expected 5 + {wanted} classes", path=graph.path)
    return [
        Dense(
            _yolo.boxes_from_centres(rows[:, :4]),
            rows[:, 4:5] * rows[:, 5:end],
            coefficients=rows[:, end:] if masks is not None else None,
            prototypes=masks[i] if masks is not None else None,
        )
        for i, rows in enumerate(table)
    ]
