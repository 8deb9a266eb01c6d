"""Weighted box fusion: overlapping boxes of several models become one, the mean of them all by score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detkit.kernels._groups import grouped, in_threads, largest
from detkit.kernels._jit import jit
from detkit.kernels.iou import box_iou

__all__ = ["Confidence", "Fused", "fuse"]

Confidence = Literal["avg", "max", "box_and_model_avg", "absent_model_aware_avg"]


@dataclass(frozen=True)
class Fused:
    """One box a cluster.

    Parameters
    ----------
    xywh : (K, 4) float64
    score : (K,) float64
    first : (K,) int64
        Input row of the cluster's best box.
    members : (N,) int64
        Cluster of each input row.
    """

    xywh: NDArray[np.float64]
    score: NDArray[np.float64]
    first: NDArray[np.int64]
    members: NDArray[np.int64]


@jit
def _cluster(
    xywh: Any, score: Any, starts: Any, iou_threshold: float, sums: Any, heads: Any, place: Any, fused: Any
) -> None:
    """Puts each box to the fused box it overlaps most; `place` is the row of the cluster's first box.

    `sums` (weighted coordinates, weight) and `heads` are room for the largest group.
    """
    for group in range(starts.shape[0] - 1):
        first = starts[group]
        count = starts[group + 1] - first
        clusters = 0
        for i in range(first, first + count):
            best, best_iou = -1, iou_threshold
            for c in range(clusters):
                # The mean of corners and the mean of xywh by the same weights are the same box.
                overlap = box_iou(fused, heads[c], xywh, i, False)
                if overlap > best_iou:
                    best, best_iou = c, overlap
            is_new = best < 0
            if is_new:
                best, clusters = clusters, clusters + 1
                heads[best] = i
                for k in range(5):
                    sums[best, k] = 0.0
            place[i] = heads[best]
            sums[best, 4] += score[i]
            for k in range(4):
                sums[best, k] += score[i] * xywh[i, k]
                if is_new:
                    fused[i, k] = xywh[i, k]
                elif sums[best, 4] > 0:
                    fused[heads[best], k] = sums[best, k] / sums[best, 4]


def fuse(
    xywh: ArrayLike,
    score: ArrayLike,
    group: ArrayLike,
    model: ArrayLike,
    weights: ArrayLike,
    *,
    iou_threshold: float = 0.55,
    confidence: Confidence = "avg",
    allows_overflow: bool = False,
    jobs: int | None = None,
) -> Fused:
    """Fused boxes of each group.

    Parameters
    ----------
    xywh : (N, 4) array_like of float
    score : (N,) array_like of float
        Not negative.
    group : (N,) array_like of int
        Boxes of different groups (a number for each image and class) are never fused.
    model : (N,) array_like of int
        Which model each box is of, position in `weights`.
    weights : (M,) array_like of float
        Positive; a box counts as its score times its model's weight.
    iou_threshold : float
        A box joins the fused box it overlaps most, if by more than this.
    confidence : {"avg", "max", "box_and_model_avg", "absent_model_aware_avg"}
        Score of a fused box: sum of weighted scores lowered where fewer boxes than models met; highest one; or the
        mean by weight, times the share of the models that met, or with absent models counting as zero.
    allows_overflow : bool
        For `avg`: more boxes than models in a cluster raise the score further, maybe above 1.
    jobs : int, optional
        Threads; by default one a processor. The result does not depend on it.

    Returns
    -------
    Fused
        Clusters by group, each group's in the order of their best boxes.

    Raises
    ------
    ValueError
        Wrong shapes, values that are not finite, a negative score, or weights that are not positive.

    Notes
    -----
    Source: Solovyev et al. 2021, Weighted boxes fusion, section 3; the four confidences are those of the authors'
    package ensemble-boxes 1.0.9, whose boxes and scores these equal up to its float32 means. Of equal scores the box
    that comes first is looked at first.
    """
    model, share = np.asarray(model, dtype=np.int64), np.asarray(weights, dtype=np.float64)
    if confidence not in get_args(Confidence):
        raise ValueError(f"`confidence` is {confidence!r}, expected one of {', '.join(get_args(Confidence))}")
    if not (len(share) and np.isfinite(share).all() and (share > 0).all()):
        raise ValueError("`weights` need to be positive numbers, one a model")
    if not 0 <= iou_threshold <= 1:
        raise ValueError(f"`iou_threshold` is {iou_threshold}, expected 0 to 1")
    values = np.asarray(score, dtype=np.float64)
    if model.shape != values.shape or (len(model) and not (model.min() >= 0 and model.max() < len(share))):
        raise ValueError(f"`model` needs a number from 0 to {len(share) - 1} for each box")
    if len(values) and not values.min() >= 0:
        raise ValueError("`score` holds a value that is negative or not a number")
    found = grouped(xywh, values * share[model], group)
    place, fused = np.empty(len(values), np.int64), np.empty((len(values), 4))

    def cluster_all(starts: NDArray[np.int64]) -> None:
        most = largest(starts)
        room = np.empty((most, 5)), np.empty(most, np.int64)
        _cluster(found.xywh, found.score, starts, float(iou_threshold), *room, place, fused)

    in_threads(cluster_all, found.starts, jobs)
    heads, cluster = np.unique(place, return_inverse=True)
    scores = _scores(found.score, cluster, model[found.order], share, len(heads), confidence, allows_overflow)
    members = np.empty(len(values), np.int64)
    members[found.order] = cluster
    return Fused(fused[heads], scores, found.order[heads], members)


def _scores(
    score: NDArray[np.float64],
    cluster: NDArray[np.int64],
    model: NDArray[np.int64],
    weights: NDArray[np.float64],
    clusters: int,
    confidence: Confidence,
    allows_overflow: bool,
) -> NDArray[np.float64]:
    """Score of each cluster from the weighted scores of its boxes."""
    if confidence == "max":
        highest = np.zeros(clusters)
        np.maximum.at(highest, cluster, score)
        return np.asarray(highest / weights.max(), dtype=np.float64)
    total = np.bincount(cluster, score, clusters)
    if confidence == "avg":
        size = np.bincount(cluster, minlength=clusters)
        counted = size if allows_overflow else np.minimum(size, len(weights))
        return np.asarray(total / size * counted / weights.sum(), dtype=np.float64)
    of_boxes = np.bincount(cluster, weights[model], clusters)
    met = np.unique(cluster * len(weights) + model)
    of_models = np.bincount(met // len(weights), weights[met % len(weights)], clusters)
    if confidence == "box_and_model_avg":
        return np.asarray(total / of_boxes * of_models / weights.sum(), dtype=np.float64)
    return np.asarray(total / (of_boxes + (weights.sum() - of_models)), dtype=np.float64)
