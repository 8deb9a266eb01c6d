"""Where a rendered text goes: stdout, or a file that appears whole."""

from __future__ import annotations

from pathlib import Path

from detkit import files
from detkit.cli import _console

__all__ = ["deliver"]


def deliver(text: str, output: Path | None, *, overwrite: bool = False) -> None:
    """Print a text, or write it to a file and say so."""
    if output is None:
        _console.out(text)
        return
    with files.atomic_file(output, overwrite=overwrite) as place:
        place.write_text(text, encoding="utf-8")
    _console.status(f"wrote {output}")
