"""Compile every kernel with the signatures that the library uses."""

from __future__ import annotations

import sys

import numpy as np

from detkit.kernels import (
    _store,
    accumulate,
    bootstrap,
    cells,
    cross,
    cut,
    falling,
    fusion,
    hamming,
    iou,
    json_outlines,
    json_rows,
    kmeans,
    match,
    nms,
    oks,
    polygon,
    rings,
    rle,
    soft_nms,
    voc_objects,
    voc_text,
)
from detkit.kernels._jit import Kernel

__all__ = ["cache_folder", "warm_up"]


def warm_up() -> dict[str, bool]:
    """Kernel name -> whether it was compiled now."""
    boxes = np.array([[0.0, 0.0, 2.0, 2.0]])
    none = np.zeros(1, np.bool_)
    one_cell = match.Cells(np.array([0, 1]), np.array([0, 1]), boxes[:, 2], boxes[:, 2], none, none, none)
    found = match.match(one_cell, np.array([0.5]), np.array([[0.0, 1e10]]), rule="greedy", boxes=(boxes, boxes))
    one = np.ones(1)
    first, ends = np.zeros(1, np.int64), np.array([0, 1])
    many = np.zeros(cells.FEW, np.int64)
    cells.sort_within(many, np.zeros(cells.FEW), many.copy())
    cells.merge_cells(many, many)
    cells.order_by_two((many, first), (many, first))
    falling.falling_order(np.zeros(falling.FEW))
    accumulate.accumulate(
        np.zeros(1, np.int64),
        one,
        np.zeros(1, np.int32),
        found.outcome,
        np.ones(1, np.int64),
        np.array([100]),
        np.linspace(0, 1, 101),
    )
    iou.pairwise_iou(boxes, boxes)
    json_rows.scan_rows(b'[{"id":1,"bbox":[0,0,1,1]}]', 0, json_rows.Layout(("id",)))
    _warm_outlines()
    voc_objects.read_objects(b"<object>", ends)
    voc_text.object_texts(boxes, first, np.zeros((1, 2), np.bool_), first, [b"a"], [b"b"])
    nms.nms(boxes, one)
    zero = np.zeros(1, np.int64)
    cells_of_one = np.array([0, 1])
    cross.near_pairs(boxes, boxes, cells_of_one, cells_of_one, 0.5)
    cross.claim(zero, zero, one, 1)
    cut.cut_losers(boxes, one, zero, zero, none, np.array([[0.0, 0.0, 2.0, 2.0]]))
    nms.grouped_nms(boxes, one, zero, overlap="diou")
    soft_nms.grouped_soft_nms(boxes, one, zero)
    soft_nms.grouped_matrix_nms(boxes, one, zero)
    fusion.fuse(boxes, one, zero, zero, one)
    square = np.array([[[0.0, 0.0], [2.0, 0.0], [2.0, 2.0], [0.0, 2.0]]])
    polygon.polygon_iou(square, square)
    polygon.grouped_polygon_nms(square, one, zero)
    hamming.near_hashes(np.array([1, 3], np.uint64), 1)
    sizes = np.array([[2.0, 2.0]])
    kmeans.nearest(sizes, sizes)
    kmeans.medians(sizes, np.zeros((1, 2), np.int64), zero, 1)
    kmeans.ratios(sizes, sizes)
    stream = bootstrap.Stream(ends, zero, zero, zero, np.zeros(1, np.uint8), ends)
    weights = np.ones((1, 1), np.int32)
    counts = bootstrap.weighted_counts(zero.astype(np.int32), np.ones(1, np.uint16), ends, weights)
    bootstrap.weighted_averages(stream, weights, counts, np.linspace(0, 1, 101))
    return {f"{kernel.__module__.rpartition('.')[2]}{kernel.__name__}": kernel.compiled > 0 for kernel in _called()}


def _warm_outlines() -> None:
    text = b'[{"keypoints":[1,2,2],"segmentation":{"size":[1,1],"counts":"01"}}]'
    columns = json_rows.scan_rows(text, 0, json_rows.Layout((), spans=("segmentation", "keypoints")))
    if columns is not None:
        json_outlines.read_masks(text, columns.spans[0])
        json_outlines.read_lists(text, columns.spans[1])
    zero, ends, one = np.zeros(1, np.int64), np.array([0, 1]), np.ones(1)
    mask = rle.Strings(np.ones((1, 2), np.int64), zero, np.array([2]), np.frombuffer(b"01", np.uint8))
    rle.overlaps(mask, mask, np.zeros(1, np.bool_), ends, ends)
    rings.draw_rings(np.zeros((1, 2)), zero, np.ones(1, np.int64), ends, zero, np.ones((1, 2), np.int64), jobs=1)
    points = np.ones((1, 1, 3))
    oks.exponents(points, points, np.ones((1, 4)), one, one, zero.reshape(1, 1), zero, zero, 1)


def cache_folder() -> str:
    """Folder of the kernels' machine code, or what it means that there can be none."""
    folder = _store.folder()
    return str(folder) if _store.can_write() else f"{folder} cannot be written: kernels are compiled in every process"


def _called() -> list[Kernel]:
    """The kernels that Python has called; those called by kernels alone are compiled into them."""
    found = {
        id(value): value
        for name, module in sorted(sys.modules.items())
        if name.startswith("detkit.kernels.")
        for value in vars(module).values()
        if isinstance(value, Kernel) and value.signatures
    }
    return list(found.values())
