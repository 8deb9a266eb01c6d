"""Merge datasets: classes by name, ids unique, copies of images seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detkit.api.verbs import Changed, Written, read_source, source_names, write_changed
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

    datasets = [read_source(source, [target], source_format, read_options) for source in sources]
    change = transform.merge(datasets, source_names(sources), duplicates)
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
