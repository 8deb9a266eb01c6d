"""Detections in boxes around several objects: what single truths leave over is held against the groups.

Source: tensorflow/models, research/object_detection/utils/per_image_evaluation.py, PerImageEvaluation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from detkit.kernels.match import FALSE, IGNORED, TRUE, Cells, Matched

__all__ = ["match_with_groups"]

Index = NDArray[np.int64]


def match_with_groups(
    cells: Cells,
    group_of: NDArray[np.bool_],
    run: Callable[[Cells, Index], Matched],
    *,
    counted: bool,
    reference: int = 0,
) -> Matched:
    """What `match` finds, with detections that have no truth of their own given to the group they lie in most.

    Single truths are matched first. A detection they leave unmatched goes to the group that holds the largest share of
    it, where that share reaches the threshold; of all those given to one group the first is a true positive and the
    others are ignored.

    Parameters
    ----------
    cells : Cells
    group_of : (G,) bool
        Which truths are groups.
    run : callable
        Matches cells over the truths at these positions, with partners.
    counted : bool
        Whether a group is a truth, which its first detection finds; else it and all its detections are ignored. A
        group that is ignored anyway never counts.
    reference : int
        Which threshold `Matched.iou` speaks of.

    Returns
    -------
    Matched
        With partners, over all truths.
    """
    single, group = np.flatnonzero(~group_of), np.flatnonzero(group_of)
    everywhere = np.ones(len(group), np.bool_)
    over_single = _over(cells, single)
    over_group = replace(_over(cells, group), gt_ignored=everywhere, gt_crowd=everywhere)
    first, second = run(over_single, single), run(over_group, group)
    cell = np.repeat(np.arange(len(cells.dt_starts) - 1), np.diff(cells.dt_starts))
    partner = _row(first.partners, over_single, single, cell)
    region = _row(second.partners, over_group, group, cell)
    given = (first.outcome == FALSE) & (region >= 0)
    outcome = first.outcome.copy()
    outcome[given] = IGNORED
    ignored = np.ones((len(outcome), len(group_of)), np.bool_)
    ignored[:, single] = first.gt_ignored
    if counted:
        ignored[:, group] = cells.gt_ignored[group]
        for a, t in np.ndindex(given.shape[:2]):
            rows = np.flatnonzero(given[a, t])
            found, best = np.unique(region[a, t, rows], return_index=True)
            outcome[a, t, rows[best[~ignored[a, found]]]] = TRUE
    partner[given] = region[given]
    partners = np.where(partner >= 0, partner - cells.gt_starts[cell], -1).astype(np.int32)
    return Matched(outcome, ignored, np.where(given[0, reference], second.iou, first.iou), partners)


def _over(cells: Cells, truths: Index) -> Cells:
    """The cells with only these truths."""
    return replace(
        cells,
        gt_starts=np.searchsorted(truths, cells.gt_starts),
        gt_area=cells.gt_area[truths],
        gt_ignored=cells.gt_ignored[truths],
        gt_crowd=cells.gt_crowd[truths],
        gt_uncounted=cells.gt_uncounted[truths],
    )


def _row(partners: NDArray[np.int32], cells: Cells, truths: Index, cell: Index) -> Index:
    """(A, T, D) int64: position of each partner among all truths of the class, -1 for none."""
    if not len(truths):
        return np.full(partners.shape, -1, np.int64)
    place = np.minimum(cells.gt_starts[cell] + np.maximum(partners, 0), len(truths) - 1)
    return np.where(partners >= 0, truths[place], -1)
