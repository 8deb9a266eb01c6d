"""`--scheduler` of `detkit predict` and `detkit convert`, and patterns of sources, as a shell sees them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from cli._run import DEMO, run

MODEL = next((DEMO / "model").glob("*.onnx"))
PREDICT = ["predict", MODEL, DEMO / "images" / "val", "--device", "cpu"]
PATTERN = DEMO / "coco" / "*.json"


def files_in(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_predictions_by_dask_are_those_of_one_process(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="running models needs the extra `cpu` or `gpu`")
    pytest.importorskip("distributed", reason="Dask tasks need the extra `scale`")
    one = run([*PREDICT, "-o", "one.json"], tmp_path)
    cut = run([*PREDICT, "-o", "cut.json", "--scheduler", "local", "--workers", "2", "--json"], tmp_path)
    assert (one.code, cut.code) == (0, 0), cut.stderr
    assert (tmp_path / "cut.json").read_bytes() == (tmp_path / "one.json").read_bytes()
    assert json.loads(cut.stdout)["images"] == 20
    assert "20 images, on cpu" in cut.stderr


def test_a_pattern_converts_every_source(tmp_path: Path) -> None:
    done = run(["convert", PATTERN, "out", "--to", "yolo", "--json"], tmp_path)
    assert done.code == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["schema"] == "detkit.conversions/1"
    assert [Path(one["target"]).as_posix() for one in found["conversions"]] == [
        "out/instances_train",
        "out/instances_val",
    ]
    assert "wrote out/instances_train: 40 images, 145 boxes, coco to yolo" in done.stderr.replace("\\", "/")
    assert run(["convert", DEMO / "coco" / "instances_val.json", "one", "--to", "yolo"], tmp_path).code == 0
    assert files_in(tmp_path / "out" / "instances_val") == files_in(tmp_path / "one")


def test_conversions_by_dask_are_those_of_one_process(tmp_path: Path) -> None:
    pytest.importorskip("distributed", reason="Dask tasks need the extra `scale`")
    assert run(["convert", PATTERN, "one", "--to", "voc"], tmp_path).code == 0
    done = run(["convert", PATTERN, "cut", "--to", "voc", "--scheduler", "local", "--workers", "2"], tmp_path)
    assert done.code == 0, done.stderr
    assert files_in(tmp_path / "cut") == files_in(tmp_path / "one")


def test_strict_writes_all_or_nothing(tmp_path: Path) -> None:
    done = run(["convert", PATTERN, "out", "--to", "yolo", "--strict"], tmp_path)
    assert done.code == 1
    assert "would write out" in done.stderr
    assert not (tmp_path / "out").exists()


def test_wrong_requests(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}")
    (tmp_path / "a.xml").write_text("<a/>")
    for arguments, message in (
        (["convert", PATTERN, "out", "--to", "yolo", "--workers", "2"], "add --scheduler local"),
        (["convert", "none/*.json", "out", "--to", "yolo"], "nothing fits this pattern"),
        (["convert", PATTERN, "out"], "name it with --to"),
        (["convert", PATTERN, "out", "--to", "nothing"], "unknown format `nothing`"),
        (["convert", "a.*", "out", "--to", "coco"], "would both be written to"),
        ([*PREDICT, "-o", "x.json", "--shard-folder", "parts"], "add --scheduler local"),
    ):
        done = run(arguments, tmp_path)
        assert (done.code, done.stdout) == (2, ""), done.stderr
        assert message in done.stderr


@pytest.mark.parametrize(
    "arguments", [[*PREDICT, "-o", "x.json"], ["convert", DEMO / "coco" / "instances_val.json", "x", "--to", "yolo"]]
)
def test_without_dask_one_line_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    done = run([*arguments, "--scheduler", "local"], tmp_path)
    assert (done.code, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        "error: this needs `distributed`, which is not installed",
        'hint: pip install "detkit[scale]"',
    ]
