"""Run the command line in this process, as a shell would see it: exit code, stdout and stderr."""

from __future__ import annotations

import io
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "fixtures" / "demo"
CASES = ROOT / "fixtures" / "cli"

#: What a pipe in CI looks like: 80 columns, no colours, no settings of the developer's own.
ENVIRONMENT = {"COLUMNS": "80", "LINES": "24", "NO_COLOR": "1", "TERM": "dumb", "_TYPER_FORCE_DISABLE_TERMINAL": "1"}
_UNSET = ("FORCE_COLOR", "PY_COLORS", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "DETKIT_DEBUG", "TTY_COMPATIBLE")


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    code: int
    stdout: str
    stderr: str


def environment(**changes: str) -> dict[str, str]:
    """The environment commands run in, with changes."""
    kept = {key: value for key, value in os.environ.items() if key not in _UNSET}
    return {**kept, **ENVIRONMENT, **changes}


def run(arguments: Sequence[str | Path], cwd: Path, *, encoding: str = "utf-8", **changes: str) -> Outcome:
    """One command in this process: the same function, streams and working folder as in one of its own."""
    from detkit.cli import _console, _errors, main

    out, err = (io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="\n") for _ in range(2))
    code: object = "no exit"
    with (
        mock.patch.object(sys, "argv", ["detkit", *map(str, arguments)]),
        mock.patch.object(sys, "stdout", out),
        mock.patch.object(sys, "stderr", err),
        mock.patch.object(_errors, "_debug", False),
        mock.patch.object(_console, "_quiet", False),
        mock.patch.dict(os.environ, environment(**changes), clear=True),
        _inside(cwd),
    ):
        try:
            main()
        except SystemExit as leaving:
            code = 0 if leaving.code is None else leaving.code
        out.flush()
        err.flush()
    assert isinstance(code, int), code
    return Outcome(code, *(stream.buffer.getvalue().decode(encoding) for stream in (out, err)))  # type: ignore[attr-defined]


def run_process(
    arguments: Sequence[str | Path], cwd: Path, *, timeout: float = 120, **changes: str
) -> subprocess.CompletedProcess[str]:
    """One command in a process of its own."""
    return subprocess.run(
        command(arguments),
        cwd=cwd,
        env=environment(**changes),
        capture_output=True,
        text=True,
        timeout=timeout,
        stdin=subprocess.DEVNULL,
        encoding="utf-8",
        check=False,
    )


def command(arguments: Sequence[str | Path]) -> list[str]:
    """The command line of a process of its own."""
    return [sys.executable, "-m", "detkit", *map(str, arguments)]


def words(line: str) -> list[str]:
    """The arguments of a `cmd` file, which starts with `detkit`."""
    first, *rest = shlex.split(line)
    assert first == "detkit", line
    return rest


def tree(folder: Path) -> set[str]:
    """Everything below a folder, links not followed."""
    found = set()
    for base, folders, files in os.walk(folder):
        found |= {str(Path(base, name).relative_to(folder)) for name in (*folders, *files)}
    return found


@contextmanager
def _inside(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
