"""Polygons drawn as compressed run-length masks, many in one call, pixel for pixel as the reference draws them.

The outline of a ring is walked on a grid five times as fine; where it passes from one column of pixels to the next, a
run ends. Source: pycocotools 2.0.11, maskApi.c, rleFrPoly, rleMerge, rleToString: the same operations in the same
order, so the masks are byte-equal. What follows the formulas here leaves out steps that can end no run.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.kernels._jit import jit, readonly
from detkit.kernels.rle import Strings

__all__ = ["FARTHEST", "draw_rings"]

#: Steps of the fine grid to a pixel.
_SCALE = 5
#: Coordinates up to this many pixels away are within the 32 bits of the reference's grid.
FARTHEST = 4e8
#: Characters that a run may take: five bits each of 32, and a sign.
_MOST_CHARACTERS = 7


@jit
def _fine(value: float) -> int:
    """A coordinate on the fine grid."""
    return int(_SCALE * value + 0.5)


@jit
def _room(points: Any, first: int, last: int, width: int) -> int:
    """How many runs a ring ends at most."""
    room = 0
    for i in range(first, last):
        j = i + 1 if i + 1 < last else first
        room += min(abs(_fine(points[j, 0]) - _fine(points[i, 0])) // _SCALE + 1, width)
    return room


@jit
def _crossing(here: int, there: int, column: int, height: int) -> int:
    """The pixel, counted down the columns, at which a run ends between two neighbours on the fine grid."""
    row = (float(min(here, there)) + 0.5) / _SCALE - 0.5
    return column * height + int(np.ceil(min(max(row, 0.0), float(height))))


@jit
def _passing(start: int, slope: float, steps: int, edge: int) -> int:
    """The step down at which a line that is steeper than it is wide comes to the other side of an edge."""
    t = min(max(int((edge + 0.5 - start) / slope), 1), steps)
    is_right = slope > 0
    while t > 1 and (int(start + slope * (t - 1) + 0.5) > edge) == is_right:
        t -= 1
    while t < steps and (int(start + slope * t + 0.5) > edge) != is_right:
        t += 1
    return t


@jit
def _ends(points: Any, first: int, last: int, height: int, width: int, keys: Any) -> int:
    """Pixels at which the outline of a ring passes into another column, as it comes by them."""
    count = 0
    for i in range(first, last):
        j = i + 1 if i + 1 < last else first
        x0, y0 = _fine(points[i, 0]), _fine(points[i, 1])
        x1, y1 = _fine(points[j, 0]), _fine(points[j, 1])
        across, down = abs(x1 - x0), abs(y1 - y0)
        if across == 0:
            continue
        if (across >= down and x0 > x1) or (across < down and y0 > y1):
            x0, y0, x1, y1 = x1, y1, x0, y0
        # Columns begin two steps after a multiple of five, between that step and the next.
        low, high = min(x0, x1), max(x0, x1)
        column = max(-(-(low - 2) // _SCALE), 0)
        while column < width and _SCALE * column + 2 < high:
            edge = _SCALE * column + 2
            if across >= down:
                slope = float(y1 - y0) / across
                t = edge - x0
                here, there = int(y0 + slope * t + 0.5), int(y0 + slope * (t + 1) + 0.5)
            else:
                slope = float(x1 - x0) / down
                t = _passing(x0, slope, down, edge)
                here, there = y0 + t - 1, y0 + t
            keys[count] = _crossing(here, there, column, height)
            count += 1
            column += 1
    return count


@jit
def _sort(keys: Any, count: int) -> None:
    """Shell's sort: short, and no worse than it is for any outline."""
    gap = 1
    while 9 * gap < 4 * count:
        gap = (9 * gap + 4) // 4
    while gap > 0:
        for i in range(gap, count):
            key = keys[i]
            k = i
            while k >= gap and keys[k - gap] > key:
                keys[k] = keys[k - gap]
                k -= gap
            keys[k] = key
        gap = gap * 4 // 9 if gap > 1 else 0


@jit
def _to_runs(keys: Any, count: int, pixels: int, runs: Any) -> int:
    """The runs between sorted ends; an empty one joins its neighbours."""
    keys[count] = pixels
    count += 1
    runs[0] = keys[0]
    number = 1
    i = 1
    while i < count:
        run = keys[i] - keys[i - 1]
        i += 1
        if run > 0:
            runs[number] = run
            number += 1
        elif i < count:
            runs[number - 1] += keys[i] - keys[i - 1]
            i += 1
    return number


@jit
def _united(runs_a: Any, ends_a: int, runs_b: Any, ends_b: int, out: Any) -> int:
    """Runs of the pixels in either of two masks; steps and end as the reference has them, empty runs included."""
    left_a, left_b = runs_a[0], runs_b[0]
    a, b = 1, 1
    in_a, in_b, inside = False, False, False
    number = 0
    run = np.int64(0)
    rest = np.int64(1)
    while rest > 0:
        step = min(left_a, left_b)
        run += step
        rest = np.int64(0)
        left_a -= step
        if left_a == 0 and a < ends_a:
            left_a = runs_a[a]
            a += 1
            in_a = not in_a
        rest += left_a
        left_b -= step
        if left_b == 0 and b < ends_b:
            left_b = runs_b[b]
            b += 1
            in_b = not in_b
        rest += left_b
        was, inside = inside, in_a or in_b
        if inside != was or rest == 0:
            out[number] = run
            number += 1
            run = np.int64(0)
    return number


@jit
def _write(runs: Any, number: int, counts: Any, at: int) -> int:
    """The runs as characters from `counts[at]` on, and the place behind them."""
    for i in range(number):
        value = runs[i]
        if i > 2:
            value -= runs[i - 2]
        is_more = True
        while is_more:
            bits = value & 31
            value >>= 5
            is_more = value != (-1 if bits & 16 else 0)
            counts[at] = (bits | 32 if is_more else bits) + 48
            at += 1
    return at


@jit
def _draw(
    points: Any,
    first_points: Any,
    ring_points: Any,
    ring_starts: Any,
    rows: Any,
    sizes: Any,
    starts: Any,
    lengths: Any,
    counts: Any,
    keys: Any,
    runs: Any,
    others: Any,
    spare: Any,
) -> None:
    # `keys`, `runs`, `others`, `spare`: room for the runs of the largest mask.
    at = 0
    for n in range(rows.shape[0]):
        row = rows[n]
        height, width = sizes[n, 0], sizes[n, 1]
        first = first_points[row]
        number = 0
        for ring in range(ring_starts[row], ring_starts[row + 1]):
            last = first + ring_points[ring]
            count = _ends(points, first, last, height, width, keys)
            _sort(keys, count)
            if number == 0:
                number = _to_runs(keys, count, height * width, runs)
            else:
                more = _to_runs(keys, count, height * width, others)
                number = _united(runs, number, others, more, spare)
                for i in range(number):
                    runs[i] = spare[i]
            first = last
        starts[n] = at
        at = _write(runs, number, counts, at)
        lengths[n] = at - starts[n]


@jit
def _rooms(
    points: Any, first_points: Any, ring_points: Any, ring_starts: Any, rows: Any, sizes: Any, room: Any
) -> None:
    for n in range(rows.shape[0]):
        row = rows[n]
        first = first_points[row]
        room[n] = 2
        for ring in range(ring_starts[row], ring_starts[row + 1]):
            room[n] += _room(points, first, first + ring_points[ring], sizes[n, 1]) + 2
            first += ring_points[ring]


def draw_rings(
    points: NDArray[np.float64],
    first_points: NDArray[np.int64],
    ring_points: NDArray[np.int64],
    ring_starts: NDArray[np.int64],
    rows: NDArray[np.int64],
    sizes: NDArray[np.int64],
    *,
    jobs: int = 2,
) -> Strings:
    """Compressed masks of the polygons of some rows; the rings of a row make one mask.

    Parameters
    ----------
    points : (P, 2) float64
        x, y in pixels, finite and at most `FARTHEST` from zero.
    first_points : (N,) int64
        Where the points of each row begin.
    ring_points : (R,) int64
        How many points each ring has, at least one.
    ring_starts : (N + 1,) int64
        Row i has the rings `ring_starts[i]:ring_starts[i + 1]`, at least one where it is drawn.
    rows : (M,) int64
        The rows to draw.
    sizes : (M, 2) int64
        Height and width of their images in pixels, positive; their product below 2**32.
    jobs : int
        Threads.

    Returns
    -------
    Strings
        One for each of `rows`.
    """
    table = (
        readonly(points, np.float64),
        readonly(first_points, np.int64),
        readonly(ring_points, np.int64),
        readonly(ring_starts, np.int64),
    )

    def one(part: NDArray[np.int64]) -> Strings:
        own, size = readonly(rows[part], np.int64), readonly(sizes[part], np.int64)
        room = np.empty(len(part), np.int64)
        _rooms(*table, own, size, room)
        most = int(room.max(initial=0))
        starts, lengths = np.empty(len(part), np.int64), np.empty(len(part), np.int64)
        counts = np.empty(_MOST_CHARACTERS * int(room.sum()), np.uint8)
        places = [np.empty(most, np.int64) for _ in range(4)]
        _draw(*table, own, size, starts, lengths, counts, *places)
        end = int(starts[-1] + lengths[-1]) if len(part) else 0
        return Strings(size, starts, lengths, counts[:end].copy())

    with ThreadPoolExecutor(max(1, jobs)) as pool:
        parts = list(pool.map(one, np.array_split(np.arange(len(rows)), max(1, jobs))))
    shifts = np.cumsum([0, *(len(part.counts) for part in parts[:-1])])
    return Strings(
        sizes,
        np.concatenate([part.starts + shift for part, shift in zip(parts, shifts, strict=True)]),
        np.concatenate([part.lengths for part in parts]),
        np.concatenate([part.counts for part in parts]),
    )
