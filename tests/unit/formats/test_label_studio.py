"""Label Studio: exports as people get them, percents to pixels, pre-annotations, and round trips."""

import json
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from detkit import formats
from detkit.errors import InputError
from detkit.findings import summarize
from detkit.formats import ReadOptions
from detkit.formats._json_file import read_json
from detkit.tables import Ragged, Shapes
from format_tables import box, dataset, detections, rings, rows, scored, turned, values

FIXTURES = Path(__file__).resolve().parents[3] / "fixtures/formats/label_studio"


def read(case, **options):
    return formats.read_dataset(FIXTURES / case, "label_studio", ReadOptions(**options))


def there_and_back(table):
    with TemporaryDirectory() as folder:
        target = Path(folder) / "out"
        if hasattr(table, "score"):
            formats.write_detections(table, target, "label_studio")
            return formats.read_detections(target)
        formats.write_dataset(table, target, "label_studio")
        return formats.read_dataset(target)


def test_an_export_with_addresses_of_every_kind():
    found = read("export")
    rows = found.annotations
    # an upload loses its prefix; a local file keeps its folders; skipped and unlabelled tasks are no negatives
    assert found.images.file_names == ("cat one.jpg", "photos/night/b.jpg", "e.jpg")
    assert rows.image_index.tolist() == [0, 0, 0, 2]
    assert rows.xywh.tolist() == [
        [5 * 2, 10, 25 * 2, 50],
        [100 - 20, 10, 20, 40],  # 40 x 20 turned by a quarter around its corner at 100, 10
        [20, 10, 20, 40],
        [0, 0, 100, 50],  # the ground truth of two annotations
    ]
    assert rows.is_oriented.tolist() == [False, True, False, False]
    assert rows.shapes.polygons(1)[0].tolist() == [[100, 10], [100, 50], [80, 50], [80, 10]]
    assert summarize(found.findings) == {"DK109": 3}


def export(folder, *addresses):
    """An export of tasks with these addresses, one box in each."""
    size = {"original_width": 200, "original_height": 100, "image_rotation": 0}
    value = {"x": 5, "y": 10, "width": 25, "height": 50, "rotation": 0, "rectanglelabels": ["cat"]}
    region = {"id": "a", "type": "rectanglelabels", "from_name": "label", "to_name": "image", **size, "value": value}
    tasks = [
        {
            "id": 40 + n,
            "annotations": [{"id": 60 + n, "completed_by": 1, "result": [region], "was_cancelled": False}],
            "file_upload": address.rpartition("/")[2],
            "data": {"image": address},
            "meta": {},
            "project": 1,
        }
        for n, address in enumerate(addresses)
    ]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "project-1-at-2026-01-05-10-00-0a1b2c3d.json").write_text(json.dumps(tasks), encoding="utf-8")
    return folder


def pictures(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (200, 100)).save(folder / name)


@pytest.mark.parametrize("place", ["export/images", "export/media/upload/1", "elsewhere/deep"])
def test_uploads_are_found_by_the_name_that_they_had(tmp_path, place):
    source = export(
        tmp_path / "export",
        "/data/upload/1/3f2a1b9c-photo.jpg",
        "data/upload/3f2a1b9d-a_b.png",
        "/data/local-files/?d=set%2Fnight%2Fc.jpg",
        "/data/local-files/?d=set\\night\\d.jpg",
        "http://localhost:8080/data/upload/12/9c0d1e2f-e.jpg",
    )
    pictures(tmp_path / place, "photo.jpg", "a_b.png", "set/night/c.jpg", "d.jpg", "9c0d1e2f-e.jpg")
    found = formats.read_dataset(source, "label_studio", ReadOptions(images_dir=tmp_path / place))
    assert found.images.file_names == ("photo.jpg", "a_b.png", "set/night/c.jpg", "set/night/d.jpg", "e.jpg")
    names = [path and Path(path).relative_to(tmp_path / place).as_posix() for path in found.images.paths]
    assert names == ["photo.jpg", "a_b.png", "set/night/c.jpg", "d.jpg", "9c0d1e2f-e.jpg"]


def test_two_uploads_of_one_name_are_not_the_same_file(tmp_path):
    source = export(tmp_path / "export", "/data/upload/1/3f2a1b9c-a.jpg", "/data/upload/1/3f2a1b9d-a.jpg")
    pictures(tmp_path / "export" / "images", "a.jpg")
    assert formats.read_dataset(source).images.paths == (None, None)
    pictures(tmp_path / "export" / "images", "3f2a1b9d-a.jpg")
    paths = formats.read_dataset(source).images.paths
    assert [path and Path(path).name for path in paths] == [None, "3f2a1b9d-a.jpg"]


def test_regions_have_labels_and_attributes_of_their_own_results():
    found = read("regions")
    rows = found.annotations
    assert rows.xywh.tolist() == [[10, 10, 50, 50], [20, 10, 20, 10], [20, 10, 120, 40]]
    assert list(rows.attributes["colour"]) == ["grey", None, None]
    assert list(rows.attributes["age"]) == [3, None, None]
    assert rows.is_ignored.tolist() == [True, False, False]
    assert len(rows.shapes.polygons(2)) == 2
    assert summarize(found.findings) == {"DK102": 3, "DK106": 1, "DK109": 2}


def test_json_min_keeps_uploads_of_one_name_apart():
    found = read("minimal")
    assert found.images.file_names == ("1a2b3c4d-a.jpg", "9a2b3c4d-a.jpg")
    assert found.annotations.xywh.tolist() == [[10, 10, 50, 50]]


def test_a_single_annotation_from_target_storage():
    found = read("single")
    assert (found.images.file_names, len(found.annotations)) == (("a.jpg",), 1)


def test_percents_need_a_size_from_somewhere():
    found = read("no_size")
    assert found.annotations.xywh.tolist() == [[10, 10, 50, 50]]  # from the header of the one image that is here
    assert summarize(found.findings)["DK102"] == 1
    found = read("no_size", image_sizes=formats.ImageSizes((100, 100)))
    assert found.annotations.xywh.tolist() == [[5, 10, 25, 50]] * 2


def test_predictions_of_the_last_model_with_the_score_of_each_region():
    found = formats.read_detections(FIXTURES / "predictions")
    assert (found.source.format, found.images.file_names) == ("label_studio", ("a.jpg", "b.jpg"))
    assert found.score.tolist() == [0.75, 0.5]
    assert summarize(found.findings) == {"DK109": 2, "DK403": 1}
    with pytest.raises(InputError):
        formats.detect(FIXTURES / "predictions", "dataset")


def test_pre_annotations_have_a_score_each_and_a_configuration(tmp_path):
    table = detections([((0, 0, (64.0, 48.0, 320.0, 240.0), False), 0.75), ((0, 2, (0.0, 0.0, 6.4, 4.8), False), 0.25)])
    formats.write_detections(table, tmp_path / "out", "label_studio")
    first, *others = read_json(tmp_path / "out/tasks.json")
    assert first["data"] == {"image": "/data/local-files/?d=a.jpg", "width": 640, "height": 480}
    (entry,) = first["predictions"]
    assert entry["score"] == (0.75 + 0.25) / 2
    assert [r["score"] for r in entry["result"]] == [0.75, 0.25]
    assert entry["result"][0]["value"] == {
        "x": 10.0,
        "y": 10.0,
        "width": 50.0,
        "height": 50.0,
        "rotation": 0,
        "rectanglelabels": ["cat"],
    }
    assert [task["predictions"][0]["result"] for task in others] == [[], []]
    text = (tmp_path / "out/label_config.xml").read_text(encoding="utf-8")
    assert '<Label value="größe"/>' in text


def test_flags_attributes_and_parts_come_back():
    column = np.empty(2, dtype=object)
    column[:] = ["rain", None]
    number = np.array([1.0, np.nan])
    drawn = [(0, 0, (1.0, 1.0, 14.0, 8.0), False), (0, 1, (1.0, 2.0, 3.0, 4.0), True)]
    shapes = Shapes.from_rows([[[1, 1, 5, 1, 5, 5], [11, 1, 15, 1, 15, 9]], None])
    data = dataset(
        drawn,
        ignored=True,
        shapes=shapes,
        is_crowd=[True, False],
        attributes={"weather": column, "occluded": number},
    )
    back = there_and_back(data)
    assert (values(back), rings(back)) == (values(data), rings(data))
    assert back.annotations.is_crowd.tolist() == [True, False]
    assert list(back.annotations.attributes["weather"]) == ["rain", None]
    assert back.annotations.attributes["occluded"][0] == 1


def test_keypoints_belong_to_the_object_that_is_their_parent():
    found = read("keypoints")
    rows = found.annotations
    assert found.categories.names == ("ball", "person")
    # the order is that of the names: eye, nose; a hidden one is labelled and not visible
    assert [rows.keypoints[i].tolist() for i in range(3)] == [
        [[25, 15, 1], [20, 20, 2]],
        [[0, 0, 0], [110, 55, 2]],
        [],
    ]
    assert dict(found.categories.extra) == {1: {"keypoints": ["eye", "nose"]}}
    assert {(f.code, f.message) for f in found.findings} >= {
        ("DK109", "keypoints that belong to no object: not read"),
        ("DK109", "further keypoints of the same name in an object: not read"),
        ("DK110", "nothing states the order of the keypoints of `person`: by name"),
    }
    assert summarize(found.findings)["DK102"] == 1
    assert read("keypoints", with_shapes=False).annotations.keypoints is None


def test_keypoints_come_back_in_the_order_of_their_class(tmp_path):
    boxes = [(0, (1.0, 1.0, 14.0, 8.0)), (1, (1.0, 2.0, 3.0, 4.0)), (0, (2.0, 2.0, 3.0, 3.0))]
    drawn = [(0, category, xywh, False) for category, xywh in boxes]
    points = [[(2.5, 3, 2), (0, 0, 0), (7, 8.25, 1)], [(1, 2, 2)], [(0, 0, 0)] * 3]
    data = dataset(drawn, keypoints=Ragged.from_rows(points, (3,)))
    extra = {0: {"keypoints": ["nose", "ear", "eye"], "skeleton": [[1, 2]]}}
    data = replace(data, categories=replace(data.categories, extra=extra))
    losses = {loss.what: loss.count for loss in formats.write_dataset(data, tmp_path / "out", "label_studio")}
    assert losses["category field `skeleton`"] == 1
    assert "category field `keypoints`" not in losses
    assert losses["places of unlabelled keypoints, objects with no other"] == 1
    back = formats.read_dataset(tmp_path / "out")
    found = [back.annotations.keypoints[i].tolist() for i in range(3)]
    assert found == [[list(p) for p in points[0]], [list(p) for p in points[1]], []]
    assert dict(back.categories.extra) == {0: {"keypoints": ["nose", "ear", "eye"]}}
    (task, *_) = read_json(tmp_path / "out/tasks.json")
    parents = {r["id"]: r.get("parentID") for r in task["annotations"][0]["result"] if r["type"] == "keypointlabels"}
    assert parents == {"r0_k1": "r0", "r0_k3": "r0", "r1_k1": "r1"}
    text = (tmp_path / "out/label_config.xml").read_text(encoding="utf-8")
    assert '<KeyPointLabels name="keypoint" toName="image">' in text
    assert '<Label value="ear"/>' in text


def test_predicted_keypoints_come_back():
    table = detections([((0, 0, (64.0, 48.0, 320.0, 240.0), False), 0.75), ((0, 2, (0.0, 0.0, 6.4, 4.8), False), 0.25)])
    table = replace(table, keypoints=Ragged.from_rows([[(100, 60, 2), (64, 48, 2)], []], (3,)))
    back = there_and_back(table)
    assert [back.keypoints[i].tolist() for i in range(2)] == [[[100, 60, 2], [64, 48, 2]], []]


def test_something_else_is_refused(tmp_path):
    (tmp_path / "a.json").write_text('[{"id": 1}]')
    with pytest.raises(InputError, match="no tasks"):
        formats.read_dataset(tmp_path / "a.json", "label_studio")


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
def test_oriented_boxes_come_back_within_a_millionth_of_a_pixel(drawn, degrees):
    data = dataset(drawn, shapes=turned(drawn, degrees), is_oriented=[True] * len(drawn))
    for (_, one), (_, other) in zip(rings(there_and_back(data)), rings(data), strict=True):
        assert np.allclose(one, other, rtol=0, atol=2e-6)
