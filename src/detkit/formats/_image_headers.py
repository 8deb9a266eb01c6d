"""Width and height of ordinary JPEG and PNG files from the few bytes that state them.

Only files that cannot be turned are answered: one with EXIF, XMP or anything unusual in its header gets None, and the
caller asks the imaging library. Nothing is decoded.
"""

from __future__ import annotations

import os
import struct
import zlib

from detkit import files

__all__ = ["plain_size"]

_HEAD = 4096
#: Above this the imaging library warns of, or refuses, an image made to exhaust memory.
_MOST_PIXELS = 89_000_000
_FRAMES = (0xC0, 0xC1, 0xC2)
#: JPEG segments that say nothing of orientation; APP1 (EXIF, XMP) and APP2 with several pictures are not among them.
_SILENT = frozenset((0xC4, 0xDB, 0xDD, 0xE0, 0xEE, 0xFE))
_PNG = b"\x89PNG\r\n\x1a\n"
_SILENT_CHUNKS = frozenset((b"PLTE", b"IDAT", b"gAMA", b"sRGB", b"cHRM", b"pHYs", b"sBIT", b"bKGD", b"tRNS", b"tIME"))


def plain_size(path: str | os.PathLike[str]) -> tuple[int, int] | None:
    """Width and height in pixels of a JPEG or PNG file without orientation; None for every other file.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    (width, height) or None
        None also where the file cannot be read.
    """
    try:
        handle = files.open_regular(path)
    except (OSError, ValueError):
        return None
    try:
        head = os.read(handle, _HEAD)
        if head[:2] == b"\xff\xd8":
            size = _jpeg_size(head) or (_jpeg_size(head + os.read(handle, 2**18)) if len(head) == _HEAD else None)
        else:
            size = _png_size(handle, head) if head[:8] == _PNG else None
    except OSError:
        return None
    finally:
        os.close(handle)
    return size if size and min(size) > 0 and size[0] * size[1] <= _MOST_PIXELS else None


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Size stated in the frame header, once every segment up to the scan is known to be silent."""
    size, at, end = None, 2, len(data)
    while at + 4 <= end and data[at] == 0xFF:
        marker, length = data[at + 1], data[at + 2] << 8 | data[at + 3]
        if marker == 0xDA:
            return size
        if marker in _FRAMES and size is None and at + 10 <= end:
            precision, height, width, layers = struct.unpack_from(">BHHB", data, at + 4)
            if precision != 8 or layers not in (1, 3, 4) or length != 8 + 3 * layers:
                return None
            size = width, height
        elif marker == 0xE2:
            if not data.startswith(b"ICC_PROFILE\0", at + 4):
                return None
        elif marker not in _SILENT or not _is_sound(marker, length, data[at + 4 : at + 2 + length]):
            return None
        at += 2 + length
    return None


def _is_sound(marker: int, length: int, content: bytes) -> bool:
    """Whether a segment is as long as it has to be, so that the imaging library would not refuse the file."""
    if marker == 0xDB:
        # Quantisation tables of 64 bytes, each behind a byte whose upper half says that they are no words.
        return len(content) % 65 == 0 and all(head < 16 for head in content[::65])
    return length >= 16 if marker == 0xE0 else length >= 9 if marker == 0xEE else length >= 2


def _png_size(handle: int, head: bytes) -> tuple[int, int] | None:
    """Size stated in the first chunk of a whole file; orientation may stand behind the pixels too."""
    if len(head) < 33 or head[8:16] != b"\0\0\0\x0dIHDR" or zlib.crc32(head[12:29]).to_bytes(4, "big") != head[29:33]:
        return None
    at = 33
    while True:
        chunk = head[at : at + 8] if at + 8 <= len(head) else _read_at(handle, at)
        if len(chunk) < 8:
            return None
        kind = chunk[4:]
        if kind == b"IEND":
            width, height = struct.unpack_from(">II", head, 16)
            return width, height
        if kind not in _SILENT_CHUNKS:
            return None
        at += 12 + int.from_bytes(chunk[:4], "big")


def _read_at(handle: int, at: int) -> bytes:
    os.lseek(handle, at, os.SEEK_SET)
    return os.read(handle, 8)
