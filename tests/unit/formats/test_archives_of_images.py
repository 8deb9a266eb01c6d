"""Images in an archive are placed as files: a link would point to where the archive was unpacked for a moment."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from PIL import Image

import detkit
from detkit import formats


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A zipped export with a folder a split, images and labels in it, as Roboflow writes COCO."""
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as made:
        for number, split in enumerate(("train", "valid", "test")):
            name = f"shot-{number}_jpg.rf.0123456789abcdef0123456789abcdef.jpg"
            photo = tmp_path / name
            Image.new("RGB", (64, 48), (number, 0, 0)).save(photo)
            made.write(photo, f"{split}/{name}")
            photo.unlink()
            content = {
                "images": [{"id": 0, "file_name": name, "width": 64, "height": 48}],
                "categories": [{"id": 1, "name": "cat", "supercategory": "none"}],
                "annotations": [
                    {"id": 0, "image_id": 0, "category_id": 1, "bbox": [1, 2, 3, 4], "area": 12, "iscrowd": 0}
                ],
            }
            made.writestr(f"{split}/_annotations.coco.json", json.dumps(content))
        made.writestr("README.roboflow.txt", "exported")
    return tmp_path / "export.zip"


@pytest.mark.parametrize("to", ["yolo", "labelme", "supervisely", "huggingface"])
def test_images_of_an_archive_are_copied(archive: Path, tmp_path: Path, to: str) -> None:
    detkit.convert(archive, tmp_path / "out", to)
    placed = sorted((tmp_path / "out").rglob("*.jpg"))
    assert len(placed) == 3
    assert not any(file.is_symlink() for file in placed)
    again = formats.read_dataset(tmp_path / "out", to)
    assert sorted(again.splits) == ["test", "train", "valid"] or to == "labelme"
    assert None not in again.images.paths


def test_a_zip_of_a_yolo_folder_is_read_with_its_images(archive: Path, tmp_path: Path) -> None:
    detkit.convert(archive, tmp_path / "out", "yolo")
    with zipfile.ZipFile(tmp_path / "yolo.zip", "w") as made:
        for split, own in (("train", "train"), ("valid", "valid"), ("test", "test")):
            for kind in ("images", "labels"):
                for file in (tmp_path / "out" / kind / own).iterdir():
                    made.write(file, f"{split}/{kind}/{file.name}")
        stated = "train: ../train/images\nval: ../valid/images\ntest: ../test/images\n\nnc: 1\nnames: ['cat']\n"
        made.writestr("data.yaml", stated)
    data = formats.read_dataset(tmp_path / "yolo.zip")
    assert data.annotations.xywh.tolist() == [[1, 2, 3, 4]] * 3
    assert sorted(data.splits) == ["test", "train", "val"]
    assert [f.code for f in data.findings if f.severity != "info"] == []


def test_labelme_states_no_way_into_an_unpacked_archive(archive: Path, tmp_path: Path) -> None:
    options = formats.WriteOptions(place_images="leave")
    formats.write_dataset(formats.read_dataset(archive), tmp_path / "out", "labelme", options)
    stated = [json.loads(f.read_text())["imagePath"] for f in (tmp_path / "out").rglob("*.json") if f.stem != "detkit"]
    assert len(stated) == 3
    assert not any("/" in path for path in stated)
