"""Greedy non-maximum suppression, one group (image and class) after the other."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detkit.kernels._jit import jit, readonly
from detkit.kernels.iou import _boxes, box_iou

__all__ = ["grouped_nms", "nms"]


@jit
def _suppress(xywh: Any, starts: Any, iou_threshold: float, limit: int, keep: Any) -> None:
    for group in range(starts.shape[0] - 1):
        kept = 0
        for i in range(starts[group], starts[group + 1]):
            if kept == limit:
                break
            survives = True
            for j in range(starts[group], i):
                if keep[j] and box_iou(xywh, i, xywh, j, False) > iou_threshold:
                    survives = False
                    break
            if survives:
                keep[i] = True
                kept += 1


def grouped_nms(
    xywh: ArrayLike,
    score: ArrayLike,
    group: ArrayLike,
    *,
    iou_threshold: float = 0.45,
    max_detections: int | None = None,
) -> NDArray[np.bool_]:
    """Which boxes survive when each group is suppressed on its own.

    Parameters
    ----------
    xywh : (N, 4) array_like of float
        Boxes.
    score : (N,) array_like of float
        Higher is looked at first; equal scores in input order.
    group : (N,) array_like of int
        Boxes of different groups never suppress each other (a number for each image and class).
    iou_threshold : float
        A box is removed if its IoU with a kept box of its group is greater than this.
    max_detections : int, optional
        Most boxes kept in a group.

    Returns
    -------
    (N,) bool
        In input order.

    Raises
    ------
    ValueError
        Wrong shapes, values that are not finite, or a threshold outside [0, 1].
    """
    boxes = _boxes(xywh, "xywh")
    score = np.asarray(score, dtype=np.float64)
    group = np.asarray(group, dtype=np.int64)
    if score.shape != (len(boxes),) or group.shape != (len(boxes),):
        raise ValueError(f"`score` and `group` need shape ({len(boxes)},), found {score.shape} and {group.shape}")
    if not np.isfinite(score).all():
        raise ValueError("`score` holds a value that is not finite")
    if not 0 <= iou_threshold <= 1:
        raise ValueError(f"`iou_threshold` is {iou_threshold}, expected 0 to 1")
    order = np.lexsort((-score, group))
    ordered = group[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1], [True]]) if len(order) else [True])
    keep = np.zeros(len(boxes), np.bool_)
    limit = len(boxes) if max_detections is None else int(max_detections)
    _suppress(readonly(boxes[order], np.float64), readonly(starts, np.int64), float(iou_threshold), limit, keep)
    survives = np.empty(len(boxes), np.bool_)
    survives[order] = keep
    return survives


def nms(
    xywh: ArrayLike,
    score: ArrayLike,
    category: ArrayLike | None = None,
    *,
    iou_threshold: float = 0.45,
    max_detections: int | None = None,
) -> NDArray[np.int64]:
    """Positions of the boxes of one image that survive class-wise suppression, highest score first.

    Parameters
    ----------
    xywh : (N, 4) array_like of float
    score : (N,) array_like of float
    category : (N,) array_like of int, optional
        Without it all boxes compete (class-agnostic).
    iou_threshold : float
        A box is removed if its IoU with a kept one of its class is greater than this.
    max_detections : int, optional
        Most boxes returned.

    Returns
    -------
    (M,) int64

    Raises
    ------
    ValueError
        As `grouped_nms`.

    Examples
    --------
    >>> nms([[0, 0, 10, 10], [1, 0, 10, 10], [50, 50, 5, 5]], [0.8, 0.9, 0.7], iou_threshold=0.5).tolist()
    [1, 2]
    """
    score = np.asarray(score, dtype=np.float64)
    group = np.zeros(len(score), np.int64) if category is None else category
    keep = np.flatnonzero(grouped_nms(xywh, score, group, iou_threshold=iou_threshold))
    return keep[np.argsort(-score[keep], kind="stable")][:max_detections]
