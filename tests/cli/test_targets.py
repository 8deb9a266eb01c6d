from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import detkit
from cli._run import DEMO, Outcome, run

ANCHORS = "10,13 16,30 33,23 30,61 62,45 59,119 116,90 156,198 373,326"


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    return Path(shutil.copytree(DEMO / "coco", tmp_path / "coco"))


def targets(demo: Path, *arguments: str, code: int = 0) -> Outcome:
    done = run(["targets", "instances_val.json", "-o", "t.npz", *arguments], demo)
    assert done.code == code, done.stderr
    return done


@pytest.mark.parametrize("arrangement", [[], ["--per-image"], ["--sparse"]])
def test_there_and_back(demo, arrangement):
    report = json.loads(targets(demo, "--image-size", "416", "--anchors", ANCHORS, "--json", *arrangement).stdout)
    truth = detkit.read(demo / "instances_val.json")
    assert report["schema"] == "detkit.targets/1"
    assert report["objects"] + report["collided"] + sum(report["left_out"].values()) == len(truth.annotations)
    assert [level["shape"] for level in report["levels"]] == [[n, n, 3, 5 + 4] for n in (52, 26, 13)]
    assert run(["targets", "t.npz", "--decode", "-o", "back.json"], demo).code == 0
    back = detkit.read(demo / "back.json")
    assert len(back.annotations) == report["objects"]
    assert back.images.ids.tolist() == truth.images.ids.tolist()
    distance = np.abs(back.annotations.xywh[:, None] - truth.annotations.xywh[None]).max(axis=2)
    same_image = back.annotations.image_index[:, None] == truth.annotations.image_index
    same_class = back.annotations.category_index[:, None] == truth.annotations.category_index
    assert np.where(same_image & same_class, distance, 1.0).min(axis=1).max() < 1e-9


def test_text_and_bytes(demo):
    done = targets(demo, "--image-size", "416", "--anchors", ANCHORS)
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "52 x 52 x 3 x 9" in done.stdout
    first = (demo / "t.npz").read_bytes()
    targets(demo, "--image-size", "416", "--anchors", ANCHORS, code=2)  # exists
    targets(demo, "--image-size", "416", "--anchors", ANCHORS, "--overwrite")
    assert (demo / "t.npz").read_bytes() == first


def test_anchors_of_a_report_and_other_strides(demo):
    command = ["anchors", "instances_val.json", "-k", "4", "--levels", "2", "--image-size", "256"]
    assert run([*command, "--format", "json", "-o", "anchors.json"], demo).code == 0
    done = targets(demo, "--image-size", "256", "--anchors", "anchors.json", "--strides", "16,32", "--json")
    found = json.loads(done.stdout)
    stated = json.loads((demo / "anchors.json").read_text())
    assert [level["anchors"] for level in found["levels"]] == [level["anchors"] for level in stated["levels"]]
    assert found["objects"] == stated["boxes"] - stated["assignment"]["collided"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--image-size", "416"], "targets need --anchors"),
        (["--image-size", "416", "--anchors", ANCHORS, "--sparse", "--per-image"], "at most one of"),
        (["--anchors", ANCHORS], "the input size of the network is not known"),
        (["--image-size", "400", "--anchors", ANCHORS], "no multiple of the stride"),
        (["--image-size", "416", "--anchors", "1,2"], "1 anchor does not fill 3 levels"),
        (["--image-size", "416", "--anchors", ANCHORS, "--encoding", "pixels"], "--encoding: found `pixels`"),
        (["--image-size", "416", "--anchors", ANCHORS, "--strides", "8,a"], "--strides: found `8,a`"),
        (["--decode"], "not a targets file of detkit"),
    ],
)
def test_wrong_requests(demo, arguments, message):
    assert message in targets(demo, *arguments, code=2).stderr
    assert not (demo / "t.npz").exists()


def test_an_output_is_never_the_input(demo):
    done = run(["targets", "instances_val.json", "-o", "instances_val.json", "--anchors", ANCHORS, "--overwrite"], demo)
    assert done.code == 2
    assert "is an input of this command" in done.stderr
