"""LabelMe: shapes of every kind, paths as tools write them, and round trips."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detkit import formats
from detkit.errors import InputError
from detkit.findings import summarize
from detkit.formats import ReadOptions, WriteOptions
from detkit.formats._json_file import read_json
from detkit.tables import Shapes
from format_tables import box, dataset, detections, rings, rows, scored, turned, values

FIXTURES = Path(__file__).resolve().parents[3] / "fixtures/formats/labelme"


def read(case, **options):
    return formats.read_dataset(FIXTURES / case, "labelme", ReadOptions(**options))


def there_and_back(table):
    with TemporaryDirectory() as folder:
        target = Path(folder) / "out"
        if hasattr(table, "score"):
            formats.write_detections(table, target, "labelme")
            return formats.read_detections(target)
        formats.write_dataset(table, target, "labelme")
        return formats.read_dataset(target)


def test_corners_come_in_any_order_and_images_without_shapes_stay():
    found = read("basic")
    assert found.images.file_names == ("a.jpg", "b ü.v2.png", "empty.jpg")
    assert found.annotations.xywh.tolist() == [[10, 20, 30, 40], [50.5, 30, 40, 40.25], [5, 10, 20, 60]]
    assert found.images.sizes.tolist() == [[100, 80]] * 3
    assert found.findings == ()


def test_fields_of_x_anylabeling_are_read():
    found = read("any_labeling")
    rows = found.annotations
    assert rows.is_oriented.tolist() == [True, False]
    assert rows.xywh.tolist() == [[40, 20, 40, 35], [10, 20, 30, 40]]
    assert rows.is_ignored.tolist() == [False, True]
    assert list(rows.attributes["colour"]) == [None, "brown"]
    assert rows.extra[0] == {"direction": 0.588}


def test_polygons_of_one_label_and_group_are_one_object():
    found = read("groups")
    assert [len(found.annotations.shapes.polygons(i)) for i in range(3)] == [2, 1, 1]
    assert found.annotations.xywh[0].tolist() == [10, 10, 50, 40]
    assert summarize(found.findings) == {"DK107": 1}


def test_circles_are_boxed_masks_are_kept_and_what_is_no_region_is_counted():
    found = read("shapes")
    # radius 5 = hypot(3, 4); the mask's corners are pixels: 10..12 and 20..21, both inside
    assert found.annotations.xywh.tolist() == [[45, 35, 10, 10], [10, 20, 3, 2], [1, 1, 8, 8]]
    height = 80
    runs = found.annotations.shapes.rle[1]
    assert runs["size"] == [80, 100]
    assert runs["counts"][:4] == [10 * height + 21, 1, height - 2, 2]
    assert summarize(found.findings) == {"DK109": 3, "DK206": 1}


def test_image_paths_are_followed_where_they_lead_inside():
    found = read("paths")
    paths = [None if p is None else Path(p).name for p in found.images.paths]
    assert found.images.file_names == ("labels/drive.png", "labels/noname.png", "labels/up.png", "images/win.png")
    assert paths == ["drive.png", "noname.png", None, "win.png"]
    assert summarize(found.findings) == {"DK110": 2}


def test_what_cannot_be_used_is_named_with_its_place():
    found = read("broken")
    assert summarize(found.findings) == {"DK101": 1, "DK102": 6, "DK109": 1, "DK201": 1, "DK403": 1}
    places = {(Path(f.file).name, f.annotation) for f in found.findings if f.code == "DK102"}
    assert places == {("good.json", n) for n in (1, 2, 3, 4, 5)} | {("nan.json", 0)}
    assert len(found.annotations) == 2
    (cut,) = [f for f in found.findings if f.code == "DK101"]
    assert "line 2" in cut.message


def test_folders_named_like_splits_are_splits():
    found = read("splits")
    assert {k: v.tolist() for k, v in found.splits.items()} == {"train": [0], "val": [1]}
    assert read("splits", split="val").images.file_names == ("val/b.jpg",)
    with pytest.raises(InputError, match="no split `test`"):
        read("splits", split="test")


def test_predictions_are_the_shapes_with_a_score():
    path = FIXTURES / "predictions"
    assert formats.detect(path, "detections") == "labelme"
    with pytest.raises(InputError):
        formats.detect(path, "dataset")
    found = formats.read_detections(path)
    assert found.score.tolist() == [0.75, 0.5]
    assert found.categories.names == ("dog", "cat")
    assert summarize(found.findings) == {"DK109": 1}


def test_a_file_alone_is_read_and_a_folder_without_any_is_refused(tmp_path):
    assert len(formats.read_dataset(FIXTURES / "basic/a.json").annotations) == 2
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(InputError, match="no LabelMe file"):
        formats.read_dataset(tmp_path, "labelme")


def test_shapes_keep_their_own_fields_through_a_round_trip(tmp_path):
    formats.write_dataset(read("any_labeling"), tmp_path / "out", "labelme")
    first, second = read_json(tmp_path / "out/a.json")["shapes"]
    assert (first["shape_type"], first["direction"]) == ("rotation", 0.588)
    assert second["difficult"] is True
    assert second["attributes"] == {"colour": "brown", "age": 3}
    assert read_json(tmp_path / "out/a.json")["imageData"] is None


def test_images_go_beside_their_labels(tmp_path):
    formats.write_dataset(read("paths"), tmp_path / "out", "labelme", WriteOptions(place_images="copy"))
    back = formats.read_dataset(tmp_path / "out")
    assert sum(p is not None for p in back.images.paths) == 3
    assert (tmp_path / "out/images/win.json").is_file()
    assert (tmp_path / "out/images/win.png").is_file()


def test_two_images_of_one_stem_get_a_file_each(tmp_path):
    from detkit.tables import Categories, Dataset, Images

    images = Images(np.arange(1, 3), ("a.jpg", "a.png"), np.full((2, 2), 9.0), has_own_ids=False)
    data = Dataset.build(images, Categories.from_names(["x"]), image_index=[1], category_index=[0], xywh=[[1, 2, 3, 4]])
    formats.write_dataset(data, tmp_path / "out", "labelme")
    back = formats.read_dataset(tmp_path / "out")
    assert sorted(back.images.file_names) == ["a.jpg", "a.png"]
    assert values(back)[0][0] == "a.png"


def test_masks_come_back_pixel_by_pixel():
    mask = {"size": [480, 640], "counts": [480 * 3 + 5, 4, 476, 2, 480 * 640 - (480 * 3 + 5 + 4 + 476 + 2)]}
    data = dataset([(0, 0, (3.0, 5.0, 2.0, 4.0), False)], shapes=Shapes.from_rows([mask]))
    back = there_and_back(data)
    assert back.annotations.shapes.rle[0] == mask
    assert back.annotations.xywh.tolist() == [[3, 5, 2, 4]]


def test_a_box_that_is_not_its_outlines_bounds_is_reported(tmp_path):
    data = dataset([(0, 0, (1.0, 1.0, 9.0, 9.0), False)], shapes=Shapes.from_rows([[[1, 1, 5, 1, 5, 5]]]))
    losses = formats.write_dataset(data, tmp_path / "out", "labelme")
    assert [(loss.what, loss.count) for loss in losses] == [("boxes that are not the bounds of their outline", 1)]


@settings(max_examples=40, deadline=None, derandomize=True)
@given(rows)
def test_boxes_come_back_as_they_were(drawn):
    data = dataset(drawn, ignored=True)
    assert values(there_and_back(data)) == values(data)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(scored)
def test_predictions_come_back_as_they_were(drawn):
    assert values(there_and_back(detections(drawn))) == values(detections(drawn))


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.just(0), st.just(1), box, st.booleans()), min_size=1, max_size=4), st.floats(-179, 180))
def test_oriented_boxes_come_back_as_they_were(drawn, degrees):
    shapes = turned(drawn, degrees)
    data = dataset(drawn, shapes=shapes, is_oriented=[True] * len(drawn))
    back = there_and_back(data)
    assert rings(back) == rings(data)
    assert back.annotations.is_oriented.all()
