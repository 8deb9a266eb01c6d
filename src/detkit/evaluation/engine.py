"""Match and accumulate: tables in, arrays out, one class at a time, classes shared by threads."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detkit.evaluation.cells import Layout, lay_out
from detkit.evaluation.overlaps import CellOverlap, cell_overlaps, flat_overlaps
from detkit.evaluation.protocols import Protocol
from detkit.kernels.match import Cells, Matched, match
from detkit.tables import Dataset, Detections

__all__ = ["Scored", "score"]


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
    """

    layout: Layout
    matched: tuple[Matched, ...]
    order: tuple[NDArray[np.int64], ...]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    scores: NDArray[np.float64]
    truths: NDArray[np.int64]


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
    columns = _Columns(truth, detections, protocol, layout)
    ranges = np.array([[a.low, a.high] for a in protocol.area_ranges], dtype=np.float64)
    caps = np.array(protocol.max_detections, dtype=np.int64)
    recalls = np.array(protocol.recall_thresholds, dtype=np.float64)

    def one(k: int) -> tuple[Matched, NDArray[np.int64], tuple[NDArray[np.float64], ...], NDArray[np.int64]]:
        matched = columns.match(k, compare, ranges, with_partners)
        place = layout.detections_of(k)
        scores = columns.dt_score[place]
        order = np.argsort(-scores, kind="stable")
        truths = np.count_nonzero(~matched.gt_ignored, axis=1).astype(np.int64)
        arrays = protocol.accumulate(order, scores, layout.dt_rank[place], matched.outcome, truths, caps, recalls)
        return matched, order, arrays, truths

    count = len(layout.classes)
    with ThreadPoolExecutor(jobs or os.cpu_count() or 1) as pool:
        parts = list(pool.map(one, range(count)))
    areas, thresholds = len(ranges), len(protocol.iou_thresholds)
    width = len(recalls) or 1
    precision = np.full((thresholds, width, count, areas, len(caps)), -1.0)
    scores = np.full_like(precision, -1.0)
    recall = np.full((thresholds, count, areas, len(caps)), -1.0)
    for k, (_, _, arrays, _) in enumerate(parts):
        precision[:, :, k], recall[:, k], scores[:, :, k] = arrays
    return Scored(
        layout,
        tuple(p[0] for p in parts),
        tuple(p[1] for p in parts),
        precision,
        recall,
        scores,
        np.array([p[3] for p in parts], dtype=np.int64).reshape(count, areas),
    )


class _Columns:
    """The columns that matching reads, gathered once into layout order."""

    def __init__(self, truth: Dataset, detections: Detections, protocol: Protocol, layout: Layout) -> None:
        rows, gt, dt = truth.annotations, layout.gt_row, layout.dt_row
        self.layout, self.protocol = layout, protocol
        self.dt_xywh, self.gt_xywh = detections.xywh[dt], rows.xywh[gt]
        self.dt_score = detections.score[dt]
        gt_area = rows.area if protocol.area == "stated" else rows.xywh[:, 2] * rows.xywh[:, 3]
        dt_area = detections.area if protocol.area == "stated" else detections.xywh[:, 2] * detections.xywh[:, 3]
        self.gt_area, self.dt_area = gt_area[gt], dt_area[dt]
        if protocol.at_image_size is not None:
            scale = (protocol.at_image_size / truth.images.sizes.max(axis=1)) ** 2
            self.gt_area = self.gt_area * scale[rows.image_index[gt]]
            self.dt_area = self.dt_area * scale[detections.image_index[dt]]
        ignored = rows.is_crowd if protocol.strict_parity else rows.is_crowd | rows.is_ignored
        if protocol.iou_type == "keypoints" and rows.num_keypoints is not None:
            ignored = ignored | (rows.num_keypoints == 0)
        self.gt_ignored = ignored[gt]
        self.gt_crowd = rows.is_crowd[gt] if protocol.crowds_match_many else np.zeros(len(gt), np.bool_)
        self.gt_uncounted = np.zeros(len(gt), np.bool_)
        if protocol.strict_parity:
            self.gt_uncounted = np.asarray(rows.ids[gt] == 0, dtype=np.bool_)

    def match(self, k: int, compare: CellOverlap | None, ranges: NDArray[np.float64], with_partners: bool) -> Matched:
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
        return match(
            cells,
            protocol.matching_thresholds(),
            ranges,
            rule=protocol.match_rule,
            boxes=(self.dt_xywh[dt], self.gt_xywh[gt]) if compare is None else None,
            overlaps=None if compare is None else flat_overlaps(compare, layout, range(first, last)),
            reference=protocol.reference_threshold,
            with_partners=with_partners,
        )
