"""The verdict is the last line of a scored run, whatever stdout holds: a CI log is read from its end."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from cli._run import DEMO, command, environment, run

SCORE = ["eval", DEMO / "coco" / "instances_val.json", DEMO / "predictions" / "coco.json"]


@pytest.mark.parametrize(
    ("more", "code", "line"),
    [
        (["--require", "AP>=0.5"], 0, "verdict: passed (1 pass)"),
        (
            ["--require", "AP>=0.6", "--require", "AP50>=0.9"],
            1,
            "verdict: FAILED (2 fail): AP is 0.575 < 0.600, and 1 more",
        ),
        (["--require", "AP>=0.6", "--format", "json"], 1, "verdict: FAILED (1 fail): AP is 0.575 < 0.600"),
        (["--require", "AP>=0.6", "--accumulation", "star"], 1, "verdict: FAILED (1 fail): AP is 0.575 < 0.600"),
    ],
)
def test_the_verdict_is_the_last_line(tmp_path: Path, more: list[str], code: int, line: str) -> None:
    done = run([*SCORE, *more], tmp_path)
    assert (done.code, done.stderr.splitlines()[-1]) == (code, line)


def test_stdout_ends_with_the_reference_lines_and_a_log_of_both_with_the_verdict(tmp_path: Path) -> None:
    done = run([*SCORE, "--require", "AP>=0.5"], tmp_path)
    assert "maxDets=100 ] = 0.600" in done.stdout.splitlines()[-1]
    log = subprocess.run(
        command([*SCORE, "--require", "AP>=0.5"]), cwd=tmp_path, env=environment(), stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, check=True,
    )  # fmt: skip
    assert log.stdout.splitlines()[-1] == "verdict: passed (1 pass)"
