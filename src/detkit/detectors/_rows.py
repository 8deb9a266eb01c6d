"""From a family's answer to scored boxes in image pixels: choose, suppress, cap, map back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detkit.detectors._base import Dense, Output, Sparse
from detkit.detectors._prepare import Frame
from detkit.kernels.nms import grouped_nms

__all__ = ["Choice", "Rows", "finish"]


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
    xyxy = np.asarray(output.xyxy, dtype=np.float64)[source]
    if output.angle is not None:
        corners = _corners(xyxy, np.asarray(output.angle, dtype=np.float64)[source])
        xyxy = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
    else:
        corners = None
    finite = np.isfinite(xyxy).all(axis=1) & np.isfinite(score)
    if needs_nms:
        boxes = np.where(finite[:, None], np.concatenate([xyxy[:, :2], xyxy[:, 2:] - xyxy[:, :2]], axis=1), 0.0)
        group = np.zeros_like(label) if choice.class_agnostic else label
        finite &= grouped_nms(boxes, np.where(finite, score, 0.0), group, iou_threshold=choice.iou_threshold, jobs=1)
    kept = np.flatnonzero(finite)
    kept = kept[np.argsort(-score[kept], kind="stable")][: choice.max_detections]
    in_image = isinstance(output, Sparse) and output.in_image_pixels
    placed = np.clip(xyxy[kept], 0, np.tile(frame.image_size, 2)) if in_image else frame.to_image(xyxy[kept])
    xywh = np.concatenate([placed[:, :2], placed[:, 2:] - placed[:, :2]], axis=1)
    keypoints = None
    if output.keypoints is not None:
        keypoints = np.asarray(output.keypoints, dtype=np.float64)[source[kept]]
        flat = keypoints[:, :, :2].reshape(len(kept), -1)
        keypoints = keypoints.copy()
        keypoints[:, :, :2] = frame.to_image(flat, clip=False).reshape(len(kept), -1, 2)
    polygons = None
    if corners is not None:
        polygons = frame.to_image(corners[kept].reshape(len(kept), -1), clip=False).reshape(-1, 4, 2)
    return Rows(xywh, score[kept], label[kept], source[kept], keypoints, polygons)


def _candidates(output: Output, choice: Choice) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """(row, class, score) of every box and class that reaches the score threshold."""
    if isinstance(output, Dense):
        threshold = np.float32(choice.score_threshold)
        if choice.multi_label:
            rows, labels = np.nonzero(output.scores >= threshold)
        else:
            best = output.scores.argmax(axis=1) if output.scores.size else np.zeros(0, np.int64)
            rows = np.flatnonzero(output.scores[np.arange(len(best)), best] >= threshold)
            labels = best[rows]
        return rows, labels, output.scores[rows, labels].astype(np.float64)
    # A label below 0 names no class: padding or background.
    rows = np.flatnonzero((output.score >= np.float32(choice.score_threshold)) & (output.label >= 0))
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
