"""Keypoints that are counted wrongly or lie outside their image."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from detkit.checks._base import Code, Context, Fixed, changed_rows
from detkit.checks._blocks import in_blocks
from detkit.findings import Finding
from detkit.tables import Dataset, Ragged

__all__ = ["CODES", "fix", "run"]

CODES = (
    Code("DK113", "`num_keypoints` is not the number of labelled keypoints.",
         "COCO scoring leaves out persons with a count of 0.", "safe", "Counts them anew."),
    Code("DK217", "A labelled keypoint lies outside its image.",
         "It was moved, or the image was cut after labelling. Look at it."),
)  # fmt: skip


def run(dataset: Dataset, context: Context) -> Iterator[Finding]:
    """Faults of keypoints; nothing where the set has none."""
    points = dataset.annotations.keypoints
    if points is None:
        return
    stated, counted, outside = _looked_at(dataset, context, points)
    yield from context.of_rows(
        "DK113",
        (stated >= 0) & (stated != counted),
        lambda row: f"`num_keypoints` is {stated[row]}, found {counted[row]} labelled keypoints",
    )
    yield from context.of_rows(
        "DK217", outside > 0, lambda row: f"{outside[row]} of {counted[row]} labelled keypoints outside the image"
    )


def fix(dataset: Dataset, context: Context, code: str) -> Fixed:
    """Counts that fit."""
    points = dataset.annotations.keypoints
    if points is None:
        return dataset, []
    stated, counted, _ = _looked_at(dataset, context, points)
    which = (stated >= 0) & (stated != counted)
    return changed_rows(
        dataset, which, "counts of keypoints", "counted anew", num_keypoints=np.where(which, counted, stated)
    )


def _looked_at(dataset: Dataset, context: Context, points: Ragged) -> tuple[NDArray[np.int64], ...]:
    """(stated count or -1, labelled keypoints, those outside) of each row."""
    rows = dataset.annotations
    slack = 1.0 if dataset.units == "pixels" else 1e-6

    def look(part: slice) -> tuple[NDArray[np.int64], ...]:
        offsets = points.offsets[part.start : part.stop + 1]
        lengths, own = np.diff(offsets), points.values[offsets[0] : offsets[-1]]
        owner = np.repeat(np.arange(len(lengths)), lengths)
        labelled = own[:, 2] > 0
        size = context.geometry.sizes_of(part)[owner]
        beyond = labelled & ((own[:, :2] < -slack) | (own[:, :2] > size + slack)).any(axis=1)
        counted = np.bincount(owner[labelled], minlength=len(lengths))
        stated = np.full(len(lengths), -1) if rows.num_keypoints is None else rows.num_keypoints[part]
        return np.where(lengths > 0, stated, -1), counted, np.bincount(owner[beyond], minlength=len(lengths))

    return in_blocks(len(rows), look)
