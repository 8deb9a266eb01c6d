"""Open Images CSV: corners as shares, flags of boxes, image-level labels, predictions in both layouts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detkit import convert, evaluate, formats
from detkit.errors import InputError, UsageError
from detkit.findings import summarize
from detkit.formats._base import ImageSizes, ReadOptions, WriteOptions
from detkit.tables import Categories, Dataset, Images, id_array

FIXTURES = Path(__file__).resolve().parents[3] / "fixtures" / "formats" / "openimages"
BCCD = Path(__file__).resolve().parents[4] / "shared" / "data" / "bccd"
SIZES = ReadOptions(image_sizes=ImageSizes(default=(640, 320)))


@pytest.mark.parametrize(
    ("case", "kind"),
    [("basic", "dataset"), ("challenge", "dataset"), ("bad_rows", "dataset"), ("predictions", "detections"),
     ("submission", "detections")],
)  # fmt: skip
def test_is_recognised_as_nothing_else(case: str, kind: formats.Kind) -> None:
    assert formats.detect(FIXTURES / case, kind) == "openimages"
    other: formats.Kind = "detections" if kind == "dataset" else "dataset"
    with pytest.raises(InputError, match="not recognised"):
        formats.detect(FIXTURES / case, other)


def test_the_basic_case() -> None:
    data = formats.read_dataset(FIXTURES / "basic", "openimages", SIZES)
    assert data.images.ids.tolist() == ["0001eeaf4aed83f9", "000595fe6fee6369", "000ffffffffffff0",
                                        "00075905539074f2", "000a1249af2bc5f0"]  # fmt: skip
    assert data.images.file_names[0] == "0001eeaf4aed83f9.jpg"
    assert data.images.has_own_ids
    assert data.categories.ids.tolist() == ["/m/02xwb", "/m/0cmf2", "/m/04yx4", "/m/0k4j"]
    assert data.categories.names == ("Fruit", "Airplane", "Man", "Car, any")
    assert data.annotations.xywh.tolist() == [
        [0.025 * 640, 0.071875 * 320, 0.9640625 * 640 - 16, 0.8 * 320 - 23],
        [0.4 * 640, 0.2 * 320, 128, 96],
        [0, 0, 640, 320],
        [160, 40, 320, 80],
    ]
    assert data.units == "pixels"
    assert {name: members.tolist() for name, members in data.splits.items()} == {
        "train": [0, 1, 2, 4],
        "validation": [3],
    }
    columns = {name: values.tolist() for name, values in data.annotations.attributes.items()}
    assert columns == {
        "occluded": [0, 0, 1, None],
        "truncated": [0, 0, 1, None],
        "is_group_of": [0, 1, 0, None],
        "is_depiction": [0, 0, None, None],
        "is_inside": [0, 0, None, None],
        "source": ["xclick", "xclick", "activemil", "xclick"],
    }


def test_image_level_labels_are_those_that_people_verified() -> None:
    data = formats.read_dataset(FIXTURES / "basic", "openimages", SIZES)
    assert dict(data.images.extra) == {
        0: {"pos_category_ids": ["/m/0cmf2"], "neg_category_ids": ["/m/02xwb"]},
        4: {"pos_category_ids": [], "neg_category_ids": ["/m/04yx4", "/m/0zzzz"]},
    }
    (left_out,) = [f for f in data.findings if "not verified" in f.message]
    assert (left_out.code, left_out.count) == ("DK109", 1)


def test_without_sizes_boxes_stay_shares() -> None:
    data = formats.read_dataset(FIXTURES / "basic")
    assert data.units == "normalised"
    assert data.annotations.xywh[3].tolist() == [0.25, 0.125, 0.5, 0.25]
    some = ReadOptions(image_sizes=ImageSizes(by_name={"00075905539074f2.jpg": (10, 10)}))
    with pytest.raises(InputError, match="known for some images only; 2 have none"):
        formats.read_dataset(FIXTURES / "basic", "openimages", some)


def test_a_split_and_one_file() -> None:
    chosen = formats.read_dataset(FIXTURES / "basic", options=replace(SIZES, split="validation"))
    assert (chosen.images.ids.tolist(), list(chosen.splits)) == (["00075905539074f2"], ["validation"])
    with pytest.raises(UsageError, match=r"unknown split `test`; .* has `train`, `validation`"):
        formats.read_dataset(FIXTURES / "basic", options=ReadOptions(split="test"))
    alone = formats.read_dataset(FIXTURES / "basic" / "validation-annotations-bbox.csv")
    assert (len(alone.annotations), alone.images.ids.tolist()) == (1, ["00075905539074f2"])
    assert alone.categories.names[2] == "Man"


def test_the_challenge_layout_has_fewer_columns() -> None:
    data = formats.read_dataset(FIXTURES / "challenge")
    assert data.categories.names == ("Infant bed", "Rose")
    assert data.annotations.attributes["is_group_of"].tolist() == [1, 0]
    assert data.images.extra[1]["neg_category_ids"] == ["/m/061hd_"]
    assert list(data.splits) == ["validation"]


def test_rows_that_cannot_be_used_are_named() -> None:
    data = formats.read_dataset(FIXTURES / "bad_rows")
    assert len(data.annotations) == 3
    lines = {f.line: f.message for f in data.findings if f.code == "DK102"}
    assert lines == {
        3: "`ImageID` or `LabelName` is empty",
        4: "XMin, XMax, YMin, YMax are not four finite numbers",
        5: "found 14 fields, expected 13",
    }
    codes = summarize(data.findings)
    assert (codes["DK106"], codes["DK201"], codes["DK303"]) == (1, 1, 1)
    assert data.annotations.attributes["occluded"].tolist() == [0, None, 0]


def test_pixels_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "annotations-bbox.csv"
    file.write_text("ImageID,LabelName,XMin,XMax,YMin,YMax\na,x,10,20,30,40\n")
    with pytest.raises(InputError, match="coordinates beyond 1"):
        formats.read_dataset(file)


def test_predictions_in_both_layouts() -> None:
    truth = formats.read_dataset(FIXTURES / "basic", "openimages", SIZES)
    options = ReadOptions(reference_images=truth.images)
    rows = formats.read_detections(FIXTURES / "predictions", options=options)
    assert rows.xywh.tolist() == [[16, 23, 601, 233], [256, 64, 128, 96]]
    assert rows.score.tolist() == [0.9, 0.25]
    assert rows.categories.ids.tolist() == ["/m/02xwb", "/m/0cmf2"]
    assert not rows.categories.has_names
    assert summarize(rows.findings) == {"DK102": 1}
    strings = formats.read_detections(FIXTURES / "submission" / "submission.csv", options=options)
    assert strings.images.file_names == ("0001eeaf4aed83f9", "00075905539074f2", "000595fe6fee6369")
    assert strings.xywh.tolist() == [[16, 23, 601, 233], [0, 0, 640, 320]]
    assert [f.message for f in strings.findings] == ["found 5 fields in `PredictionString`, expected 6 for each box"]


def test_scores_by_the_protocol_of_the_challenge(tmp_path: Path) -> None:
    """Airplane is found; the Fruits' group counts once and takes a second detection; the single Fruit is found."""
    rows = ["0001eeaf4aed83f9,/m/0cmf2,0.9,0.025,0.9640625,0.071875,0.8",
            "000595fe6fee6369,/m/02xwb,0.8,0.4,0.6,0.2,0.5",
            "000595fe6fee6369,/m/02xwb,0.7,0.45,0.55,0.3,0.4",
            "000595fe6fee6369,/m/02xwb,0.6,0,1,0,1",
            "000a1249af2bc5f0,/m/0cmf2,0.5,0,1,0,1"]  # fmt: skip
    file = tmp_path / "predictions.csv"
    file.write_text("ImageID,LabelName,Score,XMin,XMax,YMin,YMax\n" + "\n".join(rows) + "\n")
    result = evaluate(FIXTURES / "basic" / "train-annotations-bbox.csv", file, protocol="openimages")
    found = {row.name: row.metrics["AP"] for row in result.per_class}
    # Nobody looked for an Airplane in 000a1249af2bc5f0, so the detection there is not scored.
    assert found == {"Fruit": 1.0, "Airplane": 1.0, "Man": None, "Car, any": None}


def test_labels_flags_and_ids_come_back(tmp_path: Path) -> None:
    data = formats.read_dataset(FIXTURES / "basic", "openimages", SIZES)
    losses = formats.write_dataset(data, tmp_path / "out", "openimages")
    assert losses == []
    back = formats.read_dataset(tmp_path / "out")
    assert back.images.ids.tolist() == data.images.ids.tolist()
    assert back.images.has_own_ids
    assert back.categories.ids.tolist() == data.categories.ids.tolist()
    assert dict(back.images.extra) == dict(data.images.extra)
    assert {k: v.tolist() for k, v in back.splits.items()} == {k: v.tolist() for k, v in data.splits.items()}
    for name, values in data.annotations.attributes.items():
        assert back.annotations.attributes[name].tolist() == values.tolist(), name


def test_an_image_in_two_splits_has_its_rows_once(tmp_path: Path) -> None:
    images = Images(id_array([1, 2]), ("a.jpg", "b.jpg"), np.array([[10, 10], [10, 10]]), has_own_ids=False)
    splits = {"train": np.array([0, 1]), "val": np.array([1])}
    data = Dataset.build(images, Categories.from_names(["x"]), image_index=[0, 1], category_index=[0, 0],
                         xywh=[[1, 1, 2, 2], [3, 3, 4, 4]], splits=splits)  # fmt: skip
    formats.write_dataset(data, tmp_path / "out", "openimages")
    back = formats.read_dataset(tmp_path / "out")
    assert len(back.annotations) == 2
    assert {k: v.tolist() for k, v in back.splits.items()} == {"train": [0, 1], "val": [1]}


def test_unknown_sizes_are_an_error_when_writing(tmp_path: Path) -> None:
    images = Images(id_array([1]), ("a.jpg",), np.full((1, 2), np.nan))
    data = Dataset.build(images, Categories.from_names(["x"]), image_index=[0], category_index=[0], xywh=[[1, 1, 2, 2]])
    with pytest.raises(InputError, match="the size of 1 image is unknown"):
        formats.write_dataset(data, tmp_path / "out", "openimages")


coordinate = st.decimals(0, 4000, places=4).map(float)
box = st.tuples(coordinate, coordinate, coordinate, coordinate)


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1), box), max_size=12))
def test_any_boxes_come_back(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, int, tuple[float, ...]]]):
    images = Images(id_array([1, 2, 3]), ("a.jpg", "b/c d.png", "é.jpg"), np.array([[4001, 17], [333, 77], [1, 1]]),
                    has_own_ids=False)  # fmt: skip
    data = Dataset.build(
        images,
        Categories.from_names(["no. 1", "a,b"]),
        image_index=[i for i, _, _ in rows],
        category_index=[c for _, c, _ in rows],
        xywh=np.array([b for _, _, b in rows]).reshape(-1, 4),
    )
    target = tmp_path_factory.mktemp("any") / "out"
    assert formats.write_dataset(data, target, "openimages") == []
    back = formats.read_dataset(target)
    assert back.annotations.xywh.tolist() == data.annotations.xywh.tolist()
    assert back.annotations.category_index.tolist() == data.annotations.category_index.tolist()
    assert back.images.file_names == images.file_names
    assert back.categories.names == data.categories.names


@pytest.mark.skipif(not BCCD.is_dir(), reason="the shared data is not beside this checkout")
def test_real_boxes_come_back_through_it(tmp_path: Path) -> None:
    first = formats.read_dataset(BCCD, "voc")
    losses = formats.write_dataset(first, tmp_path / "oi", "openimages", WriteOptions(place_images="leave"))
    assert all(loss.what.startswith(("attribute `pose`", "image field", "difficult")) for loss in losses), losses
    back = formats.read_dataset(tmp_path / "oi")
    assert np.array_equal(back.annotations.xywh, first.annotations.xywh)
    assert {k: len(v) for k, v in back.splits.items()} == {k: len(v) for k, v in first.splits.items()}


def test_convert_reads_a_zip(tmp_path: Path) -> None:
    import shutil

    archive = shutil.make_archive(str(tmp_path / "oi"), "zip", FIXTURES / "basic")
    assert len(formats.read_dataset(archive, options=SIZES).annotations) == 4
    convert(
        archive, tmp_path / "coco.json", kind="dataset", read_options={"image_sizes": ImageSizes(default=(640, 320))}
    )
    assert len(formats.read_dataset(tmp_path / "coco.json").annotations) == 4
