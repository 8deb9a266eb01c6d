"""`detkit nms`: non-maximum suppression of a predictions file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from detkit.cli import _console, _options
from detkit.cli._write import check_outputs

__all__ = ["nms"]


def nms(
    predictions: Annotated[Path, typer.Argument(help="Predictions, any format.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to write.", show_default=False)],
    iou_threshold: Annotated[
        float, typer.Option("--iou-threshold", "--iou", min=0, max=1, help="Remove a box with IoU above this.")
    ] = 0.45,
    score_threshold: _options.ScoreThreshold = None,
    max_detections: Annotated[
        int | None, typer.Option("--max-detections", min=1, help="Most boxes kept in an image.")
    ] = None,
    class_agnostic: Annotated[
        bool, typer.Option("--class-agnostic", help="Boxes of different classes suppress each other too.")
    ] = False,
    source_format: _options.FromFormat = "auto",
    to: Annotated[str | None, typer.Option("--to", help="Output format; by default that of the input.")] = None,
    image_sizes: _options.ImageSizesOption = None,
    names: _options.NamesOption = None,
    layout: _options.Layout = None,
    voc_offset: _options.VocOffset = 1,
    drop_invalid: _options.DropInvalid = False,
    overwrite: _options.Overwrite = False,
) -> None:
    """Keep the best of overlapping boxes, class by class and image by image.

    Example: detkit nms raw.json -o kept.json --iou-threshold 0.65
    """
    from detkit import api

    check_outputs(output, inputs=(predictions,), overwrite=overwrite)
    options = {
        "image_sizes": _options.image_sizes(image_sizes),
        "names": _options.names(names),
        "layout": layout,
        "voc_offset": voc_offset,
    }
    before = api.read(predictions, kind="detections", format=source_format, **options)
    kept = api.nms(
        before,
        iou_threshold=iou_threshold,
        score_threshold=score_threshold,
        max_detections=max_detections,
        class_agnostic=class_agnostic,
        drop_invalid=drop_invalid,
    )
    _console.findings(kept.findings)
    name = to or api.target_format(output, kept)
    losses = api.write(kept, output, format=name, overwrite=overwrite, voc_offset=voc_offset)
    _console.losses(losses)
    _console.status(f"wrote {output}: {len(kept)} of {len(before)} boxes kept")
