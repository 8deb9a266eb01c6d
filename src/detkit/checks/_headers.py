"""Headers of image files, read in parallel and remembered by path, size and time; pixels only when asked for."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from stat import S_ISREG
from typing import Any, NamedTuple

__all__ = ["Header", "Headers"]

#: Written into the cache: another number makes old caches worthless.
_VERSION = 1
#: Fewer images are read anew quicker than anyone would notice.
_WORTH_KEEPING = 200
_TURNED = (5, 6, 7, 8)
#: Files a thread reads in one go.
_RUN = 32


class Header(NamedTuple):
    """What the first bytes of an image file say (and, where pixels were decoded, whether they can be).

    `width` and `height` are as stored; `turned` says that EXIF swaps them. `problem` is set where the file is no image
    that can be read, and `broken` where its pixels cannot be decoded. `complete` is false for a JPEG without its end
    mark.
    """

    format: str = ""
    mode: str = ""
    width: int = 0
    height: int = 0
    turned: bool = False
    complete: bool = True
    problem: str = ""
    broken: str = ""
    decoded: bool = False
    bytes: int = 0

    @property
    def displayed(self) -> tuple[int, int]:
        """Width and height as a viewer shows it."""
        return (self.height, self.width) if self.turned else (self.width, self.height)


class Headers:
    """Reads headers, each file once; content hashes likewise.

    Parameters
    ----------
    folder : Path, optional
        Where headers are kept between runs; None keeps nothing. A folder that cannot be written is passed over.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._known: dict[str, tuple[tuple[int, int], Header]] = {}
        self._loaded: set[Path] = set()

    def of(self, paths: Sequence[str | None], *, jobs: int = 4, decode: bool = False) -> list[Header | None]:
        """The header of each file; None for None.

        Parameters
        ----------
        paths : sequence of (str or None)
        jobs : int
            Threads.
        decode : bool
            Decode the pixels as well.
        """
        store = self._store(paths)
        if store is not None:
            self._load(store)
        wanted = [(position, path) for position, path in enumerate(paths) if path is not None]
        found: list[Header | None] = [None] * len(paths)

        def some(start: int) -> int:
            """Read a run of files; one task a file would cost more than the file."""
            fresh = 0
            for position, path in wanted[start : start + _RUN]:
                found[position], new = self._one(path, decode)
                fresh += new
            return fresh

        with ThreadPoolExecutor(max(1, jobs)) as pool:
            fresh = sum(pool.map(some, range(0, len(wanted), _RUN)))
        if store is not None and fresh:
            self._save(store, paths)
        return found

    def _one(self, path: str, decode: bool) -> tuple[Header, bool]:
        try:
            stat = os.stat(path)  # noqa: PTH116
        except OSError as error:
            return Header(problem=f"cannot be read: {error.strerror or error}"), False
        if not S_ISREG(stat.st_mode):
            return Header(problem="cannot be read: not a regular file"), False
        stamp = (stat.st_size, stat.st_mtime_ns)
        known = self._known.get(path)
        if known is not None and known[0] == stamp and (known[1].decoded or not decode):
            return known[1], False
        header = _read(path, stat.st_size, decode)
        self._known[path] = (stamp, header)
        return header, True

    def _store(self, paths: Sequence[str | None]) -> Path | None:
        """The cache file of a set of images: named by the first folder."""
        first = next((path for path in paths if path is not None), None)
        if self._folder is None or first is None or len(paths) < _WORTH_KEEPING:
            return None
        name = hashlib.sha256(os.path.dirname(os.path.abspath(first)).encode("utf-8", "surrogateescape"))  # noqa: PTH100, PTH120
        return self._folder / f"headers-{name.hexdigest()[:24]}.json"

    def _load(self, store: Path) -> None:
        if store in self._loaded:
            return
        self._loaded.add(store)
        # A cache that cannot be read is no cache: nothing depends on it.
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            content = json.loads(store.read_text(encoding="utf-8"))
            if content["version"] == _VERSION:
                for path, (size, time, *fields) in content["headers"].items():
                    self._known.setdefault(path, ((size, time), Header(*fields)))

    def _save(self, store: Path, paths: Sequence[str | None]) -> None:
        headers = {p: [*self._known[p][0], *self._known[p][1]] for p in paths if p is not None and p in self._known}
        temporary = store.with_name(f".{store.name}.{os.getpid()}.tmp")
        with contextlib.suppress(OSError, ValueError):
            store.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(json.dumps({"version": _VERSION, "headers": headers}), encoding="utf-8")
            temporary.replace(store)
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _read(path: str, size: int, decode: bool) -> Header:
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                header = Header(
                    image.format or "",
                    image.mode,
                    *image.size,
                    turned=_orientation(image) in _TURNED,
                    complete=image.format not in ("JPEG", "MPO") or _has_end(path),
                    bytes=size,
                )
                return header._replace(broken=_decode(image), decoded=True) if decode else header
    except MemoryError:
        raise
    except Exception as error:  # a damaged file makes Pillow's plugins raise nearly anything
        reason = str(error).replace(f"'{path}'", "it").replace(path, "it")
        return Header(problem=f"not a readable image: {reason}", bytes=size, decoded=decode)


def _orientation(image: Any) -> int | None:
    """EXIF orientation; of a PNG only from what stands before the pixels, as Pillow decodes them to look behind."""
    from PIL import Image

    if image.format != "PNG":
        return image.getexif().get(0x0112)  # type: ignore[no-any-return]
    exif = Image.Exif()
    exif.load(image.info.get("exif", b""))
    return exif.get(0x0112)


def _decode(image: Any) -> str:
    """What keeps the pixels from being decoded; empty where nothing does."""
    try:
        image.load()
    except MemoryError:
        raise
    except Exception as error:
        return str(error) or type(error).__name__
    return ""


def _has_end(path: str) -> bool:
    """Whether a JPEG's end mark stands near its end: some cameras and editors write a little behind it."""
    with open(path, "rb") as handle:  # noqa: PTH123
        handle.seek(0, os.SEEK_END)
        handle.seek(max(0, handle.tell() - 4096))
        return b"\xff\xd9" in handle.read()
