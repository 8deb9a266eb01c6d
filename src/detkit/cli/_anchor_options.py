"""Options of the commands about anchors, and how their texts are read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from detkit.cli import _options
from detkit.errors import UsageError

__all__ = ["Model", "Resize", "Strides", "counts", "resize", "strides"]

Model = Annotated[
    Path | None, typer.Option("--model", help="ONNX model that says the input size, in place of --image-size.")
]
Resize = Annotated[
    str | None, typer.Option("--resize", help="letterbox, letterbox-topleft or stretch; by default the model's.")
]
Strides = Annotated[
    str | None, typer.Option("--strides", help="Strides of the output levels, the finest first: 8,16,32.")
]


def resize(text: str | None) -> Any:
    """The value of --resize, once it is one of those known."""
    return _options.one_of(text, "--resize", "letterbox", "letterbox-topleft", "stretch")


def strides(text: str | None) -> tuple[int, ...] | None:
    """Whole numbers with commas between."""
    try:
        return None if text is None else tuple(int(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"--strides: found `{text}`, expected whole numbers such as `8,16,32`") from None


def counts(text: str | None) -> tuple[int, ...]:
    """Numbers of anchors from `3-12` or `3,6,9`."""
    if text is None:
        return ()
    span = re.fullmatch(r"\s*(\d{1,3})\s*-\s*(\d{1,3})\s*", text)
    if span:
        found = tuple(range(int(span[1]), int(span[2]) + 1))
    else:
        found = tuple(int(part) if re.fullmatch(r"\s*\d{1,3}\s*", part) else 0 for part in text.split(","))
    if not found or min(found) < 1 or list(found) != sorted(set(found)):
        raise UsageError(f"--sweep: found `{text}`, expected `3-12`, or numbers that ascend such as `3,6,9`")
    return found
