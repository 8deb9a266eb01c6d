"""What `detkit convert` says of file names, of rows it leaves out, and of splits."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from cli._run import DEMO, run

TRUTH, FOUND = "coco/instances_val.json", "predictions/coco.json"


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    return shutil.copytree(DEMO, tmp_path / "demo")


def test_predictions_without_file_names_say_what_images_are_called(demo: Path) -> None:
    outcome = run(["convert", FOUND, "out", "--to", "voc"], demo)
    (line,) = [line for line in outcome.stderr.splitlines() if "DK110" in line]
    assert outcome.code == 0
    assert line == (
        f"info DK110: {FOUND}: 19 images are called by their ids (`6`, `8`, `13`, ...): their file names are not "
        "known, `--truth DATASET` gives them"
    )
    assert (demo / "out" / "comp4_det_test_1.txt").read_text().startswith("6 ")


@pytest.mark.parametrize(
    "more", [["out", "--to", "voc", "--truth", TRUTH], ["out.csv"], ["out.json"], ["out", "--to", "parquet"]]
)
def test_images_with_names_and_formats_with_ids_need_no_word(demo: Path, more: list[str]) -> None:
    outcome = run(["convert", FOUND, *more], demo)
    assert outcome.code == 0, outcome.stderr
    assert "called by" not in outcome.stderr


def test_a_row_left_out_does_not_change_the_exit_code_and_the_last_line_says_what_does(demo: Path) -> None:
    rows = json.loads((demo / FOUND).read_text())
    rows[3]["bbox"] = [1, 2]
    (demo / "bad.json").write_text(json.dumps(rows))
    outcome = run(["convert", "bad.json", "bad.csv"], demo)
    assert outcome.code == 0
    assert outcome.stderr.splitlines()[-2:] == [
        f"wrote bad.csv: 19 images, {len(rows) - 1} boxes, coco to csv",
        "hint: what is left out does not change the exit code; --strict exits 1 and writes nothing",
    ]
    strict = run(["convert", "bad.json", "strict.csv", "--strict"], demo)
    assert strict.code == 1
    assert not (demo / "strict.csv").exists()
    whole = run(["convert", FOUND, "whole.csv"], demo)
    assert "--strict" not in whole.stderr


def test_a_split_that_was_asked_for_is_no_loss(demo: Path) -> None:
    asked = run(["convert", "data.yaml", "val.json", "--split", "val", "--strict"], demo)
    assert (asked.code, "lost" in asked.stderr) == (0, False), asked.stderr
    all_of_them = run(["convert", "data.yaml", "all.json", "--split", "all"], demo)
    assert "lost splits: 2 dropped" in all_of_them.stderr
    assert "lost splits: 2 dropped" in run(["convert", "data.yaml", "whole.json"], demo).stderr
