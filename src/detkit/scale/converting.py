"""Conversions as Dask tasks: one source and one target a task."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detkit import api, files
from detkit.scale.engine import LOCAL, require, run_all

if TYPE_CHECKING:
    from detkit.api import Conversion

__all__ = ["convert"]

#: Options that are paths: workers run in a folder of their own.
_PATHS = ("truth",)


def convert(
    pairs: Sequence[tuple[str | Path, str | Path]],
    to: str | None = None,
    *,
    scheduler: str = LOCAL,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    **options: Any,
) -> list[Conversion]:
    """What each conversion did, in the order given.

    Parameters
    ----------
    pairs : sequence of (source, target)
        Paths that every worker sees; targets differ.
    to : str, optional
        Target format; by default told by each target's suffix.
    scheduler, workers, progress
        See `detkit.scale.engine.run_all`.
    **options
        Of `detkit.api.convert`.

    Returns
    -------
    list of Conversion

    Raises
    ------
    OutputError
        A target exists.
    """
    require()
    if not options.get("dry_run"):
        for _, target in pairs:
            files.refuse_existing(Path(target), overwrite=bool(options.get("overwrite")))
        # A worker may die after its target is in place: the next try writes the same again.
        options["overwrite"] = True
    options = {key: str(Path(value).absolute()) if key in _PATHS and value else value for key, value in options.items()}
    reading = dict(options.get("read_options") or {})
    if reading.get("images_dir"):
        options["read_options"] = {**reading, "images_dir": Path(reading["images_dir"]).absolute()}
    tasks = [(str(Path(source).absolute()), str(Path(target).absolute()), to, options) for source, target in pairs]
    return run_all(_convert, tasks, scheduler=scheduler, workers=workers, progress=progress)


def _convert(source: str, target: str, to: str | None, options: dict[str, Any]) -> Conversion:
    return api.convert(source, target, to, **options)
