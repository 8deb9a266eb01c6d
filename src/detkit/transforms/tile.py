"""A dataset cut into tiles: which part of which object each tile shows. Labels only; pixels are cut elsewhere."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from detkit import boxes
from detkit.errors import InputError, UsageError
from detkit.findings import Loss
from detkit.tables import Annotations, Dataset, Images, Shapes, freeze
from detkit.transforms._change import loss_of_rows
from detkit.transforms._tile_parts import Parts, cut_parts

__all__ = ["JoinSettings", "TileIndex", "TileSettings", "Tiles", "cut", "windows_of"]

Int = NDArray[np.int64]


@dataclass(frozen=True)
class TileSettings:
    """How a dataset is cut.

    Parameters
    ----------
    size : (width, height)
        Of a tile, pixels. An image that is smaller is one tile of its own size.
    overlap : float
        Share of a tile that its neighbour shows too, at least; from 0 to below 1.
    min_visible : float
        Least share of an object that a tile must show for the object to count in it.
    below : {"drop", "ignore"}
        What becomes of smaller parts: left out, or kept and flagged ignored. Crowd regions and ignored objects keep
        every part.
    empty : {"keep", "drop"} or float
        Tiles without an object: all, none, or a share of them.
    seed : int
        Chooses which share. A tile's fate depends on its name and the seed alone.
    """

    size: tuple[int, int] = (640, 640)
    overlap: float = 0.2
    min_visible: float = 0.3
    below: Literal["drop", "ignore"] = "drop"
    empty: Literal["keep", "drop"] | float = "keep"
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.size) < 1:
            raise UsageError(f"size: found {self.size[0]}x{self.size[1]}, expected 1 pixel or more")
        if not 0 <= self.overlap < 1:
            raise UsageError(f"overlap: found {self.overlap:g}, expected a share from 0 to below 1")
        if not 0 <= self.min_visible <= 1:
            raise UsageError(f"min visible: found {self.min_visible:g}, expected a share from 0 to 1")
        if self.below not in ("drop", "ignore"):
            raise UsageError(f"below: found `{self.below}`, expected drop or ignore")
        if self.empty not in ("keep", "drop") and not (isinstance(self.empty, float | int) and 0 <= self.empty <= 1):
            raise UsageError(f"empty: found `{self.empty}`, expected keep, drop or a share from 0 to 1")


@dataclass(frozen=True, eq=False)
class Tiles:
    """A dataset of tiles, and where each was cut.

    Parameters
    ----------
    dataset : Dataset
        Its images are the tiles, ids from 1, without paths.
    source : (T,) int64
        Position of each tile's image in the dataset it was cut from.
    windows : (T, 4) int64
        Left, top, right, bottom in pixels of that image.
    losses : tuple of Loss
    details : mapping
        Counts: images, tiles, objects, whole, cut.
    """

    dataset: Dataset
    source: Int
    windows: Int
    losses: tuple[Loss, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class TileIndex:
    """Where each tile was cut.

    Parameters
    ----------
    tiles : Images
        File names, ids and sizes of the tiles.
    images : Images
        The images they were cut from.
    source : (T,) int64
        Position of each tile's image in `images`.
    windows : (T, 4) int64
        Left, top, right, bottom in pixels of that image.
    """

    tiles: Images
    images: Images
    source: Int
    windows: Int


@dataclass(frozen=True)
class JoinSettings:
    """How boxes of several tiles become one.

    Parameters
    ----------
    merge : {"nms", "wbf"}
        Suppression, or weighted box fusion (boxes only).
    iou_threshold : float
        Boxes of different tiles with a greater overlap are one object.
    class_agnostic : bool
        Boxes of different classes are joined too.
    max_detections : int, optional
        Most boxes of an image, highest scores first.
    """

    merge: Literal["nms", "wbf"] = "nms"
    iou_threshold: float = 0.5
    class_agnostic: bool = False
    max_detections: int | None = None

    def __post_init__(self) -> None:
        if self.merge not in ("nms", "wbf"):
            raise UsageError(f"merge: found `{self.merge}`, expected nms or wbf")
        if not 0 <= self.iou_threshold <= 1:
            raise UsageError(f"iou threshold: found {self.iou_threshold:g}, expected 0 to 1")


def windows_of(image_size: tuple[int, int], settings: TileSettings) -> Int:
    """The tiles of an image, row by row: evenly stepped, the last one flush with the border.

    Parameters
    ----------
    image_size : (width, height)
    settings : TileSettings

    Returns
    -------
    (T, 4) int64
        Left, top, right, bottom.

    Examples
    --------
    >>> windows_of((1000, 600), TileSettings((640, 640), 0.2)).tolist()
    [[0, 0, 640, 600], [360, 0, 1000, 600]]
    """
    return np.array(boxes.windows(image_size, settings.size, settings.overlap), dtype=np.int64)


def cut(dataset: Dataset, settings: TileSettings | None = None) -> Tiles:
    """Tiles of every image with what they show of its objects.

    Parameters
    ----------
    dataset : Dataset
        In pixels, with known image sizes.
    settings : TileSettings, optional

    Returns
    -------
    Tiles
        A box that a tile shows whole is moved and otherwise as it was. One that is cut ends at the tile's border; a
        polygon is cut along it (into several rings where it bends out and in), a mask is cropped, and the box is then
        that of the visible outline. An oriented box becomes the smallest one at its own angle around what is visible.
        Keypoints outside the tile become 0, 0, 0. A stated area shrinks by the visible share. What sticks out of the
        image keeps doing so.

    Raises
    ------
    InputError
        Image sizes are not known.
    """
    settings = settings or TileSettings()
    unknown = np.flatnonzero(np.isnan(dataset.images.sizes).any(axis=1))
    if dataset.units != "pixels" or len(unknown):
        count = len(unknown) or len(dataset.images)
        raise InputError(
            f"the sizes of {count} of {len(dataset.images)} images are not known, and tiles are cut in pixels",
            hint="give them: --images DIR or --image-sizes CSV|WxH",
        )
    sizes = np.round(dataset.images.sizes).astype(np.int64)
    grids = [windows_of((width, height), settings) for width, height in sizes.tolist()]
    source = np.repeat(np.arange(len(grids)), [len(grid) for grid in grids])
    windows = np.concatenate([*grids, np.empty((0, 4), np.int64)]).astype(np.int64)
    parts = cut_parts(dataset, source, windows)
    kept, ignored, losses = _judged(dataset, parts, settings)
    names = _names(dataset.images, source, windows)
    shown = _shown(np.bincount(parts.tile[kept], minlength=len(source)) > 0, names, settings)
    if len(shown) < len(source):
        losses.append(Loss("tiles without objects", "left out", len(source) - len(shown)))
    tiles = _assembled(dataset, parts.take(kept), ignored[kept], source, windows, names)
    details = {
        "source_images": len(dataset.images),
        "source_boxes": len(dataset.annotations),
        "tile_size": list(settings.size),
        "whole": int(np.count_nonzero(parts.is_whole[kept])),
        "cut": int(np.count_nonzero(~parts.is_whole[kept])),
    }
    return Tiles(tiles.take_images(shown), source[shown], windows[shown], tuple(losses), details)


def _judged(dataset: Dataset, parts: Parts, settings: TileSettings) -> tuple[Int, NDArray[np.bool_], list[Loss]]:
    """Which parts stay, which are flagged ignored, and what is lost."""
    rows = dataset.annotations
    spared = (rows.is_crowd | rows.is_ignored)[parts.row]
    # A share that is a hair under the limit by rounding is at the limit.
    little = (parts.share < settings.min_visible - 1e-9) & ~spared
    ignored = little if settings.below == "ignore" else np.zeros(len(little), np.bool_)
    keep = ~little | ignored
    found = np.bincount(parts.row[keep], minlength=len(rows)) > 0
    touched = np.bincount(parts.row, minlength=len(rows)) > 0
    share = f"less than {settings.min_visible:g} of the object visible"
    kept = np.flatnonzero(keep)
    lost = (
        (parts.row[~keep], "parts of objects", f"left out: {share}"),
        (parts.row[ignored], "parts of objects", f"flagged ignored: {share}"),
        (np.flatnonzero(touched & ~found), "objects", "in no tile: every part was left out"),
        (np.flatnonzero(~touched), "objects", "in no tile: nothing of them lies in the image"),
        (parts.hidden_rows(kept), "keypoints", "outside their tile: marked as not labelled"),
        (parts.odd_masks, "masks", "dropped: their size is not that of the image"),
    )
    return kept, ignored, [loss for what in lost for loss in loss_of_rows(dataset, *what)]


def _names(images: Images, source: Int, windows: Int) -> list[str]:
    """`folder/stem_x_y.jpg` of each tile, .png where the image is no JPEG; images of one stem keep their suffix."""
    stems = []
    suffixes = []
    for name, key, path in zip(images.file_names, images.ids.tolist(), images.paths, strict=True):
        pure = PurePosixPath((name or str(key)).replace("\\", "/"))
        suffix = (pure if pure.suffix or path is None else PurePosixPath(path)).suffix.lower()
        stems.append((pure.with_suffix("").as_posix(), pure.as_posix()))
        suffixes.append(".jpg" if suffix in ("", ".jpg", ".jpeg", ".mpo") else ".png")
    shared = Counter(stem for stem, _ in stems)
    bases = [stem if shared[stem] == 1 else whole for stem, whole in stems]
    corners = windows[:, :2].tolist()
    return [f"{bases[i]}_{x}_{y}{suffixes[i]}" for i, (x, y) in zip(source.tolist(), corners, strict=True)]


def _shown(has_objects: NDArray[np.bool_], names: Sequence[str], settings: TileSettings) -> Int:
    """Tiles that are written, by position."""
    if settings.empty == "keep":
        return np.arange(len(names))
    share = 0.0 if settings.empty == "drop" else float(settings.empty)
    chosen = [bool(has) or _draw(name, settings.seed) < share for has, name in zip(has_objects, names, strict=True)]
    return np.flatnonzero(np.array(chosen, dtype=np.bool_))


def _draw(name: str, seed: int) -> float:
    """A number in [0, 1) that depends on name and seed alone."""
    digest = hashlib.sha256(f"{seed}\0{name}".encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _assembled(
    dataset: Dataset, parts: Parts, ignored: NDArray[np.bool_], source: Int, windows: Int, names: Sequence[str]
) -> Dataset:
    """The dataset whose images are all the tiles."""
    sizes = (windows[:, 2:] - windows[:, :2]).astype(np.float64)
    extra = {n: dataset.images.extra[i] for n, i in enumerate(source.tolist()) if i in dataset.images.extra}
    images = Images(freeze(np.arange(1, len(source) + 1)), tuple(names), sizes, extra=extra)
    rows = dataset.annotations.take(parts.row)
    annotations = Annotations(
        image_index=freeze(parts.tile),
        category_index=rows.category_index,
        xywh=freeze(parts.xywh),
        area=freeze(_areas(rows, parts)),
        is_crowd=rows.is_crowd,
        is_ignored=freeze(rows.is_ignored | ignored),
        ids=freeze(np.arange(1, len(rows) + 1)),
        source_row=freeze(np.arange(len(rows))),
        shapes=None if rows.shapes is None else Shapes.from_rows(parts.outlines),
        keypoints=parts.keypoints,
        num_keypoints=_stated_counts(rows, parts),
        is_oriented=rows.is_oriented,
        attributes=rows.attributes,
        extra=rows.extra,
    )
    splits = {
        name: freeze(np.flatnonzero(np.isin(source, members)), np.int64) for name, members in dataset.splits.items()
    }
    return Dataset(
        images, dataset.categories, annotations, splits, "pixels", dataset.info, dataset.source, dataset.findings
    )


def _areas(rows: Annotations, parts: Parts) -> NDArray[np.float64]:
    own = rows.area == boxes.area(rows.xywh)
    share = np.where(parts.is_whole, 1.0, parts.share)
    return np.where(own, boxes.area(parts.xywh), rows.area * share)


def _stated_counts(rows: Annotations, parts: Parts) -> Int | None:
    if rows.num_keypoints is None or parts.keypoints is None:
        return rows.num_keypoints
    labelled = [int(np.count_nonzero(parts.keypoints[i][:, 2])) for i in range(len(rows))]
    return freeze(np.where((rows.num_keypoints < 0) | (parts.hidden == 0), rows.num_keypoints, labelled), np.int64)
