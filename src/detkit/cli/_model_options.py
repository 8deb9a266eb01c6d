"""Options of the commands that run a model, and how their texts are read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated

import typer

from detkit.errors import UsageError

__all__ = [
    "Device",
    "Draft",
    "Family",
    "ImageSize",
    "LabelBase",
    "Letterbox",
    "Merge",
    "Overlap",
    "Precision",
    "Threads",
    "Tile",
    "Tta",
    "Values",
    "Whole",
    "pairs",
    "size",
    "words",
]

Family = Annotated[str | None, typer.Option("--family", help="Model family; by default recognised.")]
Values = Annotated[
    list[str] | None,
    typer.Option("--set", help="key=value for what the model does not say: color, scale, mean, std, resize, pad, ..."),
]
Device = Annotated[
    str,
    typer.Option("--device", help="auto, cpu, cuda, cuda:0,2, 0,1, tensorrt, coreml, openvino; no other instead."),
]
ImageSize = Annotated[
    str | None, typer.Option("--image-size", "--imgsz", help="640 or WIDTHxHEIGHT, where the model leaves it free.")
]
LabelBase = Annotated[
    str | None, typer.Option("--label-base", help="What the model's class numbers count from: 0, 1 or coco91.")
]
Precision = Annotated[str | None, typer.Option("--precision", help="fp32 or fp16; by default as the model is.")]
Threads = Annotated[int | None, typer.Option("--threads", min=1, help="Threads that compute on the CPU.")]
Tile = Annotated[
    str | None, typer.Option("--tile", help="640 or WIDTHxHEIGHT: slide a window over images larger than it.")
]
Overlap = Annotated[
    float | None,
    typer.Option("--overlap", min=0, max=1, help="Share of a tile that its neighbour shows too; 0.2 by default."),
]
Whole = Annotated[bool, typer.Option("--whole/--no-whole", help="With tiles: run the whole image as well.")]
Tta = Annotated[
    str | None, typer.Option("--tta", help="flip, scale or flip,scale: run every image mirrored, at several sizes.")
]
Merge = Annotated[
    str | None, typer.Option("--merge", help="Join boxes of tiles and --tta by nms (default) or wbf, by --iou.")
]
Letterbox = Annotated[
    str, typer.Option("--letterbox", help="square, or rect: pad only to a multiple of the model's stride.")
]
Draft = Annotated[
    bool, typer.Option("--draft", help="Read JPEGs that are far too large at a reduced size; scores move a little.")
]


def pairs(texts: Sequence[str] | None) -> dict[str, str]:
    """Keys and values of `--set key=value`; the last one of a key counts."""
    found = {}
    for text in texts or ():
        key, sign, value = text.partition("=")
        if not sign or not key.strip():
            raise UsageError(f"--set: found `{text}`, expected key=value")
        found[key.strip()] = value.strip()
    return found


def size(text: str | None, option: str = "--image-size") -> tuple[int, int] | None:
    """(width, height) from `640` or `640x480`."""
    if text is None:
        return None
    match = re.fullmatch(r"\s*(\d{1,5})(?:\s*[xX]\s*(\d{1,5}))?\s*", text)
    width, height = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not width or not height:
        raise UsageError(f"{option}: found `{text}`, expected 640 or 640x480 (width x height)")
    return width, height


def words(text: str | None) -> tuple[str, ...]:
    """`flip` and `scale` of `flip,scale`."""
    return tuple(word.strip() for word in (text or "").split(",") if word.strip())
