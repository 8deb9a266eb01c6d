"""What the formats share: groups by code, places, closing lines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from detkit.findings import is_rest
from detkit.wording import plural

__all__ = ["DOCS", "Group", "Options", "closing", "fix_lines", "groups", "place", "said"]

#: The page with a section for each code.
DOCS = "docs/reference/checks.md"
_RANK = {"error": 0, "warning": 1, "info": 2}


@dataclass(frozen=True)
class Options:
    """How findings are shown.

    Parameters
    ----------
    shown : int, optional
        Findings of a code that are listed; None lets the format choose, 0 lists all.
    statistics : bool
        Only counts.
    """

    shown: int | None = None
    statistics: bool = False

    def limit(self, usual: int) -> int | None:
        """How many of a code are listed; None for all."""
        return (self.shown if self.shown is not None else usual) or None


@dataclass(frozen=True)
class Group:
    """Findings of one code: those listed, and in how many places it was found."""

    code: str
    name: str
    severity: str
    count: int
    rows: tuple[Mapping[str, Any], ...]

    @property
    def anchor(self) -> str:
        """Its section in the docs."""
        return f"{DOCS}#{self.code.lower()}-{self.name}"

    def listed(self, limit: int | None) -> tuple[tuple[Mapping[str, Any], ...], int]:
        """(the first rows, in how many more places it was found)."""
        rows = tuple(row for row in self.rows if not is_rest(row))[:limit]
        return rows, self.count - sum(row["count"] for row in rows)


def groups(content: Mapping[str, Any]) -> list[Group]:
    """Findings by code: errors first, then by code."""
    held: dict[str, list[Mapping[str, Any]]] = {}
    for row in content["findings"]:
        held.setdefault(row["code"], []).append(row)
    found = [
        Group(code, rows[0]["name"], rows[0]["severity"], sum(r["count"] for r in rows), tuple(rows))
        for code, rows in held.items()
    ]
    return sorted(found, key=lambda group: (_RANK[group.severity], group.code))


def place(row: Mapping[str, Any], *, with_file: bool = True) -> str:
    """Where a finding stands: file and line, image, annotation, as far as they are known."""
    file, line, image, annotation = (row[key] for key in ("file", "line", "image", "annotation"))
    parts = [file if line is None else f"{file}:{line}"] if with_file and file is not None else []
    if image is not None and _stem(file) != _stem(str(image)):
        parts.append(f"image {image}")
    if annotation is not None and line is None:
        parts.append(f"annotation {annotation}")
    return ", ".join(parts)


def said(row: Mapping[str, Any]) -> tuple[str, list[str]]:
    """What a finding says with its place, in one line, and the lines below it: reasons, a hint."""
    where, (first, *rest) = place(row), str(row["message"]).split("\n")
    return f"{where}: {first}" if where else first, rest


def closing(content: Mapping[str, Any]) -> list[str]:
    """Lines with the totals, what a baseline left away, and what can be fixed."""
    total = content["totals"]
    kinds = (("error", "error", None), ("warning", "warning", None), ("info", "note", None))
    found = ", ".join(plural(total[key], noun, many) for key, noun, many in kinds if total[key]) or "nothing found"
    looked = ""
    if content["images"] is not None:
        looked = f" in {plural(content['images'], 'image')}, {plural(content['boxes'], 'box', 'boxes')}"
    lines = [found + looked]
    baseline = content.get("baseline")
    if baseline is not None:
        lines.append(f"{baseline['known']} known from the baseline left away, {baseline['gone']} of it gone")
    safe, unsafe = content["fixable"], content["fixable_unsafe"]
    if "fix" not in content and safe + unsafe:
        parts = [f"{safe} with `--fix`"] if safe else []
        parts += [f"{unsafe} with `--fix --unsafe-fixes`"] if unsafe else []
        lines.append(f"can be fixed: {', '.join(parts)}")
    return lines


def fix_lines(content: Mapping[str, Any]) -> list[str]:
    """What a fixed copy changed, code by code, and what is left in it; empty where nothing was fixed."""
    fixed = content.get("fix")
    if fixed is None:
        return []
    in_place, dry = bool(fixed.get("in_place")), fixed["left"] is None
    what = ("would be fixed in place" if dry else "fixed in place") if in_place else "fixed copy"
    what = "dry run, no copy written" if dry and not in_place else what
    lines = [f"{what}: {fixed['target']} ({fixed['format']})"]
    for change in fixed["changes"]:
        lines.append(f"{change['code']} {change['name']}: {_lost(change)}")
        lines += [f"  {example}" for example in change["examples"]]
    lines += [] if fixed["changes"] else ["nothing to fix"]
    for loss in fixed["losses"]:
        lines.append(f"by reading and writing: {_lost(loss)}")
        lines += [f"  {example}" for example in loss["examples"]]
    if in_place and fixed["files"]:
        lines.append(f"files changed: {len(fixed['files'])}, the first {fixed['files'][0]}")
    if fixed.get("undo"):
        lines.append(f"to put the old files back: detkit check --undo {fixed['undo']}")
    if fixed["left"] is not None:
        left = ", ".join(f"{count} {code}" for code, count in fixed["left"].items()) or "nothing"
        lines.append(f"left{'' if in_place else ' in the copy'}: {left}")
    return lines


def _lost(loss: Mapping[str, Any]) -> str:
    """In the words of `findings.Loss`."""
    return f"{loss['what']}: {loss['count']} {loss['action']}"


def _stem(file: str | None) -> str:
    """The last part of a path without its suffix: of a label file and its image it is the same."""
    return PurePosixPath(file or "").stem
