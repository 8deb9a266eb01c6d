"""What the engine matched, in the shape of pycocotools' `evalImgs`: a dictionary for each class, range and image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.evaluation.engine import Scored
from detkit.kernels.match import IGNORED, Matched

__all__ = ["Cells", "cell_results"]


@dataclass(frozen=True, eq=False)
class Cells:
    """What `cell_results` tells of each cell besides the matches.

    Parameters
    ----------
    image_ids, category_ids : sequence
        In the order of the engine's layout.
    area_ranges : sequence of [low, high]
        Of the objects that stand in the dictionaries.
    max_detections : int
    gt_ids, dt_ids, scores : sequence
        Of each row of the tables.
    """

    image_ids: Sequence[Any]
    category_ids: Sequence[Any]
    area_ranges: Sequence[Any]
    max_detections: Any
    gt_ids: Sequence[Any]
    dt_ids: Sequence[Any]
    scores: Sequence[Any]


def cell_results(scored: Scored, cells: Cells) -> list[dict[str, Any] | None]:
    """A dictionary for each class, area range and image, in this order; None where there is neither row.

    Parameters
    ----------
    scored : Scored
        With partners.
    cells : Cells

    Returns
    -------
    list of (dict or None)
    """
    layout = scored.layout
    images, areas = len(cells.image_ids), len(cells.area_ranges)
    found: list[dict[str, Any] | None] = [None] * (len(cells.category_ids) * areas * images)
    for k, category_id in enumerate(cells.category_ids):
        first, last = int(layout.class_cells[k]), int(layout.class_cells[k + 1])
        dt_first, gt_first = int(layout.dt_starts[first]), int(layout.gt_starts[first])
        for c in range(first, last):
            image = int(layout.cells[c]) % images
            d = slice(int(layout.dt_starts[c]), int(layout.dt_starts[c + 1]))
            g = slice(int(layout.gt_starts[c]), int(layout.gt_starts[c + 1]))
            dt_rows, gt_rows = layout.dt_row[d].tolist(), layout.gt_row[g].tolist()
            own = slice(d.start - dt_first, d.stop - dt_first), slice(g.start - gt_first, g.stop - gt_first)
            for a, area_range in enumerate(cells.area_ranges):
                found[(k * areas + a) * images + image] = {
                    "image_id": cells.image_ids[image],
                    "category_id": category_id,
                    "aRng": area_range,
                    "maxDet": cells.max_detections,
                    **_matches(
                        scored.matched[k],
                        a,
                        own,
                        [cells.dt_ids[row] for row in dt_rows],
                        [cells.gt_ids[row] for row in gt_rows],
                        [cells.scores[row] for row in dt_rows],
                    ),
                }
    return found


def _matches(
    matched: Matched, a: int, own: tuple[slice, slice], dt_ids: list[Any], gt_ids: list[Any], scores: list[Any]
) -> dict[str, Any]:
    partner = matched.partners[a, :, own[0]]
    ignored = matched.gt_ignored[a, own[1]]
    order = np.argsort(ignored, kind="stable")
    t, d = np.nonzero(partner >= 0)
    dt_matches: NDArray[np.float64] = np.zeros(partner.shape)
    gt_matches: NDArray[np.float64] = np.zeros((len(partner), len(gt_ids)))
    if len(t):
        g = partner[t, d]
        dt_matches[t, d] = np.array(gt_ids, dtype=np.float64)[g]
        # A crowd has many partners: the last one stays, as detections come in order.
        gt_matches[t, g] = np.array(dt_ids, dtype=np.float64)[d]
    return {
        "dtIds": dt_ids,
        "gtIds": [gt_ids[g] for g in order.tolist()],
        "dtMatches": dt_matches,
        "gtMatches": gt_matches[:, order],
        "dtScores": scores,
        "gtIgnore": ignored[order].astype(np.int64) if len(gt_ids) else np.array([]),
        "dtIgnore": matched.outcome[a, :, own[0]] == IGNORED,
    }
