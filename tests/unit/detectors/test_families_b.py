"""Set predictors, SSD, R-CNN, mmdeploy, mobile and face detectors: tiny graphs with a known answer, and real models."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from detkit import evaluate
from detkit.detectors import (
    Graph,
    Port,
    Preparation,
    Recognised,
    detr,
    fastestdet,
    mmdeploy,
    nanodet,
    rcnn,
    read_graph,
    recognise,
    rfdetr,
    rtdetr,
    ssd,
    ssd_tf,
    yunet,
)
from detkit.detectors._base import Dense, Settings
from detkit.detectors._pieces import COCO91, class_columns, class_positions
from detkit.detectors._prepare import Frame, frame_of, prepare
from detkit.detectors._rows import Choice, Rows, finish
from detkit.detectors._session import open_session
from detkit.errors import InputError, UsageError

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

ROOT = Path(__file__).resolve().parents[3]
MODELS = ROOT / "fixtures" / "models"
OURS = ("detr", "fastestdet", "mmdeploy", "nanodet", "rcnn", "rfdetr", "rtdetr", "ssd", "ssd_tf", "yunet")
LOOKING = Choice(score_threshold=0.25, iou_threshold=0.65)


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    """tools/models/others.py, which makes the graphs and works out their answers."""
    folder = str(ROOT / "tools" / "models")
    sys.path.insert(0, folder)
    try:
        spec = importlib.util.spec_from_file_location("others", f"{folder}/others.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules["others"] = module
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(folder)
    return module


NAMES = (
    "detr",
    "fastestdet",
    "mmdeploy",
    "nanodet",
    "nanodet-picodet",
    "nanodet-plus",
    "rcnn-torchvision",
    "rcnn-zoo",
    "rfdetr",
    "rtdetr",
    "ssd",
    "ssd_tf",
    "yunet",
)
SINGLE = ("rcnn-torchvision", "rcnn-zoo")


def answers(name: str) -> dict[str, Any]:
    return dict(json.loads((MODELS / f"{name}.json").read_text(encoding="utf-8")))


def picture(answer: dict[str, Any]) -> Image.Image:
    width, height = answer["image"]["size"]
    pixels = np.zeros((height, width, 3), np.uint8)
    for left, top, right, bottom, colour in answer["image"]["rectangles"]:
        pixels[top:bottom, left:right] = colour
    return Image.fromarray(pixels)


def detect(
    path: Path,
    images: list[Image.Image],
    *,
    settings: Settings | None = None,
    choice: Choice = LOOKING,
    threads: int = 1,
    found: Recognised | None = None,
    **changes: Any,
) -> list[Rows]:
    """Plain pieces, one batch."""
    graph = read_graph(path)
    module = (found or recognise(graph)).module
    preparation = dataclasses.replace(module.prepare(graph), **changes)
    session = open_session(path, "cpu", threads=threads)
    return run_batch(graph, module, preparation, session, images, settings or Settings(), choice)


def run_batch(
    graph: Graph, module: Any, preparation: Preparation, session: Any, images: Any, settings: Settings, choice: Choice
) -> list[Rows]:
    tensors, frames = zip(*(prepare(image, preparation) for image in images), strict=True)
    feeds = {graph.image.name: np.stack(tensors) if preparation.batched else tensors[0]}
    if hasattr(module, "feeds"):
        feeds |= module.feeds(graph, frames)
    decoded = module.decode(session.run(feeds), graph, settings, frames)
    return [finish(d, f, choice, needs_nms=module.NEEDS_NMS) for d, f in zip(decoded, frames, strict=True)]


def assert_rows(found: Rows, expected: list[dict[str, Any]], *, pixels: float, score: float) -> None:
    """The same boxes, whatever the order of equal scores."""
    assert len(found.score) == len(expected)
    left = list(range(len(expected)))
    for row in expected:
        fits = [
            i
            for i in left
            if found.label[i] == row["label"]
            and np.abs(found.xywh[i] - row["xywh"]).max() <= pixels
            and abs(found.score[i] - row["score"]) <= score
        ]
        assert fits, f"no row like {row}"
        left.remove(fits[0])
        if "keypoints" in row:
            assert found.keypoints is not None
            np.testing.assert_allclose(found.keypoints[fits[0]], row["keypoints"], atol=pixels)


# --- generated graphs -----------------------------------------------------------------------------------------------


def test_the_names_here_are_the_graphs_of_the_tool(tool: ModuleType) -> None:
    assert sorted(tool.CASES) == sorted(NAMES)
    assert {family for family, *_ in tool.CASES.values()} == set(OURS)


@pytest.mark.parametrize("name", NAMES)
def test_the_graph_is_what_its_script_makes(tool: ModuleType, name: str) -> None:
    assert tool.variant(name).SerializeToString(deterministic=True) == (MODELS / f"{name}.onnx").read_bytes()
    assert tool.expected()[name]["rows"] == answers(name)["rows"]
    assert (MODELS / f"{name}.onnx").stat().st_size < 50_000


@pytest.mark.parametrize("name", NAMES)
def test_a_tiny_graph_yields_its_known_rows(name: str) -> None:
    answer = answers(name)
    (rows,) = detect(MODELS / f"{name}.onnx", [picture(answer)], settings=Settings(answer["settings"]))
    assert len({row["label"] for row in answer["rows"]}) >= (1 if name == "yunet" else 2)
    assert_rows(rows, answer["rows"], pixels=2e-3, score=1e-4)


@pytest.mark.parametrize("name", [n for n in NAMES if n not in SINGLE])
def test_a_batch_of_eight_is_eight_single_answers(name: str) -> None:
    answer = answers(name)
    image, blank = picture(answer), Image.new("RGB", (64, 48))
    found = detect(MODELS / f"{name}.onnx", [image, *[blank] * 6, image], settings=Settings(answer["settings"]))
    assert len(found) == 8
    for rows in (found[0], found[7]):
        assert_rows(rows, answer["rows"], pixels=2e-3, score=1e-4)
    assert len(found[3].score) < len(answer["rows"]) or name in ("rtdetr", "yunet")


@pytest.mark.parametrize("name", NAMES)
def test_a_float16_graph_yields_the_same_rows(tool: ModuleType, tmp_path: Path, name: str) -> None:
    path, answer = tmp_path / "half.onnx", answers(name)
    path.write_bytes(tool.variant(name, half=True).SerializeToString())
    graph = read_graph(path)
    assert graph.image.dtype == ("uint8" if name == "ssd_tf" else "float16")
    assert recognise(graph).name == answer["family"]
    (rows,) = detect(path, [picture(answer)], settings=Settings(answer["settings"]))
    strong = [row for row in answer["rows"] if row["score"] > 0.3]
    best = rows.score > 0.28
    assert len(strong) <= best.sum() <= len(answer["rows"])
    for row in strong:
        near = (np.abs(rows.xywh - row["xywh"]).max(axis=1) < 0.3) & (np.abs(rows.score - row["score"]) < 0.02)
        assert (near & (rows.label == row["label"])).any(), row


@pytest.mark.parametrize("name", NAMES)
def test_a_graph_of_free_size_runs_at_another_one(tool: ModuleType, tmp_path: Path, name: str) -> None:
    path, answer, size = tmp_path / "free.onnx", answers(name), (64, 128)
    path.write_bytes(tool.variant(name, free=size).SerializeToString())
    graph = read_graph(path)
    assert graph.size is None
    if name == "nanodet-plus":  # its rows cannot be counted without a size, so the user names it
        assert not nanodet.recognise(graph).matches
        found = recognise(graph, "nanodet")
        assert found.module.prepare(graph).resize == "stretch"
    else:
        found = recognise(graph)
    assert found.name == answer["family"]
    (rows,) = detect(path, [picture(answer)], settings=Settings(answer["settings"]), found=found, size=size)
    assert_rows(rows, tool.expected(size)[name]["rows"], pixels=4e-3, score=1e-4)


# --- who is who -----------------------------------------------------------------------------------------------------


def fixture_models() -> list[Path]:
    return sorted(p for p in MODELS.glob("*.onnx") if p.with_suffix(".json").is_file())


@pytest.mark.parametrize("path", fixture_models(), ids=lambda p: p.stem)
def test_our_families_take_their_own_fixtures_and_no_other(path: Path) -> None:
    family, graph = answers(path.stem)["family"], read_graph(path)
    modules = (detr, fastestdet, mmdeploy, nanodet, rcnn, rfdetr, rtdetr, ssd, ssd_tf, yunet)
    taken = [m.__name__.rsplit(".", 1)[-1] for m in modules if m.recognise(graph).matches]
    assert taken == ([family] if family in OURS else [])
    if family in OURS:
        assert recognise(graph).name == family


@pytest.mark.parametrize(
    ("file", "family"),
    [
        ("FastestDet", "fastestdet"),
        ("deimv2_atto", "rtdetr"),
        ("nanodet_m_320", "nanodet"),
        ("ultraface_rfb_640", "ssd"),
        ("yolox_nano", None),
        ("yunet_n_dynamic", "yunet"),
    ],
)
def test_real_models_are_recognised_by_one_family(shared_data: Path, file: str, family: str | None) -> None:
    graph = read_graph(shared_data / "models" / f"{file}.onnx")
    modules = (detr, fastestdet, mmdeploy, nanodet, rcnn, rfdetr, rtdetr, ssd, ssd_tf, yunet)
    taken = [m.__name__.rsplit(".", 1)[-1] for m in modules if m.recognise(graph).matches]
    assert taken == ([] if family is None else [family])
    if family is not None:
        assert recognise(graph).name == family


def graph_of(*outputs: tuple[str, str, tuple[int | None, ...]], size: int = 640, **fields: Any) -> Graph:
    ports = tuple(Port(*output) for output in outputs)
    return Graph("model.onnx", (Port("input", "float32", (1, 3, size, size)),), ports, **fields)


def test_queries_without_telling_names_are_ambiguous() -> None:
    graph = graph_of(("12", "float32", (1, 300, 81)), ("13", "float32", (1, 300, 4)))
    probes = detr.recognise(graph), rfdetr.recognise(graph)
    assert [(p.matches, p.certain) for p in probes] == [(True, False), (True, False)]
    with pytest.raises(InputError, match=r"several families fit[\s\S]*detr: [\s\S]*rfdetr: ") as caught:
        recognise(graph)
    assert caught.value.hint == "name one with --family"


def test_sampling_decoders_have_sigmoid_scores() -> None:
    graph = graph_of(
        ("logits", "float32", (1, 300, 80)), ("pred_boxes", "float32", (1, 300, 4)), operators={"GridSample": 6}
    )
    assert rfdetr.recognise(graph).matches
    assert "GridSample" in detr.recognise(graph).why
    assert not detr.recognise(graph).matches


def test_grid_rows_sigmoids_and_undecoded_boxes_are_no_ssd() -> None:
    outputs = ("scores", "float32", (1, 8400, 81)), ("boxes", "float32", (1, 8400, 4))
    cells = graph_of(*outputs, operators={"Exp": 1})
    assert 80**2 + 40**2 + 20**2 == 8400
    assert "cell" in ssd.recognise(cells).why
    anchors = ("scores", "float32", (1, 8732, 81)), ("boxes", "float32", (1, 8732, 4))
    assert "no Exp" in ssd.recognise(graph_of(*anchors)).why
    active = graph_of(*anchors, operators={"Exp": 1}, last={"scores": frozenset({"Sigmoid"})})
    assert "sigmoids" in ssd.recognise(active).why
    for graph in (cells, graph_of(*anchors), active):
        assert not ssd.recognise(graph).matches
    assert ssd.recognise(graph_of(*anchors, operators={"Exp": 1})).certain is False


def test_a_grid_without_activations_is_no_fastestdet() -> None:
    raw = graph_of(("out", "float32", (1, 85, 22, 22)), size=352, last={"out": frozenset({"Conv"})})
    assert not fastestdet.recognise(raw).matches
    coarse = graph_of(("out", "float32", (1, 85, 11, 11)), size=352, last={"out": frozenset({"Sigmoid", "Softmax"})})
    assert "at stride 16 it would be 22x22" in fastestdet.recognise(coarse).why


# --- what each family has to mind -----------------------------------------------------------------------------------


def stretched(image: tuple[int, int], network: tuple[int, int]) -> Frame:
    return frame_of(image, Preparation(size=network, resize="stretch"))


def test_rtdetr_is_told_width_first_and_the_network_size_where_the_image_is_letterboxed() -> None:
    graph = read_graph(MODELS / "rtdetr.onnx")
    boxed = frame_of((200, 100), Preparation(size=(64, 64), resize="letterbox"))
    fed = rtdetr.feeds(graph, [stretched((200, 100), (64, 64)), boxed])
    assert fed["orig_target_sizes"].tolist() == [[200, 100], [64, 64]]
    assert fed["orig_target_sizes"].dtype == np.int64
    outputs = {
        "labels": np.array([[0], [2]]),
        "boxes": np.array([[[20, 10, 60, 50]], [[16, 20, 48, 40]]], np.float32),
        "scores": np.array([[0.9], [0.8]], np.float32),
    }
    first, second = rtdetr.decode(outputs, graph, Settings(), [stretched((200, 100), (64, 64)), boxed])
    assert finish(first, stretched((200, 100), (64, 64)), LOOKING, needs_nms=False).xywh.tolist() == [[20, 10, 40, 40]]
    # letterboxed: 200 x 100 lies as 64 x 32 from row 16 on, at a scale of 0.32
    expected = [16 / 0.32, (20 - 16) / 0.32, 32 / 0.32, 20 / 0.32]
    np.testing.assert_allclose(finish(second, boxed, LOOKING, needs_nms=False).xywh, [expected], atol=1e-6)


def test_a_letterboxed_rtdetr_finds_the_same_boxes_as_a_letterboxed_decode(tool: ModuleType) -> None:
    answer = answers("rtdetr")
    (rows,) = detect(MODELS / "rtdetr.onnx", [picture(answer)], resize="letterbox", pad=0)
    look = tool.Look(resize="letterbox")
    assert_rows(rows, tool.query_rows(look, (64, 64), tool._class_scores, 10), pixels=2e-3, score=1e-4)


def test_rfdetr_wants_its_background_named_where_names_are_one_short() -> None:
    answer = answers("rfdetr")
    with pytest.raises(UsageError, match="4 class columns for 3 names") as caught:
        detect(MODELS / "rfdetr.onnx", [picture(answer)], settings=Settings(classes=3))
    assert "--set background=last" in str(caught.value.hint)
    (kept,) = detect(MODELS / "rfdetr.onnx", [picture(answer)], settings=Settings())
    assert kept.label.max() == 3  # nothing said: the background is a class like the others
    (first,) = detect(MODELS / "rfdetr.onnx", [picture(answer)], settings=Settings({"background": "first"}))
    assert sorted(first.label.tolist()) == sorted(kept.label[kept.label > 0] - 1)


@pytest.mark.parametrize(
    ("values", "slots", "expected"),
    [
        ({}, 4, [0, 1, 2, 3]),
        ({"background": "first"}, 4, [1, 2, 3]),
        ({"background": "last"}, 4, [0, 1, 2]),
        ({"background": "none"}, 4, [0, 1, 2, 3]),
        ({"labels": "1"}, 4, [1, 2, 3]),
        ({"labels": "coco91"}, 91, list(COCO91)),
    ],
)
def test_class_columns(values: dict[str, str], slots: int, expected: list[int]) -> None:
    assert class_columns(slots, Settings(values), None, "m.onnx").tolist() == expected


@pytest.mark.parametrize(
    "values", [{"background": "middle"}, {"labels": "2"}, {"labels": "coco91"}], ids=lambda v: next(iter(v.values()))
)
def test_class_columns_that_cannot_be(values: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="--set"):
        class_columns(80, Settings(values), None, "m.onnx")


def test_labels_become_positions() -> None:
    labels = np.array([-1, 0, 1, 12, 13, 90, 200])
    assert class_positions(labels, Settings(), 1).tolist() == [-1, -1, 0, 11, 12, 89, 199]
    assert class_positions(labels, Settings({"labels": "0"}), 1).tolist() == [-1, 0, 1, 12, 13, 90, 200]
    # 12 and 0 are no COCO categories, 13 is the twelfth of the eighty, 90 the last
    assert class_positions(labels, Settings({"labels": "coco91"}), 1).tolist() == [-1, -1, 0, -1, 11, 79, -1]


def test_coco91_are_the_ids_of_coco(shared_data: Path) -> None:
    truth = json.loads((shared_data / "coco51" / "instances.json").read_text(encoding="utf-8"))
    assert [category["id"] for category in truth["categories"]] == list(COCO91)


def test_detr_feeds_a_mask_of_ones_where_the_graph_asks_for_one() -> None:
    graph = Graph(
        "m.onnx",
        (Port("pixel_values", "float32", (None, 3, None, None)), Port("pixel_mask", "int64", (None, None, None))),
        (Port("logits", "float32", (None, 100, 92)), Port("pred_boxes", "float32", (None, 100, 4))),
    )
    assert detr.recognise(graph).certain
    fed = detr.feeds(graph, [stretched((10, 10), (80, 64))] * 2)
    assert fed["pixel_mask"].shape == (2, 64, 80)
    assert fed["pixel_mask"].min() == 1


def test_a_graph_that_normalises_by_itself_is_not_normalised_twice() -> None:
    outputs = ("logits", "float32", (1, 100, 92)), ("pred_boxes", "float32", (1, 100, 4))
    assert detr.prepare(graph_of(*outputs)).mean == (0.485, 0.456, 0.406)
    assert detr.prepare(graph_of(*outputs, first=frozenset({"Sub", "Div", "Conv"}))).mean == (0, 0, 0)


def test_ssd_scores_that_are_logits_get_their_softmax() -> None:
    graph = graph_of(("scores", "float32", (1, 2, 3)), ("boxes", "float32", (1, 2, 4)), operators={"Exp": 1}, size=10)
    logits = np.log(np.array([[[1, 2, 5], [6, 1, 1]]], np.float32))
    boxes = np.array([[[0.1, 0.2, 0.5, 0.6], [0, 0, 1, 1]]], np.float32)
    (found,) = ssd.decode({"scores": logits, "boxes": boxes}, graph, Settings(), [stretched((10, 10), (10, 10))])
    np.testing.assert_allclose(found.scores, [[2 / 8, 5 / 8], [1 / 8, 1 / 8]], atol=1e-6)
    np.testing.assert_allclose(found.xyxy[0], [1, 2, 5, 6], atol=1e-6)


def test_nanodet_scores_that_are_logits_get_their_sigmoid() -> None:
    names = [f"{part}_{s}" for s in (8, 16, 32) for part in ("cls", "dis")]
    rows = {8: 64, 16: 16, 32: 4}
    outputs = {n: np.zeros((1, rows[int(n.split("_")[1])], 32 if "dis" in n else 2), np.float32) for n in names}
    ports = [(n, "float32", v.shape) for n, v in outputs.items()]
    frame = stretched((64, 64), (64, 64))
    (raw,) = nanodet.decode(outputs, graph_of(*ports, size=64), Settings(), [frame])
    active = graph_of(*ports, size=64, last={n: frozenset({"Sigmoid"}) for n in names if "cls" in n})
    (done,) = nanodet.decode(outputs, active, Settings(), [frame])
    assert raw.scores.shape == (64 + 16 + 4, 2)
    assert (raw.scores == 0.5).all()
    assert (done.scores == 0).all()
    # equal bins: the mean of 0 to 7 is 3.5 strides, from the centre of the cell
    np.testing.assert_allclose(raw.xyxy[9], [12 - 28, 12 - 28, 12 + 28, 12 + 28], atol=1e-4)


def test_rows_that_fit_no_stride_name_what_was_expected() -> None:
    outputs = {"cls": np.zeros((1, 63, 2), np.float32), "dis": np.zeros((1, 63, 32), np.float32)} | {
        "cls2": np.zeros((1, 16, 2), np.float32),
        "dis2": np.zeros((1, 16, 32), np.float32),
    }
    graph = graph_of(*((n, "float32", v.shape) for n, v in outputs.items()), size=64)
    with pytest.raises(InputError, match=r"63 rows, expected for an input of 64x64: 64 at stride 8, 16 at stride 16"):
        nanodet.decode(outputs, graph, Settings(), [stretched((64, 64), (64, 64))])


def test_rcnn_masks_lie_over_the_box_or_over_the_input() -> None:
    graph = read_graph(MODELS / "rcnn-zoo.onnx")
    frame = stretched((64, 48), (64, 64))
    outputs = {
        "boxes": np.array([[1, 2, 3, 4], [5, 6, 7, 8]], np.float32),
        "labels": np.array([3, 0]),
        "scores": np.array([0.9, 0.8], np.float32),
        "masks": np.ones((2, 1, 28, 28), np.float32),
    }
    (small,) = rcnn.decode(outputs, graph, Settings(), [frame])
    assert small.masks.shape == (1, 28, 28)  # label 0 is background and goes
    assert small.masks_of_boxes
    assert small.label.tolist() == [2]
    (whole,) = rcnn.decode(outputs | {"masks": np.ones((2, 1, 64, 64), np.float32)}, graph, Settings(), [frame])
    assert not whole.masks_of_boxes
    with pytest.raises(InputError, match="one image, found a batch of 2"):
        rcnn.decode(outputs, graph, Settings(), [frame, frame])


def test_rcnn_layouts_are_told_apart_by_what_the_graph_does_to_the_image() -> None:
    vision = rcnn.prepare(read_graph(MODELS / "rcnn-torchvision.onnx"))
    zoo = rcnn.prepare(read_graph(MODELS / "rcnn-zoo.onnx"))
    assert (vision.color, vision.scale, vision.mean, vision.batched) == ("rgb", 255, (0, 0, 0), False)
    assert (zoo.color, zoo.scale, zoo.mean, zoo.batched) == ("bgr", 1, (102.9801, 115.9465, 122.7717), False)


def test_rows_the_graph_did_not_fill_are_left_out() -> None:
    answer = answers("ssd_tf")
    (rows,) = detect(MODELS / "ssd_tf.onnx", [picture(answer)], choice=Choice(score_threshold=0.0))
    assert len(rows.score) == 6  # of 8; the two others have a score of 0.9 and class 1
    (rows,) = detect(MODELS / "mmdeploy.onnx", [picture(answer)], choice=Choice(score_threshold=0.0))
    assert len(rows.score) == 6
    outputs = {"dets": np.ones((1, 3, 5), np.float32), "labels": np.array([[2, -1, 0]])}
    (found,) = mmdeploy.decode(outputs, read_graph(MODELS / "mmdeploy.onnx"), Settings(), [stretched((9, 9), (64, 64))])
    assert found.label.tolist() == [2, 0]


@pytest.mark.parametrize("module", [detr, fastestdet, mmdeploy, nanodet, rcnn, rfdetr, rtdetr, ssd, ssd_tf, yunet])
def test_foreign_outputs_are_an_input_error(module: Any) -> None:
    graph = graph_of(("out", "float32", (1, 7, 9)))
    with pytest.raises(InputError, match="expected"):
        module.decode({"out": np.zeros((1, 7, 9), np.float32)}, graph, Settings(), [stretched((9, 9), (640, 640))])


def test_an_image_without_any_box_has_empty_rows_of_every_kind() -> None:
    frame = stretched((10, 10), (20, 20))
    scores = np.zeros((5, 2), np.float32)
    boxes, angle, points = np.ones((5, 4), np.float32), np.zeros(5, np.float32), np.ones((5, 3, 3), np.float32)
    rows = finish(Dense(boxes, scores, keypoints=points, angle=angle), frame, LOOKING, needs_nms=True)
    assert rows.xywh.shape == (0, 4)
    assert rows.keypoints is not None
    assert rows.keypoints.shape == (0, 3, 3)
    assert rows.polygons is not None
    assert rows.polygons.shape == (0, 4, 2)


# --- real models on real photos -------------------------------------------------------------------------------------


def average_precision(data: Path, file: str, folder: Path) -> dict[str, float]:
    """AP of a model on coco51, its family found by itself; one run, one image at a time."""
    path, truth = data / "models" / f"{file}.onnx", data / "coco51" / "instances.json"
    graph = read_graph(path)
    module = recognise(graph).module
    preparation, session = module.prepare(graph), open_session(path, "cpu", threads=2)
    found = []
    for entry in json.loads(truth.read_text(encoding="utf-8"))["images"]:
        with Image.open(data / "coco51" / "images" / entry["file_name"]) as opened:
            image = ImageOps.exif_transpose(opened).convert("RGB")
        (rows,) = run_batch(graph, module, preparation, session, [image], Settings(), Choice())
        for xywh, score, label in zip(rows.xywh.tolist(), rows.score.tolist(), rows.label.tolist(), strict=True):
            found.append({"image_id": entry["id"], "category_id": COCO91[label], "bbox": xywh, "score": score})
    target = folder / "found.json"
    target.write_text(json.dumps(found), encoding="utf-8")
    return dict(evaluate(str(truth), str(target)).metrics)


@pytest.mark.parametrize(
    ("file", "expected", "tolerance"),
    [("deimv2_atto", 0.3127, 0.005), ("nanodet_m_320", 0.2692, 0.010), ("FastestDet", 0.2141, 0.005)],
)
def test_average_precision_on_coco51(
    shared_data: Path, tmp_path: Path, file: str, expected: float, tolerance: float
) -> None:
    assert average_precision(shared_data, file, tmp_path)["AP"] == pytest.approx(expected, abs=tolerance)


@pytest.mark.parametrize("file", ["ultraface_rfb_640", "yunet_n_dynamic"])
def test_faces_lie_where_people_have_noses_and_eyes(shared_data: Path, file: str) -> None:
    points = json.loads((shared_data / "coco51" / "person_keypoints.json").read_text(encoding="utf-8"))
    names = {image["id"]: image["file_name"] for image in points["images"]}
    people: dict[int, list[np.ndarray]] = {}
    for annotation in points["annotations"]:
        face = np.array(annotation["keypoints"], float).reshape(-1, 3)[:5]
        people.setdefault(annotation["image_id"], []).append(face)
    # photos where somebody's nose and both eyes were labelled; the small faces of a crowd were not
    clear = sorted(i for i, faces in people.items() if any((f[:3, 2] > 0).all() for f in faces))[:10]
    hits = strong = 0
    for image_id in clear:
        with Image.open(shared_data / "coco51" / "images" / names[image_id]) as opened:
            image = ImageOps.exif_transpose(opened).convert("RGB")
        (rows,) = detect(
            shared_data / "models" / f"{file}.onnx", [image], choice=Choice(score_threshold=0.8, iou_threshold=0.45)
        )
        for i, (x, y, w, h) in enumerate(rows.xywh):
            if w < 14:
                continue
            strong += 1
            inside = [f for f in people[image_id] if f[0, 2] > 0 and x <= f[0, 0] <= x + w and y <= f[0, 1] <= y + h]
            hits += bool(inside)
            if rows.keypoints is not None and inside and (inside[0][:3, 2] > 0).all():
                # YuNet: right eye, left eye, nose; COCO: nose, left eye, right eye
                truth = inside[0][[2, 1, 0], :2]
                assert np.abs(rows.keypoints[i, :3, :2] - truth).max() < 0.3 * max(w, h)
    assert strong >= 5
    assert hits >= 0.8 * strong
