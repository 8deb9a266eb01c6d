"""Findings for the terminal: by code, errors first, a few of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from detkit.reports._table import table
from detkit.reports.findings._shared import Options, closing, fix_lines, groups, said
from detkit.wording import folded, printable

__all__ = ["render"]

_SHOWN = 5


def render(content: Mapping[str, Any], options: Options) -> str:
    """Lines of text; parameters as `render` of this room."""
    lines: list[str] = []
    found = groups(content)
    if options.statistics and found:
        rows = [[g.code, g.name, g.severity, str(g.count)] for g in found]
        lines += [*table(["code", "name", "severity", "count"], rows, left=3, flexible=1), ""]
    for group in () if options.statistics else found:
        lines.append(f"{group.code} {group.name} ({group.severity}): {group.count}")
        rows_shown, rest = group.listed(options.limit(_SHOWN))
        for row in rows_shown:
            first, below = said(row)
            lines += [part for line in (first, *below) for part in folded(f"  {printable(line)}")]
        if rest and rows_shown:
            lines.append(f"  and {rest} more")
        lines.append("")
    lines += [*fix_lines(content), ""] if "fix" in content else []
    return "\n".join(printable(line) for line in [*lines, *closing(content)]) + "\n"
