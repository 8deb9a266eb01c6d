"""Findings as JSON, schema `detkit.check/1`: valid whatever the labels hold."""

from __future__ import annotations

from collections.abc import Mapping
from json import dumps
from typing import Any

from detkit.reports.findings._shared import Options

__all__ = ["render"]


def render(content: Mapping[str, Any], options: Options) -> str:
    """One JSON object, without findings where only counts are wanted; parameters as `render` of this room."""
    shown = {**content, "findings": []} if options.statistics else content
    text = _text(shown, ascii=False)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # a file name that is no UTF-8: escaped, it is valid again
        text = _text(shown, ascii=True)
    return text


def _text(content: Mapping[str, Any], *, ascii: bool) -> str:
    """Indented, but a line for each finding: there may be a hundred thousand."""
    parts = []
    for key, value in content.items():
        if key == "findings" and value:
            rows = ",\n    ".join(dumps(row, allow_nan=False, ensure_ascii=ascii) for row in value)
            parts.append(f'"findings": [\n    {rows}\n  ]')
        else:
            whole = dumps(value, indent=2, allow_nan=False, ensure_ascii=ascii)
            parts.append(f"{dumps(key)}: " + whole.replace("\n", "\n  "))
    return "{\n  " + ",\n  ".join(parts) + "\n}\n"
