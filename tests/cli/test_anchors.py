from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from cli._run import DEMO, Outcome, run

YOLO = "10,13 16,30 33,23 30,61 62,45 59,119 116,90 156,198 373,326"


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    folder = tmp_path / "demo"
    folder.mkdir()
    for name in ("data.yaml", "labels", "images", "model"):
        (shutil.copytree if (DEMO / name).is_dir() else shutil.copy)(DEMO / name, folder / name)
    return folder


def anchors(demo: Path, *arguments: str, code: int = 0) -> Outcome:
    done = run(["anchors", "data.yaml", *arguments], demo)
    assert done.code == code, done.stderr
    return done


def test_text_fits_a_terminal(demo):
    done = anchors(demo, "--image-size", "640", "--check", YOLO, "--sweep", "3-12", "--evolve", "20")
    assert max(map(len, done.stdout.splitlines())) <= 80
    for words in ("mean best IoU", "best possible recall (BPR)", "given", "<- knee", "class (worst first)", "YOLOv8"):
        assert words in done.stdout


def test_json_says_the_same_as_the_tables(demo):
    done = anchors(demo, "-k", "6", "--image-size", "320x256", "--format", "json")
    found = json.loads(done.stdout)
    assert found["schema"] == "detkit.anchors/1"
    assert len(found["anchors"]) == 6
    assert found["settings"]["image_size"] == [320, 256]
    assert found["splits"] == ["train", "val"]
    assert anchors(demo, "-k", "6", "--image-size", "320x256", "--to", "json").stdout == done.stdout
    text = anchors(demo, "-k", "6", "--image-size", "320x256").stdout
    assert f"{found['mean_best_iou']:.4f}" in text
    one = json.loads(anchors(demo, "--image-size", "640", "--split", "val", "--format", "json").stdout)
    assert one["splits"] == ["val"]
    assert one["boxes"] < found["boxes"]


def test_same_seed_same_bytes(demo):
    options = ("--image-size", "640", "--format", "json", "--evolve", "30", "--seed", "7")
    for name in ("a.json", "b.json"):
        anchors(demo, *options, "-o", name)
    assert (demo / "a.json").read_bytes() == (demo / "b.json").read_bytes()


def test_configurations(demo):
    rows = yaml.safe_load(anchors(demo, "--image-size", "640", "--to", "yolov5").stdout)["anchors"]
    assert [len(row) for row in rows] == [6, 6, 6]
    assert "base_sizes=[[(" in anchors(demo, "--image-size", "640", "--to", "mmdet").stdout
    assert "classes=4\nnum=9" in anchors(demo, "--image-size", "640", "--to", "darknet").stdout
    done = anchors(demo, "-k", "5", "--image-size", "640", "--to", "yolov7", code=2)
    assert "hint: ask for 6" in done.stderr


def test_a_report_is_checked_by_the_next(demo):
    anchors(demo, "-k", "6", "--image-size", "640", "--format", "json", "-o", "before.json")
    before = json.loads((demo / "before.json").read_text())
    after = json.loads(anchors(demo, "--image-size", "640", "--check", "before.json", "--format", "json").stdout)
    assert after["given"]["mean_best_iou"] == before["mean_best_iou"]
    assert after["anchors"] == before["anchors"]


def test_a_model_says_the_size(demo):
    pytest.importorskip("onnx")
    found = json.loads(anchors(demo, "--model", "model/shapes.onnx", "-k", "3", "--format", "json").stdout)
    width, height = found["settings"]["image_size"]
    assert width > 0
    assert height > 0
    done = anchors(demo, "--model", "model/shapes.onnx", "--image-size", "1024", code=2)
    assert f"the model takes {width}x{height} only" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the input size of the network is not known"),
        (["--image-size", "600"], "600x600 is no multiple of the stride 16"),
        (["--image-size", "640", "--levels", "2", "--strides", "8,16,32"], "found 2 levels and 3 strides"),
        (["--image-size", "640", "--check", "10,13,5"], "expected pairs of numbers"),
        (["--image-size", "640", "--sweep", "9-3"], "expected `3-12`"),
        (["--image-size", "640", "--metric", "l2"], "--metric: found `l2`"),
        (["--image-size", "640", "--to", "keras"], "--to: found `keras`"),
        (["--image-size", "640", "--ratio-threshold", "nan"], "--ratio-threshold is nan"),
        (["--image-size", "640", "-k", "9999"], "distinct sizes, 9999 anchors were asked for"),
    ],
)
def test_wrong_requests(demo, arguments, message):
    assert message in anchors(demo, *arguments, code=2).stderr


def test_nothing_to_fit_cannot_be_judged(tmp_path):
    content = {"images": [{"id": 1, "file_name": "a.jpg", "width": 64, "height": 64}], "annotations": [],
               "categories": [{"id": 1, "name": "a"}]}  # fmt: skip
    (tmp_path / "empty.json").write_text(json.dumps(content))
    done = run(["anchors", "empty.json", "--image-size", "64"], tmp_path)
    assert done.code == 3
    assert "no box to fit anchors to" in done.stderr


@pytest.mark.parametrize(("name", "lost"), [("bccd", 2), ("coco51/instances.json", 1)])
def test_real_data(shared_data, tmp_path, name, lost):
    """Better than the anchors of COCO; no more boxes uncovered than those."""
    command = ["anchors", shared_data / name, "--image-size", "640", "--check", YOLO, "--format", "json"]
    found = json.loads(run(command, tmp_path).stdout)
    assert found["mean_best_iou"] > found["given"]["mean_best_iou"] + 0.01
    assert found["uncovered"] == lost
    assert np.diff(np.prod(found["anchors"], axis=1)).min() >= 0
