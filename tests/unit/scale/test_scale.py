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


@pytest.mark.parametrize("images", ["images/val", "data.yaml"])
def test_predictions_in_chunks_are_those_of_one_run(address: str, tmp_path: Path, images: str) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("pyarrow")
    from detkit import scale

    model, one, cut = next((DEMO / "model").glob("*.onnx")), tmp_path / "one.json", tmp_path / "cut.json"
    whole = api.predict(model, DEMO / images, one, device="cpu").detections
    found = scale.predict(model, DEMO / images, cut, device="cpu", chunks=3, scheduler=address, folder=tmp_path)
    assert cut.read_bytes() == one.read_bytes()
    assert found.images.ids.tolist() == whole.images.ids.tolist()
    assert found.images.file_names == whole.images.file_names
