"""`detkit report`: everything about one evaluation on one page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from detkit.cli import _console, _options
from detkit.cli._write import check_outputs
from detkit.errors import UsageError
from detkit.wording import plural

if TYPE_CHECKING:
    from detkit.evaluation.result import Evaluation

__all__ = ["report"]


def report(
    truth: Annotated[Path, typer.Argument(help="Labelled dataset, any format.", show_default=False)],
    predictions: Annotated[Path, typer.Argument(help="Predictions, any format.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="The report: .html, .md, .json, .txt, ...")] = Path(
        "report.html"
    ),
    format: Annotated[str | None, typer.Option("--format", help="Instead of by suffix: html, markdown, ...")] = None,
    analyses: _options.Analyses = "all",
    operating_score: _options.OperatingScore = None,
    beta: _options.Beta = 1.0,
    raw: _options.RawPredictions = None,
    slices: _options.Slices = None,
    level: _options.Level = 0.95,
    bootstrap: Annotated[
        int | None, typer.Option("--bootstrap", help="Replicates of the intervals, by default 500; 0 for none.")
    ] = None,
    seed: _options.Seed = 0,
    groups: _options.Groups = None,
    compare: Annotated[
        Path | None, typer.Option("--compare", help="Predictions of another model: A, with these as B.")
    ] = None,
    pictures: Annotated[int, typer.Option("--pictures", min=0, help="Worst images on the page; 0 for none.")] = 24,
    examples: Annotated[int, typer.Option("--examples", min=0, help="Single cases a list holds.")] = 100,
    plots: _options.Plots = None,
    suspects_out: Annotated[
        Path | None, typer.Option("--suspects-out", help="Write the worst labels for relabelling: .json, .xml, folder.")
    ] = None,
    suspects_format: Annotated[
        str | None, typer.Option("--suspects-format", help="Instead of by name: coco, cvat, labelme.")
    ] = None,
    suspects_limit: Annotated[int, typer.Option("--suspects-limit", min=1, help="Suspects at most.")] = 100,
    title: Annotated[str | None, typer.Option("--title", help="Title of the page.")] = None,
    rules: Annotated[Path | None, typer.Option("--rules", help="File with gate rules: the verdict is shown.")] = None,
    protocol: _options.ProtocolOption = "coco",
    iou_type: _options.IouType = "bbox",
    split: _options.Split = None,
    truth_format: _options.TruthFormat = "auto",
    predictions_format: _options.PredictionsFormat = "auto",
    images: _options.ImagesDir = None,
    image_sizes: _options.ImageSizesOption = None,
    names: _options.NamesOption = None,
    classes: _options.ClassesOption = None,
    class_map: _options.ClassMap = None,
    unmapped: _options.Unmapped = "ignore",
    class_agnostic: _options.ClassAgnostic = False,
    voc_offset: _options.VocOffset = 1,
    layout: _options.Layout = None,
    drop_invalid: _options.DropInvalid = False,
    overwrite: _options.Overwrite = False,
) -> None:
    """Write a report: metrics, curves, confusion, error types, misses, worst images; one file that needs no network.

    Example: detkit report instances.json results.json --images val2017 -o report.html
    """
    from detkit import api

    name = api.report_format(output, format)
    inputs = (truth, predictions, compare, raw, slices, rules, class_map, names)
    check_outputs(output, suspects_out, inputs=inputs, overwrite=overwrite)
    relabel = None if suspects_out is None else api.suspect_format(suspects_out, suspects_format)
    chosen, given_names = _options.split_classes(classes, names)
    settings = api.EvaluationSettings(
        protocol=protocol,
        iou_type=iou_type,
        class_agnostic=class_agnostic,
        truth_format=truth_format,
        predictions_format=predictions_format,
        split=split,
        images_dir=images,
        image_sizes=_options.image_sizes(image_sizes),
        names=given_names,
        voc_offset=voc_offset,
        layout=layout,
        classes=chosen,
        class_map=class_map,
        unmapped=_options.one_of(unmapped, "--unmapped", "ignore", "count", "error"),
        drop_invalid=drop_invalid,
        analyses=_options.listed(analyses, "--analyses") or (),
        operating_score=operating_score,
        beta=beta,
        raw_predictions=raw,
        slices=slices,
        examples=examples,
    )
    plain = replace(settings, analyses=())
    demands = api.load_rules(rules) if rules else []
    with _console.working("scoring", compiles=True):
        result = api.evaluate(truth, predictions, settings)
    drawn: dict[str, Any] = {"level": level, "replicates": bootstrap or 500, "seed": seed, "groups": groups}
    with _console.working("resampling"):
        result = result if bootstrap == 0 else _resampled(result, drawn, wanted=bootstrap is not None)
        other = None if compare is None else api.compare(truth, compare, predictions, settings=plain, **drawn)
    _console.findings(result.findings)
    verdict = api.gate({"result": result}, demands) if demands else None
    _also(result, suspects_out, relabel, suspects_limit, plots, overwrite=overwrite)
    with _console.working("drawing"):
        api.report(
            result,
            output,
            format=name,
            gate=verdict,
            title=title,
            pictures=pictures,
            images_dir=images,
            comparison=other,
            overwrite=overwrite,
        )
    _console.status(f"wrote {output}: {_console.size_of(output)}")
    if verdict is not None:
        raise typer.Exit(verdict.exit_code)


def _resampled(result: Evaluation, drawn: Mapping[str, Any], *, wanted: bool) -> Evaluation:
    """With intervals; where the protocol has none and nobody asked for them, without, and it is said."""
    from detkit import api

    try:
        return api.with_intervals(result, **drawn)
    except UsageError as error:
        if wanted:
            raise
        _console.status(f"no intervals: {error}")
        return result


def _also(
    result: Evaluation, suspects: Path | None, relabel: str | None, limit: int, plots: Path | None, *, overwrite: bool
) -> None:
    """What is written beside the report: labels to look at again, plots."""
    from detkit import api, reports

    if suspects is not None:
        done = api.export_suspects(result, suspects, format=relabel, limit=limit, overwrite=overwrite)
        found = f"{plural(sum(done.suspects.values()), 'suspect')} on {plural(done.images, 'image')}"
        _console.status(f"wrote {suspects} ({done.format}): {found}")
    if plots is not None:
        paths = reports.write_plots(result, plots, overwrite=overwrite)
        _console.status(f"wrote {plural(len(paths), 'plot')} to {plots}")
