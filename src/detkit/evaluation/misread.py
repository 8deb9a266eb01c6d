"""Predictions whose boxes mean something else than x, y, width, height in pixels, or that stand there twice.

Nothing is corrected: boxes are scored as they are read, and a finding says what they look like. What is normal is told
from all rows at once, or from counts of all shards, and in a few milliseconds for half a million rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.columns import alike, repeats, row_hashes
from detkit.findings import Finding
from detkit.tables import Dataset, Detections

__all__ = ["RowCounts", "findings_of", "misread_findings", "row_counts"]

#: Fewer rows say nothing about how a file was written.
_FEWEST = 10
#: Shares that stick out of the image are still shares.
_LARGEST_SHARE = 1.5
#: An image whose boxes may well be this small, in pixels.
_SMALL_IMAGE = 16.0
#: Share of the rows that make sense as shares or corners, and of those that leave their image when read as sizes.
_MAKE_SENSE, _OVERFLOW = 0.999, 0.2
#: Images whose best rows are laid on the truth, and how many more of them have to meet it as corners.
_MET, _MORE = 512, 1.5
#: Share of rows that repeat another one, and images that are looked at first.
_REPEATED, _SAMPLE = 0.4, 64


@dataclass(frozen=True)
class RowCounts:
    """What tells how rows were written, as counts that add up over shards of other images.

    Parameters
    ----------
    rows : int
    is_pixels : bool
        Whether there are boxes, in pixels.
    largest : float
        Largest of all x, y, width and height.
    within : int
        Rows that may be shares of their image; counted where all boxes are small.
    is_unsized : bool
        Whether the size of a predicted image is unknown.
    reach : float
        How far pixels go: shortest side of the predicted images, or largest truth where a size is unknown.
    ordered, inside, outside : int
        Rows whose width and height are no smaller than x and y; that are inside their image as corners besides; that
        leave it as they are read.
    met, met_as_corners : int
        The best rows of some images that lie on a truth, as they are read and read as corners.
    sampled, sampled_copies : int
        Rows of some images of the truth, and how many of them repeat another one.
    copies : int
        Rows that repeat another one.
    """

    rows: int = 0
    is_pixels: bool = False
    largest: float = 0.0
    within: int = 0
    is_unsized: bool = False
    reach: float = 0.0
    ordered: int = 0
    inside: int = 0
    outside: int = 0
    met: int = 0
    met_as_corners: int = 0
    sampled: int = 0
    sampled_copies: int = 0
    copies: int = 0

    @classmethod
    def joined(cls, parts: Sequence[RowCounts]) -> RowCounts:
        """The counts of all parts together."""
        own = [part for part in parts if part.rows]
        if not own:
            return cls()
        added = ["rows", "within", "ordered", "inside", "outside", "met", "met_as_corners"]
        added += ["sampled", "sampled_copies", "copies"]
        is_unsized = any(part.is_unsized for part in own)
        return cls(
            is_pixels=own[0].is_pixels,
            largest=max(part.largest for part in own),
            is_unsized=is_unsized,
            reach=min(part.reach for part in own if part.is_unsized == is_unsized),
            **{name: sum(getattr(part, name) for part in own) for name in added},
        )


class _Rows:
    """The same of rows that are at hand, each counted when it is asked for."""

    def __init__(self, truth: Dataset, detections: Detections) -> None:
        self.truth, self.detections = truth, detections
        self.rows = len(detections)
        self.is_pixels = detections.has_boxes and detections.units == "pixels"

    @cached_property
    def largest(self) -> float:
        return float(self.detections.xywh.max())

    @cached_property
    def within(self) -> int:
        if self.largest >= _SMALL_IMAGE:
            return 0
        return int(np.count_nonzero((self.detections.xywh <= _LARGEST_SHARE).all(axis=1)))

    @cached_property
    def _sizes(self) -> NDArray[np.float64]:
        return self.truth.images.sizes[np.unique(self.detections.image_index)]

    @cached_property
    def is_unsized(self) -> bool:
        return bool(np.isnan(self._sizes).any())

    @cached_property
    def reach(self) -> float:
        if self.truth.units != "pixels":
            return 0.0
        return float(self.truth.annotations.xywh.max(initial=0.0) if self.is_unsized else self._sizes.min())

    @cached_property
    def _is_ordered(self) -> NDArray[np.bool_]:
        xywh = self.detections.xywh
        return (xywh[:, 2] >= xywh[:, 0]) & (xywh[:, 3] >= xywh[:, 1])

    @cached_property
    def ordered(self) -> int:
        return int(np.count_nonzero(self._is_ordered))

    @cached_property
    def _limits(self) -> NDArray[np.float64]:
        return (self.truth.images.sizes * 1.02 + 1)[self.detections.image_index]

    @cached_property
    def inside(self) -> int:
        xywh, limits = self.detections.xywh, self._limits
        return int(np.count_nonzero(self._is_ordered & (xywh[:, 2] <= limits[:, 0]) & (xywh[:, 3] <= limits[:, 1])))

    @cached_property
    def outside(self) -> int:
        xywh, limits = self.detections.xywh, self._limits
        right, bottom = xywh[:, 0] + xywh[:, 2], xywh[:, 1] + xywh[:, 3]
        return int(np.count_nonzero((right > limits[:, 0]) | (bottom > limits[:, 1])))

    @cached_property
    def _meetings(self) -> tuple[int, int]:
        from detkit.evaluation.encounters import LEAST_IOU, best_rows, spread
        from detkit.kernels.cross import near_pairs

        table = self.truth.annotations
        held = np.diff(self.truth.offsets)
        chosen = np.flatnonzero(held)
        chosen = chosen[spread(len(chosen), _MET)]
        most = np.zeros_like(held)
        most[chosen] = held[chosen]
        starts, rows = best_rows(self.detections, most)
        read = self.detections.xywh[rows]
        with np.errstate(all="ignore"):  # what is no number meets nothing
            corners = np.hstack([read[:, :2], read[:, 2:] - read[:, :2]])
        met = (near_pairs(boxes, table.xywh, starts, self.truth.offsets, LEAST_IOU)[0] for boxes in (read, corners))
        as_read, as_corners = (len(np.unique(found)) for found in met)
        return as_read, as_corners

    @property
    def met(self) -> int:
        return self._meetings[0]

    @property
    def met_as_corners(self) -> int:
        return self._meetings[1]

    @cached_property
    def _sample(self) -> NDArray[np.int64]:
        """Rows of images that are spread over the truth: the same images in every shard."""
        images = dict.fromkeys(np.linspace(0, len(self.truth.images) - 1, _SAMPLE).astype(np.int64).tolist())
        offsets = self.detections.offsets
        return np.concatenate([np.arange(*offsets[i : i + 2]) for i in images])

    @cached_property
    def sampled(self) -> int:
        return len(self._sample)

    @cached_property
    def sampled_copies(self) -> int:
        return _copies(self.detections, self._sample)

    @cached_property
    def copies(self) -> int:
        return _copies(self.detections)


def misread_findings(truth: Dataset, detections: Detections) -> list[Finding]:
    """Findings `DK710` (shares of the image), `DK711` (corners) and `DK712` (rows that repeat).

    Parameters
    ----------
    truth : Dataset
    detections : Detections
        Aligned to the truth, boxes as they were read.

    Returns
    -------
    list of Finding
        At most one of the first two; empty below ten rows.
    """
    return findings_of(_Rows(truth, detections))


def row_counts(truth: Dataset, detections: Detections) -> RowCounts:
    """The counts of a shard, whatever the others hold; parameters as `misread_findings`."""
    rows = _Rows(truth, detections)
    if not rows.rows:
        return RowCounts()
    boxes = ["largest", "within", "is_unsized", "reach", "ordered", "inside", "outside", "met", "met_as_corners"]
    names = ["rows", "is_pixels", *(boxes if rows.is_pixels else []), "sampled", "sampled_copies", "copies"]
    return RowCounts(**{name: getattr(rows, name) for name in names})


def findings_of(rows: RowCounts | _Rows) -> list[Finding]:
    """What the counts of all rows say."""
    if rows.rows < _FEWEST:
        return []
    boxes = (_shares(rows) or _corners(rows)) if rows.is_pixels else []
    return [*boxes, *_repeated(rows)]


def _shares(rows: RowCounts | _Rows) -> list[Finding]:
    """All boxes are within the first pixel or so, and the images are not."""
    if not 0 < rows.largest < _SMALL_IMAGE or rows.within < _MAKE_SENSE * rows.rows or rows.reach < _SMALL_IMAGE:
        return []
    message = (
        f"all {rows.rows} predictions lie within {rows.largest:.4g} pixels of the image's corner: they look like "
        "shares of the image (0 to 1); they were scored as pixels: multiply x and width by the image's width, y and "
        "height by its height"
    )
    return [Finding("DK710", message, count=rows.rows)]


def _corners(rows: RowCounts | _Rows) -> list[Finding]:
    """Width and height are no smaller than x and y in all rows, and as corners the rows make more sense.

    They lie on more truths then. Where hardly any does either way, they are inside the image that x + width leaves.
    """
    if rows.ordered < _MAKE_SENSE * rows.rows:
        return []
    if max(rows.met, rows.met_as_corners) >= _FEWEST:
        if rows.met_as_corners < _MORE * rows.met:
            return []
        said = f"{rows.met} of the best predictions lie on a truth, and {rows.met_as_corners} would"
    elif rows.inside < _MAKE_SENSE * rows.rows or rows.outside < _OVERFLOW * rows.rows:
        return []
    else:
        said = f"{rows.outside} of {rows.rows} predictions leave their image, and next to none would"
    message = (
        f"{said} as left, top, right, bottom: they look like xyxy; they were scored as x, y, width, height: "
        "write `[x1, y1, x2 - x1, y2 - y1]`"
    )
    return [Finding("DK711", message, count=rows.rows)]


def _repeated(rows: RowCounts | _Rows) -> list[Finding]:
    """Nearly half of the rows or more are copies: seen on a few images first."""
    if rows.sampled_copies < _REPEATED * rows.sampled or rows.copies < _REPEATED * rows.rows:
        return []
    message = (
        f"{rows.copies} of {rows.rows} predictions repeat another one exactly (image, class, box, score): each copy "
        "is a false positive; write every prediction once"
    )
    return [Finding("DK712", message, count=rows.copies)]


def _copies(detections: Detections, rows: NDArray[np.int64] | None = None) -> int:
    """Rows that have a twin before them, of these or of all."""

    def columns(chosen: NDArray[Any] | slice) -> Iterator[NDArray[np.float64]]:
        place = detections.image_index[chosen] * len(detections.categories) + detections.category_index[chosen]
        yield place.astype(np.float64)
        # Adding zero makes -0 the same as 0.
        yield detections.score[chosen] + 0.0
        for n in range(4):
            yield detections.xywh[chosen, n] + 0.0

    chosen: NDArray[np.int64] | slice = slice(None) if rows is None else rows
    # Few numbers meet by chance: only rows that share theirs are compared.
    same = alike(row_hashes(column.view(np.uint64) for column in columns(chosen)))
    if not len(same):
        return 0
    return int(np.count_nonzero(repeats(*columns(same if rows is None else rows[same]))))
