"""Two predictions of the same images without a truth: which boxes one has alone, how far scores and boxes moved.

Made for two exports of one model (float32 against float16 or int8, a framework against ONNX), where every difference
is a fault of the export and none of the model.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detkit.errors import CannotJudgeError, UsageError
from detkit.evaluation._gate_names import select_row, suggestion
from detkit.evaluation._gate_paths import Reading
from detkit.evaluation.gate import GateReport, judge_reading, parse_expression
from detkit.evaluation.union import United, unite
from detkit.findings import Finding
from detkit.kernels.match import Cells, match
from detkit.tables import Dataset, Detections

__all__ = ["Differences", "compare_predictions", "judge_differences"]

Numbers = Mapping[str, Any]
_COUNTS = ("boxes_a", "boxes_b", "matched", "unmatched", "unmatched_a", "unmatched_b", "unmatched_share")
#: figure -> (of what, statistics); the first column of each pair is what reports call it.
_FIGURES = {
    "score_shift": ("mean", "p95", "max"),
    "iou": ("mean", "p5", "min"),
    "corner_shift": ("mean", "p95", "max"),
}


@dataclass(frozen=True, eq=False)
class Differences:
    """What differs between predictions A and B.

    Parameters
    ----------
    a, b : str
        Their paths, or `A` and `B`.
    iou_threshold, score_threshold : float
        A pair needs IoU >= the one; boxes with score >= the other take part.
    units : {"pixels", "normalised"}
        Of the corner shift.
    images : mapping
        `compared`, `differing` (with a box that has no partner), `only_a`, `only_b`.
    metrics : mapping
        Counts, and `score_shift`, `iou`, `corner_shift` of the pairs; None where there is no pair.
    per_class : tuple of mapping
        The same of each class that has a box, with `category_id` and `name`; worst first.
    findings : tuple of Finding
    """

    a: str
    b: str
    iou_threshold: float
    score_threshold: float
    units: str
    images: Mapping[str, int]
    metrics: Numbers
    per_class: tuple[Numbers, ...]
    findings: tuple[Finding, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, schema `detkit.diff/1`."""
        return {
            "schema": "detkit.diff/1",
            "a": self.a,
            "b": self.b,
            "iou_threshold": self.iou_threshold,
            "score_threshold": self.score_threshold,
            "units": self.units,
            "images": dict(self.images),
            "metrics": dict(self.metrics),
            "per_class": [dict(row) for row in self.per_class],
            "findings": [finding.to_dict() for finding in self.findings],
        }


class _Pairs(NamedTuple):
    """Rows of A and B that are one box, and how far apart they are."""

    a: NDArray[np.int64]
    b: NDArray[np.int64]
    iou: NDArray[np.float64]
    score: NDArray[np.float64]
    corner: NDArray[np.float64]


def compare_predictions(
    a: Detections,
    b: Detections,
    *,
    iou_threshold: float = 0.5,
    score_threshold: float = 0.0,
    truth: Dataset | None = None,
) -> Differences:
    """What differs between two predictions of the same images.

    In each image and class the boxes of A, highest score first, take the free box of B that overlaps them most.

    Parameters
    ----------
    a, b : Detections
    iou_threshold : float
        A pair needs IoU >= this.
    score_threshold : float
        Boxes with score >= this take part. A box without partner whose partner is only below it is counted apart
        (`below_threshold`), and is unmatched all the same.
    truth : Dataset, optional
        Joins files that name images differently; its boxes are not looked at.

    Returns
    -------
    Differences

    Raises
    ------
    CannotJudgeError
        Neither has a box with such a score, or they have no image in common.
    InputError
        Units differ.
    """
    if not 0 < iou_threshold <= 1:
        raise UsageError(f"iou threshold is {iou_threshold:g}, expected more than 0 and up to 1")
    united = unite([a, b], truth)
    first, second = united.tables
    enough = [np.flatnonzero(t.score >= score_threshold) for t in united.tables]
    if not len(enough[0]) and not len(enough[1]):
        raise CannotJudgeError(
            f"neither file has a box with score {score_threshold:g} or more: there is nothing to compare",
            hint="was the model run on these images?",
        )
    pairs = _matched(first, second, enough[0], enough[1], iou_threshold)
    lonely_a, lonely_b = np.setdiff1d(enough[0], pairs.a), np.setdiff1d(enough[1], pairs.b)
    rest_a, rest_b = (np.setdiff1d(np.arange(len(t)), rows) for t, rows in zip(united.tables, enough, strict=True))
    below_a = _matched(first, second, lonely_a, rest_b, iou_threshold).a
    below_b = _matched(second, first, lonely_b, rest_a, iou_threshold).a
    classes = [first.category_index, second.category_index]

    def numbers(k: int | None) -> dict[str, Any]:
        def of(side: int, rows: NDArray[np.int64]) -> NDArray[np.int64]:
            return rows if k is None else rows[classes[side][rows] == k]

        found = _counted(len(of(0, enough[0])), len(of(1, enough[1])), len(of(0, lonely_a)), len(of(1, lonely_b)))
        found["below_threshold"] = len(of(0, below_a)) + len(of(1, below_b))
        mine = slice(None) if k is None else np.flatnonzero(classes[0][pairs.a] == k)
        return found | _summary(pairs, mine)

    ids, names = united.categories.ids.tolist(), united.categories.names
    present = np.union1d(classes[0][enough[0]], classes[1][enough[1]]).tolist()
    rows = [{"category_id": ids[k], "name": names[k], **numbers(k)} for k in present]
    rows.sort(key=lambda row: (-row["unmatched"], -(row["score_shift"]["max"] or 0), row["name"]))
    lonely_images = (first.image_index[lonely_a], second.image_index[lonely_b])
    return Differences(
        a=a.source.path if a.source else "A",
        b=b.source.path if b.source else "B",
        iou_threshold=iou_threshold,
        score_threshold=score_threshold,
        units=first.units if len(first) else second.units,
        images=_images(united, np.concatenate(lonely_images)),
        metrics=numbers(None),
        per_class=tuple(rows),
        findings=tuple(dict.fromkeys((*a.findings, *b.findings, *united.findings))),
    )


def _matched(
    a: Detections, b: Detections, rows_a: NDArray[np.int64], rows_b: NDArray[np.int64], iou_threshold: float
) -> _Pairs:
    count = max(1, len(a.categories))
    group_a = a.image_index[rows_a] * count + a.category_index[rows_a]
    group_b = b.image_index[rows_b] * count + b.category_index[rows_b]
    order_a = np.lexsort((-a.score[rows_a], group_a))
    # Of equal overlaps the kernel takes the later box: with scores rising that is the highest.
    order_b = np.lexsort((b.score[rows_b], group_b))
    rows_a, rows_b, group_a, group_b = rows_a[order_a], rows_b[order_b], group_a[order_a], group_b[order_b]
    cells = np.intersect1d(group_a, group_b)
    rows_a, rows_b = rows_a[np.isin(group_a, cells)], rows_b[np.isin(group_b, cells)]
    group_a, group_b = group_a[np.isin(group_a, cells)], group_b[np.isin(group_b, cells)]
    starts_a, starts_b = (np.append(np.searchsorted(g, cells), len(g)) for g in (group_a, group_b))
    none = np.zeros(len(rows_b), np.bool_)
    found = match(
        Cells(starts_a, starts_b, np.zeros(len(rows_a)), np.zeros(len(rows_b)), none, none, none),
        np.array([iou_threshold]),
        np.array([[-1.0, 1.0]]),
        rule="greedy",
        boxes=(a.xywh[rows_a], b.xywh[rows_b]),
        with_partners=True,
    )
    partner = found.partners[0, 0].astype(np.int64)
    hit = np.flatnonzero(partner >= 0)
    cell = np.searchsorted(cells, group_a[hit])
    mine, theirs = rows_a[hit], rows_b[starts_b[cell] + partner[hit]]
    corners = [np.concatenate([t[:, :2], t[:, :2] + t[:, 2:]], axis=1) for t in (a.xywh[mine], b.xywh[theirs])]
    moved = np.abs(corners[0] - corners[1]).max(axis=1) if len(mine) else np.empty(0)
    return _Pairs(mine, theirs, found.iou[hit], np.abs(a.score[mine] - b.score[theirs]), moved)


def _counted(boxes_a: int, boxes_b: int, lonely_a: int, lonely_b: int) -> dict[str, Any]:
    total = boxes_a + boxes_b
    values = (boxes_a, boxes_b, boxes_a - lonely_a, lonely_a + lonely_b, lonely_a, lonely_b)
    return dict(zip(_COUNTS, (*values, (lonely_a + lonely_b) / total if total else None), strict=True))


def _summary(pairs: _Pairs, mine: Any) -> dict[str, dict[str, float | None]]:
    """Statistics of the pairs; None where there is none."""
    out = {}
    for (name, statistics), values in zip(_FIGURES.items(), (pairs.score, pairs.iou, pairs.corner), strict=True):
        chosen = values[mine]
        out[name] = {s: _statistic(chosen, s) if len(chosen) else None for s in statistics}
    return out


def _statistic(values: NDArray[np.float64], name: str) -> float:
    if name.startswith("p"):
        return float(np.percentile(values, int(name[1:])))
    return float(getattr(values, name)())


def _images(united: United, lonely: NDArray[np.int64]) -> dict[str, int]:
    in_a, in_b = united.covered
    return {
        "compared": int(np.count_nonzero(in_a | in_b)),
        "differing": len(np.unique(lonely)),
        "only_a": int(np.count_nonzero(in_a & ~in_b)),
        "only_b": int(np.count_nonzero(in_b & ~in_a)),
    }


# --- the verdict


def judge_differences(found: Differences, rules: Iterable[str]) -> GateReport:
    """Verdicts of rules such as `unmatched<=0` or `score_shift.max<=0.01`.

    Parameters
    ----------
    found : Differences
    rules : iterable of str
        A name of `metrics` (`unmatched_a`, `iou.min`, ...), also of a class: `class.person.unmatched`; one of
        `>= > <= <`; a number.

    Returns
    -------
    GateReport
        A figure of pairs is undefined, and not judged, where there is no pair.

    Raises
    ------
    UsageError
        An expression that cannot be read, an unknown metric or class.
    """
    rows = []
    for rule in [parse_expression(text) for text in rules]:
        value = _value(found, rule.metric)
        note = "no box of one has a partner in the other" if value is None else ""
        rows += judge_reading("diff", rule, Reading(rule.metric, value, note))
    return GateReport(tuple(rows))


def _value(found: Differences, path: str) -> float | None:
    numbers, name = found.metrics, path
    if re.match(r"class[.\[]", path):
        numbers, name = select_row(path[5:], [(row["name"], row["category_id"], row) for row in found.per_class], path)
    known = [*_COUNTS, "below_threshold", *(f"{figure}.{s}" for figure, names in _FIGURES.items() for s in names)]
    if name not in known:
        raise UsageError(f"unknown metric `{path}`", hint=suggestion(name, known))
    head, _, tail = name.partition(".")
    value = numbers[head][tail] if tail else numbers[head]
    return None if value is None else float(value)
