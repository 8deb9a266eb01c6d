"""VGG Image Annotator: three kinds of files, five shapes, the attribute that is the class."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detkit import formats
from detkit.errors import UsageError
from detkit.findings import summarize
from detkit.formats import via
from detkit.formats._base import ReadOptions, WriteOptions
from detkit.formats._via_regions import box_of
from detkit.tables import Categories, Dataset, Images, Shapes, id_array

FIXTURES = Path(__file__).resolve().parents[3] / "fixtures" / "formats" / "via"
BCCD = Path(__file__).resolve().parents[4] / "shared" / "data" / "bccd"


@pytest.mark.parametrize("case", ["project", "project/via_project.json", "balloon", "csv", "bad_rows"])
def test_is_recognised_as_nothing_else(case: str) -> None:
    assert formats.detect(FIXTURES / case, "dataset") == "via"
    assert not via.detect(FIXTURES / case, "detections").matches


def test_a_project() -> None:
    data = formats.read_dataset(FIXTURES / "project")
    assert data.images.file_names == ("a.jpg", "b.jpg")
    assert dict(data.images.extra) == {1: {"file_attributes": {"caption": "empty"}}}
    assert data.categories.names == ("dog", "cat", "bird")
    rows = data.annotations
    assert rows.category_index.tolist() == [0, 1, 1, 0]
    assert rows.xywh.tolist() == [[10, 20, 30, 40], [0, 0, 10.5, 20], [40, 50, 20, 20], [46, 50, 8, 20]]
    assert rows.attributes["quality"].tolist() == [{"good": True}, None, None, None]
    assert rows.shapes is not None
    assert [len(rows.shapes.polygons(i)) for i in range(4)] == [0, 1, 1, 1]
    circle = rows.shapes.polygons(2)[0]
    assert np.allclose(np.hypot(circle[:, 0] - 50, circle[:, 1] - 60), 10)
    assert summarize(data.findings) == {"DK109": 1}


def test_a_turned_ellipse_has_exact_bounds() -> None:
    shape = {"name": "ellipse", "cx": 100, "cy": 100, "rx": 30, "ry": 10, "theta": 0.7}
    found = box_of(shape)
    assert not isinstance(found, str)
    angle = np.linspace(0, 2 * np.pi, 200_001)
    x = 100 + 30 * np.cos(angle) * np.cos(0.7) - 10 * np.sin(angle) * np.sin(0.7)
    y = 100 + 30 * np.cos(angle) * np.sin(0.7) + 10 * np.sin(angle) * np.cos(0.7)
    expected = [x.min(), y.min(), x.max() - x.min(), y.max() - y.min()]
    assert np.allclose(found[0], expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ({"name": "point", "cx": 1, "cy": 2}, "a `point` has no box"),
        ({"name": "polyline", "all_points_x": [1, 2, 3], "all_points_y": [1, 2, 3]}, "not closed"),
        ({"name": "circle", "cx": 1, "cy": 2, "r": -1}, "expected a centre and radii"),
        ({"name": "rect", "x": 1, "y": 2, "width": True, "height": 3}, "expected four numbers"),
        ({}, "no name of a shape"),
        (None, "no `shape_attributes`"),
    ],
)
def test_shapes_without_a_box(shape: object, message: str) -> None:
    found = box_of(shape)
    assert isinstance(found, str)
    assert message in found


def test_folders_are_splits_and_version_one_numbers_regions() -> None:
    data = formats.read_dataset(FIXTURES / "balloon")
    assert data.categories.names == ("object",)
    assert {name: members.tolist() for name, members in data.splits.items()} == {"train": [0], "val": [1]}
    assert summarize(data.findings) == {"DK303": 1}
    val = formats.read_dataset(FIXTURES / "balloon", options=ReadOptions(split="val"))
    assert (val.images.file_names, len(val.annotations)) == (("x.jpg",), 0)
    with pytest.raises(UsageError, match="unknown split `test`"):
        formats.read_dataset(FIXTURES / "balloon", options=ReadOptions(split="test"))


def test_a_csv() -> None:
    data = formats.read_dataset(FIXTURES / "csv")
    assert data.images.file_names == ("a.jpg", "b.jpg")
    assert (data.categories.names, data.annotations.xywh.tolist()) == (("cat",), [[1, 2, 3, 4]])
    assert [(f.code, f.line) for f in data.findings] == [("DK102", 5), ("DK102", 3)]


def test_rows_that_cannot_be_used_are_named() -> None:
    data = formats.read_dataset(FIXTURES / "bad_rows")
    assert (data.categories.names, len(data.annotations)) == (("x",), 1)
    assert summarize(data.findings) == {"DK102": 4}


def _table(rows: list[tuple[int, int, tuple[float, ...]]], shapes: Shapes | None = None) -> Dataset:
    images = Images(id_array([7, 8]), ("cam/3.jpg", "x y.png"), np.array([[640, 480]] * 2))
    return Dataset.build(
        images,
        Categories.from_names(["z b", "é"]),
        image_index=[i for i, _, _ in rows],
        category_index=[c for _, c, _ in rows],
        xywh=np.array([b for _, _, b in rows]).reshape(-1, 4),
        shapes=shapes,
    )


def test_what_one_region_cannot_hold_is_counted(tmp_path: Path) -> None:
    rings = [[0, 0, 2, 0, 2, 2], [4, 4, 5, 4, 5, 5]]
    shapes = Shapes.from_rows([rings, [[0, 0, 9, 0, 9, 9]], None])
    data = _table([(0, 0, (0, 0, 5, 5)), (0, 1, (0, 0, 8, 8)), (1, 1, (1, 2, 3, 4))], shapes)
    losses = formats.write_dataset(data, tmp_path / "out", "via")
    assert [(loss.what, loss.count) for loss in losses if "ids" not in loss.what] == [
        ("masks, and polygons of several parts", 1),
        ("boxes that are not the bounds of their polygon", 1),
    ]
    content = json.loads((tmp_path / "out" / "via_project.json").read_text(encoding="utf-8"))
    regions = content["_via_img_metadata"]["x y.png-1"]["regions"]
    assert regions == [
        {
            "shape_attributes": {"name": "rect", "x": 1, "y": 2, "width": 3, "height": 4},
            "region_attributes": {"class": "é"},
        }
    ]


number = st.decimals(-50, 5000, places=3).map(float)


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1), st.tuples(number, number, number, number)), max_size=10)
)
def test_any_boxes_come_back(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, int, tuple[float, ...]]]):
    data, target = _table(rows), tmp_path_factory.mktemp("any") / "out"
    formats.write_dataset(data, target, "via")
    back = formats.read_dataset(target)
    assert back.annotations.xywh.tolist() == data.annotations.xywh.tolist()
    assert back.annotations.category_index.tolist() == data.annotations.category_index.tolist()
    assert back.images.ids.tolist() == [7, 8]


@pytest.mark.skipif(not BCCD.is_dir(), reason="the shared data is not beside this checkout")
def test_real_boxes_come_back_through_it(tmp_path: Path) -> None:
    first = formats.read_dataset(BCCD, "voc")
    formats.write_dataset(first, tmp_path / "via", "via", WriteOptions(place_images="leave"))
    back = formats.read_dataset(tmp_path / "via")
    assert back.images.file_names == first.images.file_names
    assert np.array_equal(back.annotations.xywh, first.annotations.xywh)
