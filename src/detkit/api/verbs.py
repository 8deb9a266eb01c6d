"""What every verb on a dataset shares: read the sources, change the table, write the target, say what happened."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from detkit import formats
from detkit.api.tables import keep_apart, read, write
from detkit.errors import UsageError
from detkit.findings import Finding, Loss
from detkit.formats import WriteOptions
from detkit.tables import Dataset

__all__ = ["Changed", "Written", "change", "dataset_format", "read_source", "source_names", "write_changed"]


@dataclass(frozen=True, eq=False)
class Changed:
    """A dataset after a verb.

    Parameters
    ----------
    dataset : Dataset
    losses : tuple of Loss
        What the verb itself left out or altered, counted.
    findings : tuple of Finding
    details : mapping
        Figures of the verb for its report (plain values).
    """

    dataset: Dataset
    losses: tuple[Loss, ...] = ()
    findings: tuple[Finding, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Written:
    """What a verb did and wrote.

    Parameters
    ----------
    verb : str
    target, format : str
    images, boxes : int
    findings : tuple of Finding
    losses : tuple of Loss
        Of the verb, then of the format.
    details : mapping
    """

    verb: str
    target: str
    format: str
    images: int
    boxes: int
    findings: tuple[Finding, ...]
    losses: tuple[Loss, ...]
    details: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, schema `detkit.<verb>/1`."""
        return {
            "schema": f"detkit.{self.verb}/1",
            "target": self.target,
            "format": self.format,
            "images": self.images,
            "boxes": self.boxes,
            **self.details,
            "findings": [f.to_dict() for f in self.findings],
            "losses": [loss.to_dict() for loss in self.losses],
        }


def change(
    verb: str,
    source: str | Path | Dataset,
    target: str | Path,
    function: Callable[[Dataset], Changed],
    *,
    to: str | None = None,
    source_format: str = "auto",
    overwrite: bool = False,
    dry_run: bool = False,
    read_options: Mapping[str, Any] | None = None,
    write_options: Mapping[str, Any] | None = None,
) -> Written:
    """Read a dataset, change it, write it.

    Parameters
    ----------
    verb : str
        Names the report's schema.
    source : path-like or Dataset
        Never changed.
    target : path-like
    function : callable
        Dataset -> Changed.
    to : str, optional
        Target format; by default told by the target's suffix, else the source's.
    source_format : str
    overwrite, dry_run : bool
    read_options, write_options : mapping, optional
        Fields of `ReadOptions` and `WriteOptions`.

    Returns
    -------
    Written

    Raises
    ------
    UsageError
        The target is the source, or its format cannot be told.
    InputError, OutputError
    """
    dataset = read_source(source, [target], source_format, read_options)
    changed = function(dataset)
    return write_changed(
        verb, changed, target, to=to, like=dataset, overwrite=overwrite, dry_run=dry_run, write_options=write_options
    )


def read_source(
    source: str | Path | Dataset,
    targets: Sequence[str | Path],
    source_format: str = "auto",
    read_options: Mapping[str, Any] | None = None,
) -> Dataset:
    """The dataset that a verb works on, once it is known that what it writes lies elsewhere.

    Parameters
    ----------
    source : path-like or Dataset
    targets : sequence of path-like
    source_format : str
    read_options : mapping, optional
        Fields of `ReadOptions`.

    Returns
    -------
    Dataset

    Raises
    ------
    UsageError
        A target is the source, holds it, or lies in it.
    InputError
        The source cannot be read.
    """
    if isinstance(source, Dataset):
        return source
    for target in targets:
        keep_apart(source, target)
    found: Dataset = read(source, format=source_format, **dict(read_options or {}))
    return found


def source_names(sources: Sequence[str | Path | Dataset]) -> list[str]:
    """What to call each of several sources: the last part of its path, numbered until no two are the same.

    Parameters
    ----------
    sources : sequence of (path-like or Dataset)

    Returns
    -------
    list of str
    """
    names: list[str] = []
    for number, source in enumerate(sources, 1):
        path = None if isinstance(source, Dataset) else Path(source).resolve()
        base = "" if path is None else path.stem if path.is_file() else path.name
        name = base or f"source{number}"
        while name in names:
            name = f"{name}-{number}"
        names.append(name)
    return names


def write_changed(
    verb: str,
    changed: Changed,
    target: str | Path,
    *,
    to: str | None = None,
    like: Dataset | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    write_options: Mapping[str, Any] | None = None,
) -> Written:
    """Write a changed dataset; parameters as `change`, and `like`, whose format is taken where nothing else tells."""
    name = to or dataset_format(target, like)
    options = dict(write_options or {})
    lost = write(changed.dataset, target, format=name, overwrite=overwrite, dry_run=dry_run, **options)
    return Written(
        verb,
        str(target),
        name,
        formats.written_images(changed.dataset, name, WriteOptions(**options)),
        formats.written_rows(changed.dataset, name, WriteOptions(**options)),
        (*changed.dataset.findings, *changed.findings),
        (*changed.losses, *lost),
        changed.details,
    )


def dataset_format(target: str | Path, like: Dataset | None) -> str:
    """Format of a dataset's target: told by its suffix, else that of the dataset it comes from.

    Parameters
    ----------
    target : path-like
    like : Dataset, optional

    Returns
    -------
    str

    Raises
    ------
    UsageError
        Neither tells, or that format is not written.
    """
    name = formats.format_of_target(target, "dataset") or (like.source.format if like and like.source else None)
    known = formats.names("dataset", "write")
    if name not in known:
        raise UsageError(f"{target}: the name does not tell the format", hint=f"name it with --to: {', '.join(known)}")
    return str(name)
