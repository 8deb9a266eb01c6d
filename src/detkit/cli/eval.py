"""`detkit eval`: score predictions, and judge the score when rules are given."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from detkit.cli import _console, _options, _reports, _sharding
from detkit.cli._write import check_outputs, deliver
from detkit.errors import UsageError

if TYPE_CHECKING:
    from detkit.evaluation.gate import GateReport
    from detkit.evaluation.result import Evaluation

__all__ = ["evaluate"]


def evaluate(
    truth: Annotated[Path, typer.Argument(help="Labelled dataset, any format.", show_default=False)],
    predictions: Annotated[Path, typer.Argument(help="Predictions, any format.", show_default=False)],
    protocol: _options.ProtocolOption = "coco",
    iou_type: _options.IouType = "bbox",
    format: Annotated[_options.Rendering, typer.Option("--format", help="How the result is rendered.")] = (
        _options.Rendering.text
    ),
    details: _options.Details = False,
    output: _options.Output = None,
    report: _reports.ReportOption = None,
    overwrite: _options.Overwrite = False,
    require: _options.Require = None,
    rules: _options.Rules = None,
    baseline: _options.Baseline = None,
    split: _options.Split = None,
    truth_format: _options.TruthFormat = "auto",
    predictions_format: _options.PredictionsFormat = "auto",
    images: _options.ImagesDir = None,
    image_sizes: _options.ImageSizesOption = None,
    names: _options.NamesOption = None,
    classes: _options.ClassesOption = None,
    image_list: _options.ImageList = None,
    class_map: _options.ClassMap = None,
    unmapped: _options.Unmapped = "ignore",
    ignore_category: Annotated[
        list[str] | None, typer.Option("--ignore-category", help="Class whose boxes are regions to ignore.")
    ] = None,
    class_agnostic: _options.ClassAgnostic = False,
    iou_thresholds: Annotated[
        str | None, typer.Option("--iou-thresholds", "--iou-threshold", "--iou", help="0.5,0.75 or 0.5:0.95:0.05.")
    ] = None,
    max_detections: _options.Caps = None,
    area_ranges: Annotated[
        str | None, typer.Option("--area-ranges", help="tiny:0-16,rest:16-inf (side lengths in pixels).")
    ] = None,
    area: Annotated[str | None, typer.Option("--area", help="Which truth area counts: stated or box.")] = None,
    at_image_size: Annotated[
        float | None, typer.Option("--at-image-size", help="Judge sizes as if the longer side had this many pixels.")
    ] = None,
    score_threshold: _options.ScoreThreshold = None,
    hierarchy: Annotated[
        Path | None, typer.Option("--hierarchy", help="Class tree (Open Images JSON): boxes count for classes above.")
    ] = None,
    sigmas: Annotated[str | None, typer.Option("--sigmas", help="Keypoint sigmas, comma between.")] = None,
    textbook: Annotated[
        bool, typer.Option("--textbook", help="The course notes' procedure: score > 0.5, IoU > 0.5, area.")
    ] = False,
    strict_iou: Annotated[bool, typer.Option("--strict-iou", help="A match needs IoU > threshold.")] = False,
    accumulation: Annotated[
        str | None, typer.Option("--accumulation", help="Print the accumulation table of this class.")
    ] = None,
    matches: Annotated[
        Path | None, typer.Option("--matches", help="Write a row per box to this .csv or .parquet.")
    ] = None,
    save_matches: Annotated[
        Path | None, typer.Option("--save-matches", help="Write outcomes to this .npz, hashed in the result.")
    ] = None,
    analyses: _options.Analyses = "",
    operating_score: _options.OperatingScore = None,
    beta: _options.Beta = 1.0,
    raw: _options.RawPredictions = None,
    slices: _options.Slices = None,
    ci: _options.Confidence = None,
    bootstrap: _options.Replicates = 1000,
    seed: _options.Seed = 0,
    groups: _options.Groups = None,
    min_coverage: _options.MinCoverage = None,
    voc_offset: _options.VocOffset = 1,
    layout: _options.Layout = None,
    drop_invalid: _options.DropInvalid = False,
    strict: _options.Strict = False,
    explain_gap: Annotated[
        bool, typer.Option("--explain-gap", help="Say why Ultralytics' mAP differs from COCO's, setting by setting.")
    ] = False,
    strict_parity: Annotated[
        bool, typer.Option("--strict-parity", help="Answer as pycocotools does even where it errs.")
    ] = False,
    jobs: _options.Jobs = None,
    shard: _sharding.ShardOption = None,
    shards: _sharding.ShardsOption = None,
    workers: _sharding.WorkersOption = None,
    scheduler: _sharding.SchedulerOption = None,
    shard_folder: _sharding.FolderOption = None,
) -> None:
    """Score predictions against truth; with rules, exit 1 when one fails.

    Example: detkit eval instances.json results.json --require 'AP>=0.40'
    """
    from detkit import api

    inputs = (truth, predictions, rules, raw, slices, class_map, hierarchy, names)  # a baseline may have its successor
    _check_tables(accumulation, format.value, matches)
    targets = _targets(report, (output, matches, save_matches), inputs, overwrite)
    chosen, given_names = _options.split_classes(classes, names)
    settings = api.EvaluationSettings(
        protocol=protocol,
        iou_type=iou_type,
        iou_thresholds=_options.thresholds(iou_thresholds),
        max_detections=_options.caps(max_detections),
        area_ranges=_options.area_ranges(area_ranges),
        area=_options.one_of(area, "--area", "stated", "box"),
        at_image_size=at_image_size,
        sigmas=_options.floats(sigmas, "--sigmas"),
        hierarchy=hierarchy,
        class_agnostic=class_agnostic,
        strict_iou=strict_iou,
        textbook=textbook,
        score_threshold=score_threshold,
        truth_format=truth_format,
        predictions_format=predictions_format,
        split=split,
        images_dir=images,
        image_sizes=_options.image_sizes(image_sizes),
        names=given_names,
        voc_offset=voc_offset,
        layout=layout,
        jobs=jobs,
        classes=chosen,
        images=_options.image_list(image_list),
        class_map=class_map,
        unmapped=_options.one_of(unmapped, "--unmapped", "ignore", "count", "error"),
        ignore_category=ignore_category or (),
        drop_invalid=drop_invalid,
        strict=strict,
        min_coverage=min_coverage,
        strict_parity=strict_parity,
        explain_gap=explain_gap,
        with_partners=matches is not None,
        analyses=(
            *(_options.listed(analyses or None, "--analyses") or ()),
            *api.analyses_of([format.value, *(target.kind for target in targets)]),
        ),
        operating_score=operating_score,
        beta=beta,
        raw_predictions=raw,
        slices=slices,
    )
    _sharding.write_shard(
        *(truth, predictions, settings, shard, output),
        overwrite=overwrite,
        whole={"--save-matches": save_matches, "--ci": ci, "--accumulation": accumulation},
        merged={"--require": require or None, "--rules": rules, "--baseline": baseline, "--report": report or None},
        dealt={"--shards": shards, "--workers": workers, "--scheduler": scheduler, "--shard-folder": shard_folder},
    )
    with _reports.refusals(targets, overwrite=overwrite):
        demands, earlier = _demands(require, rules, baseline, settings)
        with _console.working("scoring", compiles=True):
            result = _sharding.score(
                *(truth, predictions, settings),
                shards=shards,
                scheduler=scheduler,
                workers=workers,
                folder=shard_folder,
            )
            if ci is not None:
                result = api.with_intervals(result, ci, replicates=bootstrap, seed=seed, groups=groups, jobs=jobs)
        _console.findings(result.findings)
        if save_matches is not None:
            result = api.save_matches(result, save_matches, overwrite=overwrite)
        verdict = api.gate({"result": result}, demands, baseline=earlier) if demands else None
    if matches is not None:
        api.write_matches(result, matches, overwrite=overwrite)
    deliver(_rendered(result, verdict, format.value, accumulation, details), output, overwrite=overwrite)
    _reports.write(
        targets, lambda kind: api.render_report(kind, result, verdict, images_dir=images), overwrite=overwrite
    )
    if verdict is not None:
        _beside_table(accumulation, verdict, details)
        _reports.conclude(result, verdict)
        raise typer.Exit(verdict.exit_code)


def _targets(
    report: list[str] | None, outputs: tuple[Path | None, ...], inputs: tuple[Path | None, ...], overwrite: bool
) -> tuple[_reports.Report, ...]:
    """The reports asked for, once all that the command writes may be written."""
    from detkit import api

    check_outputs(*outputs, inputs=inputs, overwrite=overwrite)
    known = api.report_kinds() if report else ()
    return _reports.parse(report, known=known, inputs=inputs, outputs=outputs, overwrite=overwrite)


def _demands(
    require: list[str] | None, rules: Path | None, baseline: Path | None, settings: Any
) -> tuple[list[Any], Mapping[str, Any] | None]:
    """Rules, refused as far as they can be before anything is scored, and the result that they compare with."""
    from detkit import api

    demands = api.read_rules(require, rules)
    api.refuse_unknown_metrics(demands, settings)
    if baseline is not None and not demands:
        raise UsageError("a baseline without rules says nothing", hint="add --rules FILE or --require 'AP>=0.40'")
    return demands, api.load_baseline(baseline) if baseline else None


def _check_tables(accumulation: str | None, format: str, matches: Path | None) -> None:
    """Refuse tables of another rendering than they have, before anything is scored."""
    from detkit import reports

    if accumulation is not None:
        _options.one_of(format, "--format, for --accumulation", *reports.CLASS_RENDERINGS)
    if matches is not None:
        reports.refuse_columns(matches)


def _beside_table(accumulation: str | None, verdict: GateReport, details: bool) -> None:
    """The verdict on stderr, where stdout holds the table of one class."""
    from detkit import reports

    if accumulation is not None:
        _console.lines(reports.render_gate(verdict, details=details))


def _rendered(
    result: Evaluation, verdict: GateReport | None, format: str, accumulation: str | None, details: bool
) -> str:
    from detkit import reports

    if accumulation is None:
        return reports.render(format, result, verdict, details=details)
    return reports.render_class(result, accumulation, format)
