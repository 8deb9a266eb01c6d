"""`detkit merge`: several datasets as one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from detkit.cli import _console, _datasets, _options
from detkit.errors import UsageError
from detkit.wording import plural

__all__ = ["merge"]


def merge(
    paths: Annotated[
        list[Path], typer.Argument(help="Datasets, any formats, then the file or folder to write.", show_default=False)
    ],
    to: _datasets.To = None,
    duplicates: Annotated[
        str, typer.Option("--duplicates", help="Images with the same bytes: keep, first, join (boxes) or error.")
    ] = "keep",
    source_format: _options.FromFormat = "auto",
    images: _options.ImagesDir = None,
    names: _options.NamesOption = None,
    place_images: _datasets.PlaceImages = None,
    overwrite: _options.Overwrite = False,
    dry_run: _datasets.DryRun = False,
    as_json: _datasets.AsJson = False,
) -> None:
    """Join datasets: classes by name, ids and file names kept apart, copies of images counted.

    Example: detkit merge coco/instances_train.json voc merged --to yolo
    """
    from detkit import api

    if len(paths) < 3:
        raise UsageError(f"found {len(paths)} paths, expected two datasets or more and the target")
    shared = _datasets.options(
        to=to,
        source_format=source_format,
        split=None,
        images=images,
        names=_options.names(names),
        place_images=place_images,
        overwrite=overwrite,
        dry_run=dry_run,
    )
    with _console.working("merging"):
        written = api.merge(
            paths[:-1],
            paths[-1],
            duplicates=_options.one_of(duplicates, "--duplicates", "keep", "first", "join", "error"),
            **shared,
        )
    summary = f"{plural(written.details['classes'], 'class', 'classes')} of {plural(len(paths) - 1, 'dataset')}"
    _datasets.tell(written, dry_run=dry_run, as_json=as_json, summary=summary)
