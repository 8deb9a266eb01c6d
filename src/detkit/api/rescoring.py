"""Old predictions on new labels: scored under the settings of an earlier result."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detkit.api._request import changes_of, stated_request
from detkit.api.scoring import EvaluationSettings, evaluate
from detkit.errors import CannotJudgeError, InputError

if TYPE_CHECKING:
    from detkit.evaluation.result import Evaluation

__all__ = ["rescore", "settings_of"]

#: What was said of the one file of predictions, and need not hold for others.
_OF_THE_FILE = ("predictions_format", "layout", "strict", "min_coverage")


def rescore(
    truth: str | Path,
    predictions: str | Path,
    like: Mapping[str, Any] | None = None,
    settings: EvaluationSettings | None = None,
) -> Evaluation:
    """Predictions scored on a truth under the settings of an earlier result, so that the two can be compared.

    Parameters
    ----------
    truth : path-like
        Such as the corrected labels.
    predictions : path-like
        Such as those of the model in use, made before the labels were corrected.
    like : mapping, optional
        A validated result whose protocol is taken; by default protocol coco.
    settings : EvaluationSettings, optional
        How the files are read.

    Returns
    -------
    Evaluation

    Raises
    ------
    InputError, CannotJudgeError, UsageError
        As `evaluate`.
    CannotJudgeError
        The truth is not the one the result was scored on, or its protocol cannot be set up again from the result.
    """
    settings = settings or EvaluationSettings()
    result = evaluate(truth, predictions, settings_of(like, settings) if like is not None else settings)
    if like is not None:
        _same_labels(result.to_dict(), like, truth)
    return result


def settings_of(result: Mapping[str, Any], settings: EvaluationSettings | None = None) -> EvaluationSettings:
    """The settings under which a result was scored.

    Parameters
    ----------
    result : mapping
        A validated result of `detkit eval`.
    settings : EvaluationSettings, optional
        Those that say how files are read; what the result was asked for goes over them.

    Returns
    -------
    EvaluationSettings

    Raises
    ------
    InputError
        The result does not state its protocol whole.
    """
    stated = result["protocol"]
    asked = {k: v for k, v in changes_of(stated_request(result) or {}).items() if k not in _OF_THE_FILE}
    try:
        ranges = stated["area_ranges"]
        caps = stated["max_detections"]
        sigmas = stated["sigmas"]
        best = stated["match_rule"] == "best"
        return replace(
            settings or EvaluationSettings(),
            protocol=stated["name"],
            iou_type=stated["iou_type"],
            iou_thresholds=tuple(stated["iou_thresholds"]),
            # a protocol without a cap or sizes takes none
            max_detections=None if None in caps else tuple(caps),
            area_ranges=None
            if best
            else tuple((name, low, math.inf if high is None else high) for name, (low, high) in ranges.items()),
            area=stated["area"],
            at_image_size=stated["at_image_size"],
            sigmas=None if sigmas is None else tuple(sigmas),
            class_agnostic=not stated["class_wise"],
            strict_iou=stated["iou_comparison"] == ">",
            score_threshold=stated["score_threshold"],
            strict_parity=stated["strict_parity"],
            **asked,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"the result does not state its protocol whole: {error}") from error


def _same_labels(result: Mapping[str, Any], like: Mapping[str, Any], truth: str | Path) -> None:
    """Refuse where the two were not scored alike: the gate would say so too, less plainly."""
    ours, theirs = (r["inputs"]["ground_truth"].get("sha256") for r in (result, like))
    if ours != theirs:
        hint = "score the new predictions on it first: detkit eval TRUTH PREDICTIONS --format json"
        raise CannotJudgeError(f"{truth}: not the truth that the result was scored on", hint=hint)
    stated = json.loads(json.dumps(result["protocol"]))
    odd = [key for key, value in like["protocol"].items() if stated.get(key) != value]
    if odd:
        raise CannotJudgeError(f"the protocol of the result cannot be set up again: {', '.join(odd)} would differ")
