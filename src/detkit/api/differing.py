"""Compare two predictions without a truth, or two versions of a dataset."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detkit import formats
from detkit.api.tables import kind_of, read, refuse_unusable
from detkit.errors import InputError, UsageError
from detkit.tables import Dataset, Detections

if TYPE_CHECKING:
    from detkit.evaluation.datasets.differences import DatasetDifferences
    from detkit.evaluation.differences import Differences
    from detkit.evaluation.gate import GateReport

__all__ = ["diff", "diff_datasets", "diff_kind", "diff_listing", "judge_diff"]


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


def diff_datasets(
    a: str | Path | Dataset,
    b: str | Path | Dataset,
    *,
    iou_threshold: float = 0.5,
    tolerance: float | None = None,
    format: str = "auto",
    drop_invalid: bool = False,
    jobs: int | None = None,
    **options: Any,
) -> DatasetDifferences:
    """What differs between two versions of a labelled dataset, and how far they agree.

    Parameters
    ----------
    a, b : path-like or Dataset
        Before and after, or two annotators of one set of images.
    iou_threshold, tolerance
        See `detkit.evaluation.datasets.differences.compare_datasets`.
    format : str
    drop_invalid : bool
    jobs : int, optional
    **options
        Fields of `ReadOptions`.

    Returns
    -------
    DatasetDifferences

    Raises
    ------
    InvalidRowsError
        A file holds unusable rows.
    CannotJudgeError
        They have no image in common.
    """
    from detkit.evaluation.datasets.differences import compare_datasets

    tables = [source if isinstance(source, Dataset) else read(source, format=format, **options) for source in (a, b)]
    for table in tables:
        refuse_unusable(table.findings, drop_invalid)
    return compare_datasets(*tables, iou_threshold=iou_threshold, tolerance=tolerance, jobs=jobs)


def diff_kind(a: str | Path, b: str | Path, format: str = "auto") -> formats.Kind:
    """What two sources are compared as. One that could be either follows the other.

    Parameters
    ----------
    a, b : path-like
    format : str
        A name, or `auto`.

    Returns
    -------
    {"dataset", "detections"}

    Raises
    ------
    InputError
        One is recognised as neither.
    UsageError
        One is a dataset and the other holds predictions.
    """
    kinds = [kind_of(source, format) for source in (a, b)]
    if kinds[0] == kinds[1]:
        return kinds[0]
    dataset, other = (a, b) if kinds[0] == "dataset" else (b, a)
    if _holds_predictions(dataset):
        return "detections"
    raise UsageError(
        f"{dataset} is a dataset and {other} holds predictions: expected two datasets, or two files of predictions",
        hint=f"score predictions against a dataset: detkit eval {dataset} {other}",
    )


def _holds_predictions(source: str | Path) -> bool:
    try:
        formats.detect(source, "detections")
    except InputError:
        return False
    return True


def diff_listing(found: Differences | DatasetDifferences) -> dict[str, list[Any]]:
    """Every box of two datasets that was added, removed or changed.

    Parameters
    ----------
    found : DatasetDifferences

    Returns
    -------
    dict of str to list
        Equally long columns; see `detkit.evaluation.datasets.listing.listing`.

    Raises
    ------
    UsageError
        These are differences of predictions.
    """
    from detkit.evaluation.datasets.differences import DatasetDifferences
    from detkit.evaluation.datasets.listing import listing

    if not isinstance(found, DatasetDifferences):
        raise UsageError("boxes are listed for datasets, and these are predictions")
    return listing(found)


def judge_diff(found: Differences | DatasetDifferences, rules: Sequence[str]) -> GateReport:
    """Verdicts of rules such as `unmatched<=0` (of predictions) or `removed<=0` (of datasets) on differences.

    Parameters
    ----------
    found : Differences or DatasetDifferences
    rules : sequence of str

    Returns
    -------
    GateReport

    Raises
    ------
    UsageError
        No such metric or class, or an expression that cannot be read.
    """
    from detkit.evaluation.datasets.differences import DatasetDifferences
    from detkit.evaluation.datasets.rules import judge_dataset_differences
    from detkit.evaluation.differences import judge_differences

    if isinstance(found, DatasetDifferences):
        return judge_dataset_differences(found, rules)
    return judge_differences(found, rules)
