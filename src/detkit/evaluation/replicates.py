"""Metrics of an evaluation under other image weights: sorted once, accumulated as often as asked."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detkit.errors import UsageError
from detkit.evaluation import averaging
from detkit.evaluation.outcomes import Outcomes
from detkit.evaluation.protocols import Metric, Protocol
from detkit.evaluation.result import place_of
from detkit.kernels.bootstrap import EVENT_IGNORED, EVENT_TIED, EVENT_TRUE, Stream, weighted_averages, weighted_counts
from detkit.kernels.match import FALSE, IGNORED, TRUE

__all__ = ["Draw", "Replicates", "Resampler", "bootstrap_draw", "permutation_draw", "repeat"]

Array = NDArray[np.float64]
Weights = NDArray[np.int32]
#: Number of a replicate -> weights.
Draw = Callable[[int], Weights]
#: Numbers of replicates -> arrays with a row for each.
Replicates = Callable[[range], Sequence[Array]]
#: Replicates that a thread takes at a time; no result depends on it.
_CHUNK = 16
_BOOTSTRAP, _PERMUTATION = 0, 1


class Resampler:
    """Metrics of one model's outcomes under any weights of the images.

    Parameters
    ----------
    outcomes : Outcomes
    rows : sequence of Metric
        Computed over all classes.
    class_rows : sequence of Metric
        Computed class by class.
    """

    def __init__(self, outcomes: Outcomes, rows: Sequence[Metric], class_rows: Sequence[Metric] = ()) -> None:
        protocol = outcomes.protocol
        self._classes, self._thresholds = len(outcomes.classes), len(protocol.iou_thresholds)
        self._recalls = _recall_points(protocol)
        self._rows = [_place(row, outcomes) for row in rows]
        self._class_rows = [_place(row, outcomes) for row in class_rows]
        places = [p for p in (*self._rows, *self._class_rows) if p is not None]
        order = _by_score(outcomes)
        self._truths = {a: _truths(outcomes, a) for a in {p.area for p in places}}
        self._streams: dict[tuple[int, int], Stream] = {}
        self._hits: dict[_Place, _Boxes] = {}
        for p in places:
            at = (p.area, p.cap)
            if p.is_precision and at not in self._streams:
                self._streams[at] = _stream(outcomes, order, p.area, protocol.max_detections[p.cap])
            if not p.is_precision and p not in self._hits:
                self._hits[p] = _hits(outcomes, p, protocol.max_detections[p.cap])

    def metrics(self, truths: Weights, detections: Weights) -> tuple[Array, Array]:
        """Metrics of data sets in which images are repeated.

        Parameters
        ----------
        truths, detections : (C, I) int32
            How often each image counts in each replicate, by the places that truths and detections name; the same, as
            a rule.

        Returns
        -------
        overall : (C, rows) float64
            NaN where undefined.
        per_class : (C, class rows, K) float64
        """
        counts = {a: weighted_counts(*boxes, truths) for a, boxes in self._truths.items()}
        averages = {
            (a, m): weighted_averages(stream, detections, counts[a], self._recalls)
            for (a, m), stream in self._streams.items()
        }

        def values(place: _Place) -> Array:
            if place.is_precision:
                return place.values(averages[place.area, place.cap])
            objects, width = counts[place.area], self._thresholds if place.threshold is None else 1
            hits = weighted_counts(*self._hits[place], detections)
            return place.of_classes(np.where(objects > 0, hits / np.maximum(objects * width, 1), -1.0)[:, None])

        overall = np.full((len(truths), len(self._rows)), np.nan)
        per_class = np.full((len(truths), len(self._class_rows), self._classes), np.nan)
        for n, place in enumerate(self._rows):
            if place is not None:
                overall[:, n] = _defined_mean(values(place), (1, 2))
        for n, place in enumerate(self._class_rows):
            if place is not None:
                per_class[:, n] = _defined_mean(values(place), (1,))
        return overall, per_class


def bootstrap_draw(seed: int, images: int, group_of: NDArray[np.int64] | None) -> Draw:
    """Weights of images drawn with replacement, as many as there are; or of groups of images.

    Parameters
    ----------
    seed : int
        Replicate r draws from a stream of its own (PCG64 seeded by the seed and r), whichever thread computes it.
    images : int
    group_of : (I,) int64, optional
        Group of each image, from 0 without gaps: whole groups are drawn.

    Returns
    -------
    callable
        Number of a replicate -> (I,) int32.
    """
    units = images if group_of is None else int(group_of.max(initial=-1)) + 1

    def draw(replicate: int) -> Weights:
        rng = _generator(seed, _BOOTSTRAP, replicate)
        counts = np.bincount(rng.integers(0, units, units), minlength=units).astype(np.int32)
        return counts if group_of is None else counts[group_of]

    return draw


def permutation_draw(seed: int, images: int, group_of: NDArray[np.int64] | None) -> Draw:
    """For each image (or group of images) whether two models change places, by a fair coin.

    Parameters
    ----------
    seed : int
    images : int
    group_of : (I,) int64, optional

    Returns
    -------
    callable
        Number of a permutation -> (I,) int32 of 0 and 1.
    """
    units = images if group_of is None else int(group_of.max(initial=-1)) + 1

    def draw(replicate: int) -> Weights:
        coins = _generator(seed, _PERMUTATION, replicate).integers(0, 2, units, dtype=np.int32)
        return coins if group_of is None else coins[group_of]

    return draw


def repeat(replicates: Replicates, count: int, jobs: int | None = None) -> list[Array]:
    """Results of all replicates; threads share them.

    Parameters
    ----------
    replicates : callable
        Numbers of replicates -> arrays with a row for each.
    count : int
    jobs : int, optional
        Threads; by default one a processor.

    Returns
    -------
    list of (count, ...) float64
        One for each array that is returned.
    """
    chunks = [range(first, min(first + _CHUNK, count)) for first in range(0, count, _CHUNK)]
    with ThreadPoolExecutor(jobs or os.cpu_count() or 1) as pool:
        return [np.concatenate(parts) for parts in zip(*pool.map(replicates, chunks), strict=True)]


def _generator(seed: int, purpose: int, replicate: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(purpose, replicate)))


class _Boxes(NamedTuple):
    """Boxes class after class.

    `image` (N,) int32 is the place of each one's weight, `times` (N,) uint16 how often it counts; class k holds
    `starts[k]:starts[k + 1]`.
    """

    image: NDArray[np.int32]
    times: NDArray[np.uint16]
    starts: NDArray[np.int64]


@dataclass(frozen=True)
class _Place:
    """Where a metric is read off: area range, cap and, for a metric of one overlap, the threshold."""

    area: int
    cap: int
    threshold: int | None
    is_precision: bool
    classes: tuple[int, ...] | None

    def values(self, found: Array) -> Array:
        """(C, T or 1, K) float64 with -1 where undefined; K are the classes that the metric speaks of."""
        return self.of_classes(found if self.threshold is None else found[:, self.threshold : self.threshold + 1])

    def of_classes(self, values: Array) -> Array:
        """The last axis cut to the classes that the metric speaks of."""
        return values if self.classes is None else values[..., list(self.classes)]


def _place(row: Metric, outcomes: Outcomes) -> _Place | None:
    """Where a row is read off; None where it is undefined under these settings, or does not come from outcomes."""
    place = place_of(row, outcomes.protocol)
    if place is None or row.statistic in ("P", "R"):
        return None
    classes = None if row.group is None else outcomes.groups.get(row.group, ())
    return _Place(*place, row.statistic == "AP", classes)


def _recall_points(protocol: Protocol) -> Array:
    """Recalls at which the protocol reads precision off; empty where it takes the area under the curve."""
    if protocol.accumulate is averaging.interpolated:
        return np.array(protocol.recall_thresholds, dtype=np.float64)
    if protocol.accumulate is averaging.eleven_point:
        return np.arange(0.0, 1.1, 0.1)
    if protocol.accumulate is averaging.area_under_curve:
        return np.empty(0)
    name = protocol.accumulate.__name__
    raise UsageError(f"protocol `{protocol.name}` accumulates by `{name}`: no intervals can be computed for it")


def _by_score(outcomes: Outcomes) -> NDArray[np.int64]:
    """Class after class, highest score first, ties in the order of images and ranks."""
    order = np.argsort(-outcomes.dt_score, kind="stable")
    return order[np.argsort(outcomes.dt_class[order], kind="stable")]


def _truths(outcomes: Outcomes, area: int) -> _Boxes:
    """The truths that count."""
    counted = np.flatnonzero(~outcomes.gt_ignored[area])
    order = counted[np.argsort(outcomes.gt_class[counted], kind="stable")]
    return _Boxes(
        outcomes.gt_image[order],
        np.ones(len(order), np.uint16),
        _starts(outcomes.gt_class[order], len(outcomes.classes)),
    )


def _stream(outcomes: Outcomes, order: NDArray[np.int64], area: int, cap: int) -> Stream:
    """What the kernel walks through: only detections that can change an average.

    Left out are those beyond the cap, those ignored at every threshold, and the false positives below the last true
    positive of their class. Those that tie with it in its image stay: repeated, they stand between its copies.
    """
    outcome, category = outcomes.outcome[area][:, order], outcomes.dt_class[order]
    within = outcomes.dt_rank[order] < cap
    run = np.cumsum(_is_first(outcomes, order))
    hit = (outcome == TRUE).any(axis=0) & within
    last = np.full(len(outcomes.classes), -1)
    last[category[hit]] = run[hit]
    kept = (outcome != IGNORED).any(axis=0) & within & (run <= last[category])
    outcome, category, order = outcome[:, kept], category[kept], order[kept]
    is_first = _is_first(outcomes, order)
    is_tied = ~is_first
    is_tied[:-1] |= ~is_first[1:]
    threshold, event = np.nonzero(outcome != FALSE)
    kind = np.where(outcome[threshold, event] == TRUE, EVENT_TRUE, EVENT_IGNORED) + EVENT_TIED * is_tied[event]
    classes = len(outcomes.classes)
    return Stream(
        starts=_starts(category, classes),
        image=outcomes.dt_image[order],
        tie=np.maximum.accumulate(np.where(is_first, np.arange(len(order)), 0)),
        event=event,
        kind=kind.astype(np.uint8),
        event_starts=_starts(threshold * classes + category[event], len(outcome) * classes),
    )


def _is_first(outcomes: Outcomes, order: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether a detection is of another class, image or score than the one before it."""
    first = np.ones(len(order), np.bool_)
    for column in (outcomes.dt_class, outcomes.dt_image, outcomes.dt_score):
        values = column[order]
        first[1:] &= values[1:] == values[:-1]
    first[1:] = ~first[1:]
    return first


def _hits(outcomes: Outcomes, place: _Place, cap: int) -> _Boxes:
    """The true positives, each as often as there are thresholds at which it is one."""
    outcome = outcomes.outcome[place.area]
    if place.threshold is not None:
        outcome = outcome[place.threshold : place.threshold + 1]
    times = (outcome == TRUE).sum(axis=0, dtype=np.uint16)
    found = np.flatnonzero((times > 0) & (outcomes.dt_rank < cap))
    order = found[np.argsort(outcomes.dt_class[found], kind="stable")]
    return _Boxes(outcomes.dt_image[order], times[order], _starts(outcomes.dt_class[order], len(outcomes.classes)))


def _starts(sorted_keys: NDArray[np.integer], count: int) -> NDArray[np.int64]:
    return np.searchsorted(sorted_keys, np.arange(count + 1)).astype(np.int64)


def _defined_mean(values: Array, axis: tuple[int, ...]) -> Array:
    """Mean of the entries that are not -1; NaN where there are none."""
    defined = values > -1
    count = defined.sum(axis=axis)
    total = np.where(defined, values, 0.0).sum(axis=axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
