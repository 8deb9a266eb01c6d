"""Folders of the project, and texts without the paths of this machine."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared" / "data"
RUNNERS = ROOT / "benchmarks" / "runners"
PEERS_FILE = ROOT / "benchmarks" / "peers.txt"
PEERS_ENVIRONMENT = ROOT / ".venv-peers"
WORK = ROOT / ".scratch" / "bench"
REPORT = ROOT / "docs" / "benchmarks.md"


def shown(path: Path) -> str:
    """The path relative to the project where it lies in or beside it, else its name."""
    path = Path(os.path.normpath(path.absolute()))
    if path.is_relative_to(ROOT):
        return path.relative_to(ROOT).as_posix()
    if path.is_relative_to(ROOT.parent):
        return f"../{path.relative_to(ROOT.parent).as_posix()}"
    return path.name


def scrubbed(text: str) -> str:
    """The text with the project, home and temporary folders, and any other absolute path, shortened."""
    known = [(ROOT, "."), (ROOT.parent, ".."), (Path(tempfile.gettempdir()).resolve(), "<tmp>"), (Path.home(), "~")]
    for folder, short in known:
        if folder != folder.parent:
            text = text.replace(f"{folder}/", f"{short}/")
    return re.sub(r"(?<![\w.~>/])/(?:[^\s/'\":]+/)+", "<...>/", text)
