"""From a family's answer to scored boxes in image pixels: choose, suppress, cap, map back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detkit.detectors._base import Dense, Output, Sparse
from detkit.detectors._prepare import Frame
from detkit.kernels.nms import grouped_nms
from detkit.kernels.polygon import grouped_polygon_nms

__all__ = ["Choice", "Rows", "finish"]

_FIRST_LOOK = 2048


@dataclass(frozen=True)
class Choice:
    """Which boxes are kept.

    Parameters
    ----------
    score_threshold : float
        Keeps score >= this.
    iou_threshold : float
        For suppression, where the family needs it.
    multi_label : bool
        A box may be of several classes; else its best one only.
    max_detections : int
        Per image.
    class_agnostic : bool
    """

    score_threshold: float = 0.001
    iou_threshold: float = 0.65
    multi_label: bool = True
    max_detections: int = 300
    class_agnostic: bool = False


@dataclass(frozen=True)
class Rows:
    """Detections of one image, highest score first.

    Parameters
    ----------
    xywh : (N, 4) float64
        Image pixels.
    score : (N,) float64
    label : (N,) int64
        Class position from 0.
    keypoints : (N, K, 3) float64, optional
        Image pixels.
    polygons : (N, 4, 2) float64, optional
        Corners of oriented boxes, image pixels.
    source : (N,) int64
        Row in the family's answer (for masks).
    """

    xywh: NDArray[np.float64]
    score: NDArray[np.float64]
    label: NDArray[np.int64]
    source: NDArray[np.int64]
    keypoints: NDArray[np.float64] | None = None
    polygons: NDArray[np.float64] | None = None


def finish(output: Output, frame: Frame, choice: Choice, *, needs_nms: bool) -> Rows:
    """The boxes of one image that are kept, in image pixels.

    Parameters
    ----------
    output : Dense or Sparse
    frame : Frame
    choice : Choice
    needs_nms : bool

    Returns
    -------
    Rows
    """
    source, label, score = _candidates(output, choice)
    kept = _kept(output, source, label, score, choice, needs_nms=needs_nms)
    source, label, score = source[kept], label[kept], score[kept]
    xyxy, corners = _boxes(output, source)
    in_image = isinstance(output, Sparse) and output.in_image_pixels
    placed = np.clip(xyxy, 0, np.tile(frame.image_size, 2)) if in_image else frame.to_image(xyxy)
    xywh = np.concatenate([placed[:, :2], placed[:, 2:] - placed[:, :2]], axis=1)
    keypoints = None
    if output.keypoints is not None:
        keypoints = np.array(output.keypoints[source], dtype=np.float64)
        shape = (len(source), keypoints.shape[1], 2)
        flat = keypoints[:, :, :2].reshape(shape[0], 2 * shape[1])
        keypoints[:, :, :2] = frame.to_image(flat, clip=False).reshape(shape)
    polygons = None
    if corners is not None:
        polygons = frame.to_image(corners.reshape(len(source), 8), clip=False).reshape(-1, 4, 2)
    return Rows(xywh, score, label, source, keypoints, polygons)


def _boxes(output: Output, source: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Left, top, right, bottom of these rows, and the corners of oriented boxes, whose outer box that is then."""
    xyxy = np.asarray(output.xyxy[source], dtype=np.float64)
    if output.angle is None:
        return xyxy, None
    corners = _corners(xyxy, np.asarray(output.angle[source], dtype=np.float64))
    return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1), corners


def _kept(
    output: Output,
    source: NDArray[np.int64],
    label: NDArray[np.int64],
    score: NDArray[np.float64],
    choice: Choice,
    *,
    needs_nms: bool,
) -> NDArray[np.int64]:
    """Positions of the candidates that stay, highest score first, equal ones in their own order.

    Oriented boxes suppress each other by the IoU of their polygons, others by that of their boxes.

    Whether a box survives depends on boxes of higher score only. So the best few thousand candidates are looked at
    first, and the rest, which may be hundreds of thousands, only where these leave fewer boxes than may be kept.
    """
    count = max(_FIRST_LOOK, 4 * choice.max_detections)
    while True:
        some = np.arange(len(score))
        if len(score) > count:
            # Every candidate as good as the last one that is taken is taken: equal scores are not parted.
            some = np.flatnonzero(score >= np.partition(score, -count)[-count])
        xyxy, corners = _boxes(output, source[some])
        stays = finite = np.isfinite(xyxy).all(axis=1)
        if needs_nms:
            some, xyxy = some[finite], xyxy[finite]
            group = np.zeros_like(some) if choice.class_agnostic else label[some]
            if corners is None:
                xywh = np.concatenate([xyxy[:, :2], xyxy[:, 2:] - xyxy[:, :2]], axis=1)
                stays = grouped_nms(xywh, score[some], group, iou_threshold=choice.iou_threshold, jobs=1)
            else:
                turned = corners[finite]
                stays = grouped_polygon_nms(turned, score[some], group, iou_threshold=choice.iou_threshold, jobs=1)
        if len(score) <= count or stays.sum() >= choice.max_detections:
            kept = some[stays]
            return kept[np.argsort(-score[kept], kind="stable")][: choice.max_detections]
        count *= 4


def _candidates(output: Output, choice: Choice) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """(row, class, score) of every box and class that reaches the score threshold."""
    if isinstance(output, Dense):
        threshold = np.float32(choice.score_threshold)
        if choice.multi_label:
            rows, labels = np.nonzero((output.scores >= threshold) & (output.scores < np.inf))
        else:
            best = output.scores.argmax(axis=1) if output.scores.size else np.zeros(0, np.int64)
            highest = output.scores[np.arange(len(best)), best]
            rows = np.flatnonzero((highest >= threshold) & (highest < np.inf))
            labels = best[rows]
        return rows, labels, output.scores[rows, labels].astype(np.float64)
    # A label below 0 names no class: padding or background.
    enough = (output.score >= np.float32(choice.score_threshold)) & (output.score < np.inf)
    rows = np.flatnonzero(enough & (output.label >= 0))
    return rows, output.label[rows].astype(np.int64), output.score[rows].astype(np.float64)


def _corners(xyxy: NDArray[np.float64], angle: NDArray[np.float64]) -> NDArray[np.float64]:
    """Corners (N, 4, 2) of boxes turned about their centres."""
    centre, half = (xyxy[:, :2] + xyxy[:, 2:]) / 2, (xyxy[:, 2:] - xyxy[:, :2]) / 2
    cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
    signs = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], dtype=np.float64)
    local = signs[None] * half[:, None]
    x = local[:, :, 0] * cos - local[:, :, 1] * sin
    y = local[:, :, 0] * sin + local[:, :, 1] * cos
    return centre[:, None] + np.stack([x, y], axis=2)
