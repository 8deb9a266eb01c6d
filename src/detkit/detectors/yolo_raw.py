"""YOLOv2 and v3 as the network leaves them: a map a stride, anchors and activations still to be applied.

Outputs [B, A * (5 + nc), H, W], for each anchor x, y, width, height, objectness and classes as logits. The anchors are
not in the graph: `--set anchors=10,13,16,30,...`, smallest stride first. YOLOv2 has one map at stride 32, classes by
softmax (`--set softmax=1`) and anchors in cells (`--set anchor_unit=cells`).
"""

from __future__ import annotations

import re
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
SETTINGS = ("anchor_unit", "softmax")

#: Strides of the maps, by their number: YOLOv2, v3-tiny, v3, with an extra large one.
_HEADS = {1: (32,), 2: (16, 32), 3: (8, 16, 32), 4: (8, 16, 32, 64)}


def recognise(graph: Graph) -> Probe:
    """Whether outputs are maps of one depth at strides of 8 to 64, the depth made of anchors times 5 + classes."""
    fault = _fault(graph)
    if fault is not None:
        return Probe(False, fault)
    count, found = len(graph.outputs), "; ".join(map(str, graph.outputs))
    depths = {_yolo.shape(p, graph)[0] for p in graph.outputs}
    depth, anchors = next(iter(depths)), 5 if count == 1 else 3
    if len(depths) != 1 or depth is None or depth % anchors or depth // anchors < 6:
        return Probe(False, f"outputs {found}: expected maps of depth {anchors} * (5 + classes)")
    classes = depth // anchors - 5
    if graph.class_names and len(graph.class_names) != classes:
        return Probe(
            False, f"outputs {found}: {len(graph.class_names)} names, but {anchors} * (5 + {classes}) channels"
        )
    places = sorted((_yolo.shape(p, graph)[1:] for p in graph.outputs), key=str)
    if graph.size is None or any(None in place for place in places):
        return Probe(True, f"outputs {found}: could be {anchors} anchors of 5 + {classes} values", certain=False)
    width, height = graph.size
    wanted = sorted(((-(-height // s), -(-width // s)) for s in _HEADS[count]), key=str)
    if places != wanted:
        return Probe(False, f"outputs {found}: expected maps at strides {', '.join(map(str, _HEADS[count]))}")
    return Probe(True, f"outputs {found}: {anchors} anchors of 5 + {classes} values at each stride", certain=count > 1)


def _fault(graph: Graph) -> str | None:
    fault = _yolo.image_fault(graph)
    if fault is not None:
        return fault
    ranks = {len(_yolo.shape(p, graph)) for p in graph.outputs}
    if len(graph.inputs) != 1 or ranks != {3} or len(graph.outputs) not in _HEADS:
        return f"{_yolo.ports(graph)}: expected 1, and one to four maps"
    return None


def prepare(graph: Graph) -> Preparation:
    """RGB, 0 to 1, letterbox in the middle on mid grey, as Darknet does it."""
    return _yolo.preparation(graph, pad=128)


def decode(
    outputs: Mapping[str, NDArray[Any]], graph: Graph, settings: Settings, frames: Sequence[Frame]
) -> list[Output]:
    """Boxes of all maps with objectness times class score, smallest stride first.

    Raises
    ------
    UsageError
        Anchors are missing or do not fit.
    InputError
        A map's depth does not fit anchors and classes.
    """
    fault = _fault(graph)
    if fault is not None:
        raise InputError(fault, path=graph.path)
    ports = list(graph.outputs)
    maps = sorted(_yolo.batches(outputs, graph, frames, *ports), key=lambda m: -m.shape[2] * m.shape[3])
    width, height = _yolo.network_size(graph, frames)
    strides = [(width / m.shape[3], height / m.shape[2]) for m in maps]
    anchors = _anchors(settings, strides)
    softmax = _yolo.is_on(settings.values.get("softmax", "0"))
    known = _yolo.class_numbers(graph, settings)
    parts = [_decoded(m, a, s, softmax, known, graph, ports[0]) for m, a, s in zip(maps, anchors, strides, strict=True)]
    boxes = np.concatenate([box for box, _ in parts], axis=1)
    scores = np.concatenate([score for _, score in parts], axis=1)
    return [Dense(box, score) for box, score in zip(boxes, scores, strict=True)]


def _anchors(settings: Settings, strides: Sequence[tuple[float, float]]) -> Array:
    """(maps, A, 2) float32: width and height in pixels.

    Raises
    ------
    UsageError
        Not given, no numbers, not as many for each map, or too small to be pixels.
    """
    text = settings.values.get("anchors")
    hint = "widths and heights, smallest stride first: `--set anchors=10,13,16,30,33,23,...`"
    if text is None:
        raise UsageError("the anchors are not in the model", hint=hint)
    try:
        numbers = np.array([float(part) for part in re.split(r"[\s,;x]+", text.strip(" ,;"))], np.float32)
    except ValueError:
        raise UsageError(f"--set anchors: found `{text}`, expected numbers with commas between", hint=hint) from None
    if len(numbers) % (2 * len(strides)) or not np.isfinite(numbers).all() or (numbers <= 0).any():
        raise UsageError(
            f"--set anchors: found {plural(len(numbers), 'number')}, expected positive pairs, as many for each of "
            f"{len(strides)} maps",
            hint=hint,
        )
    anchors = numbers.reshape(len(strides), -1, 2)
    steps = np.array(strides, np.float32)[:, None]
    unit = settings.values.get("anchor_unit", "pixels")
    if unit not in ("pixels", "cells"):
        raise UsageError(f"--set anchor_unit: found `{unit}`, expected pixels or cells")
    if unit == "cells":
        return np.asarray(anchors * steps, dtype=np.float32)
    if (anchors < steps).all():
        raise UsageError(
            "--set anchors: all are smaller than one cell", hint="anchors in cells? add `--set anchor_unit=cells`"
        )
    return anchors


def _decoded(
    values: NDArray[Any],
    anchors: Array,
    stride: tuple[float, float],
    softmax: bool,
    known: int | None,
    graph: Graph,
    port: Port,
) -> tuple[Array, Array]:
    """Boxes (B, N, 4) and scores (B, N, C) of one map, cell by cell, anchor by anchor."""
    batch, depth, height, width = values.shape
    each = depth // len(anchors)
    if depth % len(anchors) or each < 6 or (known is not None and each != 5 + known):
        wanted = f"{len(anchors)} anchors * (5 + {known if known is not None else 'classes'})"
        raise InputError(f"output {port.name} has {plural(depth, 'channel')}, expected {wanted}", path=graph.path)
    table = values.reshape(batch, len(anchors), each, height, width).transpose(0, 3, 4, 1, 2)
    cells = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=2)[None, :, :, None].astype(np.float32)
    centre = (_sigmoid(table[..., :2]) + cells) * np.array(stride, np.float32)
    with np.errstate(over="ignore"):
        size = np.exp(table[..., 2:4]) * anchors
    classes = _softmax(table[..., 5:]) if softmax else _sigmoid(table[..., 5:])
    scores = _sigmoid(table[..., 4:5]) * classes
    boxes = _yolo.boxes_from_centres(np.concatenate([centre, size], axis=-1))
    return boxes.reshape(batch, -1, 4), scores.reshape(batch, -1, each - 5)


def _sigmoid(values: NDArray[Any]) -> Array:
    with np.errstate(over="ignore"):
        return np.asarray(1 / (1 + np.exp(-values)), dtype=np.float32)


def _softmax(values: NDArray[Any]) -> Array:
    powers = np.exp(values - values.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True), dtype=np.float32)
