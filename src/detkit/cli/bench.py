"""`detkit bench`: latency and throughput of an ONNX detector."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from detkit.cli import _console, _model_options, _options
from detkit.cli._write import check_outputs, deliver
from detkit.errors import UsageError

__all__ = ["bench"]


def bench(
    model: Annotated[Path, typer.Argument(help="ONNX model.", show_default=False)],
    batch: Annotated[
        str | None, typer.Option("--batch", help="Batch sizes, comma between; by default what the model takes.")
    ] = None,
    image_size: _model_options.ImageSize = None,
    device: _model_options.Device = "auto",
    images: _options.ImagesDir = None,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="Calls a batch size, after three to warm up.")] = 50,
    family: _model_options.Family = None,
    values: _model_options.Values = None,
    precision: _model_options.Precision = None,
    threads: _model_options.Threads = None,
    format: _options.TextOrJson = "text",
    output: _options.Output = None,
    overwrite: _options.Overwrite = False,
) -> None:
    """Measure median and p95 latency, throughput and every stage; `detkit gate` judges the JSON (`latency.p95_ms`).

    Example: detkit bench yolox.onnx --batch 1,8 --format json -o bench.json
    """
    from detkit import api, reports

    _options.one_of(format, "--format", "text", "json")
    check_outputs(output, inputs=(model,), overwrite=overwrite)
    with _console.progress("measuring", "rounds") as show:
        found = api.bench(
            model,
            family=family,
            values=_model_options.pairs(values),
            device=device,
            image_size=_model_options.size(image_size),
            precision=precision,
            threads=threads,
            batches=_batches(batch),
            rounds=rounds,
            images=images,
            progress=show,
        )
    deliver(reports.render_bench(found, format), output, overwrite=overwrite)


def _batches(text: str | None) -> list[int] | None:
    if text is None:
        return None
    try:
        sizes = [int(part) for part in text.split(",")]
    except ValueError:
        sizes = []
    if not sizes or min(sizes) < 1:
        raise UsageError(f"--batch: found `{text}`, expected whole numbers with commas between, such as 1,8,32")
    return sizes
