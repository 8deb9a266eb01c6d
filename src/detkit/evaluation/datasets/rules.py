"""Rules over the differences of two datasets: `removed<=0`, `agreement.f1>=0.9`, `class.person.removed<=3`."""

from __future__ import annotations

import re
from collections.abc import Iterable

from detkit.errors import UsageError
from detkit.evaluation._gate_names import select_name, suggestion
from detkit.evaluation._gate_paths import Reading
from detkit.evaluation.datasets.differences import DatasetDifferences
from detkit.evaluation.gate import GateReport, judge_reading, parse_expression

__all__ = ["judge_dataset_differences"]

#: Groups of figures a rule may name, `boxes` also without the name of the group.
_GROUPS = ("images", "boxes", "classes", "agreement")
_UNDEFINED = {
    "kappa": "chance alone would make them agree on every object; see f1",
    "kappa_matched": "no pair, or one class only; see f1",
    "alpha": "one class only; see f1",
    "iou": "no box has a partner",
    "f1": "there is no box",
}


def judge_dataset_differences(found: DatasetDifferences, rules: Iterable[str]) -> GateReport:
    """Verdicts of rules such as `removed<=0`, `images.added<=10` or `agreement.AP>=0.9`.

    Parameters
    ----------
    found : DatasetDifferences
    rules : iterable of str
        `boxes.removed` (or `removed`), `images.added`, `classes.renamed`, `agreement.kappa`, `flags.is_crowd`,
        `class.person.removed`; then one of `>= > <= <`; a number.

    Returns
    -------
    GateReport
        An undefined figure is not judged.

    Raises
    ------
    UsageError
        An expression that cannot be read, an unknown metric or class.
    """
    rows = []
    for rule in [parse_expression(text) for text in rules]:
        value = _figure(found, rule.metric)
        note = "" if value is not None else _UNDEFINED.get(rule.metric.rpartition(".")[2], "no box to judge")
        rows += judge_reading("diff", rule, Reading(rule.metric, value, note))
    return GateReport(tuple(rows))


def _figure(found: DatasetDifferences, path: str) -> float | None:
    if re.match(r"class[.\[]", path):
        return _figure_of_class(found, path)
    if path.startswith("flags."):
        # A flag that nobody set differs nowhere: 0 is the answer, not a mistake.
        return float(found.flags.get(path.removeprefix("flags."), 0))
    table = {f"{group}.{name}": value for group in _GROUPS for name, value in getattr(found, group).items()}
    table |= dict(found.boxes)
    if path not in table:
        raise UsageError(f"unknown metric `{path}`", hint=suggestion(path, list(table)))
    value = table[path]
    return None if value is None else float(value)


def _figure_of_class(found: DatasetDifferences, path: str) -> float | None:
    rows = {str(row["name"]): row for row in found.per_class}
    label, name = select_name("class", path[5:], found.versions.classes, path)
    if label not in rows:
        raise UsageError(f"class `{label}` of `{path}` has no box in either version, or is renamed there")
    known = [key for key in rows[label] if key != "name"]
    if name not in known:
        raise UsageError(f"unknown metric `{path}`", hint=suggestion(name, known))
    value = rows[label][name]
    return None if value is None else float(value)
