"""`detkit filter`: conditions from the command line."""

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


@pytest.mark.parametrize("source", ["data.yaml", "voc", "coco/instances_val.json"])
def test_boxes_images_and_classes(demo: Path, source: str) -> None:
    arguments = ["--where", "w > 40", "--images-where", "boxes >= 2", "--classes", "star,circle", "--drop-empty"]
    done = run(["filter", source, "out", *arguments, "--json"], demo)
    assert done.code == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["schema"] == "detkit.filter/1"
    before, after = detkit.read(demo / source), detkit.read(demo / "out")
    wide = [
        (before.images.file_names[i], before.categories.names[k])
        for i, k, box in zip(
            before.annotations.image_index,
            before.annotations.category_index,
            before.annotations.xywh.tolist(),
            strict=True,
        )
        if box[2] > 40 and before.categories.names[k] in ("star", "circle")
    ]
    names = [name for name, _ in wide]
    expected = sorted(row for row in wide if names.count(row[0]) >= 2)
    kept = after.annotations
    assert expected == sorted(
        (after.images.file_names[i], after.categories.names[k])
        for i, k in zip(kept.image_index, kept.category_index, strict=True)
    )
    assert set(after.categories.names) == {"star", "circle"}
    assert found["after"] == {"images": len({name for name, _ in expected}), "boxes": len(expected)}
    assert found["before"] == {"images": len(before.images), "boxes": len(before.annotations)}


def test_what_goes_is_said(demo: Path) -> None:
    done = run(["filter", "data.yaml", "out", "--where", 'class != "star"'], demo)
    stars = int((detkit.read(demo / "data.yaml").annotations.category_index == 3).sum())
    assert f"lost boxes: {stars} dropped by --where" in done.stderr
    assert f"of 60 images, {224} boxes" in done.stderr


def test_what_is_refused(demo: Path) -> None:
    before = tree(demo)
    for arguments, told in (
        (["--where", "wide > 3"], "column 1: unknown name `wide`"),
        (["--where", "w > 3 and"], "column 10: cannot be read"),
        (["--classes", "sqare"], "did you mean `square`"),
        ([], "nothing to filter by"),
    ):
        done = run(["filter", "data.yaml", "out", *arguments], demo)
        assert done.code == 2, arguments
        assert told in done.stderr
    assert tree(demo) == before
