"""What a dataset or a predictions file holds, counted: nothing here depends on the format it came from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.findings import Finding
from detkit.tables import Dataset, Detections

__all__ = ["ClassStats", "SplitStats", "Stats", "describe"]

_SIZES = (("small", 0.0, 32.0**2), ("medium", 32.0**2, 96.0**2), ("large", 96.0**2, float("inf")))


@dataclass(frozen=True)
class ClassStats:
    """One class: boxes, images it occurs in, boxes per size, median width and height."""

    name: str
    boxes: int
    images: int
    sizes: dict[str, int]
    median_width: float | None
    median_height: float | None


@dataclass(frozen=True)
class SplitStats:
    """One split: images, images without a box, boxes."""

    name: str
    images: int
    negatives: int
    boxes: int


@dataclass(frozen=True)
class Stats:
    """Counts of a table.

    Parameters
    ----------
    kind : {"dataset", "detections"}
    images, negatives, boxes : int
        Negatives are images without a box.
    units : {"pixels", "normalised"}
    classes : tuple of ClassStats
    splits : tuple of SplitStats
    flags : dict of str to int
        Crowds, ignored boxes, polygons, masks, keypoints, one-pixel boxes and boxes outside.
    boxes_per_image : dict
        `min`, `median`, `mean`, `max`.
    scores : dict, optional
        `min`, `median`, `max` of predictions.
    findings : tuple of Finding
        What reading noticed, rows left out among it.
    """

    kind: str
    images: int
    negatives: int
    boxes: int
    units: str
    classes: tuple[ClassStats, ...]
    splits: tuple[SplitStats, ...]
    flags: dict[str, int]
    boxes_per_image: dict[str, float]
    scores: dict[str, float] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values, schema `detkit.stats/1`."""
        return {
            "schema": "detkit.stats/1",
            "kind": self.kind,
            "images": self.images,
            "negatives": self.negatives,
            "boxes": self.boxes,
            "units": self.units,
            "boxes_per_image": self.boxes_per_image,
            "scores": self.scores or None,
            "flags": self.flags,
            "splits": [vars(s) for s in self.splits],
            "classes": [vars(c) for c in self.classes],
            "findings": [f.to_dict() for f in self.findings],
        }


def describe(table: Dataset | Detections) -> Stats:
    """Counts of a dataset or of predictions.

    Parameters
    ----------
    table : Dataset or Detections

    Returns
    -------
    Stats
        Areas for the size counts are width times height in pixels (COCO's limits 32 and 96 squared); in normalised
        units there are no size counts.
    """
    rows: Any = table.annotations if isinstance(table, Dataset) else table
    image_index, category_index, xywh = rows.image_index, rows.category_index, rows.xywh
    per_image = np.bincount(image_index, minlength=len(table.images))
    return Stats(
        kind="dataset" if isinstance(table, Dataset) else "detections",
        images=len(table.images),
        negatives=int(np.count_nonzero(per_image == 0)),
        boxes=len(image_index),
        units=table.units,
        classes=tuple(
            _class(name, image_index, xywh, category_index == k, table.units)
            for k, name in enumerate(table.categories.names)
        ),
        splits=_splits(table, per_image) if isinstance(table, Dataset) else (),
        flags=_flags(table, rows),
        boxes_per_image=_spread(per_image, mean=True),
        scores={} if isinstance(table, Dataset) else _spread(rows.score),
        findings=tuple(table.findings),
    )


def _class(
    name: str, image_index: NDArray[np.int64], xywh: NDArray[np.float64], mine: NDArray[np.bool_], units: str
) -> ClassStats:
    boxes = np.round(xywh[mine], 6)
    area = boxes[:, 2] * boxes[:, 3]
    sizes = {n: int(np.count_nonzero((area >= low) & (area < high))) for n, low, high in _SIZES}
    return ClassStats(
        name,
        len(boxes),
        len(np.unique(image_index[mine])),
        sizes if units == "pixels" else {},
        float(np.median(boxes[:, 2])) if len(boxes) else None,
        float(np.median(boxes[:, 3])) if len(boxes) else None,
    )


def _splits(dataset: Dataset, per_image: NDArray[np.int64]) -> tuple[SplitStats, ...]:
    order = {"train": 0, "val": 1, "valid": 1, "test": 2}
    names = sorted(dataset.splits, key=lambda n: (order.get(n, 3), n))
    found = []
    for name in names:
        counts = per_image[dataset.splits[name]]
        found.append(SplitStats(name, len(counts), int(np.count_nonzero(counts == 0)), int(counts.sum())))
    return tuple(found)


def _flags(table: Dataset | Detections, rows: Any) -> dict[str, int]:
    xywh = np.round(rows.xywh, 6)
    sizes = table.images.sizes[rows.image_index]
    flags = {
        "crowds": int(rows.is_crowd.sum()) if isinstance(table, Dataset) else 0,
        "ignored": int(rows.is_ignored.sum()) if isinstance(table, Dataset) else 0,
        "outlines": 0 if rows.shapes is None else int(np.count_nonzero(rows.shapes.kind)),
        "keypoints": 0 if rows.keypoints is None else int(np.count_nonzero(rows.keypoints.lengths())),
        "without_area": int(np.count_nonzero((xywh[:, 2] <= 0) | (xywh[:, 3] <= 0))),
    }
    if table.units == "pixels":
        outside = (xywh[:, :2] < 0).any(axis=1) | (xywh[:, :2] + xywh[:, 2:] > sizes + 1e-6).any(axis=1)
        flags["one_pixel_wide_or_high"] = int(np.count_nonzero((xywh[:, 2] == 1) | (xywh[:, 3] == 1)))
        flags["sticking_out"] = int(np.count_nonzero(outside))
    return flags


def _spread(values: NDArray[Any], *, mean: bool = False) -> dict[str, float]:
    if not len(values):
        return {}
    spread = {"min": float(values.min()), "median": float(np.median(values)), "max": float(values.max())}
    return {**spread, "mean": float(values.mean())} if mean else spread
