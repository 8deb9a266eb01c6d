"""The files of a cell: real ones where the shared data lies beside the checkout, generated ones kept between runs."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from speed.cell import Data
from speed.places import ROOT, SHARED, scrubbed, shown

_SEED = "0"


@dataclass(frozen=True)
class Files:
    """Files by the name of their place, and where they are from, in words."""

    paths: dict[str, Path] = field(default_factory=dict)
    origin: str = ""


class NoDataError(Exception):
    """The files of a cell are not here and cannot be made."""


def files_of(data: Data | None, work: Path, scale: float) -> Files:
    """The files of a cell, generated into `work` on first use.

    Raises
    ------
    NoDataError
        The shared folder is absent, or the generator failed.
    """
    if data is None:
        return Files()
    if data.shared:
        folder, origin = SHARED / data.shared, shown(SHARED / data.shared)
    else:
        folder, origin = _generated(data, work, max(2, round(data.images * scale)))
    paths = {place: folder / name for place, name in data.files.items()}
    for path in paths.values():
        if not path.exists():
            raise NoDataError(f"{shown(path)} is absent")
    return Files(paths, origin)


def _generated(data: Data, work: Path, images: int) -> tuple[Path, str]:
    realistic = SHARED / "bench" / "make_realistic.py"
    if data.realistic and realistic.is_file():
        script, arguments = realistic, data.realistic
    else:
        script, arguments = ROOT / "benchmarks" / "synthetic.py", data.synthetic
    words = [*arguments, "--seed", _SEED, "--images", str(images)]
    # The generator's own text is part of the name: a changed generator never meets old files.
    key = hashlib.sha256(b"\0".join([script.read_bytes(), *(word.encode() for word in words)])).hexdigest()[:8]
    folder = work / f"{script.stem}-{key}-{images}"
    if not folder.is_dir():
        _generate([sys.executable, str(script), *words], folder)
    return folder, f"`{shown(script)} {' '.join(words)}`"


def _generate(command: list[str], folder: Path) -> None:
    """Run the generator; the folder appears whole or not at all, also when two runs make it at once."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f"{folder.name}-", dir=folder.parent))
    try:
        done = subprocess.run([*command, "--out", str(unfinished)], capture_output=True, text=True)
        if done.returncode != 0:
            last = (done.stderr.strip() or f"exit {done.returncode}").splitlines()[-1]
            raise NoDataError(scrubbed(f"{Path(command[1]).name} failed: {last}"))
        try:
            unfinished.replace(folder)
        except OSError:
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
