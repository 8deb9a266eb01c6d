from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from cli._run import run


def _model(
    path: Path, *, size: tuple[object, object] = (64, 64), extra: tuple[object, ...] = (), opset: int = 17
) -> None:
    """A raw head at stride 8 with six columns, and nodes besides."""
    weights = [
        helper.make_tensor("w", TensorProto.FLOAT, [6, 3, 8, 8], [0.0] * (6 * 3 * 64)),
        helper.make_tensor("b", TensorProto.FLOAT, [6], [0.0] * 6),
    ]
    conv = helper.make_node("Conv", ["image", "w", "b"], ["out"], name="head", strides=[8, 8], kernel_shape=[8, 8])
    graph = helper.make_graph(
        [conv, *extra],
        "net",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, *size])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)],
        weights,
    )
    domains = {node.domain for node in graph.node if node.domain}
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in sorted(domains))]
    model = helper.make_model(graph, ir_version=10, opset_imports=opsets, producer_name="by hand")
    onnx.helper.set_model_props(model, {"names": "{0: 'cat'}"})
    path.write_bytes(model.SerializeToString())


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with a model and a dataset of two objects."""
    _model(tmp_path / "net.onnx")
    truth = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 64, "height": 64}],
        "categories": [{"id": 1, "name": "cat"}],
        "annotations": [
            {"id": n, "image_id": 1, "category_id": 1, "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
            for n, box in enumerate([[0, 0, 5, 6], [8, 8, 20, 4]], 1)
        ],
    }
    (tmp_path / "truth.json").write_text(json.dumps(truth), encoding="utf-8")
    return tmp_path


def test_text_says_what_the_model_is_made_of(here: Path) -> None:
    done = run(["model", "net.onnx", "--dataset", "truth.json", "--layers"], here)
    assert done.code == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[:3] == [
        "net.onnx: opset 17, made by by hand",
        "input: image float32 [1, 3, 64, 64]",
        "output: out float32 []",
    ]
    assert "classes: 1: cat" in lines
    assert f"weights: {6 * 3 * 64 + 6} (float32 {6 * 3 * 64 + 6})" in lines
    assert f"multiply-accumulates: {8 * 8 * 6 * 3 * 64} at 64x64" in lines
    (head,) = [line.split() for line in lines if line.startswith("1  ")]
    assert head == ["1", "8", "8", "8", "no", "1", "1"]
    assert any(line.split()[:3] == ["head", "Conv", "1x6x8x8"] for line in lines)


def test_json(here: Path) -> None:
    done = run(["model", "net.onnx", "--format", "json", "--layers", "--dataset", "truth.json"], here)
    assert done.code == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["schema"] == "detkit.model/1"
    assert found["heads"] == [
        {"stride": [8, 8], "receptive_field": [8, 8], "grid": [8, 8], "sees_all": False, "layers": ["out"],
         "larger": 1, "smaller": 1},
    ]  # fmt: skip
    assert found["objects"] == {"compared": 2, "without_image_size": 0}
    assert found["layers"][0]["macs"] == found["macs"]
    assert "layers" not in json.loads(run(["model", "net.onnx", "--format", "json"], here).stdout)


def test_no_family_is_said_and_is_no_failure(here: Path) -> None:
    found = json.loads(run(["model", "net.onnx", "--format", "json"], here).stdout)
    assert found["family"] is None
    assert "no family of detectors recognised" in found["why"]
    named = json.loads(run(["model", "net.onnx", "--format", "json", "--family", "yolov5"], here).stdout)
    assert (named["family"], named["why"]) == ("yolov5", "named by the user")


def test_operators_that_leave_the_gpu_are_named(here: Path) -> None:
    extra = (
        helper.make_node("Tan", ["out"], ["t"]),
        helper.make_node("Relu", ["t"], ["r"]),
        helper.make_node("EfficientNMS_TRT", ["r"], ["n"], domain="TRT"),
        helper.make_node("Magic", ["r"], ["m"], domain="org.wizard"),
        helper.make_node("Gelu", ["r"], ["g"], domain="com.microsoft"),
        helper.make_node("Resize", ["r", "", "", ""], ["z"]),
    )
    for opset, late in ((17, []), (19, ["Resize"])):
        _model(here / "odd.onnx", extra=extra, opset=opset)
        found = json.loads(run(["model", "odd.onnx", "--format", "json", "--family", "yolov5"], here).stdout)
        reasons = {row["operator"]: row["reason"] for row in found["no_cuda_kernel"]}
        assert sorted(reasons) == sorted(["Tan", "TRT::EfficientNMS_TRT", "org.wizard::Magic", *late])
    assert reasons["TRT::EfficientNMS_TRT"] == "only TensorRT has it"


def test_a_free_size_is_assumed_or_given(here: Path) -> None:
    _model(here / "free.onnx", size=("h", "w"))
    done = run(["model", "free.onnx"], here)
    assert "at 640x640 (assumed: the file leaves the size free)" in " ".join(done.stdout.split())
    given = json.loads(run(["model", "free.onnx", "--image-size", "320x160", "--format", "json"], here).stdout)
    assert (given["image_size"], given["image_size_assumed"]) == ([320, 160], False)
    assert given["heads"][0]["grid"] == [40, 20]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent.onnx"], "absent.onnx: no such file"),
        (["truth.json"], "not an ONNX model"),
        (["net.onnx", "--image-size", "32"], "takes 64x64 only, --image-size is 32x32"),
        (["net.onnx", "--image-size", "big"], "--image-size: found `big`"),
        (["net.onnx", "--family", "yolo99"], "yolo99"),
        (["net.onnx", "--format", "html"], "--format: found `html`"),
        (["net.onnx", "--dataset", "absent"], "absent"),
    ],
)
def test_wrong_requests(here: Path, arguments: list[str], message: str) -> None:
    done = run(["model", *arguments], here)
    assert done.code == 2
    assert message in done.stderr
