"""No command writes over one of its inputs, or writes one file twice, whatever `--overwrite` says."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cli._run import DEMO, run

TRUTH, FOUND, MODEL, IMAGES = "t.json", "p.json", "m.onnx", str(DEMO / "images" / "val")

REPLACED = {
    "anchors": (f"anchors {TRUTH} --model {MODEL}", MODEL),
    "bench": (f"bench {MODEL} --rounds 1 --batch 1", MODEL),
    "check baseline": (f"check {TRUTH} --baseline b.json", "b.json"),
    "check predictions": (f"check {TRUTH} --predictions {FOUND}", FOUND),
    "compare": (f"compare {TRUTH} {FOUND} q.json --slices s.json", "s.json"),
    "convert": (f"convert {FOUND} {{}} --to coco --truth {TRUTH}", TRUTH),
    "eval raw": (f"eval {TRUTH} {FOUND} --raw q.json", "q.json"),
    "eval rules": (f"eval {TRUTH} {FOUND} --rules r.yaml", "r.yaml"),
    "gate": ("gate b.json --require AP>=0 --baseline c.json", "c.json"),
    "merge-results": ("merge-results part.npz --rules r.yaml", "r.yaml"),
    "model": (f"model {MODEL} --dataset {TRUTH}", TRUTH),
    "nms": (f"nms {FOUND} --truth {TRUTH}", TRUTH),
    "predict model": (f"predict {MODEL} {IMAGES} --format coco", MODEL),
    "predict truth": (f"predict {MODEL} {IMAGES} --truth {TRUTH}", TRUTH),
    "report": (f"report {TRUTH} {FOUND} --compare q.json", "q.json"),
    "targets": (f"targets {TRUTH} --anchors 10,13 --image-size 64 --strides 8 --model {MODEL}", MODEL),
    "tile": (f"tile --join {FOUND} --index x.csv", "x.csv"),
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    shutil.copyfile(DEMO / "coco" / "instances_val.json", tmp_path / TRUTH)
    shutil.copyfile(DEMO / "predictions" / "coco.json", tmp_path / FOUND)
    shutil.copyfile(DEMO / "predictions" / "coco_worse.json", tmp_path / "q.json")
    shutil.copyfile(DEMO / "model" / "shapes.onnx", tmp_path / MODEL)
    for name in ("b.json", "c.json", "s.json", "r.yaml", "x.csv", "part.npz"):
        (tmp_path / name).write_text("{}")
    return tmp_path


@pytest.mark.parametrize("case", REPLACED)
def test_an_input_is_never_replaced(case: str, place: Path) -> None:
    line, target = REPLACED[case]
    before = (place / target).read_bytes()
    words = [*line.split(), "-o", target] if "{}" not in line else line.format(target).split()
    done = run([*words, "--overwrite"], place)
    assert (done.code, done.stdout) == (2, "")
    assert f"{target}: is an input of this command and is not replaced" in done.stderr
    assert (place / target).read_bytes() == before


@pytest.mark.parametrize("options", ["-o out.csv --matches out.csv", "--matches a.csv --save-matches ./a.csv"])
def test_one_file_is_not_written_twice(options: str, place: Path) -> None:
    done = run(["eval", TRUTH, FOUND, *options.split()], place)
    assert done.code == 2
    assert "would be written twice by this command" in done.stderr
    assert not list(place.glob("*.csv")) or [p.name for p in place.glob("*.csv")] == ["x.csv"]


def test_an_output_that_is_there_is_refused_before_the_work(place: Path) -> None:
    done = run(["bench", MODEL, "-o", "b.json"], place)
    assert done.code == 2
    assert "b.json: exists already" in done.stderr
