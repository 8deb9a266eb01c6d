"""`detkit targets`: the grid tensors that a detector with anchors is trained on, and the way back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from detkit.cli import _anchor_options, _console, _datasets, _model_options, _options
from detkit.cli._write import check_outputs
from detkit.errors import UsageError
from detkit.wording import plural

__all__ = ["targets"]


def targets(
    source: Annotated[Path, typer.Argument(help="Dataset, any format; with --decode a .npz.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="The .npz to write; with --decode the dataset.")],
    anchors: Annotated[
        str | None, typer.Option("--anchors", help="'10,13 16,30 ...', finest level first, or a JSON report.")
    ] = None,
    image_size: _model_options.ImageSize = None,
    model: _anchor_options.Model = None,
    strides: _anchor_options.Strides = None,
    resize: _anchor_options.Resize = None,
    encoding: Annotated[
        str, typer.Option("--encoding", help="bw and bh as shares of a cell or of the image: cell, image.")
    ] = "cell",
    per_image: Annotated[
        bool, typer.Option("--per-image", help="A tensor for each image and level, not for each level.")
    ] = False,
    sparse: Annotated[bool, typer.Option("--sparse", help="Only the places that hold an object.")] = False,
    decode: Annotated[bool, typer.Option("--decode", help="The way back: boxes of a .npz as a dataset.")] = False,
    to: Annotated[
        str | None, typer.Option("--to", help="With --decode: target format; by default by suffix.", show_default=False)
    ] = None,
    source_format: _options.FromFormat = "auto",
    split: _options.Split = None,
    images: _options.ImagesDir = None,
    image_sizes: _options.ImageSizesOption = None,
    names: _options.NamesOption = None,
    voc_offset: _options.VocOffset = 1,
    as_json: _datasets.AsJson = False,
    overwrite: _options.Overwrite = False,
) -> None:
    """Write training targets [pc, bx, by, bw, bh, c1..cn] for every cell and anchor; --decode gives the boxes back.

    Example: detkit targets data.yaml -o targets.npz --image-size 416 --anchors "10,13 16,30 33,23 30,61 62,45 59,119"
    """
    from detkit import api, reports

    check_outputs(output, inputs=(source, model, names), overwrite=overwrite)
    if to is not None and not decode:
        raise UsageError("--to goes with --decode only: targets are .npz")
    if decode:
        _refuse_beside_decode(anchors=anchors, image_size=image_size, model=model, json=as_json or None)
        decoded = api.decode_targets(source)
        _console.losses(api.write(decoded, output, format=to, overwrite=overwrite))
        counts = f"{plural(len(decoded.images), 'image')}, {plural(len(decoded.annotations), 'box', 'boxes')}"
        _console.status(f"wrote {output}: {counts}")
        return
    if anchors is None or (sparse and per_image):
        raise UsageError("targets need --anchors, and at most one of --sparse and --per-image")
    with _console.working("writing targets"):
        found = api.encode_targets(
            source,
            anchors,
            image_size=_model_options.size(image_size),
            model=model,
            strides=_anchor_options.strides(strides),
            resize=_anchor_options.resize(resize),
            encoding=_options.one_of(encoding, "--encoding", "cell", "image"),
            format=source_format,
            split=_options.part(split),
            images_dir=images,
            image_sizes=_options.image_sizes(image_sizes),
            names=_options.names(names),
            voc_offset=voc_offset,
        )
        api.save_targets(
            found,
            output,
            arrangement="sparse" if sparse else "per-image" if per_image else "batch",
            overwrite=overwrite,
        )
    _console.findings(found.findings)
    report = found.to_dict()
    if as_json:
        _console.data(report)
    else:
        _console.out(reports.render_targets(report))
    _console.status(f"wrote {output} ({_console.size_of(output)})")


def _refuse_beside_decode(**given: object) -> None:
    """A targets file says all that decoding needs, and decoding has no report."""
    for name, value in given.items():
        if value is not None:
            flag = f"--{name.replace('_', '-')}"
            raise UsageError(f"{flag} does not go with --decode", hint=f"leave out {flag}")
