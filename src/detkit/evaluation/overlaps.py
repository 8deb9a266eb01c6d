"""Overlap of detections and truths beyond boxes: masks, keypoints, oriented boxes, as flat matrices cell by cell."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.errors import InputError, UsageError
from detkit.evaluation.cells import Layout
from detkit.evaluation.oriented import corners_of_predictions, corners_of_truth
from detkit.evaluation.protocols import Protocol
from detkit.kernels.polygon import cell_iou, hulls, polygon_area
from detkit.tables import Dataset, Detections, Shapes
from detkit.wording import plural

__all__ = ["CellOverlap", "areas_of", "cell_overlaps", "flat_overlaps"]

#: (detection rows, annotation rows) -> (D, G) overlap; a method `flat`, where it has one, does many cells at once.
CellOverlap = Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.float64]]


def cell_overlaps(truth: Dataset, detections: Detections, protocol: Protocol) -> CellOverlap | None:
    """How to compare the rows of one cell; None for boxes, which the matching kernel compares itself.

    Parameters
    ----------
    truth : Dataset
    detections : Detections
    protocol : Protocol

    Returns
    -------
    callable or None
        Rows of detections and of truths -> (D, G) float64.

    Raises
    ------
    InputError
        Masks, keypoints or oriented boxes are asked for and the truth or the predictions have none.
    UsageError
        Unknown iou type.
    """
    if protocol.iou_type == "bbox":
        return None
    if protocol.iou_type not in _COMPARED:
        raise UsageError(f"unknown iou type `{protocol.iou_type}`; known: bbox, {', '.join(_COMPARED)}")
    if not len(truth.annotations):
        # A truth without rows states no masks and lacks none: no cell will ask.
        return lambda dt, gt: np.zeros((len(dt), len(gt)))
    return _COMPARED[protocol.iou_type](truth, detections, protocol)


def areas_of(
    truth: Dataset, detections: Detections, protocol: Protocol
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Areas that are held against the protocol's ranges.

    Of oriented boxes it is the polygon's area: always for predictions, and for truths whose stated area is that of
    the box around them, which is what a source without areas gets.

    Parameters
    ----------
    truth : Dataset
    detections : Detections
    protocol : Protocol

    Returns
    -------
    truths : (G,) float64
    predictions : (D,) float64

    Raises
    ------
    InputError
        As `cell_overlaps`.
    """
    rows = truth.annotations
    gt_box, dt_box = (xywh[:, 2] * xywh[:, 3] for xywh in (rows.xywh, detections.xywh))
    if protocol.iou_type == "obb" and len(rows):
        outer = gt_box
        gt_box, dt_box = polygon_area(corners_of_truth(truth)), polygon_area(corners_of_predictions(detections))
        stated = np.where(rows.area == outer, gt_box, rows.area)
        return (stated if protocol.area == "stated" else gt_box), dt_box
    return (rows.area, detections.area) if protocol.area == "stated" else (gt_box, dt_box)


def flat_overlaps(compare: CellOverlap, layout: Layout, cells: range) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Matrices of these cells one after the other, and where each starts.

    Parameters
    ----------
    compare : CellOverlap
    layout : Layout
    cells : range

    Returns
    -------
    flat : float64
    starts : (len(cells),) int64
    """
    first, last = cells.start, cells.stop
    dt_starts, gt_starts = layout.dt_starts[first : last + 1], layout.gt_starts[first : last + 1]
    dt_sizes, gt_sizes = np.diff(dt_starts), np.diff(gt_starts)
    pairs = dt_sizes * gt_sizes
    starts = np.cumsum(pairs) - pairs
    used = pairs > 0
    dt = layout.dt_row[dt_starts[0] : dt_starts[-1]][np.repeat(used, dt_sizes)]
    gt = layout.gt_row[gt_starts[0] : gt_starts[-1]][np.repeat(used, gt_sizes)]
    dt_cells, gt_cells = (np.concatenate([[0], np.cumsum(sizes[used])]) for sizes in (dt_sizes, gt_sizes))
    if not used.any():
        return np.empty(0), starts
    all_at_once = getattr(compare, "flat", None)
    if all_at_once is not None:
        return all_at_once(dt, gt, dt_cells, gt_cells), starts
    lines = zip(pairwise(dt_cells.tolist()), pairwise(gt_cells.tolist()), strict=True)
    parts = [compare(dt[slice(*of_dt)], gt[slice(*of_gt)]).ravel() for of_dt, of_gt in lines]
    return np.concatenate(parts), starts


def _masks(truth: Dataset, detections: Detections, protocol: Protocol) -> CellOverlap:
    from detkit.evaluation.mask_overlaps import MaskOverlap, MaskTable

    gt_shapes = _require_shapes(truth.annotations.shapes, truth, "truth", truth.annotations.ids)
    dt_shapes = detections.shapes
    if dt_shapes is None and not (protocol.strict_parity and detections.has_boxes):
        _require_shapes(None, detections, "predictions", detections.source_row)
    elif dt_shapes is not None and not protocol.strict_parity:
        _require_shapes(dt_shapes, detections, "predictions", detections.source_row)
    drawn = dt_shapes if dt_shapes is not None else Shapes.from_rows([None] * len(detections))
    boxes = detections.xywh if protocol.strict_parity else None
    rows, images = truth.annotations, truth.images
    return MaskOverlap(
        MaskTable(drawn, images, detections.image_index, boxes),
        MaskTable(gt_shapes, images, rows.image_index),
        rows.is_crowd,
    )


def _require_shapes(shapes: Shapes | None, table: Dataset | Detections, role: str, ids: NDArray[Any]) -> Shapes:
    path = None if table.source is None else table.source.path
    hint = "score boxes with `--iou-type bbox`"
    if shapes is None:
        raise InputError(f"no masks in the {role}, which iou type `segm` compares", path=path, hint=hint)
    missing = np.flatnonzero(shapes.kind == Shapes.NONE)
    if len(missing):
        raise InputError(
            f"{len(missing)} of {len(shapes)} rows of the {role} have no mask (first: `{ids[missing[0]]}`)",
            path=path,
            hint=hint,
        )
    return shapes


def _keypoints(truth: Dataset, detections: Detections, protocol: Protocol) -> CellOverlap:
    """Object keypoint similarity; zero where the reference looks for rows of class -1 and finds none."""
    from detkit.evaluation.keypoint_overlaps import KeypointOverlap

    count = len(protocol.sigmas)
    _require_keypoints(truth, truth.annotations.keypoints, "truth", count)
    _require_keypoints(detections, detections.keypoints, "predictions", count)
    if protocol.strict_parity and not protocol.class_wise:
        return lambda dt, gt: np.zeros((len(dt), len(gt)))
    gt_points, dt_points = truth.annotations.keypoints, detections.keypoints
    assert gt_points is not None
    assert dt_points is not None
    return KeypointOverlap(
        dt_points.values.reshape(-1, count, 3),
        gt_points.values.reshape(-1, count, 3),
        truth.annotations.xywh,
        truth.annotations.area,
        np.array(protocol.sigmas),
    )


def _require_keypoints(table: Dataset | Detections, points: Any, role: str, count: int) -> None:
    path = None if table.source is None else table.source.path
    if points is None:
        raise InputError(
            f"no keypoints in the {role}, which iou type `keypoints` compares",
            path=path,
            hint="score boxes with `--iou-type bbox`",
        )
    wrong = np.flatnonzero(points.lengths() != count)
    if len(wrong):
        raise InputError(
            f"{plural(len(wrong), 'row')} of the {role} without {count} keypoints (first: row {wrong[0]} with "
            f"{points.lengths()[wrong[0]]})",
            path=path,
            hint="give as many `--sigmas` as there are keypoints",
        )


def _oriented(truth: Dataset, detections: Detections, protocol: Protocol) -> CellOverlap:
    """Intersection over union of polygons; over the detection's own area where the truth is a crowd."""
    gt_hulls, dt_hulls = hulls(corners_of_truth(truth)), hulls(corners_of_predictions(detections))
    crowd = truth.annotations.is_crowd & protocol.crowds_match_many

    def compare(dt: NDArray[np.int64], gt: NDArray[np.int64]) -> NDArray[np.float64]:
        return cell_iou(dt_hulls[dt], gt_hulls[gt], crowd[gt])

    return compare


_COMPARED: dict[str, Callable[[Dataset, Detections, Protocol], CellOverlap]] = {
    "segm": _masks,
    "keypoints": _keypoints,
    "obb": _oriented,
}
