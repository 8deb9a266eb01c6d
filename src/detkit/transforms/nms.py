"""Non-maximum suppression of a predictions table, class by class and image by image."""

from __future__ import annotations

import numpy as np

from detkit.kernels.nms import grouped_nms
from detkit.tables import Detections

__all__ = ["suppress"]


def suppress(
    detections: Detections,
    *,
    iou_threshold: float = 0.45,
    score_threshold: float | None = None,
    max_detections: int | None = None,
    class_agnostic: bool = False,
) -> Detections:
    """The predictions that survive, in table order.

    Parameters
    ----------
    detections : Detections
    iou_threshold : float
        A box is removed if its IoU with a kept one of the same image and class is greater than this.
    score_threshold : float, optional
        Boxes with score >= this take part.
    max_detections : int, optional
        Most boxes kept in an image, over all classes, highest scores first.
    class_agnostic : bool
        Boxes of different classes suppress each other too.

    Returns
    -------
    Detections
    """
    if score_threshold is not None:
        detections = detections.take(detections.score >= score_threshold)
    group = detections.image_index
    if not class_agnostic:
        group = group * max(1, len(detections.categories)) + detections.category_index
    kept = np.flatnonzero(grouped_nms(detections.xywh, detections.score, group, iou_threshold=iou_threshold))
    if max_detections is not None:
        order = np.lexsort((-detections.score[kept], detections.image_index[kept]))
        image = detections.image_index[kept][order]
        first = np.searchsorted(image, image)
        kept = np.sort(kept[order[np.arange(len(order)) - first < max_detections]])
    return detections.take(kept)
