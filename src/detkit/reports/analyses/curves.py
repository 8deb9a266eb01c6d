"""Curves as tables: the figures a person would read off them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from typing import Any

from detkit.reports._table import number
from detkit.reports._tables import Table
from detkit.wording import percent

__all__ = ["tables"]

#: Recalls at which precision is told.
_RECALLS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
#: Rows of the score table: five of the histogram's bins each.
_JOINED = 5


def tables(found: Mapping[str, Any]) -> list[Table]:
    """Scores of true and false positives, recall against overlap, precision at recalls."""
    return [_scores(found), _recall(found), *_precision(found)]


def _scores(found: Mapping[str, Any]) -> Table:
    edges = found["histogram_edges"]
    tp, fp = found["overall"]["histogram"]["tp"], found["overall"]["histogram"]["fp"]
    rows = []
    for low in range(0, len(tp), _JOINED):
        hits, others = sum(tp[low : low + _JOINED]), sum(fp[low : low + _JOINED])
        share = hits / (hits + others) if hits + others else None
        rows.append([f"{edges[low]:.3g} to {edges[low + _JOINED]:.3g}", str(hits), str(others), percent(share)])
    at = found["overall"]["operating_point"]
    return Table(
        f"scores of true and false positives, IoU >= {found['iou_threshold']:g}",
        ["score", "TP", "FP", "share of TP"],
        rows,
        notes=[
            f"at score >= {found['score_threshold']:.4g}: precision {number(at['precision'])}, recall "
            f"{number(at['recall'])}, F{found['beta']:g} {number(at['f'])}; "
            f"{at['tp']} TP, {at['fp']} FP, {at['fn']} FN"
        ],
    )


def _recall(found: Mapping[str, Any]) -> Table:
    by_iou = found["recall_by_iou"]
    rows = [
        [f"{iou:g}", number(mean), number(overall)]
        for iou, mean, overall in zip(by_iou["iou"], by_iou["mean"], by_iou["overall"], strict=True)
    ]
    return Table("recall against IoU, every detection kept", ["IoU >=", "mean of classes", "all truths"], rows)


def _precision(found: Mapping[str, Any]) -> list[Table]:
    curves = found["mean_precision"]["curves"]
    if not curves:
        return []
    recalls = found["mean_precision"]["recall"]
    rows = [
        [f"{recall:g}", *(number(curve["precision"][bisect_left(recalls, recall)]) for curve in curves)]
        for recall in _RECALLS
    ]
    header = ["recall >=", *(f"IoU {curve['iou']:g}" for curve in curves)]
    return [Table("best precision at a recall, mean of classes", header, rows)]
