"""Ultralytics' validator up to version 8.4.36, with which most published figures of YOLOv5 to YOLO11 were made.

Source: ultralytics 8.3.253, engine/validator.py (match_predictions) and utils/metrics.py (compute_ap). Two things
differ from today's: a detection looks at the truth it overlaps most, even where a better one has it already; and the
curve goes on from the last recall that is reached, straight down to precision 0 at recall 1.
"""

from __future__ import annotations

from dataclasses import replace

from detkit.evaluation.averaging import trapezoid_to_end
from detkit.evaluation.protocols import ultralytics
from detkit.evaluation.protocols._base import Protocol

__all__ = ["protocol"]


def protocol(iou_type: str) -> Protocol:
    """The settings of the `val` mode of detection models, as versions up to 8.4.36 have them."""
    return replace(ultralytics.protocol(iou_type), name="ultralytics8", match_rule="best", accumulate=trapezoid_to_end)
