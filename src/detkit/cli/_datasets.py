"""Options and reports that the verbs on datasets share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from detkit.cli import _console, _options
from detkit.wording import plural

if TYPE_CHECKING:
    from detkit.api.verbs import Written

__all__ = ["AsJson", "DryRun", "PlaceImages", "Source", "Target", "To", "options", "tell"]

Source = Annotated[Path, typer.Argument(help="Dataset, any format.", show_default=False)]
Target = Annotated[Path, typer.Argument(help="File or folder to write.", show_default=False)]
To = Annotated[
    str | None, typer.Option("--to", help="Target format; by default by suffix, else the source's.", show_default=False)
]
PlaceImages = Annotated[str | None, typer.Option("--place-images", help="link, copy or leave the image files.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Report, write nothing.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the report as JSON.")]


def options(
    *,
    to: str | None,
    source_format: str,
    split: str | None,
    images: Path | None,
    names: tuple[str, ...] | None,
    place_images: str | None,
    overwrite: bool,
    dry_run: bool,
) -> dict[str, Any]:
    """The shared options as `detkit.api.verbs.change` takes them."""
    return {
        "to": to,
        "source_format": source_format,
        "overwrite": overwrite,
        "dry_run": dry_run,
        "read_options": {
            "split": _options.part(split),
            "images_dir": images,
            "names": names,
        },
        "write_options": {"place_images": _options.one_of(place_images, "--place-images", "link", "copy", "leave")},
    }


def tell(written: Written, *, dry_run: bool, as_json: bool, summary: str = "") -> None:
    """What was written, what was noticed, what was lost; the report as JSON where it is asked for."""
    if as_json:
        _console.data(written.to_dict())
    _console.findings(written.findings)
    _console.losses(written.losses)
    done = "would write" if dry_run else "wrote"
    counts = f"{plural(written.images, 'image')}, {plural(written.boxes, 'box', 'boxes')}" + (
        f", {summary}" if summary else ""
    )
    place = f"{written.target} ({written.format})" if written.target else "nothing (no target given)"
    _console.status(f"{done} {place}: {counts}")
