"""Miss rate against false positives per image, as pedestrian benchmarks report it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.columns import ratio
from detkit.evaluation.analyses._base import Settings, reference
from detkit.evaluation.analyses._counts import Counts, class_counts, plain, pooled_counts
from detkit.evaluation.analyses.thresholds import operating_point
from detkit.evaluation.cells import class_names
from detkit.evaluation.result import Evaluation

__all__ = ["FPPI_POINTS", "RECALLS", "ClassMissRate", "MissRate", "RecallCost", "analyse"]

Array = NDArray[np.float64]

#: Where the miss rate is read off: nine points from 0.01 to 1, even in log space.
FPPI_POINTS = 10.0 ** (np.arange(-8, 1) / 4)
#: Recalls whose price in false positives per image is told.
RECALLS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
#: Abscissae of the curve in `to_dict()`: nine points a decade, from 0.001 to 10.
_GRID = 10.0 ** (np.arange(-24, 9) / 8)
#: A perfect point has no logarithm.
_LEAST = 1e-10


@dataclass(frozen=True)
class RecallCost:
    """What a recall costs at the highest score threshold that reaches it; None where none does.

    Parameters
    ----------
    recall : float
    fppi, score_threshold : float or None
    """

    recall: float
    fppi: float | None
    score_threshold: float | None


@dataclass(frozen=True, eq=False)
class ClassMissRate:
    """Miss rate of one class, or of all together.

    Parameters
    ----------
    category_id : int, str or None
    name : str
    truths : int
    log_average : float
        NaN without truths.
    miss_rates : (9,) float64
        At `FPPI_POINTS`; NaN without truths.
    fppi, miss_rate : float
        At the operating point.
    costs : tuple of RecallCost
    counts : Counts
        The exact curve: `fp / images` against `1 - recall`.
    """

    category_id: Any
    name: str
    truths: int
    log_average: float
    miss_rates: Array
    fppi: float
    miss_rate: float
    costs: tuple[RecallCost, ...]
    counts: Counts

    def to_dict(self, images: int) -> dict[str, Any]:
        """Plain values for JSON; the curve at 33 values of false positives per image."""
        return {
            "category_id": self.category_id,
            "name": self.name,
            "truths": self.truths,
            "log_average_miss_rate": plain(self.log_average),
            "miss_rates": self.miss_rates.tolist() if self.truths else None,
            "fppi": plain(self.fppi),
            "miss_rate": plain(self.miss_rate),
            "recalls": [dict(vars(cost)) for cost in self.costs] if self.truths else None,
            "curve": miss_rates_at(self.counts, images, _GRID).tolist() if self.truths else None,
        }


@dataclass(frozen=True, eq=False)
class MissRate:
    """Miss rates of all classes.

    Parameters
    ----------
    iou_threshold, score_threshold : float
        Overlap of a match, operating point.
    images : int
        Of the truth, those without objects included.
    mean : float
        Log-average miss rate, mean over the classes with truth; NaN without one.
    overall : ClassMissRate
        All classes together under one score threshold.
    classes : tuple of ClassMissRate
        In class order.
    """

    iou_threshold: float
    score_threshold: float
    images: int
    mean: float
    overall: ClassMissRate
    classes: tuple[ClassMissRate, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; undefined is None."""
        return {
            "iou_threshold": self.iou_threshold,
            "score_threshold": self.score_threshold,
            "images": self.images,
            "fppi_points": FPPI_POINTS.tolist(),
            "curve_fppi": _GRID.tolist(),
            "log_average_miss_rate": plain(self.mean),
            "overall": self.overall.to_dict(self.images),
            "classes": [row.to_dict(self.images) for row in self.classes],
        }


def analyse(result: Evaluation, settings: Settings) -> MissRate:
    """Log-average miss rate, false positives per image, and what recall costs in them.

    The log-average miss rate is the geometric mean of the miss rate at nine values of false positives per image
    (FPPI), evenly spaced in log space from 0.01 to 1. At each the curve's last point with an FPPI not above it is
    read: 1 where already the first point lies above, the curve's last miss rate where it ends before. A miss rate
    of 0 enters as 1e-10. All images of the truth count, also those without an object of the class.

    Source: Dollár et al., Pedestrian Detection: An Evaluation of the State of the Art, TPAMI 2012, section 3.1;
    Piotr's Computer Vision Toolbox, bbGt.m compRoc and acfTest.m. There detections of equal score enter one by one;
    here they enter together.

    Parameters
    ----------
    result : Evaluation
    settings : Settings
        `score_threshold`, `iou_threshold` and `beta` (for the default operating point) are read.

    Returns
    -------
    MissRate

    Raises
    ------
    UsageError
        The overlap threshold is none of the protocol's.
    """
    t = reference(result, settings)
    threshold = operating_point(result, settings)
    images = len(result.truth.images)
    classes = tuple(
        _of(category_id, name, class_counts(result, k, t), images, threshold)
        for k, (category_id, name) in enumerate(class_names(result.truth.categories, result.scored.layout))
    )
    judged = [row.log_average for row in classes if row.truths]
    return MissRate(
        result.protocol.iou_thresholds[t],
        threshold,
        images,
        float(ratio(sum(judged), len(judged))),
        _of(None, "all classes", pooled_counts(result, t), images, threshold),
        classes,
    )


def miss_rates_at(counts: Counts, images: int, fppi: Array) -> Array:
    """Miss rate at values of false positives per image, by the rule of `analyse`.

    Parameters
    ----------
    counts : Counts
    images : int
    fppi : (N,) float64

    Returns
    -------
    (N,) float64
        NaN without truths.
    """
    if not counts.truths:
        return np.full(len(fppi), np.nan)
    rows = np.searchsorted(ratio(counts.fp, images), fppi, side="right")
    return 1.0 - np.append(0.0, counts.recall)[rows]


def _of(category_id: Any, name: str, counts: Counts, images: int, threshold: float) -> ClassMissRate:
    rates = miss_rates_at(counts, images, FPPI_POINTS)
    row = counts.row_of(threshold)
    tp, fp = (counts.tp[row], counts.fp[row]) if row >= 0 else (0, 0)
    return ClassMissRate(
        category_id,
        name,
        counts.truths,
        float(np.exp(np.mean(np.log(np.maximum(rates, _LEAST))))),
        rates,
        float(ratio(fp, images)),
        float(ratio(counts.truths - tp, counts.truths)),
        tuple(_cost(counts, images, recall) for recall in RECALLS),
        counts,
    )


def _cost(counts: Counts, images: int, recall: float) -> RecallCost:
    reached = np.flatnonzero(counts.recall >= recall)
    if not len(reached):
        return RecallCost(recall, None, None)
    row = int(reached[0])
    return RecallCost(recall, plain(ratio(counts.fp[row], images)), float(counts.score[row]))
