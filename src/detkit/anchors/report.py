"""Everything about the anchors of a dataset in one record: found, compared with those given, and assigned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.anchors.assess import Assessment, assess
from detkit.anchors.assign import Assignment, assign
from detkit.anchors.cluster import Evolution, cluster, evolve, knee, order
from detkit.anchors.levels import Levels, split_levels
from detkit.anchors.network import NetworkBoxes, network_boxes
from detkit.boxes import Resize
from detkit.errors import CannotJudgeError, UsageError
from detkit.findings import Finding
from detkit.kernels.kmeans import Metric
from detkit.tables import Dataset

__all__ = ["AnchorReport", "AnchorSettings", "design"]

#: Boxes with a side below it are named: YOLOv5 warns of them.
TINY = 3.0
DEFAULT_K = 9


@dataclass(frozen=True)
class AnchorSettings:
    """What anchors are looked for.

    Parameters
    ----------
    image_size : (width, height)
        Of the network input.
    k : int, optional
        By default as many as are given, else the knee of the sweep, else 9.
    metric : {"iou", "ratio"}
    resize : {"letterbox", "letterbox-topleft", "stretch"}
    ratio_threshold : float
    restarts, generations, seed : int
    strides : tuple of int
        Of the output levels, the finest first.
    sweep : tuple of int
        Numbers of anchors to try.
    """

    image_size: tuple[int, int]
    k: int | None = None
    metric: Metric = "iou"
    resize: Resize = "letterbox"
    ratio_threshold: float = 4.0
    restarts: int = 10
    generations: int = 0
    seed: int = 0
    strides: tuple[int, ...] = (8, 16, 32)
    sweep: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for name, least in (("restarts", 1), ("generations", 0), ("seed", 0)):
            if getattr(self, name) < least:
                raise UsageError(f"{name}: found {getattr(self, name)}, expected {least} or more")
        if self.k is not None and self.k < 1:
            raise UsageError(f"k: found {self.k}, expected 1 or more")
        if not self.ratio_threshold > 1:
            raise UsageError(f"ratio threshold: found {self.ratio_threshold:g}, expected more than 1")
        if min(self.image_size) < 1:
            raise UsageError(f"image size: found {self.image_size}, expected pixels above 0")
        if any(k < 1 for k in self.sweep) or list(self.sweep) != sorted(set(self.sweep)):
            raise UsageError("sweep: expected numbers of anchors that ascend from 1")


@dataclass(frozen=True, eq=False)
class AnchorReport:
    """Anchors of a dataset.

    Parameters
    ----------
    settings : AnchorSettings
    levels : Levels
        The anchors found, spread over the output levels.
    found : Assessment
    assignment : Assignment
    given : Assessment, optional
        Of the anchors to compare with.
    given_assignment : Assignment, optional
    evolution : Evolution, optional
    sweep : tuple of Assessment
        One for each number of anchors that was tried.
    knee : int, optional
    images, classes : int
    splits : tuple of str
        Those the images are of.
    left_out : mapping of str to int
    tiny : int
        Boxes with a side below 3 network pixels.
    findings : tuple of Finding
        Of reading.
    """

    settings: AnchorSettings
    levels: Levels
    found: Assessment
    assignment: Assignment
    given: Assessment | None
    given_assignment: Assignment | None
    evolution: Evolution | None
    sweep: tuple[Assessment, ...]
    knee: int | None
    images: int
    classes: int
    splits: tuple[str, ...]
    left_out: Mapping[str, int]
    tiny: int
    findings: tuple[Finding, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values, schema `detkit.anchors/1`."""
        settings, found = self.settings, self.found
        per_anchor = [
            {
                "width": float(anchor[0]),
                "height": float(anchor[1]),
                "stride": self.levels.strides[level],
                "boxes": int(found.best_of[n]),
                "mean_iou": None if np.isnan(found.iou_of[n]) else float(found.iou_of[n]),
            }
            for n, (anchor, level) in enumerate(zip(found.anchors, self.levels.level, strict=True))
        ]
        given = None
        if self.given is not None and self.given_assignment is not None:
            given = {**self.given.to_dict(), "assignment": self.given_assignment.to_dict()}
        evolved = self.evolution
        return {
            "schema": "detkit.anchors/1",
            **found.to_dict(),
            "per_anchor": per_anchor,
            "levels": [
                {"stride": stride, "anchors": part.tolist()}
                for stride, part in zip(self.levels.strides, self.levels.anchors, strict=True)
            ],
            "assignment": self.assignment.to_dict(),
            "given": given,
            "evolution": None
            if evolved is None
            else {"generations": evolved.generations, "before": evolved.before, "after": evolved.after},
            "sweep": None if not self.sweep else {"knee": self.knee, "rows": [_row(these) for these in self.sweep]},
            "settings": {
                "image_size": list(settings.image_size),
                "resize": settings.resize,
                "k": len(found.anchors),
                "metric": settings.metric,
                "ratio_threshold": settings.ratio_threshold,
                "restarts": settings.restarts,
                "generations": settings.generations,
                "seed": settings.seed,
                "strides": list(settings.strides),
            },
            "boxes": found.boxes,
            "images": self.images,
            "splits": list(self.splits),
            "left_out": dict(self.left_out),
            "tiny": self.tiny,
            "findings": [f.to_dict() for f in self.findings],
        }


def _row(these: Assessment) -> dict[str, Any]:
    figures = these.to_dict()
    return {"k": len(these.anchors), **{n: figures[n] for n in ("mean_best_iou", "bpr", "aat", "fitness")}}


def design(dataset: Dataset, settings: AnchorSettings, given: NDArray[np.float64] | None = None) -> AnchorReport:
    """Anchors for a dataset, and how they compare with others.

    Parameters
    ----------
    dataset : Dataset
    settings : AnchorSettings
    given : (K, 2) float64, optional
        Anchors to compare with, level by level, the smallest first.

    Returns
    -------
    AnchorReport

    Raises
    ------
    CannotJudgeError
        No box to fit anchors to.
    InputError
        Fewer distinct sizes than anchors.
    UsageError
        Anchors do not fill the levels, or the input size is no multiple of a stride.
    """
    boxes = network_boxes(dataset, settings.image_size, settings.resize)
    if not len(boxes):
        raise CannotJudgeError(_nothing(boxes), hint=_remedy(boxes))
    given_levels = None if given is None else split_levels(given, settings.strides)
    tried = {k: _cluster(boxes, settings, k) for k in settings.sweep}
    judged = tuple(assess(boxes.wh, tried[k], ratio_threshold=settings.ratio_threshold) for k in settings.sweep)
    best = knee(settings.sweep, [these.mean_best_iou for these in judged])
    k = settings.k or (len(given) if given is not None else best or DEFAULT_K)
    # Before minutes of work for nothing.
    split_levels(np.ones((k, 2)), settings.strides).grids(settings.image_size)
    anchors = tried[k] if k in tried else _cluster(boxes, settings, k)
    evolution = None
    if settings.generations:
        evolution = evolve(
            boxes.wh, anchors, settings.generations, ratio_threshold=settings.ratio_threshold, seed=settings.seed
        )
        anchors = evolution.anchors
    levels = split_levels(order(anchors), settings.strides)
    return AnchorReport(
        settings,
        levels,
        _assess(dataset, boxes, levels, settings),
        assign(boxes, levels),
        None if given_levels is None else _assess(dataset, boxes, given_levels, settings),
        None if given_levels is None else assign(boxes, given_levels),
        evolution,
        judged,
        best,
        len(dataset.images),
        len(dataset.categories),
        tuple(dataset.splits),
        boxes.left_out,
        int(np.count_nonzero((boxes.wh < TINY).any(axis=1))),
        dataset.findings,
    )


def _cluster(boxes: NetworkBoxes, settings: AnchorSettings, k: int) -> NDArray[np.float64]:
    return cluster(boxes.wh, k, metric=settings.metric, restarts=settings.restarts, seed=settings.seed)


def _assess(dataset: Dataset, boxes: NetworkBoxes, levels: Levels, settings: AnchorSettings) -> Assessment:
    return assess(
        boxes.wh,
        levels.all,
        ratio_threshold=settings.ratio_threshold,
        category_index=boxes.category_index,
        names=dataset.categories.names,
    )


def _nothing(boxes: NetworkBoxes) -> str:
    words = {"crowds": "crowds", "ignored": "ignored", "without_area": "without area"}
    words["without_image_size"] = "of images of unknown size"
    reasons: Sequence[str] = [f"{count} {words[name]}" for name, count in boxes.left_out.items() if count]
    return "no box to fit anchors to" + (f": {', '.join(reasons)} were left out" if reasons else "")


def _remedy(boxes: NetworkBoxes) -> str | None:
    if not boxes.left_out["without_image_size"]:
        return None
    return "say the sizes with --images DIR or --image-sizes 640x480"
