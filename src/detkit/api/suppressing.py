"""Keep the best of overlapping predictions, from paths or tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from detkit.api.tables import read, refuse_unusable
from detkit.tables import Dataset, Detections

if TYPE_CHECKING:
    from detkit.transforms.nms import Method

__all__ = ["nms"]


def nms(
    source: str | Path | Detections,
    *,
    method: Method = "greedy",
    iou_type: Literal["bbox", "obb"] = "bbox",
    iou_threshold: float = 0.45,
    sigma: float = 0.5,
    score_threshold: float | None = None,
    thresholds: str | Path | None = None,
    truth: str | Path | Dataset | None = None,
    max_detections: int | None = None,
    class_agnostic: bool = False,
    format: str = "auto",
    drop_invalid: bool = False,
    jobs: int | None = None,
    **options: Any,
) -> Detections:
    """Predictions after non-maximum suppression, class by class and image by image.

    Parameters
    ----------
    source : path-like or Detections
    method, iou_type, iou_threshold, sigma, score_threshold, max_detections, class_agnostic, jobs
        See `detkit.transforms.nms.suppress`.
    thresholds : path-like, optional
        File of `detkit.thresholds/1`: the least score of each class, applied before boxes are counted.
    truth : path-like or Dataset, optional
        Names the classes of predictions that have only ids, for `thresholds`.
    format : str
    drop_invalid : bool
    **options
        Fields of `ReadOptions`.

    Returns
    -------
    Detections
    """
    from detkit.api._thresholds import apply_thresholds, named_by, read_thresholds
    from detkit.transforms.nms import best_of_images, suppress

    profile = None if thresholds is None else read_thresholds(thresholds)
    table = source if isinstance(source, Detections) else read(source, kind="detections", format=format, **options)
    refuse_unusable(table.findings, drop_invalid)
    kept = suppress(
        table,
        method=method,
        iou_type=iou_type,
        iou_threshold=iou_threshold,
        sigma=sigma,
        score_threshold=score_threshold,
        max_detections=max_detections if profile is None else None,
        class_agnostic=class_agnostic,
        jobs=jobs,
    )
    if profile is None:
        return kept
    names = None
    if truth is not None:
        names = named_by(kept, truth if isinstance(truth, Dataset) else read(truth))
    kept = apply_thresholds(kept, profile, names)
    return kept if max_detections is None else kept.take(best_of_images(kept, max_detections))
