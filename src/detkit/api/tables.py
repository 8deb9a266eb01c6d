"""Read, write and count tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from detkit import formats
from detkit.errors import InvalidRowsError, UsageError
from detkit.findings import Finding, Loss
from detkit.formats import ReadOptions, WriteOptions
from detkit.tables import Dataset, Detections

if TYPE_CHECKING:
    from detkit.transforms.stats import Stats

__all__ = [
    "Table",
    "keep_apart",
    "kind_of",
    "read",
    "recognised",
    "refuse_unusable",
    "stats",
    "target_format",
    "write",
]

Table = Dataset | Detections
#: Findings that make a row unusable for scoring.
UNUSABLE = frozenset(("DK101", "DK102", "DK301"))


@overload
def read(path: str | Path, *, kind: Literal["dataset"] = ..., format: str = ..., **options: Any) -> Dataset: ...
@overload
def read(path: str | Path, *, kind: Literal["detections"], format: str = ..., **options: Any) -> Detections: ...
def read(path: str | Path, *, kind: formats.Kind = "dataset", format: str = "auto", **options: Any) -> Table:
    """A table from a file, folder or archive.

    Parameters
    ----------
    path : path-like
    kind : {"dataset", "detections"}
    format : str
        Name of a format, or `auto` to recognise it by content.
    **options
        Fields of `detkit.formats.ReadOptions`.

    Returns
    -------
    Dataset or Detections
        With `findings` and `source`.

    Raises
    ------
    InputError
        Not there, not recognised, not readable.
    """
    reader = formats.read_dataset if kind == "dataset" else formats.read_detections
    return reader(path, format, ReadOptions(**options))


def write(
    table: Table,
    target: str | Path,
    *,
    format: str | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    **options: Any,
) -> list[Loss]:
    """Write a table; the target appears whole or not at all.

    Parameters
    ----------
    table : Dataset or Detections
    target : path-like
    format : str, optional
        By default the one format that writes files with the target's suffix.
    overwrite, dry_run : bool
    **options
        Fields of `detkit.formats.WriteOptions`.

    Returns
    -------
    list of Loss

    Raises
    ------
    OutputError
        Target exists or cannot be written.
    UsageError
        The format cannot be told from the target.
    """
    kind: formats.Kind = "dataset" if isinstance(table, Dataset) else "detections"
    name = format or formats.format_of_target(target, kind)
    if name is None:
        known = ", ".join(formats.names(kind, "write"))
        raise UsageError(f"{target}: the name does not tell the format", hint=f"name it with --to: {known}")
    writer = formats.write_dataset if isinstance(table, Dataset) else formats.write_detections
    return writer(table, target, name, WriteOptions(**options), overwrite=overwrite, dry_run=dry_run)  # type: ignore[arg-type]


def stats(
    source: str | Path | Table,
    *,
    kind: formats.Kind | None = None,
    format: str = "auto",
    split: str | None = None,
    **options: Any,
) -> Stats:
    """Counts of a dataset or of predictions.

    Parameters
    ----------
    source : path-like or table
    kind : {"dataset", "detections"}, optional
        By default whichever the source is recognised as, a dataset first.
    format : str
    split : str, optional
        One split; by default, and with `all`, every image.
    **options
        Fields of `ReadOptions`.

    Returns
    -------
    Stats
        See `detkit.transforms.stats.describe`.
    """
    from detkit.transforms.stats import describe

    if isinstance(source, Dataset | Detections):
        return describe(source)
    kind = kind or kind_of(source, format)
    wanted = None if split == "all" else split
    return describe(read(source, kind=kind, format=format, split=wanted, **options))


def refuse_unusable(findings: Sequence[Finding], drop_invalid: bool) -> None:
    """Raise when rows of an input cannot be scored, unless leaving them out was asked for.

    Parameters
    ----------
    findings : sequence of Finding
    drop_invalid : bool

    Raises
    ------
    InvalidRowsError
        There are such rows; the message holds the first places and the count.
    """
    unusable = [f for f in findings if f.code in UNUSABLE]
    if unusable and not drop_invalid:
        places = [f"{f.where}: {f.message}" if f.where else f.message for f in unusable[:5]]
        raise InvalidRowsError(places, sum(f.count for f in unusable))


def target_format(target: str | Path, detections: Detections) -> str:
    """The format a predictions file is written in: told by the suffix, else the one it was read from.

    Parameters
    ----------
    target : path-like
    detections : Detections

    Returns
    -------
    str
    """
    told = formats.format_of_target(target, "detections")
    return told or (detections.source.format if detections.source else "coco")


def kind_of(source: str | Path, format: str) -> formats.Kind:
    """Whether a source is read as a dataset or as predictions: a dataset where it is recognised as one.

    Parameters
    ----------
    source : path-like
    format : str
        A name, or `auto`.

    Returns
    -------
    {"dataset", "detections"}

    Raises
    ------
    InputError
        Recognised as neither.
    UsageError
        Unknown format.
    """
    return recognised(source, format)[0]


def recognised(source: str | Path, format: str) -> tuple[formats.Kind, str]:
    """The kind as `kind_of` has it, with the name of the format; parameters as `kind_of`, and raises as it does."""
    if format == "auto":
        return formats.recognise(source)
    for kind in ("dataset", "detections"):
        if format in formats.names(kind) and formats.fits(source, kind, format):
            return kind, format
    if format in formats.names():
        return ("dataset" if format in formats.names("dataset") else "detections"), format
    raise UsageError(f"unknown format `{format}`; known: {', '.join(formats.names())}")


def keep_apart(source: str | Path, target: str | Path) -> None:
    """Refuse a target that is the source, holds it, or lies in it.

    Parameters
    ----------
    source, target : path-like

    Raises
    ------
    UsageError
    """
    here, there = Path(source).resolve(), Path(target).resolve()
    if here == there or there in here.parents:
        raise UsageError(f"{target}: the target is the source or holds it", hint="write to another place")
    if here in there.parents and here.is_dir():
        raise UsageError(f"{target}: the target lies inside the source {source}", hint="write beside it, not into it")
