"""Judge anchors: how well they fit the boxes of a dataset, as a whole and class by class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.kernels.kmeans import nearest, ratios

__all__ = ["Assessment", "ClassFit", "assess"]


@dataclass(frozen=True)
class ClassFit:
    """How anchors fit one class: boxes, mean best IoU, best possible recall, boxes that no anchor covers."""

    name: str
    boxes: int
    mean_best_iou: float
    bpr: float
    uncovered: int


@dataclass(frozen=True, eq=False)
class Assessment:
    """How anchors fit boxes.

    Parameters
    ----------
    anchors : (K, 2) float64
    ratio_threshold : float
    boxes : int
    mean_best_iou : float
        IoU of each box with its best anchor at a shared corner.
    bpr : float
        Best possible recall: share of the boxes that an anchor covers, sides differing by less than the threshold.
    aat : float
        Anchors above threshold: how many anchors cover a box, on average.
    mean_best_ratio, fitness : float
        Of the better anchor's worse side ratio; in the fitness a box that no anchor covers counts 0.
    uncovered : int
        Boxes that no anchor covers.
    best_of : (K,) int64
        Boxes whose best anchor, by IoU, each is.
    iou_of : (K,) float64
        Mean IoU of these boxes; NaN without any.
    classes : tuple of ClassFit
        The worst mean best IoU first; classes without boxes are left out.
    """

    anchors: NDArray[np.float64]
    ratio_threshold: float
    boxes: int
    mean_best_iou: float
    bpr: float
    aat: float
    mean_best_ratio: float
    fitness: float
    uncovered: int
    best_of: NDArray[np.int64]
    iou_of: NDArray[np.float64]
    classes: tuple[ClassFit, ...]

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain values."""
        return {
            "anchors": self.anchors.tolist(),
            "mean_best_iou": self.mean_best_iou,
            "bpr": self.bpr,
            "aat": self.aat,
            "mean_best_ratio": self.mean_best_ratio,
            "fitness": self.fitness,
            "uncovered": self.uncovered,
            "per_class": [vars(c) for c in self.classes],
        }


def assess(
    wh: NDArray[np.float64],
    anchors: NDArray[np.float64],
    *,
    ratio_threshold: float = 4.0,
    category_index: NDArray[np.int64] | None = None,
    names: Sequence[str] = (),
) -> Assessment:
    """How well anchors fit boxes.

    Parameters
    ----------
    wh : (N, 2) float64
        Widths and heights in network pixels; at least one box.
    anchors : (K, 2) float64
    ratio_threshold : float
        YOLOv5's `anchor_t`.
    category_index : (N,) int64, optional
        Class of each box, for figures by class.
    names : sequence of str

    Returns
    -------
    Assessment

    Notes
    -----
    BPR, AAT and fitness: YOLOv5 7.0, utils/autoanchor.py, metric and anchor_fitness, in float64 where it has float32.
    """
    label, iou = nearest(wh, anchors)
    ratio, above = ratios(wh, anchors, ratio_threshold)
    covered = above > 0
    best_of = np.bincount(label, minlength=len(anchors))
    with np.errstate(invalid="ignore"):
        iou_of = np.bincount(label, weights=iou, minlength=len(anchors)) / best_of
    return Assessment(
        anchors=anchors,
        ratio_threshold=ratio_threshold,
        boxes=len(wh),
        mean_best_iou=float(iou.mean()),
        bpr=float(covered.mean()),
        aat=float(above.mean()),
        mean_best_ratio=float(ratio.mean()),
        fitness=float(np.where(covered, ratio, 0.0).mean()),
        uncovered=int(np.count_nonzero(~covered)),
        best_of=best_of,
        iou_of=iou_of,
        classes=() if category_index is None else _classes(category_index, names, iou, covered),
    )


def _classes(
    category_index: NDArray[np.int64], names: Sequence[str], iou: NDArray[np.float64], covered: NDArray[np.bool_]
) -> tuple[ClassFit, ...]:
    counts = np.bincount(category_index, minlength=len(names))
    total = np.bincount(category_index, weights=iou, minlength=len(names))
    inside = np.bincount(category_index[covered], minlength=len(names))
    found = [
        ClassFit(
            names[k],
            int(counts[k]),
            float(total[k] / counts[k]),
            float(inside[k] / counts[k]),
            int(counts[k] - inside[k]),
        )
        for k in np.flatnonzero(counts).tolist()
    ]
    return tuple(sorted(found, key=lambda fit: fit.mean_best_iou))
