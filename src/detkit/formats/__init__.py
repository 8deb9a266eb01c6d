"""Annotation and prediction formats: detect by content, read, write. One format a file, see `_base`.

Reading gives `Dataset` or `Detections` tables, writing returns what was lost. The two kinds are kept apart: a path is
read as one or the other by the caller's wish, never by guess.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit import files, registry
from detkit.errors import DetkitError, InputError, UsageError
from detkit.findings import Finding, Loss
from detkit.formats._archive import broken_start, existing, opened
from detkit.formats._base import Capabilities, ImageSizes, Kind, Probe, ReadOptions, WriteOptions
from detkit.formats._images import parse_image_sizes
from detkit.formats._loss import generic_losses
from detkit.formats._writing import kept_rows
from detkit.tables import Categories, Dataset, Detections, Images

__all__ = [
    "Capabilities",
    "ImageSizes",
    "Kind",
    "Probe",
    "ReadOptions",
    "WriteOptions",
    "can_stream",
    "capabilities",
    "detect",
    "format_of_target",
    "names",
    "parse_image_sizes",
    "read_dataset",
    "read_detections",
    "read_names",
    "require",
    "stream_detections",
    "write_dataset",
    "write_detections",
    "written_rows",
]

_ROOM = "detkit.formats"
_FUNCTIONS = {
    ("dataset", "read"): "read",
    ("dataset", "write"): "write",
    ("detections", "read"): "read_detections",
    ("detections", "write"): "write_detections",
}


def names(kind: Kind | None = None, action: str = "read") -> tuple[str, ...]:
    """Names of all formats, or of those that can `read` or `write` one kind of table.

    Parameters
    ----------
    kind : {"dataset", "detections"}, optional
    action : {"read", "write"}

    Returns
    -------
    tuple of str
    """
    known = registry.names(_ROOM)
    if kind is None:
        return known
    return tuple(n for n in known if hasattr(registry.load(_ROOM, n), _FUNCTIONS[kind, action]))


def capabilities(name: str) -> Capabilities:
    """What a format can hold."""
    held: Capabilities = registry.load(_ROOM, name).CAPABILITIES
    return held


def detect(path: str | Path, kind: Kind) -> str:
    """Name of the one format whose content this is.

    Parameters
    ----------
    path : path-like
        File or folder.
    kind : {"dataset", "detections"}

    Returns
    -------
    str

    Raises
    ------
    InputError
        Missing or unreadable path, no format or several; the message says what each one lacked.
    """
    path = existing(path)
    with opened(path) as place:
        probes = {name: _probe(name, place, kind) for name in names(kind)}
    found = [name for name, probe in probes.items() if probe.matches]
    if len(found) == 1:
        return found[0]
    what = "labelled dataset" if kind == "dataset" else "predictions"
    flag = "--from (or --truth-format)" if kind == "dataset" else "--from (or --predictions-format)"
    reasons = "\n".join(f"  {name}: {probe.why}" for name, probe in probes.items())
    if found:
        raise InputError(
            f"several formats fit as {what}: {', '.join(found)}\n{reasons}", path=path, hint=f"name one with {flag}"
        )
    broken = broken_start(path)
    if broken is not None:
        raise InputError(broken, path=path)
    raise InputError(f"not recognised as {what} of any known format\n{reasons}", path=path)


def fits(path: str | Path, kind: Kind, name: str) -> bool:
    """Whether a path is recognised as this one format; the others are not asked."""
    with opened(existing(path)) as place:
        return _probe(name, place, kind).matches


def _probe(name: str, place: Path, kind: Kind) -> Probe:
    """What a format says of a path; what it cannot even look into is not its own."""
    try:
        probe: Probe = registry.load(_ROOM, name).detect(place, kind)
    except InputError as error:
        return Probe(False, str(error).splitlines()[0])
    except OSError as error:
        return Probe(False, f"{error.filename or place}: cannot be read: {error.strerror or error}")
    return probe


def read_dataset(path: str | Path, format: str = "auto", options: ReadOptions | None = None) -> Dataset:
    """A labelled dataset from a file, folder or archive.

    Parameters
    ----------
    path : path-like
    format : str
        A name, or `auto` to detect by content.
    options : ReadOptions, optional

    Returns
    -------
    Dataset
        With `findings` and `source`.

    Raises
    ------
    InputError
        Not readable as that format.
    UsageError
        Unknown format, or one that holds no datasets.
    """
    dataset: Dataset = _read(path, format, "dataset", options)
    return dataset


def read_detections(path: str | Path, format: str = "auto", options: ReadOptions | None = None) -> Detections:
    """Predictions from a file, folder or archive; parameters as `read_dataset`."""
    detections: Detections = _read(path, format, "detections", options)
    return detections


def read_names(path: str | Path) -> tuple[str, ...]:
    """Class names in the order of their numbers, from a text, YAML or JSON file."""
    from detkit.formats._names import read_names as read

    found = read(existing(path))
    if not found:
        raise InputError("holds no class names, expected one a line", path=path)
    return found


def write_dataset(
    dataset: Dataset,
    target: str | Path,
    format: str,
    options: WriteOptions | None = None,
    *,
    overwrite: bool = False,
    dry_run: bool = False,
) -> list[Loss]:
    """Write a dataset; the target appears whole or not at all.

    Parameters
    ----------
    dataset : Dataset
    target : path-like
        A file where its suffix is one of the format's, else a folder.
    format : str
    options : WriteOptions, optional
    overwrite : bool
        Replace an existing file, or a folder that detkit wrote.
    dry_run : bool
        Do everything in a temporary place and throw it away.

    Returns
    -------
    list of Loss
        What the format could not hold, and what was changed.
    """
    return _write(dataset, target, format, "dataset", options, overwrite, dry_run)


def write_detections(
    detections: Detections,
    target: str | Path,
    format: str,
    options: WriteOptions | None = None,
    *,
    overwrite: bool = False,
    dry_run: bool = False,
) -> list[Loss]:
    """Write predictions; parameters as `write_dataset`."""
    return _write(detections, target, format, "detections", options, overwrite, dry_run)


def require(name: str) -> None:
    """Raise, before any work is done, where a format needs an extra that is not installed.

    Raises
    ------
    MissingExtraError
    """
    check = getattr(registry.load(_ROOM, name), "require", None)
    if check is not None:
        check()


def can_stream(name: str) -> bool:
    """Whether a format writes predictions as they come, without all of them in memory."""
    return hasattr(registry.load(_ROOM, name), "stream_detections")


def stream_detections(
    batches: Iterable[Detections],
    target: str | Path,
    format: str,
    *,
    images: Images,
    categories: Categories,
    counts: NDArray[np.int64],
    columns: frozenset[str] = frozenset(),
    rows: int | None = None,
    overwrite: bool = False,
) -> list[Loss]:
    """Write predictions batch by batch; the target appears whole or not at all.

    Parameters
    ----------
    batches : iterable of Detections
        Rows in order of the images, positions in these tables, coordinates in pixels.
    target : path-like
        A file where its suffix is one of the format's, else a folder of shards.
    format : str
        One that `can_stream`.
    images, categories : Images, Categories
    counts : (I,) int64
        Rows of each image.
    columns : frozenset of str
        Of `keypoints polygons rle`, those that the batches have.
    rows : int, optional
        Most rows a shard.
    overwrite : bool

    Returns
    -------
    list of Loss
    """
    module = registry.load(_ROOM, format)
    is_file = Path(target).suffix.lower() in module.CAPABILITIES.file_suffixes
    manager = files.atomic_file if is_file else files.atomic_folder
    with manager(target, overwrite=overwrite) as place:
        losses: list[Loss] = module.stream_detections(
            batches, place, images=images, categories=categories, counts=counts, columns=columns, rows=rows
        )
        return losses


def format_of_target(target: str | Path, kind: Kind) -> str | None:
    """The one format that writes this kind to a file with the target's suffix, or None.

    Parameters
    ----------
    target : path-like
    kind : {"dataset", "detections"}

    Returns
    -------
    str or None
    """
    suffix = Path(target).suffix.lower()
    fitting = [n for n in names(kind, "write") if suffix and suffix in capabilities(n).file_suffixes]
    return fitting[0] if len(fitting) == 1 else None


def written_rows(table: Dataset | Detections, format: str, options: WriteOptions) -> int:
    """How many rows of a table a format's writer keeps under these options.

    Parameters
    ----------
    table : Dataset or Detections
    format : str
    options : WriteOptions

    Returns
    -------
    int
    """
    return int(np.count_nonzero(kept_rows(table, capabilities(format), options)))


def _write(
    table: Any, target: str | Path, name: str, kind: Kind, options: WriteOptions | None, overwrite: bool, dry_run: bool
) -> list[Loss]:
    write = _function(name, kind, "write")
    holds = capabilities(name)
    options = options or WriteOptions()
    if options.place_images is None:
        options = replace(options, place_images="link" if holds.carries_images else "leave")
    target = Path(target)
    options = replace(options, target_name=target.name)
    is_file = target.suffix.lower() in holds.file_suffixes
    if not is_file and not (holds.folder if kind == "dataset" else holds.detections_folder):
        raise UsageError(
            f"{target}: `{name}` writes {kind} to one file",
            hint=f"end the name in {' or '.join(holds.file_suffixes)}",
        )
    losses = generic_losses(table, holds, options, one_file=is_file)
    keep = kept_rows(table, holds, options)
    if not keep.all():
        # What the options leave out never reaches a writer, so that none can forget to.
        table = table.take_rows(np.flatnonzero(keep)) if isinstance(table, Dataset) else table.take(keep)
    if dry_run:
        import tempfile

        with tempfile.TemporaryDirectory() as scratch:
            place = Path(scratch) / target.name
            if not is_file:
                place.mkdir()
            return [*losses, *write(table, place, replace(options, place_images="leave"))]
    manager = files.atomic_file if is_file else files.atomic_folder
    with manager(target, overwrite=overwrite) as place:
        return [*losses, *write(table, place, options)]


def _function(name: str, kind: Kind, action: str) -> Callable[..., Any]:
    module = registry.load(_ROOM, name)
    function = getattr(module, _FUNCTIONS[kind, action], None)
    if function is None:
        able = ", ".join(names(kind, action))
        raise UsageError(f"format `{name}` does not {action} {kind}; those that do: {able}")
    return function  # type: ignore[no-any-return]


def _read(path: str | Path, format: str, kind: Kind, options: ReadOptions | None) -> Any:
    """The table; what is said of the inside of an archive names the archive, not the place it was unpacked to."""
    if options is not None and options.images_dir is not None and not options.images_dir.is_dir():
        raise InputError("no such folder of images", path=options.images_dir)
    with opened(existing(path)) as place:
        inside, outside = str(place), str(path)
        try:
            name = detect(place, kind) if format == "auto" else format
            table = _function(name, kind, "read")(place, options or ReadOptions())
        except DetkitError as error:
            if inside != outside:
                error.message = error.message.replace(inside, outside)
            raise
        except OSError as error:
            file = str(error.filename or inside).replace(inside, outside)
            raise InputError(f"cannot be read: {error.strerror or error}", path=file) from error
    if inside != outside:
        table = replace(table, findings=tuple(_renamed(f, inside, outside) for f in table.findings))
    return table if table.source is None else replace(table, source=replace(table.source, path=outside))


def _renamed(finding: Finding, inside: str, outside: str) -> Finding:
    file = None if finding.file is None else finding.file.replace(inside, outside)
    return replace(finding, file=file, message=finding.message.replace(inside, outside))
