"""Cut boxes to their images, leave out boxes that cannot be used; everything is counted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from detkit import boxes
from detkit.findings import Loss
from detkit.tables import Dataset, Detections, freeze
from detkit.transforms._change import loss_of_rows

__all__ = ["clip_boxes", "drop_invalid_boxes"]

Table = Dataset | Detections


def clip_boxes(table: Table) -> tuple[Table, list[Loss]]:
    """The table with boxes cut to their images, and how many were cut.

    Images of unknown size keep their boxes. Areas that were width times height follow the box; stated ones stay.
    """
    rows = _rows(table)
    sizes = np.ones((len(table.images), 2)) if table.units == "normalised" else table.images.sizes
    cut = boxes.clip(rows.xywh, sizes[rows.image_index])
    changed = np.flatnonzero((cut != rows.xywh).any(axis=1))
    area = np.where(rows.area == boxes.area(rows.xywh), boxes.area(cut), rows.area)
    new = replace(rows, xywh=freeze(cut), area=freeze(area))
    return _with_rows(table, new), loss_of_rows(table, changed, "boxes", "clipped to the image")


def drop_invalid_boxes(table: Table) -> tuple[Table, list[Loss]]:
    """The table without boxes that have no area or lie wholly outside their image, and how many there were."""
    rows = _rows(table)
    sizes = np.ones((len(table.images), 2)) if table.units == "normalised" else table.images.sizes
    sizes = np.where(np.isnan(sizes), np.inf, sizes)[rows.image_index]
    low, high = rows.xywh[:, :2], rows.xywh[:, :2] + rows.xywh[:, 2:]
    empty = (rows.xywh[:, 2:] <= 0).any(axis=1)
    outside = ~empty & ((high <= 0) | (low >= sizes)).any(axis=1)
    kept = np.flatnonzero(~(empty | outside))
    losses = [
        *loss_of_rows(table, np.flatnonzero(empty), "boxes without area", "dropped"),
        *loss_of_rows(table, np.flatnonzero(outside), "boxes wholly outside", "dropped"),
    ]
    return _with_rows(table, rows.take(kept)), losses


def _rows(table: Table) -> Any:
    return table.annotations if isinstance(table, Dataset) else table


def _with_rows(table: Table, rows: Any) -> Table:
    return replace(table, annotations=rows) if isinstance(table, Dataset) else rows
