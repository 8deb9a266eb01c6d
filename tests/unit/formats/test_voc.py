"""VOC: XML datasets, text truth, devkit results. Expected boxes are `[xmin - 1, ymin - 1, xmax, ymax]` as edges."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from detkit import formats
from detkit.errors import InputError
from detkit.findings import Loss, summarize
from detkit.formats import ImageSizes, ReadOptions, WriteOptions, voc
from detkit.tables import Categories, Dataset, Detections, Images, Shapes

FIXTURES = Path(__file__).resolve().parents[3] / "fixtures/formats/voc"
SIZES = ImageSizes((100, 80))


def read(case, **options):
    return voc.read(FIXTURES / case if isinstance(case, str) else case, ReadOptions(**options))


def image_table(names, size=(100, 80), **rest):
    count = len(names)
    return Images(
        np.arange(1, count + 1), tuple(names), np.tile(np.array(size, float), (count, 1)), has_own_ids=False, **rest
    )


def dataset(xywh, names=("a.jpg",), image_index=None, classes=("cat",), **columns):
    xywh = np.array(xywh, float).reshape(-1, 4)
    return Dataset.build(
        image_table(names),
        Categories.from_names(classes),
        image_index=np.zeros(len(xywh), int) if image_index is None else image_index,
        category_index=np.zeros(len(xywh), int),
        xywh=xywh,
        **columns,
    )


def written(table, folder, **options):
    losses = formats.write_dataset(table, folder / "voc", "voc", WriteOptions(**options))
    return folder / "voc", losses


def codes(table):
    return summarize(table.findings)


# Reading XML


def test_corners_are_inclusive_and_count_from_one():
    found = read("one_pixel")
    assert found.annotations.xywh.tolist() == [
        [11 - 1, 21 - 1, 40 - 11 + 1, 60 - 21 + 1],
        [5 - 1, 7 - 1, 1, 1],
    ]
    (finding,) = found.findings
    assert (finding.code, finding.image, finding.annotation) == ("DK204", "a", 1)


def test_voc_offset_zero_takes_corners_as_they_are():
    found = read("one_pixel", voc_offset=0)
    assert found.annotations.xywh.tolist() == [[11, 21, 40 - 11, 60 - 21], [5, 7, 0, 0]]
    assert codes(found) == {"DK201": 1}


def test_splits_and_trainval():
    found = read("splits")
    assert found.images.file_names == ("a.jpg", "b.jpg", "c.jpg", "d.jpg")
    assert {k: v.tolist() for k, v in found.splits.items()} == {"train": [0, 1], "val": [2], "test": [3]}
    (finding,) = found.findings
    assert (finding.code, finding.count) == ("DK401", 1)
    assert "`missing`" in finding.message


def test_one_split():
    assert read("splits", split="val").images.file_names == ("c.jpg",)
    both = read("splits", split="trainval")
    assert both.images.file_names == ("a.jpg", "b.jpg", "c.jpg")
    assert len(both.annotations) == 3
    with pytest.raises(InputError, match="no split `minival`; there are: `test`, `train`, `val`"):
        read("splits", split="minival")


def test_class_lists_count_where_there_is_nothing_else():
    found = read("class_lists")
    assert {k: v.tolist() for k, v in found.splits.items()} == {"train": [0, 1], "val": [1]}


def test_trainval_that_is_something_else_is_kept_and_said():
    found = read("trainval_differs")
    assert {k: v.tolist() for k, v in found.splits.items()} == {"train": [0], "trainval": [0, 1, 2], "val": [1]}
    assert codes(found) == {"DK108": 1}


def test_flags_and_unknown_fields():
    found = read("flags")
    rows = found.annotations
    assert rows.is_ignored.tolist() == [True, False, False]
    np.testing.assert_array_equal(rows.attributes["truncated"], [1, np.nan, np.nan])
    np.testing.assert_array_equal(rows.attributes["occluded"], [np.nan, 1, np.nan])
    assert rows.attributes["pose"].tolist() == ["Left", "", ""]
    assert rows.extra == {2: {"part": {"name": "head", "bndbox": {"xmin": "1"}}}}
    assert found.images.extra == {0: {"depth": "3", "segmented": "1"}}
    assert found.categories.names == ("Cat", "cat")
    assert codes(found) == {"DK106": 1, "DK304": 2}
    bare = read("flags", with_extra=False)
    assert (bare.annotations.extra, bare.images.extra) == ({}, {})


def test_broken_files_and_objects_are_left_out_and_named():
    found = read("broken")
    assert found.images.file_names == ("good.jpg",)
    assert found.annotations.xywh.tolist() == [[0, 0, 10, 10]]
    unreadable = {Path(f.file).name: f.message for f in found.findings if f.code == "DK101"}
    assert "entities, which are not read" in unreadable["bomb.xml"]
    assert unreadable["cut.xml"].startswith("not well-formed XML")
    assert sorted(unreadable) == ["bomb.xml", "cut.xml", "empty.xml"]
    rows = [(f.annotation, f.message.partition(": ")[2]) for f in found.findings if f.code == "DK102"]
    assert rows == [
        (1, "corners are reversed: 30 1 10 10, expected xmin <= xmax and ymin <= ymax"),
        (2, "<xmin> is `1,5`, no number"),
        (3, "<xmin> is `nan`, no number"),
        (4, "<name> is missing or empty"),
        (5, "`cat` has no <bndbox>"),
        (6, "<ymin> is missing"),
    ]


def test_nothing_readable_is_an_error(tmp_path):
    shutil.copy(FIXTURES / "broken" / "Annotations" / "bomb.xml", tmp_path)
    with pytest.raises(InputError, match=r"none of 1 XML files can be read; .*bomb.xml: it declares"):
        read(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"no .xml and no .txt file"):
        read(tmp_path / "empty")


def test_names_keep_folders_unicode_dots_and_the_xmls_stem():
    found = read("names")
    assert found.images.file_names == ("b.png", "sub/größe 1.v2.JPG")
    assert found.categories.names == ("cat", "traffic light & co")
    assert found.annotations.xywh.tolist()[1] == [1.5 - 1, 2.25 - 1, 10 - 0.5, 10.125 - 1.25]
    assert codes(found) == {"DK106": 1, "DK403": 1}
    assert np.isnan(found.images.sizes[0]).all()
    assert read("names", image_sizes=SIZES).images.sizes.tolist() == [[100, 80], [100, 80]]


def test_size_from_the_images_header_and_negative_images(tmp_path):
    shutil.copytree(FIXTURES / "names", tmp_path / "voc")
    lists = tmp_path / "voc" / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("b\nnegative\n")
    images = tmp_path / "voc" / "JPEGImages"
    images.mkdir()
    for name in ("b.png", "negative.png", "nobody.png"):
        Image.new("RGB", (64, 48)).save(images / name)
    found = read(tmp_path / "voc")
    assert found.images.file_names == ("b.png", "negative.png", "sub/größe 1.v2.JPG")
    assert found.images.sizes.tolist() == [[64, 48], [64, 48], [100, 80]]
    assert found.images.paths == (str(images / "b.png"), str(images / "negative.png"), None)
    assert np.diff(found.offsets).tolist() == [1, 0, 1]
    assert codes(found) == {"DK106": 1, "DK109": 1, "DK401": 1}


def test_polygons_and_folders_named_like_splits():
    found = read("polygon")
    assert [p.tolist() for p in found.annotations.shapes.polygons(0)] == [[[1.5, 2], [9, 2], [9, 9]]]
    assert found.images.file_names == ("train/a.jpg", "valid/b.jpg")
    assert {k: v.tolist() for k, v in found.splits.items()} == {"train": [0], "valid": [1]}
    assert read("polygon", with_shapes=False).annotations.shapes is None


def test_a_devkit_with_two_years(tmp_path):
    shutil.copytree(FIXTURES / "splits", tmp_path / "VOC2007")
    shutil.copytree(FIXTURES / "one_pixel", tmp_path / "VOC2012")
    found = read(tmp_path)
    assert found.images.file_names[0] == "VOC2007/a.jpg"
    assert found.images.file_names[-1] == "VOC2012/a.jpg"
    assert [found.images.file_names[i] for i in read(tmp_path).splits["val"]] == ["VOC2007/c.jpg"]
    assert read(tmp_path, split="val").images.file_names == ("VOC2007/c.jpg",)


def test_class_order_from_a_list_that_has_all_of_them(tmp_path):
    shutil.copytree(FIXTURES / "one_pixel", tmp_path / "voc")
    (tmp_path / "voc" / "classes.txt").write_text("dog\ncat\n")
    assert read(tmp_path / "voc").categories.names == ("dog", "cat")
    (tmp_path / "voc" / "classes.txt").write_text("dog\n")
    assert read(tmp_path / "voc").categories.names == ("cat",)
    assert read(tmp_path / "voc", names=("zebra", "cat")).categories.names == ("zebra", "cat")


def test_one_xml_file():
    path = FIXTURES / "one_pixel" / "Annotations" / "a.xml"
    assert voc.detect(path, "dataset").matches
    assert read(path).images.file_names == ("a.jpg",)


# Recognising


@pytest.mark.parametrize("case", ["one_pixel", "splits", "flags", "broken", "names", "polygon", "text_truth"])
def test_datasets_are_recognised(case):
    assert voc.detect(FIXTURES / case, "dataset").matches


@pytest.mark.parametrize("case", ["comp4", "layouts/class-conf-xyxy", "untidy", "tracks", "segments", "no_confidence"])
def test_predictions_are_no_dataset(case):
    assert not voc.detect(FIXTURES / case, "dataset").matches


def test_other_xml_is_not_voc(tmp_path):
    (tmp_path / "a.xml").write_text("<annotations><image/></annotations>")
    assert "expected <annotation>" in voc.detect(tmp_path, "dataset").why
    (tmp_path / "a.xml").write_text("<annotation><object><polygon><pt><x>1</x></pt></polygon></object></annotation>")
    assert "no <bndbox>" in voc.detect(tmp_path, "dataset").why
    (tmp_path / "a.xml").unlink()
    (tmp_path / "a.txt").write_text("0 0.5 0.5 0.25 0.25\n")
    assert "YOLO" in voc.detect(tmp_path, "dataset").why
    (tmp_path / "a.txt").write_text("Car 0.00 0 -1.57 614.24 181.78 727.31 284.77 1.57 1.73 4.15 1.00 13.22 -5.4 0.9\n")
    assert not voc.detect(tmp_path, "dataset").matches


# Text truth


def test_text_truth():
    found = read("text_truth")
    assert found.images.file_names == ("a", "b", "c")
    assert found.annotations.xywh.tolist() == [[10, 20, 30, 40], [4, 6, 1, 1]]
    assert [found.categories.names[i] for i in found.annotations.category_index] == ["cat", "traffic light"]
    assert found.annotations.is_ignored.tolist() == [False, True]
    assert codes(found) == {"DK102": 2, "DK204": 1, "DK403": 3}
    assert read("text_truth", image_sizes=SIZES).images.sizes.tolist() == [[100, 80]] * 3
    with pytest.raises(InputError, match="text truth has no splits"):
        read("text_truth", split="train")


def test_text_truth_with_class_numbers(tmp_path):
    (tmp_path / "a.txt").write_text("1 11 21 40 60\n")
    (tmp_path / "classes.txt").write_text("dog\ncat\n")
    assert voc.detect(tmp_path, "dataset").matches
    found = read(tmp_path)
    assert found.categories.names == ("dog", "cat")
    assert found.annotations.category_index.tolist() == [1]


# Writing


def test_write_and_read_back(tmp_path):
    source = read("flags")
    folder, losses = written(source, tmp_path)
    assert losses == [Loss("attribute `truncated`", "not stated, written as 0", 2)]
    again = read(folder)
    assert again.images.file_names == source.images.file_names
    assert again.annotations.xywh.tolist() == source.annotations.xywh.tolist()
    assert again.annotations.is_ignored.tolist() == source.annotations.is_ignored.tolist()
    assert again.annotations.attributes["pose"].tolist() == ["Left", "", ""]
    assert again.annotations.extra == source.annotations.extra
    assert again.images.extra == source.images.extra
    assert (folder / "classes.txt").read_text() == "Cat\ncat\n"


def test_the_same_table_gives_the_same_bytes(tmp_path):
    texts = []
    for name in ("x", "y"):
        (tmp_path / name).mkdir()
        folder, _ = written(read("names", image_sizes=SIZES), tmp_path / name)
        texts.append({p.relative_to(folder): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()})
    assert texts[0] == texts[1]


def test_corners_as_text(tmp_path):
    folder, _ = written(dataset([[10, 20, 30, 40], [0.5, 0.25, 0.2, 388.66]]), tmp_path)
    text = (folder / "Annotations" / "a.xml").read_text()
    assert "<xmin>11</xmin>\n\t\t\t<ymin>21</ymin>\n\t\t\t<xmax>40</xmax>\n\t\t\t<ymax>60</ymax>" in text
    assert "<xmin>1.5</xmin>\n\t\t\t<ymin>1.25</ymin>\n\t\t\t<xmax>0.7</xmax>\n\t\t\t<ymax>388.91</ymax>" in text


def test_splits_are_written_with_trainval(tmp_path):
    splits = {"train": np.array([0]), "val": np.array([1]), "test": np.array([2])}
    table = dataset([], names=("a.jpg", "sub/b.jpg", "c.jpg"), splits=splits)
    folder, _ = written(table, tmp_path)
    lists = {p.name: p.read_text() for p in (folder / "ImageSets" / "Main").iterdir()}
    assert lists == {"train.txt": "a\n", "val.txt": "sub/b\n", "trainval.txt": "a\nsub/b\n", "test.txt": "c\n"}
    again = read(folder)
    assert {k: [again.images.file_names[i] for i in v] for k, v in again.splits.items()} == {
        "train": ["a.jpg"],
        "val": ["sub/b.jpg"],
        "test": ["c.jpg"],
    }


def test_category_ids_and_supercategories_come_back(tmp_path):
    table = dataset([[0, 0, 5, 5]])
    ids = Categories(np.array([17, 3]), ("cat", "zebra"), ("animal", None))
    table = Dataset.build(table.images, ids, image_index=[0], category_index=[0], xywh=[[0, 0, 5, 5]])
    folder, losses = written(table, tmp_path)
    again = read(folder)
    assert again.categories.ids.tolist() == [17, 3]
    assert again.categories.supercategories == ("animal", None)
    assert again.categories.has_own_ids
    assert "category ids" not in [loss.what for loss in losses]


@pytest.mark.parametrize(("crowds", "kept", "difficult"), [("drop", 1, 0), ("keep", 2, 0), ("difficult", 2, 1)])
def test_crowds(tmp_path, crowds, kept, difficult):
    folder, losses = written(dataset([[0, 0, 5, 5], [5, 5, 9, 9]], is_crowd=[False, True]), tmp_path, crowds=crowds)
    again = read(folder)
    assert len(again.annotations) == kept
    assert int(again.annotations.is_ignored.sum()) == difficult
    assert [loss.what for loss in losses] == ["crowd annotations"]


def test_objects_with_outlines_can_be_left_out(tmp_path):
    shapes = Shapes.from_rows([[[0, 0, 5, 0, 5, 5]], None])
    table = dataset([[0, 0, 5, 5], [5, 5, 9, 9]], shapes=shapes)
    folder, losses = written(table, tmp_path, shapes="drop")
    assert read(folder).annotations.xywh.tolist() == [[5, 5, 9, 9]]
    assert [(loss.what, loss.count) for loss in losses] == [("objects with polygons", 1)]


def test_images_are_linked_and_never_changed(tmp_path):
    (tmp_path / "src").mkdir()
    source = tmp_path / "src" / "x.jpg"
    Image.new("RGB", (100, 80)).save(source)
    images = image_table(["sub/x.jpg"], paths=(str(source),))
    table = Dataset.build(
        images, Categories.from_names(["cat"]), image_index=[0], category_index=[0], xywh=[[0, 0, 5, 5]]
    )
    folder, _ = written(table, tmp_path)
    assert (folder / "JPEGImages" / "sub" / "x.jpg").resolve() == source
    assert read(folder).images.paths == (str(folder / "JPEGImages" / "sub" / "x.jpg"),)


def test_unknown_sizes_cannot_be_written(tmp_path):
    table = dataset([[0, 0, 5, 5]])
    images = Images(table.images.ids, table.images.file_names, np.full((1, 2), np.nan))
    table = Dataset.build(images, table.categories, image_index=[0], category_index=[0], xywh=[[0, 0, 5, 5]])
    with pytest.raises(InputError, match=r"the size of 1 image is unknown, VOC XML states it: `a.jpg`"):
        written(table, tmp_path)
    assert not (tmp_path / "voc").exists()


def test_two_images_with_one_stem_cannot_be_written(tmp_path):
    with pytest.raises(InputError, match=r"images `a.jpg` and `a.png` would both be `a` in VOC"):
        written(dataset([], names=("a.jpg", "a.png")), tmp_path)


def test_names_never_leave_the_folder(tmp_path):
    folder, losses = written(dataset([], names=("../../evil.jpg", "/etc/passwd.png", "C:\\x\\y.jpg")), tmp_path)
    assert sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.xml")) == [
        "Annotations/evil.xml",
        "Annotations/passwd.xml",
        "Annotations/y.xml",
    ]
    assert [(loss.what, loss.count) for loss in losses] == [("image names outside the folder", 3)]
    assert not list(tmp_path.parent.glob("evil*"))


def test_text_is_escaped_and_control_characters_refused(tmp_path):
    name = "a<b> & \"c\" 'd' ]]>"
    folder, _ = written(dataset([[0, 0, 5, 5]], classes=(name,)), tmp_path)
    assert read(folder).categories.names == (name,)
    with pytest.raises(InputError, match="class name 'x\\\\x07' cannot be written"):
        written(dataset([[0, 0, 5, 5]], classes=("x\x07",)), tmp_path / "other")


def test_fields_that_are_no_text_are_losses(tmp_path):
    table = dataset([[0, 0, 5, 5]], extra={0: {"score_hint": 0.5, "note": "kept", "name": "twice"}})
    folder, losses = written(table, tmp_path)
    assert {(loss.what, loss.count) for loss in losses} == {
        ("annotation field `score_hint`", 1),
        ("annotation field `name`", 1),
    }
    assert read(folder).annotations.extra == {0: {"note": "kept"}}


@settings(derandomize=True, deadline=None, max_examples=50)
@given(
    st.lists(st.tuples(*[st.integers(-2000, 4_000_000)] * 2, *[st.integers(0, 4_000_000)] * 2), max_size=8),
    st.sampled_from([1, 1000]),
    st.sampled_from([0, 1]),
)
def test_round_trip_is_exact_for_integers_and_three_decimals(tmp_path_factory, boxes, scale, offset):
    table = dataset(np.array(boxes, float).reshape(-1, 4) / scale)
    folder, losses = written(table, tmp_path_factory.mktemp("round"), voc_offset=offset)
    assert losses == []
    again = read(folder, voc_offset=offset)
    assert again.annotations.xywh.tolist() == table.annotations.xywh.tolist()


@settings(derandomize=True, deadline=None, max_examples=50)
@given(st.lists(st.tuples(*[st.floats(0.001, 1e6)] * 4), max_size=5))
def test_round_trip_is_exact_for_any_float(tmp_path_factory, boxes):
    # Integers within 1e-9 are written as integers: such boxes come back a billionth of a pixel off.
    table = dataset(boxes)
    folder, _ = written(table, tmp_path_factory.mktemp("floats"))
    again = read(folder)
    np.testing.assert_allclose(again.annotations.xywh, table.annotations.xywh, rtol=0, atol=2.1e-9)
    if not np.isclose(table.annotations.xywh, np.rint(table.annotations.xywh), rtol=0, atol=1e-8).any():
        edges = np.array([[x, y, x + w, y + h] for x, y, w, h in boxes]).reshape(-1, 4)
        if not np.isclose(edges, np.rint(edges), rtol=0, atol=1e-8).any():
            assert again.annotations.xywh.tolist() == table.annotations.xywh.tolist()


# Devkit results


def detections(xywh, names=("a.jpg", "sub/b c.jpg"), classes=("cat", "dog/wolf"), score=0.5, **rest):
    xywh = np.array(xywh, float).reshape(-1, 4)
    return Detections.build(
        image_table(names),
        Categories.from_names(classes),
        image_index=np.arange(len(xywh)) % len(names),
        category_index=np.arange(len(xywh)) % len(classes),
        xywh=xywh,
        score=np.full(len(xywh), score),
        **rest,
    )


def test_comp4_is_found_below_and_read():
    path = FIXTURES / "comp4"
    assert voc.detect(path, "detections").matches
    found = voc.read_detections(path, ReadOptions())
    assert found.categories.names == ("cat", "traffic_light")
    assert found.images.file_names == ("a", "b")
    assert found.xywh.tolist() == [[10, 20, 30, 40], [0, 0, 10, 10]]
    assert found.score.tolist() == [0.9, 0.5]
    assert found.category_index.tolist() == [0, 0]


def test_comp4_round_trip(tmp_path):
    table = detections([[10, 20, 30, 40], [0.125, 1.1, 0.5, 7.001]])
    losses = formats.write_detections(table, tmp_path / "out", "voc")
    assert [(loss.what, loss.action) for loss in losses] == [("class names in file names", "percent-encoded")]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "comp4_det_test_cat.txt",
        "comp4_det_test_dog%2Fwolf.txt",
        "detkit.json",
    ]
    assert (tmp_path / "out" / "comp4_det_test_cat.txt").read_text() == "a 0.5 11 21 40 60\n"
    again = formats.read_detections(tmp_path / "out", "voc")
    assert again.xywh.tolist() == table.xywh.tolist()
    assert again.images.file_names == ("a", "sub/b c")
    assert again.categories.names == ("cat", "dog/wolf")


def test_comp4_writes_a_file_for_every_class_and_counts_bare_images(tmp_path):
    losses = formats.write_detections(detections([]), tmp_path / "out", "voc")
    assert len(list((tmp_path / "out").glob("comp4*"))) == 2
    assert ("images without predictions", 2) in [(loss.what, loss.count) for loss in losses]
    assert len(formats.read_detections(tmp_path / "out", "voc")) == 0


def test_comp4_with_several_sets(tmp_path):
    for name in ("comp4_det_val_cat", "comp4_det_test_cat"):
        (tmp_path / f"{name}.txt").write_text("a 0.9 11 21 40 60\n")
    with pytest.raises(InputError, match="several sets of results: `comp4_det_test`, `comp4_det_val`"):
        voc.read_detections(tmp_path, ReadOptions())
    assert len(voc.read_detections(tmp_path, ReadOptions(split="val"))) == 1


def test_comp4_image_names_may_hold_blanks_and_numbers(tmp_path):
    (tmp_path / "comp4_det_test_cat.txt").write_text("img 1  2 0.9 11 21 40 60\n000012 0.8 1 1 10 10\n")
    found = voc.read_detections(tmp_path, ReadOptions())
    assert found.images.file_names == ("000012", "img 1  2")


def test_comp4_bad_rows(tmp_path):
    (tmp_path / "comp4_det_test_cat.txt").write_text("a 7 11 21 40 60\na 0.9 40 60 11 21\na 0.9 1 1\na 0.9 1 1 1 nan\n")
    found = voc.read_detections(tmp_path, ReadOptions())
    assert len(found) == 1
    assert sorted((f.code, f.line) for f in found.findings) == [
        ("DK102", 2),
        ("DK102", 3),
        ("DK102", 4),
        ("DK708", 1),
    ]


def test_shares_cannot_be_written_as_pixels(tmp_path):
    with pytest.raises(InputError, match="VOC holds pixels"):
        formats.write_detections(detections([[0, 0, 1, 1]], units="normalised"), tmp_path / "out", "voc")


# Real data


def test_bccd(shared_data):
    found = formats.read_dataset(shared_data / "bccd", "voc")
    assert (len(found.images), len(found.annotations)) == (364, 4888)
    counts = np.bincount(found.annotations.category_index)
    assert dict(zip(found.categories.names, counts.tolist(), strict=True)) == {
        "RBC": 4155,
        "WBC": 372,
        "Platelets": 361,
    }
    assert {k: len(v) for k, v in found.splits.items()} == {"train": 205, "val": 87, "test": 72}
    assert [(f.code, f.image) for f in found.findings] == [
        ("DK204", "BloodImage_00338"),
        ("DK204", "BloodImage_00343"),
    ]
    assert all(found.images.paths)


def test_bccd_comes_back(shared_data, tmp_path):
    source = formats.read_dataset(shared_data / "bccd", "voc")
    folder, losses = written(source, tmp_path)
    assert losses == []
    again = formats.read_dataset(folder, "voc")
    assert again.annotations.xywh.tolist() == source.annotations.xywh.tolist()
    assert again.images.file_names == source.images.file_names
    assert {k: v.tolist() for k, v in again.splits.items()} == {k: v.tolist() for k, v in source.splits.items()}
    assert again.categories.names == source.categories.names


def test_padilla_truth_and_cartucho(shared_data):
    padilla = voc.read(shared_data / "padilla_toy" / "gts_vocpascal_format", ReadOptions())
    assert (len(padilla.images), len(padilla.annotations)) == (10, 12)
    # The JSON of the same data states xmin, ymin and xmax - xmin: a pixel less on each side.
    stated = json.loads((shared_data / "padilla_toy" / "gt.json").read_text())["annotations"]
    plain = padilla.annotations.xywh + np.array([1, 1, -1, -1])
    assert plain.tolist() == [a["bbox"] for a in stated]
    cartucho = shared_data / "cartucho" / "ground-truth"
    assert voc.detect(cartucho, "dataset").matches
    assert not voc.detect(shared_data / "cartucho" / "detection-results", "dataset").matches
    found = voc.read(cartucho, ReadOptions())
    assert (len(found.images), len(found.annotations)) == (85, 686)
