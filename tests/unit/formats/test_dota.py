"""DOTA text: labels, headers, splits, results by class and by image, and round trips."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detkit import formats
from detkit.errors import InputError
from detkit.findings import summarize
from detkit.formats import ImageSizes, ReadOptions, WriteOptions
from detkit.tables import Shapes
from format_tables import box, dataset, detections, rings, rows, scored, turned, values

FIXTURES = Path(__file__).resolve().parents[3] / "fixtures/formats/dota"


def read(case, **options):
    return formats.read_dataset(FIXTURES / case, "dota", ReadOptions(**options))


def there_and_back(table):
    with TemporaryDirectory() as folder:
        target = Path(folder) / "out"
        if hasattr(table, "score"):
            formats.write_detections(table, target, "dota")
            return formats.read_detections(target)
        formats.write_dataset(table, target, "dota")
        return formats.read_dataset(target)


def test_labels_with_headers_splits_and_difficult_objects():
    found = read("splits")
    rows = found.annotations
    assert found.images.file_names == ("P0000.png", "P0001.png", "P0002.png")
    assert found.images.sizes.tolist() == [[100, 80]] * 3
    assert found.categories.names == ("large-vehicle", "plane", "ship")
    assert rows.xywh.tolist() == [[53, 5, 15, 17], [43, 33.25, 5, 8.75], [10, 10, 20, 10]]
    assert rows.shapes.polygons(0)[0].tolist() == [[53, 8], [61, 5], [68, 22], [55, 20]]
    assert rows.is_oriented.all()
    assert rows.is_ignored.tolist() == [False, True, False]
    assert {k: v.tolist() for k, v in found.splits.items()} == {"train": [0], "val": [1, 2]}
    assert found.images.extra[0] == {"imagesource": "GoogleEarth", "gsd": "0.146343590398"}
    assert found.images.extra[2] == {"imagesource": "GF"}
    assert found.findings == ()
    assert len(read("splits", split="val").images) == 2


def test_marks_line_ends_and_a_missing_flag_do_not_matter():
    found = read("flat", image_sizes=ImageSizes((100, 80)))
    assert found.annotations.is_ignored.tolist() == [True, False]
    assert found.categories.names == ("ship", "small-vehicle")
    assert found.findings == ()


def test_what_cannot_be_used_is_named_with_its_line():
    found = read("broken")
    assert [f.line for f in found.findings if f.code == "DK102"] == [2, 3, 4, 6]
    assert summarize(found.findings) == {"DK102": 4, "DK201": 1, "DK403": 1}


def test_results_by_class_have_the_class_in_the_file_name():
    found = formats.read_detections(FIXTURES / "results")
    assert found.source.format == "dota"
    assert found.categories.names == ("plane", "ship", "storage-tank")
    assert found.images.file_names == ("P0000", "P0001")
    assert values(found) == [
        ("P0000", "plane", 53, 5, 15, 17, 0.75),
        ("P0000", "storage-tank", 1, 1, 4, 3, 0.25),
        ("P0001", "plane", 10, 10, 20, 10, 0.5),
    ]
    assert len(found.shapes.polygons(0)[0]) == 4


def test_upright_results_and_results_by_image_are_read():
    found = formats.read_detections(FIXTURES / "results_upright", "dota")
    assert values(found) == [("P0000", "plane", 53, 5, 15, 17.5, 0.75)]
    found = formats.read_detections(FIXTURES / "results_per_image")
    assert (found.images.file_names, found.score.tolist()) == (("P0000", "P0001"), [0.75, 0.25])


def test_labels_are_no_predictions(tmp_path):
    (tmp_path / "a.txt").write_text("10 10 30 10 30 20 10 20 ship\n")
    with pytest.raises(InputError, match="no row has a score"):
        formats.read_detections(tmp_path, "dota")


def test_a_label_folder_is_written_as_the_development_kit_reads_it(tmp_path):
    formats.write_dataset(read("splits"), tmp_path / "out", "dota", WriteOptions(place_images="copy"))
    text = (tmp_path / "out/train/labelTxt/P0000.txt").read_text()
    head = "imagesource:GoogleEarth\ngsd:0.146343590398\n"
    assert text == head + "53 8 61 5 68 22 55 20 plane 0\n45.5 33.25 48 34 47 42 43 40 large-vehicle 1\n"
    assert (tmp_path / "out/val/images/P0002.png").is_file()
    back = formats.read_dataset(tmp_path / "out")
    assert (values(back), rings(back)) == (values(read("splits")), rings(read("splits")))


def test_splits_of_any_name_come_back(tmp_path):
    import numpy as np

    data = dataset([(0, 0, (1.0, 2.0, 3.0, 4.0), False)], splits={"fold 1": np.array([0]), "fold 2": np.array([1, 0])})
    losses = formats.write_dataset(data, tmp_path / "out", "dota")
    assert [(loss.what, loss.count) for loss in losses] == [("images in several splits", 1)]
    assert {k: v.tolist() for k, v in formats.read_dataset(tmp_path / "out").splits.items()} == {
        "fold 1": [0],
        "fold 2": [1],
    }


def test_outlines_that_have_not_four_corners_become_boxes(tmp_path):
    drawn = [(0, 0, (1.0, 1.0, 4.0, 4.0), False)] * 2
    data = dataset(drawn, shapes=Shapes.from_rows([[[1, 1, 5, 1, 5, 5]], [[1, 1, 5, 1, 5, 5, 1, 5]]]))
    losses = formats.write_dataset(data, tmp_path / "out", "dota")
    assert [(loss.what, loss.count) for loss in losses] == [("polygons that have not four corners", 1)]
    assert values(formats.read_dataset(tmp_path / "out")) == values(data)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(rows)
def test_boxes_come_back_as_they_were(drawn):
    data = dataset(drawn, ignored=True)
    assert values(there_and_back(data)) == values(data)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.just(0), st.just(1), box, st.booleans()), min_size=1, max_size=4), st.floats(-179, 180))
def test_oriented_boxes_come_back_as_they_were(drawn, degrees):
    data = dataset(drawn, shapes=turned(drawn, degrees), is_oriented=[True] * len(drawn))
    assert rings(there_and_back(data)) == rings(data)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(scored)
def test_predictions_come_back_as_they_were(drawn):
    def ordered(table):
        return sorted(values(table))

    assert ordered(there_and_back(detections(drawn))) == ordered(detections(drawn))
