"""Intersection over union of boxes: the one expression, and matrices of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detkit.kernels._jit import jit, readonly

__all__ = ["pairwise_iou"]


@jit
def box_iou(a: Any, i: int, b: Any, j: int, is_crowd: bool) -> float:
    """IoU of box `a[i]` with box `b[j]`, both xywh; over the area of `a[i]` alone when `b[j]` is a crowd.

    Source: pycocotools 2.0.11, maskApi.c, bbIou: same operations in the same order, so the result is bit-equal.
    """
    # Comparisons instead of `min` and `max`, which take Numba longer to compile than the rest of it.
    left_a, left_b, right_a, right_b = a[i, 0], b[j, 0], a[i, 0] + a[i, 2], b[j, 0] + b[j, 2]
    width = (right_b if right_b < right_a else right_a) - (left_b if left_b > left_a else left_a)
    if width <= 0:
        return 0.0
    top_a, top_b, bottom_a, bottom_b = a[i, 1], b[j, 1], a[i, 1] + a[i, 3], b[j, 1] + b[j, 3]
    height = (bottom_b if bottom_b < bottom_a else bottom_a) - (top_b if top_b > top_a else top_a)
    if height <= 0:
        return 0.0
    intersection = width * height
    area = a[i, 2] * a[i, 3]
    union = area if is_crowd else area + b[j, 2] * b[j, 3] - intersection
    return intersection / union  # type: ignore[no-any-return]


@jit
def _matrix(a: Any, b: Any, is_crowd: Any, out: Any) -> None:
    for i in range(a.shape[0]):
        for j in range(b.shape[0]):
            out[i, j] = box_iou(a, i, b, j, is_crowd[j])


def pairwise_iou(a: ArrayLike, b: ArrayLike, *, is_crowd: ArrayLike | None = None) -> NDArray[np.float64]:
    """IoU of every box of `a` with every box of `b`.

    Parameters
    ----------
    a : (N, 4) array_like of float
        Boxes xywh, pixels or any other unit.
    b : (M, 4) array_like of float
        Boxes xywh in the same unit.
    is_crowd : (M,) array_like of bool, optional
        For these boxes of `b` the denominator is the area of the box of `a`.

    Returns
    -------
    (N, M) float64
        In [0, 1]; 0 where boxes only touch, or where one has no area.

    Raises
    ------
    ValueError
        A shape that is not (N, 4), or a coordinate that is not finite.

    Notes
    -----
    Bit-equal to pycocotools 2.0.11 `mask.iou` on the same xywh boxes.

    Examples
    --------
    >>> pairwise_iou([[0, 0, 10, 10]], [[0, 0, 10, 5], [20, 20, 5, 5]]).tolist()
    [[0.5, 0.0]]
    """
    a, b = _boxes(a, "a"), _boxes(b, "b")
    crowd = readonly(np.zeros(len(b), np.bool_) if is_crowd is None else is_crowd, np.bool_)
    if crowd.shape != (len(b),):
        raise ValueError(f"`is_crowd` has shape {crowd.shape}, expected ({len(b)},)")
    out = np.empty((len(a), len(b)))
    _matrix(a, b, crowd, out)
    return out


def _boxes(values: ArrayLike, name: str) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if array.size == 0:
        array = array.reshape(0, 4)
    if array.ndim != 2 or array.shape[1] != 4:
        raise ValueError(f"`{name}` has shape {array.shape}, expected (N, 4)")
    if not np.isfinite(array).all():
        raise ValueError(f"`{name}` holds a value that is not finite")
    return readonly(array, np.float64)
