"""Single boxes as plain values, for a person to look at."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.evaluation.result import Evaluation
from detkit.ragged import python_value
from detkit.tables import Detections

__all__ = ["detection_values", "image_values", "ranks", "truth_values"]


def image_values(result: Evaluation, image: int) -> dict[str, Any]:
    """Id and file name of the image at a position of the truth.

    Parameters
    ----------
    result : Evaluation
    image : int

    Returns
    -------
    dict
        `image_id`, `file_name`.
    """
    images = result.truth.images
    return {"image_id": python_value(images.ids[image]), "file_name": images.file_names[image]}


def truth_values(result: Evaluation, row: int) -> dict[str, Any]:
    """Id and box of a truth, None for row -1.

    Parameters
    ----------
    result : Evaluation
    row : int

    Returns
    -------
    dict
        `truth_id`, `truth_box` (xywh in the units of the truth).
    """
    if row < 0:
        return {"truth_id": None, "truth_box": None}
    rows = result.truth.annotations
    return {"truth_id": python_value(rows.ids[row]), "truth_box": rows.xywh[row].tolist()}


def detection_values(detections: Detections, row: int) -> dict[str, Any]:
    """Box and score of a detection, None for row -1.

    Parameters
    ----------
    detections : Detections
    row : int

    Returns
    -------
    dict
        `box` (xywh), `score`, `row` (of the source file).
    """
    if row < 0:
        return {"box": None, "score": None, "row": None}
    return {
        "box": detections.xywh[row].tolist(),
        "score": float(detections.score[row]),
        "row": int(detections.source_row[row]),
    }


def ranks(group: NDArray[np.int64]) -> NDArray[np.int64]:
    """Position of each entry within its run of equal groups.

    Parameters
    ----------
    group : (N,) int64
        Equal ones stand together.

    Returns
    -------
    (N,) int64
    """
    if not len(group):
        return np.empty(0, np.int64)
    starts = np.flatnonzero(np.concatenate([[True], group[1:] != group[:-1]]))
    return np.arange(len(group)) - np.repeat(starts, np.diff(np.append(starts, len(group))))
