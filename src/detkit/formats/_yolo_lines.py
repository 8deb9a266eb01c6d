"""Rows of YOLO label files as text: the task the whole set is written for, and a line an object."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detkit import boxes
from detkit.errors import InputError
from detkit.findings import Loss
from detkit.formats._base import WriteOptions
from detkit.formats._yolo_places import first_names
from detkit.formats._yolo_rings import corners, join_rings, trace_mask
from detkit.tables import Dataset, Images, Shapes
from detkit.wording import examples, plural

__all__ = ["Lines", "lines_of", "number_lines", "shares"]

#: Rows that are turned to text at once.
_BLOCK = 1 << 16
_HINT_SIZES = "give the images with `--images`, or their sizes with `--image-sizes`"


@dataclass
class Lines:
    """Text of all rows.

    Parameters
    ----------
    task : str
        `detect`, `segment`, `pose` or `obb`.
    kpt_shape : (K, 3) or None
    image_index : (N,) int64
        Image of each line.
    lines : list of str
    losses : list of Loss
    """

    task: str
    kpt_shape: tuple[int, int] | None
    image_index: NDArray[np.int64]
    lines: list[str]
    losses: list[Loss] = field(default_factory=list)


def lines_of(dataset: Dataset, options: WriteOptions) -> Lines:
    """A line for each object that is written.

    Raises
    ------
    InputError
        Boxes in pixels on an image of unknown size.
    MissingExtraError
        Masks to trace and no OpenCV.
    """
    table = dataset.annotations
    sizes = _sizes(dataset)
    task, count, losses = _task(dataset, options)
    classes = table.category_index.tolist()
    if task == "segment" or task == "obb":
        texts, more = _outlines(dataset, sizes)
        losses += more
    else:
        texts = number_lines(shares(table.xywh, sizes))
    if task == "pose":
        points, more = _points(dataset, sizes, count)
        texts = [f"{box} {tail}" for box, tail in zip(texts, points, strict=True)]
        losses += more
    # In place: of millions of lines there are never two lists.
    for row, number in enumerate(classes):
        texts[row] = f"{number} {texts[row]}"
    return Lines(task, (count, 3) if task == "pose" else None, table.image_index, texts, losses)


def number_lines(values: NDArray[np.float64]) -> list[str]:
    """A text for each row of numbers, set apart by blanks, each with the fewest digits that read back the same.

    Parameters
    ----------
    values : (N, C) float64
    """
    magnitude = np.abs(values)
    if not len(values) or not (((magnitude >= 1e-4) & (magnitude < 1e16)) | (magnitude == 0)).all():
        return [" ".join(map(repr, row)) for row in values.tolist()]
    # The JSON encoder writes these as `repr` does, several times as fast; others get another exponent.
    import msgspec

    lines: list[str] = []
    for at in range(0, len(values), _BLOCK):
        text = msgspec.json.encode(values[at : at + _BLOCK].tolist()).decode("ascii")[2:-2]
        lines += text.replace("],[", "\n").replace(",", " ").split("\n")
    return lines


def shares(xywh: NDArray[np.float64], sizes: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """(N, 4) centre and size as shares of the image; `sizes` is None for boxes that are shares already."""
    centred = boxes.convert(xywh, "xywh", "cxcywh")
    # Shares lose the noise of the subtraction in reading; pixels are divided as they are.
    return np.round(centred, 15) + 0.0 if sizes is None else boxes.normalise(centred, sizes)


def known_sizes(images: Images, image_index: NDArray[np.int64]) -> NDArray[np.float64]:
    """(N, 2) image size of each row.

    Raises
    ------
    InputError
        One of them is unknown or zero.
    """
    sizes = images.sizes[image_index]
    bad = image_index[~(sizes > 0).all(axis=1)]
    if len(bad):
        without = np.unique(bad)
        counted = plural(len(without), "image with boxes", "images with boxes")
        names = examples(first_names(images, without))
        raise InputError(f"the size of {counted} is unknown, and shares need it: {names}", hint=_HINT_SIZES)
    return sizes


def _outlined(shapes: Shapes) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = (shapes.kind == Shapes.RLE) | (shapes.rings.lengths() > 0)
    return found


def _sizes(data: Dataset) -> NDArray[np.float64] | None:
    return None if data.units == "normalised" else known_sizes(data.images, data.annotations.image_index)


def _task(data: Dataset, options: WriteOptions) -> tuple[str, int, list[Loss]]:
    """Task, number of keypoints, and what the task has no place for."""
    table, losses = data.annotations, []
    outlined = np.zeros(len(table), np.bool_)
    if table.shapes is not None and options.shapes == "keep":
        outlined = _outlined(table.shapes)
    counts = np.zeros(len(table), np.int64) if table.keypoints is None else table.keypoints.lengths()
    kinds = np.unique(counts[counts > 0])
    if len(kinds) > 1:
        what = f"dropped (objects have {', '.join(map(str, kinds))} keypoints, a YOLO set has one number)"
        losses.append(Loss("keypoints", what, int((counts > 0).sum())))
    if len(kinds) == 1:
        if outlined.any():
            where = first_names(data.images, table.image_index[outlined])
            losses.append(Loss("polygons", "dropped (keypoints are written instead)", int(outlined.sum()), where))
        return "pose", int(kinds[0]), losses
    if not outlined.any():
        return "detect", 0, losses
    oriented = np.zeros(len(table), np.bool_) if table.is_oriented is None else table.is_oriented
    if oriented.all() and table.shapes is not None and _are_quadrangles(table.shapes):
        return "obb", 0, losses
    if oriented.any():
        where = first_names(data.images, table.image_index[oriented])
        losses.append(Loss("oriented boxes", "written as polygons", int(oriented.sum()), where))
    return "segment", 0, losses


def _are_quadrangles(shapes: Shapes) -> bool:
    return bool((shapes.rings.lengths() == 1).all() and (shapes.points.lengths() == 4).all())


def _outlines(data: Dataset, sizes: NDArray[np.float64] | None) -> tuple[list[str], list[Loss]]:
    """Text of one ring a row, and how rows had to be changed for it."""
    table, shapes = data.annotations, data.annotations.shapes
    assert shapes is not None
    notes: dict[str, list[int]] = {kind: [] for kind in _NOTES}
    weights: Counter[str] = Counter()
    tolerance = 1e-6 if sizes is not None else 1e-9
    texts = []
    for row in range(len(table)):
        ring, kinds = _ring(data, row)
        for kind, weight in kinds.items():
            notes[kind].append(row)
            weights[kind] += weight
        low, high = ring.min(axis=0), ring.max(axis=0)
        if np.abs(np.concatenate([low, high - low]) - table.xywh[row]).max() > tolerance:
            notes["box"].append(row)
            weights["box"] += 1
        points = ring if sizes is None else ring / sizes[row]
        texts.append(" ".join(map(repr, points.ravel().tolist())))
    losses = [
        Loss(*_NOTES[kind], weights[kind], first_names(data.images, table.image_index[rows]))
        for kind, rows in notes.items()
        if rows
    ]
    return texts, losses


_NOTES = {
    "none": ("objects without polygons", "written as their box's corners"),
    "thin": ("polygon parts", "dropped (fewer than three points)"),
    "parts": ("polygon parts", "joined"),
    "mask": ("run-length masks", "traced to polygons"),
    "holes": ("mask holes", "filled"),
    "box": ("boxes that differ from their outline", "replaced by the outline's bounding box"),
}


def _ring(data: Dataset, row: int) -> tuple[NDArray[np.float64], dict[str, int]]:
    """The one ring of a row, and what was done to get it, with counts."""
    shapes = data.annotations.shapes
    assert shapes is not None
    kinds: dict[str, int] = {}
    rings = shapes.polygons(row)
    if shapes.kind[row] == Shapes.RLE:
        value = shapes.rle[row]
        rings, holes = trace_mask(value)
        kinds["mask"] = 1
        if holes:
            kinds["holes"] = holes
        if data.units == "normalised":
            rings = [ring / np.array(value["size"][::-1], np.float64) for ring in rings]
    whole = [ring for ring in rings if len(ring) >= 3]
    if len(whole) < len(rings):
        kinds["thin"] = len(rings) - len(whole)
    if not whole:
        return corners(data.annotations.xywh[row].tolist()), {**kinds, "none": 1}
    if len(whole) > 1:
        kinds["parts"] = len(whole)
    return join_rings(whole), kinds


def _points(data: Dataset, sizes: NDArray[np.float64] | None, count: int) -> tuple[list[str], list[Loss]]:
    """Text of the keypoints of each row; zeros for rows without."""
    table, keypoints = data.annotations, data.annotations.keypoints
    assert keypoints is not None
    has = keypoints.lengths() > 0
    values = np.zeros((len(table), count, 3))
    values[has] = keypoints.values.reshape(-1, count, 3)
    if sizes is not None:
        values[:, :, :2] /= sizes[:, None, :]
    losses = []
    if not has.all():
        where = first_names(data.images, table.image_index[~has])
        losses.append(Loss("objects without keypoints", "written with zero keypoints", int((~has).sum()), where))
    texts = [" ".join(map(_short, row)) for row in values.reshape(len(table), -1).tolist()]
    return texts, losses


def _short(value: float) -> str:
    """Whole numbers without `.0`, as visibilities are written."""
    return str(int(value)) if value.is_integer() else repr(value)


def group(lines: list[str], image_index: ArrayLike, images: int) -> list[str]:
    """Text of each image's file; rows come sorted by image."""
    offsets: Any = np.concatenate([[0], np.cumsum(np.bincount(np.asarray(image_index, np.int64), minlength=images))])
    cuts = offsets.tolist()
    return ["\n".join(lines[a:b]) + "\n" if a < b else "" for a, b in pairwise(cuts)]
