"""Match and accumulate: tables in, arrays out, one class at a time, classes shared by threads."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.evaluation.cells import Layout, lay_out
from detkit.evaluation.federated import GROUP_OF, class_groups, contains, partial_cells
from detkit.evaluation.group_of import match_with_groups
from detkit.evaluation.overlaps import CellOverlap, areas_of, cell_overlaps, flat_overlaps
from detkit.evaluation.protocols import Protocol
from detkit.kernels.falling import falling_order
from detkit.kernels.match import FALSE, IGNORED, Cells, Matched, match
from detkit.tables import Dataset, Detections

__all__ = ["MatchColumns", "Scored", "score"]


@dataclass(frozen=True, eq=False)
class Scored:
    """Everything the engine found.

    Parameters
    ----------
    layout : Layout
    matched : tuple of Matched
        For each class of the layout.
    order : tuple of (D_k,) int64
        For each class its detections by score, positions within the class.
    precision : (T, R, K, A, M) float64
        -1 where a class has no truth that counts.
    recall : (T, K, A, M) float64
    scores : (T, R, K, A, M) float64
    truths : (K, A) int64
        Number of truths that count.
    groups : mapping of str to tuple of int
        Places in the class order of each group of classes the protocol knows.
    operating : (2, K) float64, optional
        Precision and recall of each class at the protocol's operating point, -1 where undefined.
    """

    layout: Layout
    matched: tuple[Matched, ...]
    order: tuple[NDArray[np.int64], ...]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    scores: NDArray[np.float64]
    truths: NDArray[np.int64]
    groups: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    operating: NDArray[np.float64] | None = None


def score(
    truth: Dataset,
    detections: Detections,
    protocol: Protocol,
    *,
    jobs: int | None = None,
    with_partners: bool = False,
) -> Scored:
    """Match and accumulate under a protocol.

    Parameters
    ----------
    truth : Dataset
    detections : Detections
        Aligned to the truth's images and classes.
    protocol : Protocol
    jobs : int, optional
        Threads; by default one a processor.
    with_partners : bool
        Keep the partner of every detection at every area range and threshold.

    Returns
    -------
    Scored
    """
    layout = lay_out(truth, detections, protocol)
    compare = cell_overlaps(truth, detections, protocol)
    columns = MatchColumns(truth, detections, protocol, layout)
    ranges = np.array([[a.low, a.high] for a in protocol.area_ranges], dtype=np.float64)
    caps = np.array(protocol.max_detections, dtype=np.int64)
    recalls = np.array(protocol.recall_thresholds, dtype=np.float64)

    # Huge pages serve one large room, where the operating system has them.
    room = np.empty((len(layout.dt_row), len(ranges) * len(protocol.matching_thresholds())), np.uint8)

    count = len(layout.classes)
    areas, thresholds = len(ranges), len(protocol.iou_thresholds)
    precision = np.full((thresholds, len(recalls) or 1, count, areas, len(caps)), -1.0)
    scores = np.full_like(precision, -1.0)
    recall = np.full((thresholds, count, areas, len(caps)), -1.0)

    def one(k: int) -> tuple[Matched, NDArray[np.int64], NDArray[np.int64]]:
        place = layout.detections_of(k)
        matched = columns.match(k, compare, ranges, with_partners, room[place].reshape(-1))
        dt_score = columns.dt_score[place]
        order = falling_order(dt_score)
        truths = np.count_nonzero(~matched.gt_ignored, axis=1).astype(np.int64)
        arrays = protocol.accumulate(order, dt_score, layout.dt_rank[place], matched.outcome, truths, caps, recalls)
        precision[:, :, k], recall[:, k], scores[:, :, k] = arrays
        return matched, order, truths

    with ThreadPoolExecutor(jobs or os.cpu_count() or 1) as pool:
        parts = list(pool.map(one, range(count)))
    return Scored(
        layout,
        tuple(p[0] for p in parts),
        tuple(p[1] for p in parts),
        precision,
        recall,
        scores,
        np.array([p[2] for p in parts], dtype=np.int64).reshape(count, areas),
        class_groups(truth.categories, layout.classes, protocol),
        _operating(protocol, [(columns.dt_score[layout.detections_of(k)], *parts[k]) for k in range(count)]),
    )


def _operating(protocol: Protocol, classes: list[Any]) -> NDArray[np.float64] | None:
    """(2, K) float64: what the protocol's operating point makes of each class, over all areas."""
    if protocol.operating_point is None:
        return None
    t = protocol.reference_threshold
    return protocol.operating_point(
        [(score[order], matched.outcome[0, t, order], int(truths[0])) for score, matched, order, truths in classes]
    )


class MatchColumns:
    """The columns that matching reads, gathered once into layout order."""

    def __init__(self, truth: Dataset, detections: Detections, protocol: Protocol, layout: Layout) -> None:
        rows, gt, dt = truth.annotations, layout.gt_row, layout.dt_row
        self.layout, self.protocol = layout, protocol
        self._boxes = detections.xywh, rows.xywh
        self.dt_score = detections.score.take(dt)
        gt_area, dt_area = areas_of(truth, detections, protocol)
        self.gt_area, self.dt_area = gt_area.take(gt), dt_area.take(dt)
        if protocol.at_image_size is not None:
            scale = (protocol.at_image_size / truth.images.sizes.max(axis=1)) ** 2
            self.gt_area = self.gt_area * scale[rows.image_index[gt]]
            self.dt_area = self.dt_area * scale[detections.image_index[dt]]
        crowds_only = protocol.strict_parity and not protocol.crowds_are_objects
        ignored = rows.is_crowd if crowds_only else rows.is_crowd | rows.is_ignored
        if protocol.iou_type == "keypoints" and rows.num_keypoints is not None:
            ignored = ignored | (rows.num_keypoints == 0)
        self.gt_ignored = ignored[gt]
        self.gt_crowd = rows.is_crowd[gt] if protocol.crowds_match_many else np.zeros(len(gt), np.bool_)
        self.gt_uncounted = np.zeros(len(gt), np.bool_)
        if protocol.strict_parity:
            self.gt_uncounted = np.asarray(rows.ids[gt] == 0, dtype=np.bool_)
        self.gt_group_of: NDArray[np.bool_] | None = None
        if protocol.group_of is not None and GROUP_OF in rows.attributes:
            self.gt_group_of = np.asarray(rows.attributes[GROUP_OF], dtype=np.bool_)[gt]
        partial = partial_cells(truth, protocol)
        self.dt_partial: NDArray[np.bool_] | None = None
        if len(partial):
            own = detections.image_index[dt] * len(truth.categories) + detections.category_index[dt]
            self.dt_partial = contains(partial, own)

    def match(
        self,
        k: int,
        compare: CellOverlap | None,
        ranges: NDArray[np.float64],
        with_partners: bool,
        room: NDArray[np.uint8] | None = None,
    ) -> Matched:
        """What becomes of the detections of class k at each area range and threshold, in a room that may be given."""
        layout, protocol = self.layout, self.protocol
        first, last = int(layout.class_cells[k]), int(layout.class_cells[k + 1])
        dt, gt = layout.detections_of(k), layout.truths_of(k)
        cells = Cells(
            layout.dt_starts[first : last + 1] - dt.start,
            layout.gt_starts[first : last + 1] - gt.start,
            self.dt_area[dt],
            self.gt_area[gt],
            self.gt_ignored[gt],
            self.gt_crowd[gt],
            self.gt_uncounted[gt],
        )
        boxes = self._boxes[0].take(layout.dt_row[dt], axis=0), self._boxes[1].take(layout.gt_row[gt], axis=0)
        group_of = None if self.gt_group_of is None else self.gt_group_of[gt]
        if group_of is not None and group_of.any():
            return self._with_groups(cells, group_of, boxes, ranges, with_partners)
        matched = match(
            cells,
            protocol.matching_thresholds(),
            ranges,
            rule=protocol.match_rule,
            boxes=boxes if compare is None else None,
            overlaps=None if compare is None else flat_overlaps(compare, layout, range(first, last)),
            reference=protocol.reference_threshold,
            with_partners=with_partners,
            room=room,
        )
        if self.dt_partial is not None:
            outcome = matched.outcome
            outcome[(outcome == FALSE) & self.dt_partial[dt]] = IGNORED
        return matched

    def _with_groups(
        self,
        cells: Cells,
        group_of: NDArray[np.bool_],
        boxes: tuple[NDArray[np.float64], NDArray[np.float64]],
        ranges: NDArray[np.float64],
        with_partners: bool,
    ) -> Matched:
        protocol = self.protocol

        def run(some: Cells, truths: NDArray[np.int64]) -> Matched:
            return match(
                some,
                protocol.matching_thresholds(),
                ranges,
                rule=protocol.match_rule,
                boxes=(boxes[0], boxes[1][truths]),
                reference=protocol.reference_threshold,
                with_partners=True,
            )

        counted, at = protocol.group_of == "count", protocol.reference_threshold
        matched = match_with_groups(cells, group_of, run, counted=counted, reference=at)
        return matched if with_partners else replace(matched, partners=matched.partners[:0, :0])
