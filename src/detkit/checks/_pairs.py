"""Rows of one image that are equal, or whose boxes lie close together, found without comparing all pairs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from detkit.checks._blocks import ROWS, blocks
from detkit.columns import alike, row_hashes
from detkit.tables import Annotations

__all__ = ["close_pairs", "repeated_rows"]

Index = NDArray[np.int64]
Hash = NDArray[np.uint64]

#: Left edges beyond are taken for this far: they are compared with each other all the same.
_FARTHEST = 1e7


def close_pairs(rows: Annotations, among: Index, share: float) -> tuple[Index, Index]:
    """Pairs of boxes of one image whose sides begin and end no more than a share of the longer side apart.

    Every pair with an IoU of at least `1 - share` is among them: moving one side by more than this share of the longer
    of the two sides costs more overlap than that.

    Parameters
    ----------
    rows : Annotations
    among : (R,) int64
        Rows to look at, ascending; their boxes have a positive size.
    share : float
        Between 0 and 1.

    Returns
    -------
    first, second : (P,) int64
        Rows, `first < second`.
    """
    images = rows.image_index[among]
    found = [np.empty((2, 0), np.int64)]
    found += [_close_in(rows, among[part], share) for part in _whole_images(images)]
    first, second = np.concatenate(found, axis=1)
    return first, second


def _whole_images(images: Index) -> Iterator[slice]:
    """Slices of many rows that cut no image, of sorted images."""
    start = 0
    while start < len(images):
        stop = int(np.searchsorted(images, images[min(start + 4 * ROWS, len(images)) - 1], side="right"))
        yield slice(start, stop)
        start = stop


def _close_in(rows: Annotations, among: Index, share: float) -> Index:
    """(2, P) `close_pairs` of some rows: by left edge, each with the next, the one after it, until all are too far."""
    image, left = rows.image_index[among], np.clip(rows.xywh[among, 0], -_FARTHEST, _FARTHEST)
    order = np.lexsort((left, image))
    image, left, among = image[order], left[order], among[order]
    # A little more than needed: what is too far apart is left away by its IoU.
    reach = left + share * rows.xywh[among, 2] * (1 + 1e-9) + 1e-6
    found = [np.empty((2, 0), np.int64)]
    alive, step = np.arange(len(among) - 1), 0
    while len(alive):
        step += 1
        alive = alive[: np.searchsorted(alive, len(among) - step)]
        alive = alive[(image[alive] == image[alive + step]) & (left[alive + step] <= reach[alive])]
        a, b = among[alive], among[alive + step]
        fits = _fit(rows.xywh[a], rows.xywh[b], share)
        found.append(np.sort([a[fits], b[fits]], axis=0))
    return np.concatenate(found, axis=1)


def _fit(a: NDArray[np.float64], b: NDArray[np.float64], share: float) -> NDArray[np.bool_]:
    """Whether the sides of two boxes each are close enough."""
    size = np.maximum(a[:, 2:], b[:, 2:])
    apart = np.abs(a[:, :2] - b[:, :2]) <= share * size * (1 + 1e-9) + 1e-6
    return np.asarray((apart & (np.minimum(a[:, 2:], b[:, 2:]) >= (1 - share) * size * (1 - 1e-9))).all(axis=1))


def repeated_rows(rows: Annotations) -> Index:
    """Rows that repeat an earlier row of their image in everything but their id, ascending.

    Parameters
    ----------
    rows : Annotations

    Returns
    -------
    (R,) int64
    """
    hashes = np.empty(len(rows), np.uint64)
    for part in blocks(len(rows)):
        hashes[part] = row_hashes(_numbers(rows, part).T)
    maybe = alike(hashes)
    if not len(maybe):
        return maybe
    key = hashes[maybe]
    if rows.shapes is not None or rows.keypoints is not None:
        key ^= np.fromiter((hash(_outline(rows, row)) & 0xFFFFFFFFFFFFFFFF for row in maybe.tolist()), np.uint64)
    order = np.argsort(key, kind="stable")
    starts = np.concatenate([[True], key[order][1:] != key[order][:-1]])
    later, first = maybe[order], maybe[order][starts][np.cumsum(starts) - 1]
    # A hash decides nothing: each row is compared in full with the first that has its hash.
    equal = (later != first) & (_numbers(rows, later) == _numbers(rows, first)).all(axis=1)
    pairs = zip(later[equal].tolist(), first[equal].tolist(), strict=True)
    return np.array(sorted(a for a, b in pairs if _outline(rows, a) == _outline(rows, b)), np.int64)


def _numbers(rows: Annotations, which: slice | Index) -> Hash:
    """(R, 7) image, class, flags and box of rows as bits; minus zero is zero."""
    held = rows.xywh[which] + 0.0
    out = np.empty((len(held), 7), np.uint64)
    out[:, :4] = held.view(np.uint64)
    out[:, 4], out[:, 5] = rows.image_index[which], rows.category_index[which]
    out[:, 6] = rows.is_crowd[which] + np.uint64(2) * rows.is_ignored[which]
    return out


def _outline(rows: Annotations, row: int) -> tuple[bytes, ...]:
    """Outline and keypoints of a row, to be compared; nothing where the table has none."""
    parts: list[bytes] = []
    if rows.shapes is not None:
        shapes = rows.shapes
        parts += [shapes.points[row].tobytes(), shapes.rings[row].tobytes(), repr(shapes.rle.get(row)).encode()]
    if rows.keypoints is not None:
        parts.append(rows.keypoints[row].tobytes())
    return tuple(parts)
