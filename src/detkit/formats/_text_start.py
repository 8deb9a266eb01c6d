"""The start of a text file: what a format is told from, however long the file is."""

from __future__ import annotations

import os
from pathlib import Path

from detkit import files
from detkit.errors import InputError

__all__ = ["has_content", "start_of", "text_start"]

_MOST = 1 << 16
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def has_content(path: Path) -> bool:
    """Whether a file is not empty; of one that cannot be asked, reading says what is wrong with it."""
    try:
        return path.stat().st_size > 0
    except OSError:
        return True


def start_of(path: Path, most: int = _MOST) -> bytes:
    """The first bytes of a regular file: all of them where there are no more than `most`, else whole lines.

    Parameters
    ----------
    path : Path
    most : int

    Returns
    -------
    bytes
        Of one line without an end, the first `most` bytes; no UTF-8 character is cut in two.

    Raises
    ------
    OSError
        As `files.open_regular`.
    """
    data, is_whole = _head(path, most)
    return data if is_whole else _whole_lines(data)


def _head(path: Path, most: int) -> tuple[bytes, bool]:
    """The first bytes of a regular file, and whether they are all of them."""
    with os.fdopen(files.open_regular(path), "rb") as handle:
        data = handle.read(most + 1)
    return data[:most], len(data) <= most


def _whole_lines(data: bytes) -> bytes:
    end = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
    return data[:end] if end else _without_half(data)


def _without_half(data: bytes) -> bytes:
    """Bytes without a character of UTF-8 that may be cut off at their end."""
    for back in range(1, 5):
        if data[-back] & 0xC0 != 0x80:
            return data[:-back] if data[-back] >= 0xC0 else data
    return data


def text_start(path: Path) -> str:
    """The first lines of a text file in UTF-8, or in UTF-16 with a byte order mark.

    Parameters
    ----------
    path : Path

    Returns
    -------
    str

    Raises
    ------
    InputError
        Not readable, or not UTF-8.
    """
    try:
        data, is_whole = _head(path, _MOST)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", path=path) from error
    try:
        if data[:2] not in _UTF16:
            return (data if is_whole else _whole_lines(data)).decode("utf-8-sig")
        if is_whole:
            return data.decode("utf-16")
        # Bytes of a line end may be halves of other characters.
        text = data.decode("utf-16", "ignore")
        return text[: text.rfind("\n") + 1] or text
    except UnicodeDecodeError as error:
        raise InputError("not UTF-8 text", path=path, place=f"byte {error.start}") from error
