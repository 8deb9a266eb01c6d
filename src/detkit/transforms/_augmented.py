"""The dataset that warped images make: rows of the source with new places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit import boxes
from detkit.ragged import Ragged, id_array
from detkit.tables import Annotations, Categories, Dataset, Images, Shapes, freeze
from detkit.transforms._concat import concatenate, shifted

__all__ = ["Copy", "Placed", "assembled", "partners_of"]


@dataclass(frozen=True, eq=False)
class Placed:
    """One object of a warped image.

    Parameters
    ----------
    row : int
        Of the source.
    xyxy : (4,) float64
    outline : object
        As COCO writes it, None without one.
    points : (K, 3) float64, optional
    area : float, optional
        Of the outline.
    """

    row: int
    xyxy: NDArray[np.float64]
    outline: Any
    points: NDArray[np.float64] | None
    area: float | None = None


@dataclass(frozen=True, eq=False)
class Copy:
    """One warped image.

    Parameters
    ----------
    source : int
        Position of the image it was made of; of a mosaic the first.
    name : str
    size : (width, height)
    objects : tuple of Placed
    path : str
        Where its pixels are for now.
    """

    source: int
    name: str
    size: tuple[int, int]
    objects: tuple[Placed, ...]
    path: str


def partners_of(dataset: Dataset) -> Mapping[int, tuple[int, ...]]:
    """Category position -> for each keypoint the one that takes its place in a mirror.

    From `flip_idx` of the dataset, else from names of keypoints that hold left and right; without either, empty.
    """
    stated = dataset.info.get("flip_idx")
    if isinstance(stated, list | tuple) and sorted(stated) == list(range(len(stated))):
        return dict.fromkeys(range(len(dataset.categories)), tuple(int(i) for i in stated))
    return {n: _by_names(dataset.categories, n) for n in range(len(dataset.categories))}


def _by_names(categories: Categories, position: int) -> tuple[int, ...]:
    names = categories.extra.get(position, {}).get("keypoints")
    if not isinstance(names, list | tuple):
        return ()
    lower = [str(name).lower() for name in names]
    found = []
    for own, name in enumerate(lower):
        other = name.replace("left", "\0").replace("right", "left").replace("\0", "right")
        found.append(lower.index(other) if other in lower else own)
    return tuple(found)


def assembled(dataset: Dataset, copies: Sequence[Copy], *, keep_originals: bool) -> Dataset:
    """The copies as a dataset, behind the originals where these stay.

    Parameters
    ----------
    dataset : Dataset
        The source.
    copies : sequence of Copy
    keep_originals : bool

    Returns
    -------
    Dataset
        A copy is in the splits of its source; flags, attributes and unknown fields of objects go with them.
    """
    base = dataset if keep_originals else dataset.take_images(np.empty(0, np.int64))
    images = _images(base.images, copies)
    rows = _rows(dataset.annotations, copies, len(base.images))
    tables = [base.annotations, rows]
    source = np.array([copy.source for copy in copies], np.int64)
    first = len(base.images)
    splits = {
        name: freeze(
            np.concatenate([base.splits[name], first + np.flatnonzero(np.isin(source, dataset.splits[name]))]), np.int64
        )
        for name in dataset.splits
    }
    return Dataset.build(
        images,
        dataset.categories,
        image_index=np.concatenate([t.image_index for t in tables]),
        category_index=np.concatenate([t.category_index for t in tables]),
        ids=_ids(base.annotations.ids, len(rows)),
        **concatenate(tables),
        splits=splits,
        units=dataset.units,
        info=dataset.info,
        source=dataset.source,
        findings=dataset.findings,
    )


def _images(images: Images, copies: Sequence[Copy]) -> Images:
    sizes = np.array([copy.size for copy in copies], np.float64).reshape(-1, 2)
    return Images(
        _ids(images.ids, len(copies)),
        (*images.file_names, *(copy.name for copy in copies)),
        np.concatenate([images.sizes, sizes]),
        (*images.paths, *(copy.path for copy in copies)),
        images.has_own_ids,
        shifted([images.extra], [len(images)]),
    )


def _ids(ids: NDArray[Any], count: int) -> NDArray[Any]:
    """The ids, and new numbers above all of them."""
    known = ids.tolist()
    first = max((i for i in known if isinstance(i, int)), default=0) + 1
    return id_array([*known, *range(first, first + count)])


def _rows(rows: Annotations, copies: Sequence[Copy], first: int) -> Annotations:
    objects = [placed for copy in copies for placed in copy.objects]
    index = np.array([placed.row for placed in objects], np.int64)
    corners = np.array([placed.xyxy for placed in objects], np.float64).reshape(-1, 4)
    xywh = np.column_stack([corners[:, :2], corners[:, 2:] - corners[:, :2]])
    old = rows.take(index)
    # A stated area that is not the box's keeps its share of the box.
    whole = boxes.area(old.xywh)
    share = np.divide(old.area, whole, out=np.ones(len(old)), where=whole > 0)
    own = np.array([np.nan if p.area is None else p.area for p in objects], np.float64)
    area = np.where((old.area == whole) | np.isnan(own), boxes.area(xywh) * share, own)
    points = None
    counts = old.num_keypoints
    if rows.keypoints is not None:
        points = Ragged.from_rows([placed.points for placed in objects], (3,))
        if counts is not None:
            labelled = np.array([np.count_nonzero(points[n][:, 2]) for n in range(len(objects))], np.int64)
            counts = freeze(np.where(counts < 0, counts, labelled), np.int64)
    owner = np.repeat(np.arange(len(copies)), [len(copy.objects) for copy in copies]).astype(np.int64)
    return replace(
        old,
        image_index=freeze(owner + first, np.int64),
        xywh=freeze(xywh),
        area=freeze(area),
        shapes=None if rows.shapes is None else Shapes.from_rows([placed.outline for placed in objects]),
        keypoints=points,
        num_keypoints=counts,
    )
