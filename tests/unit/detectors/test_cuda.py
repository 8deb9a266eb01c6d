"""What CUDA needs is told apart: no driver, a driver without GPUs, a build without CUDA, cuDNN or CUDA missing."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from detkit.detectors import _cuda, _devices

BUILT = ["CUDAExecutionProvider", "CPUExecutionProvider"]
Load = Callable[[str], Any]


class _Driver:
    """libcuda as its header describes it: functions that return 0 and fill in what they are pointed to."""

    def __init__(self, gpus: list[str], code: int = 0) -> None:
        self.gpus, self.code = gpus, code

    def cuInit(self, flags: int) -> int:
        assert flags == 0
        return self.code

    def cuGetErrorString(self, code: int, text: Any) -> int:
        text._obj.value = b"no CUDA-capable device is detected" if code == 100 else None
        return 0

    def cuDeviceGetCount(self, count: Any) -> int:
        count._obj.value = len(self.gpus)
        return 0

    def cuDriverGetVersion(self, version: Any) -> int:
        version._obj.value = 13020
        return 0

    def cuDeviceGetName(self, text: Any, size: int, number: int) -> int:
        text.value = self.gpus[number].encode()[: size - 1]
        return 0


def _loading(driver: _Driver | None, missing: str | None) -> Load:
    """A loader of libraries on a machine with this driver, that lacks a library the provider is linked to."""

    def load(name: str) -> Any:
        if Path(name).name == _cuda._DRIVER:
            if driver is None:
                raise OSError(f"{name}: cannot open shared object file: No such file or directory")
            return driver
        assert Path(name).name == _cuda._PLUGIN
        if missing is None:
            raise OSError(f"{name}: undefined symbol: Provider_GetHost")
        raise OSError(f"{missing}: cannot open shared object file: No such file or directory")

    return load


def _steps(monkeypatch: pytest.MonkeyPatch, load: Load, listed: list[str], *, starts: bool = False) -> list[_cuda.Step]:
    monkeypatch.setattr(ctypes, "CDLL", load)
    return _cuda.steps(listed, Path("ort"), starts=starts, install="install it")


GPU = _Driver(["NVIDIA H200", "NVIDIA L4"])


@pytest.mark.parametrize(
    ("load", "ready", "found"),
    [
        (_loading(None, "libcublasLt.so.13"), False, "there is no NVIDIA driver here"),
        (_loading(_Driver([], 100), None), False, "says: no CUDA-capable device is detected (100)"),
        (_loading(_Driver([], 999), None), False, "says: error 999"),
        (_loading(_Driver([]), None), False, "shows no GPU"),
        (_loading(GPU, None), True, "for CUDA 13.2: NVIDIA H200, NVIDIA L4"),
    ],
)
def test_the_driver(monkeypatch: pytest.MonkeyPatch, load: Load, ready: bool, found: str) -> None:
    driver = _steps(monkeypatch, load, BUILT)[0]
    assert (driver.name, driver.ready) == ("driver", ready)
    assert driver.found.endswith(found)
    assert (driver.mend is None) == ready


def test_a_build_without_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    driver, build, linked = _steps(monkeypatch, _loading(GPU, None), ["CPUExecutionProvider"])
    assert (driver.ready, build.ready, linked.ready) == (True, False, None)
    assert (build.found, build.mend) == ("this build has no CUDAExecutionProvider", "install it")


@pytest.mark.parametrize(
    ("missing", "ready", "found"),
    [
        ("libcudnn.so.9", False, "cuDNN is missing: libcudnn.so.9 is not found"),
        ("/opt/libcublasLt.so.13", False, "a library of CUDA is missing: libcublasLt.so.13 is not found"),
        (None, True, "all that the provider is linked to"),
    ],
)
@pytest.mark.skipif(_cuda._WINDOWS, reason="how the loader of Linux names what it lacks")
def test_the_libraries(monkeypatch: pytest.MonkeyPatch, missing: str | None, ready: bool, found: str) -> None:
    linked = _steps(monkeypatch, _loading(GPU, missing), BUILT)[2]
    assert (linked.name, linked.ready, linked.found) == ("libraries", ready, found)
    assert ("detkit[cuda]" in (linked.mend or "")) == (not ready)


def test_what_starts_has_its_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = _steps(monkeypatch, _loading(GPU, "libcudnn.so.9"), BUILT, starts=True)
    assert [step.ready for step in steps] == [True, True, True]


def _step(name: str, ready: bool | None) -> _cuda.Step:
    return _cuda.Step(name, ready, f"{name} found", None if ready else f"mend {name}")


@pytest.mark.parametrize(
    ("ready", "said"),
    [
        ((False, False, None), []),  # a machine without a GPU and a build for CPUs: nothing is wrong
        ((True, False, None), ["an NVIDIA GPU is here, and onnxruntime found; mend: mend onnxruntime"]),
        ((False, True, False), ["CUDAExecutionProvider does not start: driver found; mend: mend driver"]),
        ((True, True, False), ["CUDAExecutionProvider does not start: libraries found; mend: mend libraries"]),
    ],
)
def test_a_problem_is_a_gpu_or_a_build_for_one_that_is_not_used(
    ready: tuple[bool | None, ...], said: list[str]
) -> None:
    steps = [_step(name, one) for name, one in zip(("driver", "onnxruntime", "libraries"), ready, strict=True)]
    assert _devices._blocked(steps, set()) == said
    assert _devices._blocked(steps, {"CUDAExecutionProvider"}) == []


def test_all_there_and_no_start_is_a_problem() -> None:
    (said,) = _devices._blocked([_step(name, True) for name in ("driver", "onnxruntime", "libraries")], set())
    assert "a driver at least as new as the CUDA of this build" in said


@pytest.mark.parametrize(
    ("wheels", "line"),
    [
        ({}, 'pip install "detkit[gpu]"'),
        ({"onnxruntime-gpu": "1"}, 'pip install "detkit[gpu]"'),
        ({"onnxruntime": "1"}, 'pip uninstall -y onnxruntime, then pip install "detkit[gpu]"'),
    ],
)
def test_how_a_build_with_cuda_comes(wheels: dict[str, str], line: str) -> None:
    assert _devices._with_cuda(wheels) == line
