"""Which box of one version is which box of the other: one to one, image by image, best overlap first.

Pairs of one class come first; what is left over is then paired across classes, so that a box whose class was changed
is one box and not one lost and one found.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detkit.boxes import convert
from detkit.evaluation.datasets.versions import Versions
from detkit.kernels.cross import near_pairs
from detkit.kernels.polygon import matched_iou
from detkit.ragged import offsets_of
from detkit.tables import Dataset

__all__ = ["Pairs", "Renamed", "alone", "corners_of", "is_oriented", "pair_boxes", "with_renamed"]

#: Candidates are looked up with this much less overlap, since rounding can take the last bit of an IoU of 1.
_SLACK = 1e-9
#: Two classes are one renamed when this share of the boxes of each, on shared images, is a pair of the two.
_RENAMED_SHARE = 0.5


class Pairs(NamedTuple):
    """Rows of A and of B that are one box, and their overlap; ascending by row of A."""

    a: NDArray[np.int64]
    b: NDArray[np.int64]
    iou: NDArray[np.float64]


class Renamed(NamedTuple):
    """A class of A that is another name in B; positions in `Versions.classes`, and the pairs that say so."""

    before: int
    after: int
    boxes: int


def alone(count: int, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of so many rows are in no pair.

    Parameters
    ----------
    count : int
    rows : (P,) int64
        Those that are in one.

    Returns
    -------
    (count,) bool
    """
    left = np.ones(count, np.bool_)
    left[rows] = False
    return left


def is_oriented(dataset: Dataset) -> bool:
    """Whether a dataset has oriented boxes."""
    flags = dataset.annotations.is_oriented
    return flags is not None and bool(flags.any())


def corners_of(dataset: Dataset, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Corners of boxes: the four points of an oriented one, the box itself of another.

    Parameters
    ----------
    dataset : Dataset
    rows : (P,) int64

    Returns
    -------
    (P, 4, 2) float64
        In the dataset's units.
    """
    table = dataset.annotations
    x1, y1, x2, y2 = convert(table.xywh[rows], "xywh", "xyxy").T
    corners = np.stack([np.stack([x1, x2, x2, x1], axis=1), np.stack([y1, y1, y2, y2], axis=1)], axis=2)
    if table.is_oriented is not None and table.shapes is not None:
        stated = np.flatnonzero(table.is_oriented[rows])
        first = table.shapes.points.offsets[:-1][rows[stated]]
        corners[stated] = table.shapes.points.values[first[:, None] + np.arange(4)]
    return corners


def pair_boxes(versions: Versions, iou_threshold: float) -> Pairs:
    """Boxes of both versions, one to one.

    In each image the two boxes of one class that overlap most are a pair, then the next two, and so on; then the same
    across classes among those left. Of equal overlaps the one earlier in A, then in B, comes first. Boxes that state
    the same numbers overlap by 1, also without area. Oriented boxes overlap as polygons where both versions have them.

    Parameters
    ----------
    versions : Versions
    iou_threshold : float
        A pair needs IoU >= this.

    Returns
    -------
    Pairs
    """
    first, second, iou = _candidates(versions, iou_threshold)
    order = np.lexsort((second, first, -iou))
    first, second, iou = first[order], second[order], iou[order]
    label_a, label_b = versions.labels
    free_a, free_b = np.ones(len(label_a), np.bool_), np.ones(len(label_b), np.bool_)
    is_same = label_a[first] == label_b[second]
    won = []
    for turn in (is_same, ~is_same):
        mine = np.flatnonzero(turn)
        mine = mine[free_a[first[mine]] & free_b[second[mine]]]
        won.append(mine[_best_first(first[mine], second[mine], free_a, free_b)])
    chosen = np.concatenate(won)
    chosen = chosen[np.argsort(first[chosen], kind="stable")]
    return Pairs(first[chosen], second[chosen], iou[chosen])


def with_renamed(versions: Versions, pairs: Pairs) -> tuple[Versions, tuple[Renamed, ...]]:
    """The versions with each class that only has another name in B taken for the one of A.

    A class of A and one of B, neither of which the other version has, are one renamed when every paired box of the
    one is a pair with a box of the other, and these are at least half of the boxes of each on the shared images.

    Parameters
    ----------
    versions : Versions
    pairs : Pairs

    Returns
    -------
    Versions, tuple of Renamed
    """
    count = len(versions.classes)
    label_a, label_b = versions.labels
    in_a, in_b = (np.isin(np.arange(count), of) for of in (versions.class_of_a, versions.class_of_b))
    codes, boxes = np.unique(label_a[pairs.a] * count + label_b[pairs.b], return_counts=True)
    before, after = np.divmod(codes, max(count, 1))
    partners_a, partners_b = np.bincount(before, minlength=count), np.bincount(after, minlength=count)
    is_only = (in_a & ~in_b)[before] & (in_b & ~in_a)[after] & (partners_a[before] == 1) & (partners_b[after] == 1)
    place_a, place_b = versions.places
    totals = [
        np.bincount(label[place >= 0], minlength=count) for label, place in ((label_a, place_a), (label_b, place_b))
    ]
    is_most = boxes >= _RENAMED_SHARE * np.maximum(totals[0][before], totals[1][after])
    found = tuple(
        Renamed(int(before[n]), int(after[n]), int(boxes[n])) for n in np.flatnonzero(is_only & is_most).tolist()
    )
    if not found:
        return versions, ()
    renamed = {row.after: row.before for row in found}
    of_b = np.array([renamed.get(k, k) for k in versions.class_of_b.tolist()], np.int64)
    return replace(versions, class_of_b=of_b), found


def _candidates(
    versions: Versions, iou_threshold: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Rows of A and B in one image that overlap enough, and by how much."""
    a, b = versions.a, versions.b
    place_a, place_b = versions.places
    rows_a, rows_b = np.flatnonzero(place_a >= 0), np.flatnonzero(place_b >= 0)
    rows_b = rows_b[np.argsort(place_b[rows_b], kind="stable")]
    boxes_a, boxes_b = a.annotations.xywh[rows_a], b.annotations.xywh[rows_b]
    by_polygon = is_oriented(a) and is_oriented(b)
    least = _SLACK if by_polygon else iou_threshold - _SLACK
    starts = [offsets_of(place[rows], len(a.images)) for place, rows in ((place_a, rows_a), (place_b, rows_b))]
    i, j, iou = near_pairs(boxes_a, boxes_b, starts[0], starts[1], least)
    flat = _without_area(boxes_a, boxes_b, place_a[rows_a], place_b[rows_b])
    i, j, iou = np.append(i, flat[:, 0]), np.append(j, flat[:, 1]), np.append(iou, np.ones(len(flat)))
    first, second = rows_a[i], rows_b[j]
    if by_polygon:
        iou = matched_iou(corners_of(a, first), corners_of(b, second))
    else:
        iou[(boxes_a[i] == boxes_b[j]).all(axis=1)] = 1.0
    enough = iou >= iou_threshold
    return first[enough], second[enough], iou[enough]


def _without_area(
    boxes_a: NDArray[np.float64], boxes_b: NDArray[np.float64], place_a: NDArray[np.int64], place_b: NDArray[np.int64]
) -> NDArray[np.int64]:
    """(P, 2) positions of boxes without area that state the same numbers in one image; no IoU can tell."""
    places: dict[tuple[float, ...], list[int]] = {}
    for n in np.flatnonzero(~(boxes_b[:, 2] * boxes_b[:, 3] > 0)).tolist():
        places.setdefault((int(place_b[n]), *boxes_b[n].tolist()), []).append(n)
    found = [
        (n, m)
        for n in np.flatnonzero(~(boxes_a[:, 2] * boxes_a[:, 3] > 0)).tolist()
        for m in places.get((int(place_a[n]), *boxes_a[n].tolist()), ())
    ]
    return np.array(found, np.int64).reshape(-1, 2)


def _best_first(
    first: NDArray[np.int64], second: NDArray[np.int64], free_a: NDArray[np.bool_], free_b: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Positions of the pairs that are taken when they are looked at in order and each box goes to one pair.

    Marks the boxes it takes in `free_a` and `free_b`.
    """
    left_a, left_b = bytearray(free_a), bytearray(free_b)
    taken = []
    for n, (i, j) in enumerate(zip(first.tolist(), second.tolist(), strict=True)):
        if left_a[i] and left_b[j]:
            left_a[i] = left_b[j] = 0
            taken.append(n)
    won = np.array(taken, np.int64)
    free_a[first[won]] = False
    free_b[second[won]] = False
    return won
