"""What became of every box at one overlap, and which boxes lie near each other whatever their classes.

Everything here is indexed by table row (`result.detections`, `result.truth.annotations`): rows are sorted by image, and
within an image they stand in file order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detkit.errors import UsageError
from detkit.evaluation.overlaps import CellOverlap, cell_overlaps
from detkit.evaluation.protocols import Protocol
from detkit.evaluation.result import Evaluation
from detkit.kernels.cross import near_pairs
from detkit.kernels.match import TRUE
from detkit.tables import Detections

__all__ = ["BACKGROUND", "UNSCORED", "Boxes", "Pairs", "boxes_at", "least_overlap", "pairs_of", "starts_of"]

#: Overlaps below this mean nothing (TIDE's background threshold).
BACKGROUND = 0.1
#: Outcome of a detection that was not scored: beyond the largest cap, or of a class not judged in its image.
UNSCORED = 3

Index = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Boxes:
    """Every detection and truth with what became of it at one overlap threshold, all areas, the largest cap.

    Parameters
    ----------
    iou_threshold : float
        As the protocol states it.
    limit : float
        Least overlap of a match, as the matching takes it.
    dt_class, gt_class : (D,), (G,) int64
        Places in the class order of the result (`per_class`).
    outcome : (D,) uint8
        `FALSE`, `TRUE`, `IGNORED` (see `detkit.kernels.match`) or `UNSCORED`.
    partner : (D,) int64
        Row of the truth that a TRUE detection found, else -1.
    counts : (G,) bool
        Truths that are scored: neither crowd nor ignored.
    found_by : (G,) int64
        Row of the detection that found the truth, at any score, else -1.
    """

    iou_threshold: float
    limit: float
    dt_class: Index
    gt_class: Index
    outcome: NDArray[np.uint8]
    partner: Index
    counts: Mask
    found_by: Index


@dataclass(frozen=True, eq=False)
class Pairs:
    """Detections and truths of one image that overlap enough, by detection row, then by truth row.

    Parameters
    ----------
    dt, gt : (P,) int64
        Rows.
    iou : (P,) float64
    """

    dt: Index
    gt: Index
    iou: NDArray[np.float64]

    def where(self, chosen: Mask | Index) -> Pairs:
        """The pairs of a mask, or at these places."""
        return Pairs(self.dt[chosen], self.gt[chosen], self.iou[chosen])


def least_overlap(protocol: Protocol, t: int) -> float:
    """Least overlap of a match at the protocol's threshold `t`, as the matching kernels take it.

    Parameters
    ----------
    protocol : Protocol
    t : int
        Position in `iou_thresholds`.

    Returns
    -------
    float
    """
    limit = float(protocol.matching_thresholds()[t])
    return min(limit, 1 - 1e-10) if protocol.match_rule == "greedy" else limit


def boxes_at(result: Evaluation, t: int) -> Boxes:
    """Every box with what became of it at one overlap threshold.

    Parameters
    ----------
    result : Evaluation
        Scored with `with_partners=True`.
    t : int
        Position in `iou_thresholds`.

    Returns
    -------
    Boxes

    Raises
    ------
    UsageError
        The evaluation kept no partners.
    """
    layout, matched = result.scored.layout, result.scored.matched
    if any(not m.partners.shape[0] for m in matched):
        raise UsageError("the evaluation did not keep who matched whom", hint="evaluate with `with_partners=True`")
    dt_count, gt_count = len(result.detections), len(result.truth.annotations)
    scored = np.concatenate([m.outcome[0, t] for m in matched]) if matched else np.empty(0, np.uint8)
    outcome = np.full(dt_count, UNSCORED, np.uint8)
    outcome[layout.dt_row] = scored
    hits = np.flatnonzero(scored == TRUE)
    in_cell = np.concatenate([m.partners[0, t] for m in matched]) if matched else np.empty(0, np.int32)
    cell_start = np.repeat(layout.gt_starts[:-1], np.diff(layout.dt_starts))
    partner, found_by = np.full(dt_count, -1, np.int64), np.full(gt_count, -1, np.int64)
    partner[layout.dt_row[hits]] = layout.gt_row[cell_start[hits] + in_cell[hits]]
    # Backwards, so that the highest score of a cell is what stays.
    found = layout.dt_row[hits][::-1]
    found_by[partner[found]] = found
    counts = np.zeros(gt_count, np.bool_)
    counts[layout.gt_row] = np.concatenate([~m.gt_ignored[0] for m in matched]) if matched else np.empty(0, np.bool_)
    place = _class_places(result)
    return Boxes(
        result.protocol.iou_thresholds[t],
        least_overlap(result.protocol, t),
        place[result.detections.category_index],
        place[result.truth.annotations.category_index],
        outcome,
        partner,
        counts,
        found_by,
    )


def pairs_of(result: Evaluation, least: float, *, dt: Mask, gt: Mask, detections: Detections | None = None) -> Pairs:
    """Detections and truths of one image that overlap by at least `least`, by the result's own kind of overlap.

    Parameters
    ----------
    result : Evaluation
    least : float
        More than 0.
    dt : (D,) bool
        Detections that are looked at.
    gt : (G,) bool
        Truths that are looked at; no crowds.
    detections : Detections, optional
        Others than those of the result, aligned to its truth.

    Returns
    -------
    Pairs
    """
    truth = result.truth
    found = result.detections if detections is None else detections
    dt_rows, gt_rows = np.flatnonzero(dt), np.flatnonzero(gt)
    dt_starts = starts_of(found.image_index[dt_rows], len(truth.images))
    gt_starts = starts_of(truth.annotations.image_index[gt_rows], len(truth.images))
    compare = cell_overlaps(truth, found, result.protocol)
    if compare is None:
        boxes = found.xywh[dt_rows], truth.annotations.xywh[gt_rows]
        first, second, iou = near_pairs(*boxes, dt_starts, gt_starts, least)
        return Pairs(dt_rows[first], gt_rows[second], iou)
    return _compared(compare, dt_rows, gt_rows, dt_starts, gt_starts, least)


def _compared(
    compare: CellOverlap, dt_rows: Index, gt_rows: Index, dt_starts: Index, gt_starts: Index, least: float
) -> Pairs:
    none = np.empty(0, np.int64)
    parts: list[tuple[Index, Index, NDArray[np.float64]]] = [(none, none, np.empty(0))]
    for n in np.flatnonzero((np.diff(dt_starts) > 0) & (np.diff(gt_starts) > 0)).tolist():
        dt = dt_rows[dt_starts[n] : dt_starts[n + 1]]
        gt = gt_rows[gt_starts[n] : gt_starts[n + 1]]
        overlap = compare(dt, gt)
        i, j = np.nonzero(overlap >= least)
        parts.append((dt[i], gt[j], overlap[i, j]))
    first, second, iou = zip(*parts, strict=True)
    return Pairs(np.concatenate(first), np.concatenate(second), np.concatenate(iou))


def starts_of(image: Index, count: int) -> Index:
    """Where the rows of each image begin.

    Parameters
    ----------
    image : (N,) int64
        Image of each row, ascending.
    count : int
        Number of images.

    Returns
    -------
    (count + 1,) int64
        Image i holds rows `starts[i]:starts[i + 1]`.
    """
    return np.searchsorted(image, np.arange(count + 1))


def _class_places(result: Evaluation) -> Index:
    """Category position -> place in the class order; all 0 when classes are not told apart."""
    classes = result.scored.layout.classes
    places = np.zeros(len(result.truth.categories), np.int64)
    if result.protocol.class_wise:
        places[classes] = np.arange(len(classes))
    return places
