"""Average precision of a part of an evaluation: engine outcomes, accumulated over some detections and truths only.

A part of the images takes the outcomes as they are, since no detection knows of another image. A part of the objects
is matched anew, with its own property in the place of the area: truths outside are ignored, and so are detections that
match them or that match nothing and lie outside themselves.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.evaluation.engine import MatchColumns
from detkit.evaluation.overlaps import cell_overlaps
from detkit.evaluation.protocols import Metric, Protocol
from detkit.evaluation.result import Evaluation, metric_rows, metric_value

__all__ = ["Averages", "Outcomes", "Rematching"]

Index = NDArray[np.int64]
Mask = NDArray[np.bool_]
#: For each class (1, T, D_k) uint8, as the engine gives them for one area range.
Outcomes = tuple[NDArray[np.uint8], ...]


class Averages:
    """The headline metric and AP50 of any part of an evaluation.

    Parameters
    ----------
    result : Evaluation

    Attributes
    ----------
    headline : str
        Name of the protocol's first metric.
    """

    def __init__(self, result: Evaluation) -> None:
        scored, protocol = result.scored, result.protocol
        layout = scored.layout
        # The reference looks caps up by name; apart from that the largest is the one that is read.
        caps = protocol.max_detections if protocol.strict_parity else protocol.max_detections[-1:]
        self._protocol = replace(protocol, area_ranges=protocol.area_ranges[:1], max_detections=caps)
        self._rows = _rows(protocol)
        self.headline = self._rows[0].name
        self._scored, self._classes = scored, len(layout.classes)
        self._own = tuple(matched.outcome[:1] for matched in scored.matched)
        self._places = [layout.detections_of(k) for k in range(self._classes)]
        score = result.detections.score[layout.dt_row]
        self._score = [score[place] for place in self._places]
        self._image = result.detections.image_index[layout.dt_row]
        self._gt_row = layout.gt_row
        self._gt_class = np.repeat(
            np.arange(self._classes), [layout.truths_of(k).stop - layout.truths_of(k).start for k in self._range()]
        )

    def _range(self) -> range:
        return range(self._classes)

    def of(
        self, truths: Mask, *, images: Mask | None = None, outcomes: Outcomes | None = None
    ) -> tuple[float | None, float | None]:
        """The headline metric and AP50, means over classes as the protocol takes them.

        Parameters
        ----------
        truths : (G,) bool
            Rows of the annotations table that count.
        images : (I,) bool, optional
            Images whose detections take part; by default all.
        outcomes : Outcomes, optional
            Those of objects matched anew; by default the evaluation's own.

        Returns
        -------
        tuple of (float or None)
            None where no class has a truth, or where the protocol does not match at 0.5.
        """
        found = self._own if outcomes is None else outcomes
        kept = None if images is None else images[self._image]
        counts = np.bincount(self._gt_class[truths[self._gt_row]], minlength=self._classes)
        protocol = self._protocol
        caps, recalls = np.array(protocol.max_detections), np.array(protocol.recall_thresholds)
        shape = (len(protocol.iou_thresholds), len(recalls) or 1, self._classes, 1, len(caps))
        precision = np.full(shape, -1.0)
        for k in np.flatnonzero(counts).tolist():
            order, place = self._scored.order[k], self._places[k]
            if kept is not None:
                order = order[kept[place][order]]
            rank = self._scored.layout.dt_rank[place]
            arrays = protocol.accumulate(
                order, self._score[k], rank, found[k], counts[k : k + 1].astype(np.int64), caps, recalls
            )
            precision[:, :, k] = arrays[0]
        part = replace(self._scored, precision=precision)
        first, half = (None if row is None else metric_value(row, protocol, part) for row in self._rows)
        return first, half


class Rematching:
    """Outcomes under other ranges than those of areas.

    Parameters
    ----------
    result : Evaluation
    jobs : int, optional
        Threads; by default one a processor.
    """

    def __init__(self, result: Evaluation, jobs: int | None) -> None:
        self._result, self._jobs = result, jobs
        self._columns = MatchColumns(result.truth, result.detections, result.protocol, result.scored.layout)
        self._compare = cell_overlaps(result.truth, result.detections, result.protocol)

    def areas(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(G,) and (D,) float64: areas as the protocol holds them against its ranges, NaN where nothing is scored."""
        result, layout = self._result, self._result.scored.layout
        truths, found = np.full(len(result.truth.annotations), np.nan), np.full(len(result.detections), np.nan)
        truths[layout.gt_row], found[layout.dt_row] = self._columns.gt_area, self._columns.dt_area
        return truths, found

    def outcomes(self, truth_bin: Index, detection_bin: Index, count: int) -> list[Outcomes]:
        """Outcomes for each of `count` bins when truths of other bins are ignored.

        Parameters
        ----------
        truth_bin : (G,) int64
            Bin of each truth, -1 for none.
        detection_bin : (D,) int64
        count : int

        Returns
        -------
        list of Outcomes
        """
        layout, whole = self._result.scored.layout, self._result.protocol.area_ranges[0]
        columns = copy.copy(self._columns)
        columns.gt_area = _within(truth_bin[layout.gt_row], columns.gt_area, whole.low, whole.high)
        columns.dt_area = _within(detection_bin[layout.dt_row], columns.dt_area, whole.low, whole.high)
        ranges = np.repeat(np.arange(count, dtype=np.float64), 2).reshape(-1, 2)

        def one(k: int) -> NDArray[np.uint8]:
            return columns.match(k, self._compare, ranges, False).outcome

        with ThreadPoolExecutor(self._jobs or os.cpu_count() or 1) as pool:
            found = list(pool.map(one, range(len(layout.classes))))
        return [tuple(outcome[n : n + 1] for outcome in found) for n in range(count)]


def _within(bins: Index, area: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    """The bins as the matching takes areas: no bin where the protocol's widest range leaves the box out."""
    return np.where((area >= low) & (area <= high), bins, -1).astype(np.float64)


def _rows(protocol: Protocol) -> tuple[Metric, Metric | None]:
    rows: Sequence[Any] = metric_rows(protocol)
    half = next((row for row in rows if row.name == "AP50"), Metric("AP50", "AP", iou=0.5))
    return rows[0], half if 0.5 in protocol.iou_thresholds else None
