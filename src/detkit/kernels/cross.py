"""Overlaps of detections and truths of one image, whatever their classes, as flat pairs; and who claims which."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.kernels._jit import jit, readonly
from detkit.kernels.iou import box_iou

__all__ = ["claim", "near_pairs"]


@jit
def _pairs(a: Any, b: Any, a_starts: Any, b_starts: Any, least: float, first: Any, second: Any, iou: Any) -> int:
    """Number of pairs that overlap enough; they are written only where there is room for them."""
    count = 0
    writes = iou.shape[0] > 0
    for group in range(a_starts.shape[0] - 1):
        for i in range(a_starts[group], a_starts[group + 1]):
            for j in range(b_starts[group], b_starts[group + 1]):
                overlap = box_iou(a, i, b, j, False)
                if overlap >= least:
                    if writes:
                        first[count] = i
                        second[count] = j
                        iou[count] = overlap
                    count += 1
    return count


def near_pairs(
    a: NDArray[np.float64],
    b: NDArray[np.float64],
    a_starts: NDArray[np.int64],
    b_starts: NDArray[np.int64],
    least: float,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Pairs of boxes of one group that overlap by at least `least`.

    Parameters
    ----------
    a : (N, 4) float64
        Boxes xywh, group by group.
    b : (M, 4) float64
    a_starts, b_starts : (G + 1,) int64
        Group g holds `a[a_starts[g]:a_starts[g + 1]]` and `b[b_starts[g]:b_starts[g + 1]]`.
    least : float
        IoU, more than 0.

    Returns
    -------
    first, second : (P,) int64
        Positions in `a` and `b`, ascending in `first`, then in `second`.
    iou : (P,) float64
    """
    given = (
        readonly(a, np.float64),
        readonly(b, np.float64),
        readonly(a_starts, np.int64),
        readonly(b_starts, np.int64),
    )
    # Counting first costs a second look at each pair and spares arrays that grow.
    count = _pairs(*given, least, np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    first, second, iou = np.empty(count, np.int64), np.empty(count, np.int64), np.empty(count)
    if count:
        _pairs(*given, least, first, second, iou)
    return first, second, iou


@jit
def _claims(first: Any, second: Any, iou: Any, taken: Any, won: Any) -> None:
    count = first.shape[0]
    n = 0
    while n < count:
        claimant = first[n]
        best = -1
        while n < count and first[n] == claimant:
            if not taken[second[n]] and (best < 0 or iou[n] >= iou[best]):
                best = n
            n += 1
        if best >= 0:
            taken[second[best]] = True
            won[best] = True


def claim(
    first: NDArray[np.int64], second: NDArray[np.int64], iou: NDArray[np.float64], count: int
) -> NDArray[np.bool_]:
    """Which pairs come together when each of `first`, in turn, takes the free one that it overlaps most.

    Parameters
    ----------
    first : (P,) int64
        Claimants in the order in which they choose; pairs of one claimant stand together.
    second : (P,) int64
        What is claimed: each goes to one claimant at most.
    iou : (P,) float64
        Of equal overlaps the later pair wins, as in the matching of COCO.
    count : int
        Every value of `second` is below it.

    Returns
    -------
    (P,) bool
    """
    won = np.zeros(len(first), np.bool_)
    _claims(
        readonly(first, np.int64), readonly(second, np.int64), readonly(iou, np.float64), np.zeros(count, np.bool_), won
    )
    return won
