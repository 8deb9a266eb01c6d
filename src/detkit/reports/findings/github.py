"""Findings as workflow commands: a GitHub runner shows them beside the lines of the label files.

A runner shows ten annotations of a kind for a step: at most ten are written, the last counts those left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from detkit.reports._workflow_commands import MOST, command
from detkit.reports.findings._shared import Options, closing, groups, place

__all__ = ["render"]

_COMMANDS = {"error": "error", "warning": "warning", "info": "notice"}


def render(content: Mapping[str, Any], options: Options) -> str:
    """Lines that begin with `::error`, `::warning` or `::notice`; parameters as `render` of this room."""
    lines = []
    for severity, kind in _COMMANDS.items():
        found = [g for g in groups(content) if g.severity == severity]
        rows = [(g, row) for g in found for row in g.rows]
        total = sum(g.count for g in found)
        cut = len(rows) > MOST
        for group, row in rows[: MOST - 1 if cut else MOST]:
            title = f"{group.code} {group.name}"
            lines.append(command(kind, title, _message(row), file=row["file"], line=row["line"]))
        if cut:
            shown = sum(row["count"] for _, row in rows[: MOST - 1])
            lines.append(command(kind, "detkit check", f"and {total - shown} more, see the log"))
    lines.append(command("notice", "detkit check", "; ".join(closing(content))))
    return "\n".join(lines) + "\n"


def _message(row: Mapping[str, Any]) -> str:
    where = place(row, with_file=False)
    text = f"{where}: {row['message']}" if where else str(row["message"])
    return text if row["count"] == 1 else f"{text} ({row['count']} places)"
