"""A shard of an evaluation: the outcomes of some images' detections, and what the whole truth says beside them.

Truths are counted over the whole truth in every shard, whatever is predicted; detections are matched in their own
images only. `detkit.evaluation.folding` folds all shards to the answer of one process. Nothing here knows a file: a
part is plain values (`meta`) and columns (`arrays`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.evaluation.cells import class_names, order_of_ids
from detkit.evaluation.dropped import dropped_findings
from detkit.evaluation.encounters import encounters_of
from detkit.evaluation.engine import Scored, score
from detkit.evaluation.federated import unused_labels
from detkit.evaluation.images import match_by_id, match_images
from detkit.evaluation.misread import row_counts
from detkit.evaluation.oriented import oriented_findings
from detkit.evaluation.protocols import Protocol
from detkit.evaluation.quirks import reference_findings
from detkit.evaluation.reading import ignored_truths, read_truth
from detkit.evaluation.result import count_bands, count_operating_points
from detkit.evaluation.shift import at_reference, may_be_shifted, moved_classes
from detkit.findings import Finding
from detkit.kernels.match import IGNORED, TRUE
from detkit.tables import Dataset, Detections, Images, freeze

__all__ = [
    "Columns",
    "Judged",
    "Own",
    "Part",
    "judge_truth",
    "match_own_images",
    "no_detections",
    "score_part",
]

#: A class-agnostic look and moved class numbers tell whether ids are shifted; kept under names of this form.
AGNOSTIC = "without regard to class"
_FIELDS = ("starts", "score", "rank", "image", "hits", "ignored")


@dataclass(frozen=True, eq=False)
class Part:
    """One shard as plain values and columns."""

    meta: Mapping[str, Any]
    arrays: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Columns:
    """Detections of a shard, class by class, under one choice of thresholds and area ranges.

    Parameters
    ----------
    starts : (K + 1,) int64
        Class k holds detections `starts[k]:starts[k + 1]`.
    score : (D,) float64
    rank : (D,) int32
        Place by score inside the cell (or image, as the protocol caps).
    image : (D,) int32
        Place of the image in the order of all the truth's ids; ascending within a class.
    hits, ignored : (B,) uint8
        For each class A x T rows of one bit a detection, each row filled up to whole bytes: true positives, and
        detections that count neither way. What is in neither is a false positive.
    cells : int
        A x T.

    Notes
    -----
    Columns may be anything that is sliced like an array, so that a fold reads one class at a time.
    """

    starts: NDArray[np.int64]
    score: Any
    rank: Any
    image: Any
    hits: Any
    ignored: Any
    cells: int

    @classmethod
    def of(cls, scored: Scored, detections: Detections, place: NDArray[np.int64]) -> Columns:
        """The columns of what the engine found; `place` is that of each of the detections' images."""
        layout, count = scored.layout, len(scored.layout.classes)
        starts = [layout.detections_of(k).start for k in range(count)]
        outcomes = [m.outcome for m in scored.matched]
        return cls(
            np.array([*starts, len(layout.dt_row)], dtype=np.int64),
            detections.score[layout.dt_row],
            layout.dt_rank,
            place[detections.image_index[layout.dt_row]].astype(np.int32),
            _packed([outcome == TRUE for outcome in outcomes]),
            _packed([outcome == IGNORED for outcome in outcomes]),
            outcomes[0].shape[0] * outcomes[0].shape[1] if outcomes else 1,
        )

    def classes(self, first: int, last: int) -> Columns:
        """The columns of classes `first` to `last` (exclusive) alone, in memory."""
        rows = slice(int(self.starts[first]), int(self.starts[last]))
        ends = np.concatenate([[0], np.cumsum(self.cells * -(-np.diff(self.starts) // 8))])
        packed = slice(int(ends[first]), int(ends[last]))
        starts = self.starts[first : last + 1] - rows.start
        columns = (self.score[rows], self.rank[rows], self.image[rows], self.hits[packed], self.ignored[packed])
        return Columns(starts, *columns, cells=self.cells)

    def of_class(self, k: int, areas: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[np.uint8]]:
        """Score, rank, image and outcome (A, T, D_k) of class k."""
        one = self.classes(k, k + 1)
        count = len(one.score)
        planes = [
            np.unpackbits(np.reshape(packed, (self.cells, -(-count // 8))), axis=1, count=count)
            for packed in (one.hits, one.ignored)
        ]
        outcome = planes[0] * np.uint8(TRUE) + planes[1] * np.uint8(IGNORED)
        return one.score, one.rank, one.image, outcome.reshape(areas, self.cells // areas, count)

    def to_arrays(self, prefix: str = "") -> dict[str, NDArray[Any]]:
        """The columns by name."""
        return {prefix + name: getattr(self, name) for name in _FIELDS}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any], cells: int, prefix: str = "") -> Columns:
        """The columns under these names again."""
        columns = {name: arrays[prefix + name] for name in _FIELDS}
        return cls(**{**columns, "starts": np.asarray(columns["starts"][:])}, cells=cells)


@dataclass(frozen=True, eq=False)
class Judged:
    """What a truth is under a protocol, whatever is predicted: the same in every shard.

    Parameters
    ----------
    given : Dataset
        As selected, before the protocol read it.
    truth : Dataset
        As the protocol reads it.
    protocol : Protocol
        With what the truth's units allow.
    scored : Scored
        Of no detections: classes, groups of classes, number of truths that count.
    place : (I,) int64
        Place of each image in the order of ids.
    findings : mapping of str to tuple of Finding
        `truth`, `reference`, `oriented`, `labels`, `ignored`.
    """

    given: Dataset
    truth: Dataset
    protocol: Protocol
    scored: Scored
    place: NDArray[np.int64]
    findings: Mapping[str, tuple[Finding, ...]]


@dataclass(frozen=True, eq=False)
class Own:
    """The predictions of one shard in the truth's terms.

    Parameters
    ----------
    detections : Detections
        Aligned rows of classes and images that are scored; positions in the whole truth.
    image_of : (P,) int64
        Truth position of each predicted image of this shard, -1 for none.
    by_number : bool
        Whether classes met by id or position, which may be shifted.
    counts : mapping of str to int
        `outside_truth`, `unmapped`.
    """

    detections: Detections
    image_of: NDArray[np.int64]
    by_number: bool
    counts: Mapping[str, int]


def no_detections(truth: Dataset) -> Detections:
    """A table of no rows over a truth's images and classes."""
    nothing = np.zeros(0, np.int64)
    return Detections.build(
        truth.images,
        truth.categories,
        image_index=nothing,
        category_index=nothing,
        xywh=np.zeros((0, 4)),
        score=np.zeros(0),
        units=truth.units,
    )


def match_own_images(truth: Images, predicted: Images) -> NDArray[np.int64]:
    """Truth position of each image of a shard, -1 for none.

    Where every id is the truth's and names agree, ids decide, and no name of the whole truth is looked at; folding
    compares with how all predicted images together meet the truth.

    Parameters
    ----------
    truth, predicted : Images

    Returns
    -------
    (P,) int64
    """
    if truth.has_own_ids and predicted.has_own_ids and truth.ids.dtype != object and predicted.ids.dtype != object:
        found = match_by_id(truth, predicted)
        if (found >= 0).all() and all(
            name in ("", truth.file_names[i]) for name, i in zip(predicted.file_names, found.tolist(), strict=True)
        ):
            return found
    return match_images(truth, predicted)[0]


def judge_truth(truth: Dataset, protocol: Protocol, *, jobs: int | None = None) -> Judged:
    """What every shard needs of the whole truth.

    Parameters
    ----------
    truth : Dataset
        With the classes that are scored.
    protocol : Protocol
    jobs : int, optional
        Threads.

    Returns
    -------
    Judged

    Raises
    ------
    CannotJudgeError
        The truth holds no image.
    """
    read, protocol = read_truth(truth, protocol)
    findings = {
        "truth": truth.findings,
        "reference": tuple(reference_findings(truth, protocol)),
        "oriented": tuple(oriented_findings(truth, no_detections(truth), protocol)),
        "labels": (*unused_labels(truth, protocol), *dropped_findings(truth, protocol)),
    }
    scored = score(read, _like_predictions(read, protocol), protocol, jobs=jobs)
    findings["ignored"] = tuple(ignored_truths(read))
    place = np.empty(len(read.images), np.int64)
    place[order_of_ids(read.images.ids)] = np.arange(len(place))
    return Judged(truth, read, protocol, scored, place, findings)


def score_part(judged: Judged, own: Own, *, jobs: int | None = None, looks: bool = True) -> Part:
    """The outcomes of one shard's detections, with counts that add up over shards.

    Parameters
    ----------
    judged : Judged
    own : Own
    jobs : int, optional
        Threads.
    looks : bool
        Score with other classes, too: what folding needs to say of a low AP whether class numbers are shifted.

    Returns
    -------
    Part
        Without what the caller knows of inputs and settings.
    """
    protocol, detections = judged.protocol, own.detections
    lacking = oriented_findings(no_rows(judged.truth), detections, protocol)
    meta: dict[str, Any] = {
        "aligned_rows": len(detections),
        "best_score": float(detections.score.max()) if len(detections) else None,
        "without_corners": sum(finding.count for finding in lacking),
        "by_number": own.by_number,
        "row_counts": asdict(row_counts(judged.given, detections)),
        "encounters": asdict(encounters_of(judged.truth, detections, class_wise=protocol.class_wise)),
    }
    counts = dict(own.counts)
    if protocol.score_threshold is not None:
        kept = detections.score >= protocol.score_threshold
        counts["below_score_threshold"] = int(np.count_nonzero(~kept))
        detections = detections.take(kept)
    members = np.unique(own.image_of[own.image_of >= 0])
    truth = judged.truth.take_images(members)
    detections = replace(
        detections,
        images=truth.images,
        image_index=freeze(np.searchsorted(members, detections.image_index), np.int64),
    )
    place = judged.place[members]
    scored = score(truth, detections, protocol, jobs=jobs)
    counts["beyond_max_detections"] = scored.layout.cut
    counts |= scored.layout.left_out
    points = count_operating_points(protocol, scored, detections)
    meta |= {
        **truth_meta(judged),
        "kept_rows": len(detections),
        "counts": counts,
        "bands": [band.count for band in count_bands(protocol, scored)],
    }
    arrays: dict[str, Any] = {
        **Columns.of(scored, detections, place).to_arrays(),
        "truths": judged.scored.truths,
        "operating": np.stack([points.tp, points.fp]),
        "image_of": own.image_of,
    }
    names: list[str] = []
    if looks and own.by_number and may_be_shifted(judged.truth, judged.protocol):
        for name, columns in _looks(judged, truth, detections, place, jobs):
            arrays |= columns.to_arrays(f"look{len(names)}.")
            names.append(name)
    meta["looks"] = names
    return Part(meta, arrays)


def truth_meta(judged: Judged) -> dict[str, Any]:
    """What every part says of the truth and the protocol, as plain values."""
    return {
        "protocol": judged.protocol.to_dict(),
        "classes": [[key, name] for key, name in class_names(judged.truth.categories, judged.scored.layout)],
        "categories": [judged.truth.categories.ids.tolist(), list(judged.truth.categories.names)],
        "groups": {name: list(places) for name, places in judged.scored.groups.items()},
        "truth_rows": len(judged.truth.annotations),
        "image_count": len(judged.truth.images),
        "findings": {name: plain_findings(found) for name, found in judged.findings.items()},
    }


def plain_findings(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """Findings as plain values that make the same findings again."""
    return [asdict(finding) for finding in findings]


def no_rows(truth: Dataset) -> Dataset:
    """The truth's images and classes without a row."""
    return truth.take_rows(np.zeros(0, np.int64))


def _looks(
    judged: Judged, truth: Dataset, detections: Detections, place: NDArray[np.int64], jobs: int | None
) -> Iterator[tuple[str, Columns]]:
    """The same detections without regard to class, and with every class moved: see `detkit.evaluation.shift`."""
    reduced = at_reference(judged.protocol)
    agnostic = replace(reduced, class_wise=False)
    yield AGNOSTIC, Columns.of(score(truth, detections, agnostic, jobs=jobs), detections, place)
    for what, moved in moved_classes(truth, detections):
        yield what, Columns.of(score(truth, moved, reduced, jobs=jobs), moved, place)


def _like_predictions(truth: Dataset, protocol: Protocol) -> Detections:
    """No detections that state what the protocol compares."""
    none = no_detections(truth)
    rows = truth.annotations.take(np.zeros(0, np.int64))
    if protocol.iou_type == "bbox":
        return none
    return replace(none, shapes=rows.shapes, keypoints=rows.keypoints)


def _packed(planes: Sequence[NDArray[np.bool_]]) -> NDArray[np.uint8]:
    """(B,) uint8: planes (A, T, D_k) of all classes, rows of whole bytes one after the other."""
    rows = [np.packbits(plane.reshape(-1, plane.shape[2]), axis=1).ravel() for plane in planes if plane.shape[2]]
    return np.concatenate(rows) if rows else np.zeros(0, np.uint8)
