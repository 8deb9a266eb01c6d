"""Box sizes against anchors: the most similar anchor of each box, and the medians of groups of boxes."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detkit.kernels._jit import jit, readonly

__all__ = ["Metric", "medians", "nearest", "ratios"]

Metric = Literal["iou", "ratio"]


@jit
def corner_iou(width: float, height: float, other_width: float, other_height: float) -> float:
    """IoU of two boxes that share their top left corner."""
    inner = min(width, other_width) * min(height, other_height)
    return inner / (width * height + other_width * other_height - inner)


@jit
def side_ratio(width: float, height: float, other_width: float, other_height: float) -> float:
    """The smaller side over the larger one, for widths and for heights; the worse of the two.

    Source: YOLOv5 7.0, utils/autoanchor.py, metric: `min(r, 1 / r)` over both sides.
    """
    across = min(width, other_width) / max(width, other_width)
    down = min(height, other_height) / max(height, other_height)
    return min(across, down)


@jit
def _nearest(wh: Any, anchors: Any, by_ratio: bool, label: Any, similarity: Any) -> None:
    for i in range(wh.shape[0]):
        best, at = -1.0, 0
        for j in range(anchors.shape[0]):
            if by_ratio:
                value = side_ratio(wh[i, 0], wh[i, 1], anchors[j, 0], anchors[j, 1])
            else:
                value = corner_iou(wh[i, 0], wh[i, 1], anchors[j, 0], anchors[j, 1])
            if value > best:
                best, at = value, j
        label[i] = at
        similarity[i] = best


@jit
def _medians(wh: Any, ascending: Any, label: Any, counts: Any, seen: Any, out: Any) -> None:
    for i in range(wh.shape[0]):
        counts[label[i]] += 1
    for side in range(2):
        seen[:] = 0
        for n in range(wh.shape[0]):
            i = ascending[n, side]
            j = label[i]
            # Of an even number of sides the mean of the two in the middle; of an odd number both are the same.
            if seen[j] == (counts[j] - 1) // 2:
                out[j, side] += wh[i, side] / 2
            if seen[j] == counts[j] // 2:
                out[j, side] += wh[i, side] / 2
            seen[j] += 1


@jit
def _ratios(wh: Any, anchors: Any, least: float, best: Any, above: Any) -> None:
    for i in range(wh.shape[0]):
        most = 0.0
        count = 0
        for j in range(anchors.shape[0]):
            value = side_ratio(wh[i, 0], wh[i, 1], anchors[j, 0], anchors[j, 1])
            most = max(most, value)
            if value > least:
                count += 1
        best[i] = most
        above[i] = count


def nearest(wh: ArrayLike, anchors: ArrayLike, metric: Metric = "iou") -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The most similar anchor of each box, and how similar it is.

    Parameters
    ----------
    wh : (N, 2) array_like of float
        Widths and heights, more than 0.
    anchors : (K, 2) array_like of float
        In the same unit.
    metric : {"iou", "ratio"}
        IoU at a shared corner, or the worse ratio of the two sides.

    Returns
    -------
    label : (N,) int64
        Of equally similar anchors the first.
    similarity : (N,) float64
        In (0, 1]; the distance is 1 minus it.

    Raises
    ------
    ValueError
        A shape that is not (N, 2), no anchor, or a side that is not a finite number above 0.

    Examples
    --------
    >>> label, similarity = nearest([[10, 10]], [[10, 5], [20, 20]])
    >>> label.tolist(), similarity.tolist()
    ([0], [0.5])
    """
    wh, anchors = _sizes(wh, "wh"), _sizes(anchors, "anchors")
    if not len(anchors):
        raise ValueError("`anchors` is empty")
    label, similarity = np.empty(len(wh), np.int64), np.empty(len(wh))
    _nearest(wh, anchors, metric == "ratio", label, similarity)
    return label, similarity


def medians(
    wh: ArrayLike, ascending: NDArray[np.int64], label: NDArray[np.int64], count: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Median width and height of each group of boxes, and how many boxes it has.

    Parameters
    ----------
    wh : (N, 2) array_like of float
    ascending : (N, 2) int64
        Positions of the boxes by width, and by height: `np.argsort(wh, axis=0)`, which does not change with groups.
    label : (N,) int64
        Group of each box, below `count`.
    count : int

    Returns
    -------
    medians : (count, 2) float64
        0 for a group without a box.
    counts : (count,) int64
    """
    wh = _sizes(wh, "wh")
    counts, out = np.zeros(count, np.int64), np.zeros((count, 2))
    _medians(wh, readonly(ascending, np.int64), readonly(label, np.int64), counts, np.empty(count, np.int64), out)
    return out, counts


def ratios(wh: ArrayLike, anchors: ArrayLike, threshold: float = 4.0) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The best side ratio of each box with any anchor, and how many anchors are near enough to be trained on it.

    Parameters
    ----------
    wh : (N, 2) array_like of float
    anchors : (K, 2) array_like of float
    threshold : float
        An anchor covers a box whose sides differ by less than this factor (YOLOv5's `anchor_t`).

    Returns
    -------
    best : (N,) float64
        In (0, 1].
    above : (N,) int64
        Anchors with a ratio above `1 / threshold`.
    """
    wh, anchors = _sizes(wh, "wh"), _sizes(anchors, "anchors")
    best, above = np.empty(len(wh)), np.empty(len(wh), np.int64)
    _ratios(wh, anchors, 1.0 / threshold, best, above)
    return best, above


def _sizes(values: ArrayLike, name: str) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if array.size == 0:
        array = array.reshape(0, 2)
    if array.ndim != 2 or array.shape[1] != 2:
        raise ValueError(f"`{name}` has shape {array.shape}, expected (N, 2)")
    if not (np.isfinite(array) & (array > 0)).all():
        raise ValueError(f"`{name}` holds a side that is not a finite number above 0")
    return readonly(array, np.float64)
