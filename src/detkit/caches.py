"""Where detkit keeps what it can make again: compiled kernels, image headers."""

from __future__ import annotations

import os
import sys
from pathlib import Path

__all__ = ["cache_folder"]


def cache_folder() -> Path:
    """The platform's folder for caches, `detkit` in it; the variable `DETKIT_CACHE_DIR` names another.

    Returns
    -------
    Path
        It need not exist.
    """
    stated = os.environ.get("DETKIT_CACHE_DIR")
    if stated:
        return Path(stated)
    home = Path(os.path.expanduser("~"))  # noqa: PTH111 - Path.home raises where there is no home
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "detkit" / "cache"
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "detkit"
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "detkit"
