"""`detkit dedupe`: copies of images, inside a dataset and across splits."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from detkit.cli import _console, _datasets, _model_options, _options
from detkit.errors import UsageError
from detkit.wording import plural

__all__ = ["dedupe"]


def dedupe(
    sources: Annotated[list[Path], typer.Argument(help="Datasets, any format.", show_default=False)],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Dataset without copies, or a list of them (.txt).")
    ] = None,
    method: Annotated[
        str, typer.Option("--method", help="exact (same bytes), phash (same look) or embedding (with --model).")
    ] = "phash",
    threshold: Annotated[
        float | None,
        typer.Option("--threshold", help="phash: most bits that differ (14); embedding: least cosine (0.95)."),
    ] = None,
    keep: Annotated[
        str, typer.Option("--keep-copy", help="best (most boxes, then largest), first, or all (report only).")
    ] = "best",
    across_splits: Annotated[
        bool, typer.Option("--across-splits", help="Only copies in different splits or datasets count.")
    ] = False,
    model: Annotated[Path | None, typer.Option("--model", help="ONNX network that takes images.")] = None,
    layer: Annotated[str | None, typer.Option("--layer", help="Output of the network, by name.")] = None,
    pixels: Annotated[
        str, typer.Option("--pixels", help="What the network takes: imagenet, 0-1, -1-1 or 0-255.")
    ] = "imagenet",
    device: _model_options.Device = "auto",
    report: Annotated[
        list[str] | None, typer.Option("--report", help="json=PATH: everything found, as a file.")
    ] = None,
    sheet: Annotated[Path | None, typer.Option("--contact-sheet", help="Image file that shows the clusters.")] = None,
    groups: Annotated[
        Path | None, typer.Option("--write-groups", help="JSON: image -> cluster, for `split --group FILE`.")
    ] = None,
    to: _datasets.To = None,
    source_format: _options.FromFormat = "auto",
    split: _options.Split = None,
    images: _options.ImagesDir = None,
    names: _options.NamesOption = None,
    place_images: _datasets.PlaceImages = None,
    jobs: _options.Jobs = None,
    overwrite: _options.Overwrite = False,
    dry_run: _datasets.DryRun = False,
    as_json: _datasets.AsJson = False,
) -> None:
    """Find copies of images and leave out all but the best-labelled one; the source is never changed.

    Example: detkit dedupe data.yaml -o clean --contact-sheet copies.png
    """
    from detkit import api

    settings = api.DedupeSettings(
        _options.one_of(method, "--method", "exact", "phash", "embedding"),
        threshold,
        _options.one_of(keep, "--keep-copy", "best", "first", "all"),
        across_splits,
        model,
        layer,
        _options.one_of(pixels, "--pixels", "imagenet", "0-1", "-1-1", "0-255"),
        device,
    )
    shared: dict[str, Any] = _datasets.options(
        to=to,
        source_format=source_format,
        split=split,
        images=images,
        names=_options.names(names),
        place_images=place_images,
        overwrite=overwrite,
        dry_run=dry_run,
    )
    extras: dict[str, Any] = {"report": _json_report(report), "sheet": sheet, "groups": groups}
    with _console.progress("comparing", "images") as progress:
        written = api.dedupe(sources, output, settings, **extras, jobs=jobs, progress=progress, **shared)
    details = written.details
    clusters = plural(len(details["clusters"]), "cluster")
    found = f"{clusters}, {details['leaks']} across splits, {len(details['removed'])} left out"
    _datasets.tell(written, dry_run=dry_run or output is None, as_json=as_json, summary=found)


def _json_report(given: list[str] | None) -> Path | None:
    """The path of `json=PATH`."""
    for text in given or ():
        kind, _, path = text.partition("=")
        if kind != "json" or not path or len(given or ()) > 1:
            raise UsageError(f"--report: found `{text}`, expected one json=PATH")
        return Path(path)
    return None
