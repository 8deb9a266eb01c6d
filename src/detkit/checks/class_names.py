"""Class names that look like one class, like no class, or carry blanks."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from detkit.checks._base import Code, Context, Fixed
from detkit.findings import Finding, Loss
from detkit.tables import Dataset, freeze
from detkit.wording import examples, plural

__all__ = ["CODES", "fix", "run"]

_BACKGROUND = frozenset(("background", "__background__", "_background_", "bg", "none", "unlabeled", "unlabelled"))

CODES = (
    Code("DK304", "Class names differ by case only.",
         "Most likely one class whose boxes are split in two.", "unsafe", "Joins them under the more frequent name."),
    Code("DK305", "Class names differ by blanks, hyphens, underscores or a plural only.",
         "Most likely one class whose boxes are split in two.", "unsafe", "Joins them under the more frequent name."),
    Code("DK308", "A class is named like the background.",
         "Detectors have a background of their own: a class for it moves every number, or trains on nothing."),
    Code("DK309", "A class name begins or ends with blanks, or has two in a row.",
         "Names are compared letter by letter.", "safe", "Takes the blanks away where no other class has that name."),
)  # fmt: skip


def run(dataset: Dataset, context: Context) -> Iterator[Finding]:
    """Faults of class names."""
    names = dataset.categories.names
    if not dataset.categories.has_names:
        return
    yield from context.of_classes("DK304", [f"{_quoted(g, names)} differ by case only" for g in _by_case(names)])
    yield from context.of_classes(
        "DK305", [f"{_quoted(g, names)} differ by blanks, signs or a plural only" for g in _by_signs(names)]
    )
    odd = [name for name in names if name.strip().lower() in _BACKGROUND]
    yield from context.of_classes("DK308", [f"class `{name}` is named like the background" for name in odd])
    blank = [name for name in names if _tidy(name) != name]
    yield from context.of_classes("DK309", [f"class name `{name}` has needless blanks" for name in blank])


def fix(dataset: Dataset, context: Context, code: str) -> Fixed:
    """Names without needless blanks, or twins joined."""
    names = dataset.categories.names
    if not dataset.categories.has_names:
        return dataset, []
    if code == "DK309":
        taken = set(names)
        tidy = [new if (new := _tidy(name)) and new not in taken else name for name in names]
        changed = [(old, new) for old, new in zip(names, tidy, strict=True) if old != new]
        if not changed or len(set(tidy)) < len(set(names)):
            return dataset, []
        renamed = replace(dataset, categories=replace(dataset.categories, names=tuple(tidy)))
        where = tuple(f"{old!r} -> {new!r}" for old, new in changed[:3])
        return renamed, [Loss("class names", "freed of blanks", len(changed), where)]
    return _joined(dataset, _by_case(names) if code == "DK304" else _by_signs(names))


def _joined(dataset: Dataset, groups: Sequence[Sequence[int]]) -> Fixed:
    """Each group under the name most boxes have; the first of equals."""
    if not groups:
        return dataset, []
    count = np.bincount(dataset.annotations.category_index, minlength=len(dataset.categories))
    into = np.arange(len(count))
    losses = []
    for group in groups:
        target = max(group, key=lambda i: (count[i], -i))
        into[list(group)] = target
        names, moved = dataset.categories.names, int(count[list(group)].sum() - count[target])
        others = tuple(
            f"{names[i]!r} -> {names[target]!r} ({plural(count[i], 'box', 'boxes')})" for i in group if i != target
        )
        losses.append(Loss("classes", f"joined ({plural(moved, 'box', 'boxes')} moved)", len(others), others[:3]))
    kept = np.flatnonzero(into == np.arange(len(into)))
    position = np.full(len(into), -1)
    position[kept] = np.arange(len(kept))
    index = freeze(position[into[dataset.annotations.category_index]], np.int64)
    rows = replace(dataset.annotations, category_index=index)
    return replace(dataset, categories=dataset.categories.take(kept, renumber=True), annotations=rows), losses


def _by_case(names: Sequence[str]) -> list[list[int]]:
    return _groups(names, str.casefold)


def _by_signs(names: Sequence[str]) -> list[list[int]]:
    """Groups that are one without signs and plural, and were not one by case already."""
    cases = {tuple(group) for group in _by_case(names)}
    return [group for group in _groups(names, _bare) if tuple(group) not in cases]


def _groups(names: Sequence[str], key: Any) -> list[list[int]]:
    held: dict[str, list[int]] = defaultdict(list)
    for position, name in enumerate(names):
        held[key(name)].append(position)
    return [group for group in held.values() if len({names[i] for i in group}) > 1]


def _bare(name: str) -> str:
    bare = re.sub(r"[\s_\-./]+", "", name).casefold()
    return bare[:-1] if len(bare) > 4 and bare.endswith("s") and not bare.endswith("ss") else bare


def _tidy(name: str) -> str:
    return re.sub(r"\s+", " ", name).strip()


def _quoted(group: Sequence[int], names: Sequence[str]) -> str:
    return f"classes {examples([names[i] for i in group], 9)}"
