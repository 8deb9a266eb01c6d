"""The two frozen column tables that travel through detkit: `Dataset` (truth) and `Detections` (predictions).

Columns are read-only NumPy arrays with one entry a row; there is no object per box. Rows are sorted by image with a
stable sort, so rows of one image keep their file order and `offsets` cut the table into images. Ids live only in
`Images` and `Categories`; rows point to positions there (`image_index`, `category_index`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detkit.findings import Finding
from detkit.ragged import EMPTY, Ragged, Shapes, freeze, id_array, is_rising, offsets_of
from detkit.tables._lists import Categories, Images, take_extra

__all__ = ["Annotations", "Categories", "Dataset", "Detections", "Images", "Ragged", "Shapes", "Source", "freeze",
           "id_array"]  # fmt: skip

Units = Literal["pixels", "normalised"]


@dataclass(frozen=True)
class Source:
    """Where a table was read from: path as given, format name, SHA-256 of the content."""

    path: str
    format: str
    sha256: str


@dataclass(frozen=True, eq=False)
class Annotations:
    """Truth boxes, one row each, sorted by image (build through `Dataset.build`).

    Parameters
    ----------
    image_index, category_index : (N,) int64
        Positions in `Images` and `Categories`.
    xywh : (N, 4) float64
        As read: pixels, or shares of the image when the dataset's units are `normalised`.
    area : (N,) float64
        As the source states it; width times height where it states none.
    is_crowd : (N,) bool
        A region with many objects (COCO `iscrowd`).
    is_ignored : (N,) bool
        An object that is not to be scored (VOC `difficult`), kept apart from crowds.
    ids : (N,) int64 or object
        The source's ids, or 1.. in file order where it has none. May repeat.
    source_row : (N,) int64
        Position in the source's own order.
    shapes : Shapes, optional
        Polygons and masks.
    keypoints : Ragged, optional
        (P, 3) float64 rows x, y, visibility.
    num_keypoints : (N,) int64, optional
        As the source states it, -1 where it does not.
    is_oriented : (N,) bool, optional
        Rows whose four-point polygon is an oriented box; xywh is its bounding box.
    attributes : mapping of str to (N,) array
        Named columns: `truncated`, `occluded`, `pose`, ...
    extra : mapping of int to dict
        Row -> fields of the source that have no column.
    """

    image_index: NDArray[np.int64]
    category_index: NDArray[np.int64]
    xywh: NDArray[np.float64]
    area: NDArray[np.float64]
    is_crowd: NDArray[np.bool_]
    is_ignored: NDArray[np.bool_]
    ids: NDArray[Any]
    source_row: NDArray[np.int64]
    shapes: Shapes | None = None
    keypoints: Ragged | None = None
    num_keypoints: NDArray[np.int64] | None = None
    is_oriented: NDArray[np.bool_] | None = None
    attributes: Mapping[str, NDArray[Any]] = field(default_factory=lambda: EMPTY)
    extra: Mapping[int, Mapping[str, Any]] = field(default_factory=lambda: EMPTY)

    def __len__(self) -> int:
        return len(self.image_index)

    def take(self, index: NDArray[np.int64]) -> Annotations:
        """The rows at these positions, in this order (the caller keeps them sorted by image)."""
        index = np.asarray(index, dtype=np.int64)
        return Annotations(
            **{name: freeze(getattr(self, name).take(index, axis=0)) for name in _ROW_COLUMNS},
            shapes=None if self.shapes is None else self.shapes.take(index),
            keypoints=None if self.keypoints is None else self.keypoints.take(index),
            num_keypoints=None if self.num_keypoints is None else freeze(self.num_keypoints[index]),
            is_oriented=None if self.is_oriented is None else freeze(self.is_oriented[index]),
            attributes={k: freeze(v[index]) for k, v in self.attributes.items()},
            extra=take_extra(self.extra, index),
        )

    def frozen(self) -> Annotations:
        """The same rows in columns that cannot be written to."""
        given = {name: getattr(self, name) for name in (*_ROW_COLUMNS, "num_keypoints", "is_oriented")}
        columns: dict[str, Any] = {name: freeze(column) for name, column in given.items() if column is not None}
        return replace(self, **columns, attributes={k: freeze(v) for k, v in self.attributes.items()})


_DETECTION_COLUMNS = ("image_index", "category_index", "xywh", "score", "area", "source_row")
_ROW_COLUMNS = ("image_index", "category_index", "xywh", "area", "is_crowd", "is_ignored", "ids", "source_row")


@dataclass(frozen=True, eq=False)
class Dataset:
    """A labelled dataset.

    Parameters
    ----------
    images, categories, annotations
        The tables.
    splits : mapping of str to (M,) int64
        Split name -> positions of its images. An image may be in several or in none.
    units : {"pixels", "normalised"}
        Of all coordinates; `normalised` only where image sizes are unknown.
    info : mapping
        Top-level fields of the source without a column (info, licenses, ...).
    source : Source, optional
    findings : tuple of Finding
        What reading noticed.
    """

    images: Images
    categories: Categories
    annotations: Annotations
    splits: Mapping[str, NDArray[np.int64]] = field(default_factory=lambda: EMPTY)
    units: Units = "pixels"
    info: Mapping[str, Any] = field(default_factory=lambda: EMPTY)
    source: Source | None = None
    findings: tuple[Finding, ...] = ()

    @classmethod
    def build(
        cls,
        images: Images,
        categories: Categories,
        *,
        image_index: ArrayLike,
        category_index: ArrayLike,
        xywh: ArrayLike,
        area: ArrayLike | None = None,
        is_crowd: ArrayLike | None = None,
        is_ignored: ArrayLike | None = None,
        ids: NDArray[Any] | None = None,
        source_row: ArrayLike | None = None,
        shapes: Shapes | None = None,
        keypoints: Ragged | None = None,
        num_keypoints: ArrayLike | None = None,
        is_oriented: ArrayLike | None = None,
        attributes: Mapping[str, NDArray[Any]] | None = None,
        extra: Mapping[int, Mapping[str, Any]] | None = None,
        **rest: Any,
    ) -> Dataset:
        """A dataset from columns in file order: fills what is not given, sorts by image, freezes.

        Parameters are those of `Annotations` (by default: area is width times height, nothing is crowd or
        ignored, ids and source rows count from 1 and 0) and, in `rest`, those of `Dataset`.
        """
        image_index = np.asarray(image_index, dtype=np.int64)
        count = len(image_index)
        boxes = np.asarray(xywh, dtype=np.float64).reshape(-1, 4)
        table = Annotations(
            image_index=image_index,
            category_index=np.asarray(category_index, dtype=np.int64),
            xywh=boxes,
            area=boxes[:, 2] * boxes[:, 3] if area is None else np.asarray(area, np.float64),
            is_crowd=np.zeros(count, np.bool_) if is_crowd is None else np.asarray(is_crowd, np.bool_),
            is_ignored=np.zeros(count, np.bool_) if is_ignored is None else np.asarray(is_ignored, np.bool_),
            ids=np.arange(1, count + 1) if ids is None else ids,
            source_row=np.arange(count) if source_row is None else np.asarray(source_row, np.int64),
            shapes=shapes,
            keypoints=keypoints,
            num_keypoints=None if num_keypoints is None else np.asarray(num_keypoints, np.int64),
            is_oriented=None if is_oriented is None else np.asarray(is_oriented, np.bool_),
            attributes=attributes or EMPTY,
            extra=extra or EMPTY,
        )
        in_order = table.frozen() if is_rising(image_index) else table.take(np.argsort(image_index, kind="stable"))
        return cls(images, categories, in_order, **rest)

    @cached_property
    def offsets(self) -> NDArray[np.int64]:
        """(I + 1,) int64: rows of image i are `offsets[i]:offsets[i + 1]`."""
        return offsets_of(self.annotations.image_index, len(self.images))

    def take_images(self, index: ArrayLike) -> Dataset:
        """The dataset with only these images, in this order; splits are cut accordingly."""
        index = np.asarray(index, dtype=np.int64)
        new_position = np.full(len(self.images), -1, np.int64)
        new_position[index] = np.arange(len(index))
        mapped = new_position[self.annotations.image_index]
        rows = np.flatnonzero(mapped >= 0)
        rows = rows[np.argsort(mapped[rows], kind="stable")]
        annotations = replace(self.annotations.take(rows), image_index=freeze(mapped[rows]))
        splits = {name: new_position[members] for name, members in self.splits.items()}
        splits = {name: freeze(members[members >= 0]) for name, members in splits.items()}
        return replace(self, images=self.images.take(index), annotations=annotations, splits=splits)

    def take_rows(self, index: ArrayLike) -> Dataset:
        """The dataset with only these annotation rows, in table order; all images stay."""
        rows = np.sort(np.asarray(index, dtype=np.int64))
        return replace(self, annotations=self.annotations.take(rows))


@dataclass(frozen=True, eq=False)
class Detections:
    """Predictions, one row each, sorted by image (build through `Detections.build`).

    Parameters
    ----------
    images, categories
        As the predictions know them; `evaluation.align` translates to the truth's.
    image_index, category_index : (N,) int64
    xywh : (N, 4) float64
        As read: pixels, or shares of the image when units are `normalised`.
    score : (N,) float64
    area : (N,) float64
        Box area, mask area or keypoint extent, as pycocotools' `loadRes` chooses (see `formats.coco`).
    source_row : (N,) int64
        Position in the source's own order.
    shapes : Shapes, optional
    keypoints : Ragged, optional
    has_boxes : bool
        False when the source stated no boxes and xywh comes from masks or keypoints.
    units : {"pixels", "normalised"}
    extra : mapping of int to dict
    source : Source, optional
    findings : tuple of Finding
    """

    images: Images
    categories: Categories
    image_index: NDArray[np.int64]
    category_index: NDArray[np.int64]
    xywh: NDArray[np.float64]
    score: NDArray[np.float64]
    area: NDArray[np.float64]
    source_row: NDArray[np.int64]
    shapes: Shapes | None = None
    keypoints: Ragged | None = None
    has_boxes: bool = True
    units: Units = "pixels"
    extra: Mapping[int, Mapping[str, Any]] = field(default_factory=lambda: EMPTY)
    source: Source | None = None
    findings: tuple[Finding, ...] = ()

    @classmethod
    def build(
        cls,
        images: Images,
        categories: Categories,
        *,
        image_index: ArrayLike,
        category_index: ArrayLike,
        xywh: ArrayLike,
        score: ArrayLike,
        area: ArrayLike | None = None,
        source_row: ArrayLike | None = None,
        **rest: Any,
    ) -> Detections:
        """Predictions from columns in file order: fills what is not given, sorts by image, freezes."""
        image_index = np.asarray(image_index, dtype=np.int64)
        boxes = np.asarray(xywh, dtype=np.float64).reshape(-1, 4)
        table = cls(
            images,
            categories,
            image_index,
            np.asarray(category_index, dtype=np.int64),
            boxes,
            np.asarray(score, dtype=np.float64),
            boxes[:, 2] * boxes[:, 3] if area is None else np.asarray(area, np.float64),
            np.arange(len(image_index)) if source_row is None else np.asarray(source_row, np.int64),
            **rest,
        )
        if is_rising(image_index):
            columns: dict[str, Any] = {name: freeze(getattr(table, name)) for name in _DETECTION_COLUMNS}
            return replace(table, **columns)
        return table.take(np.argsort(image_index, kind="stable"))

    def __len__(self) -> int:
        return len(self.image_index)

    @cached_property
    def offsets(self) -> NDArray[np.int64]:
        """(I + 1,) int64: rows of image i are `offsets[i]:offsets[i + 1]`."""
        return offsets_of(self.image_index, len(self.images))

    def take(self, index: ArrayLike) -> Detections:
        """The rows at these positions, in this order (the caller keeps them sorted by image)."""
        index = np.asarray(index)
        index = np.flatnonzero(index) if index.dtype == np.bool_ else index.astype(np.int64)
        columns: dict[str, Any] = {name: freeze(getattr(self, name).take(index, axis=0)) for name in _DETECTION_COLUMNS}
        return replace(
            self,
            **columns,
            shapes=None if self.shapes is None else self.shapes.take(index),
            keypoints=None if self.keypoints is None else self.keypoints.take(index),
            extra=take_extra(self.extra, index),
        )
