from __future__ import annotations

import json
from dataclasses import replace
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from detkit import formats
from detkit.api.suspecting import export_suspects, suspect_format
from detkit.errors import InputError, OutputError, UsageError
from detkit.evaluation import evaluate, protocols
from detkit.evaluation.align import align
from strategies import detections_of, truth_of

BOX, FAR, LOOSE = [100.0, 100.0, 50.0, 50.0], [400.0, 50.0, 60.0, 60.0], [100.0, 100.0, 50.0, 20.0]
SCORE = {"overlooked": 0.0, "swapped": 0.0, "badly located": 0.9 * 0.4 + 0.1 * np.exp(-1.5)}


def result_of(*, size=(600, 400), names=("cat", "dog", "cow & <b>"), files=None, **rest):
    """Image 0 lacks a label, that of image 1 is of the wrong class, that of 2 is too high, 3 is right."""
    truth = truth_of(
        [(0, 0, BOX), (1, 1, BOX), (2, 2, BOX), (3, 2, BOX)],
        image_ids=[10, 11, 12, 13],
        file_names=files or ["a.jpg", "sub/b.jpg", "c.png", "d.png"],
        class_ids=[1, 2, 7],
        class_names=list(names),
        size=size,
        **rest,
    )
    found = detections_of(
        [(10, 1, FAR, 0.97), (11, 1, BOX, 0.99), (12, 7, LOOSE, 0.9), (13, 7, BOX, 0.9)],
        class_ids=[1, 2, 7],
        **({"units": rest["units"]} if "units" in rest else {}),
    )
    return evaluate(align(truth, found), protocols.get("coco"), with_partners=True)


def test_coco_reads_back(tmp_path):
    done = export_suspects(result_of(ids=np.array([5, 6, 9, 8])), tmp_path / "relabel.json")
    assert done.to_dict() == {
        "path": str(tmp_path / "relabel.json"),
        "format": "coco",
        "images": 3,
        "suspects": {"overlooked": 1, "swapped": 1, "badly located": 1},
    }
    content = json.loads((tmp_path / "relabel.json").read_text(encoding="utf-8"))
    assert [(row["id"], row["file_name"], row["width"]) for row in content["images"]] == [
        (10, "a.jpg", 600),
        (11, "sub/b.jpg", 600),
        (12, "c.png", 600),
    ]
    present = [row for row in content["annotations"] if "suggested" not in row.get("attributes", {})]
    suggested = [row for row in content["annotations"] if row.get("attributes", {}).get("suggested")]
    assert [row["id"] for row in present] == [5, 6, 9]
    assert [row["id"] for row in suggested] == [10, 11, 12]
    assert [row.get("attributes", {}).get("suspect") for row in present] == [None, "swapped", "badly located"]
    assert [(row["category_id"], row["bbox"]) for row in suggested] == [(1, FAR), (1, BOX), (7, LOOSE)]
    told = [row["attributes"] for row in suggested]
    assert [(row["suspect"], row["action"], row.get("truth_id")) for row in told] == [
        ("overlooked", "add", None),
        ("swapped", "relabel", 6),
        ("badly located", "move", 9),
    ]
    assert [row["score"] for row in told] == pytest.approx([SCORE[row["suspect"]] for row in told], abs=1e-6)
    again = formats.read_dataset(tmp_path / "relabel.json")
    assert (len(again.images), len(again.annotations)) == (3, 6)
    assert [f.code for f in again.findings if f.severity == "error"] == []


def test_coco_numbers_annotations_anew_where_their_ids_repeat(tmp_path):
    export_suspects(result_of(ids=np.array([5, 5, 5, 5])), tmp_path / "a.json")
    content = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert [row["id"] for row in content["annotations"]] == [1, 2, 3, 4, 5, 6]


def test_cvat_for_images(tmp_path):
    export_suspects(result_of(), tmp_path / "relabel.xml")
    root = ET.parse(tmp_path / "relabel.xml").getroot()
    assert root.tag == "annotations"
    assert root.findtext("version") == "1.1"
    labels = root.findall("meta/task/labels/label")
    assert [label.findtext("name") for label in labels] == ["cat", "dog", "cow & <b>"]
    assert {a.findtext("name") for a in labels[0].findall("attributes/attribute")} == {
        *("suspect", "score", "suggested", "action", "truth_id"),
    }
    images = root.findall("image")
    assert [dict(image.attrib) for image in images][1] == {
        "id": "1",
        "name": "sub/b.jpg",
        "width": "600",
        "height": "400",
    }
    present, suggested = images[2].findall("box")
    assert present.attrib == {
        "label": "cow & <b>",
        "source": "manual",
        "occluded": "0",
        "xtl": "100",
        "ytl": "100",
        "xbr": "150",
        "ybr": "150",
        "z_order": "0",
    }
    assert (suggested.get("ybr"), suggested.get("source"), suggested.get("z_order")) == ("120", "auto", "1")
    assert {a.get("name"): a.text for a in suggested.findall("attribute")} == {
        "suspect": "badly located",
        "score": f"{SCORE['badly located']:.6f}",
        "suggested": "true",
        "action": "move",
        "truth_id": "3",
    }


@pytest.mark.parametrize("name", ["a\x00b", "\ud800c"])
def test_cvat_holds_no_character_that_xml_cannot(tmp_path, name):
    with pytest.raises(InputError, match=r"class name .* cannot be written: it is blank or has control characters"):
        export_suspects(result_of(names=(name, "b", "d")), tmp_path / "a.xml")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a.json", "folder"])
def test_half_a_surrogate_pair_is_kept(tmp_path, name):
    export_suspects(result_of(names=("\ud800", "b", "c"), files=["\ud800.jpg", "b", "c", "d"]), tmp_path / name)
    written = tmp_path / name if name == "a.json" else tmp_path / name / "?.json"
    assert "\\ud800" in written.read_text(encoding="utf-8")


def test_labelme(tmp_path):
    image = tmp_path / "images" / "c.png"
    result = result_of()
    images = replace(result.truth.images, paths=(None, None, str(image), None))
    result = replace(result, truth=replace(result.truth, images=images))
    export_suspects(result, tmp_path / "out", limit=3)
    assert sorted(p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*.json")) == [
        *("a.json", "c.json", "detkit.json", "sub/b.json"),
    ]
    content = json.loads((tmp_path / "out/c.json").read_text(encoding="utf-8"))
    assert set(content) == {
        *("version", "flags", "shapes", "imagePath", "imageData", "imageHeight", "imageWidth"),
    }
    assert (content["imagePath"], content["imageData"]) == ("../images/c.png", None)
    assert (content["imageWidth"], content["imageHeight"]) == (600, 400)
    present, suggested = content["shapes"]
    assert present["points"] == [[100, 100], [150, 150]]
    assert present["description"] == "suspect: badly located, score 0.382"
    assert suggested["points"] == [[100, 100], [150, 120]]
    assert suggested["flags"] == {"suggested": True}
    assert suggested["description"] == "suggestion: move annotation 3 (badly located, score 0.382)"
    for shape in (present, suggested):
        assert shape["shape_type"] == "rectangle"
        assert {"label", "points", "group_id", "description", "shape_type", "flags", "mask"} <= set(shape)
    assert json.loads((tmp_path / "out/sub/b.json").read_text(encoding="utf-8"))["imagePath"] == "b.jpg"


@pytest.mark.parametrize(
    ("files", "written"),
    [
        (("../../x.jpg", "/etc/y.png", "C:\\z.png"), ["x.json", "y.json", "z.json"]),
        (("a.jpg", "A.png", ""), ["12.json", "A.png.json", "a.jpg.json"]),
        (("detkit.jpg", "sub/detkit.jpg", "b.c.jpg"), ["b.c.json", "detkit.jpg.json", "sub/detkit.json"]),
    ],
)
def test_labelme_names_stay_inside_and_differ(tmp_path, files, written):
    export_suspects(result_of(files=[*files, "d.png"]), tmp_path / "deep" / "out")
    found = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.json"))
    assert found == sorted(["deep/out/detkit.json", *(f"deep/out/{name}" for name in written)])
    assert json.loads((tmp_path / "deep/out/detkit.json").read_text(encoding="utf-8"))["format"] == "labelme"


def test_two_images_of_one_name_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"images '/a/x\.jpg' and '\.\./x\.jpg' would both be called `x\.jpg`"):
        export_suspects(result_of(files=["/a/x.jpg", "../x.jpg", "c", "d"]), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_formats_read_back_what_is_suggested(tmp_path):
    for name in ("a.json", "a.xml", "folder"):
        files = ["a.jpg", "b.jpg", "c.png", "d.png"]
        export_suspects(result_of(ids=np.array([5, 6, 9, 8]), files=files), tmp_path / name)
        rows = formats.read_dataset(tmp_path / name).annotations
        assert rows.xywh.tolist() == [BOX, FAR, BOX, BOX, BOX, LOOSE]
        assert rows.attributes["suspect"].tolist()[1:] == ["overlooked", "swapped", "swapped", *["badly located"] * 2]
        assert [bool(value) for value in rows.attributes["suggested"]] == [False, True, False, True, False, True]
        assert [value and str(value) for value in rows.attributes["truth_id"]] == [None, None, None, "6", None, "9"]


def test_boxes_stay_as_they_are_in_the_truth(tmp_path):
    export_suspects(result_of(), tmp_path / "a.json")
    content = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert [row["bbox"] for row in content["annotations"]][::2] == [BOX, BOX, BOX]
    assert [row["iscrowd"] for row in content["annotations"]] == [0] * 6


def test_limit_and_order(tmp_path):
    done = export_suspects(result_of(), tmp_path / "a.json", limit=2)
    assert done.suspects == {"overlooked": 1, "swapped": 1, "badly located": 0}
    with pytest.raises(UsageError, match="at most 0 suspects: expected 1 or more"):
        export_suspects(result_of(), tmp_path / "b.json", limit=0)


def test_existing_targets_need_overwrite(tmp_path):
    for name in ("a.json", "a.xml", "folder"):
        export_suspects(result_of(), tmp_path / name)
        with pytest.raises(OutputError, match="exists already"):
            export_suspects(result_of(), tmp_path / name)
        export_suspects(result_of(), tmp_path / name, overwrite=True, limit=1)
    assert sorted(p.name for p in (tmp_path / "folder").iterdir()) == ["a.json", "detkit.json"]
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "mine.txt").write_text("x")
    with pytest.raises(OutputError, match="not written by detkit"):
        export_suspects(result_of(), foreign, overwrite=True)


def test_sizes_are_needed_where_the_tool_needs_them(tmp_path):
    unknown = result_of(size=(np.nan, np.nan))
    with pytest.raises(InputError, match=r"the size of 3 images is unknown, CVAT states it: `a\.jpg`"):
        export_suspects(unknown, tmp_path / "a.xml")
    assert list(tmp_path.iterdir()) == []
    export_suspects(unknown, tmp_path / "a.json")
    assert "width" not in json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))["images"][0]
    export_suspects(unknown, tmp_path / "folder")
    assert json.loads((tmp_path / "folder/a.json").read_text(encoding="utf-8"))["imageHeight"] is None
    with pytest.raises(UsageError, match="relabelling needs pixels"):
        export_suspects(result_of(units="normalised"), tmp_path / "b.json")


def test_format_is_told_by_the_name(tmp_path):
    assert [suspect_format(name) for name in ("a.json", "a.XML", "folder")] == ["coco", "cvat", "labelme"]
    assert suspect_format("a.json", "labelme") == "labelme"
    with pytest.raises(UsageError, match="does not tell the format of the suspects"):
        suspect_format("a.csv")
    with pytest.raises(UsageError, match="unknown format of suspects `voc`; known: coco, cvat, labelme"):
        suspect_format("a.json", "voc")


def test_same_input_gives_the_same_bytes(tmp_path):
    for name in ("a.json", "a.xml"):
        export_suspects(result_of(), tmp_path / name)
        first = (tmp_path / name).read_bytes()
        export_suspects(result_of(), tmp_path / name, overwrite=True)
        assert (tmp_path / name).read_bytes() == first
