"""Non-maximum suppression, one group (image and class) after the other: greedy, by plain IoU or by distance IoU."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detkit.kernels._groups import grouped, in_threads
from detkit.kernels._jit import jit
from detkit.kernels.iou import box_iou

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


@jit
def box_diou(a: Any, i: int, b: Any, j: int) -> float:
    """IoU less the squared distance of the centres over the squared diagonal of the box around both.

    Source: Zheng et al. 2020, Distance-IoU Loss, equation 7.
    """
    overlap = box_iou(a, i, b, j, False)
    dx = (a[i, 0] + a[i, 2] / 2) - (b[j, 0] + b[j, 2] / 2)
    dy = (a[i, 1] + a[i, 3] / 2) - (b[j, 1] + b[j, 3] / 2)
    width = max(a[i, 0] + a[i, 2], b[j, 0] + b[j, 2]) - min(a[i, 0], b[j, 0])
    height = max(a[i, 1] + a[i, 3], b[j, 1] + b[j, 3]) - min(a[i, 1], b[j, 1])
    diagonal = width * width + height * height
    if diagonal <= 0:
        return overlap
    return overlap - (dx * dx + dy * dy) / diagonal  # type: ignore[no-any-return]


@jit
def _suppress_diou(xywh: Any, starts: Any, iou_threshold: float, limit: int, keep: Any) -> None:
    for group in range(starts.shape[0] - 1):
        kept = 0
        for i in range(starts[group], starts[group + 1]):
            if kept == limit:
                break
            survives = True
            for j in range(starts[group], i):
                if keep[j] and box_diou(xywh, i, xywh, j) > iou_threshold:
                    survives = False
                    break
            if survives:
                keep[i] = True
                kept += 1


_KERNELS = {"iou": _suppress, "diou": _suppress_diou}


def grouped_nms(
    xywh: ArrayLike,
    score: ArrayLike,
    group: ArrayLike,
    *,
    iou_threshold: float = 0.45,
    max_detections: int | None = None,
    overlap: Literal["iou", "diou"] = "iou",
    jobs: int | None = None,
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
        A box is removed if its overlap with a kept box of its group is greater than this.
    max_detections : int, optional
        Most boxes kept in a group.
    overlap : {"iou", "diou"}
        `diou` takes the distance of the centres off, so that close neighbours survive (Zheng et al. 2020).
    jobs : int, optional
        Threads; by default one a processor. The result does not depend on it.

    Returns
    -------
    (N,) bool
        In input order.

    Raises
    ------
    ValueError
        Wrong shapes, values that are not finite, a threshold outside [0, 1], or an unknown overlap.
    """
    if not 0 <= iou_threshold <= 1:
        raise ValueError(f"`iou_threshold` is {iou_threshold}, expected 0 to 1")
    if overlap not in _KERNELS:
        raise ValueError(f"`overlap` is {overlap!r}, expected one of {', '.join(_KERNELS)}")
    found = grouped(xywh, score, group)
    keep = np.zeros(len(found.order), np.bool_)
    limit = len(keep) if max_detections is None else int(max_detections)
    kernel = _KERNELS[overlap]
    in_threads(lambda starts: kernel(found.xywh, starts, float(iou_threshold), limit, keep), found.starts, jobs)
    survives = np.empty(len(keep), np.bool_)
    survives[found.order] = keep
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
