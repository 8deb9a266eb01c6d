"""The pipeline: order, batches, bad images, workers, a run that is killed and goes on, and models that do not fit."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import detkit
from detkit.api.predicting import predict
from detkit.detectors import Request, _workers, open_detector, part_folder
from detkit.detectors._detector import _tried
from detkit.errors import DetkitError, InputError, MissingExtraError, OutputError, UsageError
from unit.detectors.conftest import COLOURS

ROOT = Path(__file__).resolve().parents[3]
Model = Callable[..., Path]


def rows_of(found: detkit.Detections, i: int) -> np.ndarray:
    """Left, top, right, bottom, score of an image's rows in the order of their classes."""
    rows = slice(found.offsets[i], found.offsets[i + 1])
    order = np.argsort(found.category_index[rows], kind="stable")
    xywh = found.xywh[rows][order]
    return np.column_stack([xywh[:, :2], xywh[:, :2] + xywh[:, 2:], found.score[rows][order]])


@pytest.mark.parametrize("batch", [1, 3, 10, 16])
def test_answers_are_the_images_own_whatever_the_batch(
    model: Model, photos: Path, runner_graphs: ModuleType, batch: int
) -> None:
    found = predict(model(), photos, batch=batch).detections
    assert found.images.file_names == tuple(f"photo_{i:02d}.png" for i in range(10))
    for i, colour in enumerate(COLOURS):
        size = (64 + 8 * i, 96 - 4 * i)
        assert found.images.sizes[i].tolist() == list(size)
        np.testing.assert_allclose(rows_of(found, i), runner_graphs.expected(colour, size), rtol=1e-4)


def test_fixed_batch_is_taken_and_padded(model: Model, photos: Path) -> None:
    free = predict(model(), photos).detections
    fixed = predict(model("four"), photos).detections
    np.testing.assert_allclose(fixed.xywh, free.xywh, rtol=1e-6)
    with pytest.raises(UsageError, match="takes 4 at a time, --batch is 2"):
        predict(model("four"), photos, batch=2)


def test_bad_images_are_findings_and_leave_the_others_alone(model: Model, photos: Path) -> None:
    whole = predict(model(), photos, batch=4).detections
    good = (photos / "photo_03.png").read_bytes()
    (photos / "photo_03.png").write_bytes(good[:40])
    (photos / "photo_07.png").write_text("not an image")
    found = predict(model(), photos, batch=4)
    assert [(f.code, f.image) for f in found.findings] == [("DK404", "photo_03.png"), ("DK404", "photo_07.png")]
    assert found.unreadable == 2
    counts = np.diff(found.detections.offsets)
    assert counts.tolist() == [0 if i in (3, 7) else 3 for i in range(10)]
    keep = ~np.isin(whole.image_index, (3, 7))
    assert np.array_equal(found.detections.xywh, whole.xywh[keep])


def test_no_readable_image_is_an_error_and_leaves_nothing(model: Model, tmp_path: Path) -> None:
    folder = tmp_path / "bad"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(b"")
    with pytest.raises(InputError, match=r"none of 1 image can be read, first `a\.jpg`"):
        predict(model(), folder, tmp_path / "found.json")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad", "named.onnx"]


def test_images_are_run_as_they_are_displayed(model: Model, tmp_path: Path) -> None:
    from PIL import Image

    upright = Image.new("RGB", (40, 80), (200, 30, 60))
    exif = Image.Exif()
    exif[0x0112] = 6
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
    upright.save(tmp_path / "upright.png")
    found = predict(model(), tmp_path).detections
    assert found.images.sizes.tolist() == [[40, 80], [40, 80]]
    np.testing.assert_allclose(rows_of(found, 0), rows_of(found, 1), rtol=1e-6)


def test_several_workers_write_what_one_does(model: Model, photos: Path, tmp_path: Path) -> None:
    progress: list[tuple[int, int]] = []
    predict(model(), photos, tmp_path / "one.json", batch=2)
    many = predict(
        model(), photos, tmp_path / "two.json", batch=2, device=("cpu", "cpu"), progress=lambda *p: progress.append(p)
    )
    assert many.images == 10
    assert progress[-1] == (10, 10)
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()


def test_a_worker_that_fails_is_an_error_here(model: Model, photos: Path, tmp_path: Path) -> None:
    from detkit.detectors import Pictures, run_on, start_parts

    parts, _ = start_parts(tmp_path / "parts", {}, 2, 1, resume=False, overwrite=False)
    pictures = Pictures(("a.png", "b.png"), (str(photos / "photo_00.png"), str(photos / "photo_01.png")))
    with pytest.raises(UsageError, match="labels"):
        run_on(["cpu", "cpu"], Request(str(model()), values={"labels": "7"}), pictures, parts, [0, 1], lambda n: None)


def test_an_error_of_a_worker_knows_its_file_here() -> None:
    error = InputError("cannot be read", path="a.onnx", place="byte 7", hint="export it again")
    again = _workers._raised(type(error).__name__, vars(error))
    assert (type(again), str(again), vars(again)) == (InputError, str(error), vars(error))


_KILLED = """
import os, signal, sys
from detkit.detectors import _output
write = _output.Parts.write
def until_third(self, number, answers):
    if number == 2:
        (self.folder / "chunk-000002.tmp").write_bytes(b"half a chunk")
        os.kill(os.getpid(), signal.SIGKILL)
    write(self, number, answers)
_output.Parts.write = until_third
import detkit
detkit.predict(sys.argv[1], sys.argv[2], sys.argv[3])
"""


@pytest.fixture
def killed(model: Model, photos: Path, tmp_path: Path) -> Path:
    """The target of a run that was killed while it wrote its third chunk."""
    target = tmp_path / "out" / "found.json"
    command = [sys.executable, "-c", _KILLED, str(model()), str(photos), str(target)]
    done = subprocess.run(command, check=False, capture_output=True, cwd=ROOT)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert not target.exists()
    return target


def test_killed_run_goes_on_to_the_same_bytes(model: Model, photos: Path, tmp_path: Path, killed: Path) -> None:
    undisturbed = tmp_path / "undisturbed.json"
    predict(model(), photos, undisturbed)
    with pytest.raises(OutputError, match=r"an earlier run was not finished \(2 of 5 chunks of 2 images done\)"):
        predict(model(), photos, killed)
    found = predict(model(), photos, killed, resume=True)
    assert found.resumed == 4
    assert killed.read_bytes() == undisturbed.read_bytes()
    assert [p.name for p in killed.parent.iterdir()] == ["found.json"]


def test_damaged_chunk_is_done_again(model: Model, photos: Path, tmp_path: Path, killed: Path) -> None:
    (part_folder(killed) / "chunk-000001.npz").write_bytes(b"PK not a chunk")
    predict(model(), photos, tmp_path / "undisturbed.json")
    assert predict(model(), photos, killed, resume=True).resumed == 2
    assert killed.read_bytes() == (tmp_path / "undisturbed.json").read_bytes()


def test_resume_refuses_what_changed(model: Model, photos: Path, killed: Path) -> None:
    with pytest.raises(UsageError, match=r"score_threshold was 0\.001, is 0\.2"):
        predict(model(), photos, killed, resume=True, score_threshold=0.2)
    with pytest.raises(UsageError, match="classes was"):
        predict(model(), photos, killed, resume=True, names=("a", "b", "c"))
    shutil.copyfile(photos / "photo_00.png", photos / "photo_99.png")
    with pytest.raises(UsageError, match="images was"):
        predict(model(), photos, killed, resume=True)
    (photos / "photo_99.png").unlink()
    path = model()
    path.write_bytes(path.read_bytes() + b"z\x02\x08\x01")
    with pytest.raises(UsageError, match="model was"):
        predict(path, photos, killed, resume=True)


def test_overwrite_starts_anew(model: Model, photos: Path, killed: Path) -> None:
    assert predict(model(), photos, killed, overwrite=True).resumed == 0
    with pytest.raises(OutputError, match="exists already"):
        predict(model(), photos, killed, resume=True)


def test_failure_before_the_first_chunk_leaves_nothing(
    model: Model, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from detkit.detectors import _run

    def broken(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(_run, "finish", broken)
    with pytest.raises(KeyboardInterrupt):
        predict(model(), photos, tmp_path / "out" / "found.json")
    assert list((tmp_path / "out").iterdir()) == []


def test_two_runs_to_one_target_keep_apart(model: Model, photos: Path, tmp_path: Path) -> None:
    from detkit.detectors import locked

    target = tmp_path / "found.json"
    with locked(part_folder(target)), pytest.raises(OutputError, match="another run is writing here"):
        predict(model(), photos, target)
    predict(model(), photos, target)


def test_truth_gives_images_ids_and_classes(model: Model, photos: Path, tmp_path: Path) -> None:
    truth = {
        "images": [{"id": 70 + i, "file_name": f"photo_0{i}.png", "width": 1, "height": 1} for i in (4, 2)],
        "categories": [{"id": 9, "name": "Star"}, {"id": 5, "name": "circle"}],
        "annotations": [],
    }
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    found = predict(model(), photos, tmp_path / "found.json", truth=tmp_path / "truth.json")
    written = json.loads((tmp_path / "found.json").read_text())
    assert {(r["image_id"], r["category_id"]) for r in written} == {(74, 5), (74, 9), (72, 5), (72, 9)}
    codes = {f.code: f.count for f in found.findings}
    # 8 photos are not in the truth, both stated sizes are wrong, `square` is no class of it: one box an image.
    assert (codes["DK701"], codes["DK402"]) == (8, 2)
    assert [f.count for f in found.findings if f.code == "DK702"] == [1, 2]


def test_classes_without_names_are_the_truths_by_number(
    model: Model, photos: Path, tmp_path: Path, runner_graphs: ModuleType
) -> None:
    truth = {
        "images": [{"id": 1, "file_name": "photo_00.png"}],
        "categories": [{"id": 8, "name": "b"}, {"id": 3, "name": "a"}, {"id": 11, "name": "c"}],
        "annotations": [],
    }
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    found = predict(model("free"), photos, truth=tmp_path / "truth.json").detections
    # Label 0 is the lowest id, whatever its place in the file.
    order = np.argsort(found.categories.ids[found.category_index])
    assert found.categories.ids[found.category_index[order]].tolist() == [3, 8, 11]
    np.testing.assert_allclose(found.score[order], runner_graphs.expected(COLOURS[0], (64, 96))[:, 4], rtol=1e-4)


def test_more_classes_than_names(model: Model, photos: Path) -> None:
    with pytest.raises(InputError, match="answers with class number 2, names are known for 2"):
        predict(model("free"), photos, names=("a", "b"))


def test_no_common_class(model: Model, photos: Path, tmp_path: Path) -> None:
    truth = {"images": [{"id": 1, "file_name": "photo_00.png"}], "categories": [{"id": 1, "name": "x"}]}
    (tmp_path / "truth.json").write_text(json.dumps({**truth, "annotations": []}))
    with pytest.raises(UsageError, match=r"no class of the model \(`circle`"):
        predict(model(), photos, truth=tmp_path / "truth.json")


def test_list_file_and_glob(model: Model, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("# mine\nphotos/photo_05.png\n./photos/photo_01.png\nphotos/photo_05.png\n")
    listed = predict(model(), tmp_path / "list.txt")
    assert listed.detections.images.file_names == ("photos/photo_05.png", "photos/photo_01.png")
    assert [f.code for f in listed.findings] == ["DK502"]
    assert predict(model(), photos / "photo_0[12].png").images == 2
    assert predict(model(), photos / "photo_02.png").images == 1
    with pytest.raises(InputError, match="no such file"):
        predict(model(), photos / "absent.png")


def test_video_without_pyav_is_one_line(model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    (tmp_path / "clip.mp4").write_bytes(b"")
    with pytest.raises(MissingExtraError, match="needs `av`"):
        predict(model(), tmp_path / "clip.mp4")


def test_every_nth_frame_of_a_video(model: Model, tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height = 64, 48
        for i in range(7):
            pixels = np.full((48, 64, 3), 30 * i, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    found = predict(model(), path, every=3).detections
    assert found.images.file_names == ("clip_000000.jpg", "clip_000003.jpg", "clip_000006.jpg")
    assert found.images.sizes.tolist() == [[64, 48]] * 3
    assert len(set(found.score.tolist())) == 9


def test_half_precision(model: Model, photos: Path) -> None:
    full, half = (predict(model(), photos, precision=p).detections for p in ("fp32", "fp16"))
    assert not np.array_equal(full.xywh, half.xywh)
    np.testing.assert_allclose(half.xywh, full.xywh, rtol=5e-3, atol=0.05)


def test_free_batch_that_fails_is_run_one_by_one(model: Model) -> None:
    from dataclasses import replace

    detector = open_detector(Request(str(model("stale-batch"))), "cpu")
    several = replace(detector, batch=4)
    assert _tried(several, may_shrink=True).batch == 1
    assert [f.code for f in _tried(several, may_shrink=True).findings] == ["DK110"]
    with pytest.raises(InputError, match=r"the model fails on input float32\[4, 3, 32, 32\]"):
        _tried(several, may_shrink=False)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("stale-size", {}, r"stale-size\.onnx: the model fails on input float32\[1, 3, 32, 32\]"),
        ("tensorrt", {}, "uses `TRT::EfficientNMS_TRT`, which only TensorRT has"),
        ("named", {"image_size": (64, 64)}, "takes 32x32 only, --image-size is 64x64"),
        ("named", {"values": {"colour": "bgr"}}, "--set colour: unknown key"),
        ("named", {"profile": "fast"}, "profile: found `fast`"),
        ("named", {"label_base": "2"}, "label base: found `2`"),
        ("named", {"family": "yolo9000"}, "unknown detector `yolo9000`"),
        ("named", {"precision": "int4"}, "precision: found `int4`"),
        ("named", {"batch": 0}, "batch: found 0"),
        ("named", {"family": "yolov5"}, "2 outputs: expected 1"),
    ],
)
def test_models_and_settings_that_do_not_fit(
    model: Model, photos: Path, name: str, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(DetkitError, match=message):
        predict(model(name), photos, **changes)


def test_file_that_is_no_model(tmp_path: Path, photos: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(b"\x80\x02}q\x00.")
    with pytest.raises(InputError, match="not an ONNX model"):
        predict(tmp_path / "x.onnx", photos)


def test_missing_external_data(runner_graphs: ModuleType, tmp_path: Path, photos: Path) -> None:
    import onnx

    path = tmp_path / "far.onnx"
    onnx.save_model(runner_graphs.tiny(), str(path), save_as_external_data=True, location="far.bin", size_threshold=100)
    assert predict(path, photos).images == 10
    (tmp_path / "far.bin").unlink()
    with pytest.raises(InputError, match=r"external data `far\.bin` is missing"):
        predict(path, photos)


def test_target_is_refused_before_the_run(model: Model, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "found.json").write_text("mine")
    calls: list[object] = []
    with pytest.raises(OutputError, match="exists already"):
        predict(model(), photos, tmp_path / "found.json", announce=calls.append)
    with pytest.raises(UsageError, match="the name does not tell the format"):
        predict(model(), photos, tmp_path / "found.xyz", announce=calls.append)
    assert calls == []
    assert (tmp_path / "found.json").read_text() == "mine"
