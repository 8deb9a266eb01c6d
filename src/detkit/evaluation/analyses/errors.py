"""Kinds of errors and what each costs in average precision.

Source: Bolya, Foley, Hays, Hoffman, "TIDE: A General Toolbox for Identifying Object Detection Errors", ECCV 2020,
sections 2.2 and 2.3; where its package tidecv 1.0.1 departs from the protocol, the protocol is followed (see
docs/reference/analyses/errors.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.evaluation.analyses._base import Settings, reference
from detkit.evaluation.analyses._counts import plain
from detkit.evaluation.analyses._crossing import BACKGROUND, Boxes, Pairs, boxes_at, pairs_of
from detkit.evaluation.cells import class_names
from detkit.evaluation.result import Evaluation
from detkit.kernels.match import FALSE, IGNORED, TRUE

__all__ = ["MAIN", "SPECIAL", "Errors", "analyse"]

#: The kinds that share out all false positives and missed truths.
MAIN = ("Cls", "Loc", "Both", "Dupe", "Bkg", "Miss")
#: All false positives, all missed truths.
SPECIAL = ("FalsePos", "FalseNeg")
_KINDS = (*MAIN, *SPECIAL)
_CLS, _LOC, _BOTH, _DUPE, _BKG, _MISS, _POS, _NEG = range(len(_KINDS))
_NOTHING = np.empty(0, np.int64)


@dataclass(frozen=True, eq=False)
class Errors:
    """How many errors of each kind there are, and how much average precision each costs.

    Parameters
    ----------
    foreground, background : float
        Overlap of a match, and overlap below which a detection lies on nothing.
    classes : tuple of (id, name)
        In class order.
    ap : (K,) float64
        AP of each class at the foreground overlap, NaN without truth.
    overall : float
        Mean over the classes with truth, NaN without one.
    fixed : (8, K) float64
        AP of each class after errors of a kind are fixed, kinds as in `MAIN` and `SPECIAL`; NaN where no truth is left.
    overall_fixed : (8,) float64
    counts : (8, K) int64
        False positives by the class that was predicted, missed truths by their own.
    kind : (D,) int64
        Kind of each row of the detections table, -1 for no error.
    missed : (G,) bool
        Truths that count as `Miss`.
    """

    foreground: float
    background: float
    classes: tuple[tuple[Any, str], ...]
    ap: NDArray[np.float64]
    overall: float
    fixed: NDArray[np.float64]
    overall_fixed: NDArray[np.float64]
    counts: NDArray[np.int64]
    kind: NDArray[np.int64]
    missed: NDArray[np.bool_]

    def to_dict(self) -> dict[str, Any]:
        """Plain values: kinds overall and by class; `dAP` is the AP won when errors of that kind are fixed."""
        cost = self.fixed - self.ap
        return {
            "foreground": self.foreground,
            "background": self.background,
            "AP": plain(self.overall),
            "types": [
                {
                    "type": name,
                    "count": int(self.counts[n].sum()),
                    "dAP": plain(self.overall_fixed[n] - self.overall),
                }
                for n, name in enumerate(_KINDS)
            ],
            "per_class": [
                {
                    "category_id": i,
                    "name": name,
                    "AP": plain(self.ap[k]),
                    "count": {kind: int(self.counts[n, k]) for n, kind in enumerate(_KINDS)},
                    "dAP": {kind: plain(cost[n, k]) for n, kind in enumerate(_KINDS)},
                }
                for k, (i, name) in enumerate(self.classes)
            ],
        }


def analyse(result: Evaluation, settings: Settings) -> Errors:
    """Kinds of errors at the overlap threshold, at every score, and what fixing each kind alone would win.

    A false positive is, the first that applies: `Loc` (its best truth of the class overlaps at least 0.1 and not
    enough), `Cls` (a truth of another class overlaps enough), `Dupe` (a truth of the class overlaps enough and was
    found already), `Bkg` (no truth overlaps more than 0.1), `Both`. A truth that was not found is a `Miss` when no
    `Loc` or `Cls` points at it.

    Fixing `Loc` or `Cls` makes the detection a true positive of its truth at the same score, when the truth was not
    found and no `Loc` or `Cls` of a higher score points at it; else the detection goes. `Both`, `Dupe` and `Bkg` go.
    `Miss` takes the truths away. `FalsePos` takes all false positives away, `FalseNeg` all truths that were not found.
    Detections keep the order in which the evaluation ranks them.

    Parameters
    ----------
    result : Evaluation
        Scored with `with_partners=True`.
    settings : Settings
        `iou_threshold` is read.

    Returns
    -------
    Errors

    Raises
    ------
    UsageError
        The overlap threshold is none of the protocol's, or the evaluation kept no partners.
    """
    boxes = boxes_at(result, reference(result, settings))
    kind, target = _sorted_out(result, boxes)
    lost = boxes.counts & (boxes.found_by < 0)
    winner = _winners(result, kind, target, lost)
    pointed = np.zeros(len(lost), np.bool_)
    pointed[target[target >= 0]] = True
    missed = lost & ~pointed
    classes = tuple(class_names(result.truth.categories, result.scored.layout))
    size = len(classes)
    counts = np.zeros((len(_KINDS), size), np.int64)
    for n in range(_MISS):
        counts[n] = np.bincount(boxes.dt_class[kind == n], minlength=size)
    counts[_MISS] = np.bincount(boxes.gt_class[missed], minlength=size)
    counts[_POS] = counts[:_MISS].sum(axis=0)
    counts[_NEG] = np.bincount(boxes.gt_class[lost], minlength=size)
    ranking = _Ranking(result, boxes)
    base = ranking.curves(boxes.outcome, np.zeros(size, np.int64))
    curves = []
    for n in range(len(_KINDS)):
        outcome, gone = _fixed(n, boxes, kind, winner, counts)
        moved, truths = _moved(n, kind, winner, target)
        changed = (counts[n] > 0) | (np.bincount(boxes.gt_class[truths], minlength=size) > 0)
        curves.append(ranking.curves(outcome, gone, moved, boxes.gt_class[truths], base=base, changed=changed))
    return Errors(
        boxes.iou_threshold,
        BACKGROUND,
        classes,
        _class_ap(base),
        _mean_ap(base),
        np.array([_class_ap(c) for c in curves]).reshape(len(_KINDS), size),
        np.array([_mean_ap(c) for c in curves]),
        counts,
        kind,
        missed,
    )


def _sorted_out(result: Evaluation, boxes: Boxes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Kind of each detection, -1 for no error, and the truth that a Loc or Cls points at, else -1."""
    wrong = boxes.outcome == FALSE
    pairs = pairs_of(result, min(BACKGROUND, boxes.limit), dt=wrong, gt=boxes.counts)
    same = boxes.dt_class[pairs.dt] == boxes.gt_class[pairs.gt]
    count = len(wrong)
    own_iou, own = _best(pairs.where(same), count)
    other_iou, other = _best(pairs.where(~same), count)
    used_iou, _ = _best(pairs.where(same & (boxes.found_by[pairs.gt] >= 0)), count)
    kinds = [
        ((own_iou >= BACKGROUND) & (own_iou < boxes.limit), _LOC),
        (other_iou >= boxes.limit, _CLS),
        (used_iou >= boxes.limit, _DUPE),
        (np.maximum(own_iou, other_iou) <= BACKGROUND, _BKG),
    ]
    kind = np.where(wrong, np.select([c for c, _ in kinds], [n for _, n in kinds], _BOTH), -1)
    return kind, np.where(kind == _LOC, own, np.where(kind == _CLS, other, -1))


def _best(pairs: Pairs, count: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Largest overlap of each detection, 0 without one, and the first truth that has it, -1 without one."""
    best, truth = np.zeros(count), np.full(count, -1, np.int64)
    np.maximum.at(best, pairs.dt, pairs.iou)
    chosen = pairs.where(pairs.iou == best[pairs.dt])
    truth[chosen.dt[::-1]] = chosen.gt[::-1]
    return best, truth


def _winners(
    result: Evaluation, kind: NDArray[np.int64], target: NDArray[np.int64], lost: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Detections that are the best claimant of a truth that was not found: the highest score, of equal the first."""
    claimants = np.flatnonzero(target >= 0)
    claimants = claimants[lost[target[claimants]]]
    claimants = claimants[np.argsort(-result.detections.score[claimants], kind="stable")]
    _, first = np.unique(target[claimants], return_index=True)
    winner = np.zeros(len(kind), np.bool_)
    winner[claimants[first]] = True
    return winner


def _fixed(
    n: int, boxes: Boxes, kind: NDArray[np.int64], winner: NDArray[np.bool_], counts: NDArray[np.int64]
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Outcomes when errors of one kind are fixed, and how many truths of each class go."""
    gone = counts[n] if n in (_MISS, _NEG) else np.zeros_like(counts[n])
    if n in (_MISS, _NEG):
        return boxes.outcome, gone
    hit = kind >= 0 if n == _POS else kind == n
    # An ignored detection is neither hit nor false alarm: it is as if it were not there.
    outcome = np.where(hit, np.uint8(IGNORED), boxes.outcome)
    if n == _LOC:
        outcome[hit & winner] = TRUE
    return outcome, gone


def _moved(
    n: int, kind: NDArray[np.int64], winner: NDArray[np.bool_], target: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Detections that a fix makes true positives of another class, with their truths."""
    rows = np.flatnonzero((kind == _CLS) & winner) if n == _CLS else np.empty(0, np.int64)
    return rows, target[rows]


class _Ranking:
    """Precision at the protocol's recalls, class by class, for changed outcomes."""

    def __init__(self, result: Evaluation, boxes: Boxes) -> None:
        self.result, self.boxes = result, boxes
        layout = result.scored.layout
        self.truths = result.scored.truths[:, 0]
        self.rows = [layout.dt_row[layout.detections_of(k)] for k in range(len(layout.classes))]
        self.recalls = np.array(result.protocol.recall_thresholds, dtype=np.float64)
        self.image_place = np.empty(len(layout.images), np.int64)
        self.image_place[layout.images] = np.arange(len(layout.images))

    def curves(
        self,
        outcome: NDArray[np.uint8],
        gone: NDArray[np.int64],
        moved: NDArray[np.int64] = _NOTHING,
        moved_to: NDArray[np.int64] = _NOTHING,
        *,
        base: NDArray[np.float64] | None = None,
        changed: NDArray[np.bool_] | None = None,
    ) -> NDArray[np.float64]:
        """(R, K) precision, -1 for a class without truth; averages of the whole curve stand alone (R is 1).

        `moved` detections are hits of the classes `moved_to`. Classes that did not change are taken from `base`.
        """
        found = np.empty((len(self.recalls) or 1, len(self.rows))) if base is None else base.copy()
        for k in range(len(self.rows)) if changed is None else np.flatnonzero(changed).tolist():
            rows, order = self.rows[k], self.result.scored.order[k]
            states, new = outcome[rows], moved[moved_to == k]
            if len(new):
                rows, states = np.append(rows, new), np.append(states, np.full(len(new), TRUE, np.uint8))
                order = self._order(rows)
            found[:, k] = self._curve(rows, order, states, int(self.truths[k] - gone[k]))
        return found

    def _order(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """By falling score; ties by image, then as they stand in the file: as the evaluation ranks."""
        detections = self.result.detections
        image = self.image_place[detections.image_index[rows]]
        return np.lexsort((rows, image, -detections.score[rows]))

    def _curve(
        self, rows: NDArray[np.int64], order: NDArray[np.int64], states: NDArray[np.uint8], truths: int
    ) -> NDArray[np.float64] | float:
        if not truths:
            return -1.0
        precision, _, _ = self.result.protocol.accumulate(
            order,
            self.result.detections.score[rows],
            np.zeros(len(rows), np.int32),
            states[None, None],
            np.array([truths]),
            np.array([1]),
            self.recalls,
        )
        return precision[0, :, 0, 0]


def _class_ap(curves: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean precision of each class, NaN without truth."""
    return np.array([np.mean(c) if (c > -1).all() else np.nan for c in curves.T])


def _mean_ap(curves: NDArray[np.float64]) -> float:
    """Mean over the classes with truth, taken as the evaluation takes it; NaN without any."""
    defined = curves[curves > -1]
    return float(np.mean(defined)) if len(defined) else float("nan")
