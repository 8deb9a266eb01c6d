"""Find anchors: k-means over box sizes, evolution, and how many anchors are worth having."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detkit.errors import InputError
from detkit.kernels.kmeans import Metric, medians, nearest, ratios

__all__ = ["Evolution", "cluster", "evolve", "fitness", "knee", "order"]

#: Restarts and generations look at this many boxes at most, drawn by the seed; what they find is finished on all.
MOST = 50_000
_MOST_ROUNDS = 300
#: k-means stops when no more than this share of the boxes changes its anchor: large sets creep on for gains of 1e-5.
_SETTLED = 0.001


@dataclass(frozen=True, eq=False)
class Evolution:
    """Anchors after mutation and selection.

    Parameters
    ----------
    anchors : (K, 2) float64
        Smallest area first; those given where nothing better was met.
    generations : int
    before, after : float
        Fitness on all boxes; `after` is never less.
    """

    anchors: NDArray[np.float64]
    generations: int
    before: float
    after: float


def order(anchors: NDArray[np.float64]) -> NDArray[np.float64]:
    """The anchors by area, the smallest first; of equal areas the narrower first."""
    return anchors[np.lexsort((anchors[:, 0], anchors.prod(axis=1)))]


def cluster(
    wh: NDArray[np.float64], k: int, *, metric: Metric = "iou", restarts: int = 10, seed: int = 0
) -> NDArray[np.float64]:
    """Anchors whose mean similarity to the nearest boxes is high.

    Parameters
    ----------
    wh : (N, 2) float64
        Widths and heights in network pixels, more than 0.
    k : int
        How many anchors.
    metric : {"iou", "ratio"}
        The distance is 1 - IoU at a shared corner, or 1 - the worse ratio of the sides.
    restarts : int
        k-means++ starts; the best of them is finished on all boxes.
    seed : int
        Same boxes and seed, same anchors.

    Returns
    -------
    (k, 2) float64
        By area, the smallest first. The centre of a group is its median width and height, which comes nearer to the
        best anchor of a group than the mean does; as it is not that anchor, a round can make things worse, and the
        best round is kept. A group that lost its boxes starts again at the box that fits worst.

    Raises
    ------
    InputError
        Fewer distinct sizes than anchors.

    Notes
    -----
    Distance: Redmon and Farhadi, YOLO9000, section 2. Start: Arthur and Vassilvitskii, k-means++, 2007.
    """
    seen = _sample(wh, seed)
    if _distinct(seen) < k:
        seen = wh
    if _distinct(seen) < k:
        raise InputError(f"the boxes have {_distinct(wh)} distinct sizes, {k} anchors were asked for")
    found = [_rounds(seen, _start(seen, k, metric, np.random.default_rng([seed, n])), metric) for n in range(restarts)]
    best, _ = max(found, key=lambda pair: pair[1])
    if seen is not wh:
        best, _ = _rounds(wh, best, metric)
    return order(best)


def _sample(wh: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    if len(wh) <= MOST:
        return wh
    return wh[np.sort(np.random.default_rng(seed).choice(len(wh), MOST, replace=False))]


def _distinct(wh: NDArray[np.float64]) -> int:
    return len(np.unique(wh[:, 0] + 1j * wh[:, 1]))


def _start(wh: NDArray[np.float64], k: int, metric: Metric, draws: np.random.Generator) -> NDArray[np.float64]:
    """Boxes as first anchors, each drawn with the square of its distance to those before it."""
    chosen = [int(draws.integers(len(wh)))]
    distance = np.ones(len(wh))
    while True:
        _, similarity = nearest(wh, wh[chosen[-1:]], metric)
        distance = np.minimum(distance, 1.0 - similarity)
        if len(chosen) == k:
            return wh[chosen]
        steps = np.cumsum(np.maximum(distance, 0.0) ** 2)
        # A box that is an anchor already has no width on this line and is not drawn again.
        chosen.append(int(np.searchsorted(steps, draws.random() * steps[-1], side="right")))


def _rounds(wh: NDArray[np.float64], anchors: NDArray[np.float64], metric: Metric) -> tuple[NDArray[np.float64], float]:
    """The best anchors that k-means meets from here, and their mean similarity."""
    best, score = anchors, -1.0
    before = np.full(len(wh), -1, np.int64)
    ascending = np.argsort(wh, axis=0, kind="stable")
    for _ in range(_MOST_ROUNDS):
        label, similarity = nearest(wh, anchors, metric)
        mean = float(similarity.mean())
        if mean > score:
            best, score = anchors, mean
        if np.count_nonzero(label != before) <= len(wh) * _SETTLED:
            break
        before = label
        anchors, counts = medians(wh, ascending, label, len(anchors))
        for empty in np.flatnonzero(counts == 0):
            worst = int(np.argmin(similarity))
            anchors[empty] = wh[worst]
            similarity = np.maximum(similarity, nearest(wh, wh[worst : worst + 1], metric)[1])
    return best, score


def fitness(wh: NDArray[np.float64], anchors: NDArray[np.float64], ratio_threshold: float = 4.0) -> float:
    """Mean best side ratio, where a box that no anchor covers counts 0: what YOLOv5 evolves anchors by.

    Parameters
    ----------
    wh : (N, 2) float64
    anchors : (K, 2) float64
    ratio_threshold : float

    Returns
    -------
    float
        In [0, 1].
    """
    best, above = ratios(wh, anchors, ratio_threshold)
    return float(np.where(above > 0, best, 0.0).mean())


def evolve(
    wh: NDArray[np.float64],
    anchors: NDArray[np.float64],
    generations: int,
    *,
    ratio_threshold: float = 4.0,
    seed: int = 0,
) -> Evolution:
    """Anchors changed at random, generation by generation, where that makes them fitter.

    Parameters
    ----------
    wh : (N, 2) float64
    anchors : (K, 2) float64
    generations : int
    ratio_threshold : float
        Of the fitness.
    seed : int

    Returns
    -------
    Evolution

    Notes
    -----
    As YOLOv5 7.0, utils/autoanchor.py, kmean_anchors: nine of ten sides change by a normal factor around 1, of
    spread up to 0.1, between 0.3 and 3; no side falls below 2 pixels.
    """
    draws = np.random.default_rng([seed, 1_000_003])
    seen = _sample(wh, seed)
    best, score = anchors, fitness(seen, anchors, ratio_threshold)
    for _ in range(generations):
        changed = draws.random(anchors.shape) < 0.9
        factor = changed * draws.random() * draws.standard_normal(anchors.shape) * 0.1 + 1.0
        child = np.maximum(best * np.clip(factor, 0.3, 3.0), 2.0)
        value = fitness(seen, child, ratio_threshold)
        if value > score:
            best, score = child, value
    before, after = (fitness(wh, these, ratio_threshold) for these in (anchors, best))
    if after <= before:
        return Evolution(order(anchors), generations, before, before)
    return Evolution(order(best), generations, before, after)


def knee(ks: Sequence[int], values: Sequence[float]) -> int | None:
    """The number of anchors after which more of them bring little.

    Parameters
    ----------
    ks : sequence of int
        Ascending.
    values : sequence of float
        What each number of anchors reaches; higher is better.

    Returns
    -------
    int or None
        Where the curve lies farthest above the straight line from its first to its last point, both axes brought
        to 0..1 (Satopää and others, Finding a "kneedle" in a haystack, 2011); the smallest of equals. None with
        fewer than three points, or where the last value is not above the first.
    """
    if len(ks) < 3 or values[-1] <= values[0]:
        return None
    x = (np.array(ks, dtype=np.float64) - ks[0]) / (ks[-1] - ks[0])
    y = (np.array(values, dtype=np.float64) - values[0]) / (values[-1] - values[0])
    return int(ks[int(np.argmax(np.round(y - x, 12)))])
