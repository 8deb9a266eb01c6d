"""Evaluate aligned or unaligned tables under a protocol: the one function the other rooms call."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from detkit.evaluation.align import Aligned
from detkit.evaluation.dropped import dropped_findings
from detkit.evaluation.engine import score
from detkit.evaluation.federated import unused_labels
from detkit.evaluation.images import unpredicted_images
from detkit.evaluation.misread import misread_findings
from detkit.evaluation.oriented import oriented_findings
from detkit.evaluation.protocols import Protocol
from detkit.evaluation.quirks import reference_findings
from detkit.evaluation.reading import boxes_of_outlines, ignored_truths, read_truth
from detkit.evaluation.result import (
    Coverage,
    Evaluation,
    count_bands,
    count_operating_points,
    metric_rows,
    metric_value,
    summarize_classes,
)
from detkit.evaluation.shift import class_mismatch, looks_wrong, mismatch_findings
from detkit.findings import Finding

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
    given, detections = aligned.truth, aligned.detections
    truth, protocol = read_truth(given, protocol)
    findings = [*given.findings, *detections.findings, *aligned.findings]
    findings += misread_findings(given, detections)
    findings += reference_findings(given, protocol)
    findings += boxes_of_outlines(detections, protocol)
    findings += oriented_findings(given, detections, protocol)
    findings += unused_labels(given, protocol)
    findings += dropped_findings(given, protocol)
    counts = {"outside_truth": aligned.outside, "unmapped": aligned.unmapped}
    if protocol.score_threshold is not None:
        kept = detections.score >= protocol.score_threshold
        counts["below_score_threshold"] = int(np.count_nonzero(~kept))
        detections = detections.take(kept)
    scored = score(truth, detections, protocol, jobs=jobs, with_partners=with_partners)
    counts["beyond_max_detections"] = scored.layout.cut
    counts |= scored.layout.left_out
    findings += ignored_truths(truth)
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
    mismatch: list[Finding] = []
    if aligned.classes_by != "name":
        mismatch = mismatch_findings(class_mismatch(result), by_id=aligned.classes_by == "id")
    if not mismatch and looks_wrong(result):
        from detkit.evaluation.encounters import encounter_findings, encounters_of

        met = encounters_of(truth, aligned.detections, class_wise=protocol.class_wise)
        mismatch = encounter_findings(met, truth, class_wise=protocol.class_wise)
    findings += mismatch
    findings += unpredicted_images(truth.images, aligned.predicted)
    return replace(result, findings=tuple(findings))
