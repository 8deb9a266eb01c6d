"""`detkit draw`: images with their objects, truth and predictions."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from detkit.cli import _console, _datasets, _options
from detkit.errors import UsageError
from detkit.wording import plural

__all__ = ["draw"]


def draw(
    source: Annotated[
        Path, typer.Argument(help="Dataset, any format; with predictions also a folder of images.", show_default=False)
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder to write; with --sheet a .jpg or .png.", show_default=False)
    ],
    predictions: Annotated[
        Path | None, typer.Argument(help="Predictions on it, any format.", show_default=False)
    ] = None,
    beside: Annotated[bool, typer.Option("--beside", help="Truth left, predictions right.")] = False,
    colours: Annotated[
        str | None, typer.Option("--colours", help="By outcome (TP, FP, FN; default with both sides) or by class.")
    ] = None,
    score_threshold: Annotated[
        float, typer.Option("--score-threshold", "--conf", min=0, help="Draw predictions with score >= this.")
    ] = 0.25,
    iou_threshold: Annotated[
        float, typer.Option("--iou-threshold", "--iou", min=0, max=1, help="Overlap that makes a true positive.")
    ] = 0.5,
    sheet: Annotated[
        str | None, typer.Option("--sheet", help="COLUMNSxROWS: one image of that many small ones.")
    ] = None,
    sample: Annotated[int | None, typer.Option("--sample", min=1, help="Only so many images, by --seed.")] = None,
    seed: _options.Seed = 0,
    classes: _options.ClassesOption = None,
    labels: Annotated[bool, typer.Option("--labels/--no-labels", help="Draw names and scores.")] = True,
    masks: Annotated[bool, typer.Option("--masks/--no-masks", help="Draw polygons and masks.")] = True,
    keypoints: Annotated[bool, typer.Option("--keypoints/--no-keypoints", help="Draw points and skeletons.")] = True,
    boxes: Annotated[bool, typer.Option("--boxes/--no-boxes", help="Draw the boxes.")] = True,
    line_width: Annotated[
        int | None, typer.Option("--line-width", min=1, help="Pixels; by default by the size of the image.")
    ] = None,
    max_side: Annotated[
        int | None, typer.Option("--max-side", min=16, help="Shrink larger images; width of a cell of a sheet.")
    ] = None,
    font: Annotated[Path | None, typer.Option("--font", help="Font file, tried first for names.")] = None,
    quality: _options.Quality = 90,
    source_format: _options.FromFormat = "auto",
    predictions_format: _options.PredictionsFormat = "auto",
    split: _options.Split = None,
    images: _options.ImagesDir = None,
    names: _options.NamesOption = None,
    jobs: _options.Jobs = None,
    overwrite: _options.Overwrite = False,
    as_json: _datasets.AsJson = False,
) -> None:
    """Draw boxes, names, masks and keypoints on the images.

    Predictions lie dashed over the solid truth. With both, colours tell true positives (blue), false positives (orange)
    and missed objects (yellow).

    Example: detkit draw instances.json results.json -o look --sample 50
    """
    from detkit import api

    chosen, own_names = _options.split_classes(classes, names)
    settings = api.DrawSettings(
        score_threshold=score_threshold,
        iou_threshold=iou_threshold,
        beside=beside,
        colours=_options.one_of(colours, "--colours", "outcome", "class"),
        sheet=_grid(sheet),
        sample=sample,
        seed=seed,
        classes=chosen,
        look=api.Look(boxes, labels, masks, keypoints),
        line_width=line_width,
        max_side=max_side,
        font=font,
        quality=quality,
    )
    read_options = {"split": _options.part(split), "images_dir": images, "names": own_names}
    with _console.progress("drawing", "images") as progress:
        drawn = api.draw(
            source,
            output,
            predictions,
            settings,
            source_format=source_format,
            predictions_format=predictions_format,
            read_options=read_options,
            overwrite=overwrite,
            jobs=jobs,
            progress=progress,
        )
    if as_json:
        _console.data(drawn.to_dict())
    _console.findings(drawn.findings)
    _console.losses(drawn.losses)
    found = "".join(f", {count} {kind}" for kind, count in drawn.outcomes.items() if count)
    counts = f"{plural(drawn.images, 'image')}, {plural(drawn.truths, 'truth')}"
    _console.status(f"wrote {drawn.target}: {counts}, {plural(drawn.predictions, 'prediction')}{found}")
    if drawn.hidden:
        left = f"{plural(drawn.hidden, 'prediction')} with a lower score left out"
        _console.status(f"predictions with score >= {drawn.score_threshold:g} (--score-threshold), {left}")


def _grid(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    match = re.fullmatch(r"\s*(\d{1,3})\s*[xX]\s*(\d{1,3})\s*", text)
    columns, rows = (int(match[1]), int(match[2])) if match else (0, 0)
    if not columns or not rows:
        raise UsageError(f"--sheet: found `{text}`, expected columns and rows such as 4x3")
    return columns, rows
