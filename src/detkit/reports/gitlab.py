"""Metrics as OpenMetrics text: GitLab's metrics report shows them in a merge request beside the target branch's.

Only finite numbers are written. GitLab cuts every line at `#` and then splits it as a shell would, so a number sign in
a label becomes the full-width one.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from detkit.wording import printable

if TYPE_CHECKING:
    from detkit.evaluation.gate import GateReport
    from detkit.evaluation.result import Evaluation

__all__ = ["gate_lines", "render"]

#: name, labels, value
_Sample = tuple[str, dict[str, str], float]


def render(result: Evaluation, gate: GateReport | None = None) -> str:
    """A gauge per metric, the AP of every class, and a gauge per rule."""
    samples: list[_Sample] = [(_name(metric), {}, value) for metric, value in _defined(result.metrics.items())]
    repeated = {name for name, count in Counter(row.name for row in result.per_class).items() if count > 1}
    for row in result.per_class:
        labels = {"class": row.name, **({"id": str(row.category_id)} if row.name in repeated else {})}
        samples += [(_name(f"class_{metric}"), labels, value) for metric, value in _headline(row.metrics)]
    if gate is not None:
        samples += _judged(gate)
    return "\n".join(_exposition(samples)) + "\n"


def gate_lines(gate: GateReport) -> list[str]:
    """The outcome as 1 or 0, and value, margin and outcome of every rule."""
    return _exposition(_judged(gate))


def _judged(gate: GateReport) -> list[_Sample]:
    samples: list[_Sample] = [("detkit_gate_passed", {}, float(gate.outcome == "pass"))]
    seen: Counter[tuple[str, ...]] = Counter()
    for row in gate.rows:
        key = (row.result, row.rule, row.metric, row.operator)
        seen[key] += 1
        labels = {"result": row.result, "rule": row.rule, "metric": row.metric, "operator": row.operator}
        if seen[key] > 1:  # a series stands in a report once
            labels["occurrence"] = str(seen[key])
        figures = {
            "rule_passed": float(row.verdict == "pass"),
            "rule_value": row.value,
            "rule_margin": row.margin,
        }
        samples += [(f"detkit_gate_{name}", labels, value) for name, value in _defined(figures.items())]
    return samples


def _defined(values: Iterable[tuple[str, float | None]]) -> list[tuple[str, float]]:
    return [(name, value) for name, value in values if value is not None and math.isfinite(value)]


def _headline(metrics: Mapping[str, float | None]) -> list[tuple[str, float]]:
    """The AP of a class: a merge request that lists every statistic of a thousand classes is not read."""
    name = "AP" if "AP" in metrics else next(iter(metrics), "")
    return _defined([(name, metrics.get(name))])


def _name(metric: str) -> str:
    return "detkit_" + re.sub(r"[^A-Za-z0-9_]", "_", metric)


def _exposition(samples: list[_Sample]) -> list[str]:
    """Lines by family, each family after its type, as the format asks."""
    lines = []
    for family in dict.fromkeys(name for name, _, _ in samples):
        lines.append(f"# TYPE {family} gauge")
        for name, labels, value in samples:
            if name == family:
                inner = ",".join(f'{key}="{_label(text)}"' for key, text in labels.items())
                lines.append(f"{name}{{{inner}}} {value!r}" if inner else f"{name} {value!r}")
    return [*lines, "# EOF"]


def _label(text: str) -> str:
    # Control characters are spelt out first: no line of the text is ever broken, and `\n` keeps its backslash.
    shown = printable(text).replace("#", "\N{FULLWIDTH NUMBER SIGN}")
    return shown.replace("\\", "\\\\").replace('"', '\\"')
