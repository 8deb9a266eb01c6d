"""Ultralytics' own validator: COCO's overlaps with an average precision and precision and recall of its own.

Source: ultralytics 8.4.190: engine/validator.py (match_predictions), utils/metrics.py (ap_per_class, compute_ap),
models/yolo/detect/val.py, cfg/default.yaml (max_det, conf), data/converter.py and data/utils.py (labels that are not
read). Overlaps are taken in float64 here and in float32 there; where scores tie its order is undefined, here it is
that of the file.
"""

from __future__ import annotations

import numpy as np

from detkit.errors import UsageError
from detkit.evaluation.averaging import trapezoid
from detkit.evaluation.best_f1 import at_best_mean_f1
from detkit.evaluation.protocols._base import AreaRange, Metric, Protocol

__all__ = ["protocol"]

_METRICS = (
    Metric("AP", "AP"),
    Metric("AP50", "AP", iou=0.5),
    Metric("AP75", "AP", iou=0.75),
    Metric("P", "P", iou=0.5),
    Metric("R", "R", iou=0.5),
)


def protocol(iou_type: str) -> Protocol:
    """The settings of the `val` mode of detection models, as versions from 8.4.176 on have them."""
    if iou_type != "bbox":
        raise UsageError(f"Ultralytics' protocols know iou type bbox; found `{iou_type}`")
    return Protocol(
        name="ultralytics",
        iou_type=iou_type,
        iou_thresholds=tuple(np.linspace(0.5, 0.95, 10).tolist()),
        recall_thresholds=(),
        area_ranges=(AreaRange("all", 0.0, float("inf")),),
        max_detections=(300,),
        cap_per="image",
        match_rule="greedy",
        accumulate=trapezoid,
        metrics=_METRICS,
        operating_point=at_best_mean_f1,
        crowds_match_many=False,
        drop_truths=("ignored", "empty", "duplicates"),
        score_threshold=0.001,
    )
