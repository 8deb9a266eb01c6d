"""From pycocotools' annotation dictionaries and parameters to the engine's tables and protocol.

Only what the engine answers as the reference does becomes a table. Everything else, right or wrong, is `NotPlain`, and
the reference itself is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.compat.pycocotools._results import Record, Unread
from detkit.errors import UsageError
from detkit.evaluation.averaging import interpolated
from detkit.evaluation.protocols import AreaRange, Protocol
from detkit.tables import Categories, Dataset, Detections, Images, Ragged, Shapes

__all__ = ["NotPlain", "Places", "detections_of", "protocol_of", "truth_of"]

#: Integers are exact in float64 up to here.
_EXACT = 2**53
#: Products of two sides stay finite up to here.
_LARGEST_SIDE = 1e150


class NotPlain(Exception):  # noqa: N818  # no error: a way out
    """The reference has to be asked."""


@dataclass(frozen=True, eq=False)
class Places:
    """Positions of the image and class ids that are scored, in the order they are scored in."""

    images: dict[Any, int]
    classes: dict[Any, int]

    @classmethod
    def of(cls, image_ids: Sequence[Any], category_ids: Sequence[Any]) -> Places:
        """Positions in these lists, none of which may be empty or repeat an id."""
        places = cls({i: n for n, i in enumerate(image_ids)}, {c: n for n, c in enumerate(category_ids)})
        if not image_ids or not category_ids:
            raise NotPlain("nothing to score")
        if len(places.images) < len(image_ids) or len(places.classes) < len(category_ids):
            raise NotPlain("an id is scored twice")
        return places

    def tables(self) -> tuple[Images, Categories]:
        """Images and classes whose ids are their positions: ids of the source may be anything."""
        images, classes = len(self.images), len(self.classes)
        return (
            Images(np.arange(images), ("",) * images, np.zeros((images, 2))),
            Categories(np.arange(classes), ("",) * classes),
        )


def protocol_of(params: Any) -> Protocol:
    """The protocol that pycocotools' parameters describe.

    Parameters
    ----------
    params : Params

    Returns
    -------
    Protocol

    Raises
    ------
    NotPlain
        The engine does not take them: thresholds that do not ascend, caps below 1, ranges that are none.
    """
    if params.iouType not in ("bbox", "segm", "keypoints") or params.useCats not in (0, 1):
        raise NotPlain("parameters")
    thresholds, recalls = _ascending(params.iouThrs), _ascending(params.recThrs)
    caps = [int(cap) for cap in params.maxDets if isinstance(cap, int | np.integer)]
    ranges = [_numbers(list(limits)) for limits in params.areaRng]
    if len(caps) < len(params.maxDets) or not ranges or any(len(limits) != 2 for limits in ranges):
        raise NotPlain("parameters")
    sigmas: Any = ()
    if params.iouType == "keypoints":
        sigmas = params.kpt_oks_sigmas
        if not isinstance(sigmas, np.ndarray) or sigmas.dtype != np.float64 or sigmas.ndim != 1:
            raise NotPlain("sigmas")
        sigmas = sigmas.tolist()
    try:
        return Protocol(
            name="coco",
            iou_type=params.iouType,
            iou_thresholds=tuple(thresholds),
            recall_thresholds=tuple(recalls),
            area_ranges=tuple(AreaRange(str(n), *limits.tolist()) for n, limits in enumerate(ranges)),
            max_detections=tuple(caps),
            match_rule="greedy",
            accumulate=interpolated,
            sigmas=tuple(sigmas),
            class_wise=bool(params.useCats),
            strict_parity=True,
        )
    except UsageError as error:
        raise NotPlain("parameters") from error


def truth_of(rows: list[Record], places: Places, iou_type: str) -> Dataset:
    """Truths, masks among them already compressed, as a table; `source_row` is the position in `rows`.

    Parameters
    ----------
    rows : list of dict
    places : Places
    iou_type : {"bbox", "segm", "keypoints"}

    Returns
    -------
    Dataset

    Raises
    ------
    NotPlain
        A row is none the engine answers for as the reference does.
    """
    image, category, kept = _located(rows, places)
    rows = rows if kept is None else [rows[n] for n in kept]
    crowd = list(map(itemgetter("iscrowd"), rows))
    if not set(crowd) <= {0, 1}:
        raise NotPlain("iscrowd")
    keypoints = num_keypoints = None
    if iou_type == "keypoints":
        keypoints = _keypoints(rows)
        num_keypoints = np.array([0 if row["num_keypoints"] == 0 else 1 for row in rows], dtype=np.int64)
    return Dataset.build(
        *places.tables(),
        image_index=image,
        category_index=category,
        xywh=np.zeros((len(rows), 4)) if iou_type == "segm" else _boxes(rows),
        area=_numbers(list(map(itemgetter("area"), rows)), kinds="fiu"),
        is_crowd=np.array(crowd, dtype=np.bool_),
        ids=_ids(rows, -_EXACT),
        source_row=np.arange(len(rows)) if kept is None else kept,
        shapes=Shapes.from_rows([row["segmentation"] for row in rows]) if iou_type == "segm" else None,
        keypoints=keypoints,
        num_keypoints=num_keypoints,
    )


def detections_of(rows: list[Record] | Unread, places: Places, iou_type: str) -> Detections:
    """Results as a table, as `truth_of`; columns are taken over as they are.

    Parameters
    ----------
    rows : list of dict, or Unread
    places : Places
    iou_type : {"bbox", "segm", "keypoints"}

    Returns
    -------
    Detections

    Raises
    ------
    NotPlain
        As `truth_of`.
    """
    if isinstance(rows, Unread):
        return _of_columns(rows, places)
    image, category, kept = _located(rows, places)
    rows = rows if kept is None else [rows[n] for n in kept]
    # The reference takes a truth for free as long as the id of the detection that has it is not positive.
    _ids(rows, 1)
    return Detections.build(
        *places.tables(),
        image_index=image,
        category_index=category,
        xywh=_boxes(rows) if iou_type == "bbox" else np.zeros((len(rows), 4)),
        score=_numbers(list(map(itemgetter("score"), rows))),
        area=_numbers(list(map(itemgetter("area"), rows)), kinds="fiu"),
        source_row=np.arange(len(rows)) if kept is None else kept,
        shapes=Shapes.from_rows([row["segmentation"] for row in rows]) if iou_type == "segm" else None,
        keypoints=_keypoints(rows) if iou_type == "keypoints" else None,
    )


def _of_columns(rows: Unread, places: Places) -> Detections:
    image, category = _positions(rows.image_ids, places.images), _positions(rows.category_ids, places.classes)
    kept = np.flatnonzero((image >= 0) & (category >= 0))
    _check_sides(rows.xywh)
    return Detections.build(
        *places.tables(),
        image_index=image[kept],
        category_index=category[kept],
        xywh=rows.xywh[kept],
        score=rows.score[kept],
        source_row=kept,
    )


def _positions(ids: NDArray[np.int64], places: dict[Any, int]) -> NDArray[np.int64]:
    distinct, inverse = np.unique(ids, return_inverse=True)
    return np.array([places.get(i, -1) for i in distinct.tolist()], dtype=np.int64)[inverse]


def _located(
    rows: list[Record], places: Places
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64] | None]:
    """Image and class positions, and which rows these are of, None for all."""
    image = [places.images.get(i, -1) for i in map(itemgetter("image_id"), rows)]
    category = [places.classes.get(c, -1) for c in map(itemgetter("category_id"), rows)]
    images, classes = np.array(image, dtype=np.int64), np.array(category, dtype=np.int64)
    known = (images >= 0) & (classes >= 0)
    if known.all():
        return images, classes, None
    kept = np.flatnonzero(known)
    return images[kept], classes[kept], kept


def _numbers(values: list[Any], *, kinds: str = "fi") -> NDArray[np.float64]:
    """Numbers as float64, where that changes none of them."""
    array = np.array(values)
    if not len(values):
        return np.zeros(0)
    if array.ndim != 1 or array.dtype.kind not in kinds or array.dtype.itemsize > 8:
        raise NotPlain("numbers")
    if array.dtype.kind in "iu" and (array.max() >= _EXACT or array.min() <= -_EXACT):
        raise NotPlain("numbers")
    return array.astype(np.float64)


def _ascending(values: Any) -> list[float]:
    found = _numbers(list(values))
    exact = not isinstance(values, np.ndarray) or values.dtype == np.float64
    if not exact or not len(found) or not (np.diff(found) >= 0).all() or any(type(v) is np.float32 for v in values):
        raise NotPlain("thresholds")
    listed: list[float] = found.tolist()
    return listed


def _boxes(rows: list[Record]) -> NDArray[np.float64]:
    boxes = list(map(itemgetter("bbox"), rows))
    if not boxes:
        return np.zeros((0, 4))
    if not set(map(type, boxes)) <= {list, np.ndarray}:
        raise NotPlain("boxes")
    array = np.array(boxes)
    if array.ndim != 2 or array.shape[1] != 4 or array.dtype.kind not in "fi":
        raise NotPlain("boxes")
    _check_sides(array)
    return array.astype(np.float64)


def _check_sides(boxes: NDArray[Any]) -> None:
    # Also false of NaN, for which minimum and maximum differ from one compiler to the next.
    if not (np.abs(boxes) < _LARGEST_SIDE).all():
        raise NotPlain("boxes")


def _ids(rows: list[Record], lowest: int) -> NDArray[np.int64]:
    ids = list(map(itemgetter("id"), rows))
    if not set(map(type, ids)) <= {int, np.int64, np.int32} or not all(lowest <= i < _EXACT for i in ids):
        raise NotPlain("ids")
    return np.array(ids, dtype=np.int64)


def _keypoints(rows: list[Record]) -> Ragged:
    points = [np.array(row["keypoints"]) for row in rows]
    if any(p.dtype not in (np.float64, np.int64) or p.ndim != 1 or len(p) % 3 for p in points):
        raise NotPlain("keypoints")
    return Ragged.from_rows(points, (3,))
