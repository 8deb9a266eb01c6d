"""Suspicious labels as a dataset: their images with all present boxes, and what is suggested as boxes of its own.

The formats write it, so that an annotation tool gets the same file as from a conversion.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from detkit.errors import UsageError
from detkit.tables import Dataset, id_array

if TYPE_CHECKING:
    from detkit.evaluation.result import Evaluation

__all__ = ["relabel_dataset"]

#: Attributes of suspicious annotations and of suggestions; a suggestion has all of them.
_ATTRIBUTES = ("suspect", "score", "suggested", "action", "truth_id")


def relabel_dataset(result: Evaluation, suspects: Sequence[Mapping[str, Any]], title: str, format: str) -> Dataset:
    """The images of these suspects, those of the worst one first, with what this format's tool shows of them.

    Parameters
    ----------
    result : Evaluation
    suspects : sequence of mapping
        From `Suspects.worst`.
    title : str
    format : str

    Returns
    -------
    Dataset
        Boxes only. Suggestions follow the present boxes of their image.

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
    place_of = {image_id: n for n, image_id in enumerate(truth.images.ids.tolist())}
    worst_first = list(dict.fromkeys(place_of[suspect["image_id"]] for suspect in suspects))
    chosen = truth.take_images(worst_first)
    new_place = {truth.images.ids[old]: new for new, old in enumerate(worst_first)}
    columns = _Columns(chosen, _row_after(truth, worst_first))
    for suspect in suspects:
        columns.add(new_place[suspect["image_id"]], suspect)
    named = zip(chosen.images.file_names, chosen.images.ids.tolist(), strict=True)
    images = replace(chosen.images, file_names=tuple(name or str(own) for name, own in named))
    # Of the fields of the source only those of the classes stay: the file is about boxes.
    return _dressed(columns.dataset(replace(chosen, images=replace(images, extra={}))), title, format)


def _row_after(truth: Dataset, places: Sequence[int]) -> dict[int, int]:
    """Row in the truth -> row once only these images are there, in this order."""
    rows = np.concatenate([np.arange(truth.offsets[p], truth.offsets[p + 1]) for p in places] or [np.empty(0, int)])
    return {int(old): new for new, old in enumerate(rows)}


@dataclass
class _Columns:
    """Present rows, then suggestions."""

    chosen: Dataset
    row_of: Mapping[int, int]

    def __post_init__(self) -> None:
        self.marks: dict[int, dict[str, Any]] = {}
        self.suggested: list[tuple[int, int, Sequence[float], dict[str, Any]]] = []

    def add(self, image: int, suspect: Mapping[str, Any]) -> None:
        """Mark the annotation, and add what it should become."""
        mark = {"suspect": suspect["kind"], "score": suspect["score"]}
        if suspect["truth_row"] in self.row_of:
            self.marks.setdefault(self.row_of[suspect["truth_row"]], mark)
        told = suspect["suggestion"]
        if told["action"] == "settle":
            return
        category = self.chosen.categories.ids.tolist().index(told["category_id"])
        attributes = {**mark, "suggested": True, "action": told["action"], "truth_id": suspect["truth_id"]}
        self.suggested.append((image, category, told["box"], attributes))

    def dataset(self, base: Dataset) -> Dataset:
        """The rows of both with the images and classes of a dataset."""
        rows, more = self.chosen.annotations, self.suggested
        boxes = np.array([box for _, _, box, _ in more], np.float64).reshape(-1, 4)
        values = [*(self.marks.get(i, {}) for i in range(len(rows))), *(mark for _, _, _, mark in more)]
        ids = _ids(rows.ids.tolist(), len(more))
        built = Dataset.build(
            base.images,
            base.categories,
            image_index=np.concatenate([rows.image_index, np.array([row[0] for row in more], np.int64)]),
            category_index=np.concatenate([rows.category_index, np.array([row[1] for row in more], np.int64)]),
            xywh=np.vstack([rows.xywh, boxes]),
            area=np.concatenate([rows.area, boxes[:, 2] * boxes[:, 3]]),
            is_crowd=np.concatenate([rows.is_crowd, np.zeros(len(more), np.bool_)]),
            is_ignored=np.concatenate([rows.is_ignored, np.zeros(len(more), np.bool_)]),
            ids=ids,
            attributes={name: _column([row.get(name) for row in values]) for name in _ATTRIBUTES},
        )
        order = np.arange(len(built.annotations))
        numbers = order + 1 if ids is None else built.annotations.ids
        return replace(built, annotations=replace(built.annotations, source_row=order, ids=numbers))


def _ids(own: Sequence[Any], more: int) -> NDArray[Any] | None:
    """The present ids with numbers after them; None, so that all are numbered, where they are no unique numbers."""
    if len(set(own)) < len(own) or not all(isinstance(i, int) for i in own):
        return None
    following = max(own, default=0) + 1
    return id_array([*own, *range(following, following + more)])


def _column(values: Sequence[Any]) -> NDArray[Any]:
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def _dressed(data: Dataset, title: str, format: str) -> Dataset:
    """The dataset with what one tool shows beside attributes, or wants in another form."""
    if format == "coco":
        return replace(data, info={"info": {"description": title}})
    return _for_cvat(data) if format == "cvat" else _for_labelme(data)


def _for_cvat(data: Dataset) -> Dataset:
    """CVAT marks what was not drawn by hand; a suggestion lies over what is there. A text attribute takes any value."""
    columns = {**data.annotations.attributes}
    suggested = [value is not None for value in columns["suggested"]]
    columns["score"] = _column([None if v is None else f"{v:.6f}" for v in columns["score"]])
    columns["truth_id"] = _column([None if v is None else str(v) for v in columns["truth_id"]])
    columns["source"] = _column(["auto" if value else "manual" for value in suggested])
    columns["z_order"] = np.array(suggested, np.int64)
    return replace(data, annotations=replace(data.annotations, attributes=columns))


def _for_labelme(data: Dataset) -> Dataset:
    """LabelMe shows a description beside each shape, and flags of shapes and images."""
    rows = data.annotations
    extra: dict[int, dict[str, Any]] = {}
    for row, is_crowd in enumerate(rows.is_crowd.tolist()):
        told = {name: column[row] for name, column in rows.attributes.items()}
        flags = {name: True for name, is_set in (("suggested", told["suggested"]), ("crowd", is_crowd)) if is_set}
        extra[row] = {"flags": flags, "description": _description(told)}
    images = replace(data.images, extra={i: {"flags": {"suspect": True}} for i in range(len(data.images))})
    return replace(data, images=images, annotations=replace(rows, extra=extra))


def _description(told: Mapping[str, Any]) -> str:
    if told["suspect"] is None:
        return ""
    text = f"{told['suspect']}, score {told['score']:.3f}"
    if not told["suggested"]:
        return f"suspect: {text}"
    about = "" if told["truth_id"] is None else f" annotation {told['truth_id']}"
    return f"suggestion: {told['action']}{about} ({text})"
