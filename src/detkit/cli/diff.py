"""`detkit diff`: two predictions of the same images compared without a truth, or two versions of a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from detkit.cli import _console, _options, _reports
from detkit.cli._write import check_outputs, deliver
from detkit.errors import UsageError

if TYPE_CHECKING:
    from detkit.evaluation.gate import GateReport

__all__ = ["diff"]

_REPORTS = ("csv", "json", "text")


def diff(
    a: Annotated[Path, typer.Argument(help="Predictions, or a dataset; any format.", show_default=False)],
    b: Annotated[Path, typer.Argument(help="The same of the other version.", show_default=False)],
    iou_threshold: Annotated[
        float, typer.Option("--iou-threshold", "--iou", min=0, max=1, help="Two boxes are one from this IoU on.")
    ] = 0.5,
    score_threshold: Annotated[
        float | None,
        typer.Option("--score-threshold", "--conf", min=0, help="Predictions: compare boxes with score >= this."),
    ] = None,
    tolerance: Annotated[
        float | None,
        typer.Option(
            "--tolerance", min=0, help="Datasets: edges that moved by no more pixels count as unmoved; 0.01 by default."
        ),
    ] = None,
    require: Annotated[
        list[str] | None,
        typer.Option("--require", "--fail-under", help="Rule such as 'unmatched<=0'; may be repeated."),
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option("--truth", help="Predictions: dataset that joins files which name images differently."),
    ] = None,
    format: _options.TextOrJson = "text",
    report: _reports.ReportOption = None,
    output: _options.Output = None,
    source_format: _options.FromFormat = "auto",
    truth_format: _options.TruthFormat = "auto",
    split: _options.Split = None,
    images: _options.ImagesDir = None,
    image_sizes: _options.ImageSizesOption = None,
    names: _options.NamesOption = None,
    layout: _options.Layout = None,
    voc_offset: _options.VocOffset = 1,
    drop_invalid: _options.DropInvalid = False,
    overwrite: _options.Overwrite = False,
) -> None:
    """Compare two exports of one model without a truth, or two versions of a dataset; with rules, exit 1 on failure.

    Metrics for --require, of predictions: unmatched, unmatched_a, unmatched_b, unmatched_share, score_shift.max,
    iou.min, corner_shift.max (also mean, p95 or p5), and of a class: class.person.unmatched. Of datasets: removed,
    added, changed, moved, reclassified, flags, images.removed, classes.added, agreement.f1, agreement.kappa,
    class.person.removed and more. --report csv=FILE lists every box of a dataset that is not alike.

    Example: detkit diff fp32.json fp16.json --score-threshold 0.05 --require 'unmatched<=0'
    """
    from detkit import api

    _options.one_of(format, "--format", "text", "json")
    api.read_rules(require)  # refused before anything is compared
    inputs = (a, b, truth, names)
    check_outputs(output, inputs=inputs, overwrite=overwrite)
    wanted = _reports.parse(report, known=_REPORTS, inputs=inputs, outputs=(output,), overwrite=overwrite)
    settings: dict[str, Any] = {
        "iou_threshold": iou_threshold,
        "format": source_format,
        "drop_invalid": drop_invalid,
        "images_dir": images,
        "image_sizes": _options.image_sizes(image_sizes),
        "names": _options.names(names),
        "voc_offset": voc_offset,
    }
    of_predictions: dict[str, Any] = {
        "score_threshold": score_threshold,
        "truth": truth,
        "truth_format": None if truth_format == "auto" else truth_format,
        "layout": layout,
    }
    of_datasets: dict[str, Any] = {
        "tolerance": tolerance,
        "split": split,
        "report csv": any(report.kind == "csv" for report in wanted) or None,
    }
    found = _compared(a, b, settings, of_predictions, of_datasets)
    _console.findings(found.findings)
    verdict = api.judge_diff(found, require) if require else None
    _reports.write(wanted, lambda kind: _rendered(found, verdict, kind), overwrite=overwrite)
    deliver(_rendered(found, verdict, format), output, overwrite=overwrite)
    if verdict is not None:
        raise typer.Exit(verdict.exit_code)


def _compared(
    a: Path, b: Path, settings: dict[str, Any], of_predictions: dict[str, Any], of_datasets: dict[str, Any]
) -> Any:
    """Two datasets or two predictions compared, once the options are those of their kind."""
    from detkit import api

    if api.diff_kind(a, b, settings["format"]) == "dataset":
        _refuse(of_predictions, "predictions", "datasets")
        split = None if of_datasets["split"] == "all" else of_datasets["split"]
        return api.diff_datasets(a, b, **settings, tolerance=of_datasets["tolerance"], split=split)
    _refuse(of_datasets, "datasets", "predictions")
    given = {name: value for name, value in of_predictions.items() if value is not None}
    return api.diff(a, b, **settings, **given)


def _rendered(found: Any, verdict: GateReport | None, kind: str) -> str:
    from detkit import api, reports

    if kind == "csv":
        return reports.render_changes(api.diff_listing(found))
    return reports.render_differences(found.to_dict(), verdict, kind)


def _refuse(options: dict[str, Any], theirs: str, these: str) -> None:
    """Options of the one kind of input are a mistake with the other."""
    for name, value in options.items():
        if value is not None:
            flag = name.replace("_", "-")
            raise UsageError(f"--{flag} is for {theirs}, and these are two {these}", hint=f"leave out --{flag}")
