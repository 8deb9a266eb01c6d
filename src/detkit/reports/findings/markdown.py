"""Findings as Markdown: a table of codes, then a list for each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from detkit.reports.findings._shared import Options, closing, fix_lines, groups, said
from detkit.wording import printable

__all__ = ["render"]

_SHOWN = 20
_SPECIAL = "\\`*_[]<>|#"


def render(content: Mapping[str, Any], options: Options) -> str:
    """A section of Markdown; parameters as `render` of this room."""
    found = groups(content)
    lines = ["## detkit check", "", *(f"{_plain(line)}  " for line in closing(content)), ""]
    if found:
        lines += ["| code | name | severity | places |", "|---|---|---|---:|"]
        lines += [f"| {g.code} | {g.name} | {g.severity} | {g.count} |" for g in found] + [""]
    for group in () if options.statistics else found:
        rows, rest = group.listed(options.limit(_SHOWN))
        if not rows:
            continue
        summary = f"{group.code} {group.name}: {group.count}"
        lines += [f"<details><summary>{summary}</summary>", ""]
        for row in rows:
            first, below = said(row)
            # Two blanks at the end are a line break.
            lines.append("  \n  ".join([f"- {_plain(first)}", *(_plain(line.strip()) for line in below)]))
        lines += [f"- and {rest} more"] if rest else []
        lines += ["", "</details>", ""]
    if "fix" in content:
        lines += ["### Fixed", "", *(f"- {_plain(line.strip())}" for line in fix_lines(content)), ""]
    return "\n".join(lines).rstrip() + "\n"


def _plain(text: str) -> str:
    return "".join(f"\\{c}" if c in _SPECIAL else c for c in printable(text))
