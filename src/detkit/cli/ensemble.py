"""`detkit ensemble`: the predictions of several models joined into one file."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from detkit.cli import _console, _options
from detkit.cli._write import check_outputs
from detkit.wording import plural

__all__ = ["ensemble"]


class EnsembleMethod(StrEnum):
    """How boxes are joined."""

    wbf = "wbf"
    nms = "nms"
    soft_nms = "soft-nms"
    soft_linear = "soft-linear"


class Confidence(StrEnum):
    """Score of a fused box."""

    avg = "avg"
    max = "max"
    box_and_model_avg = "box_and_model_avg"
    absent_model_aware_avg = "absent_model_aware_avg"


def ensemble(
    predictions: Annotated[list[Path], typer.Argument(help="Predictions, one file a model.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to write.", show_default=False)],
    method: Annotated[
        EnsembleMethod, typer.Option("--method", help="Weighted box fusion, or suppression over all files.")
    ] = EnsembleMethod.wbf,
    weights: Annotated[
        str | None, typer.Option("--weights", help="Weight of each file, comma between: 2,1; by default all 1.")
    ] = None,
    iou_threshold: Annotated[
        float | None,
        typer.Option("--iou-threshold", "--iou", min=0, max=1, help="One object above this IoU: wbf 0.55, others 0.5."),
    ] = None,
    skip_box_threshold: Annotated[
        float, typer.Option("--skip-box-threshold", min=0, help="Leave out boxes with a lower score first.")
    ] = 0.0,
    conf_type: Annotated[Confidence, typer.Option("--conf-type", help="Score of a fused box.")] = Confidence.avg,
    allows_overflow: Annotated[
        bool, typer.Option("--allows-overflow", help="avg: scores may exceed 1 where more boxes than files meet.")
    ] = False,
    sigma: Annotated[
        float, typer.Option("--sigma", help="Width of the decay (soft-nms): smaller suppresses more.")
    ] = 0.5,
    score_threshold: Annotated[
        float, typer.Option("--score-threshold", "--conf", min=0, help="Soft methods: lowered scores stay above this.")
    ] = 0.001,
    decayed_scores: Annotated[
        bool, typer.Option("--decayed-scores", help="Soft methods: write the lowered scores.")
    ] = False,
    max_detections: _options.MostKept = None,
    truth: Annotated[
        Path | None, typer.Option("--truth", help="Dataset: image sizes, and names and ids that join the files.")
    ] = None,
    split: _options.Split = None,
    source_format: _options.FromFormat = "auto",
    truth_format: _options.TruthFormat = "auto",
    to: Annotated[str | None, typer.Option("--to", help="Output format; by default that of the first file.")] = None,
    images: _options.ImagesDir = None,
    image_sizes: _options.ImageSizesOption = None,
    names: _options.NamesOption = None,
    voc_offset: _options.VocOffset = 1,
    drop_invalid: _options.DropInvalid = False,
    overwrite: _options.Overwrite = False,
    jobs: _options.Jobs = None,
) -> None:
    """Join the predictions of several models: equal to the package ensemble-boxes.

    Example: detkit ensemble a.json b.json -o both.json --truth instances.json --weights 2,1
    """
    from detkit import api

    check_outputs(output, inputs=(*predictions, truth, names), overwrite=overwrite)
    options = {
        "images_dir": images,
        "image_sizes": _options.image_sizes(image_sizes),
        "names": _options.names(names),
        "voc_offset": voc_offset,
        "split": _options.part(split),
    }
    found = api.ensemble(
        predictions,
        truth=truth,
        format=source_format,
        truth_format=truth_format,
        drop_invalid=drop_invalid,
        read_options=options,
        method=method.value,
        weights=_options.floats(weights, "--weights"),
        iou_threshold=iou_threshold,
        skip_box_threshold=skip_box_threshold,
        confidence=conf_type.value,
        allows_overflow=allows_overflow,
        sigma=sigma,
        score_threshold=score_threshold,
        decayed_scores=decayed_scores,
        max_detections=max_detections,
        jobs=jobs,
    )
    _console.findings(found.detections.findings)
    losses = api.write(
        found.detections,
        output,
        format=to or api.target_format(output, found.detections),
        overwrite=overwrite,
        voc_offset=voc_offset,
    )
    _console.losses([*found.losses, *losses])
    _console.status(
        f"wrote {output}: {plural(len(found.detections), 'box', 'boxes')} from {' + '.join(map(str, found.boxes))}"
    )
