"""Shape arithmetic inside a graph, done ahead: what onnx's own inference leaves open of dynamic exports.

Exporters compute shapes in the graph (Shape, Gather, Concat, Reshape). Once the input size is fixed these are small
constants; with them in place as initializers, inference tells the shapes behind them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

__all__ = ["fold_shapes"]

Shape = tuple[int | None, ...]
_LARGEST = 4096
_DTYPES = {1: np.float32, 6: np.int32, 7: np.int64, 9: np.bool_}


def fold_shapes(model: Any, known: Mapping[str, Shape], values: dict[str, Any]) -> int:
    """Compute every small constant that can be, and put it in place of its node's output.

    Parameters
    ----------
    model : onnx.ModelProto
        Changed: outputs that are known become initializers under their name, their nodes go.
    known : mapping of str to shape
        Shapes told so far.
    values : dict of str to array
        Constants told so far; added to.

    Returns
    -------
    int
        How many were found.
    """
    from onnx import numpy_helper

    kept, found = [], 0
    for node in model.graph.node:
        result = _result(node, known, values)
        if result is None:
            kept.append(node)
            continue
        found += 1
        values[node.output[0]] = result
        model.graph.initializer.append(numpy_helper.from_array(result, node.output[0]))
    if found:
        copies = [type(node).FromString(node.SerializeToString()) for node in kept]
        del model.graph.node[:]
        model.graph.node.extend(copies)
    return found


def _result(node: Any, known: Mapping[str, Shape], values: Mapping[str, Any]) -> Any:
    """The node's value where it is a small constant, else None."""
    if node.domain not in ("", "ai.onnx") or len(node.output) != 1:
        return None
    attributes = {a.name: a for a in node.attribute}
    if node.op_type == "Shape":
        shape = known.get(node.input[0])
        if shape is None or None in shape:
            return None
        start = attributes["start"].i if "start" in attributes else 0
        end = attributes["end"].i if "end" in attributes else len(shape)
        return np.array(shape[start:end], np.int64)
    compute = _COMPUTE.get(node.op_type)
    if compute is None or any(name and name not in values for name in node.input):
        return None
    inputs = [values[name] if name else None for name in node.input]
    try:
        with np.errstate(all="ignore"):
            result = np.asarray(compute(inputs, attributes))
    except (ValueError, IndexError, TypeError, KeyError, ZeroDivisionError, OverflowError, MemoryError):
        return None
    return np.array(result, order="C") if result.size <= _LARGEST else None


def _axes(inputs: list[Any], attributes: Mapping[str, Any]) -> list[int]:
    if len(inputs) > 1 and inputs[1] is not None:
        return [int(a) for a in np.ravel(inputs[1])]
    return list(attributes["axes"].ints) if "axes" in attributes else []


def _unsqueeze(inputs: list[Any], attributes: Mapping[str, Any]) -> Any:
    axes = _axes(inputs, attributes)
    return np.expand_dims(inputs[0], tuple(axes))


def _squeeze(inputs: list[Any], attributes: Mapping[str, Any]) -> Any:
    axes = _axes(inputs, attributes)
    return np.squeeze(inputs[0], tuple(axes) if axes else None)


def _slice(inputs: list[Any], attributes: Mapping[str, Any]) -> Any:
    starts, ends = ([int(v) for v in np.ravel(i)] for i in inputs[1:3])
    axes = np.ravel(inputs[3]).tolist() if len(inputs) > 3 and inputs[3] is not None else list(range(len(starts)))
    steps = np.ravel(inputs[4]).tolist() if len(inputs) > 4 else [1] * len(starts)
    cut = [slice(None)] * inputs[0].ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        # An end before the first element, as exporters write it for falling steps, has no Python number.
        cut[int(axis)] = slice(start, None if step < 0 and end < -inputs[0].shape[int(axis)] else end, int(step))
    return inputs[0][tuple(cut)]


def _divide(inputs: list[Any], attributes: Mapping[str, Any]) -> Any:
    a, b = inputs
    if np.issubdtype(a.dtype, np.integer):
        return np.trunc(a / b).astype(a.dtype)
    return a / b


def _filled(inputs: list[Any], attributes: Mapping[str, Any]) -> Any:
    from onnx import numpy_helper

    value = numpy_helper.to_array(attributes["value"].t).ravel()[0] if "value" in attributes else np.float32(0)
    shape = tuple(int(d) for d in inputs[0])
    if math.prod(shape) > _LARGEST:
        raise ValueError
    return np.full(shape, value)


def _reshaped(inputs: list[Any], attributes: Mapping[str, Any]) -> Any:
    shape = [int(d) for d in inputs[1]]
    keep = "allowzero" not in attributes or not attributes["allowzero"].i
    return inputs[0].reshape([inputs[0].shape[n] if d == 0 and keep else d for n, d in enumerate(shape)])


def _cast(inputs: list[Any], attributes: Mapping[str, Any]) -> Any:
    return inputs[0].astype(_DTYPES[attributes["to"].i])


def _expand(inputs: list[Any], attributes: Mapping[str, Any]) -> Any:
    shape = tuple(int(d) for d in inputs[1])
    if math.prod(shape) > _LARGEST:
        raise ValueError
    return inputs[0] * np.ones(shape, inputs[0].dtype)


def _range(inputs: list[Any], attributes: Mapping[str, Any]) -> Any:
    start, limit, step = (i.item() for i in inputs)
    if abs(limit - start) > _LARGEST * abs(step):
        raise ValueError
    return np.arange(start, limit, step, dtype=inputs[0].dtype)


_COMPUTE: dict[str, Callable[[list[Any], Mapping[str, Any]], Any]] = {
    "Identity": lambda i, a: i[0],
    "Gather": lambda i, a: np.take(i[0], i[1].astype(np.int64), axis=a["axis"].i if "axis" in a else 0),
    "Concat": lambda i, a: np.concatenate(i, axis=a["axis"].i),
    "Add": lambda i, a: i[0] + i[1],
    "Sub": lambda i, a: i[0] - i[1],
    "Mul": lambda i, a: i[0] * i[1],
    "Div": _divide,
    "Neg": lambda i, a: -i[0],
    "Floor": lambda i, a: np.floor(i[0]),
    "Ceil": lambda i, a: np.ceil(i[0]),
    "Equal": lambda i, a: i[0] == i[1],
    "Where": lambda i, a: np.where(i[0], i[1], i[2]),
    "ReduceProd": lambda i, a: np.prod(i[0], keepdims=not ("keepdims" in a and a["keepdims"].i == 0)),
    "Cast": _cast,
    "ConstantOfShape": _filled,
    "Expand": _expand,
    "Range": _range,
    "Reshape": _reshaped,
    "Slice": _slice,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
}
