"""Training targets on a grid, `[pc, bx, by, bw, bh, c1..cn]` per cell and anchor, and the boxes they came from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from detkit.anchors.assign import slots_of
from detkit.anchors.levels import Levels
from detkit.anchors.network import network_boxes
from detkit.boxes import Resize
from detkit.errors import InputError
from detkit.findings import Finding
from detkit.tables import Categories, Dataset, Images, freeze

__all__ = ["Encoding", "Targets", "decode", "dense", "encode", "from_dense"]

Encoding = Literal["cell", "image"]
#: Numbers before the classes: pc, bx, by, bw, bh.
HEAD = 5


@dataclass(frozen=True, eq=False)
class Targets:
    """The filled places of all grids.

    Parameters
    ----------
    image_size : (width, height)
        Of the network input.
    resize : {"letterbox", "letterbox-topleft", "stretch"}
    levels : Levels
    encoding : {"cell", "image"}
        What `bw` and `bh` are shares of: a cell's side (they may exceed 1) or the network input's.
    images, categories : Images, Categories
    frames : (I, 4) float64
        How each image lies in the input: scale x, scale y, offset x, offset y.
    image_index, level, row, column, anchor, category_index : (N,) int64
        Place and class of each object; the anchor counts inside its level.
    box : (N, 4) float64
        `bx`, `by` from the cell's top left corner, in cells, 0 to 1; `bw`, `bh` by the encoding.
    units : {"pixels", "normalised"}
        Of the boxes they came from.
    collided, outside : int
        Objects lost to another one in the same cell and anchor; objects with the centre outside the input.
    largest_error : float
        By how much a coordinate differs on the way back, in the source's units.
    left_out : mapping of str to int
        Crowds, ignored boxes, boxes without area, boxes of images of unknown size.
    findings : tuple of Finding
        Of reading.
    """

    image_size: tuple[int, int]
    resize: Resize
    levels: Levels
    encoding: Encoding
    images: Images
    categories: Categories
    frames: NDArray[np.float64]
    image_index: NDArray[np.int64]
    level: NDArray[np.int64]
    row: NDArray[np.int64]
    column: NDArray[np.int64]
    anchor: NDArray[np.int64]
    category_index: NDArray[np.int64]
    box: NDArray[np.float64]
    units: Literal["pixels", "normalised"] = "pixels"
    collided: int = 0
    outside: int = 0
    largest_error: float = 0.0
    left_out: Mapping[str, int] | None = None
    findings: tuple[Finding, ...] = ()

    def __len__(self) -> int:
        return len(self.image_index)

    def shape(self, level: int) -> tuple[int, int, int, int]:
        """Rows, columns, anchors and numbers (5 and the classes) of one image's tensor at a level."""
        columns, rows = self.levels.grids(self.image_size)[level]
        return rows, columns, len(self.levels.anchors[level]), HEAD + len(self.categories)

    def to_dict(self) -> dict[str, Any]:
        """What was done, as plain values, schema `detkit.targets/1`."""
        return {
            "schema": "detkit.targets/1",
            "image_size": list(self.image_size),
            "resize": self.resize,
            "encoding": self.encoding,
            "levels": [
                {
                    "stride": stride,
                    "anchors": part.tolist(),
                    "shape": list(self.shape(n)),
                    "objects": int(np.count_nonzero(self.level == n)),
                }
                for n, (stride, part) in enumerate(zip(self.levels.strides, self.levels.anchors, strict=True))
            ],
            "classes": list(self.categories.names),
            "units": self.units,
            "images": len(self.images),
            "objects": len(self),
            "collided": self.collided,
            "outside": self.outside,
            "largest_error": self.largest_error,
            "left_out": dict(self.left_out or {}),
        }


def encode(
    dataset: Dataset,
    levels: Levels,
    image_size: tuple[int, int],
    *,
    resize: Resize = "letterbox",
    encoding: Encoding = "cell",
) -> Targets:
    """The training targets of a dataset: each object at its best anchor, in the cell of its centre.

    Parameters
    ----------
    dataset : Dataset
    levels : Levels
    image_size : (width, height)
    resize : {"letterbox", "letterbox-topleft", "stretch"}
    encoding : {"cell", "image"}

    Returns
    -------
    Targets
        Of several objects in one cell and anchor the one most like the anchor stays; the others are counted.

    Raises
    ------
    UsageError
        The input size is no multiple of a stride.

    Notes
    -----
    `bx`, `by`, `bw`, `bh` are the box itself, as the textbook's y has it (pc, bx, by, bh, bw, c), not the numbers
    before a network's sigmoid and exponential.
    """
    boxes = network_boxes(dataset, image_size, resize)
    slots = slots_of(boxes, levels)
    kept = np.flatnonzero(slots.keeps)
    # In the order of the tensors: image, level, row, column, anchor.
    image_index = boxes.image_index[slots.box[kept]]
    keys = (slots.anchor[kept], slots.column[kept], slots.row[kept], slots.level[kept], image_index)
    kept = kept[np.lexsort(keys)]
    box = slots.box[kept]
    cell = np.stack([slots.column[kept], slots.row[kept]], axis=1)
    stride = np.array(levels.strides, dtype=np.float64)[slots.level[kept], None]
    found = Targets(
        image_size,
        resize,
        levels,
        encoding,
        dataset.images,
        dataset.categories,
        boxes.frames,
        boxes.image_index[box],
        slots.level[kept],
        slots.row[kept],
        slots.column[kept],
        slots.anchor[kept],
        boxes.category_index[box],
        np.hstack([boxes.centre[box] / stride - cell, boxes.wh[box] / _unit(stride, image_size, encoding)]),
        dataset.units,
        int(np.count_nonzero(~slots.keeps)),
        slots.outside,
        left_out=boxes.left_out,
        findings=dataset.findings,
    )
    error = np.abs(decode(found).annotations.xywh - dataset.annotations.xywh[boxes.rows[box]])
    return replace(found, largest_error=float(error.max(initial=0.0)))


def _unit(stride: NDArray[np.float64], image_size: tuple[int, int], encoding: Encoding) -> NDArray[np.float64]:
    return stride if encoding == "cell" else np.array([image_size], dtype=np.float64)


def decode(targets: Targets) -> Dataset:
    """The boxes that targets stand for, in the coordinates of their images.

    Parameters
    ----------
    targets : Targets

    Returns
    -------
    Dataset
        Every object that has a place; coordinates differ from the source's by rounding only, some 1e-13 of a side.
    """
    stride = np.array(targets.levels.strides, dtype=np.float64)[targets.level, None]
    cell = np.stack([targets.column, targets.row], axis=1)
    centre = (cell + targets.box[:, :2]) * stride
    wh = targets.box[:, 2:] * _unit(stride, targets.image_size, targets.encoding)
    frame = targets.frames[targets.image_index]
    wh = wh / frame[:, :2]
    return Dataset.build(
        targets.images,
        targets.categories,
        image_index=targets.image_index,
        category_index=targets.category_index,
        xywh=np.hstack([(centre - frame[:, 2:]) / frame[:, :2] - wh / 2, wh]),
        units=targets.units,
    )


def dense(targets: Targets, level: int, image: int) -> NDArray[np.float64]:
    """One image's tensor at one level.

    Parameters
    ----------
    targets : Targets
    level, image : int

    Returns
    -------
    (rows, columns, anchors, 5 + classes) float64
        `pc` is 1 where there is an object, the class is one-hot, everything else is 0.
    """
    first, last = np.searchsorted(targets.image_index, [image, image + 1])
    mine = np.arange(first, last)[targets.level[first:last] == level]
    grid = np.zeros(targets.shape(level))
    place = (targets.row[mine], targets.column[mine], targets.anchor[mine])
    grid[(*place, 0)] = 1.0
    grid[(*place, slice(1, HEAD))] = targets.box[mine]
    grid[(*place, HEAD + targets.category_index[mine])] = 1.0
    return grid


def from_dense(targets: Targets, grids: Iterable[tuple[int, int, NDArray[np.float64]]]) -> Targets:
    """Targets with the objects of tensors in place of their own; the inverse of `dense`.

    Parameters
    ----------
    targets : Targets
    grids : iterable of (image, level, tensor)
        The tensor is (rows, columns, anchors, 5 + classes); objects are where `pc` is above 0.5. Images in order, and
        levels in order within them, give the order of `encode`.

    Returns
    -------
    Targets

    Raises
    ------
    InputError
        A tensor of another shape.
    """
    parts: list[tuple[NDArray[np.int64], ...]] = [(np.empty(0, np.int64),) * 6]
    boxes = [np.empty((0, 4))]
    for image, level, grid in grids:
        if grid.shape != targets.shape(level):
            stride = targets.levels.strides[level]
            raise InputError(f"a tensor of stride {stride} has shape {grid.shape}, expected {targets.shape(level)}")
        row, column, anchor = np.nonzero(grid[..., 0] > 0.5)
        found = grid[row, column, anchor]
        same = np.ones(len(row), np.int64)
        parts.append((same * image, same * level, row, column, anchor, found[:, HEAD:].argmax(axis=1)))
        boxes.append(found[:, 1:HEAD])
    columns = [freeze(np.concatenate(column), np.int64) for column in zip(*parts, strict=True)]
    names = ("image_index", "level", "row", "column", "anchor", "category_index")
    return replace(targets, **dict(zip(names, columns, strict=True)), box=freeze(np.concatenate(boxes)))  # type: ignore[arg-type]
