"""Tables as BDD100K's frames, in Scalabel's object: `frames` and `config`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.errors import InputError
from detkit.findings import Loss
from detkit.formats._base import WriteOptions
from detkit.formats._bdd100k_read import FRAME_FIELDS, LABEL_FIELDS
from detkit.formats._beside import unique_names, write_beside
from detkit.formats._images import is_inside, place_and_tell
from detkit.formats._json_text import encode
from detkit.formats._text_folder import split_parts
from detkit.formats._writing import require_pixels
from detkit.tables import Categories, Dataset, Detections, Shapes

__all__ = ["write_dataset", "write_detections"]


def write_dataset(dataset: Dataset, target: Path, options: WriteOptions) -> list[Loss]:
    """Write `labels/det_<split>.json` into an empty folder.

    Parameters
    ----------
    dataset : Dataset
    target : Path
    options : WriteOptions

    Returns
    -------
    list of Loss

    Raises
    ------
    InputError
        Shares of images of unknown size, two images or two classes with one name.
    """
    require_pixels(dataset, "BDD100K")
    _check_classes(dataset.categories)
    names = unique_names(dataset.images)
    parts, losses = split_parts(dataset)
    folder = target / "labels"
    folder.mkdir()
    frames = _Frames(dataset, names, options)
    for split, positions in parts.items():
        file = folder / (f"det_{split}.json" if split else "det.json")
        _write(file, frames.of(positions), dataset.categories, dataset.info)
    write_beside(target, "bdd100k", "dataset", dataset.images, dataset.categories)
    pairs = [
        (i, target / "images" / split / names[i])
        for split, positions in parts.items()
        for i in positions
        if is_inside(names[i])
    ]
    mode = options.place_images or "leave"
    return [*losses, *place_and_tell(dataset.images, pairs, mode, "not found, not placed", also_all=True)]


def _check_classes(categories: Categories) -> None:
    if len(set(categories.names)) < len(categories.names):
        raise InputError("two classes have one name, and BDD100K has only names", hint="merge or rename them")


class _Frames:
    """Builds the frames of images from the tables."""

    def __init__(self, dataset: Dataset, names: Sequence[str], options: WriteOptions) -> None:
        self.dataset, self.names, self.keep_shapes = dataset, names, options.shapes == "keep"
        rows = dataset.annotations
        self.boxes = _corners(rows.xywh, options.voc_offset)
        self.ids = rows.ids.tolist()
        self.category = rows.category_index.tolist()
        self.attributes = {name: values.tolist() for name, values in rows.attributes.items()}
        self.flags = {"crowd": rows.is_crowd.tolist(), "ignored": rows.is_ignored.tolist()}

    def of(self, positions: Sequence[int]) -> Iterator[dict[str, Any]]:
        """Frames of these images."""
        images = self.dataset.images
        offsets = self.dataset.offsets.tolist()
        for i in positions:
            own = {k: v for k, v in images.extra.get(i, {}).items() if k not in FRAME_FIELDS}
            frame: dict[str, Any] = {**own, "name": _frame_name(self.names[i], own)}
            width, height = images.sizes[i].tolist()
            if width == width and height == height:
                frame["size"] = {"width": _number(width), "height": _number(height)}
            frame["labels"] = [self.label(row) for row in range(offsets[i], offsets[i + 1])]
            yield frame

    def label(self, row: int) -> dict[str, Any]:
        """The label of a row."""
        rows = self.dataset.annotations
        own = {k: v for k, v in rows.extra.get(row, {}).items() if k not in LABEL_FIELDS}
        label = {"id": self.ids[row], "category": self.dataset.categories.names[self.category[row]], **own}
        stated = {name: values[row] for name, values in self.attributes.items() if _is_stated(values[row])}
        stated |= {name: True for name, values in self.flags.items() if values[row]}
        if stated:
            label["attributes"] = stated
        label["box2d"] = self.boxes[row]
        return {**label, **(_outline(rows.shapes, row) if self.keep_shapes else {})}


def _frame_name(name: str, own: Mapping[str, Any]) -> str:
    video = own.get("videoName")
    return name.removeprefix(f"{video}/") if isinstance(video, str) and video else name


def _is_stated(value: Any) -> bool:
    return value is not None and value == value and value != ""


def _number(value: float) -> int | float:
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


def _corners(xywh: NDArray[np.float64], offset: int) -> list[dict[str, int | float]]:
    """`box2d` of each row: x2 and y2 are the last pixels."""
    last = np.round(xywh[:, :2] + xywh[:, 2:] - offset, 9)
    table = np.hstack([xywh[:, :2], last]).tolist()
    return [dict(zip(("x1", "y1", "x2", "y2"), map(_number, row), strict=True)) for row in table]


def _outline(shapes: Shapes | None, row: int) -> dict[str, Any]:
    if shapes is None or shapes.kind[row] not in (Shapes.POLYGONS, Shapes.RLE):
        return {}
    if shapes.kind[row] == Shapes.RLE:
        mask = dict(shapes.rle[row])
        counts = mask["counts"]
        return {"rle": {**mask, "counts": counts.decode("ascii") if isinstance(counts, bytes) else counts}}
    rings = [[[_number(x), _number(y)] for x, y in ring.tolist()] for ring in shapes.polygons(row)]
    polygons = [{"vertices": ring, "types": "L" * len(ring), "closed": True} for ring in rings]
    return {"poly2d": polygons} if polygons else {}


def _write(path: Path, frames: Iterator[dict[str, Any]], categories: Categories, info: Mapping[str, Any]) -> None:
    stated = info.get("config")
    config = dict(stated) if isinstance(stated, Mapping) else {}
    config["categories"] = [{"name": n, **categories.extra.get(k, {})} for k, n in enumerate(categories.names)]
    head = {str(k): v for k, v in info.items() if k not in ("frames", "config")}
    with path.open("wb") as handle:
        handle.write(b'{"frames":[')
        for number, frame in enumerate(frames):
            handle.write((b",\n" if number else b"\n") + encode(frame))
        handle.write(b'],\n"config":' + encode(config))
        for name, value in head.items():
            handle.write(b",\n" + encode(name) + b":" + encode(value))
        handle.write(b"}\n")


def write_detections(detections: Detections, target: Path, options: WriteOptions) -> list[Loss]:
    """Write `det.json` with scores into an empty folder.

    Parameters
    ----------
    detections : Detections
    target : Path
    options : WriteOptions

    Returns
    -------
    list of Loss
    """
    require_pixels(detections, "BDD100K")
    _check_classes(detections.categories)
    names = unique_names(detections.images)
    boxes = _corners(detections.xywh, options.voc_offset)
    score, category = detections.score.tolist(), detections.category_index.tolist()
    offsets = detections.offsets.tolist()
    shapes = detections.shapes if options.shapes == "keep" else None

    def frames() -> Iterator[dict[str, Any]]:
        for i, name in enumerate(names):
            labels = [
                {
                    "id": row + 1,
                    "category": detections.categories.names[category[row]],
                    "score": score[row],
                    "box2d": boxes[row],
                    **_outline(shapes, row),
                }
                for row in range(offsets[i], offsets[i + 1])
            ]
            yield {"name": name, "labels": labels}

    _write(target / "det.json", frames(), detections.categories, {})
    write_beside(target, "bdd100k", "detections", detections.images, detections.categories)
    return []
