"""What became of every box, apart from the tables it came from: all that resampling images needs.

Taken from an evaluation, or from the matches that `eval --save-matches` wrote beside its result.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.errors import CannotJudgeError
from detkit.evaluation import protocols
from detkit.evaluation.matches import compact
from detkit.evaluation.protocols import UNLIMITED, AreaRange, Protocol
from detkit.evaluation.result import Evaluation
from detkit.evaluation.schemas import MATCHES

__all__ = ["Outcomes", "outcomes_of", "require_same_truth", "saved_outcomes", "stated_protocol"]

_COLUMNS = ("dt_image", "dt_class", "dt_score", "dt_rank", "outcome", "gt_image", "gt_class", "gt_ignored")


@dataclass(frozen=True, eq=False)
class Outcomes:
    """Outcomes of all detections and the truths they were held against.

    Parameters
    ----------
    protocol : Protocol
    images : tuple of (int or str)
        Image ids in ascending order; `dt_image` and `gt_image` are places in it.
    classes : tuple of (id, str)
        Id and name of each class in ascending order of id.
    dt_image, dt_class : (D,) int32
    dt_score : (D,) float64
    dt_rank : (D,) int32
        Place by score inside image and class.
    outcome : (A, T, D) uint8
    gt_image, gt_class : (G,) int32
    gt_ignored : (A, G) bool
    groups : mapping of str to tuple of int
        Places in `classes` of each group of classes the protocol knows.
    """

    protocol: Protocol
    images: tuple[Any, ...]
    classes: tuple[tuple[Any, str], ...]
    dt_image: NDArray[np.int32]
    dt_class: NDArray[np.int32]
    dt_score: NDArray[np.float64]
    dt_rank: NDArray[np.int32]
    outcome: NDArray[np.uint8]
    gt_image: NDArray[np.int32]
    gt_class: NDArray[np.int32]
    gt_ignored: NDArray[np.bool_]
    groups: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def of_images(self, kept: NDArray[np.bool_]) -> Outcomes:
        """Boxes of these images only; the places of images stay as they are."""
        dt, gt = kept[self.dt_image], kept[self.gt_image]
        return replace(
            self,
            dt_image=self.dt_image[dt],
            dt_class=self.dt_class[dt],
            dt_score=self.dt_score[dt],
            dt_rank=self.dt_rank[dt],
            outcome=self.outcome[:, :, dt],
            gt_image=self.gt_image[gt],
            gt_class=self.gt_class[gt],
            gt_ignored=self.gt_ignored[:, gt],
        )

    def beside(self, other: Outcomes) -> Outcomes:
        """Detections of both, those of the other on images of their own behind the first ones'."""
        order = np.argsort(np.concatenate([self.dt_image, other.dt_image]), kind="stable")
        moved = other.dt_image + np.int32(len(self.images))

        def joined(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
            return np.concatenate([a, b], axis=-1)[..., order]

        return replace(
            self,
            dt_image=joined(self.dt_image, moved),
            dt_class=joined(self.dt_class, other.dt_class),
            dt_score=joined(self.dt_score, other.dt_score),
            dt_rank=joined(self.dt_rank, other.dt_rank),
            outcome=joined(self.outcome, other.outcome),
        )


def outcomes_of(result: Evaluation) -> Outcomes:
    """The outcomes of an evaluation.

    Parameters
    ----------
    result : Evaluation

    Returns
    -------
    Outcomes
    """
    arrays = compact(result)
    ids = result.truth.images.ids[result.scored.layout.images].tolist()
    classes = tuple((row.category_id, row.name) for row in result.per_class)
    columns = {name: arrays[name] for name in _COLUMNS}
    return Outcomes(result.protocol, tuple(ids), classes, **columns, groups=result.scored.groups)


def saved_outcomes(arrays: Mapping[str, NDArray[Any]], protocol: Mapping[str, Any]) -> Outcomes:
    """The outcomes in the arrays of `detkit.evaluation.matches.compact`.

    Parameters
    ----------
    arrays : mapping of str to array
    protocol : mapping
        Settings as the result states them that the matches were saved with; the order of its area ranges is that of
        the arrays.

    Returns
    -------
    Outcomes

    Raises
    ------
    CannotJudgeError
        Other arrays than those, or a protocol with settings that this version does not know.
    """
    lacking = [name for name in ("meta", *_COLUMNS) if name not in arrays]
    if lacking:
        raise CannotJudgeError(
            f"the matches hold no `{lacking[0]}`", hint="write them with `detkit eval --save-matches`"
        )
    meta = json.loads(arrays["meta"].tobytes())
    if meta.get("schema") != MATCHES:
        raise CannotJudgeError(f"the matches are of schema `{meta.get('schema')}`, expected `{MATCHES}`")
    if json.dumps(meta["protocol"], sort_keys=True) != json.dumps(protocol, sort_keys=True):
        raise CannotJudgeError("the matches were saved under other protocol settings than the result states")
    classes = tuple((identifier, name) for identifier, name in meta["categories"])
    return Outcomes(
        stated_protocol(protocol),
        tuple(meta["image_ids"]),
        classes,
        **{name: arrays[name] for name in _COLUMNS},
        groups={name: tuple(places) for name, places in meta.get("groups", {}).items()},
    )


def stated_protocol(stated: Mapping[str, Any]) -> Protocol:
    """The protocol whose settings a result states.

    Parameters
    ----------
    stated : mapping
        From `Protocol.to_dict`.

    Returns
    -------
    Protocol

    Raises
    ------
    CannotJudgeError
        A setting is missing, or the settings do not lead back to themselves.
    """
    found: Protocol | None = None
    try:
        found = replace(
            protocols.get(stated["name"], stated["iou_type"]),
            iou_thresholds=tuple(stated["iou_thresholds"]),
            area_ranges=tuple(
                AreaRange(name, low, np.inf if high is None else high)
                for name, (low, high) in stated["area_ranges"].items()
            ),
            max_detections=tuple(UNLIMITED if cap is None else cap for cap in stated["max_detections"]),
            class_wise=stated["class_wise"],
            sigmas=tuple(stated["sigmas"] or ()),
            strict_iou=stated["iou_comparison"] == ">",
            score_threshold=stated["score_threshold"],
            area=stated["area"],
            at_image_size=stated["at_image_size"],
            strict_parity=stated["strict_parity"],
        )
    except KeyError as error:
        raise CannotJudgeError(f"the matches state no {error} of their protocol") from error
    # Order of keys aside: the file sorts them.
    if json.dumps(found.to_dict(), sort_keys=True) != json.dumps(stated, sort_keys=True):
        raise CannotJudgeError(
            f"the matches were made under a protocol `{stated['name']}` that this version of detkit does not know",
            hint="evaluate again with this version",
        )
    return found


def require_same_truth(several: Sequence[tuple[str, Outcomes]]) -> None:
    """Refuse outcomes that were not scored against one truth by one protocol.

    Parameters
    ----------
    several : sequence of (str, Outcomes)
        With a label for messages.

    Raises
    ------
    CannotJudgeError
    """
    (first, base), *others = several
    for label, found in others:
        if found.protocol.to_dict() != base.protocol.to_dict():
            raise CannotJudgeError(f"{first} and {label} were scored under different protocol settings")
        what = None
        if found.images != base.images:
            what = "images"
        elif found.classes != base.classes:
            what = "classes"
        elif not all(
            np.array_equal(getattr(base, name), getattr(found, name)) for name in ("gt_image", "gt_class", "gt_ignored")
        ):
            what = "objects"
        if what is not None:
            raise CannotJudgeError(f"{first} and {label} were scored against different truths: their {what} differ")
