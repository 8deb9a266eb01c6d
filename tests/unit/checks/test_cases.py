"""Each code has a dataset with its fault: it is found there, with its place, and nothing else is."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import detkit
from detkit import checks

ROOT = Path(__file__).resolve().parents[3]
CASES = ROOT / "fixtures" / "checks"
CODES = sorted(checks.codes())
#: Beside the fault itself, where it cannot be had alone.
SETTINGS = ("decode",)


def laid(code: str, folder: Path) -> tuple[Path, dict[str, Any]]:
    """A copy of a fixture and what is expected of it; files that ought to be old are."""
    place = Path(shutil.copytree(CASES / code, folder / code))
    expected = json.loads((place / "expect.json").read_text())
    (place / "expect.json").unlink()
    for name in expected["settings"].pop("old", ()):
        os.utime(place / name, (1, 1))
    return place, expected


def checked(place: Path, settings: dict[str, Any]) -> detkit.CheckResult:
    own = {name: settings.pop(name) for name in SETTINGS if name in settings}
    if "predictions" in settings:
        predictions = place / settings["predictions"]
        settings["predictions"] = predictions.rename(place.parent / "found.json")
    source = place / "instances.json" if (place / "instances.json").exists() else place
    return detkit.check(source, detkit.CheckSettings(cache=False, jobs=1, **own), **settings)


def shown(result: detkit.CheckResult, place: Path) -> list[dict[str, Any]]:
    rows = result.to_dict()["findings"]
    for row in rows:
        if row["file"] is not None and Path(row["file"]).is_absolute():
            row["file"] = Path(row["file"]).relative_to(place).as_posix()
    return rows  # type: ignore[no-any-return]


@pytest.mark.parametrize("code", CODES)
def test_found_in_its_place_and_nothing_else(code: str, tmp_path: Path) -> None:
    place, expected = laid(code, tmp_path)
    rows = shown(checked(place, dict(expected["settings"])), place)
    wanted = expected["expected"]
    assert [row["code"] for row in rows] == sorted(item["code"] for item in wanted), rows
    for item in wanted:
        (row,) = [row for row in rows if row["code"] == item["code"]]
        assert {key: row[key] for key in item} == item, row
        if row["code"] != "DK101":  # a file that cannot be read may be named first
            assert row["message"][:1].islower() or row["message"][0] in "`<0123456789J", row["message"]


def test_every_code_has_a_case_and_a_section() -> None:
    assert sorted(path.name for path in CASES.iterdir()) == CODES
    page = (ROOT / "docs" / "reference" / "checks.md").read_text(encoding="utf-8")
    sections = [line.split()[1] for line in page.splitlines() if line.startswith("## ")]
    assert sections == CODES
    assert len(CODES) >= 40


def test_the_page_and_the_fixtures_are_current() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "make_check_cases.py", "--check"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
