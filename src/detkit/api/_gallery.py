"""Small pictures of the images a report shows: decoded in threads, made small, capped in number and in bytes."""

from __future__ import annotations

import base64
import contextlib
import io
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from detkit.api import _pixels
from detkit.errors import InputError
from detkit.reports import DrawnBox, Gallery, Picture
from detkit.wording import plural

if TYPE_CHECKING:
    from detkit.evaluation.result import Evaluation
    from detkit.tables import Annotations, Detections

__all__ = ["build_gallery"]

#: Longer side of a picture and of a crop, pixels.
_SIDE, _CROP_SIDE = 480, 200
_QUALITY = 72
#: Bytes of all pictures together, as the page carries them.
_BUDGET = 11_000_000
#: A crop shows this share of its boxes' extent around them.
_AROUND = 0.4
#: And never less than this, pixels.
_LEAST_GROUND = 16.0
#: Crops of a cell of the confusion matrix, and of all cells.
_CROPS_OF_A_CELL, _CROPS = 6, 240
#: Crops of a reason of misses.
_CROPS_OF_A_REASON = 12

Region = tuple[float, float, float, float]
#: Key of the crop, image, region, boxes.
_Example = tuple[str, int, Region, tuple[DrawnBox, ...]]


def build_gallery(result: Evaluation, count: int, images_dir: Path | None = None) -> Gallery:
    """Pictures of the worst images, and crops of the examples of misses and of the confusion matrix.

    Parameters
    ----------
    result : Evaluation
        Scored with partners, with the analyses of the report.
    count : int
        Images at most.
    images_dir : Path, optional
        Folder of the image files, where the truth's reader found none.

    Returns
    -------
    Gallery
    """
    from detkit.evaluation import analyses

    score_threshold = _operating_score(result)
    found: Any = analyses.analyse("images", result, analyses.Settings(score_threshold=score_threshold))
    worst = found.worst
    boxes, paths = _Boxes(result, score_threshold), _paths(result, images_dir)
    chosen = [int(i) for i in worst[:count]]
    examples = _examples(result)
    with ThreadPoolExecutor() as pool:
        pictures = list(pool.map(lambda i: _picture(result, i, paths[i], None, boxes.of_image(i), _SIDE), chosen))
        small = list(pool.map(lambda e: _picture(result, e[1], paths[e[1]], e[2], e[3], _CROP_SIDE), examples))
    shown, spent = _within([p for p in pictures if p is not None], _BUDGET)
    crops: dict[str, list[Picture]] = {}
    for (key, *_), picture in zip(examples, _within(small, _BUDGET - spent)[0], strict=False):
        if picture is not None:
            crops.setdefault(key, []).append(picture)
    note = (
        f"{len(shown)} of {plural(len(worst), 'image')} with errors at score >= {score_threshold:.4g}, the most first"
    )
    without = sum(p.src is None for p in shown)
    if without:
        note += f"; {plural(without, 'image file')} not found (--images DIR): boxes only"
    if len(shown) < min(count, len(worst)):
        note += f"; capped at {_BUDGET // 1_000_000} MB"
    return Gallery(tuple(shown), crops, note + ".")


def _operating_score(result: Evaluation) -> float:
    """The score threshold that the result's analyses used."""
    for name in ("confusion", "images", "curves"):
        if name in result.analyses:
            return float(result.analyses[name]["score_threshold"])
    from detkit.evaluation import analyses
    from detkit.evaluation.analyses.thresholds import operating_point

    return operating_point(result, analyses.Settings())


class _Boxes:
    """Who was found and who was not, looked up by image."""

    def __init__(self, result: Evaluation, score_threshold: float) -> None:
        from detkit.evaluation.matches import partners_of
        from detkit.kernels.match import FALSE, TRUE

        joined = partners_of(result, result.protocol.reference_threshold)
        kept = result.detections.score[joined.detection] >= score_threshold
        self.result = result
        kinds: Mapping[str, Any] = {"tp": kept & (joined.outcome == TRUE), "fp": kept & (joined.outcome == FALSE)}
        self.rows = {kind: joined.detection[chosen] for kind, chosen in kinds.items()}
        self.iou = {kind: joined.iou[chosen] for kind, chosen in kinds.items()}
        missed = joined.missed(kept)
        self.truths = {"fn": missed, "gt": np.setdiff1d(joined.counted, missed)}
        detections, truths = result.detections.image_index, result.truth.annotations.image_index
        self.image_of = {kind: detections[rows] for kind, rows in self.rows.items()}
        self.image_of |= {kind: truths[rows] for kind, rows in self.truths.items()}

    def of_image(self, image: int) -> tuple[DrawnBox, ...]:
        """Truth first, so that what was predicted lies over it."""
        drawn: list[DrawnBox] = []
        for truth_kind in ("gt", "fn"):
            for at in np.flatnonzero(self.image_of[truth_kind] == image):
                drawn.append(_truth_box(self.result, int(self.truths[truth_kind][at]), truth_kind))
        for kind in ("tp", "fp"):
            for at in np.flatnonzero(self.image_of[kind] == image):
                row, iou = int(self.rows[kind][at]), float(self.iou[kind][at])
                drawn.append(_detection_box(self.result, row, kind, iou))
        return tuple(drawn)


def _truth_box(result: Evaluation, row: int, kind: Any) -> DrawnBox:
    """A truth as the page draws it."""
    rows = result.truth.annotations
    x, y, w, h = rows.xywh[row].tolist()
    name = result.truth.categories.names[int(rows.category_index[row])]
    return DrawnBox(kind, x, y, w, h, name, corners=_corners(result, rows, row))


def _detection_box(result: Evaluation, row: int, kind: Literal["tp", "fp"], iou: float | None) -> DrawnBox:
    """A detection as the page draws it."""
    found = result.detections
    x, y, w, h = found.xywh[row].tolist()
    name = result.truth.categories.names[int(found.category_index[row])]
    return DrawnBox(kind, x, y, w, h, name, float(found.score[row]), iou, _corners(result, found, row))


def _corners(
    result: Evaluation, rows: Annotations | Detections, row: int | None
) -> tuple[tuple[float, float], ...] | None:
    """Corners of an oriented box, None where boxes stand upright."""
    if result.protocol.iou_type != "obb" or rows.shapes is None or row is None:
        return None
    rings = rows.shapes.polygons(row)
    return tuple((float(x), float(y)) for x, y in rings[0]) if len(rings) else None


def _examples(result: Evaluation) -> list[_Example]:
    """What crops show: misses by reason, and the mistakes of the confusion matrix, its commonest cells first."""
    place = {image_id: n for n, image_id in enumerate(result.truth.images.ids.tolist())}
    found = [*_of_misses(result, place), *_of_confusion(result, place)]
    sizes = result.truth.images.sizes
    return [
        (key, image, _around(boxes, sizes[image].tolist()), tuple(_oriented(result, image, box) for box in boxes))
        for key, image, boxes in found
    ]


def _oriented(result: Evaluation, image: int, box: DrawnBox) -> DrawnBox:
    """The box of an example with its corners: examples know the box around them alone."""
    truths, found = result.truth, result.detections
    rows, offsets = (truths.annotations, truths.offsets) if box.kind == "fn" else (found, found.offsets)
    start, stop = int(offsets[image]), int(offsets[image + 1])
    same = np.flatnonzero((rows.xywh[start:stop] == (box.x, box.y, box.w, box.h)).all(axis=1))
    return replace(box, corners=_corners(result, rows, start + int(same[0]) if len(same) else None))


def _of_misses(result: Evaluation, place: Mapping[Any, int]) -> list[tuple[str, int, list[DrawnBox]]]:
    chosen = []
    for row in result.analyses.get("misses", {}).get("reasons", ()):
        for example in row["examples"][:_CROPS_OF_A_REASON]:
            boxes = [_drawn("fn", example["truth_box"], example["category"])]
            near = example["candidate"]
            if near is not None and near["box"] is not None:
                boxes.append(_drawn("fp", near["box"], near["category"], near["score"], near["iou"]))
            chosen.append((f"misses {row['reason']}", place[example["image_id"]], boxes))
    return chosen


def _of_confusion(result: Evaluation, place: Mapping[Any, int]) -> list[tuple[str, int, list[DrawnBox]]]:
    found = result.analyses.get("confusion")
    if found is None:
        return []
    names = [*(row["name"] for row in found["classes"]), "background"]
    cells = [n for n, cell in enumerate(found["cells"]) if cell["truth"] != cell["prediction"]]
    chosen = []
    for n in sorted(cells, key=lambda n: -found["cells"][n]["count"]):
        cell = found["cells"][n]
        for example in cell["examples"][:_CROPS_OF_A_CELL]:
            boxes = []
            if example["truth_box"] is not None:
                boxes.append(_drawn("fn", example["truth_box"], names[cell["truth"]]))
            if example["box"] is not None:
                boxes.append(_drawn("fp", example["box"], names[cell["prediction"]], example["score"]))
            chosen.append((f"confusion {n}", place[example["image_id"]], boxes))
    return chosen[:_CROPS]


def _drawn(
    kind: Any, box: Sequence[float], label: str, score: float | None = None, iou: float | None = None
) -> DrawnBox:
    x, y, w, h = box
    return DrawnBox(kind, x, y, w, h, label, score, iou)


def _around(boxes: Sequence[DrawnBox], size: Sequence[float]) -> Region:
    """What a crop shows: the boxes and some ground, inside the image where its size is known."""
    left, top = min(b.x for b in boxes), min(b.y for b in boxes)
    right, bottom = max(b.x + b.w for b in boxes), max(b.y + b.h for b in boxes)
    edge = max(_AROUND * max(right - left, bottom - top), _LEAST_GROUND)
    left, top, right, bottom = left - edge, top - edge, right + edge, bottom + edge
    if np.isfinite(size).all():
        left, top, right, bottom = max(0.0, left), max(0.0, top), min(size[0], right), min(size[1], bottom)
    return left, top, max(1.0, right - left), max(1.0, bottom - top)


def _paths(result: Evaluation, images_dir: Path | None) -> Sequence[str | None]:
    """Where the image files are; those of a folder are met by name."""
    images, source = result.truth.images, result.truth.source
    if any(images.paths) or (images_dir is None and source is None):
        return images.paths
    from detkit import detectors

    place = images_dir or Path(source.path if source is not None else "")
    with contextlib.suppress(InputError):
        found = detectors.find_pictures(place if place.is_dir() else place.parent)
        return detectors.match_pictures(found, images.file_names).paths
    return images.paths


def _picture(
    result: Evaluation, image: int, path: str | None, region: Region | None, boxes: Sequence[DrawnBox], side: int
) -> Picture | None:
    """The image, or its region, made small; None where neither file nor size is known."""
    images = result.truth.images
    name = _pixels.name_of(images, image)
    width, height = images.sizes[image].tolist()
    loaded = None if path is None else _load(path, region, side)
    if loaded is not None:
        src, size = loaded
        if not np.isfinite(width + height):
            width, height = size
    elif np.isfinite(width + height):
        src = None
    else:
        return None
    x, y, w, h = region or (0.0, 0.0, width, height)
    return Picture(name, src, w, h, tuple(box.moved(x, y) for box in boxes))


def _load(path: str, region: Region | None, side: int) -> tuple[str, tuple[int, int]] | None:
    """(data URI, size of the whole image), None where the file is no readable image."""
    from PIL import ImageOps

    try:
        with _pixels.opened(path) as opened:
            if region is None:
                opened.draft("RGB", (2 * side, 2 * side))
            whole = opened.size
            image = ImageOps.exif_transpose(opened).convert("RGB")
    except InputError:
        return None
    if region is not None:
        x, y, w, h = region
        image = image.crop((round(x), round(y), round(x + w), round(y + h)))
    image.thumbnail((side, side))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode(), whole


def _within(pictures: Sequence[Any], budget: int) -> tuple[list[Any], int]:
    """The first pictures whose data fit the budget, and their bytes."""
    spent, kept = 0, []
    for picture in pictures:
        size = 0 if picture is None else len(picture.src or "") + 120 * len(picture.boxes)
        if spent + size > budget:
            break
        spent += size
        kept.append(picture)
    return kept, spent
