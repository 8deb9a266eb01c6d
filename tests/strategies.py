"""Inputs for tests: seeded COCO cases weighted to what breaks evaluators, and hypothesis strategies for kernels."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from detkit.tables import Categories, Dataset, Detections, Images, id_array
from parity.harness import Params, Results, Truth

Box = list[float]

SCORES = (0.0, -0.0, 0.1, 0.3, 0.1 + 0.2, 0.5, 0.5, 0.5, 0.9, 1.0, -1.0, -0.5, 2.0, 17, 1e-300, 1 - 2**-53)
AREAS = (0.0, 1.0, 1023.0, 1024.0, 1024.0000000001, 1025.0, 9215.0, 9216.0, 9217.0, 1e10, 1e10 + 2, 5e11)


@dataclass(frozen=True)
class Case:
    """One truth with results."""

    gt: Truth
    dt: Results
    iou_type: str = "bbox"


def draw_box(rng: random.Random, width: float, height: float) -> Box:
    """A box of one of the kinds that evaluators get wrong."""
    kind = rng.random()
    x, y = 5 * rng.randrange(0, 12), 5 * rng.randrange(0, 12)
    if kind < 0.40:
        return [x, y, 10 * rng.randrange(1, 5), 10 * rng.randrange(1, 5)]
    if kind < 0.50:
        side = rng.choice([32, 96, 16, 64])
        return [x, y, side, 1024 / side if side in (16, 32, 64) else side]
    if kind < 0.60:
        return [rng.uniform(-20, 80), rng.uniform(-20, 80), rng.uniform(0.5, 60), rng.uniform(0.5, 60)]
    if kind < 0.66:
        return [0, 0, width, height]
    if kind < 0.74:
        return [x, y, *rng.choice([(0, 10), (10, 0), (0, 0), (0.0, -0.0)])]
    if kind < 0.82:
        return [-x - 5, -y - 5, 30, 40]
    if kind < 0.86:
        return [0, 0, 1e5, 1e5]
    if kind < 0.91:
        side = rng.choice([1e-9, 2e-9, 1e-8])
        return [x, y, side, 1e-9]
    if kind < 0.95:
        far = rng.choice([1e7, 2.0**31, 1e15])
        return [far, -far, 50, 60]
    if kind < 0.98:
        side = rng.choice([1e7, 1e100, 3.0])
        return [-side / 2, 0, side, side]
    # A negative side, and sides whose product underflows: overlap 0 / 0.
    return rng.choice([[x, y, -5, 10], [x, y, 1e-200, 1e-200], [x, y, -3, -4]])


def near(rng: random.Random, box: Box) -> Box:
    """A box that overlaps another by a chosen share: the same, exactly a threshold, touching, or about."""
    x, y, w, h = box
    kind = rng.random()
    if kind < 0.30:
        return list(box)
    if kind < 0.60:
        share = rng.choice([0.5, 0.75, 0.95, 0.55, 0.6, 0.65, 0.7, 0.8, 0.85, 0.9])
        return [x, y, w * share, h] if rng.random() < 0.5 else [x, y, w, h / share]
    if kind < 0.70:
        return [x + w, y, w, h]
    if kind < 0.85:
        return [x + rng.choice([-5, 5, 1, 0.5]), y + rng.choice([-5, 0, 5]), w, h]
    return [x + rng.uniform(-3, 3), y + rng.uniform(-3, 3), abs(w * rng.uniform(0.7, 1.4)), abs(h)]


def draw_score(rng: random.Random) -> float:
    """Mostly few distinct values, so that many are equal."""
    kind = rng.random()
    if kind < 0.5:
        return rng.choice(SCORES)
    return round(rng.random(), 1) if kind < 0.8 else rng.random()


def draw_area(rng: random.Random, box: Box) -> float:
    """The area as stated: mostly the box's own, else at a limit of the area ranges."""
    kind = rng.random()
    own = box[2] * box[3]
    if kind < 0.6:
        return own
    return rng.choice(AREAS) if kind < 0.9 else own * rng.uniform(0.3, 0.9)


def box_case(seed: int, *, quirks: bool = True) -> Case:
    """A case of boxes: odd ids, odd boxes, equal scores, crowds, empty images, too many detections."""
    rng = random.Random(f"boxes {seed}")
    images, classes = _images(rng), _classes(rng)
    gt = _truth(rng, images, classes, draw_box)
    dt = _results(rng, gt, draw_box)
    if quirks:
        _spoil_ids(rng, gt)
    return Case(gt, dt)


def segm_case(seed: int, *, quirks: bool = True) -> Case:
    """A case of masks: polygons of one and two parts, compressed and uncompressed runs, crowds."""
    rng = random.Random(f"masks {seed}")
    images, classes = _images(rng, side=(40, 60)), _classes(rng)
    gt = _truth(rng, images, classes, _box_inside)
    sizes = {row["id"]: (row["height"], row["width"]) for row in images}
    for row in gt["annotations"]:
        row["segmentation"] = _outline(rng, row["bbox"], sizes[row["image_id"]], counts=True)
    dt = _results(rng, gt, _box_inside)
    # Only results with boxes may hold polygons or uncompressed runs: loadRes takes areas of compressed ones alone.
    boxed = rng.random() < 0.5
    for row in dt:
        row["segmentation"] = _outline(rng, row["bbox"], sizes.get(row["image_id"], (60, 60)), counts=boxed, dt=True)
        if not boxed:
            del row["bbox"]
    if quirks:
        _spoil_ids(rng, gt)
    return Case(gt, dt, "segm")


def keypoint_case(seed: int, *, quirks: bool = True) -> Case:
    """A case of keypoints: nobody visible, no keypoints at all, results with and without boxes."""
    rng = random.Random(f"keypoints {seed}")
    images, classes = _images(rng), [{"id": rng.choice([1, 7]), "name": "person"}]
    gt = _truth(rng, images, classes, draw_box)
    whole = rng.random() < 0.5
    for row in gt["annotations"]:
        row["keypoints"] = _points(rng, row["bbox"], whole, rng.choice([0.0, 0.1, 0.6, 1.0]))
        # What is seen and what is stated may differ.
        seen = sum(v > 0 for v in row["keypoints"][2::3])
        row["num_keypoints"] = rng.choice([seen, seen, seen, 0, 3])
    dt = _results(rng, gt, draw_box)
    by_image = {row["image_id"]: row for row in gt["annotations"]}
    boxed = rng.random() < 0.4
    for row in dt:
        model = by_image.get(row["image_id"])
        if model is not None and rng.random() < 0.7:
            shift = rng.choice([0, 0, 1, 2.5, 30])
            points = [v + shift if n % 3 < 2 else 1 for n, v in enumerate(model["keypoints"])]
        else:
            points = _points(rng, row["bbox"], whole, 1.0)
        row["keypoints"] = points
        if not boxed:
            del row["bbox"]
    if quirks:
        _spoil_ids(rng, gt)
    return Case(gt, dt, "keypoints")


def parameter_sets(case: Case, seed: int) -> list[Params]:
    """Several ways to score a case, each by default and under strict parity where they can differ."""
    rng = random.Random(f"parameters {seed}")
    base = Params(case.iou_type)
    image_ids = [row["id"] for row in case.gt["images"]]
    class_ids = [row["id"] for row in case.gt["categories"]]
    ids = [row["id"] for row in case.gt["annotations"]]
    caps = rng.choice(
        [(1, 2, 3), (1, 10, 500), (100, 1, 10), (2, 3, 5, 100), (1, 2, 3, 4, 5), (5,), (1, 100), (3, 100)]
    )
    thresholds = rng.choice([(0.5,), (0.75,), (0.3, 0.5, 0.55), (1.0,), (0.1, 0.2, 0.999), (0.5, 0.6, 0.75, 0.95)])
    areas = rng.choice(
        [
            (("all", 0.0, 1e10),),
            (("all", 0.0, 1024.0), ("small", 1024.0, 1024.0), ("large", 1025.0, 9216.0)),
            (("all", 0.0, 1e12), ("tiny", 0.0, 256.0), ("medium", 256.0, 9216.0)),
        ]
    )
    sets = [
        base,
        replace(base, strict_parity=True),
        replace(base, max_dets=caps, strict_parity=True),
        replace(base, max_dets=caps),
        replace(base, iou_thrs=thresholds, area_rng=areas),
        replace(base, use_cats=False, strict_parity=True),
    ]
    if case.iou_type != "keypoints":
        sets.append(replace(base, use_cats=False, max_dets=rng.choice([None, (1, 2, 3)])))
    else:
        sets.append(replace(base, sigmas=tuple(np.linspace(0.02, 0.1, 17).tolist())))
    # Records that share an id across a subset's border have no like in a subset taken beforehand; and in a subset a
    # file name that is the number of an image outside it may rightly be taken for that number.
    misnamed = any(int(row["file_name"].removesuffix(".jpg")) != row["id"] for row in case.gt["images"])
    if len(set(ids)) == len(ids) and not misnamed:
        some = tuple(rng.sample(image_ids, rng.randrange(1, len(image_ids) + 1)))
        kept = tuple(rng.sample(class_ids, rng.randrange(1, len(class_ids) + 1)))
        sets.append(replace(base, img_ids=some, strict_parity=True))
        sets.append(
            replace(base, cat_ids=kept, img_ids=some, use_cats=rng.random() < 0.7 or base.iou_type == "keypoints")
        )
    return sets


def _images(rng: random.Random, side: tuple[int, int] = (90, 120)) -> list[dict[str, Any]]:
    count = rng.choice([1, 2, 3, 4, 6])
    start = rng.choice([0, 1, 1, 7])
    ids = list(range(start, start + count))
    if rng.random() < 0.5:
        ids = rng.sample([0, 1, 2, 3, 5, 8, 13, 100, 139, 581929, 2**31, 2**53 - 1], count)
    rng.shuffle(ids)
    # Numbers in file names are other images' ids: images must meet by id nevertheless.
    names = rng.sample(ids, count) if rng.random() < 0.4 else ids
    return [
        {"id": i, "width": rng.randint(*side), "height": rng.randint(*side), "file_name": f"{n:012d}.jpg"}
        for i, n in zip(ids, names, strict=True)
    ]


def _classes(rng: random.Random) -> list[dict[str, Any]]:
    ids = rng.sample([0, 1, 2, 3, 5, 17, 18, 90], rng.choice([1, 2, 3, 4]))
    return [{"id": k, "name": f"class {k}"} for k in ids]


def _truth(
    rng: random.Random,
    images: list[dict[str, Any]],
    classes: list[dict[str, Any]],
    draw: Callable[[random.Random, float, float], Box],
) -> Truth:
    labelled = [image for image in images if rng.random() < 0.85]
    used = [k for k in classes if rng.random() < 0.85]
    rows: list[dict[str, Any]] = []
    for _ in range(rng.choice([0, 1, 3, 6, 10, 15]) if labelled and used else 0):
        image = rng.choice(labelled)
        box = (
            near(rng, rng.choice(rows)["bbox"])
            if rows and rng.random() < 0.2
            else draw(rng, image["width"], image["height"])
        )
        rows.append(
            {
                "id": 0,
                "image_id": image["id"],
                "category_id": rng.choice(used)["id"],
                "bbox": box,
                "area": draw_area(rng, box),
                "iscrowd": int(rng.random() < 0.2),
            }
        )
        if rng.random() < 0.1:
            rows[-1]["ignore"] = rng.choice([0, 1])
    ids = list(range(1, len(rows) + 1))
    if rng.random() < 0.4:
        ids = rng.sample([*range(1, 40), 2**31, 2**53 - 1, -1, -7], len(rows))
    for row, n in zip(rows, ids, strict=True):
        row["id"] = n
    return {"images": images, "categories": classes, "annotations": rows}


def _results(rng: random.Random, gt: Truth, draw: Callable[[random.Random, float, float], Box]) -> Results:
    rows: Results = []
    image_ids = [row["id"] for row in gt["images"]]
    class_ids = [row["id"] for row in gt["categories"] if rng.random() < 0.85] or [gt["categories"][0]["id"]]

    def add(image: int, category: int, box: Box) -> None:
        rows.append({"image_id": image, "category_id": category, "bbox": box, "score": draw_score(rng)})

    for row in gt["annotations"]:
        for _ in range(rng.choice([0, 1, 1, 2, 3])):
            category = row["category_id"] if rng.random() < 0.9 else rng.choice(class_ids)
            add(row["image_id"], category, near(rng, row["bbox"]))
    for _ in range(rng.choice([1, 2, 5, 8])):
        add(rng.choice(image_ids), rng.choice(class_ids), draw(rng, 100, 100))
    if rng.random() < 0.05:
        image, category = rng.choice(image_ids), rng.choice(class_ids)
        for _ in range(110):
            add(image, category, draw(rng, 100, 100))
    if rng.random() < 0.2:
        add(rng.choice(image_ids), 999, draw(rng, 100, 100))
    if rng.random() < 0.3:
        add(*[rows[0][name] for name in ("image_id", "category_id")], list(rows[0]["bbox"]))
    if rng.random() < 0.15:
        score = draw_score(rng)
        for row in rows:
            row["score"] = score
    if rng.random() < 0.7:
        rng.shuffle(rows)
    if rng.random() < 0.1:
        add(123456789, rng.choice(class_ids), draw(rng, 100, 100))
    return rows


def _spoil_ids(rng: random.Random, gt: Truth) -> None:
    """Annotation id 0, and ids that several records share."""
    rows = gt["annotations"]
    if rows and rng.random() < 0.15:
        rng.choice(rows)["id"] = 0
    if len(rows) > 1 and rng.random() < 0.15:
        for _ in range(rng.choice([1, 3])):
            rng.choice(rows)["id"] = rng.choice(rows)["id"]


def _box_inside(rng: random.Random, width: float, height: float) -> Box:
    x, y = rng.randrange(0, 20), rng.randrange(0, 20)
    return [x, y, rng.randrange(1, 20), rng.randrange(1, 20)]


def _outline(rng: random.Random, box: Box, size: tuple[int, int], *, counts: bool, dt: bool = False) -> Any:
    """Polygons, or runs of a rectangle's (or an ellipse's) pixels in an image of `size`, height and width."""
    from pycocotools import mask

    x, y, w, h = (float(v) for v in box)
    kind = rng.random()
    if counts and kind < 0.5:
        corners = [x, y, x + w, y, x + w, y + h, x, y + h]
        if rng.random() < 0.5:
            corners = [x, y, x + w, y + h / 2, x + w / 2, y + h]
        second = [x + w, y, x + w + 4, y, x + w + 4, y + 3, x + w, y + 3]
        return [corners, second] if rng.random() < 0.3 else [corners]
    rows, columns = np.mgrid[: size[0], : size[1]]
    inside = (columns >= x) & (columns < x + w) & (rows >= y) & (rows < y + h)
    if rng.random() < 0.3:
        inside &= (columns + rows) % 3 > 0
    pixels = np.asfortranarray(inside.astype(np.uint8))
    if counts and kind < 0.75:
        flat = pixels.ravel(order="F")
        edges = np.flatnonzero(np.diff(np.concatenate([[0], flat, [1 - flat[-1]]])))
        runs = np.diff(np.concatenate([[0], edges])).tolist()
        return {"size": list(size), "counts": [int(r) for r in runs]}
    found = mask.encode(pixels)
    return {"size": [int(s) for s in found["size"]], "counts": found["counts"].decode("ascii")}


def _points(rng: random.Random, box: Box, whole: bool, visible: float) -> list[float]:
    x, y, w, h = box
    # Whole numbers stay small: the reference squares them as int64, or as Python's own integers.
    whole = whole and max(abs(v) for v in box) < 1e6
    out: list[float] = []
    for _ in range(17):
        px, py = x + rng.random() * abs(w), y + rng.random() * abs(h)
        out += [
            round(px) if whole else px,
            round(py) if whole else py,
            rng.choice([1, 2]) if rng.random() < visible else 0,
        ]
    return out


# --- hypothesis --------------------------------------------------------------------------------------------------

#: Coordinates on a grid (equal overlaps, exact thresholds, touching edges), and any finite ones.
_GRID = st.integers(-4, 12).map(float)
_SIDE = st.integers(0, 8).map(float)
_ANY = st.floats(-1e4, 1e4, allow_nan=False)
_ANY_SIDE = st.one_of(st.floats(0, 1e4, allow_nan=False), st.sampled_from([0.0, -0.0, 1e-9, 1e-200, 1e100]))

grid_boxes = st.tuples(_GRID, _GRID, _SIDE, _SIDE)
_SEVENTHS = st.integers(0, 70).map(lambda n: n / 7)
#: Boxes with rounded areas that do overlap: the order of operations shows in the last bit.
uneven_boxes = st.tuples(_SEVENTHS, _SEVENTHS, _SEVENTHS, _SEVENTHS)
any_boxes = st.one_of(grid_boxes, uneven_boxes, st.tuples(_ANY, _ANY, _ANY_SIDE, _ANY_SIDE))
scores = st.one_of(st.sampled_from([0.0, -0.0, 0.25, 0.5, 1.0, -1.0, 2.0]), st.floats(-10, 10, allow_nan=False))


def box_arrays(max_size: int = 8, boxes: st.SearchStrategy[Any] = any_boxes) -> st.SearchStrategy[np.ndarray]:
    """(N, 4) float64 xywh."""
    return st.lists(boxes, max_size=max_size).map(lambda rows: np.array(rows, dtype=np.float64).reshape(-1, 4))


# --- small tables --------------------------------------------------------------------------------------------------


def truth_of(
    rows: list[tuple[int, int, Box]],
    *,
    image_ids: list[Any] | None = None,
    file_names: list[str] | None = None,
    class_ids: list[Any] | None = None,
    class_names: list[str] | None = None,
    size: tuple[float, float] = (640, 480),
    own_image_ids: bool = True,
    **rest: Any,
) -> Dataset:
    """A truth of (image position, class position, xywh) rows."""
    images = 1 + max((i for i, _, _ in rows), default=0)
    image_ids = list(range(1, images + 1)) if image_ids is None else image_ids
    file_names = [f"img_{i}.jpg" for i in image_ids] if file_names is None else file_names
    classes = 1 + max((k for _, k, _ in rows), default=0)
    class_ids = list(range(1, classes + 1)) if class_ids is None else class_ids
    class_names = [f"class {k}" for k in class_ids] if class_names is None else class_names
    return Dataset.build(
        Images(id_array(image_ids), tuple(file_names), np.array([size] * len(image_ids)), has_own_ids=own_image_ids),
        Categories(id_array(class_ids), tuple(class_names)),
        image_index=[i for i, _, _ in rows],
        category_index=[k for _, k, _ in rows],
        xywh=[box for _, _, box in rows],
        **rest,
    )


def detections_of(
    rows: list[tuple[Any, Any, Box, float]],
    *,
    class_names: list[str] | None = None,
    named_images: bool = False,
    own_class_ids: bool = True,
    image_ids: list[Any] | None = None,
    class_ids: list[Any] | None = None,
    **rest: Any,
) -> Detections:
    """Predictions of (image id or name, class id, xywh, score) rows, as a results file gives them."""
    images = list(dict.fromkeys(row[0] for row in rows)) if image_ids is None else image_ids
    classes = sorted({row[1] for row in rows}, key=str) if class_ids is None else class_ids
    count = len(images)
    return Detections.build(
        Images(
            id_array(range(1, count + 1) if named_images else images),
            tuple(images) if named_images else ("",) * count,
            np.full((count, 2), np.nan),
            has_own_ids=not named_images,
        ),
        Categories(
            id_array(classes),
            tuple(class_names or map(str, classes)),
            has_own_ids=own_class_ids,
            has_names=class_names is not None,
        ),
        image_index=[images.index(row[0]) for row in rows],
        category_index=[classes.index(row[1]) for row in rows],
        xywh=[row[2] for row in rows],
        score=[row[3] for row in rows],
        **rest,
    )
