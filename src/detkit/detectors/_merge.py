"""From what several views of an image showed to the boxes of the image.

Boxes are shifted (and mirrored) back. A window cuts objects at its border: a box that ends there loses to a whole box
of another view that shows the same object. What is left is joined class by class, by suppression or by fusion.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.detectors._base import Output
from detkit.detectors._masks import masks_of
from detkit.detectors._prepare import Frame
from detkit.detectors._rows import Choice, Rows
from detkit.detectors._views import Looks, View
from detkit.kernels.cut import cut_losers
from detkit.kernels.fusion import fuse
from detkit.kernels.nms import grouped_nms
from detkit.kernels.polygon import grouped_polygon_nms

__all__ = ["Seen", "joined", "placed"]

#: A box ends at a border when it is nearer to it than this share of the window's side.
NEAR = 0.005
#: A cut box and the part of a whole box in its window are one object from this IoU on.
SAME = 0.5
#: Whole boxes with less than this share of a cut box's score leave it alone.
SURE = 0.25


@dataclass(frozen=True)
class Seen:
    """What one view showed.

    Parameters
    ----------
    view : View
    rows : Rows
        In pixels of the view.
    frame : Frame
    output : Dense or Sparse, optional
        Where masks are to be made of it.
    """

    view: View
    rows: Rows
    frame: Frame
    output: Output | None = None


def joined(
    seen: Sequence[Seen], image_size: tuple[int, int], choice: Choice, looks: Looks
) -> tuple[Rows, list[dict[str, Any]] | None]:
    """The boxes of an image, highest score first, and their masks where there are any.

    Parameters
    ----------
    seen : sequence of Seen
        One a view.
    image_size : (width, height)
    choice : Choice
        `iou_threshold` decides which boxes are one; `max_detections` holds for the image.
    looks : Looks

    Returns
    -------
    rows : Rows
        Image pixels; `source` is the position in all rows of the views, one view after the other.
    masks : list of N dict, or None
    """
    pool = _pooled([placed(one.rows, one.view) for one in seen])
    view = np.repeat(np.arange(len(seen)), [len(one.rows.score) for one in seen])
    if len(seen) == 1:
        kept = pool
    else:
        group = np.zeros_like(pool.label) if choice.class_agnostic else pool.label
        stays = ~_cut_off(pool, group, view, seen, image_size)
        alive, group = _take(pool, np.flatnonzero(stays)), group[stays]
        if looks.merge == "nms":
            kept = _take(alive, np.flatnonzero(_survivors(alive, group, choice)))
        else:
            variant = np.array([one.view.variant for one in seen])[view[stays]]
            kept = _fused(alive, group, variant, max(one.view.variant for one in seen) + 1, choice)
        kept = _take(kept, np.argsort(-kept.score, kind="stable")[: choice.max_detections])
    masks = _masks(seen, view, kept, image_size) if any(one.output is not None for one in seen) else None
    return kept, masks


def placed(rows: Rows, view: View) -> Rows:
    """Rows of a view in pixels of its image.

    Parameters
    ----------
    rows : Rows
    view : View

    Returns
    -------
    Rows
    """
    left, top = view.box[:2]
    xywh = rows.xywh.copy()
    if view.flip:
        xywh[:, 0] = view.size[0] - xywh[:, 0] - xywh[:, 2]
    xywh[:, :2] += (left, top)
    keypoints, polygons = rows.keypoints, rows.polygons
    if keypoints is not None:
        keypoints = keypoints.copy()
        if view.flip:
            keypoints[:, :, 0] = view.size[0] - keypoints[:, :, 0]
        keypoints[:, :, :2] += (left, top)
    if polygons is not None:
        if view.flip:
            # Corners in the reverse order, so that they go round the same way as before.
            polygons = polygons[:, [1, 0, 3, 2]] * np.array([-1, 1]) + np.array([view.size[0], 0])
        polygons = polygons + np.array([left, top])
    return replace(rows, xywh=xywh, keypoints=keypoints, polygons=polygons)


def _pooled(parts: Sequence[Rows]) -> Rows:
    def column(name: str) -> Any:
        values = [getattr(part, name) for part in parts]
        return None if any(v is None for v in values) else np.concatenate(values)

    score = column("score")
    outlines = {name: column(name) for name in ("keypoints", "polygons")}
    return Rows(column("xywh"), score, column("label"), np.arange(len(score)), **outlines)


def _take(rows: Rows, at: NDArray[np.int64]) -> Rows:
    outlines = {name: getattr(rows, name) for name in ("keypoints", "polygons")}
    cut = {name: None if values is None else values[at] for name, values in outlines.items()}
    return Rows(rows.xywh[at], rows.score[at], rows.label[at], rows.source[at], **cut)


def _cut_off(
    pool: Rows, group: NDArray[np.int64], view: NDArray[np.int64], seen: Sequence[Seen], image_size: tuple[int, int]
) -> NDArray[np.bool_]:
    """Which rows show a part of what another view shows whole."""
    windows = np.array([one.view.box for one in seen], dtype=np.float64)
    inner = np.concatenate([windows[:, :2] > 0, windows[:, 2:] < np.array(image_size)], axis=1)
    if not inner.any() or not len(pool.score):
        return np.zeros(len(pool.score), np.bool_)
    near = np.maximum(1.0, NEAR * np.tile(windows[:, 2:] - windows[:, :2], 2))
    xyxy = np.concatenate([pool.xywh[:, :2], pool.xywh[:, :2] + pool.xywh[:, 2:]], axis=1)
    is_cut = (inner[view] & (np.abs(xyxy - windows[view]) <= near[view])).any(axis=1)
    # One window of several variants is one window: what it cuts, it cuts in all of them.
    window = np.unique(windows, axis=0, return_inverse=True)[1].reshape(-1)
    shown = np.unique(windows, axis=0)
    return cut_losers(pool.xywh, pool.score, group, window[view], is_cut, shown, iou_threshold=SAME, share=SURE)


def _survivors(rows: Rows, group: NDArray[np.int64], choice: Choice) -> NDArray[np.bool_]:
    if rows.polygons is not None:
        return grouped_polygon_nms(rows.polygons, rows.score, group, iou_threshold=choice.iou_threshold, jobs=1)
    return grouped_nms(rows.xywh, rows.score, group, iou_threshold=choice.iou_threshold, jobs=1)


def _fused(rows: Rows, group: NDArray[np.int64], variant: NDArray[np.int64], variants: int, choice: Choice) -> Rows:
    """Weighted means; a box that not all variants showed counts less, whatever number of windows showed it."""
    found = fuse(rows.xywh, rows.score, group, variant, np.ones(variants), iou_threshold=choice.iou_threshold, jobs=1)
    enough = np.flatnonzero(found.score >= choice.score_threshold)
    first = found.first[enough]
    return Rows(found.xywh[enough], found.score[enough], rows.label[first], rows.source[first])


def _masks(
    seen: Sequence[Seen], view: NDArray[np.int64], kept: Rows, image_size: tuple[int, int]
) -> list[dict[str, Any]]:
    """Masks of the kept rows, each from the view that showed it."""
    starts = np.searchsorted(view, np.arange(len(seen)))
    masks: list[dict[str, Any]] = [{}] * len(kept.score)
    for number, one in enumerate(seen):
        mine = np.flatnonzero(view[kept.source] == number)
        if len(mine) and one.output is not None:
            own = _take(one.rows, kept.source[mine] - starts[number])
            for place, mask in zip(mine, masks_of(one.output, own, one.frame, one.view, image_size), strict=True):
                masks[place] = mask
    return masks
