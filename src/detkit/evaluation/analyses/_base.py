"""What an analysis is given and what it gives back."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from detkit.errors import UsageError
from detkit.evaluation.result import Evaluation
from detkit.tables import Detections

__all__ = ["Analysis", "Settings", "reference"]


class Analysis(Protocol):
    """The result of an analysis: a frozen record of its own that becomes plain values."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; undefined is None."""
        ...


@dataclass(frozen=True, eq=False)
class Settings:
    """How analyses look at an evaluation; each reads what concerns it.

    Parameters
    ----------
    score_threshold : float, optional
        Operating point: detections with score >= it are kept. By default the overall threshold of the best F-beta.
    iou_threshold : float, optional
        Overlap a match needs; one of the protocol's. By default the protocol's reference threshold.
    beta : float
        Weight of recall in F-beta, above 0.
    slices : mapping, optional
        Slice name -> ids or file names of its images.
    raw : Detections, optional
        Predictions before NMS, aligned to the truth.
    examples : int
        How many single cases a list of examples holds at most.
    jobs : int, optional
        Threads; by default one a processor.

    Raises
    ------
    UsageError
        A beta that is not positive, or a score threshold that is no number.
    """

    score_threshold: float | None = None
    iou_threshold: float | None = None
    beta: float = 1.0
    slices: Mapping[str, Sequence[Any]] | None = None
    raw: Detections | None = None
    examples: int = 20
    jobs: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.beta < math.inf:
            raise UsageError(f"beta must be a positive number, found {self.beta:g}")
        if self.score_threshold is not None and not math.isfinite(self.score_threshold):
            raise UsageError(f"score threshold must be a finite number, found {self.score_threshold:g}")


def reference(result: Evaluation, settings: Settings) -> int:
    """Position of the overlap threshold that an analysis speaks of.

    Parameters
    ----------
    result : Evaluation
    settings : Settings

    Returns
    -------
    int

    Raises
    ------
    UsageError
        The threshold is none of the protocol's.
    """
    thresholds = np.array(result.protocol.iou_thresholds)
    if settings.iou_threshold is None:
        return result.protocol.reference_threshold
    near: NDArray[np.int64] = np.flatnonzero(np.isclose(thresholds, settings.iou_threshold, rtol=0, atol=1e-9))
    if not len(near):
        known = ", ".join(f"{t:g}" for t in thresholds)
        raise UsageError(f"iou threshold {settings.iou_threshold:g}: the evaluation matched at {known}")
    return int(near[0])
