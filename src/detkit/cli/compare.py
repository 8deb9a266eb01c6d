"""`detkit compare`: models on one truth, their differences with intervals and p-values."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from detkit.cli import _console, _options
from detkit.cli._write import check_outputs, deliver

__all__ = ["compare"]


def compare(
    truth: Annotated[Path, typer.Argument(help="Labelled dataset, any format.", show_default=False)],
    predictions: Annotated[
        list[Path], typer.Argument(help="Two or more predictions, any format: A B [C ...].", show_default=False)
    ],
    bootstrap: _options.Replicates = 1000,
    permutations: Annotated[
        int | None,
        typer.Option(
            "--permutations",
            min=0,
            help="Permutations behind the p-values; by default as many as replicates, 0 for none.",
        ),
    ] = None,
    seed: _options.Seed = 0,
    level: _options.Level = 0.95,
    groups: _options.Groups = None,
    slices: _options.Slices = None,
    require: Annotated[
        list[str] | None,
        typer.Option("--require", "--fail-under", help="Rule such as 'AP.delta>=-0.005'; may be repeated."),
    ] = None,
    format: Annotated[str, typer.Option("--format", help="text, json or markdown.")] = "text",
    output: _options.Output = None,
    protocol: _options.ProtocolOption = "coco",
    iou_type: _options.IouType = "bbox",
    iou_thresholds: Annotated[
        str | None,
        typer.Option(
            "--iou-thresholds",
            "--iou-threshold",
            "--iou",
            help="Overlaps that make a match: 0.5,0.75 or 0.5:0.95:0.05.",
        ),
    ] = None,
    max_detections: _options.Caps = None,
    score_threshold: _options.ScoreThreshold = None,
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
    class_agnostic: _options.ClassAgnostic = False,
    voc_offset: _options.VocOffset = 1,
    layout: _options.Layout = None,
    drop_invalid: _options.DropInvalid = False,
    strict: _options.Strict = False,
    jobs: _options.Jobs = None,
    overwrite: _options.Overwrite = False,
) -> None:
    """Each model against the first: difference, bootstrap interval, permutation p-value; with rules, exit 1 on failure.

    A rule names a metric and a figure: AP.delta, AP.ci_low, AP.ci_high, AP.p_value; class.person.AP.delta,
    slice.night.AP.ci_low.

    Example: detkit compare instances.json old.json new.json --require 'AP.ci_high>=0'
    """
    from detkit import api, reports

    _options.one_of(format, "--format", "text", "json", "markdown")
    api.read_rules(require)  # refused before anything is scored
    check_outputs(output, inputs=(truth, *predictions, slices, class_map, names), overwrite=overwrite)
    chosen, given_names = _options.split_classes(classes, names)
    settings = api.EvaluationSettings(
        protocol=protocol,
        iou_type=iou_type,
        iou_thresholds=_options.thresholds(iou_thresholds),
        max_detections=_options.caps(max_detections),
        score_threshold=score_threshold,
        class_agnostic=class_agnostic,
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
        drop_invalid=drop_invalid,
        strict=strict,
    )
    with _console.working("scoring and resampling", compiles=True):
        found = api.compare(
            truth,
            *predictions,
            settings=settings,
            replicates=bootstrap,
            seed=seed,
            level=level,
            permutations=permutations,
            groups=groups,
            slices=slices,
        )
    _console.findings(found.findings)
    verdict = api.judge_comparison(found, require) if require else None
    deliver(reports.render_comparison(found.to_dict(), verdict, format), output, overwrite=overwrite)
    if verdict is not None:
        raise typer.Exit(verdict.exit_code)
