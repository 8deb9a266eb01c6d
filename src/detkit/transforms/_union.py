"""What several datasets have in common: classes by name, ids that meet nowhere, top-level fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.errors import UsageError
from detkit.findings import Finding, Loss
from detkit.tables import Categories, Images, id_array
from detkit.wording import examples

__all__ = ["distinct_ids", "join_info", "union_of_classes"]


class _Union:
    """Classes in order of first appearance."""

    def __init__(self) -> None:
        self.place: dict[str, int] = {}
        self.ids: list[Any] = []
        self.above: list[str | None] = []
        self.extra: dict[int, dict[str, Any]] = {}
        self.moved: list[str] = []
        self.findings: list[Finding] = []

    def add(self, categories: Categories, source: str) -> NDArray[np.int64]:
        """Take in the classes of one source; their positions here."""
        ids = categories.ids.tolist() if categories.has_own_ids else [None] * len(categories)
        for k, name in enumerate(categories.names):
            if name not in self.place:
                self.place[name] = len(self.ids)
                self.ids.append(self._free(name, ids[k]))
                self.above.append(None)
            at = self.place[name]
            if self.above[at] is None:
                self.above[at] = categories.supercategories[k]
            known = self.extra.setdefault(at, {})
            fields = categories.extra.get(k, {})
            differing = [key for key, value in fields.items() if known.get(key, value) != value]
            if differing:
                message = f"class `{name}` of `{source}`: {examples(differing)} differ from an earlier source's"
                self.findings.append(Finding("DK109", f"{message}, which are kept"))
            self.extra[at] = {**fields, **known}
        return np.array([self.place[name] for name in categories.names], np.int64)

    def _free(self, name: str, wanted: Any) -> Any:
        if wanted is not None and wanted not in self.ids:
            return wanted
        if wanted is not None:
            self.moved.append(name)
        return max([i for i in self.ids if isinstance(i, int)], default=0) + 1


def union_of_classes(
    parts: Sequence[Categories], names: Sequence[str]
) -> tuple[Categories, list[NDArray[np.int64]], list[Loss], list[Finding]]:
    """Classes of several sources, joined by exact name; an id that an earlier class has is renumbered.

    Parameters
    ----------
    parts : sequence of Categories
    names : sequence of str
        Of the sources.

    Returns
    -------
    Categories
    list of (K,) int64
        Where each source's classes are.
    list of Loss
    list of Finding
        Names that differ only in case; fields that differ.

    Raises
    ------
    UsageError
        Some sources name their classes, others number them.
    """
    named = [part.has_names for part in parts]
    if any(named) and not all(named):
        lacking = names[named.index(False)]
        raise UsageError(f"`{lacking}` numbers its classes, the others name them", hint="name them with `--names FILE`")
    union = _Union()
    maps = [union.add(part, name) for part, name in zip(parts, names, strict=True)]
    own = any(part.has_own_ids for part in parts)
    ids = union.ids if own else range(1, len(union.ids) + 1)
    extra = {at: fields for at, fields in union.extra.items() if fields}
    found = Categories(id_array(ids), tuple(union.place), tuple(union.above), own, all(named), extra)
    losses = [Loss("class ids", "renumbered", len(union.moved), tuple(union.moved[:3]))] if union.moved else []
    return found, maps, losses, [*union.findings, *_case_twins(found.names)]


def distinct_ids(parts: Sequence[Sequence[Any]], own: Sequence[bool]) -> tuple[list[Any], int]:
    """Ids of all parts: those an earlier part has are replaced by numbers above every id; ids may repeat in a part.

    Parameters
    ----------
    parts : sequence of sequences
    own : sequence of bool
        Parts whose ids are the source's own: others are replaced without being counted.

    Returns
    -------
    list
    int
        How many were replaced.
    """
    numbers = (i for part, is_own in zip(parts, own, strict=True) if is_own for i in part if isinstance(i, int))
    following = max(numbers, default=0)
    taken: set[Any] = set()
    found: list[Any] = []
    moved = 0
    for part, is_own in zip(parts, own, strict=True):
        for identifier in part:
            if not is_own or identifier in taken:
                following += 1
                moved += is_own
                found.append(following)
            else:
                found.append(identifier)
        taken.update(part if is_own else ())
    return found, moved


def join_info(
    infos: Sequence[Mapping[str, Any]], images: Images, counts: Sequence[int]
) -> tuple[dict[str, Any], Images, list[Loss]]:
    """Top-level fields: the first source's, others added; licences are joined and the images' numbers follow.

    Parameters
    ----------
    infos : sequence of mapping
    images : Images
        Of all sources, in order.
    counts : sequence of int
        Images of each source.

    Returns
    -------
    dict
    Images
    list of Loss
        Fields of later sources that differ.
    """
    joined: dict[str, Any] = {}
    differing: dict[str, None] = {}
    for info in infos:
        for name, value in info.items():
            if name != "licenses" and joined.setdefault(name, value) != value:
                differing[name] = None
    licenses, numbers = _join_licenses([info.get("licenses") for info in infos])
    if licenses:
        joined["licenses"] = licenses
        of_image = np.repeat(np.arange(len(infos)), counts).tolist()
        extra = {
            position: {**fields, "license": numbers[of_image[position]].get(fields["license"], fields["license"])}
            if isinstance(fields.get("license"), int)
            else fields
            for position, fields in images.extra.items()
        }
        images = replace(images, extra=extra)
    action = "kept as the first source has them"
    losses = [Loss("top-level fields", action, len(differing), tuple(differing)[:3])] if differing else []
    return joined, images, losses


def _join_licenses(parts: Sequence[Any]) -> tuple[list[dict[str, Any]], list[dict[int, int]]]:
    """One list of licences, and for each source the new number of each of its own."""
    joined: list[dict[str, Any]] = []
    numbers: list[dict[int, int]] = []
    for part in parts:
        mine: dict[int, int] = {}
        for record in part if isinstance(part, list) else ():
            if not isinstance(record, dict) or not isinstance(record.get("id"), int):
                continue
            same = [r for r in joined if {**r, "id": 0} == {**record, "id": 0}]
            if not same:
                taken = {r["id"] for r in joined}
                number = record["id"] if record["id"] not in taken else max(taken) + 1
                same = [{**record, "id": number}]
                joined += same
            mine[record["id"]] = same[0]["id"]
        numbers.append(mine)
    return joined, numbers


def _case_twins(names: Sequence[str]) -> list[Finding]:
    by_fold: dict[str, list[str]] = {}
    for name in names:
        by_fold.setdefault(name.strip().casefold(), []).append(name)
    return [
        Finding("DK304", f"classes {examples(twins)} differ only in case and are kept apart (to join: detkit remap)")
        for twins in by_fold.values()
        if len(twins) > 1
    ]
