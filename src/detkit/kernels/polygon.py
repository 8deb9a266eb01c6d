"""Overlap of oriented boxes: four corners each, one cut along the edges of the other; and suppression by it.

A quadrangle is the convex hull of its four corners. So their order and winding do not matter, a row whose corners
cross over means the box they span, and one whose corners lie on a line has no area and overlaps nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detkit.kernels._groups import grouped, in_threads, largest
from detkit.kernels._jit import jit, readonly

__all__ = ["cell_iou", "grouped_polygon_nms", "hulls", "matched_iou", "polygon_area", "polygon_intersection",
           "polygon_iou"]  # fmt: skip

#: Columns of a hull: its corners x, y (the last one repeated where there are fewer than four), then these.
_LEFT, _TOP, _RIGHT, _BOTTOM, _AREA = 8, 9, 10, 11, 12
_COLUMNS = 13
#: Corners that cutting can make of four, with room for what rounding adds.
_ROOM = 32
#: The bound on an overlap must fall this far short of the threshold, so that its own rounding decides nothing.
_SLACK = 1 - 1e-9


@jit
def _turn(ax: float, ay: float, bx: float, by: float, cx: float, cy: float) -> float:
    """Twice the signed area of the triangle a, b, c."""
    return (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)


@jit
def _hulls(corners: Any, point: Any, hull: Any, out: Any) -> None:
    """Convex hull, bounds and area of each quadrangle; `point` and `hull` are room for (4, 2) and (8, 2) corners.

    Source: Andrew 1979, Another efficient algorithm for convex hulls in two dimensions (monotone chain).
    """
    for n in range(corners.shape[0]):
        for i in range(4):
            x, y = corners[n, i, 0], corners[n, i, 1]
            k = i
            while k > 0 and (point[k - 1, 0] > x or (point[k - 1, 0] == x and point[k - 1, 1] > y)):
                point[k, 0], point[k, 1] = point[k - 1, 0], point[k - 1, 1]
                k -= 1
            point[k, 0], point[k, 1] = x, y
        count = 0
        floor = 2
        for step in range(7):
            # There along the points, and back without the last one.
            i = step if step < 4 else 6 - step
            if step == 4:
                floor = count + 1
            x, y = point[i, 0], point[i, 1]
            while (
                count >= floor
                and _turn(hull[count - 2, 0], hull[count - 2, 1], hull[count - 1, 0], hull[count - 1, 1], x, y) <= 0
            ):
                count -= 1
            hull[count, 0], hull[count, 1] = x, y
            count += 1
        count -= 1
        area = 0.0
        for i in range(1, count - 1):
            area += _turn(hull[0, 0], hull[0, 1], hull[i, 0], hull[i, 1], hull[i + 1, 0], hull[i + 1, 1])
        for i in range(4):
            k = min(i, count - 1)
            out[n, 2 * i], out[n, 2 * i + 1] = hull[k, 0], hull[k, 1]
        out[n, _LEFT], out[n, _RIGHT] = point[0, 0], point[3, 0]
        out[n, _TOP] = min(point[0, 1], point[1, 1], point[2, 1], point[3, 1])
        out[n, _BOTTOM] = max(point[0, 1], point[1, 1], point[2, 1], point[3, 1])
        out[n, _AREA] = area / 2


@jit
def _cut(a: Any, i: int, b: Any, j: int, one: Any, two: Any) -> float:
    """Area that two hulls share; `one` and `two` are room for (_ROOM, 2) corners.

    Source: Sutherland and Hodgman 1974, Reentrant polygon clipping.
    """
    # Coordinates from a corner of `b`: differences are exact or nearly so, however far away the boxes lie.
    x0, y0 = b[j, 0], b[j, 1]
    for k in range(4):
        one[k, 0], one[k, 1] = a[i, 2 * k] - x0, a[i, 2 * k + 1] - y0
    count = 4
    for edge in range(4):
        following = (edge + 1) % 4
        px, py = b[j, 2 * edge] - x0, b[j, 2 * edge + 1] - y0
        qx, qy = b[j, 2 * following] - x0, b[j, 2 * following + 1] - y0
        if px == qx and py == qy:
            continue
        kept = 0
        sx, sy = one[count - 1, 0], one[count - 1, 1]
        before = _turn(px, py, qx, qy, sx, sy)
        for k in range(count):
            ex, ey = one[k, 0], one[k, 1]
            now = _turn(px, py, qx, qy, ex, ey)
            if (before >= 0) != (now >= 0):
                share = before / (before - now)
                two[kept, 0], two[kept, 1] = sx + share * (ex - sx), sy + share * (ey - sy)
                kept += 1
            if now >= 0:
                two[kept, 0], two[kept, 1] = ex, ey
                kept += 1
            sx, sy, before = ex, ey, now
        if kept < 3:
            return 0.0
        count = kept
        one, two = two, one
    area = 0.0
    for k in range(1, count - 1):
        area += _turn(one[0, 0], one[0, 1], one[k, 0], one[k, 1], one[k + 1, 0], one[k + 1, 1])
    # Rounding may leave a last digit more than either of the two has.
    return min(max(area / 2, 0.0), a[i, _AREA], b[j, _AREA])  # type: ignore[no-any-return]


@jit
def _shared(a: Any, i: int, b: Any, j: int, one: Any, two: Any) -> float:
    """Area that two hulls share, without cutting where their bounds say that it is nothing."""
    if a[i, _AREA] <= 0 or b[j, _AREA] <= 0:
        return 0.0
    if min(a[i, _RIGHT], b[j, _RIGHT]) <= max(a[i, _LEFT], b[j, _LEFT]):
        return 0.0
    if min(a[i, _BOTTOM], b[j, _BOTTOM]) <= max(a[i, _TOP], b[j, _TOP]):
        return 0.0
    return _cut(a, i, b, j, one, two)


@jit
def _overlaps(
    a: Any, a_starts: Any, b: Any, b_starts: Any, is_crowd: Any, divides: bool, one: Any, two: Any, out: Any
) -> None:
    at = 0
    for cell in range(a_starts.shape[0] - 1):
        for i in range(a_starts[cell], a_starts[cell + 1]):
            for j in range(b_starts[cell], b_starts[cell + 1]):
                shared = _shared(a, i, b, j, one, two)
                if divides and shared > 0:
                    union = a[i, _AREA] if is_crowd[j] else a[i, _AREA] + b[j, _AREA] - shared
                    shared = shared / union
                out[at] = shared
                at += 1


@jit
def _suppress_polygons(
    table: Any, starts: Any, iou_threshold: float, limit: int, one: Any, two: Any, row: Any, bounds: Any, keep: Any
) -> None:
    # `row` and `bounds` are room for the largest group: the boxes kept so far and their bounds, side by side. Most
    # pairs are told apart by these.
    for group in range(starts.shape[0] - 1):
        kept = 0
        for i in range(starts[group], starts[group + 1]):
            if kept == limit:
                break
            left, top, right, bottom = table[i, _LEFT], table[i, _TOP], table[i, _RIGHT], table[i, _BOTTOM]
            area = table[i, _AREA]
            survives = True
            for k in range(kept):
                width = min(right, bounds[k, 2]) - max(left, bounds[k, 0])
                if width <= 0:
                    continue
                height = min(bottom, bounds[k, 3]) - max(top, bounds[k, 1])
                if height <= 0:
                    continue
                other = table[row[k], _AREA]
                most_shared = min(width * height, area, other)
                if most_shared < iou_threshold * (area + other - most_shared) * _SLACK:
                    continue
                shared = _shared(table, i, table, row[k], one, two)
                if shared > 0 and shared / (area + other - shared) > iou_threshold:
                    survives = False
                    break
            if survives:
                keep[i] = True
                row[kept] = i
                bounds[kept, 0], bounds[kept, 1], bounds[kept, 2], bounds[kept, 3] = left, top, right, bottom
                kept += 1


def _room() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where two hulls are cut."""
    return np.empty((_ROOM, 2)), np.empty((_ROOM, 2))


def hulls(corners: ArrayLike) -> NDArray[np.float64]:
    """Quadrangles as the kernels of this file take them.

    Parameters
    ----------
    corners : (N, 4, 2) array_like of float
        x, y of the four corners, pixels or any other unit, in any order.

    Returns
    -------
    (N, 13) float64
        Corners of the convex hull (x, y of four, the last repeated where there are fewer), its left, top, right and
        bottom, its area.

    Raises
    ------
    ValueError
        A shape that is not (N, 4, 2), or a coordinate that is not finite.
    """
    array = np.asarray(corners, dtype=np.float64)
    if array.size == 0:
        array = array.reshape(0, 4, 2)
    if array.ndim != 3 or array.shape[1:] != (4, 2):
        raise ValueError(f"corners have shape {array.shape}, expected (N, 4, 2)")
    if not np.isfinite(array).all():
        raise ValueError("corners hold a value that is not finite")
    out = np.empty((len(array), _COLUMNS))
    _hulls(readonly(array, np.float64), np.empty((4, 2)), np.empty((8, 2)), out)
    return readonly(out, np.float64)


def polygon_area(corners: ArrayLike) -> NDArray[np.float64]:
    """Area of each quadrangle, (N,) float64 in square units; 0 where all corners lie on a line.

    Parameters
    ----------
    corners : (N, 4, 2) array_like of float
        x, y of the four corners, in any order.

    Raises
    ------
    ValueError
        As `hulls`.
    """
    return hulls(corners)[:, _AREA]


def polygon_intersection(a: ArrayLike, b: ArrayLike) -> NDArray[np.float64]:
    """Area that every quadrangle of `a` shares with every one of `b`.

    Parameters
    ----------
    a : (N, 4, 2) array_like of float
        x, y of the four corners, in any order.
    b : (M, 4, 2) array_like of float

    Returns
    -------
    (N, M) float64
        In square units; 0 where they only touch or one has no area.

    Raises
    ------
    ValueError
        As `hulls`.
    """
    return _matrix(hulls(a), hulls(b), None, divides=False)


def polygon_iou(a: ArrayLike, b: ArrayLike, *, is_crowd: ArrayLike | None = None) -> NDArray[np.float64]:
    """Intersection over union of every quadrangle of `a` with every one of `b`.

    Parameters
    ----------
    a : (N, 4, 2) array_like of float
        x, y of the four corners, pixels or any other unit, in any order.
    b : (M, 4, 2) array_like of float
        In the same unit.
    is_crowd : (M,) array_like of bool, optional
        For these quadrangles of `b` the denominator is the area of the one of `a`.

    Returns
    -------
    (N, M) float64
        In [0, 1]; 0 where they only touch or one has no area, exactly 1 for the same four corners in any order.

    Raises
    ------
    ValueError
        As `hulls`, or `is_crowd` of another length.

    Examples
    --------
    >>> square = [[0, 0], [2, 0], [2, 2], [0, 2]]
    >>> diamond = [[1, 0], [2, 1], [1, 2], [0, 1]]
    >>> polygon_iou([square], [diamond]).tolist()
    [[0.5]]
    """
    return _matrix(hulls(a), hulls(b), is_crowd, divides=True)


def matched_iou(a: ArrayLike, b: ArrayLike) -> NDArray[np.float64]:
    """Intersection over union of each quadrangle of `a` with the one of `b` in the same place.

    Parameters
    ----------
    a, b : (N, 4, 2) array_like of float
        x, y of the four corners, in any order.

    Returns
    -------
    (N,) float64
        As `polygon_iou`.

    Raises
    ------
    ValueError
        As `hulls`, or different lengths.
    """
    first, second = hulls(a), hulls(b)
    if len(first) != len(second):
        raise ValueError(f"`a` has {len(first)} rows and `b` has {len(second)}, expected as many")
    starts = readonly(np.arange(len(first) + 1), np.int64)
    out = np.empty(len(first))
    _overlaps(first, starts, second, starts, readonly(np.zeros(len(second)), np.bool_), True, *_room(), out)
    return out


def cell_iou(
    a: NDArray[np.float64], b: NDArray[np.float64], is_crowd: NDArray[np.bool_] | None = None
) -> NDArray[np.float64]:
    """`polygon_iou` of quadrangles that went through `hulls` already, for many small matrices.

    Parameters
    ----------
    a : (N, 13) float64
    b : (M, 13) float64
    is_crowd : (M,) bool, optional

    Returns
    -------
    (N, M) float64
    """
    return _matrix(a, b, is_crowd, divides=True)


def grouped_polygon_nms(
    corners: ArrayLike,
    score: ArrayLike,
    group: ArrayLike,
    *,
    iou_threshold: float = 0.45,
    max_detections: int | None = None,
    jobs: int | None = None,
) -> NDArray[np.bool_]:
    """Which oriented boxes survive when each group is suppressed on its own, greedily and by their polygons' IoU.

    Parameters
    ----------
    corners : (N, 4, 2) array_like of float
        x, y of the four corners, in any order.
    score : (N,) array_like of float
        Higher is looked at first; equal scores in input order.
    group : (N,) array_like of int
        Boxes of different groups never suppress each other (a number for each image and class).
    iou_threshold : float
        A box is removed if its IoU with a kept box of its group is greater than this.
    max_detections : int, optional
        Most boxes kept in a group.
    jobs : int, optional
        Threads; by default one a processor. The result does not depend on it.

    Returns
    -------
    (N,) bool
        In input order.

    Raises
    ------
    ValueError
        Wrong shapes, values that are not finite, or a threshold outside [0, 1].
    """
    if not 0 <= iou_threshold <= 1:
        raise ValueError(f"`iou_threshold` is {iou_threshold}, expected 0 to 1")
    table = hulls(corners)
    found = grouped(table[:, _LEFT:_AREA], score, group)
    ordered = readonly(table[found.order], np.float64)
    keep = np.zeros(len(ordered), np.bool_)
    limit = len(keep) if max_detections is None else int(max_detections)

    def suppress(starts: NDArray[np.int64]) -> None:
        most = largest(starts)
        room = *_room(), np.empty(most, np.int64), np.empty((most, 4))
        _suppress_polygons(ordered, starts, float(iou_threshold), limit, *room, keep)

    in_threads(suppress, found.starts, jobs)
    survives = np.empty(len(keep), np.bool_)
    survives[found.order] = keep
    return survives


def _matrix(
    a: NDArray[np.float64], b: NDArray[np.float64], is_crowd: ArrayLike | None, *, divides: bool
) -> NDArray[np.float64]:
    crowd = readonly(np.zeros(len(b), np.bool_) if is_crowd is None else is_crowd, np.bool_)
    if crowd.shape != (len(b),):
        raise ValueError(f"`is_crowd` has shape {crowd.shape}, expected ({len(b)},)")
    out = np.empty((len(a), len(b)))
    first, second = (readonly(table, np.float64) for table in (a, b))
    ends = (readonly([0, len(table)], np.int64) for table in (a, b))
    _overlaps(first, next(ends), second, next(ends), crowd, divides, *_room(), out.reshape(-1))
    return out
