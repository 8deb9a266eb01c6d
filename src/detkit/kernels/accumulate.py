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
    some: Any,
    every: Any,
    varies: Any,
    kept: Any,
    wrong: Any,
    hit: Any,
    hit_wrong: Any,
    reach: Any,
    precision: Any,
    recall: Any,
    scores: Any,
) -> None:
    # `some`, `every`, `varies`: room for every detection of `outcome`; `kept`, `wrong`, `hit`, `hit_wrong`: for one
    # more than `order` names; `reach`: for every recall.
    dets = order.shape[0]
    highest = -1
    for i in range(dets):
        if rank[order[i]] > highest:
            highest = rank[order[i]]
    for a in range(outcome.shape[0]):
        if truths[a] == 0:
            continue
        # Most detections are false, or ignored, at every threshold: those are counted once, not threshold by threshold.
        for d in range(some.shape[0]):
            some[d] = outcome[a, 0, d]
            every[d] = outcome[a, 0, d]
        for t in range(1, outcome.shape[1]):
            for d in range(some.shape[0]):
                some[d] |= outcome[a, t, d]
                every[d] &= outcome[a, t, d]
        for d in range(some.shape[0]):
            varies[d] = some[d] != every[d] or some[d] == TRUE
        for r in range(recall_thresholds.shape[0]):
            # Which true positive brings recall there: about this one, or one of the next.
            i = int(recall_thresholds[r] * truths[a]) - 2
            if i < 0:
                i = 0
            while i < dets and float(i + 1) / truths[a] < recall_thresholds[r]:
                i += 1
            reach[r] = i
        for m in range(caps.shape[0]):
            if m > 0 and caps[m - 1] > highest:
                # The smaller cap cut nothing already: a larger one changes nothing.
                for t in range(outcome.shape[1]):
                    recall[t, a, m] = recall[t, a, m - 1]
                    for r in range(recall_thresholds.shape[0]):
                        precision[t, r, a, m] = precision[t, r, a, m - 1]
                        scores[t, r, a, m] = scores[t, r, a, m - 1]
                continue
            # The others, in order, and how many that are false at every threshold stand before each.
            first = -1
            for i in range(dets):
                if rank[order[i]] < caps[m]:
                    first = order[i]
                    break
            count = 0
            always = 0
            for i in range(dets):
                d = order[i]
                is_in = rank[d] < caps[m]
                kept[count] = d
                wrong[count] = always
                count += is_in & varies[d]
                always += is_in & (every[d] == FALSE) & ~varies[d]
            for t in range(outcome.shape[1]):
                # Which detection each true positive is, and how many false ones stand before it.
                tp = 0
                fp = 0
                for n in range(count):
                    found = outcome[a, t, kept[n]]
                    hit[tp] = kept[n]
                    hit_wrong[tp] = wrong[n] + fp
                    tp += found == TRUE
                    fp += found == FALSE
                recall[t, a, m] = float(tp) / truths[a] if tp > 0 else 0.0
                # From the highest recall down: the best precision of all true positives from there on.
                best = 0.0
                done = tp
                for r in range(recall_thresholds.shape[0] - 1, -1, -1):
                    wanted = recall_thresholds[r]
                    precision[t, r, a, m] = 0.0
                    scores[t, r, a, m] = 0.0
                    i = reach[r]
                    if wanted > 0 and i >= tp:
                        continue
                    for k in range(done - 1, i - 1, -1):
                        here = float(k + 1) / (float(hit_wrong[k]) + float(k + 1) + _EPSILON)
                        if here > best:
                            best = here
                    if i < done:
                        done = i
                    precision[t, r, a, m] = best
                    if wanted > 0:
                        scores[t, r, a, m] = score[hit[i]]
                    elif first >= 0:
                        scores[t, r, a, m] = score[first]


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
    order : (N,) int64
        Detections of the class, or some of them, highest score first, ties in image order.
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
    area_ranges, thresholds, dets = outcome.shape
    shape = (thresholds, len(recall_thresholds), area_ranges, len(caps))
    precision, scores = np.full(shape, -1.0), np.full(shape, -1.0)
    recall = np.full((thresholds, area_ranges, len(caps)), -1.0)
    _accumulate(
        readonly(order, np.int64),
        readonly(score, np.float64),
        readonly(rank, np.int32),
        readonly(outcome, np.uint8),
        readonly(truths, np.int64),
        readonly(caps, np.int64),
        readonly(recall_thresholds, np.float64),
        np.empty(dets, np.uint8),
        np.empty(dets, np.uint8),
        np.empty(dets, np.bool_),
        np.empty(len(order) + 1, np.int64),
        np.empty(len(order) + 1, np.int64),
        np.empty(len(order) + 1, np.int64),
        np.empty(len(order) + 1, np.int64),
        np.empty(len(recall_thresholds), np.int64),
        precision,
        recall,
        scores,
    )
    return precision, recall, scores
