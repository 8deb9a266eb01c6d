"""Give every object its cell and anchor, and count what does not fit: collisions, and centres outside the input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.anchors.levels import Levels
from detkit.anchors.network import NetworkBoxes
from detkit.kernels.kmeans import nearest

__all__ = ["Assignment", "LevelUse", "Slots", "assign", "slots_of"]


@dataclass(frozen=True, eq=False)
class Slots:
    """The cell and anchor of each object.

    Parameters
    ----------
    box : (N,) int64
        Which of the network boxes: all whose centre lies inside the input.
    level, row, column, anchor : (N,) int64
        The anchor counts inside its level.
    iou : (N,) float64
        With the anchor, at a shared corner.
    keeps : (N,) bool
        Whether the object keeps its place: of several in one cell and anchor it is the one most like the anchor, of
        equals the first.
    partners : (N,) int64
        Objects in the same cell and anchor, itself included.
    outside : int
        Objects whose centre lies outside the input.
    """

    box: NDArray[np.int64]
    level: NDArray[np.int64]
    row: NDArray[np.int64]
    column: NDArray[np.int64]
    anchor: NDArray[np.int64]
    iou: NDArray[np.float64]
    keeps: NDArray[np.bool_]
    partners: NDArray[np.int64]
    outside: int


@dataclass(frozen=True)
class LevelUse:
    """How one level is used.

    Parameters
    ----------
    stride : int
    grid : (columns, rows)
    objects : int
        Whose best anchor is of this level.
    cells : int
        Cells of all images that hold one of them or more.
    most_in_cell : int
        Objects in the fullest cell, whatever their anchors.
    collided : int
        Objects that lose their place to another one in the same cell and anchor.
    """

    stride: int
    grid: tuple[int, int]
    objects: int
    cells: int
    most_in_cell: int
    collided: int


@dataclass(frozen=True, eq=False)
class Assignment:
    """What becomes of the objects when each goes to its best anchor, in the cell of its centre.

    Parameters
    ----------
    levels : tuple of LevelUse
        The finest first.
    objects, outside, collided : int
        All; with the centre outside the input; lost to another object in the same cell and anchor.
    images_with_collisions : int
    per_cell, per_slot : tuple of int
        How many cells, and how many anchors of cells, hold 1, 2, 3, ... objects.
    """

    levels: tuple[LevelUse, ...]
    objects: int
    outside: int
    collided: int
    images_with_collisions: int
    per_cell: tuple[int, ...]
    per_slot: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "objects": self.objects,
            "outside": self.outside,
            "collided": self.collided,
            "images_with_collisions": self.images_with_collisions,
            "per_cell": list(self.per_cell),
            "per_slot": list(self.per_slot),
            "levels": [{**vars(level), "grid": list(level.grid)} for level in self.levels],
        }


def slots_of(boxes: NetworkBoxes, levels: Levels) -> Slots:
    """The cell and anchor of each object: the anchor most like it, in the cell that holds its centre.

    Parameters
    ----------
    boxes : NetworkBoxes
    levels : Levels

    Returns
    -------
    Slots

    Raises
    ------
    UsageError
        The input size is no multiple of a stride.

    Notes
    -----
    One anchor an object, as YOLOv2 to YOLOv4 and the textbook have it; YOLOv5 and v7 train every anchor that covers
    an object, in up to three cells.
    """
    levels.grids(boxes.image_size)
    inside = ((boxes.centre >= 0) & (boxes.centre < np.array(boxes.image_size))).all(axis=1)
    box = np.flatnonzero(inside)
    label, iou = nearest(boxes.wh[box], levels.all)
    level = levels.level[label]
    cell = np.floor(boxes.centre[box] / np.array(levels.strides)[level, None]).astype(np.int64)
    column, row, anchor = cell[:, 0], cell[:, 1], levels.place[label]
    group, partners = _together(boxes.image_index[box], level, row, column, anchor)
    by_group = np.lexsort((np.arange(len(box)), -iou, group))
    keeps = np.zeros(len(box), np.bool_)
    keeps[by_group[np.flatnonzero(np.diff(group[by_group], prepend=-1))]] = True
    return Slots(box, level, row, column, anchor, iou, keeps, partners, len(boxes) - len(box))


def _together(*columns: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(group, its size) of each row; rows that are equal in all columns are one group."""
    key = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        key = key * (int(column.max(initial=0)) + 1) + column
    _, group, counts = np.unique(key, return_inverse=True, return_counts=True)
    return group, counts[group]


def assign(boxes: NetworkBoxes, levels: Levels) -> Assignment:
    """How the objects of a dataset share the cells and anchors of a detector.

    Parameters
    ----------
    boxes : NetworkBoxes
    levels : Levels

    Returns
    -------
    Assignment

    Raises
    ------
    UsageError
        The input size is no multiple of a stride.
    """
    slots = slots_of(boxes, levels)
    image = boxes.image_index[slots.box]
    _, in_cell = _together(image, slots.level, slots.row, slots.column)
    used = []
    for n, grid in enumerate(levels.grids(boxes.image_size)):
        mine = slots.level == n
        used.append(
            LevelUse(
                levels.strides[n],
                grid,
                int(np.count_nonzero(mine)),
                sum(_histogram(in_cell[mine])),
                int(in_cell[mine].max(initial=0)),
                int(np.count_nonzero(mine & ~slots.keeps)),
            )
        )
    return Assignment(
        tuple(used),
        len(boxes),
        slots.outside,
        int(np.count_nonzero(~slots.keeps)),
        len(np.unique(image[~slots.keeps])),
        _histogram(in_cell),
        _histogram(slots.partners),
    )


def _histogram(sizes: NDArray[np.int64]) -> tuple[int, ...]:
    """How many groups have 1, 2, 3, ... members; `sizes` holds each member's."""
    members = np.bincount(sizes)[1:]
    return tuple(int(count) // (n + 1) for n, count in enumerate(members))
