"""Findings as SARIF 2.1.0, which code scanning of GitHub, GitLab and Azure reads.

GitHub refuses a run of more than 25,000 results and shows 5,000: of each code some are listed, and one result counts
the others.

Source: OASIS Static Analysis Results Interchange Format 2.1.0, sections 3.14 (run), 3.27 (result), 3.29 (location).
"""

from __future__ import annotations

from collections.abc import Mapping
from json import dumps
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from detkit.reports.findings._shared import Group, Options, groups, place
from detkit.wording import plural

__all__ = ["render"]

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_SHOWN = 1000
_LEVELS = {"error": "error", "warning": "warning", "info": "note"}


def render(content: Mapping[str, Any], options: Options) -> str:
    """One SARIF log with one run; parameters as `render` of this room."""
    found = groups(content)
    rules = [
        {
            "id": group.code,
            "name": "".join(word.capitalize() for word in group.name.split("-")),
            "shortDescription": {"text": group.name.replace("-", " ")},
            "help": {"text": f"see {group.anchor}"},
            "defaultConfiguration": {"level": _LEVELS[group.severity]},
        }
        for group in found
    ]
    results = [result for number, group in enumerate(found) for result in _results(group, number, options)]
    tool = {"driver": {"name": "detkit", "version": content["detkit"], "rules": rules}}
    log = {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [{"tool": tool, "columnKind": "utf16CodeUnits", "results": results}],
    }
    return dumps(log, indent=2, allow_nan=False, ensure_ascii=True) + "\n"


def _results(group: Group, rule: int, options: Options) -> list[dict[str, Any]]:
    rows, rest = ((), group.count) if options.statistics else group.listed(options.limit(_SHOWN))
    results = [_result(row, rule) for row in rows]
    if rest:
        text = f"{plural(rest, 'more place')}" if rows else f"{plural(rest, 'place')}"
        message = {"ruleId": group.code, "ruleIndex": rule, "level": _LEVELS[group.severity], "message": {"text": text}}
        results.append({**message, "occurrenceCount": rest})
    return results


def _result(row: Mapping[str, Any], rule: int) -> dict[str, Any]:
    where = place(row, with_file=False)
    text = f"{where}: {row['message']}" if where else row["message"]
    result: dict[str, Any] = {
        "ruleId": row["code"],
        "ruleIndex": rule,
        "level": _LEVELS[row["severity"]],
        "message": {"text": text},
        "partialFingerprints": {"detkit/v1": row["fingerprint"]},
        "occurrenceCount": row["count"],
    }
    if row["file"] is not None:
        location: dict[str, Any] = {"artifactLocation": {"uri": _uri(row["file"])}}
        if row["line"] is not None:
            location["region"] = {"startLine": row["line"]}
        result["locations"] = [{"physicalLocation": location}]
    return result


def _uri(file: str) -> str:
    path = PurePosixPath(file)
    safe = quote(file.encode("utf-8", "surrogateescape"), safe="/")
    return f"file://{safe}" if path.is_absolute() else safe
