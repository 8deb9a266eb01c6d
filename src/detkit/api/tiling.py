"""Cut a dataset into tiles, images and labels, and put predictions on tiles back together."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from detkit import files, formats
from detkit.api import _pixels
from detkit.api.tables import read, refuse_unusable
from detkit.api.verbs import Changed, Written, dataset_format, read_source, write_changed
from detkit.errors import InputError, UsageError
from detkit.findings import Finding, Loss
from detkit.ragged import id_array
from detkit.tables import Dataset, Detections, Images
from detkit.transforms.tile import JoinSettings, TileIndex, Tiles, TileSettings, cut

if TYPE_CHECKING:
    from detkit.transforms.untile import Joined

__all__ = ["INDEX_NAME", "JoinSettings", "TileSettings", "join_tiles", "read_tile_index", "tile"]

#: The index in a folder of tiles.
INDEX_NAME = "detkit-tiles.csv"
_COLUMNS = ("tile", "tile_id", "image", "image_id", "x", "y", "width", "height", "image_width", "image_height")


def tile(
    source: str | Path | Dataset,
    target: str | Path,
    settings: TileSettings | None = None,
    *,
    to: str | None = None,
    source_format: str = "auto",
    quality: int = 95,
    overwrite: bool = False,
    dry_run: bool = False,
    jobs: int | None = None,
    read_options: Mapping[str, Any] | None = None,
    write_options: Mapping[str, Any] | None = None,
    progress: _pixels.Progress | None = None,
) -> Written:
    """Cut the images and labels of a dataset into tiles.

    Parameters
    ----------
    source : path-like or Dataset
        Never changed.
    target : path-like
        A folder; it gets `detkit-tiles.csv` too, which `join_tiles` reads.
    settings : TileSettings, optional
        See `detkit.transforms.tile.TileSettings`.
    to : str, optional
        Target format; by default the source's.
    source_format : str
    quality : int
        Of JPEG tiles; those of other images are PNG.
    overwrite, dry_run : bool
    jobs : int, optional
        Threads; the result does not depend on it.
    read_options, write_options : mapping, optional
        Fields of `ReadOptions` and `WriteOptions`. `place_images` `leave` writes labels only; otherwise tiles are
        part of the target.
    progress : callable, optional
        Told (done, all) images.

    Returns
    -------
    Written

    Raises
    ------
    UsageError
        The target is one file.
    InputError
        Image sizes or image files are not known.
    OutputError
    """
    dataset = read_source(source, [target], source_format, read_options)
    options = dict(write_options or {})
    name = to or dataset_format(target, dataset)
    with_pixels = options.get("place_images") != "leave"
    index = _index_path(Path(target), name)
    if index.parent != Path(target):
        _check_file(Path(target), index, with_pixels, overwrite)
    findings: list[Finding] = []
    losses: list[Loss] = []
    if with_pixels:
        dataset, findings, losses = _pixels.fitting(dataset, jobs)
    tiles = cut(dataset, settings)
    if not dry_run:
        files.check_target(target, overwrite=overwrite)
    with tempfile.TemporaryDirectory(prefix="detkit-") if dry_run else files.scratch_folder(target) as scratch:
        if with_pixels and not dry_run:
            tiles, broken = _with_pixels(tiles, dataset.images, Path(scratch), quality, jobs, progress)
            findings += broken
            losses += [_pixels.left_out(broken)] if broken else []
        changed = Changed(tiles.dataset, (*losses, *tiles.losses), tuple(findings), tiles.details)
        options["place_images"] = "copy" if with_pixels and not dry_run else "leave"
        if dry_run or index.parent != Path(target):
            written = write_changed(
                "tile", changed, target, to=name, like=dataset, overwrite=overwrite, dry_run=dry_run,
                write_options=options,
            )  # fmt: skip
            if not dry_run:
                _write_index(tiles, dataset.images, index, overwrite)
            return written
        # The index is a part of the folder, and appears with it.
        with files.atomic_folder(target, overwrite=overwrite) as place:
            written = write_changed("tile", changed, place, to=name, like=dataset, write_options=options)
            _write_index(tiles, dataset.images, place / INDEX_NAME, overwrite)
    return replace(written, target=str(target))


def join_tiles(
    predictions: str | Path | Detections,
    index: str | Path | TileIndex,
    settings: JoinSettings | None = None,
    *,
    format: str = "auto",
    drop_invalid: bool = False,
    **options: Any,
) -> Joined:
    """Predictions on tiles as predictions on the images they were cut from.

    Parameters
    ----------
    predictions : path-like or Detections
    index : path-like or TileIndex
        `detkit-tiles.csv`, or the folder it lies in.
    settings : JoinSettings, optional
        See `detkit.transforms.untile.JoinSettings`.
    format : str
    drop_invalid : bool
    **options
        Fields of `ReadOptions`.

    Returns
    -------
    Joined
        See `detkit.transforms.untile.join`.

    Raises
    ------
    InputError, InvalidRowsError
        A file cannot be read, or holds unusable rows.
    CannotJudgeError
        No prediction is on a tile of the index.
    """
    from detkit.transforms.untile import join

    table = read_tile_index(index) if isinstance(index, str | Path) else index
    if isinstance(predictions, Detections):
        found = predictions
    else:
        found = read(predictions, kind="detections", format=format, reference_images=table.tiles, **options)
    refuse_unusable(found.findings, drop_invalid)
    return join(found, table, settings)


def read_tile_index(path: str | Path) -> TileIndex:
    """The index of a folder of tiles.

    Parameters
    ----------
    path : path-like
        `detkit-tiles.csv`, or the folder it lies in.

    Returns
    -------
    TileIndex

    Raises
    ------
    InputError
        Not there, or not such a table.
    """
    path = Path(path)
    path = path / INDEX_NAME if path.is_dir() else path
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:
            rows = list(csv.DictReader(handle))
    except OSError as error:
        raise files.unreadable(path, error) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"not a readable index of tiles: {error}", path=path) from error
    if not rows or not set(_COLUMNS) <= set(rows[0]):
        raise InputError(f"not an index of tiles, expected columns {','.join(_COLUMNS)}", path=path)
    numbers = np.array([_numbers(row, path, line) for line, row in enumerate(rows, 2)], dtype=np.float64)
    place: dict[str, int] = {}
    source = [place.setdefault(f"{row['image']}\0{row['image_id']}", len(place)) for row in rows]
    first: list[int] = np.unique(source, return_index=True)[1].tolist()
    own = all(rows[n]["image_id"] for n in first)
    corner, size = numbers[:, :2], numbers[:, 2:4]
    return TileIndex(
        Images(_ids([row["tile_id"] for row in rows]), tuple(row["tile"] for row in rows), size),
        Images(
            _ids([rows[n]["image_id"] for n in first]) if own else np.arange(1, len(first) + 1),
            tuple(rows[n]["image"] for n in first),
            numbers[first, 4:],
            has_own_ids=own,
        ),
        np.array(source, dtype=np.int64),
        np.concatenate([corner, corner + size], axis=1).astype(np.int64),
    )


def _numbers(row: Mapping[str, str], path: Path, line: int) -> list[float]:
    if any(row[name] is None for name in _COLUMNS):
        raise InputError("has fewer values than columns", path=path, place=f"line {line}")
    try:
        numbers = [float(row[name]) for name in _COLUMNS[4:]]
        if not (all(np.isfinite(numbers)) and min(numbers[2:]) > 0):
            raise ValueError
    except (TypeError, ValueError):
        raise InputError("expected numbers in x, y and the sizes", path=path, place=f"line {line}") from None
    return numbers


def _ids(texts: Sequence[str]) -> Any:
    """Ids as they were written: numbers where all of them are."""
    numbers = all(text.removeprefix("-").isdecimal() and str(int(text)) == text for text in texts)
    return id_array([int(text) for text in texts] if numbers else texts)


def _index_path(target: Path, name: str) -> Path:
    """In the folder of tiles, or beside the one file of labels."""
    is_file = target.suffix.lower() in formats.capabilities(name).file_suffixes
    return target.with_name(f"{target.stem}-tiles.csv") if is_file else target / INDEX_NAME


def _check_file(target: Path, index: Path, with_pixels: bool, overwrite: bool) -> None:
    if with_pixels:
        raise UsageError(
            f"{target}: one file has no room for tiles",
            hint="name a folder, or pass `--place-images leave` for labels only",
        )
    files.refuse_existing(index, overwrite=overwrite)


def _with_pixels(
    tiles: Tiles, images: Images, folder: Path, quality: int, jobs: int | None, progress: _pixels.Progress | None
) -> tuple[Tiles, list[Finding]]:
    """The tiles with their images cut into a folder; those of images that cannot be decoded are left out."""
    starts = np.searchsorted(tiles.source, np.arange(len(images) + 1))
    names = [folder / f"{n:09d}{Path(name).suffix}" for n, name in enumerate(tiles.dataset.images.file_names)]

    def one(position: int) -> Finding | None:
        mine = range(int(starts[position]), int(starts[position + 1]))
        if not mine:
            return None
        try:
            image = _pixels.displayed(str(images.paths[position]))
        except InputError as error:
            return Finding("DK404", f"{error.message}; it is left out", image=_pixels.name_of(images, position))
        for n in mine:
            part = image.crop(tuple(tiles.windows[n].tolist()))
            part.info = image.info
            _pixels.save(part, names[n], quality=quality)
        return None

    found = list(_pixels.in_threads(one, range(len(images)), jobs, progress))
    broken = {n for n, finding in enumerate(found) if finding is not None}
    table = tiles.dataset.images
    dataset = replace(tiles.dataset, images=replace(table, paths=tuple(map(str, names))))
    tiles = replace(tiles, dataset=dataset)
    if broken:
        kept = np.flatnonzero(~np.isin(tiles.source, list(broken)))
        tiles = replace(
            tiles, dataset=dataset.take_images(kept), source=tiles.source[kept], windows=tiles.windows[kept]
        )
    return tiles, [finding for finding in found if finding is not None]


def _write_index(tiles: Tiles, images: Images, path: Path, overwrite: bool) -> None:
    with files.atomic_file(path, overwrite=overwrite) as place, place.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(_COLUMNS)
        table = tiles.dataset.images
        for n, position in enumerate(tiles.source.tolist()):
            left, top, right, bottom = tiles.windows[n].tolist()
            size = [round(side) for side in images.sizes[position].tolist()]
            key = images.ids[position] if images.has_own_ids else ""
            row = (table.file_names[n], table.ids[n], images.file_names[position], key)
            writer.writerow((*row, left, top, right - left, bottom - top, *size))
