"""Machine code kept on disk, under names made of all it depends on.

A folder for each combination of compiler, its settings, Python and processor; a file for each kernel, what it and
the kernels it calls say, and kind of arguments. Nothing depends on time stamps or on where detkit is installed.
Several processes may write at once (files appear whole); a file that is damaged counts as absent.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import sys
import time
from functools import cache
from pathlib import Path

from detkit.caches import cache_folder
from detkit.distributions import version
from detkit.kernels._native import Code

__all__ = ["can_write", "folder", "jit_is_off", "load", "save"]

_SUFFIX = ".kernel"
_KEPT_DAYS = 30
#: Settings of Numba that say where things lie, not what is compiled.
_PLACES = ("NUMBA_CACHE_DIR",)
#: Room for the lines of one processor, and those of them that LLVM would go by.
_FIRST_PROCESSOR = 1 << 13
_DECIDING = ("vendor_id", "cpu family", "model", "stepping", "flags")


def jit_is_off() -> bool:
    """Whether `NUMBA_DISABLE_JIT` asks for plain Python."""
    return os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0")


def folder() -> Path:
    """Where machine code for this installation and processor is kept; it need not exist."""
    stated = os.environ.get("NUMBA_CACHE_DIR")
    return (Path(stated) if stated else cache_folder() / "kernels") / _fingerprint()


def load(name: str) -> Code | None:
    """The kept machine code of a kernel, or None where there is none that is whole."""
    try:
        content = _file(name).read_bytes()
        head, object_file = content.split(b"\n", 1)
        stated = json.loads(head)
        if stated["sha256"] == hashlib.sha256(object_file).hexdigest():
            return Code(stated["symbol"], stated["returns"], object_file)
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return None


def save(name: str, code: Code) -> None:
    """Keep machine code; a folder that cannot be written is no error, the next process compiles again."""
    target = _file(name)
    digest = hashlib.sha256(code.object_file).hexdigest()
    head = json.dumps({"symbol": code.symbol, "returns": code.returns, "sha256": digest}).encode()
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    with contextlib.suppress(OSError):
        if not target.parent.is_dir():
            target.parent.mkdir(parents=True, exist_ok=True)
            _remove_old(target.parent)
        temporary.write_bytes(head + b"\n" + code.object_file)
        temporary.replace(target)
    with contextlib.suppress(OSError):
        temporary.unlink(missing_ok=True)


def can_write() -> bool:
    """Whether machine code can be kept."""
    place = folder()
    while not place.exists() and place != place.parent:
        place = place.parent
    return place.is_dir() and os.access(place, os.W_OK)


def _file(name: str) -> Path:
    return folder() / f"{name}{_SUFFIX}"


@cache
def _fingerprint() -> str:
    parts = [version("numba"), version("llvmlite"), sys.implementation.cache_tag or "", *_processor()]
    parts += [f"{k}={v}" for k, v in sorted(os.environ.items()) if k.startswith("NUMBA_") and k not in _PLACES]
    return f"detkit-{hashlib.sha256(repr(parts).encode()).hexdigest()[:16]}"


def _processor() -> list[str]:
    """What decides which instructions may be used, as the system says it, or else as LLVM does."""
    if sys.platform == "linux" and platform.machine() == "x86_64":
        with contextlib.suppress(OSError), Path("/proc/cpuinfo").open("rb", buffering=0) as file:
            lines = file.read(_FIRST_PROCESSOR).decode("utf-8", "replace").partition("\n\n")[0].splitlines()
            if any(line.startswith("flags") for line in lines):
                return [sys.platform, *(line for line in lines if line.startswith(_DECIDING))]
    import llvmlite.binding as llvm

    return [llvm.get_default_triple(), llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()]


def _remove_old(newest: Path) -> None:
    """Folders of other sources or compilers that no process has added to for a month."""
    for other in newest.parent.glob("detkit-*"):
        if other != newest and time.time() - other.stat().st_mtime > _KEPT_DAYS * 86400:
            import shutil

            shutil.rmtree(other, ignore_errors=True)
