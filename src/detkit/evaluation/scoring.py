"""Evaluate aligned or unaligned tables under a protocol: the one function the other rooms call."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from detkit.errors import CannotJudgeError, UsageError
from detkit.evaluation.align import Aligned
from detkit.evaluation.dropped import dropped_findings
from detkit.evaluation.engine import score
from detkit.evaluation.federated import as_read, unused_labels
from detkit.evaluation.misread import misread_findings
from detkit.evaluation.oriented import oriented_findings
from detkit.evaluation.protocols import AreaRange, Protocol
from detkit.evaluation.quirks import as_reference_reads, reference_findings
from detkit.evaluation.result import (
    Coverage,
    Evaluation,
    count_bands,
    count_operating_points,
    metric_rows,
    metric_value,
    summarize_classes,
)
from detkit.evaluation.shift import class_mismatch
from detkit.findings import Finding
from detkit.tables import Dataset, Detections, freeze

__all__ = ["evaluate"]


def evaluate(
    aligned: Aligned, protocol: Protocol, *, jobs: int | None = None, with_partners: bool = False
) -> Evaluation:
    """Metrics of aligned predictions under a protocol.

    Parameters
    ----------
    aligned : Aligned
        From `detkit.evaluation.align.align`.
    protocol : Protocol
    jobs : int, optional
        Threads; by default one a processor.
    with_partners : bool
        Keep every detection's partner at every area range and threshold.

    Returns
    -------
    Evaluation

    Raises
    ------
    CannotJudgeError
        The truth holds no image, or class numbers without names are in another order than its classes.
    InputError
        The protocol compares masks or keypoints that are not there.
    """
    truth, detections = aligned.truth, aligned.detections
    if not len(truth.images):
        raise CannotJudgeError("the truth has no images: there is nothing to score")
    findings = [*truth.findings, *detections.findings, *aligned.findings]
    findings += misread_findings(truth, detections)
    findings += reference_findings(truth, protocol)
    findings += _boxes_of_outlines(detections, protocol)
    findings += oriented_findings(truth, detections, protocol)
    findings += unused_labels(truth, protocol)
    findings += dropped_findings(truth, protocol)
    truth = as_read(_counted_keypoints(truth, protocol), protocol)
    if protocol.strict_parity:
        truth = as_reference_reads(truth)
    counts = {"outside_truth": aligned.outside, "unmapped": aligned.unmapped}
    if protocol.score_threshold is not None:
        kept = detections.score >= protocol.score_threshold
        counts["below_score_threshold"] = int(np.count_nonzero(~kept))
        detections = detections.take(kept)
    protocol = _fitting(protocol, truth)
    scored = score(truth, detections, protocol, jobs=jobs, with_partners=with_partners)
    counts["beyond_max_detections"] = scored.layout.cut
    counts |= scored.layout.left_out
    findings += _ignored(truth)
    rows = metric_rows(protocol)
    result = Evaluation(
        protocol=protocol,
        metrics={row.name: metric_value(row, protocol, scored) for row in rows},
        per_class=summarize_classes(protocol, scored, truth),
        bands=count_bands(protocol, scored),
        operating_points=count_operating_points(protocol, scored, detections),
        coverage=Coverage(len(truth.images), int(aligned.predicted.sum())),
        findings=(),
        scored=scored,
        truth=truth,
        detections=detections,
        counts=counts,
        truth_source=truth.source,
        detections_source=detections.source,
    )
    findings += _misread_classes(result, aligned.classes_by)
    if not aligned.predicted.all():
        missing = np.flatnonzero(~aligned.predicted)
        first = truth.images.file_names[missing[0]] or str(truth.images.ids[missing[0]])
        message = f"{len(missing)} of {len(truth.images)} truth images have no predictions (first: `{first}`)"
        findings.append(Finding("DK705", message, count=len(missing)))
    return replace(result, findings=tuple(findings))


def _boxes_of_outlines(detections: Detections, protocol: Protocol) -> list[Finding]:
    if protocol.iou_type != "bbox" or detections.has_boxes:
        return []
    message = "the predictions state no boxes: the bounds of their outlines are scored (--iou-type segm or keypoints)"
    return [Finding("DK206", message, count=len(detections))]


def _misread_classes(result: Evaluation, classes_by: str) -> list[Finding]:
    """A shift of class ids as a finding; class numbers in another order than the truth's are not judged at all."""
    if classes_by == "name" or not result.protocol.class_wise:
        return []
    mismatch = class_mismatch(result)
    if mismatch is None or (classes_by == "id" and mismatch.shift is None):
        return []
    if classes_by == "position":
        raise CannotJudgeError(
            f"class numbers without names do not seem to follow the truth's class list: {mismatch}",
            hint="name the classes of the predictions with `--names FILE`",
        )
    return [Finding("DK703", f"class ids look shifted: {mismatch}")]


def _fitting(protocol: Protocol, truth: Dataset) -> Protocol:
    """The protocol with what the truth's units allow: sizes mean nothing in shares of an image."""
    if protocol.at_image_size is not None and np.isnan(truth.images.sizes).any():
        raise UsageError("areas at an image size need the size of every image (--images DIR or --image-sizes)")
    if truth.units == "normalised":
        return replace(protocol, area_ranges=(AreaRange("all", 0.0, float("inf")),))
    return protocol


def _counted_keypoints(truth: Dataset, protocol: Protocol) -> Dataset:
    """With `num_keypoints` filled in where the source does not state it: the labelled ones are counted."""
    rows = truth.annotations
    if protocol.iou_type != "keypoints" or rows.keypoints is None:
        return truth
    labelled = np.zeros(len(rows.keypoints.values) + 1, np.int64)
    if len(rows.keypoints.values):
        np.cumsum(rows.keypoints.values[:, 2] > 0, out=labelled[1:])
    counted = labelled[rows.keypoints.offsets[1:]] - labelled[rows.keypoints.offsets[:-1]]
    stated = counted if rows.num_keypoints is None else np.where(rows.num_keypoints < 0, counted, rows.num_keypoints)
    return replace(truth, annotations=replace(rows, num_keypoints=freeze(stated, np.int64)))


def _ignored(truth: Dataset) -> list[Finding]:
    count = int(np.count_nonzero(truth.annotations.is_ignored))
    if not count:
        return []
    return [Finding("DK707", f"{count} difficult (ignored) truths are not scored", count=count)]
