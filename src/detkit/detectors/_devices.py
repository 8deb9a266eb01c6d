"""What onnxruntime can really do on this machine: wheels, providers that start, libraries of CUDA."""

from __future__ import annotations

import importlib.metadata
import re
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from detkit.detectors import _cuda
from detkit.detectors._session import first_line, load_onnxruntime, preload_libraries, session_options, started
from detkit.errors import MissingExtraError

__all__ = ["runtimes"]

_WHEELS = (
    "onnxruntime",
    "onnxruntime-gpu",
    "onnxruntime-directml",
    "onnxruntime-openvino",
    "onnxruntime-silicon",
    "onnxruntime-training",
)
#: y = Identity(x) on one float: IR 8, opset 13. Spelt out, so that the onnx package is not needed to try a provider.
ONE_NODE = (
    b'\x08\x08:7\n\x10\n\x01x\x12\x01y"\x08Identity\x12\x01gZ\x0f\n\x01x\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01'
    b"b\x0f\n\x01y\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01B\x04\n\x00\x10\r"
)
#: How onnxruntime begins a message: file, line and function of its own source.
_SOURCE = re.compile(r"^/\S+:\d+ .*?\) (?=[A-Z])")
#: What these lack is said step by step; TensorRT is in every build with CUDA and rarely meant.
_NVIDIA = frozenset((_cuda.PROVIDER, "TensorrtExecutionProvider"))
#: Send work elsewhere, over a network: not tried.
_REMOTE = frozenset(("AzureExecutionProvider",))


def runtimes() -> dict[str, Any]:
    """What runs models here.

    Returns
    -------
    dict
        `wheels` (name -> version), `version` of the module that is imported (None without one), `problems` (what is
        wrong, with the mend), `providers` (a row each: name, starts, why), `cuda` (what CUDA needs, a row each: name,
        ready, found, mend), `libraries` of CUDA (name -> file or None) and `auto` (the device that `--device auto`
        takes, None without onnxruntime).
    """
    wheels = {name: version for name in _WHEELS if (version := _version(name)) is not None}
    problems = _conflicts(wheels)
    found: dict[str, Any] = {
        "wheels": wheels,
        "version": None,
        "problems": problems,
        "providers": [],
        "cuda": [],
        "libraries": _cuda.libraries(),
        "auto": None,
    }
    ort = _imported(found)
    listed: list[str] = []
    if ort is not None:
        listed = list(ort.get_available_providers())
        if hasattr(ort, "preload_dlls"):
            preload_libraries(ort)
        found["providers"] = [_tried(ort, name) for name in listed]
    starts = {row["name"] for row in found["providers"] if row["starts"]}
    if ort is not None:
        found["auto"] = "cuda:0" if _cuda.PROVIDER in starts else "cpu"
    folder = None if ort is None else Path(ort.__file__).parent
    steps = _cuda.steps(listed, folder, starts=_cuda.PROVIDER in starts, install=_with_cuda(wheels))
    found["cuda"] = [step.to_dict() for step in steps]
    if wheels:
        problems += _blocked(steps, starts)
    silent = [row["name"] for row in found["providers"] if row["starts"] is False and row["name"] not in _NVIDIA]
    if silent:
        problems.append(
            f"{', '.join(silent)}: in this build, and does not start (no such device, or its libraries lack)"
        )
    return found


def _imported(found: dict[str, Any]) -> Any | None:
    """The module; where it cannot be had, the problem is written down."""
    wheels = found["wheels"]
    try:
        ort = load_onnxruntime()
        found["version"] = str(ort.__version__)
    except MissingExtraError:
        if wheels:
            found["problems"].append(
                "a wheel of onnxruntime is installed and cannot be imported; mend: install it again"
            )
        return None
    except Exception as error:  # a wheel that another one overwrote fails in its own ways
        found["problems"].append(f"onnxruntime is damaged ({first_line(error)}); mend: {_again(wheels)}")
        return None
    return ort


def _blocked(steps: Sequence[_cuda.Step], starts: set[str]) -> list[str]:
    """Why a GPU that is here is not used, or a build made for one has none; nothing where neither is."""
    driver, build, linked = steps
    if _cuda.PROVIDER in starts or not (driver.ready or build.ready):
        return []
    first = next((step for step in (driver, build, linked) if step.ready is False), None)
    if first is None:
        why = "driver and libraries are there; mend: a driver at least as new as the CUDA of this build"
        return [f"{_cuda.PROVIDER} does not start: {why}"]
    lead = "an NVIDIA GPU is here, and" if first is build else f"{_cuda.PROVIDER} does not start:"
    return [f"{lead} {first.found}; mend: {first.mend}"]


def _with_cuda(wheels: dict[str, str]) -> str:
    """How a build with CUDA comes here: another wheel would be overwritten, or overwrite it."""
    install = 'pip install "detkit[gpu]"'
    other = [name for name in wheels if name != "onnxruntime-gpu"]
    return f"pip uninstall -y {' '.join(other)}, then {install}" if other else install


def _conflicts(wheels: dict[str, str]) -> list[str]:
    if len(wheels) < 2:
        return []
    names = " and ".join(wheels)
    return [f"{names} are installed together and overwrite each other; mend: {_again(wheels)}"]


def _again(wheels: dict[str, str]) -> str:
    keep = "onnxruntime-gpu" if "onnxruntime-gpu" in wheels else next(iter(wheels), "onnxruntime")
    return f"pip uninstall -y {' '.join(wheels)}, then pip install {keep}"


def _tried(ort: Any, name: str) -> dict[str, Any]:
    """Whether a provider really starts: a graph of one node is opened on it, and it has to stay first."""
    if name in _REMOTE:
        return {"name": name, "starts": None, "why": "runs elsewhere"}
    try:
        used = started(ort, ONE_NODE, session_options(ort, 1, 1), [name]).get_providers()[0]
    except Exception as error:  # onnxruntime raises its own unrelated classes
        why = textwrap.shorten(_SOURCE.sub("", first_line(error)), 100, placeholder=" ...")
        return {"name": name, "starts": False, "why": why}
    return {"name": name, "starts": used == name, "why": "" if used == name else f"would run on {used}"}


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
