"""What a conversion says it wrote is what is read back, and image files that are not there are said."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import detkit
from detkit import formats

DEMO = Path(__file__).resolve().parents[2] / "fixtures" / "demo"
FOLDERS = [n for n in formats.names("dataset", "write") if formats.capabilities(n).carries_images]


@pytest.mark.parametrize(("name", "images"), [("csv", 19), ("voc", 19), ("openimages", 19), ("coco", 19), ("yolo", 20)])
def test_predictions_of_images_that_are_listed(tmp_path: Path, name: str, images: int) -> None:
    """One of the twenty images has no predictions."""
    suffix = next(iter(formats.capabilities(name).file_suffixes), "")
    target = tmp_path / f"out{suffix}"
    truth = DEMO / "coco" / "instances_val.json"
    done = detkit.convert(DEMO / "predictions" / "coco.json", target, name, truth=truth)
    back = detkit.read(target, kind="detections", format=name)
    assert (done.images, done.boxes) == (len(back.images), len(back)) == (images, 86)


@pytest.mark.parametrize("name", FOLDERS)
@pytest.mark.parametrize("dry_run", [False, True])
def test_an_absent_image_file_is_said_by_every_layout_with_images(tmp_path: Path, name: str, dry_run: bool) -> None:
    photos = Path(shutil.copytree(DEMO / "images" / "val", tmp_path / "photos"))
    gone = min(photos.iterdir())
    gone.unlink()
    data = detkit.read(DEMO / "coco" / "instances_val.json", images_dir=photos)
    losses = detkit.write(data, tmp_path / "out", format=name, dry_run=dry_run)
    assert [loss.count for loss in losses if loss.what == "image files"] == [1]
    bare = detkit.read(DEMO / "coco" / "instances_val.json", images_dir=photos, find_images=False)
    if not any(bare.images.paths):
        none = detkit.write(bare, tmp_path / "none", format=name, dry_run=dry_run)
        assert [loss for loss in none if loss.what == "image files"] == []
