"""CVAT XML: images, projects and tracks as its exporter writes them, pre-labels, and round trips."""

import shutil
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
from detkit.tables import Shapes
from format_tables import box, dataset, detections, rings, rows, scored, turned, values

FIXTURES = Path(__file__).resolve().parents[3] / "fixtures/formats/cvat"


def read(case, **options):
    return formats.read_dataset(FIXTURES / case, "cvat", ReadOptions(**options))


def there_and_back(table, name="out"):
    with TemporaryDirectory() as folder:
        target = Path(folder) / name
        if hasattr(table, "score"):
            formats.write_detections(table, target, "cvat")
            return formats.read_detections(target)
        formats.write_dataset(table, target, "cvat")
        return formats.read_dataset(target)


def boxes_of(data):
    rows = data.annotations
    return [(data.images.file_names[i], b) for i, b in zip(rows.image_index, rows.xywh.tolist(), strict=True)]


def test_images_with_boxes_polygons_and_attributes():
    found = read("images")
    rows = found.annotations
    assert found.categories.names == ("dog", "cat", "unused")
    assert found.images.file_names == ("a.jpg", "night/b ü.jpg", "c.png")
    assert rows.xywh.tolist() == [[10, 20.1, 30, 40.2], [50, 10, 20.5, 20.25], [1, 1, 1.5, 2]]
    assert rows.is_ignored.tolist() == [True, False, False]
    assert list(rows.attributes["colour"]) == ["grey & white", None, None]
    assert list(rows.attributes["age"]) == [3, None, None]
    assert list(rows.attributes["parked"]) == [False, None, None]
    assert rows.attributes["occluded"].tolist() == [0, 1, 0]
    assert list(rows.attributes["z_order"]) == [None, 2, None]
    assert list(rows.attributes["group_id"]) == [None, None, 7]
    assert list(rows.attributes["source"]) == [None, "auto", "semi-auto"]
    assert len(rows.shapes.polygons(1)[0]) == 3


def test_every_shape_is_read_boxed_or_counted():
    found = read("shapes")
    rows = found.annotations
    assert rows.xywh.tolist() == [
        [1, 1, 14, 8],  # two polygons of one group
        [50 - 5, 40 - 10, 10, 20],  # an ellipse turned by a quarter
        [10, 20, 3, 2],
        [10, 5, 15, 25],
        [30 - 10, 30 - 20, 20, 40],  # turned around its centre, 30, 30
    ]
    assert len(rows.shapes.polygons(0)) == 2
    height, runs = 80, rows.shapes.rle[2]["counts"]
    assert runs[:4] == [10 * height + 21, 1, height - 2, 2]
    assert rows.is_oriented.tolist() == [False, False, False, False, True]
    assert rows.shapes.polygons(4)[0].tolist() == [[40, 10], [40, 50], [20, 50], [20, 10]]
    assert summarize(found.findings) == {"DK107": 1, "DK109": 4, "DK206": 2}


def test_a_project_has_subsets_and_frames_that_share_names():
    found = read("project")
    names = ("Train/frame_000000.PNG", "Validation/frame_000000.PNG", "frame_000001.PNG")
    assert found.images.file_names == names
    assert {k: v.tolist() for k, v in found.splits.items()} == {"Train": [0], "Validation": [1, 2]}
    assert [Path(p).parent.name for p in found.images.paths] == ["Train", "Validation", "Validation"]
    assert found.findings == ()
    assert len(read("project", split="Train").images) == 1


def test_tracks_have_a_row_a_frame_and_none_where_the_object_is_outside():
    found = read("tracks")
    assert found.images.file_names == tuple(f"frame_{i:06d}.png" for i in range(6))
    assert found.images.sizes.tolist() == [[640, 480]] * 6
    assert boxes_of(found) == [
        ("frame_000000.png", [10, 20, 10, 20]),
        ("frame_000001.png", [12, 20, 10, 20]),
        ("frame_000001.png", [1, 1, 4, 4]),
        ("frame_000002.png", [14, 20, 10, 20]),
        ("frame_000005.png", [30, 20, 10, 20]),
    ]
    assert list(found.annotations.attributes["track_id"]) == [0, 0, 1, 0, 0]
    assert found.annotations.attributes["occluded"].tolist() == [0, 0, 0, 1, 0]
    assert found.findings == ()


def test_keyframes_alone_are_interpolated_on_the_frames_of_the_task():
    found = read("keyframes")
    assert found.images.file_names == tuple(f"frame_{i:06d}.png" for i in (10, 15, 20, 25))
    assert boxes_of(found) == [
        ("frame_000010.png", [10, 20, 10, 20]),
        ("frame_000015.png", [10 + 20 / 2, 20, 10, 20]),
        ("frame_000015.png", [100, 20, 10, 20]),  # one statement alone stands for its frame
        ("frame_000020.png", [30, 20, 10, 20]),
        ("frame_000025.png", [30, 20, 10, 20]),  # never said to leave: stays to the end
    ]
    assert summarize(found.findings) == {"DK107": 2}


def test_frames_take_the_names_of_image_files_that_are_called_otherwise():
    found = read("frame_names")
    assert found.images.file_names == ("beach.png", "forest.png")
    assert all(found.images.paths)
    assert summarize(found.findings) == {"DK110": 2}


def test_exports_are_read_zipped_and_images_are_found_elsewhere(tmp_path):
    shutil.make_archive(str(tmp_path / "export"), "zip", FIXTURES / "project")
    found = formats.read_dataset(tmp_path / "export.zip")
    assert (found.source.format, len(found.annotations)) == ("cvat", 2)
    xml = tmp_path / "job.xml"
    shutil.copyfile(FIXTURES / "images/annotations.xml", xml)
    (tmp_path / "photos").mkdir()
    shutil.copyfile(FIXTURES / "images/images/c.png", tmp_path / "photos/0123456789ab_a.jpg")
    found = formats.read_dataset(xml, options=ReadOptions(images_dir=tmp_path / "photos"))
    assert [p and Path(p).name for p in found.images.paths] == ["0123456789ab_a.jpg", None, None]


def test_predictions_are_automatic_shapes_with_a_score():
    path = FIXTURES / "predictions"
    with pytest.raises(InputError):
        formats.detect(path, "dataset")
    found = formats.read_detections(path)
    assert (found.source.format, found.score.tolist(), len(found.images)) == ("cvat", [0.75, 0.5], 2)
    assert found.categories.names == ("dog", "cat")


def test_what_cannot_be_used_is_named():
    found = read("broken")
    assert summarize(found.findings) == {"DK102": 7, "DK201": 1, "DK502": 1}
    assert found.annotations.xywh.tolist() == [[1, 1, 4, 4], [1, 1, 0, 4]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<annotations><image", "line 1"),
        ("<note/>", "expected <annotations>"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><annotations>&b;</annotations>', "document type"),
    ],
)
def test_damaged_and_hostile_files_are_refused(text, message, tmp_path):
    (tmp_path / "a.xml").write_text(text)
    with pytest.raises(InputError, match=message):
        formats.read_dataset(tmp_path / "a.xml", "cvat")


def test_one_file_and_a_folder_with_images(tmp_path):
    data = read("images")
    losses = formats.write_dataset(data, tmp_path / "out.xml", "cvat")
    assert losses == []
    assert formats.format_of_target("x.xml", "dataset") == "cvat"
    assert values(formats.read_dataset(tmp_path / "out.xml")) == values(data)
    formats.write_dataset(data, tmp_path / "out", "cvat", WriteOptions(place_images="copy"))
    assert (tmp_path / "out/images/c.png").is_file()


def test_attributes_flags_and_types_come_back():
    data = read("images")
    back = there_and_back(data)
    for name, column in data.annotations.attributes.items():
        assert list(back.annotations.attributes[name]) == list(column), name
    assert back.annotations.is_ignored.tolist() == data.annotations.is_ignored.tolist()


def test_crowds_and_several_parts_come_back():
    shapes = Shapes.from_rows([[[1, 1, 5, 1, 5, 5], [11, 1, 15, 1, 15, 9]], None])
    drawn = [(0, 0, (1.0, 1.0, 14.0, 8.0), False), (0, 1, (1.0, 2.0, 3.0, 4.0), False)]
    data = dataset(drawn, shapes=shapes, is_crowd=[False, True])
    back = there_and_back(data)
    assert rings(back) == rings(data)
    assert back.annotations.is_crowd.tolist() == [False, True]


def test_masks_come_back_pixel_by_pixel():
    mask = {"size": [480, 640], "counts": [480 * 3 + 5, 4, 476, 2, 480 * 640 - (480 * 3 + 5 + 4 + 476 + 2)]}
    back = there_and_back(dataset([(0, 0, (3.0, 5.0, 2.0, 4.0), False)], shapes=Shapes.from_rows([mask])))
    assert back.annotations.shapes.rle[0] == mask


def test_an_oriented_box_that_is_no_rectangle_is_a_polygon(tmp_path):
    ring = [10, 10, 30, 10, 40, 30, 10, 30]
    data = dataset([(0, 0, (10.0, 10.0, 30.0, 20.0), False)], shapes=Shapes.from_rows([[ring]]), is_oriented=[True])
    losses = formats.write_dataset(data, tmp_path / "o.xml", "cvat")
    assert [loss.what for loss in losses] == ["oriented boxes that are no rectangles"]
    assert rings(formats.read_dataset(tmp_path / "o.xml")) == [("a.jpg", [np.reshape(ring, (-1, 2)).tolist()])]


def test_names_that_xml_cannot_hold_are_refused(tmp_path):
    from dataclasses import replace

    from detkit.tables import Categories

    data = replace(dataset([]), categories=Categories.from_names(["a\x01"]))
    with pytest.raises(InputError, match="control characters"):
        formats.write_dataset(data, tmp_path / "o.xml", "cvat")


@settings(max_examples=40, deadline=None, derandomize=True)
@given(rows, st.sampled_from(["out", "out.xml"]))
def test_boxes_come_back_as_they_were(drawn, name):
    data = dataset(drawn, ignored=True)
    assert values(there_and_back(data, name)) == values(data)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(scored)
def test_predictions_come_back_as_they_were(drawn):
    assert values(there_and_back(detections(drawn))) == values(detections(drawn))


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.just(0), st.just(1), box, st.booleans()), min_size=1, max_size=4), st.floats(-179, 180))
def test_oriented_boxes_come_back_within_a_millionth_of_a_pixel(drawn, degrees):
    data = dataset(drawn, shapes=turned(drawn, degrees), is_oriented=[True] * len(drawn))
    back = there_and_back(data)
    for (_, one), (_, other) in zip(rings(back), rings(data), strict=True):
        assert np.allclose(one, other, rtol=0, atol=2e-6)


@pytest.mark.parametrize(("is_dense", "frames"), [(True, [0, 2, 4]), (False, [0, 2, 4, 6, 8])])
def test_a_track_goes_on_to_the_end_only_where_keyframes_alone_are_stated(is_dense, frames):
    from detkit.formats._collect import Item
    from detkit.formats._cvat_tracks import Seen, frames_of_track

    first, second = Item("car", (0.0, 0.0, 4.0, 4.0)), Item("car", (8.0, 0.0, 4.0, 8.0))
    seen = [Seen(4, second, False, True), Seen(0, first, False, True)]
    found = list(frames_of_track(seen, 2, 8, is_dense=is_dense))
    assert [frame for frame, _, _ in found] == frames
    assert found[1][1].xywh == (4, 0, 4, 6)
    assert [made for _, _, made in found[:3]] == [False, True, False]
