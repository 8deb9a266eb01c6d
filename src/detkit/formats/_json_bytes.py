"""The bytes of a JSON file, mapped rather than read where it is large, unpacked where it is gzip or Zstandard."""

from __future__ import annotations

import gzip
import importlib
import mmap
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from detkit import files
from detkit.errors import InputError

__all__ = ["LARGE", "contents", "head_of", "is_compressed", "plain_name"]

#: A file this large is mapped, and worth loading the kernel that scans it.
LARGE = 4 << 20
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_SUFFIXES = (".gz", ".zst")
_CHUNK = 1 << 20
#: Ratio that JSON of boxes stays far below; small files may be as dense as they like.
_LIMIT_RATIO, _ALWAYS_ALLOWED = 200, 64 << 20
_LIMIT_BYTES = 64 << 30
#: In order: the standard library from 3.14 on, its twin for older versions, the older package.
_ZSTD_MODULES = ("compression.zstd", "backports.zstd", "zstandard")


def plain_name(name: str) -> str:
    """A file's name without the suffix of its compression."""
    return next((name[: -len(s)] for s in _SUFFIXES if name.lower().endswith(s) and len(name) > len(s)), name)


def is_compressed(start: bytes) -> bool:
    """Whether a file that starts with these bytes is gzip or Zstandard."""
    return start.startswith((_GZIP, _ZSTD))


def contents(path: Path) -> Any:
    """A file's bytes, unpacked.

    Parameters
    ----------
    path : Path

    Returns
    -------
    bytes or mmap
        A mapping where the file is large and not compressed.

    Raises
    ------
    InputError
        Unreadable, damaged, or unpacking to far more than its size allows.
    """
    with _opened(path) as (packed, stream):
        if stream is not packed:
            return _unpacked(stream, path)
        if path.is_file() and path.stat().st_size >= LARGE:
            return mmap.mmap(packed.fileno(), 0, access=mmap.ACCESS_READ)
        return packed.read()


def head_of(path: Path, size: int) -> bytes:
    """The first bytes of a file, unpacked; raises as `contents` does."""
    with _opened(path) as (_, stream):
        return bytes(stream.read(size))


@contextmanager
def _opened(path: Path) -> Iterator[tuple[IO[bytes], Any]]:
    """The file, and the stream to read from: the same where it is not compressed."""
    try:
        with os.fdopen(files.open_regular(path), "rb") as packed:
            start = packed.peek(4)[:4]
            if start.startswith(_GZIP):
                with gzip.open(packed) as stream:
                    yield packed, stream
            elif start.startswith(_ZSTD):
                with _zstd(packed, path) as stream:
                    yield packed, stream
            else:
                yield packed, packed
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"is damaged: {error}", path=path) from error
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", path=path) from error
    except Exception as error:
        if type(error).__name__ != "ZstdError":  # each package has its own
            raise
        raise InputError(f"is damaged: {error}", path=path) from error


def _zstd(packed: IO[bytes], path: Path) -> Any:
    for name in _ZSTD_MODULES:
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue
        if name == "zstandard":
            return module.ZstdDecompressor().stream_reader(packed, read_across_frames=True, closefd=False)
        return module.ZstdFile(packed)
    hint = "install `zstandard` (`pip install zstandard`), or unpack the file first"
    raise InputError("is compressed with Zstandard, which this Python cannot unpack", path=path, hint=hint)


def _unpacked(stream: Any, path: Path) -> bytes:
    size = path.stat().st_size
    limit = min(_LIMIT_BYTES, max(_ALWAYS_ALLOWED, size * _LIMIT_RATIO))
    out = bytearray()
    while some := stream.read(_CHUNK):
        out += some
        if len(out) > limit:
            message = f"unpacks to more than {limit >> 20} MiB from {size} bytes, which no labels do"
            raise InputError(message, path=path, hint="unpack it first if it is to be trusted")
    if not out:
        raise InputError("unpacks to nothing, expected JSON (truncated?)", path=path)
    return bytes(out)
