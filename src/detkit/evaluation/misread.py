"""Predictions whose boxes mean something else than x, y, width, height in pixels, or that stand there twice.

Nothing is corrected: boxes are scored as they are read, and a finding says what they look like. What is normal is told
from all rows at once, and in a few milliseconds for half a million of them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detkit.findings import Finding
from detkit.tables import Dataset, Detections

__all__ = ["misread_findings"]

#: Fewer rows say nothing about how a file was written.
_FEWEST = 10
#: Shares that stick out of the image are still shares.
_LARGEST_SHARE = 1.5
#: An image whose boxes may well be this small, in pixels.
_SMALL_IMAGE = 16.0
#: Share of the rows that make sense as shares or corners, and of those that leave their image when read as sizes.
_MAKE_SENSE, _OVERFLOW = 0.999, 0.2
#: Share of rows that repeat another one, and images that are looked at first.
_REPEATED, _SAMPLE = 0.4, 64


def misread_findings(truth: Dataset, detections: Detections) -> list[Finding]:
    """Findings `DK710` (shares of the image), `DK711` (corners) and `DK712` (rows that repeat).

    Parameters
    ----------
    truth : Dataset
    detections : Detections
        Aligned to the truth, boxes as they were read.

    Returns
    -------
    list of Finding
        At most one of the first two; empty below ten rows.
    """
    if len(detections) < _FEWEST:
        return []
    boxes = []
    if detections.has_boxes and detections.units == "pixels":
        boxes = _shares(truth, detections) or _corners(truth, detections)
    return [*boxes, *_repeated(detections)]


def _shares(truth: Dataset, detections: Detections) -> list[Finding]:
    """All boxes are within the first pixel or so, and the images are not."""
    largest = float(detections.xywh.max())
    within = (detections.xywh <= _LARGEST_SHARE).all(axis=1) if 0 < largest < _SMALL_IMAGE else np.zeros(1, np.bool_)
    if within.mean() < _MAKE_SENSE:
        return []
    sizes = truth.images.sizes[np.unique(detections.image_index)]
    reach = truth.annotations.xywh.max(initial=0.0) if np.isnan(sizes).any() else sizes.min()
    if truth.units != "pixels" or reach < _SMALL_IMAGE:
        return []
    message = (
        f"all {len(detections)} predictions lie within {largest:.4g} pixels of the image's corner: they look like "
        "shares of the image (0 to 1); they were scored as pixels: multiply x and width by the image's width, y and "
        "height by its height"
    )
    return [Finding("DK710", message, count=len(detections))]


def _corners(truth: Dataset, detections: Detections) -> list[Finding]:
    """Width and height are larger than x and y in all rows, and inside the image that x + width leaves."""
    low, rest = detections.xywh[:, :2], detections.xywh[:, 2:]
    ordered = (rest[:, 0] >= low[:, 0]) & (rest[:, 1] >= low[:, 1])
    if np.count_nonzero(ordered) < _MAKE_SENSE * len(detections):
        return []
    sizes = truth.images.sizes[detections.image_index]
    inside = ordered & (rest <= sizes * 1.02 + 1).all(axis=1)
    outside = (low + rest > sizes * 1.02 + 1).any(axis=1)
    if inside.sum() < _MAKE_SENSE * len(detections) or outside.sum() < _OVERFLOW * len(detections):
        return []
    message = (
        f"{int(outside.sum())} of {len(detections)} predictions leave their image, and next to none would as left, "
        "top, right, bottom: they look like xyxy; they were scored as x, y, width, height: "
        "write `[x1, y1, x2 - x1, y2 - y1]`"
    )
    return [Finding("DK711", message, count=len(detections))]


def _repeated(detections: Detections) -> list[Finding]:
    """Nearly half of the rows or more are copies: seen on a few images first."""
    images = np.unique(np.linspace(0, len(detections) - 1, _SAMPLE).astype(np.int64))
    images = np.unique(detections.image_index[images])
    rows = np.concatenate([np.arange(*detections.offsets[i : i + 2]) for i in images.tolist()])
    if _copies(detections, rows) < _REPEATED * len(rows):
        return []
    copies = _copies(detections, np.arange(len(detections)))
    if copies < _REPEATED * len(detections):
        return []
    message = (
        f"{copies} of {len(detections)} predictions repeat another one exactly (image, class, box, score): each copy "
        "is a false positive; write every prediction once"
    )
    return [Finding("DK712", message, count=copies)]


def _copies(detections: Detections, rows: NDArray[np.int64]) -> int:
    """Rows that have a twin before them."""
    place = detections.image_index[rows] * len(detections.categories) + detections.category_index[rows]
    values = np.column_stack([place.astype(np.float64), detections.score[rows], detections.xywh[rows]])
    # Rows as opaque bytes: adding zero makes -0 the same as 0.
    keys = np.ascontiguousarray(values + 0.0).view(np.dtype((np.void, values.itemsize * values.shape[1])))
    return len(rows) - len(np.unique(keys))
