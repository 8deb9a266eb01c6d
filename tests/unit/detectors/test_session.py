"""Devices: what is understood, and that nothing but the device asked for ever runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detkit.detectors import Request, open_detector, parse_device, runtimes
from detkit.detectors import _devices as devices
from detkit.detectors._session import Session, open_session
from detkit.errors import InputError, MissingExtraError, UsageError

ort = pytest.importorskip("onnxruntime")
onnx = pytest.importorskip("onnx")
Model = Callable[..., Path]
NO_CUDA = "CUDAExecutionProvider" not in ort.get_available_providers()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("auto", ["auto"]),
        (" CPU ", ["cpu"]),
        ("cuda", ["cuda:0"]),
        ("cuda:1", ["cuda:1"]),
        ("cuda:0,2", ["cuda:0", "cuda:2"]),
        ("0,1,2,3", ["cuda:0", "cuda:1", "cuda:2", "cuda:3"]),
        ("1,1", ["cuda:1"]),
        ("tensorrt:1", ["tensorrt:1"]),
        ("openvino", ["openvino"]),
    ],
)
def test_devices_that_are_understood(text: str, expected: list[str]) -> None:
    assert parse_device(text) == expected


@pytest.mark.parametrize("text", ["", "gpu", "cuda:", "cuda:x", "cpu,cpu", "cuda:-1", "0,", "cpu:1"])
def test_devices_that_are_not(text: str) -> None:
    if text == "cuda:":
        assert parse_device(text) == ["cuda:0"]
        return
    with pytest.raises(UsageError, match="device: found"):
        parse_device(text)


@pytest.mark.skipif(not NO_CUDA, reason="this build of onnxruntime has CUDA")
def test_device_that_the_build_lacks_is_refused(model: Model) -> None:
    with pytest.raises(UsageError, match="device `cuda:0` is not in this build of onnxruntime"):
        open_session(model(), "cuda:0")
    assert open_session(model(), "auto").device == "cpu"


class _Listed:
    """onnxruntime as it is on a machine without a GPU and with onnxruntime-gpu: CUDA is listed and does not start."""

    def __init__(self, *, raises: bool) -> None:
        self.raises = raises
        self.asked: list[list[str]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(ort, name)

    def get_available_providers(self) -> list[str]:
        return ["CUDAExecutionProvider", "CPUExecutionProvider"]

    def preload_dlls(self) -> None:
        raise OSError("no libraries")

    def InferenceSession(self, model: Any, options: Any, providers: list[Any], enable_fallback: int) -> Any:
        names = [p if isinstance(p, str) else p[0] for p in providers]
        self.asked.append(names)
        if self.raises and "CUDAExecutionProvider" in names:
            raise RuntimeError("CUDA failure 100: no CUDA-capable device is detected")
        return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("raises", [False, True])
def test_cuda_that_does_not_start_is_an_error_and_never_a_run_on_the_cpu(
    model: Model, monkeypatch: pytest.MonkeyPatch, raises: bool
) -> None:
    fake = _Listed(raises=raises)
    monkeypatch.setattr("detkit.detectors._session.load_onnxruntime", lambda: fake)
    with pytest.raises(UsageError, match=r"device `cuda:0` did not start: .*(CPUExecutionProvider|no CUDA-capable)"):
        open_detector(Request(str(model())), "cuda:0")
    assert fake.asked[0][0] == "CUDAExecutionProvider"
    assert open_session(model(), "auto").provider == "CPUExecutionProvider"


def test_model_at_fault_is_told_from_a_device_at_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detkit.detectors._session.load_onnxruntime", lambda: _Listed(raises=True))
    (tmp_path / "x.onnx").write_bytes(b"nonsense")
    with pytest.raises(InputError, match=r"x\.onnx: cannot be loaded"):
        open_session(tmp_path / "x.onnx", "cuda:0")


def test_answers_through_io_binding_are_the_same(model: Model) -> None:
    plain = open_session(model(), "cpu")
    bound = Session(plain.handle, plain.provider, "cuda:0")
    feed = {"input": np.random.default_rng(0).random((2, 3, 32, 32), np.float32)}
    first, second = plain.run(feed), bound.run(feed)
    kept = first["dets"].copy()
    assert first.keys() == second.keys()
    assert all(np.array_equal(first[name], second[name]) for name in first)
    bound.run({"input": feed["input"] + 1})
    assert np.array_equal(second["dets"], kept)


def test_without_onnxruntime(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    path = model()
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match="needs `onnxruntime`"):
        open_session(path, "cpu")
    monkeypatch.setattr(devices, "_version", lambda name: None)
    found = runtimes()
    assert (found["version"], found["auto"], found["problems"]) == (None, None, [])
    assert [step["name"] for step in found["cuda"]] == ["driver", "onnxruntime", "libraries"]


def test_one_node_graph_is_what_onnx_makes_of_it() -> None:
    shape = [1]
    ports = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name in "xy"]
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["x"], ["y"])], "g", ports[:1], ports[1:])
    model = onnx.helper.make_model(graph, ir_version=8, opset_imports=[onnx.helper.make_opsetid("", 13)])
    assert onnx.load_model_from_string(devices.ONE_NODE) == model


def test_runtimes_tell_what_really_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "load_onnxruntime", lambda: _Listed(raises=False))
    monkeypatch.setattr(devices, "_version", {"onnxruntime": "1.2", "onnxruntime-gpu": "1.3"}.get)
    found = runtimes()
    assert {row["name"]: row["starts"] for row in found["providers"]} == {
        "CUDAExecutionProvider": False,
        "CPUExecutionProvider": True,
    }
    assert found["auto"] == "cpu"
    both, silent = found["problems"]
    assert silent.startswith("CUDAExecutionProvider does not start: ")
    assert "pip uninstall -y onnxruntime onnxruntime-gpu, then pip install onnxruntime-gpu" in both
