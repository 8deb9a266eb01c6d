"""Which labels are likely wrong: objects without a box, boxes of the wrong class, boxes in the wrong place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.evaluation.analyses import _objectlab
from detkit.evaluation.analyses._base import Settings
from detkit.evaluation.analyses._crossing import boxes_at, starts_of
from detkit.evaluation.analyses._examples import detection_values, image_values, truth_values
from detkit.evaluation.federated import contains, partial_cells, verified_cells
from detkit.evaluation.result import Evaluation
from detkit.kernels.cross import near_pairs
from detkit.kernels.match import TRUE
from detkit.ragged import python_value

__all__ = ["KINDS", "SUSPECT_BELOW", "Ranked", "Suspects", "analyse"]

OVERLOOKED, SWAPPED, LOCATED = KINDS = ("overlooked", "swapped", "badly located")
#: A label with a score below this is a suspect.
SUSPECT_BELOW = 0.5
#: ObjectLab calls a label an issue where its score is at most this share of its class's AP.
_ISSUE = 0.25 * 0.8

Index = NDArray[np.int64]
Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Ranked:
    """Suspects of one kind, the most likely first.

    Parameters
    ----------
    score : (N,) float64
        0 for a label that is surely wrong.
    truth : (N,) int64
        Rows of the annotations table, -1 for an object without a box.
    detection : (N,) int64
        Rows of the detections table that tell so, -1 where another label does.
    twin : (N,) int64
        Annotation of another class in the same place, else -1.
    is_issue : (N,) bool
        Those that ObjectLab's own threshold calls an issue.
    explained : int
        Labels with as low a score that are no suspects: the detection that tells so found another truth.
    """

    score: Array
    truth: Index
    detection: Index
    twin: Index
    is_issue: Mask
    explained: int

    def __len__(self) -> int:
        return len(self.score)


@dataclass(frozen=True, eq=False)
class Suspects:
    """Suspicious labels and images.

    Parameters
    ----------
    result : Evaluation
    confident, likely : float
        Scores that a prediction needs to tell of an overlooked or swapped label, and of a loose one.
    kinds : mapping of str to Ranked
        `overlooked`, `swapped`, `badly located`.
    image_score : (I,) float64
        Of each image of the truth, in its order: 1 for labels that look right, by the scores of all its labels.
    image_scores : mapping of str to (I,) float64
        The same for each kind of error alone.
    listed : int
        Suspects of each kind, and images, that `to_dict` lists at most.
    """

    result: Evaluation
    confident: float
    likely: float
    kinds: Mapping[str, Ranked]
    image_score: Array
    image_scores: Mapping[str, Array]
    listed: int

    def worst(self, limit: int) -> list[dict[str, Any]]:
        """The first of every kind, then the second of every kind, and so on: plain values of at most `limit`.

        With `truth_row`, the row of the annotations table, -1 for none: ids may repeat.
        """
        longest = max((len(found) for found in self.kinds.values()), default=0)
        order = [(kind, n) for n in range(min(longest, limit)) for kind in KINDS if n < len(self.kinds[kind])]
        return [{**self._values(kind, n), "truth_row": int(self.kinds[kind].truth[n])} for kind, n in order[:limit]]

    def to_dict(self) -> dict[str, Any]:
        """Plain values: totals, the worst of each kind, the worst images."""
        suspicious = self.suspicious_images()
        return {
            "confident": self.confident,
            "likely": self.likely,
            "as_published": self.confident == _objectlab.CONFIDENT,
            "suspect_below": SUSPECT_BELOW,
            "kinds": {
                kind: {
                    "suspects": len(found),
                    "issues": int(np.count_nonzero(found.is_issue)),
                    "explained": found.explained,
                    "examples": [self._values(kind, n) for n in range(min(self.listed, len(found)))],
                }
                for kind, found in self.kinds.items()
            },
            "images": {
                "total": len(self.image_score),
                "suspicious": len(suspicious),
                "worst": [self._image(i) for i in suspicious[: self.listed].tolist()],
            },
        }

    def suspicious_images(self) -> Index:
        """Positions of the images that hold a suspect, the lowest image score first."""
        truth, detections = self.result.truth.annotations.image_index, self.result.detections.image_index
        held = [truth[found.truth[found.truth >= 0]] for found in self.kinds.values()]
        held += [detections[found.detection[found.truth < 0]] for found in self.kinds.values()]
        images = np.unique(np.concatenate(held))
        return np.asarray(images[np.argsort(self.image_score[images], kind="stable")])

    def _image(self, image: int) -> dict[str, Any]:
        scores = {kind.replace(" ", "_"): float(value[image]) for kind, value in self.image_scores.items()}
        return {**image_values(self.result, image), "score": float(self.image_score[image]), **scores}

    def _values(self, kind: str, n: int) -> dict[str, Any]:
        found, truth, detections = self.kinds[kind], self.result.truth, self.result.detections
        row, by, twin = int(found.truth[n]), int(found.detection[n]), int(found.twin[n])
        held = truth.annotations.image_index[row] if row >= 0 else detections.image_index[by]
        seen = detection_values(detections, by)
        seen["detection_score"] = seen.pop("score")
        return {
            "kind": kind,
            **image_values(self.result, int(held)),
            "score": float(found.score[n]),
            "is_issue": bool(found.is_issue[n]),
            **truth_values(self.result, row),
            "category": truth.categories.names[int(truth.annotations.category_index[row])] if row >= 0 else None,
            **seen,
            "suggestion": self._suggestion(kind, row, by, twin),
        }

    def _suggestion(self, kind: str, row: int, by: int, twin: int) -> dict[str, Any]:
        """What to do: `add` a box, `relabel` it, `move` it, or `settle` which of two labels of one object is right."""
        truth, detections = self.result.truth, self.result.detections
        if twin >= 0:
            action, category = "settle", truth.annotations.category_index[twin]
        else:
            action = {OVERLOOKED: "add", SWAPPED: "relabel", LOCATED: "move"}[kind]
            # Where classes are not told apart the label's own stays.
            category = truth.annotations.category_index[row] if kind == LOCATED else detections.category_index[by]
        box = truth.annotations.xywh[row] if kind == SWAPPED else detections.xywh[by]
        k = int(category)
        return {
            "action": action,
            "category_id": python_value(truth.categories.ids[k]),
            "category": truth.categories.names[k],
            "box": box.tolist(),
        }


def analyse(result: Evaluation, settings: Settings) -> Suspects:
    """Suspicious labels by ObjectLab's three scores, see `detkit.evaluation.analyses._objectlab`.

    Labels are all truths but regions of many objects (crowds), difficult ones included; predictions are those that were
    evaluated. No object is overlooked where a crowd lies, or where the image was not looked through for its class.

    Where no prediction reaches the published score of 0.95, the median score of the true positives stands in for it:
    the detector is then taken at its own word.

    Parameters
    ----------
    result : Evaluation
        Scored with `with_partners=True`.
    settings : Settings
        `examples` is read.

    Returns
    -------
    Suspects

    Raises
    ------
    UsageError
        The evaluation kept no partners.
    """
    truth, detections, images = result.truth, result.detections, len(result.truth.images)
    boxes = boxes_at(result, result.protocol.reference_threshold)
    rows = np.flatnonzero(~truth.annotations.is_crowd)
    labels = _objectlab.Boxes(truth.annotations.xywh[rows], truth.annotations.image_index[rows], boxes.gt_class[rows])
    found = _objectlab.Boxes(detections.xywh, detections.image_index, boxes.dt_class)
    probability = np.minimum(detections.score, 1.0)
    confident, likely = _sure(probability, boxes.outcome == TRUE)
    scores = _objectlab.score_labels(labels, found, probability, images, confident, likely)
    overlooked = np.where(_may_be_overlooked(result), scores.overlooked, np.nan)

    ap = np.array([np.nan if (v := row.metrics.get("AP")) is None else v for row in result.per_class])
    pools = {
        OVERLOOKED: _objectlab.image_scores(overlooked, found.image, images),
        SWAPPED: _objectlab.image_scores(scores.swapped, labels.image, images),
        LOCATED: _objectlab.image_scores(scores.located, labels.image, images),
    }
    ranking = _Ranking(detections.score, boxes.partner)
    nothing = np.full(len(detections), -1)
    kinds = {
        OVERLOOKED: ranking.of(overlooked, nothing, np.arange(len(detections)), ap[found.category]),
        SWAPPED: ranking.of(scores.swapped, rows, scores.swapped_by, ap[labels.category], twin=scores.twin),
        LOCATED: ranking.of(scores.located, rows, scores.located_by, ap[labels.category]),
    }
    image_score = _objectlab.joined(pools[OVERLOOKED], pools[SWAPPED], pools[LOCATED])
    return Suspects(result, confident, likely, kinds, image_score, pools, settings.examples)


def _sure(score: Array, is_true: Mask) -> tuple[float, float]:
    """Scores from which on predictions are believed."""
    if (score >= _objectlab.CONFIDENT).any() or not is_true.any():
        return _objectlab.CONFIDENT, _objectlab.LIKELY
    confident = float(np.median(score[is_true]))
    return confident, min(_objectlab.LIKELY, confident)


def _may_be_overlooked(result: Evaluation) -> Mask:
    """Detections away from regions of many objects, of a class that their image was looked through for."""
    truth, detections, images = result.truth, result.detections, len(result.truth.images)
    may = np.ones(len(detections), np.bool_)
    crowds = np.flatnonzero(truth.annotations.is_crowd)
    in_crowd, _, _ = near_pairs(
        detections.xywh,
        truth.annotations.xywh[crowds],
        starts_of(detections.image_index, images),
        starts_of(truth.annotations.image_index[crowds], images),
        float(np.nextafter(0.0, 1.0)),
    )
    may[in_crowd] = False
    cell = detections.image_index * len(truth.categories) + detections.category_index
    verified = verified_cells(truth, result.protocol)
    if verified is not None:
        may &= contains(verified, cell)
    return np.asarray(may & ~contains(partial_cells(truth, result.protocol), cell))


class _Ranking:
    """Which labels are suspects, and in which order."""

    def __init__(self, confidence: Array, partner: Index) -> None:
        self.confidence, self.partner = confidence, partner

    def of(self, score: Array, truth: Index, told_by: Index, ap: Array, *, twin: Index | None = None) -> Ranked:
        """The suspects of one kind; of equal scores the one that a more confident prediction tells of comes first."""
        low = np.flatnonzero(score < SUSPECT_BELOW)
        by = told_by[low]
        told = by >= 0
        # A detection that found its own truth is right about that one and accuses no other.
        explained = np.zeros(len(low), np.bool_)
        explained[told] = (self.partner[by[told]] >= 0) & (self.partner[by[told]] != truth[low][told])
        confidence = np.zeros(len(low))
        confidence[told] = self.confidence[by[told]]
        order = np.lexsort((low, -confidence, score[low]))
        chosen = low[order[~explained[order]]]
        other = np.full(len(chosen), -1)
        if twin is not None:
            paired = twin[chosen] >= 0
            other[paired] = truth[twin[chosen][paired]]
        is_issue = score[chosen] <= _ISSUE * ap[chosen]
        return Ranked(score[chosen], truth[chosen], told_by[chosen], other, is_issue, int(np.count_nonzero(explained)))
