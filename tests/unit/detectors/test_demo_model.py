"""The demo's own detector finds the shapes of the demo's images, the same ones whatever the batch."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detkit import evaluate
from detkit.detectors import Choice, Frame, Graph, Preparation, Recognised, read_graph, recognise
from detkit.detectors._base import Settings
from detkit.detectors._prepare import prepare
from detkit.detectors._rows import Rows, finish
from detkit.detectors._session import open_session

pytest.importorskip("onnx", reason="reading a model file needs onnx")
pytest.importorskip("onnxruntime", reason="running a model needs onnxruntime")

DEMO = Path(__file__).resolve().parents[3] / "fixtures" / "demo"
MODEL = DEMO / "model" / "shapes.onnx"
TRUTH = DEMO / "coco" / "instances_val.json"
NAMES = ("circle", "square", "triangle", "star")
SIZE = 192
POSITIONS = sum((SIZE // stride) ** 2 for stride in (8, 16, 32))


@lru_cache(maxsize=1)
def model() -> tuple[Graph, Recognised, Preparation, Any]:
    graph = read_graph(MODEL)
    found = recognise(graph)
    return graph, found, found.module.prepare(graph), open_session(MODEL, "cpu", threads=1)


@lru_cache(maxsize=1)
def images() -> tuple[list[int], np.ndarray, list[Frame]]:
    """Ids of the val images, their tensors, and how each lies in its tensor."""
    from PIL import Image

    preparation = model()[2]
    records = json.loads(TRUTH.read_text(encoding="utf-8"))["images"]
    pairs = []
    for record in records:
        with Image.open(DEMO / "images" / "val" / record["file_name"]) as image:
            pairs.append(prepare(image.convert("RGB"), preparation))
    return [record["id"] for record in records], np.stack([t for t, _ in pairs]), [f for _, f in pairs]


@lru_cache(maxsize=2)
def detections(batch: int) -> list[Rows]:
    """Rows of every val image, `batch` images a call; evaluation's default choice."""
    graph, found, _, session = model()
    _, tensors, frames = images()
    rows = []
    for start in range(0, len(frames), batch):
        part = frames[start : start + batch]
        outputs = session.run({graph.image.name: tensors[start : start + batch]})
        answers = found.module.decode(outputs, graph, Settings(), part)
        rows += [finish(a, f, Choice(), needs_nms=found.module.NEEDS_NMS) for a, f in zip(answers, part, strict=True)]
    return rows


def test_small_enough_for_the_wheel():
    assert MODEL.stat().st_size < 400_000


def test_recognised_without_being_named():
    graph, found, preparation, _ = model()
    assert found.name == "ultralytics"
    assert [name for name, probe in found.probes.items() if probe.matches] == ["ultralytics"]
    assert graph.class_names == NAMES
    assert [port.shape for port in graph.inputs] == [(None, 3, SIZE, SIZE)]
    assert [(port.name, port.shape) for port in graph.outputs] == [("output0", (None, 4 + len(NAMES), POSITIONS))]
    assert preparation == Preparation(size=(SIZE, SIZE), color="rgb", scale=255.0, resize="letterbox", pad=114)


def test_finds_the_shapes_of_the_val_images(tmp_path):
    ids = images()[0]
    results = [
        {"image_id": image, "category_id": int(label) + 1, "bbox": box.tolist(), "score": float(score)}
        for image, rows in zip(ids, detections(1), strict=True)
        for box, label, score in zip(rows.xywh, rows.label, rows.score, strict=True)
    ]
    path = tmp_path / "results.json"
    path.write_text(json.dumps(results), encoding="utf-8")
    metrics = evaluate(TRUTH, path, protocol="coco").metrics
    assert metrics["AP"] >= 0.72  # 0.736 with the resizer of Pillow 13
    assert metrics["AP50"] >= 0.92


def test_every_position_is_a_box_in_network_pixels():
    graph, _, _, session = model()
    tensors = images()[1]
    answer = session.run({graph.image.name: tensors[:4]})["output0"]
    assert answer.shape == (4, 4 + len(NAMES), POSITIONS)
    assert np.isfinite(answer).all()
    assert (answer[:, 2:4] >= 0).all()
    assert ((answer[:, 4:] >= 0) & (answer[:, 4:] <= 1)).all()


def test_the_batch_changes_nothing():
    one, four = detections(1), detections(4)
    assert sum(len(rows.score) for rows in one) > 79  # more than the truths: low scores are kept too
    for left, right in zip(one, four, strict=True):
        assert left.label.tolist() == right.label.tolist()
        np.testing.assert_allclose(left.xywh, right.xywh, atol=1e-3)
        np.testing.assert_allclose(left.score, right.score, atol=1e-5)
