"""Suppression that lowers scores instead of removing boxes: soft-NMS, box by box, and matrix NMS, all at once."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detkit.kernels._groups import grouped, in_threads, largest
from detkit.kernels._jit import jit
from detkit.kernels.iou import box_iou

__all__ = ["grouped_matrix_nms", "grouped_soft_nms"]


@jit
def _soften(
    xywh: Any,
    score: Any,
    starts: Any,
    gaussian: bool,
    iou_threshold: float,
    sigma: float,
    floor: float,
    alive: Any,
    current: Any,
    out: Any,
) -> None:
    """`alive` and `current` are room for the largest group."""
    for group in range(starts.shape[0] - 1):
        first = starts[group]
        count = starts[group + 1] - first
        left = 0
        for n in range(count):
            if score[first + n] >= floor:
                alive[left], current[left] = first + n, score[first + n]
                left += 1
        best = 0
        while left > 0:
            chosen, out[alive[best]] = alive[best], current[best]
            kept, following = 0, 0
            for n in range(left):
                if n == best:
                    continue
                overlap = box_iou(xywh, alive[n], xywh, chosen, False)
                value = current[n]
                if gaussian:
                    value *= math.exp(-(overlap * overlap) / sigma)
                elif overlap > iou_threshold:
                    value *= 1 - overlap
                if value >= floor:
                    # Kept in order, so that of equal scores the earlier box goes first.
                    alive[kept], current[kept] = alive[n], value
                    if value > current[following]:
                        following = kept
                    kept += 1
            left, best = kept, following


@jit
def _decay(
    xywh: Any, score: Any, starts: Any, gaussian: bool, sigma: float, floor: float, covered: Any, out: Any
) -> None:
    """`covered` is room for the largest group."""
    for group in range(starts.shape[0] - 1):
        first = starts[group]
        count = starts[group + 1] - first
        for j in range(count):
            covered[j] = 0.0
        for j in range(count):
            if score[first + j] < floor:
                break
            factor = 1.0
            for i in range(j):
                overlap = box_iou(xywh, first + i, xywh, first + j, False)
                covered[j] = max(covered[j], overlap)
                if gaussian:
                    share = math.exp((covered[i] * covered[i] - overlap * overlap) / sigma)
                elif covered[i] < 1:
                    share = (1 - overlap) / (1 - covered[i])
                else:
                    # The rival is a copy of a better box, which has its say itself.
                    share = 1.0
                factor = min(factor, share)
            if score[first + j] * factor >= floor:
                out[first + j] = score[first + j] * factor


def grouped_soft_nms(
    xywh: ArrayLike,
    score: ArrayLike,
    group: ArrayLike,
    *,
    decay: Literal["linear", "gaussian"] = "gaussian",
    iou_threshold: float = 0.5,
    sigma: float = 0.5,
    score_threshold: float = 0.001,
    jobs: int | None = None,
) -> NDArray[np.float64]:
    """Scores after soft-NMS of each group on its own; NaN for boxes that fell below the threshold.

    Parameters
    ----------
    xywh : (N, 4) array_like of float
    score : (N,) array_like of float
        Not negative.
    group : (N,) array_like of int
        Boxes of different groups leave each other alone.
    decay : {"linear", "gaussian"}
        Each chosen box multiplies the scores of the rest by `1 - iou` where iou > `iou_threshold`, or by
        `exp(-iou ** 2 / sigma)` at any overlap.
    iou_threshold : float
        For linear decay.
    sigma : float
        For Gaussian decay: smaller suppresses more.
    score_threshold : float
        Boxes whose lowered score is below this are removed.
    jobs : int, optional
        Threads; by default one a processor. The result does not depend on it.

    Returns
    -------
    (N,) float64
        In input order. Of equal scores the box that comes first is chosen first.

    Raises
    ------
    ValueError
        Wrong shapes, values that are not finite, a negative score, or a setting without sense.

    Notes
    -----
    Source: Bodla et al. 2017, Soft-NMS, figure 2.
    """
    _check(score, decay, iou_threshold, sigma)
    found = grouped(xywh, score, group)
    out = np.full(len(found.order), np.nan)
    gaussian, settings = decay == "gaussian", (float(iou_threshold), float(sigma), float(score_threshold))

    def soften(starts: NDArray[np.int64]) -> None:
        most = largest(starts)
        room = np.empty(most, np.int64), np.empty(most)
        _soften(found.xywh, found.score, starts, gaussian, *settings, *room, out)

    in_threads(soften, found.starts, jobs)
    return _in_input_order(out, found.order)


def grouped_matrix_nms(
    xywh: ArrayLike,
    score: ArrayLike,
    group: ArrayLike,
    *,
    decay: Literal["linear", "gaussian"] = "gaussian",
    sigma: float = 0.5,
    score_threshold: float = 0.001,
    jobs: int | None = None,
) -> NDArray[np.float64]:
    """Scores after matrix NMS of each group on its own; NaN for boxes that fell below the threshold.

    Every box is lowered by the better boxes that overlap it, each of them counting the less the more it is overlapped
    itself: `min over i of f(iou_ij) / f(max over k of iou_ki)`.

    Parameters
    ----------
    xywh, score, group
        As `grouped_soft_nms`.
    decay : {"linear", "gaussian"}
        f is `1 - iou`, or `exp(-iou ** 2 / sigma)`.
    sigma : float
        0.5 is the `sigma = 2` of the authors' code, which multiplies by it.
    score_threshold : float
        Boxes whose lowered score is below this are removed.
    jobs : int, optional
        Threads; by default one a processor. The result does not depend on it.

    Returns
    -------
    (N,) float64
        In input order.

    Raises
    ------
    ValueError
        As `grouped_soft_nms`.

    Notes
    -----
    Source: Wang et al. 2020, SOLOv2, section 3.3, equations 4 and 5.
    """
    _check(score, decay, 0.5, sigma)
    found = grouped(xywh, score, group)
    out = np.full(len(found.order), np.nan)
    gaussian, settings = decay == "gaussian", (float(sigma), float(score_threshold))

    def decay_all(starts: NDArray[np.int64]) -> None:
        _decay(found.xywh, found.score, starts, gaussian, *settings, np.empty(largest(starts)), out)

    in_threads(decay_all, found.starts, jobs)
    return _in_input_order(out, found.order)


def _in_input_order(values: NDArray[np.float64], order: NDArray[np.int64]) -> NDArray[np.float64]:
    out = np.empty(len(values))
    out[order] = values
    return out


def _check(score: ArrayLike, decay: str, iou_threshold: float, sigma: float) -> None:
    if decay not in ("linear", "gaussian"):
        raise ValueError(f"`decay` is {decay!r}, expected linear or gaussian")
    if not 0 <= iou_threshold <= 1:
        raise ValueError(f"`iou_threshold` is {iou_threshold}, expected 0 to 1")
    if not (sigma > 0 and math.isfinite(sigma)):
        raise ValueError(f"`sigma` is {sigma}, expected a positive number")
    values = np.asarray(score, dtype=np.float64)
    if values.size and not values.min() >= 0:
        raise ValueError("`score` holds a value that is negative or not a number: it cannot be lowered by a factor")
