"""Where a rendered text goes: stdout, or a file that appears whole."""

from __future__ import annotations

from pathlib import Path

from detkit import files
from detkit.cli import _console
from detkit.errors import OutputError

__all__ = ["check_outputs", "deliver"]


def check_outputs(*outputs: Path | None, inputs: tuple[Path, ...], overwrite: bool) -> None:
    """Refuse an output that exists, or that is an input, before any work is done.

    Raises
    ------
    OutputError
    """
    sources = {path.resolve() for path in inputs}
    for output in outputs:
        if output is None:
            continue
        if output.resolve() in sources:
            raise OutputError(f"{output}: is an input of this command and is not replaced", hint="choose another name")
        files.refuse_existing(output, overwrite=overwrite)


def deliver(text: str, output: Path | None, *, overwrite: bool = False) -> None:
    """Print a text, or write it to a file and say so."""
    if output is None:
        _console.out(text)
        return
    with files.atomic_file(output, overwrite=overwrite) as place:
        place.write_text(text, encoding="utf-8")
    _console.status(f"wrote {output}")
