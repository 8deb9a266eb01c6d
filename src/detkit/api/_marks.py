"""What is drawn on an image: truth and predictions with their colours, line styles and labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit import masks
from detkit.api._canvas import GREY, OUTCOME_COLOURS, Canvas, Colour, Style, colour_of
from detkit.errors import InputError
from detkit.tables import Categories, Dataset, Detections, Shapes

__all__ = ["Look", "Mark", "Outcomes", "outcomes_of", "paint", "predictions_of", "truths_of"]


@dataclass(frozen=True)
class Mark:
    """One object as it is drawn, pixels (or shares) of its image.

    Parameters
    ----------
    box : (x, y, width, height)
    colour : Colour
    style : {"solid", "dashed", "dotted"}
    label : str
    number : str
        Stands in for the label where no font has its characters.
    rings : tuple of (P, 2) float64
    rle : mapping, optional
    keypoints : (P, 3) float64, optional
    edges : tuple of (int, int)
    is_oriented : bool
        The ring is the box.
    """

    box: tuple[float, float, float, float]
    colour: Colour
    style: Style
    label: str
    number: str
    rings: tuple[NDArray[np.float64], ...] = ()
    rle: Mapping[str, Any] | None = None
    keypoints: NDArray[np.float64] | None = None
    edges: tuple[tuple[int, int], ...] = ()
    is_oriented: bool = False


@dataclass(frozen=True, eq=False)
class Outcomes:
    """What became of each row: `TP`, `FP`, `ignored` of predictions; `TP` (found), `FN`, `ignored` of truths."""

    truths: NDArray[np.object_]
    predictions: NDArray[np.object_]


@dataclass(frozen=True)
class Look:
    """How objects are drawn: which parts of them, and with labels or not."""

    boxes: bool = True
    labels: bool = True
    masks: bool = True
    keypoints: bool = True


def outcomes_of(truth: Dataset, detections: Detections, iou_threshold: float) -> tuple[Dataset, Detections, Outcomes]:
    """The tables and what became of their rows, matched as pycocotools does.

    Parameters
    ----------
    truth : Dataset
    detections : Detections
        On the same images and classes.
    iou_threshold : float

    Returns
    -------
    Dataset, Detections, Outcomes
    """
    from detkit.api.scoring import evaluate
    from detkit.evaluation.matches import partners_of
    from detkit.kernels.match import FALSE, IGNORED, TRUE

    spared = truth.annotations.is_crowd | truth.annotations.is_ignored
    of_truths = np.where(spared, "ignored", "FN").astype(object)
    if not len(detections):
        return truth, detections, Outcomes(of_truths, np.empty(0, object))
    most = int(np.bincount(detections.image_index).max())
    result = evaluate(
        truth,
        detections,
        iou_thresholds=(iou_threshold,),
        max_detections=(max(1, most),),
        unmapped="count",
        with_partners=True,
        drop_invalid=True,
    )
    joined = partners_of(result, 0)
    truth, detections = result.truth, result.detections
    of_predictions = np.full(len(detections), "ignored", object)
    for code, name in ((TRUE, "TP"), (FALSE, "FP"), (IGNORED, "ignored")):
        of_predictions[joined.detection[joined.outcome == code]] = name
    of_truths = np.full(len(truth.annotations), "ignored", object)
    of_truths[joined.counted] = "TP"
    of_truths[joined.missed()] = "FN"
    return truth, detections, Outcomes(of_truths, of_predictions)


def truths_of(dataset: Dataset, image: int, outcomes: Outcomes | None, *, alone: bool = True) -> list[Mark]:
    """The truths of an image, dotted where they are not scored; one that a prediction lies on is named by that."""
    rows = dataset.annotations
    marks = []
    for row in range(int(dataset.offsets[image]), int(dataset.offsets[image + 1])):
        category = int(rows.category_index[row])
        spared = bool(rows.is_crowd[row] or rows.is_ignored[row])
        outcome = None if outcomes is None else str(outcomes.truths[row])
        colour = GREY if outcomes is not None and spared else _colour(category, outcome)
        tail = " crowd" if rows.is_crowd[row] else " ignored" if rows.is_ignored[row] else ""
        name = dataset.categories.names[category]
        label = "" if outcome == "TP" and not alone else f"missed {name}" if outcome == "FN" else name + tail
        oriented = rows.is_oriented is not None and bool(rows.is_oriented[row])
        shape = _shape(rows.shapes, row)
        points = None if rows.keypoints is None else rows.keypoints[row]
        marks.append(
            Mark(
                tuple(rows.xywh[row].tolist()),
                colour,
                "dotted" if spared else "solid",
                label,
                f"#{dataset.categories.ids[category]}",
                *shape,
                points,
                _edges(dataset.categories, category),
                oriented,
            )
        )
    return marks


def predictions_of(detections: Detections, image: int, outcomes: Outcomes | None, style: Style) -> list[Mark]:
    """The predictions of an image, weakest first, so that the surest lie on top."""
    rows = np.arange(int(detections.offsets[image]), int(detections.offsets[image + 1]))
    marks = []
    for row in rows[np.argsort(detections.score[rows], kind="stable")].tolist():
        category = int(detections.category_index[row])
        outcome = None if outcomes is None else str(outcomes.predictions[row])
        score = f" {detections.score[row]:.2f}"
        shape = _shape(detections.shapes, row)
        points = None if detections.keypoints is None else detections.keypoints[row]
        marks.append(
            Mark(
                tuple(detections.xywh[row].tolist()),
                _colour(category, outcome),
                style,
                detections.categories.names[category] + score,
                f"#{detections.categories.ids[category]}{score}",
                *shape,
                points,
                _edges(detections.categories, category),
                len(shape[0]) == 1 and len(shape[0][0]) == 4,
            )
        )
    return marks


def _colour(category: int, outcome: str | None) -> Colour:
    return colour_of(category) if outcome is None else OUTCOME_COLOURS[outcome]


def _shape(shapes: Shapes | None, row: int) -> tuple[tuple[NDArray[np.float64], ...], Mapping[str, Any] | None]:
    if shapes is None:
        return (), None
    return tuple(shapes.polygons(row)), shapes.rle.get(row)


def _edges(categories: Categories, category: int) -> tuple[tuple[int, int], ...]:
    """The skeleton of a class, positions from 0 (COCO counts from 1)."""
    found = []
    for edge in categories.extra.get(category, {}).get("skeleton") or ():
        if isinstance(edge, Sequence) and len(edge) == 2 and all(isinstance(end, int) and end > 0 for end in edge):
            found.append((edge[0] - 1, edge[1] - 1))
    return tuple(found)


def paint(canvas: Canvas, marks: Sequence[Mark], scale: tuple[float, float], look: Look) -> set[str]:
    """Draw marks on a canvas: fills first, then lines, then labels. The labels that no font could draw.

    Parameters
    ----------
    canvas : Canvas
    marks : sequence of Mark
    scale : (float, float)
        Pixels of the canvas for one unit of the marks.
    look : Look

    Returns
    -------
    set of str
    """
    factor = np.array(scale)
    if look.masks:
        for mark in marks:
            if not mark.is_oriented:
                canvas.fill([ring * factor for ring in mark.rings], mark.colour)
            if mark.rle is not None:
                _paint_mask(canvas, mark)
    for mark in marks:
        if look.masks or mark.is_oriented:
            for ring in mark.rings:
                canvas.line(ring * factor, mark.colour, mark.style)
        if look.boxes and not mark.is_oriented:
            canvas.line(_corners(mark.box) * factor, mark.colour, mark.style)
        if look.keypoints and mark.keypoints is not None and len(mark.keypoints):
            points = np.array(mark.keypoints, dtype=np.float64)
            points[:, :2] *= factor
            canvas.points(points, mark.edges, mark.colour)
    missing = set()
    for mark in reversed(marks) if look.labels else ():
        box = [side * factor[n % 2] for n, side in enumerate(mark.box)]
        if mark.label and not canvas.label(mark.label, box, mark.colour):
            missing.add(mark.label)
            canvas.label(mark.number, box, mark.colour)
    return missing


def _corners(box: Sequence[float]) -> NDArray[np.float64]:
    x, y, w, h = box
    return np.array([[x, y], [x + w, y], [x + w, y + h], [x, y + h]])


def _paint_mask(canvas: Canvas, mark: Mark) -> None:
    """A mask that cannot be decoded leaves the box alone: to say so is the job of checks."""
    from PIL import Image

    rle = mark.rle
    assert rle is not None
    try:
        pixels = masks.decode(masks.to_rle(rle, *(int(side) for side in rle["size"])))
    except InputError:
        return
    if pixels.shape[::-1] != canvas.image.size:
        pixels = np.asarray(Image.fromarray(pixels).resize(canvas.image.size, Image.Resampling.NEAREST))
    canvas.mask(pixels, mark.colour)
