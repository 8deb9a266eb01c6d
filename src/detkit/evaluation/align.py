"""Bring predictions to the truth's images and classes, and say how, what did not fit, and what looks wrong.

Images meet by id where both sides have ids of their own, else by file name. Classes meet by name where both have
names, else by id, else by number in the truth's order. Nothing is guessed silently: every rule that was used and
everything left over is a finding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from detkit.errors import InputError
from detkit.evaluation.classes import ClassesBy, Unmapped, match_classes
from detkit.evaluation.images import match_images, unknown_images
from detkit.findings import Finding
from detkit.ragged import freeze, is_rising
from detkit.tables import Dataset, Detections, Images

__all__ = ["Aligned", "align"]


@dataclass(frozen=True, eq=False)
class Aligned:
    """Predictions in the truth's terms.

    Parameters
    ----------
    truth : Dataset
        As given; with extra classes at the end when unmapped classes are counted.
    detections : Detections
        Only rows that are scored; positions are the truth's.
    predicted : (I,) bool
        Which truth images the predictions cover (a row, or an empty file, for them).
    outside : int
        Rows on images the truth does not have.
    unmapped : int
        Rows of classes the truth does not have.
    classes_by : {"name", "id", "position"}
        How classes met; ids and positions may be shifted.
    findings : tuple of Finding
    """

    truth: Dataset
    detections: Detections
    predicted: NDArray[np.bool_]
    outside: int
    unmapped: int
    classes_by: ClassesBy
    findings: tuple[Finding, ...]


def align(
    truth: Dataset,
    detections: Detections,
    *,
    class_map: Mapping[str, str | None] | None = None,
    unmapped: Unmapped = "ignore",
    known_elsewhere: Images | None = None,
) -> Aligned:
    """Predictions in the truth's images and classes.

    Parameters
    ----------
    truth : Dataset
    detections : Detections
    class_map : mapping of str to (str or None), optional
        Class of the predictions (name, id or number as text) -> class name of the truth, None to leave it out.
    unmapped : {"ignore", "count", "error"}
        What happens to classes the truth does not have: not scored, kept as classes without truth, or refused.
    known_elsewhere : Images, optional
        All images of the dataset that `truth` is a split of: predictions on those are not called unknown.

    Returns
    -------
    Aligned

    Raises
    ------
    CannotJudgeError
        Nothing of the predictions meets the truth.
    InputError
        Units differ, class numbers out of range, or an unmapped class under `error`.
    """
    if truth.units != detections.units:
        raise InputError(
            f"the truth is in {truth.units} and the predictions are in {detections.units} coordinates",
            hint="give the image sizes: --images DIR or --image-sizes CSV|WxH",
        )
    image_of, notes = match_images(truth.images, detections.images)
    findings = [*notes, *unknown_images(truth, detections, image_of, known_elsewhere)]
    category_of, categories, classes_by, notes = match_classes(truth, detections, class_map, unmapped)
    findings += notes
    new_image, new_class = image_of.take(detections.image_index), category_of.take(detections.category_index)
    scored = (new_image >= 0) & (new_class >= 0)
    outside = int(np.count_nonzero(new_image < 0))
    kept = detections
    if not scored.all() or not is_rising(new_image):
        rows = np.flatnonzero(scored)
        rows = rows[np.argsort(new_image[rows], kind="stable")]
        kept, new_image, new_class = detections.take(rows), new_image[rows], new_class[rows]
    aligned = replace(
        kept,
        image_index=freeze(new_image, np.int64),
        category_index=freeze(new_class, np.int64),
        images=truth.images,
        categories=categories,
    )
    predicted = np.zeros(len(truth.images), np.bool_)
    predicted[image_of[image_of >= 0]] = True
    return Aligned(
        replace(truth, categories=categories),
        aligned,
        predicted,
        outside=outside,
        unmapped=int(np.count_nonzero(~scored)) - outside,
        classes_by=classes_by,
        findings=tuple(findings),
    )
