"""Keypoints of Label Studio: regions of their own, each a child of the region of the object that it belongs to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.findings import Finding, Loss
from detkit.formats._collect import Collector, Item
from detkit.formats._json_file import as_numbers
from detkit.tables import Categories, Dataset, Detections, Ragged

__all__ = ["HIDDEN", "NAMES", "Points", "WrittenPoints", "with_points"]

#: The region's own flag that says a point is labelled and not visible.
HIDDEN = "hidden"
#: Field of a category with the names of its keypoints, and of `detkit.json` with those of all classes.
NAMES = "keypoints"
_LABELLED, _VISIBLE = 1.0, 2.0

Size = tuple[float, float]


class Points:
    """Keypoints met while tasks are read: their objects are known when a task ends, their order when all are read."""

    def __init__(self) -> None:
        self.waiting: list[tuple[str, str, tuple[float, float, float]]] = []
        self.of_item: dict[int, dict[str, tuple[float, float, float]]] = {}

    def add(self, value: Mapping[str, Any], label: str, parent: Any, size: Size, hidden: bool) -> str | None:
        """Take a region; what is wrong with it is returned."""
        at = as_numbers([value.get("x"), value.get("y")], 2)
        if at is None:
            return "`x` and `y` of a keypoint are not finite numbers"
        x, y = (round(n * side / 100, 9) for n, side in zip(at, size, strict=True))
        self.waiting.append((str(parent or ""), label, (x, y, _LABELLED if hidden else _VISIBLE)))
        return None

    def settle(self, regions: Mapping[str, Item], collected: Collector) -> None:
        """Give the points of a task to its items; those of no item are counted."""
        for parent, label, point in self.waiting:
            item = regions.get(parent)
            if item is None:
                collected.skipped["keypoints that belong to no object"] += 1
                continue
            own = self.of_item.setdefault(id(item), {})
            if label in own:
                collected.skipped["further keypoints of the same name in an object"] += 1
            own.setdefault(label, point)
        self.waiting = []


def with_points(table: Any, items: Sequence[Item], points: Points, stated: Mapping[str, Any] | None, path: str) -> Any:
    """The dataset or detections with the keypoints of its rows, and their names beside the classes.

    Parameters
    ----------
    table : Dataset or Detections
    items : sequence of Item
        What each source row was.
    points : Points
    stated : mapping of str to list of str, optional
        Names of each class's keypoints in order; others follow in the order of the alphabet.
    path : str
        For the finding where no order is stated.

    Returns
    -------
    Dataset or Detections
    """
    if not points.of_item and not stated:
        return table
    found: dict[str, dict[str, None]] = {}
    for item in items:
        found.setdefault(item.name, {}).update(dict.fromkeys(points.of_item.get(id(item), {})))
    known = {name: [str(n) for n in given] for name, given in (stated or {}).items() if isinstance(given, list)}
    names = {name: (*known.get(name, ()), *sorted(set(own) - set(known.get(name, ())))) for name, own in found.items()}
    told = sorted(name for name, own in found.items() if set(own) - set(known.get(name, ())))
    findings = list(table.findings)
    if told:
        message = f"nothing states the order of the keypoints of {', '.join(f'`{n}`' for n in told)}: by name"
        findings.append(Finding("DK110", message, file=path, count=len(told)))
    rows = table.annotations if isinstance(table, Dataset) else table
    ordered = [items[i] for i in rows.source_row.tolist()]
    keypoints = Ragged.from_rows([_row(points.of_item.get(id(item)), names[item.name]) for item in ordered], (3,))
    categories = _named(table.categories, {**known, **{name: list(own) for name, own in names.items() if own}})
    changed = replace(table, categories=categories, findings=tuple(findings))
    if isinstance(table, Dataset):
        return replace(changed, annotations=replace(rows, keypoints=keypoints))
    return replace(changed, keypoints=keypoints)


def _row(own: Mapping[str, tuple[float, float, float]] | None, names: Sequence[str]) -> list[tuple[float, ...]] | None:
    return None if own is None else [own.get(name, (0.0, 0.0, 0.0)) for name in names]


def _named(categories: Categories, names: Mapping[str, Sequence[str]]) -> Categories:
    extra = {
        i: {**categories.extra.get(i, {}), NAMES: list(names[name])}
        for i, name in enumerate(categories.names)
        if names.get(name) and list(names[name]) != _numbered(len(names[name]))
    }
    return replace(categories, extra={**categories.extra, **extra})


def _numbered(count: int) -> list[str]:
    """Names of keypoints that have none: no names when they are read back."""
    return [f"keypoint {n}" for n in range(1, count + 1)]


class WrittenPoints:
    """Keypoints of a table as regions, and the names that they are written under.

    Parameters
    ----------
    table : Dataset or Detections
    """

    def __init__(self, table: Dataset | Detections) -> None:
        self.rows = table.annotations if isinstance(table, Dataset) else table
        self.categories = table.categories
        self.unlabelled = self.nameless = 0
        self.names: dict[str, list[str]] = {}
        lengths = np.zeros(0, np.int64) if self.rows.keypoints is None else self.rows.keypoints.lengths()
        for c in np.unique(self.rows.category_index[np.flatnonzero(lengths)]).tolist():
            count = int(lengths[self.rows.category_index == c].max())
            self.names[table.categories.names[c]] = self._names_of(c, count)

    def _names_of(self, category: int, count: int) -> list[str]:
        stated = self.categories.extra.get(category, {}).get(NAMES)
        given = [str(name) for name in stated] if isinstance(stated, list) else []
        if len(given) == count and len(set(given)) == count:
            return given
        self.nameless += bool(given)
        return _numbered(count)

    def of(self, row: int, size: NDArray[np.float64]) -> Iterator[tuple[int, str, dict[str, Any], bool]]:
        """Number, name, place in percent and whether it is hidden, of each labelled point of a row."""
        if self.rows.keypoints is None:
            return
        points = self.rows.keypoints[row]
        names = self.names.get(self.categories.names[int(self.rows.category_index[row])], [])
        stated = False
        for n, (x, y, visible) in enumerate(points.tolist()):
            if visible <= 0:
                self.unlabelled += bool(x or y)
                continue
            stated = True
            place = {"x": x / float(size[0]) * 100, "y": y / float(size[1]) * 100, "width": 0.5}
            yield n, names[n], place, visible < _VISIBLE
        self.unlabelled += bool(len(points)) and not stated

    def losses(self) -> list[Loss]:
        """What writing changed."""
        found = [
            Loss("places of unlabelled keypoints, objects with no other", "dropped", self.unlabelled),
            Loss("names of keypoints", "numbered (not one for each)", self.nameless),
        ]
        return [loss for loss in found if loss.count]
