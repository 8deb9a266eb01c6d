"""The rules that `detkit ci init` starts from: floors, and comparisons with the baseline."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from typing import Any

from detkit.errors import CannotJudgeError
from detkit.evaluation.gate import Rule

__all__ = ["MARGIN", "Headline", "headlines", "rules_text", "starting_rules"]

#: How far below its present value a floor lies where the result states no interval, at most.
MARGIN = 0.02
#: The same as a share of the value, and how far a class may fall before it is warned of: weak classes fall, too.
SHARE = 0.1
_NAMES = ("AP", "AP50", "mAP")
#: Enough to know whether a metric can be resampled.
_FEW = 100


@dataclass(frozen=True)
class Headline:
    """A metric with its floor, and where that comes from."""

    metric: str
    floor: Decimal
    why: str

    @property
    def note(self) -> str:
        """`AP >= 0.555 (...)`."""
        return f"{self.metric} >= {self.floor} ({self.why})"


def headlines(content: Mapping[str, Any]) -> list[Headline]:
    """The headline metrics that a result defines, with floors.

    Parameters
    ----------
    content : mapping
        A validated result.

    Returns
    -------
    list of Headline

    Raises
    ------
    CannotJudgeError
        None is defined.
    """
    found = []
    for metric in _names(content):
        value = content["metrics"].get(metric)
        if not isinstance(value, int | float) or not math.isfinite(value):
            continue
        low = _lower_end(content, metric)
        if low is None:
            less = min(MARGIN, SHARE * value)
            found.append(
                Headline(metric, _down(value - less), f"{value:.4f} less {less:.2g}: the result states no interval")
            )
        else:
            found.append(Headline(metric, _down(low), f"lower end of the interval around {value:.4f}"))
    if not found:
        raise CannotJudgeError("no headline metric of the result is defined: there is no floor to set")
    return found


def rules_text(found: Sequence[Headline], *, paired: bool) -> str:
    """The rules file.

    Parameters
    ----------
    found : sequence of Headline
    paired : bool
        Whether the baseline comes with its matches, so that both models can be resampled on the same images.

    Returns
    -------
    str
    """
    lines = ["# Rules of the gate: `detkit gate --help`, docs/reference/gate.md.", ""]
    for one in found:
        lines += ["[[gate.rules]]", f'metric = "{one.metric}"', f"min = {one.floor}  # {one.why}", ""]
    classes = 'metric = "class.*.AP"'
    closing = ('severity = "warn"', "allow_missing = true")
    if not paired:
        lines += ["# A class that loses a tenth of its AP is a warning: with few boxes it falls by chance."]
        lines += ["[[gate.rules]]", classes, f'max_drop = "{100 * SHARE:g}%"', *closing]
        return "\n".join(lines) + "\n"
    worse = "significance = {margin = 0.0}"
    lines += ["# Against the baseline on the same images: fails only when the model is worse by more than chance."]
    lines += ["[[gate.rules]]", f'metric = "{found[0].metric}"', worse, ""]
    lines += ["# The same for each class is a warning: of forty classes one falls that far by chance."]
    return "\n".join([*lines, "[[gate.rules]]", classes, worse, *closing]) + "\n"


def starting_rules(found: Sequence[Headline]) -> list[Rule]:
    """The rules on intervals, with few replicates: enough to see whether they can be judged."""
    return [
        Rule(metric, significance={"margin": 0.0}, replicates=_FEW, allow_missing=True)
        for metric in (found[0].metric, "class.*.AP")
    ]


def _names(content: Mapping[str, Any]) -> tuple[str, ...]:
    """The headline's names, without the AP at an overlap that is the only one: it is the headline again."""
    thresholds = content["protocol"].get("iou_thresholds")
    alone = isinstance(thresholds, list | tuple) and len(thresholds) == 1
    return tuple(name for name in _NAMES if not (alone and name == "AP50"))


def _lower_end(content: Mapping[str, Any], metric: str) -> float | None:
    """Lower end of the metric's interval, None where the result states none."""
    intervals = content.get("intervals")
    if not isinstance(intervals, Mapping):
        return None
    found = intervals.get(metric, (intervals.get("metrics") or {}).get(metric))
    pair = found.get("ci") if isinstance(found, Mapping) else found
    if not isinstance(pair, list | tuple) or len(pair) != 2 or not isinstance(pair[0], int | float):
        return None
    return float(pair[0]) if math.isfinite(pair[0]) else None


def _down(value: float) -> Decimal:
    """Three decimals, never above the value, never below 0."""
    return max(Decimal(repr(value)).quantize(Decimal("0.001"), rounding=ROUND_FLOOR), Decimal("0.000"))
