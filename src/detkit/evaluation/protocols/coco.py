"""COCO: 101-point average precision over ten overlaps, four sizes and three caps.

Source: pycocotools 2.0.11, cocoeval.py, Params and summarize. Every intermediate is bit-equal.
"""

from __future__ import annotations

import numpy as np

from detkit.errors import UsageError
from detkit.evaluation.averaging import interpolated
from detkit.evaluation.protocols._base import AreaRange, Metric, Protocol

__all__ = ["KEYPOINT_SIGMAS", "protocol"]

KEYPOINT_SIGMAS = tuple(
    float(s)
    for s in np.array(
        [0.26, 0.25, 0.25, 0.35, 0.35, 0.79, 0.79, 0.72, 0.72, 0.62, 0.62, 1.07, 1.07, 0.87, 0.87, 0.89, 0.89]
    )
    / 10.0
)

_SMALL, _MEDIUM, _LARGE = 32.0**2, 96.0**2, 1e5**2
_ALL = AreaRange("all", 0.0, _LARGE)
_SIZES = (AreaRange("medium", _SMALL, _MEDIUM), AreaRange("large", _MEDIUM, _LARGE))

_BOX_METRICS = (
    Metric("AP", "AP", named_cap=100),
    Metric("AP50", "AP", iou=0.5, parity_cap=2),
    Metric("AP75", "AP", iou=0.75, parity_cap=2),
    Metric("APsmall", "AP", area="small", parity_cap=2),
    Metric("APmedium", "AP", area="medium", parity_cap=2),
    Metric("APlarge", "AP", area="large", parity_cap=2),
    Metric("AR1", "AR", cap=0),
    Metric("AR10", "AR", cap=1),
    Metric("AR100", "AR", cap=2),
    Metric("ARsmall", "AR", area="small", parity_cap=2),
    Metric("ARmedium", "AR", area="medium", parity_cap=2),
    Metric("ARlarge", "AR", area="large", parity_cap=2),
)
_KEYPOINT_METRICS = (
    Metric("AP", "AP", named_cap=20),
    Metric("AP50", "AP", iou=0.5, named_cap=20),
    Metric("AP75", "AP", iou=0.75, named_cap=20),
    Metric("APmedium", "AP", area="medium", named_cap=20),
    Metric("APlarge", "AP", area="large", named_cap=20),
    Metric("AR", "AR", named_cap=20),
    Metric("AR50", "AR", iou=0.5, named_cap=20),
    Metric("AR75", "AR", iou=0.75, named_cap=20),
    Metric("ARmedium", "AR", area="medium", named_cap=20),
    Metric("ARlarge", "AR", area="large", named_cap=20),
)


def protocol(iou_type: str) -> Protocol:
    """The settings of COCO's `bbox`, `segm` or `keypoints` task; `obb` takes those of boxes for oriented ones."""
    if iou_type not in ("bbox", "segm", "keypoints", "obb"):
        raise UsageError(f"protocol `coco` knows iou types bbox, segm, keypoints, obb; found `{iou_type}`")
    keypoints = iou_type == "keypoints"
    return Protocol(
        name="coco",
        iou_type=iou_type,
        iou_thresholds=tuple(np.linspace(0.5, 0.95, 10).tolist()),
        recall_thresholds=tuple(np.linspace(0.0, 1.0, 101).tolist()),
        area_ranges=(_ALL, *_SIZES) if keypoints else (_ALL, AreaRange("small", 0.0, _SMALL), *_SIZES),
        max_detections=(20,) if keypoints else (1, 10, 100),
        match_rule="greedy",
        accumulate=interpolated,
        metrics=_KEYPOINT_METRICS if keypoints else _BOX_METRICS,
        sigmas=KEYPOINT_SIGMAS if keypoints else (),
    )
