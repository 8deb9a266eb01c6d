"""`detkit augment`: warped copies of images with all that is labelled in them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from detkit.cli import _console, _datasets, _options
from detkit.errors import UsageError
from detkit.wording import plural

__all__ = ["augment"]


def augment(
    source: _datasets.Source,
    target: _datasets.Target,
    pipeline: Annotated[
        Path | None, typer.Option("--pipeline", help="YAML, JSON or TOML file: a list of transforms.")
    ] = None,
    preset: Annotated[
        str | None, typer.Option("--preset", help="light, standard (default) or heavy, in place of --pipeline.")
    ] = None,
    copies: Annotated[int, typer.Option("--copies", "-n", min=1, help="Copies of each image.")] = 1,
    seed: _options.Seed = 0,
    mosaic: Annotated[
        float, typer.Option("--mosaic", min=0, max=1, help="Share of copies that are mosaics of four images.")
    ] = 0.0,
    min_visible: Annotated[
        float, typer.Option("--min-visible", min=0, max=1, help="Least share of an object that must be left.")
    ] = 0.1,
    empty: Annotated[str, typer.Option("--empty", help="Copies without objects: keep or drop.")] = "keep",
    keep_originals: Annotated[
        bool, typer.Option("--keep-originals", help="Write the source's images beside their copies.")
    ] = False,
    image_format: Annotated[str, typer.Option("--image-format", help="jpg or png.")] = "jpg",
    quality: _options.Quality = 95,
    preview: Annotated[
        Path | None, typer.Option("--preview", help="Image file: the first copies with their labels drawn.")
    ] = None,
    to: _datasets.To = None,
    source_format: _options.FromFormat = "auto",
    split: _options.Split = None,
    images: _options.ImagesDir = None,
    names: _options.NamesOption = None,
    workers: Annotated[int | None, typer.Option("--workers", min=1, help="Threads; the bytes do not change.")] = None,
    overwrite: _options.Overwrite = False,
    dry_run: _datasets.DryRun = False,
    as_json: _datasets.AsJson = False,
) -> None:
    """Write augmented copies of images: boxes, masks, keypoints and flags go with them.

    Example: detkit augment data.yaml more --split train --preset standard -n 3 --preview look.png
    """
    from detkit import api

    if pipeline is not None and preset is not None:
        raise UsageError("--pipeline and --preset exclude each other")
    settings = api.AugmentSettings(
        pipeline or _options.one_of(preset, "--preset", "light", "standard", "heavy") or "standard",
        copies,
        seed,
        mosaic,
        min_visible,
        _options.one_of(empty, "--empty", "keep", "drop"),
        keep_originals,
        _options.one_of(image_format, "--image-format", "jpg", "png"),
        quality,
    )
    shared: dict[str, Any] = _datasets.options(
        to=to,
        source_format=source_format,
        split=split,
        images=images,
        names=_options.names(names),
        place_images=None,
        overwrite=overwrite,
        dry_run=dry_run,
    )
    with _console.progress("augmenting", "images") as progress:
        written = api.augment(source, target, settings, preview=preview, workers=workers, progress=progress, **shared)
    _datasets.tell(
        written, dry_run=dry_run, as_json=as_json, summary=f"{plural(written.details['copies'], 'copy', 'copies')}"
    )
