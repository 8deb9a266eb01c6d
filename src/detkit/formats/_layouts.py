"""Column layouts of text predictions, and the decision which one a set of rows is written in.

A row is a class, a confidence (second or last) and four numbers. Nothing in the file says which four numbers they
are, so every reading is tried on all rows, impossible ones are struck out, and of the rest the one whose boxes stay
inside their images wins, if it does so clearly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from detkit import boxes
from detkit.errors import UsageError
from detkit.formats._numbers import difference

__all__ = [
    "LAYOUTS",
    "YOLO",
    "Decision",
    "Layout",
    "boxes_of",
    "decide",
    "first_beyond_shares",
    "layout_named",
    "scores_of",
]

Basis = Literal["forced", "only", "overflow", "standard", "ordered corners", "left and top", "ambiguous", "none"]

#: Shares this far outside [0, 1] still count as shares: detectors let boxes stick out.
_SHARE_SLACK = 0.5
#: Sticking out by less than this is rounding or the inclusive pixel, not evidence.
_NOISE_SHARE = 1e-3
_NOISE_PIXELS = 1.5
#: The winner's overflow is at most this part of the next one's.
_CLEAR = 0.1


@dataclass(frozen=True)
class Layout:
    """One way to read a row of text predictions.

    Parameters
    ----------
    score : {"second", "last"}
        Where the confidence stands.
    box : {"xyxy", "xywh", "cxcywh"}
        What the four coordinates are.
    relative : bool
        Shares of the image's size instead of pixels.
    """

    score: Literal["second", "last"]
    box: Literal["xyxy", "xywh", "cxcywh"]
    relative: bool

    @property
    def name(self) -> str:
        """Public name, such as `class-conf-xyxy` or `class-cxcywh-norm-conf`."""
        box = self.box + ("-norm" if self.relative else "")
        return f"class-conf-{box}" if self.score == "second" else f"class-{box}-conf"


LAYOUTS: tuple[Layout, ...] = tuple(
    Layout(score, box, relative)
    for relative in (False, True)
    for score in ("second", "last")
    for box in ("xyxy", "xywh", "cxcywh")
)
_BY_NAME = {layout.name: layout for layout in LAYOUTS}

#: What Ultralytics' `save_txt=True save_conf=True` writes.
YOLO = _BY_NAME["class-cxcywh-norm-conf"]


def layout_named(name: str) -> Layout:
    """The layout of that public name.

    Raises
    ------
    UsageError
        No such layout.
    """
    if name not in _BY_NAME:
        raise UsageError(f"unknown layout `{name}`; known: {', '.join(sorted(_BY_NAME))}")
    return _BY_NAME[name]


def scores_of(values: NDArray[np.float64], layout: Layout) -> NDArray[np.float64]:
    """Confidences, (N,) float64, of rows `values` (N, 5) float64: all numbers after the class, in file order."""
    return values[:, 0 if layout.score == "second" else 4]


def boxes_of(values: NDArray[np.float64], layout: Layout, voc_offset: int) -> NDArray[np.float64]:
    """Boxes of rows as they stand, shares or pixels.

    Parameters
    ----------
    values : (N, 5) float64
        All numbers after the class, in file order.
    layout : Layout
    voc_offset : {0, 1}
        1: absolute corners count pixels from 1 and include the last one; other readings are taken as stated.

    Returns
    -------
    (N, 4) float64
        xywh.
    """
    four = _coordinates(values, layout)
    if layout.box != "xyxy":
        return boxes.convert(four, layout.box, "xywh")
    if layout.relative:
        return boxes.convert(four, "xyxy", "xywh")
    low = difference(four[:, :2], voc_offset)
    return np.hstack([low, difference(four[:, 2:], low)])


@dataclass(frozen=True)
class Decision:
    """Which layout rows are in, and how that was found.

    Parameters
    ----------
    layout : Layout or None
        None when no reading is possible (`none`) or several are (`ambiguous`).
    basis : str
        `forced`, `only` (the only possible one), `overflow` (least overflow of the images, clearly), `standard`
        (YOLO's own order of columns, the tie being between box layouts only), `ordered corners` (sizes unknown, every
        row has x2 > x1 and y2 > y1), `left and top` (sizes unknown, others leave the image at its origin),
        `ambiguous` or `none`.
    candidates : tuple of Layout
        All possible ones, the best first.
    overflow : mapping of str to float
        Mean overflow by layout name, where it was measured.
    reasons : mapping of str to (text, row)
        Why each of the others is impossible, and the first row that says so.
    """

    layout: Layout | None
    basis: Basis
    candidates: tuple[Layout, ...] = ()
    overflow: dict[str, float] = field(default_factory=dict)
    reasons: dict[str, tuple[str, int]] = field(default_factory=dict)

    @property
    def assumed(self) -> bool:
        """Whether the layout is a convention rather than a finding."""
        return self.basis in ("standard", "ordered corners", "left and top")


def decide(
    values: NDArray[np.float64],
    sizes: NDArray[np.float64],
    voc_offset: int,
    layouts: Sequence[Layout] = LAYOUTS,
) -> Decision:
    """The layout of rows, tried on all of them.

    Parameters
    ----------
    values : (N, 5) float64
        All numbers after the class, in file order, finite.
    sizes : (N, 2) float64
        Width and height of each row's image in pixels, NaN where unknown.
    voc_offset : {0, 1}
    layouts : sequence of Layout
        The readings to try.

    Returns
    -------
    Decision
    """
    reasons: dict[str, tuple[str, int]] = {}
    possible: list[Layout] = []
    for layout in layouts:
        reason = _impossible(values, layout, voc_offset)
        if reason is None:
            possible.append(layout)
        else:
            reasons[layout.name] = reason
    if len(possible) < 2:
        layout_or_none = possible[0] if possible else None
        return Decision(layout_or_none, "only" if possible else "none", tuple(possible), {}, reasons)
    known = np.asarray(~np.isnan(sizes).any(axis=1), np.bool_)
    if known.any() or all(layout.relative for layout in possible):
        return _by_overflow(values, sizes, known, voc_offset, possible, reasons)
    return _without_sizes(values, voc_offset, possible, reasons)


def _coordinates(values: NDArray[np.float64], layout: Layout) -> NDArray[np.float64]:
    return values[:, 1:] if layout.score == "second" else values[:, :4]


def _are_shares(four: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.asarray(((four >= -_SHARE_SLACK) & (four <= 1 + _SHARE_SLACK)).all(axis=1), np.bool_)


def first_beyond_shares(values: NDArray[np.float64], layout: Layout) -> int | None:
    """First row whose coordinates cannot be shares of an image, or None; a little outside [0, 1] is still one."""
    share = _are_shares(_coordinates(values, layout))
    return None if share.all() else int(np.argmin(share))


def _impossible(values: NDArray[np.float64], layout: Layout, voc_offset: int) -> tuple[str, int] | None:
    score = scores_of(values, layout)
    outside = ~((score >= 0) & (score <= 1))
    if outside.any():
        row = int(np.argmax(outside))
        return f"confidence {score[row]:g} is outside [0, 1]", row
    four = _coordinates(values, layout)
    share = _are_shares(four)
    if layout.relative and not share.all():
        row = int(np.argmin(share))
        return f"{' '.join(f'{v:g}' for v in four[row])} are not shares of an image", row
    if not layout.relative and 2 * int(share.sum()) >= len(share):
        row = int(np.argmax(share))
        return f"{' '.join(f'{v:g}' for v in four[row])} are shares of an image, not pixels", row
    flat = ~(boxes_of(values, layout, voc_offset)[:, 2:] > 0).all(axis=1)
    if flat.any():
        return "the width or height is not positive", int(np.argmax(flat))
    return None


def _by_overflow(
    values: NDArray[np.float64],
    sizes: NDArray[np.float64],
    known: NDArray[np.bool_],
    voc_offset: int,
    possible: list[Layout],
    reasons: dict[str, tuple[str, int]],
) -> Decision:
    overflow: dict[str, float] = {}
    for layout in possible:
        if layout.relative:
            xywh, noise = boxes_of(values, layout, voc_offset), np.full_like(sizes, _NOISE_SHARE)
        else:
            size = sizes[known]
            xywh = boxes.normalise(boxes_of(values[known], layout, voc_offset), size)
            noise = np.maximum(np.full_like(size, _NOISE_SHARE), _NOISE_PIXELS / size)
        overflow[layout.name] = float(_beyond(xywh, noise).mean())
    ranked = sorted(possible, key=lambda layout: overflow[layout.name])
    best, second = overflow[ranked[0].name], overflow[ranked[1].name]
    if second > 0 and best <= second * _CLEAR:
        return Decision(ranked[0], "overflow", tuple(ranked), overflow, reasons)
    tied = [layout for layout in ranked if overflow[layout.name] * _CLEAR <= best]
    if YOLO in tied and overflow[YOLO.name] == best and all(t.relative and t.score == "last" for t in tied):
        return Decision(YOLO, "standard", tuple(tied), overflow, reasons)
    return Decision(None, "ambiguous", tuple(tied), overflow, reasons)


def _beyond(xywh: NDArray[np.float64], noise: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far each box sticks out of the unit square, summed over the four sides; noise counts as nothing."""
    low = np.maximum(0, -xywh[:, :2])
    high = np.maximum(0, xywh[:, :2] + xywh[:, 2:] - 1)
    total: NDArray[np.float64] = (np.where(low > noise, low, 0) + np.where(high > noise, high, 0)).sum(axis=1)
    return total


def _without_sizes(
    values: NDArray[np.float64], voc_offset: int, possible: list[Layout], reasons: dict[str, tuple[str, int]]
) -> Decision:
    corners = [layout for layout in possible if layout.box == "xyxy"]
    if len(corners) == 1 and len({layout.score for layout in possible}) == 1:
        return Decision(corners[0], "ordered corners", tuple(possible), {}, reasons)
    overflow = {}
    for layout in possible:
        # Right and bottom edges are unknown, but a box left of or above the origin is out in any image.
        xywh = boxes_of(values, layout, voc_offset)
        out = np.maximum(0, -xywh[:, :2])
        overflow[layout.name] = float((np.where(out > _NOISE_PIXELS, out, 0) / xywh[:, 2:]).sum(axis=1).mean())
    ranked = sorted(possible, key=lambda layout: overflow[layout.name])
    best, second = overflow[ranked[0].name], overflow[ranked[1].name]
    if second > 0 and best <= second * _CLEAR:
        return Decision(ranked[0], "left and top", tuple(ranked), overflow, reasons)
    tied = [layout for layout in ranked if overflow[layout.name] * _CLEAR <= best]
    return Decision(None, "ambiguous", tuple(tied), overflow, reasons)
