"""Score predictions against truth, from paths or tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from detkit import files, formats
from detkit.api._analysing import chosen_analyses, with_analyses
from detkit.api._request import request_of
from detkit.api._scored_split import other_splits, scored_truth
from detkit.api._scoring_input import (
    loaded,
    narrowed,
    options_of,
    read_both,
    read_predictions,
    refuse_low_coverage,
    refuse_low_scores,
    selected,
)
from detkit.api.explaining_gap import gap_of
from detkit.api.tables import refuse_unusable
from detkit.errors import CannotJudgeError, InputError, UnrecognisedError, UsageError
from detkit.formats import ReadOptions
from detkit.tables import Dataset, Detections

if TYPE_CHECKING:
    from detkit.evaluation.protocols import Protocol
    from detkit.evaluation.result import Evaluation

__all__ = ["EvaluationSettings", "evaluate", "loaded", "protocol_of", "save_matches", "write_matches"]


@dataclass(frozen=True)
class EvaluationSettings:
    """How `evaluate` reads, selects and scores; fields left None keep the protocol's own value.

    Parameters
    ----------
    protocol, iou_type, iou_thresholds, max_detections, area_ranges, area, at_image_size, sigmas
        See `detkit.evaluation.protocols.Protocol`.
    hierarchy : mapping or path-like, optional
        Class tree of Open Images (JSON): a box is also one of every class above its own.
    class_agnostic : bool
    strict_iou : bool
        A match needs overlap > threshold.
    textbook : bool
        The course notes' procedure: voc2012 with score > 0.5 and overlap > 0.5.
    score_threshold : float, optional
        Detections with score >= this are scored.
    truth_format, predictions_format : str
    split : str, optional
        `all` for every image; by default `val` (or `test`) where the truth has several splits.
    images_dir, image_sizes, names, voc_offset, layout, jobs
        See `detkit.formats.ReadOptions`.
    classes, images : sequence of str, optional
        Score only these.
    class_map : mapping of str to (str or None), or path-like, optional
    unmapped : {"ignore", "count", "error"}
    ignore_category : sequence of str
        Classes whose boxes are regions to ignore.
    drop_invalid : bool
        Score without unusable rows instead of refusing the file.
    strict : bool
        Predictions on images outside the truth are an error.
    min_coverage : float, optional
        Least share of truth images that must have predictions.
    strict_parity : bool
    with_partners : bool
        Keep every detection's partner (for match tables).
    analyses : sequence of str
        Names of analyses to add (`detkit.evaluation.analyses`), or `all`.
    operating_score : float, optional
        Score from which on analyses keep detections; by default the threshold of the best F-beta.
    beta : float
        Weight of recall in F-beta.
    raw_predictions : path-like or Detections, optional
        The predictions before NMS: tells what NMS removed.
    slices : mapping of str to sequence, or path-like, optional
        Slice name -> ids or file names of its images.
    explain_gap : bool
        Add what separates COCO's AP from Ultralytics', setting by setting.
    examples : int
        Single cases an analysis lists at most.
    """

    protocol: str = "coco"
    iou_type: str = "bbox"
    iou_thresholds: tuple[float, ...] | None = None
    max_detections: tuple[int, ...] | None = None
    area_ranges: tuple[tuple[str, float, float], ...] | None = None
    area: Literal["stated", "box"] | None = None
    at_image_size: float | None = None
    sigmas: tuple[float, ...] | None = None
    hierarchy: Mapping[str, Any] | str | Path | None = None
    class_agnostic: bool = False
    strict_iou: bool = False
    textbook: bool = False
    score_threshold: float | None = None
    truth_format: str = "auto"
    predictions_format: str = "auto"
    split: str | None = None
    images_dir: Path | None = None
    image_sizes: formats.ImageSizes | None = None
    names: tuple[str, ...] | None = None
    voc_offset: int = 1
    layout: str | None = None
    jobs: int | None = None
    classes: Sequence[str] | None = None
    images: Sequence[str] | None = None
    class_map: Mapping[str, str | None] | str | Path | None = None
    unmapped: Literal["ignore", "count", "error"] = "ignore"
    ignore_category: Sequence[str] = ()
    drop_invalid: bool = False
    strict: bool = False
    min_coverage: float | None = None
    strict_parity: bool = False
    with_partners: bool = False
    analyses: Sequence[str] = ()
    operating_score: float | None = None
    beta: float = 1.0
    raw_predictions: str | Path | Detections | None = None
    slices: Mapping[str, Sequence[Any]] | str | Path | None = None
    explain_gap: bool = False
    examples: int = 20


def evaluate(
    truth: str | Path | Dataset,
    predictions: str | Path | Detections,
    settings: EvaluationSettings | None = None,
    **changes: Any,
) -> Evaluation:
    """Score predictions against truth.

    Parameters
    ----------
    truth : path-like or Dataset
        A labelled dataset in any format.
    predictions : path-like or Detections
    settings : EvaluationSettings, optional
    **changes
        Fields of `EvaluationSettings`.

    Returns
    -------
    Evaluation
        `metrics`, `per_class`, arrays, findings; `to_dict()` for JSON.

    Raises
    ------
    InputError, InvalidRowsError
        A file cannot be read, or holds unusable rows.
    CannotJudgeError
        No prediction meets the truth, or coverage is below the minimum.
    UsageError
        Unknown names, settings that make no sense.

    Examples
    --------
    >>> detkit.evaluate("instances.json", "results.json").metrics["AP"]  # doctest: +SKIP
    """
    from detkit.evaluation import evaluate as score
    from detkit.evaluation.align import align

    settings = loaded(replace(settings or EvaluationSettings(), **changes))
    protocol = protocol_of(settings)
    options = options_of(settings, protocol, with_extra="slices" in chosen_analyses(settings.analyses))

    def read_truth() -> tuple[Dataset, Dataset]:
        try:
            return scored_truth(truth, settings, options)
        except InputError as error:
            _hint_swapped(error, truth, predictions)
            raise

    dataset, everything, detections = read_both(read_truth, predictions, settings, options)
    refuse_unusable([*dataset.findings, *detections.findings], settings.drop_invalid)
    dataset = narrowed(dataset, settings)
    try:
        aligned = align(
            dataset,
            detections,
            class_map=settings.class_map,  # type: ignore[arg-type]  # read by now
            unmapped=settings.unmapped,
            known_elsewhere=everything.images if everything is not dataset else None,
        )
    except CannotJudgeError as error:
        error.hint = other_splits(settings.split, everything, detections, error.hint)
        raise
    if settings.strict and aligned.outside:
        message = next(f.message for f in aligned.findings if f.code in ("DK701", "DK108"))
        raise InputError(message, hint="without --strict they are counted and left out")
    aligned = selected(aligned, settings)
    with_partners = settings.with_partners or bool(settings.analyses)
    result: Evaluation = score(aligned, protocol, jobs=settings.jobs, with_partners=with_partners)
    rows = aligned.detections
    refuse_low_scores(result, len(rows), float(rows.score.max()) if len(rows) else None)
    refuse_low_coverage(result, settings.min_coverage)
    result = replace(result, request=request_of(settings))
    if settings.explain_gap:
        result = replace(result, gap=gap_of(aligned, settings).to_dict())
    if settings.analyses:
        result = with_analyses(result, settings, raw=_raw(settings, options, everything))
    return result


def save_matches(result: Evaluation, target: str | Path, *, overwrite: bool = False) -> Evaluation:
    """The result with its outcomes saved as .npz beside it and hashed into it.

    Parameters
    ----------
    result : Evaluation
    target : path-like
    overwrite : bool

    Returns
    -------
    Evaluation
        With `matches` set to path and SHA-256.
    """
    from detkit.evaluation.matches import compact

    with files.atomic_file(target, overwrite=overwrite) as place, place.open("wb") as handle:
        np.savez_compressed(handle, **compact(result))  # type: ignore[arg-type]
    return replace(result, matches={"path": str(target), "sha256": files.sha256_of([target])})


def write_matches(result: Evaluation, target: str | Path, *, overwrite: bool = False) -> None:
    """Write a row per box (outcome, overlap, partner) as .csv, or .parquet where pyarrow is installed.

    Parameters
    ----------
    result : Evaluation
        Made with `with_partners=True`.
    target : path-like
    overwrite : bool

    Raises
    ------
    UsageError
        Another suffix, or a result without partners.
    MissingExtraError
        Parquet without pyarrow.
    """
    from detkit.evaluation.matches import match_table
    from detkit.reports import write_columns

    write_columns(match_table(result), target, overwrite=overwrite)


def protocol_of(settings: EvaluationSettings) -> Protocol:
    """The protocol under these settings.

    Raises
    ------
    UsageError
        Unknown names, settings that make no sense.
    """
    from detkit.evaluation import protocols

    ranges = settings.area_ranges
    protocol = protocols.get(
        "voc2012" if settings.textbook else settings.protocol,
        settings.iou_type,
        iou_thresholds=settings.iou_thresholds,
        max_detections=settings.max_detections,
        area_ranges=None if ranges is None else tuple(protocols.AreaRange(*r) for r in ranges),
        area=settings.area,
        at_image_size=settings.at_image_size,
        sigmas=settings.sigmas,
        score_threshold=settings.score_threshold,
    )
    if settings.ignore_category and not protocol.crowds_match_many:
        raise UsageError(
            f"protocol `{protocol.name}` knows no regions to ignore, which `--ignore-category` makes of boxes",
            hint="score by `--protocol coco`, or leave the class out of both sides with `--classes`",
        )
    if settings.textbook:
        above = float(np.nextafter(0.5, 1.0)) if settings.score_threshold is None else settings.score_threshold
        protocol = replace(protocol, score_threshold=above, strict_iou=True)
    if settings.strict_iou:
        protocol = replace(protocol, strict_iou=True)
    return replace(protocol, class_wise=not settings.class_agnostic, strict_parity=settings.strict_parity)


def _hint_swapped(error: InputError, truth: Any, predictions: Any) -> None:
    """Say so when the two paths stand in each other's place."""
    if not all(isinstance(path, str | Path) for path in (truth, predictions)):
        return
    try:
        formats.detect(truth, "detections")
        formats.detect(predictions, "dataset")
    except InputError:
        return
    error.hint = "these look swapped: the truth comes first, then the predictions"
    if isinstance(error, UnrecognisedError):
        error.swapped_with = str(predictions)


def _raw(settings: EvaluationSettings, options: ReadOptions, truth: Dataset) -> Detections | None:
    if settings.raw_predictions is None:
        return None
    raw = read_predictions(settings.raw_predictions, settings, options, truth.images)
    refuse_unusable(raw.findings, settings.drop_invalid)
    return raw
