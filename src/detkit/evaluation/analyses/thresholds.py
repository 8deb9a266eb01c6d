"""Score thresholds of the best F-beta, per class and overall."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from detkit.evaluation.analyses._base import Settings, reference
from detkit.evaluation.analyses._counts import Point, best_point, pooled_counts
from detkit.evaluation.cells import class_names
from detkit.evaluation.result import Evaluation

__all__ = ["Thresholds", "analyse", "operating_point"]


@dataclass(frozen=True, eq=False)
class Thresholds:
    """Thresholds of the best F-beta with what they give.

    Parameters
    ----------
    beta : float
    iou_threshold : float
    overall : Point
        One threshold for all classes, counts over all classes.
    classes : mapping of str to Point
        Each class on its own, in class order; classes that share a name share a threshold.
    """

    beta: float
    iou_threshold: float
    overall: Point
    classes: Mapping[str, Point]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, schema `detkit.thresholds/1`."""
        return {
            "schema": "detkit.thresholds/1",
            "beta": self.beta,
            "iou_threshold": self.iou_threshold,
            "overall": self.overall.to_dict(),
            "classes": {name: found.to_dict() for name, found in self.classes.items()},
        }


def analyse(result: Evaluation, settings: Settings) -> Thresholds:
    """The score threshold of the largest F-beta, per class and over all classes, from raw counts.

    Every score that occurs is tried; detections of equal score are kept or dropped together; of equal F the highest
    score is taken, which keeps the fewest detections. A threshold is None where a class has no truth or no true
    positive: the counts are then those of keeping nothing.

    Parameters
    ----------
    result : Evaluation
    settings : Settings
        `beta` and `iou_threshold` are read.

    Returns
    -------
    Thresholds

    Raises
    ------
    UsageError
        The overlap threshold is none of the protocol's.
    """
    t = reference(result, settings)
    places: dict[str, list[int]] = {}
    for k, (_, name) in enumerate(class_names(result.truth.categories, result.scored.layout)):
        places.setdefault(name, []).append(k)
    return Thresholds(
        settings.beta,
        result.protocol.iou_thresholds[t],
        best_point(pooled_counts(result, t), settings.beta),
        {name: best_point(pooled_counts(result, t, ks), settings.beta) for name, ks in places.items()},
    )


def operating_point(result: Evaluation, settings: Settings) -> float:
    """The score threshold that analyses look at: the one that is set, else the overall one of the best F-beta.

    Parameters
    ----------
    result : Evaluation
    settings : Settings

    Returns
    -------
    float
        Detections with `score >=` it are kept. Where nothing is true the lowest score that occurs, so that
        everything is kept; 0 without detections.

    Raises
    ------
    UsageError
        The overlap threshold is none of the protocol's.
    """
    if settings.score_threshold is not None:
        return float(settings.score_threshold)
    best = best_point(pooled_counts(result, reference(result, settings)), settings.beta).score_threshold
    if best is not None:
        return best
    return float(np.min(result.detections.score)) if len(result.detections) else 0.0
