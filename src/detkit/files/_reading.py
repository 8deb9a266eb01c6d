"""Regular files read with few calls, and content hashes."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

__all__ = ["each_file", "open_regular", "read_small", "refuse_special", "sha256_of", "sha256_of_digests", "write_small"]

_BATCH = 256
_HANDFUL = 32
#: Seconds a file that are spent waiting, above which storage counts as slow: a network, or a disk that has to seek.
_SLOW = 1e-3

_Result = TypeVar("_Result")


def sha256_of(paths: Iterable[str | Path], *, root: str | Path | None = None) -> str:
    """Hex digest of one file's bytes, or of several files' names and bytes in sorted order.

    Parameters
    ----------
    paths : iterable of path-like
    root : path-like, optional
        Names are taken relative to this folder when there is more than one file.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    files = [str(Path(p)) for p in paths]
    return sha256_of_digests([(file, _file_digest(file)) for file in files], root=root)


def sha256_of_digests(digests: Sequence[tuple[str, bytes]], *, root: str | Path | None = None) -> str:
    """What `sha256_of` gives for files whose own digests are known already.

    Parameters
    ----------
    digests : sequence of (str, bytes)
        Path of each file and the 32 bytes of its SHA-256.
    root : path-like, optional

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    if len(digests) == 1:
        return digests[0][1].hex()
    total = hashlib.sha256()
    prefix = None if root is None else os.path.join(root, "")  # noqa: PTH118
    # By the parts of the path, as paths are compared: `a/b` before `a-b/c`.
    for file, digest in sorted(digests, key=lambda pair: pair[0].split(os.sep)):  # noqa: PTH206
        if prefix is None:
            name = os.path.basename(file)  # noqa: PTH119
        else:
            # `relpath` for files elsewhere only, it is slow.
            name = file[len(prefix) :] if file.startswith(prefix) else os.path.relpath(file, root)
        total.update(name.encode("utf-8", "surrogateescape") + b"\0" + digest)
    return total.hexdigest()


def open_regular(path: str | os.PathLike[str]) -> int:
    """A descriptor to read a regular file from: a pipe would block for ever, and a device may never end.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    int
        For `os.read`, or `os.fdopen`; the caller closes it.

    Raises
    ------
    OSError
        Also where the path is a pipe, a device, a socket or a folder.
    """
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0))
    mode = os.fstat(handle).st_mode
    if stat.S_ISREG(mode):
        return handle
    os.close(handle)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    raise OSError(errno.EINVAL, "not a regular file", os.fspath(path))


def refuse_special(path: str | os.PathLike[str]) -> None:
    """Raise where a path is no regular file, before a library opens it that would wait for ever.

    Parameters
    ----------
    path : path-like

    Raises
    ------
    OSError
    """
    os.close(open_regular(path))


def read_small(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a regular file, with as few calls as a small one needs: for folders of many thousands.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    bytes

    Raises
    ------
    OSError
        Also where the path is a pipe, a device, a socket or a folder.
    """
    handle = open_regular(path)
    try:
        size = 2**16
        data = os.read(handle, size)
        if len(data) < size:
            return data
        parts = [data]
        while data := os.read(handle, 2**22):
            parts.append(data)
        return b"".join(parts)
    finally:
        os.close(handle)


def write_small(path: str, data: bytes | memoryview) -> None:
    """Write a file inside a folder that appears as a whole: no temporary name, as few calls as can be.

    Parameters
    ----------
    path : str
        In a folder that exists.
    data : bytes

    Raises
    ------
    OSError
    """
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o666)
    try:
        while data:
            data = data[os.write(handle, data) :]
    finally:
        os.close(handle)


def each_file(function: Callable[[str], _Result], paths: Sequence[str], jobs: int) -> list[_Result]:
    """The results of a short reading function, in order; in threads only where the storage is slow.

    A file in the page cache is read in microseconds: threads would spend more on handing the interpreter to each
    other. On a network they wait side by side.

    Parameters
    ----------
    function : callable
        Takes a path.
    paths : sequence of str
    jobs : int
        Threads.

    Returns
    -------
    list
    """
    results: list[_Result] = []
    while len(results) < len(paths):
        some = paths[len(results) : len(results) + _BATCH]
        started, worked = time.perf_counter(), time.thread_time()
        results += map(function, some)
        waited = time.perf_counter() - started - (time.thread_time() - worked)
        if jobs > 1 and waited > _SLOW * len(some):
            from concurrent.futures import ThreadPoolExecutor

            with ThreadPoolExecutor(jobs) as pool:
                # Files by the handful: a task for each would cost more than many a file.
                rest = [paths[at : at + _HANDFUL] for at in range(len(results), len(paths), _HANDFUL)]
                for some_results in pool.map(lambda some: list(map(function, some)), rest):
                    results += some_results
    return results


def _file_digest(path: str) -> bytes:
    with os.fdopen(open_regular(path), "rb") as handle:
        return hashlib.file_digest(handle, "sha256").digest()
