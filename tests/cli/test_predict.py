"""`detkit predict`, `detkit bench` and what `detkit doctor` says of onnxruntime, as a shell sees them."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from cli._run import DEMO, ROOT, run

ort = pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A tiny model with the names `circle`, `square` and `star`."""
    spec = importlib.util.spec_from_file_location("runner_graphs", ROOT / "tools" / "models" / "runner.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    path = tmp_path / "model.onnx"
    path.write_bytes(module.build()["named"].SerializeToString())
    return path


def test_predict_then_eval(model: Path, tmp_path: Path) -> None:
    done = run(["predict", model, DEMO / "data.yaml", "-o", "found.json"], tmp_path)
    assert (done.code, done.stdout) == (0, ""), done.stderr
    for said in (
        "family mmdeploy: outputs `dets` (B, N, 5)",
        "preparation: 32x32, stretch, RGB /255",
        "profile eval: score >= 0.001, no NMS",
        "20 images, on cpu (CPUExecutionProvider), batch 1",
        "split `val` is run (not train; `--split all` runs every image)",
        "wrote found.json (coco): ",
    ):
        assert said in done.stderr
    assert "\x1b" not in done.stderr
    scored = run(["eval", DEMO / "data.yaml", "found.json", "--format", "json"], tmp_path)
    assert scored.code == 0, scored.stderr
    assert json.loads(scored.stdout)["coverage"]["predicted"] == 20


def test_json_summary_and_profile(model: Path, tmp_path: Path) -> None:
    options = ["--profile", "deploy", "--iou", "0.5", "--json", "--set", "color=bgr"]
    done = run(["predict", model, DEMO / "images" / "val", "--from", "images", "-o", "found.csv", *options], tmp_path)
    assert done.code == 0, done.stderr
    assert "profile deploy: score >= 0.25, no NMS (the model needs none), one class a box" in done.stderr
    found = json.loads(done.stdout)
    assert found["schema"] == "detkit.prediction/1"
    assert (found["images"], found["unreadable"], found["resumed"]) == (20, 0, 0)
    assert found["output"] == {"path": "found.csv", "format": "csv"}
    assert found["settings"]["iou_threshold"] == 0.5
    assert found["settings"]["preparation"]["color"] == "bgr"
    assert len(found["model"]["sha256"]) == 64


@pytest.mark.parametrize("format", ["yolo", "voc"])
def test_formats_of_folders(model: Path, tmp_path: Path, format: str) -> None:
    options = ["--format", format, "--truth", DEMO / "data.yaml"]
    done = run(["predict", model, DEMO / "images", "-o", "found", *options], tmp_path)
    assert done.code == 0, done.stderr
    again = run(["stats", "found", "--kind", "detections", "--format", "json"], tmp_path)
    assert again.code == 0, again.stderr


@pytest.mark.skipif("CUDAExecutionProvider" in ort.get_available_providers(), reason="this build has CUDA")
@pytest.mark.parametrize("command", [["predict", "-o", "found.json"], ["bench"]])
def test_cuda_without_a_gpu_is_refused(model: Path, tmp_path: Path, command: list[str]) -> None:
    images = [DEMO / "images"] if command[0] == "predict" else []
    done = run([command[0], model, *images, *command[1:], "--device", "cuda"], tmp_path)
    assert done.code == 2
    assert "device `cuda:0` is not in this build of onnxruntime" in done.stderr
    assert "hint:" in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["model.onnx"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--image-size", "big"], "--image-size: found `big`"),
        (["--image-size", "640"], "takes 32x32 only, --image-size is 640x640"),
        (["--set", "color"], "--set: found `color`, expected key=value"),
        (["--device", "tpu"], "device: found `tpu`"),
        (["--split", "night"], "no split `night`; the dataset has train, val"),
        (["--format", "json"], "format `json` does not write predictions"),
        (["--family", "ssd"], "ssd"),
    ],
)
def test_wrong_requests(model: Path, tmp_path: Path, options: list[str], message: str) -> None:
    done = run(["predict", model, DEMO / "data.yaml", "-o", "found.json", *options], tmp_path)
    assert done.code == 2
    assert message in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["model.onnx"]


def test_bad_images_are_told_and_the_run_goes_on(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "good.jpg").write_bytes((DEMO / "images" / "val" / "shape_005.jpg").read_bytes())
    (folder / "bad.jpg").write_bytes(b"\xff\xd8\xff")
    done = run(["predict", model, folder, "-o", "found.json"], tmp_path)
    assert done.code == 0
    assert "error DK404: image bad.jpg: not a readable image" in done.stderr
    assert "2 images (1 unreadable)" in done.stderr
    assert {row["image_id"] for row in json.loads((tmp_path / "found.json").read_text())} == {"good"}
    (folder / "good.jpg").unlink()
    done = run(["predict", model, folder, "-o", "none.json"], tmp_path)
    assert done.code == 2
    assert "none of 1 image can be read" in done.stderr


def test_bench_then_gate(model: Path, tmp_path: Path) -> None:
    done = run(["bench", model, "--batch", "1,2", "--rounds", "2", "--format", "json", "-o", "bench.json"], tmp_path)
    assert done.code == 0, done.stderr
    assert run(["gate", "bench.json", "--require", "latency.p95_ms<=100000"], tmp_path).code == 0
    assert run(["gate", "bench.json", "--require", "latency.p95_ms<=0"], tmp_path).code == 1
    text = run(["bench", model, "--rounds", "2"], tmp_path)
    assert text.code == 0
    assert "mmdeploy, input 32x32" in text.stdout
    assert run(["bench", model, "--batch", "1,x"], tmp_path).code == 2


def test_doctor_says_what_runs_models(tmp_path: Path) -> None:
    done = run(["doctor"], tmp_path)
    assert done.code == 0
    assert done.stdout.count(f" {ort.__version__}\n") == 1
    assert "\nCUDA\n  driver " in done.stdout
    assert "CPUExecutionProvider         starts" in done.stdout
    assert "`--device auto` takes" in done.stdout
    assert "libcudart" in done.stdout


def test_doctor_without_onnxruntime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    done = run(["doctor"], tmp_path)
    assert done.code == 0
    assert "onnxruntime: not usable, models cannot be run" in done.stdout
