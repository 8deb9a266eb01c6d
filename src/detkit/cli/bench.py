"""`detkit bench`: latency and throughput of an ONNX detector."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from detkit.cli import _console, _model_options, _options
from detkit.cli._write import deliver
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
    format: Annotated[str, typer.Option("--format", help="text or json.")] = "text",
    output: _options.Output = None,
    overwrite: _options.Overwrite = False,
) -> None:
    """Measure median and p95 latency, throughput and every stage; `detkit gate` judges the JSON (`latency.p95_ms`).

    Example: detkit bench yolox.onnx --batch 1,8 --format json -o bench.json
    """
    from detkit import api

    _options.one_of(format, "--format", "text", "json")
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
    text = json.dumps(found, indent=2, ensure_ascii=False) if format == "json" else _text(found)
    deliver(text + "\n", output, overwrite=overwrite)


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


def _text(found: dict[str, Any]) -> str:
    device, model = found["device"], found["model"]
    width, height = model["input"]
    where = device.get("gpu") or f"{device['processor']}, {device['processors']} processors"
    lines = [
        f"{model['path']}: {model['family']}, input {width}x{height}",
        f"{device['device']} ({device['provider']}, onnxruntime {device['onnxruntime']}), {where}",
        f"{found['rounds']} rounds, images: {found['images']['source']}",
        "",
        "batch   median ms      p95 ms    images/s   end to end   images/s   read prepare   infer  decode (ms)",
    ]
    for row in found["batches"]:
        stages = row["stages_ms"]
        lines.append(
            f"{row['batch']:>5} {row['median_ms']:>11.2f} {row['p95_ms']:>11.2f} {row['images_per_second']:>11.1f}"
            f" {row['end_to_end_median_ms']:>12.2f} {row['end_to_end_images_per_second']:>10.1f}"
            f" {stages['read']:>6.2f} {stages['prepare']:>7.2f} {stages['infer']:>7.2f} {stages['decode']:>7.2f}"
        )
    return "\n".join(lines)
