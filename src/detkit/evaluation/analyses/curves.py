"""Precision, recall and F-beta against confidence, precision against recall, recall against overlap, scores."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.columns import ratio
from detkit.evaluation.analyses._base import Settings, reference
from detkit.evaluation.analyses._counts import (
    Counts,
    Point,
    best_point,
    counts_by_iou,
    plain,
    point,
    pooled_counts,
)
from detkit.evaluation.analyses.thresholds import operating_point
from detkit.evaluation.cells import class_names
from detkit.evaluation.result import Evaluation
from detkit.kernels.match import FALSE, TRUE

__all__ = ["ClassCurves", "Curves", "analyse"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]

#: Points of a curve in `to_dict()` at most, and of all classes together; few classes get the former.
_POINTS, _ALL_POINTS, _FEWEST = 200, 16_000, 20
#: The same for precision against recall at one overlap threshold.
_PR_POINTS, _ALL_PR_POINTS, _FEWEST_PR = 25, 2_000, 6
_BINS = 50
_RECALLS = np.linspace(0.0, 1.0, 101)
#: Overlaps whose curve is averaged over the classes.
_MEAN_AT = (0.5, 0.75, 0.9)


@dataclass(frozen=True, eq=False)
class ClassCurves:
    """The curves of one class.

    Parameters
    ----------
    category_id : int, str or None
    name : str
    counts : Counts
        Exact, at the overlap threshold of the analysis: a row for each distinct score.
    best, operating_point : Point
        At the class's own best F-beta, and at the threshold common to all classes.
    recall : (T,) float64
        With every detection kept, at each overlap threshold; NaN without truths.
    pr : tuple of ((P,) int64, (P,) int64)
        True and false positives at some recalls, for each overlap threshold.
    tp, fp : (50,) int64
        Scores of true and of false positives, binned.
    """

    category_id: Any
    name: str
    counts: Counts
    best: Point
    operating_point: Point
    recall: Array
    pr: tuple[tuple[Index, Index], ...]
    tp: Index
    fp: Index


@dataclass(frozen=True, eq=False)
class Curves:
    """Curves of all classes and of all together.

    Parameters
    ----------
    beta, iou_threshold, score_threshold : float
        Weight of recall, overlap a match needs, operating point.
    overall : Counts
        Exact, over all classes under one common score threshold.
    best, operating_point : Point
    classes : tuple of ClassCurves
        In class order.
    iou : tuple of float
        Overlap thresholds of the protocol.
    recall_mean, recall_overall : (T,) float64
        Recall at each overlap: mean over classes with truth, and over all truths.
    mean_precision : (T, 101) float64
        Mean over classes with truth of the best precision at a recall of at least 0, 0.01, ..., 1.
    edges : (51,) float64
        Of the score bins: the lower edge is inside, the last bin holds both its edges.
    result : Evaluation
    """

    beta: float
    iou_threshold: float
    score_threshold: float
    overall: Counts
    best: Point
    operating_point: Point
    classes: tuple[ClassCurves, ...]
    iou: tuple[float, ...]
    recall_mean: Array
    recall_overall: Array
    mean_precision: Array
    edges: Array
    result: Evaluation = field(repr=False)

    def exact(self, k: int) -> tuple[Counts, ...]:
        """Exact counts of the class at place `k`, at each overlap threshold of the protocol."""
        return counts_by_iou(self.result, k)

    def to_dict(self) -> dict[str, Any]:
        """Plain values: curves as counts (`fn` is `truths - tp`), thinned to what a drawing needs.

        A kept score is exact or shortened to a lower value of six decimals that keeps the same detections.
        """
        count = max(1, len(self.classes))
        most = int(np.clip(_ALL_POINTS // count, _FEWEST, _POINTS))
        named = [(iou, t) for iou in _MEAN_AT for t in np.flatnonzero(np.isclose(self.iou, iou, rtol=0, atol=1e-9))]
        return {
            "beta": self.beta,
            "iou_threshold": self.iou_threshold,
            "score_threshold": self.score_threshold,
            "overall": self._drawn(self.overall, self.best, self.operating_point, _POINTS)
            | {
                "histogram": {
                    "tp": sum((c.tp for c in self.classes), np.zeros(_BINS, np.int64)).tolist(),
                    "fp": sum((c.fp for c in self.classes), np.zeros(_BINS, np.int64)).tolist(),
                },
            },
            "histogram_edges": [float(f"{edge:.6g}") for edge in self.edges],
            "recall_by_iou": {
                "iou": list(self.iou),
                "mean": [plain(v) for v in self.recall_mean],
                "overall": [plain(v) for v in self.recall_overall],
            },
            "mean_precision": {
                "recall": [round(float(r), 2) for r in _RECALLS],
                "curves": [{"iou": iou, "precision": [plain(v) for v in self.mean_precision[t]]} for iou, t in named],
            },
            "classes": [
                {"category_id": c.category_id, "name": c.name}
                | self._drawn(c.counts, c.best, c.operating_point, most)
                | {
                    "recall_by_iou": c.recall.tolist() if c.counts.truths else None,
                    "pr": [{"tp": tp.tolist(), "fp": fp.tolist()} for tp, fp in c.pr] if len(c.counts.score) else None,
                    "histogram": {"tp": c.tp.tolist(), "fp": c.fp.tolist()} if len(c.counts.score) else None,
                }
                for c in self.classes
            ],
        }

    def _drawn(self, counts: Counts, best: Point, at: Point, most: int) -> dict[str, Any]:
        fixed = [t for t in (best.score_threshold, self.score_threshold) if t is not None]
        rows = _thinned(counts, fixed, most)
        return {
            "truths": counts.truths,
            "score": _shortened(counts.score, rows).tolist(),
            "tp": counts.tp[rows].tolist(),
            "fp": counts.fp[rows].tolist(),
            "best": best.to_dict(),
            "operating_point": at.to_dict(),
        }


def analyse(result: Evaluation, settings: Settings) -> Curves:
    """All curves, from raw counts: every score that occurs is a point, detections of equal score enter together.

    Precision, recall and F-beta at a point are those of keeping `score >=` the point's score; nothing is interpolated
    except `mean_precision`, whose classes meet at common recalls only.

    Parameters
    ----------
    result : Evaluation
    settings : Settings
        `beta`, `iou_threshold` and `score_threshold` are read.

    Returns
    -------
    Curves

    Raises
    ------
    UsageError
        The overlap threshold is none of the protocol's.
    """
    t = reference(result, settings)
    threshold = operating_point(result, settings)
    names = class_names(result.truth.categories, result.scored.layout)
    edges = _edges(result.detections.score)
    few = int(np.clip(_ALL_PR_POINTS // max(1, len(names)), _FEWEST_PR, _PR_POINTS))
    width = len(result.protocol.iou_thresholds)
    classes, hits, envelopes = [], np.zeros(width, np.int64), np.zeros((width, len(_RECALLS)))
    judged = 0
    for k, (category_id, name) in enumerate(names):
        by_iou = counts_by_iou(result, k)
        found = np.array([c.tp[-1] if len(c.tp) else 0 for c in by_iou], dtype=np.int64)
        truths = by_iou[t].truths
        if truths:
            judged += 1
            envelopes += [_envelope(c) for c in by_iou]
        hits += found
        tp, fp = _histogram(result, k, t, edges)
        classes.append(
            ClassCurves(
                category_id,
                name,
                by_iou[t],
                best_point(by_iou[t], settings.beta),
                point(by_iou[t], threshold, settings.beta),
                ratio(found, truths),
                tuple(_recall_steps(c, few) for c in by_iou),
                tp,
                fp,
            )
        )
    overall = pooled_counts(result, t)
    return Curves(
        beta=settings.beta,
        iou_threshold=result.protocol.iou_thresholds[t],
        score_threshold=threshold,
        overall=overall,
        best=best_point(overall, settings.beta),
        operating_point=point(overall, threshold, settings.beta),
        classes=tuple(classes),
        iou=result.protocol.iou_thresholds,
        recall_mean=ratio(sum((c.recall for c in classes if c.counts.truths), np.zeros(width)), judged),
        recall_overall=ratio(hits, overall.truths),
        mean_precision=ratio(envelopes, judged),
        edges=edges,
        result=result,
    )


def _envelope(counts: Counts) -> Array:
    """Best precision at a recall of at least each of 101 values, 0 beyond the last."""
    best = np.maximum.accumulate(np.nan_to_num(counts.precision)[::-1])[::-1]
    return np.append(best, 0.0)[np.searchsorted(counts.recall, _RECALLS, side="left")]


def _edges(score: Array) -> Array:
    """Of 50 bins from 0 to 1, or as far as the scores go beyond."""
    low, high = (min(0.0, float(score.min())), max(1.0, float(score.max()))) if len(score) else (0.0, 1.0)
    return np.linspace(low, high, _BINS + 1)


def _histogram(result: Evaluation, k: int, t: int, edges: Array) -> tuple[Index, Index]:
    layout = result.scored.layout
    score = result.detections.score[layout.dt_row[layout.detections_of(k)]]
    outcome = result.scored.matched[k].outcome[0, t]
    span = (float(edges[0]), float(edges[-1]))
    tp, fp = (np.histogram(score[outcome == wanted], _BINS, span)[0] for wanted in (TRUE, FALSE))
    return tp.astype(np.int64), fp.astype(np.int64)


def _recall_steps(counts: Counts, most: int) -> tuple[Index, Index]:
    """Counts where evenly spaced recalls are first reached: the points of highest precision."""
    if not len(counts.tp):
        return counts.tp, counts.fp
    rows = _first_reaching(counts.tp, most)
    return counts.tp[rows], counts.fp[rows]


def _first_reaching(tp: Index, most: int) -> Index:
    levels = np.rint(np.linspace(min(1, tp[-1]), tp[-1], most)).astype(np.int64)
    return np.unique(np.searchsorted(tp, levels, side="left"))


def _thinned(counts: Counts, fixed: list[float], most: int) -> Index:
    """At most that many rows: even steps of score and of recall, both ends, and the rows of the fixed thresholds."""
    size = len(counts.score)
    if size <= most:
        return np.arange(size)
    half = (most - 2 - len(fixed)) // 2
    steps = np.linspace(counts.score[0], counts.score[-1], half)
    by_score = np.searchsorted(-counts.score, -steps, side="right") - 1
    kept = [0, size - 1, *(max(0, counts.row_of(t)) for t in fixed)]
    return np.unique(np.concatenate([kept, np.maximum(by_score, 0), _first_reaching(counts.tp, half)]).astype(np.int64))


def _shortened(score: Array, rows: Index) -> Array:
    """Scores of the rows, each cut to six decimals where that keeps no further detection."""
    kept = score[rows]
    below = np.append(score, -np.inf)[rows + 1]
    short = np.round(np.floor(kept * 1e6) / 1e6, 6)
    return np.where((short <= kept) & (short > below), short, kept)
