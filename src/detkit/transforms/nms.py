"""Non-maximum suppression of a predictions table and its variants, class by class and image by image."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from detkit.errors import UsageError
from detkit.evaluation.oriented import corners_of_predictions
from detkit.kernels.nms import grouped_nms
from detkit.kernels.polygon import grouped_polygon_nms
from detkit.kernels.soft_nms import grouped_matrix_nms, grouped_soft_nms
from detkit.tables import Detections, freeze

__all__ = ["METHODS", "Method", "NmsIouType", "best_of_images", "groups_of", "suppress"]

Method = Literal["greedy", "soft-linear", "soft-gaussian", "diou", "matrix"]
METHODS: tuple[str, ...] = get_args(Method)
NmsIouType = Literal["bbox", "obb"]
#: Lowered scores below this are removed when no threshold is given (Bodla et al. 2017, the authors' code).
LEAST_SCORE = 0.001


def suppress(
    detections: Detections,
    *,
    method: Method = "greedy",
    iou_type: NmsIouType = "bbox",
    iou_threshold: float = 0.45,
    sigma: float = 0.5,
    score_threshold: float | None = None,
    max_detections: int | None = None,
    class_agnostic: bool = False,
    jobs: int | None = None,
) -> Detections:
    """The predictions that survive, in table order.

    Parameters
    ----------
    detections : Detections
    method : {"greedy", "soft-linear", "soft-gaussian", "diou", "matrix"}
        `greedy` and `diou` remove boxes; the others lower their scores and remove what falls below the threshold.
    iou_type : {"bbox", "obb"}
        Whether boxes or the polygons of oriented boxes are compared; the latter by method `greedy` alone.
    iou_threshold : float
        A box is removed if its overlap with a kept one of the same image and class is greater than this; for
        `soft-linear` its score is lowered then. The two Gaussian methods have no use for it.
    sigma : float
        Of the Gaussian methods: smaller suppresses more.
    score_threshold : float, optional
        Boxes with score >= this take part and, where scores are lowered, stay; for those methods 0.001 by default.
    max_detections : int, optional
        Most boxes kept in an image, over all classes, highest scores first.
    class_agnostic : bool
        Boxes of different classes suppress each other too.
    jobs : int, optional
        Threads; by default one a processor. The result does not depend on it.

    Returns
    -------
    Detections

    Raises
    ------
    UsageError
        Unknown method, a setting without sense, or negative scores where scores are to be lowered.
    InputError
        Polygons are to be compared and no prediction has one of four points, or one has another outline.
    """
    _check(method, iou_type)
    if score_threshold is not None:
        detections = detections.take(detections.score >= score_threshold)
    group = groups_of(detections, class_agnostic=class_agnostic)
    try:
        if iou_type == "obb":
            corners = corners_of_predictions(detections)
            kept = grouped_polygon_nms(corners, detections.score, group, iou_threshold=iou_threshold, jobs=jobs)
            detections = detections.take(kept)
        elif method in ("greedy", "diou"):
            overlap: Literal["iou", "diou"] = "diou" if method == "diou" else "iou"
            kept = grouped_nms(
                detections.xywh, detections.score, group, iou_threshold=iou_threshold, overlap=overlap, jobs=jobs
            )
            detections = detections.take(kept)
        else:
            floor = LEAST_SCORE if score_threshold is None else score_threshold
            detections = _lowered(detections, group, method, iou_threshold, sigma, floor, jobs)
    except ValueError as error:
        raise UsageError(f"{method}: {error}") from error
    return detections if max_detections is None else detections.take(best_of_images(detections, max_detections))


def _check(method: str, iou_type: str) -> None:
    if method not in METHODS:
        raise UsageError(f"unknown method `{method}`; known: {', '.join(METHODS)}")
    if iou_type not in get_args(NmsIouType):
        raise UsageError(f"unknown iou type `{iou_type}`; suppression knows {', '.join(get_args(NmsIouType))}")
    if iou_type == "obb" and method != "greedy":
        raise UsageError(f"method `{method}` does not know oriented boxes", hint="`--iou-type obb` needs greedy")


def _lowered(
    detections: Detections,
    group: NDArray[np.int64],
    method: str,
    iou_threshold: float,
    sigma: float,
    floor: float,
    jobs: int | None,
) -> Detections:
    """The predictions whose lowered score reaches the floor, with that score."""
    if method == "matrix":
        score = grouped_matrix_nms(
            detections.xywh, detections.score, group, sigma=sigma, score_threshold=floor, jobs=jobs
        )
    else:
        score = grouped_soft_nms(
            detections.xywh,
            detections.score,
            group,
            decay="linear" if method == "soft-linear" else "gaussian",
            iou_threshold=iou_threshold,
            sigma=sigma,
            score_threshold=floor,
            jobs=jobs,
        )
    kept = np.flatnonzero(~np.isnan(score))
    return replace(detections.take(kept), score=freeze(score[kept]))


def groups_of(detections: Detections, *, class_agnostic: bool = False) -> NDArray[np.int64]:
    """A number for each image and class, or for each image.

    Parameters
    ----------
    detections : Detections
    class_agnostic : bool

    Returns
    -------
    (N,) int64
    """
    if class_agnostic:
        return detections.image_index
    return detections.image_index * max(1, len(detections.categories)) + detections.category_index


def best_of_images(detections: Detections, count: int) -> NDArray[np.int64]:
    """Rows of the highest scores of each image, in table order; of equal scores the first.

    Parameters
    ----------
    detections : Detections
    count : int
        Most rows of an image.

    Returns
    -------
    (M,) int64
    """
    order = np.lexsort((-detections.score, detections.image_index))
    image = detections.image_index[order]
    first = np.searchsorted(image, image)
    return np.sort(order[np.arange(len(order)) - first < count])
