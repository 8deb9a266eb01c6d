"""What stands between a model and an NVIDIA GPU: the driver, a build of onnxruntime with CUDA, CUDA's libraries."""

from __future__ import annotations

import ctypes
import ctypes.util
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

__all__ = ["PROVIDER", "Step", "libraries", "steps"]

PROVIDER = "CUDAExecutionProvider"
_LIBRARIES = ("cudart", "cublas", "cublasLt", "cufft", "curand", "cudnn", "nvinfer")
_WINDOWS = sys.platform == "win32"
_DRIVER = "nvcuda.dll" if _WINDOWS else "libcuda.so.1"
_PLUGIN = "onnxruntime_providers_cuda.dll" if _WINDOWS else "libonnxruntime_providers_cuda.so"
_NO_DRIVER = "install NVIDIA's driver; a container sees the host's with `docker run --gpus all`"
_NO_GPU = "see `nvidia-smi` and CUDA_VISIBLE_DEVICES; a container needs `docker run --gpus all`"
#: How the loader of Linux names a library that it cannot find.
_MISSING = re.compile(r"(\S+): cannot open shared object file")


@dataclass(frozen=True)
class Step:
    """One thing that CUDA needs.

    Parameters
    ----------
    name : {"driver", "onnxruntime", "libraries"}
    ready : bool or None
        None where it cannot be told before another one is.
    found : str
        What is there, or what is not.
    mend : str, optional
        What to do about it.
    """

    name: str
    ready: bool | None
    found: str
    mend: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def steps(listed: Sequence[str], folder: Path | None, *, starts: bool, install: str) -> list[Step]:
    """The driver, the build of onnxruntime and CUDA's libraries, in the order in which they are needed.

    Parameters
    ----------
    listed : sequence of str
        Providers of the build.
    folder : Path, optional
        Where onnxruntime is installed.
    starts : bool
        Whether a session on CUDA really ran.
    install : str
        What brings a build with CUDA.

    Returns
    -------
    list of Step
    """
    built = PROVIDER in listed
    build = Step("onnxruntime", True, f"has {PROVIDER}") if built else _no_build(folder, install)
    if starts:
        linked = Step("libraries", True, "all that the provider is linked to")
    else:
        linked = _linked(folder / "capi" / _PLUGIN) if built and folder is not None else _unknown()
    return [_driver(ctypes.CDLL), build, linked]


def libraries() -> dict[str, str | None]:
    """Where each library of CUDA lies: in NVIDIA's wheels, or among the loader's own; None where it does not."""
    folders = [Path(p) / "nvidia" for p in sys.path if p and (Path(p) / "nvidia").is_dir()]
    inside = {path.name: path for folder in folders for path in folder.glob("**/lib*.so*")}
    found: dict[str, str | None] = {}
    for name in _LIBRARIES:
        in_wheel = next((str(inside[n]) for n in sorted(inside) if n.startswith(f"lib{name}.so")), None)
        found[name] = in_wheel or ctypes.util.find_library(name)
    return found


def _driver(load: Callable[[str], Any]) -> Step:
    """What NVIDIA's driver says of itself; onnxruntime is not asked."""
    try:
        driver = load(_DRIVER)
    except OSError:
        return Step("driver", False, f"{_DRIVER} is not found: there is no NVIDIA driver here", _NO_DRIVER)
    code = driver.cuInit(0)
    if code:
        return Step("driver", False, f"{_DRIVER} is there and says: {_reason(driver, code)}", _NO_GPU)
    count, version = ctypes.c_int(), ctypes.c_int()
    driver.cuDeviceGetCount(ctypes.byref(count))
    driver.cuDriverGetVersion(ctypes.byref(version))
    if not count.value:
        return Step("driver", False, f"{_DRIVER} is there and shows no GPU", _NO_GPU)
    major, minor = divmod(version.value, 1000)
    gpus = ", ".join(_gpu_name(driver, number) for number in range(count.value))
    return Step("driver", True, f"for CUDA {major}.{minor // 10}: {gpus}")


def _reason(driver: Any, code: int) -> str:
    text = ctypes.c_char_p()
    driver.cuGetErrorString(code, ctypes.byref(text))
    return f"{text.value.decode('utf-8', 'replace')} ({code})" if text.value else f"error {code}"


def _gpu_name(driver: Any, number: int) -> str:
    text = ctypes.create_string_buffer(128)
    driver.cuDeviceGetName(text, len(text), number)
    return text.value.decode("utf-8", "replace") or f"GPU {number}"


def _no_build(folder: Path | None, install: str) -> Step:
    found = "is not installed" if folder is None else f"this build has no {PROVIDER}"
    return Step("onnxruntime", False, found, install)


def _unknown() -> Step:
    return Step("libraries", None, "cannot be told without a build that loads them")


def _linked(plugin: Path) -> Step:
    """Which library the provider lacks: the loader names the first one when it is asked for the provider's file."""
    install = 'pip install "detkit[cuda]" brings CUDA and cuDNN as wheels'
    try:
        ctypes.CDLL(str(plugin))
    except OSError as error:
        missing = _MISSING.search(str(error))
        if missing is not None:
            name = Path(missing[1]).name
            what = "cuDNN is missing" if "cudnn" in name else "a library of CUDA is missing"
            return Step("libraries", False, f"{what}: {name} is not found", install)
        if _WINDOWS:
            return Step("libraries", False, str(error), install)
        # The libraries are all there: what is left are symbols that onnxruntime itself brings.
    return Step("libraries", True, "all that the provider is linked to")
