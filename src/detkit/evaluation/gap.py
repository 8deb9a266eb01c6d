"""Why a training framework's AP differs from COCO's: one setting at a time from one protocol to the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from detkit.errors import CannotJudgeError, UsageError
from detkit.evaluation import protocols
from detkit.evaluation.align import Aligned
from detkit.evaluation.dropped import drop_truths
from detkit.evaluation.protocols import DropReason, Metric, Protocol
from detkit.evaluation.quirks import as_reference_reads
from detkit.evaluation.scoring import evaluate

__all__ = ["METRICS", "TARGETS", "Gap", "Point", "Step", "explain_gap"]

#: Protocols whose gap to COCO can be explained; the first is today's.
TARGETS = ("ultralytics", "ultralytics8")

#: What is followed along the way.
METRICS = ("AP", "AP50")

#: Of each step, in the order they are taken: the settings that change. `drop_truths` grows by the reasons named here.
_SETTINGS: Mapping[str, tuple[str, ...]] = {
    "ids": ("strict_parity",),
    "crowds": ("crowds_match_many",),
    "labels": (),
    "areas": ("area_ranges",),
    "scores": ("score_threshold",),
    "caps": ("max_detections", "cap_per"),
    "matching": ("match_rule",),
    "interpolation": ("accumulate", "recall_thresholds"),
}
_DROPPED: Mapping[str, tuple[DropReason, ...]] = {"crowds": ("ignored",), "labels": ("empty", "duplicates")}


@dataclass(frozen=True)
class Point:
    """Where the path stands: metrics, and how many truths and detections are scored."""

    metrics: Mapping[str, float]
    truths: int
    detections: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**self.metrics, "truths": self.truths, "detections": self.detections}


@dataclass(frozen=True)
class Step:
    """One group of settings that changes.

    Parameters
    ----------
    name : str
    after : Point
        With this and all steps before it.
    change : mapping of str to float
        Metrics after it less those before it: over all steps they add up to the gap.
    reversed : mapping of str to float
        The same where the steps are taken in reverse order: what lies between the two depends on the order.
    """

    name: str
    after: Point
    change: Mapping[str, float]
    reversed: Mapping[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "name": self.name,
            **self.after.to_dict(),
            "change": dict(self.change),
            "reversed": dict(self.reversed),
        }


@dataclass(frozen=True)
class Gap:
    """The way from COCO's figures to those of another protocol.

    Parameters
    ----------
    to : str
        Name of the other protocol.
    start : Point
        As pycocotools has it.
    steps : tuple of Step
        The last one ends at the other protocol's figures.
    """

    to: str
    start: Point
    steps: tuple[Step, ...]

    @property
    def end(self) -> Point:
        """As the other protocol has it."""
        return self.steps[-1].after

    def to_dict(self) -> dict[str, Any]:
        """Plain values, schema `detkit.gap/1`."""
        return {
            "schema": "detkit.gap/1",
            "from": "pycocotools",
            "to": self.to,
            "start": self.start.to_dict(),
            "end": self.end.to_dict(),
            "change": {name: self.end.metrics[name] - self.start.metrics[name] for name in METRICS},
            "steps": [step.to_dict() for step in self.steps],
        }


def explain_gap(aligned: Aligned, to: str = "ultralytics", *, class_wise: bool = True, jobs: int | None = None) -> Gap:
    """What each setting contributes to the difference between COCO's AP and another protocol's.

    Parameters
    ----------
    aligned : Aligned
        From `detkit.evaluation.align.align`.
    to : {"ultralytics", "ultralytics8"}
    class_wise : bool
    jobs : int, optional
        Threads; by default one a processor.

    Returns
    -------
    Gap

    Raises
    ------
    UsageError
        Another protocol.
    CannotJudgeError
        A metric is undefined: the truth holds nothing that is scored.
    """
    if to not in TARGETS:
        raise UsageError(f"the gap is explained from coco to {' or '.join(TARGETS)}, found `{to}`")
    path = _Path(aligned, replace(protocols.get(to), class_wise=class_wise), jobs)
    names = list(_SETTINGS)
    forth = [path.at(names[:n]) for n in range(len(names) + 1)]
    back = [path.at(names[n:]) for n in range(len(names) + 1)]
    steps = tuple(
        Step(name, forth[n + 1], _change(forth[n], forth[n + 1]), _change(back[n + 1], back[n]))
        for n, name in enumerate(names)
    )
    return Gap(to, forth[0], steps)


def _change(before: Point, after: Point) -> dict[str, float]:
    return {name: after.metrics[name] - before.metrics[name] for name in METRICS}


class _Path:
    """Metrics with any choice of steps taken; each is scored once, and steps that change nothing here are not taken."""

    def __init__(self, aligned: Aligned, goal: Protocol, jobs: int | None) -> None:
        self._aligned, self._goal, self._jobs = aligned, goal, jobs
        coco = protocols.get("coco")
        self._start = replace(
            coco,
            area_ranges=coco.area_ranges[:1],
            max_detections=coco.max_detections[-1:],
            metrics=(Metric("AP", "AP"), Metric("AP50", "AP", iou=0.5)),
            class_wise=goal.class_wise,
            strict_parity=True,
        )
        self._idle = _idle(aligned, self._start, goal)
        self._known: dict[frozenset[str], Point] = {}

    def at(self, steps: Iterable[str]) -> Point:
        """Where one stands after these steps."""
        taken = frozenset(steps) - self._idle
        if taken not in self._known:
            self._known[taken] = self._score(taken)
        return self._known[taken]

    def _score(self, taken: frozenset[str]) -> Point:
        changed = {field: getattr(self._goal, field) for name in taken for field in _SETTINGS[name]}
        reasons = {reason for name in taken for reason in _DROPPED.get(name, ())}
        dropped = tuple(reason for reason in self._goal.drop_truths if reason in reasons)
        result = evaluate(self._aligned, replace(self._start, **changed, drop_truths=dropped), jobs=self._jobs)
        metrics = {name: result.metrics[name] for name in METRICS}
        if any(value is None for value in metrics.values()):
            raise CannotJudgeError("the truth holds nothing that is scored: there is no AP to explain")
        return Point(
            {name: value for name, value in metrics.items() if value is not None},
            int(result.scored.truths[:, 0].sum()),
            len(result.scored.layout.dt_row),
        )


def _idle(aligned: Aligned, start: Protocol, goal: Protocol) -> frozenset[str]:
    """Steps that change nothing whatever the others do: what they speak of is not in this data."""
    rows, detections = aligned.truth.annotations, aligned.detections
    limit, least = start.area_ranges[0].high, goal.score_threshold or 0.0
    idle = {
        "ids": not rows.is_ignored.any()
        and not bool(np.any(rows.ids == 0))
        and as_reference_reads(aligned.truth) is aligned.truth,
        **{
            name: drop_truths(aligned.truth, replace(start, drop_truths=reasons)) is aligned.truth
            for name, reasons in _DROPPED.items()
        },
        "areas": bool((rows.area <= limit).all() and (detections.area <= limit).all() and (rows.area >= 0).all()),
        "scores": bool((detections.score >= least).all()),
        "matching": start.match_rule == goal.match_rule,
    }
    return frozenset(name for name, nothing in idle.items() if nothing)
