"""What `detkit predict` says of images without a file, of names that do not fit, of devices that are not here."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from cli._run import DEMO, run

pytest.importorskip("onnxruntime")
MODEL, TRUTH = DEMO / "model" / "shapes.onnx", DEMO / "coco" / "instances_val.json"
PHOTOS = sorted((DEMO / "images" / "val").glob("*.jpg"))


def test_images_of_the_truth_without_a_file_are_counted_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "few").mkdir()
    shutil.copy(PHOTOS[0], tmp_path / "few")
    (tmp_path / "few" / PHOTOS[1].name).write_bytes(b"\xff\xd8\xff")
    done = run(["predict", MODEL, "few", "-o", "found.json", "--truth", TRUTH, "--json"], tmp_path)
    assert done.code == 0, done.stderr
    assert "20 images (18 without a file), on cpu" in done.stderr
    absent = [line for line in done.stderr.splitlines() if "DK401" in line]
    assert len(absent) == 1
    assert "18 of 20 images have no file here and count as images without detections" in absent[0]
    assert "as IMAGES" in absent[0]
    assert done.stderr.count("DK404") == 1
    assert "in 20 images (18 without a file, 1 unreadable)" in done.stderr
    said = json.loads(done.stdout)
    assert (said["images"], said["absent"], said["unreadable"]) == (20, 18, 1)
    assert [(f["code"], f["count"]) for f in said["findings"] if f["code"].startswith("DK4")] == [
        ("DK401", 18),
        ("DK404", 1),
    ]


def test_the_model_is_not_asked_about_batches_without_an_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from detkit.detectors._run import Pipeline

    asked, infer = [], Pipeline._infer
    monkeypatch.setattr(Pipeline, "_infer", lambda self, *given: asked.append(1) or infer(self, *given))
    (tmp_path / "few").mkdir()
    for photo in PHOTOS[:3]:
        shutil.copy(photo, tmp_path / "few")
    done = run(["predict", MODEL, "few", "-o", "found.json", "--truth", TRUTH, "--batch", "1"], tmp_path)
    assert done.code == 0, done.stderr
    assert len(asked) == 3


@pytest.mark.parametrize("names", [["a", "b"], list("abcdef")])
def test_another_number_of_names_than_classes_is_said_with_both(tmp_path: Path, names: list[str]) -> None:
    (tmp_path / "names.txt").write_text("\n".join(names))
    done = run(["predict", MODEL, DEMO / "images" / "val", "-o", "found.json", "--names", "names.txt"], tmp_path)
    assert done.code == 2
    assert f"the model answers with 4 classes, names are known for {len(names)}" in done.stderr
    assert "or leave it out: the file itself names `circle`, `square`, `triangle`, ..." in done.stderr
    assert not (tmp_path / "found.json").exists()


@pytest.mark.parametrize(("device", "hint"), [("coreml", "macOS"), ("openvino", "onnxruntime-openvino")])
def test_a_device_that_is_not_here_is_said_with_those_that_are(tmp_path: Path, device: str, hint: str) -> None:
    import onnxruntime

    if any(device in name.lower() for name in onnxruntime.get_available_providers()):
        pytest.skip(f"this build of onnxruntime has {device}")
    done = run(["predict", MODEL, DEMO / "images" / "val", "-o", "found.json", "--device", device], tmp_path)
    assert done.code == 2
    assert f"device `{device}` is not in this build of onnxruntime, which has cpu" in done.stderr
    assert hint in done.stderr.partition("hint: ")[2]
