"""Ultralytics' `predictions.json` of oriented boxes: a list with `rbox` and `poly` in place of COCO's `bbox`.

Layout: ultralytics 8.4, models/yolo/obb/val.py, `OBBValidator.pred_to_json` (`model.val(save_json=True)`). The image's
id is the number that the file's stem is, else the stem; classes count from 1. Boxes, masks and keypoints of its other
tasks are COCO results, and are read by that format.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit import files
from detkit.errors import InputError
from detkit.findings import Finding
from detkit.formats._base import Capabilities, Kind, Probe, ReadOptions
from detkit.formats._json_file import as_number, as_numbers, read_json
from detkit.formats._json_outline import outline
from detkit.formats._stems import ImageLookup
from detkit.formats._text_oriented import bounds_of, outlines_of
from detkit.tables import Categories, Detections, Images, Source, id_array

__all__ = ["CAPABILITIES", "detect", "read_detections"]

CAPABILITIES = Capabilities(
    holds=frozenset(("image_ids", "category_ids", "polygons", "scores")), read_from=(".json",), folder=False
)

#: With one of these a record is a COCO result.
_COCO = frozenset(("bbox", "segmentation", "keypoints"))


def detect(path: Path, kind: Kind) -> Probe:
    """Whether a file is a list of oriented predictions: the first record has `rbox` or `poly`, and no `bbox`."""
    if kind == "dataset":
        return Probe(False, "holds predictions only")
    path = Path(path)
    if not path.is_file():
        return Probe(False, "one JSON file was expected, this is a folder")
    found = outline(path, whole=False)
    if found.kind != "array":
        return Probe(False, "not a JSON list")
    first = next((record for record in found.sections[""] or [] if isinstance(record, dict)), {})
    is_ours = "image_id" in first and not _COCO & first.keys() and ("rbox" in first or "poly" in first)
    return Probe(is_ours, "records with `rbox` or `poly`" if is_ours else "no `rbox` or `poly` in the first record")


def read_detections(path: Path, options: ReadOptions) -> Detections:
    """Oriented predictions: corners as outlines of four points, with the box around them.

    Parameters
    ----------
    path : Path
    options : ReadOptions
        `names` are the classes in order; `reference_images` give sizes.

    Returns
    -------
    Detections

    Raises
    ------
    InputError
        No JSON list.
    """
    path = Path(path)
    items = read_json(path)
    if not isinstance(items, list):
        raise InputError("expected a list of predictions", path=path)
    findings: list[Finding] = []
    rows: list[tuple[int, Any, str, Any, float, NDArray[np.float64]]] = []
    for number, item in enumerate(items):
        row = _row(number, item)
        if isinstance(row, str):
            findings.append(Finding("DK102", f"[{number}]{row}", file=str(path), annotation=number))
        else:
            rows.append(row)
    outside = [row for row in rows if not 0 <= row[4] <= 1]
    if outside:
        message = f"scores outside [0, 1], first [{outside[0][0]}].score; kept"
        findings.append(Finding("DK708", message, file=str(path), count=len(outside)))
    images = _images(rows, options)
    place = {own: i for i, own in enumerate(images.ids.tolist())}
    categories = _categories(rows, options)
    classes = {own: i for i, own in enumerate(categories.ids.tolist())}
    corners = np.array([row[5] for row in rows], np.float64).reshape(-1, 4, 2)
    return Detections.build(
        images,
        categories,
        image_index=[place[row[1]] for row in rows],
        category_index=[classes[row[3]] for row in rows],
        xywh=bounds_of(corners) if len(rows) else np.empty((0, 4)),
        score=[row[4] for row in rows],
        source_row=[row[0] for row in rows],
        shapes=outlines_of(corners, None) if options.with_shapes else None,
        source=Source(str(path), "ultralytics", files.sha256_of([path])),
        findings=tuple(findings),
    )


def _row(number: int, item: Any) -> tuple[int, Any, str, Any, float, NDArray[np.float64]] | str:
    """Row, image id, file name, class id, score and corners; a text says which field is wrong."""
    if not isinstance(item, Mapping):
        return ": not an object"
    own, category, score = item.get("image_id"), item.get("category_id"), as_number(item.get("score"))
    if isinstance(own, bool) or not isinstance(own, (int, str)):
        return f".image_id: found `{own}`, expected a number or text"
    if isinstance(category, bool) or not isinstance(category, int):
        return f".category_id: found `{category}`, expected a whole number"
    if score is None:
        return ".score: is missing or no finite number"
    corners = _corners(item)
    if corners is None:
        return ".poly: expected 8 finite numbers, or 5 in `rbox`"
    name = item.get("file_name")
    return number, own, name if isinstance(name, str) else "", category, score, corners


def _corners(item: Mapping[str, Any]) -> NDArray[np.float64] | None:
    """(4, 2) float64 pixels: `poly`, else the corners of `rbox` (centre, width, height, radians)."""
    poly = as_numbers(item.get("poly"), 8)
    if poly is not None:
        return np.array(poly, np.float64).reshape(4, 2)
    turned = as_numbers(item.get("rbox"), 5)
    if turned is None:
        return None
    x, y, width, height, angle = turned
    along = np.array([np.cos(angle), np.sin(angle)]) * width / 2
    across = np.array([-np.sin(angle), np.cos(angle)]) * height / 2
    centre: NDArray[np.float64] = np.array([x, y], np.float64)
    return centre + np.array([along + across, along - across, -along - across, -along + across], np.float64)


def _images(rows: list[Any], options: ReadOptions) -> Images:
    """Images in the order of their first rows."""
    names = {row[1]: row[2] for row in reversed(rows)}
    ids = list(dict.fromkeys(row[1] for row in rows))
    sizes = np.full((len(ids), 2), np.nan)
    if options.reference_images is not None:
        lookup = ImageLookup(options.reference_images)
        for i, own in enumerate(ids):
            at = lookup.find(names[own] or str(own))
            if at >= 0:
                sizes[i] = options.reference_images.sizes[at]
    return Images(id_array(ids), tuple(names[own] for own in ids), sizes)


def _categories(rows: list[Any], options: ReadOptions) -> Categories:
    """Classes in the order of their numbers, which count from 1."""
    if options.names is not None and all(1 <= row[3] <= len(options.names) for row in rows):
        return Categories.from_names(options.names)
    ids = sorted({row[3] for row in rows})
    return Categories(id_array(ids), tuple(map(str, ids)), has_names=False)
