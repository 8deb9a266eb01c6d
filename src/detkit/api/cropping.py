"""One image for each object of a dataset: for a look, or for a classifier."""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit import files
from detkit.api import _pixels
from detkit.api.verbs import read_source
from detkit.errors import InputError, UsageError
from detkit.findings import Finding, Loss
from detkit.tables import Dataset
from detkit.wording import examples

__all__ = ["CropSettings", "Crops", "crops"]

INDEX_NAME = "crops.csv"
_COLUMNS = ("crop", "class", "class_id", "split", "image", "annotation_id", "x", "y", "width", "height")
_WINDOW = ("left", "top", "right", "bottom")


@dataclass(frozen=True)
class CropSettings:
    """How objects are cut out.

    Parameters
    ----------
    margin : float
        Ground around the box on each side, as a share of its longer side.
    square : bool
        Widen the shorter side until both are equal.
    pad : bool
        Where a crop leaves its image: fill with black instead of cutting the crop at the border.
    min_size : float
        Objects whose shorter side is less, pixels, are left out.
    size : int, optional
        Make every crop this many pixels at its longer side.
    classes : sequence of str, optional
        Only these.
    ignored : bool
        Cut out ignored (difficult) objects too. Crowd regions never are.
    by_split : bool
        A folder for each split above those for the classes.
    quality : int
        Of JPEG files.
    """

    margin: float = 0.0
    square: bool = False
    pad: bool = False
    min_size: float = 1.0
    size: int | None = None
    classes: Sequence[str] | None = None
    ignored: bool = True
    by_split: bool = True
    quality: int = 95

    def __post_init__(self) -> None:
        if not 0 <= self.margin <= 10:
            raise UsageError(f"margin: found {self.margin:g}, expected a share from 0 to 10")
        if self.size is not None and self.size < 1:
            raise UsageError(f"size: found {self.size}, expected 1 pixel or more")


@dataclass(frozen=True)
class Crops:
    """What was cut out.

    Parameters
    ----------
    target : str
    images : int
        Images that objects were cut out of.
    crops : int
    per_class : mapping of str to int
    findings : tuple of Finding
    losses : tuple of Loss
    """

    target: str
    images: int
    crops: int
    per_class: Mapping[str, int]
    findings: tuple[Finding, ...] = ()
    losses: tuple[Loss, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values, schema `detkit.crops/1`."""
        return {
            "schema": "detkit.crops/1",
            "target": self.target,
            "images": self.images,
            "crops": self.crops,
            "per_class": dict(self.per_class),
            "findings": [f.to_dict() for f in self.findings],
            "losses": [loss.to_dict() for loss in self.losses],
        }


def crops(
    source: str | Path | Dataset,
    target: str | Path,
    settings: CropSettings | None = None,
    *,
    source_format: str = "auto",
    read_options: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    jobs: int | None = None,
    progress: _pixels.Progress | None = None,
) -> Crops:
    """Cut every object out of its image.

    Parameters
    ----------
    source : path-like or Dataset
    target : path-like
        A folder: `[split/]class/image_number.jpg` for each object, and `crops.csv` with a row for each. The number is
        the object's place in its image, so that a name stays when other images or other classes come and go.
    settings : CropSettings, optional
    source_format : str
    read_options : mapping, optional
        Fields of `ReadOptions`.
    overwrite : bool
    jobs : int, optional
        Threads; the result does not depend on it.
    progress : callable, optional
        Told (done, all) images.

    Returns
    -------
    Crops

    Raises
    ------
    UsageError
        An unknown class.
    InputError
        No image file is known.
    OutputError
    """
    settings = settings or CropSettings()
    dataset = read_source(source, [target], source_format, read_options)
    files.refuse_existing(Path(target), overwrite=overwrite)
    dataset, findings, losses = _pixels.fitting(dataset, jobs)
    rows, left = _chosen(dataset, settings)
    losses += left
    names = _names(dataset, rows, settings)
    windows = windows_of(_pixel_boxes(dataset)[rows], settings)
    with files.atomic_folder(target, overwrite=overwrite) as place:
        written, broken = _cut(dataset, rows, names, windows, settings, place, jobs, progress)
        _write_index(dataset, rows[written], [names[n] for n in written], windows[written], place)
        _pixels.mark_folder(place, "crops")
    losses += [_pixels.left_out(broken)] if broken else []
    kept = rows[written]
    counts = Counter(dataset.categories.names[k] for k in dataset.annotations.category_index[kept].tolist())
    return Crops(
        str(target),
        len(np.unique(dataset.annotations.image_index[kept])),
        len(kept),
        {name: counts[name] for name in dataset.categories.names if counts[name]},
        (*dataset.findings, *findings, *broken),
        tuple(losses),
    )


def _pixel_boxes(dataset: Dataset) -> NDArray[np.float64]:
    if dataset.units == "pixels":
        return dataset.annotations.xywh
    sizes = _pixels.sizes_of(dataset.images.paths)[dataset.annotations.image_index]
    return np.asarray(dataset.annotations.xywh * np.hstack([sizes, sizes]), dtype=np.float64)


def _chosen(dataset: Dataset, settings: CropSettings) -> tuple[NDArray[np.int64], list[Loss]]:
    """Rows that are cut out, and what is left out."""
    rows = dataset.annotations
    wanted = np.ones(len(rows), np.bool_)
    if settings.classes is not None:
        names = dataset.categories.names
        unknown = [name for name in settings.classes if name not in names]
        if unknown:
            raise UsageError(f"unknown class {examples(unknown)}; known: {examples(names, 12)}")
        wanted = np.array([name in settings.classes for name in names], dtype=np.bool_)[rows.category_index]
    xywh = _pixel_boxes(dataset)
    sizes = np.where(np.isnan(dataset.images.sizes), np.inf, dataset.images.sizes)[rows.image_index]
    if dataset.units != "pixels":
        sizes = np.full_like(sizes, np.inf)
    low, high = np.maximum(xywh[:, :2], 0), np.minimum(xywh[:, :2] + xywh[:, 2:], sizes)
    outside = (high <= low).any(axis=1)
    small = ~outside & (xywh[:, 2:].min(axis=1) < settings.min_size)
    difficult = rows.is_ignored & (not settings.ignored)
    losses = []
    for mask, what, why in (
        (rows.is_crowd, "crowd regions", "left out: no single object"),
        (difficult & ~rows.is_crowd, "ignored objects", "left out"),
        (outside & ~rows.is_crowd & ~difficult, "objects", "left out: no area in their image"),
        (small & ~rows.is_crowd & ~difficult, "objects", f"left out: a side under {settings.min_size:g} pixels"),
    ):
        lost = np.flatnonzero(mask & wanted)
        if len(lost):
            images = dict.fromkeys(rows.image_index[lost[:12]].tolist())
            losses.append(Loss(what, why, len(lost), tuple(_pixels.name_of(dataset.images, i) for i in images)[:3]))
        wanted &= ~mask
    return np.flatnonzero(wanted), losses


def windows_of(xywh: NDArray[np.float64], settings: CropSettings) -> NDArray[np.int64]:
    """(N, 4) left, top, right, bottom of the crops in whole pixels; they may leave the image.

    Parameters
    ----------
    xywh : (N, 4) float64
        Pixels.
    settings : CropSettings

    Returns
    -------
    (N, 4) int64
    """
    size = xywh[:, 2:] + 2 * settings.margin * xywh[:, 2:].max(axis=1, keepdims=True)
    if settings.square:
        size = np.repeat(size.max(axis=1, keepdims=True), 2, axis=1)
    low = xywh[:, :2] + xywh[:, 2:] / 2 - size / 2
    # A hair of rounding is no reason for another pixel.
    first = np.floor(low + 1e-6)
    last = first + np.ceil(size - 1e-6) if settings.square else np.ceil(low + size - 1e-6)
    return np.concatenate([first, np.maximum(last, first + 1)], axis=1).astype(np.int64)


def _names(dataset: Dataset, rows: NDArray[np.int64], settings: CropSettings) -> list[str]:
    """`split/class/folder/stem_number.jpg`, one a row."""
    table = dataset.annotations
    split_of: dict[int, str] = {}
    if settings.by_split:
        for split, members in dataset.splits.items():
            for image in members.tolist():
                split_of.setdefault(image, split)
    stems = [PurePosixPath(_pixels.safe_name(_pixels.name_of(dataset.images, n))) for n in range(len(dataset.images))]
    shared = Counter(stem.with_suffix("") for stem in stems)
    classes = _folder_names(dataset.categories.names)
    number = np.arange(len(table)) - dataset.offsets[table.image_index]
    found = []
    for row in rows.tolist():
        image = int(table.image_index[row])
        stem = stems[image]
        base = stem.with_suffix("") if shared[stem.with_suffix("")] == 1 else stem
        suffix = ".jpg" if stem.suffix.lower() in ("", ".jpg", ".jpeg", ".mpo") else ".png"
        folder = PurePosixPath(_pixels.safe_name(split_of[image])) if image in split_of else PurePosixPath()
        name = classes[int(table.category_index[row])]
        found.append((folder / name / base.parent / f"{base.name}_{number[row]:03d}{suffix}").as_posix())
    return found


def _folder_names(names: Sequence[str]) -> list[str]:
    """A folder name for each class: no separators, none twice even where capitals do not count."""
    found: list[str] = []
    taken: set[str] = set()
    for n, name in enumerate(names):
        plain = (
            "".join("_" if c in '/\\:*?"<>|' or not c.isprintable() else c for c in name).strip(" .") or f"class_{n}"
        )
        if plain.lower() in taken:
            plain = f"{plain}_{n}"
        taken.add(plain.lower())
        found.append(plain)
    return found


def _cut(
    dataset: Dataset,
    rows: NDArray[np.int64],
    names: Sequence[str],
    windows: NDArray[np.int64],
    settings: CropSettings,
    place: Path,
    jobs: int | None,
    progress: _pixels.Progress | None,
) -> tuple[NDArray[np.int64], list[Finding]]:
    """Positions in `rows` of the crops written, and images that cannot be decoded; windows become those written."""
    image_of = dataset.annotations.image_index[rows]
    images = np.unique(image_of)
    starts = np.searchsorted(image_of, images)
    ends = np.searchsorted(image_of, images, side="right")

    def one(n: int) -> Finding | None:
        image = int(images[n])
        try:
            photo = _pixels.displayed(str(dataset.images.paths[image]))
        except InputError as error:
            return Finding("DK404", f"{error.message}; it is left out", image=_pixels.name_of(dataset.images, image))
        for at in range(int(starts[n]), int(ends[n])):
            if not settings.pad:
                windows[at] = _inside(windows[at].tolist(), photo.size)
            _pixels.save(_part(photo, windows[at].tolist(), settings), place / names[at], quality=settings.quality)
        return None

    results = list(_pixels.in_threads(one, range(len(images)), jobs, progress))
    broken = [int(images[n]) for n, r in enumerate(results) if r is not None]
    return np.flatnonzero(~np.isin(image_of, broken)), [r for r in results if r is not None]


def _inside(window: Sequence[int], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The window cut to the image, at least a pixel of it."""
    left, top, right, bottom = window
    left, top = max(0, min(left, size[0] - 1)), max(0, min(top, size[1] - 1))
    return left, top, max(left + 1, min(right, size[0])), max(top + 1, min(bottom, size[1]))


def _part(photo: Any, window: Sequence[int], settings: CropSettings) -> Any:
    from PIL import Image

    part = photo.crop(tuple(window))
    if settings.size is not None:
        ratio = settings.size / max(part.size)
        if part.mode in ("P", "1"):
            part = _pixels.rgb(part)
        part = part.resize(
            tuple(max(1, math.floor(side * ratio + 0.5)) for side in part.size), Image.Resampling.LANCZOS
        )
    part.info = photo.info
    return part


def _write_index(
    dataset: Dataset, rows: NDArray[np.int64], names: Sequence[str], windows: NDArray[np.int64], place: Path
) -> None:
    table = dataset.annotations
    split_of = {n: name for name, members in reversed(list(dataset.splits.items())) for n in members.tolist()}
    boxes = _pixel_boxes(dataset)
    with (place / INDEX_NAME).open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow((*_COLUMNS, *_WINDOW))
        for row, name, window in zip(rows.tolist(), names, windows.tolist(), strict=True):
            image, category = int(table.image_index[row]), int(table.category_index[row])
            told = (name, dataset.categories.names[category], dataset.categories.ids[category])
            where = (split_of.get(image, ""), _pixels.name_of(dataset.images, image), table.ids[row])
            writer.writerow((*told, *where, *boxes[row].tolist(), *window))
