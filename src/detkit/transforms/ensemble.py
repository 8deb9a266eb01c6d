"""One predictions table out of several: weighted box fusion, or suppression over all of them.

Equal to the package ensemble-boxes 1.0.9 on the same boxes. It works on boxes in shares of the image, cut to 0..1;
overlaps and means do not change when an axis is scaled, so boxes stay in pixels here and are cut to their image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from detkit import boxes
from detkit.errors import UsageError
from detkit.evaluation.union import United, unite
from detkit.findings import Finding, Loss
from detkit.kernels.fusion import Confidence, fuse
from detkit.kernels.nms import grouped_nms
from detkit.kernels.soft_nms import grouped_soft_nms
from detkit.tables import Dataset, Detections, freeze
from detkit.transforms.nms import best_of_images, groups_of
from detkit.wording import plural

__all__ = ["METHODS", "Ensemble", "EnsembleSettings", "ensemble"]

Method = Literal["wbf", "nms", "soft-nms", "soft-linear"]
METHODS: tuple[str, ...] = get_args(Method)
CONFIDENCES: tuple[str, ...] = get_args(Confidence)


@dataclass(frozen=True)
class EnsembleSettings:
    """How predictions are joined.

    Parameters
    ----------
    method : {"wbf", "nms", "soft-nms", "soft-linear"}
        `soft-nms` decays by a Gaussian.
    weights : tuple of float, optional
        One a table, positive; by default all 1.
    iou_threshold : float, optional
        Boxes that overlap by more are one object; 0.55 for `wbf` and 0.5 for the others by default.
    skip_box_threshold : float
        Boxes with a lower score take no part.
    confidence : {"avg", "max", "box_and_model_avg", "absent_model_aware_avg"}
        Score of a fused box (`wbf`).
    allows_overflow : bool
        For `avg`: scores above 1 where more boxes than tables met.
    sigma : float
        Of the Gaussian decay.
    score_threshold : float
        For soft methods: boxes whose lowered score is not above this are removed.
    decayed_scores : bool
        For soft methods: write lowered scores. By default boxes keep their (weighted) scores, as in ensemble-boxes,
        and the lowered ones only decide what is removed.
    max_detections : int, optional
        Most boxes kept in an image, highest scores first.
    jobs : int, optional
        Threads; the result does not depend on it.
    """

    method: Method = "wbf"
    weights: tuple[float, ...] | None = None
    iou_threshold: float | None = None
    skip_box_threshold: float = 0.0
    confidence: Confidence = "avg"
    allows_overflow: bool = False
    sigma: float = 0.5
    score_threshold: float = 0.001
    decayed_scores: bool = False
    max_detections: int | None = None
    jobs: int | None = None


@dataclass(frozen=True, eq=False)
class Ensemble:
    """What came out of joining predictions.

    Parameters
    ----------
    detections : Detections
        Rows of an image by falling score.
    boxes : tuple of int
        Rows of each table that took part.
    losses : tuple of Loss
        What was cut, turned or left out.
    """

    detections: Detections
    boxes: tuple[int, ...]
    losses: tuple[Loss, ...]


def ensemble(
    tables: Sequence[Detections], settings: EnsembleSettings | None = None, *, truth: Dataset | None = None
) -> Ensemble:
    """One table out of several.

    Parameters
    ----------
    tables : sequence of Detections
        Of one model each, on the same images.
    settings : EnsembleSettings, optional
    truth : Dataset, optional
        Gives image sizes, and joins tables that name images differently.

    Returns
    -------
    Ensemble

    Raises
    ------
    UsageError
        No tables, weights that do not fit, an unknown method or a setting without sense.
    CannotJudgeError, InputError
        As `detkit.evaluation.union.unite`.
    """
    settings = settings or EnsembleSettings()
    weights = _checked(tables, settings)
    united = unite(tables, truth)
    pool, model, losses = _pooled(united, settings.skip_box_threshold)
    try:
        joined = (_fused if settings.method == "wbf" else _suppressed)(pool, model, weights, settings)
    except ValueError as error:
        raise UsageError(f"{settings.method}: {error}") from error
    order = np.lexsort((-joined.score, joined.image_index))
    joined = joined.take(order)
    if settings.max_detections is not None:
        joined = joined.take(best_of_images(joined, settings.max_detections))
    # The first file says in which format the result is written when nothing else does.
    joined = replace(
        joined,
        source_row=freeze(np.arange(len(joined))),
        source=tables[0].source,
        findings=(*_inputs_findings(tables), *pool.findings),
    )
    return Ensemble(joined, tuple(np.bincount(model, minlength=len(tables)).tolist()), tuple(losses))


def _checked(tables: Sequence[Detections], settings: EnsembleSettings) -> NDArray[np.float64]:
    if not tables:
        raise UsageError("nothing to join: name at least one predictions file")
    if settings.method not in METHODS:
        raise UsageError(f"unknown method `{settings.method}`; known: {', '.join(METHODS)}")
    if settings.confidence not in CONFIDENCES:
        raise UsageError(f"unknown confidence `{settings.confidence}`; known: {', '.join(CONFIDENCES)}")
    weights = np.ones(len(tables)) if settings.weights is None else np.asarray(settings.weights, dtype=np.float64)
    if len(weights) != len(tables):
        raise UsageError(
            f"found {plural(len(weights), 'weight')}, expected {len(tables)}: one for each predictions file"
        )
    if not (np.isfinite(weights) & (weights > 0)).all():
        raise UsageError(f"weights are {', '.join(f'{w:g}' for w in weights)}, expected positive numbers")
    return weights


def _inputs_findings(tables: Sequence[Detections]) -> tuple[Finding, ...]:
    return tuple(finding for table in tables for finding in table.findings)


def _pooled(united: United, skip_below: float) -> tuple[Detections, NDArray[np.int64], list[Loss]]:
    """All boxes that take part, by image, with the table each is of; cut to their images."""
    tables = united.tables
    model = np.repeat(np.arange(len(tables)), [len(t) for t in tables])
    columns = {
        name: np.concatenate([getattr(t, name) for t in tables])
        for name in ("image_index", "category_index", "xywh", "score")
    }
    enough = columns["score"] >= skip_below
    losses = _loss("boxes", f"skipped: score below {skip_below:g}", ~enough)
    normalised = any(t.units == "normalised" for t in tables if len(t))
    sizes = (np.ones((len(united.images), 2)) if normalised else united.images.sizes)[columns["image_index"]]
    xywh, cut, turned = _inside(columns["xywh"], sizes)
    empty = boxes.area(xywh) <= 0
    losses += _loss("boxes of negative size", "turned", enough & turned)
    losses += _loss("boxes", "clipped to the image", enough & cut & ~empty)
    losses += _loss("boxes without area in the image", "dropped", enough & empty)
    losses += _loss("masks and keypoints", "dropped", _has_outline(tables) & enough)
    kept = np.flatnonzero(enough & ~empty)
    kept = kept[np.argsort(columns["image_index"][kept], kind="stable")]
    findings = list(united.findings)
    unknown = int(np.count_nonzero(np.isnan(sizes[kept]).any(axis=1)))
    if unknown:
        message = "image sizes are unknown (--truth, --image-sizes): boxes are cut at the left and upper edge only"
        findings.append(Finding("DK403", message, count=unknown))
    pool = Detections.build(
        united.images,
        united.categories,
        image_index=columns["image_index"][kept],
        category_index=columns["category_index"][kept],
        xywh=xywh[kept],
        score=columns["score"][kept],
        units="normalised" if normalised else "pixels",
        findings=tuple(findings),
    )
    return pool, model[kept], losses


def _inside(
    xywh: NDArray[np.float64], sizes: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]:
    """Boxes cut to their images, which were cut, and which had a negative size and were turned."""
    turned = np.asarray((xywh[:, 2:] < 0).any(axis=1), dtype=np.bool_)
    if turned.any():
        xywh = np.concatenate([xywh[:, :2] + np.minimum(xywh[:, 2:], 0), np.abs(xywh[:, 2:])], axis=1)
    inside = boxes.clip(xywh, np.where(np.isnan(sizes), np.inf, sizes))
    return inside, np.asarray((inside != xywh).any(axis=1), dtype=np.bool_), turned


def _loss(what: str, action: str, rows: NDArray[np.bool_]) -> list[Loss]:
    count = int(np.count_nonzero(rows))
    return [Loss(what, action, count)] if count else []


def _has_outline(tables: Sequence[Detections]) -> NDArray[np.bool_]:
    return np.repeat([t.shapes is not None or t.keypoints is not None for t in tables], [len(t) for t in tables])


def _fused(
    pool: Detections, model: NDArray[np.int64], weights: NDArray[np.float64], settings: EnsembleSettings
) -> Detections:
    found = fuse(
        pool.xywh,
        pool.score,
        groups_of(pool),
        model,
        weights,
        iou_threshold=0.55 if settings.iou_threshold is None else settings.iou_threshold,
        confidence=settings.confidence,
        allows_overflow=settings.allows_overflow,
        jobs=settings.jobs,
    )
    return _rebuilt(pool, found.first, found.xywh, found.score)


def _suppressed(
    pool: Detections, model: NDArray[np.int64], weights: NDArray[np.float64], settings: EnsembleSettings
) -> Detections:
    """NMS over all tables; scores are weighted only where weights were given, as in ensemble-boxes."""
    score = pool.score if settings.weights is None else pool.score * weights[model] / weights.sum()
    threshold = 0.5 if settings.iou_threshold is None else settings.iou_threshold
    if settings.method == "nms":
        kept = np.flatnonzero(
            grouped_nms(pool.xywh, score, groups_of(pool), iou_threshold=threshold, jobs=settings.jobs)
        )
        return _rebuilt(pool, kept, pool.xywh[kept], score[kept])
    lowered = grouped_soft_nms(
        pool.xywh,
        score,
        groups_of(pool),
        decay="linear" if settings.method == "soft-linear" else "gaussian",
        iou_threshold=threshold,
        sigma=settings.sigma,
        # The package keeps what is above its threshold, not what is equal.
        score_threshold=float(np.nextafter(settings.score_threshold, np.inf)),
        jobs=settings.jobs,
    )
    kept = np.flatnonzero(~np.isnan(lowered))
    return _rebuilt(pool, kept, pool.xywh[kept], (lowered if settings.decayed_scores else score)[kept])


def _rebuilt(
    pool: Detections, rows: NDArray[np.int64], xywh: NDArray[np.float64], score: NDArray[np.float64]
) -> Detections:
    return Detections.build(
        pool.images,
        pool.categories,
        image_index=pool.image_index[rows],
        category_index=pool.category_index[rows],
        xywh=xywh,
        score=score,
        units=pool.units,
        findings=pool.findings,
    )
