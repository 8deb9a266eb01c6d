"""The only importer of onnxruntime: a session on a device that is really used, or an error."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from detkit.errors import InputError, MissingExtraError, UsageError

__all__ = ["Session", "first_line", "load_onnxruntime", "open_session", "parse_device", "preload_libraries",
           "processors", "session_options", "started"]  # fmt: skip

_PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
}
#: What brings a provider; two wheels of onnxruntime overwrite each other.
_BRINGS = {
    **dict.fromkeys(
        ("cuda", "tensorrt"),
        'pip uninstall -y onnxruntime, then pip install "detkit[gpu]"; `detkit doctor` says what else is missing',
    ),
    "coreml": "CoreML is in onnxruntime for macOS only; elsewhere choose `--device cpu` or `--device cuda`",
    "openvino": "pip uninstall -y onnxruntime, then pip install onnxruntime-openvino (Intel's build)",
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
    path : str
        Of the model file, for messages.
    """

    handle: Any
    provider: str
    device: str
    path: str = ""

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """All outputs by name, in memory of their own.

        Raises
        ------
        InputError
            The model fails on this input.
        """
        names = [o.name for o in self.handle.get_outputs()]
        try:
            found = self._bound(feeds, names) if self.device.startswith("cuda") else self.handle.run(names, dict(feeds))
            return dict(zip(names, found, strict=True))
        except Exception as error:  # onnxruntime raises its own unrelated classes
            shapes = ", ".join(f"{k} {v.dtype}{list(v.shape)}" for k, v in feeds.items())
            message = f"the model fails on {shapes}: {first_line(error)}"
            raise InputError(message, path=self.path or None, hint=_RUN_HINT) from error

    def versions(self) -> dict[str, Any]:
        """What computes: version of onnxruntime, and threads in one operator."""
        threads = self.handle.get_session_options().intra_op_num_threads
        return {"onnxruntime": str(load_onnxruntime().__version__), "operator_threads": int(threads)}

    def _bound(self, feeds: Mapping[str, NDArray[Any]], names: list[str]) -> list[NDArray[Any]]:
        """Outputs by IO binding: one copy to the device and one back, straight into the arrays handed out."""
        binding = self.handle.io_binding()
        for name, value in feeds.items():
            binding.bind_cpu_input(name, value)
        for name in names:
            binding.bind_output(name, "cpu")
        self.handle.run_with_iobinding(binding)
        return list(binding.copy_outputs_to_cpu())


_RUN_HINT = "sizes the file declares may be stale: try the size it was exported for (`--image-size`) and `--batch 1`"


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
    path: str | Path,
    device: str = "auto",
    *,
    threads: int | None = None,
    fixed_shapes: bool = True,
    lanes: int = 1,
    spinning: bool = False,
    content: bytes | None = None,
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
    lanes : int
        How many threads call `run` at the same time on the CPU; each computes too, so they share `threads`.
    spinning : bool
        Threads wait by spinning: a single call is answered sooner, and other threads get less of the processor.
    content : bytes, optional
        The model itself where it is not what the file holds (converted to another precision).

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
    ort = load_onnxruntime()
    kind, _, number = device.partition(":")
    if kind != "cpu" and hasattr(ort, "preload_dlls"):
        preload_libraries(ort)
    available = [p for p in _wanted(kind) if p in ort.get_available_providers()]
    if kind not in ("auto", "cpu") and _PROVIDERS[kind] not in available:
        here = [name for name, provider in _PROVIDERS.items() if provider in ort.get_available_providers()]
        raise UsageError(
            f"device `{device}` is not in this build of onnxruntime, which has {', '.join(here)}", hint=_BRINGS[kind]
        )
    options = session_options(ort, processors() if threads is None else threads, lanes, spinning)
    providers: list[Any] = [(p, _provider_options(p, number, fixed_shapes)) for p in available]
    model = str(path) if content is None else content
    try:
        handle = started(ort, model, options, providers)
    except Exception as error:  # onnxruntime raises its own unrelated classes
        handle = _on_cpu(ort, model, options) if available else None
        if handle is None:
            raise InputError(f"cannot be loaded: {first_line(error)}", path=path) from error
        if kind != "auto":
            raise _not_started(device, f": {first_line(error)}") from error
    used = handle.get_providers()[0]
    if kind not in ("auto", "cpu") and used != _PROVIDERS[kind]:
        raise _not_started(device, f": onnxruntime would run on {used}")
    name = next((k for k, v in _PROVIDERS.items() if v == used), used)
    return Session(handle, used, f"{name}:{number or 0}" if name in ("cuda", "tensorrt") else name, str(path))


def processors() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def load_onnxruntime() -> Any:
    """The module; `MissingExtraError` where it is not installed."""
    try:
        import onnxruntime
    except ImportError:
        raise MissingExtraError("onnxruntime", "gpu") from None
    return onnxruntime


def _wanted(kind: str) -> list[str]:
    if kind == "auto":
        return ["CUDAExecutionProvider"]
    # What TensorRT cannot take runs on CUDA.
    return [_PROVIDERS[kind], *(["CUDAExecutionProvider"] if kind == "tensorrt" else [])]


def session_options(ort: Any, threads: int, lanes: int, spinning: bool = False) -> Any:
    """Options of a session that is silent; parameters as `open_session`."""
    with contextlib.suppress(Exception):
        ort.set_default_logger_severity(4)
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = max(1, threads - lanes + 1)
    # A thread that waits by spinning takes the processor from those that read images and decode answers.
    options.add_session_config_entry("session.intra_op.allow_spinning", "1" if spinning else "0")
    return options


def started(ort: Any, model: str | bytes, options: Any, providers: list[Any]) -> Any:
    """A session with these providers and the CPU behind them; raises whatever onnxruntime raises."""
    names = [p if isinstance(p, str) else p[0] for p in providers]
    rest = [] if "CPUExecutionProvider" in names else ["CPUExecutionProvider"]
    # No fallback of ONNX Runtime's own: it prints, and another device than the one asked for is not an answer.
    return ort.InferenceSession(model, options, providers=[*providers, *rest], enable_fallback=0)


def _on_cpu(ort: Any, model: str | bytes, options: Any) -> Any | None:
    """A session on the CPU, to tell a device that does not start from a model that cannot be loaded."""
    try:
        return started(ort, model, options, [])
    except Exception:  # the model is at fault: the first error says how
        return None


def _not_started(device: str, why: str) -> UsageError:
    return UsageError(f"device `{device}` did not start{why}", hint="see `detkit doctor`, or choose `--device cpu`")


def _provider_options(provider: str, number: str, fixed_shapes: bool) -> dict[str, Any]:
    if provider == "CUDAExecutionProvider":
        search = "EXHAUSTIVE" if fixed_shapes else "HEURISTIC"
        return {"device_id": int(number or 0), "cudnn_conv_algo_search": search}
    if provider == "TensorrtExecutionProvider":
        return {"device_id": int(number or 0), "trt_engine_cache_enable": True}
    return {}


def preload_libraries(ort: Any) -> None:
    """Load NVIDIA's libraries from their wheels where they are installed; quiet where they are not."""
    import io

    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(Exception):
        ort.preload_dlls()


def first_line(error: Exception) -> str:
    """What an error of another library says first, cut to what a message holds; its class where it says nothing."""
    return str(error).strip().splitlines()[0][:300] if str(error).strip() else type(error).__name__
