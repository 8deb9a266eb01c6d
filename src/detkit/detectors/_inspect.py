"""Everything a model file says of itself: how it speaks, what it is made of, what its heads see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from detkit.detectors._fit import Fit, fit_heads
from detkit.detectors._graph import Graph, load_model, read_graph
from detkit.detectors._layers import Layers, read_layers
from detkit.detectors._prepare import Preparation
from detkit.detectors._recognise import recognise
from detkit.errors import InputError, UsageError
from detkit.tables import Dataset

__all__ = ["Inspection", "inspect_model"]

_ASSUMED = (640, 640)
_DOC = "onnxruntime docs/OperatorKernels.md: in the table of the CPU provider, not in that of the CUDA provider"
_LATE = "onnxruntime 1.24 has a CUDA kernel for older opsets only (ultralytics pull request 25915); export at opset 18"
#: Operator of the default domain -> (first opset it holds for, source): these run on the CPU, with copies around them.
NO_CUDA_KERNEL: Mapping[str, tuple[int, str]] = {
    **dict.fromkeys(("ConvInteger", "DynamicQuantizeLinear", "QLinearConv", "QLinearMatMul"), (1, _DOC)),
    **dict.fromkeys(("LpPool", "GlobalLpPool", "MaxRoiPool", "MaxUnpool", "Det", "Multinomial"), (1, _DOC)),
    **dict.fromkeys(("Unique", "TfIdfVectorizer", "StringNormalizer", "SplitToSequence"), (1, _DOC)),
    **dict.fromkeys(("Asin", "Asinh", "Atan", "Atanh", "Cosh", "Sinh", "Tan"), (1, _DOC)),
    **dict.fromkeys(("Resize", "Pad", "Equal"), (19, _LATE)),
    **dict.fromkeys(("GridSample", "ReduceMax"), (20, _LATE)),
}
#: Domains that onnxruntime ships kernels for.
_KNOWN_DOMAINS = ("com.microsoft", "ai.onnx.ml", "com.microsoft.nchwc")


@dataclass(frozen=True)
class Inspection:
    """What was found in a model file.

    Parameters
    ----------
    graph : Graph
    family : str, optional
        None where no family, or several, were recognised.
    why : str
        Why this family, or why none.
    preparation : Preparation, optional
        How images are prepared, by the family.
    size_assumed : bool
        The file leaves the input size free and none was given.
    layers : Layers
    not_on_gpu : tuple of (operator, reason)
        Operators without a CUDA kernel.
    fits : tuple of Fit, optional
        A dataset's objects against each head.
    objects, uncompared : int
        Objects compared, and objects of images whose size is unknown.
    """

    graph: Graph
    family: str | None
    why: str
    preparation: Preparation | None
    size_assumed: bool
    layers: Layers
    not_on_gpu: tuple[tuple[str, str], ...]
    fits: tuple[Fit, ...] | None = None
    objects: int = 0
    uncompared: int = 0

    def to_dict(self, *, with_layers: bool = True) -> dict[str, Any]:
        """Plain values, schema `detkit.model/1`."""
        graph, layers = self.graph, self.layers
        names = graph.class_names
        heads: list[dict[str, Any]] = [
            {"stride": list(h.stride), "receptive_field": list(h.field), "grid": h.grid and list(h.grid),
             "sees_all": h.sees_all, "layers": list(h.layers)}
            for h in layers.heads
        ]  # fmt: skip
        for head, fit in zip(heads, self.fits or (), strict=False):
            head |= {"larger": fit.larger, "smaller": fit.smaller}
        found: dict[str, Any] = {
            "schema": "detkit.model/1",
            "path": graph.path,
            "family": self.family,
            "why": self.why,
            "inputs": [vars(p) | {"shape": list(p.shape)} for p in graph.inputs],
            "outputs": [vars(p) | {"shape": list(p.shape)} for p in graph.outputs],
            "preparation": None if self.preparation is None else self.preparation.to_dict(),
            "classes": None if names is None else list(names),
            "opset": graph.opset,
            "producer": graph.producer,
            "metadata": dict(graph.metadata),
            "image_size": list(layers.size),
            "image_size_assumed": self.size_assumed,
            "parameters": layers.parameters,
            "macs": layers.macs,
            "macs_unknown": list(layers.unknown),
            "precision": dict(layers.precision),
            "operators": dict(graph.operators),
            "no_cuda_kernel": [{"operator": op, "reason": reason} for op, reason in self.not_on_gpu],
            "heads": heads,
        }
        if self.fits is not None:
            found["objects"] = {"compared": self.objects, "without_image_size": self.uncompared}
        if with_layers:
            found["layers"] = [
                {**vars(layer), "shape": None if layer.shape is None else list(layer.shape)} for layer in layers.layers
            ]
        return found


def inspect_model(
    path: str,
    *,
    family: str | None = None,
    image_size: tuple[int, int] | None = None,
    dataset: Dataset | None = None,
) -> Inspection:
    """What a model file says of itself; nothing is run.

    Parameters
    ----------
    path : str
    family : str, optional
    image_size : (width, height), optional
        Where the model leaves it free; 640 by default, and the result says so.
    dataset : Dataset, optional
        Its objects are compared with each head.

    Returns
    -------
    Inspection

    Raises
    ------
    InputError
        Not an ONNX model, or one whose shapes contradict each other at this size.
    UsageError
        Unknown family, or a size that the model does not take.
    """
    graph = read_graph(path)
    if not graph.inputs:
        raise InputError("the model has no input", path=path)
    name, why, preparation = None, "", None
    try:
        found = recognise(graph, family)
        name, why, preparation = found.name, found.why, found.module.prepare(graph)
    except InputError as error:
        why = error.message.removeprefix(f"{path}: ")
    if image_size is not None and graph.size is not None and graph.size != image_size:
        stated, asked = ("x".join(map(str, size)) for size in (graph.size, image_size))
        raise UsageError(f"{path}: the model takes {stated} only, --image-size is {asked}")
    size = image_size or graph.size or (preparation.size if preparation is not None else None)
    layers = read_layers(load_model(path), graph.image.name, size or _ASSUMED, nhwc=graph.is_nhwc)
    result = Inspection(graph, name, why, preparation, size is None, layers, tuple(_not_on_gpu(graph)))
    if dataset is None:
        return result
    seen = replace(preparation or Preparation(), size=layers.size)
    fits, compared, without = fit_heads(dataset, layers.heads, seen)
    return replace(result, fits=tuple(fits), objects=compared, uncompared=without)


def _not_on_gpu(graph: Graph) -> list[tuple[str, str]]:
    found = []
    for operator in sorted(graph.operators):
        domain, _, bare = operator.rpartition("::")
        since, source = NO_CUDA_KERNEL.get(operator, (0, ""))
        if domain.upper() == "TRT" or bare.endswith("_TRT"):
            found.append((operator, "only TensorRT has it"))
        elif domain and domain not in _KNOWN_DOMAINS:
            found.append((operator, f"operator of the custom domain `{domain}`, which onnxruntime does not have"))
        elif source and graph.opset >= since:
            found.append((operator, source))
    return found
