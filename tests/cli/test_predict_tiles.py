"""`detkit predict` with tiles, test-time augmentation, rect letterbox and draft, as a shell sees it."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from cli._run import DEMO, ROOT, run

pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model that answers cell by cell, for inputs of 64 x 64."""
    spec = importlib.util.spec_from_file_location("cell_graphs", ROOT / "tools" / "models" / "cells.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    path = tmp_path / "model.onnx"
    path.write_bytes(module.build()["fixed"].SerializeToString())
    return path


def test_tiles_and_flip_are_said_and_recorded(model: Path, tmp_path: Path) -> None:
    images = ["--from", "images", "-o", "found.json", "--json", "--conf", "0.3"]
    options = ["--tile", "96x64", "--overlap", "0.25", "--no-whole", "--tta", "flip", "--merge", "wbf", "--iou", "0.55"]
    done = run(["predict", model, DEMO / "images" / "val", *images, *options], tmp_path)
    assert done.code == 0, done.stderr
    assert "tiles 96x64, overlap at least 0.25; joined by weighted box fusion 0.55" in done.stderr
    assert "test-time augmentation: mirrored too; joined by weighted box fusion 0.55" in done.stderr
    settings = json.loads(done.stdout)["settings"]
    recorded = {key: settings[key] for key in ("tile", "overlap", "whole", "tta", "merge", "letterbox", "draft")}
    assert recorded == {
        "tile": [96, 64],
        "overlap": 0.25,
        "whole": False,
        "tta": ["flip"],
        "merge": "wbf",
        "letterbox": "square",
        "draft": False,
    }
    assert json.loads(done.stdout)["images"] == 20


def test_draft_alone_is_one_look(model: Path, tmp_path: Path) -> None:
    options = ["--draft", "--json", "--from", "images"]
    done = run(["predict", model, DEMO / "images" / "val", "-o", "found.json", *options], tmp_path)
    assert done.code == 0, done.stderr
    assert "draft: large JPEG files are read at a reduced size" in done.stderr
    assert json.loads(done.stdout)["settings"]["tile"] is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--tile", "big"], "--tile: found `big`, expected 640 or 640x480"),
        (["--tile", "8"], "tile: found 8x8, expected at least 16 pixels a side"),
        (["--tile", "64", "--overlap", "1"], "overlap: found 1, expected a share of the tile from 0 to below 1"),
        (["--overlap", "0.5"], "overlap and no-whole say how tiles lie, and there are none"),
        (["--no-whole"], "overlap and no-whole say how tiles lie, and there are none"),
        (["--merge", "wbf"], "merge joins several views of an image, and there is one"),
        (["--tta", "flip,turn"], "tta: found `turn`, expected flip, scale or both"),
        (["--tta", "scale"], "tta scale needs an input whose size is free"),
        (["--letterbox", "rect"], "letterbox rect needs an input whose size is free"),
        (["--letterbox", "round"], "letterbox: found `round`, expected square or rect"),
        (["--draft", "--tile", "64"], "draft: tiles need every pixel of the image"),
    ],
)
def test_what_is_refused(model: Path, tmp_path: Path, options: list[str], message: str) -> None:
    done = run(["predict", model, DEMO / "images" / "val", "--from", "images", "-o", "found.json", *options], tmp_path)
    assert done.code == 2
    assert message in done.stderr
    assert not (tmp_path / "found.json").exists()
