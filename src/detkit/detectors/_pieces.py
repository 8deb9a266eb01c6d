"""What several families share: activations, boxes, grids, and from a model's labels to class positions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.detectors._base import Array, Settings
from detkit.detectors._graph import Graph, Port
from detkit.detectors._prepare import IMAGENET, Frame, Preparation
from detkit.errors import InputError, UsageError

__all__ = [
    "COCO91",
    "class_columns",
    "class_positions",
    "corners",
    "grid",
    "imagenet",
    "is_float",
    "is_stretched",
    "is_whole",
    "logistic",
    "rows_of",
    "softmax",
    "stride_of",
    "usual",
]

#: The 80 COCO category ids that are in use, of 1 to 90, in order.
COCO91 = tuple(i for i in range(1, 91) if i not in (12, 26, 29, 30, 45, 66, 68, 69, 71, 83))


def usual(graph: Graph, size: tuple[int, int], **fields: Any) -> Preparation:
    """A preparation whose layout is the graph's; `size` (width, height) where the graph leaves it free."""
    image = graph.image
    dtype = image.dtype if image.dtype in ("float32", "float16", "uint8") else "float32"
    return Preparation(
        size=graph.size or size, nhwc=graph.is_nhwc, dtype=dtype, batched=len(image.shape) != 3, **fields
    )


def imagenet(graph: Graph, size: tuple[int, int], **fields: Any) -> Preparation:
    """RGB from 0 to 1 less ImageNet's mean by its deviation, or without these where the graph does it itself."""
    if {"Sub", "Div"} <= graph.first or {"Sub", "Mul"} <= graph.first:
        return usual(graph, size, **fields)
    return usual(graph, size, mean=IMAGENET[0], std=IMAGENET[1], **fields)


def is_float(port: Port, rank: int) -> bool:
    """Whether the port holds floating point numbers in so many dimensions."""
    return port.dtype in ("float32", "float16", "float64") and len(port.shape) == rank


def is_whole(port: Port, rank: int) -> bool:
    """Whether the port holds whole numbers in so many dimensions."""
    return port.dtype in ("int64", "int32") and len(port.shape) == rank


def logistic(values: NDArray[Any]) -> Array:
    """1 / (1 + exp(-values)), quiet for large values."""
    values = np.asarray(values, dtype=np.float32)
    return np.asarray(1 / (1 + np.exp(-np.clip(values, -80, 80))), dtype=np.float32)


def softmax(values: NDArray[Any]) -> Array:
    """Exponentials along the last axis, divided by their sum."""
    values = np.asarray(values, dtype=np.float32)
    if not values.size:
        return values
    powers = np.exp(values - values.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True), dtype=np.float32)


def corners(cxcywh: NDArray[Any], size: tuple[float, float] = (1.0, 1.0)) -> Array:
    """Left, top, right, bottom of (N, 4) boxes given by centre and size, times (width, height)."""
    boxes = np.asarray(cxcywh, dtype=np.float32)
    half = boxes[:, 2:] / 2
    scale = np.array(size, dtype=np.float32)
    return np.concatenate([(boxes[:, :2] - half) * scale, (boxes[:, :2] + half) * scale], axis=1)


def rows_of(output: NDArray[Any]) -> Array:
    """(B, N, C) of an output that is (B, N, C), or (B, C, h, w) with a row for each cell."""
    values = np.asarray(output, dtype=np.float32)
    if values.ndim == 4:
        values = values.reshape(values.shape[0], values.shape[1], -1).transpose(0, 2, 1)
    return values


def grid(size: tuple[int, int], stride: int) -> Array:
    """(N, 2) x and y of the cells of a head, row by row; `size` is the network's (width, height)."""
    columns, rows = -(-size[0] // stride), -(-size[1] // stride)
    y, x = np.divmod(np.arange(rows * columns), columns)
    return np.stack([x, y], axis=1).astype(np.float32)


def stride_of(rows: int, size: tuple[int, int], strides: Sequence[int], path: str) -> int:
    """The stride of a head with so many rows.

    Raises
    ------
    InputError
        None of the strides gives that many.
    """
    counts = {stride: -(-size[0] // stride) * -(-size[1] // stride) for stride in strides}
    for stride, count in counts.items():
        if count == rows:
            return stride
    expected = ", ".join(f"{count} at stride {stride}" for stride, count in counts.items())
    raise InputError(f"a head has {rows} rows, expected for an input of {size[0]}x{size[1]}: {expected}", path=path)


def class_positions(labels: NDArray[Any], settings: Settings, base: int) -> NDArray[np.int64]:
    """Class positions from 0 of a model's labels, -1 where a label names no class (padding, background, COCO's gaps).

    Parameters
    ----------
    labels : (N,) int or float
    settings : Settings
        `labels` is `0`, `1` or `coco91`.
    base : int
        The label of the first class, where the user says nothing.
    """
    numbers = np.asarray(labels).astype(np.int64)
    chosen = _chosen(settings.values, "labels", ("0", "1", "coco91"))
    if chosen != "coco91":
        return np.maximum(numbers - (base if chosen is None else int(chosen)), -1)
    table = np.full(max(COCO91) + 2, -1, dtype=np.int64)
    table[list(COCO91)] = np.arange(len(COCO91))
    inside = (numbers >= 0) & (numbers < len(table))
    return np.where(inside, table[np.where(inside, numbers, 0)], -1)


def class_columns(slots: int, settings: Settings, background: str | None, path: str) -> NDArray[np.int64]:
    """Which columns of class scores are classes, in the order of the classes.

    Parameters
    ----------
    slots : int
        Columns there are.
    settings : Settings
        `background` is `none`, `first` or `last`; `labels=1` is `background=first`; `labels=coco91` takes the columns
        whose number is a COCO category id.
    background : str, optional
        Where the user says nothing; None: it cannot be known, and a list of names one shorter than the columns is
        an error instead of a guess.
    path : str

    Raises
    ------
    UsageError
        The background has to be said, or there are too few columns for COCO's ids.
    """
    labels = _chosen(settings.values, "labels", ("0", "1", "coco91"))
    said = _chosen(settings.values, "background", ("none", "first", "last"))
    if labels == "coco91":
        if slots <= max(COCO91):
            raise UsageError(f"--set labels=coco91: {path} has {slots} class columns, expected at least 91")
        return np.array(COCO91, dtype=np.int64)
    if labels == "1" and said is None:
        said = "first"
    if said is None and background is None and settings.classes == slots - 1:
        raise UsageError(
            f"{path} has {slots} class columns for {settings.classes} names, and one of them is background",
            hint="say which with `--set background=first` or `--set background=last`",
        )
    said = said or background or "none"
    return np.arange(1 if said == "first" else 0, slots - 1 if said == "last" else slots)


def is_stretched(frame: Frame) -> bool:
    """Whether the image fills the network input."""
    filled = (frame.image_size[i] * frame.scale[i] for i in (0, 1))
    return frame.offset == (0.0, 0.0) and all(
        abs(edge - net) < 1e-6 * net for edge, net in zip(filled, frame.network_size, strict=True)
    )


def _chosen(values: Mapping[str, str], key: str, allowed: tuple[str, ...]) -> str | None:
    text = values.get(key)
    if text is not None and text not in allowed:
        raise UsageError(f"--set {key}: found `{text}`, expected {', '.join(allowed[:-1])} or {allowed[-1]}")
    return text
