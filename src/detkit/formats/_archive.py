"""Archives read as folders: zip and tar, unpacked into a temporary folder that lives as long as the process."""

from __future__ import annotations

import atexit
import lzma
import shutil
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from detkit.errors import InputError
from detkit.findings import plural
from detkit.formats._coco_bytes import contents, is_compressed, plain_name
from detkit.formats._images import is_inside
from detkit.formats._unpacked import remember

__all__ = ["broken_start", "existing", "opened"]

_LIMIT_BYTES = 64 * 2**30
_LIMIT_RATIO = 200
_LIMIT_FILES = 5_000_000


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
    if zipfile.is_zipfile(path):
        unpack = _unzip
    elif path.name.lower().endswith((".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz")) and tarfile.is_tarfile(path):
        unpack = _untar
    else:
        yield path
        return
    stat = path.stat()
    key = (path.resolve(), stat.st_size, stat.st_mtime_ns)
    if key not in _UNPACKED:
        _UNPACKED[key] = _unpacked(path, unpack)
    yield _UNPACKED[key]


#: Archives are unpacked once in a process: recognised and read from the same folder.
_UNPACKED: dict[tuple[Path, int, int], Path] = {}


def _unpacked(path: Path, unpack: Callable[[Path, Path], None]) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="detkit-archive-"))
    remember(folder)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    try:
        unpack(path, folder)
    except _DAMAGE as error:
        raise InputError(f"damaged archive: {error}", path=path) from error
    entries = [e for e in folder.iterdir() if e.name not in ("__MACOSX", ".DS_Store")]
    single = len(entries) == 1 and entries[0].is_dir() and entries[0].name.lower() not in _MEANINGFUL
    return entries[0] if single else folder


_MEANINGFUL = frozenset(("annotations", "labels", "images", "train", "val", "valid", "test", "imagesets"))


#: What the libraries raise on archives that are cut, flipped or made up.
_DAMAGE = (
    *(OSError, EOFError, RuntimeError, ValueError, OverflowError, struct.error),
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError),
)


def _unzip(path: Path, folder: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        members = [m for m in archive.infolist() if not m.is_dir()]
        _check_names(path, [m.filename for m in members])
        _check_size(path, len(members), sum(m.file_size for m in members))
        archive.extractall(folder, members)


def _untar(path: Path, folder: Path) -> None:
    with tarfile.open(path) as archive:
        members, total = [], 0
        # Counted as they come: to list a packed archive is to unpack it. Links and devices are left out.
        for member in archive:
            if member.isfile():
                members.append(member)
                total += member.size
                _check_size(path, len(members), total)
        _check_names(path, [m.name for m in members])
        archive.extractall(folder, members, filter="data")


def _check_names(path: Path, names: list[str]) -> None:
    for name in names:
        if not is_inside(name):
            raise InputError(f"member `{name}` would be written outside the folder", path=path)


def _check_size(path: Path, files: int, total: int) -> None:
    allowed = min(_LIMIT_BYTES, max(2**30, path.stat().st_size * _LIMIT_RATIO))
    if total > allowed or files > _LIMIT_FILES:
        raise InputError(
            f"unpacks to {plural(total, 'byte')} in {plural(files, 'file')}, more than is taken for sane", path=path
        )


def existing(path: str | Path, hint: str | None = None) -> Path:
    """The path, once it is known to be a file or folder that can be read; the hint is for one that is not there.

    Raises
    ------
    InputError
    """
    path = Path(path)
    try:
        if not path.exists():
            raise InputError("no such file or folder", path=path, hint=hint)
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
