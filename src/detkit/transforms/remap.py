"""Classes renamed, joined, dropped, put in another order, or numbered as COCO does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from detkit import detectors
from detkit.columns import repeats
from detkit.errors import UsageError
from detkit.findings import Finding, Loss
from detkit.tables import Categories, Dataset, freeze, id_array
from detkit.transforms._change import Change, loss_of_rows
from detkit.transforms._class_lists import renumbered
from detkit.transforms._names import find_names
from detkit.wording import examples, plural

__all__ = ["Case", "Coco", "remap"]

Case = Literal["lower", "upper", "title", "join"]
Coco = Literal["80to91", "91to80"]


def remap(
    dataset: Dataset,
    names: Mapping[str, str | None] | None = None,
    *,
    drop: Sequence[str] = (),
    case: Case | None = None,
    coco: Coco | None = None,
    order: Literal["source", "name", "boxes"] | Sequence[str] = "source",
) -> Change:
    """The dataset with other classes.

    All names change at once (`a=b` and `b=a` exchange two classes). Classes that end up with the same name are one; it
    takes the place and id of the class that had the name before, else of the first.

    Parameters
    ----------
    dataset : Dataset
    names : mapping, optional
        Old name (or id) -> new name; None drops the class with its boxes.
    drop : sequence of str
        Names (or ids) of more classes to drop.
    case : {"lower", "upper", "title", "join"}, optional
        Write every name so, after `names`; `join` keeps spellings and joins names that differ only in case or in
        spaces around them, under the spelling with the most boxes.
    coco : {"80to91", "91to80"}, optional
        Ids 1..80 to COCO's 1..90 with holes, or back; ids only, the names stay.
    order : {"source", "name", "boxes"} or sequence of str
        Of the classes: the source's, by name, most boxes first, or these (new names) first and the rest as they were.

    Returns
    -------
    Change

    Raises
    ------
    UsageError
        A class that is not there, ids that COCO does not have, or nothing asked for.
    """
    if not names and not drop and case is None and coco is None and order == "source":
        raise UsageError("nothing to change", hint="give --map, --drop, --case, --coco or --order")
    old = dataset.categories
    target = _new_names(old, names or {}, drop)
    counts = np.bincount(dataset.annotations.category_index, minlength=len(old))
    if case is not None:
        target = _in_case(target, case, counts)
    place, to = _places(old, target)
    categories = _categories(old, place, target)
    if order != "source":
        boxes = np.bincount(to[to >= 0], weights=counts[to >= 0], minlength=len(place))
        turn = _order(categories, order, boxes)
        categories, to = _turned(categories, to, turn)
    if coco is not None:
        categories = replace(categories, ids=_coco_ids(categories, coco), has_own_ids=True)
    return _applied(dataset, categories, to, target)


def _new_names(old: Categories, names: Mapping[str, str | None], drop: Sequence[str]) -> list[str | None]:
    """What each class will be called, None for one that is dropped."""
    target: list[str | None] = list(old.names)
    for name, new in names.items():
        if new is not None and not new.strip():
            raise UsageError(f"--map: class `{name}` would have an empty name")
        for k in find_names([name], old, "--map").tolist():
            target[k] = new
    for k in find_names(drop, old, "--drop").tolist() if drop else ():
        if target[k] not in (old.names[k], None):
            raise UsageError(f"class `{old.names[k]}` is renamed by --map and dropped by --drop")
        target[k] = None
    return target


def _in_case(target: Sequence[str | None], case: Case, counts: NDArray[np.int64]) -> list[str | None]:
    if case != "join":
        change = {"lower": str.lower, "upper": str.upper, "title": str.title}[case]
        return [None if name is None else change(name) for name in target]
    boxes: dict[str, int] = {}
    for name, count in zip(target, counts.tolist(), strict=True):
        if name is not None:
            boxes[name] = boxes.get(name, 0) + count
    best: dict[str, str] = {}
    for name in boxes:
        key = name.strip().casefold()
        if key not in best or boxes[name] > boxes[best[key]]:
            best[key] = name
    return [None if name is None else best[name.strip().casefold()] for name in target]


def _places(old: Categories, target: Sequence[str | None]) -> tuple[list[int], NDArray[np.int64]]:
    """The old position that each new class takes over, in order, and the new position of each old class."""
    members: dict[str, list[int]] = {}
    for k, name in enumerate(target):
        if name is not None:
            members.setdefault(name, []).append(k)
    heads = {name: next((k for k in ks if old.names[k] == name), ks[0]) for name, ks in members.items()}
    order = sorted(heads.values())
    number = {head: n for n, head in enumerate(order)}
    to = [-1 if name is None else number[heads[name]] for name in target]
    return order, np.array(to, np.int64)


def _categories(old: Categories, place: Sequence[int], target: Sequence[str | None]) -> Categories:
    found = old.take(place, renumber=True)
    named = old.has_names or any(target[k] != old.names[k] for k in place)
    return replace(found, names=tuple(str(target[k]) for k in place), has_names=named)


def _order(categories: Categories, order: str | Sequence[str], boxes: NDArray[Any]) -> list[int]:
    every = range(len(categories))
    if order == "name":
        return sorted(every, key=lambda k: categories.names[k])
    if order == "boxes":
        return sorted(every, key=lambda k: -boxes[k])
    if isinstance(order, str):
        raise UsageError(f"--order: found `{order}`, expected source, name, boxes or names with commas between")
    first = find_names(order, categories, "--order").tolist()
    return [*first, *(k for k in every if k not in first)]


def _turned(categories: Categories, to: NDArray[np.int64], turn: Sequence[int]) -> tuple[Categories, NDArray[np.int64]]:
    """Classes in another order; ids stay with their classes where they are the source's own."""
    new_place = np.empty(len(turn) + 1, np.int64)
    new_place[list(turn)] = np.arange(len(turn))
    new_place[-1] = -1
    return categories.take(turn, renumber=True), new_place[to]


def _coco_ids(categories: Categories, coco: Coco) -> NDArray[Any]:
    """New ids: 1..80 are the places of COCO's own in their order; numbers from 0 are taken as such, too."""
    holes = list(detectors.COCO91)
    ids = categories.ids.tolist()
    if coco == "80to91":
        base = 0 if 0 in ids else 1
        known = {number + base: identifier for number, identifier in enumerate(holes)}
    else:
        known = {identifier: number for number, identifier in enumerate(holes, 1)}
    wrong = [str(i) for i in ids if i not in known]
    if wrong:
        expected = "1 to 80 (or 0 to 79)" if coco == "80to91" else "of COCO's 80 between 1 and 90"
        raise UsageError(
            f"--coco {coco}: {plural(len(wrong), 'class id')} {examples(wrong, 5)}, expected ids {expected}"
        )
    return id_array([known[i] for i in ids])


def _applied(dataset: Dataset, categories: Categories, to: NDArray[np.int64], target: Sequence[str | None]) -> Change:
    old = dataset.categories
    rows = to[dataset.annotations.category_index]
    losses = loss_of_rows(dataset, np.flatnonzero(rows < 0), "boxes of dropped classes", "dropped")
    dropped = [name for name, new in zip(old.names, to, strict=True) if new < 0]
    joined = [categories.names[k] for k in np.flatnonzero(np.bincount(to[to >= 0], minlength=len(categories)) > 1)]
    renamed = [name for name, new in zip(old.names, target, strict=True) if new not in (None, name)]
    if dropped:
        losses = [Loss("classes", "dropped", len(dropped), tuple(dropped[:3])), *losses]
    changed = dataset.take_rows(np.flatnonzero(rows >= 0))
    table = replace(changed.annotations, category_index=freeze(to[changed.annotations.category_index]))
    own = categories.ids.tolist()
    new_ids = {i: own[k] for i, k in zip(old.ids.tolist(), to.tolist(), strict=True) if k >= 0}
    images = replace(changed.images, extra=renumbered(changed.images, new_ids))
    changed = replace(changed, categories=categories, annotations=table, images=images)
    counts = np.bincount(dataset.annotations.category_index, minlength=len(old)).tolist()
    details = {
        "classes": [
            {
                "name": old.names[k],
                "id": identifier,
                "to": None if to[k] < 0 else categories.names[to[k]],
                "to_id": None if to[k] < 0 else own[to[k]],
                "boxes": counts[k],
            }
            for k, identifier in enumerate(old.ids.tolist())
        ],
        "renamed": len(renamed),
        "joined": len(joined),
        "dropped": len(dropped),
        "class_names": list(categories.names),
    }
    return Change(changed, tuple(losses), tuple(_noticed(changed, joined, old, to)), details)


def _noticed(dataset: Dataset, joined: Sequence[str], old: Categories, to: NDArray[np.int64]) -> list[Finding]:
    """Boxes that are the same twice once their classes are one, and class fields that differ."""
    if not joined:
        return []
    findings = []
    rows = dataset.annotations
    doubled = int(repeats(rows.image_index, rows.category_index, rows.xywh).sum())
    if doubled:
        findings.append(Finding("DK501", f"{plural(doubled, 'box', 'boxes')} of joined classes twice", count=doubled))
    for k, name in enumerate(dataset.categories.names):
        mine = [old.extra.get(int(i), {}) for i in np.flatnonzero(to == k)]
        if len(mine) > 1 and any(fields != mine[0] for fields in mine):
            findings.append(Finding("DK109", f"joined class `{name}`: fields differ, one class's are kept"))
    return findings
