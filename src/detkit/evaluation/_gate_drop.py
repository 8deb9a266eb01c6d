"""How far a metric may fall below a baseline, as a rule states it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from detkit.errors import UsageError
from detkit.evaluation._gate_result import is_fraction, number

__all__ = ["VALUE", "Drop", "parse_drop"]

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
#: A number, and a per cent sign where there is one.
VALUE = re.compile(rf"({_NUMBER})\s*(%?)")


@dataclass(frozen=True, slots=True)
class Drop:
    """How far a metric may fall below the baseline: an absolute amount, or a share of the baseline's value."""

    amount: float
    relative: bool

    def limit(self, baseline: float, *, rises: bool) -> float:
        """The limit that follows from a baseline value, lower is better when `rises`.

        Computed in decimal: 0.4 less 0.1 is the 0.3 that a person expects, not the binary 0.30000000000000004.
        """
        base, amount = Decimal(repr(baseline)), Decimal(repr(self.amount))
        change = base * amount if self.relative else amount
        return float(base + change if rises else base - change)

    def __str__(self) -> str:
        if not self.relative:
            return repr(self.amount)
        return f"{(Decimal(repr(self.amount)) * 100).normalize():f}%"


def parse_drop(metric: str, value: Any) -> Drop:
    """`max_drop` of a rule, read and known to make sense for the metric; `UsageError` where it makes none."""
    expected = 'expected an amount such as 0.02, or a share such as "2%"'
    if isinstance(value, str):
        found = VALUE.fullmatch(value.strip())
        if found is None or not found[2]:
            raise UsageError(f"max_drop of {metric} is {value!r}, {expected}")
        drop = Drop(float(Decimal(found[1]) / 100), relative=True)
    else:
        drop = Drop(amount, relative=False) if (amount := number(value)) is not None else Drop(math.nan, False)
    if not math.isfinite(drop.amount) or drop.amount < 0:
        raise UsageError(f"max_drop of {metric} is {value!r}, {expected}", hint="a drop is zero or positive")
    if drop.amount > 1 and is_fraction(metric):
        hint = f'write "{value:g}%" for a share of the baseline' if not drop.relative else None
        raise UsageError(f"max_drop of {metric} is {value!r}: more than {metric} can fall", hint=hint)
    return drop
