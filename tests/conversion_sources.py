"""Small datasets that hold all that a format can: the sources of `conversion_matrix`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from detkit import formats
from detkit.tables import Categories, Dataset, Images, Ragged, Shapes, id_array

OUTLINES = ("polygons", "rle", "keypoints", "oriented")

FILES = ("a.jpg", "night/b c.png", "c.v2.JPG", "nothing.jpg")
SIZES = ((640, 480), (333, 251), (97, 1021), (64, 64))
CLASS_NAMES = ("person", "traffic light", "größe")
#: Image of each row, class of each row, box: whole and broken pixels, the whole image, one pixel wide.
ROWS = (0, 0, 0, 1, 1, 2)
CLASSES = (1, 0, 1, 2, 0, 0)
BOXES = (
    (10, 20, 30, 40),
    (0, 0, 640, 480),
    (5.5, 6.25, 1, 7),
    (100.125, 3, 200.5, 248),
    (20, 60, 48, 50),
    (1, 1, 90, 1000),
)
#: Masks are made of whole pixels.
WHOLE_BOXES = tuple(tuple(np.floor(box).tolist()) for box in BOXES)
_WEATHER = np.array([None, "rain", "fog", "rain", None, "sun"], dtype=object)
_FLAGS = np.array([1, 0, np.nan, 1, 0, 0])
_SHARES = np.array([0, 0.25, np.nan, 1, 0.5, 0])
_TRIPLES = np.array([None, None, None, None, None, None], dtype=object)
_TRIPLES[0] = [1.5, 0.5, 2.25]
_POSES = np.array(["Left", "", "Frontal", "", "Rear", "Left"], dtype=object)
#: format -> values of the attribute columns that have a form of their own; others are flags.
ATTRIBUTES: dict[str, dict[str, Any]] = {
    "kitti": {"truncated": _SHARES, "alpha": _SHARES, "rotation_y": _SHARES, "dimensions": _TRIPLES,
              "location": _TRIPLES},
    "mot": {"track_id": np.array([1, 2, 3, 1, 2, 5.0]), "visibility": _SHARES},
    "openimages": {"confidence": np.array([1, 0.5, 1, 1, 1, 1]), "source": np.array(["xclick"] * 6, dtype=object)},
    "voc": {"pose": _POSES},
}  # fmt: skip


def flavours(name: str) -> tuple[str, ...]:
    """The kinds of outlines that a format holds, or `boxes` where it holds none."""
    held = formats.capabilities(name).holds
    return tuple(kind for kind in OUTLINES if kind in held) or ("boxes",)


def source(name: str, flavour: str, photos: Path) -> Dataset:
    """A dataset with all that a format holds, its outlines of one kind, its image files in a folder."""
    holds = formats.capabilities(name)
    held = holds.holds
    boxes = WHOLE_BOXES if flavour == "rle" else BOXES
    areas = np.array([w * h for _, _, w, h in boxes])
    own_images, own_classes = "image_ids" in held, "category_ids" in held
    is_text = name == "openimages"
    image_ids = [40, 7, 900, 12] if own_images else [1, 2, 3, 4]
    category_ids = [3, 18, 90] if own_classes else [1, 2, 3]
    images = Images(
        id_array([f"i{i}" for i in image_ids] if is_text else image_ids),
        FILES,
        np.array(SIZES, float),
        tuple(str(photos / file) for file in FILES),
        has_own_ids=own_images,
        extra={1: {"weather": "night"}} if "extra" in held else {},
    )
    categories = Categories(
        id_array([f"/m/{i}" for i in category_ids] if is_text else category_ids),
        CLASS_NAMES,
        ("animal", None, "x") if "supercategories" in held else (),
        has_own_ids=own_classes,
    )
    named = {n: ATTRIBUTES.get(name, {}).get(n, _FLAGS) for n in sorted(holds.attributes)}
    return Dataset.build(
        images,
        categories,
        image_index=ROWS,
        category_index=CLASSES,
        xywh=boxes,
        area=areas * 0.75 if "area" in held else None,
        is_crowd=[False, True, False, False, False, False] if "crowds" in held else None,
        is_ignored=[False, False, True, True, False, False] if "ignored" in held else None,
        ids=id_array([51, 7, 99, 3, 1000, 2]) if "annotation_ids" in held else None,
        attributes={"weather": _WEATHER} if "attributes" in held else named,
        extra={1: {"who": "ada"}, 4: {"who": "bob"}} if "extra" in held else None,
        info={"info": {"year": 2026}, "licenses": [{"id": 1, "name": "own"}]} if "info" in held else {},
        splits={"train": np.array([0, 3]), "val": np.array([1, 2])} if "splits" in held else {},
        **_outlines(flavour),
    )


def _outlines(flavour: str) -> dict[str, Any]:
    if flavour == "polygons":
        return {"shapes": Shapes.from_rows([_polygons(i, box) for i, box in enumerate(BOXES)])}
    if flavour == "rle":
        return {"shapes": Shapes.from_rows([_mask(i) for i in range(len(BOXES))])}
    if flavour == "keypoints":
        return {"keypoints": Ragged.from_rows([_points(box) for box in BOXES], (3,))}
    if flavour == "oriented":
        return {
            "shapes": Shapes.from_rows([_corners(i, box) for i, box in enumerate(BOXES)]),
            "is_oriented": [True] * len(BOXES),
        }
    return {}


def _polygons(i: int, box: tuple[float, ...]) -> list[list[float]]:
    """A pentagon that fills the box; of the first row two parts that do so together."""
    x, y, w, h = box
    if i == 0:
        return [[x, y, x + w / 4, y, x, y + h / 4], [x + w, y + h, x + w / 2, y + h, x + w, y + h / 2]]
    return [[x + w / 2, y, x + w, y, x + w, y + h, x, y + h, x, y + h / 2]]


def _corners(i: int, box: tuple[float, ...]) -> list[list[float]]:
    """The box itself; the fifth row is a rectangle of 40 by 30 pixels, turned so that its sides are 3 to 4."""
    x, y, w, h = box
    if i == 4:  # sides (24, 32) and (-24, 18): 48 by 50 pixels around it, as in `BOXES`
        return [[x + 24, y, x + 48, y + 32, x + 24, y + 50, x, y + 18]]
    return [[x, y, x + w, y, x + w, y + h, x, y + h]]


def _mask(i: int) -> dict[str, Any]:
    width, height = SIZES[ROWS[i]]
    x, y, w, h = (int(v) for v in WHOLE_BOXES[i])
    counts = [x * height + y, h, *([height - h, h] * (w - 1))]
    return {"size": [height, width], "counts": [*counts, width * height - sum(counts)]}


def _points(box: tuple[float, ...]) -> list[list[float]]:
    x, y, w, h = box
    return [[x + w / 2, y + h / 2, 2], [x + w, y, 1], [0, 0, 0]]
