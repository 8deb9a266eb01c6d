"""Pascal VOC 2010 to 2012: area under the monotone precision-recall curve at one overlap.

Source: VOCdevkit, VOCevaldet.m and VOCap.m. Inclusive pixels are the readers' matter: nothing is added here.
With iou type `obb` it is the measure of DOTA's task 1 (oriented boxes at overlap 0.5).
"""

from __future__ import annotations

from detkit.errors import UsageError
from detkit.evaluation.averaging import area_under_curve
from detkit.evaluation.protocols._base import UNLIMITED, AreaRange, Metric, Protocol

__all__ = ["protocol"]


def protocol(iou_type: str) -> Protocol:
    """The settings of VOC 2012's detection task."""
    if iou_type not in ("bbox", "segm", "obb"):
        raise UsageError(f"Pascal VOC knows iou types bbox, segm and obb; found `{iou_type}`")
    return Protocol(
        name="voc2012",
        iou_type=iou_type,
        iou_thresholds=(0.5,),
        recall_thresholds=(),
        area_ranges=(AreaRange("all", 0.0, float("inf")),),
        max_detections=(UNLIMITED,),
        match_rule="best",
        accumulate=area_under_curve,
        metrics=(Metric("mAP", "AP"),),
        crowds_match_many=False,
    )
