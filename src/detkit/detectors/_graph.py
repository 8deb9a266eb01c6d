"""A model file without running it: ports, metadata, operators. Model files are untrusted input."""

from __future__ import annotations

import ast
import json
import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from detkit import files
from detkit.errors import InputError, MissingExtraError

__all__ = ["Graph", "Port", "load_model", "read_graph"]

#: onnx element type -> NumPy dtype name
_DTYPES = {
    1: "float32",
    2: "uint8",
    3: "int8",
    6: "int32",
    7: "int64",
    8: "str",
    9: "bool",
    10: "float16",
    11: "float64",
}
_LIMIT = 4 * 2**30


@dataclass(frozen=True)
class Port:
    """An input or output: name, NumPy dtype name, shape with None where it is not fixed."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]

    def __str__(self) -> str:
        return f"{self.name} {self.dtype} [{', '.join('?' if d is None else str(d) for d in self.shape)}]"


@dataclass(frozen=True)
class Graph:
    """What a model file says of itself.

    Parameters
    ----------
    path : str
    inputs, outputs : tuple of Port
    metadata : mapping of str to str
        `metadata_props`, as written.
    operators : mapping of str to int
        Operator -> how often, those inside the branches and bodies of If, Loop and Scan too; operators of other
        domains as `domain::Operator`.
    opset : int
        Of the default domain.
    producer : str
    parameters : int
        Number of weights.
    first : frozenset of str
        Operators that touch the image before the first convolution or product: how the graph prepares images itself.
    last : mapping of str to frozenset of str
        Output -> operators that made its values, looked at through those that only move values (Reshape, Concat, ...):
        whether scores are activated in the graph.
    """

    path: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    metadata: Mapping[str, str] = field(default_factory=dict)
    operators: Mapping[str, int] = field(default_factory=dict)
    opset: int = 0
    producer: str = ""
    parameters: int = 0
    first: frozenset[str] = frozenset()
    last: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @property
    def image(self) -> Port:
        """The input that takes images: the first of rank 3 or 4, else the first."""
        ranked = [p for p in self.inputs if len(p.shape) in (3, 4)]
        return ranked[0] if ranked else self.inputs[0]

    @property
    def is_nhwc(self) -> bool:
        """Whether the image input ends in the three colours."""
        shape = self.image.shape
        return len(shape) >= 3 and shape[-1] == 3 and shape[-3] != 3

    @property
    def size(self) -> tuple[int, int] | None:
        """(width, height) of the image input where both are fixed."""
        shape = self.image.shape
        if len(shape) < 3:
            return None
        height, width = shape[-3:-1] if self.is_nhwc else shape[-2:]
        return None if height is None or width is None else (width, height)

    @property
    def batch(self) -> int | None:
        """Fixed batch size, None where it is free."""
        return self.image.shape[0] if len(self.image.shape) == 4 else None

    @cached_property
    def class_names(self) -> tuple[str, ...] | None:
        """Class names from the metadata (`names` or `classes`, a list or a mapping of numbers), None without."""
        for key in ("names", "classes", "class_names", "labels"):
            value = literal(self.metadata.get(key))
            if isinstance(value, dict) and value and all(str(k).isdecimal() for k in value):
                numbered = {int(k): str(v) for k, v in value.items()}
                if sorted(numbered) == list(range(len(numbered))):
                    return tuple(numbered[i] for i in range(len(numbered)))
            if isinstance(value, list) and value:
                return tuple(item["name"] if isinstance(item, dict) and "name" in item else str(item) for item in value)
        return None


def literal(text: str | None) -> Any:
    """A metadata value written as JSON or as a Python literal; the text itself where it is neither."""
    if text is None:
        return None
    for parse in (json.loads, ast.literal_eval):
        try:
            return parse(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
    return text


def read_graph(path: str | Path) -> Graph:
    """What a model file says of itself, without loading its weights from outside and without running it.

    Raises
    ------
    InputError
        Not there, not ONNX, damaged, too large, external data outside its folder or missing.
    MissingExtraError
        The onnx package is not installed.
    """
    model = load_model(path)
    graph = model.graph
    constants = {w.name for w in graph.initializer}
    operators = Counter(_operator(node) for node in _all_nodes(graph))
    parameters = 0
    for weight in graph.initializer:
        count = 1
        for d in weight.dims:
            count *= d
        parameters += count
    inputs = tuple(_port(v) for v in graph.input if v.name not in constants)
    return Graph(
        path=str(path),
        inputs=inputs,
        outputs=tuple(_port(v) for v in graph.output),
        metadata={p.key: p.value for p in model.metadata_props},
        operators=dict(operators),
        opset=max((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), default=0),
        producer=f"{model.producer_name} {model.producer_version}".strip(),
        parameters=parameters,
        first=_first(graph.node, inputs),
        last=_last(graph.node, [v.name for v in graph.output]),
    )


def load_model(path: str | Path) -> Any:
    """The parsed `onnx.ModelProto`; external weights are checked and not read."""
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError:
        raise MissingExtraError("onnx", "cpu") from None
    path = Path(path)
    try:
        if not path.is_file():
            raise files.missing_path(path, "file")
        if path.stat().st_size > _LIMIT:
            raise InputError("larger than 4 GiB", path=path, hint="keep the weights as external data")
        model = onnx.load(str(path), format="protobuf", load_external_data=False)
    except OSError as error:
        raise files.unreadable(path, error) from error
    except (DecodeError, ValueError, TypeError) as error:
        raise InputError("not an ONNX model", path=path, hint="export the model to ONNX first") from error
    if not model.graph.node and not model.graph.output:
        raise InputError("not an ONNX model: it holds no graph", path=path, hint="export the model to ONNX first")
    _check_external(model, path)
    return model


def _check_external(model: Any, path: Path) -> None:
    folder = path.resolve().parent
    for weight in _all_tensors(model):
        for entry in weight.external_data:
            if entry.key != "location":
                continue
            # `realpath` ends where links run in circles; `Path.resolve` raises there.
            target = Path(os.path.realpath(folder / entry.value.replace("\0", "?")))
            if folder not in target.parents:
                raise InputError(
                    f"weight `{weight.name}` points outside the model's folder: `{entry.value}`", path=path
                )
            if not target.is_file():
                raise InputError(
                    f"external data `{entry.value}` is missing", path=path, hint="keep it beside the .onnx file"
                )


def _all_tensors(model: Any) -> Iterator[Any]:
    """Every stored tensor: weights, constants of nodes, those of bodies inside of nodes and of functions."""
    graphs, nodes = [model.graph], [node for function in model.functions for node in function.node]
    while graphs or nodes:
        if graphs:
            graph = graphs.pop()
            yield from graph.initializer
            for sparse in graph.sparse_initializer:
                yield from (sparse.values, sparse.indices)
            nodes.extend(graph.node)
        while nodes:
            for attribute in nodes.pop().attribute:
                yield attribute.t
                yield from attribute.tensors
                yield from (attribute.sparse_tensor.values, attribute.sparse_tensor.indices)
                graphs += [*([attribute.g] if attribute.HasField("g") else ()), *attribute.graphs]


def _port(value: Any) -> Port:
    tensor = value.type.tensor_type
    shape = tuple(int(d.dim_value) if d.HasField("dim_value") and d.dim_value > 0 else None for d in tensor.shape.dim)
    return Port(value.name, _DTYPES.get(tensor.elem_type, "other"), shape)


def _all_nodes(graph: Any) -> Iterator[Any]:
    """Nodes of a graph and of the graphs inside them."""
    waiting = deque([graph])
    while waiting:
        for node in waiting.popleft().node:
            yield node
            for attribute in node.attribute:
                waiting.extend([*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs])


def _operator(node: Any) -> str:
    return node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}::{node.op_type}"


#: Operators that hand values on without changing them.
_MOVES = frozenset(
    [
        "Cast",
        "Concat",
        "Dropout",
        "Expand",
        "Flatten",
        "Gather",
        "Identity",
        "Pad",
        "Reshape",
        "Slice",
        "Split",
        "Squeeze",
        "Tile",
        "Transpose",
        "Unsqueeze",
    ]
)
#: Where the network proper begins.
_LAYERS = frozenset(("Conv", "ConvTranspose", "Gemm", "MatMul", "QLinearConv", "ConvInteger"))


def _first(nodes: Iterable[Any], inputs: tuple[Port, ...]) -> frozenset[str]:
    consumers: dict[str, list[Any]] = {}
    for node in nodes:
        for name in node.input:
            consumers.setdefault(name, []).append(node)
    images = [p.name for p in inputs if len(p.shape) in (3, 4)][:1]
    return frozenset(_walk(images, consumers, lambda node: node.output, lambda op: op in _LAYERS or op == "Shape"))


def _last(nodes: Iterable[Any], outputs: list[str]) -> dict[str, frozenset[str]]:
    producers = {name: [node] for node in nodes for name in node.output if name}
    return {
        name: frozenset(_walk([name], producers, _values, lambda op: op not in _MOVES)) - _MOVES for name in outputs
    }


def _values(node: Any) -> Any:
    """Inputs that hold values: of an operator that moves values the first one, of Concat all."""
    return node.input if node.op_type == "Concat" else node.input[:1]


def _walk(
    names: list[str], edges: Mapping[str, list[Any]], onward: Callable[[Any], Any], stops: Callable[[str], bool]
) -> set[str]:
    """Operators met from these tensors on; the walk does not pass an operator that stops it."""
    met: set[str] = set()
    seen = set(names)
    queue = deque(names)
    while queue:
        for node in edges.get(queue.popleft(), ()):
            operator = _operator(node)
            met.add(operator)
            if stops(operator):
                continue
            fresh = [name for name in onward(node) if name and name not in seen]
            seen.update(fresh)
            queue.extend(fresh)
    return met
