"""Whether scores are what they claim: confidence against precision, and against precision times overlap."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.columns import ratio
from detkit.evaluation.analyses._base import Settings, reference
from detkit.evaluation.analyses._counts import plain
from detkit.evaluation.analyses.thresholds import operating_point
from detkit.evaluation.cells import class_names
from detkit.evaluation.engine import Scored, score
from detkit.evaluation.result import Evaluation
from detkit.kernels.match import IGNORED, TRUE

__all__ = ["BINS", "CLASS_BINS", "Bins", "Calibration", "ClassCalibration", "analyse"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]

#: Equal bins of confidence from 0 to 1: of D-ECE (all classes together) and of LaECE (class by class).
BINS, CLASS_BINS = 10, 25


@dataclass(frozen=True, eq=False)
class Bins:
    """Detections by confidence, each bin open below and closed above (the first holds 0 too).

    Parameters
    ----------
    edges : (B + 1,) float64
    count, tp : (B,) int64
        Detections, and those that are matched.
    confidence, accuracy, iou : (B,) float64
        Mean score, share of matched detections, mean overlap of the matched; NaN where there are none.
    """

    edges: Array
    count: Index
    tp: Index
    confidence: Array
    accuracy: Array
    iou: Array

    @property
    def gap(self) -> float:
        """Mean of |confidence - accuracy| over detections, NaN without any."""
        return self._error(self.accuracy)

    @property
    def gap_with_overlap(self) -> float:
        """Mean of |confidence - accuracy x IoU| over detections, NaN without any."""
        return self._error(self.accuracy * np.where(self.tp > 0, self.iou, 0.0))

    def _error(self, target: Array) -> float:
        held = self.count > 0
        weighted = self.count[held] * np.abs(self.confidence[held] - target[held])
        return float(ratio(weighted.sum(), self.count.sum()))

    def to_dict(self) -> list[dict[str, Any]]:
        """Plain values for JSON, one item a bin."""
        return [
            {
                "low": float(self.edges[b]),
                "high": float(self.edges[b + 1]),
                "count": int(self.count[b]),
                "confidence": plain(self.confidence[b]),
                "accuracy": plain(self.accuracy[b]),
                "iou": plain(self.iou[b]),
            }
            for b in range(len(self.count))
        ]


@dataclass(frozen=True, eq=False)
class ClassCalibration:
    """One class: its errors (NaN without kept detections) and what they come from.

    Parameters
    ----------
    category_id : int, str or None
    name : str
    truths, detections : int
        Truths that count; detections that are kept and count.
    confidence, accuracy, iou : float
        Mean score, share of matched detections, mean overlap of the matched.
    d_ece, la_ece, la_ace : float
    bins : Bins
        25.
    """

    category_id: Any
    name: str
    truths: int
    detections: int
    confidence: float
    accuracy: float
    iou: float
    d_ece: float
    la_ece: float
    la_ace: float
    bins: Bins

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, without the bins."""
        shares = ("confidence", "accuracy", "iou", "d_ece", "la_ece", "la_ace")
        return {
            "category_id": self.category_id,
            "name": self.name,
            "truths": self.truths,
            "detections": self.detections,
            **{share: plain(getattr(self, share)) for share in shares},
        }


@dataclass(frozen=True, eq=False)
class Calibration:
    """How far confidences are from what they promise.

    Parameters
    ----------
    iou_threshold, score_threshold : float
        Overlap of a match; only detections with `score >=` the latter are looked at.
    detections : int
        How many are kept and count.
    outside : int
        Kept detections whose score lies outside 0 to 1: no confidence, left out.
    d_ece, la_ece, la_ace : float
        NaN where undefined.
    bins : Bins
        Of all classes together: the reliability diagram.
    classes : tuple of ClassCalibration
        In class order.
    """

    iou_threshold: float
    score_threshold: float
    detections: int
    outside: int
    d_ece: float
    la_ece: float
    la_ace: float
    bins: Bins
    classes: tuple[ClassCalibration, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; undefined is None."""
        return {
            "iou_threshold": self.iou_threshold,
            "score_threshold": self.score_threshold,
            "bin_count": BINS,
            "class_bin_count": CLASS_BINS,
            "detections": self.detections,
            "outside": self.outside,
            "d_ece": plain(self.d_ece),
            "la_ece": plain(self.la_ece),
            "la_ace": plain(self.la_ace),
            "bins": self.bins.to_dict(),
            "classes": [row.to_dict() for row in self.classes],
        }


@dataclass(frozen=True, eq=False)
class _Kept:
    """Score, whether matched, and overlap with the partner (0 where unmatched) of detections that are looked at."""

    score: Array
    hit: NDArray[np.bool_]
    iou: Array


def analyse(result: Evaluation, settings: Settings) -> Calibration:
    """Calibration errors of the detections above the operating point.

    Three errors, each 0 for a perfectly calibrated model. Detections that match an ignored truth are left out.

    - D-ECE: over 10 bins of confidence, all classes together, the mean of |mean score - matched share| weighted by
      the detections in the bin. Source: Küppers et al., Multivariate Confidence Calibration for Object Detection,
      CVPR Workshops 2020, confidence as the only dimension.
    - LaECE: class by class over 25 bins, |mean score - matched share x mean IoU of the matched|, then the mean over
      classes. Source: Oksuz et al., Towards Building Self-Aware Object Detectors via Reliable Uncertainty
      Quantification and Calibration, CVPR 2023; Kuzucu et al., On Calibration of Object Detectors: Pitfalls,
      Evaluation and Baselines, ECCV 2024, whose LaECE_0 is this with a match at any overlap.
    - LaACE: class by class the mean of |score - IoU|, the IoU of an unmatched detection being 0, then the mean over
      classes. Source: Kuzucu et al., LaACE_0, which needs no bins.

    Class means are over the classes with truths and kept detections.

    Parameters
    ----------
    result : Evaluation
    settings : Settings
        `score_threshold`, `iou_threshold`, `beta` (for the default operating point) and `jobs` are read.

    Returns
    -------
    Calibration

    Raises
    ------
    UsageError
        The overlap threshold is none of the protocol's.
    """
    t = reference(result, settings)
    threshold = operating_point(result, settings)
    scored, position = _with_overlaps(result, t, settings.jobs)
    kept, outside = [], 0
    for k in range(len(scored.matched)):
        found, beyond = _kept(result, scored, k, position, threshold)
        kept.append(found)
        outside += beyond
    names = class_names(result.truth.categories, scored.layout)
    truths = scored.truths[:, 0].tolist()
    classes = tuple(_of_class(*names[k], truths[k], found) for k, found in enumerate(kept))
    judged = [row for row in classes if row.truths and row.detections]
    bins = _bins(_joined(kept), BINS)
    return Calibration(
        result.protocol.iou_thresholds[t],
        threshold,
        int(bins.count.sum()),
        outside,
        bins.gap,
        float(ratio(sum(row.la_ece for row in judged), len(judged))),
        float(ratio(sum(row.la_ace for row in judged), len(judged))),
        bins,
        classes,
    )


def _with_overlaps(result: Evaluation, t: int, jobs: int | None) -> tuple[Scored, int]:
    """The engine's arrays whose overlaps speak of the threshold: matched again unless it is the reference one."""
    protocol = result.protocol
    if t == protocol.reference_threshold:
        return result.scored, t
    alone = replace(protocol, iou_thresholds=(protocol.iou_thresholds[t],), area_ranges=protocol.area_ranges[:1])
    return score(result.truth, result.detections, alone, jobs=jobs), 0


def _kept(result: Evaluation, scored: Scored, k: int, t: int, threshold: float) -> tuple[_Kept, int]:
    layout, matched = scored.layout, scored.matched[k]
    scores = result.detections.score[layout.dt_row[layout.detections_of(k)]]
    outcome = matched.outcome[0, t]
    wanted = (scores >= threshold) & (outcome != IGNORED)
    inside = wanted & (scores >= 0) & (scores <= 1)
    hit = outcome[inside] == TRUE
    return _Kept(scores[inside], hit, np.where(hit, matched.iou[inside], 0.0)), int(wanted.sum() - inside.sum())


def _joined(parts: list[_Kept]) -> _Kept:
    return _Kept(
        np.concatenate([np.empty(0), *(p.score for p in parts)]),
        np.concatenate([np.empty(0, np.bool_), *(p.hit for p in parts)]),
        np.concatenate([np.empty(0), *(p.iou for p in parts)]),
    )


def _bins(kept: _Kept, count: int) -> Bins:
    edges = np.arange(count + 1) / count
    place = np.searchsorted(edges[1:-1], kept.score, side="left")
    held = np.bincount(place, minlength=count)
    tp = np.bincount(place[kept.hit], minlength=count)
    confidence = ratio(np.bincount(place, kept.score, count), held)
    return Bins(edges, held, tp, confidence, ratio(tp, held), ratio(np.bincount(place, kept.iou, count), tp))


def _of_class(category_id: Any, name: str, truths: int, kept: _Kept) -> ClassCalibration:
    bins = _bins(kept, CLASS_BINS)
    size, hits = len(kept.score), int(kept.hit.sum())
    return ClassCalibration(
        category_id,
        name,
        truths,
        size,
        float(ratio(kept.score.sum(), size)),
        float(ratio(hits, size)),
        float(ratio(kept.iou.sum(), hits)),
        _bins(kept, BINS).gap,
        bins.gap_with_overlap,
        float(ratio(np.abs(kept.score - kept.iou).sum(), size)),
        bins,
    )
