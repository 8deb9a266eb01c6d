"""`detkit nms`: non-maximum suppression of a predictions file."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from detkit.cli import _console, _options
from detkit.cli._write import check_outputs
from detkit.wording import plural

__all__ = ["nms"]


class NmsMethod(StrEnum):
    """How overlapping boxes are suppressed."""

    greedy = "greedy"
    soft_linear = "soft-linear"
    soft_gaussian = "soft-gaussian"
    diou = "diou"
    matrix = "matrix"


class NmsIouType(StrEnum):
    """What is compared: boxes, or the polygons of oriented boxes."""

    bbox = "bbox"
    obb = "obb"


def nms(
    predictions: Annotated[Path, typer.Argument(help="Predictions, any format.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to write.", show_default=False)],
    method: Annotated[
        NmsMethod, typer.Option("--method", help="Remove boxes (greedy, diou), or lower their scores (the others).")
    ] = NmsMethod.greedy,
    iou_type: Annotated[
        NmsIouType, typer.Option("--iou-type", help="Compare boxes, or oriented boxes by their polygons (greedy).")
    ] = NmsIouType.bbox,
    iou_threshold: Annotated[
        float, typer.Option("--iou-threshold", "--iou", min=0, max=1, help="Remove a box with IoU above this.")
    ] = 0.45,
    sigma: Annotated[
        float, typer.Option("--sigma", help="Width of the decay (soft-gaussian, matrix): smaller suppresses more.")
    ] = 0.5,
    score_threshold: _options.ScoreThreshold = None,
    thresholds: _options.ThresholdsFile = None,
    truth: Annotated[
        Path | None, typer.Option("--truth", help="Dataset that names the classes of predictions with ids only.")
    ] = None,
    max_detections: _options.MostKept = None,
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
    jobs: _options.Jobs = None,
) -> None:
    """Keep the best of overlapping boxes, class by class and image by image.

    The methods that lower scores write the lowered ones, and leave out what falls below --score-threshold (0.001).

    Example: detkit nms raw.json -o kept.json --iou-threshold 0.65
    """
    from detkit import api

    check_outputs(output, inputs=(predictions, truth, thresholds, names), overwrite=overwrite)
    options = {
        "image_sizes": _options.image_sizes(image_sizes),
        "names": _options.names(names),
        "layout": layout,
        "voc_offset": voc_offset,
    }
    before = api.read(predictions, kind="detections", format=source_format, **options)
    kept = api.nms(
        before,
        method=method.value,
        iou_type=iou_type.value,
        iou_threshold=iou_threshold,
        sigma=sigma,
        score_threshold=score_threshold,
        thresholds=thresholds,
        truth=truth,
        max_detections=max_detections,
        class_agnostic=class_agnostic,
        drop_invalid=drop_invalid,
        jobs=jobs,
    )
    _console.findings(kept.findings)
    name = to or api.target_format(output, kept)
    losses = api.write(kept, output, format=name, overwrite=overwrite, voc_offset=voc_offset)
    _console.losses(losses)
    _console.status(f"wrote {output}: {len(kept)} of {plural(len(before), 'box', 'boxes')} kept")
