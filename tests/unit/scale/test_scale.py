"""Dask tasks: order, errors, workers that die, and answers that stay those of one process."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from detkit import api, errors
from detkit.api import sharding

ROOT = Path(__file__).resolve().parents[3]
DEMO = ROOT / "fixtures" / "demo"
TRUTH, PREDICTIONS = DEMO / "coco" / "instances_val.json", DEMO / "predictions" / "coco.json"


def test_without_the_extra_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from detkit import scale

    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(errors.MissingExtraError, match="`distributed`") as caught:
        scale.run_all(str, [(1,)])
    assert caught.value.hint == 'pip install "detkit[scale]"'


def test_an_address_needs_a_folder_that_all_see() -> None:
    from detkit import scale

    with pytest.raises(errors.UsageError, match="need a folder"):
        scale.evaluate(TRUTH, PREDICTIONS, scheduler="tcp://127.0.0.1:1", shards=2)


@pytest.fixture(scope="module")
def dask() -> Any:
    return pytest.importorskip("distributed", reason="Dask tasks need the extra `scale`")


@pytest.fixture(scope="module")
def address(dask: Any) -> Iterator[str]:
    """A cluster that somebody else started."""
    with dask.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50) as cluster:
        yield cluster.scheduler_address


def same(a: Any, b: Any) -> bool:
    arrays = all(getattr(a, n).tobytes() == getattr(b, n).tobytes() for n in ("precision", "recall", "scores"))
    return arrays and json.dumps(a.to_dict()) == json.dumps(b.to_dict())


def test_a_worker_killed_in_the_middle_changes_nothing(dask: Any, tmp_path: Path) -> None:
    """Two shards kill the process that runs them, before and after they wrote their part; a second try answers."""
    from detkit import scale

    count = 6
    targets = [tmp_path / sharding.part_name(n, count) for n in range(1, count + 1)]

    def shard(number: int, target: str) -> str:
        killed = Path(f"{target}.killed")
        first = not killed.exists()
        if first and number == 2:
            killed.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        written = sharding.evaluate_shard(TRUTH, PREDICTIONS, (number, count), target, overwrite=True)
        if first and number == 5:
            killed.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return written

    tasks = [(number, str(target)) for number, target in enumerate(targets, 1)]
    assert scale.run_all(shard, tasks, workers=2) == [str(target) for target in targets]
    assert sorted(p.name for p in tmp_path.glob("*.killed")) == [f"{targets[n].name}.killed" for n in (1, 4)]
    assert same(api.evaluate(TRUTH, PREDICTIONS), sharding.merge_results(targets))


def test_evaluation_behind_an_address(address: str, tmp_path: Path) -> None:
    from detkit import scale

    done: list[tuple[int, int]] = []
    result = scale.evaluate(
        *(TRUTH, PREDICTIONS), shards=5, scheduler=address, folder=tmp_path, progress=lambda *n: done.append(n)
    )
    assert same(api.evaluate(TRUTH, PREDICTIONS), result)
    assert done == [(n, 5) for n in range(1, 6)]
    assert len(list(tmp_path.glob("part-*-of-00005.npz"))) == 5
    with pytest.raises(errors.UsageError, match="workers belong to a local cluster"):
        scale.run_all(str, [(1,)], scheduler=address, workers=2)
    with pytest.raises(errors.InputError, match="no such file"):
        scale.evaluate(tmp_path / "gone.json", PREDICTIONS, shards=2, scheduler=address, folder=tmp_path)


def test_conversions(address: str, tmp_path: Path) -> None:
    from detkit import scale

    pairs = [(PREDICTIONS, tmp_path / f"{n}.csv") for n in range(3)]
    converted = scale.convert(pairs, scheduler=address)
    assert [one.boxes for one in converted] == [api.convert(PREDICTIONS, tmp_path / "here.csv").boxes] * 3
    assert {path.read_bytes() for _, path in pairs} == {(tmp_path / "here.csv").read_bytes()}


def test_a_scheduler_that_is_not_there(dask: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from detkit import scale

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setattr("detkit.scale.engine.PATIENCE", "0.5s")
    with pytest.raises(errors.UsageError, match="does not answer"):
        scale.run_all(str, [(1,)], scheduler=address)


def test_a_worker_killed_in_the_middle_of_conversions(dask: Any, tmp_path: Path) -> None:
    """Its target may be there already: the next try writes the same again."""
    from detkit import scale
    from detkit.scale import converting

    plain, truth = converting._convert, DEMO / "coco" / "instances_val.json"

    def dying(source: str, target: str, to: str | None, options: dict[str, Any]) -> Any:
        killed = Path(f"{target}.killed")
        number, first = Path(target).name, not killed.exists()
        killed.touch()
        done = plain(source, target, to, options)
        if first and number == "3":
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(converting, "_convert", dying)
        scale.convert([(truth, tmp_path / f"{n}") for n in (1, 3)], "yolo", workers=2)
    api.convert(truth, tmp_path / "one", "yolo")
    wanted = {p.relative_to(tmp_path / "one"): p.read_bytes() for p in (tmp_path / "one").rglob("*.*") if p.is_file()}
    for n in (1, 3):
        found = tmp_path / str(n)
        assert {p.relative_to(found): p.read_bytes() for p in found.rglob("*.*") if p.is_file()} == wanted
    with pytest.raises(errors.OutputError, match="exists already"):
        scale.convert([(truth, tmp_path / "1")], "yolo", workers=1)


def model_of(kind: str, folder: Path) -> Path:
    """The demo's model, or one whose answers have masks or keypoints."""
    if kind == "demo":
        return next((DEMO / "model").glob("*.onnx"))
    return ROOT / "fixtures" / "models" / f"ultralytics-{kind}.onnx"


@pytest.fixture
def ort() -> Any:
    return pytest.importorskip("onnxruntime", reason="running models needs the extra `cpu` or `gpu`")


@pytest.mark.parametrize("images", ["images/val", "data.yaml"])
def test_predictions_in_tasks_are_those_of_one_run(ort: Any, address: str, tmp_path: Path, images: str) -> None:
    from detkit import scale

    model, one, cut = model_of("demo", tmp_path), tmp_path / "one.json", tmp_path / "cut.json"
    whole, shown = api.predict(model, DEMO / images, one, device="cpu"), []
    options = {"chunks": 3, "scheduler": address, "folder": tmp_path / "parts"}
    found = scale.predict(
        model, DEMO / images, cut, device="cpu", progress=lambda *count: shown.append(count), **options
    )
    assert cut.read_bytes() == one.read_bytes()
    assert shown == [(n, whole.images) for n in (0, *(whole.images * n // 3 for n in (1, 2, 3)))]
    mine, theirs = found.to_dict(), whole.to_dict()
    for run in (mine, theirs):
        del run["seconds"], run["images_per_second"], run["output"]
    assert mine == theirs
    assert not [p for p in (tmp_path / "parts").iterdir() if p.is_dir()], "answers are gone once they are written"
    with pytest.raises(errors.OutputError, match="exists already"):
        scale.predict(model, DEMO / images, cut, device="cpu", **options)


@pytest.mark.parametrize("target", ["found.csv", "found.parquet", "shards", "voc"])
def test_every_target_is_the_same_to_the_byte(ort: Any, address: str, tmp_path: Path, target: str) -> None:
    if target in ("found.parquet", "shards"):
        pytest.importorskip("pyarrow", reason="Parquet needs the extra `parquet`")
    from detkit import scale

    kind = {"shards": {"format": "parquet", "shard_rows": 200}, "voc": {"format": "voc"}}.get(target, {})
    given = (model_of("demo", tmp_path), DEMO / "images" / "val")
    api.predict(*given, tmp_path / "one" / target, device="cpu", **kind)
    scale.predict(
        *given, tmp_path / "cut" / target, device="cpu", chunks=5, scheduler=address, folder=tmp_path / "parts", **kind
    )
    files = [p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*") if p.is_file()]
    assert files == [p.relative_to(tmp_path / "cut") for p in (tmp_path / "cut").rglob("*") if p.is_file()]
    for file in files:
        assert (tmp_path / "cut" / file).read_bytes() == (tmp_path / "one" / file).read_bytes(), file


def test_images_that_cannot_be_read_stop_no_task(ort: Any, address: str, tmp_path: Path) -> None:
    """A task of which no image can be read is one of a run in which others can."""
    from detkit import scale

    (tmp_path / "images").mkdir()
    for n, path in enumerate(sorted((DEMO / "images" / "val").iterdir())[:8]):
        content = path.read_bytes() if n >= 4 else b"no image"
        (tmp_path / "images" / f"{n}{path.suffix}").write_bytes(content)
    given = (model_of("demo", tmp_path), tmp_path / "images")
    one = api.predict(*given, tmp_path / "one.json", device="cpu")
    cut = scale.predict(*given, tmp_path / "cut.json", device="cpu", chunks=4, scheduler=address, folder=tmp_path)
    assert one.unreadable == cut.unreadable == 4
    assert cut.findings == one.findings
    assert (tmp_path / "cut.json").read_bytes() == (tmp_path / "one.json").read_bytes()


def test_a_worker_killed_in_the_middle_of_predictions(ort: Any, dask: Any, tmp_path: Path) -> None:
    from detkit import scale
    from detkit.api.chunking import Elsewhere, Task, answer

    def dying(number: int, task: Task) -> None:
        killed = tmp_path / f"{number}.killed"
        first = not killed.exists()
        killed.touch()
        answer(task)
        if first and number == 1:
            os.kill(os.getpid(), signal.SIGKILL)

    def run(tasks: Any, report: Any) -> None:
        assert len(tasks) == 3
        scale.run_all(dying, list(enumerate(tasks)), workers=2)

    given = (model_of("demo", tmp_path), DEMO / "images" / "val")
    api.predict(*given, tmp_path / "one.json", device="cpu")
    api.predict(*given, tmp_path / "cut.json", device="cpu", elsewhere=Elsewhere(run, 3))
    assert (tmp_path / "cut.json").read_bytes() == (tmp_path / "one.json").read_bytes()


def test_only_own_images_travel() -> None:
    from detkit import detectors
    from detkit.api.chunking import tasks_of

    pictures = detectors.Pictures(tuple("abcdefg"), (*(f"/x/{n}" for n in "abcdef"), None))
    parts = detectors.Parts(Path("/nowhere"), 7, 2)
    request = detectors.Request("model.onnx")
    tasks = tasks_of(request, "cpu", pictures, parts, [0, 2, 3], 2)
    assert [task.chunks for task in tasks] == [(0,), (2, 3)]
    assert [task.images for task in tasks] == [2, 3]
    assert tasks[1].pictures.names == ("", "", "", "", "e", "f", "g")
    assert tasks[1].pictures.paths == (None,) * 4 + ("/x/e", "/x/f", None)
    videos = detectors.Pictures(("v",), ("/x/v.mp4",), (0,))
    with pytest.raises(errors.UsageError, match="frames of a video"):
        tasks_of(request, "cpu", videos, parts, [0], 2)
