"""`detkit split`: a dataset into train, val and test, or into folds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from detkit.cli import _console, _datasets, _options, _usage

__all__ = ["split"]


def split(
    source: _datasets.Source,
    target: _datasets.Target,
    to: _datasets.To = None,
    ratios: Annotated[
        str | None, typer.Option("--ratios", help="Shares, by default train=0.8,val=0.2.", show_default=False)
    ] = None,
    folds: Annotated[int | None, typer.Option("--folds", help="Instead: this many equal folds.")] = None,
    fold_folders: Annotated[
        bool, typer.Option("--fold-folders", help="Write a dataset with train and val for each fold.")
    ] = False,
    stratify: Annotated[str, typer.Option("--stratify", help="Share out boxes, images or none, by class.")] = "boxes",
    group: Annotated[
        list[str] | None,
        typer.Option(
            "--group",
            help="Images that stay together: file, folder, video, export-prefix, bytes, @NAME or expression.",
            show_default=False,
        ),
    ] = None,
    seed: _options.Seed = 0,
    stable: Annotated[bool, typer.Option("--stable", help="By hash of names: adding images moves none.")] = False,
    keep: Annotated[
        Path | None, typer.Option("--keep", help="Earlier split, dataset or lists: its images stay where they are.")
    ] = None,
    lists: Annotated[
        str | None, typer.Option("--list", help="Write text lists only: names or paths.", show_default=False)
    ] = None,
    source_format: _options.FromFormat = "auto",
    images: _options.ImagesDir = None,
    names: _options.NamesOption = None,
    place_images: _datasets.PlaceImages = None,
    overwrite: _options.Overwrite = False,
    dry_run: _datasets.DryRun = False,
    as_json: _datasets.AsJson = False,
) -> None:
    """Split a dataset with classes in equal shares and groups never cut.

    Example: detkit split data.yaml parts --ratios 0.7,0.2,0.1 --group video
    """
    from detkit import api, reports

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
    _usage.refuse_percents(ratios, "--ratios", of_a_whole=True)
    with _console.working("splitting"):
        written = api.split(
            source,
            target,
            ratios,
            folds=folds,
            stratify=_options.one_of(stratify, "--stratify", "boxes", "images", "none"),
            groups=group or [],
            seed=seed,
            stable=stable,
            keep=keep,
            lists=_options.one_of(lists, "--list", "names", "paths"),
            fold_folders=fold_folders,
            **shared,
        )
    if not as_json:
        _console.out(reports.render_split(written.details))
    _datasets.tell(written, dry_run=dry_run, as_json=as_json)
