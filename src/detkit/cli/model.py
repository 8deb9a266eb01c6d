"""`detkit model`: what an ONNX detector is made of."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from detkit.cli import _model_options, _options
from detkit.cli._write import check_outputs, deliver

__all__ = ["model"]


def model(
    path: Annotated[Path, typer.Argument(metavar="MODEL", help="ONNX file.", show_default=False)],
    family: _model_options.Family = None,
    image_size: _model_options.ImageSize = None,
    dataset: Annotated[
        Path | None, typer.Option("--dataset", help="Compare its objects with each head, any format.")
    ] = None,
    split: _options.Split = None,
    source_format: _options.FromFormat = "auto",
    images: _options.ImagesDir = None,
    image_sizes: _options.ImageSizesOption = None,
    names: _options.NamesOption = None,
    voc_offset: _options.VocOffset = 1,
    layers: Annotated[bool, typer.Option("--layers", help="A row for every layer.")] = False,
    format: _options.TextOrJson = "text",
    output: _options.Output = None,
    overwrite: _options.Overwrite = False,
) -> None:
    """Inputs, outputs, family and why, weights, multiplications, and what each detection head sees. Nothing is run.

    Example: detkit model yolo.onnx --dataset data.yaml --split val
    """
    from detkit import api, reports

    _options.one_of(format, "--format", "text", "json")
    check_outputs(output, inputs=(path, dataset, names), overwrite=overwrite)
    found = api.inspect_model(
        path,
        family=family,
        image_size=_model_options.size(image_size),
        dataset=dataset,
        format=source_format,
        split=_options.part(split),
        images_dir=images,
        image_sizes=_options.image_sizes(image_sizes),
        names=_options.names(names),
        voc_offset=voc_offset,
    )
    deliver(reports.render_model(found.to_dict(with_layers=layers), format), output, overwrite=overwrite)
