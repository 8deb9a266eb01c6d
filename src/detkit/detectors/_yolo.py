"""What the YOLO families share: shapes without the batch, grid sizes, metadata of Ultralytics, small decoders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.detectors._base import Array, Settings
from detkit.detectors._graph import Graph, Port, literal
from detkit.detectors._pieces import grid as cells_of
from detkit.detectors._prepare import Frame, Preparation
from detkit.errors import InputError, UsageError
from detkit.wording import plural

__all__ = [
    "P5",
    "P6",
    "STRIDES",
    "Shape",
    "batches",
    "boxes_from_centres",
    "class_numbers",
    "grid",
    "grid_strides",
    "image_fault",
    "is_on",
    "keypoints_of",
    "network_size",
    "ports",
    "positions",
    "preparation",
    "says_end_to_end",
    "shape",
    "split_outputs",
    "table_and_prototypes",
    "task_width",
    "transformer_mark",
]

Shape = tuple[int | None, ...]

P5 = (8, 16, 32)
P6 = (8, 16, 32, 64)
#: Sets of strides YOLO heads come with: usual, extra large, tiny, small objects, two extra large.
STRIDES = (P5, P6, (16, 32), (4, 8, 16, 32), (8, 16, 32, 64, 128))


def shape(port: Port, graph: Graph) -> Shape:
    """Shape of an output without its batch dimension."""
    return port.shape if len(graph.image.shape) == 3 else port.shape[1:]


def ports(graph: Graph) -> str:
    """How many inputs and outputs there are: `1 input, 3 outputs`."""
    return f"{plural(len(graph.inputs), 'input')}, {plural(len(graph.outputs), 'output')}"


def image_fault(graph: Graph) -> str | None:
    """Why the first input is no (batch of) RGB image with the colours first, None where it is one."""
    port = graph.image
    if len(port.shape) not in (3, 4):
        return f"input {port} is no image"
    if graph.is_nhwc or port.shape[-3] not in (3, None):
        return f"input {port} has not three colours in front of height and width"
    return None


def split_outputs(graph: Graph) -> tuple[list[Port], list[Port]]:
    """(outputs that are tables of rows, all others), in the graph's order."""
    tables = [p for p in graph.outputs if len(shape(p, graph)) == 2]
    return tables, [p for p in graph.outputs if p not in tables]


def table_and_prototypes(graph: Graph) -> tuple[Port, Port | None] | str:
    """(table, prototypes), or why the ports are not these."""
    fault = image_fault(graph)
    if fault is not None:
        return fault
    tables, others = split_outputs(graph)
    prototypes = [p for p in others if len(shape(p, graph)) == 3]
    if len(graph.inputs) != 1 or len(tables) != 1 or len(others) > 1 or len(prototypes) != len(others):
        return f"{ports(graph)}: expected 1, and a table (with mask prototypes)"
    return tables[0], prototypes[0] if prototypes else None


def transformer_mark(graph: Graph) -> str | None:
    """What marks a single-table graph as RT-DETR: its metadata, or the operator of deformable attention."""
    for key in ("head", "description"):
        if any(mark in graph.metadata.get(key, "").lower() for mark in ("rtdetr", "rt-detr")):
            return f"metadata `{key}`"
    return "operator GridSample" if "GridSample" in graph.operators else None


def positions(size: tuple[int, int], strides: Sequence[int]) -> int:
    """Number of grid cells of all strides; `size` is (width, height) in pixels."""
    return sum(-(-size[0] // s) * -(-size[1] // s) for s in strides)


def grid_strides(
    count: int | None, size: tuple[int, int] | None, anchors: int = 1, among: Sequence[tuple[int, ...]] = STRIDES
) -> tuple[int, ...] | None:
    """The strides whose cells, `anchors` boxes each, make this many rows; None where none do or a number is free."""
    if count is None or size is None:
        return None
    return next((s for s in among if anchors * positions(size, s) == count), None)


@lru_cache(maxsize=32)
def grid(size: tuple[int, int], strides: tuple[int, ...]) -> tuple[Array, Array]:
    """Cell positions and strides, row by row, one stride after the other.

    Returns
    -------
    cells : (N, 2) float32
        Column and row of each cell, whole numbers.
    steps : (N, 1) float32
        Its stride in pixels.
    """
    cells, steps = [], []
    for stride in strides:
        cells.append(cells_of(size, stride))
        steps.append(np.full((len(cells[-1]), 1), stride))
    both = np.concatenate(cells), np.concatenate(steps).astype(np.float32)
    for array in both:
        array.flags.writeable = False
    return both


def network_size(graph: Graph, frames: Sequence[Frame]) -> tuple[int, int]:
    """(width, height) of the network input in this run.

    Raises
    ------
    UsageError
        Neither the graph nor the frames say it.
    """
    size = frames[0].network_size if frames else graph.size
    if size is None:
        raise UsageError("the model leaves its input size free", hint="say it with `--image-size 640`")
    return size


def batches(
    outputs: Mapping[str, NDArray[Any]], graph: Graph, frames: Sequence[Frame], *ports: Port
) -> list[NDArray[Any]]:
    """Outputs in float32 with a batch dimension, cut to the images of the run (a padded batch holds more).

    Raises
    ------
    InputError
        Fewer rows of the batch than images.
    """
    arrays = []
    for port in ports:
        array = np.asarray(outputs[port.name])
        if len(graph.image.shape) == 3:
            array = array[None]
        if frames and len(array) < len(frames):
            raise InputError(
                f"output {port.name} holds {plural(len(array), 'image')}, expected {len(frames)}", path=graph.path
            )
        array = array[: len(frames)] if frames else array
        arrays.append(array.astype(np.float32, copy=False) if array.dtype.kind == "f" else array)
    return arrays


def preparation(graph: Graph, **changes: Any) -> Preparation:
    """RGB, 0 to 1, letterbox in the middle on 114, with what the graph says of size and type, and `changes`."""
    fields: dict[str, Any] = {
        "size": graph.size or _stated_size(graph),
        "dtype": graph.image.dtype,
        "batched": len(graph.image.shape) == 4,
    }
    return Preparation(**(fields | changes))


def _stated_size(graph: Graph) -> tuple[int, int] | None:
    """(width, height) from the metadata's `imgsz`, which is one number or height and width."""
    stated = literal(graph.metadata.get("imgsz"))
    if isinstance(stated, int) and not isinstance(stated, bool) and stated > 0:
        return stated, stated
    if isinstance(stated, list | tuple) and len(stated) == 2 and all(isinstance(n, int) and n > 0 for n in stated):
        return stated[1], stated[0]
    return None


def is_on(value: object) -> bool:
    """Whether a metadata value or setting says yes."""
    return str(value).strip().lower() in ("true", "1", "yes", "on")


def says_end_to_end(graph: Graph) -> str | None:
    """The metadata entry that says suppression is done in the graph, None without one."""
    if is_on(graph.metadata.get("end2end")):
        return "metadata `end2end`"
    args = literal(graph.metadata.get("args"))
    if (isinstance(args, dict) and is_on(args.get("nms"))) or is_on(graph.metadata.get("nms")):
        return "metadata `nms`"
    return None


def task_width(graph: Graph, task: str, prototypes: Port | None = None) -> int | None:
    """Columns a task adds to box and classes; None where the task is not ours or the graph does not say."""
    if task == "segment":
        masks = shape(prototypes, graph)[0] if prototypes is not None else None
        return 32 if masks is None else masks
    if task == "pose":
        points = keypoint_shape(graph)
        return None if points is None else points[0] * points[1]
    return {"detect": 0, "obb": 1}.get(task)


def keypoint_shape(graph: Graph) -> tuple[int, int] | None:
    """(points, values a point) from the metadata's `kpt_shape`."""
    stated = literal(graph.metadata.get("kpt_shape"))
    if isinstance(stated, list | tuple) and len(stated) == 2 and all(isinstance(n, int) and n > 0 for n in stated):
        return (int(stated[0]), int(stated[1])) if stated[1] in (2, 3) else None
    return None


def keypoints_of(values: NDArray[Any], graph: Graph) -> Array:
    """Points with a score; 1 where the model gives none.

    Parameters
    ----------
    values : (N, K * 3) or (N, K * 2) float32
        Network pixels.

    Returns
    -------
    (N, K, 3) float32

    Raises
    ------
    InputError
        The columns make no whole points.
    """
    width = values.shape[1]
    stated = keypoint_shape(graph)
    each = stated[1] if stated else 3 if width % 3 == 0 else 2
    if width == 0 or width % each:
        raise InputError(f"{plural(width, 'column')} for keypoints, expected a multiple of {each}", path=graph.path)
    points = values.reshape(len(values), -1, each)
    if each == 3:
        return points
    return np.concatenate([points, np.ones((*points.shape[:2], 1), np.float32)], axis=2)


def boxes_from_centres(boxes: NDArray[Any]) -> Array:
    """Left, top, right, bottom from centre and size, (..., 4) float32."""
    out = np.empty(boxes.shape, np.float32)
    half = boxes[..., 2:] * np.float32(0.5)
    np.subtract(boxes[..., :2], half, out=out[..., :2])
    np.add(boxes[..., :2], half, out=out[..., 2:])
    return out


def class_numbers(graph: Graph, settings: Settings) -> int | None:
    """Number of classes: as the user says, else as the metadata names them, else None."""
    if settings.classes is not None:
        return settings.classes
    stated = settings.values.get("classes", "")
    if stated.isdecimal():
        return int(stated)
    return len(graph.class_names) if graph.class_names else None
