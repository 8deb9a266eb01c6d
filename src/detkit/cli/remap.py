"""`detkit remap`: other classes."""

from __future__ import annotations

from typing import Annotated

import typer

from detkit.cli import _console, _datasets, _options
from detkit.wording import plural

__all__ = ["remap"]


def remap(
    source: _datasets.Source,
    target: _datasets.Target,
    to: _datasets.To = None,
    mapping: Annotated[
        str | None, typer.Option("--map", help="New names: a file, or old=new with commas between.", show_default=False)
    ] = None,
    drop: Annotated[str | None, typer.Option("--drop", help="Classes to drop with their boxes.")] = None,
    case: Annotated[
        str | None, typer.Option("--case", help="lower, upper or title; join: those that differ only in case.")
    ] = None,
    coco: Annotated[str | None, typer.Option("--coco", help="Class ids: 80to91 or 91to80.")] = None,
    order: Annotated[
        str, typer.Option("--order", help="source, name, boxes, or (new) names that come first.")
    ] = "source",
    source_format: _options.FromFormat = "auto",
    split: _options.Split = None,
    images: _options.ImagesDir = None,
    names: _options.NamesOption = None,
    place_images: _datasets.PlaceImages = None,
    overwrite: _options.Overwrite = False,
    dry_run: _datasets.DryRun = False,
    as_json: _datasets.AsJson = False,
) -> None:
    """Rename, join, drop, number or order classes.

    Example: detkit remap data.yaml shapes --map square=box,star=other --drop circle
    """
    from detkit import api

    shared = _datasets.options(
        to=to,
        source_format=source_format,
        split=split,
        images=images,
        names=_options.names(names),
        place_images=place_images,
        overwrite=overwrite,
        dry_run=dry_run,
    )
    with _console.working("remap"):
        written = api.remap(
            source,
            target,
            mapping,
            drop=_options.listed(drop, "--drop") or [],
            case=_options.one_of(case, "--case", "lower", "upper", "title", "join"),
            coco=_options.one_of(coco, "--coco", "80to91", "91to80"),
            order=order if order in ("source", "name", "boxes") else _options.listed(order, "--order") or "source",
            **shared,
        )
    done = written.details
    summary = (
        f"{plural(len(done['class_names']), 'class', 'classes')} ({done['renamed']} renamed, {done['dropped']} dropped)"
    )
    _datasets.tell(written, dry_run=dry_run, as_json=as_json, summary=summary)
