"""Overlapping boxes of two tables, image by image."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from detkit.evaluation.align import align
from detkit.kernels.iou import pairwise_iou
from detkit.tables import Dataset, Detections

__all__ = ["as_dataset", "overlapping_pairs"]


def as_dataset(table: Dataset | Detections) -> Dataset:
    """Predictions in the place of a truth: their rows become annotations, scores are left behind."""
    if isinstance(table, Dataset):
        return table
    return Dataset.build(
        table.images,
        table.categories,
        image_index=table.image_index,
        category_index=table.category_index,
        xywh=table.xywh,
        source_row=table.source_row,
        units=table.units,
        source=table.source,
    )


def _as_detections(table: Dataset | Detections) -> Detections:
    if isinstance(table, Detections):
        return table
    rows = table.annotations
    return Detections.build(
        table.images,
        table.categories,
        image_index=rows.image_index,
        category_index=rows.category_index,
        xywh=rows.xywh,
        score=np.ones(len(rows)),
        source_row=rows.source_row,
        units=table.units,
        source=table.source,
    )


def overlapping_pairs(
    a: Dataset, b: Dataset | Detections, *, class_agnostic: bool
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """All pairs of boxes that overlap, in the same image and (unless agnostic) of the same class.

    Parameters
    ----------
    a : Dataset
        Its images and classes are the common ones.
    b : Dataset or Detections
    class_agnostic : bool

    Returns
    -------
    pairs : (N, 2) int64
        Rows of `a` and of `b`.
    iou : (N,) float64
    best_a, best_b : (A,), (B,) float64
        Best overlap of each row, 0 for none.
    """
    other = _as_detections(b)
    tagged = replace(other, source_row=np.arange(len(other)))
    met = align(a, tagged, unmapped="count")
    found = met.detections
    rows = a.annotations
    pairs, values = [], []
    for image in range(len(a.images)):
        first, last = a.offsets[image], a.offsets[image + 1]
        low, high = found.offsets[image], found.offsets[image + 1]
        if first == last or low == high:
            continue
        overlap = pairwise_iou(rows.xywh[first:last], found.xywh[low:high])
        if not class_agnostic:
            same = rows.category_index[first:last, None] == found.category_index[None, low:high]
            overlap = np.where(same, overlap, 0.0)
        i, j = np.nonzero(overlap)
        pairs.append(np.stack([first + i, found.source_row[low + j]], axis=1))
        values.append(overlap[i, j])
    joined = np.concatenate(pairs) if pairs else np.empty((0, 2), np.int64)
    iou = np.concatenate(values) if values else np.empty(0)
    best_a, best_b = np.zeros(len(rows)), np.zeros(len(other))
    np.maximum.at(best_a, joined[:, 0], iou)
    np.maximum.at(best_b, joined[:, 1], iou)
    return joined, iou, best_a, best_b
