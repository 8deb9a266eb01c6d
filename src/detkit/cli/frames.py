"""`detkit frames`: frames of a video as images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from detkit.cli import _console, _datasets, _options
from detkit.wording import plural

__all__ = ["frames"]


def frames(
    video: Annotated[Path, typer.Argument(help="A video, or a folder of videos.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write.", show_default=False)],
    every: Annotated[
        int | None, typer.Option("--every", min=1, help="Every n-th frame; 1 is all of them.", show_default=False)
    ] = None,
    at: Annotated[str | None, typer.Option("--at", help="The frames shown at these seconds: 1.5,3,10.")] = None,
    fps: Annotated[float | None, typer.Option("--fps", help="So many a second, such as 2 or 0.5.")] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Most frames of a video.")] = None,
    png: Annotated[bool, typer.Option("--png", help="Write PNG instead of JPEG.")] = False,
    quality: _options.Quality = 95,
    overwrite: _options.Overwrite = False,
    as_json: _datasets.AsJson = False,
) -> None:
    """Save frames of a video as images, with a table of their times; needs detkit[video].

    Example: detkit frames drive.mp4 -o frames --every 30
    """
    from detkit import api

    settings = api.FrameSettings(every, _options.floats(at, "--at"), fps, limit, ".png" if png else ".jpg", quality)
    with _console.progress("reading", "videos") as progress:
        found = api.frames(video, output, settings, overwrite=overwrite, progress=progress)
    if as_json:
        _console.data(found.to_dict())
    _console.findings(found.findings)
    _console.losses(found.losses)
    _console.status(f"wrote {found.target}: {plural(found.images, 'image')} of {plural(found.videos, 'video')}")
