"""What a relabelling file holds, whatever its format: suspicious images with present and suggested boxes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from detkit.errors import UsageError

if TYPE_CHECKING:
    from detkit.evaluation.result import Evaluation

__all__ = ["RelabelBox", "RelabelImage", "Sheet", "sheet_of", "write_json"]


@dataclass(frozen=True)
class RelabelBox:
    """One box.

    Parameters
    ----------
    id : int or str, optional
        Of the annotation, None for a suggestion.
    category_id : int or str
    category : str
    xywh : tuple of float
        Pixels.
    area : float
    is_crowd : bool
    suggested : bool
        Whether the box is what a suspect should become.
    attributes : mapping
        Of suspicious annotations and of suggestions: `suspect` (kind) and `score`; of suggestions `suggested`, `action`
        and `truth_id` (the annotation that it is about) too.
    """

    id: Any
    category_id: Any
    category: str
    xywh: tuple[float, float, float, float]
    area: float
    is_crowd: bool = False
    suggested: bool = False
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def corners(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom."""
        x, y, w, h = self.xywh
        return x, y, x + w, y + h


@dataclass(frozen=True)
class RelabelImage:
    """One image: `size` is (width, height) in pixels, None where unknown; `path` where its file was found."""

    id: Any
    file_name: str
    path: str | None
    size: tuple[int, int] | None
    boxes: Sequence[RelabelBox]


@dataclass(frozen=True)
class Sheet:
    """Everything that is to be looked at again."""

    title: str
    categories: Sequence[tuple[Any, str]]
    images: Sequence[RelabelImage]


def sheet_of(result: Evaluation, suspects: Sequence[Mapping[str, Any]], title: str) -> Sheet:
    """The images of these suspects with their boxes, those of the worst suspect first.

    Parameters
    ----------
    result : Evaluation
    suspects : sequence of mapping
        From `Suspects.worst`.
    title : str

    Returns
    -------
    Sheet

    Raises
    ------
    UsageError
        The truth's boxes are shares of images of unknown size.
    """
    truth = result.truth
    if truth.units == "normalised":
        raise UsageError(
            "the boxes are shares of images of unknown size, and relabelling needs pixels",
            hint="give the sizes with --images DIR or --image-sizes",
        )
    places = {image_id: n for n, image_id in enumerate(truth.images.ids.tolist())}
    by_image: dict[int, list[Mapping[str, Any]]] = {}
    for suspect in suspects:
        by_image.setdefault(places[suspect["image_id"]], []).append(suspect)
    categories = list(zip(truth.categories.ids.tolist(), truth.categories.names, strict=True))
    return Sheet(title, categories, [_image(result, place, told) for place, told in by_image.items()])


def write_json(content: Any, place: Path) -> None:
    """Write plain values as JSON in UTF-8.

    Parameters
    ----------
    content : dict
    place : Path
    """
    try:
        data = json.dumps(content, indent=1, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        # Half a surrogate pair: kept as the escape it came as.
        data = json.dumps(content, indent=1).encode("ascii")
    place.write_bytes(data + b"\n")


def _image(result: Evaluation, place: int, told: Sequence[Mapping[str, Any]]) -> RelabelImage:
    truth = result.truth
    images, rows, category_ids = truth.images, truth.annotations, truth.categories.ids.tolist()
    image_id = images.ids.tolist()[place]
    width, height = images.sizes[place].tolist()
    size = (round(width), round(height)) if np.isfinite(width + height) else None
    marks = {suspect["truth_row"]: _mark(suspect) for suspect in reversed(told)}
    boxes = []
    for row in range(int(truth.offsets[place]), int(truth.offsets[place + 1])):
        k = int(rows.category_index[row])
        own = rows.ids[row]
        boxes.append(
            RelabelBox(
                own.item() if hasattr(own, "item") else own,
                category_ids[k],
                truth.categories.names[k],
                tuple(rows.xywh[row].tolist()),
                float(rows.area[row]),
                bool(rows.is_crowd[row]),
                attributes=marks.get(row, {}),
            )
        )
    boxes += [_suggested(suspect) for suspect in told if suspect["suggestion"]["action"] != "settle"]
    return RelabelImage(image_id, images.file_names[place] or str(image_id), images.paths[place], size, boxes)


def _mark(suspect: Mapping[str, Any]) -> dict[str, Any]:
    return {"suspect": suspect["kind"], "score": suspect["score"]}


def _suggested(suspect: Mapping[str, Any]) -> RelabelBox:
    suggestion = suspect["suggestion"]
    x, y, w, h = suggestion["box"]
    attributes = {**_mark(suspect), "suggested": True, "action": suggestion["action"]}
    if suspect["truth_id"] is not None:
        attributes["truth_id"] = suspect["truth_id"]
    return RelabelBox(
        None, suggestion["category_id"], suggestion["category"], (x, y, w, h), w * h, suggested=True,
        attributes=attributes,
    )  # fmt: skip
