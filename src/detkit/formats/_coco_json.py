"""JSON of the COCO family: bytes to records, quickly where the file is well formed, patiently where it is not."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from detkit.errors import InputError
from detkit.findings import Finding
from detkit.formats._json_bytes import contents
from detkit.wording import plural

__all__ = [
    "Document",
    "decode",
    "not_finite_finding",
    "read_document",
    "results_decoder",
    "truth_decoder",
]

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Document:
    """A file's bytes without a byte order mark; `shift` is the mark's length."""

    path: Path
    data: bytes
    shift: int = 0


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
