"""The YOLO families: recognised and decoded as the generated graphs, and a real YOLOX, demand."""

from __future__ import annotations

import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detkit import registry
from detkit.detectors import Graph, Port, names, read_graph, recognise
from detkit.detectors._base import Settings
from detkit.detectors._prepare import Frame, changed, prepare
from detkit.detectors._rows import Choice, Rows, finish
from detkit.detectors._session import open_session
from detkit.errors import InputError, UsageError

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

ROOT = Path(__file__).resolve().parents[3]
MODELS = ROOT / "fixtures" / "models"


def _tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("detkit_tools_yolo", ROOT / "tools" / "models" / "yolo.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


yolo = _tool()
CASES = sorted(yolo.CASES)
FAMILIES = (
    "ultralytics",
    "ultralytics_end2end",
    "ultralytics_rtdetr",
    "yolo_raw",
    "yolov3_nms",
    "yolov5",
    "yolov7_end2end",
    "yolox",
)
KNOWN = [name for name in CASES if yolo.CASES[name][1] is not None]


def family(name: str) -> Any:
    return registry.load("detkit.detectors", name)


def expected(name: str) -> dict[str, Any]:
    return json.loads((MODELS / f"{name}.json").read_text(encoding="utf-8"))


def picture(answer: dict[str, Any]) -> Any:
    from PIL import Image

    image = answer["image"]
    return Image.fromarray(yolo.drawn(image["size"], image["rectangles"], image["texture"]))


def run(path: Path, images: list[Any], answer: dict[str, Any], *, batch: int | None = None, **changes: Any) -> Any:
    """(recognised, outputs of the family, frames) of a model on images; `batch` pads with zeros."""
    graph = read_graph(path)
    found = recognise(graph, changes.pop("family", None))
    preparation = replace(found.module.prepare(graph), **changes)
    pairs = [prepare(image, preparation) for image in images]
    tensor, frames = np.stack([p[0] for p in pairs]), [p[1] for p in pairs]
    if batch is not None:
        tensor = np.concatenate([tensor, np.zeros((batch - len(images), *tensor.shape[1:]), tensor.dtype)])
    feeds = {graph.image.name: tensor if preparation.batched else tensor[0]}
    if hasattr(found.module, "feeds"):
        feeds |= found.module.feeds(graph, frames)
    outputs = open_session(path, "cpu", threads=1).run(feeds)
    return found, found.module.decode(outputs, graph, Settings(answer["settings"]), frames), frames


def finished(found: Any, output: Any, frame: Frame, answer: dict[str, Any]) -> Rows:
    choice = Choice(answer["score_threshold"], answer["iou_threshold"])
    return finish(output, frame, choice, needs_nms=found.module.NEEDS_NMS)


def assert_rows(rows: Rows, answer: dict[str, Any], *, box: float = 1e-4, score: float = 1e-5) -> None:
    """Equal as sets: rows of equal score may stand in any order."""
    wanted = answer["rows"]
    assert len(rows.score) == len(wanted) > 0
    left = np.column_stack([rows.label * 1e4, rows.xywh / box, rows.score / score])
    right = np.array([[r["label"] * 1e4, *(v / box for v in r["xywh"]), r["score"] / score] for r in wanted])
    apart = np.abs(left[:, None] - right[None]).max(axis=2)
    assert (apart.min(axis=0) <= 1).all()
    partner = apart.argmin(axis=0)
    assert sorted(partner) == list(range(len(wanted)))
    for key, values in (("keypoints", rows.keypoints), ("polygon", rows.polygons)):
        if key in wanted[0]:
            assert values is not None
            np.testing.assert_allclose(values[partner], [r[key] for r in wanted], atol=10 * box)


def built(model: Any, folder: Path) -> Path:
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


# --- generated graphs -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_the_files_are_what_the_script_builds(name):
    graph, *_ = yolo.CASES[name]
    data = (MODELS / f"{name}.onnx").read_bytes()
    assert data == graph().SerializeToString(deterministic=True)
    assert len(data) < 50_000
    assert (MODELS / f"{name}.json").stat().st_size < 50_000


@pytest.mark.parametrize("name", KNOWN)
def test_a_graph_is_recognised_and_its_rows_are_the_expected_ones(name):
    answer = expected(name)
    found, (output,), (frame,) = run(MODELS / f"{name}.onnx", [picture(answer)], answer)
    assert found.name == answer["family"]
    assert found.why
    rows = finished(found, output, frame, answer)
    assert_rows(rows, answer)
    assert (np.diff(rows.score) <= 0).all()
    if "coefficients" in answer["rows"][0]:
        own = np.sort(output.coefficients[rows.source][:, :4], axis=0)
        np.testing.assert_allclose(own, np.sort([r["coefficients"] for r in answer["rows"]], axis=0), atol=1e-4)
        assert output.prototypes.shape == (yolo.MASKS, 16, 16)


@pytest.mark.parametrize("name", KNOWN)
def test_a_padded_batch_of_eight_gives_each_image_its_own_rows(name):
    answer = expected(name)
    image = picture(answer)
    images = [image, image.transpose(0), image, image.transpose(1), image, image.transpose(0)]
    found, outputs, frames = run(MODELS / f"{name}.onnx", images, answer, batch=8)
    assert len(outputs) == len(images)
    for i in (0, 2, 4):
        assert_rows(finished(found, outputs[i], frames[i], answer), answer)
    mirrored = finished(found, outputs[1], frames[1], answer)
    np.testing.assert_array_equal(mirrored.xywh, finished(found, outputs[5], frames[5], answer).xywh)
    assert not np.array_equal(mirrored.xywh, finished(found, outputs[0], frames[0], answer).xywh)


VARIANTS = {
    "ultralytics": yolo.ultralytics,
    "ultralytics-segment": lambda **o: yolo.ultralytics("segment", **o),
    "ultralytics-pose": lambda **o: yolo.ultralytics("pose", **o),
    "ultralytics-obb": lambda **o: yolo.ultralytics("obb", **o),
    "ultralytics-without-metadata": lambda **o: yolo.ultralytics(metadata=False, **o),
    "ultralytics_end2end": lambda **o: yolo.end2end(metadata=yolo.ultralytics_metadata(end2end=True), **o),
    "ultralytics_rtdetr": lambda **o: yolo.rtdetr(metadata=yolo.ultralytics_metadata(head="RTDETRDecoder"), **o),
    "yolov5": yolo.yolov5,
    "yolov7_end2end": yolo.yolov7_end2end,
    "yolo_raw": yolo.yolo_raw,
    "yolov3_nms": yolo.yolov3_nms,
    "yolox": yolo.yolox,
    "yolox-decoded": lambda **o: yolo.yolox(decoded=True, **o),
}


@pytest.mark.parametrize("name", sorted(VARIANTS))
def test_half_precision_gives_the_same_rows_within_its_precision(name, tmp_path):
    answer = expected(name)
    path = built(VARIANTS[name](half=True), tmp_path)
    assert read_graph(path).image.dtype == "float16"
    found, (output,), (frame,) = run(path, [picture(answer)], answer)
    assert found.name == answer["family"]
    assert output.xyxy.dtype == np.float32
    rows = finished(found, output, frame, answer | {"score_threshold": 0.2, "iou_threshold": 1.0})
    for row in answer["rows"]:
        near = np.abs(rows.xywh - row["xywh"]).max(axis=1) < 0.15
        assert (near & (np.abs(rows.score - row["score"]) < 0.02) & (rows.label == row["label"])).any()


@pytest.mark.parametrize("name", sorted(set(VARIANTS) - {"yolov7_end2end", "yolov3_nms"}))
def test_a_missing_batch_dimension_is_no_obstacle(name, tmp_path):
    answer = expected(name)
    path = built(VARIANTS[name](batch=None), tmp_path)
    assert len(read_graph(path).image.shape) == 3
    found, (output,), (frame,) = run(path, [picture(answer)], answer)
    assert found.name == answer["family"]
    assert_rows(finished(found, output, frame, answer), answer)


@pytest.mark.parametrize("name", sorted(set(VARIANTS) - {"yolox", "ultralytics-segment"}))
def test_free_sizes_in_the_file_are_told_by_the_frame(name, tmp_path):
    answer = expected(name)
    path = built(VARIANTS[name](size=None), tmp_path)
    assert read_graph(path).size is None
    found, (output,), (frame,) = run(path, [picture(answer)], answer, size=(64, 64))
    assert found.name == answer["family"]
    assert_rows(finished(found, output, frame, answer), answer)


def test_raw_and_decoded_yolox_agree_at_a_size_that_is_not_square(tmp_path):
    from PIL import Image

    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (70, 130, 3), np.uint8))
    answer = {"settings": {}}
    boxes = []
    for decoded in (False, True):
        path = built(yolo.yolox(decoded=decoded, size=None), tmp_path)
        _, (output,), _ = run(path, [image], answer, size=(160, 96), family="yolox")
        boxes.append(output.xyxy)
    assert len(boxes[0]) == 20 * 12 + 10 * 6 + 5 * 3
    np.testing.assert_allclose(boxes[0], boxes[1], atol=1e-3)


# --- recognition ----------------------------------------------------------------------------------------------------


def fitting(graph: Graph) -> list[str]:
    return [name for name in names() if family(name).recognise(graph).matches]


@pytest.mark.parametrize("path", sorted(MODELS.glob("*.onnx")), ids=lambda p: p.stem)
def test_no_yolo_family_takes_a_fixture_of_another(path):
    answer = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    graph = read_graph(path)
    mine = [name for name in FAMILIES if family(name).recognise(graph).matches]
    if path.stem == "ambiguous-two-classes":
        assert mine == ["ultralytics_end2end", "ultralytics_rtdetr"]
    elif path.stem in CASES:
        assert fitting(graph) == [answer["family"]]
    elif answer.get("family") not in FAMILIES:
        assert mine == []


def test_real_models_have_one_family_each(shared_data):
    for path in sorted((shared_data / "models").glob("*.onnx")):
        wanted = ["yolox"] if path.stem == "yolox_nano" else []
        graph = read_graph(path)
        assert [name for name in FAMILIES if family(name).recognise(graph).matches] == wanted, path.stem


COCO = {i: f"class {i}" for i in range(80)}
ULTRA = {"task": "detect", "stride": "32", "names": str(COCO), "imgsz": "[640, 640]", "end2end": "False"}
TWO = ULTRA | {"names": "{0: 'a', 1: 'b'}"}
GRIDS = 80 * 80 + 40 * 40 + 20 * 20


def graph_of(*outputs: Any, image: Any = (1, 3, 640, 640), meta: Any = None, operators: Any = ("Conv",)) -> Graph:
    ports = [Port(f"output{i}", "float32", tuple(shape)) for i, shape in enumerate(outputs)]
    inputs = (Port("images", "float32", tuple(image)),)
    return Graph("m.onnx", inputs, tuple(ports), meta or {}, dict.fromkeys(operators, 1))


FREE = (None, 3, None, None)
SHAPES = {
    # Shapes and metadata as the exporters write them.
    "v8": (graph_of((1, 84, GRIDS), meta=ULTRA), "ultralytics"),
    "v8 without metadata": (graph_of((1, 84, GRIDS)), "ultralytics"),
    "v8 one class": (graph_of((1, 5, GRIDS)), "ultralytics"),
    "v8 two classes": (graph_of((1, 6, GRIDS)), "ultralytics"),
    "v8 free": (graph_of((None, 84, None), image=FREE, meta=ULTRA), "ultralytics"),
    "v8 wholly free": (graph_of((None, 84, None), image=FREE), "ultralytics"),
    "v8 p6 at 1280": (graph_of((1, 84, 34000), image=(1, 3, 1280, 1280)), "ultralytics"),
    "v8 small input, more classes than cells": (
        graph_of((1, 84, 21), image=(1, 3, 32, 32), meta=ULTRA | {"imgsz": "[32, 32]"}),
        "ultralytics",
    ),
    "v8 segment": (
        graph_of((1, 116, GRIDS), (1, 32, 160, 160), meta=ULTRA | {"task": "segment"}),
        "ultralytics",
    ),
    "v8 segment without metadata": (graph_of((1, 116, GRIDS), (1, 32, 160, 160)), "ultralytics"),
    "v8 pose": (
        graph_of((1, 56, GRIDS), meta=ULTRA | {"task": "pose", "names": "{0: 'person'}", "kpt_shape": "[17, 3]"}),
        "ultralytics",
    ),
    "v8 obb": (graph_of((1, 85, GRIDS), meta=ULTRA | {"task": "obb"}), "ultralytics"),
    "v8 half, unbatched": (graph_of((84, GRIDS), image=(3, 640, 640)), "ultralytics"),
    "v10 without the flag": (graph_of((1, 300, 6), meta=ULTRA), "ultralytics_end2end"),
    "v26": (graph_of((1, 300, 6), meta=ULTRA | {"end2end": "True"}), "ultralytics_end2end"),
    "v26 two classes": (graph_of((1, 300, 6), meta=TWO | {"end2end": "True"}), "ultralytics_end2end"),
    "v26 free": (
        graph_of((None, None, 6), image=FREE, meta=ULTRA | {"end2end": "True"}),
        "ultralytics_end2end",
    ),
    "nms=True": (graph_of((1, 300, 6), meta=TWO | {"args": "{'nms': True, 'half': False}"}), "ultralytics_end2end"),
    "nms=True, metadata lost": (graph_of((1, 300, 6), operators=("NonMaxSuppression",)), "ultralytics_end2end"),
    "v26 segment": (
        graph_of((1, 300, 38), (1, 32, 160, 160), meta=ULTRA | {"task": "segment", "end2end": "True"}),
        "ultralytics_end2end",
    ),
    "v26 obb": (graph_of((1, 300, 7), meta=ULTRA | {"task": "obb", "end2end": "True"}), "ultralytics_end2end"),
    "v26 pose": (
        graph_of(
            (1, 300, 57),
            meta=ULTRA | {"task": "pose", "names": "{0: 'p'}", "kpt_shape": "[17, 3]", "end2end": "True"},
        ),
        "ultralytics_end2end",
    ),
    "v26 max_det 100": (graph_of((1, 100, 6), meta=ULTRA | {"end2end": "True"}), "ultralytics_end2end"),
    "rt-detr": (graph_of((1, 300, 84), meta=ULTRA), "ultralytics_rtdetr"),
    "rt-detr without metadata": (graph_of((1, 300, 84), operators=("GridSample",)), "ultralytics_rtdetr"),
    "rt-detr two classes": (graph_of((1, 300, 6), meta=TWO, operators=("GridSample",)), "ultralytics_rtdetr"),
    "rt-detr chosen": (graph_of((1, 300, 6), meta=ULTRA | {"head": "RTDETRDecoder"}), "ultralytics_rtdetr"),
    "v5": (graph_of((1, 3 * GRIDS, 85), meta={"stride": "32", "names": str(COCO)}), "yolov5"),
    "v5 without metadata": (graph_of((1, 3 * GRIDS, 85)), "yolov5"),
    "v5 one class": (graph_of((1, 3 * GRIDS, 6)), "yolov5"),
    "v5 two classes": (graph_of((1, 3 * GRIDS, 7)), "yolov5"),
    "v5 free": (graph_of((None, None, 85), image=FREE, meta={"stride": "32", "names": str(COCO)}), "yolov5"),
    "v5 one class, free": (
        graph_of((None, None, 6), image=FREE, meta={"stride": "32", "names": "['a']"}),
        "yolov5",
    ),
    "v5 free, metadata lost": (graph_of((None, None, 85), image=FREE, operators=("Pow",)), "yolov5"),
    "v5 with its raw heads": (
        graph_of((1, 3 * GRIDS, 85), *((1, 3, n, n, 85) for n in (80, 40, 20))),
        "yolov5",
    ),
    "v5 segment": (graph_of((1, 3 * GRIDS, 117), (1, 32, 160, 160)), "yolov5"),
    "v3-tiny of the v5 kind": (graph_of((1, 3 * (40 * 40 + 20 * 20), 85)), "yolov5"),
    "v7 w6 at 1280": (graph_of((1, 102000, 85), image=(1, 3, 1280, 1280)), "yolov5"),
    "v7 end-to-end": (graph_of((None, 7), operators=("NonMaxSuppression",)), "yolov7_end2end"),
    "yolox": (graph_of((1, GRIDS, 85)), "yolox"),
    "yolox one class": (graph_of((1, GRIDS, 6)), "yolox"),
    "yolox decoded": (graph_of((1, GRIDS, 85), operators=("Exp", "Sub")), "yolox"),
    "v3 raw": (graph_of((1, 255, 80, 80), (1, 255, 40, 40), (1, 255, 20, 20)), "yolo_raw"),
    "v3-tiny raw, largest stride first": (graph_of((1, 255, 20, 20), (1, 255, 40, 40)), "yolo_raw"),
    "tiny v2": (graph_of((None, 125, 13, 13), image=(None, 3, 416, 416)), "yolo_raw"),
}


@pytest.mark.parametrize("what", SHAPES)
def test_exports_are_told_apart_by_shapes_and_metadata(what):
    graph, wanted = SHAPES[what]
    assert recognise(graph).name == wanted


OTHERS = {
    "v6: decoded from edges": graph_of((1, GRIDS, 85), operators=("Sub", "Div")),
    "nine images, not three colours": graph_of((1, 84, GRIDS), image=(1, 9, 640, 640)),
    "classifier": graph_of((1, 1000), meta=ULTRA | {"task": "classify"}),
    "depth": graph_of((1, 84, GRIDS), meta=ULTRA | {"task": "semantic"}),
    "names that do not fit": graph_of((1, 84, GRIDS), meta=ULTRA | {"names": "['a', 'b']"}),
    "v5 with names that do not fit": graph_of((1, 3 * GRIDS, 85), meta={"stride": "32", "names": "['a', 'b']"}),
    "stale rows": graph_of((1, 84, 1234)),
    "single map at stride 16": graph_of((1, 85, 40, 40)),
    "features at stride 32": graph_of((1, 512, 20, 20)),
    "maps of different depth": graph_of((1, 255, 80, 80), (1, 32, 40, 40), (1, 255, 20, 20)),
    "maps of one stride": graph_of((1, 255, 80, 80), (1, 255, 80, 80), (1, 255, 20, 20)),
    "columns in another order": replace(
        graph_of((None, 7), operators=("NonMaxSuppression",)),
        outputs=(Port("batchno_classid_score_x1y1x2y2", "float32", (None, 7)),),
    ),
}


@pytest.mark.parametrize("what", OTHERS)
def test_what_only_resembles_a_yolo_is_refused_with_reasons(what):
    with pytest.raises(InputError, match="no family of detectors recognised") as caught:
        recognise(OTHERS[what])
    for name in FAMILIES:
        assert f"  {name}: " in str(caught.value)
    assert caught.value.hint == "name one with --family"


def test_rows_of_four_strides_are_yolox_only_with_names_or_exp():
    rows = 160 * 160 + 80 * 80 + 40 * 40 + 20 * 20
    image = (1, 3, 1280, 1280)
    yolox = family("yolox")
    assert not yolox.recognise(graph_of((1, rows, 85), image=image)).matches
    assert yolox.recognise(graph_of((1, rows, 85), image=image, meta={"names": str(COCO)})).matches
    assert yolox.recognise(graph_of((1, rows, 85), image=image, operators=("Exp",))).matches
    frame = Frame((1280, 1280), (1280, 1280), (1.0, 1.0), (0.0, 0.0))
    (out,) = decoded("yolox", graph_of((1, rows, 6), image=image), np.zeros((1, rows, 6), np.float32), frames=[frame])
    assert out.xyxy[-1].tolist() == [19 * 64 - 64 / 2, 19 * 64 - 64 / 2, 19 * 64 + 64 / 2, 19 * 64 + 64 / 2]


AMBIGUOUS = {
    "two classes, nothing said": (graph_of((1, 300, 6)), ("ultralytics_end2end", "ultralytics_rtdetr")),
    "two classes, v10 or RT-DETR": (graph_of((1, 300, 6), meta=TWO), ("ultralytics_end2end", "ultralytics_rtdetr")),
    "oriented, or three classes": (graph_of((1, 300, 7)), ("ultralytics_end2end", "ultralytics_rtdetr")),
    "rows of any number": (graph_of((None, None, 85), image=FREE), ("yolov5", "yolox")),
}


@pytest.mark.parametrize("what", AMBIGUOUS)
def test_what_could_be_either_raises_with_both_candidates(what):
    graph, candidates = AMBIGUOUS[what]
    with pytest.raises(InputError, match="several families fit") as caught:
        recognise(graph)
    for name in candidates:
        assert f"  {name}: " in str(caught.value)
        assert recognise(graph, name).name == name


# --- preparation ----------------------------------------------------------------------------------------------------


def test_preparations_are_those_of_the_training_code():
    plain = graph_of((1, 84, GRIDS))
    usual = family("ultralytics").prepare(plain)
    assert (usual.size, usual.color, usual.scale, usual.resize, usual.pad) == (
        (640, 640),
        "rgb",
        255.0,
        "letterbox",
        114,
    )
    assert family("yolov5").prepare(plain) == usual == family("ultralytics_end2end").prepare(plain)
    assert family("ultralytics_rtdetr").prepare(plain) == replace(usual, resize="stretch")
    assert family("yolo_raw").prepare(plain) == replace(usual, pad=128) == family("yolov3_nms").prepare(plain)
    wanted = replace(usual, color="bgr", scale=1.0, resize="letterbox-topleft")
    assert family("yolox").prepare(plain) == wanted


@pytest.mark.parametrize(
    ("stated", "size"),
    [("[480, 640]", (640, 480)), ("320", (320, 320)), ("(480, 640)", (640, 480)), ("big", None), ("[0, 3]", None)],
)
def test_imgsz_is_height_and_width_and_used_where_the_graph_is_free(stated, size):
    graph = graph_of((None, 84, None), image=FREE, meta=ULTRA | {"imgsz": stated})
    assert family("ultralytics").prepare(graph).size == size
    fixed = graph_of((1, 84, GRIDS), meta=ULTRA | {"imgsz": stated})
    assert family("ultralytics").prepare(fixed).size == (640, 640)


# --- decoding, piece by piece ---------------------------------------------------------------------------------------

FRAME = Frame((640, 640), (640, 640), (1.0, 1.0), (0.0, 0.0))


def decoded(name: str, graph: Graph, *arrays: Any, frames: Any = (FRAME,), classes: Any = None, **values: str) -> Any:
    outputs = {port.name: np.asarray(a) for port, a in zip(graph.outputs, arrays, strict=True)}
    return family(name).decode(outputs, graph, Settings(values, classes), list(frames))


def test_end_to_end_leaves_out_the_zero_rows_and_takes_the_first_label():
    graph = graph_of((1, 300, 6), meta=ULTRA | {"end2end": "True"})
    table = np.zeros((1, 300, 6), np.float32)
    table[0, :2] = [[10, 20, 30, 40, 0.9, 3], [1, 2, 3, 4, 0.5, 1]]
    (out,) = decoded("ultralytics_end2end", graph, table)
    assert out.xyxy.tolist() == [[10, 20, 30, 40], [1, 2, 3, 4]]
    assert out.label.tolist() == [3, 1]
    (out,) = decoded("ultralytics_end2end", graph, table, labels="1")
    assert out.label.tolist() == [2, 0]


def test_an_oriented_end_to_end_box_is_centre_and_size():
    graph = graph_of((1, 1, 7), meta=ULTRA | {"task": "obb", "end2end": "True"})
    (out,) = decoded("ultralytics_end2end", graph, np.array([[[50, 60, 20, 10, 0.8, 2, 0.5]]], np.float32))
    assert out.xyxy.tolist() == [[50 - 20 / 2, 60 - 10 / 2, 50 + 20 / 2, 60 + 10 / 2]]
    assert out.angle.tolist() == [0.5]


def test_keypoints_of_two_values_have_score_one():
    meta = ULTRA | {"task": "pose", "names": "{0: 'p'}", "kpt_shape": "[3, 2]"}
    graph = graph_of((1, 11, GRIDS), meta=meta)
    table = np.zeros((1, 11, GRIDS), np.float32)
    table[0, 5:, 7] = [1, 2, 3, 4, 5, 6]
    (out,) = decoded("ultralytics", graph, table)
    assert out.keypoints[7].tolist() == [[1, 2, 1], [3, 4, 1], [5, 6, 1]]


def test_task_and_classes_can_be_said_where_the_metadata_is_lost():
    graph = graph_of((1, 56, GRIDS))
    table = np.zeros((1, 56, GRIDS), np.float32)
    (out,) = decoded("ultralytics", graph, table)
    assert out.scores.shape == (GRIDS, 52)
    (out,) = decoded("ultralytics", graph, table, task="pose", classes=1)
    assert out.keypoints.shape == (GRIDS, 17, 3)
    (out,) = decoded("ultralytics", graph, table, task="obb", classes=51)
    assert out.angle.shape == (GRIDS,)
    with pytest.raises(UsageError, match="how many classes"):
        decoded("ultralytics", graph, table, task="pose")
    with pytest.raises(InputError, match=r"found 56 rows, task `detect` expects 4 \+ 80 classes \+ 0"):
        decoded("ultralytics", graph, table, classes=80)


def test_rtdetr_with_two_classes_is_read_by_its_class_column():
    graph = graph_of((1, 2, 6), meta=TWO, operators=("GridSample",))
    chosen = np.array([[[0.5, 0.5, 0.2, 0.4, 0.9, 1], [0.1, 0.1, 0.1, 0.1, 0.8, 0]]], np.float32)
    (out,) = decoded("ultralytics_rtdetr", graph, chosen)
    assert out.label.tolist() == [1, 0]
    np.testing.assert_allclose(out.xyxy[0], [0.4 * 640, 0.3 * 640, 0.6 * 640, 0.7 * 640], rtol=1e-6)
    (out,) = decoded("ultralytics_rtdetr", graph, chosen - np.float32(1e-3))
    assert out.scores.shape == (2, 2)
    (out,) = decoded("ultralytics_rtdetr", graph, chosen, layout="scores")
    assert out.scores.shape == (2, 2)


def test_v5_scores_are_objectness_times_class():
    graph = graph_of((1, 3 * GRIDS, 7))
    table = np.zeros((1, 3 * GRIDS, 7), np.float32)
    table[0, 5] = [100, 80, 20, 10, 0.5, 0.25, 0.75]
    (out,) = decoded("yolov5", graph, table)
    assert out.xyxy[5].tolist() == [100 - 20 / 2, 80 - 10 / 2, 100 + 20 / 2, 80 + 10 / 2]
    assert out.scores[5].tolist() == [0.5 * 0.25, 0.5 * 0.75]
    with pytest.raises(InputError, match=r"found 7 columns, expected 5 \+ 3 classes"):
        decoded("yolov5", graph, table, classes=3)


def test_v7_rows_go_to_their_images_and_padding_is_nobodys():
    graph = graph_of((None, 7), image=(3, 3, 640, 640), operators=("NonMaxSuppression",))
    table = np.array([[1, 1, 2, 3, 4, 7, 0.5], [0, 5, 6, 7, 8, 2, 0.9], [2, 0, 0, 1, 1, 0, 0.3]], np.float32)
    first, second = decoded("yolov7_end2end", graph, table, frames=(FRAME, FRAME))
    assert (first.xyxy.tolist(), first.label.tolist()) == ([[5, 6, 7, 8]], [2])
    assert (second.xyxy.tolist(), second.label.tolist()) == ([[1, 2, 3, 4]], [7])
    assert [len(o.score) for o in decoded("yolov7_end2end", graph, np.zeros((0, 7), np.float32))] == [0]
    with pytest.raises(InputError, match="a row of image 3"):
        decoded("yolov7_end2end", graph, table + 1)
    with pytest.raises(InputError, match="expected \\[N, 7\\]"):
        decoded("yolov7_end2end", graph, np.zeros((2, 6), np.float32))


def test_a_named_order_of_columns_is_followed():
    graph = OTHERS["columns in another order"]
    (out,) = decoded("yolov7_end2end", graph, np.array([[0, 4, 0.5, 1, 2, 3, 4]], np.float32))
    assert (out.label.tolist(), out.score.tolist(), out.xyxy.tolist()) == ([4], [0.5], [[1, 2, 3, 4]])


ZOO = Graph(
    "m.onnx",
    (Port("input_1", "float32", (None, 3, None, None)), Port("image_shape", "float32", (None, 2))),
    (
        Port("yolonms_layer_1", "float32", (1, None, 4)),
        Port("yolonms_layer_1:1", "float32", (1, 80, None)),
        Port("yolonms_layer_1:2", "int32", (1, None, 3)),
    ),
)


def test_the_zoo_model_is_told_height_first_and_answers_top_first():
    assert fitting(ZOO) == ["yolov3_nms"]
    frame = Frame((100, 50), (416, 352), (3.52, 3.52), (32.0, 88.0))
    (fed,) = family("yolov3_nms").feeds(ZOO, [frame]).values()
    assert (fed.tolist(), fed.dtype) == ([[352.0, 416.0]], np.float32)
    boxes = np.array([[[1, 2, 3, 4], [5, 6, 7, 8]]], np.float32)
    scores = np.zeros((1, 80, 2), np.float32)
    scores[0, 9, 1] = 0.75
    selected = np.array([[[0, 9, 1], [-1, -1, -1]]], np.int32)
    (out,) = decoded("yolov3_nms", ZOO, boxes, scores, selected)
    assert (out.xyxy.tolist(), out.score.tolist(), out.label.tolist()) == ([[6, 5, 8, 7]], [0.75], [9])
    with pytest.raises(InputError, match="outside the boxes"):
        decoded("yolov3_nms", ZOO, boxes, scores, np.array([[[0, 9, 2]]], np.int32))


RAW = graph_of((1, 18, 80, 80), (1, 18, 40, 40), (1, 18, 20, 20))
RAW_MAPS = [np.zeros((1, 18, n, n), np.float32) for n in (80, 40, 20)]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "the anchors are not in the model"),
        ({"anchors": "1,2,three,4"}, "expected numbers with commas"),
        ({"anchors": "10,13,16"}, "found 3 numbers"),
        ({"anchors": ",".join(["-4"] * 18)}, "expected positive pairs"),
        ({"anchors": ",".join(["nan"] * 18)}, "expected positive pairs"),
        ({"anchors": ",".join(["0.5"] * 18)}, "smaller than one cell"),
        ({"anchors": ",".join(["50"] * 18), "anchor_unit": "miles"}, "expected pixels or cells"),
    ],
)
def test_anchors_that_make_no_sense_are_refused(values, message):
    with pytest.raises(UsageError, match=message):
        decoded("yolo_raw", RAW, *RAW_MAPS, **values)


def test_raw_heads_of_zeros_are_anchors_on_cell_centres():
    text = "10x20, 11x21, 12x22; 30x40 31x41 32x42, 50,60,51,61,52,62"
    (out,) = decoded("yolo_raw", RAW, *RAW_MAPS[::-1], anchors=text)
    assert len(out.xyxy) == 3 * GRIDS
    # Second cell of the first row, third anchor, stride 8: centre (1.5 * 8, 0.5 * 8), size 12 x 22.
    np.testing.assert_allclose(out.xyxy[5], [12 - 12 / 2, 4 - 22 / 2, 12 + 12 / 2, 4 + 22 / 2], atol=1e-4)
    assert np.unique(out.scores).tolist() == [0.25]
    (out,) = decoded("yolo_raw", RAW, *RAW_MAPS[::-1], anchors=text, softmax="1")
    assert np.unique(out.scores).tolist() == [0.5]
    with pytest.raises(InputError, match=r"has 18 channels, expected 3 anchors \* \(5 \+ 80\)"):
        decoded("yolo_raw", RAW, *RAW_MAPS, anchors=text, classes=80)


def test_yolox_rows_must_fit_the_size_in_use():
    graph = graph_of((1, None, 6), image=FREE)
    with pytest.raises(InputError, match="found 100 rows, expected 8400 for an input of 640x640"):
        decoded("yolox", graph, np.zeros((1, 100, 6), np.float32))


def test_an_output_with_fewer_images_than_frames_is_refused():
    with pytest.raises(InputError, match="holds 1 image, expected 2"):
        decoded("yolox", graph_of((1, GRIDS, 6)), np.zeros((1, GRIDS, 6), np.float32), frames=(FRAME, FRAME))


def test_infinite_sizes_do_not_reach_the_rows():
    graph = graph_of((1, GRIDS, 6))
    table = np.zeros((1, GRIDS, 6), np.float32)
    table[0, :2] = [[0, 0, 1000, 0, 1, 1], [0, 0, 0, 0, 1, 1]]
    (out,) = decoded("yolox", graph, table)
    assert len(finish(out, FRAME, Choice(), needs_nms=True).score) == 1


@settings(derandomize=True, deadline=None, max_examples=50)
@given(
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(0, 2**32 - 1),
)
def test_yolox_decodes_as_the_loop_over_cells_does(columns, rows, classes, seed):
    size = (32 * columns, 32 * rows)
    cells = [(s, x, y) for s in (8, 16, 32) for y in range(size[1] // s) for x in range(size[0] // s)]
    table = np.random.default_rng(seed).normal(size=(1, len(cells), 5 + classes)).astype(np.float32)
    graph = graph_of((1, len(cells), 5 + classes), image=(1, 3, size[1], size[0]))
    (out,) = decoded("yolox", graph, table, frames=(Frame(size, size, (1.0, 1.0), (0.0, 0.0)),))
    for row, (s, x, y), got in zip(table[0], cells, out.xyxy, strict=True):
        cx, cy, w, h = (row[0] + x) * s, (row[1] + y) * s, np.exp(row[2]) * s, np.exp(row[3]) * s
        np.testing.assert_allclose(got, [cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2], rtol=1e-4, atol=1e-3)


# --- a real model ---------------------------------------------------------------------------------------------------


def test_yolox_nano_reaches_its_known_ap(shared_data, tmp_path):
    from PIL import Image, ImageOps

    import detkit

    truth_file = shared_data / "coco51" / "instances.json"
    truth = json.loads(truth_file.read_text(encoding="utf-8"))
    category_ids = sorted(c["id"] for c in truth["categories"])
    graph = read_graph(shared_data / "models" / "yolox_nano.onnx")
    found = recognise(graph)
    assert found.name == "yolox"
    preparation = changed(found.module.prepare(graph), {})
    session = open_session(graph.path, "cpu", threads=2)
    results = []
    for entry in truth["images"]:
        with Image.open(shared_data / "coco51" / "images" / entry["file_name"]) as file:
            image = ImageOps.exif_transpose(file).convert("RGB")
        tensor, frame = prepare(image, preparation)
        outputs = session.run({graph.image.name: tensor[None]})
        (output,) = found.module.decode(outputs, graph, Settings(), [frame])
        rows = finish(output, frame, Choice(), needs_nms=found.module.NEEDS_NMS)
        results += [
            {"image_id": entry["id"], "category_id": category_ids[label], "bbox": box.tolist(), "score": float(score)}
            for box, score, label in zip(rows.xywh, rows.score, rows.label, strict=True)
        ]
    target = tmp_path / "results.json"
    target.write_text(json.dumps(results), encoding="utf-8")
    metrics = detkit.evaluate(truth_file, target).metrics
    assert metrics["AP"] == pytest.approx(0.3097, abs=0.005)
    assert metrics["AP50"] == pytest.approx(0.4795, abs=0.01)
