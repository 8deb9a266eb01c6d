"""How each analysis is shown, one a file: `tables(found)` turns its plain values into neutral tables.

The renderers (text, Markdown, HTML) draw the tables; a file here knows which figures matter and in which order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from detkit import registry
from detkit.reports._tables import Table

__all__ = ["tables"]

_ROOM = "detkit.reports.analyses"


def tables(name: str, found: Mapping[str, Any]) -> list[Table]:
    """The tables of one analysis.

    Parameters
    ----------
    name : str
        Of the analysis.
    found : mapping
        Its `to_dict()`.

    Returns
    -------
    list of Table
    """
    shown: list[Table] = registry.load(_ROOM, name).tables(found)
    return shown
