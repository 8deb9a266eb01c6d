"""Files on disk: outputs that appear whole or not at all, and content hashes."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from detkit.errors import OutputError
from detkit.files._leftovers import aside_of, sweep, temporary_beside
from detkit.files._missing import is_file, missing_path, unreadable
from detkit.files._reading import (
    each_file,
    open_regular,
    read_small,
    refuse_special,
    sha256_of,
    sha256_of_digests,
    write_small,
)
from detkit.files._replacing import replace_content

__all__ = [
    "FOLDER_MARK",
    "atomic_file",
    "atomic_folder",
    "check_target",
    "each_file",
    "is_file",
    "is_stream",
    "missing_path",
    "open_regular",
    "read_small",
    "refuse_existing",
    "refuse_special",
    "replace_content",
    "scratch_folder",
    "sha256_of",
    "sha256_of_digests",
    "unreadable",
    "write_small",
]

#: Every folder detkit writes holds this file: only such a folder is ever replaced.
FOLDER_MARK = "detkit.json"
#: Runs that may put a folder into the same place while one run tries to.
_MOST_RIVALS = 100


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
    sweep(Path(target))
    target = check_target(target, overwrite=overwrite)
    if target.is_dir():
        raise OutputError(f"{target}: is a folder, a file was expected")
    temporary = temporary_beside(target)
    try:
        yield temporary
        temporary.replace(target)
    except (OSError, OutputError) as error:
        raise _unwritten(target, temporary, error) from error
    finally:
        temporary.unlink(missing_ok=True)
        _remove_empty(made)


@contextmanager
def _streamed(target: Path) -> Iterator[Path]:
    """A temporary file whose bytes go to a stream when the block ends well: nothing there can be moved into place."""
    import tempfile

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
    sweep(Path(target))
    target = check_target(target, overwrite=overwrite)
    if not _is_folder_or_nothing(target):
        raise OutputError(f"{target}: is a file or a link, a folder was expected")
    if _is_foreign(target):
        raise OutputError(
            f"{target}: this folder was not written by detkit (it has no `{FOLDER_MARK}`) and is not replaced",
            hint="choose a new folder",
        )
    # The name is chosen first and the folder made inside the block that removes it: no interrupt falls between.
    temporary = temporary_beside(target)
    try:
        temporary.mkdir(mode=0o700)
        yield temporary
        temporary.chmod(0o777 & ~_umask())
        _put_folder(temporary, target, overwrite=overwrite)
    except (OSError, OutputError) as error:
        raise _unwritten(target, temporary, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        _remove_empty(made)


def _is_folder_or_nothing(target: Path) -> bool:
    """A link to a folder is neither; in one look, since another run may be replacing it."""
    try:
        return stat.S_ISDIR(os.lstat(target).st_mode)
    except FileNotFoundError:
        return True


def _is_foreign(folder: Path) -> bool:
    """Whether a folder holds something, and not the mark of detkit's own; in one look, as in the function above."""
    try:
        names = os.listdir(folder)  # noqa: PTH208 - names alone are wanted
    except (FileNotFoundError, NotADirectoryError):
        return False
    return bool(names) and FOLDER_MARK not in names


def _put_folder(temporary: Path, target: Path, *, overwrite: bool) -> None:
    """Move a finished folder into place; one that stands there is set aside first and deleted after.

    Another run may put its own there at any moment: with `overwrite` the last to finish stays, whole.
    """
    for _ in range(_MOST_RIVALS):
        refuse_existing(target, overwrite=overwrite)
        aside = aside_of(target)
        with contextlib.suppress(FileNotFoundError):
            target.replace(aside)
        try:
            temporary.replace(target)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                with contextlib.suppress(OSError):
                    aside.replace(target)
                raise
            shutil.rmtree(aside, ignore_errors=True)
        else:
            shutil.rmtree(aside, ignore_errors=True)
            return
    raise OutputError(f"{target}: other runs write here at the same time", hint="wait for them, or choose another name")


@contextmanager
def scratch_folder(target: str | Path) -> Iterator[Path]:
    """A folder beside a target for what is made before the target is written; removed when the block ends.

    One that a killed process left is removed by the next run that writes the same target.

    Parameters
    ----------
    target : path-like
        Its parent exists.

    Yields
    ------
    Path
    """
    sweep(Path(target))
    folder = temporary_beside(Path(target))
    try:
        folder.mkdir(mode=0o700)
        yield folder
    except OSError as error:
        inside = error.filename is None or Path(os.fsdecode(error.filename)).is_relative_to(folder)
        raise _unwritten(target if inside else Path(os.fsdecode(error.filename)), folder, error) from error
    except OutputError as error:
        raise _unwritten(target, folder, error) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unwritten(target: str | Path, temporary: Path, error: OSError | OutputError) -> OutputError:
    """An error in the user's words: temporary names are none of them."""
    if isinstance(error, OutputError):
        return OutputError(error.message.replace(str(temporary), str(target)), hint=error.hint)
    reason = str(error.strerror or error).replace(str(temporary), str(target))
    return OutputError(f"{target}: cannot be written: {reason}")


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
