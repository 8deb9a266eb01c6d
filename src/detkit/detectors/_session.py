"""The only importer of onnxruntime: a session on a device that is really used, or an error."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from detkit.errors import InputError, MissingExtraError, UsageError

__all__ = ["Session", "open_session", "parse_device"]

_PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
}


@dataclass(frozen=True)
class Session:
    """A loaded model.

    Parameters
    ----------
    handle : onnxruntime.InferenceSession
    provider : str
        What really runs, `session.get_providers()[0]`.
    device : str
        `cpu`, `cuda:0`, ...
    """

    handle: Any
    provider: str
    device: str

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """All outputs by name.

        Raises
        ------
        InputError
            The model fails on this input.
        """
        names = [o.name for o in self.handle.get_outputs()]
        try:
            return dict(zip(names, self.handle.run(None, dict(feeds)), strict=True))
        except Exception as error:  # onnxruntime raises its own unrelated classes
            shapes = ", ".join(f"{k} {v.dtype}{list(v.shape)}" for k, v in feeds.items())
            raise InputError(f"the model fails on {shapes}: {_first_line(error)}") from error


def parse_device(text: str) -> list[str]:
    """Devices of `auto|cpu|cuda|cuda:0,2|0,1|tensorrt|coreml|openvino`, one entry a worker.

    Raises
    ------
    UsageError
        Not understood.
    """
    text = text.strip().lower()
    if text in ("auto", "cpu", "coreml", "openvino"):
        return [text]
    kind, _, numbers = text.partition(":")
    if kind and kind[0].isdecimal():
        kind, numbers = "cuda", text
    if kind not in ("cuda", "tensorrt") or (numbers and not all(p.isdecimal() for p in numbers.split(","))):
        raise UsageError(
            f"device: found `{text}`, expected auto, cpu, cuda, cuda:0,2, 0,1, tensorrt, coreml or openvino"
        )
    return [f"{kind}:{int(n)}" for n in dict.fromkeys(numbers.split(","))] if numbers else [f"{kind}:0"]


def open_session(
    path: str | Path, device: str = "auto", *, threads: int | None = None, fixed_shapes: bool = True
) -> Session:
    """A session on a device; never a silent fallback to another one.

    Parameters
    ----------
    path : path-like
    device : str
        One entry of `parse_device`; `auto` takes CUDA where it really starts, else the CPU.
    threads : int, optional
        For the CPU; by default one a processor.
    fixed_shapes : bool
        Whether every batch has one shape (an exhaustive search for convolutions pays then).

    Returns
    -------
    Session

    Raises
    ------
    UsageError
        The device asked for does not start here.
    InputError
        The model cannot be loaded.
    MissingExtraError
        onnxruntime is not installed.
    """
    try:
        import onnxruntime as ort
    except ImportError:
        raise MissingExtraError("onnxruntime", "gpu") from None
    kind, _, number = device.partition(":")
    if kind != "cpu" and hasattr(ort, "preload_dlls"):
        _preload(ort)
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads or len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
    wanted = ["CUDAExecutionProvider"] if kind == "auto" else [_PROVIDERS[kind]]
    available = [p for p in wanted if p in ort.get_available_providers()]
    if kind not in ("auto", "cpu") and not available:
        raise UsageError(
            f"device `{device}` is not in this build of onnxruntime ({', '.join(ort.get_available_providers())})",
            hint='pip install "detkit[gpu]", and see `detkit doctor`',
        )
    providers: list[Any] = [(p, _provider_options(p, number, fixed_shapes)) for p in available]
    try:
        handle = ort.InferenceSession(str(path), options, providers=[*providers, "CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises its own unrelated classes
        raise InputError(f"cannot be loaded: {_first_line(error)}", path=path) from error
    used = handle.get_providers()[0]
    if kind not in ("auto", "cpu") and used != _PROVIDERS[kind]:
        raise UsageError(
            f"device `{device}` did not start: onnxruntime would run on {used}",
            hint="see `detkit doctor`, or choose `--device cpu`",
        )
    name = next(k for k, v in _PROVIDERS.items() if v == used) if used in _PROVIDERS.values() else used
    return Session(handle, used, name if name == "cpu" else f"{name}:{number or 0}")


def _provider_options(provider: str, number: str, fixed_shapes: bool) -> dict[str, Any]:
    if provider == "CUDAExecutionProvider":
        search = "EXHAUSTIVE" if fixed_shapes else "HEURISTIC"
        return {"device_id": int(number or 0), "cudnn_conv_algo_search": search}
    if provider == "TensorrtExecutionProvider":
        return {"device_id": int(number or 0), "trt_engine_cache_enable": True}
    return {}


def _preload(ort: Any) -> None:
    """Load NVIDIA's libraries from their wheels where they are installed; quiet where they are not."""
    import contextlib
    import io

    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(Exception):
        ort.preload_dlls()


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:300] if str(error).strip() else type(error).__name__
