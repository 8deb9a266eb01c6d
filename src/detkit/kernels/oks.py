"""Object keypoint similarity up to the exponential, which NumPy takes so that its last bit is the reference's.

Source: pycocotools 2.0.11, cocoeval.py, computeOks: the same operations in the same order.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.kernels._jit import jit, readonly

__all__ = ["exponents"]


@jit
def _exponents(
    dt_points: Any, gt_points: Any, boxes: Any, spread: Any, variances: Any, order: Any, dt: Any, gt: Any, out: Any
) -> None:
    for n in range(dt.shape[0]):
        d, g = dt[n], gt[n]
        seen = gt_points[g, order[g, 0], 2] > 0
        x, y, w, h = boxes[g, 0], boxes[g, 1], boxes[g, 2], boxes[g, 3]
        for i in range(out.shape[1]):
            point = order[g, i]
            xd, yd = dt_points[d, point, 0], dt_points[d, point, 1]
            if seen:
                dx, dy = xd - gt_points[g, point, 0], yd - gt_points[g, point, 1]
            else:
                dx = max(0.0, (x - w) - xd) + max(0.0, xd - (x + w * 2))
                dy = max(0.0, (y - h) - yd) + max(0.0, yd - (y + h * 2))
            out[n, i] = -((dx * dx + dy * dy) / variances[point] / spread[g] / 2)


def exponents(
    dt_points: NDArray[np.float64],
    gt_points: NDArray[np.float64],
    gt_xywh: NDArray[np.float64],
    spread: NDArray[np.float64],
    variances: NDArray[np.float64],
    order: NDArray[np.int64],
    dt: NDArray[np.int64],
    gt: NDArray[np.int64],
    count: int,
) -> NDArray[np.float64]:
    """What the similarity of each pair of rows is the mean exponential of.

    Parameters
    ----------
    dt_points : (D, P, 3) float64
        x, y in pixels, and a number that is not looked at.
    gt_points : (G, P, 3) float64
        x, y, visibility.
    gt_xywh : (G, 4) float64
        Boxes, which stand in for truths without a visible point.
    spread : (G,) float64
        Areas, above 0.
    variances : (P,) float64
    order : (G, P) int64
        Positions of the points of each truth, visible ones first.
    dt, gt : (N,) int64
        The pairs.
    count : int
        How many points of the order are taken, 1 to P: as many as each of these truths has visible, P for none.

    Returns
    -------
    (N, count) float64
        Not positive.
    """
    out = np.empty((len(dt), count))
    _exponents(
        readonly(dt_points, np.float64),
        readonly(gt_points, np.float64),
        readonly(gt_xywh, np.float64),
        readonly(spread, np.float64),
        readonly(variances, np.float64),
        readonly(order, np.int64),
        readonly(dt, np.int64),
        readonly(gt, np.int64),
        out,
    )
    return out
