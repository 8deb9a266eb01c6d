"""Latency and throughput of a detector as plain text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from detkit.reports._table import number, table
from detkit.wording import plural, printable

__all__ = ["text"]

_STAGES = ("read", "prepare", "infer", "decode")


def text(found: Mapping[str, Any]) -> str:
    """What ran where, one call of the model, the way from file to boxes; `found` is of schema `detkit.bench/1`."""
    device, model = found["device"], found["model"]
    width, height = model["input"]
    where = device.get("gpu") or f"{device['processor']}, {plural(device['processors'], 'processor')}"
    lines = [
        f"{model['path']}: {model['family']}, input {width}x{height}",
        f"{device['device']} ({device['provider']}, onnxruntime {device['onnxruntime']}), {where}",
        f"{plural(found['rounds'], 'round')}, images: {found['images']['source']}",
    ]
    rows = found["batches"]
    calls = [[row["batch"], *(number(row[key], 2) for key in ("median_ms", "p95_ms"))] for row in rows]
    ways = [[row["batch"], *(number(row[f"end_to_end_{key}"], 2) for key in ("median_ms", "p95_ms"))] for row in rows]
    for row, call, way in zip(rows, calls, ways, strict=True):
        call.append(number(row["images_per_second"], 1))
        way.append(number(row["end_to_end_images_per_second"], 1))
        way += [number(row["stages_ms"][stage], 2) for stage in _STAGES]
    figures = ["batch", "median ms", "p95 ms", "images/s"]
    lines += ["", "one call of the model", *_numbers(figures, calls)]
    stages = [f"{stage} ms" for stage in _STAGES]
    lines += ["", "from image file to boxes, and its stages", *_numbers(figures + stages, ways)]
    return "\n".join(map(printable, lines)) + "\n"


def _numbers(header: list[str], rows: list[list[Any]]) -> list[str]:
    return table(header, [[str(cell) for cell in row] for row in rows], left=0)
