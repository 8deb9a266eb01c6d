"""Where archives were unpacked to: these files are gone when the process ends, so that nothing may point to them."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["is_unpacked", "remember"]

_FOLDERS: list[str] = []


def remember(folder: Path) -> None:
    """An archive is unpacked to this folder."""
    _FOLDERS.append(f"{folder}{os.sep}")


def is_unpacked(file: str) -> bool:
    """Whether a file was unpacked from an archive."""
    return any(file.startswith(folder) for folder in _FOLDERS)
