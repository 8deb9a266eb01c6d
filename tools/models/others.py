"""Tiny graphs of the other families (set predictors, SSD, R-CNN, mobile and face detectors) with a known answer.

`build()` gives the graphs, `expected()` the rows each must yield, and `python tools/models/others.py` writes both to
`fixtures/models`. A head is one linear function of five features of a cell: its mean red, green and blue, 0 to 1, and
its column and row. In the graph that is a pooling and a convolution with the family's preparation folded into the
weights; in `expected()` it is plain NumPy on the drawing itself, so an error in preparation shows as wrong rows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper
from yolo import IMAGE, SIZE, STRIPES, Net, drawn

THRESHOLD, IOU = 0.25, 0.65
NOTHING = -1  # a label of rows that hold nothing
Floats = NDArray[np.float64]
Size = tuple[int, int]


@dataclass(frozen=True)
class Look:
    """How a family wants its images, written again: value = (pixel / scale - mean) / std."""

    resize: str = "stretch"
    pad: int = 0
    bgr: bool = False
    scale: float = 255.0
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)

    def offset(self, size: Size) -> int:
        """Rows of border above the image."""
        return (size[1] - IMAGE[1]) // 2 if self.resize == "letterbox" else 0

    def ratio(self, size: Size) -> float:
        """Network rows for a row of the image."""
        return size[1] / IMAGE[1] if self.resize == "stretch" else 1.0


UNIT = Look()
IMAGENET = Look(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
PIXELS = Look(scale=1.0)
SSD = Look(scale=1.0, mean=(127.0,) * 3, std=(128.0,) * 3)
VISION = Look(resize="topleft", pad=114)
ZOO = Look(resize="topleft", pad=114, bgr=True, scale=1.0, mean=(102.9801, 115.9465, 122.7717))
MMDET = Look(resize="topleft", pad=114, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
_NANO: dict[str, Any] = {"bgr": True, "scale": 1.0, "mean": (103.53, 116.28, 123.675), "std": (57.375, 57.12, 58.395)}
NANO = Look(resize="letterbox", **_NANO)
NANO_PLUS = Look(**_NANO)
FASTEST = Look(bgr=True)
FACES = Look(resize="topleft", bgr=True, scale=1.0)

#: Four rows of a box in features (red, green, blue, column, row) and a constant; then one row of logits a class.
BOX = np.array(
    [
        [0.4, -0.3, 0.2, 0, 0, 0.1],
        [-0.2, 0.3, 0.4, 0, 0, 0.05],
        [0.5, 0.3, -0.4, 0, 0, 0.4],
        [-0.3, 0.4, 0.6, 0, 0, 0.5],
    ]
)
CLASSES = np.array([[14, -2, 0, 0.05, 0.03, -8], [0, 13, -1, 0.04, 0.07, -8], [-1, 0, 12, 0.06, -0.05, -8]])
NOTHING_ROW = np.array([[-4, -4, -4, 0.02, 0.01, 4.0]])


def bins(seed: int) -> Floats:
    """Rows for four distributions over eight bins, each with its peak near bin 1 to 3."""
    steps = np.arange(32)
    colours = np.stack([np.sin(steps + seed), np.cos(2 * steps + seed), np.sin(3 * steps)], axis=1) * 0.8
    peak = -0.9 * (steps % 8 - 1.5 - 0.3 * (steps // 8)) ** 2
    return np.concatenate([colours, np.zeros((32, 2)), peak[:, None]], axis=1)


# --- the graphs -----------------------------------------------------------------------------------------------------


class Tiny(Net):
    """A graph whose heads read the five features."""

    def __init__(self, look: Look, **options: Any) -> None:
        super().__init__(**options)
        self.look = look

    def features(self, stride: int) -> str:
        """Mean colours, column and row of each cell, (B, 5, h, w)."""
        pooled = self.add("AveragePool", self.image, kernel_shape=[stride, stride], strides=[stride, stride])
        return self.add("Concat", pooled, self.index(pooled, 3), self.index(pooled, 2), axis=1)

    def linear(self, features: str, rows: Floats) -> str:
        """`rows` (C, 6) of the features as (B, C, h, w), with the preparation folded in."""
        look, step = self.look, -1 if self.look.bgr else 1
        mean, std = np.array(look.mean), np.array(look.std)
        colours = rows[:, :3][:, ::step]
        matrix = np.concatenate([colours * std * look.scale / 255, rows[:, 3:5]], axis=1)
        return self.head(features, matrix, rows[:, 5] + colours @ mean * look.scale / 255)

    def table(self, value: str, width: int) -> str:
        """(B, C, h, w) as (B, N, C)."""
        return self.add("Transpose", self.shaped(value, 0, width, -1), perm=[0, 2, 1])

    def centres(self, features: str, rows: Floats, cells: Size) -> str:
        """Boxes (B, N, 4) by centre and size from 0 to 1: sigmoids, the centre within its cell."""
        raw = self.add("Sigmoid", self.linear(features, rows))
        place = self.add("Add", self.part(raw, 0, 2, 1), self.part(features, 3, 5, 1))
        share = self.const(1 / np.array(cells, np.float32).reshape(1, 2, 1, 1))
        return self.table(self.add("Concat", self.add("Mul", place, share), self.part(raw, 2, 4, 1), axis=1), 4)

    def edges(self, boxes: str, size: str | None = None) -> str:
        """Left, top, right, bottom of boxes by centre and size, times (width, height, width, height)."""
        turn = self.const([[1, 0, 1, 0], [0, 1, 0, 1], [-0.5, 0, 0.5, 0], [0, -0.5, 0, 0.5]])
        corners = self.add("MatMul", boxes, turn)
        return corners if size is None else self.add("Mul", corners, size)

    def best(self, scores: str, count: int) -> tuple[str, str, str]:
        """Scores, labels and row numbers of the best rows and classes, (B, count) each."""
        flat = self.shaped(scores, 0, -1)
        score, index = self.add("TopK", flat, self.const([count], np.int64), outputs=2, axis=1)
        three = self.const(3, np.int64)
        return score, self.add("Mod", index, three), self.add("Div", index, three)

    def rows(self, values: str, index: str, width: int) -> str:
        """Rows (B, count, width) of a table by number."""
        wide = self.add("Unsqueeze", index, self.const([2], np.int64))
        return self.add("GatherElements", values, self.add("Tile", wide, self.const([1, 1, width], np.int64)), axis=1)

    def say(self, value: str, name: str, *shape: Any, kind: int | None = None) -> None:
        """Declares an output of a batch."""
        self.output(value, name, [self.batch or 1, *shape], kind=kind)

    def whole(self, value: str, name: str, *shape: Any) -> None:
        """Declares an output of whole numbers."""
        self.say(value, name, *shape, kind=TensorProto.INT64)


def _cells(size: Size, stride: int) -> Size:
    return size[0] // stride, size[1] // stride


def rtdetr(network: Size = (SIZE, SIZE), **options: Any) -> onnx.ModelProto:
    net = Tiny(UNIT, **options)
    net.inputs.append(helper.make_tensor_value_info("orig_target_sizes", TensorProto.INT64, [net.batch, 2]))
    features = net.features(16)
    scores = net.table(net.add("Sigmoid", net.linear(features, CLASSES)), 3)
    score, label, query = net.best(scores, 10)
    told = net.add("Cast", net.add("Tile", "orig_target_sizes", net.const([1, 2], np.int64)), to=TensorProto.FLOAT)
    told = net.add("Unsqueeze", told, net.const([1], np.int64))
    boxes = net.rows(net.edges(net.centres(features, BOX, _cells(network, 16)), told), query, 4)
    net.whole(label, "labels", 10)
    net.say(boxes, "boxes", 10, 4)
    net.say(score, "scores", 10)
    return net.model()


def queries(look: Look, names: Sequence[str], network: Size = (SIZE, SIZE), **options: Any) -> onnx.ModelProto:
    """Boxes and logits of 16 queries; the fourth column is background."""
    net = Tiny(look, **options)
    features = net.features(16)
    boxes = net.centres(features, BOX, _cells(network, 16))
    logits = net.table(net.linear(features, np.concatenate([CLASSES, NOTHING_ROW])), 4)
    both = {names[0]: (boxes, 4), names[1]: (logits, 4)}
    for name in sorted(both):
        net.say(both[name][0], name, *(("queries", 4) if options.get("size", SIZE) is None else (16, 4)))
    return net.model()


def ssd_tf(network: Size = (SIZE, SIZE), **options: Any) -> onnx.ModelProto:
    """Six rows that hold something and two that do not, as the API fills up its tables."""
    net = Tiny(PIXELS, **options)
    sides = ["height", "width"] if options.get("size", SIZE) is None else [SIZE, SIZE]
    net.inputs[0] = helper.make_tensor_value_info("images", TensorProto.UINT8, [net.batch, *sides, 3])
    net.image = net.add("Transpose", net.add("Cast", "images", to=TensorProto.FLOAT), perm=[0, 3, 1, 2])
    features = net.features(16)
    score, label, query = net.best(net.table(net.add("Sigmoid", net.linear(features, CLASSES)), 3), 6)
    boxes = net.rows(net.edges(net.centres(features, BOX, _cells(network, 16))), query, 4)
    boxes = net.add("Gather", boxes, net.const([1, 0, 3, 2], np.int64), axis=2)
    classes = net.add("Add", net.add("Cast", label, to=TensorProto.FLOAT), net.const(1))
    flat, deep = net.const([0, 0, 0, 2], np.int64), net.const([0, 0, 0, 0, 2, 0], np.int64)
    ones = net.add("Add", net.add("Mul", score, net.const(0)), net.const(1))
    counted = net.add("ReduceSum", ones, net.const([1], np.int64), keepdims=0)
    net.say(net.add("Pad", boxes, deep, net.const(0.5)), "detection_boxes", 8, 4)
    net.say(net.add("Pad", classes, flat, net.const(1)), "detection_classes", 8)
    net.say(net.add("Pad", score, flat, net.const(0.9)), "detection_scores", 8)
    net.say(counted, "num_detections")
    return net.model()


def ssd(network: Size = (SIZE, SIZE), **options: Any) -> onnx.ModelProto:
    """Softmax scores with the background first and boxes whose sizes were exponentials."""
    net = Tiny(SSD, **options)
    boxes, scores = [], []
    for stride in (8, 16):
        features = net.features(stride)
        raw = net.linear(features, BOX)
        place = net.add("Add", net.part(raw, 0, 2, 1), net.part(features, 3, 5, 1))
        both = net.add("Concat", place, net.add("Exp", net.part(raw, 2, 4, 1)), axis=1)
        share = net.const(stride / np.array([*network, *network], np.float32).reshape(1, 4, 1, 1))
        boxes.append(net.table(net.add("Mul", both, share), 4))
        scores.append(net.table(net.linear(features, np.concatenate([NOTHING_ROW, CLASSES])), 4))
    rows = "rows" if options.get("size", SIZE) is None else sum((SIZE // s) ** 2 for s in (8, 16))
    net.say(net.add("Softmax", net.add("Concat", *scores, axis=1), axis=2), "scores", rows, 4)
    net.say(net.edges(net.add("Concat", *boxes, axis=1)), "boxes", rows, 4)
    return net.model()


def rcnn(look: Look, *, masks: bool = False, network: Size = (SIZE, SIZE), **options: Any) -> onnx.ModelProto:
    """One image without a batch dimension; torchvision's normalises by itself, the model zoo's does not."""
    net = Tiny(look, **options)
    net.batch = None  # outputs of one image
    if look is VISION:
        mean, std = (net.const(np.reshape(v, (3, 1, 1))) for v in (IMAGENET.mean, IMAGENET.std))
        net.image = net.add("Div", net.add("Sub", net.image, mean), std)
        net.look = Look(bgr=False, mean=IMAGENET.mean, std=IMAGENET.std)
    features = net.features(16)
    score, label, query = net.best(net.table(net.add("Sigmoid", net.linear(features, CLASSES)), 3), 6)
    pixels = net.const([*network, *network])
    boxes = net.rows(net.edges(net.centres(features, BOX, _cells(network, 16)), pixels), query, 4)
    net.output(boxes, "boxes", [1, "rows", 4])
    net.output(net.add("Add", label, net.const(1, np.int64)), "labels", [1, "rows"], kind=TensorProto.INT64)
    net.output(score, "scores", [1, "rows"])
    if masks:  # over the box, 2 x 2: the same for all boxes, their score
        deep = net.add("Unsqueeze", score, net.const([2, 3, 4], np.int64))
        net.output(net.add("Tile", deep, net.const([1, 1, 1, 2, 2], np.int64)), "masks", [1, "rows", 1, 2, 2])
    return net.model()


def mmdeploy(network: Size = (SIZE, SIZE), **options: Any) -> onnx.ModelProto:
    """Six rows and two unused ones of label -1."""
    net = Tiny(IMAGENET if options.get("size", SIZE) is not None else MMDET, **options)
    features = net.features(16)
    score, label, query = net.best(net.table(net.add("Sigmoid", net.linear(features, CLASSES)), 3), 6)
    boxes = net.rows(
        net.edges(net.centres(features, BOX, _cells(network, 16)), net.const([*network, *network])), query, 4
    )
    dets = net.add("Concat", boxes, net.add("Unsqueeze", score, net.const([2], np.int64)), axis=2)
    net.say(net.add("Pad", dets, net.const([0, 0, 0, 0, 2, 0], np.int64), net.const(0.5)), "dets", 8, 5)
    flat = net.const([0, 0, 0, 2], np.int64)
    net.whole(net.add("Pad", label, flat, net.const(NOTHING, np.int64)), "labels", 8)
    return net.model()


def nanodet(look: Look = NANO, kind: str = "pairs", network: Size = (SIZE, SIZE), **options: Any) -> onnx.ModelProto:
    """`pairs` of activated scores and distances, `maps` of logits and distances for four strides, or all `joined`."""
    net = Tiny(look, **options)
    outputs = []
    for stride in (8, 16, 32) if kind == "pairs" else (8, 16, 32, 64):
        features = net.features(stride)
        classes, distances = net.linear(features, CLASSES), net.linear(features, bins(stride))
        if kind != "maps":
            classes = net.table(net.add("Sigmoid", classes), 3)
            distances = net.table(distances, 32)
        outputs.append((stride, classes, distances))
    free = options.get("size", SIZE) is None
    if kind == "joined":
        joined = net.add("Concat", *(net.add("Concat", c, d, axis=2) for _, c, d in outputs), axis=1)
        net.say(joined, "output", "rows" if free else sum((SIZE // s) ** 2 for s in (8, 16, 32, 64)), 35)
        return net.model()
    for name, width, part in (("cls_pred_stride", 3, 1), ("dis_pred_stride", 32, 2)):
        for number, output in enumerate(outputs):
            side = SIZE // output[0]
            if kind == "maps":
                net.say(
                    output[part],
                    f"map_{part}_{number}",
                    width,
                    *((f"h{number}", f"w{number}") if free else (side, side)),
                )
            else:
                net.say(output[part], f"{name}_{output[0]}", f"rows{number}" if free else side**2, width)
    return net.model()


def fastestdet(network: Size = (SIZE, SIZE), **options: Any) -> onnx.ModelProto:
    net = Tiny(FASTEST, **options)
    features = net.features(16)
    any_colour = net.add("Sigmoid", net.linear(features, -NOTHING_ROW))
    classes = net.add("Softmax", net.linear(features, CLASSES), axis=1)
    free = options.get("size", SIZE) is None
    joined = net.add("Concat", any_colour, net.linear(features, BOX), classes, axis=1)
    net.say(joined, "output", 8, *(("h", "w") if free else (4, 4)))
    return net.model()


def yunet(network: Size = (SIZE, SIZE), **options: Any) -> onnx.ModelProto:
    net = Tiny(FACES, **options)
    parts: dict[str, list[tuple[int, str, int]]] = {"cls": [], "obj": [], "bbox": [], "kps": []}
    for stride in (8, 16, 32):
        features = net.features(stride)
        parts["cls"].append((stride, net.table(net.add("Sigmoid", net.linear(features, CLASSES[:1])), 1), 1))
        parts["obj"].append((stride, net.table(net.add("Sigmoid", net.linear(features, -NOTHING_ROW)), 1), 1))
        parts["bbox"].append((stride, net.table(net.linear(features, BOX), 4), 4))
        parts["kps"].append((stride, net.table(net.linear(features, _landmarks()), 10), 10))
    free = options.get("size", SIZE) is None
    for name, outputs in parts.items():
        for stride, value, width in outputs:
            net.say(value, f"{name}_{stride}", f"rows{stride}" if free else (SIZE // stride) ** 2, width)
    return net.model()


def _landmarks() -> Floats:
    steps = np.arange(10)
    return np.stack([np.sin(steps), np.cos(steps), np.sin(2 * steps), 0 * steps, 0 * steps, 0.1 * steps], axis=1) * 0.5


# --- the same in plain NumPy ----------------------------------------------------------------------------------------

Row = dict[str, Any]


def features(look: Look, size: Size, stride: int) -> Floats:
    """(N, 5) mean colours from 0 to 1, column and row of the cells of the drawing in the network's input."""
    pixels = drawn(IMAGE, STRIPES)
    image = np.full((size[1], size[0], 3), look.pad, np.float64)
    top = look.offset(size)
    if look.resize == "stretch":
        image[:] = pixels[:1]  # every row of the drawing is the same
    else:
        image[top : top + IMAGE[1]] = pixels
    columns, rows = _cells(size, stride)
    means = image.reshape(rows, stride, columns, stride, 3).mean(axis=(1, 3)).reshape(-1, 3) / 255
    y, x = np.divmod(np.arange(rows * columns), columns)
    return np.concatenate([means, np.stack([x, y], axis=1)], axis=1)


def linear(cells: Floats, rows: Floats) -> Floats:
    return cells @ rows[:, :5].T + rows[:, 5]


def sigmoid(values: Floats) -> Floats:
    return 1 / (1 + np.exp(-values))


def softmax(values: Floats) -> Floats:
    return np.exp(values) / np.exp(values).sum(axis=-1, keepdims=True)


def _edges(boxes: Floats) -> Floats:
    return np.concatenate([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], axis=1)


def _query_boxes(cells: Floats, size: Size) -> Floats:
    raw = sigmoid(linear(cells, BOX))
    centre = (raw[:, :2] + cells[:, 3:]) * 16
    return _edges(np.concatenate([centre, raw[:, 2:] * np.array(size)], axis=1))


def query_rows(look: Look, size: Size, scores: Callable[[Floats], Floats], most: int = 300) -> list[Row]:
    """Rows of the families that answer with 16 queries."""
    cells = features(look, size, 16)
    return chosen(_query_boxes(cells, size), scores(cells), look, size, most=most)


def _class_scores(cells: Floats) -> Floats:
    return sigmoid(linear(cells, CLASSES))


def _softmax_scores(cells: Floats) -> Floats:
    return softmax(linear(cells, np.concatenate([CLASSES, NOTHING_ROW])))[:, :3]


def ssd_rows(size: Size) -> list[Row]:
    boxes, scores = [], []
    for stride in (8, 16):
        cells = features(SSD, size, stride)
        raw = linear(cells, BOX)
        boxes.append(_edges(np.concatenate([raw[:, :2] + cells[:, 3:], np.exp(raw[:, 2:])], axis=1)) * stride)
        scores.append(softmax(linear(cells, np.concatenate([NOTHING_ROW, CLASSES])))[:, 1:])
    return chosen(np.concatenate(boxes), np.concatenate(scores), SSD, size, suppress=True)


def nanodet_rows(look: Look, strides: Sequence[int], offset: float, size: Size) -> list[Row]:
    boxes, scores = [], []
    for stride in strides:
        cells = features(look, size, stride)
        away = softmax(linear(cells, bins(stride)).reshape(-1, 4, 8)) @ np.arange(8)
        centre = cells[:, 3:] + offset
        boxes.append(np.concatenate([centre - away[:, :2], centre + away[:, 2:]], axis=1) * stride)
        scores.append(_class_scores(cells))
    return chosen(np.concatenate(boxes), np.concatenate(scores), look, size, suppress=True)


def fastestdet_rows(size: Size) -> list[Row]:
    cells = features(FASTEST, size, 16)
    raw = linear(cells, BOX)
    centre = (np.tanh(raw[:, :2]) + cells[:, 3:]) * 16
    boxes = _edges(np.concatenate([centre, sigmoid(raw[:, 2:]) * np.array(size)], axis=1))
    scores = sigmoid(linear(cells, -NOTHING_ROW)) ** 0.6 * softmax(linear(cells, CLASSES)) ** 0.4
    return chosen(boxes, scores, FASTEST, size, suppress=True)


def yunet_rows(size: Size) -> list[Row]:
    boxes, scores, points = [], [], []
    for stride in (8, 16, 32):
        cells = features(FACES, size, stride)
        raw = linear(cells, BOX)
        boxes.append(_edges(np.concatenate([raw[:, :2] + cells[:, 3:], np.exp(raw[:, 2:])], axis=1)) * stride)
        scores.append(np.sqrt(sigmoid(linear(cells, CLASSES[:1])) * sigmoid(linear(cells, -NOTHING_ROW))))
        points.append((linear(cells, _landmarks()).reshape(-1, 5, 2) + cells[:, None, 3:]) * stride)
    found = chosen(np.concatenate(boxes), np.concatenate(scores), FACES, size, suppress=True)
    places = np.concatenate(points)
    for row in found:
        point = places[row["source"]]
        row["keypoints"] = [[x, (y - FACES.offset(size)) / FACES.ratio(size), 1.0] for x, y in point]
    return found


def chosen(
    boxes: Floats, scores: Floats, look: Look, size: Size, *, suppress: bool = False, most: int = 300
) -> list[Row]:
    """Rows over the threshold, class-wise suppressed where asked, best first, in image pixels."""
    order = sorted(((-s, n, k) for n, line in enumerate(scores) for k, s in enumerate(line)))[:most]
    rows: list[Row] = []
    kept: list[tuple[int, Floats]] = []
    for score, n, k in order:
        if -score < THRESHOLD or (suppress and any(k == c and _overlap(boxes[n], b) > IOU for c, b in kept)):
            continue
        kept.append((k, boxes[n]))
        place = boxes[n].copy()
        place[1::2] = (place[1::2] - look.offset(size)) / look.ratio(size)
        left, top, right, bottom = np.clip(place, 0, [*IMAGE, *IMAGE])
        rows.append({"xywh": [left, top, right - left, bottom - top], "score": -score, "label": k, "source": n})
    return rows


def _overlap(a: Floats, b: Floats) -> float:
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    if sides.min() <= 0:
        return 0.0
    both = sides.prod()
    return float(both / ((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - both))


# --- the list of them -----------------------------------------------------------------------------------------------

#: name -> (family, graph, rows, settings). `build(name, half=..., size=None, ...)` makes variants of a graph.
CASES: dict[str, tuple[str, Callable[..., onnx.ModelProto], Callable[[Size], list[Row]], dict[str, str]]] = {
    "rtdetr": ("rtdetr", rtdetr, lambda z: query_rows(UNIT, z, _class_scores, 10), {}),
    "rfdetr": (
        "rfdetr",
        lambda **o: queries(IMAGENET, ("dets", "labels"), **o),
        lambda z: query_rows(IMAGENET, z, _class_scores),
        {"background": "last"},
    ),
    "detr": (
        "detr",
        lambda **o: queries(IMAGENET, ("pred_boxes", "logits"), **o),
        lambda z: query_rows(IMAGENET, z, _softmax_scores),
        {},
    ),
    "ssd_tf": ("ssd_tf", ssd_tf, lambda z: query_rows(PIXELS, z, _class_scores, 6), {}),
    "ssd": ("ssd", ssd, ssd_rows, {}),
    "rcnn-torchvision": ("rcnn", lambda **o: rcnn(VISION, **o), lambda z: query_rows(VISION, z, _class_scores, 6), {}),
    "rcnn-zoo": ("rcnn", lambda **o: rcnn(ZOO, masks=True, **o), lambda z: query_rows(ZOO, z, _class_scores, 6), {}),
    "mmdeploy": (
        "mmdeploy",
        mmdeploy,
        lambda z: query_rows(IMAGENET if z == (SIZE, SIZE) else MMDET, z, _class_scores, 6),
        {},
    ),
    "nanodet": ("nanodet", nanodet, lambda z: nanodet_rows(NANO, (8, 16, 32), 0.5, z), {}),
    "nanodet-picodet": (
        "nanodet",
        lambda **o: nanodet(IMAGENET, "maps", **o),
        lambda z: nanodet_rows(IMAGENET, (8, 16, 32, 64), 0.5, z),
        {},
    ),
    "nanodet-plus": (
        "nanodet",
        lambda **o: nanodet(NANO_PLUS, "joined", **o),
        lambda z: nanodet_rows(NANO_PLUS, (8, 16, 32, 64), 0.0, z),
        {},
    ),
    "fastestdet": ("fastestdet", fastestdet, fastestdet_rows, {}),
    "yunet": ("yunet", yunet, yunet_rows, {}),
}
#: Families whose graphs take one image without a batch dimension.
SINGLE = ("rcnn-torchvision", "rcnn-zoo")


def variant(name: str, **options: Any) -> onnx.ModelProto:
    """A graph of the list, `half`, of another `batch`, or with a free size (`free=(width, height)` it will be)."""
    if name in SINGLE:
        options["batch"] = None
    free = options.pop("free", None)
    if free is not None:
        options |= {"size": None, "network": free}
    return CASES[name][1](**options)


def build() -> dict[str, onnx.ModelProto]:
    """Name -> graph."""
    return {name: variant(name) for name in CASES}


def expected(size: Size = (SIZE, SIZE)) -> dict[str, dict[str, Any]]:
    """Name -> family, settings, drawing and rows of the answer."""
    return {
        name: {
            "family": family,
            "settings": settings,
            "image": {"size": list(IMAGE), "rectangles": [[*r[:4], list(r[4])] for r in STRIPES], "texture": None},
            "score_threshold": THRESHOLD,
            "iou_threshold": IOU,
            "rows": [{key: _rounded(value) for key, value in row.items() if key != "source"} for row in rows(size)],
        }
        for name, (family, _, rows, settings) in CASES.items()
    }


def _rounded(value: Any) -> Any:
    if isinstance(value, list):
        return [_rounded(v) for v in value]
    return value if isinstance(value, int) else round(float(value), 6)


def main() -> None:
    folder = Path(__file__).resolve().parents[2] / "fixtures" / "models"
    folder.mkdir(parents=True, exist_ok=True)
    answers = expected()
    for name, model in build().items():
        (folder / f"{name}.onnx").write_bytes(model.SerializeToString(deterministic=True))
        rows = ",\n  ".join(json.dumps(row) for row in answers[name].pop("rows"))
        head = ",\n ".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in answers[name].items())
        (folder / f"{name}.json").write_text(f'{{{head},\n "rows": [\n  {rows}\n ]}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
