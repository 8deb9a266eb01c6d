"""Where pycocotools answers otherwise than its own rules say, and how to answer the same when asked to.

By default the result is the correct one and a finding names the difference; `strict_parity` reproduces it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from detkit.evaluation.cells import order_of_ids
from detkit.evaluation.protocols import Protocol
from detkit.findings import Finding
from detkit.tables import Dataset, freeze
from detkit.wording import plural

__all__ = ["as_reference_reads", "reference_findings", "unheeded_ignores"]


def reference_findings(truth: Dataset, protocol: Protocol) -> list[Finding]:
    """Findings `DK706` for each quirk of the reference that this truth meets, and `DK109` where `ignore` is not heeded.

    Parameters
    ----------
    truth : Dataset
    protocol : Protocol
        Only protocols matched greedily, as COCO is, have this reference.

    Returns
    -------
    list of Finding
    """
    findings = [] if protocol.crowds_are_objects else unheeded_ignores(truth)
    if protocol.match_rule != "greedy" or not len(truth.annotations) or not truth.images.has_own_ids:
        return findings
    tail = "reproduced here (--strict-parity)" if protocol.strict_parity else "pycocotools answers otherwise"
    ids = truth.annotations.ids
    zero = int(np.count_nonzero(ids == 0))
    if zero:
        counted = plural(zero, "truth has", "truths have")
        message = f"{counted} annotation id 0, which pycocotools takes for unmatched: {tail}"
        findings.append(Finding("DK706", message, annotation=0, count=zero))
    ordered = np.sort(ids, kind="stable") if ids.dtype != object else ids
    distinct = int(np.count_nonzero(np.diff(ordered))) + 1 if ids.dtype != object else len(set(ids.tolist()))
    if distinct < len(ids):
        repeated = len(ids) - distinct
        counted = plural(repeated, "annotation id repeats", "annotation ids repeat")
        message = f"{counted}, of which pycocotools keeps the last: {tail}"
        findings.append(Finding("DK706", message, count=repeated))
    wanted = {row.named_cap for row in protocol.metrics if row.named_cap is not None}
    missing = wanted - set(protocol.max_detections)
    if missing:
        caps = ", ".join(map(str, sorted(missing)))
        message = (
            f"AP is taken at the largest cap {protocol.max_detections[-1]}; pycocotools looks for {caps} and gives -1"
        )
        findings.append(Finding("DK706", message))
    third = {row.parity_cap for row in protocol.metrics if row.parity_cap is not None}
    if third and len(protocol.max_detections) > max(third) + 1:
        message = f"sizes and single overlaps are taken at the largest cap, in pycocotools at the third one: {tail}"
        findings.append(Finding("DK706", message))
    if protocol.iou_type == "keypoints" and not protocol.class_wise:
        message = f"keypoints without regard to class, for which pycocotools matches nothing: {tail}"
        findings.append(Finding("DK706", message))
    return findings


def unheeded_ignores(truth: Dataset) -> list[Finding]:
    """A finding `DK109` on rows whose source states `ignore`, where that is not heeded.

    Parameters
    ----------
    truth : Dataset
        With the field among `Annotations.extra`, where COCO's reader leaves it.

    Returns
    -------
    list of Finding
        At most one. Rows that are ignored anyway, or crowds, are not counted.
    """
    rows = truth.annotations
    stated = [row for row, fields in rows.extra.items() if fields.get("ignore")]
    count = int(np.count_nonzero(~(rows.is_ignored | rows.is_crowd)[stated])) if stated else 0
    if not count:
        return []
    path = None if truth.source is None else truth.source.path
    return [Finding("DK109", "`ignore` is overwritten by `iscrowd`, as in pycocotools", file=path, count=count)]


def as_reference_reads(truth: Dataset) -> Dataset:
    """The truth with repeated annotation ids as pycocotools sees them: each stands for the last of its records.

    Source: pycocotools 2.0.11, coco.py, createIndex and loadAnns: records are looked up by id, image by image.
    """
    rows = truth.annotations
    ids = rows.ids.tolist()
    if len(set(ids)) == len(ids):
        return truth
    by_file_order = np.argsort(rows.source_row, kind="stable")
    last = {ids[i]: int(i) for i in by_file_order}
    place = np.empty(len(truth.images), np.int64)
    place[order_of_ids(truth.images.ids)] = np.arange(len(truth.images))
    walk = np.argsort(place[rows.image_index], kind="stable")
    seen = np.array([last[ids[i]] for i in walk], dtype=np.int64)
    seen = seen[np.argsort(rows.image_index[seen], kind="stable")]
    annotations = rows.take(seen)
    return replace(truth, annotations=replace(annotations, source_row=freeze(np.arange(len(seen)))))
