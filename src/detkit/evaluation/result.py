"""The result of an evaluation: settings, metrics, classes, and what stands behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit._version import __version__
from detkit.evaluation.cells import class_names
from detkit.evaluation.engine import Scored
from detkit.evaluation.protocols import UNLIMITED, Metric, Protocol
from detkit.evaluation.schemas import RESULT
from detkit.findings import Finding
from detkit.kernels.match import FALSE, TRUE
from detkit.tables import Dataset, Detections, Source

__all__ = ["BANDS", "Band", "ClassResult", "Coverage", "Evaluation", "OperatingPoints", "bands_of", "class_metric",
           "metric_rows", "metric_value", "place_of"]  # fmt: skip

#: Overlap bands of the matched detections: name, lower end (inclusive).
BANDS = (("satisfactory", 0.5), ("good", 0.7), ("best", 0.9))


@dataclass(frozen=True)
class Band:
    """How many matched detections overlap their truth by at least `low` and less than `high`."""

    name: str
    low: float
    high: float
    count: int


@dataclass(frozen=True)
class Coverage:
    """How many truth images the predictions speak of."""

    images: int
    predicted: int

    @property
    def ratio(self) -> float | None:
        """Share of truth images with predictions, None without images."""
        return self.predicted / self.images if self.images else None


@dataclass(frozen=True)
class ClassResult:
    """One class: its metrics (None where undefined) and counts.

    `ground_truths` counts truths that are scored, `detections` all scored detections.
    """

    category_id: Any
    name: str
    metrics: Mapping[str, float | None]
    ground_truths: int
    detections: int


@dataclass(frozen=True, eq=False)
class OperatingPoints:
    """Counts over all classes when only detections with score >= each threshold are kept.

    Parameters
    ----------
    iou : float
        Overlap a match needs.
    score : (101,) float64
        0.00, 0.01, ..., 1.00.
    tp, fp : (101,) int64
    truths : int
        Truths that are scored: false negatives are `truths - tp`.
    """

    iou: float
    score: NDArray[np.float64]
    tp: NDArray[np.int64]
    fp: NDArray[np.int64]
    truths: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "iou": self.iou,
            "score": self.score.tolist(),
            "tp": self.tp.tolist(),
            "fp": self.fp.tolist(),
            "fn": (self.truths - self.tp).tolist(),
        }


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What `evaluate` returns.

    Parameters
    ----------
    protocol : Protocol
    metrics : mapping of str to (float or None)
        0 to 1; None where undefined.
    per_class : tuple of ClassResult
        In ascending order of class id.
    bands : tuple of Band
    operating_points : OperatingPoints
    coverage : Coverage
    findings : tuple of Finding
    scored : Scored
        The engine's arrays.
    truth : Dataset
    detections : Detections
        Aligned to the truth.
    counts : mapping of str to int
        Rows that were not scored, by reason.
    truth_source, detections_source : Source, optional
    request : mapping, optional
        Plain values of what was asked for beyond the protocol: how files were read, what was left out.
    matches : mapping, optional
        Path and hash of the saved matches.
    analyses : mapping of str to mapping
        Plain values of the analyses that were asked for, by name.
    intervals : mapping, optional
        Plain values of the metrics' intervals and how they were drawn.
    gap : mapping, optional
        Plain values of what separates COCO's figures from a training framework's.
    """

    protocol: Protocol
    metrics: Mapping[str, float | None]
    per_class: tuple[ClassResult, ...]
    bands: tuple[Band, ...]
    operating_points: OperatingPoints
    coverage: Coverage
    findings: tuple[Finding, ...]
    scored: Scored
    truth: Dataset
    detections: Detections
    counts: Mapping[str, int] = field(default_factory=dict)
    truth_source: Source | None = None
    detections_source: Source | None = None
    request: Mapping[str, Any] | None = None
    matches: Mapping[str, str] | None = None
    analyses: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    intervals: Mapping[str, Any] | None = None
    gap: Mapping[str, Any] | None = None

    @property
    def precision(self) -> NDArray[np.float64]:
        """(T, R, K, A, M) float64, as pycocotools' `eval['precision']` under protocol coco."""
        return self.scored.precision

    @property
    def recall(self) -> NDArray[np.float64]:
        """(T, K, A, M) float64, as pycocotools' `eval['recall']`."""
        return self.scored.recall

    @property
    def scores(self) -> NDArray[np.float64]:
        """(T, R, K, A, M) float64, as pycocotools' `eval['scores']`."""
        return self.scored.scores

    def to_dict(self) -> dict[str, Any]:
        """Plain values, schema `detkit.evaluation/1`."""
        return {
            "schema": RESULT,
            "detkit": __version__,
            "protocol": self.protocol.to_dict(),
            **({"request": dict(self.request)} if self.request is not None else {}),
            "inputs": {
                "ground_truth": {
                    **_source(self.truth_source),
                    "images": len(self.truth.images),
                    "annotations": len(self.truth.annotations),
                    "categories": len(self.truth.categories),
                },
                "predictions": {
                    **_source(self.detections_source),
                    "images": self.coverage.predicted,
                    "detections": len(self.detections),
                    **self.counts,
                },
            },
            "metrics": dict(self.metrics),
            "per_class": [
                {
                    "category_id": row.category_id,
                    "name": row.name,
                    **row.metrics,
                    "ground_truths": row.ground_truths,
                    "detections": row.detections,
                }
                for row in self.per_class
            ],
            "bands": [{"name": b.name, "low": b.low, "high": b.high, "count": b.count} for b in self.bands],
            "operating_points": self.operating_points.to_dict(),
            "coverage": {
                "images": self.coverage.images,
                "predicted": self.coverage.predicted,
                "ratio": self.coverage.ratio,
            },
            "matches": None if self.matches is None else dict(self.matches),
            **({"intervals": dict(self.intervals)} if self.intervals is not None else {}),
            **({"gap": dict(self.gap)} if self.gap is not None else {}),
            **({"analyses": {name: dict(found) for name, found in self.analyses.items()}} if self.analyses else {}),
            "findings": [finding.to_dict() for finding in self.findings],
        }


def metric_rows(protocol: Protocol) -> tuple[Metric, ...]:
    """The protocol's metrics under its present settings: own thresholds, sizes and caps get their own rows.

    A protocol's row for a threshold or size that is not in force stays, with value None.
    """
    rows = [_named_by_cap(row, protocol) for row in protocol.metrics if row.cap < len(protocol.max_detections)]
    names_overlaps = any(row.iou is not None for row in protocol.metrics)
    if (protocol.match_rule == "best" and not names_overlaps) or len(protocol.iou_thresholds) < 10:
        rows += [Metric(f"AP{_percent(t)}", "AP", iou=t) for t in protocol.iou_thresholds]
    for size in protocol.area_ranges[1:]:
        rows += [Metric(f"AP{size.name}", "AP", area=size.name), Metric(f"AR{size.name}", "AR", area=size.name)]
    first_of_name: dict[str, Metric] = {}
    for row in rows:
        first_of_name.setdefault(row.name, row)
    return tuple(first_of_name.values())


def _named_by_cap(row: Metric, protocol: Protocol) -> Metric:
    """AR1, AR10, AR100 are named by the cap they stand for."""
    if row.cap < 0:
        return row
    return replace(row, name=f"{row.statistic}{protocol.max_detections[row.cap]}")


def metric_value(row: Metric, protocol: Protocol, scored: Scored, classes: Sequence[int] | None = None) -> float | None:
    """Mean of the defined entries that a row speaks of, as the reference takes it; None where there are none.

    Parameters
    ----------
    row : Metric
    protocol : Protocol
    scored : Scored
    classes : sequence of int, optional
        Only these places of the class order.

    Returns
    -------
    float or None
    """
    place = place_of(row, protocol)
    if place is None:
        return None
    area, cap, threshold = place
    if row.statistic in ("P", "R"):
        if scored.operating is None:
            return None
        values = scored.operating["PR".index(row.statistic)]
    else:
        values = (scored.precision if row.statistic == "AP" else scored.recall)[..., area, cap]
        values = values if threshold is None else values[threshold : threshold + 1]
    if row.group is not None:
        members = scored.groups.get(row.group, ())
        classes = [k for k in members if classes is None or k in classes]
    if classes is not None:
        values = values[..., list(classes)]
    defined = values[values > -1]
    return float(np.mean(defined)) if len(defined) else None


def place_of(row: Metric, protocol: Protocol) -> tuple[int, int, int | None] | None:
    """Where a row is read off: positions of its area range, its cap, and its overlap threshold (None: all of them).

    Under `strict_parity` the cap is the one that the reference looks up, by name or by place.

    Parameters
    ----------
    row : Metric
    protocol : Protocol

    Returns
    -------
    (int, int, int or None), optional
        None where the protocol's present settings have no such area range, cap or threshold.
    """
    areas, caps = [a.name for a in protocol.area_ranges], protocol.max_detections
    if row.area not in areas or row.cap >= len(caps):
        return None
    if row.iou is not None and row.iou not in protocol.iou_thresholds:
        return None
    cap = row.cap % len(caps)
    if protocol.strict_parity and row.named_cap is not None:
        if row.named_cap not in caps:
            return None
        cap = caps.index(row.named_cap)
    elif protocol.strict_parity and row.parity_cap is not None and row.parity_cap < len(caps):
        cap = row.parity_cap
    return areas.index(row.area), cap, None if row.iou is None else protocol.iou_thresholds.index(row.iou)


def summarize_classes(protocol: Protocol, scored: Scored, truth: Dataset) -> tuple[ClassResult, ...]:
    """One row a class: every row of the protocol but recalls, and recall at the largest cap."""
    rows = [row for row in metric_rows(protocol) if row.statistic != "AR" and row.group is None]
    largest = protocol.max_detections[-1]
    recall = Metric("AR" if largest >= UNLIMITED else f"AR{largest}", "AR")
    layout = scored.layout
    found = []
    for k, (category_id, name) in enumerate(class_names(truth.categories, layout)):
        metrics = {class_metric(row): metric_value(row, protocol, scored, [k]) for row in [*rows, recall]}
        place = layout.detections_of(k)
        found.append(ClassResult(category_id, name, metrics, int(scored.truths[k, 0]), int(place.stop - place.start)))
    return tuple(found)


def class_metric(row: Metric) -> str:
    """Name of a metric among those of a class, which has no mean over classes: its own mAP is its AP."""
    return "AP" if row.name == "mAP" else row.name


def count_bands(protocol: Protocol, scored: Scored) -> tuple[Band, ...]:
    """Overlap bands of the detections matched at the reference threshold, over all classes."""
    t = protocol.reference_threshold
    hits = [m.iou[m.outcome[0, t] == TRUE] for m in scored.matched]
    iou = np.concatenate(hits) if hits else np.empty(0)
    reached = [*(int(np.count_nonzero(iou >= low)) for _, low in BANDS), 0]
    return bands_of([here - above for here, above in pairwise(reached)])


def bands_of(counts: Sequence[int]) -> tuple[Band, ...]:
    """The overlap bands with these counts; the last one holds an overlap of 1, too."""
    ends = [low for _, low in BANDS[1:]] + [1.0]
    return tuple(Band(*band, end, count) for band, end, count in zip(BANDS, ends, counts, strict=True))


def count_operating_points(protocol: Protocol, scored: Scored, detections: Detections) -> OperatingPoints:
    """True and false positives over all classes above each of 101 score thresholds."""
    t = protocol.reference_threshold
    score = detections.score.take(scored.layout.dt_row)
    grid = np.arange(101) / 100
    counts = np.zeros((2, len(grid)), np.int64)
    for k, (matched, order) in enumerate(zip(scored.matched, scored.order, strict=True)):
        above = np.searchsorted(-score[scored.layout.detections_of(k)].take(order), -grid, side="right")
        outcome = matched.outcome[0, t].take(order)
        for count, wanted in zip(counts, (TRUE, FALSE), strict=True):
            count += np.searchsorted(np.flatnonzero(outcome == wanted), above)
    truths = int(scored.truths[:, 0].sum()) if len(scored.truths) else 0
    return OperatingPoints(protocol.iou_thresholds[t], grid, counts[0], counts[1], truths)


def _percent(threshold: float) -> str:
    return f"{threshold * 100:.6g}"


def _source(source: Source | None) -> dict[str, Any]:
    if source is None:
        return {"path": None, "format": None, "sha256": None}
    return {"path": source.path, "format": source.format, "sha256": source.sha256}
