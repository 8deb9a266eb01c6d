"""The record a protocol is, and the rows its metrics are."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from detkit.errors import UsageError

__all__ = ["UNLIMITED", "Accumulate", "AreaRange", "DropReason", "ImageLabels", "Metric", "Protocol"]

#: Why a truth may not be read at all.
DropReason = Literal["ignored", "empty", "duplicates"]

#: A cap that cuts nothing.
UNLIMITED = 2**31 - 1

#: order, score, rank, outcome, truths, caps, recall_thresholds -> precision, recall, scores
Accumulate = Callable[..., tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]]

#: (score, outcome, truths) of each class, highest score first -> precision and recall (2, K), -1 where undefined
OperatingPoint = Callable[[Sequence[tuple[NDArray[np.float64], NDArray[np.uint8], int]]], NDArray[np.float64]]


@dataclass(frozen=True)
class AreaRange:
    """A named range of object areas in square pixels, both ends inclusive."""

    name: str
    low: float
    high: float


@dataclass(frozen=True)
class Metric:
    """One reported number: which statistic, at which overlap, area range and cap.

    Parameters
    ----------
    name : str
        Key in `metrics`.
    statistic : {"AP", "AR", "P", "R"}
        `P` and `R` are precision and recall at `Protocol.operating_point`.
    iou : float, optional
        One overlap threshold; None is the mean over all.
    area : str
        Name of an area range.
    cap : int, optional
        Position in `max_detections`; -1 is the largest.
    named_cap : int, optional
        The reference looks this cap up by value and answers -1 without it (`strict_parity` only).
    parity_cap : int, optional
        The reference takes the cap at this position, whatever stands behind it (`strict_parity` only).
    group : str, optional
        Only classes whose field `Protocol.class_groups` has this value.
    """

    name: str
    statistic: Literal["AP", "AR", "P", "R"]
    iou: float | None = None
    area: str = "all"
    cap: int = -1
    named_cap: int | None = None
    parity_cap: int | None = None
    group: str | None = None


@dataclass(frozen=True)
class ImageLabels:
    """Fields of an image that list class ids: for which classes it was looked through.

    Parameters
    ----------
    absent : str
        Classes known not to be in the image.
    present : str, optional
        Classes known to be in the image, with or without boxes.
    partial : str, optional
        Classes of which not every object has a box: detections without a match count neither way.
    on_every_image : bool
        Whether each image has to have the fields, or some image any of them.
    """

    absent: str
    present: str | None = None
    partial: str | None = None
    on_every_image: bool = False

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields in use."""
        return tuple(name for name in (self.absent, self.present, self.partial) if name is not None)


@dataclass(frozen=True)
class Protocol:
    """How predictions are scored.

    Parameters
    ----------
    name : str
    iou_type : {"bbox", "segm", "keypoints", "obb"}
    iou_thresholds : tuple of float
        A match needs overlap >= threshold.
    recall_thresholds : tuple of float
        Where precision is read off (unused by areas under the whole curve).
    area_ranges : tuple of AreaRange
        The first holds everything.
    max_detections : tuple of int
        Caps per image and class (per image when not class-wise), ascending.
    cap_per : {"class", "image"}
        Whether a cap counts the detections of one class in an image or those of all classes together.
    match_rule : {"greedy", "best"}
        See `detkit.kernels.match`.
    accumulate : callable
        Outcomes in score order -> precision, recall, scores.
    metrics : tuple of Metric
        What is reported; the first is the headline.
    class_wise : bool
        False: classes are not told apart.
    crowds_match_many : bool
        Whether a crowd matches many detections over the detection's area; else it is an ignored truth.
    crowds_are_objects : bool
        A crowd is a truth like any other.
    group_of : {"count", "ignore"}, optional
        Boxes around several objects (attribute `is_group_of`, or crowds) take detections that have no truth of their
        own and lie in them by the overlap threshold, over the detection's area. `count`: the best of them is a true
        positive and the box a truth; `ignore`: neither. None: such boxes are nothing special.
    image_labels : ImageLabels, optional
        Only classes that an image was looked through for are scored there; None: every class is.
    class_groups : str, optional
        Field of a category that tells which group of classes it is of.
    drop_empty : tuple of {"detections", "truths"}
        Whose rows without area are left out.
    drop_truths : tuple of {"ignored", "empty", "duplicates"}
        Truths that are not read at all: crowds and difficult ones, those without width or height, and those that
        repeat the class and the box of another one in their image.
    operating_point : callable, optional
        Precision and recall of the classes at a score threshold of its choice, at the reference overlap: the metrics
        of statistic `P` and `R`.
    sigmas : tuple of float
        Keypoint standard deviations.
    strict_iou : bool
        A match needs overlap > threshold.
    score_threshold : float, optional
        Detections below it are left out.
    area : {"stated", "box"}
        Which truth area is held against the ranges; the box of an oriented one is its polygon.
    at_image_size : float, optional
        Areas are scaled as if each image's longer side had this many pixels.
    strict_parity : bool
        Reproduce the reference also where it is known to be wrong.
    """

    name: str
    iou_type: str
    iou_thresholds: tuple[float, ...]
    recall_thresholds: tuple[float, ...]
    area_ranges: tuple[AreaRange, ...]
    max_detections: tuple[int, ...]
    match_rule: Literal["greedy", "best"]
    accumulate: Accumulate = field(repr=False)
    metrics: tuple[Metric, ...] = ()
    class_wise: bool = True
    crowds_match_many: bool = True
    crowds_are_objects: bool = False
    group_of: Literal["count", "ignore"] | None = None
    image_labels: ImageLabels | None = None
    class_groups: str | None = None
    cap_per: Literal["class", "image"] = "class"
    drop_empty: tuple[Literal["detections", "truths"], ...] = ()
    drop_truths: tuple[DropReason, ...] = ()
    operating_point: OperatingPoint | None = field(default=None, repr=False)
    sigmas: tuple[float, ...] = ()
    strict_iou: bool = False
    score_threshold: float | None = None
    area: Literal["stated", "box"] = "stated"
    at_image_size: float | None = None
    strict_parity: bool = False

    def __post_init__(self) -> None:
        if not self.iou_thresholds or not all(0 < t <= 1 for t in self.iou_thresholds):
            raise UsageError(f"iou thresholds must lie in (0, 1], found {list(self.iou_thresholds)}")
        if list(self.iou_thresholds) != sorted(set(self.iou_thresholds)):
            raise UsageError(f"iou thresholds must ascend, found {list(self.iou_thresholds)}")
        if not self.max_detections or not all(isinstance(m, int) and m > 0 for m in self.max_detections):
            raise UsageError(f"max detections must be positive whole numbers, found {list(self.max_detections)}")
        names = [a.name for a in self.area_ranges]
        if len(set(names)) != len(names):
            raise UsageError(f"area range names must differ, found {names}")
        for a in self.area_ranges:
            if not (a.low <= a.high and not math.isnan(a.low + a.high)):
                raise UsageError(f"area range `{a.name}` is empty: {a.low} to {a.high}")
        if self.group_of is not None and (self.match_rule, self.iou_type) != ("best", "bbox"):
            raise UsageError("group-of boxes are matched over boxes by the rule `best` only")
        if self.at_image_size is not None and not 0 < self.at_image_size < math.inf:
            raise UsageError(f"image size must be a positive number of pixels, found {self.at_image_size:g}")
        if not all(0 < s < math.inf for s in self.sigmas):
            raise UsageError(f"keypoint sigmas must be positive numbers, found {list(self.sigmas)}")
        object.__setattr__(self, "max_detections", tuple(sorted(self.max_detections)))

    @property
    def reference_threshold(self) -> int:
        """Position of the threshold that single matches are reported at: 0.5 where it is one, else the first."""
        return self.iou_thresholds.index(0.5) if 0.5 in self.iou_thresholds else 0

    def matching_thresholds(self) -> NDArray[np.float64]:
        """(T,) float64: thresholds as the kernels take them, moved up by one step when `strict_iou`."""
        thresholds = np.array(self.iou_thresholds)
        return np.nextafter(thresholds, np.inf) if self.strict_iou else thresholds

    def to_dict(self) -> dict[str, Any]:
        """Every setting as plain values, for the result file; no limit is null.

        Settings that few protocols have stand there only where they are in force.
        """
        return {
            "name": self.name,
            "iou_type": self.iou_type,
            "iou_thresholds": list(self.iou_thresholds),
            "iou_comparison": ">" if self.strict_iou else ">=",
            "recall_thresholds": len(self.recall_thresholds),
            "area_ranges": {a.name: [a.low, a.high if math.isfinite(a.high) else None] for a in self.area_ranges},
            "area": self.area,
            "at_image_size": self.at_image_size,
            "max_detections": [m if m < UNLIMITED else None for m in self.max_detections],
            "match_rule": self.match_rule,
            "accumulation": self.accumulate.__name__,
            "class_wise": self.class_wise,
            "crowds_match_many": self.crowds_match_many,
            "score_threshold": self.score_threshold,
            "sigmas": list(self.sigmas) or None,
            "strict_parity": self.strict_parity,
            **self._where_in_force(),
        }

    def _where_in_force(self) -> dict[str, Any]:
        labels = self.image_labels
        settings = {
            "cap_per": None if self.cap_per == "class" else self.cap_per,
            "crowds_are_objects": self.crowds_are_objects or None,
            "group_of": self.group_of,
            "image_labels": None if labels is None else list(labels.fields),
            "class_groups": self.class_groups,
            "drop_empty": list(self.drop_empty) or None,
            "drop_truths": list(self.drop_truths) or None,
            "operating_point": None if self.operating_point is None else self.operating_point.__name__,
        }
        return {name: value for name, value in settings.items() if value is not None}
