"""From outcomes in score order to precision, recall and scores at recall thresholds."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.kernels._jit import jit, readonly
from detkit.kernels.match import FALSE, TRUE

__all__ = ["accumulate"]

_EPSILON = float(np.spacing(1))


@jit
def _accumulate(
    order: Any,
    score: Any,
    rank: Any,
    outcome: Any,
    truths: Any,
    caps: Any,
    recall_thresholds: Any,
    varies: Any,
    kept: Any,
    wrong: Any,
    hit_precision: Any,
    hit_recall: Any,
    hit_score: Any,
    precision: Any,
    recall: Any,
    scores: Any,
) -> None:
    # `varies` (A, D): neither false at every threshold nor ignored at every one. `kept`, `wrong`, `hit_precision`,
    # `hit_recall`, `hit_score`: room for every detection.
    dets = order.shape[0]
    highest = -1
    for d in range(dets):
        highest = max(highest, rank[d])
    for m in range(caps.shape[0]):
        if m > 0 and caps[m - 1] > highest:
            # The smaller cap cut nothing already: a larger one changes nothing.
            for a in range(outcome.shape[0]):
                for t in range(outcome.shape[1]):
                    recall[t, a, m] = recall[t, a, m - 1]
                    for r in range(recall_thresholds.shape[0]):
                        precision[t, r, a, m] = precision[t, r, a, m - 1]
                        scores[t, r, a, m] = scores[t, r, a, m - 1]
            continue
        first = -1
        for i in range(dets):
            if rank[order[i]] < caps[m]:
                first = order[i]
                break
        for a in range(outcome.shape[0]):
            if truths[a] == 0:
                continue
            # The others, in order, and how many that are false at every threshold stand before each.
            count = 0
            always = 0
            for i in range(dets):
                d = order[i]
                if rank[d] >= caps[m]:
                    continue
                if varies[a, d]:
                    kept[count] = d
                    wrong[count] = always
                    count += 1
                elif outcome[a, 0, d] == FALSE:
                    always += 1
            for t in range(outcome.shape[1]):
                tp = 0
                fp = 0
                for n in range(count):
                    d = kept[n]
                    if outcome[a, t, d] == TRUE:
                        hit_precision[tp] = float(tp + 1) / (float(wrong[n] + fp) + float(tp + 1) + _EPSILON)
                        hit_recall[tp] = float(tp + 1) / truths[a]
                        hit_score[tp] = score[d]
                        tp += 1
                    elif outcome[a, t, d] == FALSE:
                        fp += 1
                recall[t, a, m] = hit_recall[tp - 1] if tp > 0 else 0.0
                for i in range(tp - 1, 0, -1):
                    if hit_precision[i] > hit_precision[i - 1]:
                        hit_precision[i - 1] = hit_precision[i]
                i = 0
                for r in range(recall_thresholds.shape[0]):
                    wanted = recall_thresholds[r]
                    precision[t, r, a, m] = 0.0
                    scores[t, r, a, m] = 0.0
                    if wanted <= 0:
                        if first >= 0:
                            precision[t, r, a, m] = hit_precision[0] if tp > 0 else 0.0
                            scores[t, r, a, m] = score[first]
                        continue
                    while i < tp and hit_recall[i] < wanted:
                        i += 1
                    if i < tp:
                        precision[t, r, a, m] = hit_precision[i]
                        scores[t, r, a, m] = hit_score[i]


def accumulate(
    order: NDArray[np.int64],
    score: NDArray[np.float64],
    rank: NDArray[np.int32],
    outcome: NDArray[np.uint8],
    truths: NDArray[np.int64],
    caps: NDArray[np.int64],
    recall_thresholds: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Interpolated precision, final recall, and the score where each recall is reached, for one class.

    Precision changes for the better only at true positives, so the envelope is built over those alone.

    Parameters
    ----------
    order : (D,) int64
        Detections of the class, highest score first, ties in image order.
    score : (D,) float64
    rank : (D,) int32
        Position of each detection by score inside its cell: a cap m keeps ranks below m.
    outcome : (A, T, D) uint8
    truths : (A,) int64
        Number of truths that count.
    caps : (M,) int64
        Caps on detections per cell.
    recall_thresholds : (R,) float64
        Ascending.

    Returns
    -------
    precision : (T, R, A, M) float64
        -1 where the class has no truth that counts; 0 at recalls that are not reached.
    recall : (T, A, M) float64
    scores : (T, R, A, M) float64

    Notes
    -----
    Source: pycocotools 2.0.11, cocoeval.py, accumulate; bit-equal.
    """
    area_ranges, thresholds, _ = outcome.shape
    shape = (thresholds, len(recall_thresholds), area_ranges, len(caps))
    precision, scores = np.full(shape, -1.0), np.full(shape, -1.0)
    recall = np.full((thresholds, area_ranges, len(caps)), -1.0)
    # Most detections are false, or ignored, at every threshold: those are counted once, not threshold by threshold.
    some, every = np.bitwise_or.reduce(outcome, axis=1), np.bitwise_and.reduce(outcome, axis=1)
    varies = (some != every) | (some == TRUE)
    _accumulate(
        readonly(order, np.int64),
        readonly(score, np.float64),
        readonly(rank, np.int32),
        readonly(outcome, np.uint8),
        readonly(truths, np.int64),
        readonly(caps, np.int64),
        readonly(recall_thresholds, np.float64),
        readonly(varies, np.bool_),
        np.empty(len(order), np.int64),
        np.empty(len(order), np.int64),
        np.empty(len(order)),
        np.empty(len(order)),
        np.empty(len(order)),
        precision,
        recall,
        scores,
    )
    return precision, recall, scores
