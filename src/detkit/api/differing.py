"""Compare two predictions without a truth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detkit.api.tables import read, refuse_unusable
from detkit.tables import Dataset, Detections

if TYPE_CHECKING:
    from detkit.evaluation.differences import Differences
    from detkit.evaluation.gate import GateReport

__all__ = ["diff", "judge_diff"]


def diff(
    a: str | Path | Detections,
    b: str | Path | Detections,
    *,
    iou_threshold: float = 0.5,
    score_threshold: float = 0.0,
    truth: str | Path | Dataset | None = None,
    format: str = "auto",
    truth_format: str = "auto",
    drop_invalid: bool = False,
    **options: Any,
) -> Differences:
    """What differs between two predictions of the same images, such as two exports of one model.

    Parameters
    ----------
    a, b : path-like or Detections
    iou_threshold, score_threshold
        See `detkit.evaluation.differences.compare_predictions`.
    truth : path-like or Dataset, optional
        Joins files that name images differently; its boxes are not looked at.
    format, truth_format : str
    drop_invalid : bool
    **options
        Fields of `ReadOptions`.

    Returns
    -------
    Differences

    Raises
    ------
    InvalidRowsError
        A file holds unusable rows.
    CannotJudgeError
        There is nothing to compare.
    """
    from detkit.evaluation.differences import compare_predictions

    if truth is not None:
        truth = truth if isinstance(truth, Dataset) else read(truth, format=truth_format, **options)
        options |= {"reference_images": truth.images}
    tables = [
        source if isinstance(source, Detections) else read(source, kind="detections", format=format, **options)
        for source in (a, b)
    ]
    for table in tables:
        refuse_unusable(table.findings, drop_invalid)
    return compare_predictions(*tables, iou_threshold=iou_threshold, score_threshold=score_threshold, truth=truth)


def judge_diff(found: Differences, rules: Sequence[str]) -> GateReport:
    """Verdicts of rules such as `unmatched<=0` on differences.

    Parameters
    ----------
    found : Differences
    rules : sequence of str

    Returns
    -------
    GateReport

    Raises
    ------
    UsageError
        No such metric or class, or an expression that cannot be read.
    """
    from detkit.evaluation.differences import judge_differences

    return judge_differences(found, rules)
