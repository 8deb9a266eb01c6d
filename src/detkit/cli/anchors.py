"""`detkit anchors`: find anchors for a dataset, judge them, write them for a training framework."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from detkit.cli import _anchor_options, _console, _model_options, _options
from detkit.cli._write import check_outputs, deliver

__all__ = ["anchors"]


def anchors(
    source: Annotated[Path, typer.Argument(help="Dataset, any format.", show_default=False)],
    k: Annotated[
        int | None, typer.Option("-k", min=1, help="How many anchors; 9, those of --check, or the knee of --sweep.")
    ] = None,
    image_size: _model_options.ImageSize = None,
    model: _anchor_options.Model = None,
    metric: Annotated[str, typer.Option("--metric", help="iou (distance 1 - IoU) or ratio (YOLOv5's).")] = "iou",
    resize: _anchor_options.Resize = None,
    ratio_threshold: Annotated[
        float, typer.Option("--ratio-threshold", help="An anchor covers boxes whose sides differ by less.")
    ] = 4.0,
    restarts: Annotated[int, typer.Option("--restarts", min=1, help="Starts of k-means; the best one counts.")] = 10,
    evolve: Annotated[int, typer.Option("--evolve", min=0, help="Generations of mutation after k-means.")] = 0,
    sweep: Annotated[str | None, typer.Option("--sweep", help="Numbers of anchors to try: 3-12, or 3,6,9.")] = None,
    levels: Annotated[int | None, typer.Option("--levels", min=1, help="Output levels; 3 by default.")] = None,
    strides: _anchor_options.Strides = None,
    check: Annotated[
        str | None, typer.Option("--check", help="Anchors to compare with: '10,13 16,30 ...', or a JSON report.")
    ] = None,
    to: Annotated[
        str | None, typer.Option("--to", help="Only the configuration: yolov5, yolov7, darknet, mmdet, json.")
    ] = None,
    seed: _options.Seed = 0,
    source_format: _options.FromFormat = "auto",
    split: _options.Split = None,
    images: _options.ImagesDir = None,
    image_sizes: _options.ImageSizesOption = None,
    names: _options.NamesOption = None,
    voc_offset: _options.VocOffset = 1,
    format: _options.TextOrJson = "text",
    output: _options.Output = None,
    overwrite: _options.Overwrite = False,
) -> None:
    """Cluster box sizes into anchors, and say how well they fit: recall, overlap, collisions, worst classes.

    Example: detkit anchors data.yaml -k 9 --image-size 640 --check "10,13 16,30 33,23 30,61 62,45 59,119 ..."
    """
    from detkit import api, reports

    _options.one_of(format, "--format", "text", "json")
    _options.one_of(to, "--to", "yolov5", "yolov7", "darknet", "mmdet", "json")
    check_outputs(output, inputs=(source, model, names), overwrite=overwrite)
    with _console.working("looking for anchors", compiles=True):
        found = api.find_anchors(
            source,
            k=k,
            image_size=_model_options.size(image_size),
            model=model,
            metric=_options.one_of(metric, "--metric", "iou", "ratio"),
            resize=_anchor_options.resize(resize),
            ratio_threshold=ratio_threshold,
            restarts=restarts,
            generations=evolve,
            sweep=_anchor_options.counts(sweep),
            levels=levels,
            strides=_anchor_options.strides(strides),
            check=check,
            seed=seed,
            format=source_format,
            split=_options.part(split),
            images_dir=images,
            image_sizes=_options.image_sizes(image_sizes),
            names=_options.names(names),
            voc_offset=voc_offset,
        )
    _console.findings(found.findings)
    if to in (None, "json"):
        rendered = reports.render_anchors(found.to_dict(), "json" if to == "json" else format)
    else:
        rendered = api.export_anchors(found, to)
    deliver(rendered, output, overwrite=overwrite)
