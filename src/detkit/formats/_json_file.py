"""Small JSON files of annotation tools: read with patience (byte order mark, NaN), written the same way every time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit import files
from detkit.errors import InputError
from detkit.formats._json_outline import outline
from detkit.formats._json_text import plain
from detkit.formats._numbers import FARTHEST

__all__ = [
    "as_count",
    "as_number",
    "as_numbers",
    "as_points",
    "json_bytes",
    "names_in",
    "read_json",
    "read_many",
    "write_json",
]

_BOM = b"\xef\xbb\xbf"
#: Bytes from which a file is looked at before it is read.
_LARGE = 16_384


def read_json(path: Path) -> Any:
    """The value of a JSON file; `NaN` and `Infinity` are read, for the caller to refuse where they stand.

    Raises
    ------
    InputError
        Unreadable, empty, not UTF-8 or not JSON.
    """
    import msgspec

    try:
        data = files.read_small(path).removeprefix(_BOM)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", path=path) from error
    if not data.strip():
        raise InputError("is empty, expected JSON", path=path)
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        return json.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise InputError(f"not a text file in UTF-8 (byte {error.start})", path=path) from None
    except json.JSONDecodeError as error:
        raise InputError(f"not JSON: {error.msg}", path=path, place=f"line {error.lineno}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"not JSON: {error}", path=path) from None


def names_in(path: Path) -> frozenset[str] | None:
    """Names in a large file's top-level object, or in the first record of its list; None where that is not known.

    Nothing is built: a file of hundreds of megabytes is told to be another format's at a glance, and one glance
    serves all formats. Small files, and what is no JSON to the letter, are not known: reading them decides.
    """
    try:
        stat = path.stat()
    except OSError:
        return None
    return None if stat.st_size < _LARGE else _names_in(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=16)
def _names_in(path: Path, _size: int, _changed: int) -> frozenset[str] | None:
    import msgspec

    try:
        found = outline(path, whole=False)
        if found.kind != "object":
            first = next(iter(found.sections.get("") or ()), None)
            return frozenset(first) if isinstance(first, dict) else frozenset()
        if found.sections:
            # What has `images` or `annotations` at its top is COCO's or a kin's: the rest need not be walked.
            return frozenset(found.sections)
        data = files.read_small(path).removeprefix(_BOM)
        return frozenset(msgspec.json.decode(data, type=dict[str, msgspec.Raw]))
    except (OSError, msgspec.MsgspecError, ValueError, RecursionError):
        return None


def read_many(paths: Sequence[Path], jobs: int) -> list[Any]:
    """The values of many files, an `InputError` in place of each that cannot be read."""

    def one(path: Path) -> Any:
        try:
            return read_json(path)
        except InputError as error:
            return error

    with ThreadPoolExecutor(max(1, jobs)) as pool:
        return list(pool.map(one, paths, chunksize=32))


def write_json(value: Any, path: Path) -> None:
    """Write a value, indented, UTF-8, a line end at the end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(json_bytes(value, indent=2))


def json_bytes(value: Any, *, indent: int | None = None) -> bytes:
    """A value as JSON in UTF-8, a line end at its end; half a surrogate pair stays an escape, not finite is null."""
    try:
        data = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError:
        data = json.dumps(value, indent=indent, allow_nan=False).encode()
    except ValueError:
        return json_bytes(plain(value), indent=indent)
    return data + b"\n"


def as_number(value: Any) -> float | None:
    """A finite number that a coordinate may be, also one written as text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    if isinstance(value, str) and "_" in value:
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if abs(number) <= FARTHEST else None


def as_count(text: str) -> int | None:
    """A whole number from 0 in at most 18 digits; None for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None


def as_numbers(values: Any, count: int | None = None) -> list[float] | None:
    """A list of finite numbers, of this length where one is given; None for anything else."""
    if not isinstance(values, (list, tuple)) or (count is not None and len(values) != count):
        return None
    numbers = [as_number(v) for v in values]
    known = [n for n in numbers if n is not None]
    return known if len(known) == len(numbers) else None


def as_points(values: Any) -> NDArray[np.float64] | None:
    """(N, 2) float64 of a list of pairs of finite numbers; None for anything else."""
    if not isinstance(values, (list, tuple)):
        return None
    if all(type(pair) is list and len(pair) == 2 for pair in values) and _are_numbers(values):
        try:
            points = np.array(values, np.float64).reshape(-1, 2)
        except OverflowError:
            return None
        return points if (np.abs(points) <= FARTHEST).all() else None
    pairs = [as_numbers(pair, 2) for pair in values]
    known = [pair for pair in pairs if pair is not None]
    return np.array(known, np.float64).reshape(-1, 2) if len(known) == len(pairs) else None


def _are_numbers(pairs: Sequence[Sequence[Any]]) -> bool:
    """Whether nothing but numbers stands in pairs, as nearly always: there may be millions."""
    return {type(value) for pair in pairs for value in pair} <= {int, float}
