"""JSON of the COCO family: bytes to records, quickly where the file is well formed, patiently where it is not."""

from __future__ import annotations

import gc
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from detkit.errors import InputError
from detkit.findings import Finding, plural
from detkit.formats._coco_bytes import contents, head_of

__all__ = [
    "Document",
    "Outline",
    "decode",
    "gc_paused",
    "not_finite_finding",
    "outline",
    "read_document",
    "results_decoder",
    "truth_decoder",
]

_BOM = b"\xef\xbb\xbf"
_HEAD = 1 << 16
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+"|["{}\[\]:,]|[^\s"{}\[\]:,]++', re.DOTALL)


@dataclass(frozen=True)
class Document:
    """A file's bytes without a byte order mark; `shift` is the mark's length."""

    path: Path
    data: bytes
    shift: int = 0


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


def read_document(path: Path, text: Any = None) -> Document:
    """The bytes of a file, once it is known that they are UTF-8.

    Parameters
    ----------
    path : Path
    text : bytes or mmap, optional
        Its content, where that is at hand.

    Raises
    ------
    InputError
        Unreadable, empty, or not UTF-8 (with the byte offset).
    """
    text = contents(path) if text is None else text
    data = text if isinstance(text, bytes) else text[:]
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise InputError("is UTF-16, expected UTF-8", path=path, place="byte 0", hint="save it as UTF-8")
    shift = len(_BOM) if data.startswith(_BOM) else 0
    if shift:
        data = data[shift:]
    if not data or data.isspace():
        raise InputError("is empty, expected JSON", path=path)
    if not data.isascii():
        try:
            data.decode("utf-8")
        except UnicodeDecodeError as error:
            found = f"0x{data[error.start]:02x}"
            raise InputError(
                f"found {found}, expected UTF-8", path=path, place=f"byte {error.start + shift}"
            ) from error
    return Document(path, data, shift)


def decode(document: Document, decoder: Any = None) -> tuple[Any, int]:
    """The value of a document.

    Parameters
    ----------
    document : Document
    decoder : msgspec.json.Decoder, optional
        Of the records wanted. Whatever it refuses is decoded once more without types.

    Returns
    -------
    value : object
        Typed records, or plain dictionaries and lists.
    not_finite : int
        How many `NaN` and `Infinity` tokens stand in the file, which are no JSON.

    Raises
    ------
    InputError
        Not JSON, cut off or nested too deeply; with the byte offset.
    """
    import msgspec

    for attempt in (decoder, msgspec.json) if decoder is not None else (msgspec.json,):
        try:
            return attempt.decode(document.data), 0
        except (msgspec.MsgspecError, ValueError, RecursionError):
            continue
    return _decode_patiently(document)


def _decode_patiently(document: Document) -> tuple[Any, int]:
    constants: list[str] = []

    def constant(token: str) -> float:
        constants.append(token)
        return float(token.replace("Infinity", "inf"))

    text = document.data.decode("utf-8")
    try:
        return json.loads(text, parse_constant=constant), len(constants)
    except json.JSONDecodeError as error:
        byte = len(text[: error.pos].encode("utf-8"))
        ended = byte >= len(document.data.rstrip()) or error.msg.startswith("Unterminated")
        found = "ends too early (truncated?)" if ended else "is not JSON"
        reason = error.msg[:1].lower() + error.msg[1:]
        place = f"byte {byte + document.shift}"
        raise InputError(f"{found}: {reason}", path=document.path, place=place) from error
    except RecursionError as error:
        raise InputError("is nested too deeply to be read", path=document.path) from error
    except ValueError as error:
        raise InputError(f"is not usable JSON: {error}", path=document.path) from error


def not_finite_finding(count: int, path: Path) -> list[Finding]:
    """What is said of a file with `NaN` tokens, over the unusable rows that they make."""
    counted = plural(count, "value is", "values are")
    message = f"{counted} `NaN` or `Infinity`, which JSON does not know; in unknown fields they become null"
    return [Finding("DK106", message, file=str(path), count=count)] if count else []


@contextmanager
def gc_paused() -> Iterator[None]:
    """No cyclic collection inside: millions of fresh records make it run again and again, and none is garbage."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@lru_cache
def truth_decoder(with_shapes: bool) -> Any:
    """Decoder of a COCO object that keeps the fields with a column only."""
    import msgspec

    number, ident = float | None, int | float | str | None
    image = msgspec.defstruct(
        "Image",
        [
            ("id", ident, None),
            ("file_name", str | None, None),
            ("width", number, None),
            ("height", number, None),
            ("neg_category_ids", Any, None),
            ("pos_category_ids", Any, None),
            ("not_exhaustive_category_ids", Any, None),
        ],
        gc=False,
    )
    fields: list[tuple[str, Any, Any]] = [
        ("id", ident, None),
        ("image_id", ident, None),
        ("category_id", ident, None),
        ("bbox", tuple[float, float, float, float] | None, None),
        ("area", number, None),
        ("iscrowd", int | float | None, None),
        ("ignore", int | float | None, None),
        ("is_group_of", Any, None),
        ("is_oriented", Any, None),
    ]
    if with_shapes:
        fields += [("segmentation", Any, None), ("keypoints", Any, None), ("num_keypoints", Any, None)]
    annotation = msgspec.defstruct("Annotation", fields, gc=False)
    truth = msgspec.defstruct(
        "Truth",
        [
            ("images", list[image]),  # type: ignore[valid-type]
            ("annotations", list[annotation] | None, None),  # type: ignore[valid-type]
            ("categories", Any, None),
            ("detkit", Any, None),
        ],
    )
    return msgspec.json.Decoder(truth)


@lru_cache
def results_decoder(with_shapes: bool) -> Any:
    """Decoder of a results list that keeps the fields with a column only."""
    import msgspec

    ident = int | float | str | None
    fields: list[tuple[str, Any, Any]] = [
        ("image_id", ident, None),
        ("category_id", ident, None),
        ("bbox", tuple[float, float, float, float] | None, None),
        ("score", float | None, None),
    ]
    if with_shapes:
        fields += [("segmentation", Any, None), ("keypoints", Any, None)]
    return msgspec.json.Decoder(list[msgspec.defstruct("Result", fields, gc=False)])  # type: ignore[misc]


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
