"""Golden cases: a folder of `fixtures/cli` with a command line in `cmd` and what it must print and write.

A case runs in an empty folder that holds a copy of the case's `input/` and three links: `demo` (the demo dataset),
`gate` (results and rules made up for the gate) and `golden` (all cases, so that one may read another's `stdout`).
`stdout`, `stderr`, `code` and `written` (new files with the start of their SHA-256) are compared byte for byte, with
paths, versions and times made the same on every machine.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from cli._run import CASES, DEMO, run, tree, words

__all__ = ["PARTS", "Golden", "cases", "expected", "perform"]

PARTS = ("stdout", "stderr", "code", "written")
_LINKS = {"demo": DEMO, "gate": CASES / "gate", "golden": CASES}


@dataclass(frozen=True)
class Golden:
    """What a case printed and wrote, as texts."""

    stdout: str
    stderr: str
    code: str
    written: str


def cases() -> list[str]:
    """Names of all cases."""
    return sorted(place.parent.name for place in CASES.glob("*/cmd"))


def perform(name: str, place: Path) -> Golden:
    """Run a case in a new folder."""
    place.mkdir(parents=True)
    if (CASES / name / "input").is_dir():
        shutil.copytree(CASES / name / "input", place, dirs_exist_ok=True)
    for link, target in _LINKS.items():
        (place / link).symlink_to(target, target_is_directory=True)
    before = tree(place)
    (line,) = (CASES / name / "cmd").read_text(encoding="utf-8").splitlines()
    outcome = run(words(line), place)
    listing = [_entry(place, entry) for entry in sorted(tree(place) - before) if not _is_folder(place / entry)]
    return Golden(
        _same(outcome.stdout, place),
        _same(outcome.stderr, place),
        f"{outcome.code}\n",
        _same("".join(f"{line}\n" for line in listing), place),
    )


def expected(name: str) -> Golden:
    """What the case's folder says; `stderr` and `written` may be absent for nothing."""
    folder = CASES / name
    return Golden(*((folder / part).read_text(encoding="utf-8") if (folder / part).exists() else "" for part in PARTS))


def _same(text: str, place: Path) -> str:
    """The text without what differs between machines and runs."""
    for target, link in [(str(place), "."), (str(place.resolve()), "."), *((str(t), n) for n, t in _LINKS.items())]:
        text = text.replace(f"{target}/", "" if link == "." else f"{link}/").replace(target, link)
    text = re.sub(r'("detkit": )"[^"]+"', r'\1"VERSION"', text)
    return re.sub(r"\b\d+\.\d s\b", "TIME s", text)


def _entry(place: Path, name: str) -> str:
    path = place / name
    if path.is_symlink():
        target = Path(os.path.normpath(path.parent / path.readlink()))
        return f"{name} -> {target}"
    if path.suffix == ".npz":
        return name  # how it is packed depends on zlib
    return f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()[:12]}"


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()
