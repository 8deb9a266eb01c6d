"""Overlap of keypoints: object keypoint similarity, all cells of a class at once."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from detkit.kernels.oks import exponents

__all__ = ["KeypointOverlap"]

Index = NDArray[np.int64]

#: Numbers in one of the temporaries: they fit the processor's cache.
_AT_ONCE = 1 << 17


class KeypointOverlap:
    """Object keypoint similarity, bit-equal to the reference.

    Source: pycocotools 2.0.11, cocoeval.py, computeOks. NumPy's `exp` and `sum` are called on the same values in the
    same order as the reference calls them: other implementations differ in the last bit.

    Parameters
    ----------
    dt_points : (D, P, 3) float64
        x, y in pixels, and a third number that is not looked at.
    gt_points : (G, P, 3) float64
        x, y, visibility.
    gt_xywh : (G, 4) float64
    gt_area : (G,) float64
    sigmas : (P,) float64
    """

    def __init__(
        self,
        dt_points: NDArray[np.float64],
        gt_points: NDArray[np.float64],
        gt_xywh: NDArray[np.float64],
        gt_area: NDArray[np.float64],
        sigmas: NDArray[np.float64],
    ) -> None:
        visible = gt_points[:, :, 2] > 0
        self._visible, self._points = np.count_nonzero(visible, axis=1), len(sigmas)
        # The visible points of each truth come first.
        order = np.argsort(~visible, axis=1, kind="stable")
        spread = gt_area + np.spacing(1)
        self._columns = dt_points, gt_points, gt_xywh, spread, (sigmas * 2) ** 2, order

    def __call__(self, dt: Index, gt: Index) -> NDArray[np.float64]:
        """(D, G) similarity of these rows of one image."""
        return self.flat(dt, gt, np.array([0, len(dt)]), np.array([0, len(gt)])).reshape(len(dt), len(gt))

    def flat(self, dt: Index, gt: Index, dt_cells: Index, gt_cells: Index) -> NDArray[np.float64]:
        """The matrices of many cells one after the other; cell c holds `dt[dt_cells[c]:dt_cells[c + 1]]` and so on."""
        truths = np.diff(gt_cells)
        # A line of a matrix is one detection beside all truths of its cell.
        width = np.repeat(truths, np.diff(dt_cells))
        first = np.repeat(gt_cells[:-1], np.diff(dt_cells))
        behind = np.cumsum(width)
        out = np.empty(int(behind[-1]) if len(behind) else 0)
        at_once = max(1, _AT_ONCE // max(1, self._points))
        cuts = np.unique(np.searchsorted(behind, np.arange(at_once, len(out), at_once)))
        pieces = list(pairwise([0, *cuts[(cuts > 0) & (cuts < len(width))].tolist(), len(width)]))

        def fill(piece: tuple[int, int]) -> None:
            a, b = piece
            lines = np.repeat(np.arange(a, b), width[a:b])
            start = int(behind[a]) - int(width[a]) if b > a else 0
            within = np.arange(start, start + len(lines)) - np.repeat(behind[a:b] - width[a:b], width[a:b])
            out[start : start + len(lines)] = self._pairs(dt[lines], gt[first[lines] + within])

        if len(pieces) == 1:
            fill(pieces[0])
        else:
            # There is often one class with keypoints alone: the threads share its pieces.
            with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
                list(pool.map(fill, pieces))
        return out

    def _pairs(self, dt: Index, gt: Index) -> NDArray[np.float64]:
        """Similarity of each detection to the truth in the same place."""
        out = np.empty(len(dt))
        visible = self._visible[gt]
        for count in np.unique(visible).tolist():
            some = np.flatnonzero(visible == count)
            values = exponents(*self._columns, dt[some], gt[some], count or self._points)
            np.exp(values, out=values)
            out[some] = np.sum(values, axis=1) / values.shape[1]
        return out
