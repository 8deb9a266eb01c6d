"""`detkit draw` over the demo."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

import detkit
from cli._run import DEMO, run, tree


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(DEMO, tmp_path_factory.mktemp("draw") / "demo"))


def test_outcomes_are_those_of_eval(demo, tmp_path):
    truth, found = demo / "coco" / "instances_val.json", demo / "predictions" / "coco.json"
    done = run(["draw", truth, found, "-o", "look", "--json"], tmp_path)
    assert done.code == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["schema"] == "detkit.draw/1"
    from detkit.evaluation.matches import match_table

    result = detkit.evaluate(truth, found, score_threshold=0.25, with_partners=True)
    outcomes = match_table(result)["outcome"]
    assert {kind: report["outcomes"][kind] for kind in ("TP", "FP", "FN")} == {
        kind: outcomes.count(kind) for kind in ("TP", "FP", "FN")
    }
    assert len([name for name in tree(tmp_path / "look") if name.endswith(".jpg")]) == report["images"] == 20


def test_a_folder_of_images_and_predictions_by_name(demo, tmp_path):
    bare = shutil.copytree(demo / "images" / "val", tmp_path / "photos")
    for source, more in ((bare, []), (demo / "images" / "val", ["--from", "images", "--overwrite"])):
        done = run(["draw", source, demo / "predictions" / "yolo", "-o", "look", *more], tmp_path)
        assert done.code == 0, done.stderr
        assert "20 images, 0 truths, 78 predictions" in done.stderr


def test_sheet(demo, tmp_path):
    done = run(
        ["draw", demo / "data.yaml", "-o", "s.png", "--sheet", "3x2", "--sample", "6", "--split", "val"], tmp_path
    )
    assert done.code == 0, done.stderr
    with Image.open(tmp_path / "s.png") as found:
        assert found.format == "PNG"
        assert found.size[0] > 3 * 100


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["data.yaml", "-o", "out", "--beside"], "no predictions were given"),
        (["data.yaml", "-o", "out", "--sheet", "3"], "--sheet: found `3`"),
        (["data.yaml", "-o", "out", "--colours", "x"], "--colours: found `x`"),
        (["data.yaml", "-o", "out", "--classes", "cow"], "unknown class `cow`"),
        (["data.yaml", "-o", "out", "--font", "data.yaml"], "not a font"),
        (["voc", "-o", "out"], "no image file was found"),
        (["data.yaml", "-o", "images"], "exists already"),
    ],
)
def test_bad_requests(demo, arguments, message):
    before = tree(demo)
    done = run(["draw", *arguments], demo)
    assert done.code == 2, done.stderr
    assert message in done.stderr
    assert tree(demo) == before


def test_the_score_threshold_and_what_it_leaves_out_are_told(demo, tmp_path):
    truth, found = demo / "coco" / "instances_val.json", demo / "predictions" / "coco.json"
    rows = json.loads(found.read_text())
    stars = [row for row in rows if row["category_id"] == 4]
    for more, chosen, threshold in (([], rows, 0.25), (["--conf", "0.5", "--classes", "star"], stars, 0.5)):
        below = sum(row["score"] < threshold for row in chosen)
        assert 0 < below < len(chosen)
        done = run(["draw", truth, found, "-o", "look", "--overwrite", "--json", *more], tmp_path)
        left = f"{below} predictions with a lower score left out"
        told = f"predictions with score >= {threshold:g} (--score-threshold), {left}"
        assert done.stderr.splitlines()[-1] == told
        report = json.loads(done.stdout)
        assert (report["predictions"], report["hidden"]) == (len(chosen) - below, below)
        assert report["score_threshold"] == threshold
    without = run(["draw", truth, "-o", "truth", "--json"], tmp_path)
    assert "--score-threshold" not in without.stderr
    assert json.loads(without.stdout)["score_threshold"] is None
