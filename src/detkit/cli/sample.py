"""`detkit sample`: some of a dataset's images."""

from __future__ import annotations

from typing import Annotated

import typer

from detkit.cli import _console, _datasets, _options
from detkit.wording import plural

__all__ = ["sample"]


def sample(
    source: _datasets.Source,
    target: _datasets.Target,
    to: _datasets.To = None,
    count: Annotated[int | None, typer.Option("-n", help="How many images.", show_default=False)] = None,
    share: Annotated[float | None, typer.Option("--share", min=0, max=1, help="Instead: this share of them.")] = None,
    per_class: Annotated[
        int | None, typer.Option("--per-class", help="Instead: at least this many images of each class.")
    ] = None,
    stratify: Annotated[str, typer.Option("--stratify", help="Share out boxes, images or none, by class.")] = "none",
    seed: _options.Seed = 0,
    source_format: _options.FromFormat = "auto",
    split: _options.Split = None,
    images: _options.ImagesDir = None,
    names: _options.NamesOption = None,
    place_images: _datasets.PlaceImages = None,
    overwrite: _options.Overwrite = False,
    dry_run: _datasets.DryRun = False,
    as_json: _datasets.AsJson = False,
) -> None:
    """Take some images: the same for the same seed, and more hold fewer.

    Example: detkit sample data.yaml small -n 20 --stratify boxes
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
    with _console.working("sample"):
        written = api.sample(
            source,
            target,
            count,
            share=share,
            per_class=per_class,
            stratify=_options.one_of(stratify, "--stratify", "boxes", "images", "none"),
            seed=seed,
            **shared,
        )
    summary = f"of {plural(written.details['before']['images'], 'image')}"
    _datasets.tell(written, dry_run=dry_run, as_json=as_json, summary=summary)
