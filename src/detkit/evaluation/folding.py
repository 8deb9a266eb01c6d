"""All shards of an evaluation to the answer of one process, to the last bit; some classes are in memory at a time."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.errors import CannotJudgeError, InputError
from detkit.evaluation.cells import Layout
from detkit.evaluation.classes import match_classes
from detkit.evaluation.encounters import Encounters, encounter_findings
from detkit.evaluation.engine import Scored
from detkit.evaluation.images import match_images, unknown_images, unpredicted_images
from detkit.evaluation.misread import RowCounts, findings_of
from detkit.evaluation.outcomes import stated_protocol
from detkit.evaluation.partial import AGNOSTIC, Columns, Part, no_detections
from detkit.evaluation.protocols import Metric, Protocol
from detkit.evaluation.reading import boxes_of_outlines
from detkit.evaluation.result import (
    BANDS,
    ClassResult,
    Coverage,
    Evaluation,
    OperatingPoints,
    bands_of,
    metric_rows,
    metric_value,
    summarize_classes,
)
from detkit.evaluation.shift import at_reference, looks_wrong, mismatch_findings, mismatch_of, suspicious_ap
from detkit.findings import Finding
from detkit.kernels.falling import falling_order
from detkit.tables import Annotations, Categories, Dataset, Detections, Images, id_array

__all__ = ["Predicted", "empty_like", "fold"]

Array = NDArray[np.float64]

#: Rows of all shards that are read at once, unless one class has more.
_ROWS = 500_000


@dataclass(frozen=True, eq=False)
class Predicted:
    """What the predictions of all shards say together, row for row only where messages count rows.

    Parameters
    ----------
    images, categories : Images, Categories
        In the order that one reader of all predictions has them.
    image_rows : (P,) int64
        Rows on each image.
    class_rows : (C,) int64
        Rows of each class.
    image_of, class_of : (P,) int64, (C,) int64
        Truth positions as the shards took them.
    like : Detections
        A table with the units and the source of all of them.
    """

    images: Images
    categories: Categories
    image_rows: NDArray[np.int64]
    class_rows: NDArray[np.int64]
    image_of: NDArray[np.int64]
    class_of: NDArray[np.int64]
    like: Detections


def fold(
    parts: Sequence[Part],
    truth: Dataset,
    predicted: Predicted,
    *,
    findings: Sequence[Finding],
    class_map: Mapping[str, str | None] | None,
    unmapped: Any,
    elsewhere: Images | None = None,
    strict: bool = False,
    jobs: int | None = None,
) -> Evaluation:
    """The evaluation that one process would have made.

    Parameters
    ----------
    parts : sequence of Part
        All shards, once, in order; made with the same settings from the same inputs.
    truth : Dataset
        Images and classes, no rows.
    predicted : Predicted
    findings : sequence of Finding
        Of the readers: truth first, then predictions.
    class_map, unmapped
        See `detkit.evaluation.align.align`.
    elsewhere : Images, optional
        All images of the dataset that the truth is a split of.
    strict : bool
        Predictions on images outside the truth are an error.
    jobs : int, optional
        Threads, each with one class in memory.

    Returns
    -------
    Evaluation
        Its tables state how many rows there are, and nothing of them: what needs rows is not to be had from it.

    Raises
    ------
    CannotJudgeError
        No prediction meets the truth, or a shard met images or classes otherwise than all of them together do.
    InputError
        `strict`, and predictions outside the truth.
    """
    first = parts[0].meta
    protocol = stated_protocol(first["protocol"])
    counts = _added([part.meta["counts"] for part in parts])
    aligned = _align_findings(truth, predicted, class_map, unmapped, elsewhere)
    if strict and counts["outside_truth"]:
        message = next(f.message for f in aligned if f.code in ("DK701", "DK108"))
        raise InputError(message, hint="without --strict they are counted and left out")
    rows = sum(part.meta["aligned_rows"] for part in parts)
    told = {name: [Finding(**f) for f in found] for name, found in first["findings"].items()}
    like = replace(predicted.like, image_index=_zeros(rows))
    counted = RowCounts.joined([RowCounts(**part.meta["row_counts"]) for part in parts])
    found = [*findings, *aligned, *findings_of(counted), *told["reference"], *boxes_of_outlines(like, protocol)]
    found += [*told["oriented"], *_corners(parts, rows), *told["labels"], *told["ignored"]]
    columns = [Columns.from_arrays(part.arrays, _cells(protocol)) for part in parts]
    scored = _scored(columns, protocol, np.asarray(parts[0].arrays["truths"][:]), first, jobs)
    reached = np.zeros(len(truth.images), np.bool_)
    reached[predicted.image_of[predicted.image_of >= 0]] = True
    result = Evaluation(
        protocol=protocol,
        metrics={row.name: metric_value(row, protocol, scored) for row in metric_rows(protocol)},
        per_class=_classes(protocol, scored, first["classes"]),
        bands=bands_of([sum(part.meta["bands"][n] for part in parts) for n in range(len(BANDS))]),
        operating_points=_operating_points(parts, protocol, scored),
        coverage=Coverage(len(truth.images), int(reached.sum())),
        findings=(),
        scored=scored,
        truth=_counted_truth(truth, first["categories"], first["truth_rows"]),
        detections=_counted_detections(like, sum(part.meta["kept_rows"] for part in parts)),
        counts=counts,
        truth_source=truth.source,
        detections_source=predicted.like.source,
    )
    found += _misread(parts, result, predicted) or _encounters(parts, result)
    found += unpredicted_images(truth.images, reached)
    return replace(result, findings=tuple(found))


def _align_findings(
    truth: Dataset, predicted: Predicted, class_map: Any, unmapped: Any, elsewhere: Images | None
) -> list[Finding]:
    """What alignment says of all predictions together, once it is known that every shard aligned its own like that."""
    image_of, notes = match_images(truth.images, predicted.images)
    if not np.array_equal(image_of, predicted.image_of):
        raise _differs("images")
    # Messages count rows only of images and classes that the truth does not have: of the others one row will do.
    images = np.where(image_of < 0, predicted.image_rows, np.minimum(predicted.image_rows, 1))
    classes = np.where(predicted.class_of < 0, predicted.class_rows, np.minimum(predicted.class_rows, 1))
    light = replace(
        predicted.like,
        images=predicted.images,
        categories=predicted.categories,
        image_index=np.repeat(np.arange(len(images)), images),
        category_index=np.repeat(np.arange(len(classes)), classes),
    )
    findings = [*notes, *unknown_images(truth, light, image_of, elsewhere)]
    class_of, _, _, notes = match_classes(truth, light, class_map, unmapped)
    if not np.array_equal(class_of, predicted.class_of):
        raise _differs("classes")
    return [*findings, *notes]


def _differs(what: str) -> CannotJudgeError:
    return CannotJudgeError(
        f"a part matched {what} of the predictions to the truth otherwise than all parts together do",
        hint="evaluate in one process: this depends on all predictions",
    )


def _corners(parts: Sequence[Part], rows: int) -> list[Finding]:
    lacking = sum(part.meta["without_corners"] for part in parts)
    if not lacking:
        return []
    message = f"{lacking} of {rows} rows of the predictions state no four corners: their boxes count as unrotated"
    return [Finding("DK110", message, count=lacking)]


def _scored(
    columns: Sequence[Columns], protocol: Protocol, truths: NDArray[np.int64], meta: Any, jobs: int | None
) -> Scored:
    precision, recall, scores, ends = _accumulated(columns, protocol, truths, jobs)
    count = len(truths)
    sizes = np.sum([np.diff(c.starts) for c in columns], axis=0, dtype=np.int64)
    nothing = np.zeros(0, np.int64)
    layout = Layout(
        classes=np.arange(count) if protocol.class_wise else np.array([-1]),
        images=nothing,
        dt_row=nothing,
        dt_rank=nothing.astype(np.int32),
        gt_row=nothing,
        cells=np.arange(count),
        dt_starts=np.concatenate([[0], np.cumsum(sizes)]),
        gt_starts=np.zeros(count + 1, np.int64),
        class_cells=np.arange(count + 1),
        cut=0,
    )
    groups = {name: tuple(places) for name, places in meta["groups"].items()}
    operating = None if protocol.operating_point is None else protocol.operating_point(ends)
    return Scored(layout, (), (), precision, recall, scores, truths, groups, operating)


def _accumulated(
    columns: Sequence[Columns], protocol: Protocol, truths: NDArray[np.int64], jobs: int | None
) -> tuple[Array, Array, Array, list[Any]]:
    """Precision, recall and scores as the engine has them, and what an operating point is taken from."""
    caps = np.array(protocol.max_detections, dtype=np.int64)
    recalls = np.array(protocol.recall_thresholds, dtype=np.float64)
    count, areas, thresholds = len(truths), len(protocol.area_ranges), len(protocol.iou_thresholds)
    precision = np.full((thresholds, len(recalls) or 1, count, areas, len(caps)), -1.0)
    scores = np.full_like(precision, -1.0)
    recall = np.full((thresholds, count, areas, len(caps)), -1.0)
    ends: list[Any] = [None] * count

    def one(block: Sequence[Columns], first: int, k: int) -> None:
        score, rank, outcome = _class(block, k - first, areas)
        order = falling_order(score)
        arrays = protocol.accumulate(order, score, rank, outcome, truths[k], caps, recalls)
        precision[:, :, k], recall[:, k], scores[:, :, k] = arrays
        if protocol.operating_point is not None:
            ends[k] = score[order], outcome[0, protocol.reference_threshold, order], int(truths[k, 0])

    with ThreadPoolExecutor(jobs or os.cpu_count() or 1) as pool:
        for first, last in _blocks(columns):
            block = [c.classes(first, last) for c in columns]
            list(pool.map(partial(one, block, first), range(first, last)))
    return precision, recall, scores, ends


def _blocks(columns: Sequence[Columns]) -> list[tuple[int, int]]:
    """First and last (exclusive) class of blocks that are read at once: many small classes, or one large one."""
    ends: NDArray[np.int64] = np.stack([c.starts for c in columns]).sum(axis=0)
    blocks, first = [], 0
    while first < len(ends) - 1:
        last = max(first + 1, int(np.searchsorted(ends, ends[first] + _ROWS, side="right")) - 1)
        blocks.append((first, last))
        first = last
    return blocks


def _class(columns: Sequence[Columns], k: int, areas: int) -> tuple[Array, NDArray[np.int32], NDArray[np.uint8]]:
    """Score, rank and outcome (A, T, D) of a class in all shards, in the order of the layout: image by image."""
    parts = [c.of_class(k, areas) for c in columns]
    score, rank, image = (np.concatenate([part[n] for part in parts]) for n in range(3))
    outcome = np.concatenate([part[3] for part in parts], axis=2)
    if (image[1:] < image[:-1]).any():
        order = np.argsort(image, kind="stable")
        score, rank, outcome = score[order], rank[order], outcome[:, :, order]
    return score, rank, outcome


def _classes(protocol: Protocol, scored: Scored, classes: Sequence[Any]) -> tuple[ClassResult, ...]:
    if not protocol.class_wise:
        return summarize_classes(protocol, scored, no_truth())
    named = Categories(id_array([identifier for identifier, _ in classes]), tuple(name for _, name in classes))
    return summarize_classes(protocol, scored, replace(no_truth(), categories=named))


def no_truth() -> Dataset:
    """A dataset of nothing."""
    nothing = np.zeros(0, np.int64)
    images = Images(nothing, (), np.zeros((0, 2)))
    return Dataset.build(
        images, Categories(nothing, ()), image_index=nothing, category_index=nothing, xywh=np.zeros((0, 4))
    )


def _operating_points(parts: Sequence[Part], protocol: Protocol, scored: Scored) -> OperatingPoints:
    tp, fp = np.sum([np.asarray(part.arrays["operating"][:]) for part in parts], axis=0)
    truths = int(scored.truths[:, 0].sum()) if len(scored.truths) else 0
    return OperatingPoints(protocol.iou_thresholds[protocol.reference_threshold], np.arange(101) / 100, tp, fp, truths)


def _misread(parts: Sequence[Part], result: Evaluation, predicted: Predicted) -> list[Finding]:
    """Class numbers that look shifted, as `class_mismatch` has it, from the looks that the parts kept."""
    if not all(part.meta["looks"] for part in parts) or not len(result.detections):
        return []
    protocol = at_reference(result.protocol)
    agnostic = replace(protocol, class_wise=False)
    mismatch = mismatch_of(
        suspicious_ap(result),
        lambda: _ap(parts, 0, agnostic, result),
        ((what, _ap(parts, n, protocol, result)) for n, what in enumerate(parts[0].meta["looks"][1:], 1)),
    )
    return mismatch_findings(mismatch, by_id=predicted.categories.has_own_ids)


def _encounters(parts: Sequence[Part], result: Evaluation) -> list[Finding]:
    if not looks_wrong(result):
        return []
    met = Encounters.joined([Encounters(**part.meta["encounters"]) for part in parts])
    return encounter_findings(met, result.truth, class_wise=result.protocol.class_wise)


def _ap(parts: Sequence[Part], look: int, protocol: Protocol, result: Evaluation) -> float | None:
    truths = result.scored.truths[:, :1]
    if parts[0].meta["looks"][look] == AGNOSTIC:
        truths = truths.sum(axis=0, keepdims=True)
    columns = [Columns.from_arrays(part.arrays, 1, f"look{look}.") for part in parts]
    precision, recall, scores, _ = _accumulated(columns, protocol, truths, None)
    scored = replace(result.scored, precision=precision, recall=recall, scores=scores, truths=truths)
    return metric_value(Metric("AP", "AP"), protocol, scored)


def _cells(protocol: Protocol) -> int:
    return len(protocol.area_ranges) * len(protocol.iou_thresholds)


def _added(counts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    return {name: sum(one[name] for one in counts) for name in counts[0]}


def _zeros(count: int) -> NDArray[np.int64]:
    """So many zeros that take no memory."""
    return np.broadcast_to(np.int64(0), (count,))


def _unstated(shape: tuple[int, ...]) -> Array:
    return np.broadcast_to(np.float64("nan"), shape)


def _counted_truth(truth: Dataset, categories: Sequence[Any], rows: int) -> Dataset:
    """The dataset with the classes that were scored and so many rows that state nothing."""
    ids, names = categories
    never = np.broadcast_to(np.False_, (rows,))
    table = Annotations(
        *(_zeros(rows), _zeros(rows), _unstated((rows, 4)), _unstated((rows,)), never, never, _zeros(rows)),
        source_row=_zeros(rows),
    )
    return replace(truth, categories=Categories(id_array(ids), tuple(names)), annotations=table)


def _counted_detections(like: Detections, rows: int) -> Detections:
    """The table with so many rows that state nothing."""
    return replace(
        like,
        image_index=_zeros(rows),
        category_index=_zeros(rows),
        xywh=_unstated((rows, 4)),
        score=_unstated((rows,)),
        area=_unstated((rows,)),
        source_row=_zeros(rows),
    )


def empty_like(units: Any, has_boxes: bool, source: Any) -> Detections:
    """A table of no rows with these properties.

    Parameters
    ----------
    units : {"pixels", "normalised"}
    has_boxes : bool
    source : Source, optional

    Returns
    -------
    Detections
    """
    return replace(no_detections(no_truth()), units=units, has_boxes=has_boxes, source=source)
