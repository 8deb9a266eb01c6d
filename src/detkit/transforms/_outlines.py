"""Outlines cut to a window: rings of any form, masks, oriented boxes. Pixels, x right, y down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit import masks

__all__ = ["clip_quadrangle", "clip_rings", "crop_mask", "paste_mask", "ring_area"]

Ring = NDArray[np.float64]
Window = Sequence[float]


def ring_area(ring: Ring) -> float:
    """Area of a ring, never negative (shoelace formula).

    Parameters
    ----------
    ring : (P, 2) float64

    Returns
    -------
    float
    """
    x, y = ring[:, 0] - ring[:1, 0], ring[:, 1] - ring[:1, 1]
    return float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)


def clip_rings(rings: Sequence[Ring], window: Window) -> list[Ring]:
    """What a window shows of each ring; a ring that bends out and in again comes apart into several.

    Parameters
    ----------
    rings : sequence of (P, 2) float64
    window : (left, top, right, bottom)
        May be infinite on any side.

    Returns
    -------
    list of (Q, 2) float64
        A ring inside the window comes back as it is. Pieces that are a mere line are left out.

    Notes
    -----
    Cut side by side. Along a side, what is inside the ring lies between the first and the second crossing, the third
    and the fourth, and so on (even-odd rule); chains of points that are inside the window are joined by these pieces
    of the side. So no piece hangs on another by a seam without area, as Sutherland and Hodgman's method leaves it.
    """
    left, top, right, bottom = window
    for axis, limit, sign in ((0, left, 1.0), (0, right, -1.0), (1, top, 1.0), (1, bottom, -1.0)):
        if np.isfinite(limit):
            rings = [piece for ring in rings for piece in _cut(ring, axis, float(limit), sign)]
    return list(rings)


def _cut(ring: Ring, axis: int, limit: float, sign: float) -> list[Ring]:
    """The parts of a ring on one side of an upright or level line."""
    depth = sign * (ring[:, axis] - limit)
    inside = depth >= 0
    if inside.all():
        return [ring]
    if not inside.any():
        return []
    chains, ends = _chains(ring, depth, inside, axis, limit)
    # Crossing 2n is where chain n begins, 2n + 1 where it ends.
    along = np.argsort(np.array(ends)[:, 1 - axis], kind="stable")
    partner = np.empty(len(along), np.int64)
    partner[along[0::2]], partner[along[1::2]] = along[1::2], along[0::2]
    pieces = []
    open_chains = set(range(len(chains)))
    while open_chains:
        first = at = 2 * min(open_chains)
        points: list[Ring] = []
        while True:
            chain = at // 2
            open_chains.discard(chain)
            points.append(chains[chain] if at % 2 == 0 else chains[chain][::-1])
            at = int(partner[at ^ 1])
            if at == first:
                break
        piece = _without_repeats(np.concatenate(points))
        # Not by area: the loops of a ring that crosses itself may cancel out.
        if len(piece) >= 3 and (np.ptp(piece, axis=0) > 0).all():
            pieces.append(piece)
    return pieces


def _chains(
    ring: Ring, depth: NDArray[np.float64], inside: NDArray[np.bool_], axis: int, limit: float
) -> tuple[list[Ring], list[Ring]]:
    """Runs of points inside, each with the crossings before and after it; and these crossings, two a chain."""
    count = len(ring)
    enters = np.flatnonzero(inside & ~np.roll(inside, 1))
    leaves = np.flatnonzero(inside & ~np.roll(inside, -1))
    if leaves[0] < enters[0]:
        leaves = np.roll(leaves, -1)
    chains, ends = [], []
    for first, last in zip(enters.tolist(), leaves.tolist(), strict=True):
        run = ring[np.arange(first, last + 1 if last >= first else last + count + 1) % count]
        before = _crossing(ring, depth, (first - 1) % count, first, axis, limit)
        after = _crossing(ring, depth, last, (last + 1) % count, axis, limit)
        chains.append(np.concatenate([before[None], run, after[None]]))
        ends += [before, after]
    return chains, ends


def _crossing(ring: Ring, depth: NDArray[np.float64], i: int, j: int, axis: int, limit: float) -> Ring:
    point: Ring = ring[i] + (ring[j] - ring[i]) * (depth[i] / (depth[i] - depth[j]))
    point[axis] = limit
    return point


def _without_repeats(ring: Ring) -> Ring:
    return np.asarray(ring[(ring != np.roll(ring, 1, axis=0)).any(axis=1)], dtype=np.float64)


def clip_quadrangle(corners: Ring, window: Window) -> Ring | None:
    """The smallest rectangle, at the angle of the oriented box, around what a window shows of it.

    Parameters
    ----------
    corners : (4, 2) float64
    window : (left, top, right, bottom)

    Returns
    -------
    (4, 2) float64 or None
        Corners in the order of the box's own; None where nothing is shown.
    """
    pieces = clip_rings([corners], window)
    if not pieces:
        return None
    edge = corners[1] - corners[0]
    length = float(np.hypot(*edge))
    if length == 0:
        return None
    along = edge / length
    axes = np.array([along, [-along[1], along[0]]])
    if (corners[2] - corners[1]) @ axes[1] < 0:
        axes[1] *= -1
    spread = np.concatenate(pieces) @ axes.T
    (u0, v0), (u1, v1) = spread.min(axis=0), spread.max(axis=0)
    return np.asarray(np.array([[u0, v0], [u1, v0], [u1, v1], [u0, v1]]) @ axes, dtype=np.float64)


def crop_mask(pixels: NDArray[np.uint8], window: Sequence[int]) -> dict[str, Any]:
    """The run-length encoding of a part of a mask.

    Parameters
    ----------
    pixels : (H, W) uint8
    window : (left, top, right, bottom)
        Whole pixels inside the mask.

    Returns
    -------
    dict
        `{"size": [height, width], "counts": str}`.
    """
    left, top, right, bottom = window
    return _encoded(pixels[top:bottom, left:right])


def paste_mask(rle: Mapping[str, Any], at: tuple[int, int], size: tuple[int, int]) -> dict[str, Any]:
    """The mask on a larger canvas.

    Parameters
    ----------
    rle : mapping
        Compressed or not.
    at : (left, top)
        Where its first pixel comes to lie.
    size : (width, height)
        Of the canvas; what does not fit on it is cut off.

    Returns
    -------
    dict
    """
    small = masks.decode(masks.to_rle(rle, *map(int, rle["size"])))
    canvas = np.zeros((size[1], size[0]), np.uint8)
    left, top = at
    part = canvas[top : top + small.shape[0], left : left + small.shape[1]]
    part[:] = small[: part.shape[0], : part.shape[1]]
    return _encoded(canvas)


def _encoded(pixels: NDArray[np.uint8]) -> dict[str, Any]:
    """Run lengths column by column, beginning with those outside."""
    height, width = pixels.shape
    flat = pixels.ravel(order="F")
    edges = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff(np.concatenate([[0], edges, [len(flat)]])).tolist()
    if len(flat) and flat[0]:
        runs = [0, *runs]
    found = masks.to_rle({"size": [height, width], "counts": runs}, height, width)
    counts = found["counts"]
    return {"size": [height, width], "counts": counts.decode("ascii") if isinstance(counts, bytes) else counts}
