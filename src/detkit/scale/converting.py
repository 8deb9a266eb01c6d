"""Conversions as Dask tasks: one source and one target a task."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detkit import api
from detkit.scale.engine import LOCAL, run_all

if TYPE_CHECKING:
    from detkit.api import Conversion

__all__ = ["convert"]


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
        Of `detkit.api.convert`. A target whose worker died was not moved into place yet, so the next try finds none.

    Returns
    -------
    list of Conversion
    """
    tasks = [(str(Path(source).absolute()), str(Path(target).absolute()), to, options) for source, target in pairs]
    return run_all(_convert, tasks, scheduler=scheduler, workers=workers, progress=progress)


def _convert(source: str, target: str, to: str | None, options: dict[str, Any]) -> Conversion:
    return api.convert(source, target, to, **options)
