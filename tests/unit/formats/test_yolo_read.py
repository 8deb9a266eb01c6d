"""Reading YOLO datasets: each trap has a fixture folder, expected values are arithmetic on 40 x 20 images."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detkit import formats
from detkit.errors import InputError, UsageError
from detkit.findings import summarize
from detkit.formats import ImageSizes, ReadOptions, yolo
from detkit.formats._yolo_layout import label_twin
from detkit.formats._yolo_rows import read_rows
from detkit.tables import Images

FIXTURES = Path(__file__).resolve().parents[3] / "fixtures/formats/yolo"
W, H = 40, 20


def read(case: str, **options):
    return yolo.read(FIXTURES / case, ReadOptions(**options))


def box(cx, cy, w, h, width=W, height=H):
    return [(cx - w / 2) * width, (cy - h / 2) * height, w * width, h * height]


def make(folder: Path, labels: dict[str, str], *, images: bool = True, size=(W, H)) -> Path:
    """A folder with images/ and labels/, and `classes.txt` of three."""
    for name, text in labels.items():
        for part in ("images", "labels"):
            (folder / part / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "labels" / f"{name}.txt").write_text(text)
        if images:
            Image.new("L", size).save(folder / "images" / f"{name}.png")
    if not images:
        (folder / "images").rmdir()
    (folder / "classes.txt").write_text("a\nb\nc\n")
    return folder


def codes(dataset):
    return summarize(dataset.findings)


def test_names_in_any_order_list_of_folders_and_negatives():
    data = read("names_any_order")
    assert data.categories.names == ("red cell", "1.0", "no")
    assert data.categories.ids.tolist() == [1, 2, 3]
    assert not data.categories.has_own_ids
    assert data.categories.has_names
    assert data.images.file_names == ("a.png", "sub/b c.d.png", "empty.png", "négatif.PNG")
    assert not data.images.has_own_ids
    assert {k: v.tolist() for k, v in data.splits.items()} == {"train": [0, 1], "val": [2, 3]}
    assert data.annotations.image_index.tolist() == [0, 0, 1]
    assert data.annotations.category_index.tolist() == [2, 0, 1]
    assert data.annotations.xywh.tolist() == [box(0.5, 0.5, 0.25, 0.5), [8, 4, 4, 2], [0, 0, 40, 20]]
    assert data.annotations.area.tolist() == [10 * 10, 4 * 2, 40 * 20]
    assert data.units == "pixels"
    assert all(p and Path(p).is_file() for p in data.images.paths)
    assert data.findings == ()
    assert data.source.format == "yolo"
    assert len(data.source.sha256) == 64


def test_the_yaml_itself_is_the_same_dataset():
    file = yolo.read(FIXTURES / "names_any_order/data.yaml", ReadOptions())
    folder = read("names_any_order")
    assert file.images.file_names == folder.images.file_names
    assert file.source.sha256 == folder.source.sha256


def test_roboflow_paths_one_level_too_high():
    data = read("roboflow")
    assert data.images.file_names == ("a_jpg.rf.0123456789abcdef.png", "b.png")
    assert {k: v.tolist() for k, v in data.splits.items()} == {"train": [0], "val": [1], "test": []}
    assert codes(data) == {"DK110": 2, "DK401": 1}
    assert data.annotations.xywh.tolist() == [[10, 5, 20, 10], [0, 0, 20, 20]]


def test_darknet_lists_keep_their_order_and_an_image_in_two_splits_stands_once():
    data = read("darknet")
    assert data.images.file_names == ("b.png", "a.png")
    assert {k: v.tolist() for k, v in data.splits.items()} == {"train": [0, 1], "val": [1]}
    assert data.categories.names == ("cat", "dog")
    assert data.annotations.image_index.tolist() == [1]
    assert codes(data) == {"DK110": 2 + 3}


def test_an_image_list_is_a_dataset():
    data = yolo.read(FIXTURES / "darknet/train.txt", ReadOptions())
    assert data.images.file_names == ("b.png", "a.png")
    assert data.categories.names == ("cat", "dog")
    assert data.splits == {}


def test_every_unusable_row_is_named_with_file_and_line():
    data = read("messy")
    found = [(f.code, Path(f.file).name, f.line) for f in data.findings if f.code in ("DK102", "DK301")]
    unusable = [("DK102", "b.TXT", n) for n in (2, 3, 4, 5, 6, 7, 10, 11, 12)]
    assert sorted(found) == unusable + [("DK301", "b.TXT", n) for n in (8, 9)]
    messages = {f.line: f.message for f in data.findings if f.file and f.file.endswith("b.TXT")}
    assert "decimal comma" in messages[2]
    assert "`nan` is not finite" in messages[3]
    assert "class `cat`" in messages[4]
    assert "4 columns" in messages[5]
    assert "look like pixels" in messages[7]
    assert "class 7 is out of range, expected 0 to 1" in messages[8]
    assert "confidence" in messages[10]
    assert codes(data) == {
        "DK102": 9, "DK106": 1, "DK107": 1, "DK201": 1, "DK203": 1, "DK301": 2, "DK401": 1, "DK501": 1,
    }  # fmt: skip
    assert data.annotations.image_index.tolist() == [0, 0, 1, 2, 2, 2, 2, 3, 3]
    # BOM, CRLF, blank line, tab and trailing blanks are just read.
    assert data.annotations.xywh[:2].tolist() == [box(0.5, 0.5, 0.5, 0.5), box(0.25, 0.25, 0.5, 0.5)]
    # Zero width, outside and duplicates are kept.
    assert data.annotations.xywh[3].tolist() == box(0.5, 0.5, 0, 0.5)
    assert data.annotations.xywh[4].tolist() == box(1.25, 0.5, 0.5, 0.5)
    assert data.annotations.xywh[5].tolist() == data.annotations.xywh[6].tolist()


@pytest.mark.parametrize("value", ["nan", "NaN", "inf", "-Infinity"])
def test_a_value_that_is_not_finite_is_quoted(tmp_path, value):
    (tmp_path / "a.txt").write_text(f"0 0.5 0.5 0.5 0.5\n0 {value} 0.5 0.5 0.5\n")
    raw = read_rows([str(tmp_path / "a.txt")], 1)
    assert [(f.code, f.line, f.message) for f in raw.findings] == [("DK102", 2, f"value `{value}` is not finite")]
    assert raw.values.tolist() == [0, 0.5, 0.5, 0.5, 0.5]


def test_without_images_the_table_gives_names_sizes_ids_and_order():
    data = read("no_images")
    assert data.images.file_names == ("z.jpg", "a.jpg", "b.jpg")
    assert data.images.ids.tolist() == [9, 4, 7]
    assert not data.images.has_own_ids
    assert data.images.sizes.tolist() == [[200, 100], [100, 50], [100, 50]]
    assert data.images.paths == (None, None, None)
    assert {k: v.tolist() for k, v in data.splits.items()} == {"train": [1, 2], "val": [0]}
    assert data.annotations.xywh.tolist() == [box(0.5, 0.5, 0.5, 0.5, 200, 100), box(0.5, 0.5, 0.5, 0.5, 100, 50)]
    assert data.findings == ()


def test_oriented_where_every_row_has_four_points():
    data = read("oriented")
    assert codes(data) == {"DK107": 1}
    assert data.annotations.is_oriented.tolist() == [True]
    assert data.annotations.shapes.polygons(0)[0].tolist() == [[10, 10], [20, 5], [30, 10], [20, 15]]
    assert data.annotations.xywh.tolist() == [[10, 5, 20, 10]]


def test_task_segment_keeps_four_points_a_polygon(tmp_path):
    shutil.copytree(FIXTURES / "oriented", tmp_path / "x")
    (tmp_path / "x/data.yaml").write_text("train: images\ntask: segment\nnames: [ship]\n")
    data = yolo.read(tmp_path / "x", ReadOptions())
    assert data.annotations.is_oriented is None
    assert len(data.annotations.shapes.polygons(0)[0]) == 4


def test_pose_with_two_numbers_a_point():
    data = read("pose")
    assert data.annotations.keypoints[0].tolist() == [[0.25 * W, 0.5 * H, 2], [0, 0, 0]]
    assert data.info == {"kpt_shape": [2, 2], "flip_idx": [1, 0]}
    assert {k: v.tolist() for k, v in data.splits.items()} == {"train": [0], "val": [0]}
    assert yolo.read(FIXTURES / "pose", ReadOptions(with_shapes=False)).annotations.keypoints is None


def test_pose_without_kpt_shape_is_told_by_its_visibilities(tmp_path):
    rows = "0 0.5 0.5 0.5 0.5 0.25 0.5 2 0.5 0.5 1 0 0 0\n"
    data = yolo.read(make(tmp_path, {"a": rows}), ReadOptions())
    assert data.info == {"kpt_shape": [3, 3]}
    assert data.annotations.keypoints[0].tolist() == [[10, 10, 2], [20, 10, 1], [0, 0, 0]]
    assert codes(data) == {"DK107": 1}


def test_columns_that_do_not_fit_kpt_shape(tmp_path):
    make(tmp_path, {"a": "0 0.5 0.5 0.5 0.5 0.1 0.1 2\n0 0.5 0.5 0.5 0.5\n0 0.5 0.5 0.5 0.5 0.1 0.1\n"})
    (tmp_path / "data.yaml").write_text("train: images\nkpt_shape: [1, 3]\nnames: [a, b, c]")
    data = yolo.read(tmp_path, ReadOptions())
    assert [f.line for f in data.findings if f.code == "DK102"] == [3]
    assert codes(data) == {"DK102": 1, "DK109": 1}
    assert data.annotations.keypoints.lengths().tolist() == [1, 0]


def test_polygons_and_their_boxes(tmp_path):
    rows = "1 0.25 0.25 0.75 0.25 0.5 0.75\n0 0.1 0.1 0.2 0.1 0.2 0.2 0.15 0.3 0.1 0.2\n"
    data = yolo.read(make(tmp_path, {"a": rows}), ReadOptions())
    assert data.annotations.is_oriented is None
    assert [len(data.annotations.shapes.polygons(i)[0]) for i in (0, 1)] == [3, 5]
    assert data.annotations.shapes.polygons(0)[0].tolist() == [[10, 5], [30, 5], [20, 15]]
    assert data.annotations.xywh.tolist() == [[10, 5, 20, 10], [4, 2, 4, 4]]
    assert data.findings == ()


def test_flat_folder_with_images_beside_labels():
    data = read("flat")
    assert data.images.file_names == ("a.png", "b.png")
    assert data.categories.names == ("one", "two")
    assert data.annotations.image_index.tolist() == [1]
    assert data.findings == ()


def test_numbers_stand_for_missing_names():
    data = read("unnamed")
    assert data.categories.names == ("0", "1", "2")
    assert not data.categories.has_names
    assert data.units == "normalised"
    assert data.annotations.xywh.tolist() == [[0.25, 0.25, 0.5, 0.5]]
    assert codes(data) == {"DK107": 1, "DK303": 3, "DK401": 1, "DK403": 1}


def test_a_huge_class_number_does_not_make_as_many_names(tmp_path):
    (tmp_path / "a.txt").write_text("999999999999 0.5 0.5 0.5 0.5\n3 0.5 0.5 0.5 0.5\n")
    data = yolo.read(tmp_path, ReadOptions())
    assert len(data.categories) == 4
    assert codes(data)["DK301"] == 1


def test_names_and_sizes_from_options(tmp_path):
    (tmp_path / "a.txt").write_text("1 0.5 0.5 0.5 0.5\n")
    data = yolo.read(tmp_path, ReadOptions(names=("x", "y"), image_sizes=ImageSizes(default=(100, 50))))
    assert data.categories.names == ("x", "y")
    assert data.annotations.xywh.tolist() == [[25, 12.5, 50, 25]]
    reference = Images(np.array([5]), ("a.webp",), np.array([[10, 10]]))
    data = yolo.read(tmp_path, ReadOptions(reference_images=reference))
    assert data.images.file_names == ("a.webp",)
    assert data.annotations.xywh.tolist() == [[2.5, 2.5, 5, 5]]


def test_given_sizes_come_before_the_header(tmp_path):
    make(tmp_path, {"a": "0 0.5 0.5 0.5 0.5"})
    data = yolo.read(tmp_path, ReadOptions(image_sizes=ImageSizes(by_name={"a": (80, 80)})))
    assert data.annotations.xywh.tolist() == [[20, 20, 40, 40]]


def test_exif_rotation_swaps_the_sides(tmp_path):
    make(tmp_path, {"a": "0 0.5 0.5 0.5 0.5"}, images=True)
    image = Image.new("RGB", (W, H))
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "images/a.png", exif=exif)
    assert yolo.read(tmp_path, ReadOptions()).images.sizes.tolist() == [[H, W]]


def test_some_sizes_unknown_is_an_error_and_names_them(tmp_path):
    make(tmp_path, {"a": "0 0.5 0.5 0.5 0.5", "b": "0 0.5 0.5 0.5 0.5", "c": ""})
    (tmp_path / "images/b.png").write_bytes(b"not an image")
    with pytest.raises(InputError, match=r"size of 1 of 2 images with boxes is unknown: `b.png`") as caught:
        yolo.read(tmp_path, ReadOptions())
    assert "--image-sizes" in caught.value.hint
    (tmp_path / "labels/b.txt").write_text("")
    data = yolo.read(tmp_path, ReadOptions())
    assert codes(data) == {"DK403": 1, "DK404": 1}
    assert data.units == "pixels"
    assert yolo.read(tmp_path, ReadOptions(read_sizes=False)).units == "normalised"


def test_splits_of_plain_folders_and_of_one_asked_for(tmp_path):
    row = "0 0.5 0.5 0.5 0.5"
    make(tmp_path, {"train2017/a": row, "valid/a": row, "valid/b": ""})
    data = yolo.read(tmp_path, ReadOptions())
    assert {k: v.tolist() for k, v in data.splits.items()} == {"train2017": [0], "val": [1, 2]}
    # The same name in two splits: told apart by the folder.
    assert data.images.file_names == ("train2017/a.png", "valid/a.png", "valid/b.png")
    val = yolo.read(tmp_path, ReadOptions(split="valid"))
    assert val.images.file_names == ("a.png", "b.png")
    assert list(val.splits) == ["val"]
    with pytest.raises(UsageError, match="no split `test`; known: "):
        yolo.read(tmp_path, ReadOptions(split="test"))
    with pytest.raises(UsageError, match="none, the dataset is not split"):
        read("flat", split="train")


def test_sub_folders_that_are_no_splits_stay_in_the_names(tmp_path):
    make(tmp_path, {"cam1/a": "0 0.5 0.5 0.5 0.5", "cam2/a": ""})
    data = yolo.read(tmp_path, ReadOptions())
    assert data.images.file_names == ("cam1/a.png", "cam2/a.png")
    assert data.splits == {}


def test_split_folders_with_images_and_labels_inside_and_no_yaml(tmp_path):
    row = "0 0.5 0.5 0.5 0.5"
    for split in ("train", "valid"):
        make(tmp_path / split, {f"{split}1": row})
        (tmp_path / split / "classes.txt").unlink()
    (tmp_path / "classes.txt").write_text("a\n")
    assert yolo.detect(tmp_path, "dataset").matches
    data = yolo.read(tmp_path, ReadOptions())
    assert {k: v.tolist() for k, v in data.splits.items()} == {"train": [0], "val": [1]}
    assert data.images.file_names == ("train1.png", "valid1.png")


@pytest.mark.parametrize("text", ["names: [a]\n", "train: images/train\nval: images/val\nnames: [a]\n", None])
def test_label_folders_without_any_image(tmp_path, text):
    row = "0 0.5 0.5 0.5 0.5"
    for name in ("train/a", "train/sub/b", "val/a"):
        (tmp_path / "labels" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "labels" / f"{name}.txt").write_text(row)
    (tmp_path / "labels/train/classes.txt").write_text("a\n")
    if text:
        (tmp_path / "data.yaml").write_text(text)
    assert yolo.detect(tmp_path, "dataset").matches
    data = yolo.read(tmp_path, ReadOptions(names=("a",), image_sizes=ImageSizes(default=(W, H))))
    assert data.images.file_names == ("train/a.jpg", "train/sub/b.jpg", "val/a.jpg")
    assert {k: v.tolist() for k, v in data.splits.items()} == {"train": [0, 1], "val": [2]}
    assert data.annotations.xywh.tolist() == [[10, 5, 20, 10]] * 3
    assert codes(data) == {"DK107": 3, "DK401": 3}


def test_nothing_at_all_is_an_error(tmp_path):
    with pytest.raises(InputError, match="no images and no label files"):
        yolo.read(tmp_path, ReadOptions())


def test_a_manifest_of_another_shape_is_passed_over(tmp_path):
    make(tmp_path, {"a": "0 0.5 0.5 0.5 0.5"})
    text = '{"categories": [{"id": [1], "name": "a"}], "splits": [], "task": 3, "unassigned": {}, "image_ids": 1}'
    (tmp_path / "detkit.json").write_text(text)
    data = yolo.read(tmp_path, ReadOptions())
    assert data.categories.ids.tolist() == [1, 2, 3]
    assert codes(data) == {"DK109": 1}


def test_the_labels_folder_finds_its_images(tmp_path):
    make(tmp_path, {"a": "0 0.5 0.5 0.5 0.5", "b": ""})
    assert yolo.read(tmp_path / "labels", ReadOptions()).images.file_names == ("a.png", "b.png")


def test_images_elsewhere(tmp_path):
    labels, images = tmp_path / "l", tmp_path / "i"
    for folder in (labels, images / "sub"):
        folder.mkdir(parents=True)
    (labels / "a.txt").write_text("0 0.5 0.5 0.5 0.5")
    for name in ("sub/a.png", "negative.png"):
        Image.new("L", (W, H)).save(images / name)
    data = yolo.read(labels, ReadOptions(images_dir=images, names=("x",)))
    assert data.images.file_names == ("sub/a.png", "negative.png")
    assert data.annotations.xywh.tolist() == [[10, 5, 20, 10]]
    assert codes(data) == {"DK110": 1}


def test_all_rows_with_a_confidence_are_read_and_said(tmp_path):
    make(tmp_path, {"a": "0 0.5 0.5 0.5 0.5 0.9\n0 0.5 0.5 0.2 0.5 0.8"})
    assert not yolo.detect(tmp_path, "dataset").matches
    data = yolo.read(tmp_path, ReadOptions())
    assert codes(data) == {"DK109": 2}
    assert len(data.annotations) == 2


def test_one_file_that_is_not_text_is_a_finding_all_are_an_error(tmp_path):
    make(tmp_path, {"a": "0 0.5 0.5 0.5 0.5", "b": ""})
    (tmp_path / "labels/b.txt").write_bytes(b"\xff\x00\xff\x80")
    assert codes(yolo.read(tmp_path, ReadOptions())) == {"DK101": 1}
    (tmp_path / "labels/a.txt").write_bytes(b"\x80\x81")
    with pytest.raises(InputError, match="none of its 2 label files is text"):
        yolo.read(tmp_path, ReadOptions())


def test_a_yaml_that_leads_nowhere(tmp_path):
    (tmp_path / "data.yaml").write_text("path: /none\ntrain: a/b\nval: c\nnames: [x]\n")
    with pytest.raises(InputError, match="none of its image folders exists: `train: a/b`, `val: c`"):
        yolo.read(tmp_path, ReadOptions())


def test_a_listed_image_that_is_gone_is_kept_and_counted(tmp_path):
    make(tmp_path, {"a": "0 0.5 0.5 0.5 0.5"})
    (tmp_path / "data.yaml").write_text("train: train.txt\nnames: [x]\n")
    (tmp_path / "train.txt").write_text("./images/a.png\n\nimages/gone.png\n./images/a.png\n")
    data = yolo.read(tmp_path, ReadOptions())
    assert data.images.file_names == ("a.png", "gone.png")
    assert codes(data) == {"DK401": 1, "DK403": 1, "DK502": 1}


def test_nc_mismatch_names_both_numbers_and_is_still_recognised():
    assert yolo.detect(FIXTURES / "nc_mismatch", "dataset").matches
    with pytest.raises(InputError, match="`nc` is 3 but `names` has 2"):
        read("nc_mismatch")


@pytest.mark.parametrize(
    ("case", "matches", "why"),
    [
        ("names_any_order", True, "`data.yaml` with `train`, `val`"),
        ("names_any_order/data.yaml", True, "`train`, `val`"),
        ("roboflow", True, "data.yaml"),
        ("darknet", True, "obj.data"),
        ("darknet/obj.data", True, "Darknet"),
        ("darknet/train.txt", True, "list of image files"),
        ("messy", True, "folders `images` and `labels`"),
        ("flat", True, "label rows"),
        ("unnamed", True, "label rows"),
        ("predictions", False, "predictions `class cx cy w h confidence`"),
        ("unnamed/a.txt", False, "give the folder of labels"),
        ("flat/a.png", False, "expected data.yaml"),
    ],
)
def test_detect_says_why(case, matches, why):
    probe = yolo.detect(FIXTURES / case, "dataset")
    assert probe.matches is matches
    assert why in probe.why


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("cat 0.9 1 2 3 4\n", "starts with `cat`, expected a class number"),
        ("0 10 20 30 40\n", "outside [0, 1]"),
        ("000001\n", "1 column"),
        ("0 a b c d\n", "not a number"),
        ("", "empty"),
    ],
)
def test_text_of_others_is_not_taken(tmp_path, text, why):
    (tmp_path / "x.txt").write_text(text)
    probe = yolo.detect(tmp_path, "dataset")
    assert not probe.matches
    assert why in probe.why


def test_several_descriptions_are_named(tmp_path):
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text("train: x\nnames: [a]\n")
    probe = yolo.detect(tmp_path, "dataset")
    assert not probe.matches
    assert "`a.yaml`, `b.yaml`" in probe.why
    (tmp_path / "b.yaml").write_text("services: {}\n")
    (tmp_path / "x").mkdir()
    assert yolo.detect(tmp_path, "dataset").matches


def test_an_empty_folder_is_not_a_dataset(tmp_path):
    assert yolo.detect(tmp_path, "dataset").why == "no data.yaml and no label files (.txt)"


def test_archives_are_read_as_folders(tmp_path):
    archive = shutil.make_archive(str(tmp_path / "x"), "zip", FIXTURES / "names_any_order")
    assert formats.read_dataset(archive, "yolo").annotations.xywh.shape == (3, 4)


@pytest.mark.parametrize(
    ("path", "twin"),
    [
        ("/a/images/b/c.jpg", "/a/labels/b/c.jpg"),
        ("/images/a/images/c.jpg", "/images/a/labels/c.jpg"),
        ("/a/images", "/a/labels"),
        ("/a/myimages/c.jpg", "/a/myimages/c.jpg"),
    ],
)
def test_the_last_images_becomes_labels(path, twin):
    assert label_twin(path) == twin


def test_rows_come_in_the_order_of_files_whatever_the_jobs(tmp_path):
    files = []
    for i in range(300):
        files.append(str(tmp_path / f"{i}.txt"))
        Path(files[-1]).write_text("".join(f"{j} 0.5 0.5 0.5 0.{i + 1}\n" for j in range(i % 3)))
    one, four = read_rows(files, 1), read_rows(files, 4)
    assert one.values.tolist() == four.values.tolist()
    assert one.file.tolist() == four.file.tolist() == [i for i in range(300) for _ in range(i % 3)]
    assert one.line.tolist() == [j + 1 for i in range(300) for j in range(i % 3)]
    assert one.digests == four.digests
