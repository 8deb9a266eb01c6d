"""`detkit stats`: what a dataset or a predictions file holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from detkit.cli import _console, _options
from detkit.wording import plural

__all__ = ["stats"]


def stats(
    source: Annotated[Path, typer.Argument(help="Dataset or predictions, any format.", show_default=False)],
    source_format: _options.FromFormat = "auto",
    kind: _options.Kind = None,
    split: _options.Split = None,
    images: _options.ImagesDir = None,
    image_sizes: _options.ImageSizesOption = None,
    names: _options.NamesOption = None,
    voc_offset: _options.VocOffset = 1,
    layout: _options.Layout = None,
    format: _options.TextOrJson = "text",
    details: Annotated[
        bool, typer.Option("--details", help="Add splits by class, histograms, centres, classes seen together.")
    ] = False,
    all_classes: Annotated[
        bool, typer.Option("--all-classes", help="List every class, also where there are more than 30.")
    ] = False,
    plots: _options.Plots = None,
    overwrite: _options.Overwrite = False,
) -> None:
    """Count images, boxes, classes and sizes; the same for every format that holds the same.

    Example: detkit stats data.yaml --split val
    """
    from detkit import api, reports

    _options.one_of(format, "--format", "text", "json")
    found = api.stats(
        source,
        kind=_options.one_of(kind, "--kind", "dataset", "detections"),
        format=source_format,
        split=split,
        images_dir=images,
        image_sizes=_options.image_sizes(image_sizes),
        names=_options.names(names),
        voc_offset=voc_offset,
        layout=layout,
    )
    _console.findings(found.findings)
    _console.out(reports.render_stats(found, format, details=details, all_classes=all_classes))
    if plots is not None:
        written = reports.write_stats_plots(found, plots, overwrite=overwrite)
        _console.status(f"wrote {plural(len(written), 'plot')} to {plots}")
