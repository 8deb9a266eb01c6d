from __future__ import annotations

import json

import numpy as np
import pytest
import yaml

from detkit.anchors.export import as_text
from detkit.anchors.levels import checked_anchors, parse_anchors, split_levels, strides_for
from detkit.errors import InputError, UsageError

YOLO = "10,13 16,30 33,23 30,61 62,45 59,119 116,90 156,198 373,326"


def test_strides():
    assert strides_for(None, None) == (8, 16, 32)
    assert [strides_for(n, None) for n in (1, 2, 3, 4)] == [(32,), (16, 32), (8, 16, 32), (8, 16, 32, 64)]
    assert strides_for(None, (4, 8)) == strides_for(2, (4, 8)) == (4, 8)
    for levels, strides in ((3, (8, 16)), (None, (16, 8)), (None, ()), (0, None), (9, None), (None, (0, 8))):
        with pytest.raises(UsageError):
            strides_for(levels, strides)


@pytest.mark.parametrize(
    "text",
    [YOLO, YOLO.replace(" ", ",  "), YOLO.replace(",", "x"), f"[{YOLO.replace(' ', ', ')}]", YOLO.replace(" ", "; ")],
)
def test_anchors_as_configurations_write_them(text):
    found = parse_anchors(text)
    assert found.shape == (9, 2)
    assert found[[0, -1]].tolist() == [[10, 13], [373, 326]]


@pytest.mark.parametrize("text", ["", "10", "10,13 16", "10,abc", "10,-3", "nan,4", "0,4", "1e999,4"])
def test_anchors_that_make_no_sense(text):
    with pytest.raises(UsageError):
        parse_anchors(text)


def test_anchors_of_a_report(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"schema": "detkit.anchors/1", "anchors": [[1, 2], [3, 4.5]]}))
    assert parse_anchors(str(path)).tolist() == [[1, 2], [3, 4.5]]
    for content in ("{}", "[1, 2]", "nonsense", '{"anchors": [[1, 0]]}', '{"anchors": [[1, 2, 3]]}'):
        path.write_text(content)
        with pytest.raises(InputError, match=r"a\.json: no list of"):
            parse_anchors(str(path))
    with pytest.raises(UsageError, match=r"shape \(2,\)"):
        checked_anchors([1.0, 2.0])


def test_split_over_levels():
    levels = split_levels(parse_anchors(YOLO), (8, 16, 32))
    assert [part.tolist()[0] for part in levels.anchors] == [[10, 13], [30, 61], [116, 90]]
    assert levels.level.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert levels.place.tolist() == [0, 1, 2] * 3
    uneven = split_levels(np.arange(1, 11).reshape(5, 2), (8, 16, 32))
    assert [len(part) for part in uneven.anchors] == [2, 2, 1]
    with pytest.raises(UsageError, match="2 anchors do not fill 3 levels"):
        split_levels([[1, 2], [3, 4]], (8, 16, 32))
    with pytest.raises(UsageError, match="smaller than those of a finer one"):
        split_levels(parse_anchors(YOLO)[::-1], (8, 16, 32))


# --- configurations


def test_yolov5_is_the_layout_of_its_models():
    text = as_text(split_levels(parse_anchors(YOLO), (8, 16, 32)), "yolov5", classes=80)
    assert text == (
        "anchors:\n"
        "  - [10,13, 16,30, 33,23]  # P3/8\n"
        "  - [30,61, 62,45, 59,119]  # P4/16\n"
        "  - [116,90, 156,198, 373,326]  # P5/32\n"
    )
    assert yaml.safe_load(text)["anchors"][0] == [10, 13, 16, 30, 33, 23]
    assert as_text(split_levels(parse_anchors(YOLO), (8, 16, 32)), "yolov7", classes=80) == text


def test_mmdet_has_the_coarsest_level_first():
    text = as_text(split_levels(parse_anchors(YOLO), (8, 16, 32)), "mmdet", classes=80)
    found = eval(f"dict({text})")["anchor_generator"]
    assert found == {
        "type": "YOLOAnchorGenerator",
        "base_sizes": [
            [(116, 90), (156, 198), (373, 326)],
            [(30, 61), (62, 45), (59, 119)],
            [(10, 13), (16, 30), (33, 23)],
        ],
        "strides": [32, 16, 8],
    }


def test_darknet_has_a_section_a_level_the_coarsest_first():
    text = as_text(split_levels(parse_anchors(YOLO), (8, 16, 32)), "darknet", classes=3)
    assert text.count("[yolo]\n") == 3
    assert [line for line in text.splitlines() if line.startswith("mask")] == [
        "mask = 6,7,8",
        "mask = 3,4,5",
        "mask = 0,1,2",
    ]
    assert text.count("anchors = 10,13,  16,30,  33,23,  30,61,  62,45,  59,119,  116,90,  156,198,  373,326\n") == 3
    assert text.count(f"filters={3 * (3 + 5)}\n") == text.count("classes=3\nnum=9\n") == 3


def test_levels_of_different_length():
    levels = split_levels(np.arange(1, 11).reshape(5, 2), (8, 16, 32))
    assert "mask = 4\n" in as_text(levels, "darknet", classes=1)
    for to in ("yolov5", "mmdet"):
        with pytest.raises(UsageError, match="5 on 3 levels are 2, 2, 1") as caught:
            as_text(levels, to, classes=1)
        assert caught.value.hint == "ask for 6"
    with pytest.raises(UsageError, match="unknown configuration `keras`"):
        as_text(levels, "keras", classes=1)


def test_small_sides_keep_a_decimal():
    text = as_text(split_levels([[2.46, 9.96], [10.4, 300.6]], (16,)), "yolov5", classes=1)
    assert text == "anchors:\n  - [2.5,10, 10,301]  # P4/16\n"
    assert "# stride 12\n" in as_text(split_levels([[2, 3]], (12,)), "yolov5", classes=1)
