"""What onnxruntime can really do on this machine: wheels, providers that start, libraries of CUDA."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path
from typing import Any

from detkit.detectors._session import _PROVIDERS, _first_line, _onnxruntime, _options, _preload, _started
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
_LIBRARIES = ("cudart", "cublas", "cublasLt", "cufft", "curand", "cudnn", "nvinfer")
#: Send work elsewhere, over a network: not tried.
_REMOTE = frozenset(("AzureExecutionProvider",))


def runtimes() -> dict[str, Any]:
    """What runs models here.

    Returns
    -------
    dict
        `wheels` (name -> version), `version` of the module that is imported (None without one), `problems` (what is
        wrong, with the mend), `providers` (a row each: name, starts, why), `libraries` of CUDA (name -> file or None)
        and `auto` (the device that `--device auto` takes, None without onnxruntime).
    """
    wheels = {name: version for name in _WHEELS if (version := _version(name)) is not None}
    problems = _conflicts(wheels)
    found: dict[str, Any] = {
        "wheels": wheels,
        "version": None,
        "problems": problems,
        "providers": [],
        "libraries": _libraries(),
        "auto": None,
    }
    try:
        ort = _onnxruntime()
        found["version"] = str(ort.__version__)
        listed = list(ort.get_available_providers())
    except MissingExtraError:
        if wheels:
            problems.append("a wheel of onnxruntime is installed and cannot be imported; mend: install it again")
        return found
    except Exception as error:  # a wheel that another one overwrote fails in its own ways
        problems.append(f"onnxruntime is damaged ({_first_line(error)}); mend: {_again(wheels)}")
        return found
    if hasattr(ort, "preload_dlls"):
        _preload(ort)
    found["providers"] = [_tried(ort, name) for name in listed]
    starts = {row["name"] for row in found["providers"] if row["starts"]}
    found["auto"] = "cuda:0" if _PROVIDERS["cuda"] in starts else "cpu"
    silent = [row["name"] for row in found["providers"] if row["starts"] is False]
    if silent:
        problems.append(
            f"{', '.join(silent)}: in this build, and does not start (no such device, or its libraries are missing); "
            'mend for NVIDIA: a driver, and pip install "detkit[cuda]"'
        )
    return found


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
        used = _started(ort, ONE_NODE, _options(ort, 1, 1), [name]).get_providers()[0]
    except Exception as error:  # onnxruntime raises its own unrelated classes
        return {"name": name, "starts": False, "why": _first_line(error)}
    return {"name": name, "starts": used == name, "why": "" if used == name else f"would run on {used}"}


def _libraries() -> dict[str, str | None]:
    """Where each library of CUDA lies: among the loader's own, or in NVIDIA's wheels."""
    import ctypes.util

    folders = [Path(p) / "nvidia" for p in sys.path if p and (Path(p) / "nvidia").is_dir()]
    inside = {path.name: path for folder in folders for path in folder.glob("**/lib*.so*")}
    found: dict[str, str | None] = {}
    for name in _LIBRARIES:
        in_wheel = next((str(inside[n]) for n in sorted(inside) if n.startswith(f"lib{name}.so")), None)
        found[name] = in_wheel or ctypes.util.find_library(name)
    return found


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
