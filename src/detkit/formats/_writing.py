"""What the writers of annotation tools' formats share: which rows stay, exact edges, outlines, file names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from detkit.errors import InputError
from detkit.files import FOLDER_MARK
from detkit.findings import Loss
from detkit.formats._base import Capabilities, WriteOptions
from detkit.formats._image_names import image_names
from detkit.formats._mask_windows import window_of
from detkit.formats._turned import bounds
from detkit.tables import Dataset, Detections, Images, Shapes
from detkit.wording import examples, plural

__all__ = [
    "Outlines",
    "distinct",
    "edges",
    "groups_of",
    "kept_rows",
    "lost_extra",
    "new_group",
    "plain",
    "prepared",
    "require_pixels",
    "require_sizes",
]

Table = TypeVar("Table", Dataset, Detections)


def require_pixels(table: Dataset | Detections, format: str) -> None:
    """Raise where coordinates are shares of images whose sizes nobody knows.

    Raises
    ------
    InputError
    """
    if table.units == "normalised":
        raise InputError(
            f"coordinates are shares of the image and image sizes are unknown; {format} holds pixels",
            hint="give the sizes with `--image-sizes FILE` or `--images DIR`",
        )


def require_sizes(images: Images, format: str) -> None:
    """Raise where the size of an image is unknown and the format states it.

    Raises
    ------
    InputError
    """
    unknown = np.flatnonzero(np.isnan(images.sizes).any(axis=1)).tolist()
    if unknown:
        shown = examples([images.file_names[i] or str(images.ids[i]) for i in unknown])
        raise InputError(
            f"the size of {plural(len(unknown), 'image')} is unknown, {format} states it: {shown}",
            hint="give the images with `--images DIR`, or the sizes with `--image-sizes FILE`",
        )


def kept_rows(table: Dataset | Detections, holds: Capabilities, options: WriteOptions) -> NDArray[np.bool_]:
    """(N,) bool: rows that are written when crowds, ignored and outlined objects are left out as the options say."""
    rows = table.annotations if isinstance(table, Dataset) else table
    keep = np.ones(len(rows), np.bool_)
    if isinstance(table, Dataset):
        if "crowds" not in holds.holds and options.crowds == "drop":
            keep &= ~table.annotations.is_crowd
        if "ignored" not in holds.holds and options.ignored == "drop":
            keep &= ~table.annotations.is_ignored
    if options.shapes == "drop" and rows.shapes is not None:
        keep &= ~((rows.shapes.kind == Shapes.RLE) | (rows.shapes.rings.lengths() > 0))
    return keep


def prepared(table: Table, holds: Capabilities, options: WriteOptions) -> Table:
    """The table as a writer gets it, so that none can forget an option.

    Parameters
    ----------
    table : Dataset or Detections
    holds : Capabilities
        Of the target format.
    options : WriteOptions

    Returns
    -------
    Dataset or Detections
        Without the rows that the options leave out; with `crowds="difficult"` crowds are ignored objects where the
        format has these and no crowds.
    """
    keep = kept_rows(table, holds, options)
    if not isinstance(table, Dataset):
        return table if keep.all() else table.take(keep)
    rows = table.annotations
    as_ignored = options.crowds == "difficult" and "ignored" in holds.holds and "crowds" not in holds.holds
    if as_ignored and rows.is_crowd.any():
        table = replace(table, annotations=replace(rows, is_ignored=rows.is_ignored | rows.is_crowd))
    return table if keep.all() else table.take_rows(np.flatnonzero(keep))


def edges(xywh: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, 4) float64 left, top, right, bottom; sums of numbers with at most 9 decimals are free of rounding noise."""
    low, size = xywh[:, :2], xywh[:, 2:]
    high = low + size
    short = (np.round(low, 9) == low) & (np.round(size, 9) == size)
    return np.hstack([low, np.where(short, np.round(high, 9), high)])


def plain(value: Any) -> int | float:
    """A number as JSON shows it: whole ones without a fraction."""
    number = float(value)
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


@dataclass
class Outlines:
    """Outlines of a table's rows as a format writes them.

    Parameters
    ----------
    table : Dataset or Detections
    options : WriteOptions
    """

    table: Dataset | Detections
    options: WriteOptions

    def __post_init__(self) -> None:
        rows = self.table.annotations if isinstance(self.table, Dataset) else self.table
        self.shapes = rows.shapes if self.options.shapes == "keep" else None
        self.xywh = rows.xywh
        self.oriented = None
        if isinstance(self.table, Dataset) and self.shapes is not None:
            self.oriented = self.table.annotations.is_oriented
        self.unlike: list[int] = []
        self.unlike_masks: list[int] = []

    def rings(self, row: int) -> list[NDArray[np.float64]]:
        """Rings of at least three points, empty for a row without; a box that is not their bounds is remembered."""
        if self.shapes is None or self.shapes.kind[row] != Shapes.POLYGONS:
            return []
        rings = [ring for ring in self.shapes.polygons(row) if len(ring) >= 3]
        if rings and bounds(np.concatenate(rings)) != tuple(self.xywh[row].tolist()):
            self.unlike.append(row)
        return rings

    def window(self, row: int) -> tuple[int, int, NDArray[np.bool_]] | None:
        """Left, top and pixels of a row's mask, None for a row without; a box that is not the mask's is remembered."""
        mask = None if self.shapes is None else self.shapes.rle.get(row)
        window = None if mask is None else window_of(mask)
        if window is not None:
            left, top, pixels = window
            if [left, top, pixels.shape[1], pixels.shape[0]] != self.xywh[row].tolist():
                self.unlike_masks.append(row)
        return window

    def is_oriented(self, row: int) -> bool:
        """Whether a row is an oriented box with four corners."""
        if self.oriented is None or not self.oriented[row] or self.shapes is None:
            return False
        return bool(self.shapes.rings[row].tolist() == [4])

    def losses(self) -> list[Loss]:
        """What is said of boxes that are not the bounds of their outlines and masks."""
        found = []
        for what, rows in (("outline", self.unlike), ("mask", self.unlike_masks)):
            text = f"not written (the {what} is, and gives the box when read back)"
            loss = Loss(f"boxes that are not the bounds of their {what}", text, len(rows), self._shown(rows))
            found += [loss] if rows else []
        return found

    def _shown(self, rows: Sequence[int]) -> tuple[str, ...]:
        table = self.table.annotations if isinstance(self.table, Dataset) else self.table
        return tuple(dict.fromkeys(self.table.images.file_names[int(table.image_index[i])] for i in rows[:12]))[:3]


def distinct(images: Images, suffix: str) -> tuple[list[str], list[str], list[Loss]]:
    """File name of each image, the name of its label file, and what had to be changed.

    Label files are named after the image without its suffix; where two images would share one, after the whole name.

    Parameters
    ----------
    images : Images
    suffix : str
        Of the label files, `.json`.

    Returns
    -------
    names, label_names : list of str
    losses : list of Loss
    """
    from detkit.formats._stems import stem_of

    names, losses = image_names(images)
    stems = [stem_of(name) for name in names]
    # The name of detkit's own file in the folder counts as taken.
    counts: dict[str, int] = {PurePosixPath(FOLDER_MARK).stem: 1}
    for stem in stems:
        counts[stem.casefold()] = counts.get(stem.casefold(), 0) + 1
    labels = [
        f"{stem if counts[stem.casefold()] == 1 else name}{suffix}" for stem, name in zip(stems, names, strict=True)
    ]
    return names, labels, losses


def groups_of(stated: Iterable[Any]) -> set[Any]:
    """Ids of the groups of an image's objects; a source may state a list or an object there, which is none."""
    return {group for group in stated if isinstance(group, (int, float, str))}


def new_group(used: set[Any]) -> int:
    """The first number from 1 that no group has; it counts as used from then on."""
    group = next(n for n in range(1, len(used) + 2) if n not in used)
    used.add(group)
    return group


def lost_extra(dataset: Dataset, *, images: bool = True, categories: bool = True) -> list[Loss]:
    """Losses of unknown fields that a format with `extra` for annotations has no place for."""
    counts: dict[str, int] = {}
    for wanted, what, extra in (
        (images, "image", dataset.images.extra),
        (categories, "category", dataset.categories.extra),
    ):
        for fields in extra.values() if wanted else ():
            for name in fields:
                counts[f"{what} field `{name}`"] = counts.get(f"{what} field `{name}`", 0) + 1
    return [Loss(what, "dropped", count) for what, count in counts.items()]


def image_targets(images: Images, names: Sequence[str], folder: Path) -> list[tuple[int, Path]]:
    """Where each image goes when images are placed below a folder."""
    return [(i, folder / name) for i, name in enumerate(names)]


def stated_attributes(table: Dataset | Detections) -> Callable[[int], dict[str, Any]]:
    """Gives the attributes that a row states, as plain values; a NaN or an empty text states nothing."""
    if not isinstance(table, Dataset) or not table.annotations.attributes:
        return lambda row: {}
    columns = {name: values.tolist() for name, values in table.annotations.attributes.items()}

    def stated(row: int) -> dict[str, Any]:
        found = {name: values[row] for name, values in columns.items()}
        return {k: plain(v) if isinstance(v, float) else v for k, v in found.items() if _is_stated(v)}

    return stated


def _is_stated(value: Any) -> bool:
    return value is not None and value != "" and value == value
