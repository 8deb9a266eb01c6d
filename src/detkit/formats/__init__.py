"""Annotation and prediction formats: detect by content, read, write. One format a file, see `_base`.

Reading gives `Dataset` or `Detections` tables, writing returns what was lost. The two kinds are kept apart: a path is
read as one or the other by the caller's wish, never by guess.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit import files
from detkit.errors import DetkitError, InputError, UsageError
from detkit.findings import Finding, Loss
from detkit.formats._archive import existing, opened
from detkit.formats._base import Capabilities, ImageSizes, Kind, Probe, ReadOptions, WriteOptions
from detkit.formats._images import ImageFinder, parse_image_sizes
from detkit.formats._members import capabilities, function, module, names
from detkit.formats._recognition import detect, fits, recognise
from detkit.tables import Categories, Dataset, Detections, Images

__all__ = [
    "Capabilities",
    "ImageFinder",
    "ImageSizes",
    "Kind",
    "Probe",
    "ReadOptions",
    "WriteOptions",
    "can_stream",
    "capabilities",
    "detect",
    "fits",
    "format_of_target",
    "names",
    "parse_image_sizes",
    "read_dataset",
    "read_detections",
    "read_names",
    "recognise",
    "require",
    "stream_detections",
    "write_dataset",
    "write_detections",
    "written_images",
    "written_rows",
]


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

    found = read(existing(path, hint="give a file with one name a line"))
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
    check = getattr(module(name), "require", None)
    if check is not None:
        check()


def can_stream(name: str) -> bool:
    """Whether a format writes predictions as they come, without all of them in memory."""
    return hasattr(module(name), "stream_detections")


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
    writer = module(format)
    is_file = Path(target).suffix.lower() in writer.CAPABILITIES.file_suffixes
    manager = files.atomic_file if is_file else files.atomic_folder
    with manager(target, overwrite=overwrite) as place, _unicode_only(format):
        losses: list[Loss] = writer.stream_detections(
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
    from detkit.formats._writing import kept_rows

    return int(np.count_nonzero(kept_rows(table, capabilities(format), options)))


def written_images(table: Dataset | Detections, format: str, options: WriteOptions) -> int:
    """How many images of a table are in what a format's writer makes of it under these options.

    Parameters
    ----------
    table : Dataset or Detections
    format : str
    options : WriteOptions

    Returns
    -------
    int
    """
    from detkit.formats._writing import kept_rows

    holds = capabilities(format)
    rows = table.annotations if isinstance(table, Dataset) else table
    if ("dataset" if isinstance(table, Dataset) else "detections") not in holds.unlisted:
        return len(table.images)
    return len(np.unique(rows.image_index[kept_rows(table, holds, options)]))


def _write(
    table: Any, target: str | Path, name: str, kind: Kind, options: WriteOptions | None, overwrite: bool, dry_run: bool
) -> list[Loss]:
    from detkit.formats._loss import absent_files, generic_losses
    from detkit.formats._writing import prepared

    write = function(name, kind, "write")
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
    placed = options.place_images != "leave" and not is_file
    table = prepared(table, holds, options)
    if dry_run:
        import tempfile

        with tempfile.TemporaryDirectory() as scratch:
            place = Path(scratch) / target.name
            if not is_file:
                place.mkdir()
            with _unicode_only(name):
                losses += write(table, place, replace(options, place_images="leave"))
            return [*losses, *absent_files(table, losses)] if placed else losses
    manager = files.atomic_file if is_file else files.atomic_folder
    with manager(target, overwrite=overwrite) as place, _unicode_only(name):
        losses += write(table, place, options)
    return [*losses, *absent_files(table, losses)] if placed else losses


@contextmanager
def _unicode_only(format: str) -> Iterator[None]:
    """Say of a text that has no UTF-8, as an escape in JSON or the bytes of a file name may give, that it has none."""
    try:
        yield
    except UnicodeEncodeError as error:
        shown = ascii(error.object[max(0, error.start - 20) : error.end + 20])
        raise InputError(
            f"the text {shown} has a part that is no Unicode character, and `{format}` is written in UTF-8",
            hint="rename the image or the class, or write COCO, which keeps such a text",
        ) from error


def _read(path: str | Path, format: str, kind: Kind, options: ReadOptions | None) -> Any:
    """The table; what is said of the inside of an archive names the archive, not the place it was unpacked to."""
    if options is not None and options.images_dir is not None and not options.images_dir.is_dir():
        raise files.missing_path(options.images_dir, "folder of images")
    with opened(existing(path)) as place:
        inside, outside = str(place), str(path)
        try:
            name = detect(place, kind) if format == "auto" else format
            # Numbers near the end of the floats may overflow: readers look at the results, not at warnings.
            with np.errstate(over="ignore", invalid="ignore"):
                table = function(name, kind, "read")(place, options or ReadOptions())
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
