"""Counts and measurements as text: columns of one kind of number, tables that fit, many classes folded."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from detkit import reports
from detkit.tables import Categories, Dataset, Images
from detkit.transforms.stats import Stats, describe

ENDS = "... {} more classes, {} to {} boxes each (all of them: --all-classes)"


def _dataset(boxes: list[int]) -> Dataset:
    """One image; class k has `boxes[k]` boxes, 10.25 + k pixels wide and 200 high."""
    category = np.repeat(np.arange(len(boxes)), boxes)
    xywh = np.column_stack([np.zeros((len(category), 2)), 10.25 + category, np.full(len(category), 200.0)])
    images = Images(np.array([1]), ("a.jpg",), np.array([[640.0, 480.0]]))
    names = Categories.from_names([f"c{k:02d}" for k in range(len(boxes))])
    return Dataset.build(
        images,
        names,
        image_index=np.zeros(len(category), np.int64),
        category_index=category,
        xywh=xywh,
    )


def _stats(boxes: list[int]) -> Stats:
    return describe(_dataset(boxes))


def test_numbers_of_a_column_have_as_many_decimals():
    text = reports.render_stats(_stats([1] * 3))
    sides = [line.split("  ")[-1] for line in text.splitlines() if line.startswith("c0")]
    assert sides == ["10.2 x 200.0", "11.2 x 200.0", "12.2 x 200.0"]


def test_one_is_singular():
    assert reports.render_stats(_stats([1])).startswith("1 image (0 without boxes), 1 box\n")
    assert reports.render_stats(_stats([2])).startswith("1 image (0 without boxes), 2 boxes\n")


def test_thirty_classes_stand_in_their_order():
    text = reports.render_stats(_stats([1 + k % 7 for k in range(30)]))
    assert [line[:3] for line in text.splitlines() if line.startswith("c") and line[1].isdigit()] == [
        f"c{k:02d}" for k in range(30)
    ]
    assert "..." not in text


@pytest.mark.parametrize("details", [False, True])
def test_of_many_classes_the_most_and_the_least_frequent_are_shown(details: bool):
    counts = [(7 * k) % 31 for k in range(31)]  # a permutation: every count once
    text = reports.render_stats(_stats(counts), details=details)
    shown = [line for line in text.splitlines() if line.startswith(("c0", "c1", "c2", "c3", "..."))][:26]
    order = sorted(range(31), key=lambda k: -counts[k])
    assert [line[:3] for line in shown[:20]] == [f"c{k:02d}" for k in order[:20]]
    # 31 classes: 20 with 30 to 11 boxes, 6 with 10 to 5, 5 with 4 to 0.
    assert shown[20] == ENDS.format(6, 5, 10)
    assert [line[:3] for line in shown[21:]] == [f"c{k:02d}" for k in order[-5:]]


def test_every_class_is_listed_where_that_is_asked_for():
    text = reports.render_stats(_stats([1] * 40), all_classes=True)
    assert sum(line.startswith("c") and line[1].isdigit() for line in text.splitlines()) == 40
    assert "--all-classes" not in text


def _bench(number: float) -> dict[str, Any]:
    stages = dict.fromkeys(("read", "prepare", "infer", "decode"), number)
    figures = ("median_ms", "p95_ms", "images_per_second")
    row = {"batch": 128, "stages_ms": stages, **dict.fromkeys(figures, number)}
    row |= {f"end_to_end_{name}": number for name in figures}
    return {
        "model": {"path": "m.onnx", "family": "yolox", "input": [640, 480]},
        "device": {"device": "cpu", "provider": "P", "onnxruntime": "1", "processor": "X", "processors": 1},
        "rounds": 1,
        "images": {"source": "drawn, 640x480"},
        "batches": [row, {**row, "batch": 1}],
    }


@pytest.mark.parametrize("number", [0.01, 12345.678])
def test_bench_fits_a_terminal(number: float):
    lines = reports.render_bench(_bench(number)).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0] == "m.onnx: yolox, input 640x480"
    assert lines[1].endswith("X, 1 processor")
    assert lines[2] == "1 round, images: drawn, 640x480"


def test_bench_has_both_ways_with_their_numbers():
    found = _bench(1.0)
    found["batches"] = [{**found["batches"][0], "p95_ms": 2.25, "end_to_end_p95_ms": 3.5}]
    lines = reports.render_bench(found).splitlines()
    assert lines[lines.index("one call of the model") + 3].split() == ["128", "1.00", "2.25", "1.0"]
    assert lines[-1].split() == ["128", "1.00", "3.50", "1.0", "1.00", "1.00", "1.00", "1.00"]
