from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from detkit.detectors._fit import Fit, fit_heads
from detkit.detectors._graph import load_model, read_graph
from detkit.detectors._layers import read_layers
from detkit.detectors._prepare import Preparation
from detkit.tables import Categories, Dataset, Images, id_array


class Net:
    """A graph in the making; weights have dims and no content, so that VGG-16 takes no memory."""

    def __init__(self, channels: int = 3, size: Any = (224, 224)) -> None:
        self.nodes: list[Any] = []
        self.weights: list[Any] = []
        self.names = (f"t{n}" for n in itertools.count())
        self.last, self.channels = "image", channels
        self.input = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, channels, *size])

    def weight(self, *dims: int) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(TensorProto(name=name, dims=dims, data_type=TensorProto.FLOAT))
        return name

    def const(self, values: list[Any], kind: int = TensorProto.INT64) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(helper.make_tensor(name, kind, [len(values)], values))
        return name

    def add(self, operator: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        self.last = next(self.names)
        self.nodes.append(helper.make_node(operator, list(inputs), [self.last], name=name, **attributes))
        return self.last

    def conv(self, out: int, kernel: int, *, stride: int = 1, pad: int = 0, data: str = "", bias: bool = True,
             group: int = 1, channels: int = 0, dilation: int = 1, name: str = "") -> str:  # fmt: skip
        channels = channels or self.channels
        weights = [self.weight(out, channels // group, kernel, kernel), *([self.weight(out)] if bias else [])]
        self.channels = out
        return self.add("Conv", data or self.last, *weights, strides=[stride] * 2, pads=[pad] * 4, group=group,
                        kernel_shape=[kernel] * 2, dilations=[dilation] * 2, name=name)  # fmt: skip

    def pool(self, kernel: int, stride: int, *, pad: int = 0, data: str = "", name: str = "") -> str:
        return self.add("MaxPool", data or self.last, kernel_shape=[kernel] * 2, strides=[stride] * 2,
                        pads=[pad] * 4, name=name)  # fmt: skip

    def norm(self) -> str:
        return self.add("BatchNormalization", self.last, *(self.weight(self.channels) for _ in range(4)))

    def dense(self, out: int, width: int, name: str = "") -> str:
        return self.add("Gemm", self.last, self.weight(out, width), self.weight(out), transB=1, name=name)

    def model(self, *outputs: str) -> Any:
        values = [helper.make_tensor_value_info(o, TensorProto.FLOAT, None) for o in outputs or (self.last,)]
        graph = helper.make_graph(self.nodes, "net", [self.input], values, self.weights)
        return helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 17)])

    def layers(self, *outputs: str, size: tuple[int, int] = (224, 224)) -> Any:
        return read_layers(self.model(*outputs), "image", size)


def named(found: Any) -> dict[str, Any]:
    return {layer.name: layer for layer in found.layers}


def test_lenet_5_by_hand():
    net = Net(1, (32, 32))
    net.conv(6, 5, name="c1")
    net.pool(2, 2, name="s2")
    net.conv(16, 5, name="c3")
    net.pool(2, 2, name="s4")
    net.conv(120, 5, name="c5")
    net.add("Flatten", net.last, axis=1)
    net.dense(84, 120, name="f6")
    net.dense(10, 84, name="out")
    found = net.layers(size=(32, 32))
    rows = named(found)
    assert [rows[n].shape for n in ("c1", "s2", "c3", "s4", "c5", "f6", "out")] == [
        (1, 6, 28, 28), (1, 6, 14, 14), (1, 16, 10, 10), (1, 16, 5, 5), (1, 120, 1, 1), (1, 84), (1, 10),
    ]  # fmt: skip
    weights = [6 * (25 + 1), 16 * (6 * 25 + 1), 120 * (16 * 25 + 1), 84 * (120 + 1), 10 * (84 + 1)]
    assert [rows[n].parameters for n in ("c1", "c3", "c5", "f6", "out")] == weights
    assert found.parameters == sum(weights) == 61_706
    macs = [28 * 28 * 6 * 25, 10 * 10 * 16 * 6 * 25, 120 * 16 * 25, 84 * 120, 10 * 84]
    assert [rows[n].macs for n in ("c1", "c3", "c5", "f6", "out")] == macs
    assert found.macs == sum(macs) == 416_520
    fields = {"c1": 5, "s2": 5 + 1, "c3": 6 + 4 * 2, "s4": 14 + 2, "c5": 16 + 4 * 4}
    assert {n: rows[n].field for n in fields} == {n: (f, f) for n, f in fields.items()}
    assert [rows[n].stride[0] for n in fields] == [1, 2, 2, 4, 4]


def test_vgg_16_as_published():
    net = Net()
    for block, (width, repeats) in enumerate([(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)], 1):
        for n in range(repeats):
            net.conv(width, 3, pad=1, name=f"conv{block}_{n + 1}")
            net.add("Relu", net.last)
        net.pool(2, 2, name=f"pool{block}")
    net.add("Flatten", net.last, axis=1)
    for out, width in ((4096, 512 * 7 * 7), (4096, 4096), (1000, 4096)):
        net.dense(out, width)
    found = net.layers()
    assert found.parameters == 138_357_544
    assert round(found.macs / 1e9, 2) == 15.47
    rows = named(found)
    assert (rows["pool5"].field, rows["pool5"].stride) == ((212, 212), (32, 32))
    assert (rows["conv5_3"].field, rows["conv5_3"].stride) == ((196, 196), (16, 16))
    assert [rows[f"pool{n}"].field[0] for n in range(1, 6)] == [6, 16, 44, 100, 212]
    assert found.precision == {"float32": 138_357_544}


def resnet_34() -> tuple[Net, Any]:
    net = Net()

    def block(out: int, stride: int) -> None:
        source, channels = net.last, net.channels
        net.conv(out, 3, stride=stride, pad=1, bias=False)
        net.norm()
        net.add("Relu", net.last)
        net.conv(out, 3, pad=1, bias=False)
        main = net.norm()
        if stride > 1:
            net.conv(out, 1, stride=stride, data=source, channels=channels, bias=False)
            source = net.norm()
        net.add("Add", main, source)
        net.add("Relu", net.last)

    net.conv(64, 7, stride=2, pad=3, bias=False)
    net.norm()
    net.add("Relu", net.last)
    net.pool(3, 2, pad=1)
    for stage, (out, blocks) in enumerate([(64, 3), (128, 4), (256, 6), (512, 3)]):
        for n in range(blocks):
            block(out, 2 if n == 0 and stage else 1)
    net.nodes[-1].name = "stage4"
    net.add("GlobalAveragePool", net.last)
    net.add("Flatten", net.last, axis=1)
    net.dense(1000, 512)
    return net, net.layers()


def test_resnet_34_as_published():
    _, found = resnet_34()
    assert found.parameters == 21_797_672
    assert round(found.macs / 1e9, 2) == 3.66
    field, jump = 7, 2  # the first convolution
    field, jump = field + 2 * jump, jump * 2  # the pool
    for stage, blocks in enumerate((3, 4, 6, 3)):
        for n in range(blocks):
            field, jump = field + 2 * jump, jump * (2 if n == 0 and stage else 1)
            field += 2 * jump
    last = named(found)["stage4"]
    assert (last.field, last.stride) == ((field, field), (jump, jump)) == ((899, 899), (32, 32))
    assert found.unknown == ()


def test_shapes_are_those_of_onnx():
    net, found = resnet_34()
    inferred = onnx.shape_inference.infer_shapes(net.model(), data_prop=True)
    values = {
        v.name: tuple(d.dim_value for d in v.type.tensor_type.shape.dim)
        for v in (*inferred.graph.value_info, *inferred.graph.output)
    }
    outputs = [node.output[0] for node in net.nodes]
    assert [layer.shape for layer in found.layers] == [values[name] for name in outputs]


def test_groups_dilation_and_transposed():
    net = Net(8, (32, 32))
    net.conv(8, 3, group=8, pad=2, dilation=2, name="depthwise")
    net.add("ConvTranspose", net.last, net.weight(8, 4, 4, 4), strides=[2, 2], pads=[1] * 4, kernel_shape=[4, 4],
            name="up")  # fmt: skip
    rows = named(net.layers(size=(32, 32)))
    assert rows["depthwise"].macs == 32 * 32 * 8 * 9
    assert rows["depthwise"].field == (1 + 2 * 2, 1 + 2 * 2)
    assert rows["up"].shape == (1, 4, 64, 64)
    assert rows["up"].macs == 32 * 32 * 8 * 4 * 16
    assert rows["up"].stride == (0.5, 0.5)
    assert rows["up"].field == (5 + 1, 5 + 1)  # each value comes from two neighbours


def test_focus_slices_join_to_two_pixels():
    net = Net(3, (64, 64))
    parts = [
        net.add("Slice", "image", net.const([y, x]), net.const([64, 64]), net.const([2, 3]), net.const([2, 2]))
        for y, x in ((0, 0), (1, 0), (0, 1), (1, 1))
    ]
    net.add("Concat", *parts, axis=1, name="focus")
    net.channels = 12
    net.conv(16, 3, pad=1, name="stem")
    rows = named(net.layers(size=(64, 64)))
    assert (rows["focus"].field, rows["focus"].stride) == ((2, 2), (2, 2))
    assert rows["stem"].field == (2 + 2 * 2, 2 + 2 * 2)


def test_channel_shuffle_keeps_the_map():
    net = Net(8, (16, 16))
    net.conv(8, 3, stride=2, pad=1)
    net.add("Reshape", net.last, net.const([1, 2, 4, 8, 8]))
    net.add("Transpose", net.last, perm=[0, 2, 1, 3, 4])
    net.add("Reshape", net.last, net.const([1, 8, 8, 8]), name="five")
    net.add("Reshape", net.last, net.const([4, 2, 64]))
    net.add("Transpose", net.last, perm=[1, 0, 2])
    net.add("Reshape", net.last, net.const([2, 1, 4, 8, 8]))
    net.weights.append(helper.make_tensor("one", TensorProto.INT64, [], [1]))
    net.add("Gather", net.last, "one", axis=0, name="half")
    rows = named(net.layers(size=(16, 16)))
    for name in ("five", "half"):
        assert (rows[name].field, rows[name].stride) == ((3, 3), (2, 2))


def heads_net() -> Net:
    """Strides 8 and 16, the finer one fed from above; each head a box and a class branch, flattened and joined."""
    net = Net(3, (64, 64))
    net.conv(8, 8, stride=8)
    fine = net.last
    net.conv(8, 3, stride=2, pad=1)
    coarse = net.last
    net.add("Resize", coarse, "", net.const([1.0, 1.0, 2.0, 2.0], TensorProto.FLOAT), mode="nearest")
    net.add("Concat", fine, net.last, axis=1)
    mixed, flat = net.last, []
    for data, channels in ((mixed, 16), (coarse, 8)):
        box = net.conv(4, 3, pad=1, data=data, channels=channels)
        score = net.add("Sigmoid", net.conv(2, 1, data=data, channels=channels))
        net.add("Concat", box, score, axis=1)
        flat.append(net.add("Reshape", net.last, net.const([1, 6, -1])))
    net.add("Concat", *flat, axis=2)
    net.add("Transpose", net.last, perm=[0, 2, 1])
    return net


def test_heads_by_stride():
    fine, coarse = heads_net().layers(size=(64, 64)).heads
    first = 8 + 2 * 8  # the map at stride 16
    assert (coarse.stride, coarse.field, coarse.grid) == ((16, 16), (first + 2 * 16,) * 2, (4, 4))
    assert (fine.stride, fine.field, fine.grid) == ((8, 8), (first + 2 * 8,) * 2, (8, 8))
    assert len(fine.layers) == len(coarse.layers) == 2
    assert not fine.sees_all


def test_a_gate_over_the_whole_image_is_told_apart():
    net = Net(3, (64, 64))
    net.conv(8, 3, stride=2, pad=1)
    source = net.last
    net.add("GlobalAveragePool", source)
    net.conv(8, 1)
    net.add("Sigmoid", net.last)
    net.add("Mul", source, net.last, name="gated")
    net.conv(6, 1)
    found = net.layers(size=(64, 64))
    assert named(found)["gated"].field == (3, 3)
    assert [(h.field, h.sees_all) for h in found.heads] == [((3, 3), True)]


def test_another_size_changes_the_map_and_not_the_field():
    net = heads_net()
    for d in net.input.type.tensor_type.shape.dim[2:]:
        d.dim_value = 0
    small, large = net.layers(size=(64, 64)), net.layers(size=(128, 96))
    assert [h.grid for h in large.heads] == [(16, 12), (8, 6)]
    assert [h.field for h in small.heads] == [h.field for h in large.heads]
    assert large.macs == small.macs * (128 * 96) // (64 * 64)


def test_layers_whose_shapes_contradict_each_other_are_unknown():
    net = Net(3, (64, 64))
    net.add("Add", net.conv(8, 3, stride=2, pad=1), net.conv(8, 3, data="image", channels=3))
    net.channels = 8
    net.conv(4, 3, name="after")
    found = net.layers(size=(64, 64))
    assert named(found)["after"].shape is None
    assert found.unknown == ("after",)
    assert found.macs == 32 * 32 * 8 * 27 + 62 * 62 * 8 * 27


def test_objects_against_heads():
    fine, coarse = heads_net().layers(size=(64, 64)).heads
    dataset = Dataset.build(
        Images(id_array([1, 2]), ("a.jpg", "b.jpg"), [[128, 64], [math.nan, math.nan]]),
        Categories.from_names(("cat",)),
        image_index=[0, 0, 0, 0, 1],
        category_index=[0] * 5,
        xywh=[[0, 0, 14, 14], [0, 0, 30, 14], [0, 0, 90, 10], [0, 0, 128, 60], [0, 0, 5, 5]],
        is_crowd=[0, 0, 0, 1, 0],
    )
    fits, compared, without = fit_heads(dataset, (fine, coarse), Preparation(size=(64, 64)))
    # The image is halved: sides of 7 x 7, 15 x 7 and 45 x 5 against fields of 40 and 56, strides of 8 and 16.
    assert fits == [Fit(larger=1, smaller=1), Fit(larger=0, smaller=2)]
    assert (compared, without) == (3, 1)
    stretched = fit_heads(dataset, (fine,), Preparation(size=(64, 64), resize="stretch"))[0]
    assert stretched == [Fit(larger=1, smaller=0)]  # 7 x 14


REAL = {
    "yolox_nano": (416, (8, 16, 32)),
    "nanodet_m_320": (320, (8, 16, 32)),
    "FastestDet": (352, (16,)),
    "yunet_n_dynamic": (640, (8, 16, 32)),
    "deimv2_atto": (320, (16, 32)),
    "ultraface_rfb_640": (640, (8, 16, 32, 64)),
}


@pytest.mark.parametrize("name", REAL)
def test_heads_of_real_models(shared_data, name):
    path = shared_data / "models" / f"{name}.onnx"
    side, strides = REAL[name]
    graph = read_graph(path)
    found = read_layers(load_model(path), graph.image.name, graph.size or (side, side))
    assert tuple(h.stride[0] for h in found.heads) == strides
    assert found.unknown == ()
    assert all(np.diff([h.field[0] for h in found.heads]) > 0)


def test_shapes_computed_in_the_graph_are_followed():
    """As exporters write a flatten for a free size: rows are told by Shape, Gather, Unsqueeze, Concat."""
    net = Net(3, ("h", "w"))
    net.conv(6, 4, stride=4)
    net.weights.append(helper.make_tensor("at", TensorProto.INT64, [], [0]))
    net.weights.append(helper.make_tensor("two", TensorProto.INT64, [], [2]))
    source = net.last
    net.add("Shape", source)
    net.add("Gather", net.last, "at", axis=0)
    batch = net.add("Unsqueeze", net.last, net.const([0]))
    net.add("Shape", source)
    net.add("Gather", net.last, "two", axis=0)
    net.add("Mul", net.last, net.last)
    rows = net.add("Unsqueeze", net.last, net.const([0]))
    shape = net.add("Concat", batch, net.const([6]), rows, axis=0)
    flat = net.add("Reshape", source, shape, name="flat")
    repeats = net.add("Concat", net.const([1, 1]), batch, axis=0)
    net.add("Tile", flat, repeats)
    net.add("MatMul", net.last, net.weight(16 * 16, 5), name="product")
    found = net.layers(size=(64, 64))
    assert named(found)["flat"].shape == (1, 6, 256)
    assert named(found)["product"].macs == 6 * 256 * 5
    assert found.unknown == ()
