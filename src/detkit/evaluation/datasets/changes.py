"""What changed of boxes that two versions of a dataset have both: place, class, flags, outline, keypoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detkit import masks
from detkit.boxes import convert
from detkit.errors import InputError
from detkit.evaluation.datasets.pairs import Pairs, corners_of, is_oriented
from detkit.evaluation.datasets.versions import Versions
from detkit.findings import Finding
from detkit.tables import Ragged, Shapes
from detkit.wording import examples

__all__ = ["CHANGES", "Changes", "changes_of"]

#: What a paired box may have had changed, in the order in which it is told.
CHANGES = ("moved", "reclassified", "flags", "outlines", "keypoints")
#: The four corners of an oriented box may start at any of them and run either way.
_TURNS = [[(start + step * n) % 4 for n in range(4)] for start in range(4) for step in (1, -1)]


class Changes(NamedTuple):
    """Of each pair what changed, and by how much.

    Parameters
    ----------
    marks : mapping of str to (P,) bool
        A key of `CHANGES`; a box may be in several.
    shift : (P,) float64
        Largest move of an edge (of a corner, where boxes are oriented), in the units of the datasets.
    flags : mapping of str to (P,) bool
        Flag or attribute -> pairs that state different values of it; those that differ nowhere are left out.
    findings : tuple of Finding
        What could not be compared.
    """

    marks: Mapping[str, NDArray[np.bool_]]
    shift: NDArray[np.float64]
    flags: Mapping[str, NDArray[np.bool_]]
    findings: tuple[Finding, ...]

    @property
    def any(self) -> NDArray[np.bool_]:
        """(P,) bool: whether anything changed."""
        return np.asarray(np.logical_or.reduce([self.marks[name] for name in CHANGES]), np.bool_)


def changes_of(versions: Versions, pairs: Pairs, tolerance: float) -> Changes:
    """What changed of each pair.

    Parameters
    ----------
    versions : Versions
    pairs : Pairs
    tolerance : float
        Edges, corners and points that moved by no more did not move.

    Returns
    -------
    Changes
    """
    a, b = versions.a.annotations, versions.b.annotations
    label_a, label_b = versions.labels
    shift = _shift(versions, pairs)
    flags, findings = _flags(versions, pairs)
    none = np.zeros(len(pairs.a), np.bool_)
    marks = {
        "moved": shift > tolerance,
        "reclassified": label_a[pairs.a] != label_b[pairs.b],
        "flags": np.logical_or.reduce([none, *flags.values()]),
        "outlines": none,
        "keypoints": none,
    }
    if _turned(versions):
        pass  # four corners are the box itself
    elif a.shapes is not None and b.shapes is not None:
        marks["outlines"] = _outlines_differ(a.shapes.take(pairs.a), b.shapes.take(pairs.b), tolerance)
    elif _has_outline(a.shapes) or _has_outline(b.shapes):
        findings.append(Finding("DK110", "only one version has outlines: they are not compared"))
    if a.keypoints is not None and b.keypoints is not None:
        marks["keypoints"] = _rows_differ(a.keypoints.take(pairs.a), b.keypoints.take(pairs.b), tolerance)
    elif any(points is not None and len(points.values) for points in (a.keypoints, b.keypoints)):
        findings.append(Finding("DK110", "only one version has keypoints: they are not compared"))
    return Changes(marks, shift, flags, tuple(findings))


def _turned(versions: Versions) -> bool:
    return is_oriented(versions.a) and is_oriented(versions.b)


def _shift(versions: Versions, pairs: Pairs) -> NDArray[np.float64]:
    """Largest move of an edge, or of a corner where boxes are oriented: the least over the ways to name corners."""
    if not len(pairs.a):
        return np.empty(0)
    if _turned(versions):
        before, after = corners_of(versions.a, pairs.a), corners_of(versions.b, pairs.b)
        moves = [np.abs(before - after[:, turn]).max(axis=(1, 2)) for turn in _TURNS]
        return np.asarray(np.min(moves, axis=0), np.float64)
    before, after = (
        convert(table.annotations.xywh[rows], "xywh", "xyxy")
        for table, rows in ((versions.a, pairs.a), (versions.b, pairs.b))
    )
    return np.asarray(np.abs(before - after).max(axis=1), np.float64)


def _flags(versions: Versions, pairs: Pairs) -> tuple[dict[str, NDArray[np.bool_]], list[Finding]]:
    a, b = versions.a.annotations, versions.b.annotations
    columns = {name: (getattr(a, name), getattr(b, name)) for name in ("is_crowd", "is_ignored")}
    columns |= {name: (a.attributes[name], b.attributes[name]) for name in a.attributes if name in b.attributes}
    found = {name: _differ(before[pairs.a], after[pairs.b]) for name, (before, after) in columns.items()}
    lonely = sorted(set(a.attributes) ^ set(b.attributes))
    notes = []
    if lonely:
        notes.append(Finding("DK110", f"attributes of one version only are not compared: {examples(lonely)}"))
    return {name: mark for name, mark in found.items() if mark.any()}, notes


def _differ(before: NDArray[Any], after: NDArray[Any]) -> NDArray[np.bool_]:
    """Where two columns state different values; what is missing in both (NaN) is the same."""
    if before.dtype != object and after.dtype != object:
        same = before == after
        if before.dtype.kind == "f" and after.dtype.kind == "f":
            same |= np.isnan(before) & np.isnan(after)
        return np.asarray(~same, np.bool_)
    pairs = zip(before.tolist(), after.tolist(), strict=True)
    return np.fromiter((not _same(x, y) for x, y in pairs), np.bool_, len(before))


def _same(x: Any, y: Any) -> bool:
    return x is y or bool(x == y) or bool(x != x and y != y)


def _has_outline(shapes: Shapes | None) -> bool:
    return shapes is not None and bool((shapes.kind != Shapes.NONE).any())


def _outlines_differ(before: Shapes, after: Shapes, tolerance: float) -> NDArray[np.bool_]:
    changed: NDArray[np.bool_] = before.kind != after.kind
    changed |= _rows_differ(before.rings, after.rings, 0)
    changed |= _rows_differ(before.points, after.points, tolerance)
    for n in np.flatnonzero(~changed & (before.kind == Shapes.RLE)).tolist():
        changed[n] = before.rle[n] != after.rle[n] and not _same_mask(before.rle[n], after.rle[n])
    return changed


def _same_mask(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether two encodings are one mask: compressed or not, text or bytes. One that cannot be read is another."""
    if list(before["size"]) != list(after["size"]):
        return False
    try:
        found = masks.to_rles([before, after], np.full((2, 2), np.nan))
    except InputError:
        return False
    return bool(found[0]["counts"] == found[1]["counts"])


def _rows_differ(before: Ragged, after: Ragged, tolerance: float) -> NDArray[np.bool_]:
    """Rows of another length, or with a value further off than the tolerance."""
    changed: NDArray[np.bool_] = before.lengths() != after.lengths()
    kept = np.flatnonzero(~changed)
    one, two = before.take(kept), after.take(kept)
    with np.errstate(invalid="ignore"):
        far = ~((np.abs(one.values - two.values) <= tolerance) | (one.values == two.values))
    if one.values.dtype.kind == "f":
        far &= ~(np.isnan(one.values) & np.isnan(two.values))
    owner = np.repeat(kept, one.lengths())
    changed[owner[far.reshape(len(far), -1).any(axis=1)]] = True
    return changed
