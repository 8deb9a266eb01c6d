"""Read, write, convert and count tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from detkit import formats
from detkit.api.converting import placeholder_findings
from detkit.errors import InputError, InvalidRowsError, UsageError
from detkit.findings import Finding, Loss
from detkit.formats import ReadOptions, WriteOptions
from detkit.tables import Dataset, Detections

if TYPE_CHECKING:
    from detkit.transforms.stats import Stats

__all__ = [
    "Conversion",
    "Table",
    "convert",
    "keep_apart",
    "kind_of",
    "read",
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


@dataclass(frozen=True)
class Conversion:
    """What `convert` did: formats, counts, what reading noticed, what writing lost."""

    source_format: str
    target_format: str
    kind: str
    images: int
    boxes: int
    findings: tuple[Finding, ...]
    losses: tuple[Loss, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, schema `detkit.conversion/1`."""
        return {
            "schema": "detkit.conversion/1",
            "from": self.source_format,
            "to": self.target_format,
            "kind": self.kind,
            "images": self.images,
            "boxes": self.boxes,
            "findings": [f.to_dict() for f in self.findings],
            "losses": [loss.to_dict() for loss in self.losses],
        }


def convert(
    source: str | Path,
    target: str | Path,
    to: str | None = None,
    *,
    source_format: str = "auto",
    kind: formats.Kind | None = None,
    truth: str | Path | Dataset | None = None,
    clip: bool = False,
    drop_invalid: bool = False,
    overwrite: bool = False,
    dry_run: bool = False,
    read_options: Mapping[str, Any] | None = None,
    write_options: Mapping[str, Any] | None = None,
) -> Conversion:
    """Convert a labelled dataset or predictions to another format.

    Parameters
    ----------
    source, target : path-like
    to : str, optional
        Target format; by default told by the target's suffix.
    source_format : str
    kind : {"dataset", "detections"}, optional
        By default whichever the source is recognised as, a dataset first.
    truth : path-like or Dataset, optional
        For predictions: gives image sizes, ids and class names.
    clip : bool
        Cut boxes to their images.
    drop_invalid : bool
        Leave out boxes without area or wholly outside their image.
    overwrite, dry_run : bool
    read_options, write_options : mapping, optional
        Fields of `ReadOptions` and `WriteOptions`.

    Returns
    -------
    Conversion
    """
    keep_apart(source, target)
    if kind is None:
        kind, source_format = recognised(source, source_format)
    options = dict(read_options or {})
    reference = None
    if truth is not None:
        reference = truth if isinstance(truth, Dataset) else read(truth, **options)
        options |= {"reference_images": reference.images}
    name = to or formats.format_of_target(target, kind) or ""
    options.setdefault("unpack_images", _places_images(name, dict(write_options or {}).get("place_images")))
    table: Table = read(source, kind=kind, format=source_format, **options)
    source_name = table.source.format if table.source else source_format
    findings = list(table.findings)
    losses: list[Loss] = []
    if isinstance(table, Dataset):
        findings += placeholder_findings(table, name)
    if isinstance(table, Detections) and reference is not None:
        table, more = _in_terms_of(table, reference)
        findings += more
    if clip or drop_invalid:
        table, losses = _tidy(table, clip, drop_invalid)
    losses += write(
        table, target, format=name or None, overwrite=overwrite, dry_run=dry_run, **dict(write_options or {})
    )
    boxes = formats.written_rows(table, name, WriteOptions(**dict(write_options or {})))
    return Conversion(source_name, name, kind, len(table.images), boxes, tuple(findings), tuple(losses))


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
    """The kind as `kind_of` has it, with the name of the format; raises as it does."""
    reasons = []
    for kind in ("dataset", "detections"):
        if format != "auto":
            if format in formats.names(kind) and formats.fits(source, kind, format):
                return kind, format
            continue
        try:
            return kind, formats.detect(source, kind)
        except InputError as error:
            reasons.append(error)
    if format in formats.names():
        return ("dataset" if format in formats.names("dataset") else "detections"), format
    raise reasons[0] if reasons else UsageError(f"unknown format `{format}`; known: {', '.join(formats.names())}")


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


def _places_images(format: str, mode: str | None) -> bool:
    """Whether images are written beside the labels: as asked for, else where the format's layout has them."""
    if mode is None:
        return format in formats.names() and formats.capabilities(format).carries_images
    return mode != "leave"


def _in_terms_of(detections: Detections, truth: Dataset) -> tuple[Detections, list[Finding]]:
    from detkit.evaluation.align import align

    aligned = align(truth, detections, unmapped="count")
    return aligned.detections, list(aligned.findings)


def _tidy(table: Table, clip: bool, drop_invalid: bool) -> tuple[Table, list[Loss]]:
    from detkit.transforms.tidy import clip_boxes, drop_invalid_boxes

    losses: list[Loss] = []
    if drop_invalid:
        table, loss = drop_invalid_boxes(table)
        losses += loss
    if clip:
        table, loss = clip_boxes(table)
        losses += loss
    return table, losses
