"""Tiny graphs for tests of the runner: boxes, scores and labels are linear in the mean colour of the image.

`build()` gives the graphs: the layout is mmdeploy's (`dets` (B, N, 5), `labels` (B, N)), so every process knows the
family without help. `expected(rgb)` is the same answer in plain NumPy, for an image of one colour.
"""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

SIZE = 32
ROWS = 3
_MEAN = np.array([0.485, 0.456, 0.406])
_STD = np.array([0.229, 0.224, 0.225])
#: Rows x1 y1 x2 y2 score for a mean of zero, and what one unit of each prepared colour adds.
BIAS = np.array([[2, 3, 20, 25, 0.5], [8, 8, 30, 28, 0.4], [1, 16, 12, 31, 0.3]])
_SLOPES = np.array([[0.25, 0.1, 0.2, -0.1, 0.05], [0.1, -0.2, 0.1, 0.2, 0.03], [0.05, 0.2, -0.3, 0.0, -0.02]])


def weights() -> NDArray[np.float64]:
    """(3, ROWS * 5): what each colour adds to each value."""
    return np.concatenate([np.roll(_SLOPES, row, axis=0) for row in range(ROWS)], axis=1)


def expected(rgb: tuple[int, int, int], image_size: tuple[int, int]) -> NDArray[np.float64]:
    """(ROWS, 5) boxes in image pixels and scores for an image of one colour; row i has label i."""
    prepared = (np.array(rgb) / 255 - _MEAN) / _STD
    found = (prepared @ weights()).reshape(ROWS, 5) + BIAS
    found[:, :4] *= np.tile(np.array(image_size) / SIZE, 2)
    return found


def tiny(
    batch: int | None = None,
    *,
    size: int = SIZE,
    stale: int | None = None,
    names: str | None = None,
    operator: str | None = None,
) -> onnx.ModelProto:
    """One graph.

    `batch` None leaves it free; `stale` is a batch that the graph really wants whatever it declares; `operator` is one
    of another domain in its way.
    """
    shape = (batch or "N", 3, size, size)
    count = -1 if stale is None else stale
    nodes = [
        helper.make_node("ReduceMean", ["input"], ["mean"], axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["mean", "weights"], ["product"]),
        helper.make_node("Add", ["product", "bias"], ["flat"]),
        helper.make_node("Reshape", ["flat", "shape"], ["dets"]),
        helper.make_node("Slice", ["dets", "from", "to", "axis"], ["last"]),
        helper.make_node("Mul", ["last", "zero"], ["zeros"]),
        helper.make_node("Squeeze", ["zeros", "axis"], ["blank"]),
        helper.make_node("Add", ["blank", "numbers"], ["floats"]),
        helper.make_node("Cast", ["floats"], ["labels"], to=TensorProto.INT64),
    ]
    if operator is not None:
        domain, _, name = operator.rpartition("::")
        nodes.append(helper.make_node(name, ["dets"], ["unused"], domain=domain))
    constants = {
        "weights": weights().astype(np.float32),
        "bias": BIAS.reshape(-1).astype(np.float32),
        "shape": np.array([count, ROWS, 5], np.int64),
        "from": np.array([4], np.int64),
        "to": np.array([5], np.int64),
        "axis": np.array([2], np.int64),
        "zero": np.array(0, np.float32),
        "numbers": np.arange(ROWS, dtype=np.float32),
    }
    graph = helper.make_graph(
        nodes,
        "runner",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)],
        [
            helper.make_tensor_value_info("dets", TensorProto.FLOAT, (batch or "N", ROWS, 5)),
            helper.make_tensor_value_info("labels", TensorProto.INT64, (batch or "N", ROWS)),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", 17)]
    if operator is not None:
        opsets.append(helper.make_opsetid(operator.rpartition("::")[0], 1))
    model = helper.make_model(graph, ir_version=10, opset_imports=opsets, producer_name="detkit tools")
    if names is not None:
        helper.set_model_props(model, {"names": names})
    return model


def build() -> dict[str, onnx.ModelProto]:
    """Name -> graph; tests write them where they need them."""
    return {
        "free": tiny(),
        "single": tiny(1),
        "four": tiny(4),
        "named": tiny(names="['circle', 'square', 'star']"),
        "stale-batch": tiny(stale=1),
        "stale-size": tiny(1, stale=2),
        "tensorrt": tiny(1, operator="TRT::EfficientNMS_TRT"),
    }
