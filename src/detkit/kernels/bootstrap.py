"""Average precision and recall again and again, each time with other weights on the images.

Detections are matched and sorted once. A weight w stands for w copies of an image side by side, in its place: true
positives count w times, so do false positives and truths. Where several detections of one image have one score, their
copies follow each other copy by copy, as they would in a file that holds the image w times.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.kernels._groups import largest
from detkit.kernels._jit import jit, readonly

__all__ = ["EVENT_IGNORED", "EVENT_TIED", "EVENT_TRUE", "Stream", "weighted_averages", "weighted_counts"]

EVENT_TRUE, EVENT_IGNORED, EVENT_TIED = 0, 1, 2
_EPSILON = float(np.spacing(1))


@dataclass(frozen=True, eq=False)
class Stream:
    """The detections of all classes that one area range and one cap let count, in score order.

    Parameters
    ----------
    starts : (K + 1,) int64
        Class k holds detections `starts[k]:starts[k + 1]`.
    image : (N,) uint32
        Place of each detection's weight.
    tie : (N,) uint32
        Where the run of detections of one image with one score begins that a detection belongs to.
    event : (E,) uint32
        Detections that are not plainly false positives, threshold by threshold, ascending.
    kind : (E,) uint8
        `EVENT_TRUE` or `EVENT_IGNORED`; with `EVENT_TIED` added where the run is longer than one.
    event_starts : (T * K + 1,) int64
        Threshold t and class k hold events `event_starts[t * K + k]:event_starts[t * K + k + 1]`.
    """

    starts: NDArray[np.int64]
    image: NDArray[np.integer]
    tie: NDArray[np.integer]
    event: NDArray[np.integer]
    kind: NDArray[np.uint8]
    event_starts: NDArray[np.int64]

    def __post_init__(self) -> None:
        kinds = {"starts": np.int64, "event_starts": np.int64, "kind": np.uint8}
        for name in ("starts", "image", "tie", "event", "kind", "event_starts"):
            object.__setattr__(self, name, readonly(getattr(self, name), kinds.get(name, np.uint32)))


@jit
def _counts(image: Any, times: Any, starts: Any, weights: Any, out: Any) -> None:
    for k in range(starts.shape[0] - 1):
        for c in range(weights.shape[0]):
            total = 0
            for i in range(starts[k], starts[k + 1]):
                total += weights[c, image[i]] * times[i]
            out[c, k] = total


@jit
def _averages(
    starts: Any,
    image: Any,
    tie: Any,
    event: Any,
    kind: Any,
    event_starts: Any,
    weights: Any,
    truths: Any,
    recalls: Any,
    before: Any,
    reached: Any,
    precision: Any,
    steps: Any,
    average: Any,
) -> None:
    # `before`, `reached`, `precision`, `steps`: room for the longest class. `reached` is how many recalls are reached
    # with so many true positives; without recalls every true positive is one, and the sum over them is the area under
    # the curve.
    classes, thresholds = starts.shape[0] - 1, average.shape[1]
    before[0] = 0
    for k in range(classes):
        first = starts[k]
        for c in range(weights.shape[0]):
            objects = truths[c, k]
            if objects == 0:
                for t in range(thresholds):
                    average[c, t, k] = -1.0
                continue
            for n in range(starts[k + 1] - first):
                before[n + 1] = before[n] + weights[c, image[first + n]]
            r = 0
            for n in range(objects + 1):
                while r < recalls.shape[0] and recalls[r] <= n / objects:
                    r += 1
                reached[n] = r if recalls.shape[0] > 0 else n
            for t in range(thresholds):
                tp, ignored, points = 0, 0, 0
                behind = 0.0
                e, last = event_starts[t * classes + k], event_starts[t * classes + k + 1]
                while e < last:
                    d = event[e]
                    weight = weights[c, image[d]]
                    if kind[e] < EVENT_TIED or weight <= 1:
                        # Also with weight 0: such a point lies below and behind the one before it.
                        if kind[e] & EVENT_IGNORED:
                            ignored += weight
                        else:
                            tp += weight
                            precision[points] = tp / (float(before[d - first + 1] - ignored) + _EPSILON)
                            steps[points] = reached[min(tp, objects)] - behind
                            behind = reached[min(tp, objects)]
                            points += 1
                        e += 1
                        continue
                    run, stop, length = tie[d], e + 1, 1
                    while stop < last and tie[event[stop]] == run:
                        stop += 1
                    while run + length < starts[k + 1] and tie[run + length] == run:
                        length += 1
                    seen = before[run - first] - ignored
                    for _ in range(weight):
                        skipped = 0
                        for j in range(e, stop):
                            if kind[j] & EVENT_IGNORED:
                                skipped += 1
                                continue
                            tp += 1
                            precision[points] = tp / (float(seen + event[j] - run + 1 - skipped) + _EPSILON)
                            steps[points] = reached[min(tp, objects)] - behind
                            behind = reached[min(tp, objects)]
                            points += 1
                        seen += length - skipped
                        ignored += skipped
                    e = stop
                best, total = 0.0, 0.0
                for i in range(points - 1, -1, -1):
                    best = precision[i] if precision[i] > best else best
                    total += best * steps[i]
                average[c, t, k] = total / (recalls.shape[0] if recalls.shape[0] > 0 else objects)


def weighted_counts(
    image: NDArray[np.int32], times: NDArray[np.uint16], starts: NDArray[np.int64], weights: NDArray[np.int32]
) -> NDArray[np.int64]:
    """Sums of weights over runs of boxes.

    Parameters
    ----------
    image : (N,) int32
        Place of each box's weight.
    times : (N,) uint16
        How often each box counts.
    starts : (K + 1,) int64
        Run k is `image[starts[k]:starts[k + 1]]`.
    weights : (C, I) int32
        A row for each replicate.

    Returns
    -------
    (C, K) int64
    """
    out = np.zeros((len(weights), len(starts) - 1), np.int64)
    _counts(
        readonly(image, np.uint32),
        readonly(times, np.uint16),
        readonly(starts, np.int64),
        readonly(weights, np.int32),
        out,
    )
    return out


def weighted_averages(
    stream: Stream,
    weights: NDArray[np.int32],
    truths: NDArray[np.int64],
    recall_thresholds: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Average precision of each class at each overlap threshold.

    Parameters
    ----------
    stream : Stream
    weights : (C, I) int32
        How often each image counts, a row for each replicate; 0 leaves it out.
    truths : (C, K) int64
        Weighted number of truths that count.
    recall_thresholds : (R,) float64
        Ascending: the average is the mean of the interpolated precision there. Empty: it is the area under the
        monotone curve.

    Returns
    -------
    (C, T, K) float64
        -1 where a class has no truth that counts.

    Notes
    -----
    Equal to accumulating over a data set in which each image is repeated as often as its weight says, up to the order
    of summation. Source: pycocotools 2.0.11, cocoeval.py, accumulate; VOCdevkit, VOCap.m.
    """
    classes = len(stream.starts) - 1
    thresholds = (len(stream.event_starts) - 1) // classes if classes else 0
    average = np.empty((len(weights), thresholds, classes))
    if not average.size:
        return average
    most_points = largest(stream.event_starts) * max(1, int(weights.max(initial=1))) + 1
    _averages(
        stream.starts,
        stream.image,
        stream.tie,
        stream.event,
        stream.kind,
        stream.event_starts,
        readonly(weights, np.int32),
        readonly(truths, np.int64),
        readonly(recall_thresholds, np.float64),
        np.zeros(largest(stream.starts) + 1, np.int64),
        np.zeros(int(truths.max()) + 1),
        np.empty(most_points),
        np.empty(most_points),
        average,
    )
    return average
