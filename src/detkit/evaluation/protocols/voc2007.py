"""Pascal VOC 2007: mean precision at eleven recalls, otherwise as VOC 2012.

Source: VOCdevkit 2007, VOCevaldet.m.
"""

from __future__ import annotations

from dataclasses import replace

from detkit.evaluation.averaging import eleven_point
from detkit.evaluation.protocols import voc2012
from detkit.evaluation.protocols._base import Protocol

__all__ = ["protocol"]


def protocol(iou_type: str) -> Protocol:
    """The settings of VOC 2007's detection task."""
    return replace(voc2012.protocol(iou_type), name="voc2007", accumulate=eleven_point)
