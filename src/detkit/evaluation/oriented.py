"""Corners of oriented boxes: which rows state four points, and what stands in for those that do not.

An oriented box is an outline of one ring with four points. Where a table has such rows, a row without any outline
counts as its own box, unrotated, and so does a crowd region whatever its outline; any other outline is refused.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detkit.errors import InputError
from detkit.evaluation.protocols import Protocol
from detkit.findings import Finding
from detkit.tables import Dataset, Detections, Shapes

__all__ = ["corners_of_predictions", "corners_of_truth", "oriented_findings"]

_HINT = "score boxes with `--iou-type bbox`"


def corners_of_truth(truth: Dataset) -> NDArray[np.float64]:
    """Corners of each truth, in the table's units.

    Parameters
    ----------
    truth : Dataset

    Returns
    -------
    (N, 4, 2) float64

    Raises
    ------
    InputError
        No row has an outline of four points, or a row that is no crowd has another outline.
    """
    rows = truth.annotations
    return _corners(rows.shapes, rows.xywh, rows.is_crowd, rows.ids, "truth", _path(truth))


def corners_of_predictions(detections: Detections) -> NDArray[np.float64]:
    """Corners of each prediction, in the table's units.

    Parameters
    ----------
    detections : Detections

    Returns
    -------
    (N, 4, 2) float64

    Raises
    ------
    InputError
        No row has an outline of four points, or a row has another outline.
    """
    none = np.zeros(len(detections), np.bool_)
    return _corners(detections.shapes, detections.xywh, none, detections.source_row, "predictions", _path(detections))


def oriented_findings(truth: Dataset, detections: Detections, protocol: Protocol) -> list[Finding]:
    """Findings `DK110` for rows whose unrotated box is compared because they state no four points.

    Parameters
    ----------
    truth : Dataset
    detections : Detections
    protocol : Protocol
        Only iou type `obb` has such rows.

    Returns
    -------
    list of Finding
    """
    if protocol.iou_type != "obb":
        return []
    findings = []
    rows = truth.annotations
    for shapes, count, role in ((rows.shapes, len(rows), "truth"), (detections.shapes, len(detections), "predictions")):
        lacking = count if shapes is None else int(np.count_nonzero(~_are_quadrangles(shapes)))
        if lacking:
            message = f"{lacking} of {count} rows of the {role} state no four corners: their boxes count as unrotated"
            findings.append(Finding("DK110", message, count=lacking))
    return findings


def _corners(
    shapes: Shapes | None,
    xywh: NDArray[np.float64],
    is_crowd: NDArray[np.bool_],
    ids: NDArray[np.generic],
    role: str,
    path: str | None,
) -> NDArray[np.float64]:
    corners = _unrotated(xywh)
    if not len(xywh):
        return corners
    stated = np.zeros(len(xywh), np.bool_) if shapes is None else _are_quadrangles(shapes)
    if shapes is None or not stated.any():
        what = "no outlines" if shapes is None else "no outline of four points"
        raise InputError(
            f"no oriented boxes in the {role} ({what}), which iou type `obb` compares", path=path, hint=_HINT
        )
    outlined = (shapes.kind == Shapes.RLE) | (shapes.rings.lengths() > 0)
    other = np.flatnonzero(outlined & ~stated & ~is_crowd)
    if len(other):
        raise InputError(
            f"{len(other)} of {len(xywh)} rows of the {role} have an outline that is no quadrangle "
            f"(first: `{ids[other[0]]}`), expected one ring of four points",
            path=path,
            hint="score masks with `--iou-type segm`, boxes with `--iou-type bbox`",
        )
    first = shapes.points.offsets[:-1][stated]
    corners[stated] = shapes.points.values[first[:, None] + np.arange(4)]
    return corners


def _are_quadrangles(shapes: Shapes) -> NDArray[np.bool_]:
    return np.asarray((shapes.rings.lengths() == 1) & (shapes.points.lengths() == 4), np.bool_)


def _unrotated(xywh: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, 4, 2) corners of boxes as they stand."""
    low, high = xywh[:, :2], xywh[:, :2] + xywh[:, 2:]
    x, y = [low[:, 0], high[:, 0], high[:, 0], low[:, 0]], [low[:, 1], low[:, 1], high[:, 1], high[:, 1]]
    return np.stack([np.stack(x, axis=1), np.stack(y, axis=1)], axis=2)


def _path(table: Dataset | Detections) -> str | None:
    return None if table.source is None else table.source.path
