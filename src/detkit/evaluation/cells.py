"""Rows of truth and predictions laid out class by class, image by image, highest score first.

A cell is one class in one image. Class order and image order are by ascending id, as the reference's are. Ties keep
file order inside an image (class order before file order when classes are not told apart) and image order across.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from detkit.evaluation.federated import contains, verified_cells
from detkit.evaluation.protocols import Protocol
from detkit.kernels.cells import merge_cells, order_by_two, sort_within
from detkit.kernels.falling import falling_order
from detkit.tables import Annotations, Categories, Dataset, Detections

__all__ = ["Layout", "class_names", "lay_out", "order_of_ids"]

Index = NDArray[np.int64]
Ranks = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Layout:
    """Sorted rows and where each cell and each class lies in them.

    Parameters
    ----------
    classes : (K,) int64
        Category positions in class order; one entry, -1, when classes are not told apart.
    images : (I,) int64
        Image positions in image order.
    dt_row : (D,) int64
        Rows of the detections table, in layout order, cut at the largest cap.
    dt_rank : (D,) int32
        Position by score, 0 for the highest: inside the cell, or among all of the image where caps are per image.
    gt_row : (G,) int64
        Rows of the annotations table, in layout order.
    cells : (C,) int64
        The cells that are not empty: place in the class order times number of images plus place in the image order.
    dt_starts, gt_starts : (C + 1,) int64
        Cell c holds `dt_row[dt_starts[c]:dt_starts[c + 1]]` and `gt_row[...]` likewise.
    class_cells : (K + 1,) int64
        Class k holds cells `class_cells[k]:class_cells[k + 1]`.
    cut : int
        Detections left out by the largest cap.
    left_out : mapping of str to int
        Detections left out for other reasons of the protocol.
    """

    classes: Index
    images: Index
    dt_row: Index
    dt_rank: Ranks
    gt_row: Index
    cells: Index
    dt_starts: Index
    gt_starts: Index
    class_cells: Index
    cut: int
    left_out: Mapping[str, int] = field(default_factory=dict)

    def detections_of(self, k: int) -> slice:
        """Where class k lies in `dt_row`."""
        first, last = self.class_cells[k], self.class_cells[k + 1]
        return slice(int(self.dt_starts[first]), int(self.dt_starts[last]))

    def truths_of(self, k: int) -> slice:
        """Where class k lies in `gt_row`."""
        first, last = self.class_cells[k], self.class_cells[k + 1]
        return slice(int(self.gt_starts[first]), int(self.gt_starts[last]))


def order_of_ids(ids: NDArray[np.generic]) -> Index:
    """Positions in ascending id order; numbers before text where both occur."""
    if ids.dtype != object:
        return np.argsort(ids, kind="stable")
    keys = [(isinstance(i, str), i) for i in ids.tolist()]
    return np.array(sorted(range(len(keys)), key=keys.__getitem__), dtype=np.int64)


def lay_out(truth: Dataset, detections: Detections, protocol: Protocol) -> Layout:
    """The layout of a truth and its aligned detections under a protocol.

    Parameters
    ----------
    truth : Dataset
    detections : Detections
        Aligned: image and category positions are the truth's.
    protocol : Protocol
        Its `class_wise`, largest cap and what it says of partly labelled images are read.

    Returns
    -------
    Layout
    """
    images = order_of_ids(truth.images.ids)
    classes = order_of_ids(truth.categories.ids)
    image_place, class_place = _inverse(images), _inverse(classes)
    rows = truth.annotations
    gt_order, gt_key = _in_cells(rows, image_place, class_place, protocol.class_wise)
    dt_order, dt_key = _in_cells(detections, image_place, class_place, protocol.class_wise)
    if not protocol.class_wise:
        classes = np.array([-1])
    admitted, left_out = _admitted(truth, detections, protocol)
    rank = sort_within(dt_key, detections.score, dt_order)
    if protocol.cap_per == "image":
        rank = _image_ranks(detections)[dt_order]
    elif admitted is not None:
        dt_order, dt_key, admitted = dt_order[admitted[dt_order]], dt_key[admitted[dt_order]], None
        rank = _ranks(dt_key)
    kept = within = rank < protocol.max_detections[-1]
    if admitted is not None:
        kept = within & admitted[dt_order]
    if not kept.all():
        dt_order, dt_key, rank = dt_order[kept], dt_key[kept], rank[kept]
    cells, dt_starts, gt_starts = merge_cells(dt_key, gt_key)
    width = max(1, len(images))
    return Layout(
        classes=classes,
        images=images,
        dt_row=dt_order,
        dt_rank=rank,
        gt_row=gt_order,
        cells=cells,
        dt_starts=dt_starts,
        gt_starts=gt_starts,
        class_cells=np.searchsorted(cells, np.arange(len(classes) + 1) * width),
        cut=int(np.count_nonzero(~within)),
        left_out=left_out,
    )


def _admitted(
    truth: Dataset, detections: Detections, protocol: Protocol
) -> tuple[NDArray[np.bool_] | None, dict[str, int]]:
    """Which detections the protocol scores at all (None: every one), and how many it does not, by reason."""
    left_out: dict[str, int] = {}
    admitted = np.ones(len(detections), np.bool_)
    if "detections" in protocol.drop_empty:
        admitted &= detections.area > 0
        left_out["without_area"] = int(np.count_nonzero(~admitted))
    verified = verified_cells(truth, protocol)
    if verified is not None:
        looked_for = contains(verified, detections.image_index * len(truth.categories) + detections.category_index)
        left_out["class_not_verified"] = int(np.count_nonzero(admitted & ~looked_for))
        admitted &= looked_for
    return (admitted if left_out else None), left_out


def _image_ranks(detections: Detections) -> Ranks:
    """Position by score of each detection among all of its image; ties keep file order."""
    by_score = _inverse(falling_order(detections.score))
    images = detections.image_index, np.arange(len(detections.images))
    order, image = order_by_two(images, (np.arange(len(by_score)), by_score))
    rank = np.empty(len(order), np.int32)
    rank[order] = _ranks(image)
    return rank


def class_names(categories: Categories, layout: Layout) -> list[tuple[object, str]]:
    """(id, name) of each class of the layout; (None, "all classes") when they are not told apart.

    Parameters
    ----------
    categories : Categories
    layout : Layout

    Returns
    -------
    list of (id, str)
    """
    if len(layout.classes) == 1 and layout.classes[0] == -1:
        return [(None, "all classes")]
    return [(categories.ids[k].item() if hasattr(categories.ids[k], "item") else categories.ids[k], categories.names[k])
            for k in layout.classes]  # fmt: skip


def _in_cells(
    rows: Annotations | Detections, image_place: Index, class_place: Index, class_wise: bool
) -> tuple[Index, Index]:
    """Rows of a table in order of their cells, and the cell of each."""
    image, label = (rows.image_index, image_place), (rows.category_index, class_place)
    if class_wise:
        return order_by_two(label, image, width=len(image_place))
    # Ties of score go by class, then by file order, as in a file that holds a class after the other.
    return order_by_two(image, label)


def _inverse(order: Index) -> Index:
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    return place


def _ranks(key: Index) -> Ranks:
    """Position of each entry within its run of equal keys."""
    if not len(key):
        return np.zeros(0, np.int32)
    starts = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]]))
    lengths = np.diff(np.append(starts, len(key)))
    return (np.arange(len(key)) - np.repeat(starts, lengths)).astype(np.int32)
