"""`detkit doctor`: the environment, honestly."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from typing import Any

from detkit.cli import _console
from detkit.wording import folded

__all__ = ["doctor"]

_CORE = ("numpy", "numba", "llvmlite", "typer", "rich", "pillow", "pycocotools", "msgspec", "PyYAML", "defusedxml")
_EXTRAS = {
    "onnxruntime": "cpu",
    "onnxruntime-gpu": "gpu or cuda",
    "onnx": "cpu or gpu",
    "albumentations": "augment",
    "matplotlib": "report",
    "av": "video",
    "pyarrow": "parquet",
    "distributed": "scale",
    "zstandard": "zstd",
}


def doctor() -> None:
    """Show versions, optional parts, the kernel cache, and what stands in the way.

    Example: detkit doctor
    """
    from detkit import api, kernels
    from detkit._version import __version__

    lines = [
        f"detkit {__version__}, Python {platform.python_version()}, {platform.system()} {platform.machine()}",
        f"processors: {len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()}",
        "",
    ]
    found = api.runtimes()
    lines += [f"  {name:<18} {_version(name) or 'MISSING'}" for name in _CORE]
    lines.append("")
    for name, extra in _EXTRAS.items():
        version = _version(name)
        lines.append(f"  {name:<18} {version or f'not installed (extra: {extra})'}")
    others = {name: version for name, version in found["wheels"].items() if name not in _EXTRAS}
    lines += [f"  {name:<18} {version}" for name, version in others.items()]
    lines += ["", f"kernel cache: {kernels.cache_folder()}"]
    lines += ["", *_runtime(found), ""]
    problems = [*found["problems"], *_problems()]
    lines += [line for p in problems for line in folded(f"problem: {p}")] or ["no problem found"]
    _console.out("\n".join(lines))


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _runtime(found: dict[str, Any]) -> list[str]:
    """What runs models: providers that really start, what `--device auto` takes, what CUDA has and lacks."""
    if found["version"] is None:
        lines = ['onnxruntime: not usable, models cannot be run; pip install "detkit[gpu]" (or cpu)']
    else:
        lines = [f"models: `--device auto` takes {found['auto']}"]
    said = {True: "starts", False: "listed, DOES NOT START", None: "not tried"}
    for row in found["providers"]:
        why = f": {row['why']}" if row["why"] else ""
        lines += folded(f"  {row['name']:<28} {said[row['starts']]}{why}", hang=" " * 29)
    return [*lines, "", *_cuda(found)]


def _cuda(found: dict[str, Any]) -> list[str]:
    """Driver, build and libraries one by one: each is missing for a reason, and has a mend, of its own."""
    lines = ["CUDA"]
    said = {True: "ready", False: "not ready", None: "unknown"}
    for step in found["cuda"]:
        lines += folded(f"  {step['name']:<12} {said[step['ready']]}: {step['found']}", hang=" " * 13)
        lines += folded(f"{'':15}hint: {step['mend']}", hang=" " * 6) if step["mend"] else []
    lines += [f"  {'lib' + name:<12} {place or 'not found'}" for name, place in found["libraries"].items()]
    return lines


def _problems() -> list[str]:
    problems = []
    if os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"):
        problems.append("NUMBA_DISABLE_JIT is set: kernels run as Python, about a hundred times slower")
    if sys.flags.optimize:
        problems.append("Python runs with -O: its own checks are off")
    problems += [f"{name} is missing; mend: pip install {name}" for name in _CORE if not _version(name)]
    return problems
