"""Confusion matrix at one overlap and one score threshold, with a background row and column."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from detkit.evaluation.analyses._base import Settings, reference
from detkit.evaluation.analyses._crossing import Boxes, Pairs, boxes_at, pairs_of
from detkit.evaluation.analyses._examples import detection_values, image_values, ranks, truth_values
from detkit.evaluation.analyses.thresholds import operating_point
from detkit.evaluation.cells import class_names
from detkit.evaluation.result import Evaluation
from detkit.kernels.cross import claim
from detkit.kernels.match import FALSE, IGNORED, TRUE

__all__ = ["BACKGROUND_NAME", "Confusion", "analyse"]

#: Name of the row of detections without truth and of the column of truths without detection.
BACKGROUND_NAME = "background"
#: Examples of all cells together: enough to look at, few enough for a page.
MOST_EXAMPLES = 2000


@dataclass(frozen=True, eq=False)
class Confusion:
    """How often a truth of one class (row) was detected as another (column); K is the background.

    Parameters
    ----------
    iou_threshold, score_threshold : float
    classes : tuple of (id, name)
        The K classes in the order of rows and columns.
    truth, predicted : (N,) int64
        Row and column of each cell that is not empty, by row, then by column.
    count : (N,) int64
    examples : mapping of int to tuple of dict
        Cell -> single cases, highest score first, missed truths by falling area.
    left_out : mapping of str to int
        What the matrix does not hold: `truths_ignored` (crowds, difficult, outside every area),
        `detections_ignored` (at or above the score threshold, matched to those, or outside every area),
        `detections_below_threshold`, `detections_unscored` (at or above it, beyond the largest cap or of a class that
        the protocol does not judge in that image).
    listed : int
        How many confusions `top` lists at most.
    """

    iou_threshold: float
    score_threshold: float
    classes: tuple[tuple[Any, str], ...]
    truth: NDArray[np.int64]
    predicted: NDArray[np.int64]
    count: NDArray[np.int64]
    examples: Mapping[int, tuple[dict[str, Any], ...]]
    left_out: Mapping[str, int]
    listed: int = 20

    def matrix(self, normalise: Literal["truth", "prediction"] | None = None) -> NDArray[np.float64]:
        """The dense matrix.

        Parameters
        ----------
        normalise : {"truth", "prediction"}, optional
            Shares of the row's truths, or of the column's detections, instead of counts.

        Returns
        -------
        (K + 1, K + 1) float64
            Rows are truths, columns predictions, the last of each is background; an empty row or column stays 0.
        """
        size = len(self.classes) + 1
        out = np.zeros((size, size))
        out[self.truth, self.predicted] = self.count
        if normalise is None:
            return out
        total = out.sum(axis=1 if normalise == "truth" else 0, keepdims=True)
        shares: NDArray[np.float64] = np.divide(out, total, out=np.zeros_like(out), where=total > 0)
        return shares

    def top(self) -> list[int]:
        """Cells of one class taken for another, most frequent first, at most `listed`."""
        background = len(self.classes)
        wrong = np.flatnonzero(
            (self.truth != self.predicted) & (self.truth != background) & (self.predicted != background)
        )
        order = np.argsort(-self.count[wrong], kind="stable")
        return [int(n) for n in wrong[order][: self.listed]]

    def to_dict(self) -> dict[str, Any]:
        """Plain values: the cells that are not empty, by row, with their examples."""
        background = len(self.classes)
        names = [*(name for _, name in self.classes), BACKGROUND_NAME]
        rows = np.bincount(self.truth, self.count, background + 1).tolist()
        columns = np.bincount(self.predicted, self.count, background + 1).tolist()
        cells = [
            {
                "truth": i,
                "prediction": j,
                "count": n,
                "share_of_truth": n / rows[i],
                "share_of_prediction": n / columns[j],
                "examples": list(self.examples.get(cell, ())),
            }
            for cell, (i, j, n) in enumerate(
                zip(self.truth.tolist(), self.predicted.tolist(), self.count.tolist(), strict=True)
            )
        ]
        return {
            "iou_threshold": self.iou_threshold,
            "score_threshold": self.score_threshold,
            "classes": [
                {"category_id": i, "name": name, "truths": int(rows[k]), "detections": int(columns[k])}
                for k, (i, name) in enumerate(self.classes)
            ],
            "background": background,
            "cells": cells,
            "top": [
                {
                    "truth": names[self.truth[cell]],
                    "prediction": names[self.predicted[cell]],
                    "count": cells[cell]["count"],
                    "share_of_truth": cells[cell]["share_of_truth"],
                    "cell": cell,
                }
                for cell in self.top()
            ],
            "left_out": dict(self.left_out),
        }


def analyse(result: Evaluation, settings: Settings) -> Confusion:
    """The confusion matrix at the operating point: every truth and every kept detection is counted once.

    Detections with `score >=` the threshold are kept. First the result's own matches within a class: they are the
    diagonal, which so equals the true positives of the precision-recall curve at that threshold. Then, of what is
    left, each detection, highest score first, takes the free truth of another class that it overlaps most, by at
    least the overlap threshold. Then the rest: missed truths go to the background column, detections without truth
    to the background row.

    Parameters
    ----------
    result : Evaluation
        Scored with `with_partners=True`.
    settings : Settings
        `score_threshold`, `iou_threshold`, `beta` and `examples` are read.

    Returns
    -------
    Confusion

    Raises
    ------
    UsageError
        The overlap threshold is none of the protocol's, or the evaluation kept no partners.
    """
    t = reference(result, settings)
    boxes, threshold = boxes_at(result, t), operating_point(result, settings)
    score = result.detections.score
    above = score >= threshold
    kept = above & ((boxes.outcome == TRUE) | (boxes.outcome == FALSE))
    gt, dt = _assigned(result, boxes, kept)
    classes = tuple(class_names(result.truth.categories, result.scored.layout))
    size = len(classes) + 1
    row = np.where(gt >= 0, boxes.gt_class[gt] if len(boxes.gt_class) else 0, len(classes))
    column = np.where(dt >= 0, boxes.dt_class[dt] if len(boxes.dt_class) else 0, len(classes))
    code = row * size + column
    cells, count = np.unique(code, return_counts=True)
    return Confusion(
        boxes.iou_threshold,
        threshold,
        classes,
        cells // size,
        cells % size,
        count.astype(np.int64),
        _examples(result, gt, dt, np.searchsorted(cells, code), count, settings.examples),
        {
            "truths_ignored": int(np.count_nonzero(~boxes.counts)),
            "detections_ignored": int(np.count_nonzero(above & (boxes.outcome == IGNORED))),
            "detections_below_threshold": int(np.count_nonzero(~above)),
            "detections_unscored": int(np.count_nonzero(above & (boxes.outcome > IGNORED))),
        },
        settings.examples,
    )


def _assigned(result: Evaluation, boxes: Boxes, kept: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of truth and detection of every entry of the matrix, -1 for background."""
    same = np.flatnonzero(kept & (boxes.outcome == TRUE))
    free_gt = boxes.counts.copy()
    free_gt[boxes.partner[same]] = False
    free_dt = kept & (boxes.outcome == FALSE)
    pairs = pairs_of(result, boxes.limit, dt=free_dt, gt=free_gt)
    # A second hit of the right class is no confusion (the rule of Pascal VOC leaves such pairs).
    pairs = pairs.where(boxes.dt_class[pairs.dt] != boxes.gt_class[pairs.gt])
    crossed = _crossed(pairs, result.detections.score, len(free_gt))
    free_gt[crossed.gt] = False
    free_dt[crossed.dt] = False
    missed, spurious = np.flatnonzero(free_gt), np.flatnonzero(free_dt)
    gt = np.concatenate([boxes.partner[same], crossed.gt, missed, np.full(len(spurious), -1)])
    dt = np.concatenate([same, crossed.dt, np.full(len(missed), -1), spurious])
    return gt, dt


def _crossed(pairs: Pairs, score: NDArray[np.float64], truths: int) -> Pairs:
    """The pairs that come together, highest score first; of equal scores the detection that stands first."""
    pairs = pairs.where(np.argsort(-score[pairs.dt], kind="stable"))
    return pairs.where(claim(pairs.dt, pairs.gt, pairs.iou, truths))


def _examples(
    result: Evaluation,
    gt: NDArray[np.int64],
    dt: NDArray[np.int64],
    cell: NDArray[np.int64],
    count: NDArray[np.int64],
    most: int,
) -> dict[int, tuple[dict[str, Any], ...]]:
    """Some cases of each cell: the first of every cell before the second of any, while there is room."""
    detections, rows = result.detections, result.truth.annotations
    weight = np.zeros(len(cell))
    weight[dt >= 0] = detections.score[dt[dt >= 0]]
    weight[dt < 0] = rows.area[gt[dt < 0]]
    order = np.lexsort((-weight, cell))
    rank = ranks(cell[order])
    order, rank = order[rank < most], rank[rank < most]
    chosen = order[np.lexsort((-count[cell[order]], rank))][:MOST_EXAMPLES]
    found: dict[int, list[dict[str, Any]]] = {}
    for n in chosen.tolist():
        g, d = int(gt[n]), int(dt[n])
        image = int(rows.image_index[g] if g >= 0 else detections.image_index[d])
        case = {**image_values(result, image), **truth_values(result, g), **detection_values(detections, d)}
        found.setdefault(int(cell[n]), []).append(case)
    return {key: tuple(cases) for key, cases in found.items()}
