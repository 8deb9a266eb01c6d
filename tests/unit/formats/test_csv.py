"""Predictions as CSV."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detkit import formats
from detkit.errors import InputError, UsageError
from detkit.findings import summarize
from detkit.formats import ReadOptions, csv
from detkit.tables import Categories, Detections, Images

FIXTURES = Path(__file__).resolve().parents[3] / "fixtures/formats/csv"


def read(case, **options):
    path = FIXTURES / case / "p.csv" if isinstance(case, str) else case
    return csv.read_detections(path, ReadOptions(**options))


def put(folder, text, name="p.csv"):
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def table(xywh, score, names=("a.jpg",), image_ids=None, categories=None, **rest):
    xywh = np.array(xywh, float).reshape(-1, 4)
    ids = np.arange(1, len(names) + 1) if image_ids is None else np.array(image_ids)
    categories = categories or Categories.from_names(["cat"])
    return Detections.build(
        Images(ids, tuple(names), np.full((len(names), 2), np.nan), has_own_ids=image_ids is not None),
        categories,
        image_index=np.arange(len(xywh)) % len(names),
        category_index=np.arange(len(xywh)) % len(categories),
        xywh=xywh,
        score=np.array(score, float),
        **rest,
    )


def test_xywh_with_quoted_fields():
    found = read("xywh")
    assert found.images.file_names == ("sub/a.jpg", "b, c.jpg")
    assert not found.images.has_own_ids
    assert found.categories.names == ("cat", 'traffic "light"')
    assert found.xywh.tolist() == [[11, 21, 30, 40], [1.5, 1, 10.25, 10]]
    assert found.score.tolist() == [0.9, 0.5]
    assert found.findings == ()


def test_corners_are_exclusive_and_decimal_commas_are_said():
    found = read("corners")
    assert found.images.ids.tolist() == [12, 3]
    assert found.images.has_own_ids
    assert found.xywh.tolist() == [[11, 21, 41 - 11, 61 - 21], [1.1, 1, 11.35 - 1.1, 10]]
    assert found.score.tolist() == [0.9, 0.5]
    # Class numbers: the position is the number.
    assert found.category_index.tolist() == [7, 2]
    assert summarize(found.findings) == {"DK106": 2, "DK109": 1}


def test_centres_and_tabs():
    assert read("centres").xywh.tolist() == [[26 - 30 / 2, 41 - 40 / 2, 30, 40]]


def test_bad_rows_have_their_line():
    found = read("bad_rows")
    assert found.xywh.tolist() == [[1, 2, 3, 4], [1, 2, 0, 4]]
    assert [(f.code, f.line) for f in found.findings] == [
        *[("DK102", line) for line in range(3, 9)],
        ("DK708", 9),
        ("DK201", 9),
    ]
    messages = [f.message for f in found.findings]
    assert messages[1] == "6 fields, expected 7 as in the header"
    assert messages[5] == "9 fields, expected 7 as in the header; are there decimal commas?"


def test_lines_count_blank_lines_and_line_breaks_in_fields(tmp_path):
    text = 'image,class,score,x,y,w,h\n\n"a\nb.jpg",cat,0.5,1,2,3,4\n\nc.jpg,cat,inf,1,2,3,4\n'
    found = read(put(tmp_path, text))
    assert found.images.file_names == ("a\nb.jpg",)
    assert [(f.code, f.line) for f in found.findings] == [("DK102", 6)]
    assert found.findings[0].message == "`inf` is not finite"


def test_missing_columns_name_found_and_wanted():
    with pytest.raises(InputError, match="found columns `image`, `category`, `x`") as caught:
        read("missing_column")
    assert "a confidence (`score`, `confidence`, `conf`)" in caught.value.message
    assert not csv.detect(FIXTURES / "missing_column" / "p.csv", "detections").matches


def test_header_is_required_and_unique(tmp_path):
    with pytest.raises(InputError, match="expected an image"):
        read(put(tmp_path, "a.jpg,cat,0.5,1,2,3,4\n"))
    with pytest.raises(InputError, match="columns that stand twice: `x`"):
        read(put(tmp_path, "image,class,score,x,x,w,h\n"))
    with pytest.raises(InputError, match="empty file"):
        read(put(tmp_path, "\n"))


def test_header_alone_is_predictions_without_a_row(tmp_path):
    found = read(put(tmp_path, "image,category,score,x,y,width,height\n"))
    assert (len(found), len(found.images), len(found.categories)) == (0, 0, 0)


def test_category_ids_with_and_without_names(tmp_path):
    found = read(put(tmp_path, "image_id,category_id,name,score,x,y,w,h\n1,90,cat,0.5,1,2,3,4\n1,3,dog,0.5,1,2,3,4\n"))
    assert found.categories.ids.tolist() == [3, 90]
    assert found.categories.names == ("dog", "cat")
    assert found.category_index.tolist() == [1, 0]
    found = read(put(tmp_path, "image_id,category_id,score,x,y,w,h\n1,90,0.5,1,2,3,4\n"))
    assert (found.categories.names, found.categories.has_names) == (("90",), False)
    with pytest.raises(InputError, match="category 3 is called `dog` and `cat`"):
        read(put(tmp_path, "image_id,category_id,name,score,x,y,w,h\n1,3,dog,0.5,1,2,3,4\n1,3,cat,0.5,1,2,3,4\n"))


def test_class_numbers_are_named_by_a_file_beside(tmp_path):
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    found = read(put(tmp_path, "image,class,score,x,y,w,h\na.jpg,1,0.5,1,2,3,4\n"))
    assert found.categories.names == ("cat", "dog")
    assert found.category_index.tolist() == [1]
    with pytest.raises(InputError, match="class number 2, expected 0 to 1") as caught:
        read(put(tmp_path, "image,class,score,x,y,w,h\na.jpg,2,0.5,1,2,3,4\n"))
    assert caught.value.place == "line 2"


def test_image_ids_with_leading_zeros_are_names(tmp_path):
    found = read(put(tmp_path, "image_id,class,score,x,y,w,h\n000012,cat,0.5,1,2,3,4\n"))
    assert found.images.file_names == ("000012",)
    assert not found.images.has_own_ids


def test_corners_win_over_the_images_width(tmp_path):
    found = read(put(tmp_path, "image,class,conf,xmin,ymin,xmax,ymax,width,height\na,cat,0.5,1,2,11,22,640,480\n"))
    assert found.xywh.tolist() == [[1, 2, 10, 20]]
    assert summarize(found.findings) == {"DK109": 2}


def test_all_shares_are_noticed(tmp_path):
    found = read(put(tmp_path, "image,class,conf,x,y,w,h\na,cat,0.5,0.1,0.2,0.5,0.5\n"))
    assert summarize(found.findings) == {"DK107": 1}


def test_not_text(tmp_path):
    path = tmp_path / "p.csv"
    path.write_bytes("image,class,score,x,y,w,h\n".encode("utf-16"))
    assert not csv.detect(path, "detections").matches
    with pytest.raises(InputError, match="UTF-8"):
        read(path)
    put(tmp_path, 'image,class,score,x,y,w,h\n"a.jpg,cat,0.5,1,2,3,4\n')
    with pytest.raises(InputError, match="not a CSV table"):
        read(path)


@pytest.mark.parametrize("case", ["xywh", "corners", "centres", "bad_rows"])
def test_recognised_as_predictions_only(case):
    path = FIXTURES / case / "p.csv"
    assert csv.detect(path, "detections").matches
    assert not csv.detect(path, "dataset").matches
    assert not csv.detect(path.parent, "detections").matches


def test_other_files_are_not_recognised(tmp_path):
    assert csv.detect(put(tmp_path, '[{"image_id": 1}]', "p.json"), "detections").why == "JSON or XML, not a table"
    assert csv.detect(put(tmp_path, "", "e.csv"), "detections").why == "no header line"
    assert not csv.detect(put(tmp_path, "file,width,height,id\na.jpg,1,2,3\n", "i.csv"), "detections").matches


def test_write(tmp_path):
    found = table([[1, 2, 3.5, 0.1]], [0.25], names=("a, b.jpg",))
    assert formats.write_detections(found, tmp_path / "p.csv", "csv") == []
    expected = 'image,category,score,x,y,width,height\n"a, b.jpg",cat,0.25,1.0,2.0,3.5,0.1\n'
    assert (tmp_path / "p.csv").read_bytes() == expected.encode()


def test_write_ids(tmp_path):
    numbers = Categories(np.array([90]), ("90",), has_names=False)
    found = table([[1, 2, 3, 4]], [0.25], names=("",), image_ids=[139], categories=numbers)
    formats.write_detections(found, tmp_path / "p.csv", "csv")
    assert (tmp_path / "p.csv").read_text().splitlines()[1] == "139,90,0.25,1.0,2.0,3.0,4.0"
    again = read(tmp_path / "p.csv")
    assert (again.images.ids.tolist(), again.categories.ids.tolist()) == ([139], [90])
    both = table([[1, 2, 3, 4]], [0.25], image_ids=[139], categories=Categories(np.array([90]), ("cat",)))
    formats.write_detections(both, tmp_path / "q.csv", "csv")
    again = read(tmp_path / "q.csv")
    assert (again.images.ids.tolist(), again.images.file_names) == ([139], ("a.jpg",))
    assert (again.categories.ids.tolist(), again.categories.names) == ([90], ("cat",))


def test_write_refuses_shares_and_folders(tmp_path):
    with pytest.raises(InputError, match="CSV holds pixels"):
        formats.write_detections(table([[0, 0, 1, 1]], [0.5], units="normalised"), tmp_path / "p.csv", "csv")
    with pytest.raises(UsageError, match="to one file"):
        formats.write_detections(table([[0, 0, 1, 1]], [0.5]), tmp_path / "p", "csv")


def test_images_without_predictions_are_a_loss(tmp_path):
    losses = formats.write_detections(table([], [], names=("a", "b")), tmp_path / "p.csv", "csv")
    assert [(loss.what, loss.count) for loss in losses] == [("images without predictions", 2)]


text = (
    st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=8)
    .map(str.strip)
    .filter(lambda s: s and "\\" not in s and not s.replace(".", "").isnumeric())
)
number = st.floats(-1e6, 1e6)


@settings(derandomize=True, deadline=None, max_examples=50)
@given(st.lists(st.tuples(number, number, st.floats(0.001, 1e6), st.floats(0.001, 1e6)), min_size=1, max_size=9), text)
def test_round_trip_is_exact(tmp_path_factory, boxes, name):
    path = tmp_path_factory.mktemp("csv") / "p.csv"
    scores = np.linspace(0, 1, len(boxes))
    source = table(boxes, scores, names=(f"{name}.jpg", "other.jpg"))
    formats.write_detections(source, path, "csv")
    again = read(path)
    order = np.argsort(again.image_index, kind="stable")
    assert again.xywh[order].tolist() == source.xywh.tolist()
    assert again.score[order].tolist() == source.score.tolist()
    assert again.images.file_names[0] == f"{name}.jpg"
