"""`detkit predict`: run an ONNX detector over images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from detkit.cli import _console, _model_options, _options, _sharding
from detkit.cli._write import check_outputs
from detkit.wording import plural

__all__ = ["predict"]


def predict(
    model: Annotated[Path, typer.Argument(help="ONNX model.", show_default=False)],
    images: Annotated[
        str,
        typer.Argument(help="Folder, glob, list (.txt), image, video or dataset in any format.", show_default=False),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to write.", show_default=False)],
    format: Annotated[
        str | None, typer.Option("--format", "--to", help="coco, csv, yolo, voc, parquet; by default told by the name.")
    ] = None,
    family: _model_options.Family = None,
    values: _model_options.Values = None,
    device: _model_options.Device = "auto",
    batch: Annotated[
        int | None, typer.Option("--batch", min=1, help="Images a call; by default what suits model and device.")
    ] = None,
    image_size: _model_options.ImageSize = None,
    names: _options.NamesOption = None,
    label_base: _model_options.LabelBase = None,
    profile: Annotated[str, typer.Option("--profile", help="eval (score 0.001, NMS 0.65) or deploy (0.25, 0.45).")] = (
        "eval"
    ),
    score_threshold: _options.ScoreThreshold = None,
    iou_threshold: Annotated[
        float | None,
        typer.Option("--iou-threshold", "--iou", min=0, max=1, help="NMS removes a box with IoU above this."),
    ] = None,
    max_detections: Annotated[int, typer.Option("--max-detections", min=1, help="Most boxes kept in an image.")] = 300,
    multi_label: Annotated[
        bool | None, typer.Option("--multi-label/--argmax", help="A box may be of several classes, or of its best one.")
    ] = None,
    class_agnostic: Annotated[
        bool, typer.Option("--class-agnostic", help="Boxes of different classes suppress each other too.")
    ] = False,
    truth: Annotated[
        Path | None, typer.Option("--truth", help="Dataset whose images, image ids and class ids are used.")
    ] = None,
    source_format: Annotated[
        str, typer.Option("--from", help="Format of IMAGES; `images` takes a folder as plain images.")
    ] = "auto",
    truth_format: _options.TruthFormat = "auto",
    split: _options.Split = None,
    precision: _model_options.Precision = None,
    threads: _model_options.Threads = None,
    jobs: Annotated[int | None, typer.Option("--jobs", min=1, help="Threads that read images.")] = None,
    every: Annotated[int, typer.Option("--every", min=1, help="Every n-th frame of videos.")] = 1,
    tile: _model_options.Tile = None,
    overlap: _model_options.Overlap = None,
    whole: _model_options.Whole = True,
    tta: _model_options.Tta = None,
    merge: _model_options.Merge = None,
    letterbox: _model_options.Letterbox = "square",
    draft: _model_options.Draft = False,
    thresholds: _options.ThresholdsFile = None,
    shard_rows: Annotated[
        int | None, typer.Option("--shard-rows", min=1, help="Most rows a file, in a folder of Parquet shards.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run.")] = False,
    scheduler: _sharding.SchedulerOption = None,
    workers: _sharding.WorkersOption = None,
    shard_folder: _sharding.FolderOption = None,
    overwrite: _options.Overwrite = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a summary of the run as JSON.")] = False,
) -> None:
    """Run an ONNX detector over images and write predictions that `detkit eval` reads.

    Example: detkit predict yolox.onnx photos/ -o found.json --truth instances.json
    """
    from detkit import api

    check_outputs(output, inputs=(model, images, truth, thresholds, names), overwrite=overwrite)
    settings = api.PredictSettings(
        family=family,
        values=_model_options.pairs(values),
        device=device,
        batch=batch,
        image_size=_model_options.size(image_size),
        names=_options.names(names),
        label_base=label_base,
        profile=profile,
        score_threshold=score_threshold,
        iou_threshold=iou_threshold,
        multi_label=multi_label,
        max_detections=max_detections,
        class_agnostic=class_agnostic,
        truth=truth,
        source_format=source_format,
        truth_format=truth_format,
        split=split,
        precision=precision,
        threads=threads,
        jobs=jobs,
        every=every,
        thresholds=thresholds,
        tile=_model_options.size(tile, "--tile"),
        overlap=overlap,
        whole=whole,
        tta=_model_options.words(tta),
        merge=merge,
        letterbox=letterbox,
        draft=draft,
    )
    with _console.progress("predicting", "images") as show:
        done = _sharding.predict(
            *(model, images, output, settings),
            scheduler=scheduler,
            workers=workers,
            folder=shard_folder,
            format=format,
            resume=resume,
            overwrite=overwrite,
            shard_rows=shard_rows,
            progress=show,
            announce=_announce,
        )
    _console.findings(done.findings)
    _console.losses(done.losses)
    _console.status(_summary(done.to_dict()))
    if as_json:
        _console.data(done.to_dict())


def _announce(lines: Sequence[str]) -> None:
    for line in lines:
        _console.status(line)


def _summary(done: dict[str, Any]) -> str:
    output = done["output"]
    place = f"wrote {output['path']} ({output['format']})" if isinstance(output, dict) else "done"
    speed = done["images_per_second"]
    rate = f", {speed:.1f} images/s" if isinstance(speed, float) else ""
    words = {"absent": "without a file", "unreadable": "unreadable", "resumed": "done before"}
    notes = [f"{done[key]} {word}" for key, word in words.items() if done.get(key)]
    images = plural(done["images"], "image") + (f" ({', '.join(notes)})" if notes else "")
    return f"{place}: {plural(done['detections'], 'box', 'boxes')} in {images}{rate}"
