"""The files of a cell: real ones where the shared data lies beside the checkout, generated ones kept between runs."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from speed.places import ROOT, SHARED, scrubbed, shown
from speed.tables import Cell

_SEED = "0"


@dataclass(frozen=True)
class Files:
    """Truth and predictions of a cell, and where they are from, in words."""

    truth: Path
    predictions: Path
    origin: str


class NoDataError(Exception):
    """The files of a cell are not here and cannot be made."""


def files_of(cell: Cell, work: Path, scale: float) -> Files:
    """The cell's files, generated into `work` on first use.

    Raises
    ------
    NoDataError
        The shared folder is absent, or the generator failed.
    """
    if cell.source == "generated":
        return _generated(cell, work, max(2, round(cell.images * scale)))
    folder = SHARED / cell.source
    files = Files(folder / cell.truth, folder / cell.predictions, shown(folder))
    for path in (files.truth, files.predictions):
        if not path.is_file():
            raise NoDataError(f"{shown(path)} is absent")
    return files


def _generated(cell: Cell, work: Path, images: int) -> Files:
    realistic = SHARED / "bench" / "make_realistic.py"
    if realistic.is_file():
        script, arguments = realistic, ["--preset", "val2017-like", "--seed", _SEED, "--images", str(images)]
    else:
        script, arguments = ROOT / "benchmarks" / "synthetic.py", ["--seed", _SEED, "--images", str(images)]
    # The generator's own text is part of the name: a changed generator never meets old files.
    key = hashlib.sha256(script.read_bytes()).hexdigest()[:8]
    folder = work / f"{script.stem}-{key}-{images}"
    if not folder.is_dir():
        _generate([sys.executable, str(script), *arguments], folder)
    return Files(folder / cell.truth, folder / cell.predictions, f"{shown(script)} {' '.join(arguments)}")


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
