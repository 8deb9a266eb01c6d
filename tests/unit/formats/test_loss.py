"""What a conversion says is lost: everything that is, and nothing that is not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detkit import formats
from detkit.findings import Loss
from detkit.tables import Categories, Dataset, Images, Ragged, Shapes, Source, id_array


def dataset(
    *, ids: Any = None, files: tuple[str, ...] = ("a.jpg", "b.jpg"), format: str = "", **columns: Any
) -> Dataset:
    """Three boxes on two images, in the order of the images unless a column says otherwise."""
    columns.setdefault("image_index", [0, 0, 1])
    rest = {key: columns.pop(key) for key in ("info",) if key in columns}
    return Dataset.build(
        Images(np.array([1, 2]), files, np.tile([64.0, 48.0], (2, 1)), extra=columns.pop("image_extra", {})),
        Categories.from_names(("cat", "dog")),
        category_index=[0, 1, 0],
        xywh=columns.pop("xywh", [[1, 2, 3, 4], [5, 6, 7, 8], [0, 0, 9, 9]]),
        ids=None if ids is None else id_array(ids),
        source=Source("x", format, "") if format else None,
        **columns,
        **rest,
    )


def said(data: Dataset, folder: Path, to: str, **options: Any) -> dict[str, int]:
    """Losses of writing a dataset, by what is lost."""
    losses: list[Loss] = formats.write_dataset(data, folder / to, to, formats.WriteOptions(**options))
    return {loss.what: loss.count for loss in losses}


@pytest.mark.parametrize(
    ("columns", "lost"),
    [
        ({}, 0),
        ({"format": "coco"}, 0),  # 1, 2, 3 in the order of the images: rows are numbered so when they are read back
        ({"format": "coco", "ids": [7, 8, 9]}, 3),
        ({"ids": [7, 8, 9]}, 3),
        ({"ids": ["1", "2", "3"]}, 3),
        ({"image_index": [1, 0, 0]}, 0),  # no format of this source states ids: they were numbered while reading
        ({"image_index": [1, 0, 0], "format": "voc"}, 0),
        ({"image_index": [1, 0, 0], "format": "coco"}, 3),
        ({"image_index": [1, 0, 0], "format": "a format that is not installed"}, 0),
        ({"format": "coco", "is_crowd": [True, False, False]}, 3),  # the first row is left out: the others move up
        ({"format": "coco", "is_crowd": [False, False, True]}, 0),
    ],
)
def test_ids_of_rows_are_lost_only_where_they_are_the_sources(columns: Any, lost: int, tmp_path: Path) -> None:
    data = dataset(**columns)
    assert said(data, tmp_path, "yolo").get("annotation ids", 0) == lost
    kept = data.annotations.ids[~data.annotations.is_crowd].tolist()
    assert (
        (formats.read_dataset(tmp_path / "yolo").annotations.ids.tolist() == kept) or lost or "image_index" in columns
    )
    assert "annotation ids" not in said(data, tmp_path, "lvis")


def test_ids_of_rows_are_lost_where_images_may_change_places(tmp_path: Path) -> None:
    assert said(dataset(format="coco"), tmp_path / "a", "voc")["annotation ids"] == 3
    assert "annotation ids" not in said(dataset(), tmp_path / "b", "voc")


@pytest.mark.parametrize("to", ["labelme", "cvat", "supervisely"])
@pytest.mark.parametrize(("box", "lost"), [([2, 1, 2, 3], 0), ([2, 1, 2.5, 3], 1)])
def test_masks_that_are_kept_are_no_loss(to: str, box: list[float], lost: int, tmp_path: Path) -> None:
    runs = [48 * 2 + 1, 3, 45, 3]  # column by column: 2 by 3 pixels from (2, 1)
    mask = {"size": [48, 64], "counts": [*runs, 48 * 64 - sum(runs)]}
    data = dataset(xywh=[box, [5, 6, 7, 8], [0, 0, 9, 9]], shapes=Shapes.from_rows([mask, None, None]))
    found = said(data, tmp_path, to)
    assert {what: n for what, n in found.items() if "mask" in what} == (
        {"boxes that are not the bounds of their mask": 1} if lost else {}
    )
    back = formats.read_dataset(tmp_path / to).annotations
    assert back.shapes is not None
    assert dict(back.shapes.rle[0]) == mask
    assert back.xywh[0].tolist() == [2, 1, 2, 3]


@pytest.mark.parametrize("to", ["supervisely", "labelme"])
def test_empty_fields_come_back(to: str, tmp_path: Path) -> None:
    empty: dict[str, Any] = {"list": [], "text": "", "nothing": None, "object": {}}
    data = dataset(extra={0: empty}, image_extra={1: empty})
    assert [what for what in said(data, tmp_path, to) if "field" in what] == []
    back = formats.read_dataset(tmp_path / to)
    assert dict(back.annotations.extra) == {0: empty}
    assert dict(back.images.extra) == {1: empty}


def test_fields_of_images_that_open_images_holds(tmp_path: Path) -> None:
    data = dataset(image_extra={0: {"neg_category_ids": [2], "pos_category_ids": [1], "licence": 3}})
    assert said(data, tmp_path, "openimages") == {"image field `licence`": 1}
    assert formats.read_dataset(tmp_path / "openimages").images.extra[0] == {
        "neg_category_ids": [2], "pos_category_ids": [1]
    }  # fmt: skip


def test_the_shape_of_keypoints_comes_back_with_them(tmp_path: Path) -> None:
    points = [[[1, 1, 2.0], [2, 2, 2]]] * 3
    info = {"kpt_shape": [2, 3], "flip_idx": [1, 0]}
    with_points = dataset(info=info, keypoints=Ragged.from_rows(points, (3,)))
    assert "top-level fields" not in said(with_points, tmp_path / "a", "yolo")
    assert dict(formats.read_dataset(tmp_path / "a" / "yolo").info) == info
    assert said(replace(with_points, info={**info, "year": 1}), tmp_path / "b", "yolo")["top-level fields"] == 1
    assert said(dataset(info=info), tmp_path / "c", "yolo")["top-level fields"] == 2
    wrong = replace(with_points, info={"kpt_shape": [17, 2]})
    assert said(wrong, tmp_path / "d", "yolo")["top-level fields"] == 1


def test_half_a_surrogate_pair_stays_json(tmp_path: Path) -> None:
    data = dataset(files=("\ud800.jpg", "b.jpg"))
    data = replace(data, categories=Categories.from_names(("\ud800", "dog")))
    assert said(data, tmp_path, "labelme")["image names that are not Unicode"] == 1
    for file in ("?.json", "detkit.json"):
        content = json.loads((tmp_path / "labelme" / file).read_text(encoding="utf-8"))
        assert "\ud800" in json.dumps(content, ensure_ascii=False)
    assert formats.read_dataset(tmp_path / "labelme").categories.names == ("\ud800", "dog")


def test_labelme_finds_images_that_stay_where_they_are(tmp_path: Path) -> None:
    photo = tmp_path / "photos" / "night" / "a.jpg"
    photo.parent.mkdir(parents=True)
    photo.write_bytes(b"no picture")
    data = dataset(files=("night/a.jpg", "b.jpg"))
    data = replace(data, images=replace(data.images, paths=(str(photo), None)))
    said(data, tmp_path / "out", "labelme", place_images="leave")
    folder = tmp_path / "out" / "labelme"
    stated = json.loads((folder / "night" / "a.json").read_text())["imagePath"]
    assert stated == "../../../photos/night/a.jpg"
    back = formats.read_dataset(folder, options=formats.ReadOptions(read_sizes=False))
    assert sorted(back.images.file_names) == ["b.jpg", "night/a.jpg"]
    found = back.images.paths[back.images.file_names.index("night/a.jpg")]
    assert found is not None
    assert Path(found).resolve() == photo


def test_sizes_that_a_format_has_no_place_for_are_counted() -> None:
    from detkit.formats._loss import generic_losses

    holds = formats.Capabilities(frozenset({"image_ids", "area", "splits"}))
    losses = generic_losses(dataset(), holds, formats.WriteOptions(), one_file=False)
    assert [(loss.what, loss.action, loss.count) for loss in losses] == [("image sizes", "dropped", 2)]
    assert losses[0].examples == ("a.jpg", "b.jpg")


@pytest.mark.parametrize(("to", "action"), [("dota", "flagged difficult"), ("kitti", "written as ordinary objects")])
def test_crowds_are_flagged_only_where_there_is_a_flag(to: str, action: str, tmp_path: Path) -> None:
    data = dataset(is_crowd=[True, False, False])
    losses = formats.write_dataset(data, tmp_path / to, to, formats.WriteOptions(crowds="difficult"))
    assert [loss.action for loss in losses if loss.what == "crowd annotations"] == [action]
    back = formats.read_dataset(tmp_path / to, to).annotations
    assert back.is_ignored.tolist() == [to == "dota", False, False]


@pytest.mark.parametrize("to", formats.names("dataset", "write"))
def test_what_options_leave_out_reaches_no_writer(to: str, tmp_path: Path) -> None:
    rings = [None, [[5.0, 6.0, 12.0, 6.0, 12.0, 14.0]], None]
    data = dataset(is_crowd=[True, False, False], shapes=Shapes.from_rows(rings))
    formats.write_dataset(data, tmp_path / "out", to, formats.WriteOptions(shapes="drop"))
    kept = 2 if "crowds" in formats.capabilities(to).holds else 1
    assert len(formats.read_dataset(tmp_path / "out", to).annotations) == kept
