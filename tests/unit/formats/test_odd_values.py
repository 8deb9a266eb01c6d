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


@pytest.mark.skipif(os.name == "nt", reason="file names are text there")
def test_parquet_of_any_name(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    found = Detections.build(
        Images(np.array([1]), ("a.jpg",), np.array([[50.0, 40.0]])),
        Categories.from_names(("cat",)),
        image_index=[0],
        category_index=[0],
        xywh=[[1, 2, 3, 4]],
        score=[0.5],
    )
    formats.write_detections(found, tmp_path / "p.parquet", "parquet")
    odd = tmp_path / os.fsdecode(b"caf\xe9.parquet")
    (tmp_path / "p.parquet").rename(odd)
    assert formats.read_detections(odd, "parquet").score.tolist() == [0.5]
