"""How good the predictions are on parts of the data, and which parts hold the misses."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from detkit.columns import ratio
from detkit.evaluation.analyses._base import Settings, reference
from detkit.evaluation.analyses._counts import f_beta, plain
from detkit.evaluation.analyses._crossing import boxes_at
from detkit.evaluation.analyses._slice_kinds import (
    CROWDED,
    IMAGE_COUNT,
    OVERLAP,
    RELATIVE,
    SIZE,
    SMALL_SHARES,
    TRUNCATION,
    USER,
    Slice,
    image_slices,
    object_slices,
)
from detkit.evaluation.analyses._slicing import Averages, Rematching
from detkit.evaluation.analyses.thresholds import operating_point
from detkit.evaluation.result import Evaluation
from detkit.kernels.match import FALSE

__all__ = ["LEAST_TRUTHS", "SliceRow", "Slices", "analyse"]

#: A crossing of two slices with fewer truths says nothing and is not listed.
LEAST_TRUTHS = 20
#: First object count of each row of the table of recall by objects in an image.
_BY_COUNT = (1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 50, 100)


@dataclass(frozen=True)
class SliceRow:
    """Figures of one slice, counts at the operating point; undefined is None.

    Parameters
    ----------
    kind, name : str
    images : int
        Images that hold truths of the slice, or that make up the slice.
    truths : int
    ap, ap50 : float, optional
        At every score.
    tp, fn : int
    fp : int, optional
        None where a detection cannot tell whether it is of the slice; so are the three that follow.
    precision, recall, f : float, optional
    """

    kind: str
    name: str
    images: int
    truths: int
    ap: float | None
    ap50: float | None
    tp: int
    fn: int
    fp: int | None
    precision: float | None
    recall: float | None
    f: float | None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        row = {**vars(self), "AP": self.ap, "AP50": self.ap50}
        del row["ap"], row["ap50"]
        return {**row, "detections": None if self.fp is None else self.tp + self.fp}


@dataclass(frozen=True, eq=False)
class Slices:
    """Parts of the data with their figures.

    Parameters
    ----------
    score_threshold, iou_threshold, beta : float
        Of the counts.
    headline : str
        Name of the metric that stands as AP.
    overall : SliceRow
    rows : tuple of SliceRow
    crossed : tuple of SliceRow
        Objects of one slice on the images of another.
    too_small : int
        Crossings that are not listed, having fewer truths than `LEAST_TRUTHS` and more than none.
    by_count : tuple of dict
        Recall by the number of objects in an image.
    left_out : mapping of str to str
        Kinds of slices that could not be made, and why.
    listed : int
        How many failure modes are listed behind the first three.
    """

    score_threshold: float
    iou_threshold: float
    beta: float
    headline: str
    overall: SliceRow
    rows: tuple[SliceRow, ...]
    crossed: tuple[SliceRow, ...]
    too_small: int
    by_count: tuple[dict[str, Any], ...]
    left_out: Mapping[str, str]
    listed: int

    def failure_modes(self) -> list[dict[str, Any]]:
        """Small, truncated and crowded objects, then the slices that lose most against the average."""
        named = {
            (SIZE, "small"): "small",
            (TRUNCATION, "at the border"): "truncated",
            (OVERLAP, "overlapping"): "crowded",
        }
        if not any(row.kind == SIZE and row.name == "small" for row in self.rows):
            least = next((row.name for row in self.rows if row.kind == RELATIVE), "")
            named |= {(RELATIVE, least): "small"} if least in SMALL_SHARES else {}
        rows = [(row, named.get((row.kind, row.name))) for row in self.rows if row.truths]
        order = {"small": 0, "truncated": 1, "crowded": 2}
        first_rows = sorted((n for n in rows if n[1] is not None), key=lambda n: order[str(n[1])])
        others = [(row, None) for row, mode in rows if mode is None and self._excess(row) > 0]
        others.sort(key=lambda n: -self._excess(n[0]))
        return [self._loss(row, mode) for row, mode in [*first_rows, *others[: self.listed]]]

    def _excess(self, row: SliceRow) -> float:
        """Misses beyond those that the slice would have at the overall recall."""
        return row.fn - row.truths * self.overall.fn / max(1, self.overall.truths)

    def _loss(self, row: SliceRow, mode: str | None) -> dict[str, Any]:
        lost = None if row.recall is None or self.overall.recall is None else row.recall - self.overall.recall
        return {
            "mode": mode,
            "kind": row.kind,
            "name": row.name,
            "truths": row.truths,
            "missed": row.fn,
            "share_of_truths": plain(ratio(row.truths, self.overall.truths)),
            "share_of_missed": plain(ratio(row.fn, self.overall.fn)),
            "recall": row.recall,
            "against_overall": lost,
            "excess_missed": self._excess(row),
        }

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "score_threshold": self.score_threshold,
            "iou_threshold": self.iou_threshold,
            "beta": self.beta,
            "headline": self.headline,
            "crowded_overlap": CROWDED,
            "least_truths": LEAST_TRUTHS,
            "overall": self.overall.to_dict(),
            "failure_modes": self.failure_modes(),
            "slices": [row.to_dict() for row in self.rows],
            "crossed": [row.to_dict() for row in self.crossed],
            "crossed_too_small": self.too_small,
            "recall_by_count": list(self.by_count),
            "left_out": dict(self.left_out),
        }


def analyse(result: Evaluation, settings: Settings) -> Slices:
    """Figures on parts of the data.

    Counts are those of the evaluation's own matches, so that the slices of a kind add up to the whole. AP of a part of
    the images is that of scoring these images alone. AP of a part of the objects is taken as the protocol takes an area
    range: truths outside are ignored, and so are detections that match them, or that match nothing and lie outside.
    Where a detection cannot tell whether it is of the slice, recall is all that is known.

    Parameters
    ----------
    result : Evaluation
        Scored with `with_partners=True`.
    settings : Settings
        `score_threshold`, `iou_threshold`, `beta`, `slices`, `examples` and `jobs` are read.

    Returns
    -------
    Slices

    Raises
    ------
    UsageError
        The overlap threshold is none of the protocol's, the evaluation kept no partners, or a slice names an image
        that the truth does not have.
    """
    t = reference(result, settings)
    bench = _Bench(result, settings, t)
    again = Rematching(result, settings.jobs)
    of_objects, unmade = object_slices(result, bench.counted, again)
    of_images, refused = image_slices(result, bench.counted, settings.slices)
    slices = [*of_objects, *of_images]
    pairs = _crossings(slices)
    enough = [pair for pair in pairs if np.count_nonzero(pair.truths & bench.counted) >= LEAST_TRUTHS]
    too_small = sum(bool((pair.truths & bench.counted).any()) for pair in pairs) - len(enough)
    every = np.ones(len(result.truth.images), np.bool_)
    whole = Slice("overall", "all", np.ones_like(bench.counted), np.ones_like(bench.kept), every)
    with ThreadPoolExecutor(settings.jobs or os.cpu_count() or 1) as pool:
        rows = list(pool.map(bench.row, [whole, *slices, *enough]))
    return Slices(
        bench.threshold,
        result.protocol.iou_thresholds[t],
        settings.beta,
        bench.averages.headline,
        rows[0],
        tuple(rows[1 : len(slices) + 1]),
        tuple(rows[len(slices) + 1 :]),
        too_small,
        tuple(bench.by_count()),
        {**unmade, **refused},
        settings.examples,
    )


def _crossings(slices: Sequence[Slice]) -> list[Slice]:
    """Sizes on images of few and many objects, and on the user's slices."""
    by_kind: dict[str, list[Slice]] = {}
    for part in slices:
        by_kind.setdefault(part.kind, []).append(part)
    sizes = by_kind.get(SIZE) or by_kind.get(RELATIVE) or []
    others = [*by_kind.get(IMAGE_COUNT, []), *by_kind.get(USER, [])]
    return [size.within(other) for other in others for size in sizes]


class _Bench:
    """What became of every box at the operating point, counted slice by slice."""

    def __init__(self, result: Evaluation, settings: Settings, t: int) -> None:
        boxes, self.threshold = boxes_at(result, t), operating_point(result, settings)
        self.result, self.beta = result, settings.beta
        self.averages = Averages(result)
        self.counted = boxes.counts
        self.kept = result.detections.score >= self.threshold
        known = boxes.found_by >= 0
        self.found = np.zeros(len(known), np.bool_)
        self.found[known] = self.kept[boxes.found_by[known]]
        self.false = self.kept & (boxes.outcome == FALSE)

    def row(self, part: Slice) -> SliceRow:
        """The figures of one slice."""
        truths = part.truths & self.counted
        total, tp = int(np.count_nonzero(truths)), int(np.count_nonzero(truths & self.found))
        if part.images is not None:
            images = int(np.count_nonzero(part.images))
        else:
            images = len(np.unique(self.result.truth.annotations.image_index[truths]))
        ap: tuple[float | None, float | None] = (None, None)
        fp = precision = f = None
        if part.detections is not None:
            fp = int(np.count_nonzero(part.detections & self.false))
            precision, f = plain(ratio(tp, tp + fp)), plain(f_beta(tp, fp, total, self.beta))
            ap = self.averages.of(truths, images=part.images, outcomes=part.outcomes)
        recall = plain(ratio(tp, total))
        return SliceRow(part.kind, part.name, images, total, *ap, tp, total - tp, fp, precision, recall, f)

    def by_count(self) -> list[dict[str, Any]]:
        """Recall and false positives by the number of objects that an image holds."""
        images = self.result.truth.images
        gt_image = self.result.truth.annotations.image_index
        total, found, false = (
            np.bincount(image, minlength=len(images))
            for image in (
                gt_image[self.counted],
                gt_image[self.found],
                self.result.detections.image_index[self.false],
            )
        )
        bins = np.searchsorted(_BY_COUNT, total, side="right") - 1
        rows = []
        for n, first in enumerate(_BY_COUNT):
            inside = bins == n
            if inside.any():
                objects, hits = int(total[inside].sum()), int(found[inside].sum())
                rows.append(
                    {
                        "first": first,
                        "last": _BY_COUNT[n + 1] - 1 if n + 1 < len(_BY_COUNT) else None,
                        "images": int(np.count_nonzero(inside)),
                        "truths": objects,
                        "missed": objects - hits,
                        "recall": plain(ratio(hits, objects)),
                        "fp_per_image": float(false[inside].mean()),
                    }
                )
        return rows
