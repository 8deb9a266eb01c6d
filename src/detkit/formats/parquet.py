"""Predictions as Apache Parquet: one file, or a folder of shards; what has no column stands in the file's metadata.

Needs the extra `parquet`. Other people's files are read by the names of their columns, as CSV is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detkit import files
from detkit.errors import MissingExtraError
from detkit.findings import Loss
from detkit.formats._base import Capabilities, Kind, Probe, ReadOptions, WriteOptions
from detkit.formats._class_ids import class_ids
from detkit.formats._parquet_columns import columns_of
from detkit.formats._parquet_files import SUFFIX, is_parquet, open_file, part_files, pyarrow
from detkit.formats._parquet_header import KEY, SCHEMA, Header
from detkit.formats._parquet_read import read_files
from detkit.formats._parquet_write import ROWS, Extras, cut, extras_of, write_file, write_shards
from detkit.tables import Categories, Detections, Images, id_array

__all__ = ["CAPABILITIES", "detect", "read_detections", "require", "stream_detections", "write_detections"]

CAPABILITIES = Capabilities(
    holds=frozenset(
        (
            *("image_ids", "image_sizes", "category_ids", "supercategories", "area"),
            *("polygons", "rle", "keypoints", "extra", "scores"),
        )
    ),
    read_from=(SUFFIX,),
    file_suffixes=(SUFFIX,),
    folder=False,
    detections_folder=True,
)


def detect(path: Path, kind: Kind) -> Probe:
    """Whether a path is a Parquet file, or a folder of them, whose columns are those of predictions."""
    if kind == "dataset":
        return Probe(False, "holds predictions only")
    try:
        parts = part_files(path)
    except OSError as error:
        return Probe(False, f"cannot be read: {error.strerror or error}")
    if not parts:
        return Probe(False, "a folder without `.parquet` files")
    problem = is_parquet(parts[0])
    if problem is not None:
        return Probe(False, problem)
    try:
        with open_file(parts[0]) as file:
            if KEY in (file.metadata.metadata or {}):
                return Probe(True, f"Parquet with metadata of {SCHEMA}")
            found = columns_of(file.schema_arrow)
    except MissingExtraError:
        return Probe(True, "starts and ends as Parquet does; its columns were not looked at without `pyarrow`")
    except Exception as error:
        return Probe(False, f"damaged Parquet: {error}")
    if isinstance(found, str):
        return Probe(False, found)
    return Probe(True, f"Parquet with image, class, confidence and {found.layout} box")


def require() -> None:
    """Raise where the extra `parquet` is not installed.

    Raises
    ------
    MissingExtraError
    """
    pyarrow()


def read_detections(path: Path, options: ReadOptions) -> Detections:
    """Predictions of a Parquet file or of a folder of shards, in the order of the shards' names.

    Parameters
    ----------
    path : Path
    options : ReadOptions
        For other people's files `names`, `image_sizes`, `reference_images` and `layout` count as for CSV.

    Returns
    -------
    Detections

    Raises
    ------
    InputError
        No Parquet, columns missing, shards missing, or metadata of another version.
    MissingExtraError
        The extra `parquet` is not installed.
    """
    return read_files(Path(path), options)


def write_detections(detections: Detections, target: Path, options: WriteOptions) -> list[Loss]:
    """Write one file where the target is one, else a folder of shards of up to 200,000 rows.

    Parameters
    ----------
    detections : Detections
    target : Path
    options : WriteOptions

    Returns
    -------
    list of Loss
        Category ids that the options changed; nothing else is lost.
    """
    if options.shapes != "keep":
        detections = replace(detections, shapes=None)
    ids, losses = class_ids(detections.categories, options)
    categories = replace(
        detections.categories, ids=id_array(ids), has_own_ids=detections.categories.has_own_ids or bool(losses)
    )
    header = Header(detections.images, categories, detections.units, detections.has_boxes)
    _write(Path(target), header, extras_of(detections), [detections], detections.offsets, ROWS)
    return losses


def stream_detections(
    batches: Iterable[Detections],
    target: Path,
    *,
    images: Images,
    categories: Categories,
    counts: NDArray[np.int64],
    columns: frozenset[str],
    rows: int | None = None,
) -> list[Loss]:
    """Write batches of rows as they come; memory holds one row group.

    Parameters
    ----------
    batches : iterable of Detections
        Rows in order of the images, positions in these tables, coordinates in pixels.
    target : Path
        An existing folder gets shards, anything else becomes one file.
    images, categories : Images, Categories
    counts : (I,) int64
        Rows of each image.
    columns : frozenset of str
        Of `keypoints polygons rle`, those that the batches have.
    rows : int, optional
        Most rows a shard, 200,000 by default.

    Returns
    -------
    list of Loss
        Nothing is lost.
    """
    extras = Extras(polygons="polygons" in columns, rle="rle" in columns, keypoints="keypoints" in columns)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    _write(target, Header(images, categories), extras, batches, offsets, rows or ROWS)
    return []


def _write(
    target: Path,
    header: Header,
    extras: Extras,
    batches: Iterable[Detections],
    offsets: NDArray[np.int64],
    rows: int,
) -> None:
    if not target.is_dir():
        write_file(target, header, extras, batches)
        return
    write_shards(target, header, extras, batches, offsets, rows)
    (target / files.FOLDER_MARK).write_text(_mark(header.categories, len(cut(offsets, rows))), encoding="utf-8")


def _mark(categories: Categories, shards: int) -> str:
    """What says that this folder is detkit's and may be replaced."""
    from detkit._version import __version__

    names = {str(key): name for key, name in zip(categories.ids.tolist(), categories.names, strict=True)}
    content = {"detkit": __version__, "format": "parquet", "schema": SCHEMA, "shards": shards, "categories": names}
    return json.dumps(content, ensure_ascii=True) + "\n"
