"""Class numbers that are off by one: found by what moving them would do to the score."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from detkit.evaluation.engine import score
from detkit.evaluation.protocols import Metric, Protocol
from detkit.evaluation.result import metric_value
from detkit.tables import Dataset, Detections, freeze

if TYPE_CHECKING:
    from detkit.evaluation.result import Evaluation

__all__ = ["ClassMismatch", "class_mismatch", "suspicious_ap"]

_SUSPICIOUS = 0.3
_FACTOR = 2.0


@dataclass(frozen=True)
class ClassMismatch:
    """Boxes that fit well while their classes do not.

    Parameters
    ----------
    here, agnostic : float
        AP at the reference overlap, with and without regard to class.
    shift : str, optional
        What moving of the class numbers would mend it, with the AP that gives.
    """

    here: float
    agnostic: float
    shift: str | None

    def __str__(self) -> str:
        mended = f", {self.shift}" if self.shift else ""
        return f"AP is {self.here:.3f} class by class{mended}, {self.agnostic:.3f} without regard to class"


def suspicious_ap(result: Evaluation) -> float | None:
    """AP at the reference overlap where it is so low, below 0.3, that class numbers are to be looked at; else None.

    Parameters
    ----------
    result : Evaluation

    Returns
    -------
    float or None
    """
    protocol = result.protocol
    at = protocol.iou_thresholds[protocol.reference_threshold]
    here = metric_value(Metric("AP", "AP", iou=at), protocol, result.scored)
    return None if here is None or here >= _SUSPICIOUS else here


def class_mismatch(result: Evaluation) -> ClassMismatch | None:
    """Whether class numbers seem to mean something else than in the truth, and which shift would mend that.

    Looked for only where AP at the reference overlap is below 0.3: the class-agnostic AP must be at least twice as
    high; a shift is named when it at least doubles AP too.

    Parameters
    ----------
    result : Evaluation

    Returns
    -------
    ClassMismatch or None
    """
    truth, detections, protocol = result.truth, result.detections, result.protocol
    if protocol.iou_type != "bbox" or len(truth.categories) < 2 or not len(detections):
        return None
    here = suspicious_ap(result)
    if here is None:
        return None
    protocol = _reduced(protocol)
    agnostic = _ap(truth, detections, replace(protocol, class_wise=False))
    if agnostic is None or agnostic < max(_FACTOR * here, 0.05):
        return None
    for what, moved in _candidates(truth, detections):
        there = _ap(truth, moved, protocol)
        if there is not None and there >= max(_FACTOR * here, agnostic / 2):
            return ClassMismatch(here, agnostic, f"{there:.3f} with {what}")
    return ClassMismatch(here, agnostic, None)


def _reduced(protocol: Protocol) -> Protocol:
    t = protocol.iou_thresholds[protocol.reference_threshold]
    return replace(protocol, iou_thresholds=(t,), area_ranges=protocol.area_ranges[:1])


def _ap(truth: Dataset, detections: Detections, protocol: Protocol) -> float | None:
    return metric_value(Metric("AP", "AP"), protocol, score(truth, detections, protocol))


def _candidates(truth: Dataset, detections: Detections) -> list[tuple[str, Detections]]:
    """The detections with every class moved, by id and by position."""
    ids = truth.categories.ids
    count = len(ids)
    tables: list[tuple[str, NDArray[np.int64]]] = []
    if ids.dtype != object:
        place = {int(i): n for n, i in enumerate(ids)}
        for step in (1, -1):
            tables.append((f"every class id {step:+d}", np.array([place.get(int(i) + step, -1) for i in ids])))
        for first in (0, 1):
            if not np.array_equal(ids, np.arange(first, first + count)):
                positions = np.where((ids >= first) & (ids < first + count), ids - first, -1)
                tables.append((f"class ids read as positions from {first}", positions))
    out = []
    for what, table in tables:
        moved = table[detections.category_index]
        kept = detections.take(moved >= 0)
        out.append((what, replace(kept, category_index=freeze(moved[moved >= 0], np.int64))))
    return out
