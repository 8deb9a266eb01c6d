"""What the gate says: rows, the report over them, and figures with digits enough to agree."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Any, Literal

from detkit.evaluation._gate_result import is_fraction
from detkit.wording import examples, plural

__all__ = ["GateReport", "GateRow", "Judged", "Outcome", "Verdict", "figures", "judging_nothing", "plain"]

Verdict = Literal["pass", "fail", "warn", "undefined", "error"]
Outcome = Literal["pass", "fail", "undecided", "error"]
#: What is held against a limit: the value (the limit of a drop follows from the baseline), an end of its interval, or
#: an end of the interval of its change against the baseline.
Judged = Literal["value", "drop", "lower end", "upper end", "change at worst", "change at best"]

_EXIT: dict[Outcome, int] = {"pass": 0, "fail": 1, "error": 2, "undecided": 3}
_MOST_PLACES = 25
#: Wide enough for the exact difference of any two floats.
_EXACT = Context(prec=1100)


@dataclass(frozen=True, slots=True)
class GateRow:
    """One limit of one rule, judged on one result.

    Parameters
    ----------
    result : str
        Label of the result, usually its path.
    rule : str
        Name of the rule.
    metric : str
        Metric path; for `class.*` the path of the one class.
    severity : {"error", "warn"}
    operator : str
        `>=`, `>`, `<=` or `<`; empty when the metric is not known.
    verdict : {"pass", "fail", "warn", "undefined", "error"}
        `warn` is a failed rule of severity warn.
    message : str
        One line for people.
    value, limit, baseline : float or None
        Unrounded.
    margin : float or None
        Distance from the limit, positive on the passing side.
    value_text, limit_text, margin_text : str
        The same to enough digits to agree with each other.
    skipped : bool
        Whether it passes only because the rule allows the metric to be missing.
    interval : (float, float), optional
        The bootstrap interval that was judged, of the value or of its difference to the baseline.
    pattern : str
        The rule's own path where it stands for several, `class.*.AP50`; empty where it stands for this one.
    judged : {"value", "drop", "lower end", "upper end", "change at worst", "change at best"}
        What is held against the limit.
    """

    result: str
    rule: str
    metric: str
    severity: str
    operator: str
    verdict: Verdict
    message: str
    value: float | None = None
    limit: float | None = None
    margin: float | None = None
    baseline: float | None = None
    value_text: str = "undefined"
    limit_text: str = ""
    margin_text: str = ""
    skipped: bool = False
    interval: tuple[float, float] | None = None
    pattern: str = ""
    judged: Judged = "value"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; what is not finite is null. `interval` is there where one was judged."""
        return {
            "result": self.result,
            "rule": self.rule,
            "metric": self.metric,
            "value": _finite(self.value),
            "operator": self.operator,
            "limit": self.limit,
            "margin": _finite(self.margin),
            "baseline": _finite(self.baseline),
            "verdict": self.verdict,
            "severity": self.severity,
            "skipped": self.skipped,
            "message": self.message,
            **({} if self.interval is None else {"interval": list(self.interval)}),
        }


@dataclass(frozen=True, slots=True)
class GateReport:
    """All verdicts of a gate.

    Parameters
    ----------
    rows : tuple of GateRow
        By result, then in the order of the rules.
    problems : tuple of str
        Why whole results cannot be judged; any problem leaves the outcome undecided.
    notes : tuple of str
        What was left out, such as classes without ground truth.
    """

    rows: tuple[GateRow, ...]
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def outcome(self) -> Outcome:
        """`error` over `undecided` over `fail` over `pass`; rows of severity warn count only as errors."""
        verdicts = {row.verdict for row in self.rows if row.severity == "error"}
        if any(row.verdict == "error" for row in self.rows):
            return "error"
        if self.problems or "undefined" in verdicts or not self.rows:
            return "undecided"
        return "fail" if "fail" in verdicts else "pass"

    @property
    def exit_code(self) -> int:
        """0 passed, 1 failed, 2 wrong request, 3 cannot be judged."""
        return _EXIT[self.outcome]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, the shape of `gate --format json`."""
        return {
            "schema": "detkit.gate/1",
            "outcome": self.outcome,
            "rules": [row.to_dict() for row in self.rows],
            "problems": list(self.problems),
            "notes": list(self.notes),
        }


def figures(metric: str, value: float, limit: float, *, above: bool, least: int | None = None) -> tuple[str, str, str]:
    """Value, limit and margin as text, with digits enough that they are equal only where the numbers are.

    The margin is the difference of the two texts, so that a reader who subtracts them finds it.

    Parameters
    ----------
    metric : str
    value, limit : float
    above : bool
        Whether passing values lie above the limit.
    least : int, optional
        Fewest decimals; by default as many as the limit was written with, from 3 to 6. Counts have none.

    Returns
    -------
    (str, str, str)
    """
    exact = Decimal(repr(value)), Decimal(repr(limit))
    for places in range(_fewest_places(metric, value, limit, least), _MOST_PLACES):
        texts = f"{exact[0]:.{places}f}", f"{exact[1]:.{places}f}"
        rounded = Decimal(texts[0]), Decimal(texts[1])
        if (rounded[0] == rounded[1]) == (value == limit):
            gap = _EXACT.subtract(*(rounded if above else rounded[::-1]))
            return texts[0], texts[1], f"{gap:+.{places}f}" if gap else f"{abs(gap):.{places}f}"
    return repr(value), repr(limit), f"{value - limit if above else limit - value:+.3g}"


def _fewest_places(metric: str, value: float, limit: float, least: int | None) -> int:
    """Three decimals, more where the limit was written with more, none for counts."""
    if not is_fraction(metric) and value.is_integer() and limit.is_integer():
        return 0
    if least is not None:
        return least
    exponent = Decimal(repr(limit)).normalize().as_tuple().exponent
    written = -exponent if isinstance(exponent, int) else 0
    return max(3, min(6, written))


def judging_nothing(rows: Iterable[GateRow]) -> tuple[str, ...]:
    """A sentence for each rule with limits that no value can miss, such as a fall of 0.05 from 0.02.

    Parameters
    ----------
    rows : iterable of GateRow
        Of one result.

    Returns
    -------
    tuple of str
    """
    idle: dict[str, list[GateRow]] = {}
    for row in rows:
        if _cannot_miss(row):
            idle.setdefault(row.rule, []).append(row)
    return tuple(_idle_sentence(rule, found) for rule, found in idle.items())


def _cannot_miss(row: GateRow) -> bool:
    """Whether every value from 0 to 1 passes; the largest fall is that to 0."""
    if row.limit is None or row.margin is None or not is_fraction(row.metric):
        return False
    least, most = 0.0, 1.0
    if row.judged.startswith("change"):
        if row.baseline is None:
            return False
        least, most = -row.baseline, 1.0 - row.baseline
    within = {">=": least >= row.limit, ">": least > row.limit, "<=": most <= row.limit, "<": most < row.limit}
    return within[row.operator]


def _idle_sentence(rule: str, rows: Sequence[GateRow]) -> str:
    first = rows[0]
    if not first.pattern:
        return f"`{rule}` judges nothing: {first.metric} cannot miss its limit, {first.limit_text}"
    named = examples([row.metric for row in rows])
    return f"`{rule}` judges nothing of {plural(len(rows), 'class', 'classes')} that cannot miss the limit: {named}"


def plain(value: float | None) -> str:
    """A number by itself: at least three digits, at most six."""
    if value is None:
        return "undefined"
    return f"{value:.6g}" if not math.isfinite(value) or len(f"{value:.6g}") >= 5 else f"{value:.3f}"


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
