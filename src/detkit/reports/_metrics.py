"""Which metrics a reader sees: none twice."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TypeVar

__all__ = ["shown_once"]

_T = TypeVar("_T")
_AT_AN_OVERLAP = re.compile(r"AP\d+(\.\d+)?")


def shown_once(metrics: Mapping[str, _T], iou_thresholds: Sequence[float]) -> dict[str, _T]:
    """The metrics without those that a lone overlap threshold makes the headline again, as AP50 under VOC.

    Parameters
    ----------
    metrics : mapping
        Of a result, a class or a comparison.
    iou_thresholds : sequence of float
        Those of the protocol. Where there is one, AP at that overlap is the AP, and at any other it is undefined.

    Returns
    -------
    dict
        In the same order.
    """
    if len(iou_thresholds) != 1 or not {"AP", "mAP"} & metrics.keys():
        return dict(metrics)
    return {name: value for name, value in metrics.items() if not _AT_AN_OVERLAP.fullmatch(name)}
