"""Judge results by rules, and read both from files."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detkit import config
from detkit.errors import CannotJudgeError, DetkitError, InputError, UsageError
from detkit.evaluation.gate import GateReport, GateRow, Rule
from detkit.wording import plural

if TYPE_CHECKING:
    from detkit.api.scoring import EvaluationSettings
    from detkit.evaluation.result import Evaluation

__all__ = [
    "Rule",
    "check_request",
    "find_rules",
    "gate",
    "load_baseline",
    "load_result",
    "load_rules",
    "naming_rules",
    "read_rules",
    "refusal",
    "refuse_unknown_metrics",
]


def gate(
    results: Mapping[str, Evaluation | Mapping[str, Any]] | Evaluation,
    rules: Sequence[Any],
    *,
    baseline: Evaluation | Mapping[str, Any] | None = None,
    min_coverage: float | None = None,
) -> GateReport:
    """Judge results by rules.

    Parameters
    ----------
    results : mapping of str to (Evaluation or mapping), or Evaluation
        By label: from `evaluate`, or parsed from result files.
    rules : sequence of (str or Rule)
        Expressions such as `AP>=0.40`, or rules from `load_rules`. Rules on intervals read the matches that the results
        name (`save_matches`); an `Evaluation` brings its own.
    baseline : Evaluation or mapping, optional
        What `max_drop` rules compare with.
    min_coverage : float, optional
        Least share of truth images that must have predictions.

    Returns
    -------
    GateReport
        `outcome` is `pass`, `fail` or `undecided`.

    Raises
    ------
    UsageError
        No rules, an unknown metric or class.
    InputError
        A mapping that is no evaluation result.
    """
    from detkit.evaluation import gate as judge

    named = results if isinstance(results, Mapping) and "schema" not in results else {"result": results}
    demands = read_rules(rules)
    resamples = any(rule.resamples for rule in demands)
    return judge.gate(
        {label: plain_result(result) for label, result in named.items()},
        demands,
        baseline=None if baseline is None else plain_result(baseline),
        min_coverage=min_coverage,
        matches={label: _matches(result, "the result") for label, result in named.items()} if resamples else None,
        baseline_matches=_matches(baseline, "the baseline") if resamples and baseline is not None else None,
    )


def load_rules(path: str | Path) -> list[Any]:
    """Gate rules from pyproject.toml, detkit.toml, a YAML or a JSON file.

    Raises
    ------
    InputError, UsageError
        Unreadable file, or a rule with a wrong field; the message names file, rule and line.
    """
    from detkit.evaluation.gate import rules_from_mapping

    return list(rules_from_mapping(config.load_config(path), path, line_of=lambda index: config.line_of(path, index)))


def load_result(path: str | Path) -> Mapping[str, Any]:
    """A result written by `detkit eval --format json`, checked.

    Raises
    ------
    InputError
        Not there, not JSON, not a result.
    """
    from detkit.api.explaining import find_matches
    from detkit.evaluation.gate import validate_result

    result = validate_result(config.load_json(path), path)
    place = find_matches(result, Path(path))
    if place is None or not place.is_file():
        return result
    # Named as seen from where the result was written: from here on, as seen from here.
    return {**result, "matches": {**result["matches"], "path": str(place)}}


def read_rules(rules: Sequence[Any] | None, path: str | Path | None = None) -> list[Rule]:
    """Rules given one by one, then those of a file.

    Parameters
    ----------
    rules : sequence of (str or Rule), optional
    path : path-like, optional
        See `load_rules`.

    Returns
    -------
    list of Rule

    Raises
    ------
    InputError, UsageError
        A rule that cannot be read, or makes no sense.
    """
    from detkit.evaluation.gate import parse_expression

    stated = [parse_expression(rule) if isinstance(rule, str) else rule for rule in rules or ()]
    return stated if path is None else [*stated, *load_rules(path)]


def refuse_unknown_metrics(rules: Sequence[Rule], settings: EvaluationSettings) -> None:
    """Refuse rules on metrics that no evaluation under these settings has; classes and slices are not known yet.

    Parameters
    ----------
    rules : sequence of Rule
    settings : EvaluationSettings

    Raises
    ------
    UsageError
        All unknown ones at once, or settings that make no sense.
    """
    if not rules:
        return
    from detkit.api.scoring import protocol_of
    from detkit.evaluation.gate import refuse_unknown
    from detkit.evaluation.result import metric_rows

    protocol = protocol_of(settings)
    refuse_unknown(rules, protocol.name, [row.name for row in metric_rows(protocol)])


def find_rules() -> Path | None:
    """The nearest configuration file, from here up to the root of the repository, or the rules `ci init` wrote here."""
    found = config.find_config(Path.cwd())
    if found is not None:
        return found
    from detkit.api.ci_setup import RULES

    written = Path.cwd() / RULES
    return written if written.is_file() else None


def naming_rules(verdict: GateReport, path: Path | None) -> GateReport:
    """The verdict with a note that names the file its rules were found in, where that is not in the working folder.

    Parameters
    ----------
    verdict : GateReport
    path : Path, optional
        From `find_rules`.

    Returns
    -------
    GateReport
    """
    if path is None or path.parent == Path.cwd():
        return verdict
    return replace(verdict, notes=(f"the rules are those of {os.path.relpath(path)}", *verdict.notes))


def load_baseline(path: Path) -> Mapping[str, Any]:
    """An earlier result; a missing file leaves nothing to compare with.

    Raises
    ------
    CannotJudgeError
        There is no such file.
    InputError
        The file is no result.
    """
    if not path.exists():
        hint = f"write one: detkit eval TRUTH PREDICTIONS --format json -o {path}"
        raise CannotJudgeError(f"{path}: the baseline is missing", hint=hint)
    return load_result(path)


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


def plain_result(result: Any) -> Mapping[str, Any]:
    """The plain values of an evaluation; a result that was read from a file is those already."""
    return result.to_dict() if hasattr(result, "to_dict") else result  # type: ignore[no-any-return]


def _matches(result: Any, whose: str) -> Any:
    """The outcomes behind a result, or a sentence that says why they are not at hand."""
    from detkit.api.explaining import find_matches, load_matches
    from detkit.evaluation.outcomes import outcomes_of, saved_outcomes
    from detkit.evaluation.uncertainty import require_metrics

    if hasattr(result, "scored"):
        return outcomes_of(result)
    place = find_matches(result)
    if place is None:
        return f"{whose} names no saved matches (detkit eval --save-matches FILE writes them)"
    try:
        found = saved_outcomes(load_matches(place, result["matches"].get("sha256")), result["protocol"])
        require_metrics(found, result["metrics"])
        return found
    except (InputError, CannotJudgeError) as error:
        return f"the matches of {whose} cannot be used: {error.message}"
