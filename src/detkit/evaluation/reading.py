"""What a protocol makes of a truth before anything is matched, and what is to be said of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from detkit.errors import CannotJudgeError, UsageError
from detkit.evaluation.federated import as_read
from detkit.evaluation.protocols import AreaRange, Protocol
from detkit.evaluation.quirks import as_reference_reads
from detkit.findings import Finding
from detkit.tables import Dataset, Detections, freeze

__all__ = ["boxes_of_outlines", "ignored_truths", "read_truth"]


def read_truth(truth: Dataset, protocol: Protocol) -> tuple[Dataset, Protocol]:
    """The truth as the protocol reads it, and the protocol with what the truth's units allow.

    Keypoints are counted where the source does not count them; crowds, ignored boxes and groups are what the protocol
    takes them for; under `strict_parity` records are those that the reference sees.

    Parameters
    ----------
    truth : Dataset
    protocol : Protocol

    Returns
    -------
    Dataset, Protocol

    Raises
    ------
    CannotJudgeError
        The truth holds no image.
    InputError
        The protocol needs the images' lists of class ids, and they are missing.
    UsageError
        Areas are to be scaled to an image size, and the size of an image is unknown.
    """
    if not len(truth.images):
        raise CannotJudgeError("the truth has no images: there is nothing to score")
    truth = as_read(_counted_keypoints(truth, protocol), protocol)
    if protocol.strict_parity:
        truth = as_reference_reads(truth)
    return truth, _fitting(protocol, truth)


def boxes_of_outlines(detections: Detections, protocol: Protocol) -> list[Finding]:
    """A finding `DK206` where boxes are scored that the predictions do not state.

    Parameters
    ----------
    detections : Detections
    protocol : Protocol

    Returns
    -------
    list of Finding
    """
    if protocol.iou_type != "bbox" or detections.has_boxes:
        return []
    message = "the predictions state no boxes: the bounds of their outlines are scored (--iou-type segm or keypoints)"
    return [Finding("DK206", message, count=len(detections))]


def ignored_truths(truth: Dataset) -> list[Finding]:
    """A finding `DK707` that counts the truths that are ignored, none where there are none.

    Parameters
    ----------
    truth : Dataset
        As the protocol reads it.

    Returns
    -------
    list of Finding
    """
    count = int(np.count_nonzero(truth.annotations.is_ignored))
    if not count:
        return []
    return [Finding("DK707", f"{count} difficult (ignored) truths are not scored", count=count)]


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
