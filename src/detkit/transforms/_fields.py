"""What an expression on a dataset may name: columns of images and boxes, each made when it is asked for.

A column is an array of numbers or conditions, or `Text`: different values once, and a number for each row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.tables import Dataset

__all__ = ["BOX_FIELDS", "IMAGE_FIELDS", "Text", "box_column", "image_column", "image_names"]


@dataclass(frozen=True, eq=False)
class Text:
    """A column of texts (or of any values that are no numbers).

    Parameters
    ----------
    values : tuple
        Different values; None where a row has none, a tuple where it has several.
    codes : (N,) int64
        Position of each row's value.
    """

    values: tuple[Any, ...]
    codes: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.codes)

    def take(self, index: NDArray[np.int64]) -> Text:
        """The rows at these positions."""
        return Text(self.values, self.codes[index])

    def where(self, test: Callable[[Any], bool]) -> NDArray[np.bool_]:
        """Rows whose value passes a test, asked once for each different value."""
        passed = np.array([bool(test(value)) for value in self.values], np.bool_)
        return passed[self.codes] if len(self.values) else np.zeros(len(self.codes), np.bool_)


def image_column(dataset: Dataset, name: str) -> Any:
    """A column of the images: a field of `IMAGE_FIELDS`, else a field of `images.extra`; KeyError for none."""
    if name in IMAGE_FIELDS:
        return IMAGE_FIELDS[name](dataset)
    values: list[Any] = [None] * len(dataset.images)
    found = False
    for position, fields in dataset.images.extra.items():
        if name in fields:
            values[position], found = fields[name], True
    if not found:
        raise KeyError(name)
    return _column(values)


def box_column(dataset: Dataset, name: str) -> Any:
    """A column of the boxes: a field of `BOX_FIELDS`, or an attribute `attributes.NAME`; KeyError for none."""
    if name in BOX_FIELDS:
        return BOX_FIELDS[name](dataset)
    attribute = name.removeprefix("attributes.")
    if attribute == name or attribute not in dataset.annotations.attributes:
        raise KeyError(name)
    values = dataset.annotations.attributes[attribute]
    return values if values.dtype.kind in "fiub" else _column(values.tolist())


def image_names(dataset: Dataset) -> list[str]:
    """All that can be named of an image in this dataset."""
    extra = dict.fromkeys(str(key) for fields in dataset.images.extra.values() for key in fields)
    return [*IMAGE_FIELDS, *(f"image.{name}" for name in extra)]


def _column(values: list[Any]) -> Any:
    """Numbers where all stated values are, else text; what is not stated is NaN or None."""
    stated = [v for v in values if v is not None and v != ""]
    if stated and all(isinstance(v, bool) for v in stated) and len(stated) == len(values):
        return np.array(values, np.bool_)
    if stated and all(isinstance(v, bool | int | float) for v in stated):
        return np.array([np.nan if v is None or v == "" else float(v) for v in values], np.float64)
    return _text([None if v is None else v if isinstance(v, str) else str(v) for v in values])


def _text(values: Any) -> Text:
    place: dict[Any, int] = {}
    codes = np.array([place.setdefault(value, len(place)) for value in values], np.int64)
    return Text(tuple(place), codes)


def _splits(dataset: Dataset) -> Text:
    """The splits of each image, as tuples: a comparison asks whether one of them fits."""
    of_image: list[tuple[str, ...]] = [()] * len(dataset.images)
    for name, members in dataset.splits.items():
        for position in members.tolist():
            of_image[position] += (name,)
    return _text(of_image)


def _size(axis: int) -> Callable[[Dataset], NDArray[np.float64]]:
    return lambda dataset: dataset.images.sizes[:, axis]


def _side(axis: int) -> Callable[[Dataset], NDArray[np.float64]]:
    return lambda dataset: dataset.annotations.xywh[:, axis]


def _classes(dataset: Dataset) -> Text:
    return Text(dataset.categories.names, dataset.annotations.category_index)


def _supercategories(dataset: Dataset) -> Text:
    return Text(dataset.categories.supercategories, dataset.annotations.category_index)


def _class_ids(dataset: Dataset) -> Any:
    ids = dataset.categories.ids
    rows = dataset.annotations.category_index
    return ids[rows] if ids.dtype != object else Text(tuple(ids.tolist()), rows)


def _box_area(dataset: Dataset) -> NDArray[np.float64]:
    return dataset.annotations.xywh[:, 2] * dataset.annotations.xywh[:, 3]


def _area_share(dataset: Dataset) -> NDArray[np.float64]:
    if dataset.units == "normalised":
        return _box_area(dataset)
    sizes = dataset.images.sizes[dataset.annotations.image_index]
    return _box_area(dataset) / (sizes[:, 0] * sizes[:, 1])


def _aspect(dataset: Dataset) -> NDArray[np.float64]:
    return dataset.annotations.xywh[:, 2] / dataset.annotations.xywh[:, 3]


def _counts(dataset: Dataset) -> NDArray[np.float64]:
    return np.diff(dataset.offsets).astype(np.float64)


def _ids(dataset: Dataset) -> Any:
    ids = dataset.images.ids
    return ids if ids.dtype != object else _text(ids.tolist())


#: Of an image: size in pixels, name, id, splits, number of boxes.
IMAGE_FIELDS: Mapping[str, Callable[[Dataset], Any]] = {
    "width": _size(0),
    "height": _size(1),
    "file_name": lambda dataset: _text(dataset.images.file_names),
    "image_id": _ids,
    "split": _splits,
    "boxes": _counts,
}
#: Of a box: place and size in pixels, stated area, width times height, width over height, share of the image, flags,
#: class.
BOX_FIELDS: Mapping[str, Callable[[Dataset], Any]] = {
    **dict(zip("xywh", map(_side, range(4)), strict=True)),
    "area": lambda dataset: dataset.annotations.area,
    "box_area": _box_area,
    "area_share": _area_share,
    "aspect": _aspect,
    "is_crowd": lambda dataset: dataset.annotations.is_crowd,
    "is_ignored": lambda dataset: dataset.annotations.is_ignored,
    "class": _classes,
    "class_id": _class_ids,
    "supercategory": _supercategories,
}
