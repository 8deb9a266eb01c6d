"""Archives of datasets, unpacked into a temporary folder for as long as the process lives."""

from __future__ import annotations

import atexit
import lzma
import shutil
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from detkit.errors import InputError
from detkit.formats._images import is_inside
from detkit.formats._unpacked import remember
from detkit.wording import plural

__all__ = ["unpacked"]

_LIMIT_BYTES = 64 * 2**30
_LIMIT_RATIO = 200
_LIMIT_FILES = 5_000_000

#: Archives are unpacked once in a process: recognised and read from the same folder.
_UNPACKED: dict[tuple[Path, int, int], Path] = {}


def unpacked(path: Path) -> Path | None:
    """The folder that an archive was unpacked to, its single top folder where it has one; None for no archive.

    Raises
    ------
    InputError
        Damaged archive, member names that leave the folder, or far more content than the archive's size allows.
    """
    if zipfile.is_zipfile(path):
        unpack = _unzip
    elif path.name.lower().endswith((".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz")) and tarfile.is_tarfile(path):
        unpack = _untar
    else:
        return None
    stat = path.stat()
    key = (path.resolve(), stat.st_size, stat.st_mtime_ns)
    if key not in _UNPACKED:
        _UNPACKED[key] = _folder_of(path, unpack)
    return _UNPACKED[key]


def _folder_of(path: Path, unpack: Callable[[Path, Path], None]) -> Path:
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
