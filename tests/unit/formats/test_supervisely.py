"""Supervisely: figures of every kind, projects as the platform and older tools write them, and round trips."""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings

from detkit import formats
from detkit.errors import InputError
from detkit.findings import summarize
from detkit.formats import ReadOptions, WriteOptions
from detkit.formats._json_file import read_json, write_json
from detkit.tables import Categories, Dataset, Images, Shapes
from format_tables import box, dataset, rings, rows, values

FIXTURES = Path(__file__).resolve().parents[3] / "fixtures/formats/supervisely"
BCCD = Path(__file__).resolve().parents[3] / "../shared/data/bccd"


def read(case, **options):
    return formats.read_dataset(FIXTURES / case, "supervisely", ReadOptions(**options))


def there_and_back(table):
    with TemporaryDirectory() as folder:
        target = Path(folder) / "out"
        formats.write_dataset(table, target, "supervisely")
        return formats.read_dataset(target)


def test_both_corners_of_a_rectangle_are_inside_and_come_in_any_order():
    found = read("basic")
    assert found.images.file_names == ("a.jpg", "b ü.v2.png", "empty.jpg")
    # 10..39 are 30 pixels, 20..59 are 40; 50..90 are 41, 30..70 are 41; one pixel is one wide
    assert found.annotations.xywh.tolist() == [[10, 20, 30, 40], [50, 30, 41, 41], [5, 10, 1, 1]]
    assert found.images.sizes.tolist() == [[100, 80]] * 3
    assert found.findings == ()


def test_corners_are_edges_by_option():
    assert read("basic", voc_offset=0).annotations.xywh.tolist() == [[10, 20, 29, 39], [50, 30, 40, 40], [5, 10, 0, 0]]


def test_classes_are_in_the_order_of_the_meta_file_with_those_not_in_use():
    assert read("basic").categories.names == ("dog", "größe", "unused")
    assert read("basic").annotations.category_index.tolist() == [1, 0, 0]


def test_tags_are_attributes_and_flags():
    found = read("basic")
    rows = found.annotations
    assert rows.is_ignored.tolist() == [False, True, False]
    assert rows.is_crowd.tolist() == [False, False, True]
    assert {k: list(v) for k, v in rows.attributes.items()} == {
        "colour": [None, "brown", None],
        "age": [None, 3, None],
        "wet": [None, True, None],
    }
    assert [tag["name"] for tag in found.images.extra[0]["tags"]] == ["night"]
    assert rows.extra[0]["labelerLogin"] == "ada"
    assert "classId" not in rows.extra[0]


def test_polygons_bitmaps_and_oriented_boxes_are_read_and_the_rest_is_counted():
    found = read("shapes")
    rows = found.annotations
    assert found.categories.names == ("tree", "lake", "mark", "ship")
    assert rows.xywh.tolist() == [
        [10, 10, 30, 40],
        [60, 20, 2, 2],  # the window's last column is empty
        [0, 0, 2, 2],
        [1, 1, 29, 34],
        # 40..59 by 30..39 is 20 x 10 around (50, 35); a quarter turn swaps the sides
        [45, 25, 10, 20],
    ]
    assert [ring.tolist() for ring in rows.shapes.polygons(0)] == [[[10, 10], [40, 12.5], [30, 50]]]
    assert len(rows.shapes.polygons(3)) == 2
    assert rows.is_oriented.tolist() == [False] * 4 + [True]
    height = 80
    # column 60 has rows 20 and 21, column 61 has row 21
    assert rows.shapes.rle[1]["counts"][:4] == [60 * height + 20, 2, height - 1, 1]
    assert rows.shapes.rle[2]["counts"][:4] == [0, 2, height - 1, 1]
    messages = {f.message: f.count for f in found.findings}
    assert messages == {
        "holes in polygons: not read": 1,
        "objects of type `point`: not read": 1,
        "objects of type `polyline`: not read": 1,
    }


def test_old_projects_state_shapes_in_the_meta_file_and_name_no_suffix():
    found = read("old")
    assert found.images.file_names == ("train/same.png", "val/same.png")
    assert [Path(p).relative_to(FIXTURES).as_posix() for p in found.images.paths] == [
        "old/train/img/same.png",
        "old/val/img/same.png",
    ]
    assert {k: v.tolist() for k, v in found.splits.items()} == {"train": [0], "val": [1]}
    assert found.annotations.xywh.tolist() == [[1, 2, 10, 19], [0, 0, 50, 50]] * 2
    assert list(found.annotations.attributes["parked"]) == [True, None] * 2
    assert read("old", split="val").images.file_names == ("val/same.png",)
    with pytest.raises(InputError, match="no split `test`"):
        read("old", split="test")


def test_datasets_inside_datasets_keep_images_of_one_name_apart():
    found = read("nested")
    assert found.images.file_names == ("city/a.jpg", "city/night/a.jpg")
    assert found.annotations.xywh.tolist() == [[0, 0, 10, 10], [10, 10, 10, 10]]


def test_a_dataset_its_folder_of_files_and_one_file_are_read_too():
    for place in ("basic/ds0", "basic/ds0/ann", "basic/ds0/ann/a.jpg.json"):
        assert formats.detect(FIXTURES / place, "dataset") == "supervisely"
        found = formats.read_dataset(FIXTURES / place)
        assert found.categories.names == ("dog", "größe", "unused"), place
        assert found.images.file_names[0] == "a.jpg"


def test_what_cannot_be_used_is_named_with_its_place():
    found = read("broken")
    assert summarize(found.findings) == {"DK101": 1, "DK102": 6, "DK109": 1}
    assert {f.annotation for f in found.findings if f.code == "DK102"} == {1, 2, 3, 4, 5, 6}
    assert len(found.annotations) == 1
    (cut,) = [f for f in found.findings if f.code == "DK101"]
    assert "line 2" in cut.message


def test_a_folder_without_annotations_is_refused(tmp_path):
    write_json({"a": 1}, tmp_path / "ann" / "x.json")
    with pytest.raises(InputError, match="no annotation of Supervisely"):
        formats.read_dataset(tmp_path, "supervisely")


def test_the_project_that_is_written_is_the_platforms(tmp_path):
    formats.write_dataset(read("basic"), tmp_path / "out", "supervisely")
    meta = read_json(tmp_path / "out/meta.json")
    assert [c["title"] for c in meta["classes"]] == ["dog", "größe", "unused"]
    assert {t["name"]: t["value_type"] for t in meta["tags"]} == {
        "difficult": "none",
        "iscrowd": "none",
        "colour": "any_string",
        "age": "any_number",
        "wet": "none",
    }
    written = read_json(tmp_path / "out/dataset/ann/a.jpg.json")
    assert written["size"] == {"height": 80, "width": 100}
    first, second = written["objects"]
    assert first["geometryType"] == "rectangle"
    assert first["points"] == {"exterior": [[10, 20], [39, 59]], "interior": []}
    assert second["tags"][0] == {"name": "difficult", "value": None}


def test_sub_folders_become_datasets_inside_and_images_go_beside(tmp_path):
    formats.write_dataset(read("old"), tmp_path / "out", "supervisely", WriteOptions(place_images="copy"))
    assert (tmp_path / "out/val/datasets/val/ann/same.png.json").is_file()
    back = formats.read_dataset(tmp_path / "out")
    assert back.images.file_names == ("train/same.png", "val/same.png")
    assert all(Path(p).is_relative_to(tmp_path) for p in back.images.paths)
    assert {k: v.tolist() for k, v in back.splits.items()} == {"train": [0], "val": [1]}


def test_a_project_of_detkits_without_its_own_files_is_read_as_any_other(tmp_path):
    formats.write_dataset(read("basic"), tmp_path / "out", "supervisely")
    (tmp_path / "out/detkit.json").unlink()
    (tmp_path / "out/detkit-images.csv").unlink()
    assert values(formats.read_dataset(tmp_path / "out")) == values(read("basic"))


def test_masks_come_back_pixel_by_pixel():
    mask = {"size": [480, 640], "counts": [480 * 3 + 5, 4, 476, 2, 480 * 640 - (480 * 3 + 5 + 4 + 476 + 2)]}
    data = dataset([(0, 0, (3.0, 5.0, 2.0, 4.0), False)], shapes=Shapes.from_rows([mask]))
    back = there_and_back(data)
    assert back.annotations.shapes.rle[0] == mask
    assert back.annotations.xywh.tolist() == [[3, 5, 2, 4]]


def test_polygons_of_several_parts_come_back():
    outline = [[[1, 1, 5, 1, 5, 5], [10, 10, 12, 10, 12, 15]]]
    data = dataset([(0, 0, (1.0, 1.0, 11.0, 14.0), False)], shapes=Shapes.from_rows(outline))
    assert rings(there_and_back(data)) == rings(data)


def test_what_tags_cannot_say_is_reported(tmp_path):
    drawn = [(0, 0, (1.0, 1.0, 9.0, 0.5), False), (0, 0, (1.0, 1.0, 9.0, 9.0), False)]
    mixed = np.array([3, "x"], dtype=object)
    data = dataset(drawn, attributes={"wet": np.array([True, False], dtype=object), "mixed": mixed})
    losses = formats.write_dataset(data, tmp_path / "out", "supervisely")
    assert {loss.what: loss.count for loss in losses} == {
        "boxes narrower than a pixel": 1,
        "attribute `wet` where it is false": 1,
        "attribute `mixed` of mixed kinds": 1,
    }
    back = formats.read_dataset(tmp_path / "out")
    assert values(back) == values(data)
    assert list(back.annotations.attributes["mixed"]) == ["3", "x"]


def test_an_unknown_size_is_refused(tmp_path):
    images = Images(np.arange(1, 2), ("a.jpg",), np.full((1, 2), np.nan), has_own_ids=False)
    names = Categories.from_names(["x"])
    data = Dataset.build(images, names, image_index=[0], category_index=[0], xywh=[[1, 2, 3, 4]])
    with pytest.raises(InputError, match="the size of 1 image is unknown"):
        formats.write_dataset(data, tmp_path / "out", "supervisely")


@settings(max_examples=40, deadline=None, derandomize=True)
@given(rows)
def test_boxes_come_back_as_they_were(drawn):
    data = dataset(drawn, ignored=True)
    assert values(there_and_back(data)) == values(data)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(box)
def test_outlines_come_back_as_they_were(drawn):
    x, y, w, h = drawn
    outline = [[x, y, x + w, y, x + w, y + h]]
    data = dataset([(0, 1, drawn, False)], shapes=Shapes.from_rows([outline]))
    assert rings(there_and_back(data)) == rings(data)


def test_bccd_comes_back_box_by_box(tmp_path):
    if not BCCD.is_dir():
        pytest.skip("the data set BCCD is not beside the checkout")
    data = formats.read_dataset(BCCD)
    formats.write_dataset(data, tmp_path / "out", "supervisely")
    back = formats.read_dataset(tmp_path / "out")
    formats.write_dataset(back, tmp_path / "back.json", "coco")
    formats.write_dataset(data, tmp_path / "own.json", "coco")
    first, second = (formats.read_dataset(tmp_path / name, "coco") for name in ("own.json", "back.json"))
    assert len(first.annotations) > 4000
    assert values(second) == values(first)
    shutil.rmtree(tmp_path / "out")
