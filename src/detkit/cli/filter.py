"""`detkit filter`: the part of a dataset that conditions leave."""

from __future__ import annotations

from typing import Annotated

import typer

from detkit.cli import _console, _datasets, _options
from detkit.wording import plural

__all__ = ["filter"]


def filter(  # noqa: A001 - the name of the command
    source: _datasets.Source,
    target: _datasets.Target,
    to: _datasets.To = None,
    where: Annotated[
        str | None, typer.Option("--where", help="Condition on boxes, such as 'w > 8 and area_share < 0.9'.")
    ] = None,
    images_where: Annotated[
        str | None, typer.Option("--images-where", help="Condition on images, such as 'boxes > 2'.")
    ] = None,
    classes: _options.ClassesOption = None,
    drop_empty: Annotated[bool, typer.Option("--drop-empty", help="Leave out images without boxes.")] = False,
    source_format: _options.FromFormat = "auto",
    split: _options.Split = None,
    images: _options.ImagesDir = None,
    names: _options.NamesOption = None,
    place_images: _datasets.PlaceImages = None,
    overwrite: _options.Overwrite = False,
    dry_run: _datasets.DryRun = False,
    as_json: _datasets.AsJson = False,
) -> None:
    """Keep the boxes, images and classes that conditions name; what goes is counted.

    Example: detkit filter data.yaml big --where 'class == "star" and w * h > 32 ** 2'
    """
    from detkit import api

    chosen, own_names = _options.split_classes(classes, names)
    shared = _datasets.options(
        to=to,
        source_format=source_format,
        split=split,
        images=images,
        names=own_names,
        place_images=place_images,
        overwrite=overwrite,
        dry_run=dry_run,
    )
    with _console.working("filter"):
        written = api.filter(
            source,
            target,
            where,
            images_where=images_where,
            classes=chosen,
            drop_empty=drop_empty,
            **shared,
        )
    before = written.details["before"]
    summary = f"of {plural(before['images'], 'image')}, {plural(before['boxes'], 'box', 'boxes')}"
    _datasets.tell(written, dry_run=dry_run, as_json=as_json, summary=summary)
