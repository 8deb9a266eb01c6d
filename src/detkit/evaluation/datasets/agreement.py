"""How far two versions of a dataset agree, as two annotators of the images they share.

Cohen's kappa speaks of objects with a class each. An object is a pair of boxes, or a box without a partner, to which
the other annotator gave the class `background`. There is no object that both leave out: two annotators who use one
class only agree by chance whenever they agree, and kappa is undefined or near 0 while F1 is near 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detkit.evaluation.align import Aligned
from detkit.evaluation.datasets.pairs import Pairs, alone, corners_of, is_oriented
from detkit.evaluation.datasets.versions import Versions
from detkit.evaluation.protocols import AreaRange, get
from detkit.evaluation.scoring import evaluate
from detkit.ragged import Ragged
from detkit.tables import Categories, Dataset, Detections, Images, Shapes

__all__ = ["AGREEMENT", "Agreement", "agreement_of", "cohen_kappa", "f1_of", "krippendorff_alpha", "mean_of"]

#: Figures of agreement, in the order in which they are told.
AGREEMENT = (
    *("AP", "AP50", "AP_of_b", "AP_of_a", "AP50_of_b", "AP50_of_a"),
    *("f1", "iou", "kappa", "kappa_matched", "alpha"),
)
_BACKGROUND = -1


class Agreement(NamedTuple):
    """Figures by name (`AGREEMENT`), None where undefined; and the mean AP of each class of `Versions.classes`."""

    figures: Mapping[str, float | None]
    per_class: Mapping[int, float | None]


def agreement_of(versions: Versions, pairs: Pairs, *, jobs: int | None = None) -> Agreement:
    """How far two versions agree on the images they share.

    `AP_of_b` scores the boxes of B, each with score 1, against A by the protocol of COCO over all sizes and without a
    cap on boxes; `AP_of_a` the other way about; `AP` is their mean. `f1` counts pairs of one class, `iou` is the mean
    of all pairs. `kappa` and `alpha` (Krippendorff's, nominal) are over all objects, `kappa_matched` over pairs.

    Parameters
    ----------
    versions : Versions
    pairs : Pairs
    jobs : int, optional
        Threads; by default one a processor.

    Returns
    -------
    Agreement
    """
    label_a, label_b = versions.labels
    place_a, place_b = versions.places
    count_a, count_b = (int(np.count_nonzero(place >= 0)) for place in (place_a, place_b))
    matched = label_a[pairs.a], label_b[pairs.b]
    lost = np.flatnonzero((place_a >= 0) & alone(len(place_a), pairs.a))
    found = np.flatnonzero((place_b >= 0) & alone(len(place_b), pairs.b))
    first = np.concatenate([matched[0], label_a[lost], np.full(len(found), _BACKGROUND)])
    second = np.concatenate([matched[1], np.full(len(lost), _BACKGROUND), label_b[found]])
    mine, theirs = (_objects(versions, side) for side in (0, 1))
    of_b, of_a = _average_precision(mine, theirs, jobs), _average_precision(theirs, mine, jobs)
    figures = {f"{name}_of_{side}": of[0][name] for side, of in (("b", of_b), ("a", of_a)) for name in ("AP", "AP50")}
    figures |= {name: _middle(of_b[0][name], of_a[0][name]) for name in ("AP", "AP50")}
    figures["f1"] = f1_of(int(np.count_nonzero(matched[0] == matched[1])), count_a, count_b)
    figures["iou"] = mean_of(pairs.iou)
    figures["kappa"] = cohen_kappa(first, second)
    figures["kappa_matched"] = cohen_kappa(*matched)
    figures["alpha"] = krippendorff_alpha(first, second)
    classes = sorted(of_b[1].keys() | of_a[1].keys())
    return Agreement(
        {name: figures[name] for name in AGREEMENT},
        {k: _middle(of_b[1].get(k), of_a[1].get(k)) for k in classes},
    )


def f1_of(agreed: int, boxes_a: int, boxes_b: int) -> float | None:
    """Twice the agreed boxes over all boxes.

    Parameters
    ----------
    agreed, boxes_a, boxes_b : int
        Pairs of one class, and the boxes of each version.

    Returns
    -------
    float or None
        None without boxes.
    """
    return 2 * agreed / (boxes_a + boxes_b) if boxes_a + boxes_b else None


def mean_of(values: NDArray[np.float64]) -> float | None:
    """The mean, None of nothing."""
    return float(values.mean()) if len(values) else None


def cohen_kappa(first: NDArray[np.int64], second: NDArray[np.int64]) -> float | None:
    """Agreement of two annotators beyond what their shares of classes give by chance.

    Source: Cohen 1960, A coefficient of agreement for nominal scales, formula 1.

    Parameters
    ----------
    first, second : (N,) int64
        Class that each gave to each object; any numbers.

    Returns
    -------
    float or None
        1 is perfect, 0 chance; None where there is no object or chance alone makes them agree on all.
    """
    n = len(first)
    mine, theirs = _counts(first, second)
    expected = int(np.dot(mine, theirs))
    if n * n == expected:
        return None
    return (n * int(np.count_nonzero(first == second)) - expected) / (n * n - expected)


def krippendorff_alpha(first: NDArray[np.int64], second: NDArray[np.int64]) -> float | None:
    """Krippendorff's alpha of two annotators for nominal values without gaps; parameters as `cohen_kappa`.

    Source: Krippendorff 2011, Computing Krippendorff's Alpha-Reliability, section B.
    """
    mine, theirs = _counts(first, second)
    pooled = mine + theirs
    total = int(pooled.sum())
    expected = total * total - int(np.dot(pooled, pooled))
    if expected == 0:
        return None
    return 1 - (total - 1) * 2 * int(np.count_nonzero(first != second)) / expected


def _counts(first: NDArray[np.int64], second: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How often each class was given, by each of them."""
    _, codes = np.unique(np.concatenate([first, second]), return_inverse=True)
    size = int(codes.max()) + 1 if len(codes) else 0
    return np.bincount(codes[: len(first)], minlength=size), np.bincount(codes[len(first) :], minlength=size)


def _middle(one: float | None, other: float | None) -> float | None:
    """The mean of what is defined."""
    defined = [value for value in (one, other) if value is not None]
    return sum(defined) / len(defined) if defined else None


# --- average precision of one version against the other


def _average_precision(
    truth: Dataset, other: Dataset, jobs: int | None
) -> tuple[dict[str, float | None], dict[int, float | None]]:
    """AP and AP50, and the AP of each class, of the other version's boxes at score 1."""
    shown = _as_predictions(other)
    per_image = int(np.diff(shown.offsets).max(initial=1))
    protocol = get(
        "coco",
        "obb" if truth.annotations.shapes is not None else "bbox",
        max_detections=(per_image,),
        area_ranges=(AreaRange("all", 0.0, float("inf")),),
    )
    everywhere = np.ones(len(truth.images), np.bool_)
    result = evaluate(Aligned(truth, shown, everywhere, 0, 0, "name", ()), protocol, jobs=jobs)
    per_class = {int(row.category_id): row.metrics["AP"] for row in result.per_class}
    return {name: result.metrics[name] for name in ("AP", "AP50")}, per_class


def _objects(versions: Versions, side: int) -> Dataset:
    """The rows of one version on shared images: common images and classes, whose ids are their positions."""
    table = (versions.a, versions.b)[side]
    rows = np.flatnonzero(versions.places[side] >= 0)
    rows = rows[np.argsort(versions.places[side][rows], kind="stable")]
    shared = np.unique(versions.image_of[versions.image_of >= 0])
    images = Images(shared, ("",) * len(shared), np.full((len(shared), 2), np.nan))
    classes = Categories(np.arange(len(versions.classes)), versions.classes)
    by_polygon = is_oriented(versions.a) and is_oriented(versions.b)
    return Dataset.build(
        images,
        classes,
        image_index=np.searchsorted(shared, versions.places[side][rows]),
        category_index=versions.labels[side][rows],
        xywh=table.annotations.xywh[rows],
        is_crowd=table.annotations.is_crowd[rows],
        is_ignored=table.annotations.is_ignored[rows],
        shapes=_quadrangles(corners_of(table, rows)) if by_polygon else None,
    )


def _quadrangles(corners: NDArray[np.float64]) -> Shapes:
    count = len(corners)
    steps = np.arange(count + 1)
    return Shapes(
        np.full(count, Shapes.POLYGONS, np.uint8),
        Ragged(steps, np.full(count, 4)),
        Ragged(4 * steps, corners.reshape(-1, 2)),
    )


def _as_predictions(table: Dataset) -> Detections:
    """Every object with score 1. Crowds and ignored regions are no objects."""
    rows = table.annotations
    rows = rows.take(np.flatnonzero(~(rows.is_crowd | rows.is_ignored)))
    return Detections.build(
        table.images,
        table.categories,
        image_index=rows.image_index,
        category_index=rows.category_index,
        xywh=rows.xywh,
        score=np.ones(len(rows)),
        shapes=rows.shapes,
    )
