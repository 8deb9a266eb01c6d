"""Intervals for the gate: how far a value, or its difference to the baseline, may be off by the choice of images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from detkit.errors import CannotJudgeError, UsageError
from detkit.evaluation._gate_paths import Reading

if TYPE_CHECKING:
    from detkit.evaluation._gate_rules import Rule
    from detkit.evaluation.outcomes import Outcomes
    from detkit.evaluation.uncertainty import Interval

__all__ = ["Evidence"]


class Evidence:
    """The saved matches behind results, resampled when a rule asks.

    Parameters
    ----------
    matches : mapping of str to (Outcomes or str)
        By the label of the result; text says why there are none.
    baseline : Outcomes or str, optional
    """

    def __init__(self, matches: Mapping[str, Outcomes | str], baseline: Outcomes | str | None) -> None:
        self._matches = matches
        self._baseline = baseline if baseline is not None else "no baseline is given"
        self._drawn: dict[tuple[str, bool, int, int], _Drawn] = {}

    def interval(self, label: str, rule: Rule, item: Reading, *, of_difference: bool) -> tuple[float, float]:
        """Bootstrap interval of a value, or of its difference to the baseline.

        Parameters
        ----------
        label : str
            Of the result.
        rule : Rule
            Its level, replicates and seed are read.
        item : Reading
        of_difference : bool

        Returns
        -------
        (float, float)

        Raises
        ------
        UsageError
            A metric without intervals.
        CannotJudgeError
            Matches are missing or of another truth, or no replicate defines the metric.
        """
        if item.statistic is None:
            raise UsageError(
                f"`{item.metric}` has no interval, expected a name of `metrics` or `class.NAME.AP`",
                hint="judge it by `min`, `max` or `max_drop` without `at`",
            )
        key = (label, of_difference, rule.replicates, rule.seed)
        if key not in self._drawn:
            self._drawn[key] = self._draw(label, rule, of_difference)
        found = self._drawn[key].interval(item, rule.level)
        if found is None:
            raise CannotJudgeError(f"no replicate defines {item.metric}")
        return found

    def _draw(self, label: str, rule: Rule, of_difference: bool) -> _Drawn:
        from detkit.evaluation.outcomes import require_same_truth

        found = self._matches.get(label, "the result comes without its matches")
        if isinstance(found, str):
            raise CannotJudgeError(found)
        if not of_difference:
            return _Drawn([found], rule)
        if isinstance(self._baseline, str):
            raise CannotJudgeError(self._baseline)
        require_same_truth([("the baseline", self._baseline), (label, found)])
        return _Drawn([found, self._baseline], rule)


class _Drawn:
    """Replicates of one model's metrics, or of the differences of two."""

    def __init__(self, models: list[Outcomes], rule: Rule) -> None:
        from detkit.evaluation.replicates import Resampler
        from detkit.evaluation.result import class_metric, metric_rows
        from detkit.evaluation.uncertainty import Resampling, bootstrap, class_rows

        first = models[0]
        rows, of_classes = metric_rows(first.protocol), class_rows(first.protocol)
        settings = Resampling(replicates=rule.replicates, seed=rule.seed)
        drawn = bootstrap([Resampler(m, rows, of_classes) for m in models], len(first.images), settings)
        parts = drawn[0] if len(drawn) == 1 else (drawn[0][0] - drawn[1][0], drawn[0][1] - drawn[1][1])
        self._overall = {row.name: parts[0][:, n] for n, row in enumerate(rows)}
        self._of_classes = {class_metric(row): parts[1][:, n] for n, row in enumerate(of_classes)}
        self._classes = [identifier for identifier, _ in first.classes]

    def interval(self, item: Reading, level: float) -> Interval:
        from detkit.evaluation.uncertainty import as_interval, percentile_interval

        values: Any = self._overall.get(item.statistic or "")
        if item.of_class:
            columns = self._of_classes.get(item.statistic or "")
            known = columns is not None and item.category in self._classes
            values = columns[:, self._classes.index(item.category)] if columns is not None and known else None
        if values is None:
            raise UsageError(f"`{item.metric}` has no interval", hint="average precisions have one, and overall recall")
        return as_interval(percentile_interval(np.asarray(values), level))
