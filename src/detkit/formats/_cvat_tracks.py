"""Tracks of CVAT's video form as one row a frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from detkit.formats._collect import Item

__all__ = ["Seen", "frames_of_track"]


@dataclass(frozen=True)
class Seen:
    """What a track states of one frame."""

    frame: int
    item: Item
    is_outside: bool
    is_keyframe: bool


def frames_of_track(
    seen: Sequence[Seen], step: int, last: int | None, *, is_dense: bool
) -> Iterator[tuple[int, Item, bool]]:
    """Frame, row, and whether the row was interpolated, for each frame on which the object is visible.

    Between two stated frames the box moves evenly (an outline stays as it was). After the last one an object that was
    not said to leave stays to the end of the task, as CVAT itself has it: but only where the file states keyframes
    alone (a file that states every frame has said what there is) and more than one of them.

    Parameters
    ----------
    seen : sequence of Seen
        In any order; of two statements of one frame the later one counts.
    step : int
        Distance of two frames of the task.
    last : int, optional
        Last frame of the task.
    is_dense : bool
        Whether the file states frames that are no keyframes.

    Yields
    ------
    (int, Item, bool)
    """
    ordered = sorted({s.frame: s for s in seen}.values(), key=lambda s: s.frame)
    for here, following in zip(ordered, [*ordered[1:], None], strict=True):
        if here.is_outside:
            continue
        yield here.frame, here.item, False
        if following is not None:
            for frame in range(here.frame + step, following.frame, step):
                share = (frame - here.frame) / (following.frame - here.frame)
                yield frame, _between(here.item, following, share), True
        elif last is not None and not is_dense and len(ordered) > 1:
            for frame in range(here.frame + step, last + 1, step):
                yield frame, here.item, True


def _between(item: Item, following: Seen, share: float) -> Item:
    """The row a share of the way to the next statement; before a frame outside it does not move."""
    target = following.item
    if following.is_outside or item.shape is not None or target.shape is not None:
        return item
    left, top, width, height = (a + (b - a) * share for a, b in zip(item.xywh, target.xywh, strict=True))
    return replace(item, xywh=(left, top, width, height))
