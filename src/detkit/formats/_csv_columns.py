"""Which column of a CSV file holds what, by its header."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass

from detkit.wording import examples

__all__ = ["Columns", "columns_of", "delimiter_of"]

DELIMITERS = (",", ";", "\t")

_IMAGE_ID = ("image_id",)
_IMAGE = ("image", "file", "filename", "file_name", "image_name", "image_path")
_CLASS_ID = ("category_id",)
_CLASS = ("category", "class", "label", "class_name", "category_name", "name", "class_id")
_SCORE = ("score", "confidence", "conf")
#: The first set whose columns are all there is taken: `width` may be the image's where corners are stated.
_BOXES: tuple[tuple[str, tuple[str, str, str, str]], ...] = (
    ("xywh", ("x", "y", "width", "height")),
    ("xywh", ("x", "y", "w", "h")),
    ("xywh", ("bbox_x", "bbox_y", "bbox_width", "bbox_height")),
    ("xywh", ("bbox_x", "bbox_y", "bbox_w", "bbox_h")),
    ("xyxy", ("x1", "y1", "x2", "y2")),
    ("xyxy", ("xmin", "ymin", "xmax", "ymax")),
    ("xyxy", ("x_min", "y_min", "x_max", "y_max")),
    ("xyxy", ("left", "top", "right", "bottom")),
    ("cxcywh", ("cx", "cy", "w", "h")),
    ("cxcywh", ("cx", "cy", "width", "height")),
    ("cxcywh", ("x_center", "y_center", "width", "height")),
    ("xywh", ("left", "top", "width", "height")),
    ("xywh", ("xmin", "ymin", "width", "height")),
)


@dataclass(frozen=True)
class Columns:
    """Positions of the columns in use; None where the file has none.

    Parameters
    ----------
    image_id, image, category_id, category : int, optional
    category_name : str
        Header of the class column.
    score : int
    layout : {"xywh", "xyxy", "cxcywh"}
    box : tuple of int
        Four positions.
    unused : tuple of str
        Headers that nothing is read from.
    """

    image_id: int | None
    image: int | None
    category_id: int | None
    category: int | None
    category_name: str
    score: int
    layout: str
    box: tuple[int, int, int, int]
    unused: tuple[str, ...]


def delimiter_of(line: str) -> str:
    """The delimiter that cuts a header line into the most columns; a comma where there is none."""
    counts = {d: _columns(line, d) for d in DELIMITERS}
    return max(DELIMITERS, key=lambda d: counts[d])


def _columns(line: str, delimiter: str) -> int:
    try:
        return len(next(csv.reader([line], delimiter=delimiter), []))
    except csv.Error:  # a field of more than 131,072 characters, or a line end inside the line
        return 0


def columns_of(header: Sequence[str]) -> Columns | str:
    """The columns of a header, or what it lacks.

    Parameters
    ----------
    header : sequence of str

    Returns
    -------
    Columns, or str
        `found columns ..., expected ...`.
    """
    names = [cell.strip().lower().replace(" ", "_").replace("-", "_") for cell in header]
    doubled = sorted({n for n in names if n and names.count(n) > 1})
    if doubled:
        return f"columns that stand twice: {examples(doubled)}"

    def first(aliases: Sequence[str]) -> int | None:
        return next((names.index(a) for a in aliases if a in names), None)

    image_id, image, score = first(_IMAGE_ID), first(_IMAGE), first(_SCORE)
    category_id, category = first(_CLASS_ID), first(_CLASS)
    box = next(((layout, four) for layout, four in _BOXES if all(n in names for n in four)), None)
    missing = []
    if image_id is None and image is None:
        missing.append("an image (`image_id`, `image`, `file_name`)")
    if category_id is None and category is None:
        missing.append("a class (`category_id`, `category`, `class`, `label`)")
    if score is None:
        missing.append("a confidence (`score`, `confidence`, `conf`)")
    if box is None:
        missing.append("a box (`x,y,width,height`, `x1,y1,x2,y2`, `xmin,ymin,xmax,ymax` or `cx,cy,w,h`)")
    if missing or score is None or box is None:
        return f"found columns {examples([n[:40] for n in names], 12) or 'none'}; expected {' and '.join(missing)} too"
    four = tuple(names.index(n) for n in box[1])
    used = {image_id, image, category_id, category, score, *four}
    return Columns(
        image_id,
        image,
        category_id,
        category,
        "" if category is None else names[category],
        score,
        box[0],
        (four[0], four[1], four[2], four[3]),
        tuple(header[i].strip() for i in range(len(names)) if i not in used),
    )
