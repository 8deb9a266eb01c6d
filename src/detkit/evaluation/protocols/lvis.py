"""LVIS: COCO's average precision on partly labelled images, at most 300 detections an image over all classes.

Source: lvis 0.5.3, eval.py (LVISEval, Params) and results.py (limit_dets_per_image). Precision and recall are equal
bit for bit.
"""

from __future__ import annotations

from dataclasses import replace

from detkit.errors import UsageError
from detkit.evaluation.protocols import coco
from detkit.evaluation.protocols._base import ImageLabels, Metric, Protocol

__all__ = ["protocol"]

_METRICS = (
    Metric("AP", "AP"),
    Metric("AP50", "AP", iou=0.5),
    Metric("AP75", "AP", iou=0.75),
    Metric("APsmall", "AP", area="small"),
    Metric("APmedium", "AP", area="medium"),
    Metric("APlarge", "AP", area="large"),
    Metric("APr", "AP", group="r"),
    Metric("APc", "AP", group="c"),
    Metric("APf", "AP", group="f"),
    Metric("AR300", "AR", cap=0),
    Metric("ARsmall", "AR", area="small"),
    Metric("ARmedium", "AR", area="medium"),
    Metric("ARlarge", "AR", area="large"),
)


def protocol(iou_type: str) -> Protocol:
    """The settings of LVIS' `bbox` or `segm` task."""
    if iou_type not in ("bbox", "segm"):
        raise UsageError(f"protocol `lvis` knows iou types bbox and segm; found `{iou_type}`")
    return replace(
        coco.protocol(iou_type),
        name="lvis",
        max_detections=(300,),
        cap_per="image",
        metrics=_METRICS,
        crowds_are_objects=True,
        image_labels=ImageLabels("neg_category_ids", partial="not_exhaustive_category_ids", on_every_image=True),
        class_groups="frequency",
        drop_empty=("detections", "truths"),
    )
