"""What differs between two versions of a labelled dataset: images, classes, boxes; and how far they agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from detkit.errors import UsageError
from detkit.evaluation.datasets.agreement import agreement_of
from detkit.evaluation.datasets.changes import Changes, changes_of
from detkit.evaluation.datasets.counts import box_counts, class_changes_of, per_class, reclassified
from detkit.evaluation.datasets.images import changed_images, image_counts
from detkit.evaluation.datasets.pairs import Pairs, is_oriented, pair_boxes, with_renamed
from detkit.evaluation.datasets.versions import Versions, meet
from detkit.findings import Finding
from detkit.tables import Dataset

__all__ = ["DatasetDifferences", "compare_datasets"]

#: Below this many pixels (or this share of an image) an edge did not move: formats write that many decimals.
_TOLERANCES = {"pixels": 0.01, "normalised": 1e-5}


@dataclass(frozen=True, eq=False)
class DatasetDifferences:
    """What differs between versions A and B of a dataset.

    Parameters
    ----------
    a, b : mapping
        `path` and `format` of each.
    iou_threshold, tolerance : float
        A pair needs IoU >= the one; edges that moved by no more than the other did not move.
    units : {"pixels", "normalised"}
    images, boxes, classes : mapping of str to int
        Counts.
    flags : mapping of str to int
        Flag or attribute -> pairs that state different values.
    agreement : mapping of str to (float or None)
    reclassified : tuple of mapping
        `from`, `to`, `boxes`; most boxes first.
    class_changes : mapping of str to list
        `added`, `removed` (names), `renamed` (from, to, boxes), `renumbered` (name, a, b).
    per_class : tuple of mapping
        In the order of A's classes, then those that B adds; without classes that have no box.
    image_changes : mapping of str to list
        `added`, `removed` (file names), `changed` (what of each, most changes first).
    findings : tuple of Finding
    versions, pairs, changes
        What all this was counted from, for `listing`.
    """

    a: Mapping[str, Any]
    b: Mapping[str, Any]
    iou_threshold: float
    tolerance: float
    units: str
    images: Mapping[str, int]
    boxes: Mapping[str, int]
    classes: Mapping[str, int]
    flags: Mapping[str, int]
    agreement: Mapping[str, float | None]
    reclassified: tuple[Mapping[str, Any], ...]
    class_changes: Mapping[str, list[Any]]
    per_class: tuple[Mapping[str, Any], ...]
    image_changes: Mapping[str, list[Any]]
    findings: tuple[Finding, ...]
    versions: Versions
    pairs: Pairs
    changes: Changes

    def to_dict(self) -> dict[str, Any]:
        """Plain values, schema `detkit.dataset_diff/1`."""
        return {
            "schema": "detkit.dataset_diff/1",
            "a": dict(self.a),
            "b": dict(self.b),
            "iou_threshold": self.iou_threshold,
            "tolerance": self.tolerance,
            "units": self.units,
            "images": dict(self.images),
            "boxes": dict(self.boxes),
            "classes": dict(self.classes),
            "flags": dict(self.flags),
            "agreement": dict(self.agreement),
            "reclassified": [dict(row) for row in self.reclassified],
            "class_changes": dict(self.class_changes),
            "per_class": [dict(row) for row in self.per_class],
            "image_changes": dict(self.image_changes),
            "findings": [finding.to_dict() for finding in self.findings],
        }


def compare_datasets(
    a: Dataset,
    b: Dataset,
    *,
    iou_threshold: float = 0.5,
    tolerance: float | None = None,
    jobs: int | None = None,
) -> DatasetDifferences:
    """What differs between two versions of a dataset.

    Parameters
    ----------
    a, b : Dataset
        Before and after.
    iou_threshold : float
        Two boxes are one from this IoU on; see `detkit.evaluation.datasets.pairs.pair_boxes`.
    tolerance : float, optional
        Edges and points that moved by no more did not move; by default 0.01 pixels, or 0.00001 of an image.
    jobs : int, optional
        Threads; by default one a processor.

    Returns
    -------
    DatasetDifferences

    Raises
    ------
    UsageError
        A threshold or tolerance out of range.
    CannotJudgeError
        They have no image in common.
    InputError
        Units differ.
    """
    if not 0 < iou_threshold <= 1:
        raise UsageError(f"iou threshold is {iou_threshold:g}, expected more than 0 and up to 1")
    versions = meet(a, b)
    units = a.units if len(a.annotations) else b.units
    tolerance = _TOLERANCES[units] if tolerance is None else tolerance
    if not 0 <= tolerance < np.inf:
        raise UsageError(f"tolerance is {tolerance:g}, expected 0 or more")
    pairs = pair_boxes(versions, iou_threshold)
    united, renamed = with_renamed(versions, pairs)
    if renamed:
        pairs = pair_boxes(united, iou_threshold)
    changes = changes_of(united, pairs, tolerance)
    agreement = agreement_of(united, pairs, jobs=jobs)
    class_changes = class_changes_of(versions, renamed)
    image_changes = changed_images(united, pairs, changes)
    return DatasetDifferences(
        a=_source(a, "A"),
        b=_source(b, "B"),
        iou_threshold=iou_threshold,
        tolerance=tolerance,
        units=units,
        images=image_counts(united, image_changes),
        boxes=box_counts(united, pairs, changes),
        classes={
            "a": len(a.categories),
            "b": len(b.categories),
            **{name: len(rows) for name, rows in class_changes.items()},
        },
        flags={name: int(np.count_nonzero(mark)) for name, mark in changes.flags.items()},
        agreement=agreement.figures,
        reclassified=reclassified(united, pairs),
        class_changes=class_changes,
        per_class=per_class(united, pairs, changes, agreement),
        image_changes=image_changes,
        findings=tuple(dict.fromkeys((*united.findings, *changes.findings, *_upright(a, b)))),
        versions=united,
        pairs=pairs,
        changes=changes,
    )


def _source(dataset: Dataset, otherwise: str) -> dict[str, Any]:
    if dataset.source is None:
        return {"path": otherwise, "format": None, "sha256": None}
    return {"path": dataset.source.path, "format": dataset.source.format, "sha256": dataset.source.sha256 or None}


def _upright(a: Dataset, b: Dataset) -> list[Finding]:
    if is_oriented(a) == is_oriented(b):
        return []
    return [Finding("DK110", "only one version has oriented boxes: the boxes around them are compared")]
