"""The Python API: joins formats, evaluation, transforms and reports. What the command line calls, too.

Everything here takes paths or tables and returns values; nothing prints.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

from detkit import config, files, formats
from detkit.errors import CannotJudgeError, InputError, InvalidRowsError, UsageError
from detkit.findings import Finding, Loss
from detkit.formats import ReadOptions, WriteOptions
from detkit.tables import Dataset, Detections

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from detkit.evaluation.gate import GateReport
    from detkit.evaluation.result import Evaluation
    from detkit.transforms.stats import Stats

__all__ = [
    "BoxOverlaps",
    "Conversion",
    "EvaluationSettings",
    "convert",
    "evaluate",
    "gate",
    "iou",
    "load_result",
    "load_rules",
    "nms",
    "read",
    "save_matches",
    "stats",
    "write",
    "write_matches",
]

Table = Dataset | Detections
#: Findings that make a row unusable for scoring.
_UNUSABLE = frozenset(("DK101", "DK102", "DK301"))
#: Which split is scored when a dataset has several and none is named.
_SCORED_SPLITS = ("val", "valid", "validation", "test")


@overload
def read(path: str | Path, *, kind: Literal["dataset"] = ..., format: str = ..., **options: Any) -> Dataset: ...
@overload
def read(path: str | Path, *, kind: Literal["detections"], format: str = ..., **options: Any) -> Detections: ...
def read(path: str | Path, *, kind: formats.Kind = "dataset", format: str = "auto", **options: Any) -> Table:
    """A table from a file, folder or archive.

    Parameters
    ----------
    path : path-like
    kind : {"dataset", "detections"}
    format : str
        Name of a format, or `auto` to recognise it by content.
    **options
        Fields of `detkit.formats.ReadOptions`.

    Returns
    -------
    Dataset or Detections
        With `findings` and `source`.

    Raises
    ------
    InputError
        Not there, not recognised, not readable.
    """
    reader = formats.read_dataset if kind == "dataset" else formats.read_detections
    return reader(path, format, ReadOptions(**options))


def write(
    table: Table,
    target: str | Path,
    *,
    format: str | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    **options: Any,
) -> list[Loss]:
    """Write a table; the target appears whole or not at all.

    Parameters
    ----------
    table : Dataset or Detections
    target : path-like
    format : str, optional
        By default the one format that writes files with the target's suffix.
    overwrite, dry_run : bool
    **options
        Fields of `detkit.formats.WriteOptions`.

    Returns
    -------
    list of Loss

    Raises
    ------
    OutputError
        Target exists or cannot be written.
    UsageError
        The format cannot be told from the target.
    """
    kind: formats.Kind = "dataset" if isinstance(table, Dataset) else "detections"
    name = format or formats.format_of_target(target, kind)
    if name is None:
        known = ", ".join(formats.names(kind, "write"))
        raise UsageError(f"{target}: the name does not tell the format", hint=f"name it with --to: {known}")
    writer = formats.write_dataset if isinstance(table, Dataset) else formats.write_detections
    return writer(table, target, name, WriteOptions(**options), overwrite=overwrite, dry_run=dry_run)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Conversion:
    """What `convert` did: formats, counts, what reading noticed, what writing lost."""

    source_format: str
    target_format: str
    kind: str
    images: int
    boxes: int
    findings: tuple[Finding, ...]
    losses: tuple[Loss, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, schema `detkit.conversion/1`."""
        return {
            "schema": "detkit.conversion/1",
            "from": self.source_format,
            "to": self.target_format,
            "kind": self.kind,
            "images": self.images,
            "boxes": self.boxes,
            "findings": [f.to_dict() for f in self.findings],
            "losses": [loss.to_dict() for loss in self.losses],
        }


def convert(
    source: str | Path,
    target: str | Path,
    to: str | None = None,
    *,
    source_format: str = "auto",
    kind: formats.Kind | None = None,
    truth: str | Path | Dataset | None = None,
    clip: bool = False,
    drop_invalid: bool = False,
    overwrite: bool = False,
    dry_run: bool = False,
    read_options: Mapping[str, Any] | None = None,
    write_options: Mapping[str, Any] | None = None,
) -> Conversion:
    """Convert a labelled dataset or predictions to another format.

    Parameters
    ----------
    source, target : path-like
    to : str, optional
        Target format; by default told by the target's suffix.
    source_format : str
    kind : {"dataset", "detections"}, optional
        By default whichever the source is recognised as, a dataset first.
    truth : path-like or Dataset, optional
        For predictions: gives image sizes, ids and class names.
    clip : bool
        Cut boxes to their images.
    drop_invalid : bool
        Leave out boxes without area or wholly outside their image.
    overwrite, dry_run : bool
    read_options, write_options : mapping, optional
        Fields of `ReadOptions` and `WriteOptions`.

    Returns
    -------
    Conversion
    """
    _keep_apart(source, target)
    kind = kind or _kind_of(source, source_format)
    options = dict(read_options or {})
    reference = None
    if truth is not None:
        reference = truth if isinstance(truth, Dataset) else read(truth, **options)
        options |= {"reference_images": reference.images, "reference_categories": reference.categories}
    table: Table = read(source, kind=kind, format=source_format, **options)
    source_name = table.source.format if table.source else source_format
    findings = list(table.findings)
    losses: list[Loss] = []
    if isinstance(table, Detections) and reference is not None:
        table, more = _in_terms_of(table, reference)
        findings += more
    if clip or drop_invalid:
        table, losses = _tidy(table, clip, drop_invalid)
    name = to or formats.format_of_target(target, kind) or ""
    losses += write(
        table, target, format=name or None, overwrite=overwrite, dry_run=dry_run, **dict(write_options or {})
    )
    boxes = len(table.annotations) if isinstance(table, Dataset) else len(table)
    return Conversion(source_name, name, kind, len(table.images), boxes, tuple(findings), tuple(losses))


@dataclass(frozen=True)
class EvaluationSettings:
    """How `evaluate` reads, selects and scores; fields left None keep the protocol's own value.

    Parameters
    ----------
    protocol, iou_type, iou_thresholds, max_detections, area_ranges, area, at_image_size, sigmas
        See `detkit.evaluation.protocols.Protocol`.
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
    """

    protocol: str = "coco"
    iou_type: str = "bbox"
    iou_thresholds: tuple[float, ...] | None = None
    max_detections: tuple[int, ...] | None = None
    area_ranges: tuple[tuple[str, float, float], ...] | None = None
    area: Literal["stated", "box"] | None = None
    at_image_size: float | None = None
    sigmas: tuple[float, ...] | None = None
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

    settings = replace(settings or EvaluationSettings(), **changes)
    protocol = _protocol(settings)
    options = ReadOptions(
        images_dir=settings.images_dir,
        names=settings.names,
        image_sizes=settings.image_sizes,
        voc_offset=settings.voc_offset,
        with_shapes=protocol.iou_type != "bbox",
        with_extra=False,
    )
    dataset, everything = _truth(truth, settings, options)
    detections = _predictions(predictions, settings, options, everything)
    _refuse_invalid([*dataset.findings, *detections.findings], settings.drop_invalid)
    if settings.images is not None:
        from detkit.evaluation.select import find_images

        dataset = dataset.take_images(find_images(dataset, settings.images))
    aligned = align(
        dataset,
        detections,
        class_map=_class_map(settings.class_map),
        unmapped=settings.unmapped,
        known_elsewhere=everything.images if everything is not dataset else None,
    )
    if settings.strict and aligned.outside:
        message = next(f.message for f in aligned.findings if f.code in ("DK701", "DK108"))
        raise InputError(message, hint="without --strict they are counted and left out")
    aligned = _selected(aligned, settings)
    result: Evaluation = score(aligned, protocol, jobs=settings.jobs, with_partners=settings.with_partners)
    ratio = result.coverage.ratio
    if settings.min_coverage is not None and (ratio is None or ratio < settings.min_coverage):
        raise CannotJudgeError(
            f"predictions cover {result.coverage.predicted} of {result.coverage.images} truth images, "
            f"less than the {settings.min_coverage:g} asked for"
        )
    return result


def gate(
    results: Mapping[str, Evaluation | Mapping[str, Any]] | Evaluation,
    rules: Sequence[Any],
    *,
    baseline: Evaluation | Mapping[str, Any] | None = None,
    min_coverage: float | None = None,
) -> GateReport:
    """Judge results by rules.

    Parameters
    ----------
    results : mapping of str to (Evaluation or mapping), or Evaluation
        By label: from `evaluate`, or parsed from result files.
    rules : sequence of (str or Rule)
        Expressions such as `AP>=0.40`, or rules from `load_rules`.
    baseline : Evaluation or mapping, optional
        What `max_drop` rules compare with.
    min_coverage : float, optional
        Least share of truth images that must have predictions.

    Returns
    -------
    GateReport
        `outcome` is `pass`, `fail` or `undecided`.

    Raises
    ------
    UsageError
        No rules, an unknown metric or class.
    InputError
        A mapping that is no evaluation result.
    """
    from detkit.evaluation import gate as judge

    named = results if isinstance(results, Mapping) else {"result": results}
    return judge.gate(
        {label: _plain(result) for label, result in named.items()},
        rules,
        baseline=None if baseline is None else _plain(baseline),
        min_coverage=min_coverage,
    )


def load_rules(path: str | Path) -> list[Any]:
    """Gate rules from pyproject.toml, detkit.toml, a YAML or a JSON file.

    Raises
    ------
    InputError, UsageError
        Unreadable file, or a rule with a wrong field; the message names file, rule and line.
    """
    from detkit.evaluation.gate import rules_from_mapping

    return list(rules_from_mapping(config.load_config(path), path, line_of=lambda index: config.line_of(path, index)))


def load_result(path: str | Path) -> Mapping[str, Any]:
    """A result written by `detkit eval --format json`, checked.

    Raises
    ------
    InputError
        Not there, not JSON, not a result.
    """
    from detkit.evaluation.gate import validate_result

    return validate_result(config.load_json(path), path)


def nms(
    source: str | Path | Detections,
    *,
    iou_threshold: float = 0.45,
    score_threshold: float | None = None,
    max_detections: int | None = None,
    class_agnostic: bool = False,
    format: str = "auto",
    drop_invalid: bool = False,
    **options: Any,
) -> Detections:
    """Predictions after non-maximum suppression, class by class and image by image.

    Parameters
    ----------
    source : path-like or Detections
    iou_threshold, score_threshold, max_detections, class_agnostic
        See `detkit.transforms.nms.suppress`.
    format : str
    drop_invalid : bool
    **options
        Fields of `ReadOptions`.

    Returns
    -------
    Detections
    """
    from detkit.transforms.nms import suppress

    table = source if isinstance(source, Detections) else read(source, kind="detections", format=format, **options)
    _refuse_invalid(table.findings, drop_invalid)
    return suppress(
        table,
        iou_threshold=iou_threshold,
        score_threshold=score_threshold,
        max_detections=max_detections,
        class_agnostic=class_agnostic,
    )


def stats(
    source: str | Path | Table,
    *,
    kind: formats.Kind | None = None,
    format: str = "auto",
    split: str | None = None,
    **options: Any,
) -> Stats:
    """Counts of a dataset or of predictions.

    Parameters
    ----------
    source : path-like or table
    kind : {"dataset", "detections"}, optional
        By default whichever the source is recognised as, a dataset first.
    format : str
    split : str, optional
        One split; by default, and with `all`, every image.
    **options
        Fields of `ReadOptions`.

    Returns
    -------
    Stats
        See `detkit.transforms.stats.describe`.
    """
    from detkit.transforms.stats import describe

    if isinstance(source, Dataset | Detections):
        return describe(source)
    kind = kind or _kind_of(source, format)
    wanted = None if split == "all" else split
    return describe(read(source, kind=kind, format=format, split=wanted, **options))


@dataclass(frozen=True, eq=False)
class BoxOverlaps:
    """Overlaps of two box files, image by image.

    Parameters
    ----------
    a, b : Dataset or Detections
    pairs : (N, 2) int64
        Rows of a and b in the same image whose boxes overlap.
    iou : (N,) float64
    best_a, best_b : (A,), (B,) float64
        Best overlap of each row with any row of the other file, 0 for none.
    """

    a: Table
    b: Table
    pairs: NDArray[np.int64]
    iou: NDArray[np.float64]
    best_a: NDArray[np.float64]
    best_b: NDArray[np.float64]


def iou(a: str | Path | Table, b: str | Path | Table, *, class_agnostic: bool = False, **options: Any) -> BoxOverlaps:
    """Overlaps between the boxes of two files (datasets or predictions), images met as in `evaluate`.

    Parameters
    ----------
    a, b : path-like or table
    class_agnostic : bool
        Compare boxes of different classes too.
    **options
        Fields of `ReadOptions`.

    Returns
    -------
    BoxOverlaps
    """
    from detkit.evaluation.pairs import as_dataset, overlapping_pairs

    first = a if isinstance(a, Dataset | Detections) else _any_table(a, options)
    base = as_dataset(first)
    if not isinstance(b, Dataset | Detections):
        b = _any_table(b, {**options, "reference_images": base.images, "reference_categories": base.categories})
    pairs, overlap, best_a, best_b = overlapping_pairs(base, b, class_agnostic=class_agnostic)
    return BoxOverlaps(first, b, pairs, overlap, best_a, best_b)


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
    from detkit.reports._columns import write_columns

    write_columns(match_table(result), Path(target), overwrite=overwrite)


def write_overlaps(found: BoxOverlaps, target: str | Path, *, overwrite: bool = False) -> None:
    """Write overlapping pairs as .npz: `a`, `b` (rows in source order), `iou`, and the best of each row."""
    rows_a = found.a.annotations.source_row if isinstance(found.a, Dataset) else found.a.source_row
    rows_b = found.b.annotations.source_row if isinstance(found.b, Dataset) else found.b.source_row
    with files.atomic_file(target, overwrite=overwrite) as place, place.open("wb") as handle:
        np.savez_compressed(
            handle,
            a=rows_a[found.pairs[:, 0]],
            b=rows_b[found.pairs[:, 1]],
            iou=found.iou,
            best_a=found.best_a[np.argsort(rows_a)],
            best_b=found.best_b[np.argsort(rows_b)],
        )


def target_format(target: str | Path, detections: Detections) -> str:
    """The format a predictions file is written in: told by the suffix, else the one it was read from."""
    told = formats.format_of_target(target, "detections")
    return told or (detections.source.format if detections.source else "coco")


def rules_for_gate(path: Path | None, has_expressions: bool) -> list[Any]:
    """Rules from a file, or from the nearest configuration when neither a file nor an expression is given."""
    if path is None and not has_expressions:
        path = config.find_config(Path.cwd())
    return load_rules(path) if path is not None else []


def load_baseline(path: Path) -> Mapping[str, Any]:
    """An earlier result; a missing file leaves nothing to compare with.

    Raises
    ------
    CannotJudgeError
        There is no such file.
    InputError
        The file is no result.
    """
    if not path.exists():
        raise CannotJudgeError(f"{path}: the baseline is missing", hint="write one: detkit eval ... --format json -o")
    return load_result(path)


def _protocol(settings: EvaluationSettings) -> Any:
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
    if settings.textbook:
        above = float(np.nextafter(0.5, 1.0)) if settings.score_threshold is None else settings.score_threshold
        protocol = replace(protocol, score_threshold=above, strict_iou=True)
    if settings.strict_iou:
        protocol = replace(protocol, strict_iou=True)
    return replace(protocol, class_wise=not settings.class_agnostic, strict_parity=settings.strict_parity)


def _truth(truth: str | Path | Dataset, settings: EvaluationSettings, options: ReadOptions) -> tuple[Dataset, Dataset]:
    """The part of the truth that is scored, and all of it."""
    if isinstance(truth, Dataset):
        everything = truth
    else:
        everything = formats.read_dataset(truth, settings.truth_format, options)
    known = list(everything.splits)
    wanted = settings.split
    if wanted is None:
        wanted = next((name for name in _SCORED_SPLITS if name in known), "all") if len(known) > 1 else "all"
    if wanted == "all" or (not known and isinstance(truth, Dataset)):
        return everything, everything
    if isinstance(truth, Dataset):
        if wanted not in known:
            raise UsageError(f"unknown split `{wanted}`; the truth has {', '.join(known)}")
        part = everything.take_images(everything.splits[wanted])
    else:
        part = formats.read_dataset(truth, settings.truth_format, replace(options, split=wanted))
    if settings.split is None:
        others = ", ".join(n for n in known if n != wanted)
        note = Finding("DK110", f"split `{wanted}` is scored (not {others}; `--split all` scores every image)")
        part = replace(part, findings=(*part.findings, note))
    return part, everything


def _predictions(
    predictions: str | Path | Detections, settings: EvaluationSettings, options: ReadOptions, truth: Dataset
) -> Detections:
    if isinstance(predictions, Detections):
        return predictions
    options = replace(
        options,
        layout=settings.layout,
        reference_images=truth.images,
        reference_categories=truth.categories,
    )
    return formats.read_detections(predictions, settings.predictions_format, options)


def _refuse_invalid(findings: Sequence[Finding], drop_invalid: bool) -> None:
    unusable = [f for f in findings if f.code in _UNUSABLE]
    if unusable and not drop_invalid:
        places = [f"{f.where}: {f.message}" if f.where else f.message for f in unusable[:5]]
        raise InvalidRowsError(places, sum(f.count for f in unusable))


def _selected(aligned: Any, settings: EvaluationSettings) -> Any:
    from detkit.evaluation.select import find_classes, ignore_classes, keep_classes

    if settings.ignore_category:
        aligned = ignore_classes(aligned, find_classes(aligned.truth.categories, settings.ignore_category))
    if settings.classes is not None:
        aligned = keep_classes(aligned, find_classes(aligned.truth.categories, settings.classes))
    return aligned


def _class_map(given: Mapping[str, str | None] | str | Path | None) -> Mapping[str, str | None] | None:
    if given is None or isinstance(given, Mapping):
        return given
    mapping = config.load_config(Path(given))
    wrong = [k for k, v in mapping.items() if v is not None and not isinstance(v, str)]
    if wrong:
        raise InputError(f"the class map gives `{mapping[wrong[0]]}` for `{wrong[0]}`, expected a name", path=given)
    return {str(k): v for k, v in mapping.items()}


def _kind_of(source: str | Path, format: str) -> formats.Kind:
    """A dataset where the source is recognised as one, else predictions."""
    reasons = []
    for kind in ("dataset", "detections"):
        if format != "auto" and format not in formats.names(kind):
            continue
        try:
            name = formats.detect(source, kind)
        except InputError as error:
            reasons.append(error)
            continue
        if format in ("auto", name):
            return kind
    if format != "auto" and format in formats.names():
        return "dataset" if format in formats.names("dataset") else "detections"
    raise reasons[0] if reasons else UsageError(f"unknown format `{format}`; known: {', '.join(formats.names())}")


def _any_table(path: str | Path, options: Mapping[str, Any]) -> Table:
    return read(path, kind=_kind_of(path, "auto"), **options)


def _keep_apart(source: str | Path, target: str | Path) -> None:
    """Refuse a target that is the source, holds it, or would be written into it in place of it."""
    here, there = Path(source).resolve(), Path(target).resolve()
    if here == there or there in here.parents:
        raise UsageError(f"{target}: the target is the source or holds it", hint="write to another place")


def _in_terms_of(detections: Detections, truth: Dataset) -> tuple[Detections, list[Finding]]:
    from detkit.evaluation.align import align

    aligned = align(truth, detections, unmapped="count")
    return aligned.detections, list(aligned.findings)


def _tidy(table: Table, clip: bool, drop_invalid: bool) -> tuple[Table, list[Loss]]:
    from detkit.transforms.tidy import clip_boxes, drop_invalid_boxes

    losses: list[Loss] = []
    if drop_invalid:
        table, loss = drop_invalid_boxes(table)
        losses += loss
    if clip:
        table, loss = clip_boxes(table)
        losses += loss
    return table, losses


def _plain(result: Any) -> Mapping[str, Any]:
    return result.to_dict() if hasattr(result, "to_dict") else result  # type: ignore[no-any-return]
