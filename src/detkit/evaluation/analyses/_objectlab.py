"""How likely each label is right, from confident predictions: the three scores of ObjectLab.

Source: Tkachenko, Thyagarajan, Mueller, "ObjectLab: Automated Diagnosis of Mislabeled Images in Object Detection Data",
ICML Workshop on Data-centric Machine Learning Research 2023 (arXiv:2309.00832), section 3; constants and order of
operations as in cleanlab 2.9.0, cleanlab.object_detection.rank.

A score is 1 for a label that looks right and goes to 0 for one that looks wrong. Two boxes are as similar as a weighted
sum of their overlap and of the closeness of their centres.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from detkit.evaluation.analyses._crossing import starts_of
from detkit.kernels.cross import near_pairs

__all__ = ["CONFIDENT", "LIKELY", "Boxes", "Scores", "image_scores", "joined", "score_labels"]

Index = NDArray[np.int64]
Array = NDArray[np.float64]

#: Score from which a prediction can tell of an overlooked or swapped label; score above which of a loose one.
CONFIDENT, LIKELY = 0.95, 0.5
#: Weight of the overlap in the similarity; the closeness of centres has the rest.
_ALPHA = 0.9
#: Closeness falls by the factor e every ten units of distance.
_PER_UNIT = 0.1
#: Labels of two classes that overlap this much are one object labelled twice.
_SAME_PLACE = 0.95
_TEMPERATURE = 0.1
#: Keeps a score of 0 from becoming the logarithm of 0.
_TINY = 1e-100
_ANY_OVERLAP = float(np.nextafter(0.0, 1.0))
#: Pairs that are looked at together: their arrays stay small.
_CHUNK = 500_000


@dataclass(frozen=True, eq=False)
class Boxes:
    """Boxes of one side, sorted by image.

    Parameters
    ----------
    xywh : (N, 4) float64
    image, category : (N,) int64
    """

    xywh: Array
    image: Index
    category: Index

    @property
    def centre(self) -> Array:
        """(N, 2) float64."""
        return self.xywh[:, :2] + self.xywh[:, 2:] / 2


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of labels and predictions, with the box on the other side that made each.

    Parameters
    ----------
    overlooked : (P,) float64
        Of each prediction; NaN where it tells of no overlooked object.
    swapped, located : (L,) float64
        Of each label: whether its class and whether its place are right.
    swapped_by, located_by : (L,) int64
        Prediction, -1 for none.
    twin : (L,) int64
        Label of another class in the same place, -1 for none: such a label has the lowest swapped score.
    least : float
        The smallest similarity above 0 of any label and prediction.
    """

    overlooked: Array
    swapped: Array
    located: Array
    swapped_by: Index
    located_by: Index
    twin: Index
    least: float


def score_labels(
    labels: Boxes, found: Boxes, score: Array, images: int, confident: float = CONFIDENT, likely: float = LIKELY
) -> Scores:
    """The three scores.

    Parameters
    ----------
    labels, found : Boxes
        Truth without regions of many objects, and predictions.
    score : (P,) float64
        Of the predictions.
    images : int
    confident : float
        A prediction with `score >=` it tells of an overlooked object, with `score >` it of a swapped class.
    likely : float
        A prediction with `score >` it tells of a badly located label.

    Returns
    -------
    Scores
    """
    starts = starts_of(labels.image, images)
    near = near_pairs(found.xywh, labels.xywh, starts_of(found.image, images), starts, _ANY_OVERLAP)
    similarity = _Similarity(labels, found, starts, near)
    least = similarity.least()
    dt, gt, iou = near

    free = score >= confident
    free[dt] = False
    lonely = np.flatnonzero(free)
    overlooked = np.full(len(score), np.nan)
    overlooked[lonely] = least * (1 - score[lonely])
    by, label, alike = similarity.pairs(lonely)
    same = found.category[by] == labels.category[label]
    nearest, _ = _largest(by[same], label[same], alike[same], len(score))
    overlooked[~np.isnan(nearest)] = nearest[~np.isnan(nearest)]

    by, label, alike = similarity.pairs(np.flatnonzero(score > confident))
    other = found.category[by] != labels.category[label]
    nearest, swapped_by = _largest(label[other], by[other], alike[other], len(labels.image))
    swapped = np.where(np.isnan(nearest), 1.0, np.maximum(least, 1 - nearest))
    twin = _twins(labels, starts)
    swapped[twin >= 0], swapped_by[twin >= 0] = least, -1

    sure = (score[dt] > likely) & (found.category[dt] == labels.category[gt])
    alike = similarity.of(dt[sure], gt[sure], iou[sure])
    nearest, located_by = _largest(gt[sure], dt[sure], alike, len(labels.image))
    located = np.where(np.isnan(nearest), 1.0, nearest)
    return Scores(overlooked, swapped, located, swapped_by, located_by, twin, least)


def image_scores(value: Array, image: Index, images: int) -> Array:
    """Soft minimum of the scores of each image, 1 where it has none; NaN is no score.

    Parameters
    ----------
    value : (N,) float64
    image : (N,) int64
    images : int

    Returns
    -------
    (images,) float64
    """
    stated = ~np.isnan(value)
    value, image = value[stated], image[stated]
    lowest = np.full(images, np.inf)
    np.minimum.at(lowest, image, value)
    weight = np.exp((lowest[image] - value) / _TEMPERATURE)
    total = np.bincount(image, weight, images)
    pooled = np.ones(images)
    np.divide(np.bincount(image, weight * value, images), total, out=pooled, where=total > 0)
    return pooled


def joined(overlooked: Array, swapped: Array, located: Array) -> Array:
    """Geometric mean of the three scores of each image.

    Parameters
    ----------
    overlooked, swapped, located : (I,) float64

    Returns
    -------
    (I,) float64
    """
    third = 1 / 3
    logs = third * np.log(_TINY + overlooked) + third * np.log(_TINY + located) + third * np.log(_TINY + swapped)
    return np.asarray(np.exp(logs))


class _Similarity:
    """Similarity of labels and predictions of one image; the pairs that overlap are known."""

    def __init__(self, labels: Boxes, found: Boxes, starts: Index, near: tuple[Index, Index, Array]) -> None:
        self.label_centre, self.found_centre = labels.centre, found.centre
        self.starts, self.image = starts, found.image
        self.dt, self.gt, self.iou = near

    def of(self, dt: Index, gt: Index, iou: Array) -> Array:
        """(N,) float64 similarity of these pairs."""
        apart = self.found_centre[dt] - self.label_centre[gt]
        close = np.exp(-np.hypot(apart[:, 0], apart[:, 1]) * _PER_UNIT)
        # The package takes 1 minus a distance of 1 - close: what lies beyond the last digit of 1 is lost there, and the
        # score of an image, a cube root, shows it.
        return np.asarray(iou * _ALPHA + (1 - _ALPHA) * (1 - (1 - close)))

    def pairs(self, chosen: Index) -> tuple[Index, Index, Array]:
        """Each of these predictions (ascending) with every label of its image: prediction, label, similarity."""
        first = self.starts[self.image[chosen]]
        count = self.starts[self.image[chosen] + 1] - first
        begins = np.cumsum(count) - count
        dt = np.repeat(chosen, count)
        gt = np.arange(len(dt)) + np.repeat(first - begins, count)
        iou = np.zeros(len(dt))
        if len(chosen):
            low, high = np.searchsorted(self.dt, [chosen[0], chosen[-1] + 1])
            place = np.searchsorted(chosen, self.dt[low:high])
            own = chosen[place] == self.dt[low:high]
            at = place[own]
            iou[begins[at] + self.gt[low:high][own] - first[at]] = self.iou[low:high][own]
        return dt, gt, self.of(dt, gt, iou)

    def least(self) -> float:
        """The smallest similarity above 0 of all pairs, 1 without one."""
        upto = np.cumsum(np.diff(self.starts)[self.image])
        total = int(upto[-1]) if len(upto) else 0
        edges = np.unique([0, *np.searchsorted(upto, np.arange(_CHUNK, total, _CHUNK)), len(upto)])
        least = 1.0
        for low, high in pairwise(edges.tolist()):
            similarity = self.pairs(np.arange(low, high))[2]
            least = min(least, float(np.min(similarity, initial=1.0, where=similarity > 0)))
        return least


def _largest(key: Index, partner: Index, similarity: Array, count: int) -> tuple[Array, Index]:
    """For each key the largest similarity, NaN where it has none, and its partner, of equal ones the first, else -1."""
    order = np.lexsort((partner, -similarity, key))
    key, partner, similarity = key[order], partner[order], similarity[order]
    first = np.ones(len(key), np.bool_)
    first[1:] = key[1:] != key[:-1]
    value, who = np.full(count, np.nan), np.full(count, -1, np.int64)
    value[key[first]], who[key[first]] = similarity[first], partner[first]
    return value, who


def _twins(labels: Boxes, starts: Index) -> Index:
    """For each label one of another class in the same place, -1 for none."""
    first, second, _ = near_pairs(labels.xywh, labels.xywh, starts, starts, _SAME_PLACE)
    other = labels.category[first] != labels.category[second]
    twin = np.full(len(labels.image), -1, np.int64)
    twin[first[other]] = second[other]
    return twin
