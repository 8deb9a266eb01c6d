"""Around a gate: old predictions judged on new labels, the next baseline, and verdicts on what could not be read."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detkit import files
from detkit.api._request import changes_of, stated_request
from detkit.api.explaining import find_matches
from detkit.api.gating import gate
from detkit.api.scoring import EvaluationSettings, evaluate
from detkit.errors import CannotJudgeError, DetkitError, InputError, UsageError
from detkit.evaluation.gate import GateReport, GateRow, Rule, parse_expression
from detkit.wording import plural

if TYPE_CHECKING:
    from detkit.evaluation.result import Evaluation

__all__ = ["Baseline", "check_request", "fallen", "keep_baseline", "refusal", "rescore", "settings_of"]


#: What was said of the one file of predictions, and need not hold for others.
_OF_THE_FILE = ("predictions_format", "layout", "strict", "min_coverage")


@dataclass(frozen=True)
class Baseline:
    """What became of a baseline.

    Parameters
    ----------
    written : bool
    reason : str
        One line: why it was written, or kept.
    """

    written: bool
    reason: str


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


def keep_baseline(
    source: Path | Evaluation,
    target: Path,
    verdict: GateReport,
    *,
    fell: Sequence[str] | None,
    allow_lower: bool = False,
) -> Baseline:
    """Make a judged result the new baseline, where that is right; says what was done.

    It is written when the gate passes and no judged metric is worse than in the baseline before. A metric that fell
    within its allowed drop passes, and still keeps the old baseline: else many small falls would lower the floor
    without anyone having said so.

    Parameters
    ----------
    source : Path or Evaluation
        The result's file, or a result that has none.
    target : Path
        The baseline; replaced whole or not at all, saved matches beside it.
    verdict : GateReport
        On the result, against the baseline.
    fell : sequence of str, optional
        What is worse than in the baseline before (`fallen`); None where there was none.
    allow_lower : bool
        Write also where a metric fell within its allowed drop.

    Returns
    -------
    Baseline
    """
    if verdict.outcome != "pass":
        return Baseline(False, f"the outcome is `{verdict.outcome}`")
    if fell and not allow_lower:
        more = f" and {len(fell) - 3} more" if len(fell) > 3 else ""
        return Baseline(False, f"within what is allowed, but worse than before: {', '.join(fell[:3])}{more}")
    _copy(source, target)
    if fell is None:
        return Baseline(True, "there was none")
    return Baseline(True, f"lowered as asked: {', '.join(fell)}" if fell else "nothing judged is worse than before")


def fallen(
    result: Evaluation | Mapping[str, Any], baseline: Evaluation | Mapping[str, Any], rules: Sequence[Any]
) -> list[str]:
    """The metrics that the rules judge and that are worse than in the baseline, however little.

    Parameters
    ----------
    result, baseline : Evaluation or mapping
    rules : sequence of (str or Rule)
        Those of severity `warn` set no floor.

    Returns
    -------
    list of str
        `AP 0.575 to 0.565`.
    """
    demands = [parse_expression(rule) if isinstance(rule, str) else rule for rule in rules]
    metrics = dict.fromkeys(rule.metric for rule in demands if rule.severity == "error")
    unchanged = [Rule(metric, max_drop=0.0, allow_missing=True) for metric in metrics]
    rows = gate({"result": result}, unchanged, baseline=baseline).rows if unchanged else ()
    return [f"{row.metric} {row.baseline:.6g} to {row.value:.6g}" for row in rows if row.verdict == "fail"]


def refusal(error: DetkitError, label: str = "result") -> GateReport:
    """A verdict that says why there is none, for the reports that a CI system reads.

    Parameters
    ----------
    error : DetkitError
    label : str
        Of the result that could not be judged.

    Returns
    -------
    GateReport
        Outcome `undecided` where nothing can be judged, else `error`.
    """
    message = error.message if error.hint is None else f"{error.message} ({error.hint})"
    if isinstance(error, CannotJudgeError):
        return GateReport((), (f"{label}: {message}",))
    return GateReport((GateRow(label, "request and inputs are right", "", "error", "", "error", message),))


def check_request(results: int, *, truth: bool, predictions: bool, baseline_predictions: bool) -> None:
    """Refuse combinations that leave nothing, or two things, to judge.

    Parameters
    ----------
    results : int
        How many result files are given.
    truth, predictions, baseline_predictions : bool
        Which files are given.

    Raises
    ------
    UsageError
    """
    if (predictions or baseline_predictions) and not truth:
        raise UsageError("predictions are scored on a truth", hint="add --truth FILE")
    if truth and not (predictions or baseline_predictions):
        raise UsageError("a truth alone says nothing", hint="add --predictions or --baseline-predictions")
    if not results and not predictions:
        raise UsageError("no results: there is nothing to judge")
    if results and predictions:
        raise UsageError("both results and --predictions are given, expected one of them")
    if results > 1 and baseline_predictions:
        raise UsageError(f"{plural(results, 'result')}, expected one beside --baseline-predictions")


def _copy(source: Path | Evaluation, target: Path) -> None:
    """The result as baseline; matches it names are copied beside it and named from there."""
    if not isinstance(source, Path):
        from detkit import reports

        with files.atomic_file(target, overwrite=True) as place:
            place.write_text(reports.render("json", source), encoding="utf-8")
        return
    raw = source.read_bytes()
    content = json.loads(raw.decode("utf-8-sig"))
    matches = find_matches(content, source)
    if matches is not None and matches.is_file():
        beside = target.with_suffix(".npz")
        if files.sha256_of([matches]) == content["matches"].get("sha256") and beside.resolve() != matches.resolve():
            with files.atomic_file(beside, overwrite=True) as place:
                shutil.copyfile(matches, place)
            content["matches"]["path"] = beside.name
            raw = (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()
    with files.atomic_file(target, overwrite=True) as place:
        place.write_bytes(raw)


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
