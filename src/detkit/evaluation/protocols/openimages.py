"""Open Images challenge: VOC's average precision on partly labelled images, with boxes around groups.

Source: tensorflow/models, research/object_detection/utils: object_detection_evaluation.py
(OpenImagesDetectionChallengeEvaluator), per_image_evaluation.py and metrics.py. A group-of box weighs 1, as in the
challenges of 2018 and 2019; `group_of="ignore"` is weight 0, the Open Images V2 metric.
"""

from __future__ import annotations

from dataclasses import replace

from detkit.errors import UsageError
from detkit.evaluation.protocols import voc2012
from detkit.evaluation.protocols._base import ImageLabels, Protocol

__all__ = ["protocol"]


def protocol(iou_type: str) -> Protocol:
    """The settings of the Open Images detection challenge."""
    if iou_type != "bbox":
        raise UsageError(f"protocol `openimages` knows iou type bbox; found `{iou_type}`")
    return replace(
        voc2012.protocol(iou_type),
        name="openimages",
        group_of="count",
        image_labels=ImageLabels("neg_category_ids", present="pos_category_ids"),
        drop_empty=("detections",),
    )
