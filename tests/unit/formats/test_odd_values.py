"""Values that no tool writes and that damaged files hold: each is left out and told of, or refused with the file."""

from __future__ import annotations

import contextlib
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detkit import formats
from detkit.errors import DetkitError, InputError
from detkit.tables import Categories, Dataset, Detections, Images

HUGE = 10**25
FAR = [[-1e308, 0], [1e308, 9]]


def place(folder: Path, content: dict[str, Any]) -> Path:
    """A folder with these files; values that are no text become JSON."""
    for name, value in content.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return folder


def supervisely(*figures: dict[str, Any]) -> dict[str, Any]:
    good = {"classTitle": "cat", "geometryType": "rectangle", "points": {"exterior": [[1, 2], [3, 4]], "interior": []}}
    objects = [good | figure for figure in ({}, *figures)]
    return {"d/ann/a.jpg.json": {"size": {"height": 40, "width": 50}, "objects": objects}}


def via(*regions: Any, **record: Any) -> dict[str, Any]:
    rect = {"name": "rect", "x": 1, "y": 2, "width": 3, "height": 4}
    known = [{"shape_attributes": rect | r, "region_attributes": {"class": "cat"}} for r in ({}, *regions)]
    image = {"filename": "a.jpg", "size": -1, "regions": known, "file_attributes": {}} | record
    return {"via_project.json": {"_via_img_metadata": {"a.jpg-1": image}}}


def bdd(**label: Any) -> dict[str, Any]:
    box = {"x1": 1, "y1": 2, "x2": 3, "y2": 4}
    good = {"category": "car", "box2d": box}
    return {"det_train.json": [{"name": "a.jpg", "labels": [good, good | label]}]}


def labelme(*shapes: dict[str, Any]) -> dict[str, Any]:
    good = {"label": "cat", "points": [[1, 2], [4, 6]], "shape_type": "rectangle", "group_id": None, "flags": {}}
    document = {"version": "5.5.0", "imagePath": "a.jpg", "imageData": None, "imageHeight": 40, "imageWidth": 50}
    return {"a.json": document | {"shapes": [good | shape for shape in ({}, *shapes)]}}


def mot(rows: str, length: str = "2", width: str = "100") -> dict[str, Any]:
    ini = f"[Sequence]\nname=s\nimDir=img1\nseqLength={length}\nimWidth={width}\nimHeight=80\nimExt=.jpg\n"
    return {"s/gt/gt.txt": rows, "s/seqinfo.ini": ini}


def voc(objects: str = "", width: str = "50") -> dict[str, Any]:
    """One XML file with a good object after those given."""
    size = f"<size><width>{width}</width><height>40</height></size>"
    return {"a.xml": f"<annotation><filename>a.jpg</filename>{size}{objects}{voc_object('1', '5')}</annotation>"}


def voc_object(xmin: str, xmax: str) -> str:
    corners = f"<xmin>{xmin}</xmin><ymin>1</ymin><xmax>{xmax}</xmax><ymax>5</ymax>"
    return f"<object><name>cat</name><bndbox>{corners}</bndbox></object>"


def open_images(*rows: str) -> dict[str, Any]:
    head = "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax"
    return {"val-annotations-bbox.csv": "\n".join((head, *(f"a,x,/m/1,1,{row}" for row in rows)))}


def label_studio(x: float) -> dict[str, Any]:
    place = {"original_width": 50, "original_height": 40}
    box = {"x": 10, "y": 10, "width": 20, "height": 20, "rectanglelabels": ["cat"]}
    point = {"x": x, "y": 50, "width": 1, "keypointlabels": ["nose"]}
    regions = [
        place | {"id": "r", "type": "rectanglelabels", "value": box},
        place | {"id": "p", "type": "keypointlabels", "value": point, "parentID": "r"},
    ]
    return {"tasks.json": [{"data": {"image": "a.jpg"}, "annotations": [{"result": regions}]}]}


def yolo(rows: str, **more: str) -> dict[str, Any]:
    table = "file,width,height,id\na.jpg,50,40,1\n"
    return {"a.txt": rows, "classes.txt": "cat\n", "detkit-images.csv": table} | more


#: format, files, rows that are read, codes of findings that have to be among those given.
READ: dict[str, tuple[str, dict[str, Any], int, dict[str, int]]] = {
    "tags that are no list": ("supervisely", supervisely({"tags": 1.5}), 2, {}),
    "corners too far apart": (
        "supervisely",
        supervisely({"points": {"exterior": FAR, "interior": []}}),
        1,
        {"DK102": 1},
    ),
    "points too far apart": ("labelme", labelme({"points": FAR}), 1, {"DK102": 1}),
    "attributes that are lists": (
        "labelme",
        labelme({"attributes": {"x": [1, 2]}}, {"attributes": {"x": [3, 4]}}),
        3,
        {},
    ),
    "a number of 400 digits": ("labelme", labelme({"attributes": {"occluded": 10**400}}), 2, {}),
    "a whole number too long": ("via", via({"x": HUGE}), 2, {}),
    "a number that is true": ("via", via({"x": True}), 1, {"DK102": 1}),
    "a box without width": ("via", via({"width": 0}), 2, {"DK201": 1}),
    "an angle that is a list": (
        "via",
        via({"name": "ellipse", "cx": 9, "cy": 9, "rx": 2, "ry": 1, "theta": [1]}),
        2,
        {},
    ),
    "regions that are a number": ("via", via(regions=5), 0, {"DK102": 1}),
    "a box of long numbers": ("bdd100k", bdd(box2d={"x1": 0, "y1": 0, "x2": HUGE, "y2": 1}), 2, {}),
    "edges too far apart": ("bdd100k", bdd(box2d={"x1": -1e308, "y1": 0, "x2": 1e308, "y2": 1}), 1, {"DK102": 1}),
    "a mask that does not add up": ("bdd100k", bdd(rle={"size": [4, 4], "counts": "04L4"}), 2, {"DK215": 1}),
    "a mask alone that does not": ("bdd100k", bdd(rle={"size": [4, 4], "counts": "04L4"}, box2d=None), 1, {"DK102": 1}),
    "a box turned over": ("bdd100k", bdd(box2d={"x1": 9, "y1": 9, "x2": 1, "y2": 1}), 2, {"DK201": 1}),
    "a frame beyond all videos": ("mot", mot("1,1,2,3,4,5,1,1,1\n1e300,1,2,3,4,5,1,1,1\n"), 1, {"DK102": 1}),
    "digits set apart": ("mot", mot("1,1,2,3,4,5,1,1,1\n1_0,1,2,3,4,5,1,1,1\n"), 1, {"DK102": 1}),
    "no height": ("mot", mot("1,1,2,3,4,0,1,1,1\n"), 1, {"DK201": 1}),
    "an endless image": ("mot", mot("1,1,2,3,4,5,1,1,1\n", width="1e999"), 1, {"DK403": 1}),
    "a size that halving loses": ("yolo", yolo("0 0.5 0.5 5e-324 0.5\n"), 1, {"DK201": 1}),
    "an image side that is no float": ("voc", voc(width="1e-400"), 1, {"DK403": 1}),
    "an image side of 0": ("voc", voc(width="0"), 1, {"DK403": 1}),
    "corners of XML too far apart": ("voc", voc(voc_object("-1e308", "1e308")), 1, {"DK102": 1}),
    "corners of text too far apart": ("voc", {"a.txt": "cat -1e308 1 1e308 9\ncat 1 1 9 9\n"}, 1, {"DK102": 1}),
    "a table with an endless image": (
        "voc",
        {"a.txt": "cat 1 1 9 9\n", "detkit-images.csv": "file,width,height\na.jpg,inf,40\n"},
        1,
        {"DK403": 1},
    ),
    "a share too large for pixels": ("yolo", yolo("0 .5 1.7e308 .5 .5\n0 .5 .5 .5 .5\n"), 1, {"DK102": 1}),
    "shares too far apart": ("openimages", open_images("-1.7e308,1.7e308,.1,.2", ".1,.2,.1,.2"), 1, {"DK102": 1}),
    "a keypoint beyond all images": ("label_studio", label_studio(1.7e308), 1, {"DK102": 1}),
    "a mask too far away": (
        "labelme",
        labelme({"shape_type": "mask", "points": [[1.7e308, 1], [1.7e308, 9]], "mask": ""}),
        1,
        {"DK102": 1},
    ),
    "a polygon too wide": (
        "bdd100k",
        bdd(poly2d=[{"vertices": [[-1.7e308, 1], [1.7e308, 1], [1, 9]], "types": "LLL", "closed": True}]),
        2,
        {},
    ),
    "a list of names with NUL": (
        "yolo",
        {
            "data.yaml": "train: train.txt\nnames: [cat]\n",
            "train.txt": "a\0/b.jpg\n./a.jpg\n",
            "a.txt": "0 .5 .5 .1 .1\n",
        },
        1,
        {},
    ),
    "COCO outlines too far apart": (
        "coco",
        {
            "instances.json": {
                "images": [{"id": 1, "file_name": "a.jpg", "width": 50, "height": 40}],
                "categories": [{"id": 1, "name": "cat"}],
                "annotations": [
                    {"id": n, "image_id": 1, "category_id": 1, "segmentation": [[*x, 1, 5, 9]]}
                    for n, x in ((1, [1, 1, 9]), (2, [-1.7e308, 1, 1.7e308]))
                ],
            }
        },
        1,
        {"DK102": 1, "DK206": 1},
    ),
}


@pytest.mark.parametrize("case", READ)
def test_is_read_and_told_of(case: str, tmp_path: Path) -> None:
    name, content, rows, codes = READ[case]
    data = formats.read_dataset(place(tmp_path, content), name)
    assert len(data.annotations) == rows
    found = Counter(f.code for f in data.findings)
    assert {code: found[code] for code in codes} == codes
    assert np.isfinite(data.annotations.xywh).all()


REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "a sequence of years": ("mot", mot("1,1,2,3,4,5,1,1,1\n", length="2147483648"), "`seqLength` is `2147483648`"),
    "a cell too long": (
        "yolo",
        yolo("0 .5 .5 .1 .1\n", **{"detkit-images.csv": f"file,width,height,id\n{'a' * 200_000}.jpg,50,40,1\n"}),
        "not a CSV table",
    ),
    "a set of YOLO with an endless image": (
        "yolo",
        yolo("0 .5 .5 .1 .1\n", **{"detkit-images.csv": "file,width,height,id\na.jpg,1e308,40,1\n"}),
        "expected two numbers from 1",
    ),
    "a set of YOLO with an image of no pixel": (
        "yolo",
        yolo("0 .5 .5 .1 .1\n", **{"detkit-images.csv": "file,width,height,id\na.jpg,5e-324,40,1\n"}),
        "expected two numbers from 1",
    ),
    "images that are a number": ("via", {"via_project.json": {"_via_img_metadata": 5}}, "is no object"),
    "a header with other line ends": (
        "openimages",
        {
            "val-annotations-bbox.csv": "ImageID,LabelName,XMin,XMax,YMin,YMax\x85Source\na,/m/01,.1,.2,.1,.2\n",
        },
        "no column `ymax`",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_is_refused_with_the_file(case: str, tmp_path: Path) -> None:
    name, content, message = REFUSED[case]
    with pytest.raises(InputError, match=message) as caught:
        formats.read_dataset(place(tmp_path, content), name)
    assert str(tmp_path) in str(caught.value)


def test_a_number_of_classes_without_end_says_nothing(tmp_path: Path) -> None:
    content = {
        "obj.data": f"classes = {'9' * 5000}\ntrain = train.txt\nnames = obj.names\n",
        "obj.names": "cat\n",
        "train.txt": "obj/a.jpg\n",
        "obj/a.txt": "0 .5 .5 .1 .1\n",
    }
    assert formats.read_dataset(place(tmp_path, content), "yolo").categories.names == ("cat",)


def test_a_count_of_faces_without_end_is_passed_over(tmp_path: Path) -> None:
    found = formats.read_detections(
        place(tmp_path, {"a.txt": f"a\n{'9' * 5000}\n1 2 3 4 0.5\n1 2 0 4 0.5\n"}), "widerface"
    )
    assert found.xywh.tolist() == [[1, 2, 3, 4], [1, 2, 0, 4]]
    assert "DK201" in {f.code for f in found.findings}


def test_results_without_width_are_told_of(tmp_path: Path) -> None:
    row = {"image_id": 1, "category_id": 1, "bbox": [1, 2, -3, 4], "score": 0.5}
    found = formats.read_detections(place(tmp_path, {"r.json": [row]}) / "r.json", "coco")
    assert [(f.code, f.count) for f in found.findings if f.code == "DK201"] == [("DK201", 1)]


ENDS = "a 0.5 -1.7e308 1 1.7e308 5\n"
FAR_PREDICTIONS: dict[str, tuple[str, dict[str, Any], formats.ReadOptions]] = {
    "COCO keypoints": (
        "coco",
        {
            "results.json": [
                {"image_id": 1, "category_id": 1, "score": 0.5, "keypoints": [-x, 1, 2, x, 4, 2]}
                for x in (5, 1.7e308)
            ]
        },
        formats.ReadOptions(),
    ),
    "devkit": ("voc", {"comp4_det_test_cat.txt": ENDS + "a 0.5 1 1 5 5\n"}, formats.ReadOptions()),
    "text": ("voc", {"a.txt": ENDS + "a 0.5 1 1 5 5\n"}, formats.ReadOptions(layout="class-conf-xyxy")),
    "shares": (
        "yolo",
        {"a.txt": "0 .5 1.7e308 .5 .5 .5\n0 .5 .5 .5 .5 .5\n"},
        formats.ReadOptions(layout="class-cxcywh-norm-conf", image_sizes=formats.ImageSizes(default=(50.0, 40.0))),
    ),
    "CSV": (
        "csv",
        {"p.csv": "image,class,score,x1,y1,x2,y2\na,cat,.5,-1.7e308,1,1.7e308,5\na,cat,.5,1,1,5,5\n"},
        formats.ReadOptions(),
    ),
    "CSV with decimal commas": (
        "csv",
        {"p.csv": "image;class;score;x1;y1;x2;y2\na;cat;0,5;-1,7e308;1;1,7e308;5\na;cat;0,5;1;1;5;5\n"},
        formats.ReadOptions(),
    ),
    "Open Images": (
        "openimages",
        {"p.csv": "ImageID,LabelName,Score,XMin,XMax,YMin,YMax\n"
                  "a,/m/1,.5,-1.7e308,1.7e308,.1,.2\na,/m/1,.5,.1,.2,.1,.2\n"},
        formats.ReadOptions(),
    ),
    "Open Images, Kaggle": (
        "openimages",
        {"p.csv": "ImageID,PredictionString\na,/m/1 .5 -1.7e308 .1 1.7e308 .2 /m/1 .5 .1 .1 .2 .2\n"},
        formats.ReadOptions(),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", FAR_PREDICTIONS)
def test_predictions_too_far_apart_are_left_out(case: str, tmp_path: Path) -> None:
    name, content, options = FAR_PREDICTIONS[case]
    folder = place(tmp_path, content)
    found = formats.read_detections(folder / "p.csv" if name == "csv" else folder, name, options)
    assert len(found) == 1
    assert np.isfinite(found.xywh).all()
    assert [f.code for f in found.findings if f.code == "DK102"] == ["DK102"]


def test_devkit_results_without_width_are_told_of(tmp_path: Path) -> None:
    rows = "a 0.5 1 1 5 5\na 0.5 3 1 2 5\na 0.5 1 4 5 3\n"
    found = formats.read_detections(place(tmp_path, {"comp4_det_test_cat.txt": rows}), "voc")
    # Corners are inclusive: 3 to 2 is no pixel, and 3 to 3 would be one.
    assert found.xywh.tolist() == [[0, 0, 5, 5], [2, 0, 0, 5], [0, 3, 5, 0]]
    flat = [f for f in found.findings if f.code == "DK201"]
    assert [(f.line, f.count, f.message) for f in flat] == [(2, 2, "width 0 and height 5, expected both above zero")]


@pytest.mark.skipif(os.name == "nt", reason="no loops of links there")
@pytest.mark.parametrize(
    ("name", "kind", "rows"),
    [
        ("yolo", "dataset", "0 .5 .5 .1 .1\n"),
        ("yolo", "detections", "0 .5 .5 .1 .1 .9\n0 .1 .1 .2 .2 .9\n0 .9 .9 .2 .2 .9\n"),
        ("voc", "dataset", "cat 1 2 30 40\n"),
        ("kitti", "dataset", "Car 0 0 1.5 1 2 30 40 1 1 1 1 1 1 1\n"),
        ("dota", "dataset", "1 1 9 1 9 9 1 9 cat 0\n"),
        ("widerface", "detections", "a\n1\n1 2 3 4 .5\n"),
    ],
)
def test_one_file_that_cannot_be_read_hides_no_format(name: str, kind: formats.Kind, rows: str, tmp_path: Path) -> None:
    for file in ("b.txt", "c.txt"):
        (tmp_path / file).write_text(rows)
    (tmp_path / "a.txt").symlink_to("a.txt")
    assert formats.fits(tmp_path, kind, name)
    read = formats.read_dataset if kind == "dataset" else formats.read_detections
    with contextlib.suppress(InputError):
        assert "DK101" in {f.code for f in read(tmp_path, name).findings}
        return
    with pytest.raises(InputError, match=r"a\.txt: cannot be read"):
        read(tmp_path, name)


@pytest.mark.skipif(os.name == "nt", reason="no pipes there")
def test_devkit_results_that_are_pipes_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "comp4_det_test_cat.txt")
    with pytest.raises(InputError, match="are no files") as caught:
        formats.read_detections(tmp_path, "voc")
    assert str(tmp_path) in str(caught.value)


@pytest.mark.skipif(os.name == "nt", reason="no such links there")
def test_the_whole_file_system_is_no_folder_of_images(tmp_path: Path) -> None:
    place(tmp_path, {"data.yaml": "train: train.txt\nnames: [cat]\n"})
    (tmp_path / "train.txt").symlink_to("/")
    with pytest.raises(InputError, match="is the root of the file system, expected a folder of images") as caught:
        formats.read_dataset(tmp_path, "yolo")
    assert str(tmp_path) in str(caught.value)


def test_a_frame_without_end_is_no_mot_row(tmp_path: Path) -> None:
    assert not formats.fits(place(tmp_path, {"gt/gt.txt": "inf,1,2,3,4,5,1,1,1\n"}), "dataset", "mot")


def test_an_address_with_a_bracket_has_a_name(tmp_path: Path) -> None:
    from detkit.formats._lvis_images import file_name_of

    assert file_name_of("http://[x/val2017/1.jpg") == "val2017/1.jpg"


def table(file: str = "a.jpg", name: str = "cat", **columns: Any) -> Dataset:
    return Dataset.build(
        Images(np.array([1]), (file,), np.array([[50.0, 40.0]])),
        Categories.from_names((name,)),
        image_index=[0],
        category_index=[0],
        xywh=[[1, 2, 3, 4]],
        **columns,
    )


@pytest.mark.parametrize("to", formats.names("dataset", "write"))
@pytest.mark.parametrize("odd", [{"name": "c\ud800"}, {"file": "a\ud800.jpg"}, {"file": "caf\udce9.jpg"}], ids=ascii)
def test_a_text_without_utf8_is_kept_or_refused(to: str, odd: dict[str, str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    with contextlib.suppress(DetkitError):
        formats.write_dataset(table(**odd), out, to, formats.WriteOptions(place_images="leave"))
    assert not out.exists() or len(formats.read_dataset(out, to).annotations) == 1


@pytest.mark.parametrize("to", ["labelme", "cvat"])
def test_a_group_that_is_a_list_is_none(to: str, tmp_path: Path) -> None:
    data = table(extra={0: {"group_id": [1]}}, attributes={"group_id": np.array([None], dtype=object)})
    data.annotations.attributes["group_id"].setflags(write=True)
    data.annotations.attributes["group_id"][0] = [1]
    formats.write_dataset(data, tmp_path / "out", to, formats.WriteOptions(place_images="leave"))
    assert len(formats.read_dataset(tmp_path / "out", to).annotations) == 1


def test_nan_in_an_unknown_field_is_null_in_json(tmp_path: Path) -> None:
    formats.write_dataset(table(extra={0: {"x": {"y": float("nan")}}}), tmp_path / "out", "labelme")
    assert json.loads((tmp_path / "out" / "a.json").read_bytes())["shapes"][0]["x"] == {"y": None}


def predictions(**columns: Any) -> Detections:
    return Detections.build(
        Images(np.array([1]), ("a.jpg",), np.array([[50.0, 40.0]])),
        Categories.from_names(("cat",)),
        image_index=[0],
        category_index=[0],
        score=[0.5],
        **{"xywh": [[1, 2, 3, 4]]} | columns,
    )


def test_own_parquet_without_width_is_told_of(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    formats.write_detections(predictions(xywh=[[1, 2, 0, 4]]), tmp_path / "p.parquet", "parquet")
    found = formats.read_detections(tmp_path / "p.parquet", "parquet")
    assert found.xywh.tolist() == [[1, 2, 0, 4]]
    assert [f.code for f in found.findings] == ["DK201"]


#: What is done to a table of columns, and what is said of it.
SPOILT_PARQUET: dict[str, tuple[Any, str]] = {
    "a column twice": (lambda pa, t: t.append_column("x1", t.column("x1")), "columns that stand twice: `x1`"),
    "a text without UTF-8": (
        lambda pa, t: t.set_column(0, "image", pa.array([b"\xed"], pa.binary()).cast(pa.string(), safe=False)),
        "damaged Parquet file",
    ),
}


@pytest.mark.parametrize("case", SPOILT_PARQUET)
def test_spoilt_parquet_is_refused_with_the_file(case: str, tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    spoil, message = SPOILT_PARQUET[case]
    good = {"image": ["a"], "class": ["cat"], "score": [0.5], "x1": [1.0], "y1": [1.0], "x2": [5.0], "y2": [5.0]}
    pq.write_table(spoil(pa, pa.table(good)), tmp_path / "p.parquet")
    with pytest.raises(InputError, match=message) as caught:
        formats.read_detections(tmp_path / "p.parquet", "parquet")
    assert str(tmp_path) in str(caught.value)


def test_own_parquet_with_a_column_twice_is_refused(tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    place = tmp_path / "p.parquet"
    formats.write_detections(predictions(), place, "parquet")
    whole = pq.read_table(place)
    pq.write_table(whole.append_column("width", whole.column("width")), place)
    with pytest.raises(InputError, match="columns that stand twice: `width`"):
        formats.read_detections(place, "parquet")


def test_foreign_parquet_too_far_apart_is_left_out(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    columns = {"image": ["a", "a"], "class": ["cat"] * 2, "score": [0.5] * 2, "y1": [1.0] * 2, "y2": [5.0] * 2}
    pq.write_table(pa.table(columns | {"x1": [1.0, -1.7e308], "x2": [5.0, 1.7e308]}), tmp_path / "p.parquet")
    found = formats.read_detections(tmp_path / "p.parquet", "parquet")
    assert found.xywh.tolist() == [[1, 1, 4, 4]]
    assert [(f.code, f.annotation) for f in found.findings if f.code == "DK102"] == [("DK102", 1)]


@pytest.mark.parametrize(
    ("room", "field", "value", "message"),
    [
        (None, "shard", [1], "list index out of range"),
        ("images", "file_names", [5], "a name is no text"),
        ("images", "sizes", [[0, 5]], "an image size is not above 0"),
        ("images", "extra", {"0": 5}, "damaged"),
    ],
)
def test_spoilt_metadata_of_parquet_are_refused(
    room: str | None, field: str, value: Any, message: str, tmp_path: Path
) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    place = tmp_path / "p.parquet"
    formats.write_detections(predictions(), place, "parquet")
    whole = pq.read_table(place)
    content = json.loads(whole.schema.metadata[b"detkit"])
    (content if room is None else content[room])[field] = value
    pq.write_table(whole.replace_schema_metadata({b"detkit": json.dumps(content)}), place)
    with pytest.raises(InputError, match=message) as caught:
        formats.read_detections(place, "parquet")
    assert str(place) in str(caught.value)


@pytest.mark.skipif(os.name == "nt", reason="file names are text there")
def test_parquet_of_any_name(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    odd = tmp_path / os.fsdecode(b"caf\xe9.parquet")
    formats.write_detections(predictions(), odd, "parquet")
    assert formats.read_detections(odd, "parquet").score.tolist() == [0.5]
