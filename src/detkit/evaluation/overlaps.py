"""Overlap of detections and truths beyond boxes: masks, keypoints, oriented boxes, as flat matrices cell by cell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit import masks
from detkit.errors import InputError, UsageError
from detkit.evaluation.cells import Layout
from detkit.evaluation.oriented import corners_of_predictions, corners_of_truth
from detkit.evaluation.protocols import Protocol
from detkit.kernels.polygon import cell_iou, hulls, polygon_area
from detkit.tables import Dataset, Detections, Shapes

__all__ = ["CellOverlap", "areas_of", "cell_overlaps", "flat_overlaps"]

#: (detection rows, annotation rows) -> (D, G) overlap
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
    parts: list[NDArray[np.float64]] = []
    starts = np.zeros(len(cells), np.int64)
    total = 0
    for n, c in enumerate(cells):
        starts[n] = total
        dt = layout.dt_row[layout.dt_starts[c] : layout.dt_starts[c + 1]]
        gt = layout.gt_row[layout.gt_starts[c] : layout.gt_starts[c + 1]]
        if len(dt) and len(gt):
            part = compare(dt, gt).ravel()
            total += len(part)
            parts.append(part)
    return (np.concatenate(parts) if parts else np.empty(0)), starts


def _masks(truth: Dataset, detections: Detections, protocol: Protocol) -> CellOverlap:
    gt_shapes = _require_shapes(truth.annotations.shapes, truth, "truth", truth.annotations.ids)
    dt_shapes = detections.shapes
    if dt_shapes is None and not (protocol.strict_parity and detections.has_boxes):
        _require_shapes(None, detections, "predictions", detections.source_row)
    elif dt_shapes is not None and not protocol.strict_parity:
        _require_shapes(dt_shapes, detections, "predictions", detections.source_row)
    sizes = truth.images.sizes

    def encode(shapes: Shapes, rows: NDArray[np.int64], image: int, outline_boxes: bool) -> list[dict[str, Any]]:
        if np.isnan(sizes[image]).any() and (shapes.kind[rows] != Shapes.RLE).any():
            raise InputError(
                f"image `{truth.images.ids[image]}` has no size, which masks from polygons need",
                hint="--images DIR or --image-sizes",
            )
        values: list[Any] = []
        for row in rows.tolist():
            rings = [ring.ravel().tolist() for ring in shapes.polygons(row)]
            if not rings and outline_boxes and shapes.kind[row] != Shapes.RLE:
                rings = [_outline(detections.xywh[row])]
            values.append(shapes.rle[row] if shapes.kind[row] == Shapes.RLE else rings)
        return masks.to_rles(values, np.repeat(sizes[image : image + 1], len(rows), axis=0))

    image_of, crowd = truth.annotations.image_index, truth.annotations.is_crowd
    drawn = dt_shapes if dt_shapes is not None else Shapes.from_rows([None] * len(detections))

    def compare(dt: NDArray[np.int64], gt: NDArray[np.int64]) -> NDArray[np.float64]:
        image = int(image_of[gt[0]])
        found = encode(drawn, dt, image, protocol.strict_parity)
        return masks.overlaps(found, encode(gt_shapes, gt, image, False), crowd[gt])

    return compare


def _outline(box: NDArray[np.float64]) -> list[float]:
    """Corners in the order the reference gives a box without a mask."""
    x1, y1, x2, y2 = box[0], box[1], box[0] + box[2], box[1] + box[3]
    return [x1, y1, x1, y2, x2, y2, x2, y1]


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
    """Object keypoint similarity.

    Source: pycocotools 2.0.11, cocoeval.py, computeOks. NumPy's `exp` and `sum` are called as the reference calls
    them: other implementations differ in the last bit.
    """
    sigmas = np.array(protocol.sigmas)
    variances, count = (sigmas * 2) ** 2, len(sigmas)
    _require_keypoints(truth, truth.annotations.keypoints, "truth", count)
    _require_keypoints(detections, detections.keypoints, "predictions", count)
    gt_points, dt_points = truth.annotations.keypoints, detections.keypoints
    assert gt_points is not None
    assert dt_points is not None
    gt_boxes, gt_area = truth.annotations.xywh, truth.annotations.area

    def compare(dt: NDArray[np.int64], gt: NDArray[np.int64]) -> NDArray[np.float64]:
        if protocol.strict_parity and not protocol.class_wise:
            # The reference looks for rows of class -1 and finds none.
            return np.zeros((len(dt), len(gt)))
        found = np.stack([dt_points[d] for d in dt])
        xd, yd = found[:, :, 0], found[:, :, 1]
        out = np.zeros((len(dt), len(gt)))
        for j, g in enumerate(gt):
            xg, yg, vg = gt_points[g].T
            visible = vg > 0
            if visible.any():
                dx, dy = xd - xg, yd - yg
            else:
                x, y, w, h = gt_boxes[g]
                zero = np.zeros(count)
                dx = np.maximum(zero, (x - w) - xd) + np.maximum(zero, xd - (x + w * 2))
                dy = np.maximum(zero, (y - h) - yd) + np.maximum(zero, yd - (y + h * 2))
            e = (dx**2 + dy**2) / variances / (gt_area[g] + np.spacing(1)) / 2
            if visible.any():
                e = np.ascontiguousarray(e[:, visible])
            for i in range(len(dt)):
                out[i, j] = np.sum(np.exp(-e[i])) / e.shape[1]
        return out

    return compare


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
            f"{len(wrong)} rows of the {role} do not have {count} keypoints (first: row {wrong[0]} with "
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
