"""Writes `gt.json` and `dt.json` of a made-up detection data set; used where the real data is not at hand.

    python benchmarks/synthetic.py --images 5000 --out FOLDER [--seed 0]

Sizes follow COCO val2017: 80 classes, about 7 truths and 100 detections an image. Same arguments, same bytes.
A process of its own, so that the memory it takes does not count in the measuring process.
"""

from __future__ import annotations

import argparse
import json
import math
import random
from pathlib import Path
from typing import Any

WIDTH, HEIGHT, CLASSES = 640, 480, 80
MEAN_TRUTHS, DETECTIONS, CROWD_SHARE, RECALL = 7.3, 100, 0.01, 0.8


def random_box(rng: random.Random) -> list[float]:
    """An xywh box inside the image, its side spread evenly in log size from 8 to 400 pixels."""
    side = math.exp(rng.uniform(math.log(8), math.log(400)))
    aspect = math.exp(rng.gauss(0, 0.4))
    width, height = min(side * aspect, WIDTH - 1.0), min(side / aspect, HEIGHT - 1.0)
    return [round(v, 2) for v in (rng.uniform(0, WIDTH - width), rng.uniform(0, HEIGHT - height), width, height)]


def near(box: list[float], rng: random.Random) -> list[float]:
    """The box moved and stretched by a few per cent, as a detector would return it."""
    x, y, width, height = box
    spread = rng.choice((0.02, 0.05, 0.15))
    return [
        round(x + rng.gauss(0, spread) * width, 2),
        round(y + rng.gauss(0, spread) * height, 2),
        round(width * math.exp(rng.gauss(0, spread)), 2),
        round(height * math.exp(rng.gauss(0, spread)), 2),
    ]


def truths_of(image_id: int, rng: random.Random) -> list[dict[str, Any]]:
    """Truth rows of one image, without their ids."""
    rows = []
    for _ in range(min(int(rng.expovariate(1 / MEAN_TRUTHS)), 60)):
        box = random_box(rng)
        row = {"image_id": image_id, "category_id": int(rng.triangular(1, CLASSES + 1, 1)), "bbox": box}
        rows.append({**row, "area": round(box[2] * box[3] * 0.6, 4), "iscrowd": int(rng.random() < CROWD_SHARE)})
    return rows


def detections_of(image_id: int, truths: list[dict[str, Any]], rng: random.Random) -> list[dict[str, Any]]:
    """Detection rows of one image: most truths found, the rest background; scores of three digits, so they tie."""
    found = [(t["category_id"], near(t["bbox"], rng), rng.betavariate(4, 2)) for t in truths if rng.random() < RECALL]
    found += [(rng.randint(1, CLASSES), random_box(rng), rng.betavariate(1, 8)) for _ in range(DETECTIONS - len(found))]
    return [
        {"image_id": image_id, "category_id": category, "bbox": box, "score": round(score, 3)}
        for category, box, score in found
    ]


def main() -> None:
    """Write both files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    ids = range(1, arguments.images + 1)
    truths = [truths_of(i, rng) for i in ids]
    rows = [row for image in truths for row in image]
    truth = {
        "images": [{"id": i, "width": WIDTH, "height": HEIGHT, "file_name": f"{i:012d}.jpg"} for i in ids],
        "annotations": [{"id": i, **row} for i, row in enumerate(rows, 1)],
        "categories": [{"id": i, "name": f"class {i}"} for i in range(1, CLASSES + 1)],
    }
    detections = [row for i, image in zip(ids, truths, strict=True) for row in detections_of(i, image, rng)]
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "gt.json").write_text(json.dumps(truth), encoding="utf-8")
    (arguments.out / "dt.json").write_text(json.dumps(detections), encoding="utf-8")


if __name__ == "__main__":
    main()
