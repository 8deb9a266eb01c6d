"""Predictions as one text file an image."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detkit.errors import InputError
from detkit.findings import summarize
from detkit.formats import ImageSizes, ReadOptions
from detkit.formats._layouts import LAYOUTS
from detkit.formats._numbers import difference
from detkit.formats._text_detections import probe, read_text_detections
from detkit.tables import Images

FIXTURES = Path(__file__).resolve().parents[3] / "fixtures/formats/voc"
BY_NAME = {layout.name: layout for layout in LAYOUTS}
SIZES = ImageSizes((100, 80))


def read(folder, format="voc", **options):
    return read_text_detections(Path(folder), ReadOptions(**options), format)


def put(folder, **files):
    for name, text in files.items():
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")
    return folder


def reference(**sizes):
    names = tuple(f"{name}.jpg" for name in sizes)
    return Images(np.arange(1, len(names) + 1), names, np.array(list(sizes.values()), float))


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_every_layout_gives_the_same_predictions(name):
    found = read(FIXTURES / "layouts" / name, image_sizes=SIZES)
    assert found.images.file_names == ("a", "b", "c", "d")
    assert found.images.ids.tolist() == [1, 2, 3, 4]
    assert not found.images.has_own_ids
    assert found.image_index.tolist() == [0, 0, 1, 2]
    assert [found.categories.names[i] for i in found.category_index] == ["class7", "class2", "class7", "class2"]
    assert found.xywh.tolist() == [[11, 21, 30, 40], [50, 10, 45, 60], [2, 3, 20, 70], [60, 40, 38, 39]]
    assert found.score.tolist() == [0.9, 0.25, 0.5, 0.75]
    assert found.units == "pixels"
    assert len(found.source.sha256) == 64


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_probe_is_yolo_or_voc_and_never_both(name):
    yolo, voc = (probe(FIXTURES / "layouts" / name, kind).matches for kind in ("yolo", "voc"))
    assert (yolo, voc) == (name == "class-cxcywh-norm-conf", name != "class-cxcywh-norm-conf")


def test_probe_of_other_things(tmp_path):
    assert not probe(FIXTURES / "segments" / "a.txt", "voc").matches
    assert probe(tmp_path, "voc").why == "no .txt file in the folder"
    put(tmp_path, classes="cat\n", readme="hello")
    assert probe(tmp_path, "yolo").why == "no .txt file in the folder"
    put(tmp_path, a="")
    assert probe(tmp_path, "yolo").matches
    assert not probe(tmp_path, "voc").matches
    put(tmp_path, b="Car 0.00 0 -1.57 614.24 181.78 727.31 284.77 1.57 1.73 4.15 1.00 13.22 -5.4 0.9\n")
    assert not probe(tmp_path, "yolo").matches
    assert not probe(tmp_path, "voc").matches
    assert "are not class, confidence and four numbers (b.txt line 1)" in probe(tmp_path, "voc").why


def test_class_names_are_voc_even_in_yolos_columns(tmp_path):
    put(tmp_path, a="cat 0.5 0.5 0.9 0.9 0.75\n")
    assert not probe(tmp_path, "yolo").matches
    assert probe(tmp_path, "voc").matches


def test_empty_files_are_images_without_predictions(tmp_path):
    found = read(put(tmp_path, a="", b="\n\n"), "yolo")
    assert found.images.file_names == ("a", "b")
    assert len(found) == 0
    assert len(found.categories) == 0


def test_untidy_files_are_read_and_bad_rows_named():
    found = read(FIXTURES / "untidy")
    assert found.images.file_names == ("sub/a b.v1", "sub/b")
    # The order of classes.txt, which has all of them.
    assert found.categories.names == ("traffic light", "cat", "dog")
    assert [found.categories.names[i] for i in found.category_index] == ["cat", "traffic light", "cat"]
    assert found.xywh.tolist() == [[10, 20, 30, 40], [0, 0, 10, 10], [4, 4, 1, 86]]
    bad = [f for f in found.findings if f.code == "DK102"]
    assert [(Path(f.file).name, f.line) for f in bad] == [("a b.v1.TXT", n) for n in (4, 5, 6)]
    assert "decimal points, not commas" in bad[0].message
    assert bad[1].message == "a number is not finite"
    assert bad[2].message == "found 5 columns, one number too few: expected a class and 5 numbers"


def test_layout_without_sizes_is_said():
    (said,) = [f for f in read(FIXTURES / "two_readings").findings if f.code == "DK107"]
    assert "`class-conf-xyxy`: image sizes are unknown, and x2 > x1 and y2 > y1 in every row" in said.message


def test_two_readings_ask_for_the_flag():
    with pytest.raises(InputError, match=r"can be read as `class-conf-xyxy`.*or `class-conf-xywh`") as caught:
        read(FIXTURES / "two_readings", image_sizes=SIZES)
    assert "`--layout class-conf-xyxy`" in caught.value.hint
    forced = read(FIXTURES / "two_readings", image_sizes=SIZES, layout="class-conf-xywh")
    assert forced.xywh.tolist() == [[10, 10, 60, 60]]
    assert "DK107" not in summarize(forced.findings)


def test_no_reading_fits_says_why_for_each(tmp_path):
    put(tmp_path, a="cat 0.9 1 2 3 4\n", b="cat 7 2 3 4 5\n")
    with pytest.raises(InputError, match="the rows fit no layout of columns") as caught:
        read(tmp_path)
    assert "class-conf-xyxy: confidence 1" not in caught.value.message
    assert "class-xyxy-conf: confidence 4 is outside [0, 1] (a.txt line 1)" in caught.value.message


def test_no_confidence_column():
    with pytest.raises(InputError, match="no confidence column: 1 row") as caught:
        read(FIXTURES / "no_confidence", "yolo")
    assert "save_conf=True" in caught.value.hint
    assert probe(FIXTURES / "no_confidence", "yolo").matches


def test_outlines_are_refused():
    with pytest.raises(InputError, match="rows hold outlines"):
        read(FIXTURES / "segments", "yolo")


def test_track_ids_are_left_out_and_counted():
    found = read(FIXTURES / "tracks", "yolo")
    assert found.score.tolist() == [0.75, 0.5]
    assert summarize(found.findings) == {"DK109": 2}
    assert found.units == "normalised"
    np.testing.assert_allclose(found.xywh[0], [0.5 - 0.9 / 2, 0.5 - 0.9 / 2, 0.9, 0.9])


def test_seven_columns_in_another_layout_are_bad_rows(tmp_path):
    found = read(put(tmp_path, a="0 0.9 11 21 40 60\n0 0.8 11 21 40 60 7\n"), layout="class-conf-xyxy")
    assert len(found) == 1
    (bad,) = found.findings
    assert (bad.code, bad.line, bad.message) == ("DK102", 2, "found 7 columns, expected 6 in layout `class-conf-xyxy`")


def test_nothing_readable(tmp_path):
    with pytest.raises(InputError, match=r"a.txt: line 2: no row can be read \(1 tried\); found 2 columns"):
        read(put(tmp_path, a="\nhello there\n"))
    with pytest.raises(InputError, match="this is a file"):
        read(tmp_path / "a.txt")


def test_yolo_format_is_not_guessed(tmp_path):
    # These boxes fit confidence second too; the user said YOLO.
    put(tmp_path, a="0 0.5 0.5 0.5 0.1 0.1\n")
    assert read(tmp_path, "yolo").score.tolist() == [0.1]
    with pytest.raises(InputError, match="can be read as") as caught:
        read(tmp_path, "voc")
    assert "`--layout class-cxcywh-norm-conf` is what Ultralytics writes" in caught.value.hint
    assert probe(tmp_path, "voc").matches
    (tmp_path / "detkit.json").write_text('{"format": "yolo", "kind": "detections"}')
    assert probe(tmp_path, "yolo").matches
    assert not probe(tmp_path, "voc").matches
    put(tmp_path, a="0 0.9 10 20 30 40\n")
    with pytest.raises(InputError, match=r"found `0.9 10 20 30 40` after the class, expected shares") as caught:
        read(tmp_path, "yolo")
    assert caught.value.place == "line 1"


def test_shares_become_pixels_by_the_truths_sizes(tmp_path):
    put(tmp_path, a="0 0.5 0.5 0.2 0.2 0.9\n", b="0 0.25 0.5 0.5 0.5 0.8\n")
    found = read(tmp_path, "yolo", reference_images=reference(a=(100, 50), b=(200, 80)))
    assert found.units == "pixels"
    assert found.xywh.tolist() == [[40, 20, 20, 10], [0, 20, 100, 40]]
    assert found.images.sizes.tolist() == [[100, 50], [200, 80]]


def test_sizes_for_some_images_only(tmp_path):
    put(tmp_path, a="0 0.5 0.5 0.2 0.2 0.9\n", b="0 0.25 0.5 0.5 0.5 0.8\n")
    with pytest.raises(InputError, match="known for some images only; 1 have none: `b`"):
        read(tmp_path, "yolo", image_sizes=ImageSizes(by_name={"a": (100, 50)}))
    # An image that the truth does not know cannot be scored: its rows go, counted.
    found = read(tmp_path, "yolo", reference_images=reference(a=(100, 50)))
    assert found.images.file_names == ("a",)
    (finding,) = [f for f in found.findings if f.code == "DK701"]
    assert (finding.count, finding.image) == (1, "b")


def test_sizes_from_the_table_beside_and_from_headers(tmp_path):
    from PIL import Image

    folder = tmp_path / "labels"
    folder.mkdir()
    put(folder, a="0 0.5 0.5 0.2 0.2 0.9\n", b="0 0.5 0.5 0.2 0.2 0.9\n")
    (tmp_path / "detkit-images.csv").write_text("file,width,height,id\nimages/a.jpg,100,50,1\nimages/b.jpg,,,2\n")
    (tmp_path / "images").mkdir()
    Image.new("RGB", (200, 80)).save(tmp_path / "images" / "b.png")
    found = read(folder, "yolo", images_dir=tmp_path / "images")
    assert found.images.sizes.tolist() == [[100, 50], [200, 80]]
    assert found.xywh.tolist() == [[40, 20, 20, 10], [80, 32, 40, 16]]


def test_names_with_dots_and_same_name_in_two_folders(tmp_path):
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "img.v1.txt").write_text("0 0.5 0.5 0.2 0.2 0.9\n")
    images = Images(np.arange(2), ("x/img.v1.jpg", "y/img.v1.png"), np.array([[100.0, 50], [200, 80]]))
    found = read(tmp_path, "yolo", reference_images=images)
    assert found.images.file_names == ("x/img.v1", "y/img.v1")
    assert found.images.sizes.tolist() == [[100, 50], [200, 80]]


def test_a_name_that_could_be_two_images_has_no_size(tmp_path):
    put(tmp_path, a="0 0.5 0.5 0.2 0.2 0.9\n", b="0 0.5 0.5 0.2 0.2 0.9\n")
    images = Images(np.arange(3), ("x/a.jpg", "y/a.jpg", "b.jpg"), np.array([[100.0, 50], [200, 80], [100, 100]]))
    found = read(tmp_path, "yolo", reference_images=images)
    assert found.images.file_names == ("b",)
    assert summarize(found.findings)["DK701"] == 1
    nameless = Images(np.array(["a", "b"], object), ("", ""), np.array([[100.0, 50], [200, 80]]))
    assert read(tmp_path, "yolo", reference_images=nameless).images.sizes.tolist() == [[100, 50], [200, 80]]


def test_class_numbers_without_names_keep_their_number(tmp_path):
    folder = tmp_path / "a" / "b" / "c"
    folder.mkdir(parents=True)
    found = read(put(folder, a="3 0.5 0.5 0.2 0.2 0.9\n"), "yolo")
    assert found.categories.names == ("0", "1", "2", "3")
    assert not found.categories.has_names
    assert found.category_index.tolist() == [3]
    named = read(folder, "yolo", names=("a", "b", "c", "d"))
    assert named.categories.names[named.category_index[0]] == "d"
    with pytest.raises(InputError, match=r"class number 3, expected 0 to 2, there are 3 names") as caught:
        read(folder, "yolo", names=("a", "b", "c"))
    assert caught.value.path.endswith("a.txt")
    assert caught.value.place == "line 1"
    with pytest.raises(InputError, match="class number -1"):
        read(put(folder, a="-1 0.5 0.5 0.2 0.2 0.9\n"), "yolo")


def test_names_that_differ_by_case(tmp_path):
    found = read(put(tmp_path, a="cat 0.9 11 21 40 60\nCat 0.8 1 1 20 20\n"))
    assert summarize(found.findings)["DK304"] == 2


def test_forced_layout_reports_what_does_not_fit(tmp_path):
    put(tmp_path, a="cat 1.5 10 10 60 60\ncat 0.5 60 10 10 60\ncat 0.9 1 2 3 4\n")
    found = read(tmp_path, layout="class-conf-xyxy")
    assert len(found) == 3
    assert [(f.code, f.line) for f in found.findings] == [("DK708", 1), ("DK201", 2)]


def test_files_that_are_no_text(tmp_path):
    put(tmp_path, a="cat 0.9 10 10 60 60\n")
    (tmp_path / "b.txt").write_bytes("cat 0.9 10 10 60 60\n".encode("utf-16"))
    (tmp_path / "c.txt").write_bytes(b"caf\xe9 0.9 10 10 60 60\n")
    found = read(tmp_path)
    assert [(f.code, Path(f.file).name) for f in found.findings if f.code == "DK101"] == [
        ("DK101", "b.txt"),
        ("DK101", "c.txt"),
    ]


def test_underscored_numbers_and_infinities_are_no_numbers(tmp_path):
    found = read(put(tmp_path, a="my_cat 0.9 10 10 60 60\nmy_cat 0.9 1_0 10 60 60\nmy_cat 0.9 10 10 1e999 60\n"))
    assert found.xywh.tolist() == [[9, 9, 51, 51]]
    assert [f.line for f in found.findings if f.code == "DK102"] == [2, 3]


PADILLA = {
    "dets_classid_abs_xywh": ("class-conf-xywh", [12, 44, 332, 437]),
    "dets_classid_rel_xcycwh": (
        "class-conf-cxcywh-norm",
        [(0.475215 - 0.8848 / 2) * 375, (0.524656 - 0.873787 / 2) * 500, 0.8848 * 375, 0.873787 * 500],
    ),
    "dets_classname_abs_xyx2y2": ("class-conf-xyxy", [12 - 1, 44 - 1, 344 - 11, 481 - 43]),
}


@pytest.mark.parametrize("name", sorted(PADILLA))
@pytest.mark.parametrize("with_sizes", [True, False])
def test_padillas_layouts_need_no_flag(shared_data, name, with_sizes):
    from detkit.formats import voc

    truth = voc.read(shared_data / "padilla_toy" / "gts_vocpascal_format", ReadOptions())
    options = {"reference_images": truth.images} if with_sizes else {}
    found = read(shared_data / "padilla_toy" / name, **options)
    layout, first = PADILLA[name]
    (said,) = [f.message for f in found.findings if f.code == "DK107"]
    assert f"read as `{layout}`" in said
    assert len(found) == 12
    assert {found.categories.names[i] for i in found.category_index} == {"cat"}
    if BY_NAME[layout].relative and not with_sizes:
        assert found.units == "normalised"
        first = [first[0] / 375, first[1] / 500, first[2] / 375, first[3] / 500]
    np.testing.assert_allclose(found.xywh[0], first, rtol=1e-9)


@pytest.mark.parametrize(
    ("name", "area", "eleven"),
    [
        ("dets_classname_abs_xyx2y2", 0.5097222, 0.4924242),
        ("dets_classid_abs_xywh", 0.5170455, 0.4979339),
        ("dets_classid_rel_xcycwh", 0.5170455, 0.4979339),
    ],
)
def test_padillas_published_figures(shared_data, name, area, eleven):
    """Inclusive corners and sizes as stated are what gives the published average precisions."""
    from detkit.formats import voc

    truth = voc.read(shared_data / "padilla_toy" / "gts_vocpascal_format", ReadOptions())
    found = read(shared_data / "padilla_toy" / name, reference_images=truth.images)
    assert naive_voc_ap(truth, found, 0.75) == pytest.approx((area, eleven), abs=5e-8)
    assert naive_voc_ap(truth, found, 0.5) == pytest.approx((0.8958333, 0.8863636), abs=5e-8)


def naive_voc_ap(truth, found, threshold):
    boxes = {}
    for image, box in zip(truth.annotations.image_index, truth.annotations.xywh, strict=True):
        boxes.setdefault(Path(truth.images.file_names[image]).stem, []).append(box)

    def iou(a, b):
        w = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
        h = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
        both = max(w, 0) * max(h, 0)
        return both / (a[2] * a[3] + b[2] * b[3] - both)

    used, hits = set(), []
    for row in np.argsort(-found.score, kind="stable"):
        name = found.images.file_names[found.image_index[row]]
        overlaps = [iou(found.xywh[row], box) for box in boxes.get(name, [])]
        best = int(np.argmax(overlaps)) if overlaps else -1
        hit = best >= 0 and overlaps[best] >= threshold and (name, best) not in used
        used |= {(name, best)} if hit else set()
        hits.append(hit)
    recall = np.cumsum(hits) / len(truth.annotations)
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    eleven = [max(precision[recall >= r], default=0) for r in np.arange(0, 1.1, 0.1)]
    return float(np.sum(np.diff(recall, prepend=0) * envelope)), float(np.mean(eleven))


def test_cartuchos_predictions(shared_data):
    found = read(shared_data / "cartucho" / "detection-results")
    assert (len(found.images), len(found)) == (85, 494)
    assert probe(shared_data / "cartucho" / "detection-results", "voc").matches


@settings(derandomize=True, deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(-(10**9), 10**9), st.integers(-(10**9), 10**9)), min_size=1, max_size=20))
def test_difference_of_three_decimals_is_exact(pairs):
    a, b = np.array(pairs).T
    assert difference(a / 1000, b / 1000).tolist() == ((a - b) / 1000).tolist()


@settings(derandomize=True, deadline=None, max_examples=30)
@given(st.data())
def test_probe_never_claims_both(tmp_path_factory, data):
    number = st.one_of(st.floats(0, 1), st.floats(0, 600), st.sampled_from(["x", "nan", ""]))
    rows = data.draw(st.lists(st.lists(number, min_size=1, max_size=8), max_size=4))
    folder = tmp_path_factory.mktemp("probe")
    put(folder, a="\n".join("0 " + " ".join(map(str, row)) for row in rows))
    assert not (probe(folder, "yolo").matches and probe(folder, "voc").matches)
