"""What a dataset or a predictions file holds, counted: nothing here depends on the format it came from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.findings import Finding
from detkit.tables import Dataset, Detections
from detkit.transforms._distributions import centres, histograms, pairs

__all__ = ["ClassStats", "SplitStats", "Stats", "describe"]

_SIZES = (("small", 0.0, 32.0**2), ("medium", 32.0**2, 96.0**2), ("large", 96.0**2, float("inf")))


@dataclass(frozen=True)
class ClassStats:
    """One class: boxes, images it occurs in, boxes per size and per split, median width, height and aspect."""

    name: str
    boxes: int
    images: int
    sizes: dict[str, int]
    median_width: float | None
    median_height: float | None
    median_aspect: float | None = None
    splits: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class SplitStats:
    """One split: images, images without a box, boxes, classes that occur, boxes per size."""

    name: str
    images: int
    negatives: int
    boxes: int
    classes: int = 0
    sizes: dict[str, int] = field(default_factory=dict)


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
    co_occurrence : tuple of (str, str, int)
        Pairs of classes and how many images show both, most first; at most 1000.
    co_occurrence_left_out : int
        Pairs that are not listed.
    histograms : dict of str to dict
        See `detkit.transforms._distributions.histograms`.
    centres : list of list of int
        Boxes by the cell of a 16 x 16 grid that their centre lies in, rows from the top; empty without image sizes.
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
    co_occurrence: tuple[tuple[str, str, int], ...] = ()
    co_occurrence_left_out: int = 0
    histograms: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    centres: list[list[int]] = field(default_factory=list)

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
            "histograms": self.histograms,
            "centres": self.centres,
            "co_occurrence": [{"a": a, "b": b, "images": images} for a, b, images in self.co_occurrence],
            "co_occurrence_left_out": self.co_occurrence_left_out,
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
    per_image = np.bincount(rows.image_index, minlength=len(table.images))
    order = np.argsort(rows.category_index, kind="stable")
    starts = np.searchsorted(rows.category_index[order], np.arange(len(table.categories) + 1))
    of_class = [order[starts[k] : starts[k + 1]] for k in range(len(table.categories))]
    splits = _in_order(table) if isinstance(table, Dataset) else {}
    in_split = {name: np.isin(rows.image_index, members) for name, members in splits.items()}
    together, left_out = pairs(table)
    return Stats(
        kind="dataset" if isinstance(table, Dataset) else "detections",
        images=len(table.images),
        negatives=int(np.count_nonzero(per_image == 0)),
        boxes=len(rows.image_index),
        units=table.units,
        classes=tuple(
            _class(name, rows, of_class[k], in_split, table) for k, name in enumerate(table.categories.names)
        ),
        splits=tuple(_split(name, rows, in_split[name], per_image[members], table) for name, members in splits.items()),
        flags=_flags(table, rows),
        boxes_per_image=_spread(per_image, mean=True),
        scores={} if isinstance(table, Dataset) else _spread(rows.score),
        findings=tuple(table.findings),
        co_occurrence=tuple(together),
        co_occurrence_left_out=left_out,
        histograms=histograms(table),
        centres=centres(table),
    )


def _class(
    name: str, rows: Any, mine: NDArray[np.int64], in_split: dict[str, NDArray[np.bool_]], table: Dataset | Detections
) -> ClassStats:
    boxes = np.round(rows.xywh[mine], 6)
    return ClassStats(
        name,
        len(boxes),
        len(np.unique(rows.image_index[mine])),
        _sizes(boxes, table),
        float(np.median(boxes[:, 2])) if len(boxes) else None,
        float(np.median(boxes[:, 3])) if len(boxes) else None,
        _median_aspect(boxes, table.images.sizes[rows.image_index[mine]], table),
        {split: int(np.count_nonzero(inside[mine])) for split, inside in in_split.items()},
    )


def _sizes(boxes: NDArray[np.float64], table: Dataset | Detections) -> dict[str, int]:
    if table.units != "pixels":
        return {}
    area = boxes[:, 2] * boxes[:, 3]
    return {n: int(np.count_nonzero((area >= low) & (area < high))) for n, low, high in _SIZES}


def _median_aspect(boxes: NDArray[np.float64], sizes: NDArray[np.float64], table: Dataset | Detections) -> float | None:
    """Width by height in pixels, None where no box has both."""
    sides = boxes[:, 2:] if table.units == "pixels" else boxes[:, 2:] * sizes
    sides = sides[(sides > 0).all(axis=1)]
    return float(np.median(sides[:, 0] / sides[:, 1])) if len(sides) else None


def _in_order(dataset: Dataset) -> dict[str, NDArray[np.int64]]:
    """Splits as people name them: train, val, test, the rest by name."""
    order = {"train": 0, "val": 1, "valid": 1, "test": 2}
    return {name: dataset.splits[name] for name in sorted(dataset.splits, key=lambda n: (order.get(n, 3), n))}


def _split(
    name: str, rows: Any, inside: NDArray[np.bool_], counts: NDArray[np.int64], table: Dataset | Detections
) -> SplitStats:
    return SplitStats(
        name,
        len(counts),
        int(np.count_nonzero(counts == 0)),
        int(counts.sum()),
        len(np.unique(rows.category_index[inside])),
        _sizes(np.round(rows.xywh[inside], 6), table),
    )


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
