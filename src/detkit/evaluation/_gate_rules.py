"""Gate rules: what they hold, and how an expression or a rules file becomes them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path, PurePath
from typing import Any, Literal

from detkit.errors import InputError, UsageError
from detkit.evaluation._gate_drop import VALUE, Drop, parse_drop
from detkit.evaluation._gate_names import nearest
from detkit.evaluation._gate_result import is_fraction, number
from detkit.evaluation._gate_sampling import SAMPLING_KINDS, check_sampling

__all__ = ["Drop", "Rule", "parse_expression", "rules_from_mapping"]

Severity = Literal["error", "warn"]

_LIMITS = ("min", "max", "max_drop", "significance", "non_inferiority")
_SAMPLING = ("at", "level", "replicates", "seed")
_FIELDS = ("metric", *_LIMITS, "severity", "allow_missing", "name", *_SAMPLING)
_REFUSED = {
    "==": "equality of computed numbers hangs on their last digit",
    "=": "it is no comparison",
    "!=": "a gate has a lower or an upper limit",
    "=>": "the operator is written `>=`",
    "=<": "the operator is written `<=`",
    "≥": "the operator is written `>=`",
    "≤": "the operator is written `<=`",
}
#: Where the rules may stand in a parsed file, most specific first; the last is a file of rules only.
_SECTIONS = (("tool", "detkit", "gate"), ("gate",), ())


@dataclass(frozen=True, slots=True)
class Rule:
    """One demand on a metric; an object of this class is known to make sense.

    Parameters
    ----------
    metric : str
        A metric path, `AP50` or `class.person.AP`.
    min, max : float, optional
        Limits; equal to a limit passes, unless it is strict.
    max_drop : float or str, optional
        Largest fall below the baseline (rise, for `latency.*`): absolute, or relative as `"2%"`.
    severity : {"error", "warn"}, default "error"
        A warning never changes the outcome.
    allow_missing : bool, default False
        Whether an undefined metric is skipped rather than undecided.
    name : str, optional
        What reports call the rule.
    min_strict, max_strict : bool, default False
        Whether equal to the limit fails.
    significance : mapping, optional
        `{"margin": 0.0}`: fails only if the whole interval of the difference to the baseline lies below -margin.
    non_inferiority : float, optional
        Passes only if the whole interval of the difference to the baseline lies above minus this.
    at : {"lower", "upper"}, optional
        `min` and `max` are held against this end of the value's interval instead of the value.
    level, replicates, seed
        Of the bootstrap interval.

    Raises
    ------
    UsageError
        No limit at all, or one that makes no sense for the metric.
    """

    metric: str
    min: float | None = None
    max: float | None = None
    max_drop: float | str | None = None
    severity: Severity = "error"
    allow_missing: bool = False
    name: str | None = None
    min_strict: bool = False
    max_strict: bool = False
    significance: Mapping[str, float] | None = None
    non_inferiority: float | None = None
    at: Literal["lower", "upper"] | None = None
    level: float = 0.95
    replicates: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.metric, str) or not self.metric.strip():
            raise UsageError(f"metric is {self.metric!r}, expected a metric path such as `AP50`")
        if all(getattr(self, field) is None for field in _LIMITS):
            raise UsageError(f"rule on `{self.metric}` has no limit, expected `min`, `max` or `max_drop`")
        object.__setattr__(self, "metric", self.metric.strip())
        for field in ("min", "max"):
            if (limit := getattr(self, field)) is not None:
                object.__setattr__(self, field, _checked_limit(self.metric, limit))
        if self.min is not None and self.max is not None and self.min > self.max:
            raise UsageError(f"rule on `{self.metric}`: min {self.min:g} is above max {self.max:g}: nothing can pass")
        if self.severity not in ("error", "warn"):
            raise UsageError(f"severity is {self.severity!r}, expected `error` or `warn`")
        if self.max_drop is not None:
            parse_drop(self.metric, self.max_drop)
        check_sampling(self)

    @property
    def margin(self) -> float | None:
        """The margin of `significance`."""
        return None if self.significance is None else float(self.significance.get("margin", 0.0))

    @property
    def resamples(self) -> bool:
        """Whether the rule is judged on an interval."""
        return not (self.at is None and self.significance is None and self.non_inferiority is None)

    @property
    def compares(self) -> bool:
        """Whether the rule looks at a baseline."""
        return not (self.max_drop is None and self.significance is None and self.non_inferiority is None)

    @property
    def drop(self) -> Drop | None:
        """`max_drop`, read."""
        return None if self.max_drop is None else parse_drop(self.metric, self.max_drop)

    @property
    def lower_is_better(self) -> bool:
        """Whether worse means larger: a drop is a rise then."""
        return self.metric.startswith("latency.")

    @property
    def label(self) -> str:
        """The rule's name, or its metric and limits."""
        if self.name is not None:
            return self.name
        parts = [] if self.min is None else [f">{'' if self.min_strict else '='} {self.min!r}"]
        parts += [] if self.max is None else [f"<{'' if self.max_strict else '='} {self.max!r}"]
        parts = [f"{part} at the {self.at} end" if self.at else part for part in parts]
        parts += [] if self.max_drop is None else [f"max_drop {self.drop}"]
        parts += [] if self.margin is None else [f"significance, margin {self.margin!r}"]
        parts += [] if self.non_inferiority is None else [f"non_inferiority {self.non_inferiority!r}"]
        return f"{self.metric} {', '.join(parts)}"


def parse_expression(expression: str) -> Rule:
    """The rule that `AP>=0.40` stands for.

    Parameters
    ----------
    expression : str
        Metric path, one of `>= > <= <`, and a number or a percentage; spaces are allowed.

    Returns
    -------
    Rule
        Its name is the expression.

    Raises
    ------
    UsageError
        No operator, another operator, no number, or a limit that makes no sense.

    Examples
    --------
    >>> parse_expression("AP50 > 40%").min
    0.4
    """
    text = expression.strip()
    operators = list(re.finditer(r"[<>=!≥≤]+", _masked(text)))
    if not operators:
        raise UsageError(
            f"`{text}` has no operator: was the `>` taken by the shell?", hint="quote it: --require 'AP>=0.40'"
        )
    if len(operators) > 1:
        raise UsageError(f"`{text}` has {len(operators)} operators, expected one", hint="write one rule for each limit")
    operator = operators[0][0]
    metric, value = text[: operators[0].start()].strip(), text[operators[0].end() :].strip()
    if operator not in (">=", ">", "<=", "<"):
        reason = _REFUSED.get(operator, "it is not known")
        raise UsageError(
            f"operator `{operator}` in `{text}` is refused: {reason}", hint="use one of `>=`, `>`, `<=`, `<`"
        )
    if not metric or VALUE.fullmatch(metric):
        raise UsageError(f"`{text}` has no metric before `{operator}`", hint="the metric comes first: `AP>=0.40`")
    if not value:
        raise UsageError(f"`{text}` has no limit after `{operator}`", hint="write a number, as `AP>=0.40`")
    limit = _parse_value(metric, value)
    if operator in (">=", ">"):
        rule = Rule(metric, min=limit, min_strict=operator == ">", name=text)
    else:
        rule = Rule(metric, max=limit, max_strict=operator == "<", name=text)
    if is_fraction(metric) and (operator, limit) in ((">", 1.0), ("<", 0.0)):
        raise UsageError(f"`{text}` can never pass: {metric} is 0 to 1")
    return rule


def rules_from_mapping(
    mapping: Mapping[str, Any],
    where: str | Path,
    *,
    line_of: Callable[[int], int | None] | None = None,
) -> tuple[Rule, ...]:
    """The rules of a parsed configuration file, in its order.

    Parameters
    ----------
    mapping : mapping
        The whole file (`tool.detkit.gate.rules`, `gate.rules` or `rules`), or its gate section.
    where : path-like
        The file, for messages.
    line_of : callable, optional
        Line of the rule with a 0-based index, where it is known (`detkit.config.line_of` tells).

    Returns
    -------
    tuple of Rule

    Raises
    ------
    InputError
        No rules, an unknown field, a value of the wrong kind or without sense; file, line, rule and field named.
    """
    rules = _rule_list(mapping, where)
    return tuple(
        _rule(raw, where, f"rules[{index}]", None if line_of is None else line_of(index))
        for index, raw in enumerate(rules)
    )


def _rule_list(mapping: Mapping[str, Any], where: str | Path) -> list[Any]:
    found = _sections(mapping, PurePath(where).name == "pyproject.toml")
    if len(found) > 1:
        raise InputError(f"gate rules stand in {' and in '.join(found)}, expected one place", path=where)
    for name, section in found.items():
        if not isinstance(section, Mapping):
            hint = f"write `[[{name}.rules]]`" if isinstance(section, list) else None
            raise InputError(f"is {_kind(section)}, expected a table with `rules`", path=where, place=name, hint=hint)
        for field in section:
            if field != "rules":
                hint = _field_hint(field, ("rules",)) if nearest(str(field), ["rules"]) else None
                raise InputError(f"unknown field `{field}`, expected `rules`", path=where, place=name, hint=hint)
        rules = section.get("rules")
        if not isinstance(rules, list) or not rules:
            raise InputError(f"`rules` is {_kind(rules)}, expected a list of rules", path=where, place=name)
        return rules
    close = nearest("rules", [str(key) for key in mapping], limit=1)
    hint = "write `[[gate.rules]]` (in pyproject.toml `[[tool.detkit.gate.rules]]`) with `metric` and `min`"
    raise InputError("no gate rules found", path=where, hint=f"is `{close[0]}` meant to be `rules`?" if close else hint)


def _sections(mapping: Mapping[str, Any], project: bool) -> dict[str, Any]:
    """Every place in a file that holds gate settings; a pyproject.toml has them under `tool.detkit` only."""
    found = {}
    for keys in _SECTIONS:
        section: Any = mapping
        for key in keys:
            section = section.get(key) if isinstance(section, Mapping) else None
        if section is None or (not keys and "rules" not in section) or (project and keys == ("gate",)):
            continue
        found[".".join(keys) or "top level"] = section
    return found


def _rule(raw: Any, where: str | Path, place: str, line: int | None) -> Rule:
    place = place if line is None else f"line {line}, {place}"
    if not isinstance(raw, Mapping):
        hint = 'a rule in a file is a table: metric = "AP", min = 0.40'
        raise InputError(
            f"is {_kind(raw)}, expected a table with `metric` and a limit", path=where, place=place, hint=hint
        )
    for field in raw:
        if field not in _FIELDS:
            hint = _field_hint(str(field), _FIELDS)
            raise InputError(f"unknown field `{field}`", path=where, place=place, hint=hint)
    if "metric" not in raw:
        raise InputError("field `metric` is missing, expected a metric path", path=where, place=place)
    for field, (kind, expected) in (_KINDS | SAMPLING_KINDS).items():
        if field in raw and not (isinstance(raw[field], kind) and (kind is bool or not isinstance(raw[field], bool))):
            advice = _text_hint(raw[field]) if field in ("min", "max") else None
            raise InputError(
                f"is {_kind(raw[field])}, expected {expected}", path=where, place=f"{place}.{field}", hint=advice
            )
    limits = {field: _limit(raw, field, where, f"{place}.{field}") for field in ("min", "max") if field in raw}
    try:
        return Rule(**{**raw, **limits})
    except UsageError as error:
        raise InputError(error.message, path=where, place=place, hint=error.hint) from error


def _limit(raw: Mapping[str, Any], field: str, where: str | Path, place: str) -> float:
    """One limit of a raw rule, its field named in any complaint."""
    metric, value = raw["metric"], raw[field]
    try:
        return _checked_limit(metric, _parse_value(metric, value) if isinstance(value, str) else value)
    except UsageError as error:
        raise InputError(error.message, path=where, place=place, hint=error.hint) from error


_KINDS: dict[str, tuple[Any, str]] = {
    "metric": (str, "a metric path such as `AP50`"),
    "min": (int | float | str, 'a number such as 0.40, or text such as "40%"'),
    "max": (int | float | str, 'a number such as 0.40, or text such as "40%"'),
    "max_drop": (int | float | str, 'a number such as 0.02, or text such as "2%"'),
    "severity": (str, "`error` or `warn`"),
    "allow_missing": (bool, "true or false"),
    "name": (str, "text"),
}


def _masked(text: str) -> str:
    """The expression with quoted names and `@score=` blanked out, so that only real operators remain."""
    blank: Callable[[re.Match[str]], str] = lambda found: "_" * len(found[0])  # noqa: E731
    return re.sub(r"@\w+=(?=[\d.])", blank, re.sub(r"""\[(["']).*\1\]""", blank, text))


def _parse_value(metric: str, text: str) -> float:
    """A number, or a percentage of a quantity from 0 to 1."""
    found = VALUE.fullmatch(text.strip())
    if found is None:
        finite = "a finite number" if text.strip().lstrip("+-").casefold() in ("nan", "inf", "infinity") else "a number"
        hint = f"write {text.replace(',', '.')}" if re.fullmatch(r"\d+,\d+", text) else None
        raise UsageError(f"limit `{text}` of {metric}: expected {finite} such as 0.40 or 40%", hint=hint)
    if not found[2]:
        return float(found[1])
    if not is_fraction(metric):
        raise UsageError(f"limit `{text}` of {metric}: a percentage fits only a quantity from 0 to 1")
    value = float(Decimal(found[1]) / 100)
    if not 0 <= value <= 1:
        raise UsageError(f"{metric} is 0% to 100%; found {text}")
    return value


def _checked_limit(metric: str, limit: Any) -> float:
    """The limit as a float, once it is known to make sense for the metric."""
    value = number(limit)
    if value is None or not math.isfinite(value):
        raise UsageError(f"limit of {metric} is {_kind(limit)}, expected a finite number")
    if is_fraction(metric) and not 0 <= value <= 1:
        raise UsageError(f"{metric} is 0 to 1; found {limit:g}", hint=_as_fraction(value))
    if metric.startswith("latency.") and value < 0:
        raise UsageError(f"{metric} is 0 or more; found {limit:g}")
    return value


def _as_fraction(value: float) -> str | None:
    """`write 0.40` for 40, None where the number is no percentage either."""
    if not 1 < value <= 100:
        return None
    text = f"{value / 100:.10g}"
    return f"write {text if len(text) >= 4 else f'{value / 100:.2f}'}"


def _field_hint(field: str, known: tuple[str, ...]) -> str:
    close = nearest(field, known, limit=1)
    return f"did you mean `{close[0]}`?" if close else f"known fields: {', '.join(f'`{name}`' for name in known)}"


def _text_hint(value: Any) -> str | None:
    return "write the number without quotes, as 0.40" if isinstance(value, str) else None


def _kind(value: Any) -> str:
    if value is None:
        return "missing or empty"
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    shown = repr(value)
    if len(shown) > 40:
        shown = f"{shown[:37]}..."
    return f"text {shown}" if isinstance(value, str) else shown
