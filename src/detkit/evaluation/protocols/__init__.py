"""Evaluation protocols, one a file: a frozen record of numbers and named functions that the engine reads.

A protocol file defines `protocol(iou_type)` and returns a `Protocol`. Nothing in the engine asks for a protocol's name.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from detkit import registry
from detkit.errors import UsageError
from detkit.evaluation.protocols._base import UNLIMITED, AreaRange, DropReason, ImageLabels, Metric, Protocol

__all__ = ["UNLIMITED", "AreaRange", "DropReason", "ImageLabels", "Metric", "Protocol", "get", "names"]

_ROOM = "detkit.evaluation.protocols"


def names() -> tuple[str, ...]:
    """Names of all protocols."""
    return registry.names(_ROOM)


def get(name: str, iou_type: str = "bbox", **settings: Any) -> Protocol:
    """A protocol by name with changed settings.

    Parameters
    ----------
    name : str
        `coco`, `voc2007`, `voc2012`, ...
    iou_type : {"bbox", "segm", "keypoints", "obb"}
    **settings
        Fields of `Protocol` to replace; None keeps the protocol's own value.

    Returns
    -------
    Protocol

    Raises
    ------
    UsageError
        Unknown protocol, overlap the protocol does not know, or settings that make no sense.
    """
    protocol: Protocol = registry.load(_ROOM, name).protocol(iou_type)
    changed = {key: value for key, value in settings.items() if value is not None}
    if "area_ranges" in changed and protocol.match_rule == "best":
        raise UsageError(f"protocol `{name}` has no area ranges")
    if "sigmas" in changed and iou_type != "keypoints":
        raise UsageError(f"sigmas belong to iou type keypoints, not to {iou_type}")
    return replace(protocol, **changed)
