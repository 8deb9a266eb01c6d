"""Closed streams, readers that leave, disks that are full, homes that are missing: a process of its own each."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from cli import _inputs as make
from cli._run import command, environment

EVAL = ("eval", "truth.json", "pred.json")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A good truth and good predictions."""
    make.lay(tmp_path, {"truth.json": make.truth(), "pred.json": make.predictions()})
    return tmp_path


def _shell(line: str, folder: Path, *words: str, **changes: str) -> subprocess.CompletedProcess[str]:
    """A line of sh in which `$@` is the command."""
    return subprocess.run(
        ["sh", "-c", line, "sh", *command(words)],
        cwd=folder,
        env=environment(**changes),
        capture_output=True,
        text=True,
        timeout=120,
        encoding="utf-8",
        errors="replace",
        check=False,
    )


@pytest.mark.parametrize("words", [("stats", "truth.json"), ("eval", "--help")], ids=["stats", "help"])
def test_a_reader_that_leaves_is_no_error(folder: Path, words: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = subprocess.Popen(command(words), cwd=folder, env=environment(), stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    said = process.communicate(timeout=120)[1].decode()
    assert process.returncode == 128 + signal.SIGPIPE
    assert "error" not in said
    assert "Traceback" not in said


@pytest.mark.parametrize("line", ['"$@" <&-', '"$@" >&-', '"$@" 2>&-', '"$@" <&- >&- 2>&-'])
def test_closed_streams_change_nothing(folder: Path, line: str) -> None:
    outcome = _shell(line, folder, *EVAL, "-o", "out.json", "--format", "json")
    assert outcome.returncode == 0, outcome.stderr
    assert (folder / "out.json").read_text().startswith('{\n  "schema"')


def test_an_error_with_closed_stderr_keeps_its_code(folder: Path) -> None:
    assert _shell('"$@" 2>&-', folder, "stats", "nope").returncode == 2


def test_a_full_disk_is_said_and_leaves_nothing(folder: Path) -> None:
    outcome = _shell('trap "" XFSZ; ulimit -f 1; "$@"', folder, *EVAL, "-o", "out.json", "--format", "json")
    assert outcome.returncode == 2
    assert "out.json" in outcome.stderr
    assert "File too large" in outcome.stderr
    assert sorted(p.name for p in folder.iterdir()) == ["pred.json", "truth.json"]


def test_missing_home_and_temporary_folder(folder: Path) -> None:
    line = 'unset HOME; TMPDIR=/nonexistent LANG=C LC_ALL=C COLUMNS=20 "$@"'
    assert _shell(line, folder, *EVAL).returncode == 0


def test_two_runs_that_write_the_same_output_leave_one_whole(folder: Path) -> None:
    words = command([*EVAL, "-o", "out.json", "--format", "json", "--overwrite"])
    alone = _shell('"$@"', folder, *EVAL, "-o", "alone.json", "--format", "json")
    assert alone.returncode == 0
    both = [subprocess.Popen(words, cwd=folder, env=environment(), stderr=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait(timeout=120) for process in both] == [0, 0]
    assert (folder / "out.json").read_bytes() == (folder / "alone.json").read_bytes()
    assert sorted(p.name for p in folder.iterdir()) == ["alone.json", "out.json", "pred.json", "truth.json"]


def test_standard_output_by_name(folder: Path) -> None:
    outcome = _shell('"$@" > sent.json', folder, *EVAL, "-o", "/dev/stdout", "--format", "json")
    assert outcome.returncode == 0, outcome.stderr
    assert (folder / "sent.json").read_text().startswith('{\n  "schema"')
