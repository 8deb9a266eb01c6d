"""Ways to turn outcomes in score order into average precision, all with one signature.

Each takes `order, score, rank, outcome, truths, caps, recall_thresholds` as `detkit.kernels.accumulate.accumulate`
describes them and returns precision (T, R, A, M), recall (T, A, M) and scores (T, R, A, M), -1 where a class has no
truth that counts. Where the average is not a mean over recall thresholds, R is 1 and holds the average itself.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from detkit.kernels.accumulate import accumulate as interpolated
from detkit.kernels.match import FALSE, IGNORED, TRUE

__all__ = ["area_under_curve", "curve", "eleven_point", "interpolated", "trapezoid", "trapezoid_to_end"]

Array = NDArray[np.float64]


def curve(outcome: NDArray[np.uint8], truths: int) -> tuple[NDArray[np.int64], NDArray[np.int64], Array, Array]:
    """Accumulated true and false positives with precision and recall, in score order.

    Parameters
    ----------
    outcome : (D,) uint8
        In score order.
    truths : int
        Number of truths that count.

    Returns
    -------
    tp, fp : (D,) int64
        Running counts; ignored detections change neither.
    precision, recall : (D,) float64
        Precision is NaN before the first detection that counts.
    """
    tp = np.cumsum(outcome == TRUE)
    fp = np.cumsum(outcome == FALSE)
    with np.errstate(invalid="ignore", divide="ignore"):
        return tp, fp, tp / (tp + fp), tp / np.float64(truths)


def _area(precision: Array, recall: Array) -> float:
    mrec = np.concatenate([[0.0], recall, [1.0]])
    mpre = np.concatenate([[0.0], precision, [0.0]])
    mpre = np.maximum.accumulate(mpre[::-1])[::-1]
    steps = np.flatnonzero(mrec[1:] != mrec[:-1])
    return float(np.sum((mrec[steps + 1] - mrec[steps]) * mpre[steps + 1]))


def _eleven(precision: Array, recall: Array) -> float:
    total = 0.0
    for threshold in np.arange(0.0, 1.1, 0.1):
        reached = precision[recall >= threshold]
        total += (float(reached.max()) if len(reached) else 0.0) / 11.0
    return total


def area_under_curve(
    order: NDArray[np.int64],
    score: Array,
    rank: NDArray[np.int32],
    outcome: NDArray[np.uint8],
    truths: NDArray[np.int64],
    caps: NDArray[np.int64],
    recall_thresholds: Array,
) -> tuple[Array, Array, Array]:
    """Area under the precision-recall curve made monotone (Pascal VOC from 2010 on).

    Parameters
    ----------
    order, score, rank, outcome, truths, caps, recall_thresholds
        See `detkit.kernels.accumulate.accumulate`; scores and recall thresholds are not read.

    Returns
    -------
    precision, recall, scores
        See `detkit.kernels.accumulate.accumulate`.
    """
    return _each(_area, order, rank, outcome, truths, caps)


def eleven_point(
    order: NDArray[np.int64],
    score: Array,
    rank: NDArray[np.int32],
    outcome: NDArray[np.uint8],
    truths: NDArray[np.int64],
    caps: NDArray[np.int64],
    recall_thresholds: Array,
) -> tuple[Array, Array, Array]:
    """Mean of the best precision at recalls of at least 0, 0.1, ..., 1 (Pascal VOC 2007).

    Parameters
    ----------
    order, score, rank, outcome, truths, caps, recall_thresholds
        See `detkit.kernels.accumulate.accumulate`; scores and recall thresholds are not read.

    Returns
    -------
    precision, recall, scores
        See `detkit.kernels.accumulate.accumulate`.
    """
    return _each(_eleven, order, rank, outcome, truths, caps)


def _under_line(precision: Array, recall: Array, tail: list[float]) -> float:
    """Area by the trapezoid rule over 101 recalls, precision read off along straight lines of the envelope.

    Precision is 1 at recall 0 and 0 at recall 1, and so a perfect class has 0.995.
    """
    if not len(recall):
        return 0.0
    mrec = np.concatenate([[0.0], recall, tail, [1.0]])
    mpre = np.concatenate([[1.0], precision, np.zeros(len(tail)), [0.0]])
    mpre = np.maximum.accumulate(mpre[::-1])[::-1]
    heights = np.interp(np.linspace(0.0, 1.0, 101), mrec, mpre)
    return float(np.sum(heights[1:] + heights[:-1]) / 200.0)


def _to_last_recall(precision: Array, recall: Array) -> float:
    return _under_line(precision, recall, [float(recall[-1])] if len(recall) else [])


def _to_end(precision: Array, recall: Array) -> float:
    return _under_line(precision, recall, [])


def trapezoid(
    order: NDArray[np.int64],
    score: Array,
    rank: NDArray[np.int32],
    outcome: NDArray[np.uint8],
    truths: NDArray[np.int64],
    caps: NDArray[np.int64],
    recall_thresholds: Array,
) -> tuple[Array, Array, Array]:
    """Area under straight lines between the points of the curve, up to the last recall that is reached.

    Source: ultralytics 8.4.190, utils/metrics.py, compute_ap.

    Parameters
    ----------
    order, score, rank, outcome, truths, caps, recall_thresholds
        See `detkit.kernels.accumulate.accumulate`; scores and recall thresholds are not read.

    Returns
    -------
    precision, recall, scores
        See `detkit.kernels.accumulate.accumulate`.
    """
    return _each(_to_last_recall, order, rank, outcome, truths, caps)


def trapezoid_to_end(
    order: NDArray[np.int64],
    score: Array,
    rank: NDArray[np.int32],
    outcome: NDArray[np.uint8],
    truths: NDArray[np.int64],
    caps: NDArray[np.int64],
    recall_thresholds: Array,
) -> tuple[Array, Array, Array]:
    """The same with a line from the last recall that is reached to precision 0 at recall 1.

    Source: ultralytics 8.3.253, utils/metrics.py, compute_ap.

    Parameters
    ----------
    order, score, rank, outcome, truths, caps, recall_thresholds
        See `detkit.kernels.accumulate.accumulate`; scores and recall thresholds are not read.

    Returns
    -------
    precision, recall, scores
        See `detkit.kernels.accumulate.accumulate`.
    """
    return _each(_to_end, order, rank, outcome, truths, caps)


def _each(
    average: Callable[[Array, Array], float],
    order: NDArray[np.int64],
    rank: NDArray[np.int32],
    outcome: NDArray[np.uint8],
    truths: NDArray[np.int64],
    caps: NDArray[np.int64],
) -> tuple[Array, Array, Array]:
    areas, thresholds, _ = outcome.shape
    precision = np.full((thresholds, 1, areas, len(caps)), -1.0)
    recall = np.full((thresholds, areas, len(caps)), -1.0)
    for a, m in np.ndindex(areas, len(caps)):
        if truths[a] == 0:
            continue
        kept = order[rank[order] < caps[m]]
        for t in range(thresholds):
            counted = outcome[a, t, kept]
            _, _, pr, rc = curve(counted[counted != IGNORED], int(truths[a]))
            precision[t, 0, a, m] = average(pr, rc)
            recall[t, a, m] = rc[-1] if len(rc) else 0.0
    return precision, recall, precision.copy()
