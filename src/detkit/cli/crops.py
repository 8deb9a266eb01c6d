"""`detkit crops`: an image for each object."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from detkit.cli import _console, _datasets, _options
from detkit.wording import plural

__all__ = ["crops"]


def crops(
    source: _datasets.Source,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write.", show_default=False)],
    margin: Annotated[
        float, typer.Option("--margin", min=0, help="Space around the box, as a share of its longer side.")
    ] = 0.0,
    square: Annotated[bool, typer.Option("--square", help="Widen the shorter side until both are equal.")] = False,
    pad: Annotated[
        bool, typer.Option("--pad", help="Fill with black where a crop leaves its image, instead of cutting it.")
    ] = False,
    min_size: Annotated[
        float, typer.Option("--min-size", min=0, help="Leave out objects with a shorter side, pixels.")
    ] = 1.0,
    crop_size: Annotated[
        int | None, typer.Option("--crop-size", min=1, help="Longer side of every crop, pixels.")
    ] = None,
    classes: _options.ClassesOption = None,
    skip_ignored: Annotated[bool, typer.Option("--skip-ignored", help="Leave out difficult objects.")] = False,
    by_split: Annotated[bool, typer.Option("--by-split/--no-by-split", help="Folders of splits above classes.")] = True,
    quality: _options.Quality = 95,
    source_format: _options.FromFormat = "auto",
    split: _options.Split = None,
    images: _options.ImagesDir = None,
    names: _options.NamesOption = None,
    jobs: _options.Jobs = None,
    overwrite: _options.Overwrite = False,
    as_json: _datasets.AsJson = False,
) -> None:
    """Cut every object out of its image, a folder for each class and a table of all.

    Example: detkit crops data.yaml -o objects --margin 0.1 --square
    """
    from detkit import api

    chosen, own_names = _options.split_classes(classes, names)
    settings = api.CropSettings(margin, square, pad, min_size, crop_size, chosen, not skip_ignored, by_split, quality)
    read_options = {"split": _options.part(split), "images_dir": images, "names": own_names}
    with _console.progress("cutting", "images") as progress:
        found = api.crops(
            source,
            output,
            settings,
            source_format=source_format,
            read_options=read_options,
            overwrite=overwrite,
            jobs=jobs,
            progress=progress,
        )
    if as_json:
        _console.data(found.to_dict())
    _console.findings(found.findings)
    _console.losses(found.losses)
    classes_seen = f"{plural(len(found.per_class), 'class', 'classes')}"
    _console.status(
        f"wrote {found.target}: {plural(found.crops, 'crop')} of {classes_seen} from {plural(found.images, 'image')}"
    )
