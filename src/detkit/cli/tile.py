"""`detkit tile`: cut a dataset into tiles, and put predictions on tiles back together."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from detkit.cli import _console, _datasets, _model_options, _options, _usage
from detkit.cli._write import check_outputs
from detkit.errors import UsageError
from detkit.wording import plural

__all__ = ["tile"]


def tile(
    source: Annotated[Path | None, typer.Argument(help="Dataset, any format.", show_default=False)] = None,
    target: Annotated[Path | None, typer.Argument(help="Folder to write.", show_default=False)] = None,
    size: Annotated[str, typer.Option("--size", help="Size of a tile in pixels: 640 or WIDTHxHEIGHT.")] = "640",
    overlap: _model_options.Overlap = None,
    min_visible: Annotated[
        float, typer.Option("--min-visible", min=0, max=1, help="Least share of an object that a tile must show.")
    ] = 0.3,
    below: Annotated[
        str, typer.Option("--below", help="Objects that show less: drop, or ignore (kept and flagged).")
    ] = "drop",
    empty: Annotated[
        str, typer.Option("--empty", help="Tiles without objects: keep, drop, or a share of them such as 0.1.")
    ] = "keep",
    seed: _options.Seed = 0,
    quality: _options.Quality = 95,
    join: Annotated[
        Path | None, typer.Option("--join", help="Put these predictions on tiles back together instead.")
    ] = None,
    index: Annotated[
        Path | None, typer.Option("--index", help="With --join: the folder of tiles, or its detkit-tiles.csv.")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="With --join: where to write.")] = None,
    merge: Annotated[
        str, typer.Option("--merge", help="With --join: nms or wbf (weighted box fusion), by --iou-threshold.")
    ] = "nms",
    iou_threshold: Annotated[
        float,
        typer.Option("--iou-threshold", "--iou", min=0, max=1, help="With --join: a greater overlap is one object."),
    ] = 0.5,
    max_detections: Annotated[
        int | None, typer.Option("--max-detections", min=1, help="With --join: most boxes kept in an image.")
    ] = None,
    class_agnostic: _options.ClassAgnostic = False,
    drop_invalid: _options.DropInvalid = False,
    to: _datasets.To = None,
    source_format: _options.FromFormat = "auto",
    split: _options.Split = None,
    images: _options.ImagesDir = None,
    names: _options.NamesOption = None,
    place_images: _datasets.PlaceImages = None,
    jobs: _options.Jobs = None,
    overwrite: _options.Overwrite = False,
    dry_run: _datasets.DryRun = False,
    as_json: _datasets.AsJson = False,
) -> None:
    """Cut large images and their labels into tiles, or join predictions on tiles.

    Tiles are part of the target, with a table that says where each was cut. With --join, predictions on tiles become
    predictions on the images: `detkit tile --join PREDICTIONS --index TILES -o OUT`.

    Example: detkit tile aerial/instances.json tiles --size 640 --overlap 0.2
    """
    shared: dict[str, Any] = _datasets.options(
        to=to,
        source_format=source_format,
        split=split,
        images=images,
        names=_options.names(names),
        place_images=place_images,
        overwrite=overwrite,
        dry_run=dry_run,
    )
    if join is not None:
        if source is not None:
            raise UsageError(f"{source}: a dataset to cut does not go with --join", hint="detkit tile --help")
        settings = {"merge": merge, "iou_threshold": iou_threshold, "class_agnostic": class_agnostic}
        _join(join, index, output, {**settings, "max_detections": max_detections}, drop_invalid, shared, as_json)
        return
    from detkit import api

    if source is None or target is None or index is not None or output is not None:
        raise UsageError("expected SOURCE and TARGET, or --join with --index and -o", hint="detkit tile --help")
    choice = api.TileSettings(
        _model_options.size(size, "--size") or (640, 640),
        0.2 if overlap is None else overlap,
        min_visible,
        _options.one_of(below, "--below", "drop", "ignore"),
        _empty(empty),
        seed,
    )
    with _console.progress("tiling", "images") as progress:
        written = api.tile(source, target, choice, quality=quality, jobs=jobs, progress=progress, **shared)
    whole, held = written.details["source_images"], written.details["source_boxes"]
    summary = f"of {plural(whole, 'image')} and {plural(held, 'box', 'boxes')}"
    _datasets.tell(written, dry_run=dry_run, as_json=as_json, summary=summary)


def _empty(text: str) -> Any:
    if text in ("keep", "drop"):
        return text
    _usage.refuse_percents(text, "--empty")
    shares = _options.floats(text, "--empty")
    if shares is None or len(shares) != 1:
        raise UsageError(f"--empty: found `{text}`, expected keep, drop or a share from 0 to 1")
    return shares[0]


def _join(
    predictions: Path,
    index: Path | None,
    output: Path | None,
    settings: dict[str, Any],
    drop_invalid: bool,
    shared: dict[str, Any],
    as_json: bool,
) -> None:
    from detkit import api

    if index is None or output is None:
        raise UsageError("--join needs --index and -o", hint="--index names the folder of tiles")
    check_outputs(output, inputs=(predictions, index), overwrite=shared["overwrite"])
    options = {"names": shared["read_options"]["names"], "format": shared["source_format"]}
    joined = api.join_tiles(predictions, index, api.JoinSettings(**settings), drop_invalid=drop_invalid, **options)
    name = shared["to"] or api.target_format(output, joined.detections)
    lost = api.write(joined.detections, output, format=name, overwrite=shared["overwrite"], dry_run=shared["dry_run"])
    report = {
        "schema": "detkit.tile_join/1",
        "target": str(output),
        "format": name,
        "images": len(joined.detections.images),
        "boxes": len(joined.detections),
        **joined.details,
        "findings": [finding.to_dict() for finding in joined.findings],
        "losses": [loss.to_dict() for loss in (*joined.losses, *lost)],
    }
    if as_json:
        _console.data(report)
    _console.findings(joined.findings)
    _console.losses((*joined.losses, *lost))
    done = "would write" if shared["dry_run"] else "wrote"
    counts = f"{plural(report['boxes'], 'box', 'boxes')} on {plural(report['images'], 'image')}"
    _console.status(f"{done} {output} ({name}): {counts}, of {report['source_boxes']} on {report['tiles']} tiles")
