"""Writes the files of a made-up data set into a folder; used where the real data is not at hand or has no such shape.

    python benchmarks/synthetic.py --kind KIND --images 5000 --out FOLDER [--seed 0]

| kind | files |
|---|---|
| boxes | `gt.json`, `dt.json` (and `dt2.json` with `--models 2`); sizes follow COCO val2017 |
| truth | `annotations/instances_val.json`, `names.txt`, and a folder `images` that is empty |
| uniform | truths with polygons; detections with everything about them evenly spread, numbers with all their digits |
| lvis | boxes, with the lists of absent and partly labelled classes |
| masks | polygons as truth, compressed RLE as detections |
| keypoints | persons with 17 keypoints |
| yolo | `data.yaml`, `images/val`, `labels/val`, `predictions`; `flat`: the labels and class names in one folder |
| voc | `Annotations`, `JPEGImages`, `ImageSets/Main`; pictures are tiny PNG files |
| arrays | `.npy` files: boxes of one image before NMS, two sets of boxes, box sizes |

Same arguments, same bytes. A process of its own, so that the memory it takes does not count in the measuring process.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Row = dict[str, Any]

WIDTH, HEIGHT = 640, 480
CROWD_SHARE, RECALL = 0.01, 0.8
KEYPOINTS = (
    *("nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow"),
    *("right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee"),
    *("left_ankle", "right_ankle"),
)


# ------------------------------------------------------------------------------------------------------------ objects
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


def outline(box: list[float], rng: random.Random) -> list[float]:
    """A smooth closed curve that about fills the box, as x1, y1, x2, y2, ..."""
    x, y, width, height = box
    waves = [(k, rng.gauss(0, 0.25 / k), rng.uniform(0, 2 * math.pi)) for k in range(2, 6)]
    corners = rng.randint(12, 48)
    points = []
    for angle in (2 * math.pi * step / corners for step in range(corners)):
        radius = 0.45 * min(1.1, max(0.3, 1 + sum(size * math.cos(k * angle + phase) for k, size, phase in waves)))
        points += [x + width * (0.5 + radius * math.cos(angle)), y + height * (0.5 + radius * math.sin(angle))]
    return [round(min(max(v, 0.0), WIDTH if n % 2 == 0 else HEIGHT), 2) for n, v in enumerate(points)]


def pose(box: list[float], rng: random.Random) -> list[float]:
    """17 keypoints x, y, visibility in the box; those not labelled are 0, 0, 0."""
    x, y, width, height = box
    values: list[float] = []
    for _ in KEYPOINTS:
        seen = rng.choice((0, 1, 2, 2, 2))
        point = (round(x + rng.random() * width, 2), round(y + rng.random() * height, 2)) if seen else (0, 0)
        values += [*point, seen]
    return values


def truths_of(image_id: int, rng: random.Random, given: argparse.Namespace) -> list[Row]:
    """Truth rows of one image, without their ids."""
    count = min(int(rng.expovariate(1 / given.truths)), round(8 * given.truths))
    if given.truths >= 100:  # dense images are alike in how full they are
        count = round(given.truths * rng.uniform(0.95, 1.05))
    rows = []
    for _ in range(count):
        box = random_box(rng)
        row = {"image_id": image_id, "category_id": int(rng.triangular(1, given.classes + 1, 1)), "bbox": box}
        rows.append({**row, "area": round(box[2] * box[3] * 0.6, 4), "iscrowd": int(rng.random() < CROWD_SHARE)})
    return rows


def detections_of(image_id: int, truths: list[Row], rng: random.Random, given: argparse.Namespace) -> list[Row]:
    """Detection rows of one image: most truths found, the rest background; scores of three digits, so they tie."""
    total = round(given.detections)
    found = [(t["category_id"], near(t["bbox"], rng), rng.betavariate(4, 2)) for t in truths if rng.random() < RECALL]
    found = found[:total]
    found += [
        (rng.randint(1, given.classes), random_box(rng), rng.betavariate(1, 8)) for _ in range(total - len(found))
    ]
    return [
        {"image_id": image_id, "category_id": category, "bbox": box, "score": round(score, 3)}
        for category, box, score in found
    ]


def detected(truths: list[list[Row]], rng: random.Random, given: argparse.Namespace) -> list[Row]:
    """Detection rows of all images."""
    return [row for i, image in zip(each(given), truths, strict=True) for row in detections_of(i, image, rng, given)]


# -------------------------------------------------------------------------------------------------------------- files
def dataset(truths: list[list[Row]], given: argparse.Namespace, **category: Any) -> Row:
    """A COCO truth of these rows."""
    return {
        "images": [
            {"id": i, "width": WIDTH, "height": HEIGHT, "file_name": f"{i:012d}.jpg"} for i in range(1, len(truths) + 1)
        ],
        "annotations": [{"id": i, **row} for i, row in enumerate((row for rows in truths for row in rows), 1)],
        "categories": [{"id": i, "name": class_name(i), **category} for i in range(1, given.classes + 1)],
    }


def class_name(number: int) -> str:
    """Without spaces, which some tools refuse."""
    return f"class_{number}"


def dump(folder: Path, name: str, content: Any) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def each(given: argparse.Namespace) -> range:
    return range(1, given.images + 1)


def boxes(rng: random.Random, given: argparse.Namespace) -> None:
    truths = [truths_of(i, rng, given) for i in each(given)]
    dump(given.out, "gt.json", dataset(truths, given))
    for model in range(given.models):
        rows = [
            row for i, image in zip(each(given), truths, strict=True) for row in detections_of(i, image, rng, given)
        ]
        dump(given.out, f"dt{model + 1 if model else ''}.json", rows)


def truth(rng: random.Random, given: argparse.Namespace) -> None:
    dump(given.out, "annotations/instances_val.json", dataset([truths_of(i, rng, given) for i in each(given)], given))
    names = "".join(f"{class_name(i)}\n" for i in range(1, given.classes + 1))
    (given.out / "names.txt").write_text(names, encoding="utf-8")  # globox numbers the classes of YOLO by such a list
    (given.out / "images").mkdir()  # datumaro reads no data set without such a folder


def uniform(rng: random.Random, given: argparse.Namespace) -> None:
    truths = [truths_of(i, rng, given) for i in each(given)]
    for row in (row for rows in truths for row in rows):
        row["segmentation"] = [outline(row["bbox"], rng)]
    dump(given.out, "gt.json", dataset(truths, given))
    rows = []
    for _ in range(round(given.images * given.detections)):
        width, height = rng.uniform(10, WIDTH / 2), rng.uniform(10, HEIGHT / 2)
        box = [rng.uniform(0, WIDTH - width), rng.uniform(0, HEIGHT - height), width, height]
        place = {"image_id": rng.randint(1, given.images), "category_id": rng.randint(1, given.classes)}
        rows.append({**place, "score": rng.uniform(0.01, 0.99), "bbox": box})
    dump(given.out, "dt.json", rows)


def lvis(rng: random.Random, given: argparse.Namespace) -> None:
    boxes(rng, given)
    found = json.loads((given.out / "gt.json").read_text(encoding="utf-8"))
    present: dict[int, set[int]] = {image["id"]: set() for image in found["images"]}
    for row in found["annotations"]:
        row["iscrowd"] = 0
        present[row["image_id"]].add(row["category_id"])
    for image in found["images"]:
        has = sorted(present[image["id"]])
        drawn = rng.sample(range(1, given.classes + 1), min(10, given.classes))
        image["neg_category_ids"] = sorted(set(drawn) - set(has))
        image["not_exhaustive_category_ids"] = [category for category in has if rng.random() < 0.1]
    for category in found["categories"]:
        category["frequency"] = "fcr"[min(2, 3 * category["id"] // (given.classes + 1))]
    dump(given.out, "gt.json", found)


def masks(rng: random.Random, given: argparse.Namespace) -> None:
    from pycocotools import mask

    def encoded(box: list[float]) -> Row:
        (rle,) = mask.frPyObjects([outline(box, rng)], HEIGHT, WIDTH)
        return {"size": rle["size"], "counts": rle["counts"].decode()}

    truths = [truths_of(i, rng, given) for i in each(given)]
    rows = detected(truths, rng, given)
    for row in (row for image in truths for row in image):
        row["segmentation"] = encoded(row["bbox"]) if row["iscrowd"] else [outline(row["bbox"], rng)]
    dump(given.out, "gt.json", dataset(truths, given))
    dump(given.out, "dt.json", [{**row, "segmentation": encoded(row["bbox"])} for row in rows])


def keypoints(rng: random.Random, given: argparse.Namespace) -> None:
    given.classes = 1
    truths = [truths_of(i, rng, given) for i in each(given)]
    for row in (row for image in truths for row in image):
        row["keypoints"] = pose(row["bbox"], rng)
        row["num_keypoints"] = sum(seen > 0 for seen in row["keypoints"][2::3])
    dump(given.out, "gt.json", dataset(truths, given, keypoints=KEYPOINTS, skeleton=[]))
    rows = []
    for i, image in zip(each(given), truths, strict=True):
        poses = {tuple(row["bbox"]): row for row in image}
        for row in detections_of(i, image, rng, given):
            like = min(poses.values(), key=lambda one: math.dist(one["bbox"], row["bbox"]), default=None)
            rows.append({**row, "keypoints": moved(like, row["bbox"], rng)})
    dump(given.out, "dt.json", rows)


def moved(like: Row | None, box: list[float], rng: random.Random) -> list[float]:
    """Keypoints of a detection: near those of the truth that its box is nearest to."""
    if like is None or math.dist(like["bbox"], box) > 60:
        return [v if n % 3 < 2 else 1 for n, v in enumerate(pose(box, rng))]
    spread = 0.05 * math.sqrt(like["area"])
    return [round(v + rng.gauss(0, spread), 2) if n % 3 < 2 else 1 for n, v in enumerate(like["keypoints"])]


def yolo(rng: random.Random, given: argparse.Namespace) -> None:
    names = ", ".join(class_name(i) for i in range(1, given.classes + 1))
    for folder in ("images/val", "labels/val", "predictions", "flat"):
        (given.out / folder).mkdir(parents=True, exist_ok=True)
    described = f"path: .\ntrain: images/val\nval: images/val\nnc: {given.classes}\nnames: [{names}]\n"
    (given.out / "data.yaml").write_text(described, encoding="utf-8")
    (given.out / "flat" / "data.yaml").write_text(described, encoding="utf-8")
    picture = empty_png()
    for i in each(given):
        image = truths_of(i, rng, given)
        found = detections_of(i, image, rng, given)
        (given.out / "images" / "val" / f"{i:012d}.png").write_bytes(picture)
        labels = given.out / "labels" / "val" / f"{i:012d}.txt"
        labels.write_text("".join(shares(image)), encoding="utf-8")
        (given.out / "flat" / labels.name).hardlink_to(labels)  # hotcoco wants the class names beside the labels
        (given.out / "predictions" / f"{i:012d}.txt").write_text("".join(shares(found)), encoding="utf-8")


def shares(rows: list[Row]) -> Iterator[str]:
    for row in rows:
        x, y, width, height = row["bbox"]
        numbers = ((x + width / 2) / WIDTH, (y + height / 2) / HEIGHT, width / WIDTH, height / HEIGHT)
        score = f" {row['score']:.3f}" if "score" in row else ""
        yield f"{row['category_id'] - 1} {' '.join(f'{number:.6f}' for number in numbers)}{score}\n"


def voc(rng: random.Random, given: argparse.Namespace) -> None:
    for folder in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (given.out / folder).mkdir(parents=True, exist_ok=True)
    picture = empty_png()
    for i in each(given):
        (given.out / "JPEGImages" / f"{i:012d}.png").write_bytes(picture)
        described = annotation(f"{i:012d}.png", truths_of(i, rng, given))
        (given.out / "Annotations" / f"{i:012d}.xml").write_text(described, encoding="utf-8")
    names = "".join(f"{i:012d}\n" for i in each(given))
    (given.out / "ImageSets" / "Main" / "val.txt").write_text(names, encoding="utf-8")
    # VOC has no list of classes; datumaro reads those beyond the usual twenty from a file of its own.
    classes = "".join(f"{class_name(i)}:::\n" for i in range(1, given.classes + 1))
    (given.out / "labelmap.txt").write_text(f"background:0,0,0::\n{classes}", encoding="utf-8")


def annotation(file_name: str, rows: list[Row]) -> str:
    """Pascal VOC's XML of one image; crowds are marked as difficult."""
    size = f"<width>{WIDTH}</width><height>{HEIGHT}</height><depth>3</depth>"
    lines = [
        "<annotation>",
        f"\t<filename>{file_name}</filename>",
        f"\t<size>{size}</size>",
        "\t<segmented>0</segmented>",
    ]
    for row in rows:
        lines += [
            "\t<object>",
            f"\t\t<name>{class_name(row['category_id'])}</name>",
            "\t\t<pose>Unspecified</pose>",
            "\t\t<truncated>0</truncated>",
            f"\t\t<difficult>{row['iscrowd']}</difficult>",
            f"\t\t<bndbox>{corners(row['bbox'])}</bndbox>",
            "\t</object>",
        ]
    return "\n".join([*lines, "</annotation>", ""])


def corners(box: list[float]) -> str:
    """Whole pixels, counted from 1, both ends inside."""
    x, y, width, height = box
    ends = {"xmin": x, "ymin": y, "xmax": x + width - 1, "ymax": y + height - 1}
    return "".join(f"<{name}>{round(value) + 1}</{name}>" for name, value in ends.items())


def empty_png() -> bytes:
    """A black picture of the right size, a few hundred bytes."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        body = kind + content
        return len(content).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")

    head = WIDTH.to_bytes(4, "big") + HEIGHT.to_bytes(4, "big") + bytes([1, 0, 0, 0, 0])
    lines = zlib.compress((b"\0" * (1 + WIDTH // 8)) * HEIGHT, 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", lines) + chunk(b"IEND", b"")


def arrays(rng: random.Random, given: argparse.Namespace) -> None:
    import numpy as np

    draws = np.random.default_rng(rng.randrange(2**32))

    def spread(count: int, low: float, high: float) -> Any:
        side = np.exp(draws.uniform(np.log(low), np.log(high), (count, 1)))
        wh = np.minimum(side * np.exp(draws.normal(0, 0.3, (count, 2))), 600.0)
        return np.round(np.concatenate([draws.random((count, 2)) * (WIDTH - wh), wh], axis=1), 3)

    def candidates(around: Any, count: int) -> Any:
        moved_by = draws.normal(0, 0.08, (count, 4)) * np.tile(around[:, 2:], 2)
        boxes = np.maximum(around + moved_by, 0.5)
        boxes[:, :2] = np.clip(boxes[:, :2], 0, WIDTH - 2)
        boxes[:, 2:] = np.minimum(boxes[:, 2:], WIDTH - boxes[:, :2] - 0.5)
        return np.round(boxes, 3)

    scores = draws.permutation(np.linspace(0.001, 0.999, 25_200)).astype(np.float32).astype(np.float64)
    seen = draws.integers(400, size=25_200)  # the object that each candidate is about
    files = {
        "nms_xywh": candidates(spread(400, 20, 300)[seen], 25_200),
        "nms_score": scores,
        "nms_class": draws.integers(80, size=400)[seen],
        "iou_a": spread(3000, 8, 400),
        "iou_b": spread(1000, 8, 400),
        "sizes": spread(150_000, 8, 400)[:, 2:].copy(),
    }
    for name, values in files.items():
        np.save(given.out / f"{name}.npy", values)


KINDS: dict[str, Callable[[random.Random, argparse.Namespace], None]] = {
    made.__name__: made for made in (boxes, truth, uniform, lvis, masks, keypoints, yolo, voc, arrays)
}


def main() -> None:
    """Write the files of one kind."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", choices=KINDS, default="boxes")
    parser.add_argument("--images", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--truths", type=float, default=7.3, help="of an image, in the mean")
    parser.add_argument("--detections", type=float, default=100, help="of an image")
    parser.add_argument("--classes", type=int, default=80)
    parser.add_argument("--models", type=int, default=1, help="how many files of detections")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    KINDS[given.kind](random.Random(given.seed), given)


if __name__ == "__main__":
    main()
