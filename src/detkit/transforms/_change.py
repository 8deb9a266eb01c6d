"""What a transform of a dataset returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.evaluation.images import image_label
from detkit.findings import Finding, Loss
from detkit.tables import Dataset, Detections, Images

__all__ = ["Change", "loss_of_images", "loss_of_rows"]


@dataclass(frozen=True, eq=False)
class Change:
    """A dataset after a transform, and what that did.

    Parameters
    ----------
    dataset : Dataset
    losses : tuple of Loss
        What was left out or altered, counted.
    findings : tuple of Finding
    details : mapping
        Figures for the report, plain values.
    """

    dataset: Dataset
    losses: tuple[Loss, ...] = ()
    findings: tuple[Finding, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)


def loss_of_images(images: Images, index: Sequence[int] | NDArray[np.int64], what: str, action: str) -> list[Loss]:
    """One loss that counts these images, none where there are none."""
    if not len(index):
        return []
    return [Loss(what, action, len(index), tuple(image_label(images, int(i)) for i in index[:3]))]


def loss_of_rows(table: Dataset | Detections, rows: NDArray[np.int64], what: str, action: str) -> list[Loss]:
    """One loss that counts these boxes, with the first images they are in."""
    if not len(rows):
        return []
    image_index = (table.annotations if isinstance(table, Dataset) else table).image_index
    places = dict.fromkeys(image_index[rows[:12]].tolist())
    return [Loss(what, action, len(rows), tuple(image_label(table.images, i) for i in places)[:3])]
