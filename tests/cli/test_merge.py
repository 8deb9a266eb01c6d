"""`detkit merge`: any formats to any, and copies of images."""

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


@pytest.mark.parametrize("to", ["yolo", "voc", "coco"])
def test_two_sources_become_one(demo: Path, to: str) -> None:
    done = run(["merge", "coco/instances_train.json", "coco/instances_val.json", "all", "--to", to, "--json"], demo)
    assert done.code == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["schema"] == "detkit.merge/1"
    assert (found["images"], [s["images"] for s in found["sources"]]) == (60, [40, 20])
    back = detkit.read(demo / "all")
    sources = [detkit.read(demo / "coco" / f"instances_{name}.json") for name in ("train", "val")]
    assert sorted(back.images.file_names) == sorted(n for s in sources for n in s.images.file_names)
    assert len(back.annotations) == found["boxes"]
    assert set(back.categories.names) == {n for s in sources for n in s.categories.names}


def test_copies_are_counted_and_joined(demo: Path) -> None:
    sources = ["data.yaml", "coco/instances_train.json"]
    done = run(["merge", *sources, "all", "--images", "images", "--duplicates", "join"], demo)
    assert done.code == 0, done.stderr
    assert "40 dropped" in done.stderr
    assert len(detkit.read(demo / "all").images) == 60
    kept = run(["merge", *sources, "kept", "--images", "images"], demo)
    assert "DK502" in kept.stderr
    assert len(detkit.read(demo / "kept").images) == 100
    before = tree(demo)
    refused = run(["merge", *sources, "no", "--images", "images", "--duplicates", "error"], demo)
    assert refused.code == 2
    assert "40 images are copies of an earlier source's" in refused.stderr
    assert tree(demo) == before


def test_what_is_refused(demo: Path) -> None:
    for arguments, told in (
        (["data.yaml", "all"], "expected two datasets or more"),
        (["data.yaml", "gone", "all"], "gone: no such file or folder"),
        (["data.yaml", "voc", "voc/inside"], "lies inside the source"),
        (["data.yaml", "voc", "all", "--duplicates", "last"], "expected keep, first, join or error"),
    ):
        done = run(["merge", *arguments], demo)
        assert done.code == 2, arguments
        assert told in done.stderr
    assert not (demo / "all").exists()
