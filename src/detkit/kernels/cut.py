"""Boxes that end where the window ends in which they were found: which of them a whole box of another window shows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detkit.kernels._groups import grouped
from detkit.kernels._jit import jit, readonly

__all__ = ["cut_losers"]


@jit
def _lose(
    xywh: Any, score: Any, starts: Any, view: Any, is_cut: Any, windows: Any, iou_threshold: float, share: float,
    loses: Any,
) -> None:  # fmt: skip
    for group in range(starts.shape[0] - 1):
        first, last = starts[group], starts[group + 1]
        for i in range(first, last):
            if not is_cut[i]:
                continue
            x, y, w, h = xywh[i, 0], xywh[i, 1], xywh[i, 2], xywh[i, 3]
            left, top = windows[view[i], 0], windows[view[i], 1]
            right, bottom = windows[view[i], 2], windows[view[i], 3]
            for j in range(first, last):
                # Scores fall: those behind are lower still.
                if score[j] < share * score[i]:
                    break
                if is_cut[j] or view[j] == view[i]:
                    continue
                # What the window of i shows of j.
                x0, y0 = max(xywh[j, 0], left), max(xywh[j, 1], top)
                x1, y1 = min(xywh[j, 0] + xywh[j, 2], right), min(xywh[j, 1] + xywh[j, 3], bottom)
                width, height = min(x + w, x1) - max(x, x0), min(y + h, y1) - max(y, y0)
                if width <= 0 or height <= 0:
                    continue
                both = width * height
                if both / (w * h + (x1 - x0) * (y1 - y0) - both) > iou_threshold:
                    loses[i] = True
                    break


def cut_losers(
    xywh: ArrayLike,
    score: ArrayLike,
    group: ArrayLike,
    view: ArrayLike,
    is_cut: ArrayLike,
    windows: ArrayLike,
    *,
    iou_threshold: float = 0.5,
    share: float = 0.25,
) -> NDArray[np.bool_]:
    """Which cut boxes show a part of an object that another window shows whole.

    A box cut by its window is compared with each whole box of another window as far as its own window shows that box:
    the two parts agree where they are one object, however little of it was seen.

    Parameters
    ----------
    xywh : (N, 4) array_like of float
        Boxes, image pixels.
    score : (N,) array_like of float
    group : (N,) array_like of int
        Boxes of different groups (classes) are not compared.
    view : (N,) array_like of int
        Position in `windows` of the window each box was found in.
    is_cut : (N,) array_like of bool
        Whether the box ends at a border of its window that is none of the image's.
    windows : (V, 4) array_like of float
        Left, top, right, bottom, image pixels.
    iou_threshold : float
        A cut box loses if its IoU with the part of a whole box is greater than this.
    share : float
        Only whole boxes with at least this share of its score are compared: the weak shadows that a detector casts
        around a sure box take nothing away.

    Returns
    -------
    (N,) bool
        In input order; False for boxes that are not cut.

    Raises
    ------
    ValueError
        Wrong shapes, or values that are not finite.
    """
    found = grouped(xywh, score, group)
    order = found.order
    lost = np.zeros(len(order), np.bool_)
    _lose(
        found.xywh,
        found.score,
        found.starts,
        readonly(np.asarray(view)[order], np.int64),
        readonly(np.asarray(is_cut)[order], np.bool_),
        readonly(np.reshape(np.asarray(windows, dtype=np.float64), (-1, 4)), np.float64),
        float(iou_threshold),
        float(share),
        lost,
    )
    loses = np.empty(len(order), np.bool_)
    loses[order] = lost
    return loses
