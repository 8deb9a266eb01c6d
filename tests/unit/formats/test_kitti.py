"""KITTI text: the benchmark's columns and layout, results, and round trips."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings

from detkit import formats
from detkit.errors import InputError
from detkit.findings import summarize
from detkit.formats import ReadOptions, WriteOptions
from detkit.tables import Categories
from format_tables import dataset, detections, rows, scored, values

FIXTURES = Path(__file__).resolve().parents[3] / "fixtures/formats/kitti"


def read(case, **options):
    return formats.read_dataset(FIXTURES / case, "kitti", ReadOptions(**options))


def there_and_back(table, **options):
    with TemporaryDirectory() as folder:
        target = Path(folder) / "out"
        if hasattr(table, "score"):
            formats.write_detections(table, target, "kitti")
            return formats.read_detections(target)
        formats.write_dataset(table, target, "kitti", WriteOptions(**options))
        return formats.read_dataset(target)


def test_the_benchmarks_own_layout():
    found = read("devkit")
    rows = found.annotations
    assert found.images.file_names == ("000000.png", "000001.png", "000002.png")
    assert found.images.sizes.tolist() == [[40, 30]] * 3  # from the image headers
    assert found.categories.names == ("Car", "DontCare", "Pedestrian")
    assert rows.xywh.tolist() == [[12.4, 3, 8.33, 24.92], [1, 2, 8.5, 6], [0, 12, 30, 17]]
    assert rows.is_ignored.tolist() == [False, True, False]
    assert rows.attributes["occluded"].tolist()[::2] == [0, 3]
    assert np.isnan(rows.attributes["occluded"][1])
    assert rows.attributes["truncated"].tolist()[::2] == [0, 0.88]
    assert list(rows.attributes["dimensions"]) == [[1.89, 0.48, 1.2], None, [1.6, 1.57, 3.23]]
    assert list(rows.attributes["rotation_y"]) == [0.01, None, -1.29]


def test_lists_are_splits_and_trainval_is_none():
    found = read("devkit")
    assert {k: v.tolist() for k, v in found.splits.items()} == {"train": [0, 1], "val": [2]}
    assert summarize(found.findings) == {"DK107": 1, "DK401": 1}
    assert read("devkit", split="val").images.file_names == ("000002.png",)


def test_marks_tabs_and_line_ends_do_not_matter():
    found = read("flat", image_sizes=formats.ImageSizes((40, 30)))
    assert found.annotations.xywh.tolist() == [[1, 2, 4, 6]] * 2
    assert found.findings == ()


def test_what_cannot_be_used_is_named_with_its_line():
    found = read("broken")
    assert [f.line for f in found.findings if f.code == "DK102"] == [2, 3, 4, 6]
    assert summarize(found.findings) == {"DK102": 4, "DK201": 1, "DK403": 1}


def test_results_have_a_score_and_empty_files_are_images():
    found = formats.read_detections(FIXTURES / "results")
    assert (found.source.format, len(found.images), found.score.tolist()) == ("kitti", 2, [0.75, 0.5])
    with pytest.raises(InputError, match="these are predictions"):
        read("results")
    with pytest.raises(InputError, match="no row has a score"):
        formats.read_detections(FIXTURES / "flat", "kitti")


def test_own_columns_come_back_and_unknown_ones_are_written_as_the_benchmark_has_them(tmp_path):
    formats.write_dataset(read("devkit"), tmp_path / "out", "kitti", WriteOptions(place_images="copy"))
    label = (tmp_path / "out/training/label_2/000000.txt").read_text().splitlines()
    assert label[0] == "Pedestrian 0 0 -0.2 12.4 3 20.73 27.92 1.89 0.48 1.2 1.84 1.47 8.41 0.01"
    assert label[1] == "DontCare -1 -1 -10 1 2 9.5 8 -1 -1 -1 -1000 -1000 -1000 -10"
    assert (tmp_path / "out/training/image_2/000002.png").is_file()
    back = formats.read_dataset(tmp_path / "out")
    assert values(back) == values(read("devkit"))
    assert sorted(back.splits) == ["train", "val"]


def test_blanks_in_class_names_become_underscores_and_come_back(tmp_path):
    data = dataset([(0, 2, (1.0, 2.0, 3.0, 4.0), False)])
    formats.write_dataset(data, tmp_path / "out", "kitti")
    text = (tmp_path / "out/training/label_2/a.txt").read_text()
    assert text.startswith("traffic_light -1 -1 -10 1 2 4 6 ")
    assert formats.read_dataset(tmp_path / "out").categories.names == data.categories.names


def test_two_classes_of_one_word_are_refused(tmp_path):
    from dataclasses import replace

    data = replace(dataset([]), categories=Categories.from_names(["a b", "a_b"]))
    with pytest.raises(InputError, match="`a b` and `a_b` would both be `a_b`"):
        formats.write_dataset(data, tmp_path / "out", "kitti")


def test_attributes_of_other_formats_that_are_no_numbers_are_reported(tmp_path):
    column = np.array(["some", None], dtype=object)
    drawn = [(0, 0, (1.0, 2.0, 3.0, 4.0), False)] * 2
    losses = formats.write_dataset(dataset(drawn, attributes={"occluded": column}), tmp_path / "out", "kitti")
    assert [(loss.what, loss.count) for loss in losses] == [("attribute values that are no KITTI numbers", 1)]


@settings(max_examples=40, deadline=None, derandomize=True)
@given(rows)
def test_boxes_come_back_as_they_were(drawn):
    data = dataset(drawn)
    assert values(there_and_back(data)) == values(data)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(scored)
def test_predictions_come_back_as_they_were(drawn):
    assert values(there_and_back(detections(drawn))) == values(detections(drawn))
