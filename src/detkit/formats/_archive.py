"""What a path is that somebody gave: there and readable, an archive that is read as a folder, broken at its start."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from detkit import files
from detkit.errors import InputError
from detkit.formats._json_bytes import contents, is_compressed, plain_name

__all__ = ["broken_start", "existing", "opened"]


@contextmanager
def opened(path: Path) -> Iterator[Path]:
    """The path itself, or the folder an archive was unpacked to (one single top folder is entered).

    Raises
    ------
    InputError
        Damaged archive, member names that leave the folder, or far more content than the archive's size allows.
    """
    if not path.is_file() or path.suffix.lower() in (".json", ".txt", ".csv", ".xml", ".yaml", ".yml"):
        yield path
        return
    from detkit.formats._unpacking import unpacked

    yield unpacked(path) or path


def existing(path: str | Path, hint: str | None = None) -> Path:
    """The path, once it is known to be a file or folder that can be read; the hint is for one that is not there.

    Raises
    ------
    InputError
    """
    path = Path(path)
    try:
        if not path.exists():
            raise files.missing_path(path, hint=hint)
        if not (path.is_dir() or path.is_file()):
            raise InputError("neither a file nor a folder", path=path)
        if path.is_file():
            with path.open("rb"):
                pass
        else:
            next(path.iterdir(), None)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", path=path) from error
    except ValueError as error:
        raise InputError(f"not a usable path: {error}", path=repr(str(path))) from error
    return path


def broken_start(path: Path) -> str | None:
    """Why no format can be told from this file, where its first bytes show that.

    Raises
    ------
    InputError
        A compressed file that cannot be unpacked.
    """
    if not path.is_file():
        return None
    with path.open("rb") as handle:
        start = handle.read(4096)
    if not start.strip() and path.stat().st_size <= len(start):
        return "is empty"
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "is UTF-16 text, expected UTF-8"
    if is_compressed(start) and not plain_name(path.name).lower().endswith((".tar", ".tgz")):
        contents(path)
        return None
    if path.suffix.lower() in (".zip", ".tar", ".tgz", ".gz"):
        return "is no archive that can be opened (truncated?)"
    return None
