"""What a JSON file looks like: the kind of its top-level value and its first records, without reading all of it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from detkit.errors import InputError
from detkit.formats._json_bytes import contents, head_of

__all__ = ["Outline", "outline"]

_BOM = b"\xef\xbb\xbf"
_HEAD = 1 << 16
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+"|["{}\[\]:,]|[^\s"{}\[\]:,]++', re.DOTALL)


@dataclass(frozen=True)
class Outline:
    """What a file looks like from outside.

    Parameters
    ----------
    kind : {"object", "array", ""}
        Of the top-level value; empty for anything that is not JSON.
    sections : mapping of str to list
        For an object the first records of `images` and `annotations` where present (None for another type of value);
        for an array the first records under the name ``""``.
    """

    kind: str
    sections: dict[str, list[Any] | None]


def outline(path: Path, *, whole: bool) -> Outline:
    """What a file looks like: the kind of its top-level value and the first records of its sections.

    The first 64 KiB are looked at; where they do not decide and `whole` is true, the rest is walked once without
    building anything.

    Parameters
    ----------
    path : Path
    whole : bool
        Whether both sections are wanted. If not, `images` suffices.

    Returns
    -------
    Outline
        Of kind ``""`` when the file is no JSON object or array, or cannot be read.

    Notes
    -----
    Every format that reads JSON asks while a file is recognised: the answer is kept until the file changes.
    """
    try:
        stat = path.stat()
    except OSError:
        return Outline("", {})
    return _outline(path, whole, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=32)
def _outline(path: Path, whole: bool, _size: int, _changed: int) -> Outline:
    try:
        head = head_of(path, _HEAD)
    except InputError:
        return Outline("", {})
    text = head.removeprefix(_BOM).lstrip()
    kind = {b"{": "object", b"[": "array"}.get(text[:1], "")
    if kind == "array":
        complete = len(head) < _HEAD
        records = _first_records(text, 0)
        return Outline(kind, {"": records if records or complete else _first_records(_more(path), 0)})
    if kind == "":
        return Outline(kind, {})
    starts = _top_level(text)
    sections = {name: _first_records(text, start) for name, start in starts.items()}
    undecided = "images" not in starts or not all(sections.values()) or (whole and "annotations" not in starts)
    if undecided and len(head) == _HEAD:
        sections = {**sections, **_walk(path)}
    return Outline(kind, sections)


def _more(path: Path) -> bytes:
    return head_of(path, _HEAD << 8).removeprefix(_BOM).lstrip()


def _walk(path: Path) -> dict[str, list[Any] | None]:
    import msgspec

    names = ("images", "annotations")
    raw: Any = msgspec.defstruct("Sections", [(n, msgspec.Raw | msgspec.UnsetType, msgspec.UNSET) for n in names])
    view = memoryview(contents(path))
    view = view[len(_BOM) :] if view[: len(_BOM)] == _BOM else view
    try:
        found = msgspec.json.decode(view, type=raw)
        values = {n: getattr(found, n) for n in names if getattr(found, n) is not msgspec.UNSET}
        parts = {name: bytes(memoryview(value)[: _HEAD << 8]) for name, value in values.items()}
    except (msgspec.MsgspecError, ValueError, RecursionError):
        # Truncated, or with NaN in it: good enough to be recognised, reading will say what is wrong.
        hits = {n: re.search(rb'"%s"\s*:\s*(?=\[)' % n.encode(), view) for n in names}
        parts = {name: bytes(view[hit.end() : hit.end() + (_HEAD << 8)]) for name, hit in hits.items() if hit}
    return {name: _first_records(part, 0) for name, part in parts.items()}


def _top_level(chunk: bytes) -> dict[str, int]:
    """Where the values of `images` and `annotations` start, as far as the chunk shows it."""
    found: dict[str, int] = {}
    depth, key, text = 0, None, None
    for match in _TOKEN.finditer(chunk):
        token = match.group()
        if depth == 1 and token == b":":
            key = text
            continue
        if depth == 1 and key in (b'"images"', b'"annotations"'):
            found[key.strip(b'"').decode()] = match.start()
        key, text = None, token
        if token in (b"{", b"["):
            depth += 1
        elif token in (b"}", b"]"):
            depth -= 1
            if not depth:
                break
        elif token == b'"':
            break
    return found


def _first_records(chunk: bytes, start: int, limit: int = 5) -> list[Any] | None:
    """The first few complete records of the array that starts there (None for a number or text among them).

    None where another kind of value starts there.
    """
    if chunk[start : start + 1] != b"[":
        return None
    records: list[Any] = []
    depth, begin = 0, start
    for match in _TOKEN.finditer(chunk, start):
        token = match.group()
        if token in (b"{", b"["):
            begin = match.start() if depth == 1 else begin
            depth += 1
        elif token in (b"}", b"]"):
            depth -= 1
            if depth == 1:
                try:
                    records.append(json.loads(chunk[begin : match.end()]))
                except (ValueError, RecursionError):
                    return records
            if depth <= 0 or len(records) == limit:
                break
        elif token == b'"':
            break
        elif depth == 1 and token != b",":
            records.append(None)
    return records
