"""The fields of a gate rule that ask for an interval: significance, non-inferiority, an end instead of the value."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from detkit.errors import UsageError

if TYPE_CHECKING:
    from detkit.evaluation._gate_rules import Rule

__all__ = ["SAMPLING_KINDS", "check_sampling"]

SAMPLING_KINDS: dict[str, tuple[Any, str]] = {
    "significance": (Mapping, "a table such as {margin = 0.0}"),
    "non_inferiority": (int | float, "a number such as 0.01"),
    "at": (str, "`lower` or `upper`"),
    "level": (float, "a share such as 0.95"),
    "replicates": (int, "a whole number such as 1000"),
    "seed": (int, "a whole number"),
}


def check_sampling(rule: Rule) -> None:
    """Refuse a rule whose interval makes no sense.

    Parameters
    ----------
    rule : Rule

    Raises
    ------
    UsageError
    """
    if rule.significance is not None:
        _check_significance(rule)
    if rule.non_inferiority is not None:
        margin = _margin(rule, "non_inferiority", rule.non_inferiority)
        if margin == 0:
            raise UsageError(
                f"non_inferiority of {rule.metric} is 0, expected a margin above 0, as 0.01",
                hint="an equal model cannot show that it is better by more than chance",
            )
    if rule.at not in (None, "lower", "upper"):
        raise UsageError(f"at is {rule.at!r}, expected `lower` or `upper`")
    if rule.at is not None and rule.min is None and rule.max is None:
        raise UsageError(
            f"rule on `{rule.metric}`: `at` says which end `min` or `max` is held against; neither is given"
        )
    if rule.resamples and rule.lower_is_better:
        raise UsageError(f"`{rule.metric}` has no interval: it does not come from images that could be drawn again")
    if not 0 < rule.level < 1:
        raise UsageError(f"level of {rule.metric} is {rule.level!r}, expected a share between 0 and 1, as 0.95")
    if rule.replicates < 100:
        raise UsageError(f"replicates of {rule.metric} is {rule.replicates!r}, expected 100 or more")
    if rule.seed < 0:
        raise UsageError(f"seed of {rule.metric} is {rule.seed!r}, expected 0 or more")


def _check_significance(rule: Rule) -> None:
    given = rule.significance
    if not isinstance(given, Mapping):
        raise UsageError(f"significance of {rule.metric} is {given!r}, expected a table such as {{margin = 0.0}}")
    for field in given:
        if field != "margin":
            raise UsageError(f"significance of {rule.metric} has an unknown field `{field}`, expected `margin`")
    _margin(rule, "significance margin", given.get("margin", 0.0))


def _margin(rule: Rule, what: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise UsageError(f"{what} of {rule.metric} is {value!r}, expected 0 or more, in the metric's own unit")
    if value > 1:
        raise UsageError(f"{what} of {rule.metric} is {value:g}: more than {rule.metric} can fall", hint="AP is 0 to 1")
    return float(value)
