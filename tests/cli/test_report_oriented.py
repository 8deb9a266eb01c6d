"""The pictures of a report on oriented boxes: they are drawn as they lie, whole images and crops."""

from __future__ import annotations

import json
import re
from pathlib import Path

from cli._run import run

# Corners of a box that lies askew, and of the upright one around another truth.
ASKEW, FAR = [(30, 20), (70, 40), (60, 60), (20, 40)], [(80, 60), (95, 60), (95, 70), (80, 70)]


def text(corners: list[tuple[int, int]]) -> str:
    return " ".join(f"{v}" for corner in corners for v in corner)


def test_boxes_lie_as_they_are_labelled(tmp_path: Path) -> None:
    from PIL import Image

    (tmp_path / "truth" / "images").mkdir(parents=True)
    (tmp_path / "truth" / "labelTxt").mkdir()
    (tmp_path / "found").mkdir()
    Image.new("RGB", (100, 80)).save(tmp_path / "truth" / "images" / "a.png")
    (tmp_path / "truth" / "labelTxt" / "a.txt").write_text(f"{text(ASKEW)} ship 0\n{text(FAR)} ship 0\n")
    (tmp_path / "found" / "Task1_ship.txt").write_text(f"a 0.9 {text(ASKEW)}\n")
    done = run(["report", "truth", "found", "--iou-type", "obb", "-o", "r.html", "--bootstrap", "0"], tmp_path)
    assert done.code == 0, done.stderr
    (island,) = re.findall(r'id="data">(.*?)</script>', (tmp_path / "r.html").read_text(encoding="utf-8"), re.DOTALL)
    page = json.loads(island)
    (picture,) = page["gallery"]["pictures"]
    drawn = {box["kind"]: {tuple(corner) for corner in box["corners"]} for box in picture["boxes"]}
    assert drawn == {"gt": set(ASKEW), "tp": set(ASKEW), "fn": set(FAR)}
    # The crop of the miss starts left of the box and above it, by as much for its corners.
    (miss,) = page["crops"]["misses no candidate"][0]["boxes"]
    left, top = 80 - miss["x"], 60 - miss["y"]
    assert {(x + left, y + top) for x, y in miss["corners"]} == set(FAR)
