"""Create ML: centres and sizes, Roboflow's splits, and round trips."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings

from detkit import formats
from detkit.errors import InputError
from detkit.findings import summarize
from detkit.formats import ReadOptions, WriteOptions
from detkit.formats._json_file import read_json
from format_tables import dataset, rows, values

FIXTURES = Path(__file__).resolve().parents[3] / "fixtures/formats/createml"


def read(case, **options):
    return formats.read_dataset(FIXTURES / case, "createml", ReadOptions(**options))


def there_and_back(table):
    with TemporaryDirectory() as folder:
        formats.write_dataset(table, Path(folder) / "out", "createml")
        return formats.read_dataset(Path(folder) / "out")


def test_boxes_are_given_by_their_centres_and_folders_are_splits():
    found = read("roboflow")
    assert found.images.file_names == ("a.png", "empty.png", "b.png")
    assert found.annotations.xywh.tolist() == [[25 - 15, 40 - 20, 30, 40], [8, 4, 4.5, 3], [0, 0, 10, 10]]
    assert found.images.sizes.tolist() == [[100, 80]] * 3
    assert {k: v.tolist() for k, v in found.splits.items()} == {"train": [0, 1], "valid": [2]}
    assert found.findings == ()
    assert len(read("roboflow", split="valid").images) == 1


def test_one_file_with_the_older_field_names():
    found = formats.read_dataset(FIXTURES / "single/annotations.json")
    assert (found.source.format, found.annotations.xywh.tolist()) == ("createml", [[10, 20, 30, 40]])


def test_what_cannot_be_used_is_named_with_its_place():
    found = read("broken")
    assert [f.message.partition(":")[0] for f in found.findings if f.code == "DK102"] == [
        f"[0].annotations[{n}]" for n in (1, 2, 3)
    ]
    assert summarize(found.findings) == {"DK102": 3, "DK201": 1, "DK403": 2}
    assert found.images.file_names == ("a.jpg", "up.jpg")


def test_something_else_is_refused(tmp_path):
    (tmp_path / "a.json").write_text('[{"id": 1}]')
    with pytest.raises(InputError, match="no list of objects"):
        formats.read_dataset(tmp_path / "a.json", "createml")


def test_the_file_stands_beside_the_images_of_its_split(tmp_path):
    formats.write_dataset(read("roboflow"), tmp_path / "out", "createml", WriteOptions(place_images="copy"))
    (record,) = read_json(tmp_path / "out/valid/_annotations.createml.json")
    coordinates = {"x": 5, "y": 5, "width": 10, "height": 10}
    assert record == {"image": "b.png", "annotations": [{"label": "cat", "coordinates": coordinates}]}
    assert (tmp_path / "out/valid/b.png").is_file()
    back = formats.read_dataset(tmp_path / "out")
    assert values(back) == values(read("roboflow"))
    assert {k: v.tolist() for k, v in back.splits.items()} == {"train": [0, 1], "valid": [2]}


@settings(max_examples=60, deadline=None, derandomize=True)
@given(rows)
def test_boxes_come_back_as_they_were(drawn):
    data = dataset(drawn)
    assert values(there_and_back(data)) == values(data)
