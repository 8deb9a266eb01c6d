"""Findings as one HTML page without scripts and without anything from elsewhere."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from html import escape
from typing import Any

from detkit.reports.findings._shared import Group, Options, closing, fix_lines, groups, place
from detkit.wording import printable

__all__ = ["render"]

_SHOWN = 200
_STYLE = """
:root { --ground: #fff; --ink: #1d2430; --line: #d9dee7; --link: #0b57b0; --error: #b3261e; --warning: #8a5300;
  --info: #44546a; }
@media (prefers-color-scheme: dark) { :root { --ground: #14181f; --ink: #e6eaf1; --line: #333c4a; --link: #7db8ff;
  --error: #ff8a80; --warning: #ffc46b; --info: #a9b8cc; } }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: var(--ink);
  background: var(--ground); overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; scroll-margin-top: 3rem; }
th, td { text-align: left; padding: .3rem .6rem; vertical-align: top; border-bottom: 1px solid var(--line); }
td { white-space: pre-line; }
th, td a, td.n, td.error, td.warning, td.info { white-space: nowrap; overflow-wrap: normal; }
th.n, td.n { text-align: right; } td.place { width: 40%; } a { color: var(--link); }
summary { cursor: pointer; font-weight: 600; padding: .4rem 0; } .error { color: var(--error); }
.warning { color: var(--warning); } .info { color: var(--info); } pre { white-space: pre-wrap; }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
"""


_HASH = b64encode(sha256(_STYLE.encode()).digest()).decode()
_HEAD = (
    '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    '<meta name="color-scheme" content="light dark">'
    f"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-{_HASH}'\">"
    f"<title>detkit check</title><style>{_STYLE}</style>"
)


def render(content: Mapping[str, Any], options: Options) -> str:
    """A whole page; parameters as `render` of this room."""
    found = groups(content)
    source = content["source"]["path"]
    body = [f"<h1>detkit check</h1><p>{_text(source)} ({_text(content['source']['format'])})</p>"]
    body += [f"<p>{_text(line)}</p>" for line in closing(content)]
    if found:
        heads = ('"col">code', '"col">name', '"col">severity', '"col" class="n">places')
        body.append(f"<table><tr>{''.join(f'<th scope={head}</th>' for head in heads)}</tr>")
        body += [
            f"<tr><td>{_code(g.code, linked=not options.statistics)}</td><td>{_text(g.name)}</td>"
            f'<td class="{g.severity}">{g.severity}</td><td class="n">{g.count}</td></tr>'
            for g in found
        ]
        body.append("</table>")
    if not options.statistics:
        body += [_section(group, options.limit(_SHOWN)) for group in found]
    if "fix" in content:
        body.append(f"<h2>Fixed</h2><pre>{_text(chr(10).join(fix_lines(content)))}</pre>")
    lines = "\n".join(body)
    return f'<!doctype html>\n<html lang="en"><head>{_HEAD}</head>\n<body><main>\n{lines}\n</main></body></html>\n'


def _code(code: str, *, linked: bool) -> str:
    """The code, a link to its places where they are listed."""
    return f'<a href="#{code}">{code}</a>' if linked else code


def _section(group: Group, limit: int | None) -> str:
    rows, rest = group.listed(limit)
    cells = "\n".join(
        f'<tr><td class="place">{_text(place(row))}</td><td>{_text(row["message"])}</td></tr>' for row in rows
    )
    more = f"<p>and {rest} more</p>" if rest else ""
    opened = " open" if group.severity == "error" else ""
    title = f"{group.code} {group.name} ({group.count})"
    # The id lies inside, so that a link to it opens what is closed.
    head = f'<details{opened}><summary class="{group.severity}">{_text(title)}</summary>'
    return f'{head}<table id="{group.code}">{cells}</table>{more}</details>'


def _text(value: str) -> str:
    """Escaped, with control characters spelt out but line ends kept."""
    shown = "\n".join(printable(line) for line in str(value).split("\n"))
    return escape(shown).encode("utf-8", "replace").decode("utf-8")
