"""COCO results: rows, boxes and areas as pycocotools' loadRes gives them, and writing."""

from __future__ import annotations

import contextlib
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO

from detkit.errors import InputError
from detkit.files import sha256_of
from detkit.findings import summarize
from detkit.formats import ReadOptions, WriteOptions, _coco_results, coco, read_detections, write_detections
from detkit.tables import Categories, Detections, Images

ROOT = Path(__file__).resolve().parents[3]
FIXTURES = ROOT / "fixtures" / "formats" / "coco"
DATA = ROOT / ".." / "shared" / "data"
ALL = ReadOptions()
FAST = ReadOptions(with_extra=False, with_shapes=False)
SHAPES = ReadOptions(with_extra=False)
real_data = pytest.mark.skipif(not DATA.is_dir(), reason="real data (../shared/data) is not here")


def case(name):
    return FIXTURES / name / "results.json"


def read(name, options=ALL) -> Detections:
    return coco.read_detections(case(name), options)


def messages(table, code):
    return [f.message for f in table.findings if f.code == code]


def columns(table):
    names = ("image_index", "category_index", "xywh", "score", "area", "source_row")
    out = {name: getattr(table, name).tolist() for name in names}
    out["ids"] = (table.images.ids.tolist(), table.categories.ids.tolist(), str(table.images.ids.dtype))
    out["rest"] = (table.findings, table.has_boxes, table.categories.names, table.images.file_names)
    if table.shapes is not None:
        out["shapes"] = (table.shapes.kind.tolist(), table.shapes.points.values.tolist(), dict(table.shapes.rle))
    out["keypoints"] = None if table.keypoints is None else table.keypoints.values.tolist()
    return out


def by_id_pairs(table):
    """(image id, category id, box, score, area) in file order."""
    order = np.argsort(table.source_row)
    images, classes = table.images.ids[table.image_index[order]], table.categories.ids[table.category_index[order]]
    parts = (images, classes, table.xywh[order], table.score[order], table.area[order])
    return list(zip(*(p.tolist() for p in parts), strict=True))


def written(table, path, **options):
    coco.write_detections(table, path, WriteOptions(**options))
    return json.loads(path.read_bytes())


@pytest.mark.parametrize("options", [ALL, SHAPES, FAST])
def test_boxes(options):
    found = read("results_bbox", options)
    assert found.images.ids.tolist() == [5, 2]
    assert found.images.file_names == ("", "")
    assert found.images.has_own_ids
    assert np.isnan(found.images.sizes).all()
    assert (found.categories.ids.tolist(), found.categories.names) == ([1, 3], ("1", "3"))
    assert not found.categories.has_names
    assert by_id_pairs(found) == [
        (5, 3, [1, 2, 3, 4], 0.5, 3 * 4),
        (2, 1, [0, 0, 10.5, 10], 0.25, 10.5 * 10),
        (5, 1, [1, 1, 0, 2], 1.5, 0 * 2),
    ]
    assert found.has_boxes
    assert found.extra == ({2: {"model": "m"}} if options is ALL else {})
    assert messages(found, "DK708") == ["scores outside [0, 1], first [2].score; kept"]
    assert found.source.sha256 == sha256_of([case("results_bbox")])


@pytest.mark.parametrize("options", [ALL, SHAPES, FAST])
def test_masks_give_box_and_area(options):
    found = read("results_segm", options)
    assert not found.has_boxes
    assert found.area.tolist() == [5, 5]
    assert found.xywh.tolist() == [[1, 0, 1, 5], [0, 0, 1, 5]]
    assert messages(found, "DK102") == [
        "[2].segmentation: run lengths do not add up to height times width",
        "[3].segmentation: polygons need the image's size, which is not known here; give results as run-length masks",
    ]
    assert (found.shapes is None) == (options is FAST)


def test_polygon_results_take_the_size_from_the_truth():
    truth = Images(np.array([1]), ("a.jpg",), np.array([[5.0, 5.0]]))
    found = read("results_segm", replace(ALL, reference_images=truth))
    assert found.area.tolist() == [5, 5, 2 * 2]
    assert found.xywh[2].tolist() == [0, 0, 2, 2]


@pytest.mark.parametrize("options", [ALL, SHAPES, FAST])
def test_keypoints_give_extent(options):
    found = read("results_keypoints", options)
    # All points count, unlabelled ones at the origin too, as in the reference.
    assert found.xywh.tolist() == [[0, 0, 13 - 0, 24 - 0]]
    assert found.area.tolist() == [(13 - 0) * (24 - 0)]
    assert not found.has_boxes
    assert messages(found, "DK102") == ["[1].keypoints: found [1, 2], expected finite numbers in threes"]
    assert (found.keypoints is None) == (options is FAST)


@pytest.mark.parametrize("options", [ALL, SHAPES, FAST])
def test_no_predictions_are_valid(options):
    found = read("results_empty", options)
    assert (len(found), len(found.images), len(found.categories), found.findings) == (0, 0, 0, ())


@pytest.mark.parametrize("options", [ALL, SHAPES, FAST])
def test_unusable_rows(options):
    found = read("results_missing_score", options)
    assert len(found) == 1
    assert messages(found, "DK102") == [
        "[1].bbox: found [1, 2, 3], expected 4 finite numbers",
        "[2].score: is missing, expected a finite number",
        '[3].score: found "0.5", expected a finite number',
        "[4].bbox: is missing, expected 4 finite numbers",
    ]
    nan = read("results_nan_score", options)
    assert messages(nan, "DK102") == ["[1].score: found NaN, expected a finite number"]
    assert summarize(nan.findings) == {"DK102": 1, "DK106": 1}


@pytest.mark.parametrize("options", [ALL, FAST])
def test_full_object_knows_names(options):
    found = read("results_full_object", options)
    assert found.images.file_names == ("a.jpg", "b.jpg")
    assert found.categories.names == ("cat", "dog")
    assert found.categories.has_names
    assert by_id_pairs(found) == [(2, 3, [0, 0, 4, 3], 0.75, 4 * 3)]
    assert summarize(found.findings) == {"DK104": 1}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'{"images": [], "annotations": [{"id": 1}]}', "no `score`: this looks like a truth"),
        (b'{"a": 1}', "without `annotations`"),
        (b"3", "expected a list of results"),
        (b'[{"image_id": 1', "byte 15: ends too early"),
        (b"[" * 100_000, "nested too deeply"),
        (b'[{"image_id": "\xff"}]', "byte 15: found 0xff"),
    ],
)
def test_other_content_is_an_input_error(content, expected, tmp_path):
    path = tmp_path / "x.json"
    path.write_bytes(content)
    for options in (ALL, FAST):
        with pytest.raises(InputError, match=expected):
            coco.read_detections(path, options)
    (tmp_path / "none").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        coco.read_detections(tmp_path / "none", ALL)


def test_a_first_record_without_any_place_does_not_change_the_others(tmp_path):
    path = tmp_path / "x.json"
    path.write_text('[{"image_id": 1, "category_id": 1, "score": 1}, 7, '
                    '{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 1}]')  # fmt: skip
    for options in (ALL, SHAPES, FAST):
        found = coco.read_detections(path, options)
        assert (len(found), found.has_boxes, summarize(found.findings)) == (1, True, {"DK102": 2})


@pytest.mark.parametrize("name", ["results_bbox", "results_segm", "results_keypoints", "results_empty"])
def test_results_are_written_as_read(name, tmp_path):
    source = json.loads(case(name).read_text())
    found = read(name)
    kept = sorted(found.source_row.tolist())
    expected = [source[i] for i in kept]
    if name == "results_segm":
        expected = [{k: v for k, v in row.items() if k != "bbox"} for row in expected]
    assert written(found, tmp_path / "o.json") == expected


def detections(names, categories=("cat", "dog")):
    images = Images(np.arange(1, len(names) + 1), names, np.full((len(names), 2), np.nan), has_own_ids=False)
    rows = np.arange(len(names))
    return Detections.build(
        images,
        Categories.from_names(categories),
        image_index=rows,
        category_index=rows % 2,
        xywh=np.tile([0.1, 2, 3, 4], (len(names), 1)),
        score=np.full(len(names), 1 / 3),
    )


@pytest.mark.parametrize(
    ("names", "expected", "action"),
    [
        (("000000000042.jpg", "7.png"), [42, 7], "taken from numeric file names"),
        (("a.b.jpg", "7.png"), ["a.b", "7"], "written as file names"),
        (("07.jpg", "7.png"), ["07", "7"], "written as file names"),
        (("x/a.jpg", "y/a.jpg"), ["x/a.jpg", "y/a.jpg"], "written as file names"),
        (("", ""), [1, 2], "numbered from 1 (no file names)"),
    ],
)
def test_image_ids_of_formats_without_ids(names, expected, action, tmp_path):
    path = tmp_path / "o.json"
    (loss,) = write_detections(detections(names), path, "coco")
    assert (loss.what, loss.action, loss.count) == ("image ids", action, 2)
    rows = json.loads(path.read_text())
    assert [r["image_id"] for r in rows] == expected
    assert [r["category_id"] for r in rows] == [1, 2]
    assert rows[0]["score"] == 1 / 3
    assert rows[0]["bbox"] == [0.1, 2, 3, 4]


def test_normalised_detections_are_refused(tmp_path):
    with pytest.raises(InputError, match="image sizes unknown"):
        written(replace(detections(("a.jpg",)), units="normalised"), tmp_path / "o.json")


@real_data
@pytest.mark.parametrize("kind", ["bbox", "segm", "keypoints"])
def test_real_results_match_load_res_bit_for_bit(kind, tmp_path):
    truth = "person_keypoints" if kind == "keypoints" else "instances"
    path = DATA / "coco14_100" / f"{kind}_results.json"
    with contextlib.redirect_stdout(io.StringIO()):
        reference = COCO(str(DATA / "coco14_100" / f"{truth}.json")).loadRes(str(path)).dataset["annotations"]
    expected = [
        (a["image_id"], a["category_id"], [float(v) for v in a["bbox"]], a["score"], float(a["area"]))
        for a in reference
    ]
    for options in (ALL, SHAPES, FAST):
        assert by_id_pairs(coco.read_detections(path, options)) == expected
    found = coco.read_detections(path, ALL)
    source = json.loads(path.read_text())
    assert written(found, tmp_path / "o.json") == source


@real_data
@pytest.mark.parametrize("kind", ["bbox", "segm", "keypoints"])
@pytest.mark.parametrize("options", [FAST, SHAPES])
def test_typed_and_generic_agree_on_real_results(kind, options, monkeypatch):
    path = DATA / "coco14_100" / f"{kind}_results.json"
    typed = columns(coco.read_detections(path, options))
    monkeypatch.setattr(_coco_results, "results_decoder", lambda with_shapes: None)
    assert columns(coco.read_detections(path, options)) == typed


@real_data
def test_padilla_results():
    found = coco.read_detections(DATA / "padilla_toy" / "dt.json", FAST)
    assert len(found) == len(json.loads((DATA / "padilla_toy" / "dt.json").read_text()))


odd = st.sampled_from([None, True, "1", 1.0, 1.5, [], {}, 2**70, float("nan"), float("inf"), -1, [1, 2, 3, 4]])
number = st.one_of(st.integers(0, 700), st.floats(0, 700))
record = st.fixed_dictionaries(
    {
        "image_id": st.one_of(st.integers(0, 5), st.sampled_from(["a", "7"])),
        "category_id": st.integers(0, 3),
        "bbox": st.lists(number, min_size=4, max_size=4),
        "score": st.floats(0, 1),
    },
    optional={
        "segmentation": st.just({"size": [5, 5], "counts": "55?"}),
        "keypoints": st.just([1, 2, 2]),
        "note": st.text(max_size=3),
    },
)


@settings(derandomize=True, deadline=None, max_examples=50)
@given(st.lists(record, max_size=5), st.data())
def test_typed_and_generic_agree_on_made_records(tmp_path_factory, rows, data):
    for row in data.draw(st.lists(st.sampled_from(rows), max_size=2)) if rows else ():
        row[data.draw(st.sampled_from(sorted(row)))] = data.draw(odd)
    path = tmp_path_factory.mktemp("results") / "r.json"
    path.write_text(json.dumps(rows))
    for options in (FAST, SHAPES):
        typed = columns(coco.read_detections(path, options))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(_coco_results, "results_decoder", lambda with_shapes: None)
            assert columns(coco.read_detections(path, options)) == typed


@settings(derandomize=True, deadline=None, max_examples=50)
@given(st.lists(record, max_size=5))
def test_results_round_trip_property(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("results")
    (folder / "in.json").write_text(json.dumps(rows))
    assert written(coco.read_detections(folder / "in.json", ALL), folder / "out.json") == rows


def test_a_folder_with_one_json_file_is_that_file(tmp_path: Path) -> None:
    (tmp_path / "dets.json").write_text('[{"image_id": 1, "category_id": 2, "bbox": [1, 2, 3, 4], "score": 0.5}]')
    found = read_detections(tmp_path)
    assert (found.source and found.source.format, found.xywh.tolist()) == ("coco", [[1, 2, 3, 4]])
    (tmp_path / "more.json").write_text("[]")
    with pytest.raises(InputError, match="exactly one JSON file"):
        read_detections(tmp_path, "coco")
