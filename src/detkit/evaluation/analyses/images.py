"""Which images hold the most errors: true and false positives and misses of every image at the operating point."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.evaluation.analyses._base import Settings, reference
from detkit.evaluation.analyses.thresholds import operating_point
from detkit.evaluation.result import Evaluation
from detkit.kernels.match import FALSE, TRUE
from detkit.ragged import python_value

__all__ = ["ImageErrors", "analyse"]


@dataclass(frozen=True, eq=False)
class ImageErrors:
    """Counts per image, in the truth's image order.

    Parameters
    ----------
    ids : (I,) int64 or object
    file_names : tuple of str
    tp, fp, fn : (I,) int64
        At `score_threshold` and `iou_threshold`, all classes and areas.
    score_threshold, iou_threshold : float
    examples : int
        How many of the worst images `to_dict` names.
    """

    ids: NDArray[Any]
    file_names: tuple[str, ...]
    tp: NDArray[np.int64]
    fp: NDArray[np.int64]
    fn: NDArray[np.int64]
    score_threshold: float
    iou_threshold: float
    examples: int

    @property
    def worst(self) -> NDArray[np.int64]:
        """Image positions, most false positives and misses first; ties: fewer hits, then the truth's order."""
        errors = self.fp + self.fn
        order = np.lexsort((np.arange(len(errors)), self.tp, -errors))
        return order[errors[order] > 0]

    def to_dict(self) -> dict[str, Any]:
        """Plain values: the worst images, and how many images have how many errors."""
        errors = self.fp + self.fn
        worst = self.worst
        return {
            "score_threshold": self.score_threshold,
            "iou_threshold": self.iou_threshold,
            "images": len(self.tp),
            "without_errors": int(np.count_nonzero(errors == 0)),
            "errors": int(errors.sum()),
            "half_of_errors_on": _images_for_half(errors),
            "worst": [
                {
                    "image_id": python_value(self.ids[i]),
                    "file_name": self.file_names[i],
                    "tp": int(self.tp[i]),
                    "fp": int(self.fp[i]),
                    "fn": int(self.fn[i]),
                }
                for i in worst[: self.examples].tolist()
            ],
            "listed": min(len(worst), self.examples),
            "with_errors": len(worst),
        }


def analyse(result: Evaluation, settings: Settings) -> ImageErrors:
    """Errors of every image.

    Parameters
    ----------
    result : Evaluation
    settings : Settings
        Its operating point and overlap, and how many images are named.

    Returns
    -------
    ImageErrors
    """
    t, low = reference(result, settings), operating_point(result, settings)
    layout, images = result.scored.layout, result.truth.images
    dt_image = result.detections.image_index[layout.dt_row]
    gt_image = result.truth.annotations.image_index[layout.gt_row]
    outcome = np.concatenate([np.empty(0, np.uint8), *(m.outcome[0, t] for m in result.scored.matched)])
    ignored = np.concatenate([np.empty(0, np.bool_), *(m.gt_ignored[0] for m in result.scored.matched)])
    kept = result.detections.score[layout.dt_row] >= low
    tp = _count(dt_image[kept & (outcome == TRUE)], len(images))
    return ImageErrors(
        images.ids,
        images.file_names,
        tp,
        _count(dt_image[kept & (outcome == FALSE)], len(images)),
        _count(gt_image[~ignored], len(images)) - tp,
        low,
        result.protocol.iou_thresholds[t],
        settings.examples,
    )


def _count(index: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    return np.bincount(index, minlength=size).astype(np.int64)


def _images_for_half(errors: NDArray[np.int64]) -> int:
    """The least number of images that together hold half of all errors."""
    total = int(errors.sum())
    if not total:
        return 0
    return int(np.searchsorted(np.cumsum(np.sort(errors)[::-1]), total / 2)) + 1
