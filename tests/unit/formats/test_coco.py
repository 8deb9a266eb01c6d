"""COCO datasets: what is read, what is said about it, and that COCO to COCO gives equal values."""

from __future__ import annotations

import json
import math
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detkit.errors import InputError, UsageError
from detkit.files import FOLDER_MARK, sha256_of
from detkit.findings import summarize
from detkit.formats import (
    ImageSizes,
    ReadOptions,
    WriteOptions,
    _coco_truth,
    _coco_write,
    coco,
    read_dataset,
    write_dataset,
)
from detkit.formats._coco_names import COCO91_IDS, COCO_NAMES
from detkit.tables import Dataset, Shapes

ROOT = Path(__file__).resolve().parents[3]
FIXTURES = ROOT / "fixtures" / "formats" / "coco"
DATA = ROOT / ".." / "shared" / "data"
ALL = ReadOptions()
FAST = ReadOptions(with_extra=False, with_shapes=False)
TRUTHS = sorted(p for p in FIXTURES.rglob("*.json") if p.name != "results.json" and p.parent.name != "truncated")
real_data = pytest.mark.skipif(not DATA.is_dir(), reason="real data (../shared/data) is not here")


def case(name, file="instances.json"):
    return FIXTURES / name / file


def read(name, options=ALL, file="instances.json") -> Dataset:
    return coco.read(case(name, file), options)


def codes(table):
    return summarize(table.findings)


def messages(table, code):
    return [f.message for f in table.findings if f.code == code]


def written(dataset, path, **options):
    write_dataset(dataset, path, "coco", WriteOptions(**options), overwrite=True)
    return json.loads(path.read_bytes())


def columns(dataset):
    """All columns as plain values, for comparing two readings."""
    table = dataset.annotations
    names = ("image_index", "category_index", "xywh", "area", "is_crowd", "is_ignored", "ids", "source_row")
    out = {name: getattr(table, name).tolist() for name in names}
    out["dtypes"] = [str(getattr(table, name).dtype) for name in names]
    out["images"] = (dataset.images.ids.tolist(), dataset.images.file_names, repr(dataset.images.sizes.tolist()))
    out["categories"] = (dataset.categories.ids.tolist(), dataset.categories.names)
    out["findings"] = dataset.findings
    if table.shapes is not None:
        s = table.shapes
        out["shapes"] = (s.kind.tolist(), s.rings.values.tolist(), s.points.values.tolist(), dict(s.rle))
    out["keypoints"] = None if table.keypoints is None else table.keypoints.values.tolist()
    out["num_keypoints"] = None if table.num_keypoints is None else table.num_keypoints.tolist()
    return out


def test_basic_columns_sorted_by_image_in_file_order():
    data = read("basic")
    rows = data.annotations
    assert data.images.ids.tolist() == [7, 5]
    assert data.images.file_names == ("a.jpg", "sub dir/b.näme.JPG")
    assert data.images.sizes.tolist() == [[100, 80], [100, 80]]
    assert data.categories.ids.tolist() == [3, 1]
    assert data.categories.names == ("cat", "dog")
    assert data.categories.supercategories == ("animal", "animal")
    assert rows.ids.tolist() == [11, 10, 12]
    assert rows.source_row.tolist() == [1, 0, 2]
    assert rows.xywh.tolist() == [[0, 0, 10, 10], [1.5, 2, 30, 40.25], [5, 5, 20, 20]]
    assert rows.area.tolist() == [10 * 10, 30 * 40.25, 123.5]
    assert data.info == {"info": {"year": 2026}, "licenses": []}
    assert data.images.extra == {0: {"license": 4}}
    assert data.findings == ()
    assert data.splits == {}
    assert (data.source.format, data.source.sha256) == ("coco", sha256_of([case("basic")]))


def test_bom_and_crlf_read_as_the_plain_file():
    a, b = columns(read("basic")), columns(read("bom_crlf"))
    assert a == b


@pytest.mark.parametrize("with_shapes", [False, True])
@pytest.mark.parametrize("file", TRUTHS, ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_typed_and_generic_reading_agree_on_every_fixture(file, with_shapes, monkeypatch):
    options = ReadOptions(with_extra=False, with_shapes=with_shapes)
    typed = coco.read(file, options)
    monkeypatch.setattr(_coco_truth, "truth_decoder", lambda with_shapes: None)
    assert columns(coco.read(file, options)) == columns(typed)


def test_typed_reading_is_really_taken():
    from detkit.formats._coco_json import decode, read_document, truth_decoder

    content, _ = decode(read_document(case("basic")), truth_decoder(False))
    assert type(content).__name__ == "Truth"


def test_crowds_and_masks():
    data = read("crowds_rle")
    rows = data.annotations
    assert rows.is_crowd.tolist() == [True, False, False, True]
    assert rows.shapes.kind.tolist() == [Shapes.RLE, Shapes.RLE, Shapes.NONE, Shapes.NONE]
    assert rows.shapes.rle[0] == {"size": [5, 5], "counts": [5, 5, 5, 10]}
    assert messages(data, "DK109") == [
        "annotations[2].segmentation: run lengths do not add up to height times width; left out, the box is kept"
    ]


def test_polygons_missing_empty_and_broken(tmp_path):
    data = read("polygons")
    rows = data.annotations
    assert rows.shapes.kind.tolist() == [Shapes.POLYGONS, Shapes.POLYGONS, 0, Shapes.POLYGONS, 0, 0]
    assert [len(r) for r in rows.shapes.polygons(0)] == [4, 3]
    assert rows.shapes.polygons(0)[1].tolist() == [[10.5, 10], [12, 10], [12, 11]]
    assert rows.xywh[3].tolist() == [10, 20, 16 - 10, 22 - 20]
    assert codes(data) == {"DK109": 1, "DK206": 1}
    out = written(data, tmp_path / "out.json")["annotations"]
    assert out[1]["segmentation"] == []
    assert "segmentation" not in out[2]
    assert out[5]["segmentation"] is None
    assert codes(read("polygons", FAST)) == {"DK206": 1}
    assert read("polygons", FAST).annotations.xywh[3].tolist() == [10, 20, 16 - 10, 22 - 20]


def test_keypoints(tmp_path):
    data = read("keypoints", file="person_keypoints.json")
    rows = data.annotations
    assert rows.keypoints[0].tolist() == [[1, 2, 2], [3.5, 4, 1]]
    assert rows.num_keypoints.tolist() == [2, 0, -1]
    assert data.categories.extra[0] == {"keypoints": ["nose", "tail"], "skeleton": [[1, 2]]}
    assert written(data, tmp_path / "o.json") == json.loads(case("keypoints", "person_keypoints.json").read_text())


def test_string_ids_stay_strings():
    data = read("string_ids")
    assert data.images.ids.tolist() == ["a", "007"]
    assert data.annotations.ids.tolist() == ["x"]
    assert data.annotations.image_index.tolist() == [1]


def test_id_zero_is_an_id_like_any_other():
    data = read("id_zero", FAST)
    assert (data.images.ids.tolist(), data.categories.ids.tolist()) == ([0], [0])
    assert data.annotations.ids.tolist() == [0, 1]


def test_duplicate_ids_the_last_image_wins_and_all_annotations_stay():
    data = read("duplicate_ids")
    assert data.images.ids.tolist() == [1, 2]
    assert data.images.file_names == ("new.jpg", "b.jpg")
    assert data.images.sizes[0].tolist() == [20, 20]
    assert data.categories.names == ("y", "y")
    assert data.annotations.ids.tolist() == [1, 1]
    assert messages(data, "DK103") == [
        "image id 1 is there more than once; the last one counts",
        "category id 1 is there more than once; the last one counts",
        "category names with several ids: `y`",
        "annotation id 1 is there more than once; all rows are kept",
    ]


def test_dangling_references_are_left_out_one_finding_each():
    data = read("dangling")
    assert data.annotations.ids.tolist() == [3]
    assert [(f.code, f.annotation) for f in data.findings] == [("DK104", 0), ("DK104", 3), ("DK105", 1)]
    assert "found 9" in data.findings[0].message


@pytest.mark.parametrize("options", [ALL, FAST])
def test_unusable_rows_are_named_with_their_place(options):
    data = read("nan_values", options)
    assert data.annotations.ids.tolist() == [5]
    assert [(f.annotation, f.message) for f in data.findings if f.code == "DK102"] == [
        (0, "annotations[0].bbox: found [1, NaN, 3, 4], expected 4 finite numbers"),
        (1, "annotations[1].area: found Infinity, expected a finite number"),
        (2, "annotations[2].bbox: found [1, 2, 3], expected 4 finite numbers"),
        (3, 'annotations[3].bbox: found ["1", 2, 3, 4], expected 4 finite numbers'),
        (5, "annotations[5].image_id: found true, expected a whole number or a string"),
        (6, "annotations[6]: found 17, expected an object"),
        (7, "annotations[7].bbox: found [1, 2, Infinity, 4], expected 4 finite numbers"),
    ]


def test_what_is_written_is_json_without_nan(tmp_path):
    text = written(read("nan_values"), tmp_path / "o.json")
    assert text["annotations"][0]["note"] is None
    assert "NaN" not in (tmp_path / "o.json").read_text()


def test_odd_values():
    data = read("odd_values")
    rows = data.annotations
    assert data.images.ids.tolist() == [1, 2]
    assert data.images.file_names[0] == "17"
    assert np.isnan(data.images.sizes).all()
    assert rows.ids.tolist()[:2] == [6, 5]
    assert rows.ids.tolist()[3] == 9223372036854775808123
    assert rows.area.tolist() == [3 * 4, 0 * -4, 99, 99]
    assert rows.is_crowd.tolist() == [False, True, False, False]
    assert not rows.is_ignored.any()
    assert rows.extra[1] == {"ignore": 1}
    assert codes(data) == {"DK106": 1 + 1 + 1 + 1 + 2, "DK201": 1, "DK205": 2, "DK303": 1, "DK403": 2}


@pytest.mark.parametrize("name", ["basic", "unknown_fields", "string_ids", "id_zero", "split_folder"])
def test_coco_to_coco_is_value_identical(name, tmp_path):
    source = case(name) if case(name).is_file() else FIXTURES / name / "annotations" / "instances_train2017.json"
    assert written(coco.read(source, ALL), tmp_path / "out.json") == json.loads(source.read_text())


def test_big_integers_and_half_surrogates_survive(tmp_path):
    source = case("basic").read_text().replace('"id": 10,', '"id": 9223372036854775808123, "t": "\\ud83d", "n": NaN,')
    (tmp_path / "in.json").write_text(source)
    out = written(coco.read(tmp_path / "in.json", ALL), tmp_path / "out.json")["annotations"][0]
    assert (out["id"], out["t"], out["n"]) == (9223372036854775808123, "\ud83d", None)


def test_a_file_without_categories_gets_its_class_numbers_as_names():
    data = read("no_categories")
    assert data.categories.ids.tolist() == [2, 7]
    assert data.categories.names == ("2", "7")
    assert not data.categories.has_names
    assert codes(data) == {"DK303": 2}
    assert len(read("images_only", FAST).annotations) == 0


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b'{"images": [', r"byte 12: ends too early"),
        (b'\xef\xbb\xbf{"images": [', r"byte 15: ends too early"),
        ('{"images": "ö" x'.encode(), r"byte 16: is not JSON"),
        (b'{"images": [\x00]}', r"byte 12: is not JSON"),
        (b'{"images": ["\xff"]}', "byte 13: found 0xff, expected UTF-8"),
        ('{"images": []}'.encode("utf-16"), "UTF-16"),
        (b"[]", "found a list"),
        (b"3", "found int"),
        (b'{"annotations": []}', "`images`: found nothing"),
        (b'{"images": {}, "annotations": []}', "`images`: found dict"),
        (b'{"images": [], "annotations": 3}', "`annotations`: found int"),
        (b'{"images": ' + b"[" * 100_000, "nested too deeply"),
        (b'{"images": [{"id": ' + b"1" * 5000 + b"}]}", "not usable JSON"),
    ],
)
@pytest.mark.parametrize("options", [ALL, FAST])
def test_unreadable_files_are_input_errors(content, expected, options, tmp_path):
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=expected) as caught:
        coco.read(path, options)
    assert str(path) in str(caught.value)


def test_invalid_utf8_in_a_skipped_field_is_found_by_the_fast_path_too(tmp_path):
    path = tmp_path / "x.json"
    path.write_bytes(case("basic").read_bytes().replace(b"animal", b"anim\xffl").replace(b"2026", b'"\xff"'))
    with pytest.raises(InputError, match="expected UTF-8"):
        coco.read(path, FAST)


def test_truncated_fixture_says_where():
    with pytest.raises(InputError, match=r"truncated.*byte 200: ends too early"):
        read("truncated")


# Detection


@pytest.mark.parametrize(
    ("name", "dataset", "detections", "reason"),
    [
        ("basic/instances.json", True, False, "this looks like a truth"),
        ("bom_crlf/instances.json", True, False, "this looks like a truth"),
        ("images_only/instances.json", True, False, "without a list `annotations`"),
        ("truncated/instances.json", True, False, "without a list"),
        ("results_bbox/results.json", False, True, "looks like results"),
        ("results_segm/results.json", False, True, "looks like results"),
        ("results_keypoints/results.json", False, True, "looks like results"),
        ("results_empty/results.json", False, True, "looks like results"),
        ("results_missing_score/results.json", False, True, "looks like results"),
        ("results_full_object/results.json", True, True, ""),
        ("split_folder", True, False, "one JSON file"),
        ("roboflow", True, False, "one JSON file"),
        ("results_bbox", False, True, "looks like results"),
    ],
)
def test_detect(name, dataset, detections, reason):
    as_dataset, as_detections = (coco.detect(FIXTURES / name, kind) for kind in ("dataset", "detections"))
    assert (as_dataset.matches, as_detections.matches) == (dataset, detections)
    assert reason in as_dataset.why + as_detections.why


@pytest.mark.parametrize(
    "content", [b"", b"3", b"[1, 2]", b"[[]]", b"{}", b'{"images": 3}', b'{"images": ["a"]}', b"{", b"\x00"]
)
def test_other_files_are_not_coco(content, tmp_path):
    path = tmp_path / "x.json"
    path.write_bytes(content)
    assert not coco.detect(path, "dataset").matches
    assert not coco.detect(path, "detections").matches


@pytest.mark.parametrize("suffix", ["", "NaN"])
def test_detect_finds_sections_far_from_the_start(suffix, tmp_path):
    path = tmp_path / "x.json"
    filler = json.dumps([{"id": i, "images": [], "text": ']}{[\\"'} for i in range(9000)])
    noise = f'"note": {suffix or 0}'
    ann = '{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 1}'
    path.write_text(f'{{"videos": {filler}, {noise}, "annotations": [{ann}], "images": [{{"id": 1}}]}}')
    assert coco.detect(path, "dataset").matches
    assert coco.detect(path, "detections").matches
    path.write_text(f'{{"videos": {filler}, {noise}}}')
    if not suffix:
        assert not coco.detect(path, "dataset").matches


def test_a_folder_of_one_json_an_image_is_not_coco_and_costs_little(tmp_path):
    for i in range(300):
        (tmp_path / f"{i}.json").write_text('{"shapes": [], "imagePath": "a.jpg"}')
    start = time.perf_counter()
    assert not coco.detect(tmp_path, "dataset").matches
    assert time.perf_counter() - start < 1


# Splits


def test_split_folder_joins_shared_images_once():
    data = coco.read(FIXTURES / "split_folder", ALL)
    assert data.images.ids.tolist() == [1, 2, 3]
    assert {k: v.tolist() for k, v in data.splits.items()} == {"train2017": [0, 1], "val2017": [1, 2]}
    assert data.annotations.ids.tolist() == [1, 2, 3]
    assert codes(data) == {"DK110": 1}
    assert messages(data, "DK110") == ["`instances_*.json` is read; passed over: annotations/captions_val2017.json"]


@pytest.mark.parametrize("split", ["val2017", "val"])
def test_one_split_of_a_folder(split):
    data = coco.read(FIXTURES / "split_folder", replace(ALL, split=split))
    assert data.images.ids.tolist() == [2, 3]
    assert data.annotations.ids.tolist() == [2, 3]
    assert {k: v.tolist() for k, v in data.splits.items()} == {split: [0, 1]}


def test_unknown_splits_name_the_known_ones():
    with pytest.raises(UsageError, match=r"`train2017`, `val2017`"):
        coco.read(FIXTURES / "split_folder", replace(ALL, split="test"))
    with pytest.raises(UsageError, match="single file and has no splits"):
        read("basic", replace(ALL, split="val"))
    file = FIXTURES / "split_folder" / "annotations" / "instances_val2017.json"
    for split in ("val", "val2017"):
        assert coco.read(file, replace(ALL, split=split)).splits[split].tolist() == [0, 1]
    with pytest.raises(UsageError):
        coco.read(file, replace(ALL, split="train"))


def test_roboflow_folders_restart_their_ids_and_are_renumbered():
    data = coco.read(FIXTURES / "roboflow", ALL)
    assert data.images.ids.tolist() == [1, 2, 3, 4]
    assert not data.images.has_own_ids
    assert data.images.file_names[1::2] == ("train/same.jpg", "valid/same.jpg")
    assert data.annotations.ids.tolist() == [1, 2, 3, 4]
    assert data.annotations.xywh[:, 0].tolist() == [0, 0, 1, 1]
    assert {k: v.tolist() for k, v in data.splits.items()} == {"train": [0, 1], "valid": [2, 3]}
    assert codes(data) == {"DK103": 2, "DK110": 1}


def test_categories_of_splits_must_agree():
    with pytest.raises(InputError, match="category 1 is `cat` here and `dog` in another file"):
        coco.read(FIXTURES / "split_conflict", ALL)


# Images on disk


def make_image(path, size):
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size).save(path)


@pytest.mark.parametrize("place", ["images", "../images", ".", "../images/val"])
def test_images_are_found_beside_the_file_and_give_missing_sizes(place, tmp_path):
    path = tmp_path / "annotations" / "instances_val.json"
    path.parent.mkdir()
    path.write_text('{"images": [{"id": 1, "file_name": "a.png"}], "annotations": [], "categories": []}')
    make_image(path.parent / place / "a.png", (6, 4))
    data = coco.read(path, replace(ALL, split="val"))
    assert Path(data.images.paths[0]).samefile(path.parent / place / "a.png")
    assert data.images.sizes.tolist() == [[6, 4]]
    assert np.isnan(coco.read(path, replace(FAST, read_sizes=False)).images.sizes).all()
    assert coco.read(path, replace(ALL, image_sizes=ImageSizes((9, 8)))).images.sizes.tolist() == [[9, 8]]


def test_images_dir_wins(tmp_path):
    make_image(tmp_path / "elsewhere" / "deep" / "a.jpg", (3, 2))
    data = read("basic", replace(ALL, images_dir=tmp_path / "elsewhere"))
    assert data.images.paths[0] == str(tmp_path / "elsewhere" / "deep" / "a.jpg")
    assert codes(data) == {"DK110": 1}


# Writing


def test_folder_layout_with_splits_and_images(tmp_path):
    make_image(tmp_path / "src" / "a.jpg", (100, 80))
    data = coco.read(FIXTURES / "split_folder", replace(ALL, images_dir=tmp_path / "src"))
    data = replace(data, splits={"val": np.array([0, 1])})
    losses = write_dataset(data, tmp_path / "out", "coco", WriteOptions(place_images="copy"))
    assert sorted(p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*") if p.is_file()) == [
        "annotations/instances_unassigned.json",
        "annotations/instances_val.json",
        FOLDER_MARK,
        "images/val/a.jpg",
    ]
    assert [(loss.what, loss.count) for loss in losses] == [("image files", 2)]
    again = read_dataset(tmp_path / "out", "coco")
    assert again.images.ids.tolist() == [1, 2, 3]
    assert {k: v.tolist() for k, v in again.splits.items()} == {"val": [0, 1]}
    assert again.annotations.ids.tolist() == data.annotations.ids.tolist()
    assert json.loads((tmp_path / "out" / FOLDER_MARK).read_text())["categories"] == {"3": "cat", "1": "dog"}


def test_image_names_do_not_leave_the_folder(tmp_path):
    make_image(tmp_path / "src" / "a.jpg", (4, 4))
    data = read("basic", replace(ALL, images_dir=tmp_path / "src"))
    data = replace(data, images=replace(data.images, file_names=("../../a.jpg", "/etc/b.jpg")))
    (losses,) = write_dataset(data, tmp_path / "out", "coco", WriteOptions(place_images="copy"))
    assert losses.count == 2
    assert not list((tmp_path).rglob("out/**/*.jpg"))
    assert not (tmp_path / "a.jpg").exists()


@pytest.mark.parametrize("chunk", [1, 2, 3, 4])
def test_chunks_join_without_a_seam(chunk, tmp_path, monkeypatch):
    monkeypatch.setattr(_coco_write, "_CHUNK", chunk)
    assert written(read("basic"), tmp_path / "o.json") == json.loads(case("basic").read_text())


def test_same_bytes_every_time(tmp_path):
    for name in ("a.json", "b.json"):
        write_dataset(read("unknown_fields"), tmp_path / name, "coco")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_columns_without_a_field_come_back(tmp_path):
    data = read("basic")
    rows = replace(
        data.annotations,
        is_ignored=np.array([True, False, False]),
        attributes={
            "truncated": np.array([True, False, True]),
            "pose": np.array(["Left", "", "Right"]),
            "depth": np.array([1.5, math.nan, 2]),
            "odd": np.array([None, "x", 3], dtype=object),
        },
        shapes=Shapes.from_rows([[[0, 0, 4, 0, 4, 3, 0, 3]], None, [[0, 0, 1, 0, 1, 1]]]),
        is_oriented=np.array([True, False, False]),
    )
    out = written(replace(data, annotations=rows), tmp_path / "o.json")
    assert out["annotations"][1]["ignore"] == 1
    assert out["annotations"][1]["attributes"] == {"truncated": True, "pose": "Left", "depth": 1.5}
    again = coco.read(tmp_path / "o.json", ALL)
    assert again.annotations.is_ignored.tolist() == [True, False, False]
    assert again.annotations.is_oriented.tolist() == [True, False, False]
    assert again.annotations.extra == {}
    assert again.info == data.info
    for name, values in rows.attributes.items():
        assert again.annotations.attributes[name].dtype.kind == values.dtype.kind
        assert repr(again.annotations.attributes[name].tolist()) == repr(values.tolist())
    fast = coco.read(tmp_path / "o.json", FAST)
    assert fast.annotations.is_ignored.tolist() == [True, False, False]
    assert fast.annotations.is_oriented.tolist() == [True, False, False]


@pytest.mark.parametrize(("shapes", "left"), [("box", [1, 2, 3, 4, 5, 6]), ("drop", [2, 3, 5, 6])])
def test_shapes_option(shapes, left, tmp_path):
    out = written(read("polygons"), tmp_path / "o.json", shapes=shapes)["annotations"]
    assert [a["id"] for a in out] == left
    assert not any(a.get("segmentation") for a in out)


def test_category_ids_dense_and_coco91(tmp_path):
    data = read("basic")
    losses = coco.write(data, tmp_path / "o.json", WriteOptions(category_ids="dense", target_name="o.json"))
    assert [(x.what, x.action, x.count, x.examples) for x in losses] == [
        ("category ids", "renumbered", 2, ("3 -> 1", "1 -> 2"))
    ]
    out = written(data, tmp_path / "p.json", category_ids="coco91")
    assert [(c["id"], c["name"]) for c in out["categories"]] == [(17, "cat"), (18, "dog")]
    assert out["annotations"][0]["category_id"] == 18
    odd = replace(data, categories=replace(data.categories, names=("cat", "unicorn")))
    with pytest.raises(UsageError, match="`unicorn` is none of COCO's 80"):
        written(odd, tmp_path / "q.json", category_ids="coco91")


@real_data
def test_coco91_is_the_numbering_of_the_official_file():
    stated = json.loads((DATA / "coco14_100" / "instances.json").read_text())["categories"]
    assert [(c["id"], c["name"]) for c in stated] == list(zip(COCO91_IDS, COCO_NAMES, strict=True))


def test_normalised_boxes_are_refused(tmp_path):
    with pytest.raises(InputError, match="image sizes unknown") as caught:
        written(replace(read("basic"), units="normalised"), tmp_path / "o.json")
    assert "--image-sizes" in caught.value.hint


@real_data
@pytest.mark.parametrize(
    ("file", "images", "boxes", "crowds"),
    [
        ("coco51/instances.json", 57, 574, 7),
        ("coco51/person_keypoints.json", 57, 112, None),
        ("coco14_100/instances.json", 100, None, None),
        ("coco14_100/person_keypoints.json", None, None, None),
    ],
)
def test_real_files_come_back_value_identical(file, images, boxes, crowds, tmp_path):
    source = json.loads((DATA / file).read_text())
    data = coco.read(DATA / file, ALL)
    assert len(data.images) == (images or len(source["images"]))
    assert len(data.annotations) == (boxes or len(source["annotations"]))
    if crowds is not None:
        assert int(data.annotations.is_crowd.sum()) == crowds
    assert written(data, tmp_path / "out.json") == source
    fast = coco.read(DATA / file, FAST)
    assert fast.annotations.xywh.tolist() == data.annotations.xywh.tolist()
    assert fast.annotations.area.tolist() == data.annotations.area.tolist()


@real_data
def test_photos_of_coco51_are_found():
    data = coco.read(DATA / "coco51" / "instances.json", ALL)
    assert sum(p is not None for p in data.images.paths) == 57


# Properties

numbers = st.one_of(st.integers(-10, 2000), st.floats(-10, 2000), st.sampled_from([0.1, 1e-7, 1024, 9216, 1e17]))
polygon = st.lists(numbers, max_size=8).map(lambda v: v[: len(v) // 2 * 2])
segmentation = st.one_of(
    st.lists(polygon, max_size=3),
    st.just({"size": [5, 5], "counts": "55?"}),
    st.just({"size": [5, 5], "counts": [25]}),
)
optional = {
    "segmentation": segmentation,
    "keypoints": st.lists(numbers, max_size=6).map(lambda v: v[: len(v) // 3 * 3]).filter(len),
    "num_keypoints": st.integers(0, 5),
    "attributes": st.dictionaries(st.text(max_size=3), st.one_of(st.booleans(), st.text(max_size=3), st.none())),
    "note": st.text(max_size=5),
}


@st.composite
def truths(draw):
    image_ids = draw(st.lists(st.one_of(st.integers(0, 9), st.integers(2**40, 2**62)), max_size=4, unique=True))
    keys = draw(st.lists(st.integers(0, 99), min_size=1, max_size=3, unique=True))
    images = [
        {"id": i, "file_name": draw(st.text(max_size=5)), "width": draw(st.integers(1, 99)), "height": 5}
        for i in image_ids
    ]
    annotations = []
    for number in range(draw(st.integers(0, 6)) if image_ids else 0):
        record = {
            "id": draw(st.sampled_from([number, number + 2**33])),
            "image_id": draw(st.sampled_from(image_ids)),
            "category_id": draw(st.sampled_from(keys)),
            "bbox": draw(st.lists(numbers, min_size=4, max_size=4)),
            "area": draw(numbers),
            "iscrowd": draw(st.integers(0, 1)),
        }
        annotations.append(record | draw(st.fixed_dictionaries({}, optional=optional)))
    categories = [{"id": k, "name": f"n{k}"} for k in keys]
    return {"images": images, "annotations": annotations, "categories": categories, "extra": draw(st.text(max_size=3))}


@settings(derandomize=True, deadline=None, max_examples=50)
@given(truths())
def test_round_trip_property(tmp_path_factory, truth):
    folder = tmp_path_factory.mktemp("coco")
    (folder / "in.json").write_text(json.dumps(truth))
    data = coco.read(folder / "in.json", ALL)
    assert written(data, folder / "out.json") == truth


@settings(derandomize=True, deadline=None, max_examples=50)
@given(truths(), st.data())
def test_typed_and_generic_agree_on_damaged_records(tmp_path_factory, truth, data):
    odd = st.sampled_from([None, True, "1", 1.0, 1.5, [], [1], {}, 2**70, float("nan"), -1, [1, 2, 3, 4]])
    sections = [r for name in ("annotations", "images", "categories") for r in truth[name] if r]
    for record in data.draw(st.lists(st.sampled_from(sections), max_size=3)) if sections else ():
        key = data.draw(st.sampled_from(sorted(record)))
        record[key] = data.draw(odd)
    path = tmp_path_factory.mktemp("coco") / "in.json"
    path.write_text(json.dumps(truth))
    for with_shapes in (False, True):
        options = ReadOptions(with_extra=False, with_shapes=with_shapes)
        typed = coco.read(path, options)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(_coco_truth, "truth_decoder", lambda with_shapes: None)
            assert columns(coco.read(path, options)) == columns(typed)
        assert written(typed, path.with_name("out.json"))["images"] is not None
