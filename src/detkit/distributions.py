"""What is installed, told without `importlib.metadata` where that can be: to load it takes longer than to look.

Most processes want to know two things only: whether anything plugs into detkit, and which compiler is installed. The
folders on the search path say so by their names; where they leave it open the library is asked.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from functools import cache

__all__ = ["may_plug_in", "version"]


@cache
def may_plug_in(group: str) -> bool:
    """Whether an installed distribution may have entry points in a group.

    Parameters
    ----------
    group : str
        `detkit.formats`.

    Returns
    -------
    bool
        False only where none has.
    """
    if any(hasattr(f, "find_distributions") and f.__module__ != "_frozen_importlib_external" for f in sys.meta_path):
        return True  # something else finds distributions, too
    if any(path.endswith(".egg") or os.path.isfile(path) for path in sys.path):  # noqa: PTH113 - see `_described`
        return True
    return any(f"[{group}]".encode() in _entry_points(folder) for folder in _described())


def version(name: str) -> str:
    """The installed version of a distribution.

    Parameters
    ----------
    name : str
        As its folder is called, `llvmlite`.

    Returns
    -------
    str

    Raises
    ------
    importlib.metadata.PackageNotFoundError
    """
    start, end = f"{name}-", ".dist-info"
    for folder in _described():
        found = os.path.basename(folder)  # noqa: PTH119 - see `_described`
        if found.startswith(start) and found.endswith(end):
            return found[len(start) : -len(end)]
    import importlib.metadata

    return importlib.metadata.version(name)


def _described() -> list[str]:
    """The folders that describe what is installed; as text, since a `Path` for each takes longer than all else."""
    found = []
    for path in sys.path:
        with suppress(OSError), os.scandir(path or ".") as entries:
            found += [entry.path for entry in entries if entry.name.endswith((".dist-info", ".egg-info"))]
    return found


def _entry_points(folder: str) -> bytes:
    with suppress(OSError), open(f"{folder}/entry_points.txt", "rb") as file:  # noqa: PTH123 - see `_described`
        return file.read()
    return b""
