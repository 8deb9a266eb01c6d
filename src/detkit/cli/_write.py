"""Where a rendered text goes: stdout, or a file that appears whole."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from detkit import files
from detkit.cli import _console
from detkit.errors import OutputError

__all__ = ["check_outputs", "deliver"]


def check_outputs(
    *outputs: Path | None,
    inputs: Iterable[str | Path | None],
    taken: Iterable[Path | None] = (),
    overwrite: bool,
) -> None:
    """Refuse an output that exists, is an input, or is written twice, before any work is done.

    Parameters
    ----------
    *outputs : Path or None
    inputs : iterable of (path-like or None)
        Never replaced, whatever `overwrite` says.
    taken : iterable of (Path or None)
        What the command writes besides, and checks itself.
    overwrite : bool

    Raises
    ------
    OutputError
    """
    sources = {Path(path).resolve() for path in inputs if path is not None}
    written = {path.resolve() for path in taken if path is not None}
    for output in outputs:
        if output is None or files.is_stream(output):
            continue
        place = output.resolve()
        if place in sources:
            raise OutputError(f"{output}: is an input of this command and is not replaced", hint="choose another name")
        if place in written:
            raise OutputError(f"{output}: would be written twice by this command", hint="choose another name")
        written.add(place)
        files.refuse_existing(output, overwrite=overwrite)


def deliver(text: str, output: Path | None, *, overwrite: bool = False) -> None:
    """Print a text, or write it to a file and say so."""
    if output is None:
        _console.out(text)
        return
    with files.atomic_file(output, overwrite=overwrite) as place:
        place.write_text(text, encoding="utf-8")
    _console.status(f"wrote {output}")
