"""Hugging Face: image folders and Parquet shards as the Hub has them, and round trips."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings

from detkit import api, formats
from detkit.errors import InputError
from detkit.findings import summarize
from detkit.formats import ReadOptions, WriteOptions
from format_tables import dataset, rows, values

FIXTURES = Path(__file__).resolve().parents[3] / "fixtures/formats/huggingface"
BCCD = Path(__file__).resolve().parents[3] / "../shared/data/bccd"


def read(case, **options):
    return formats.read_dataset(FIXTURES / case, "huggingface", ReadOptions(**options))


def there_and_back(table):
    with TemporaryDirectory() as folder:
        target = Path(folder) / "out"
        formats.write_dataset(table, target, "huggingface")
        return formats.read_dataset(target)


def test_folders_are_splits_and_the_card_names_the_classes():
    found = read("imagefolder")
    assert found.images.file_names == ("0001.png", "train/0001.png", "ü b.png")
    assert {k: v.tolist() for k, v in found.splits.items()} == {"test": [0], "train": [1, 2]}
    assert found.categories.names == ("cat", "dog", "unused")
    assert found.annotations.xywh.tolist() == [[302, 109, 73, 52], [810, 100, 57, 28], [1.5, 2, 3, 4.25]]
    assert found.annotations.category_index.tolist() == [0, 1, 0]
    assert read("imagefolder", split="test").images.file_names == ("0001.png",)
    with pytest.raises(InputError, match="no split `val`"):
        read("imagefolder", split="val")


def test_objects_may_be_a_list_of_records():
    found = read("records")
    rows = found.annotations
    assert found.images.ids.tolist() == [7, 5]
    assert rows.ids.tolist() == [3, 9]
    assert rows.area.tolist() == [9, 7 * 8]
    assert rows.is_crowd.tolist() == [True, False]
    assert list(rows.attributes["colour"]) == ["brown", None]
    assert found.categories.names == ("cat", "dog")
    assert found.findings == ()


def test_numbers_without_names_are_names_and_it_is_said():
    found = read("csv", read_sizes=False)
    assert found.categories.names == ("4",)
    assert summarize(found.findings) == {"DK107": 1, "DK403": 1}
    named = read("csv", names=("a", "b", "c", "d", "e"))
    assert named.categories.names == ("a", "b", "c", "d", "e")
    assert named.annotations.category_index.tolist() == [4]
    assert summarize(read("csv", names=("a",)).findings)["DK102"] == 1


def test_shards_name_their_split_and_their_schema_the_classes():
    pytest.importorskip("pyarrow")
    found = read("shards")
    assert found.images.file_names == ("4.png", "1.png", "2.png", "3.png")
    assert read("shards", with_extra=False).images.file_names == ("4", "1.png", "2", "3.png")
    assert found.images.ids.tolist() == [4, 1, 2, 3]
    assert found.images.sizes.tolist() == [[100, 80]] * 4  # from the pictures' headers
    assert {k: v.tolist() for k, v in found.splits.items()} == {"test": [0], "train": [1, 2, 3]}
    assert found.categories.names == ("Coverall", "Mask")
    assert found.annotations.xywh[:2].tolist() == [[1, 2, 3, 4], [10.5, 20, 5, 10]]
    assert found.annotations.category_index.tolist() == [1, 0] * 4
    assert found.annotations.ids.tolist() == [40, 41, 10, 11, 20, 21, 30, 31]
    assert found.annotations.area[:2].tolist() == [12, 50]
    assert found.findings == ()


def test_one_shard_and_the_folder_of_shards_are_recognised_as_no_predictions():
    pytest.importorskip("pyarrow")
    for place in ("shards", "shards/data", "shards/data/test-00000-of-00001.parquet"):
        assert formats.detect(FIXTURES / place, "dataset") == "huggingface"
        with pytest.raises(InputError):
            formats.detect(FIXTURES / place, "detections")


def test_shards_may_hold_lists_of_structs_and_sizes(tmp_path):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    table = pa.table(
        {
            "image_id": ["x"],
            "width": [9],
            "height": [8],
            "objects": [[{"bbox": [1.0, 2.0, 3.0, 4.0], "label": "cat"}]],
        }
    )
    pq.write_table(table, tmp_path / "0000.parquet")
    found = formats.read_dataset(tmp_path)
    assert values(found) == [("x", "cat", 1, 2, 3, 4, False)]
    assert found.images.sizes.tolist() == [[9, 8]]
    assert found.images.ids.tolist() == ["x"]


def test_what_cannot_be_used_is_named_with_its_place():
    found = read("broken", read_sizes=False)
    messages = [f.message for f in found.findings if f.code == "DK102"]
    assert [m.partition(":")[0] for m in messages] == [
        "line 2",
        "row 3",
        "line 4",
        "row 1, objects[1]",
        "row 1, objects[2]",
    ]
    assert len(found.annotations) == 1


def test_a_file_without_boxes_is_refused(tmp_path):
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "a.jpg", "text": "a cat"}\n')
    with pytest.raises(InputError, match="no records of images"):
        formats.read_dataset(tmp_path, "huggingface")


def test_a_long_first_line_is_not_decoded_to_say_no(tmp_path):
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "a.jpg", "objects": {"bbox": [' + " " * 1_100_000 + "]}}")
    with pytest.raises(InputError, match="not recognised"):
        formats.detect(tmp_path, "dataset")


def test_the_folder_that_is_written_is_an_image_folder(tmp_path):
    formats.write_dataset(read("records"), tmp_path / "out", "huggingface")
    lines = (tmp_path / "out/metadata.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(lines[0]) == {
        "file_name": "a.jpg",
        "image_id": 7,
        "width": 100,
        "height": 80,
        "objects": {
            "id": [3, 9],
            "area": [9, 56],
            "bbox": [[1, 2, 3, 4], [5, 6, 7, 8]],
            "category": ["cat", "dog"],
            "iscrowd": [1, 0],
            "colour": ["brown", None],
        },
    }
    assert json.loads(lines[1])["objects"]["bbox"] == []


def test_images_go_into_the_folder_of_their_split(tmp_path):
    source = tmp_path / "source"
    shutil.copytree(FIXTURES / "imagefolder", source)
    from PIL import Image

    for name in ("train/0001.png", "train/ü b.png", "test/0001.png"):
        Image.new("L", (900, 300)).save(source / name)
    data = formats.read_dataset(source)
    assert [Path(p).relative_to(source).as_posix() for p in data.images.paths] == [
        "test/0001.png",
        "train/0001.png",
        "train/ü b.png",
    ]
    formats.write_dataset(data, tmp_path / "out", "huggingface", WriteOptions(place_images="copy"))
    back = formats.read_dataset(tmp_path / "out")
    assert back.images.file_names == data.images.file_names
    assert all(Path(p).is_relative_to(tmp_path / "out") for p in back.images.paths)
    assert {k: v.tolist() for k, v in back.splits.items()} == {"test": [0], "train": [1, 2]}


def test_an_attribute_with_the_name_of_a_column_is_reported(tmp_path):
    drawn = [(0, 0, (1.0, 1.0, 9.0, 9.0), False)]
    data = dataset(drawn, attributes={"area": np.array(["large"], dtype=object)})
    losses = formats.write_dataset(data, tmp_path / "out", "huggingface")
    assert [(loss.what, loss.count) for loss in losses] == [("attribute `area`", 1)]


@settings(max_examples=40, deadline=None, derandomize=True)
@given(rows)
def test_boxes_come_back_as_they_were(drawn):
    data = dataset(drawn)
    assert values(there_and_back(data)) == values(data)


def test_bccd_comes_back_box_by_box(tmp_path):
    if not BCCD.is_dir():
        pytest.skip("the data set BCCD is not beside the checkout")
    data = formats.read_dataset(BCCD)
    formats.write_dataset(data, tmp_path / "out", "huggingface")
    back = formats.read_dataset(tmp_path / "out")
    formats.write_dataset(back, tmp_path / "back.json", "coco")
    formats.write_dataset(data, tmp_path / "own.json", "coco")
    first, second = (formats.read_dataset(tmp_path / name, "coco") for name in ("own.json", "back.json"))
    assert len(first.annotations) > 4000
    boxes = [[row[:6] for row in values(table)] for table in (first, second)]
    assert boxes[0] == boxes[1]


def shard_with_pictures(folder, count=5, sizes=False):
    """A shard as `datasets` writes one, each picture of another width; the first one's name has no suffix."""
    pa = pytest.importorskip("pyarrow")
    import io

    import pyarrow.parquet as pq
    from PIL import Image

    pictures = []
    for n in range(count):
        handle = io.BytesIO()
        Image.new("RGB", (20 + n, 30), (n, 0, 0)).save(handle, "PNG" if n % 2 else "JPEG")
        pictures.append({"bytes": handle.getvalue(), "path": f"{n}.png" if n % 2 else f"{n}.jpg" if n else "first"})
    columns = {
        "image": pictures,
        "image_id": list(range(count)),
        "objects": [{"bbox": [[1.0, 2.0, 3.0, 4.0]], "category": ["cat"]}] * count,
    }
    if sizes:
        columns |= {"width": [20 + n for n in range(count)], "height": [30] * count}
    (folder / "data").mkdir(parents=True)
    path = folder / "data" / "train-00000-of-00001.parquet"
    pq.write_table(pa.table(columns), path, row_group_size=2)
    return path, [picture["bytes"] for picture in pictures]


@pytest.mark.parametrize("sizes", [False, True])
def test_pictures_are_unpacked_and_copied(tmp_path, sizes):
    path, pictures = shard_with_pictures(tmp_path / "hub", sizes=sizes)
    found = formats.read_dataset(path)
    assert [Path(p).read_bytes() for p in found.images.paths] == pictures
    assert [Path(p).suffix for p in found.images.paths] == [".jpg", ".png", ".jpg", ".png", ".jpg"]
    again = formats.read_dataset(tmp_path / "hub")
    assert again.images.paths == found.images.paths, "unpacked once in a process"
    api.convert(path, tmp_path / "out", "coco", write_options={"place_images": "link"})
    placed = sorted(p for p in (tmp_path / "out").rglob("*") if p.suffix in (".png", ".jpg"))
    assert {p.read_bytes() for p in placed} == set(pictures)
    assert not any(p.is_symlink() for p in placed)


def test_pictures_that_nobody_asks_for_stay_where_they_are(tmp_path):
    path, _ = shard_with_pictures(tmp_path / "hub")
    for options in ({"with_extra": False}, {"unpack_images": False}):
        found = formats.read_dataset(path, "huggingface", ReadOptions(**options))
        assert found.images.paths == (None,) * 5
        assert found.images.sizes[:, 0].tolist() == [20, 21, 22, 23, 24]
    done = api.convert(path, tmp_path / "out.json", "coco")
    assert [(f.code, f.count) for f in done.findings if "pictures in the shards" in f.message] == [("DK109", 5)]
    assert formats.read_dataset(path, "huggingface", ReadOptions(with_extra=False, find_images=True)).images.paths[0]


def test_unpacked_pictures_are_gone_when_the_process_ends(tmp_path):
    path, _ = shard_with_pictures(tmp_path / "hub")
    code = "import sys; from detkit import formats; print(formats.read_dataset(sys.argv[1]).images.paths[0])"
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith(".jpg")
    assert not Path(done.stdout.strip()).parent.exists()
