"""Find an implementation by its public name: a module file of the room first, then an entry point.

A room is a package of detkit (`detkit.formats`, `detkit.evaluation.protocols`, ...). Every module in it whose
name does not start with an underscore is an implementation and its file name is its public name; a package in it is
another room. Other distributions add their own through an entry point group of the same name.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import lru_cache
from types import ModuleType
from typing import Any

from detkit.distributions import may_plug_in
from detkit.errors import UsageError

__all__ = ["load", "names"]


@lru_cache
def names(room: str) -> tuple[str, ...]:
    """Public names of all implementations in a room, sorted, own ones and plugged-in ones.

    Parameters
    ----------
    room : str
        Dotted package name, `detkit.formats`.

    Returns
    -------
    tuple of str
    """
    return tuple(sorted(_own(room).union(_plugged_in(room))))


@lru_cache
def load(room: str, name: str) -> ModuleType | Any:
    """The implementation of that name.

    Parameters
    ----------
    room : str
        Dotted package name, `detkit.formats`.
    name : str
        Public name, `coco`.

    Returns
    -------
    module, or whatever the entry point names

    Raises
    ------
    UsageError
        No such name; the message lists the nearest ones.
    """
    if name not in names(room):
        from difflib import get_close_matches

        kind = room.rpartition(".")[2]
        kind = kind.removesuffix("es") + "is" if kind.endswith("ses") else kind.removesuffix("s")
        close = get_close_matches(name, names(room), n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(f'`{c}`' for c in close)}?" if close else None
        raise UsageError(f"unknown {kind} `{name}`; known: {', '.join(names(room))}", hint=hint)
    if name in _own(room):
        return importlib.import_module(f"{room}.{name}")
    return _plugged_in(room)[name].load()


@lru_cache
def _own(room: str) -> frozenset[str]:
    package = importlib.import_module(room)
    return frozenset(m.name for m in pkgutil.iter_modules(package.__path__) if not (m.name.startswith("_") or m.ispkg))


def _plugged_in(room: str) -> dict[str, Any]:
    """Entry point of each name that other distributions add to a room; the first one found where several do."""
    if not may_plug_in(room):
        return {}
    from importlib.metadata import entry_points

    return {point.name: point for point in reversed(tuple(entry_points(group=room)))}
