"""Files on disk: outputs that appear whole or not at all, and content hashes."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from detkit.errors import OutputError

__all__ = ["FOLDER_MARK", "atomic_file", "atomic_folder", "check_target", "refuse_existing", "sha256_of"]

#: Every folder detkit writes holds this file: only such a folder is ever replaced.
FOLDER_MARK = "detkit.json"


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
    if target.is_symlink() or target.is_file():
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
    files = sorted(Path(p) for p in paths)
    if len(files) == 1:
        return _file_digest(files[0]).hex()
    total = hashlib.sha256()
    for file in files:
        name = os.path.relpath(file, root) if root is not None else file.name
        total.update(name.encode("utf-8", "surrogateescape") + b"\0" + _file_digest(file))
    return total.hexdigest()


def _file_digest(path: Path) -> bytes:
    with path.open("rb") as handle:
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
