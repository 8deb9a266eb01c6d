"""Tiny graphs that answer cell by cell, for tests of tiles, mirroring, sizes and rect letterbox.

The layout is YOLOX's (BGR, letterbox at the top left, raw boxes): each cell of 8 x 8 pixels of the network input is a
box of just that cell, and the mean blue, green and red of the cell, over 255, are its scores of the classes 0, 1 and 2.
The cells of the strides 16 and 32 are there with an objectness of 0. So what a graph finds in an image can be drawn and
counted by hand, wherever a view of it lies.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CELL = 8
NAMES = "['blue', 'green', 'red']"
#: Raw columns x, y, log width, log height, objectness: the centre of the cell and its size.
_ROW = [0.5, 0.5, 0.0, 0.0]


def cells(size: int | None = None, *, stale: bool = False) -> onnx.ModelProto:
    """One graph, for a square input of `size` or for any; `stale` declares any and takes 160 x 160 only."""
    sides = ["height", "width"] if size is None else [size, size]
    rows = None if size is None else sum((size // stride) ** 2 for stride in (8, 16, 32))
    constants = {
        "flat": np.array([0, 3, (160 // CELL) ** 2 if stale else -1], np.int64),
        "full": np.array(255, np.float32),
        "zero": np.array(0, np.float32),
        "one": np.array(1, np.float32),
        "row": np.array(_ROW, np.float32),
        "from": np.array([0], np.int64),
        "to": np.array([1], np.int64),
        "axis": np.array([2], np.int64),
    }
    nodes, tables = [], []
    for stride in (8, 16, 32):
        n = str(stride)
        shape = "flat" if stride == CELL else f"flat{n}"
        constants.setdefault(shape, np.array([0, 3, -1], np.int64))
        nodes += [
            helper.make_node("AveragePool", ["images"], [f"pool{n}"], kernel_shape=[stride] * 2, strides=[stride] * 2),
            helper.make_node("Reshape", [f"pool{n}", shape], [f"flat_{n}"]),
            helper.make_node("Transpose", [f"flat_{n}"], [f"rows{n}"], perm=[0, 2, 1]),
            helper.make_node("Div", [f"rows{n}", "full"], [f"scores{n}"]),
            helper.make_node("Slice", [f"scores{n}", "from", "to", "axis"], [f"first{n}"]),
            helper.make_node("Mul", [f"first{n}", "zero"], [f"blank{n}"]),
            helper.make_node("Add", [f"blank{n}", "row"], [f"boxes{n}"]),
            helper.make_node("Add", [f"blank{n}", "one" if stride == CELL else "zero"], [f"object{n}"]),
            helper.make_node("Concat", [f"boxes{n}", f"object{n}", f"scores{n}"], [f"table{n}"], axis=2),
        ]
        tables.append(f"table{n}")
    nodes.append(helper.make_node("Concat", tables, ["output"], axis=1))
    graph = helper.make_graph(
        nodes,
        "cells",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["N", 3, *sides])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["N", rows or "rows", 8])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(
        graph, ir_version=10, opset_imports=[helper.make_opsetid("", 17)], producer_name="detkit tools"
    )
    helper.set_model_props(model, {"names": NAMES})
    return model


def branching() -> onnx.ModelProto:
    """A graph with an If whose branches hold operators of their own, one of them a Loop's body."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["going"], ["still"]), helper.make_node("Tanh", ["state"], ["next"])],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("going", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("still", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, None),
        ],
    )
    out = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    yes = helper.make_graph([helper.make_node("Loop", ["turns", "", "x"], ["y"], body=body)], "yes", [], out)
    no = helper.make_graph([helper.make_node("Sigmoid", ["x"], ["y"])], "no", [], out)
    graph = helper.make_graph(
        [helper.make_node("If", ["is_on"], ["y"], then_branch=yes, else_branch=no)],
        "branching",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8]),
            helper.make_tensor_value_info("is_on", TensorProto.BOOL, []),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3, 8, 8])],
        [numpy_helper.from_array(np.array(2, np.int64), "turns")],
    )
    return helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 17)])


def build() -> dict[str, onnx.ModelProto]:
    """Name -> graph; tests write them where they need them."""
    return {"fixed": cells(64), "free": cells(), "stale": cells(stale=True), "branching": branching()}
