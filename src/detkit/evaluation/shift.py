"""Class numbers that are off by one: found by what moving them would do to the score."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from detkit.errors import CannotJudgeError
from detkit.evaluation.engine import score
from detkit.evaluation.protocols import Metric, Protocol
from detkit.evaluation.result import Evaluation, metric_value, place_of
from detkit.findings import Finding
from detkit.tables import Dataset, Detections, freeze

__all__ = [
    "ClassMismatch",
    "at_reference",
    "class_mismatch",
    "looks_wrong",
    "may_be_shifted",
    "mismatch_findings",
    "mismatch_of",
    "moved_classes",
    "suspicious_ap",
]

#: Class numbers are looked at where AP is below the first; an AP this many times as high counts as better, from the
#: last on.
_SUSPICIOUS, _FACTOR, _LEAST = 0.3, 2.0, 0.05
#: A class this far down, with that many truths, is not found at all; so many of them call for a look.
_NOT_FOUND, _TRUTHS, _LOST = 0.05, 10, 2


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
    truth, detections = result.truth, result.detections
    if not may_be_shifted(truth, result.protocol) or not len(detections):
        return None
    protocol = at_reference(result.protocol)
    agnostic = replace(protocol, class_wise=False)
    return mismatch_of(
        suspicious_ap(result),
        lambda: _ap(truth, detections, agnostic),
        ((what, _ap(truth, moved, protocol)) for what, moved in moved_classes(truth, detections)),
    )


def mismatch_of(
    here: float | None, agnostic: Callable[[], float | None], moved: Iterable[tuple[str, float | None]]
) -> ClassMismatch | None:
    """What the APs say of class numbers, by the rule of `class_mismatch`.

    Parameters
    ----------
    here : float, optional
        From `suspicious_ap`: None looks no further.
    agnostic : callable
        Gives AP without regard to class, asked for only where it is needed.
    moved : iterable of (str, float or None)
        How class numbers are moved, and AP then; read as far as it takes.

    Returns
    -------
    ClassMismatch or None
    """
    if here is None:
        return None
    overall = agnostic()
    if overall is None or overall < max(_FACTOR * here, _LEAST):
        return None
    for what, there in moved:
        if there is not None and there >= max(_FACTOR * here, overall / 2):
            return ClassMismatch(here, overall, f"{there:.3f} with {what}")
    return ClassMismatch(here, overall, None)


def mismatch_findings(mismatch: ClassMismatch | None, *, by_id: bool) -> list[Finding]:
    """A shift of class ids as a finding `DK703`; class numbers in another order than the truth's are not judged at all.

    Parameters
    ----------
    mismatch : ClassMismatch, optional
    by_id : bool
        Whether classes met by ids of both sides; else by their place in the truth's list.

    Returns
    -------
    list of Finding

    Raises
    ------
    CannotJudgeError
        Places do not follow the truth's list.
    """
    if mismatch is None or (by_id and mismatch.shift is None):
        return []
    if not by_id:
        raise CannotJudgeError(
            f"class numbers without names do not seem to follow the truth's class list: {mismatch}",
            hint="name the classes of the predictions with `--names FILE`",
        )
    return [Finding("DK703", f"class ids look shifted: {mismatch}")]


def may_be_shifted(truth: Dataset, protocol: Protocol) -> bool:
    """Whether class numbers can be looked at: several classes, told apart, and boxes.

    Parameters
    ----------
    truth : Dataset
    protocol : Protocol

    Returns
    -------
    bool
    """
    return protocol.class_wise and protocol.iou_type == "bbox" and len(truth.categories) > 1


def at_reference(protocol: Protocol) -> Protocol:
    """The protocol at its reference overlap and over all areas alone: what class numbers are looked at with."""
    t = protocol.iou_thresholds[protocol.reference_threshold]
    return replace(protocol, iou_thresholds=(t,), area_ranges=protocol.area_ranges[:1])


def _ap(truth: Dataset, detections: Detections, protocol: Protocol) -> float | None:
    return metric_value(Metric("AP", "AP"), protocol, score(truth, detections, protocol))


def moved_classes(truth: Dataset, detections: Detections) -> Iterator[tuple[str, Detections]]:
    """The detections with every class moved, by id and by position.

    Parameters
    ----------
    truth : Dataset
    detections : Detections
        Aligned to the truth.

    Yields
    ------
    str, Detections
        How they are moved, and the rows whose class is one of the truth's then.
    """
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
    for what, table in tables:
        moved = table[detections.category_index]
        kept = detections.take(moved >= 0)
        yield what, replace(kept, category_index=freeze(moved[moved >= 0], np.int64))


def looks_wrong(result: Evaluation) -> bool:
    """Whether names and numbers are to be looked at: AP below 0.3, or classes of ten truths and more without a match.

    Parameters
    ----------
    result : Evaluation

    Returns
    -------
    bool
    """
    if suspicious_ap(result) is not None:
        return True
    protocol, scored = result.protocol, result.scored
    at = protocol.iou_thresholds[protocol.reference_threshold]
    place = place_of(Metric("AP", "AP", iou=at), protocol)
    if place is None or place[2] is None or not protocol.class_wise:
        return False
    area, cap, threshold = place
    # Undefined entries are -1, and a class has none of them or nothing else.
    ap = scored.precision[threshold, :, :, area, cap].mean(axis=0)
    missed = (ap >= 0) & (ap < _NOT_FOUND) & (scored.truths[:, area] >= _TRUTHS)
    return int(np.count_nonzero(missed)) >= _LOST
