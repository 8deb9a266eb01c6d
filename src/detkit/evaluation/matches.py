"""Every box with what became of it: a table to read, and a compact form to compute from."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.evaluation.averaging import curve
from detkit.evaluation.cells import class_names
from detkit.evaluation.images import image_label
from detkit.evaluation.result import Evaluation
from detkit.evaluation.schemas import MATCHES
from detkit.kernels.match import FALSE, IGNORED, TRUE

__all__ = ["Partners", "accumulation_table", "compact", "match_table", "partners_of"]

_OUTCOMES = {FALSE: "FP", TRUE: "TP", IGNORED: "ignored"}


@dataclass(frozen=True, eq=False)
class Partners:
    """Every detection with its truth at one overlap threshold, all areas, in layout order.

    Parameters
    ----------
    detection : (D,) int64
        Rows of the detections table.
    truth : (D,) int64
        Row of the annotations table each is matched to, -1 for none.
    outcome : (D,) uint8
        `FALSE`, `TRUE`, `IGNORED` of `detkit.kernels.match`.
    iou : (D,) float64
        With the partner at the reference threshold, or the nearest truth of the class.
    counted : (G,) int64
        Rows of the truths that count, class by class.
    """

    detection: NDArray[np.int64]
    truth: NDArray[np.int64]
    outcome: NDArray[np.uint8]
    iou: NDArray[np.float64]
    counted: NDArray[np.int64]

    def missed(self, kept: NDArray[np.bool_] | None = None) -> NDArray[np.int64]:
        """Rows of truths that count and that no detection (or none of those kept) found."""
        hits = self.outcome == TRUE if kept is None else (self.outcome == TRUE) & kept
        return self.counted[~np.isin(self.counted, self.truth[hits])]


def partners_of(result: Evaluation, t: int) -> Partners:
    """Who is matched to whom.

    Parameters
    ----------
    result : Evaluation
        Scored with partners.
    t : int
        Position of the overlap threshold.

    Returns
    -------
    Partners
    """
    layout = result.scored.layout
    gt_rows = layout.gt_row
    outcomes, ious, partners = [], [], []
    counted: list[NDArray[np.int64]] = []
    for k, matched in enumerate(result.scored.matched):
        cells = slice(int(layout.class_cells[k]), int(layout.class_cells[k + 1]))
        sizes = np.diff(layout.dt_starts[cells.start : cells.stop + 1])
        cell_start = np.repeat(layout.gt_starts[cells], sizes)
        partner = matched.partners[0, t]
        place = np.minimum(cell_start + partner, max(0, len(gt_rows) - 1))
        partners.append(np.where(partner >= 0, gt_rows[place] if len(gt_rows) else 0, -1))
        outcomes.append(matched.outcome[0, t])
        ious.append(matched.iou)
        counted.append(gt_rows[layout.truths_of(k)][~matched.gt_ignored[0]])
    return Partners(
        layout.dt_row,
        _join(partners, np.int64),
        _join(outcomes, np.uint8),
        _join(ious, np.float64),
        _join(counted, np.int64),
    )


def match_table(result: Evaluation) -> dict[str, list[Any]]:
    """Columns of a table with a row per detection and a row per truth that nothing found.

    Taken at the protocol's reference overlap (0.5 where it has it), all areas, the largest cap. The evaluation must
    have kept partners.

    Parameters
    ----------
    result : Evaluation

    Returns
    -------
    dict of str to list
        `image_id`, `file_name`, `category`, `outcome` (TP, FP, FN, ignored), `score`, `iou` (with the partner, or the
        nearest truth of the class), `x`, `y`, `width`, `height`, `truth_id` (partner), `row` (of the source file).
    """
    truth, detections = result.truth, result.detections
    ids = truth.annotations.ids.tolist()
    joined = partners_of(result, result.protocol.reference_threshold)
    dt_rows, partner, outcome, iou = joined.detection, joined.truth, joined.outcome, joined.iou
    lost = joined.missed()
    boxes = np.concatenate([detections.xywh[dt_rows], truth.annotations.xywh[lost]])
    image = np.concatenate([detections.image_index[dt_rows], truth.annotations.image_index[lost]])
    category = np.concatenate([detections.category_index[dt_rows], truth.annotations.category_index[lost]])
    return {
        "image_id": [truth.images.ids[i] for i in image],
        "file_name": [truth.images.file_names[i] for i in image],
        "category": [truth.categories.names[c] for c in category],
        "outcome": [_OUTCOMES[o] for o in outcome.tolist()] + ["FN"] * len(lost),
        "score": [*detections.score[dt_rows].tolist(), *[None] * len(lost)],
        "iou": [*iou.tolist(), *[None] * len(lost)],
        **{name: boxes[:, n].tolist() for n, name in enumerate(("x", "y", "width", "height"))},
        "truth_id": [*(ids[p] if p >= 0 else None for p in partner.tolist()), *(ids[p] for p in lost.tolist())],
        "row": [*detections.source_row[dt_rows].tolist(), *truth.annotations.source_row[lost].tolist()],
    }


def accumulation_table(result: Evaluation, category: str) -> list[dict[str, Any]]:
    """The textbook table of one class: a row per detection in score order, with running counts.

    Parameters
    ----------
    result : Evaluation
    category : str
        Name of the class.

    Returns
    -------
    list of dict
        `image`, `confidence`, `iou`, `outcome`, `acc_tp`, `acc_fp`, `precision`, `recall`.
    """
    layout, t = result.scored.layout, result.protocol.reference_threshold
    names = [name for _, name in class_names(result.truth.categories, layout)]
    k = names.index(category)
    matched, order = result.scored.matched[k], result.scored.order[k]
    rows = layout.dt_row[layout.detections_of(k)][order]
    outcome = matched.outcome[0, t][order]
    tp, fp, precision, recall = curve(outcome, int(result.scored.truths[k, 0]))
    images, score = result.truth.images, result.detections.score
    return [
        {
            "image": image_label(images, int(result.detections.image_index[row])),
            "confidence": float(score[row]),
            "iou": float(matched.iou[order[n]]),
            "outcome": _OUTCOMES[int(outcome[n])],
            "acc_tp": int(tp[n]),
            "acc_fp": int(fp[n]),
            "precision": None if np.isnan(precision[n]) else float(precision[n]),
            "recall": None if not np.isfinite(recall[n]) else float(recall[n]),
        }
        for n, row in enumerate(rows)
    ]


def compact(result: Evaluation) -> dict[str, NDArray[Any]]:
    """All outcomes as arrays, enough to accumulate again over any choice of images.

    Parameters
    ----------
    result : Evaluation

    Returns
    -------
    dict of str to array
        `meta` (JSON: schema, protocol, inputs, classes, groups of classes, image ids, file names), and per detection
        in layout order `dt_image`, `dt_class` (places in the sorted ids), `dt_score`, `dt_rank`, `dt_iou`, `outcome`
        (A, T, D) uint8; per truth `gt_image`, `gt_class`, `gt_ignored` (A, G).
    """
    layout, scored = result.scored.layout, result.scored
    plain = result.to_dict()
    names = [result.truth.images.file_names[i] for i in layout.images.tolist()]
    meta = {
        "schema": MATCHES,
        "detkit": plain["detkit"],
        "protocol": plain["protocol"],
        "inputs": plain["inputs"],
        "categories": [[row.category_id, row.name] for row in result.per_class],
        "groups": {name: list(places) for name, places in scored.groups.items()},
        "image_ids": result.truth.images.ids[layout.images].tolist(),
        "file_names": names if any(names) else None,
    }
    place = np.empty(len(layout.images), np.int64)
    place[layout.images] = np.arange(len(layout.images))
    dt_sizes = [len(layout.dt_row[layout.detections_of(k)]) for k in range(len(layout.classes))]
    gt_sizes = [len(layout.gt_row[layout.truths_of(k)]) for k in range(len(layout.classes))]
    areas, thresholds = len(result.protocol.area_ranges), len(result.protocol.iou_thresholds)
    outcome = [m.outcome for m in scored.matched] or [np.empty((areas, thresholds, 0), np.uint8)]
    ignored = [m.gt_ignored for m in scored.matched] or [np.empty((areas, 0), np.bool_)]
    return {
        "meta": np.frombuffer(json.dumps(meta, sort_keys=True).encode(), np.uint8),
        "dt_image": place[result.detections.image_index[layout.dt_row]].astype(np.int32),
        "dt_class": np.repeat(np.arange(len(dt_sizes)), dt_sizes).astype(np.int32),
        "dt_score": result.detections.score[layout.dt_row],
        "dt_rank": layout.dt_rank,
        "dt_iou": _join([m.iou for m in scored.matched], np.float64),
        "outcome": np.concatenate(outcome, axis=2),
        "gt_image": place[result.truth.annotations.image_index[layout.gt_row]].astype(np.int32),
        "gt_class": np.repeat(np.arange(len(gt_sizes)), gt_sizes).astype(np.int32),
        "gt_ignored": np.concatenate(ignored, axis=1),
    }


def _join(parts: list[NDArray[Any]], dtype: Any) -> NDArray[Any]:
    return np.concatenate(parts) if parts else np.empty(0, dtype)
