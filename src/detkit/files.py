"""Files on disk: outputs that appear whole or not at all, and content hashes."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from detkit.errors import OutputError

__all__ = [
    "FOLDER_MARK",
    "atomic_file",
    "atomic_folder",
    "check_target",
    "each_file",
    "is_stream",
    "open_regular",
    "read_small",
    "refuse_existing",
    "sha256_of",
    "sha256_of_digests",
    "write_small",
]

_BATCH = 256
#: Seconds a file that are spent waiting, above which storage counts as slow: a network, or a disk that has to seek.
_SLOW = 1e-3

_Result = TypeVar("_Result")

#: Every folder detkit writes holds this file: only such a folder is ever replaced.
FOLDER_MARK = "detkit.json"


def is_stream(target: str | Path) -> bool:
    """Whether a target takes bytes and keeps none: `/dev/null`, `/dev/stdout`, a terminal, a pipe.

    Parameters
    ----------
    target : path-like

    Returns
    -------
    bool
    """
    try:
        mode = os.stat(target).st_mode  # noqa: PTH116
    except (OSError, ValueError):
        return False
    return stat.S_ISCHR(mode) or stat.S_ISFIFO(mode) or _is_descriptor(Path(target))


def _is_descriptor(target: Path) -> bool:
    """Whether a path names an open file of this process (`/dev/stdout` that a shell sent to a file)."""
    place = os.path.abspath(target)  # noqa: PTH100 - links stay: it is the name that says it
    return place in ("/dev/stdout", "/dev/stderr") or place.startswith(("/dev/fd/", "/proc/self/fd/"))


def refuse_existing(target: Path, *, overwrite: bool) -> None:
    """Raise where a target exists and may not be replaced; nothing is made or changed.

    Parameters
    ----------
    target : Path
    overwrite : bool

    Raises
    ------
    OutputError
    """
    if is_stream(target):
        return
    occupied = target.exists() and not (target.is_dir() and not any(target.iterdir()))
    if (occupied or target.is_symlink()) and not overwrite:
        raise OutputError(f"{target}: exists already", hint="choose another name, or pass `--overwrite`")


def check_target(target: str | Path, *, overwrite: bool) -> Path:
    """The target as a path, once it is known that it may be written.

    Parameters
    ----------
    target : path-like
    overwrite : bool
        Whether an existing target may be replaced.

    Returns
    -------
    Path

    Raises
    ------
    OutputError
        It exists and `overwrite` is false, or its parent cannot be made.
    """
    target = Path(target)
    refuse_existing(target, overwrite=overwrite)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{target}: cannot make its folder: {error.strerror or error}") from error
    return target


@contextmanager
def atomic_file(target: str | Path, *, overwrite: bool) -> Iterator[Path]:
    """A temporary path beside the target; moved onto it when the block ends well, removed otherwise.

    Parameters
    ----------
    target : path-like
    overwrite : bool
        Whether an existing target may be replaced.

    Yields
    ------
    Path
        Write here.

    Raises
    ------
    OutputError
        Target exists, or the file system refuses.
    """
    if is_stream(target):
        with _streamed(Path(target)) as place:
            yield place
        return
    made = _missing_folders(Path(target))
    target = check_target(target, overwrite=overwrite)
    if target.is_dir():
        raise OutputError(f"{target}: is a folder, a file was expected")
    temporary = target.with_name(f".{target.name[:80]}.{os.getpid()}.tmp")
    try:
        yield temporary
        temporary.replace(target)
    except OSError as error:
        raise OutputError(f"{target}: cannot be written: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)
        _remove_empty(made)


@contextmanager
def _streamed(target: Path) -> Iterator[Path]:
    """A temporary file whose bytes go to a stream when the block ends well: nothing there can be moved into place."""
    with tempfile.TemporaryDirectory(prefix="detkit-") as folder:
        place = Path(folder, target.name)
        yield place
        try:
            with place.open("rb") as written, target.open("ab", buffering=0) as stream:
                shutil.copyfileobj(written, stream)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputError(f"{target}: cannot be written: {error.strerror or error}") from error


@contextmanager
def atomic_folder(target: str | Path, *, overwrite: bool) -> Iterator[Path]:
    """A temporary folder beside the target; moved onto it when the block ends well, removed otherwise.

    An existing target is set aside first and deleted only after the new one stands; one that detkit did not
    write (it has no `detkit.json`) is never replaced.

    Parameters
    ----------
    target : path-like
    overwrite : bool
        Whether an existing folder may be replaced.

    Yields
    ------
    Path
        Write in here.

    Raises
    ------
    OutputError
        Target exists or is a file, or the file system refuses.
    """
    made = _missing_folders(Path(target))
    target = check_target(target, overwrite=overwrite)
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise OutputError(f"{target}: is a file or a link, a folder was expected")
    if target.is_dir() and any(target.iterdir()) and not (target / FOLDER_MARK).is_file():
        raise OutputError(
            f"{target}: this folder was not written by detkit (it has no `{FOLDER_MARK}`) and is not replaced",
            hint="choose a new folder",
        )
    # The name is chosen first and the folder made inside the block that removes it: no interrupt falls between.
    temporary = target.with_name(f".{target.name[:80]}.{secrets.token_hex(6)}.tmp")
    try:
        temporary.mkdir(mode=0o700)
        yield temporary
        temporary.chmod(0o777 & ~_umask())
        if target.exists():
            aside = temporary.with_suffix(".old")
            target.replace(aside)
            temporary.replace(target)
            shutil.rmtree(aside)
        else:
            temporary.replace(target)
    except OSError as error:
        raise OutputError(f"{target}: cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        _remove_empty(made)


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
                results += pool.map(function, paths[len(results) :])
    return results


def _file_digest(path: str) -> bytes:
    with os.fdopen(open_regular(path), "rb") as handle:
        return hashlib.file_digest(handle, "sha256").digest()


def _missing_folders(target: Path) -> list[Path]:
    """Folders above a target that are yet to be made, the innermost first."""
    return [folder for folder in target.parents if not folder.exists()]


def _remove_empty(folders: list[Path]) -> None:
    """Take back folders that were made for an output that did not come; one that holds something stays."""
    with contextlib.suppress(OSError):
        for folder in folders:
            folder.rmdir()


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
