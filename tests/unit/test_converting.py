"""What a conversion says of classes that only take a number, and what its sources are called."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from detkit import api
from detkit.api.converting import conversion_pairs, is_pattern
from detkit.errors import InputError, UsageError


def roboflow(folder: Path, *, used: bool = False, above: str = "cells") -> Path:
    """A COCO file as Roboflow exports it: class 0 is what all others belong to."""
    box = {"image_id": 0, "bbox": [1, 2, 3, 4], "area": 12, "iscrowd": 0}
    rows = [{"id": n, "category_id": n + 1, **box} for n in (0, 1)]
    rows += [{**rows[0], "id": 9, "category_id": 0}] if used else []
    names = ["RBC", "WBC"]
    content = {
        "images": [{"id": 0, "file_name": "a_jpg.rf.0a1b2c3d4e5f.jpg", "width": 20, "height": 20}],
        "annotations": rows,
        "categories": [
            {"id": 0, "name": "cells", "supercategory": "none"},
            *({"id": n, "name": name, "supercategory": above} for n, name in enumerate(names, 1)),
        ],
    }
    path = folder / "_annotations.coco.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def said(source: Path, target: Path, to: str) -> list[str]:
    return [f.message for f in api.convert(source, target, to).findings if f.code == "DK306"]


def test_a_placeholder_class_keeps_its_number_and_is_named(tmp_path: Path) -> None:
    found = said(roboflow(tmp_path), tmp_path / "yolo", "yolo")
    assert len(found) == 1
    assert "class `cells` has no boxes" in found[0]
    assert "takes class number 0" in found[0]
    assert "`detkit remap --drop cells`" in found[0]
    labels = next((tmp_path / "yolo" / "labels").rglob("*.txt")).read_text()
    assert [line.split()[0] for line in labels.splitlines()] == ["1", "2"]
    assert said(roboflow(tmp_path), tmp_path / "b.json", "coco") == []


def test_classes_with_boxes_and_classes_of_no_others_are_no_placeholders(tmp_path: Path) -> None:
    assert said(roboflow(tmp_path, used=True), tmp_path / "a", "yolo") == []
    assert said(roboflow(tmp_path, above="none"), tmp_path / "b", "yolo") == []


def test_a_pattern_means_all_that_fit(tmp_path: Path) -> None:
    for name in ("b.json", "a.json.gz", "c.tar.gz"):
        (tmp_path / name).touch()
    (tmp_path / "v1.2").mkdir()
    (tmp_path / "x[1].json").touch()
    out = tmp_path / "out"
    assert is_pattern(tmp_path / "*.json")
    assert not is_pattern(tmp_path / "x[1].json"), "a file of that name is there"
    found = conversion_pairs(tmp_path / "[abcv]*", out, "coco")
    assert [(a.name, b.name) for a, b in found] == [
        ("a.json.gz", "a.json"),
        ("b.json", "b.json"),
        ("c.tar.gz", "c.json"),
        ("v1.2", "v1.2.json"),
    ]
    assert [b.name for _, b in conversion_pairs(tmp_path / "v*", out, "yolo")] == ["v1.2"]
    assert conversion_pairs("here", "there", None) == [(Path("here"), Path("there"))]
    (tmp_path / "b.zip").touch()
    with pytest.raises(UsageError, match="would both be written to"):
        conversion_pairs(tmp_path / "b.*", out, "voc")
    with pytest.raises(InputError, match="nothing fits"):
        conversion_pairs(tmp_path / "q*", out, "voc")
