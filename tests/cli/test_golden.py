"""Golden cases of the command line; `make golden` writes them anew."""

from __future__ import annotations

import importlib.metadata
import unicodedata
from pathlib import Path

import pytest

from cli._golden import CASES, PARTS, cases, expected, perform
from cli._run import ROOT

NAMES = cases()


def _is_data(name: str) -> bool:
    line = (CASES / name / "cmd").read_text(encoding="utf-8")
    return "--json" in line or any(f"--format {kind}" in line for kind in ("json", "csv", "markdown"))


@pytest.mark.parametrize("name", NAMES)
def test_golden(tmp_path: Path, name: str) -> None:
    if name.startswith("help"):
        _skip_unless_pinned("typer", "rich")
    wanted = expected(name)
    for attempt in ("first", "second"):
        found = perform(name, tmp_path / attempt)
        for part in PARTS:
            assert getattr(found, part) == getattr(wanted, part), f"{attempt} run, {part}; `make golden` if it is meant"


def test_every_case_is_whole() -> None:
    known = {"cmd", "input", *PARTS}
    for name in NAMES:
        names = {place.name for place in (CASES / name).iterdir()}
        assert {"cmd", "stdout", "code"} <= names <= known, name


@pytest.mark.parametrize("name", [n for n in NAMES if not _is_data(n)])
def test_text_fits_a_terminal(name: str) -> None:
    lines = expected(name).stdout.splitlines()
    commands = [line for line in lines if line.startswith("$ ")]  # what the demo runs, to be copied
    assert [line for line in lines if line not in commands and _cells(line) > 80] == []


@pytest.mark.parametrize("name", NAMES)
def test_nothing_writes_to_the_terminal(name: str) -> None:
    wanted = expected(name)
    for text in (wanted.stdout, wanted.stderr):
        assert [c for c in text if unicodedata.category(c) in ("Cc", "Cf") and c != "\n"] == []


def _cells(line: str) -> int:
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)


def _skip_unless_pinned(*packages: str) -> None:
    pins = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
    for package in packages:
        if importlib.metadata.version(package) != pins[package]:
            pytest.skip(f"help texts are pinned to {package} {pins[package]}")
