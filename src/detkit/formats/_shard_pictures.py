"""Pictures inside of Parquet shards as files: unpacked into a temporary folder that lives as long as the process."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from pathlib import Path, PurePosixPath

from detkit.errors import InputError
from detkit.formats._images import SUFFIXES
from detkit.formats._unpacked import remember

__all__ = ["Unpacker"]

#: First bytes -> suffix, for pictures whose name has none.
_STARTS = {
    b"\x89PNG": ".png",
    b"\xff\xd8\xff": ".jpg",
    b"GIF8": ".gif",
    b"BM": ".bmp",
    b"II*\x00": ".tiff",
    b"MM\x00*": ".tiff",
    b"RIFF": ".webp",
}
#: Shards are unpacked once in a process, however often they are read.
_UNPACKED: dict[tuple[Path, int, int], Path] = {}


class Unpacker:
    """Writes the pictures of one shard, one by one: memory holds one.

    Parameters
    ----------
    shard : Path
    """

    def __init__(self, shard: Path) -> None:
        self.shard = shard
        self._folder: Path | None = None

    def unpack(self, picture: bytes, number: int, name: str) -> str:
        """Path of the picture of a row; the files are called by number, since names may be anything.

        Raises
        ------
        InputError
            The disk is full, or the temporary folder cannot be written.
        """
        suffix = PurePosixPath(name).suffix.lower()
        if suffix not in SUFFIXES:
            suffix = next((s for start, s in _STARTS.items() if picture.startswith(start)), "")
        try:
            path = self._place() / f"{number:08d}{suffix}"
            if not path.is_file() or path.stat().st_size != len(picture):
                path.write_bytes(picture)
        except OSError as error:
            message = f"row {number}: the picture cannot be unpacked: {error.strerror or error}"
            raise InputError(message, path=self.shard, hint="set TMPDIR to a folder with more room") from error
        return str(path)

    def _place(self) -> Path:
        if self._folder is None:
            stat = self.shard.stat()
            key = (self.shard.resolve(), stat.st_size, stat.st_mtime_ns)
            if key not in _UNPACKED:
                _UNPACKED[key] = Path(tempfile.mkdtemp(prefix="detkit-shard-"))
                remember(_UNPACKED[key])
                atexit.register(shutil.rmtree, _UNPACKED[key], ignore_errors=True)
            self._folder = _UNPACKED[key]
        return self._folder
