"""Boxes cut into groups (an image and a class each), highest score first, and kernels run over them in threads."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detkit.kernels._jit import readonly
from detkit.kernels.iou import _boxes

__all__ = ["Grouped", "grouped", "in_threads", "largest"]

#: Fewer boxes than this are not worth a second thread.
_WORTH_A_THREAD = 20_000
#: Rows sorted at a time.
_RUN = 50_000


@dataclass(frozen=True)
class Grouped:
    """Boxes in the order in which they are looked at.

    Parameters
    ----------
    order : (N,) int64
        Input row of each.
    starts : (G + 1,) int64
        Group g is `starts[g]:starts[g + 1]`; scores fall within it, equal ones in input order.
    xywh : (N, 4) float64
    score : (N,) float64
    """

    order: NDArray[np.int64]
    starts: NDArray[np.int64]
    xywh: NDArray[np.float64]
    score: NDArray[np.float64]


def grouped(xywh: ArrayLike, score: ArrayLike, group: ArrayLike) -> Grouped:
    """Boxes sorted by group, then by falling score.

    Raises
    ------
    ValueError
        Wrong shapes, or values that are not finite.
    """
    boxes = _boxes(xywh, "xywh")
    score = np.asarray(score, dtype=np.float64)
    group = np.asarray(group, dtype=np.int64)
    if score.shape != (len(boxes),) or group.shape != (len(boxes),):
        raise ValueError(f"`score` and `group` need shape ({len(boxes)},), found {score.shape} and {group.shape}")
    if not np.isfinite(score).all():
        raise ValueError("`score` holds a value that is not finite")
    order = np.argsort(group, kind="stable")
    ordered = group[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1], [True]]) if len(order) else [True])
    _sort_runs(order, ordered, score, starts)
    del ordered
    return Grouped(
        order, readonly(starts, np.int64), readonly(boxes[order], np.float64), readonly(score[order], np.float64)
    )


def _sort_runs(
    order: NDArray[np.int64], group: NDArray[np.int64], score: NDArray[np.float64], starts: NDArray[np.int64]
) -> None:
    """Rows of each group by falling score, in place; runs of groups that fit the cache, as one sort of all does not."""
    cuts = np.unique(np.searchsorted(starts, np.arange(0, len(order) + _RUN, _RUN).clip(max=len(order))))
    for a, b in pairwise(starts[cuts].tolist()):
        rows = order[a:b]
        order[a:b] = rows[np.lexsort((-score[rows], group[a:b]))]


def largest(starts: NDArray[np.int64]) -> int:
    """Length of the longest of runs n, `starts[n]:starts[n + 1]`: what room a kernel needs for one."""
    return int(np.diff(starts).max(initial=0))


def in_threads(kernel: Callable[[Any], object], starts: NDArray[np.int64], jobs: int | None = None) -> None:
    """Call a kernel that releases the GIL for runs of whole groups, several at a time.

    Parameters
    ----------
    kernel : callable
        Takes the (B + 1,) starts of the groups that it is to do, and writes only to their rows.
    starts : (G + 1,) int64
    jobs : int, optional
        Threads; by default one a processor. Results do not depend on it.
    """
    total, threads = int(starts[-1]), jobs or os.cpu_count() or 1
    if threads == 1 or total < _WORTH_A_THREAD:
        kernel(starts)
        return
    # Groups of unequal size: more runs than threads, so that none waits long for the last.
    wanted = np.linspace(0, total, 8 * threads + 1)
    cuts = np.unique(np.searchsorted(starts, wanted))
    runs = [starts[a : b + 1] for a, b in pairwise(cuts)]
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(kernel, runs):
            pass
