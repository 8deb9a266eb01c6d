"""Findings as JSON, schema `detkit.check/1`: valid whatever the labels hold."""

from __future__ import annotations

from collections.abc import Mapping
from json import dumps
from typing import Any

from detkit.reports.findings._shared import Options

__all__ = ["render"]


def render(content: Mapping[str, Any], options: Options) -> str:
    """One JSON object, without findings where only counts are wanted; parameters as `render` of this room."""
    shown = {**content, "findings": []} if options.statistics else dict(content)
    text = dumps(shown, indent=2, allow_nan=False, ensure_ascii=False)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # a file name that is no UTF-8: escaped, it is valid again
        text = dumps(shown, indent=2, allow_nan=False, ensure_ascii=True)
    return text + "\n"
