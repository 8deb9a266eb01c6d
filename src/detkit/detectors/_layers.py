"""Layers of a model file without running it: output sizes, weights, multiplications, receptive fields, heads."""

from __future__ import annotations

import contextlib
import math
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from detkit.detectors._field import KERNELS, POOLS, Shape, Sight, advance, image_sight
from detkit.detectors._fold import fold_shapes
from detkit.errors import InputError

__all__ = ["Head", "Layer", "Layers", "read_layers"]

#: Weights of more elements than this are not needed to tell shapes.
_SMALL = 4096
#: Rounds of shape inference; each goes as far as the shape arithmetic of the one before allows.
_MOST_ROUNDS = 24
#: Operators whose constant operands are weights: trained, or folded from what was.
_PRODUCTS = frozenset(("Gemm", "MatMul", "MatMulInteger", "QLinearMatMul"))
_NORMS = frozenset(("BatchNormalization", "InstanceNormalization", "LayerNormalization", "GroupNormalization"))
_FACTORS = frozenset(("Add", "Mul", "Sub", "Div"))
_WEIGHTED = frozenset(KERNELS) | _PRODUCTS | _NORMS | _FACTORS | {"PRelu", "Gather", "LSTM", "GRU"}
#: onnx element types that hold weights (floats, and 8- and 4-bit integers) -> name.
_WEIGHT_TYPES = {1: "float32", 10: "float16", 11: "float64", 16: "bfloat16", 3: "int8", 2: "uint8", 22: "int4"}
#: Left out of the weights: a normalisation's running mean and variance are counted, not trained.
_STATISTICS = {"BatchNormalization": (3, 4)}
#: Where weights of a quantised layer have their scale and zero point.
_QUANTISED = {"QLinearConv": (3, 8), "QLinearMatMul": (3,), "ConvInteger": (1,), "MatMulInteger": (1,)}


@dataclass(frozen=True)
class Layer:
    """One node.

    Parameters
    ----------
    name, operator : str
    shape : tuple, optional
        Of its first output; None where it cannot be told.
    parameters : int
        Weights, each counted at the first layer that uses it.
    macs : int, optional
        Multiply-accumulate operations for one image; None where shapes are unknown.
    field, stride : (x, y), optional
        Receptive field and stride in pixels, where the output is a map.
    """

    name: str
    operator: str
    shape: Shape | None
    parameters: int
    macs: int | None
    field: tuple[float, float] | None
    stride: tuple[float, float] | None


@dataclass(frozen=True)
class Head:
    """A detection head: the last sliding layers before the outputs that share a stride.

    Parameters
    ----------
    layers : tuple of str
        Names of their outputs.
    stride, field : (x, y)
        Pixels of the network input.
    grid : (columns, rows), optional
    sees_all : bool
        Whether the whole image has an influence by a side way too (attention, squeeze and excitation).
    """

    layers: tuple[str, ...]
    stride: tuple[float, float]
    field: tuple[float, float]
    grid: tuple[int, int] | None
    sees_all: bool


@dataclass(frozen=True)
class Layers:
    """All layers of a model at one input size.

    Parameters
    ----------
    size : (width, height)
    layers : tuple of Layer
    heads : tuple of Head
        By stride.
    parameters : int
    macs : int
        Of the layers whose shapes are known.
    unknown : tuple of str
        Names of layers that multiply and whose shapes are unknown.
    precision : mapping of str to int
        Element type -> weights.
    """

    size: tuple[int, int]
    layers: tuple[Layer, ...]
    heads: tuple[Head, ...]
    parameters: int
    macs: int
    unknown: tuple[str, ...]
    precision: Mapping[str, int]


def read_layers(model: Any, image: str, size: tuple[int, int], *, nhwc: bool = False) -> Layers:
    """Layers of a parsed model at an input size, for one image.

    Parameters
    ----------
    model : onnx.ModelProto
        Weights may be absent (dims alone are read).
    image : str
        Name of the input that takes images.
    size : (width, height)
    nhwc : bool
        Colours last.

    Returns
    -------
    Layers

    Raises
    ------
    InputError
        The shapes contradict each other at this size.
    """
    shapes = _shapes(model, image, size, nhwc)
    constants = _Constants(model)
    shapes |= {name: tuple(w.dims) for name, w in constants.tensors.items()}
    rank = len(shapes.get(image) or (1, 3, 0, 0))
    sights: dict[str, Sight | None] = {image: image_sight((rank - 3, rank - 2) if nhwc else (rank - 2, rank - 1))}
    counted: set[str] = set()
    precision: Counter[str] = Counter()
    layers = []
    for n, node in enumerate(model.graph.node):
        if node.op_type == "Constant":
            continue
        attributes = _attributes(node)
        inputs = [shapes.get(name) for name in node.input]
        output = shapes.get(node.output[0])
        seen = advance(
            node,
            attributes,
            [sights.get(name) for name in node.input],
            inputs,
            output,
            lambda i, node=node: constants.value(node.input[i]) if i < len(node.input) else None,
        )
        for name in node.output:
            sights[name] = seen
        weights = _weights(node, constants, counted)
        precision.update(weights)
        is_map = seen is not None and seen.axes is not None
        layers.append(
            Layer(
                name=node.name or node.output[0] or f"node {n}",
                operator=node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}::{node.op_type}",
                shape=output,
                parameters=sum(weights.values()),
                macs=_macs(node, attributes, inputs, output),
                field=seen.field if seen is not None and is_map else None,
                stride=seen.stride if seen is not None and is_map else None,
            )
        )
    return Layers(
        size=size,
        layers=tuple(layers),
        heads=_heads(model.graph, sights, shapes),
        parameters=sum(precision.values()),
        macs=sum(layer.macs or 0 for layer in layers),
        unknown=tuple(layer.name for layer in layers if layer.macs is None),
        precision=dict(precision.most_common()),
    )


# --- shapes and constants


def _shapes(model: Any, image: str, size: tuple[int, int], nhwc: bool) -> dict[str, Shape]:
    """Shape of every tensor at this input size, by onnx's own inference; stale stated shapes are left aside."""
    import onnx

    light = onnx.ModelProto()
    light.CopyFrom(model) if model.ByteSize() < 2**24 else _copy_without_weights(model, light)
    for weight in light.graph.initializer:
        if math.prod(weight.dims) > _SMALL:
            for content in ("raw_data", "float_data", "int32_data", "int64_data", "double_data", "external_data"):
                weight.ClearField(content)
            weight.data_location = onnx.TensorProto.DEFAULT
    del light.graph.value_info[:]
    for value in light.graph.output:
        value.type.tensor_type.ClearField("shape")
    constants = {w.name for w in light.graph.initializer}
    for value in light.graph.input:
        if value.name not in constants:
            _fix(value, size if value.name == image else None, nhwc)
    values = _Constants(light).arrays()
    known: dict[str, Shape] = {}
    for _ in range(_MOST_ROUNDS):
        known |= _inferred(light, size)
        if not fold_shapes(light, known, values):
            break
    return {**known, **{name: tuple(array.shape) for name, array in values.items()}}


def _inferred(light: Any, size: tuple[int, int]) -> dict[str, Shape]:
    import onnx

    try:
        found = onnx.shape_inference.infer_shapes(light, data_prop=True)
    except Exception as error:  # onnx raises errors of several kinds, from C++ and from protobuf
        text = str(error).strip().splitlines()
        width, height = size
        raise InputError(
            f"shapes cannot be told at {width}x{height}: {text[0] if text else type(error).__name__}",
            hint="say another size with --image-size",
        ) from error
    values = (*found.graph.input, *found.graph.value_info, *found.graph.output)
    return {v.name: _dims(v) for v in values if v.type.tensor_type.HasField("shape")}


def _copy_without_weights(model: Any, light: Any) -> None:
    """A copy that leaves the bulk where it is."""
    light.ir_version = model.ir_version
    light.opset_import.extend(model.opset_import)
    light.functions.extend(model.functions)
    light.graph.name = model.graph.name
    for part in ("node", "input", "output"):
        getattr(light.graph, part).extend(getattr(model.graph, part))
    for weight in model.graph.initializer:
        if math.prod(weight.dims) <= _SMALL:
            light.graph.initializer.add().CopyFrom(weight)
        else:
            light.graph.initializer.add(name=weight.name, dims=list(weight.dims), data_type=weight.data_type)


def _fix(value: Any, size: tuple[int, int] | None, nhwc: bool) -> None:
    dims = value.type.tensor_type.shape.dim
    if size is not None and len(dims) >= 3:
        y, x = (-3, -2) if nhwc else (-2, -1)
        dims[y].dim_value, dims[x].dim_value = size[1], size[0]
    for n, dim in enumerate(dims):
        # One image: also where the file says otherwise, so that multiplications are those of one.
        if (n == 0 and (size is None or len(dims) == 4)) or not dim.HasField("dim_value") or dim.dim_value <= 0:
            dim.dim_value = 1 if n == 0 or size is None else 3


def _dims(value: Any) -> Shape:
    return tuple(
        int(d.dim_value) if d.HasField("dim_value") and d.dim_value >= 0 else None
        for d in value.type.tensor_type.shape.dim
    )


class _Constants:
    """Constant tensors by name, from initializers and Constant nodes."""

    def __init__(self, model: Any) -> None:
        self.tensors = {w.name: w for w in model.graph.initializer}
        for node in model.graph.node:
            if node.op_type == "Constant":
                for attribute in node.attribute:
                    if attribute.name == "value":
                        self.tensors[node.output[0]] = attribute.t

    def arrays(self) -> dict[str, Any]:
        """The small constants as arrays."""
        from onnx import numpy_helper

        out = {}
        for name, tensor in self.tensors.items():
            if math.prod(tensor.dims) <= _SMALL and tensor.data_type in (1, 6, 7, 9):
                with contextlib.suppress(ValueError, TypeError):
                    out[name] = numpy_helper.to_array(tensor)
        return out

    def value(self, name: str) -> list[Any] | None:
        """A small constant as a flat list."""
        from onnx import numpy_helper

        tensor = self.tensors.get(name)
        if tensor is None or math.prod(tensor.dims) > _SMALL:
            return None
        try:
            return list(np.ravel(numpy_helper.to_array(tensor)).tolist())
        except (ValueError, TypeError):
            return None


def _attributes(node: Any) -> dict[str, Any]:
    """Attributes as Python values; tensors and graphs are left out."""
    out: dict[str, Any] = {}
    for a in node.attribute:
        kinds = {1: a.f, 2: a.i, 6: list(a.floats), 7: list(a.ints)}
        out[a.name] = a.s.decode("utf-8", "replace") if a.type == 3 else kinds.get(a.type)
    return out


# --- weights and multiplications


def _weights(node: Any, constants: _Constants, counted: set[str]) -> Counter[str]:
    """Weights that this node is the first to use, by element type."""
    found: Counter[str] = Counter()
    if node.op_type not in _WEIGHTED:
        return found
    for position, name in enumerate(node.input):
        tensor = constants.tensors.get(name)
        if tensor is None or name in counted or position in _STATISTICS.get(node.op_type, ()):
            continue
        allowed = _QUANTISED.get(node.op_type)
        kind = _WEIGHT_TYPES.get(tensor.data_type, "int32" if allowed and position in allowed else "")
        size = math.prod(tensor.dims)
        # A single number is a factor of the formula, not a weight.
        is_scalar = not tensor.dims or (size == 1 and node.op_type in _FACTORS)
        if kind and not is_scalar and (allowed is None or position in allowed):
            counted.add(name)
            found[kind] += size
    return found


def _macs(node: Any, attributes: Mapping[str, Any], inputs: list[Shape | None], output: Shape | None) -> int | None:
    """Multiply-accumulate operations; biases, activations and normalisation are not counted."""
    operator = node.op_type
    if operator in KERNELS:
        weight = inputs[KERNELS[operator]]
        # Each output value takes a kernel over the input colours of its group; transposed, each input value gives one.
        values = inputs[0] if operator == "ConvTranspose" else output
        known = _known(weight, values)
        return None if known is None else math.prod(known[1]) * math.prod(known[0][1:])
    if operator == "Gemm":
        known = _known(inputs[0], output)
        return None if known is None else math.prod(known[1]) * known[0][0 if attributes.get("transA") else 1]
    if operator in ("MatMul", "MatMulInteger", "QLinearMatMul"):
        known = _known(inputs[0], output)
        return None if known is None else math.prod(known[1]) * known[0][-1]
    return 0


def _known(*shapes: Shape | None) -> list[tuple[int, ...]] | None:
    whole = [tuple(d for d in s if d is not None) for s in shapes if s is not None]
    if len(whole) < len(shapes) or any(len(a) != len(b or ()) for a, b in zip(whole, shapes, strict=True)):
        return None
    return whole


# --- heads


def _heads(graph: Any, sights: Mapping[str, Sight | None], shapes: Mapping[str, Shape]) -> tuple[Head, ...]:
    producers = {name: node for node in graph.node for name in node.output if name}
    found: dict[tuple[float, float], list[str]] = {}
    for name in _last_maps([v.name for v in graph.output], producers, sights):
        sight = sights[name]
        assert sight is not None
        found.setdefault(sight.stride, []).append(name)
    heads = []
    for stride, names in sorted(found.items()):
        seen = [sights[name] for name in names]
        fields = [s.field for s in seen if s is not None]
        grid = None
        shape, first = shapes.get(names[0]), seen[0]
        if shape is not None and first is not None and first.axes is not None:
            rows, columns = (shape[a] for a in first.axes)
            grid = None if rows is None or columns is None else (columns, rows)
        field = (max(f[0] for f in fields), max(f[1] for f in fields))
        heads.append(Head(tuple(names), stride, field, grid, any(s.sees_all for s in seen if s is not None)))
    return tuple(heads)


def _last_maps(names: Iterable[str], producers: Mapping[str, Any], sights: Mapping[str, Sight | None]) -> list[str]:
    """Outputs of the last sliding layers on the ways to these tensors."""
    queue, met, found = deque(names), set(names), []
    while queue:
        name = queue.popleft()
        node = producers.get(name)
        if node is None or node.op_type == "Shape":
            continue
        sight = sights.get(name)
        if (node.op_type in KERNELS or node.op_type in POOLS) and sight is not None and sight.axes is not None:
            found.append(name)
            continue
        # Only the values count: the second input of Reshape and its like says where they go.
        values = node.input[:1] if node.op_type in ("Reshape", "Gather", "Slice", "Resize", "Tile") else node.input
        for one in values:
            if one and one not in met:
                met.add(one)
                queue.append(one)
    return found
