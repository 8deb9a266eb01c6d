"""Findings as one HTML page without scripts and without anything from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from detkit.reports._table import printable
from detkit.reports.findings._shared import Group, Options, closing, fix_lines, groups, place

__all__ = ["render"]

_SHOWN = 200
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #1d2430;
  background: #fff; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; padding: .3rem .6rem; vertical-align: top;
  border-bottom: 1px solid #d9dee7; overflow-wrap: anywhere; } td { white-space: pre-line; } td.n { text-align: right; }
summary { cursor: pointer; font-weight: 600; padding: .4rem 0; } .error { color: #b3261e; } .warning { color: #8a5300; }
.info { color: #44546a; } pre { white-space: pre-wrap; }
@media (prefers-color-scheme: dark) { body { background: #14181f; color: #e6eaf1; } th, td { border-color: #333c4a; }
  .error { color: #ff8a80; } .warning { color: #ffc46b; } .info { color: #a9b8cc; } }
"""


def render(content: Mapping[str, Any], options: Options) -> str:
    """A whole page; parameters as `render` of this room."""
    found = groups(content)
    source = content["source"]["path"]
    body = [f"<h1>detkit check</h1><p>{_text(source)} ({_text(content['source']['format'])})</p>"]
    body += [f"<p>{_text(line)}</p>" for line in closing(content)]
    if found:
        body.append("<table><tr><th>code</th><th>name</th><th>severity</th><th>places</th></tr>")
        body += [
            f'<tr><td><a href="#{g.code}">{g.code}</a></td><td>{_text(g.name)}</td>'
            f'<td class="{g.severity}">{g.severity}</td><td class="n">{g.count}</td></tr>'
            for g in found
        ]
        body.append("</table>")
    if not options.statistics:
        body += [_section(group, options.limit(_SHOWN)) for group in found]
    if "fix" in content:
        body.append(f"<h2>Fixed</h2><pre>{_text(chr(10).join(fix_lines(content)))}</pre>")
    head = f'<meta charset="utf-8"><title>detkit check</title><style>{_STYLE}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n{chr(10).join(body)}\n</body></html>\n'


def _section(group: Group, limit: int | None) -> str:
    rows, rest = group.listed(limit)
    cells = "\n".join(f"<tr><td>{_text(place(row))}</td><td>{_text(row['message'])}</td></tr>" for row in rows)
    more = f"<p>and {rest} more</p>" if rest else ""
    opened = " open" if group.severity == "error" else ""
    title = f"{group.code} {group.name} ({group.count})"
    head = f'<details id="{group.code}"{opened}><summary class="{group.severity}">{_text(title)}</summary>'
    return f"{head}<table>{cells}</table>{more}</details>"


def _text(value: str) -> str:
    """Escaped, with control characters spelt out but line ends kept."""
    shown = "\n".join(printable(line) for line in str(value).split("\n"))
    return escape(shown).encode("utf-8", "replace").decode("utf-8")
