"""Objects cut out of their images."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detkit.api.cropping import CropSettings, crops, windows_of
from detkit.errors import UsageError
from detkit.ragged import id_array
from detkit.tables import Categories, Dataset, Images


def dataset(folder: Path, rows, *, names=("a.png",), classes=("cat", "dog"), **columns) -> Dataset:
    """Images of 20 x 10 pixels whose red counts columns and green counts rows."""
    folder.mkdir(exist_ok=True)
    ground = np.zeros((10, 20, 3), np.uint8)
    ground[..., 0], ground[..., 1] = np.arange(20)[None], np.arange(10)[:, None]
    ground[..., 2] = 200
    paths = []
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(ground).save(folder / name)
        paths.append(str(folder / name))
    image, category, xywh = zip(*rows, strict=True)
    return Dataset.build(
        Images(id_array(range(1, len(names) + 1)), tuple(names), np.array([[20.0, 10.0]] * len(names)), tuple(paths)),
        Categories.from_names(classes),
        image_index=image,
        category_index=category,
        xywh=np.reshape(xywh, (-1, 4)),
        **columns,
    )


def table_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "crops.csv").open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def test_pixels_names_and_table(tmp_path):
    told = crops(dataset(tmp_path / "in", [(0, 0, [3, 2, 4, 5]), (0, 1, [10, 0, 10, 10])]), tmp_path / "out")
    found = np.asarray(Image.open(tmp_path / "out" / "cat" / "a_000.png"))
    assert found.shape == (5, 4, 3)
    assert (found[..., 0] == np.arange(3, 7)).all()
    assert (found[..., 1] == np.arange(2, 7)[:, None]).all()
    rows = table_of(tmp_path / "out")
    assert [row["crop"] for row in rows] == ["cat/a_000.png", "dog/a_001.png"]
    assert [rows[0][side] for side in ("left", "top", "right", "bottom")] == ["3", "2", "7", "7"]
    assert (told.images, told.crops, dict(told.per_class)) == (1, 2, {"cat": 1, "dog": 1})


@pytest.mark.parametrize(
    ("settings", "window"),
    [
        (CropSettings(), [3, 2, 7, 7]),
        # A fifth of the longer side 5 is one pixel on each side.
        (CropSettings(margin=0.2), [2, 1, 8, 8]),
        # 5 wide around the middle 5: from 2.5, whole pixels from 2.
        (CropSettings(square=True), [2, 2, 7, 7]),
    ],
)
def test_windows(settings, window):
    assert windows_of(np.array([[3.0, 2.0, 4.0, 5.0]]), settings).tolist() == [window]


def test_a_window_takes_in_every_pixel_that_the_box_touches():
    assert windows_of(np.array([[3.4, 2.6, 1.0, 0.1]]), CropSettings()).tolist() == [[3, 2, 5, 3]]


def test_squares_are_square_whatever_the_fractions():
    rng = np.random.default_rng(0)
    found = windows_of(
        np.concatenate([rng.uniform(0, 50, (200, 2)), rng.uniform(0.1, 50, (200, 2))], 1),
        CropSettings(square=True, margin=0.13),
    )
    assert (found[:, 2] - found[:, 0] == found[:, 3] - found[:, 1]).all()


def test_the_border_of_the_image_cuts_or_is_padded(tmp_path):
    table = dataset(tmp_path / "in", [(0, 0, [-2, 8, 6, 6])])
    crops(table, tmp_path / "cut")
    crops(table, tmp_path / "padded", CropSettings(pad=True))
    with Image.open(tmp_path / "cut" / "cat" / "a_000.png") as found:
        assert found.size == (4, 2)
    padded = np.asarray(Image.open(tmp_path / "padded" / "cat" / "a_000.png"))
    assert padded.shape == (6, 6, 3)
    assert (padded[:, :2] == 0).all()
    assert (padded[:2, 2:, 2] == 200).all()
    assert table_of(tmp_path / "cut")[0]["left"] == "0"
    assert table_of(tmp_path / "padded")[0]["left"] == "-2"


def test_crowds_small_and_outside_objects_are_counted(tmp_path):
    table = dataset(
        tmp_path / "in",
        [
            (0, 0, [0, 0, 20, 10]),
            (0, 0, [1, 1, 2, 9]),
            (0, 0, [50, 50, 5, 5]),
            (0, 1, [3, 3, 5, 5]),
            (0, 1, [4, 4, 5, 5]),
        ],
        is_crowd=[True, False, False, False, False],
        is_ignored=[False, False, False, True, False],
    )
    told = crops(table, tmp_path / "out", CropSettings(min_size=3, ignored=False))
    assert [(loss.what, loss.count) for loss in told.losses] == [
        ("crowd regions", 1),
        ("ignored objects", 1),
        ("objects", 1),
        ("objects", 1),
    ]
    # Names count objects of the image, not crops: leaving others out moves none.
    assert [row["crop"] for row in table_of(tmp_path / "out")] == ["dog/a_004.png"]


def test_splits_folders_and_awkward_names(tmp_path):
    table = dataset(
        tmp_path / "in",
        [(0, 0, [0, 0, 5, 5]), (1, 1, [0, 0, 5, 5]), (2, 2, [0, 0, 5, 5])],
        names=("x/a.png", "x/a.jpg", "b.png"),
        classes=("a/b", "A_b", ".."),
        splits={"train": np.array([0, 1])},
    )
    crops(table, tmp_path / "out")
    assert [row["crop"] for row in table_of(tmp_path / "out")] == [
        "train/a_b/x/a.png_000.png",
        "train/A_b_1/x/a.jpg_000.jpg",
        "class_2/b_000.png",
    ]
    crops(table, tmp_path / "flat", CropSettings(by_split=False, size=16))
    with Image.open(tmp_path / "flat" / "class_2" / "b_000.png") as found:
        assert found.size == (16, 16)
    assert [row["split"] for row in table_of(tmp_path / "flat")] == ["train", "train", ""]


def test_an_image_of_another_size_than_the_labels_say_is_left_out(tmp_path):
    table = dataset(tmp_path / "in", [(0, 0, [0, 0, 5, 5]), (1, 0, [0, 0, 5, 5])], names=("a.png", "b.png"))
    Image.new("RGB", (9, 9)).save(tmp_path / "in" / "b.png")
    told = crops(table, tmp_path / "out")
    assert told.crops == 1
    assert [f.code for f in told.findings] == ["DK402"]


def test_unknown_classes_are_refused(tmp_path):
    with pytest.raises(UsageError, match="unknown class `cow`"):
        crops(dataset(tmp_path / "in", [(0, 0, [0, 0, 5, 5])]), tmp_path / "out", CropSettings(classes=["cow"]))
    with pytest.raises(UsageError, match="margin"):
        CropSettings(margin=-1)
