"""Overlaps of two box files as text, plain values, or a row per box."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

import numpy as np

from detkit.evaluation.result import BANDS
from detkit.reports._table import table
from detkit.tables import Dataset
from detkit.wording import plural

if TYPE_CHECKING:
    from detkit.api.overlaps import BoxOverlaps

__all__ = ["rows", "summary", "text"]


def summary(found: BoxOverlaps) -> dict[str, Any]:
    """Counts per band for each side, and the mean best overlap; schema `detkit.iou/1`."""
    return {"schema": "detkit.iou/1", "pairs": len(found.iou), "a": _side(found.best_a), "b": _side(found.best_b)}


def _side(best: np.ndarray) -> dict[str, Any]:
    edges = [0.0, *(low for _, low in BANDS)]
    names = ["below", *(name for name, _ in BANDS)]
    counts = {n: int(np.count_nonzero((best >= low) & (best > 0))) for n, low in zip(names, edges, strict=True)}
    inside = {n: counts[n] - counts.get(after, 0) for n, after in zip(names, [*names[1:], ""], strict=True)}
    return {
        "boxes": len(best),
        "without_overlap": int(np.count_nonzero(best == 0)),
        "bands": inside,
        "mean_best_iou": float(best.mean()) if len(best) else None,
    }


def text(found: BoxOverlaps) -> str:
    """Both sides in one table."""
    sides = {name: _side(best) for name, best in (("A", found.best_a), ("B", found.best_b))}
    labels = ["none", f"< {BANDS[0][1]:g}", *(f">= {low:g}" for _, low in BANDS)]
    body = []
    for name, side in sides.items():
        mean = "-" if side["mean_best_iou"] is None else f"{side['mean_best_iou']:.4f}"
        counts = [side["without_overlap"], *side["bands"].values()]
        body.append([name, str(side["boxes"]), *map(str, counts), mean])
    lines = table(["best IoU", "boxes", *labels, "mean"], body)
    legend = ", ".join(f"{low:g} {name}" for name, low in BANDS)
    return "\n".join([*lines, f"{plural(len(found.iou), 'overlapping pair')}; from {legend}"]) + "\n"


def rows(found: BoxOverlaps) -> str:
    """CSV: a row per box of A with its best partner in B."""
    a, b = found.a, found.b
    a_rows: Any = a.annotations if isinstance(a, Dataset) else a
    b_rows: Any = b.annotations if isinstance(b, Dataset) else b
    partner = np.full(len(found.best_a), -1, np.int64)
    hit = found.iou == found.best_a[found.pairs[:, 0]]
    partner[found.pairs[hit, 0]] = found.pairs[hit, 1]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["image", "category", "x", "y", "width", "height", "best_iou", "partner_row"])
    for n in range(len(partner)):
        image = int(a_rows.image_index[n])
        writer.writerow(
            [
                a.images.file_names[image] or a.images.ids[image],
                a.categories.names[a_rows.category_index[n]],
                *map(repr, a_rows.xywh[n].tolist()),
                repr(float(found.best_a[n])),
                "" if partner[n] < 0 else int(b_rows.source_row[partner[n]]),
            ]
        )
    return out.getvalue()
