"""What the numbers of YOLO rows mean: boxes, polygons, oriented boxes or keypoints, told by their count.

    class cx cy w h                        box
    class x1 y1 x2 y2 x3 y3 ...            polygon (odd count, 7 or more)
    class x1 y1 x2 y2 x3 y3 x4 y4          oriented box, where the whole set is
    class cx cy w h x1 y1 [v1] x2 ...      pose, K keypoints of D numbers

Everything stays in shares of the image here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.columns import alike, row_hashes
from detkit.findings import Finding, RoughFinding
from detkit.formats._numbers import FARTHEST
from detkit.formats._yolo_rows import RawRows
from detkit.tables import Ragged, Shapes
from detkit.wording import plural

__all__ = ["Columns", "interpret"]

_BAD, _BOX, _POLYGON, _ORIENTED, _POSE = range(5)
_TOLERANCE = 1e-6
_LARGEST_UNNAMED = 99_999
_LOOKS_LIKE_PIXELS = 2.0


@dataclass(frozen=True)
class Columns:
    """Usable rows in file order, coordinates in shares.

    Parameters
    ----------
    file : (N,) int64
        Position of the label file.
    category : (N,) int64
    xywh : (N, 4) float64
    shapes : Shapes or None
    is_oriented : (N,) bool or None
    keypoints : Ragged or None
    kpt_shape : (K, D) or None
        As stated or found.
    findings : list of Finding
    """

    file: NDArray[np.int64]
    category: NDArray[np.int64]
    xywh: NDArray[np.float64]
    shapes: Shapes | None
    is_oriented: NDArray[np.bool_] | None
    keypoints: Ragged | None
    kpt_shape: tuple[int, int] | None
    findings: list[Finding]


@dataclass
class _Table:
    """Rows still in use: flat values, where each row starts, and its place."""

    values: NDArray[np.float64]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    file: NDArray[np.int64]
    line: NDArray[np.int64]
    kind: NDArray[np.int64]

    def keep(self, rows: NDArray[np.bool_]) -> None:
        for name in ("starts", "lengths", "file", "line", "kind"):
            setattr(self, name, getattr(self, name)[rows])

    def cells(self, rows: NDArray[Any], columns: int) -> NDArray[np.float64]:
        """(R, columns) first numbers of these rows."""
        cells: NDArray[np.float64] = self.values[self.starts[rows][:, None] + np.arange(columns)]
        return cells

    def flat(self, rows: NDArray[np.int64], skip: int) -> NDArray[np.float64]:
        """All numbers of these rows but the first `skip` of each, one after the other."""
        lengths = self.lengths[rows] - skip
        ends = np.cumsum(lengths)
        first = np.repeat(self.starts[rows] + skip - (ends - lengths), lengths)
        numbers: NDArray[np.float64] = self.values[first + np.arange(ends[-1] if len(ends) else 0)]
        return numbers


def interpret(
    raw: RawRows,
    files: Sequence[str],
    *,
    classes: int | None,
    kpt_shape: tuple[int, int] | None,
    task: str | None,
    with_shapes: bool = True,
    may_be_pixels: bool = True,
) -> Columns:
    """Columns from raw rows; what is unusable is left out with a finding a row.

    Parameters
    ----------
    raw : RawRows
    files : sequence of str
        Label files, for messages.
    classes : int or None
        Number of classes; None where there are no names.
    kpt_shape : (K, D) or None
    task : {"detect", "segment", "obb", "pose"} or None
        As stated; None lets the rows tell.
    with_shapes : bool
        False leaves outlines and keypoints out.
    may_be_pixels : bool
        False where detkit wrote the labels: numbers above 2 are then far outside the image, not pixels.
    """
    findings: list[Finding] = []
    starts = np.concatenate([[0], np.cumsum(raw.lengths)])[:-1].astype(np.int64)
    kind = np.full(len(raw.lengths), _BOX, np.int64)
    table = _Table(raw.values, starts, raw.lengths, raw.file, raw.line, kind)
    _drop_too_large(table, files, findings)
    kpt_shape = _keypoint_shape(table, kpt_shape, task, findings)
    _classify(table, files, kpt_shape, task, findings)
    if may_be_pixels:
        _drop_pixels(table, files, findings)
    _drop_unknown_classes(table, files, classes, findings)
    xywh = _boxes(table)
    _look_at_boxes(table, xywh, files, findings)
    _look_at_files(table, files, findings)
    return Columns(
        table.file,
        table.values[table.starts].astype(np.int64),
        xywh,
        _shapes(table) if with_shapes else None,
        _oriented(table) if with_shapes else None,
        _keypoints(table, kpt_shape) if with_shapes else None,
        kpt_shape,
        findings,
    )


def _drop(
    table: _Table, bad: NDArray[np.bool_], files: Sequence[str], code: str, text: Any, findings: list[Finding]
) -> None:
    """Leave rows out, each with a finding; `text(row)` says why."""
    if not bad.any():
        return
    for row in np.flatnonzero(bad):
        findings.append(Finding(code, text(int(row)), file=files[table.file[row]], line=int(table.line[row])))
    table.keep(~bad)


def _drop_too_large(table: _Table, files: Sequence[str], findings: list[Finding]) -> None:
    usable = np.abs(table.values) <= FARTHEST
    if len(table.starts) and not usable.all():
        bad = ~np.logical_and.reduceat(usable, table.starts)
        _drop(table, bad, files, "DK102", lambda row: "a value is too large", findings)


def _keypoint_shape(
    table: _Table, stated: tuple[int, int] | None, task: str | None, findings: list[Finding]
) -> tuple[int, int] | None:
    """K and D: as stated, else from the rows where every row is a box with triples whose last is 0, 1 or 2."""
    if stated is not None or task in ("detect", "segment", "obb") or not len(table.lengths):
        return stated
    length = int(table.lengths[0])
    if length < 8 or (length - 5) % 3 or (table.lengths != length).any():
        return None
    visibility = table.cells(np.arange(len(table.lengths)), length)[:, 7::3]
    if not np.isin(visibility, (0, 1, 2)).all() or (length % 2 and not (visibility == 2).any() and task != "pose"):
        return None
    shape = (length - 5) // 3, 3
    points = plural(shape[0], "keypoint")
    text = f"every row has {length} columns: read as pose with {points} (no `kpt_shape` is stated)"
    findings.append(Finding("DK107", text))
    return shape


def _classify(
    table: _Table,
    files: Sequence[str],
    kpt_shape: tuple[int, int] | None,
    task: str | None,
    findings: list[Finding],
) -> None:
    lengths = table.lengths
    kind = np.full(len(lengths), _BAD, np.int64)
    kind[lengths == 5] = _BOX
    expected = "5 columns (box) or an odd count from 7 (polygon)"
    if kpt_shape is not None:
        columns = 5 + kpt_shape[0] * kpt_shape[1]
        kind[lengths == columns] = _POSE
        expected = f"{plural(columns, 'column')} (`kpt_shape` is {list(kpt_shape)})"
    else:
        kind[(lengths >= 7) & (lengths % 2 == 1)] = _POLYGON
        if _is_oriented_set(lengths, task, findings):
            kind[lengths == 9] = _ORIENTED
    if len(lengths) and (lengths == 6).all():
        kind[:] = _BOX
        text = "every row has a sixth column, taken for a confidence and ignored; labels have five"
        findings.append(Finding("DK109", text, file=files[table.file[0]], count=len(lengths)))
    table.kind = kind
    bad = kind == _BAD
    _drop(table, bad, files, "DK102", lambda row: _column_problem(int(lengths[row]), expected), findings)
    boxes = int((table.kind == _BOX).sum())
    if kpt_shape is not None and boxes and (table.kind == _POSE).any():
        findings.append(Finding("DK109", "rows without keypoints in a pose set: read as boxes", count=boxes))


def _column_problem(columns: int, expected: str) -> str:
    tail = ", the sixth looks like a confidence" if columns == 6 else ""
    return f"found {columns} column{'s' if columns != 1 else ''}{tail}, expected {expected}"


def _is_oriented_set(lengths: NDArray[np.int64], task: str | None, findings: list[Finding]) -> bool:
    """Class and eight coordinates are an oriented box or a polygon of four points: the whole set decides."""
    if task is not None:
        return task == "obb"
    if not len(lengths) or (lengths != 9).any():
        return False
    findings.append(
        Finding(
            "DK107",
            "every row has a class and 8 coordinates: read as oriented boxes; "
            "`task: segment` in data.yaml makes them polygons",
            count=len(lengths),
        )
    )
    return True


def _drop_pixels(table: _Table, files: Sequence[str], findings: list[Finding]) -> None:
    """Rows whose coordinates are pixels: three quarters of them above 2 (of a pose row, of its box)."""
    if not len(table.starts) or not (table.values > _LOOKS_LIKE_PIXELS).any():
        return
    high = np.concatenate([[0], np.cumsum(table.values > _LOOKS_LIKE_PIXELS)])
    count = np.where((table.kind == _POLYGON) | (table.kind == _ORIENTED), table.lengths - 1, 4)
    share = high[table.starts + 1 + count] - high[table.starts + 1]
    text = "coordinates look like pixels, expected shares of the image in [0, 1]"
    _drop(table, share >= 0.75 * count, files, "DK102", lambda row: text, findings)


def _drop_unknown_classes(table: _Table, files: Sequence[str], classes: int | None, findings: list[Finding]) -> None:
    numbers = table.values[table.starts] if len(table.starts) else np.empty(0)
    last = _LARGEST_UNNAMED if classes is None else classes - 1
    kept = list(numbers)

    def text(row: int) -> str:
        expected = f"0 to {last}" if last >= 0 else "no class at all"
        return f"class {kept[row]:.0f} is out of range, expected {expected}"

    _drop(table, (numbers < 0) | (numbers > last), files, "DK301", text, findings)


def _boxes(table: _Table) -> NDArray[np.float64]:
    xywh = np.empty((len(table.starts), 4))
    straight = np.flatnonzero((table.kind == _BOX) | (table.kind == _POSE))
    box = table.cells(straight, 5)[:, 1:]
    xywh[straight, :2] = box[:, :2] - box[:, 2:] / 2
    xywh[straight, 2:] = box[:, 2:]
    outlined = np.flatnonzero((table.kind == _POLYGON) | (table.kind == _ORIENTED))
    if len(outlined):
        points = table.flat(outlined, 1).reshape(-1, 2)
        counts = (table.lengths[outlined] - 1) // 2
        first = np.cumsum(counts) - counts
        low, high = np.minimum.reduceat(points, first), np.maximum.reduceat(points, first)
        xywh[outlined, :2] = low
        xywh[outlined, 2:] = high - low
    return xywh


def _look_at_boxes(table: _Table, xywh: NDArray[np.float64], files: Sequence[str], findings: list[Finding]) -> None:
    # Shares so small that halves of them are lost are no size either.
    flat = (xywh[:, 2:] < np.finfo(np.float64).tiny).any(axis=1)
    for row in np.flatnonzero(flat):
        width, height = xywh[row, 2:].tolist()
        text = f"width {width!r}, height {height!r} (shares of the image), expected both above 0; kept"
        findings.append(Finding("DK201", text, file=files[table.file[row]], line=int(table.line[row])))
    if not len(table.starts):
        return
    outside = ~_in_range(table) & ~flat
    if outside.any():
        first = int(np.argmax(outside))
        text = "coordinates outside [0, 1]; kept as they are"
        file, line = files[table.file[first]], int(table.line[first])
        findings.append(Finding("DK203", text, file=file, line=line, count=int(outside.sum())))


def _in_range(table: _Table) -> NDArray[np.bool_]:
    """Whether all coordinates of each row lie in [0, 1], visibilities apart."""
    wrong = (table.values < -_TOLERANCE) | (table.values > 1 + _TOLERANCE)
    if not wrong.any():
        return np.ones(len(table.starts), np.bool_)
    total = np.concatenate([[0], np.cumsum(wrong)])
    outlined = (table.kind == _POLYGON) | (table.kind == _ORIENTED)
    count = np.where(outlined, table.lengths - 1, 4)
    inside: NDArray[np.bool_] = total[table.starts + 1 + count] == total[table.starts + 1]
    return inside


def _look_at_files(table: _Table, files: Sequence[str], findings: list[Finding]) -> None:
    if not len(table.starts):
        return
    has = {kind: np.unique(table.file[table.kind == kind]) for kind in (_BOX, _POLYGON, _ORIENTED)}
    mixed = np.intersect1d(has[_BOX], np.union1d(has[_POLYGON], has[_ORIENTED]))
    if len(mixed):
        text = "box rows and polygon rows in one file; kept as they are (Ultralytics turns all of them into boxes)"
        findings.append(RoughFinding("DK107", text, file=files[mixed[0]], count=len(mixed)))
    rows = _duplicates(table)
    if rows:
        file, line = files[table.file[rows[0]]], int(table.line[rows[0]])
        text = "the same row twice in one file; both kept"
        findings.append(Finding("DK501", text, file=file, line=line, count=len(rows)))


def _duplicates(table: _Table) -> list[int]:
    """Rows that repeat an earlier row of their file, number for number."""
    head = table.cells(np.arange(len(table.starts)), 5) + 0.0
    # One cheap hash finds the few candidates, which are then compared in full.
    hashes = row_hashes([table.file.astype(np.uint64), *head.view(np.uint64).T])
    seen: set[tuple[int, bytes]] = set()
    found = []
    for row in alike(hashes):
        start = table.starts[row]
        key = int(table.file[row]), table.values[start : start + table.lengths[row]].tobytes()
        if key in seen:
            found.append(int(row))
        seen.add(key)
    return found


def _shapes(table: _Table) -> Shapes | None:
    outlined = (table.kind == _POLYGON) | (table.kind == _ORIENTED)
    if not outlined.any():
        return None
    rows = np.flatnonzero(outlined)
    counts = np.where(outlined, (table.lengths - 1) // 2, 0)
    rings = Ragged(np.concatenate([[0], np.cumsum(outlined)]), counts[rows])
    points = Ragged(np.concatenate([[0], np.cumsum(counts)]), table.flat(rows, 1).reshape(-1, 2))
    return Shapes(np.where(outlined, Shapes.POLYGONS, Shapes.NONE).astype(np.uint8), rings, points)


def _oriented(table: _Table) -> NDArray[np.bool_] | None:
    oriented = table.kind == _ORIENTED
    return oriented if oriented.any() else None


def _keypoints(table: _Table, kpt_shape: tuple[int, int] | None) -> Ragged | None:
    rows = np.flatnonzero(table.kind == _POSE)
    if kpt_shape is None or not len(rows):
        return None
    count, columns = kpt_shape
    given = table.flat(rows, 5).reshape(-1, columns)
    points = np.empty((len(given), 3))
    points[:, :columns] = given
    if columns == 2:
        # Without a column for it, a point at the origin counts as not labelled and any other as visible.
        points[:, 2] = np.where((given == 0).all(axis=1), 0, 2)
    lengths = np.where(table.kind == _POSE, count, 0)
    return Ragged(np.concatenate([[0], np.cumsum(lengths)]), points)
