"""`detkit diff`: two predictions of the same images compared without a truth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from detkit.cli import _console, _options
from detkit.cli._write import check_outputs, deliver

__all__ = ["diff"]


def diff(
    a: Annotated[Path, typer.Argument(help="Predictions, any format.", show_default=False)],
    b: Annotated[Path, typer.Argument(help="Predictions, any format.", show_default=False)],
    iou_threshold: Annotated[
        float, typer.Option("--iou-threshold", "--iou", help="Two boxes are one from this IoU on.")
    ] = 0.5,
    score_threshold: Annotated[
        float, typer.Option("--score-threshold", "--conf", min=0, help="Compare boxes with score >= this.")
    ] = 0.0,
    require: Annotated[
        list[str] | None,
        typer.Option("--require", "--fail-under", help="Rule such as 'unmatched<=0'; may be repeated."),
    ] = None,
    truth: Annotated[
        Path | None, typer.Option("--truth", help="Dataset that joins files which name images differently.")
    ] = None,
    format: Annotated[str, typer.Option("--format", help="text or json.")] = "text",
    output: _options.Output = None,
    source_format: _options.FromFormat = "auto",
    truth_format: Annotated[str, typer.Option("--truth-format", help="Format of the truth.")] = "auto",
    images: _options.ImagesDir = None,
    image_sizes: _options.ImageSizesOption = None,
    names: _options.NamesOption = None,
    layout: _options.Layout = None,
    voc_offset: _options.VocOffset = 1,
    drop_invalid: _options.DropInvalid = False,
    overwrite: _options.Overwrite = False,
) -> None:
    """Boxes that one export of a model has alone, and how far scores and boxes moved; with rules, exit 1 on failure.

    Metrics for --require: unmatched, unmatched_a, unmatched_b, unmatched_share, score_shift.max, iou.min,
    corner_shift.max (also mean, p95 or p5), and of a class: class.person.unmatched.

    Example: detkit diff fp32.json fp16.json --score-threshold 0.05 --require 'unmatched<=0'
    """
    from detkit import api, reports

    _options.one_of(format, "--format", "text", "json")
    check_outputs(output, inputs=(a, b, *([truth] if truth else [])), overwrite=overwrite)
    found = api.diff(
        a,
        b,
        iou_threshold=iou_threshold,
        score_threshold=score_threshold,
        truth=truth,
        format=source_format,
        truth_format=truth_format,
        drop_invalid=drop_invalid,
        images_dir=images,
        image_sizes=_options.image_sizes(image_sizes),
        names=_options.names(names),
        layout=layout,
        voc_offset=voc_offset,
    )
    _console.findings(found.findings)
    verdict = api.judge_diff(found, require) if require else None
    deliver(reports.render_differences(found.to_dict(), verdict, format), output, overwrite=overwrite)
    if verdict is not None:
        raise typer.Exit(verdict.exit_code)
