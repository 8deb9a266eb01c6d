"""True and false positives above every score, from the engine's outcomes: what several analyses start from.

All areas, the largest cap. Detections of equal score enter together, so that every row is the count of `score >= s`
for a score `s` that occurs. Ignored detections count as neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.columns import ratio
from detkit.evaluation.engine import Scored
from detkit.evaluation.result import Evaluation
from detkit.kernels.match import FALSE, TRUE

__all__ = [
    "Counts",
    "Point",
    "best_point",
    "class_counts",
    "counts_by_iou",
    "f_beta",
    "plain",
    "point",
    "pooled_counts",
]

Array = NDArray[np.float64]
Index = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Counts:
    """Running counts over distinct scores, the highest first.

    Parameters
    ----------
    score : (S,) float64
        Distinct, descending.
    tp, fp : (S,) int64
        Counted detections with a score of at least this.
    truths : int
        Truths that count: false negatives are `truths - tp`.
    """

    score: Array
    tp: Index
    fp: Index
    truths: int

    @property
    def precision(self) -> Array:
        """(S,) float64, NaN before the first detection that counts."""
        return ratio(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> Array:
        """(S,) float64, NaN without truths."""
        return ratio(self.tp, self.truths)

    def f(self, beta: float) -> Array:
        """(S,) float64, NaN without truths."""
        return f_beta(self.tp, self.fp, self.truths, beta)

    def row_of(self, threshold: float) -> int:
        """Row that holds the counts of `score >= threshold`, -1 where nothing is kept."""
        return int(np.searchsorted(-self.score, -threshold, side="right")) - 1

    def best_row(self, beta: float) -> int | None:
        """Row of the largest F-beta, of equal ones the highest score; None without truths or true positives."""
        if not self.truths or not len(self.tp) or not self.tp[-1]:
            return None
        return int(np.argmax(self.f(beta)))


@dataclass(frozen=True)
class Point:
    """What a score threshold gives; undefined shares are None, and so is the threshold that nothing defines."""

    score_threshold: float | None
    precision: float | None
    recall: float | None
    f: float | None
    tp: int
    fp: int
    fn: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return dict(vars(self))


def f_beta(tp: Any, fp: Any, truths: int, beta: float) -> Array:
    """F-beta from counts: (1 + b²) tp / (tp + fp + b² truths), which equals the mean of precision and recall.

    Written in counts it needs no precision and is 0 where nothing is kept.

    Parameters
    ----------
    tp, fp : array-like of int
    truths : int
    beta : float

    Returns
    -------
    float64 array
        NaN without truths.
    """
    square = beta * beta
    tp = np.asarray(tp)
    return ratio((1 + square) * tp, (tp + fp + square * truths) if truths else np.zeros(tp.shape))


def plain(value: Any) -> float | None:
    """A float for JSON: None where it is NaN."""
    return None if np.isnan(value) else float(value)


def point(counts: Counts, threshold: float, beta: float) -> Point:
    """Counts and shares of the detections with `score >= threshold`.

    Parameters
    ----------
    counts : Counts
    threshold : float
    beta : float

    Returns
    -------
    Point
    """
    return _at(counts, counts.row_of(threshold), float(threshold), beta)


def best_point(counts: Counts, beta: float) -> Point:
    """The point of the largest F-beta, of equal ones that of the highest score.

    Parameters
    ----------
    counts : Counts
    beta : float

    Returns
    -------
    Point
        Its threshold is a score that occurs; None, with the counts of keeping nothing, without truths or true
        positives.
    """
    row = counts.best_row(beta)
    if row is None:
        return _at(counts, -1, None, beta)
    return _at(counts, row, float(counts.score[row]), beta)


def _at(counts: Counts, row: int, threshold: float | None, beta: float) -> Point:
    tp, fp = (int(counts.tp[row]), int(counts.fp[row])) if row >= 0 else (0, 0)
    return Point(
        threshold,
        plain(ratio(tp, tp + fp)),
        plain(ratio(tp, counts.truths)),
        plain(f_beta(tp, fp, counts.truths, beta)),
        tp,
        fp,
        counts.truths - tp,
    )


def class_counts(result: Evaluation, k: int, t: int) -> Counts:
    """Counts of one class at one overlap threshold.

    Parameters
    ----------
    result : Evaluation
    k : int
        Place in the class order.
    t : int
        Position of the overlap threshold.

    Returns
    -------
    Counts
    """
    return _by_iou(result.scored, result.detections.score, k, [t])[0]


def counts_by_iou(result: Evaluation, k: int) -> tuple[Counts, ...]:
    """Counts of one class at every overlap threshold of the protocol.

    Parameters
    ----------
    result : Evaluation
    k : int
        Place in the class order.

    Returns
    -------
    tuple of Counts
    """
    return _by_iou(result.scored, result.detections.score, k, range(len(result.protocol.iou_thresholds)))


def _by_iou(scored: Scored, scores: Array, k: int, thresholds: Sequence[int]) -> tuple[Counts, ...]:
    order = scored.order[k]
    descending = scores[scored.layout.dt_row[scored.layout.detections_of(k)]][order]
    ends = _ends(descending)
    distinct = descending[ends]
    outcome = scored.matched[k].outcome[0]
    truths = int(scored.truths[k, 0])
    return tuple(_running(outcome[t][order], ends, distinct, truths) for t in thresholds)


def pooled_counts(result: Evaluation, t: int, classes: Sequence[int] | None = None) -> Counts:
    """Counts over all classes, or some, under one common score threshold.

    Parameters
    ----------
    result : Evaluation
    t : int
        Position of the overlap threshold.
    classes : sequence of int, optional
        Places in the class order.

    Returns
    -------
    Counts
    """
    scored = result.scored
    chosen = range(len(scored.matched)) if classes is None else classes
    if len(chosen) == 1:
        return class_counts(result, chosen[0], t)
    rows = [scored.layout.dt_row[scored.layout.detections_of(k)] for k in chosen]
    score = result.detections.score[np.concatenate([np.empty(0, np.int64), *rows])]
    outcome = np.concatenate([np.empty(0, np.uint8), *(scored.matched[k].outcome[0, t] for k in chosen)])
    order = np.argsort(-score)
    descending = score[order]
    ends = _ends(descending)
    truths = int(scored.truths[list(chosen), 0].sum()) if len(chosen) else 0
    return _running(outcome[order], ends, descending[ends], truths)


def _ends(descending: Array) -> Index:
    """Last row of each run of equal scores."""
    if not len(descending):
        return np.empty(0, np.int64)
    return np.flatnonzero(np.append(descending[1:] != descending[:-1], True))


def _running(outcome: NDArray[np.uint8], ends: Index, distinct: Array, truths: int) -> Counts:
    tp, fp = np.cumsum(outcome == TRUE), np.cumsum(outcome == FALSE)
    return Counts(distinct, tp[ends], fp[ends], truths)
