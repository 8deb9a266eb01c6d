"""`detkit sample`: sizes from the command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import detkit
from cli._run import DEMO, run, tree


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DEMO, tmp_path / "demo"))


@pytest.mark.parametrize(
    ("arguments", "images"),
    [
        (["-n", "12"], 12),
        (["--share", "0.25"], 15),
        (["-n", "12", "--stratify", "boxes"], 12),
        (["--per-class", "2"], 0),
    ],
)
def test_sizes(demo: Path, arguments: list[str], images: int) -> None:
    done = run(["sample", "data.yaml", "out", *arguments, "--json"], demo)
    assert done.code == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["schema"] == "detkit.sample/1"
    after = detkit.read(demo / "out")
    assert len(after.images) == found["after"]["images"] == (images or len(after.images))
    assert len(after.annotations) == found["after"]["boxes"]
    if not images:
        assert len(after.images) <= 8
        assert all(c["after"] >= 2 for c in found["classes"])
    again = run(["sample", "data.yaml", "again", *arguments], demo)
    assert again.code == 0
    assert detkit.read(demo / "again").images.file_names == after.images.file_names


def test_one_split_only(demo: Path) -> None:
    assert run(["sample", "data.yaml", "out", "-n", "5", "--split", "val"], demo).code == 0
    names = set(detkit.read(demo / "out").images.file_names)
    assert names <= {p.name for p in (demo / "images" / "val").iterdir()}


def test_what_is_refused(demo: Path) -> None:
    before = tree(demo)
    for arguments, told in (
        ([], "give exactly one of"),
        (["-n", "61"], "expected 1 to 60"),
        (["--share", "2"], "expected a number from 0 to 1"),
        (["--per-class", "1", "--stratify", "boxes"], "exclude each other"),
    ):
        done = run(["sample", "data.yaml", "out", *arguments], demo)
        assert done.code == 2, arguments
        assert told in done.stderr
    assert tree(demo) == before
