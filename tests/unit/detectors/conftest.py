"""Tiny models and drawn images for tests of the runner."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def runner_graphs() -> ModuleType:
    """`tools/models/runner.py`: graphs whose answer is known."""
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    spec = importlib.util.spec_from_file_location("runner_graphs", ROOT / "tools" / "models" / "runner.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def model(runner_graphs: ModuleType, tmp_path: Path) -> Callable[[str], Path]:
    """The path of a tiny model of that name, written now."""

    def write(name: str = "named") -> Path:
        path = tmp_path / f"{name}.onnx"
        path.write_bytes(runner_graphs.build()[name].SerializeToString())
        return path

    return write


COLOURS = [(17 * i % 256, 67 * i % 256, 151 * i % 256) for i in range(1, 11)]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Ten images, each of one colour, of different sizes."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for i, colour in enumerate(COLOURS):
        Image.new("RGB", (64 + 8 * i, 96 - 4 * i), colour).save(folder / f"photo_{i:02d}.png")
    return folder
