"""Merge datasets: classes by name, ids unique, copies of images seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detkit.api.tables import keep_apart, read
from detkit.api.verbs import Changed, Written, write_changed
from detkit.tables import Dataset

if TYPE_CHECKING:
    from detkit.transforms.merge import Duplicates

__all__ = ["merge"]


def merge(
    sources: Sequence[str | Path | Dataset],
    target: str | Path,
    *,
    duplicates: Duplicates = "keep",
    to: str | None = None,
    source_format: str = "auto",
    overwrite: bool = False,
    dry_run: bool = False,
    read_options: Mapping[str, Any] | None = None,
    write_options: Mapping[str, Any] | None = None,
) -> Written:
    """Merge datasets and write the result.

    Parameters
    ----------
    sources : sequence of path-like or Dataset
        Two or more, of any formats; never changed.
    target : path-like
    duplicates : {"keep", "first", "join", "error"}
        For image files with the same bytes, see `detkit.transforms.merge.merge`.
    to, source_format, overwrite, dry_run, read_options, write_options
        See `detkit.api.verbs.change`.

    Returns
    -------
    Written

    Raises
    ------
    UsageError, InputError, OutputError
    """
    from detkit.transforms import merge as transform

    datasets = []
    for source in sources:
        if not isinstance(source, Dataset):
            keep_apart(source, target)
            source = read(source, format=source_format, **dict(read_options or {}))
        datasets.append(source)
    change = transform.merge(datasets, _names(sources), duplicates)
    return write_changed(
        "merge",
        Changed(change.dataset, change.losses, change.findings, change.details),
        target,
        to=to,
        like=datasets[0],
        overwrite=overwrite,
        dry_run=dry_run,
        write_options=write_options,
    )


def _names(sources: Sequence[str | Path | Dataset]) -> list[str]:
    """What to call each source: the last part of its path, numbered where two are the same."""
    names: list[str] = []
    for number, source in enumerate(sources, 1):
        base = f"source{number}" if isinstance(source, Dataset) else Path(source).resolve()
        name = base if isinstance(base, str) else base.stem if base.is_file() else base.name
        name = name or f"source{number}"
        names.append(f"{name}-{number}" if name in names else name)
    return names
