"""`detkit convert`: one format to another, with a report of what was lost; one source, or all that fit a pattern."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from detkit.cli import _console, _datasets, _options, _sharding
from detkit.cli._write import check_outputs
from detkit.wording import plural

if TYPE_CHECKING:
    from detkit.api import Conversion

__all__ = ["convert"]


def convert(
    source: Annotated[
        Path, typer.Argument(help="Dataset or predictions, any format; or a pattern.", show_default=False)
    ],
    target: Annotated[Path, typer.Argument(help="File or folder; of a pattern a folder.", show_default=False)],
    to: Annotated[
        str | None, typer.Option("--to", help="Target format; by default told by the suffix.", show_default=False)
    ] = None,
    source_format: _options.FromFormat = "auto",
    kind: _options.Kind = None,
    split: _options.Split = None,
    truth: Annotated[
        Path | None, typer.Option("--truth", help="For predictions: dataset that gives sizes, ids and classes.")
    ] = None,
    images: _options.ImagesDir = None,
    place_images: _datasets.PlaceImages = None,
    image_sizes: _options.ImageSizesOption = None,
    names: _options.NamesOption = None,
    shapes: Annotated[str, typer.Option("--shapes", help="Outlines: keep, box (their boxes) or drop.")] = "keep",
    crowds: Annotated[
        str, typer.Option("--crowds", help="Where crowds do not fit: drop, keep, or difficult (flag them).")
    ] = "drop",
    ignored: Annotated[str, typer.Option("--ignored", help="Where difficult flags do not fit: keep or drop.")] = "keep",
    category_ids: Annotated[
        str, typer.Option("--category-ids", help="Where ids are written: keep, dense (1..K) or coco91.")
    ] = "keep",
    voc_offset: _options.VocOffset = 1,
    layout: _options.Layout = None,
    clip: Annotated[bool, typer.Option("--clip", help="Cut boxes to their images.")] = False,
    drop_invalid: Annotated[
        bool, typer.Option("--drop-invalid", help="Leave out boxes without area or outside the image.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 and write nothing when anything is lost.")] = False,
    dry_run: _datasets.DryRun = False,
    scheduler: _sharding.SchedulerOption = None,
    workers: _sharding.WorkersOption = None,
    overwrite: _options.Overwrite = False,
    as_json: _datasets.AsJson = False,
) -> None:
    """Convert a labelled dataset, or predictions, to another format.

    Example: detkit convert VOCdevkit/VOC2012 voc-as-yolo --to yolo
    """
    from detkit.api import converting

    arguments: dict[str, Any] = {
        "source_format": source_format,
        "kind": _options.one_of(kind, "--kind", "dataset", "detections"),
        "truth": truth,
        "clip": clip,
        "drop_invalid": drop_invalid,
        "overwrite": overwrite,
        "read_options": {
            "split": _options.part(split),
            "images_dir": images,
            "image_sizes": _options.image_sizes(image_sizes),
            "names": _options.names(names),
            "voc_offset": voc_offset,
            "layout": layout,
        },
        "write_options": {
            "place_images": _options.one_of(place_images, "--place-images", "link", "copy", "leave"),
            "shapes": _options.one_of(shapes, "--shapes", "keep", "box", "drop"),
            "crowds": _options.one_of(crowds, "--crowds", "drop", "keep", "difficult"),
            "ignored": _options.one_of(ignored, "--ignored", "keep", "drop"),
            "category_ids": _options.one_of(category_ids, "--category-ids", "keep", "dense", "coco91"),
            "voc_offset": voc_offset,
        },
    }
    pairs = converting.conversion_pairs(source, target, to)
    for _, written in pairs:
        check_outputs(written, inputs=(truth, names), overwrite=True)
    where: dict[str, Any] = {"scheduler": scheduler, "workers": workers}
    with _console.working("converting"):
        results = _sharding.convert(pairs, to, dry_run=dry_run or strict, **where, **arguments)
        lossy = any(_is_lossy(result) for result in results)
        if strict and not lossy and not dry_run:
            results = _sharding.convert(pairs, to, **where, **arguments)
    if as_json:
        _console.data(_content(source, pairs, results))
    refused = strict and lossy
    for (_, written), result in zip(pairs, results, strict=True):
        _report(result, written, "would write" if dry_run or refused else "wrote")
    if refused:
        _console.error("something would be lost, and --strict allows no loss: nothing was written")
        raise typer.Exit(1)
    if results[0].kind == "dataset" and not dry_run:
        _console.hint(f"detkit stats {pairs[0][1]}")
    if any(map(_leaves_out, results)):
        _console.hint("what is left out does not change the exit code; --strict exits 1 and writes nothing")


def _is_lossy(result: Conversion) -> bool:
    return bool(result.losses) or _leaves_out(result)


def _leaves_out(result: Conversion) -> bool:
    """Whether a part of the source could not be read."""
    return any(finding.severity == "error" for finding in result.findings)


def _report(result: Conversion, target: Path, done: str) -> None:
    _console.findings(result.findings)
    _console.losses(result.losses)
    counts = f"{plural(result.images, 'image')}, {plural(result.boxes, 'box', 'boxes')}"
    _console.status(f"{done} {target}: {counts}, {result.source_format} to {result.target_format}")


def _content(source: Path, pairs: Sequence[tuple[Path, Path]], results: Sequence[Conversion]) -> dict[str, Any]:
    """One conversion, or those of a pattern with their paths."""
    from detkit.api import converting

    if not converting.is_pattern(source):
        return results[0].to_dict()
    listed = [
        {"source": str(one), "target": str(other), **result.to_dict()}
        for (one, other), result in zip(pairs, results, strict=True)
    ]
    return {"schema": "detkit.conversions/1", "conversions": listed}
