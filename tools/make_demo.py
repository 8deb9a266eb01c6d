"""Draw the demo data set: small images of shapes, labelled as YOLO, COCO and VOC, with predictions.

Run ``python tools/make_demo.py --out fixtures/demo --seed 0``. The same seed gives the same bytes.
"""

from __future__ import annotations

import argparse
import colorsys
import json
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
from PIL import Image, ImageDraw

NAMES = ("circle", "square", "triangle", "star")
SPLITS = {"train": 40, "val": 20}
NEGATIVES = {"train": 3, "val": 2}
LARGE_IMAGES = {"train": 6, "val": 4}
DIFFICULT_PER_SPLIT = 3
MAX_SHAPES = 7
SMALL_SIZES = ((160, 120), (120, 160), (192, 144), (160, 160))
LARGE_SIZE = (320, 240)
SUPERSAMPLE = 8
JPEG_QUALITY = 80
MARKER = "# detkit demo data set, written by tools/make_demo.py"
OWN_FOLDERS = ("images", "labels", "coco", "voc", "predictions")

# The first number of each random stream, so that changing one part leaves the others as they were.
STREAM_PLAN, STREAM_SCENE, STREAM_DETECTOR = 0, 1, 2

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class ImagePlan:
    """What one image is to hold, settled before anything is drawn."""

    image_id: int
    name: str
    split: str
    width: int
    height: int
    shapes: int


@dataclass(frozen=True)
class Shape:
    """One drawn shape: its whole outline, and what of it falls inside the image."""

    label: int
    outline: np.ndarray
    coverage: np.ndarray

    @property
    def mask(self) -> np.ndarray:
        """Pixels at least half covered by the shape."""
        return self.coverage >= 0.5

    @property
    def extent(self) -> np.ndarray:
        """Pixels covered enough to be seen, which takes in thin tips that the mask loses."""
        return self.coverage >= 0.2


@dataclass(frozen=True)
class Truth:
    """One labelled object: an integer ``(x, y, w, h)`` box in pixel edges, and its mask's area."""

    label: int
    box: tuple[int, int, int, int]
    area: int
    polygon: list[float]
    hidden: float
    truncated: bool
    difficult: bool = False


@dataclass(frozen=True)
class Scene:
    """One finished image with its truths."""

    plan: ImagePlan
    pixels: np.ndarray
    truths: list[Truth]


@dataclass(frozen=True)
class Detection:
    """One simulated detection; ``box`` is ``(x, y, w, h)`` in pixels."""

    image: ImagePlan
    label: int
    box: Box
    score: float


@dataclass(frozen=True)
class DetectorSkill:
    """How good a simulated detector is.

    Attributes
    ----------
    jitter
        Standard deviation of centre shift and log size, relative to the box.
    miss_small, miss_other
        Chance of missing an object smaller, or not smaller, than 32 by 32 pixels.
    confuse
        Chance of naming the wrong class.
    duplicate
        Chance of a second, looser box on the same object.
    background
        Mean number of detections per image on nothing.
    """

    jitter: float
    miss_small: float
    miss_other: float
    confuse: float
    duplicate: float
    background: float


GOOD = DetectorSkill(0.032, 0.15, 0.05, 0.06, 0.12, 0.8)
WORSE = DetectorSkill(0.040, 0.20, 0.08, 0.08, 0.15, 1.1)


# --- planning -------------------------------------------------------------------------------------


def plan_images(seed: int) -> list[ImagePlan]:
    """Share the images out over the splits and settle their sizes and shape counts.

    Parameters
    ----------
    seed
        Seed of the whole data set.

    Returns
    -------
    list of ImagePlan
        One plan per image, in name order.
    """
    rng = np.random.default_rng([seed, STREAM_PLAN])
    order = [int(index) for index in rng.permutation(sum(SPLITS.values()))]
    plans = []
    start = 0
    for split, total in SPLITS.items():
        for position, index in enumerate(order[start : start + total]):
            negative = position < NEGATIVES[split]
            large = NEGATIVES[split] <= position < NEGATIVES[split] + LARGE_IMAGES[split]
            width, height = LARGE_SIZE if large else SMALL_SIZES[int(rng.integers(len(SMALL_SIZES)))]
            shapes = 0 if negative else int(rng.integers(1, MAX_SHAPES + 1))
            plans.append(ImagePlan(index + 1, f"shape_{index:03d}", split, width, height, shapes))
        start += total
    return sorted(plans, key=lambda plan: plan.image_id)


# --- geometry -------------------------------------------------------------------------------------


def unit_outline(label: int) -> np.ndarray:
    """Return the corners of a shape of area one around the origin, shape ``(n, 2)``."""
    name = NAMES[label]
    count = {"circle": 36, "square": 4, "triangle": 3, "star": 10}[name]
    angles = np.arange(count) * (2 * np.pi / count) - np.pi / 2
    radii = np.ones(count)
    if name == "star":
        radii[1::2] = 0.45
    outline = np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)
    return outline / np.sqrt(outline_area(outline))


def turned_outline(label: int, side: float, turn: float) -> np.ndarray:
    """Return the corners of a rotated shape with the area of a square of the given side."""
    cos, sin = np.cos(turn), np.sin(turn)
    return unit_outline(label) @ np.array([[cos, sin], [-sin, cos]]) * side


def outline_area(outline: np.ndarray) -> float:
    """Return the area within a simple polygon (the shoelace formula)."""
    x, y = outline[:, 0], outline[:, 1]
    return abs(float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y))) / 2


def clip_outline(outline: np.ndarray, width: int, height: int) -> list[float]:
    """Clip a polygon to the image, one border after the other.

    Returns
    -------
    list of float
        ``x1, y1, x2, y2, ...`` as a COCO segmentation has it.
    """
    points = [(float(x), float(y)) for x, y in outline]
    for axis, limit, sign in ((0, 0.0, 1), (0, float(width), -1), (1, 0.0, 1), (1, float(height), -1)):
        points = _clip_to_border(points, axis, limit, sign)
    return [round(value, 2) for point in points for value in point]


def _clip_to_border(points: list[tuple[float, float]], axis: int, limit: float, sign: int) -> list[tuple[float, float]]:
    """Keep the part of a polygon where ``sign * (coordinate - limit) >= 0``."""
    kept: list[tuple[float, float]] = []
    for before, here in zip(points[-1:] + points[:-1], points, strict=True):
        depth_before, depth_here = sign * (before[axis] - limit), sign * (here[axis] - limit)
        if (depth_before < 0) != (depth_here < 0):
            share = depth_before / (depth_before - depth_here)
            crossing = [before[i] + share * (here[i] - before[i]) for i in (0, 1)]
            crossing[axis] = limit
            kept.append((crossing[0], crossing[1]))
        if depth_here >= 0:
            kept.append(here)
    return kept


def mask_box(mask: np.ndarray) -> tuple[int, int, int, int]:
    """Return the tight ``(x, y, w, h)`` box around a mask, in pixel edges."""
    columns = np.flatnonzero(mask.any(axis=0))
    rows = np.flatnonzero(mask.any(axis=1))
    x, y = int(columns[0]), int(rows[0])
    return x, y, int(columns[-1]) + 1 - x, int(rows[-1]) + 1 - y


def box_iou(first: Box, second: Box) -> float:
    """Return the intersection over union of two ``(x, y, w, h)`` boxes."""
    wide = min(first[0] + first[2], second[0] + second[2]) - max(first[0], second[0])
    tall = min(first[1] + first[3], second[1] + second[3]) - max(first[1], second[1])
    shared = max(wide, 0.0) * max(tall, 0.0)
    return shared / (first[2] * first[3] + second[2] * second[3] - shared)


# --- drawing --------------------------------------------------------------------------------------


def rasterise(outline: np.ndarray, width: int, height: int) -> np.ndarray:
    """Return the share of each pixel that a polygon covers, shape ``(height, width)``."""
    canvas = Image.new("L", (width * SUPERSAMPLE, height * SUPERSAMPLE))
    corners = [(float(x) * SUPERSAMPLE - 0.5, float(y) * SUPERSAMPLE - 0.5) for x, y in outline]
    ImageDraw.Draw(canvas).polygon(corners, fill=1)
    fine = np.asarray(canvas, dtype=np.float64)
    return fine.reshape(height, SUPERSAMPLE, width, SUPERSAMPLE).mean(axis=(1, 3))


def smooth_noise(rng: np.random.Generator, width: int, height: int, cell: int) -> np.ndarray:
    """Return noise that varies over about ``cell`` pixels, with a spread of about one."""
    coarse = rng.normal(size=(height // cell + 2, width // cell + 2)).astype(np.float32)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def draw_background(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """Return a textured background, float RGB in 0..255, shape ``(height, width, 3)``."""
    base = random_colour(rng, saturation=(0.05, 0.4), value=(0.25, 0.8))
    far = base + rng.uniform(-45, 45, size=3)
    rows, columns = np.mgrid[0:height, 0:width]
    angle = rng.uniform(0, 2 * np.pi)
    along = columns * np.cos(angle) + rows * np.sin(angle)
    ramp = (along - along.min()) / (along.max() - along.min())
    pixels = base + ramp[..., None] * (far - base)
    texture = 9 * smooth_noise(rng, width, height, 24) + 5 * smooth_noise(rng, width, height, 7)
    if rng.random() < 0.4:
        texture = texture + 7 * np.sin(along * rng.uniform(0.2, 0.5) + 0.5 * texture)
    return pixels + texture[..., None] * rng.uniform(0.7, 1.3, size=3)


def random_colour(rng: np.random.Generator, saturation: tuple[float, float], value: tuple[float, float]) -> np.ndarray:
    """Return a random RGB colour in 0..255 of a saturation and a value in the given ranges."""
    hue, grey, light = rng.random(), rng.uniform(*saturation), rng.uniform(*value)
    return 255 * np.array(colorsys.hsv_to_rgb(hue, grey, light))


def contrasting_colour(rng: np.random.Generator, around: np.ndarray) -> np.ndarray:
    """Return a random strong colour at some distance from the colour ``around``."""
    colour = random_colour(rng, (0.5, 1.0), (0.3, 1.0))
    for _ in range(50):
        if np.linalg.norm(colour - around) >= 110:
            break
        colour = random_colour(rng, (0.5, 1.0), (0.3, 1.0))
    return colour


def paint(rng: np.random.Generator, pixels: np.ndarray, shape: Shape) -> np.ndarray:
    """Return the pixels with a shape laid over them, in a colour of its own."""
    under = pixels[shape.mask].mean(axis=0)
    height, width = shape.coverage.shape
    fill = contrasting_colour(rng, under) + 5 * smooth_noise(rng, width, height, 12)[..., None]
    return pixels + shape.coverage[..., None] * (fill - pixels)


# --- scenes ---------------------------------------------------------------------------------------


def choose_side(rng: np.random.Generator, big: bool) -> float:
    """Return the side of the square whose area a shape is to have."""
    if big:
        return float(rng.uniform(99, 120))
    return float(rng.uniform(10, 28) if rng.random() < 0.4 else rng.uniform(34, 56))


def propose_shape(rng: np.random.Generator, plan: ImagePlan, side: float, inside: bool) -> Shape:
    """Draw one random shape at a random place, if not `inside` then perhaps over the border."""
    label = int(rng.integers(len(NAMES)))
    outline = turned_outline(label, side, float(rng.uniform(0, 2 * np.pi)))
    size = np.array([plan.width, plan.height])
    reach = np.abs(outline).max(axis=0)
    margin = np.minimum(reach + 1, size / 2) if inside else -0.1 * reach
    outline = np.round(outline + rng.uniform(margin, size - margin), 2)
    return Shape(label, outline, rasterise(outline, plan.width, plan.height))


def visible_masks(shapes: Sequence[Shape]) -> list[np.ndarray]:
    """Return what of each shape is left in view by the shapes drawn after it."""
    seen = []
    above: np.ndarray | None = None
    for shape in reversed(shapes):
        seen.append(shape.mask if above is None else shape.mask & ~above)
        above = shape.mask if above is None else above | shape.mask
    return seen[::-1]


def hidden_shares(shapes: Sequence[Shape]) -> list[float]:
    """Return the share of each whole shape that is out of the image or under a later shape."""
    pairs = zip(shapes, visible_masks(shapes), strict=True)
    return [max(0.0, 1 - float(mask.sum()) / outline_area(shape.outline)) for shape, mask in pairs]


def choose_shapes(rng: np.random.Generator, plan: ImagePlan) -> list[Shape]:
    """Choose an image's shapes so that none is hidden beyond recognition.

    Most shapes stay clear of the others; about one in three may overlap them.
    """
    shapes: list[Shape] = []
    for number in range(plan.shapes):
        big = number == 0 and (plan.width, plan.height) == LARGE_SIZE
        side = choose_side(rng, big)
        may_overlap = rng.random() < 0.35
        inside = big or rng.random() >= 0.08
        for _ in range(60):
            shape = propose_shape(rng, plan, side, inside)
            if int(shape.mask.sum()) < 40:
                continue
            if not may_overlap and any((shape.mask & other.mask).any() for other in shapes):
                continue
            if max(hidden_shares([*shapes, shape])) <= 0.65:
                shapes.append(shape)
                break
    return shapes


def shape_truth(plan: ImagePlan, shape: Shape, hidden: float) -> Truth:
    """Return a shape's label; the box ignores what other shapes cover, but ends at the border."""
    area = int(shape.mask.sum())
    low, high = shape.outline.min(axis=0), shape.outline.max(axis=0)
    outside = bool((low < -0.5).any() or (high > np.array([plan.width, plan.height]) + 0.5).any())
    polygon = clip_outline(shape.outline, plan.width, plan.height)
    return Truth(shape.label, mask_box(shape.extent), area, polygon, hidden, outside)


def draw_scene(seed: int, plan: ImagePlan) -> Scene:
    """Draw one planned image and label it."""
    rng = np.random.default_rng([seed, STREAM_SCENE, plan.image_id])
    pixels = draw_background(rng, plan.width, plan.height)
    shapes = choose_shapes(rng, plan)
    for shape in shapes:
        pixels = paint(rng, pixels, shape)
    pixels = pixels + rng.normal(scale=4.0, size=pixels.shape)
    pairs = zip(shapes, hidden_shares(shapes), strict=True)
    truths = [shape_truth(plan, shape, hidden) for shape, hidden in pairs]
    return Scene(plan, np.clip(np.rint(pixels), 0, 255).astype(np.uint8), truths)


def mark_difficult(scenes: Sequence[Scene]) -> list[Scene]:
    """Mark the most hidden truths of each split as difficult."""
    marked: set[tuple[int, int]] = set()
    for split in SPLITS:
        ranked = sorted(
            (-truth.hidden, scene.plan.image_id, number)
            for scene in scenes
            if scene.plan.split == split
            for number, truth in enumerate(scene.truths)
        )
        marked.update((image_id, number) for _, image_id, number in ranked[:DIFFICULT_PER_SPLIT])
    return [
        replace(
            scene,
            truths=[
                replace(truth, difficult=(scene.plan.image_id, number) in marked)
                for number, truth in enumerate(scene.truths)
            ],
        )
        for scene in scenes
    ]


# --- the simulated detector -----------------------------------------------------------------------


def simulate_detector(seed: int, model: int, skill: DetectorSkill, scenes: Iterable[Scene]) -> list[Detection]:
    """Make up what a detector of some skill would answer.

    Parameters
    ----------
    seed
        Seed of the whole data set.
    model
        Number of the model, so that two models err differently.
    skill
        How good the detector is.
    scenes
        The labelled images. The first one without a shape gets no detection at all.

    Returns
    -------
    list of Detection
        By image, best score first. No two scores are equal, so every reader ranks them the same.
    """
    found: list[Detection] = []
    quiet: int | None = None
    for scene in scenes:
        if not scene.truths and quiet is None:
            quiet = scene.plan.image_id
            continue
        rng = np.random.default_rng([seed, STREAM_DETECTOR, model, scene.plan.image_id])
        for truth in scene.truths:
            found.extend(detect_truth(rng, skill, scene.plan, truth))
        found.extend(detect_background(rng, skill, scene))
    return sorted(separate_scores(found), key=lambda item: (item.image.image_id, -item.score))


def detect_truth(rng: np.random.Generator, skill: DetectorSkill, plan: ImagePlan, truth: Truth) -> list[Detection]:
    """Return no, one or two detections for one true object."""
    miss = skill.miss_small if truth.area < 32 * 32 else skill.miss_other
    if rng.random() < miss + 0.4 * truth.hidden:
        return []
    box = jitter_box(rng, truth.box, skill.jitter, plan)
    score = iou_score(rng, box_iou(box, truth.box))
    label = truth.label
    if rng.random() < skill.confuse:
        label = (label + int(rng.integers(1, len(NAMES)))) % len(NAMES)
        score *= 0.75
    found = [Detection(plan, label, box, score)]
    if rng.random() < skill.duplicate:
        loose = jitter_box(rng, truth.box, 3 * skill.jitter, plan)
        found.append(Detection(plan, truth.label, loose, 0.8 * iou_score(rng, box_iou(loose, truth.box))))
    return found


def detect_background(rng: np.random.Generator, skill: DetectorSkill, scene: Scene) -> list[Detection]:
    """Return detections on places where there is nothing, mostly of low score."""
    plan = scene.plan
    found = []
    for _ in range(int(rng.poisson(skill.background))):
        side = np.exp(rng.uniform(np.log(8), np.log(0.4 * min(plan.width, plan.height))))
        width, height = side * rng.uniform(0.7, 1.4, size=2)
        box = (rng.uniform(0, plan.width - width), rng.uniform(0, plan.height - height), width, height)
        score = 0.06 + 0.7 * rng.beta(1.3, 4.0)
        if all(box_iou(box, truth.box) < 0.3 for truth in scene.truths):
            found.append(Detection(plan, int(rng.integers(len(NAMES))), tidy_box(box, plan), score))
    return found


def jitter_box(rng: np.random.Generator, box: Box, jitter: float, plan: ImagePlan) -> Box:
    """Return a box shifted and scaled at random; small boxes are harder to place."""
    x, y, width, height = box
    spread = jitter + 0.6 * jitter * min(1.0, 16 / np.sqrt(width * height))
    shift_x, shift_y, grow_x, grow_y = rng.normal(scale=spread, size=4)
    new_width, new_height = width * np.exp(grow_x), height * np.exp(grow_y)
    centre_x, centre_y = x + width / 2 + shift_x * width, y + height / 2 + shift_y * height
    return tidy_box((centre_x - new_width / 2, centre_y - new_height / 2, new_width, new_height), plan)


def tidy_box(box: Box, plan: ImagePlan) -> Box:
    """Clip a box to the image and round it to the 0.01 pixel that the files keep."""
    left, right = max(float(box[0]), 0.0), min(float(box[0] + box[2]), float(plan.width))
    top, bottom = max(float(box[1]), 0.0), min(float(box[1] + box[3]), float(plan.height))
    left, top, right, bottom = (round(edge, 2) for edge in (left, top, right, bottom))
    return left, top, round(right - left, 2), round(bottom - top, 2)


def iou_score(rng: np.random.Generator, iou: float) -> float:
    """Return a noisy score that rises with a detection's overlap with the truth."""
    logit = 7 * (iou - 0.62) + rng.normal(scale=0.9)
    return float(1 / (1 + np.exp(-logit)))


def separate_scores(found: Iterable[Detection]) -> list[Detection]:
    """Round scores to three decimals in 0.001..0.999, lowering each to the next one still free."""
    taken: set[int] = set()
    result = []
    for item in found:
        score = min(999, max(1, round(1000 * item.score)))
        while score in taken:
            score = score - 1 if score > 1 else 999
        taken.add(score)
        result.append(replace(item, score=score / 1000))
    return result


# --- writing --------------------------------------------------------------------------------------


def write_text(path: Path, text: str) -> None:
    """Write a text file with Unix line ends, making its folder when needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")


def join_lines(lines: Iterable[str]) -> str:
    """Join lines, each ended by a newline; no lines give an empty text."""
    return "".join(f"{line}\n" for line in lines)


def write_images(out: Path, scenes: Iterable[Scene]) -> None:
    """Write the images as JPEG into ``images/SPLIT``."""
    for scene in scenes:
        path = out / "images" / scene.plan.split / f"{scene.plan.name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(scene.pixels).save(path, "JPEG", quality=JPEG_QUALITY, optimize=True)


def yolo_numbers(box: Box, plan: ImagePlan) -> Box:
    """Return centre and size of a box relative to its image."""
    x, y, width, height = box
    return (
        (x + width / 2) / plan.width,
        (y + height / 2) / plan.height,
        width / plan.width,
        height / plan.height,
    )


def write_yolo(out: Path, scenes: Iterable[Scene]) -> None:
    """Write ``data.yaml`` and the YOLO labels; of the images without shapes one has an empty file."""
    names = join_lines(f"  - {name}" for name in NAMES)
    write_text(out / "data.yaml", f"{MARKER}\npath: .\ntrain: images/train\nval: images/val\nnames:\n{names}")
    empty_written = False
    for scene in scenes:
        if not scene.truths:
            if empty_written:
                continue
            empty_written = True
        lines = (
            " ".join([str(truth.label), *map(repr, yolo_numbers(truth.box, scene.plan))]) for truth in scene.truths
        )
        write_text(out / "labels" / scene.plan.split / f"{scene.plan.name}.txt", join_lines(lines))


def dump_records(records: Sequence[dict[str, Any]], indent: str = "") -> str:
    """Return a JSON list with one record a line, which keeps differences readable."""
    lines = ",\n".join(indent + json.dumps(record, separators=(",", ":")) for record in records)
    return f"[\n{lines}\n{indent[:-1]}]"


def coco_image(plan: ImagePlan) -> dict[str, Any]:
    """Return an image's COCO record."""
    return {"id": plan.image_id, "width": plan.width, "height": plan.height, "file_name": f"{plan.name}.jpg"}


def coco_annotation(number: int, plan: ImagePlan, truth: Truth) -> dict[str, Any]:
    """Return a truth's COCO record."""
    return {
        "id": number,
        "image_id": plan.image_id,
        "category_id": truth.label + 1,
        "bbox": list(truth.box),
        "area": truth.area,
        "iscrowd": 0,
        "segmentation": [truth.polygon],
    }


def write_coco(out: Path, scenes: Iterable[Scene]) -> None:
    """Write ``coco/instances_SPLIT.json``; image and annotation ids are unique over both splits."""
    categories = [{"id": i, "name": name, "supercategory": "shape"} for i, name in enumerate(NAMES, 1)]
    images: dict[str, list[dict[str, Any]]] = {split: [] for split in SPLITS}
    annotations: dict[str, list[dict[str, Any]]] = {split: [] for split in SPLITS}
    number = 0
    for scene in scenes:
        images[scene.plan.split].append(coco_image(scene.plan))
        for truth in scene.truths:
            number += 1
            annotations[scene.plan.split].append(coco_annotation(number, scene.plan, truth))
    for split in SPLITS:
        info = json.dumps({"description": f"detkit demo shapes, {split}", "version": "1.0"})
        parts = [f'"info": {info}', '"licenses": []']
        for key, records in (
            ("images", images[split]),
            ("annotations", annotations[split]),
            ("categories", categories),
        ):
            parts.append(f'"{key}": {dump_records(records)}')
        write_text(out / "coco" / f"instances_{split}.json", "{\n" + ",\n".join(parts) + "\n}\n")


def voc_object(truth: Truth) -> list[str]:
    """Return the lines of one VOC object; VOC counts pixels from 1 and includes the last one."""
    x, y, width, height = truth.box
    return [
        "  <object>",
        f"    <name>{escape(NAMES[truth.label])}</name>",
        "    <pose>Unspecified</pose>",
        f"    <truncated>{int(truth.truncated)}</truncated>",
        f"    <difficult>{int(truth.difficult)}</difficult>",
        "    <bndbox>",
        f"      <xmin>{x + 1}</xmin>",
        f"      <ymin>{y + 1}</ymin>",
        f"      <xmax>{x + width}</xmax>",
        f"      <ymax>{y + height}</ymax>",
        "    </bndbox>",
        "  </object>",
    ]


def voc_annotation(scene: Scene) -> str:
    """Return one image's VOC annotation."""
    plan = scene.plan
    lines = [
        "<annotation>",
        f"  <folder>images/{plan.split}</folder>",
        f"  <filename>{plan.name}.jpg</filename>",
        "  <size>",
        f"    <width>{plan.width}</width>",
        f"    <height>{plan.height}</height>",
        "    <depth>3</depth>",
        "  </size>",
        "  <segmented>0</segmented>",
    ]
    for truth in scene.truths:
        lines.extend(voc_object(truth))
    return join_lines([*lines, "</annotation>"])


def write_voc(out: Path, scenes: Sequence[Scene]) -> None:
    """Write the VOC annotations and the image lists of the splits."""
    for scene in scenes:
        write_text(out / "voc" / "Annotations" / f"{scene.plan.name}.xml", voc_annotation(scene))
    for split in SPLITS:
        names = (scene.plan.name for scene in scenes if scene.plan.split == split)
        write_text(out / "voc" / "ImageSets" / "Main" / f"{split}.txt", join_lines(names))


def write_coco_results(path: Path, detections: Iterable[Detection]) -> None:
    """Write detections as a COCO results file."""
    records = [
        {
            "image_id": item.image.image_id,
            "category_id": item.label + 1,
            "bbox": list(item.box),
            "score": item.score,
        }
        for item in detections
    ]
    write_text(path, dump_records(records) + "\n")


def write_yolo_results(folder: Path, detections: Iterable[Detection]) -> None:
    """Write detections as YOLO text files with a confidence; no file where nothing was found."""
    lines: dict[str, list[str]] = {}
    for item in detections:
        numbers = (*yolo_numbers(item.box, item.image), item.score)
        line = " ".join([str(item.label), *(f"{number:.6f}" for number in numbers)])
        lines.setdefault(item.image.name, []).append(line)
    for name, found in lines.items():
        write_text(folder / f"{name}.txt", join_lines(found))


def write_voc_results(folder: Path, detections: Sequence[Detection]) -> None:
    """Write detections as one VOC results file per class."""
    for label, name in enumerate(NAMES):
        lines = []
        for item in detections:
            if item.label == label:
                x, y, width, height = item.box
                edges = (x + 1, y + 1, x + width, y + height)
                box = " ".join(f"{edge:.2f}" for edge in edges)
                lines.append(f"{item.image.name} {item.score:.3f} {box}")
        write_text(folder / f"comp4_det_test_{name}.txt", join_lines(lines))


def write_predictions(out: Path, seed: int, scenes: Sequence[Scene]) -> None:
    """Simulate both detectors on the validation split and write what they found."""
    val = [scene for scene in scenes if scene.plan.split == "val"]
    good = simulate_detector(seed, 0, GOOD, val)
    folder = out / "predictions"
    write_coco_results(folder / "coco.json", good)
    write_yolo_results(folder / "yolo", good)
    write_voc_results(folder / "voc", good)
    write_coco_results(folder / "coco_worse.json", simulate_detector(seed, 1, WORSE, val))


def write_readme(out: Path, seed: int, scenes: Sequence[Scene]) -> None:
    """Write a short account of the folder."""
    truths = sum(len(scene.truths) for scene in scenes)
    sizes = f"{SPLITS['train']} train, {SPLITS['val']} val"
    text = f"""\
# Demo data set

{len(scenes)} drawn images ({sizes}) with {truths} shapes of {len(NAMES)} classes: {", ".join(NAMES)}.
Made by `python tools/make_demo.py --out fixtures/demo --seed {seed}`; do not edit by hand.

- `images/`: the JPEG files, shared by all formats. `data.yaml`, `labels/`: YOLO (one image without shapes
  has an empty file, the others have none). `coco/`: COCO. `voc/`: Pascal VOC, with the most hidden shapes
  marked difficult. All three hold the same boxes: tight around the shape as drawn, whatever later covers it.
- `predictions/`: what a simulated detector, not a trained one, finds on val: `coco.json`, `yolo/` and
  `voc/` are the same detections; `coco_worse.json` is a second, weaker one.

Licence: own work, Apache-2.0; no third-party material.
"""
    write_text(out / "README.md", text)


def clear_output(out: Path) -> None:
    """Remove an earlier run's folders; refuse a folder that holds something else.

    Raises
    ------
    SystemExit
        If `out` has content and no ``data.yaml`` of this script.
    """
    if not out.exists() or not any(out.iterdir()):
        return
    listing = out / "data.yaml"
    if not listing.is_file() or not listing.read_text(encoding="utf-8").startswith(MARKER):
        raise SystemExit(f"{out}: not empty and not written by this script; give another folder")
    for name in OWN_FOLDERS:
        if (out / name).exists():
            shutil.rmtree(out / name)


def make_demo(out: Path, seed: int) -> list[Scene]:
    """Draw the data set and write all of it.

    Parameters
    ----------
    out
        Folder to write; made when missing, emptied of an earlier run.
    seed
        Seed of all random choices.

    Returns
    -------
    list of Scene
        The images and their truths, in name order.
    """
    clear_output(out)
    scenes = mark_difficult([draw_scene(seed, plan) for plan in plan_images(seed)])
    write_yolo(out, scenes)
    write_images(out, scenes)
    write_coco(out, scenes)
    write_voc(out, scenes)
    write_predictions(out, seed, scenes)
    write_readme(out, seed, scenes)
    return scenes


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--seed", type=int, default=0, help="seed of all random choices (default 0)")
    args = parser.parse_args(argv)
    scenes = make_demo(args.out, args.seed)
    size = sum(path.stat().st_size for path in args.out.rglob("*") if path.is_file())
    truths = sum(len(scene.truths) for scene in scenes)
    print(f"{args.out}: {len(scenes)} images, {truths} shapes, {size / 1000:.0f} kB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
