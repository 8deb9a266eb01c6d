"""The gate: rules over evaluation results, and a verdict that fails closed.

A gate never says "pass" for want of knowing better: an undefined, missing or non-finite metric, empty predictions,
shifted class ids or a baseline of another truth leave the outcome undecided, a misspelt metric is a wrong request.
Verdicts compare unrounded values; the texts carry as many digits as it takes for value, limit and margin to agree.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from detkit.errors import CannotJudgeError, UsageError
from detkit.evaluation._gate_evidence import Evidence
from detkit.evaluation._gate_paths import Reading, Readings, check_path, read, resolve
from detkit.evaluation._gate_result import blockers, validate_result
from detkit.evaluation._gate_rows import GateReport, GateRow, Judged, Verdict, figures, judging_nothing, plain
from detkit.evaluation._gate_rules import Drop, Rule, parse_expression, rules_from_mapping
from detkit.wording import percent, plural

__all__ = [
    "Drop",
    "GateReport",
    "GateRow",
    "Rule",
    "Verdict",
    "figures",
    "gate",
    "judge_reading",
    "parse_expression",
    "refuse_unknown",
    "resolve",
    "rules_from_mapping",
    "validate_result",
]

Result = Mapping[str, Any]
#: What holds where a comparison does not.
_OPPOSITE = {">=": "<", ">": "<=", "<=": ">", "<": ">="}
_IDLE_BASELINE = (
    "no rule judges the change from the baseline: that takes `max_drop`, `significance` or `non_inferiority` in a "
    "rules file"
)
#: Decimals of a limit that follows from the baseline: nobody wrote it, so its own digits say nothing.
_COMPUTED_PLACES = 3
_ENDS: dict[str, Judged] = {
    "lower": "lower end",
    "upper": "upper end",
    "significance": "change at best",
    "non_inferiority": "change at worst",
}


@dataclass(frozen=True, slots=True)
class _Bound:
    """One limit of a rule: its operator, and where it comes from."""

    operator: str
    limit: float | None
    drop: Drop | None = None
    #: Which interval is judged: of the value (its lower or upper end) or of the difference to the baseline.
    interval: Literal["lower", "upper", "significance", "non_inferiority"] | None = None

    @property
    def judged(self) -> Judged:
        """What is held against the limit."""
        if self.interval is None:
            return "value" if self.drop is None else "drop"
        return _ENDS[self.interval]


@dataclass(frozen=True, slots=True)
class _Before:
    """The baseline's values, why one may be absent, and whether `allow_missing` may excuse that."""

    values: dict[tuple[str, Any], float | None]
    lack: str
    excusable: bool


def gate(
    results: Mapping[str, Result] | Iterable[tuple[str, Result]],
    rules: Iterable[Rule | str],
    *,
    baseline: Result | None = None,
    min_coverage: float | None = None,
    errors: Literal["raise", "rows"] = "raise",
    matches: Mapping[str, Any] | None = None,
    baseline_matches: Any = None,
) -> GateReport:
    """Verdicts of every rule on every result.

    Parameters
    ----------
    results : mapping or iterable of (str, mapping)
        Parsed results of `detkit eval --format json` by label, usually their paths.
    rules : iterable of Rule or str
        Rules, or expressions such as `AP>=0.40`.
    baseline : mapping, optional
        The result that `max_drop` compares with; its truth and protocol must be the same.
    min_coverage : float, optional
        Smallest share of the truth's images that must have a prediction, 0 to 1.
    errors : {"raise", "rows"}
        Whether an unknown metric or class raises, or becomes a row with verdict `error`.
    matches : mapping of str to (Outcomes or str), optional
        What rules on intervals resample, by the label of the result; text says why it is not there.
    baseline_matches : Outcomes or str, optional

    Returns
    -------
    GateReport

    Raises
    ------
    UsageError
        No results, no rules, an unknown metric or class.
    InputError
        A mapping that is no evaluation result.

    Examples
    --------
    >>> report = gate({"new.json": result}, ["AP>=0.40"])  # doctest: +SKIP
    >>> report.outcome  # doctest: +SKIP
    'pass'
    """
    pairs = list(results.items() if isinstance(results, Mapping) else results)
    if isinstance(results, Mapping) and "schema" in results:
        pairs = [("result", results)]
    demands = [parse_expression(rule) if isinstance(rule, str) else rule for rule in rules]
    _check_request(pairs, demands, min_coverage)
    pairs = [(label, validate_result(result, label)) for label, result in pairs]
    rows: list[GateRow] = []
    problems: dict[str, None] = {}
    notes: dict[str, None] = {}
    if baseline is not None:
        baseline = validate_result(baseline, "baseline")
        if not any(rule.compares for rule in demands):
            notes[_IDLE_BASELINE] = None
    failures: dict[str, UsageError] = {}
    evidence = Evidence(matches or {}, baseline_matches)
    for label, result in pairs:
        reasons = blockers(result, baseline, min_coverage)
        problems.update((f"{label}: {reason}", None) for reason in reasons)
        for rule in demands:
            try:
                found, remarks = _judge_rule(label, result, rule, baseline, reasons, evidence)
            except UsageError as error:
                failures[f"{label}: {error.message}"] = error
                found, remarks = [_row(label, rule, rule.metric, verdict="error", message=_in_a_line(error))], ()
            rows += found
            notes.update((f"{label}: {remark}", None) for remark in (*remarks, *judging_nothing(found)))
    if failures and errors == "raise":
        raise _merged(failures)
    return GateReport(tuple(rows), tuple(problems), tuple(notes))


def refuse_unknown(rules: Iterable[Rule], protocol: str, metrics: Iterable[str]) -> None:
    """Refuse rules on what no result of a protocol has, before there is one.

    Parameters
    ----------
    rules : iterable of Rule
    protocol : str
        Its name, for messages.
    metrics : iterable of str
        Names that a result will have. Classes, slices and latencies are known with it only.

    Raises
    ------
    UsageError
        All unknown metrics at once.
    """
    names, failures = list(metrics), {}
    for rule in rules:
        try:
            check_path(rule.metric, protocol, names)
        except UsageError as error:
            failures[error.message] = error
    if failures:
        raise _merged(failures)


def _check_request(pairs: list[tuple[str, Result]], rules: list[Rule], min_coverage: float | None) -> None:
    if not rules:
        hint = "pass `--rules FILE` or `--require 'AP>=0.40'`"
        raise UsageError("no rules: there is nothing to judge by", hint=hint)
    if not pairs:
        raise UsageError("no results: there is nothing to judge")
    if min_coverage is not None and not 0 <= min_coverage <= 1:
        raise UsageError(f"smallest coverage is 0 to 1; found {min_coverage:g}")


def _judge_rule(
    label: str, result: Result, rule: Rule, baseline: Result | None, reasons: list[str], evidence: Evidence
) -> tuple[list[GateRow], tuple[str, ...]]:
    """The rows of one rule: one per value its path stands for and per limit, and remarks."""
    try:
        readings = read(result, rule.metric)
    except CannotJudgeError as error:
        readings = Readings((Reading(rule.metric, None, _in_a_line(error)),))
    before = _before(rule, baseline)
    rows = []
    for item in readings.items:
        was = before.values.get((item.metric, item.key))
        for bound in _bounds(rule, was):
            row = _judge(label, rule, item, bound, was, reasons, before)
            if bound.interval is not None and row.verdict != "undefined" and not row.skipped:
                row = _judge_interval(row, label, rule, item, bound, evidence)
            rows.append(row)
    return rows, readings.notes


def _before(rule: Rule, baseline: Result | None) -> _Before:
    if baseline is None:
        return _Before({}, "no baseline is given", excusable=False)
    try:
        readings = read(baseline, rule.metric)
    except (CannotJudgeError, UsageError) as error:
        return _Before({}, f"in the baseline: {error.message}", excusable=True)
    values = {(item.metric, item.key): item.value for item in readings.items}
    return _Before(values, "it is undefined in the baseline", excusable=True)


def _bounds(rule: Rule, baseline: float | None) -> Iterator[_Bound]:
    if rule.min is not None:
        yield _Bound(">" if rule.min_strict else ">=", rule.min, interval=rule.at)
    if rule.max is not None:
        yield _Bound("<" if rule.max_strict else "<=", rule.max, interval=rule.at)
    known = baseline is not None and math.isfinite(baseline)
    if rule.margin is not None:
        yield _Bound(">=", 0.0 - rule.margin if known else None, interval="significance")
    if rule.non_inferiority is not None:
        yield _Bound(">", -rule.non_inferiority if known else None, interval="non_inferiority")
    if rule.drop is not None:
        rises = rule.lower_is_better
        limit = rule.drop.limit(baseline, rises=rises) if baseline is not None and known else None
        yield _Bound("<=" if rises else ">=", limit, rule.drop)


def _judge(
    label: str,
    rule: Rule,
    item: Reading,
    bound: _Bound,
    baseline: float | None,
    reasons: list[str],
    before: _Before,
) -> GateRow:
    """The verdict on one value and one limit; anything unknown on the way is `undefined`, never `pass`."""
    row = _row(label, rule, item.metric, verdict="undefined", message="", bound=bound)
    row = replace(row, value=item.value, baseline=baseline, value_text=plain(item.value))
    if reasons:
        return replace(row, message=f"cannot be judged: {'; '.join(reasons)}")
    if item.value is None:
        return _undefined(row, rule, f"{item.metric} is undefined", item.note)
    if not math.isfinite(item.value):
        return replace(row, message=f"{item.metric} is {item.value}, expected a finite number")
    if bound.limit is None:
        message = f"{item.metric} cannot be compared: {before.lack}"
        if baseline is not None or not before.excusable:
            return replace(row, message=message)
        return _undefined(row, rule, message, "")
    return _compared(row, rule, item, bound, bound.limit)


def _judge_interval(row: GateRow, label: str, rule: Rule, item: Reading, bound: _Bound, evidence: Evidence) -> GateRow:
    """The verdict on one end of an interval; without the saved matches it is `undefined`."""
    of_difference = bound.interval in ("significance", "non_inferiority")
    try:
        ends = evidence.interval(label, rule, item, of_difference=of_difference)
    except CannotJudgeError as error:
        lack = f"{item.metric} cannot be resampled: {_in_a_line(error)}"
        return replace(row, verdict="undefined", message=lack, margin=None, margin_text="")
    upper = bound.interval in ("upper", "significance")
    about = replace(item, value=ends[upper], note="")
    found = _compared(replace(row, value=ends[upper]), rule, about, bound, bound.limit or 0.0)
    what = f"difference to the baseline {item.metric}" if of_difference else item.metric
    passed = found.verdict == "pass"
    relation = bound.operator if passed else _OPPOSITE[bound.operator]
    message = (
        f"{what}: {'upper' if upper else 'lower'} end of the {percent(rule.level, None)} interval "
        f"[{ends[0]:.4f}, {ends[1]:.4f}] is {found.value_text} {relation} {found.limit_text.partition(' ')[2]}"
    )
    return replace(found, message=message, interval=ends)


def judge_reading(label: str, rule: Rule, item: Reading) -> list[GateRow]:
    """Verdicts of a rule's `min` and `max` on a value that does not come from an evaluation result.

    Parameters
    ----------
    label : str
    rule : Rule
    item : Reading

    Returns
    -------
    list of GateRow
    """
    before = _Before({}, "no baseline is given", excusable=False)
    return [_judge(label, rule, item, bound, None, [], before) for bound in _bounds(rule, None)]


def _undefined(row: GateRow, rule: Rule, message: str, note: str) -> GateRow:
    message = f"{message} ({note})" if note else message
    if not rule.allow_missing:
        return replace(row, message=message)
    return replace(row, verdict="pass", skipped=True, message=f"skipped: {message}, and the rule allows that")


def _compared(row: GateRow, rule: Rule, item: Reading, bound: _Bound, limit: float) -> GateRow:
    value = item.value if item.value is not None else math.nan
    passed = {
        ">=": value >= limit,
        ">": value > limit,
        "<=": value <= limit,
        "<": value < limit,
    }[bound.operator]
    above = bound.operator in (">=", ">")
    least = None if bound.drop is None else _COMPUTED_PLACES
    shown, against, distance = figures(item.metric, value, limit, above=above, least=least)
    relation = bound.operator if passed else _OPPOSITE[bound.operator]
    message = f"{item.metric} is {shown} {relation} {against}"
    if bound.drop is not None:
        change = "rise" if rule.lower_is_better else "drop"
        message += f" (baseline {plain(row.baseline)}, {change} of at most {bound.drop})"
    if item.note:
        message += f" ({item.note})"
    return replace(
        row,
        verdict="pass" if passed else "fail" if rule.severity == "error" else "warn",
        message=message,
        margin=value - limit if above else limit - value,
        value_text=shown,
        limit_text=f"{bound.operator} {against}",
        margin_text=distance,
    )


def _row(
    label: str, rule: Rule, metric: str, *, verdict: Verdict, message: str, bound: _Bound | None = None
) -> GateRow:
    operator, limit, text = "", None, ""
    if bound is not None:
        operator, limit = bound.operator, bound.limit
        sign = "+" if rule.lower_is_better else "-"
        away = "" if bound.drop is None else f" {sign} {bound.drop}"
        text = f"{operator} {f'baseline{away}' if limit is None else plain(limit)}"
    return GateRow(
        *(label, rule.label, metric, rule.severity, operator, verdict, message),
        limit=limit,
        limit_text=text,
        pattern="" if metric == rule.metric else rule.metric,
        judged="value" if bound is None else bound.judged,
    )


def _in_a_line(error: UsageError | CannotJudgeError) -> str:
    return error.message if error.hint is None else f"{error.message} ({error.hint})"


def _merged(failures: dict[str, UsageError]) -> UsageError:
    """One error for all wrong rules, so that they are mended in one go."""
    if len(failures) == 1:
        ((message, error),) = failures.items()
        return UsageError(message, hint=error.hint)
    lines = [f"  {message}{f' ({error.hint})' if error.hint else ''}" for message, error in failures.items()]
    return UsageError("\n".join([f"{plural(len(failures), 'rule')} cannot be applied", *lines]))
