"""Renderers of results, one a file: `render(result, gate=None)` gives the text of the report.

They import only result types; where text goes is for the caller to say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from detkit import registry

if TYPE_CHECKING:
    from detkit.evaluation.gate import GateReport
    from detkit.evaluation.result import Evaluation

__all__ = ["names", "render"]

_ROOM = "detkit.reports"


def names() -> tuple[str, ...]:
    """Names of all renderers."""
    return registry.names(_ROOM)


def render(name: str, result: Evaluation, gate: GateReport | None = None) -> str:
    """A result (and the verdict on it) as text in one of the known renderings.

    Parameters
    ----------
    name : str
        `text`, `json`, `markdown`, `csv`, ...
    result : Evaluation
    gate : GateReport, optional

    Returns
    -------
    str
        With a final newline.

    Raises
    ------
    UsageError
        Unknown name.
    """
    text: str = registry.load(_ROOM, name).render(result, gate)
    return text
