"""Score detections against truth, on tables: align, match, accumulate, summarise, judge.

The walk: `align` brings predictions to the truth's ids, `engine.score` matches and accumulates under a protocol,
`result` turns arrays into named numbers, `gate` judges them.
"""

from __future__ import annotations

from typing import Any

__all__ = ["evaluate"]


def __getattr__(name: str) -> Any:
    """`evaluate`, loaded when first asked for: the gate needs none of its imports."""
    if name == "evaluate":
        from detkit.evaluation.scoring import evaluate

        return evaluate
    raise AttributeError(name)
