"""Tiny graphs of the YOLO families with a known answer.

`build()` gives the graphs, `expected()` the rows each must yield, worked out here in plain NumPy and Python loops, and
`python tools/models/yolo.py` writes both to `fixtures/models`. All graphs read an image the same way: the mean
colour of each cell (average pooling) goes through a 1x1 convolution, so class k is the k-th colour of the input.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

SIZE = 64  # the network input is square
STRIDES = (8, 16, 32)
NAMES = {0: "red thing", 1: "green: thing", 2: "blue 'thing'"}
ANCHORS = {8: [(6, 8), (10, 7), (14, 12)], 16: [(20, 18), (18, 30), (30, 22)], 32: [(40, 36), (50, 60), (60, 44)]}
V2_ANCHORS = [(0.5, 0.7), (1.0, 1.2), (1.5, 0.9), (1.9, 1.4), (2.2, 2.0)]  # in cells
POINTS = 2
MASKS = 32
THRESHOLD, IOU = 0.25, 0.65

#: Image size and rectangles (left, top, right, bottom, colour); 64 wide, so that letterboxing resizes nothing.
IMAGE = (64, 48)
RECTANGLES = [
    (0, 0, 64, 48, (20, 30, 25)),
    (2, 3, 27, 24, (255, 40, 10)),
    (36, 5, 60, 30, (30, 250, 60)),
    (10, 27, 30, 46, (15, 35, 245)),
]
TEXTURE = (5, 11, 47)
#: Vertical stripes: stretching them from 48 to 64 rows changes nothing.
STRIPES = [
    (0, 0, 64, 48, (20, 30, 25)),
    (4, 0, 22, 48, (255, 40, 10)),
    (25, 0, 39, 48, (30, 250, 60)),
    (44, 0, 60, 48, (15, 35, 245)),
]


class Net:
    """A graph being built; every method adds a node and gives its output's name."""

    def __init__(self, *, half: bool = False, batch: int | str | None = "batch", size: int | str | None = SIZE) -> None:
        self.nodes: list[Any] = []
        self.weights: list[Any] = []
        self.half, self.batch = half, batch
        self.kind = TensorProto.FLOAT16 if half else TensorProto.FLOAT
        sides = [size, size] if isinstance(size, int) else ["height", "width"]
        self.inputs = [helper.make_tensor_value_info("images", self.kind, [*self.front, 3, *sides])]
        self.outputs: list[Any] = []
        image = "images"
        if batch is None:
            image = self.add("Unsqueeze", image, self.const([0], np.int64))
        self.image = self.add("Cast", image, to=TensorProto.FLOAT) if half else image

    @property
    def front(self) -> list[int | str]:
        """Names of dimensions in front of the colours."""
        return [] if self.batch is None else [self.batch]

    def const(self, value: Any, dtype: Any = np.float32) -> str:
        """A constant."""
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def add(self, op: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        """A node's output, or all its outputs."""
        names = [f"{op.lower()}{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op, list(inputs), names, **attributes))
        return names[0] if outputs == 1 else names

    def output(self, value: str, name: str, shape: Sequence[int | str], *, kind: int | None = None) -> None:
        """Declares an output, with a batch dimension in `shape`."""
        last = value
        if self.batch is None:
            last = self.add("Squeeze", last, self.const([0], np.int64))
        if kind is None and self.half:
            last = self.add("Cast", last, to=TensorProto.FLOAT16)
        self.nodes.append(helper.make_node("Identity", [last], [name]))
        shape = shape[1:] if self.batch is None else shape
        self.outputs.append(helper.make_tensor_value_info(name, kind or self.kind, list(shape)))

    def cells(self) -> dict[int, str]:
        """Mean colour of each cell, by stride."""
        maps, last = {}, self.image
        for stride in STRIDES:
            step = stride if stride == 8 else 2
            last = self.add("AveragePool", last, kernel_shape=[step, step], strides=[step, step])
            maps[stride] = last
        return maps

    def head(self, cells: str, matrix: NDArray[Any], bias: NDArray[Any]) -> str:
        """Linear function of the three colours of each cell, (B, C, h, w)."""
        return self.add("Conv", cells, self.const(matrix[:, :, None, None]), self.const(bias), kernel_shape=[1, 1])

    def index(self, cells: str, axis: int) -> str:
        """Column (axis 3) or row (axis 2) of each cell, (B, 1, h, w); free of the size."""
        zero = self.add("Mul", self.add("ReduceMean", cells, axes=[1]), self.const(0))
        return self.add("CumSum", self.add("Add", zero, self.const(1)), self.const(axis, np.int64), exclusive=1)

    def part(self, value: str, start: int, end: int, axis: int) -> str:
        """A slice along one axis."""
        numbers = [self.const([n], np.int64) for n in (start, end, axis)]
        return self.add("Slice", value, *numbers)

    def shaped(self, value: str, *shape: int) -> str:
        """Another shape, 0 keeps a dimension."""
        return self.add("Reshape", value, self.const(shape, np.int64))

    def model(self, metadata: dict[str, Any] | None = None) -> onnx.ModelProto:
        """The finished, checked graph."""
        graph = helper.make_graph(self.nodes, "tiny", self.inputs, self.outputs, self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="detkit-fixtures")
        model.ir_version = 10
        for key, value in (metadata or {}).items():
            entry = model.metadata_props.add()
            entry.key, entry.value = key, str(value)
        onnx.checker.check_model(model)
        return model


def weights(stride: int, rows: int, *, boxes: str, scale: float = 1.0) -> tuple[NDArray[Any], NDArray[Any]]:
    """Matrix (rows, 3) and bias (rows,): four rows of box, `rows - 4` of logits that grow with one colour each.

    `boxes` is `edges` (distances in cells), `centres` (offset, logarithm) or `logits`; `scale` is the input's maximum.
    """
    matrix, bias = np.zeros((rows, 3)), np.zeros(rows)
    if boxes == "edges":
        matrix[:4] = [[0.9, 0.1, 0.2], [0.3, 0.8, 0.1], [0.2, 0.3, 1.1], [0.7, 0.2, 0.4]]
        bias[:4] = [0.6, 0.5, 0.7, 0.4]
    elif boxes == "centres":
        matrix[:4] = [[0.3, -0.2, 0.1], [-0.1, 0.4, 0.2], [0.5, 0.3, -0.2], [-0.3, 0.4, 0.5]]
        bias[:4] = [0.3, 0.4, 0.2, 0.3]
    else:
        matrix[:4] = [[1.0, -0.8, 0.5], [-0.6, 0.9, 0.4], [0.8, -0.3, 0.2], [-0.4, 0.5, 0.3]]
        bias[:4] = [0.1, -0.2, 0.1, 0.2]
    for row in range(4, rows):
        matrix[row, (row - 4) % 3], bias[row] = 16.0, -10.5 + 0.01 * stride
    return matrix / scale, bias


def objectness(matrix: NDArray[Any], bias: NDArray[Any], scale: float = 1.0) -> None:
    """Row 4 becomes a logit that grows with any colour; the classes follow from row 5."""
    matrix[5:], bias[5:] = np.eye(3)[np.arange(len(bias) - 5) % 3] * 14 / scale, -9
    matrix[4], bias[4] = np.full(3, 5.0) / scale, -2.5


def extras(count: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Matrix and bias of further columns (coefficients, keypoints, angle), all different."""
    steps = np.arange(count)
    return np.stack([np.sin(steps + 1), np.cos(2 * steps), np.sin(3 * steps + 2)], axis=1), np.cos(steps) * 0.5


# --- graphs ---------------------------------------------------------------------------------------------------------


def _edges_head(net: Net, extra: int, *, corners: bool, task: str = "detect") -> str:
    """(B, 4 + 3 + extra, N): Ultralytics' head without its distribution of distances."""
    columns = []
    for stride, cells in net.cells().items():
        matrix, bias = weights(stride, 7, boxes="edges")
        more = extras(extra)
        raw = net.head(cells, np.concatenate([matrix, more[0]]), np.concatenate([bias, more[1]]))
        half = net.const(0.5)
        x = net.add("Add", net.index(cells, 3), half)
        y = net.add("Add", net.index(cells, 2), half)
        near, far = net.part(raw, 0, 2, 1), net.part(raw, 2, 4, 1)
        centre = net.add("Concat", x, y, axis=1)
        low, high = net.add("Sub", centre, near), net.add("Add", centre, far)
        if not corners:
            low, high = net.add("Mul", net.add("Add", low, high), half), net.add("Sub", high, low)
        box = net.add("Mul", net.add("Concat", low, high, axis=1), net.const(float(stride)))
        parts = [box, net.add("Sigmoid", net.part(raw, 4, 7, 1))]
        if extra:
            values = net.part(raw, 7, 7 + extra, 1)
            parts.append(_points(net, values, centre, stride) if task == "pose" else values)
        columns.append(net.shaped(net.add("Concat", *parts, axis=1), 0, 7 + extra, -1))
    return net.add("Concat", *columns, axis=2)


def _points(net: Net, values: str, centre: str, stride: int) -> str:
    parts = []
    for k in range(POINTS):
        place = net.add("Add", net.part(values, 3 * k, 3 * k + 2, 1), centre)
        parts.append(net.add("Mul", place, net.const(float(stride))))
        parts.append(net.add("Sigmoid", net.part(values, 3 * k + 2, 3 * k + 3, 1)))
    return net.add("Concat", *parts, axis=1)


def _prototypes(net: Net) -> None:
    """32 maps at a quarter of the input, the answer's mask prototypes."""
    pooled = net.add("AveragePool", net.image, kernel_shape=[4, 4], strides=[4, 4])
    sides = [SIZE // 4, SIZE // 4]
    net.output(net.head(pooled, *extras(MASKS)), "output1", [net.batch or 1, MASKS, *sides])


def ultralytics_metadata(task: str = "detect", *, end2end: bool = False, **more: Any) -> dict[str, Any]:
    """What Ultralytics writes, as text."""
    entries = {
        "description": "Ultralytics tiny model",
        "author": "Ultralytics",
        "version": "8.4.0",
        "stride": 32,
        "task": task,
        "batch": 1,
        "imgsz": [SIZE, SIZE],
        "names": NAMES,
        "args": {"batch": 1, "half": False, "nms": False},
        "channels": 3,
        "end2end": end2end,
    }
    if task == "pose":
        entries["kpt_shape"] = [POINTS, 3]
    return entries | more


EXTRA = {"detect": 0, "segment": MASKS, "pose": 3 * POINTS, "obb": 1}


def ultralytics(task: str = "detect", *, metadata: bool = True, **options: Any) -> onnx.ModelProto:
    net = Net(**options)
    columns = sum((SIZE // s) ** 2 for s in STRIDES) if options.get("size", SIZE) == SIZE else "anchors"
    table = _edges_head(net, EXTRA[task], corners=False, task=task)
    net.output(table, "output0", [net.batch or 1, 7 + EXTRA[task], columns])
    if task == "segment":
        _prototypes(net)
    return net.model(ultralytics_metadata(task) if metadata else None)


def end2end(
    task: str = "detect", *, metadata: dict[str, Any] | None = None, rows: int = 300, **options: Any
) -> onnx.ModelProto:
    """The best of each cell, by score, filled with zero rows to a fixed number; no suppression, as in v10 and 26."""
    net = Net(**options)
    extra, cells = EXTRA[task], sum((SIZE // s) ** 2 for s in STRIDES)
    table = net.add("Transpose", _edges_head(net, extra, corners=task != "obb", task=task), perm=[0, 2, 1])
    scores = net.part(table, 4, 7, 2)
    best = net.add("ReduceMax", scores, axes=[2])
    label = net.add("Cast", net.add("ArgMax", scores, axis=2, keepdims=1), to=TensorProto.FLOAT)
    parts = [net.part(table, 0, 4, 2), best, label, *([net.part(table, 7, 7 + extra, 2)] if extra else [])]
    joined = net.add("Concat", *parts, axis=2)
    flat = net.add("Squeeze", best, net.const([2], np.int64))
    _, order = net.add("TopK", flat, net.const([cells // 2], np.int64), outputs=2, axis=1)
    index = net.add("Unsqueeze", order, net.const([2], np.int64))
    wide = net.add("Tile", index, net.const([1, 1, 6 + extra], np.int64))
    chosen = net.add("GatherElements", joined, wide, axis=1)
    pads = net.const([0, 0, 0, 0, rows - cells // 2, 0], np.int64)
    net.output(net.add("Pad", chosen, pads), "output0", [net.batch or 1, rows, 6 + extra])
    if task == "segment":
        _prototypes(net)
    return net.model(metadata)


def rtdetr(*, chosen: bool = False, metadata: dict[str, Any] | None = None, **options: Any) -> onnx.ModelProto:
    """One query a cell of stride 8, filled up to 300; `chosen` takes the best of all, as later exports do."""
    net = Net(**options)
    cells, count = net.cells()[8], (SIZE // 8) ** 2
    raw = net.head(cells, *weights(8, 7, boxes="edges"))
    x = net.add("Add", net.index(cells, 3), net.const(0.5))
    y = net.add("Add", net.index(cells, 2), net.const(0.5))
    centre = net.add("Mul", net.add("Concat", x, y, axis=1), net.const(8 / SIZE))
    size = net.add("Mul", net.part(raw, 0, 2, 1), net.const(16 / SIZE))
    logits = net.part(raw, 4, 7, 1)
    joined = net.add("Concat", centre, size, net.add("Sigmoid", logits), axis=1)
    table = net.add("Transpose", net.shaped(joined, 0, 7, -1), perm=[0, 2, 1])
    width = 7
    if chosen:
        flat = net.shaped(net.part(table, 4, 7, 2), 0, -1)
        score, index = net.add("TopK", flat, net.const([count], np.int64), outputs=2, axis=1)
        three, last = net.const(3, np.int64), net.const([2], np.int64)
        query = net.add("Unsqueeze", net.add("Div", index, three), last)
        label = net.add("Unsqueeze", net.add("Cast", net.add("Mod", index, three), to=TensorProto.FLOAT), last)
        wide = net.add("Tile", query, net.const([1, 1, 4], np.int64))
        boxes = net.add("GatherElements", net.part(table, 0, 4, 2), wide, axis=1)
        table, width = net.add("Concat", boxes, net.add("Unsqueeze", score, last), label, axis=2), 6
    padded = net.add("Pad", table, net.const([0, 0, 0, 0, 300 - count, 0], np.int64))
    net.output(padded, "output0", [net.batch or 1, 300, width])
    return net.model(metadata)


def _anchor_head(net: Net, extra: int = 0) -> str:
    """(B, N, 8 + extra): v5's boxes, three anchors a cell, anchors first."""
    tables = []
    for stride, cells in net.cells().items():
        matrix, bias = weights(stride, 8, boxes="logits")
        objectness(matrix, bias)
        more = extras(extra)
        matrix, bias = np.concatenate([matrix, more[0]]), np.concatenate([bias, more[1]])
        raw = net.head(cells, np.tile(matrix, (3, 1)), np.concatenate([bias + 0.1 * a for a in range(3)]))
        table = net.add("Transpose", net.shaped(raw, 0, 3, 8 + extra, -1), perm=[0, 1, 3, 2])
        active = net.add("Sigmoid", net.part(table, 0, 8, 3))
        places = [net.shaped(net.index(cells, axis), 0, 1, -1, 1) for axis in (3, 2)]
        place = net.add("Sub", net.add("Concat", *places, axis=3), net.const(0.5))
        double = net.add("Mul", net.part(active, 0, 4, 3), net.const(2))
        centre = net.add("Mul", net.add("Add", net.part(double, 0, 2, 3), place), net.const(float(stride)))
        square = net.add("Pow", net.part(double, 2, 4, 3), net.const(2))
        size = net.add("Mul", square, net.const(np.array(ANCHORS[stride], np.float32)[None, :, None]))
        parts = [centre, size, net.part(active, 4, 8, 3)]
        if extra:
            parts.append(net.part(table, 8, 8 + extra, 3))
        tables.append(net.shaped(net.add("Concat", *parts, axis=3), 0, -1, 8 + extra))
    return net.add("Concat", *tables, axis=1)


def yolov5(task: str = "detect", *, metadata: bool = True, **options: Any) -> onnx.ModelProto:
    net = Net(**options)
    extra = MASKS if task == "segment" else 0
    rows = 3 * sum((SIZE // s) ** 2 for s in STRIDES) if options.get("size", SIZE) == SIZE else "anchors"
    net.output(_anchor_head(net, extra), "output0", [net.batch or 1, rows, 8 + extra])
    if extra:
        _prototypes(net)
    return net.model({"stride": 32, "names": list(NAMES.values())} if metadata else None)


def yolov7_end2end(**options: Any) -> onnx.ModelProto:
    net = Net(**options)
    table = _anchor_head(net)
    middle = net.const([[1, 0, 1, 0], [0, 1, 0, 1], [-0.5, 0, 0.5, 0], [0, -0.5, 0, 0.5]])
    boxes = net.add("MatMul", net.part(table, 0, 4, 2), middle)
    scores = net.add("Mul", net.part(table, 5, 8, 2), net.part(table, 4, 5, 2))
    best, label = net.add("ReduceMax", scores, axes=[2]), net.add("ArgMax", scores, axis=2, keepdims=1)
    label = net.add("Cast", label, to=TensorProto.FLOAT)
    apart = net.add("Add", boxes, net.add("Mul", label, net.const(1000)))
    limits = [net.const([300], np.int64), net.const([IOU]), net.const([THRESHOLD])]
    chosen = net.add("NonMaxSuppression", apart, net.add("Transpose", best, perm=[0, 2, 1]), *limits)
    image = net.part(chosen, 0, 1, 1)
    where = net.add("Concat", image, net.part(chosen, 2, 3, 1), axis=1)
    rows = [net.add("GatherND", value, where) for value in (boxes, label, best)]
    found = net.add("Concat", net.add("Cast", image, to=TensorProto.FLOAT), *rows, axis=1)
    net.output(found, "output", ["detections", 7])
    return net.model()


def yolo_raw(version: int = 3, **options: Any) -> onnx.ModelProto:
    net = Net(**options)
    for stride, cells in net.cells().items():
        if version == 2 and stride != 32:
            continue
        count = 5 if version == 2 else 3
        matrix, bias = weights(stride, 8, boxes="logits")
        objectness(matrix, bias)
        raw = net.head(cells, np.tile(matrix, (count, 1)), np.concatenate([bias + 0.1 * a for a in range(count)]))
        side = SIZE // stride if options.get("size", SIZE) == SIZE else None
        net.output(raw, f"head{stride}", [net.batch or 1, count * 8, side or f"h{stride}", side or f"w{stride}"])
    return net.model()


def yolov3_nms(**options: Any) -> onnx.ModelProto:
    """Boxes by the model zoo's rule: the graph undoes a letterbox from `image_shape` (height, width)."""
    net = Net(**options)
    net.inputs.append(helper.make_tensor_value_info("image_shape", TensorProto.FLOAT, [1, 2]))
    table = _anchor_head(net)
    inner = net.const([[float(SIZE), float(SIZE)]])
    ratio = net.add("ReduceMin", net.add("Div", inner, "image_shape"), axes=[1])
    resized = net.add("Round", net.add("Mul", "image_shape", ratio))
    offset = net.add("Div", net.add("Sub", inner, resized), net.const(2))
    swap = net.const([1, 0], np.int64)
    centre = net.add("Gather", net.part(table, 0, 2, 2), swap, axis=2)
    half = net.add("Mul", net.add("Gather", net.part(table, 2, 4, 2), swap, axis=2), net.const(0.5))
    edges = []
    for op in ("Sub", "Add"):
        moved = net.add("Sub", net.add(op, centre, half), offset)
        edges.append(net.add("Div", moved, ratio))
    boxes = net.add("Concat", *edges, axis=2)
    scores = net.add("Mul", net.part(table, 5, 8, 2), net.part(table, 4, 5, 2))
    scores = net.add("Transpose", scores, perm=[0, 2, 1])
    limits = [net.const([300], np.int64), net.const([IOU]), net.const([THRESHOLD])]
    chosen = net.add("NonMaxSuppression", boxes, scores, *limits)
    net.output(boxes, "yolonms_layer_1/ExpandDims_1:0", [net.batch or 1, "boxes", 4])
    net.output(scores, "yolonms_layer_1/ExpandDims_3:0", [net.batch or 1, 3, "boxes"])
    last = net.add("Cast", chosen, to=TensorProto.INT32)
    net.output(last, "yolonms_layer_1/concat_2:0", ["selected", 3], kind=TensorProto.INT32)
    return net.model()


def yolox(*, decoded: bool = False, **options: Any) -> onnx.ModelProto:
    net = Net(**options)
    tables = []
    for stride, cells in net.cells().items():
        matrix, bias = weights(stride, 8, boxes="centres", scale=255)
        objectness(matrix, bias, 255)
        raw = net.head(cells, matrix, bias)
        boxes = net.part(raw, 0, 4, 1)
        if decoded:
            places = net.add("Concat", net.index(cells, 3), net.index(cells, 2), axis=1)
            both = [net.add("Add", net.part(boxes, 0, 2, 1), places), net.add("Exp", net.part(boxes, 2, 4, 1))]
            boxes = net.add("Mul", net.add("Concat", *both, axis=1), net.const(float(stride)))
        joined = net.add("Concat", boxes, net.add("Sigmoid", net.part(raw, 4, 8, 1)), axis=1)
        tables.append(net.shaped(joined, 0, 8, -1))
    table = net.add("Transpose", net.add("Concat", *tables, axis=2), perm=[0, 2, 1])
    rows = sum((SIZE // s) ** 2 for s in STRIDES) if options.get("size", SIZE) == SIZE else "rows"
    net.output(table, "output", [net.batch or 1, rows, 8])
    return net.model()


def two_classes() -> onnx.ModelProto:
    """[B, 300, 6] and not a word about it: box, score, class, or four and two classes."""
    return end2end(metadata=None)


# --- the same in plain Python ---------------------------------------------------------------------------------------

Row = dict[str, Any]


def drawn(size: tuple[int, int], rectangles: Sequence[Any], texture: Sequence[int] | None = None) -> NDArray[np.uint8]:
    """The image as (H, W, 3) uint8: rectangles, less a texture that makes all cells differ."""
    pixels = np.zeros((size[1], size[0], 3), np.int64)
    for left, top, right, bottom, colour in rectangles:
        pixels[top:bottom, left:right] = colour
    if texture is not None:
        x, y = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
        across, down, modulus = texture
        pixels -= ((across * x + down * y) % modulus)[:, :, None]
    return pixels.clip(0, 255).astype(np.uint8)


def _network_input(resize: str, pad: int, *, bgr: bool = False, scale: float = 255.0) -> NDArray[np.float64]:
    """(3, 64, 64): the image as it lies in the network, without any resizing."""
    canvas = np.full((SIZE, SIZE, 3), pad, np.float64)
    if resize == "stretch":
        canvas = drawn((SIZE, SIZE), [(a, 0, b, SIZE, c) for a, _, b, _, c in STRIPES]).astype(np.float64)
    else:
        top = 0 if resize == "letterbox-topleft" else (SIZE - IMAGE[1]) // 2
        canvas[top : top + IMAGE[1]] = drawn(IMAGE, RECTANGLES, TEXTURE)
    return (canvas[:, :, ::-1] if bgr else canvas).transpose(2, 0, 1) / scale


def _means(pixels: NDArray[np.float64], stride: int) -> list[tuple[int, int, NDArray[np.float64]]]:
    """(column, row, mean colour) of each cell, row by row."""
    cells = []
    for y in range(SIZE // stride):
        for x in range(SIZE // stride):
            block = pixels[:, y * stride : (y + 1) * stride, x * stride : (x + 1) * stride]
            cells.append((x, y, block.reshape(3, -1).mean(axis=1)))
    return cells


def _s(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def _ultralytics_rows(task: str) -> list[Row]:
    pixels, rows = _network_input("letterbox", 114), []
    for stride in STRIDES:
        matrix, bias = weights(stride, 7, boxes="edges")
        more, more_bias = extras(EXTRA[task])
        for x, y, mean in _means(pixels, stride):
            raw, rest = matrix @ mean + bias, more @ mean + more_bias
            box = [(x + 0.5 - raw[0]), (y + 0.5 - raw[1]), (x + 0.5 + raw[2]), (y + 0.5 + raw[3])]
            row: Row = {"box": [v * stride for v in box], "scores": [_s(v) for v in raw[4:]]}
            if task == "obb":
                row["angle"] = float(rest[0])
            if task == "segment":
                row["coefficients"] = [float(v) for v in rest]
            if task == "pose":
                row["keypoints"] = [
                    [(rest[3 * k] + x + 0.5) * stride, (rest[3 * k + 1] + y + 0.5) * stride, _s(rest[3 * k + 2])]
                    for k in range(POINTS)
                ]
            rows.append(row)
    return rows


def _rtdetr_rows() -> list[Row]:
    rows = []
    matrix, bias = weights(8, 7, boxes="edges")
    for x, y, mean in _means(_network_input("stretch", 0), 8):
        raw = matrix @ mean + bias
        cx, cy, w, h = (x + 0.5) * 8, (y + 0.5) * 8, raw[0] * 16, raw[1] * 16
        rows.append({"box": [cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2], "scores": [_s(v) for v in raw[4:]]})
    return rows


def _anchor_rows(rule: str, pad: int, task: str = "detect") -> list[Row]:
    """v5 (`v5`), v3 (`v3`) and v2 (`v2`) boxes of all anchors."""
    pixels, rows = _network_input("letterbox", pad), []
    for stride in (32,) if rule == "v2" else STRIDES:
        matrix, bias = weights(stride, 8, boxes="logits")
        objectness(matrix, bias)
        more, more_bias = extras(MASKS)
        anchors = [(w * 32, h * 32) for w, h in V2_ANCHORS] if rule == "v2" else ANCHORS[stride]
        for number, (width, height) in enumerate(anchors):
            for x, y, mean in _means(pixels, stride):
                raw = matrix @ mean + bias + 0.1 * number
                rest = more @ mean + more_bias + 0.1 * number
                if rule == "v5":
                    cx, cy = (2 * _s(raw[0]) - 0.5 + x) * stride, (2 * _s(raw[1]) - 0.5 + y) * stride
                    w, h = (2 * _s(raw[2])) ** 2 * width, (2 * _s(raw[3])) ** 2 * height
                else:
                    cx, cy = (_s(raw[0]) + x) * stride, (_s(raw[1]) + y) * stride
                    w, h = math.exp(raw[2]) * width, math.exp(raw[3]) * height
                powers = [math.exp(v) for v in raw[5:]]
                classes = [p / sum(powers) for p in powers] if rule == "v2" else [_s(v) for v in raw[5:]]
                row: Row = {
                    "box": [cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2],
                    "scores": [_s(raw[4]) * v for v in classes],
                }
                if task == "segment":
                    row["coefficients"] = [float(v) for v in rest]
                rows.append(row)
    return rows


def _yolox_rows() -> list[Row]:
    pixels, rows = _network_input("letterbox-topleft", 114, bgr=True, scale=1.0), []
    for stride in STRIDES:
        matrix, bias = weights(stride, 8, boxes="centres", scale=255)
        objectness(matrix, bias, 255)
        for x, y, mean in _means(pixels, stride):
            raw = matrix @ mean + bias
            cx, cy, w, h = (raw[0] + x) * stride, (raw[1] + y) * stride, math.exp(raw[2]) * stride, 0.0
            h = math.exp(raw[3]) * stride
            box = [cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2]
            rows.append({"box": box, "scores": [_s(raw[4]) * _s(v) for v in raw[5:]]})
    return rows


def _overlap(a: Sequence[float], b: Sequence[float]) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return width * height / (both - width * height)


def _turned(box: Sequence[float], angle: float) -> list[list[float]]:
    """Corners of a box turned about its centre, clockwise on the screen for a positive angle."""
    cx, cy, w, h = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2, box[2] - box[0], box[3] - box[1]
    c, s = math.cos(angle), math.sin(angle)
    return [
        [cx + x * w / 2 * c - y * h / 2 * s, cy + x * w / 2 * s + y * h / 2 * c]
        for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))
    ]


def _answer(
    rows: list[Row], resize: str, *, suppress: bool, single: bool = False, limit: int | None = None
) -> list[Row]:
    """Choice, suppression class by class, and back to the image, in loops."""
    found = []
    for number, row in enumerate(rows):
        labels = [max(range(3), key=lambda k, r=row: r["scores"][k])] if single else range(3)
        found += [row | {"label": k, "score": row["scores"][k], "source": number} for k in labels]
    found.sort(key=lambda r: -r["score"])
    found = [r for r in found[:limit] if r["score"] >= THRESHOLD]
    kept: list[Row] = []
    for row in found:
        row["corners"] = _turned(row["box"], row["angle"]) if "angle" in row else None
        outline = row["corners"] or [row["box"][:2], row["box"][2:]]
        xs, ys = [p[0] for p in outline], [p[1] for p in outline]
        row["outer"] = [min(xs), min(ys), max(xs), max(ys)]
        if not suppress or all(
            _overlap(row["outer"], other["outer"]) <= IOU for other in kept if other["label"] == row["label"]
        ):
            kept.append(row)
    return [_placed(row, resize) for row in kept]


def _placed(row: Row, resize: str) -> Row:
    top = 8.0 if resize == "letterbox" else 0.0
    tall = IMAGE[1] / SIZE if resize == "stretch" else 1.0

    def y(value: float) -> float:
        return (value - top) * tall

    left, upper, right, lower = row["outer"]
    left, right = (min(max(v, 0.0), float(IMAGE[0])) for v in (left, right))
    upper, lower = (min(max(y(v), 0.0), float(IMAGE[1])) for v in (upper, lower))
    out: Row = {"xywh": [left, upper, right - left, lower - upper], "score": row["score"], "label": row["label"]}
    if row["corners"]:
        out["polygon"] = [[px, y(py)] for px, py in row["corners"]]
    if "keypoints" in row:
        out["keypoints"] = [[px, y(py), s] for px, py, s in row["keypoints"]]
    if "coefficients" in row:
        out["coefficients"] = row["coefficients"][:4]
    return out


# --- what is written ------------------------------------------------------------------------------------------------


def _anchor_text(pairs: Sequence[tuple[float, float]]) -> str:
    return ",".join(f"{w:g},{h:g}" for w, h in pairs)


V3_ANCHORS = _anchor_text([pair for stride in STRIDES for pair in ANCHORS[stride]])
V2_SETTINGS = {"anchors": _anchor_text(V2_ANCHORS), "anchor_unit": "cells", "softmax": "1"}

#: name -> (graph, family or None where two fit, settings, rows)
CASES: dict[str, tuple[Callable[[], onnx.ModelProto], str | None, dict[str, str], Callable[[], list[Row]] | None]] = {}


def _case(name: str, family: str | None, graph: Any, rows: Any, **settings: str) -> None:
    CASES[name] = (graph, family, settings, rows)


for _task in EXTRA:
    _case(
        "ultralytics" if _task == "detect" else f"ultralytics-{_task}",
        "ultralytics",
        lambda t=_task: ultralytics(t),
        lambda t=_task: _answer(_ultralytics_rows(t), "letterbox", suppress=True),
    )
    _case(
        "ultralytics_end2end" if _task == "detect" else f"ultralytics_end2end-{_task}",
        "ultralytics_end2end",
        lambda t=_task: end2end(t, metadata=ultralytics_metadata(t, end2end=True)),
        lambda t=_task: _answer(_ultralytics_rows(t), "letterbox", suppress=False, single=True, limit=42),
    )
_case(
    "ultralytics-without-metadata",
    "ultralytics",
    lambda: ultralytics(metadata=False),
    lambda: _answer(_ultralytics_rows("detect"), "letterbox", suppress=True),
)
_case("ambiguous-two-classes", None, two_classes, None)
_case(
    "ultralytics_rtdetr",
    "ultralytics_rtdetr",
    lambda: rtdetr(metadata=ultralytics_metadata(description="Ultralytics rtdetr-l model")),
    lambda: _answer(_rtdetr_rows(), "stretch", suppress=False),
)
_case(
    "ultralytics_rtdetr-chosen",
    "ultralytics_rtdetr",
    lambda: rtdetr(chosen=True, metadata=ultralytics_metadata(head="RTDETRDecoder")),
    lambda: _answer(_rtdetr_rows(), "stretch", suppress=False, limit=64),
)
_case("yolov5", "yolov5", yolov5, lambda: _answer(_anchor_rows("v5", 114), "letterbox", suppress=True))
_case(
    "yolov5-segment",
    "yolov5",
    lambda: yolov5("segment"),
    lambda: _answer(_anchor_rows("v5", 114, "segment"), "letterbox", suppress=True),
)
_case(
    "yolov7_end2end",
    "yolov7_end2end",
    yolov7_end2end,
    lambda: _answer(_anchor_rows("v5", 114), "letterbox", suppress=True, single=True),
)
_case(
    "yolo_raw",
    "yolo_raw",
    yolo_raw,
    lambda: _answer(_anchor_rows("v3", 128), "letterbox", suppress=True),
    anchors=V3_ANCHORS,
)
_case(
    "yolo_raw-v2",
    "yolo_raw",
    lambda: yolo_raw(2),
    lambda: _answer(_anchor_rows("v2", 128), "letterbox", suppress=True),
    **V2_SETTINGS,
)
_case("yolov3_nms", "yolov3_nms", yolov3_nms, lambda: _answer(_anchor_rows("v5", 128), "letterbox", suppress=True))
_case("yolox", "yolox", yolox, lambda: _answer(_yolox_rows(), "letterbox-topleft", suppress=True))
_case(
    "yolox-decoded",
    "yolox",
    lambda: yolox(decoded=True),
    lambda: _answer(_yolox_rows(), "letterbox-topleft", suppress=True),
)


def build() -> dict[str, onnx.ModelProto]:
    """Every graph by the name of its file."""
    return {name: graph() for name, (graph, *_) in CASES.items()}


def expected() -> dict[str, dict[str, Any]]:
    """What each graph must yield: family, settings, the image, thresholds and rows, highest score first."""
    answers = {}
    for name, (_, family, settings, rows) in CASES.items():
        stripes = family == "ultralytics_rtdetr"
        answers[name] = {
            "family": family,
            "settings": settings,
            "image": {
                "size": IMAGE,
                "rectangles": STRIPES if stripes else RECTANGLES,
                "texture": None if stripes else TEXTURE,
            },
            "score_threshold": THRESHOLD,
            "iou_threshold": IOU,
            "rows": [] if rows is None else _rounded(rows()),
        }
    return answers


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return round(float(value), 6) if isinstance(value, float) else value


def _text(answer: dict[str, Any]) -> str:
    """JSON with a line a row."""
    rows = ",\n  ".join(json.dumps(row) for row in answer["rows"])
    head = ",\n ".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in answer.items() if key != "rows")
    return f'{{{head},\n "rows": [\n  {rows}\n ]}}\n'


def main() -> None:
    folder = Path(__file__).resolve().parents[2] / "fixtures" / "models"
    folder.mkdir(parents=True, exist_ok=True)
    for name, model in build().items():
        (folder / f"{name}.onnx").write_bytes(model.SerializeToString(deterministic=True))
    for name, answer in expected().items():
        (folder / f"{name}.json").write_text(_text(answer), encoding="utf-8")


if __name__ == "__main__":
    main()
