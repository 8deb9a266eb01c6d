"""Images drawn cell by cell, models that answer cell by cell (`tools/models/cells.py`), and what these must find."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

import detkit

ROOT = Path(__file__).resolve().parents[3]
CELL = 8
#: Class -> its colour as RGB: the model's classes are blue, green, red.
COLOURS = ((0, 0, 255), (0, 255, 0), (255, 0, 0))


@pytest.fixture(scope="session")
def cell_graphs() -> ModuleType:
    """`tools/models/cells.py`."""
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    spec = importlib.util.spec_from_file_location("cell_graphs", ROOT / "tools" / "models" / "cells.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def cells(cell_graphs: ModuleType, tmp_path: Path) -> Callable[[str], Path]:
    """The path of a cell by cell model of that name, written now."""

    def write(name: str = "fixed") -> Path:
        path = tmp_path / f"{name}.onnx"
        path.write_bytes(cell_graphs.build()[name].SerializeToString())
        return path

    return write


def drawn(size: tuple[int, int], blocks: Iterable[tuple[int, int, int, int, int]]) -> Image.Image:
    """A black image with blocks (left, top, width, height, class), pixels."""
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    for x, y, w, h, label in blocks:
        pixels[y : y + h, x : x + w] = COLOURS[label]
    return Image.fromarray(pixels)


def found(detections: detkit.Detections, image: int = 0) -> list[tuple[float, ...]]:
    """(class, left, top, width, height, score) of an image's rows, sorted, to four digits."""
    rows = slice(detections.offsets[image], detections.offsets[image + 1])
    table = np.column_stack(
        [detections.category_index[rows], detections.xywh[rows], np.asarray(detections.score[rows])]
    )
    return sorted(tuple(round(float(v), 4) for v in row) for row in table)
