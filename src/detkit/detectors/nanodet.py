"""NanoDet and PicoDet: for each stride class scores and four distances, each a distribution over eight bins.

A distance is the mean of the softmax over bins 0 to 7, times the stride, from the centre of the cell. Three layouts:

- NanoDet: for 8, 16, 32 outputs (B, N, C) and (B, N, 32) (or (B, C, h, w) and (B, 32, h, w));
- PicoDet: the same for 8, 16, 32, 64;
- NanoDet-Plus: one output (B, N, C + 32) for 8, 16, 32, 64, distances from the cell's corner.

Scores that are not activated in the graph get a sigmoid here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.detectors._base import Array, Dense, Output, Probe, Settings
from detkit.detectors._graph import Graph, Port
from detkit.detectors._pieces import grid, is_float, logistic, rows_of, softmax, stride_of, usual
from detkit.detectors._prepare import IMAGENET, Frame, Preparation
from detkit.errors import InputError

__all__ = ["NEEDS_NMS", "decode", "prepare", "recognise"]

NEEDS_NMS = True
_BINS = 8
_WIDTH = 4 * _BINS
_STRIDES = (8, 16, 32, 64)
_MEAN, _STD = (103.53, 116.28, 123.675), (57.375, 57.12, 58.395)


def recognise(graph: Graph) -> Probe:
    """Whether there are class scores and distances of 32 values for three or four strides."""
    pairs = _pairs(graph)
    if pairs is not None:
        how = f"{len(pairs)} pairs of class scores and distances over {_BINS} bins (32 wide)"
        return Probe(True, how, certain=len(pairs) in (3, 4))
    if _is_joined(graph):
        return Probe(True, "one output with a row for each cell at strides 8, 16, 32, 64 and 32 values of distances")
    return Probe(False, "outputs are not pairs of class scores and distances 32 wide, one a stride")


def prepare(graph: Graph) -> Preparation:
    """BGR pixels less a mean by a deviation, letterboxed with black (NanoDet-Plus stretched); PicoDet RGB, stretched.

    320 x 320 where the graph leaves it free, 416 x 416 with four strides.
    """
    pairs = _pairs(graph)
    if pairs is not None and len(pairs) == 4:
        return usual(graph, (416, 416), resize="stretch", mean=IMAGENET[0], std=IMAGENET[1])
    if pairs is not None:
        return usual(graph, (320, 320), resize="letterbox", pad=0, color="bgr", scale=1.0, mean=_MEAN, std=_STD)
    return usual(graph, (416, 416), resize="stretch", color="bgr", scale=1.0, mean=_MEAN, std=_STD)


def decode(
    outputs: Mapping[str, NDArray[Any]], graph: Graph, settings: Settings, frames: Sequence[Frame]
) -> list[Output]:
    """One `Dense` an image, a row a cell.

    Raises
    ------
    InputError
        Outputs of another kind, or rows that fit no stride.
    """
    pairs = _pairs(graph)
    if pairs is not None:
        heads = [(rows_of(outputs[c.name]), rows_of(outputs[d.name]), _activated(graph, c.name)) for c, d in pairs]
        return _decoded(heads, 0.5, graph, frames)
    if len(outputs) != 1:
        raise InputError("nanodet: expected pairs of class scores and distances 32 wide", path=graph.path)
    ((name, output),) = outputs.items()
    joined = np.asarray(output, dtype=np.float32)
    return _split(joined, name, graph, frames)


def _decoded(
    heads: list[tuple[Array, Array, bool]], offset: float, graph: Graph, frames: Sequence[Frame]
) -> list[Output]:
    found: list[Output] = []
    for i, frame in enumerate(frames):
        boxes, scores = [], []
        for classes, distances, activated in heads:
            stride = stride_of(classes.shape[1], frame.network_size, _STRIDES, graph.path)
            boxes.append(_boxes(distances[i], grid(frame.network_size, stride) + np.float32(offset), stride))
            scores.append(classes[i] if activated else logistic(classes[i]))
        found.append(Dense(np.concatenate(boxes), np.concatenate(scores)))
    return found


def _boxes(distances: Array, centres: Array, stride: int) -> Array:
    """(N, 4) corners from (N, 32) bins of the distances to left, top, right, bottom."""
    bins = softmax(distances.reshape(len(distances), 4, _BINS))
    away = bins @ np.arange(_BINS, dtype=np.float32)
    return np.concatenate([centres - away[:, :2], centres + away[:, 2:]], axis=1) * np.float32(stride)


def _split(joined: Array, name: str, graph: Graph, frames: Sequence[Frame]) -> list[Output]:
    """Decode one output of all strides: four of them are NanoDet-Plus, three the older head."""
    if not frames:
        return []
    size = frames[0].network_size
    rows = [len(grid(size, stride)) for stride in _STRIDES]
    levels = next((n for n in (4, 3) if joined.ndim == 3 and sum(rows[:n]) == joined.shape[1]), None)
    if levels is None or joined.shape[2] <= _WIDTH:
        raise InputError(
            f"nanodet: output `{name}` is {list(joined.shape)}, expected {sum(rows)} or {sum(rows[:3])} rows for an "
            f"input of {size[0]}x{size[1]}, wider than {_WIDTH}",
            path=graph.path,
        )
    parts = np.split(joined, np.cumsum(rows[: levels - 1]), axis=1)
    activated = _activated(graph, name)
    heads = [(part[:, :, :-_WIDTH], part[:, :, -_WIDTH:], activated) for part in parts]
    return _decoded(heads, 0.0 if levels == 4 else 0.5, graph, frames)


def _activated(graph: Graph, name: str) -> bool:
    return "Sigmoid" in graph.last.get(name, ())


def _pairs(graph: Graph) -> list[tuple[Port, Port]] | None:
    """(class scores, distances) of each stride in the graph's order, None where the outputs are not such pairs."""
    ports = graph.outputs
    if len(ports) < 4 or len(ports) % 2 or not all(is_float(p, 3) or is_float(p, 4) for p in ports):
        return None
    wide = [p for p in ports if _width(p) == _WIDTH]
    if len(wide) == len(ports):  # 32 classes: the class scores come first
        wide = list(ports[len(ports) // 2 :])
    classes = [p for p in ports if p not in wide]
    if len(wide) != len(classes) or len({_width(p) for p in classes}) != 1:
        return None
    fits = all(
        _cells(c) is None or _cells(d) is None or _cells(c) == _cells(d) for c, d in zip(classes, wide, strict=True)
    )
    return list(zip(classes, wide, strict=True)) if fits else None


def _width(port: Port) -> int | None:
    return port.shape[2] if len(port.shape) == 3 else port.shape[1]


def _cells(port: Port) -> int | None:
    if len(port.shape) == 3:
        return port.shape[1]
    height, width = port.shape[2:]
    return None if height is None or width is None else height * width


def _is_joined(graph: Graph) -> bool:
    if len(graph.outputs) != 1 or graph.size is None or not is_float(graph.outputs[0], 3):
        return False
    rows, width = graph.outputs[0].shape[1:]
    cells = sum(len(grid(graph.size, stride)) for stride in _STRIDES)
    return rows == cells and width is not None and width > _WIDTH
