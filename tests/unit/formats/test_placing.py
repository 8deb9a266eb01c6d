"""What writers with a choice share: image files that are placed or told of, and ids of classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from detkit.errors import UsageError
from detkit.findings import Loss
from detkit.formats import WriteOptions
from detkit.formats._class_ids import class_ids
from detkit.formats._images import place_and_tell
from detkit.tables import Categories, Images, id_array


@pytest.mark.parametrize(
    ("found", "mode", "told", "told_with_all"),
    [
        ((True, True), "copy", 0, 0),
        ((True, False), "copy", 1, 1),
        ((False, False), "copy", 0, 2),
        ((True, False), "leave", 0, 0),
    ],
)
def test_absent_image_files_are_told(
    found: tuple[bool, ...], mode: str, told: int, told_with_all: int, tmp_path: Path
) -> None:
    (tmp_path / "a.jpg").write_bytes(b"pixels")
    paths = tuple(str(tmp_path / "a.jpg") if is_there else None for is_there in found)
    images = Images(id_array([1, 2]), ("a.jpg", "b.jpg"), np.full((2, 2), 9.0), paths)
    for also_all, count in ((False, told), (True, told_with_all)):
        targets = [(n, tmp_path / f"{also_all}" / name) for n, name in enumerate(images.file_names)]
        losses = place_and_tell(images, targets, mode, "not found, only listed", also_all=also_all)
        assert losses == ([Loss("image files", "not found, only listed", count)] if count else [])
        assert [to.exists() for _, to in targets] == [mode == "copy" and is_there for is_there in found]


@pytest.mark.parametrize(
    ("wanted", "ids", "changed"),
    [
        ("keep", [7, 1], ()),
        ("dense", [1, 2], ("7 -> 1", "1 -> 2")),
        ("coco91", [13, 1], ("7 -> 13",)),
    ],
)
def test_classes_get_the_ids_asked_for(wanted: str, ids: list[int], changed: tuple[str, ...]) -> None:
    classes = Categories(id_array([7, 1]), ("stop sign", "person"))
    found, losses = class_ids(classes, WriteOptions(category_ids=wanted))  # type: ignore[arg-type]
    assert found == ids
    assert losses == ([Loss("category ids", "renumbered", len(changed), changed)] if changed else [])


@pytest.mark.parametrize("names", [("person", "person"), ("person", "unicorn")])
def test_ids_of_coco_need_its_classes(names: tuple[str, str]) -> None:
    with pytest.raises(UsageError, match="coco91"):
        class_ids(Categories(id_array([1, 2]), names), WriteOptions(category_ids="coco91"))
