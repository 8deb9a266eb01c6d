"""What is drawn: truth and predictions on the same images, and the images among them that are shown."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from detkit.api import _pixels
from detkit.api._marks import Look, Outcomes, outcomes_of
from detkit.api.tables import read
from detkit.errors import InputError, UsageError
from detkit.findings import Finding
from detkit.tables import Categories, Dataset, Detections, Images, freeze
from detkit.wording import examples

__all__ = ["DrawSettings", "Scene", "scene_of"]


@dataclass(frozen=True)
class DrawSettings:
    """How images are drawn.

    Parameters
    ----------
    score_threshold : float
        Predictions with score >= this; the looking value of `predict --profile deploy` by default.
    iou_threshold : float
        From which overlap on a prediction is a true positive.
    beside : bool
        Truth left, predictions right, instead of one over the other.
    colours : {"outcome", "class"}, optional
        By default `outcome` where truth and predictions are given.
    sheet : (columns, rows), optional
        One image of that many small ones instead of a file for each.
    sample : int, optional
        Only so many images, chosen by `seed`.
    seed : int
    classes : sequence of str, optional
        Draw only these.
    look : Look
        Which parts are drawn.
    line_width : int, optional
        Pixels; by default by the size of the image.
    max_side : int, optional
        Larger images are made smaller; cells of a sheet are 480 wide by default.
    font : path-like, optional
        A font file for names that the bundled font cannot write.
    quality : int
        Of JPEG files.
    """

    score_threshold: float = 0.25
    iou_threshold: float = 0.5
    beside: bool = False
    colours: Literal["outcome", "class"] | None = None
    sheet: tuple[int, int] | None = None
    sample: int | None = None
    seed: int = 0
    classes: Sequence[str] | None = None
    look: Look = field(default_factory=Look)
    line_width: int | None = None
    max_side: int | None = None
    font: str | Path | None = None
    quality: int = 90


@dataclass(frozen=True, eq=False)
class Scene:
    """What is drawn: tables on the same images, and the images among them that are shown."""

    truth: Dataset
    detections: Detections | None
    outcomes: Outcomes | None
    findings: tuple[Finding, ...]
    #: Predictions on these images, of these classes, whose score lies below the threshold.
    hidden: int = 0


def scene_of(
    source: str | Path | Dataset,
    predictions: str | Path | Detections | None,
    settings: DrawSettings,
    source_format: str,
    predictions_format: str,
    options: dict[str, Any],
) -> Scene:
    """What there is to draw; parameters as `detkit.api.drawing.draw`."""
    dataset = source if isinstance(source, Dataset) else _read(source, source_format, predictions is not None, options)
    _pixels.known_files(dataset)
    findings = dataset.findings
    shown = _chosen(dataset.images, settings)
    truth = dataset.take_images(shown)
    detections = outcomes = None
    hidden = 0
    if predictions is not None:
        truth, detections, noticed = _aligned(dataset, shown, predictions, predictions_format, options)
        findings += noticed
    truth, detections = _of_classes(truth, detections, settings.classes)
    if detections is not None:
        kept = detections.score >= settings.score_threshold
        hidden = len(detections) - int(kept.sum())
        detections = detections.take(kept)
    if detections is not None and len(dataset.annotations) and settings.colours != "class":
        truth, detections, outcomes = outcomes_of(truth, detections, settings.iou_threshold)
    return Scene(truth, detections, outcomes, findings, hidden)


def _read(path: str | Path, format: str, images_will_do: bool, options: dict[str, Any]) -> Dataset:
    if format != "images":
        try:
            found: Dataset = read(path, format=format, **options)
            return found
        except InputError:
            if not (images_will_do and format == "auto" and Path(path).is_dir()):
                raise
    from detkit import detectors

    pictures = detectors.find_pictures(path)
    sizes = _pixels.sizes_of(pictures.paths)
    images = Images(np.arange(1, len(pictures) + 1), pictures.names, sizes, pictures.paths, has_own_ids=False)
    nothing: Any = np.empty(0, np.int64)
    return Dataset.build(
        images, Categories.from_names([]), image_index=nothing, category_index=nothing, xywh=np.empty((0, 4))
    )


def _chosen(images: Images, settings: DrawSettings) -> Any:
    """Positions of the images that are shown: those with a file, all, a sample, or as many as a sheet has room for."""
    known = [n for n, path in enumerate(images.paths) if path is not None]
    if settings.sample is not None:

        def rank(n: int) -> bytes:
            text = f"{settings.seed}\0{_pixels.name_of(images, n)}"
            return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()

        known = sorted(sorted(known, key=rank)[: settings.sample])
    if settings.sheet is not None:
        known = known[: settings.sheet[0] * settings.sheet[1]]
    return np.array(known, dtype=np.int64)


def _aligned(
    dataset: Dataset,
    shown: Any,
    predictions: str | Path | Detections,
    format: str,
    options: dict[str, Any],
) -> tuple[Dataset, Detections, tuple[Finding, ...]]:
    """Truth and predictions of the shown images, in the same terms."""
    from detkit.evaluation.align import align

    if isinstance(predictions, Detections):
        found = predictions
    else:
        wanted = {name: options[name] for name in ("names", "layout", "voc_offset") if options.get(name) is not None}
        found = read(predictions, kind="detections", format=format, reference_images=dataset.images, **wanted)
    if not len(found):
        # Nothing was found: every truth is a miss.
        truth = dataset.take_images(shown)
        return truth, replace(found, images=truth.images, categories=truth.categories), found.findings
    aligned = align(dataset, found, unmapped="count")
    truth = aligned.truth.take_images(shown)
    place = np.full(len(dataset.images), -1, np.int64)
    place[shown] = np.arange(len(shown))
    at = place[aligned.detections.image_index]
    rows = np.flatnonzero(at >= 0)
    detections = replace(aligned.detections.take(rows), images=truth.images, image_index=freeze(at[rows]))
    return truth, detections, (*found.findings, *aligned.findings)


def _of_classes(
    truth: Dataset, detections: Detections | None, classes: Sequence[str] | None
) -> tuple[Dataset, Detections | None]:
    if classes is None:
        return truth, detections
    unknown = [name for name in classes if name not in truth.categories.names]
    if unknown:
        raise UsageError(f"unknown class {examples(unknown)}; known: {examples(truth.categories.names, 12)}")
    wanted = np.array([name in classes for name in truth.categories.names])
    truth = truth.take_rows(np.flatnonzero(wanted[truth.annotations.category_index]))
    if detections is not None:
        detections = detections.take(wanted[detections.category_index])
    return truth, detections
