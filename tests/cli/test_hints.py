"""Hints are in the words of the command that was called."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import pytest

from cli._run import DEMO, run

TRUTH, FOUND, WORSE = "coco/instances_val.json", "predictions/coco.json", "predictions/coco_worse.json"


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    for name in ("coco", "predictions", "model"):
        shutil.copytree(DEMO / name, tmp_path / name)
    (tmp_path / "notes.md").write_text("nothing of the kind\n")
    return tmp_path


def hint_of(line: str, folder: Path) -> str:
    outcome = run(shlex.split(line), folder)
    assert outcome.code == 2, outcome.stdout + outcome.stderr
    (hint,) = [text for text in outcome.stderr.splitlines() if text.startswith("hint: ")]
    return hint.removeprefix("hint: ")


@pytest.mark.parametrize(
    ("line", "right"),
    [
        (f"eval {FOUND} {TRUTH} --iou 0.5", f"eval {TRUTH} {FOUND} --iou 0.5"),
        (f"eval --iou 0.5 ./{FOUND} {TRUTH}", f"eval --iou 0.5 {TRUTH} {FOUND}"),
        (f"compare {FOUND} {TRUTH} {WORSE}", f"compare {TRUTH} {FOUND} {WORSE}"),
        (f"report {FOUND} {TRUTH} -o 'a page.html'", f"report {TRUTH} {FOUND} -o 'a page.html'"),
    ],
)
def test_swapped_inputs_give_the_command_that_works(demo: Path, line: str, right: str) -> None:
    assert hint_of(line, demo) == f"these look swapped, the truth comes first: detkit {right}"


@pytest.mark.parametrize(
    ("line", "flag"),
    [
        (f"eval notes.md {FOUND}", "--truth-format"),
        (f"eval {TRUTH} notes.md", "--predictions-format"),
        (f"eval {TRUTH} {TRUTH}", "--predictions-format"),
        (f"compare {TRUTH} {FOUND} notes.md", "--predictions-format"),
        (f"compare {TRUTH} {FOUND} {TRUTH}", "--predictions-format"),
        ("convert notes.md out --to yolo", "--from"),
        (f"convert {FOUND} out.csv --truth notes.md", None),
        ("stats notes.md", "--from"),
        (f"diff {FOUND} notes.md", "--from"),
        ("nms notes.md -o out.json", "--from"),
        (f"iou notes.md {FOUND}", None),
    ],
)
def test_the_hint_names_an_option_that_the_command_has(demo: Path, line: str, flag: str | None) -> None:
    hint = hint_of(line, demo)
    assert hint.startswith("point at the file or folder that holds the ")
    assert hint.rpartition(", or ")[2] == (f"name its format with `{flag}`" if flag else hint)
    assert flag is None or flag in run([line.split()[0], "--help"], demo).stdout


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        (f"eval coco/instance_val.json {FOUND}", TRUTH),
        (f"eval {TRUTH} predictions/cocoo.json", FOUND),
        (f"eval {TRUTH} {FOUND} --images modle", "model"),
        (f"eval {TRUTH} {FOUND} --hierarchy {TRUTH}n", TRUTH),
        ("check cooc/instances_val.json", TRUTH),
        ("model model/shape.onnx", "model/shapes.onnx"),
        ("predict model/shapes.onnx modle -o out.json", "model"),
        ("frames modl --every 2 -o out", "model"),
        (f"tile --join {FOUND} --index {FOUND}n -o out.json", FOUND),
    ],
)
def test_a_near_name_is_suggested_wherever_an_input_is_missing(demo: Path, line: str, meant: str) -> None:
    if "onnx" in line:
        pytest.importorskip("onnx")
    outcome = run(shlex.split(line), demo)
    assert outcome.code == 2
    assert f"hint: did you mean `{meant}`?" in outcome.stderr.splitlines()
