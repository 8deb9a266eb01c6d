"""Findings as workflow commands: a GitHub runner shows them beside the lines of the label files.

A runner shows ten annotations of a kind for a step: at most ten are written, the last counts those left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from detkit.reports._table import printable
from detkit.reports.findings._shared import Options, closing, groups, place

__all__ = ["render"]

_MOST = 10
_COMMANDS = {"error": "error", "warning": "warning", "info": "notice"}


def render(content: Mapping[str, Any], options: Options) -> str:
    """Lines that begin with `::error`, `::warning` or `::notice`; parameters as `render` of this room."""
    lines = []
    for severity, command in _COMMANDS.items():
        found = [g for g in groups(content) if g.severity == severity]
        rows = [(g, row) for g in found for row in g.rows]
        total = sum(g.count for g in found)
        cut = len(rows) > _MOST
        for group, row in rows[: _MOST - 1 if cut else _MOST]:
            title = f"{group.code} {group.name}"
            lines.append(_command(command, title, _message(row), row["file"], row["line"]))
        if cut:
            shown = sum(row["count"] for _, row in rows[: _MOST - 1])
            lines.append(_command(command, "detkit check", f"and {total - shown} more, see the log"))
    lines.append(_command("notice", "detkit check", "; ".join(closing(content))))
    return "\n".join(lines) + "\n"


def _message(row: Mapping[str, Any]) -> str:
    where = place(row, with_file=False)
    text = f"{where}: {row['message']}" if where else str(row["message"])
    return text if row["count"] == 1 else f"{text} ({row['count']} places)"


def _command(kind: str, title: str, message: str, file: str | None = None, line: int | None = None) -> str:
    held = {"file": file, "line": line, "title": title}
    properties = ",".join(f"{key}={_property(str(value))}" for key, value in held.items() if value is not None)
    return f"::{kind} {properties}::{_data(message)}"


def _data(text: str) -> str:
    return printable(text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A"))


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
