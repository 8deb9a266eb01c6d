"""Dataset checks: one small family of codes a file, found by file name; see `_base` for what a file offers.

`run` gives the findings of a dataset; `mend` gives the dataset without those faults that can be taken away, and a list
of what was changed. Both work on tables; images are opened where the table knows their files.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from types import ModuleType

import numpy as np

from detkit import registry
from detkit.checks._base import Code, Context
from detkit.checks._edits import Edit, refuse, row_changes
from detkit.checks._headers import Headers
from detkit.errors import UsageError
from detkit.findings import CODES as NAMED
from detkit.findings import Finding, Loss
from detkit.tables import Dataset

__all__ = [
    "Change",
    "Code",
    "Context",
    "Edit",
    "Headers",
    "Mended",
    "codes",
    "edits",
    "mend",
    "run",
    "select",
]

_ROOM = "detkit.checks"
#: Fixes in this order: names, then boxes that go, then boxes that change, then what follows from boxes, then ids.
_ORDER = (
    *("DK309", "DK304", "DK305", "DK402", "DK210", "DK211", "DK201", "DK202", "DK203", "DK215", "DK216"),
    *("DK213", "DK214", "DK501", "DK503", "DK113", "DK103"),
)
#: A fix may bring up another fault, at most so often.
_ROUNDS = 4


@dataclass(frozen=True)
class Change:
    """What one fix did: the code it is for, and what was changed."""

    code: str
    loss: Loss


@dataclass(frozen=True, eq=False)
class Mended:
    """A dataset after fixes, and what they changed."""

    dataset: Dataset
    changes: tuple[Change, ...]


def codes() -> dict[str, Code]:
    """Every code a check may report, in order; a code belongs to the check that can mend it, else to the first."""
    found: dict[str, Code] = {}
    for name in registry.names(_ROOM):
        for code in _module(name).CODES:
            if code.code not in found or code.fix:
                found[code.code] = code
    return dict(sorted(found.items()))


def select(wanted: Collection[str] | None, ignored: Collection[str] | None) -> frozenset[str]:
    """Codes chosen by prefix or name.

    Parameters
    ----------
    wanted, ignored : collection of str, optional
        Beginnings of codes (`DK2`, `DK203`) or short names (`partly-outside`); by default all, and none. Where both
        fit, the longer one decides.

    Returns
    -------
    frozenset of str

    Raises
    ------
    UsageError
        One that fits no code.
    """
    known = {code: NAMED[code][1] for code in codes()}
    for text in (*(wanted or ()), *(ignored or ())):
        if not any(_fits(text, code, name) for code, name in known.items()):
            raise UsageError(f"`{text}` is no check; expected the beginning of a code (`DK2`, `DK203`) or a name")
    chosen = set()
    for code, name in known.items():
        for_it = max((_fits(t, code, name) for t in wanted), default=0) if wanted else 1
        against = max((_fits(t, code, name) for t in ignored or ()), default=0)
        if for_it > against:
            chosen.add(code)
    return frozenset(chosen)


def run(dataset: Dataset, context: Context, chosen: Collection[str] | None = None) -> list[Finding]:
    """Findings of all checks, by code, those of a code in the order of the data.

    Parameters
    ----------
    dataset : Dataset
    context : Context
    chosen : collection of str, optional
        Codes; by default all.

    Returns
    -------
    list of Finding
    """
    wanted = frozenset(codes() if chosen is None else chosen)
    found: list[Finding] = []
    with _quiet():
        for name in registry.names(_ROOM):
            module = _module(name)
            if wanted & _codes_of(name):
                found += [finding for finding in module.run(dataset, context) if finding.code in wanted]
    return sorted(found, key=lambda finding: finding.code)


def mend(dataset: Dataset, context: Context, chosen: Collection[str] | None = None, *, unsafe: bool = False) -> Mended:
    """The dataset after all fixes that are allowed, and what they changed.

    Parameters
    ----------
    dataset : Dataset
    context : Context
    chosen : collection of str, optional
        Codes; by default all.
    unsafe : bool
        Apply fixes, too, that may take away or change what somebody meant.

    Returns
    -------
    Mended
    """
    known = codes()
    allowed = [c for c in _ORDER if known[c].fix == "safe" or (unsafe and known[c].fix == "unsafe")]
    allowed = [c for c in allowed if chosen is None or c in chosen]
    changes: list[Change] = []
    for _ in range(_ROUNDS):
        before = len(changes)
        for code in allowed:
            context = context.of(dataset)
            with _quiet():
                dataset, losses = _fixer(code)(dataset, context, code)
            changes += [Change(code, loss) for loss in losses]
        if len(changes) == before:
            break
    return Mended(dataset, tuple(changes))


def edits(before: Dataset, after: Dataset, context: Context, *, voc_offset: int = 1) -> list[Edit]:
    """The files of the source that say what a mended dataset says, everything else in them as it was.

    Parameters
    ----------
    before, after : Dataset
        As read, and mended.
    context : Context
        Of `before`.
    voc_offset : {0, 1}

    Returns
    -------
    list of Edit
        Only files that change.

    Raises
    ------
    UsageError
        A format, or a change, that cannot be written that way.
    """
    from detkit.checks import _edit_coco, _edit_lines

    name, places = before.source.format if before.source else "", context.places
    if places.is_archive:
        raise refuse(f"{places.source} is an archive")
    if name not in ("coco", "voc", "yolo"):
        raise refuse(f"files of format `{name}` are not changed where they are; those that are: coco, voc, yolo")
    changes = row_changes(before, after)
    if name == "coco":
        return _edit_coco.edits(before, after, changes)
    if name == "yolo":
        return _edit_lines.yolo_edits(before, after, changes, places)
    return _edit_lines.voc_edits(before, after, changes, places, voc_offset)


def _quiet() -> np.errstate:
    """Boxes may hold any numbers, and what comes of infinite ones is told by comparing."""
    return np.errstate(over="ignore", invalid="ignore", divide="ignore")


def _module(name: str) -> ModuleType:
    module: ModuleType = registry.load(_ROOM, name)
    return module


def _codes_of(name: str) -> frozenset[str]:
    own = {code.code for code in _module(name).CODES}
    return frozenset(own | getattr(_module(name), "PASSED_ON", frozenset()))


def _fixer(code: str) -> Callable[[Dataset, Context, str], tuple[Dataset, list[Loss]]]:
    owner = next(n for n in registry.names(_ROOM) if any(c.code == code and c.fix for c in _module(n).CODES))
    fixer: Callable[[Dataset, Context, str], tuple[Dataset, list[Loss]]] = _module(owner).fix
    return fixer


def _fits(text: str, code: str, name: str) -> int:
    """How long the fitting text is; 0 where it does not fit."""
    if text == name:
        return len(code) + 1
    return len(text) if text and code.startswith(text.upper()) else 0
