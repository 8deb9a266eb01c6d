"""Precision and recall of each class at the one score threshold whose mean F1 over classes is best, smoothed.

Source: ultralytics 8.4.190, utils/metrics.py, ap_per_class and smooth.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from detkit.evaluation.averaging import curve
from detkit.kernels.match import IGNORED

__all__ = ["at_best_mean_f1"]

#: Score thresholds looked at, and how many of them the mean F1 is smoothed over (a box of a tenth, made odd).
_POINTS, _WINDOW = 1000, 101
_EPSILON = 1e-16

Array = NDArray[np.float64]


def at_best_mean_f1(classes: Sequence[tuple[Array, NDArray[np.uint8], int]]) -> Array:
    """Precision and recall of each class at the common score threshold of the best mean F1.

    Both are read off linearly between the scores of detections. Below the lowest score of a class both keep their last
    value; above its highest the precision is 1 and the recall 0. A class with truth and no detection has 0 for both.

    Parameters
    ----------
    classes : sequence of (score (D,) float64, outcome (D,) uint8, truths)
        Of each class, highest score first; ignored detections are passed over.

    Returns
    -------
    (2, K) float64
        Precision and recall; -1 for a class without truth.
    """
    found = np.full((2, len(classes)), -1.0)
    counted = [k for k, (_, _, truths) in enumerate(classes) if truths]
    if not counted:
        return found
    grid = np.linspace(0.0, 1.0, _POINTS)
    precision, recall = np.zeros((len(counted), _POINTS)), np.zeros((len(counted), _POINTS))
    for row, k in enumerate(counted):
        score, outcome, truths = classes[k]
        score, outcome = score[outcome != IGNORED], outcome[outcome != IGNORED]
        if len(score):
            _, _, pr, rc = curve(outcome, truths)
            precision[row] = np.interp(-grid, -score, pr, left=1.0)
            recall[row] = np.interp(-grid, -score, rc, left=0.0)
    mean = (2 * precision * recall / (precision + recall + _EPSILON)).mean(axis=0)
    best = int(np.argmax(_smoothed(mean)))
    found[:, counted] = precision[:, best], recall[:, best]
    return found


def _smoothed(values: Array) -> Array:
    """Mean of each value and its neighbours within the window; the ends stand for what lies beyond them."""
    padded = np.pad(values, _WINDOW // 2, mode="edge")
    return np.convolve(padded, np.ones(_WINDOW) / _WINDOW, mode="valid")
