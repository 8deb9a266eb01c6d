"""Parquet files on disk: which files a path stands for, opening them, and the one message where pyarrow is missing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from detkit import files
from detkit.errors import InputError, MissingExtraError

__all__ = ["SUFFIX", "is_parquet", "open_file", "part_files", "pyarrow"]

SUFFIX = ".parquet"
_MAGIC = b"PAR1"
#: Footer, its length and the magic number twice: nothing smaller is a Parquet file.
_LEAST_BYTES = 12
#: The image table of a large set is one long text in the footer.
_THRIFT_LIMIT = 2**31 - 1


def pyarrow() -> tuple[Any, Any, Any]:
    """`pyarrow`, `pyarrow.compute` and `pyarrow.parquet`.

    Raises
    ------
    MissingExtraError
    """
    try:
        import pyarrow as pa
        import pyarrow.compute
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError("pyarrow", "parquet") from None
    return pa, pyarrow.compute, pyarrow.parquet


def is_parquet(path: Path) -> str | None:
    """None where a file begins and ends as Parquet does, else what it lacks."""
    try:
        size = path.stat().st_size
        with os.fdopen(files.open_regular(path), "rb") as handle:
            if handle.read(4) != _MAGIC:
                return "does not start with `PAR1`"
            if size < _LEAST_BYTES:
                return "starts with `PAR1` and is too short (truncated?)"
            handle.seek(-4, 2)
            return None if handle.read(4) == _MAGIC else "starts with `PAR1` and does not end with it (truncated?)"
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"


def part_files(path: Path) -> list[Path]:
    """The files of a path: itself, or the `.parquet` files of a folder in the order of their names."""
    if path.is_file():
        return [path]
    found = [p for p in path.iterdir() if p.suffix.lower() == SUFFIX and not p.name.startswith((".", "_"))]
    return sorted((p for p in found if p.is_file()), key=lambda p: p.name)


def open_file(path: Path) -> Any:
    """A `pyarrow.parquet.ParquetFile`, to be closed by the caller.

    Raises
    ------
    InputError
        No Parquet file, or a damaged one.
    MissingExtraError
    """
    pa, _, pq = pyarrow()
    problem = is_parquet(path)
    if problem is not None:
        raise InputError(f"no Parquet file: {problem}", path=path)
    try:
        # Bytes: a name that is no UTF-8 is a name all the same, and none is taken for an address.
        source = pa.OSFile(os.fsencode(path))
        return pq.ParquetFile(source, thrift_string_size_limit=_THRIFT_LIMIT, thrift_container_size_limit=_THRIFT_LIMIT)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"damaged Parquet file: {_first_line(error)}", path=path) from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
