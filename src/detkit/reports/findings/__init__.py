"""What `detkit check` found, rendered: one format a file, found by its name; each offers `render(content, options)`.

`content` is the plain mapping of schema `detkit.check/1`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from detkit import registry
from detkit.reports.findings._shared import Options

__all__ = ["Options", "names", "render"]

_ROOM = "detkit.reports.findings"


def names() -> tuple[str, ...]:
    """Names of all formats."""
    return registry.names(_ROOM)


def render(content: Mapping[str, Any], format: str = "text", options: Options | None = None) -> str:
    """The findings as text of a format.

    Parameters
    ----------
    content : mapping
        Schema `detkit.check/1`.
    format : str
    options : Options, optional

    Returns
    -------
    str
        With a final newline.

    Raises
    ------
    UsageError
        Unknown format.
    """
    text: str = registry.load(_ROOM, format).render(content, options or Options())
    return text.rstrip("\n") + "\n"
