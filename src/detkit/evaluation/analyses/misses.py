"""Why each truth was missed at the operating point: one reason a truth, by size and by class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.errors import UsageError
from detkit.evaluation.analyses._base import Settings, reference
from detkit.evaluation.analyses._crossing import BACKGROUND, UNSCORED, Boxes, Pairs, boxes_at, pairs_of, starts_of
from detkit.evaluation.analyses._examples import detection_values, image_values, truth_values
from detkit.evaluation.analyses.thresholds import operating_point
from detkit.evaluation.cells import class_names
from detkit.evaluation.overlaps import areas_of
from detkit.evaluation.result import Evaluation
from detkit.kernels.cross import near_pairs
from detkit.kernels.match import FALSE
from detkit.ragged import python_value
from detkit.tables import Detections

__all__ = ["REASONS", "Misses", "analyse"]

#: Reasons in the order in which they are tried; the first that applies is given.
REASONS = (
    "below threshold",
    "removed by NMS",
    "beyond cap",
    "wrong class",
    "loose box",
    "taken",
    "no candidate",
)
_BELOW, _NMS, _CAP, _CLASS, _LOOSE, _TAKEN, _NONE = range(len(REASONS))
#: A raw prediction that overlaps a kept one of its class this much is that one: files round coordinates.
_SAME_BOX = 0.99


@dataclass(frozen=True, eq=False)
class Misses:
    """Every truth that counts and was not found at the operating point.

    Parameters
    ----------
    result : Evaluation
    iou_threshold, score_threshold : float
    knows_raw : bool
        Whether predictions before NMS were given: without them no miss is `removed by NMS`.
    truth : (N,) int64
        Rows of the missed truths, in table order.
    reason : (N,) int64
        Place in `REASONS`.
    source : (N,) int64
        Row of the best candidate in the predictions, or in the raw ones where NMS removed it; -1 without one.
    iou : (N,) float64
        Overlap with it, NaN without one.
    raw : Detections, optional
    sizes : mapping of str to (N,) bool
        Area range -> which of the missed truths lie in it; both ends inclusive, as the protocol takes them.
    truths : (K,) int64
        Truths that count, by class.
    place : (N,) int64
        Class of each missed truth, a place in the class order.
    listed : int
        How many examples each reason lists at most.
    """

    result: Evaluation
    iou_threshold: float
    score_threshold: float
    knows_raw: bool
    truth: NDArray[np.int64]
    reason: NDArray[np.int64]
    source: NDArray[np.int64]
    iou: NDArray[np.float64]
    raw: Detections | None
    sizes: Mapping[str, NDArray[np.bool_]]
    truths: NDArray[np.int64]
    place: NDArray[np.int64]
    listed: int = 20

    def columns(self) -> dict[str, list[Any]]:
        """A table with a row per missed truth.

        Returns
        -------
        dict of str to list
            `image_id`, `file_name`, `category`, `x`, `y`, `width`, `height`, `area`, `truth_id`, `reason`, and of
            the best candidate `candidate_category`, `candidate_score`, `candidate_iou`, None where there is none.
        """
        truth, rows = self.result.truth, self.result.truth.annotations
        image, box = rows.image_index[self.truth].tolist(), rows.xywh[self.truth]
        candidates = [self._candidate(n) for n in range(len(self.truth))]
        return {
            "image_id": [python_value(truth.images.ids[i]) for i in image],
            "file_name": [truth.images.file_names[i] for i in image],
            "category": [truth.categories.names[c] for c in rows.category_index[self.truth].tolist()],
            **{name: box[:, n].tolist() for n, name in enumerate(("x", "y", "width", "height"))},
            "area": _areas(self.result)[self.truth].tolist(),
            "truth_id": [python_value(rows.ids[g]) for g in self.truth.tolist()],
            "reason": [REASONS[r] for r in self.reason.tolist()],
            "candidate_category": [c and c["category"] for c in candidates],
            "candidate_score": [c and c["score"] for c in candidates],
            "candidate_iou": [c and c["iou"] for c in candidates],
        }

    def _candidate(self, n: int) -> dict[str, Any] | None:
        row = int(self.source[n])
        if row < 0:
            return None
        table = self.raw if self.reason[n] == _NMS and self.raw is not None else self.result.detections
        name = self.result.truth.categories.names[int(table.category_index[row])]
        return {"category": name, **detection_values(table, row), "iou": float(self.iou[n])}

    def _example(self, n: int, area: float) -> dict[str, Any]:
        rows, g = self.result.truth.annotations, int(self.truth[n])
        return {
            **image_values(self.result, int(rows.image_index[g])),
            **truth_values(self.result, g),
            "category": self.result.truth.categories.names[int(rows.category_index[g])],
            "area": area,
            "candidate": self._candidate(n),
        }

    def to_dict(self) -> dict[str, Any]:
        """Plain values: reasons by size with their largest truths as examples, and by class."""
        names = class_names(self.result.truth.categories, self.result.scored.layout)
        by_class = np.zeros((len(names), len(REASONS)), np.int64)
        np.add.at(by_class, (self.place, self.reason), 1)
        missed, area = len(self.truth), _areas(self.result)[self.truth]
        return {
            "iou_threshold": self.iou_threshold,
            "score_threshold": self.score_threshold,
            "raw_predictions": self.knows_raw,
            "truths": int(self.truths.sum()),
            "missed": missed,
            "sizes": {name: int(np.count_nonzero(inside)) for name, inside in self.sizes.items()},
            "reasons": [
                {
                    "reason": name,
                    "count": int(np.count_nonzero(self.reason == r)),
                    "share": float(np.mean(self.reason == r)) if missed else None,
                    "by_size": {
                        size: int(np.count_nonzero(inside & (self.reason == r))) for size, inside in self.sizes.items()
                    },
                    "examples": [self._example(n, float(area[n])) for n in self._largest(r, area)],
                }
                for r, name in enumerate(REASONS)
            ],
            "per_class": [
                {
                    "category_id": i,
                    "name": name,
                    "truths": int(self.truths[k]),
                    "missed": int(by_class[k].sum()),
                    "reasons": dict(zip(REASONS, by_class[k].tolist(), strict=True)),
                }
                for k, (i, name) in enumerate(names)
            ],
        }

    def _largest(self, reason: int, area: NDArray[np.float64]) -> list[int]:
        """Places of the largest missed truths of a reason: what is large and missed is worst."""
        places = np.flatnonzero(self.reason == reason)
        return [int(n) for n in places[np.argsort(-area[places], kind="stable")][: self.listed]]


def analyse(result: Evaluation, settings: Settings) -> Misses:
    """The truths that no detection found at the operating point, each with the first reason that applies.

    `below threshold`: the detection that found it scores less than the threshold. `removed by NMS`: a raw prediction
    of its class, of sufficient score and overlap, is not among the predictions. `beyond cap`: such a detection lies
    beyond the largest number of detections that is scored. `wrong class`: a false positive of another class overlaps
    enough. `loose box`: a false positive of its class overlaps at least 0.1, but not enough. `taken`: the detections
    of its class that overlap enough were all matched to other truths. `no candidate`: none of these.

    Parameters
    ----------
    result : Evaluation
        Scored with `with_partners=True`.
    settings : Settings
        `score_threshold`, `iou_threshold`, `beta`, `raw` and `examples` are read.

    Returns
    -------
    Misses

    Raises
    ------
    UsageError
        The overlap threshold is none of the protocol's, the evaluation kept no partners, or the raw predictions are
        not in the truth's terms.
    """
    t = reference(result, settings)
    boxes, threshold = boxes_at(result, t), operating_point(result, settings)
    found = np.zeros(len(boxes.counts), np.bool_)
    known = boxes.found_by >= 0
    found[known] = result.detections.score[boxes.found_by[known]] >= threshold
    missed = np.flatnonzero(boxes.counts & ~found)
    search = _Search(result, boxes, threshold, missed)
    search.among_predictions()
    if settings.raw is not None:
        search.among_raw(settings.raw)
    search.below_threshold()
    matched = result.scored.matched
    sizes = {}
    for a, size in enumerate(result.protocol.area_ranges[1:], start=1):
        inside = np.zeros(len(boxes.counts), np.bool_)
        inside[result.scored.layout.gt_row] = ~np.concatenate([m.gt_ignored[a] for m in matched]) if matched else False
        sizes[size.name] = inside[missed]
    return Misses(
        result,
        boxes.iou_threshold,
        threshold,
        settings.raw is not None,
        missed,
        search.reason[missed],
        search.source[missed],
        search.iou[missed],
        settings.raw,
        sizes,
        np.bincount(boxes.gt_class[boxes.counts], minlength=len(matched)),
        boxes.gt_class[missed],
        settings.examples,
    )


class _Search:
    """Reasons of the missed truths, filled from the last to the first: a reason that comes earlier overwrites."""

    def __init__(self, result: Evaluation, boxes: Boxes, threshold: float, missed: NDArray[np.int64]) -> None:
        count = len(boxes.counts)
        self.result, self.boxes, self.threshold, self.missed = result, boxes, threshold, missed
        self.wanted = np.zeros(count, np.bool_)
        self.wanted[missed] = True
        self.reason = np.full(count, _NONE, np.int64)
        self.source = np.full(count, -1, np.int64)
        self.iou = np.full(count, np.nan)

    def _give(self, reason: int, pairs: Pairs) -> None:
        """Give the truths of these pairs a reason, with the detection that overlaps most (the first of equal ones)."""
        order = np.lexsort((-pairs.iou, pairs.gt))
        pairs = pairs.where(order)
        first = np.concatenate([[True], pairs.gt[1:] != pairs.gt[:-1]]) if len(order) else np.empty(0, np.bool_)
        best = pairs.where(first)
        self.reason[best.gt], self.source[best.gt], self.iou[best.gt] = reason, best.dt, best.iou

    def among_predictions(self) -> None:
        boxes = self.boxes
        every = np.ones(len(boxes.outcome), np.bool_)
        pairs = pairs_of(self.result, min(BACKGROUND, boxes.limit), dt=every, gt=self.wanted)
        same = boxes.dt_class[pairs.dt] == boxes.gt_class[pairs.gt]
        near = pairs.iou >= boxes.limit
        above = self.result.detections.score[pairs.dt] >= self.threshold
        outcome = boxes.outcome[pairs.dt]
        # A detection that found its own truth is right about that one and explains no other.
        free = above & (outcome == FALSE)
        self._give(_TAKEN, pairs.where(same & near & (outcome != UNSCORED)))
        self._give(_LOOSE, pairs.where(same & ~near & (pairs.iou >= BACKGROUND) & free))
        self._give(_CLASS, pairs.where(~same & near & free))
        self._give(_CAP, pairs.where(same & near & above & (outcome == UNSCORED)))

    def among_raw(self, raw: Detections) -> None:
        _must_be_aligned(self.result, raw)
        pairs = pairs_of(self.result, self.boxes.limit, dt=raw.score >= self.threshold, gt=self.wanted, detections=raw)
        truth = self.result.truth.annotations
        if self.result.protocol.class_wise:
            pairs = pairs.where(raw.category_index[pairs.dt] == truth.category_index[pairs.gt])
        kept = _kept(raw, np.unique(pairs.dt), self.result)
        self._give(_NMS, pairs.where(~np.isin(pairs.dt, kept)))

    def below_threshold(self) -> None:
        boxes = self.boxes
        rows = self.missed[boxes.found_by[self.missed] >= 0]
        found = boxes.found_by[rows]
        self.reason[rows], self.source[rows], self.iou[rows] = _BELOW, found, np.nan
        chosen, wanted = np.zeros(len(boxes.outcome), np.bool_), np.zeros(len(boxes.counts), np.bool_)
        chosen[found], wanted[rows] = True, True
        pairs = pairs_of(self.result, boxes.limit, dt=chosen, gt=wanted)
        self._give(_BELOW, pairs.where(boxes.found_by[pairs.gt] == pairs.dt))


def _kept(raw: Detections, rows: NDArray[np.int64], result: Evaluation) -> NDArray[np.int64]:
    """Those of the raw rows that are among the predictions: a box of the image and class overlaps almost wholly."""
    found, images = result.detections, len(result.truth.images)
    first, second, _ = near_pairs(
        raw.xywh[rows],
        found.xywh,
        starts_of(raw.image_index[rows], images),
        starts_of(found.image_index, images),
        _SAME_BOX,
    )
    if result.protocol.class_wise:
        first = first[raw.category_index[rows[first]] == found.category_index[second]]
    return np.unique(rows[first])


def _must_be_aligned(result: Evaluation, raw: Detections) -> None:
    images, classes = len(result.truth.images), len(result.truth.categories)
    if len(raw) and (raw.image_index.max() >= images or raw.category_index.max() >= classes):
        raise UsageError("the raw predictions are not in the truth's images and classes: align them first")


def _areas(result: Evaluation) -> NDArray[np.float64]:
    """Areas of the truths as the protocol takes them."""
    return areas_of(result.truth, result.detections, result.protocol)[0]
