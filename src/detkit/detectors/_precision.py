"""Half precision: whether a model is of it already, and a copy of the model in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from detkit.detectors._graph import Graph, load_model
from detkit.detectors._session import first_line
from detkit.errors import MissingExtraError, UsageError

__all__ = ["in_precision"]


def in_precision(path: str | Path, graph: Graph, precision: str | None) -> bytes | None:
    """The model in another precision, None where the file is run as it is.

    Parameters
    ----------
    path : path-like
    graph : Graph
    precision : {"fp32", "fp16"}, optional
        None takes the model as it is.

    Returns
    -------
    bytes or None
        A serialised model; inputs and outputs keep their types.

    Raises
    ------
    UsageError
        The model does not allow it; the message says why.
    """
    if precision is None:
        return None
    if precision not in ("fp32", "fp16"):
        raise UsageError(f"precision: found `{precision}`, expected fp32 or fp16")
    kinds = _weight_kinds(path)
    quantised = sorted(op for op in graph.operators if "Quantize" in op or op.rpartition("::")[2].startswith("QLinear"))
    if quantised:
        raise UsageError(f"precision {precision}: the model is quantised ({', '.join(quantised)})", hint="leave it out")
    is_half = kinds.get("float16", 0) > kinds.get("float32", 0)
    if (precision == "fp16") == is_half:
        return None
    if precision == "fp32":
        raise UsageError("precision fp32: the model's weights are fp16", hint="export it in fp32, or leave it out")
    return _halved(path)


def _weight_kinds(path: str | Path) -> dict[str, int]:
    """Number of weights by kind."""
    found: dict[str, int] = {}
    model = load_model(path)
    constants = [
        a.t for node in model.graph.node if node.op_type == "Constant" for a in node.attribute if a.HasField("t")
    ]
    for weight in [*model.graph.initializer, *constants]:
        count = 1
        for d in weight.dims:
            count *= d
        kind = {1: "float32", 10: "float16"}.get(weight.data_type, "other")
        found[kind] = found.get(kind, 0) + count
    return found


def _halved(path: str | Path) -> bytes:
    try:
        import onnx
        from onnxruntime.transformers.float16 import convert_float_to_float16
    except ImportError:
        raise MissingExtraError("onnx", "gpu") from None
    try:
        model: Any = onnx.load(str(path), format="protobuf")
        halved = convert_float_to_float16(model, keep_io_types=True)
        content: bytes = halved.SerializeToString()
    except Exception as error:  # the converter raises what its steps raise
        raise UsageError(f"precision fp16: the model does not allow it: {first_line(error)}") from error
    return content
