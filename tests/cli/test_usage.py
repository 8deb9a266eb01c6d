"""A command line that is refused: one style, exit code 2, and the hint that mends it."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from cli._run import run

EVAL = "eval truth.json found.json"


def refused(line: str, folder: Path) -> tuple[str, str | None]:
    """The message and the hint of a command line that is refused."""
    outcome = run(shlex.split(line), folder)
    assert (outcome.code, outcome.stdout) == (2, ""), outcome.stderr
    error, *hints = outcome.stderr.splitlines()
    assert len(hints) <= 1
    return error.removeprefix("error: "), hints[0].removeprefix("hint: ") if hints else None


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        ("--frob", "no such option `--frob`", "`detkit --help` lists the options"),
        ("evall a b", "no such command `evall`", "did you mean `eval`?"),
        ("xyzzy", "no such command `xyzzy`", "`detkit --help` lists the commands"),
        ("stats --splt val", "no such option `--splt`", "did you mean `--split` or `--plots`?"),
        (f"{EVAL} --xyzzy", "no such option `--xyzzy`", "`detkit eval --help` lists the options"),
        (f"{EVAL} -q", "no such option `-q`", "it goes before the command: `detkit -q eval ...`"),
        (f"{EVAL} c", "got unexpected extra argument(s) (c)", "`detkit eval --help` lists the options"),
        (f"{EVAL} --iou", "option `--iou` requires an argument", "`detkit eval --help` lists the options"),
        (f"{EVAL} --strict=1", "option `--strict` does not take a value", "`detkit eval --help` lists the options"),
        (
            "eval truth.json",
            "argument PREDICTIONS is missing",
            "`detkit eval TRUTH PREDICTIONS`; `detkit eval --help` lists the options",
        ),
        (
            "draw truth.json",
            "--output is missing",
            "`detkit draw SOURCE --output OUTPUT [PREDICTIONS]`; `detkit draw --help` lists the options",
        ),
        (
            f"{EVAL} --format jsn",
            "--format: found `jsn`, expected text, json, markdown, csv, junit, github, gitlab or html",
            "did you mean `json`?",
        ),
        ("ci innit", "argument ACTION: found `innit`, expected init", "did you mean `init`?"),
        (f"{EVAL} --jobs x", "--jobs: found `x`, expected a whole number, 1 or more", None),
        (f"{EVAL} --jobs 0", "--jobs: found `0`, expected a whole number, 1 or more", None),
        (f'{EVAL} --beta "it\'s"', "--beta: found `it's`, expected a number, 0 or more", None),
        (f"{EVAL} --voc-offset 3", "--voc-offset: found `3`, expected a whole number from 0 to 1", None),
    ],
)
def test_what_is_refused_is_said_as_every_other_error(
    tmp_path: Path, line: str, message: str, hint: str | None
) -> None:
    assert refused(line, tmp_path) == (message, hint)


@pytest.mark.parametrize(
    ("line", "shares"),
    [
        (f"{EVAL} --iou 50", "0.5"),
        (f"{EVAL} --iou 50,75", "0.5,0.75"),
        (f"{EVAL} --iou 50:95:5", "0.5:0.95:0.05"),
        ("compare truth.json a.json b.json --iou 75", "0.75"),
        (f"{EVAL} --ci 95", "0.95"),
        (f"{EVAL} --min-coverage 99.5", "0.995"),
        (f"{EVAL} --min-coverage 99%", "0.99"),
        ("compare truth.json a.json b.json --level 90", "0.9"),
        ("diff a.json b.json --iou 50", "0.5"),
        ("nms a.json -o b.json --iou 50", "0.5"),
        ("sample data.yaml out --share 10", "0.1"),
        ("tile data.yaml out --empty 10", "0.1"),
        ("tile data.yaml out --overlap 20", "0.2"),
        ("split data.yaml out --ratios 70,20,10", "0.7,0.2,0.1"),
        ("split data.yaml out --ratios train=70,val2=30", "train=0.7,val2=0.3"),
        ("split data.yaml out --ratios 7,2,1", "0.7,0.2,0.1"),
    ],
)
def test_a_percentage_where_a_share_is_meant_gets_the_share(tmp_path: Path, line: str, shares: str) -> None:
    assert refused(line, tmp_path)[1] == f"as shares that is `{shares}`"


@pytest.mark.parametrize(
    "line",
    [f"{EVAL} --min-coverage 150", f"{EVAL} --min-coverage -1", "nms a -o b --iou 1.5", "sample a b --share 101"],
)
def test_a_number_that_is_no_percentage_gets_no_such_hint(tmp_path: Path, line: str) -> None:
    assert refused(line, tmp_path)[1] is None
