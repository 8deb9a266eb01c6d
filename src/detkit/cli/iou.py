"""`detkit iou`: overlaps between the boxes of two files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from detkit.cli import _console, _options
from detkit.cli._write import check_outputs

__all__ = ["iou"]


def iou(
    a: Annotated[Path, typer.Argument(help="Dataset or predictions, any format.", show_default=False)],
    b: Annotated[Path, typer.Argument(help="Dataset or predictions, any format.", show_default=False)],
    class_agnostic: Annotated[
        bool, typer.Option("--class-agnostic", help="Compare boxes of different classes too.")
    ] = False,
    matrix: Annotated[
        Path | None, typer.Option("--matrix", help="Write all overlapping pairs to this .npz (a, b, iou).")
    ] = None,
    format: Annotated[str, typer.Option("--format", help="text, json or csv (a row per box of A).")] = "text",
    images: _options.ImagesDir = None,
    image_sizes: _options.ImageSizesOption = None,
    names: _options.NamesOption = None,
    voc_offset: _options.VocOffset = 1,
    overwrite: _options.Overwrite = False,
) -> None:
    """Best overlaps of the boxes of A with those of B, image by image, and their bands.

    Example: detkit iou annotator1.json annotator2.json
    """
    from detkit import api, reports

    check_outputs(matrix, inputs=(a, b, names), overwrite=overwrite)
    _options.one_of(format, "--format", "text", "json", "csv")
    found = api.iou(
        a,
        b,
        class_agnostic=class_agnostic,
        images_dir=images,
        image_sizes=_options.image_sizes(image_sizes),
        names=_options.names(names),
        voc_offset=voc_offset,
    )
    _console.findings([*found.a.findings, *found.b.findings])
    if matrix is not None:
        api.write_overlaps(found, matrix, overwrite=overwrite)
        _console.status(f"wrote {matrix}: {len(found.iou)} overlapping pairs")
    _console.out(reports.render_overlaps(found, format))
