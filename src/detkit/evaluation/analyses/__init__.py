"""Analyses, one a file: why an evaluation came out as it did.

An analysis file defines `analyse(result, settings)`: it reads an `Evaluation` that kept partners and returns a frozen
record of its own with `to_dict()`. How it is shown is the matter of the file of the same name in
`detkit.reports.analyses`.
"""

from __future__ import annotations

from detkit import registry
from detkit.evaluation.analyses._base import Analysis, Settings, reference
from detkit.evaluation.result import Evaluation

__all__ = ["Analysis", "Settings", "analyse", "names", "reference"]

_ROOM = "detkit.evaluation.analyses"


def names() -> tuple[str, ...]:
    """Names of all analyses."""
    return registry.names(_ROOM)


def analyse(name: str, result: Evaluation, settings: Settings | None = None) -> Analysis:
    """One analysis of an evaluation.

    Parameters
    ----------
    name : str
    result : Evaluation
        Scored with `with_partners=True`.
    settings : Settings, optional

    Returns
    -------
    Analysis

    Raises
    ------
    UsageError
        Unknown name, or a setting that does not fit the evaluation.
    """
    found: Analysis = registry.load(_ROOM, name).analyse(result, settings or Settings())
    return found
