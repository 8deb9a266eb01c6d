"""Which slices an evaluation has: of images and of objects, by what the truth says of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.errors import UsageError
from detkit.evaluation.analyses._crossing import starts_of
from detkit.evaluation.analyses._slicing import Outcomes, Rematching
from detkit.evaluation.result import Evaluation
from detkit.evaluation.select import find_images
from detkit.kernels.cross import near_pairs
from detkit.tables import Annotations

__all__ = ["CROWDED", "IMAGE_COUNT", "OVERLAP", "RELATIVE", "SIZE", "SMALL_SHARES", "TRUNCATION", "USER", "Slice",
           "image_slices", "object_slices"]  # fmt: skip

Index = NDArray[np.int64]
Mask = NDArray[np.bool_]
Array = NDArray[np.float64]

SIZE, RELATIVE, ASPECT, TRUNCATION = "size", "relative size", "aspect", "truncation"
OVERLAP, IMAGE_COUNT, SPLIT, USER = "overlap", "objects per image", "split", "slice"
#: Least overlap with another truth that makes an object crowded.
CROWDED = 0.3
#: First object count of each bin of images.
_COUNTS = (0, 1, 2, 5, 10, 20)
#: Shares of the image's area, and the bins between them.
_SHARES = (0.001, 0.01, 0.1)
_SHARE_NAMES = ("under 0.1 %", "0.1 to 1 %", "1 to 10 %", "10 % and more")
#: Where the protocol has no area range of that name, these are small.
SMALL_SHARES = _SHARE_NAMES[:2]
_BORDER_NAMES = ("inside", "at the border")
_ASPECT_NAMES = ("tall", "square", "wide")
#: A side this many times the other is long.
_LONG = 2.0
#: A box touches the border when it comes this near: pixels, or share of the image.
_NEAR_PIXELS, _NEAR_SHARE = 1.0, 0.002
#: A field with more values than this is no attribute to slice by.
_MOST_VALUES = 12


@dataclass(frozen=True, eq=False)
class Slice:
    """A part of the objects, or the objects of a part of the images.

    Parameters
    ----------
    kind, name : str
    truths : (G,) bool
        Rows of the annotations table in it.
    detections : (D,) bool, optional
        Rows of the detections table in it; None where a detection cannot tell.
    images : (I,) bool, optional
        The images it is made of.
    outcomes : Outcomes, optional
        Of a part of the objects: matched anew.
    """

    kind: str
    name: str
    truths: Mask
    detections: Mask | None
    images: Mask | None = None
    outcomes: Outcomes | None = None

    def within(self, other: Slice) -> Slice:
        """The objects of this slice on the images of another."""
        if self.detections is None or other.detections is None:
            detections = None
        else:
            detections = self.detections & other.detections
        images = other.images if self.images is None or other.images is None else self.images & other.images
        kind = f"{self.kind} x {other.kind}"
        return Slice(kind, f"{self.name}, {other.name}", self.truths & other.truths, detections, images, self.outcomes)


def image_slices(
    result: Evaluation, counted: Mask, given: Mapping[str, Sequence[Any]] | None
) -> tuple[list[Slice], dict[str, str]]:
    """Slices of images: by object count, split, attribute, and those of the user.

    Parameters
    ----------
    result : Evaluation
    counted : (G,) bool
        Truths that are scored.
    given : mapping of str to sequence, optional
        Slice name -> ids or file names.

    Returns
    -------
    list of Slice
    dict of str to str
        Kinds that are left out, and why.

    Raises
    ------
    UsageError
        An image of the user's slices is not in the truth.
    """
    truth = result.truth
    gt_image, dt_image = truth.annotations.image_index, result.detections.image_index
    total = np.bincount(gt_image[counted], minlength=len(truth.images))
    left_out: dict[str, str] = {}

    def parts() -> Iterator[tuple[str, str, Mask]]:
        bins = np.searchsorted(_COUNTS, total, side="right") - 1
        for n, first in enumerate(_COUNTS):
            yield IMAGE_COUNT, _count_name(first, _COUNTS[n + 1 : n + 2]), bins == n
        if len(truth.splits) > 1:
            yield from ((SPLIT, name, _mask(members, len(total))) for name, members in truth.splits.items())
        yield from _attributes("image", _fields(truth.images.extra), len(total), left_out)
        for name, members in (given or {}).items():
            yield USER, name, _mask(_members(result, name, members), len(total))

    found = [Slice(kind, name, of[gt_image], of[dt_image], of) for kind, name, of in parts()]
    return [part for part in found if part.kind == USER or (part.images is not None and part.images.any())], left_out


def object_slices(result: Evaluation, counted: Mask, again: Rematching) -> tuple[list[Slice], dict[str, str]]:
    """Slices of objects: by size, shape, border, crowding and attribute.

    Parameters
    ----------
    result : Evaluation
    counted : (G,) bool
        Truths that are scored.
    again : Rematching

    Returns
    -------
    list of Slice
    dict of str to str
        Kinds that are left out, and why.
    """
    truth, detections = result.truth, result.detections
    found = _sizes(result, again)
    left_out: dict[str, str] = {}
    extents = _extents(result)
    rows = truth.annotations
    kinds: list[tuple[str, tuple[str, ...], Callable[[Array, Index], Index]]] = []
    if extents is None:
        left_out[RELATIVE] = left_out[TRUNCATION] = "the size of an image is unknown (--images DIR or --image-sizes)"
    else:
        near = _NEAR_PIXELS if truth.units == "pixels" else _NEAR_SHARE
        kinds.append((RELATIVE, _SHARE_NAMES, lambda xywh, image: _shares(xywh, extents[image])))
        kinds.append((TRUNCATION, _BORDER_NAMES, lambda xywh, image: _touching(xywh, extents[image], near)))
    kinds.append((ASPECT, _ASPECT_NAMES, lambda xywh, _: _aspects(xywh)))
    for kind, names, bins_of in kinds:
        gt_bin = bins_of(rows.xywh, rows.image_index)
        dt_bin = bins_of(detections.xywh, detections.image_index)
        outcomes = again.outcomes(gt_bin, dt_bin, len(names))
        found += [Slice(kind, name, gt_bin == n, dt_bin == n, outcomes=outcomes[n]) for n, name in enumerate(names)]
    crowded = _crowded(result)
    found += [
        Slice(OVERLAP, "overlapping", crowded, None),
        Slice(OVERLAP, "apart", ~crowded & ~truth.annotations.is_crowd, None),
    ]
    for kind, name, mask in _attributes("object", _object_fields(rows), len(rows), left_out):
        found.append(Slice(kind, name, mask, None))
    return [part for part in found if (part.truths & counted).any()], left_out


def _members(result: Evaluation, name: str, members: Sequence[Any]) -> Index:
    try:
        return find_images(result.truth, [str(member) for member in members])
    except UsageError as error:
        raise UsageError(f"slice `{name}`: {error.message}", hint=error.hint) from error


def _sizes(result: Evaluation, again: Rematching) -> list[Slice]:
    """The protocol's own area ranges: their outcomes are known."""
    gt_area, dt_area = again.areas()
    return [
        Slice(
            SIZE,
            size.name,
            (gt_area >= size.low) & (gt_area <= size.high),
            (dt_area >= size.low) & (dt_area <= size.high),
            outcomes=tuple(matched.outcome[a : a + 1] for matched in result.scored.matched),
        )
        for a, size in enumerate(result.protocol.area_ranges[1:], start=1)
    ]


def _extents(result: Evaluation) -> Array | None:
    """(I, 2) float64 width and height in the units of the boxes, None where one is unknown."""
    sizes = result.truth.images.sizes
    if result.truth.units == "normalised":
        return np.ones_like(sizes)
    return sizes if np.isfinite(sizes).all() and (sizes > 0).all() else None


def _shares(xywh: Array, extent: Array) -> Index:
    share = xywh[:, 2] * xywh[:, 3] / (extent[:, 0] * extent[:, 1])
    bins: Index = np.digitize(share, _SHARES)
    return bins


def _aspects(xywh: Array) -> Index:
    width, height = xywh[:, 2], xywh[:, 3]
    return np.where(height > _LONG * width, 0, np.where(width > _LONG * height, 2, 1)).astype(np.int64)


def _touching(xywh: Array, extent: Array, near: float) -> Index:
    low, high = xywh[:, :2], xywh[:, :2] + xywh[:, 2:]
    return np.asarray(np.any((low <= near) | (high >= extent - near), axis=1), np.int64)


def _crowded(result: Evaluation) -> Mask:
    """Truths that overlap another truth, of any class; regions of many objects are none of either."""
    rows = result.truth.annotations
    single = np.flatnonzero(~rows.is_crowd)
    starts = starts_of(rows.image_index[single], len(result.truth.images))
    boxes = rows.xywh[single]
    first, second, _ = near_pairs(boxes, boxes, starts, starts, CROWDED)
    crowded = np.zeros(len(rows), np.bool_)
    crowded[single[first[first != second]]] = True
    return crowded


def _fields(extra: Mapping[int, Mapping[str, Any]]) -> dict[str, dict[int, Any]]:
    """Field -> place -> value."""
    columns: dict[str, dict[int, Any]] = {}
    for place, fields in extra.items():
        for field, value in fields.items():
            columns.setdefault(field, {})[place] = value
    return columns


def _object_fields(rows: Annotations) -> dict[str, dict[int, Any]]:
    """Attributes of the annotations: columns, fields that have no column, and what COCO files hold as `attributes`."""
    nested = {row: fields.get("attributes") for row, fields in rows.extra.items()}
    columns = _fields(rows.extra) | _fields({row: held for row, held in nested.items() if isinstance(held, Mapping)})
    return columns | {name: dict(enumerate(values.tolist())) for name, values in rows.attributes.items()}


def _attributes(
    what: str, columns: Mapping[str, Mapping[int, Any]], count: int, left_out: dict[str, str]
) -> Iterator[tuple[str, str, Mask]]:
    for field, held in columns.items():
        members = _values(held)
        if len(members) > _MOST_VALUES:
            left_out[f"{what} {field}"] = f"more than {_MOST_VALUES} values"
        elif len(members) > 1:
            yield from ((f"{what} {field}", name, _mask(at, count)) for name, at in members.items())


def _values(held: Mapping[int, Any]) -> dict[str, list[int]]:
    """Value as text -> places that have it, in the order of the values; lists and what is not stated are none."""
    members: dict[Any, list[int]] = {}
    for place, value in held.items():
        if isinstance(value, bool | int | float | str) and value == value and value != "":
            members.setdefault((type(value).__name__, value), []).append(place)
    found: dict[str, list[int]] = {}
    for kind, value in sorted(members):
        found.setdefault(_shown(value), []).extend(members[kind, value])
    return found


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    # A flag that may be unstated is a column of floats.
    return f"{value:g}" if isinstance(value, float) else str(value)


def _count_name(first: int, following: Sequence[int]) -> str:
    if not following:
        return f"{first} and more"
    return str(first) if following[0] == first + 1 else f"{first} to {following[0] - 1}"


def _mask(places: Any, count: int) -> Mask:
    mask = np.zeros(count, np.bool_)
    mask[np.asarray(places, dtype=np.int64)] = True
    return mask
