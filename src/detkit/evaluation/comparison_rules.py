"""Rules over a comparison: `AP.delta>=-0.005`, `class.person.AP.ci_low>=-0.01`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from detkit.errors import UsageError
from detkit.evaluation._gate_names import select_name, select_row, suggestion
from detkit.evaluation._gate_paths import Reading
from detkit.evaluation.comparison import Comparison, Difference, Pair
from detkit.evaluation.gate import GateReport, judge_reading, parse_expression

__all__ = ["judge_comparison"]

#: What a rule may judge, behind the metric and a dot.
_FIGURES = ("delta", "ci_low", "ci_high", "p_value", "a", "b")


def judge_comparison(found: Comparison, rules: Iterable[str]) -> GateReport:
    """Verdicts of rules such as `AP.delta>=-0.005` or `class.person.AP.ci_low>=-0.01`, on every pair.

    Parameters
    ----------
    found : Comparison
    rules : iterable of str
        A metric, `class.NAME.AP` or `slice.NAME.AP`, then one of `delta`, `ci_low`, `ci_high`, `p_value`, `a`, `b`; one
        of `>= > <= <`; a number.

    Returns
    -------
    GateReport
        An undefined figure is not judged.

    Raises
    ------
    UsageError
        An expression that cannot be read, an unknown metric, class or slice.
    """
    demands = [parse_expression(rule) for rule in rules]
    rows = []
    for pair in found.pairs:
        for rule in demands:
            reading = Reading(rule.metric, _figure(pair, rule.metric))
            rows += judge_reading(f"{pair.b} against {pair.a}", rule, reading)
    return GateReport(tuple(rows))


def _figure(pair: Pair, path: str) -> float | None:
    metric, _, figure = path.rpartition(".")
    if figure not in _FIGURES:
        hint = f"write `{path}.delta>=...`, or another of {', '.join(f'`{name}`' for name in _FIGURES[1:4])}"
        raise UsageError(f"`{path}` does not say which figure of the comparison is judged", hint=hint)
    table, name = _table(pair, metric, path)
    if name not in table:
        raise UsageError(f"unknown metric `{name}` in `{path}`", hint=suggestion(name, list(table)))
    row = table[name]
    if figure in ("ci_low", "ci_high"):
        return None if row.ci is None else row.ci[figure == "ci_high"]
    value: float | None = getattr(row, figure)
    return value


def _table(pair: Pair, metric: str, path: str) -> tuple[Mapping[str, Difference], str]:
    """The metrics of all classes, of one, or of a slice, and the name of the one that is meant."""
    if re.match(r"class[.\[]", metric):
        return select_row(metric[5:], [(name, identifier, rows) for identifier, name, rows in pair.per_class], path)
    if re.match(r"slice[.\[]", metric):
        name, stat = select_name("slice", metric[5:], pair.slices, path)
        return pair.slices[name], stat
    return pair.metrics, metric
