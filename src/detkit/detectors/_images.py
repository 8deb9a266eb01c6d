"""Which images are run, and one image as it is displayed: files, folders, patterns, lists and frames of videos."""

from __future__ import annotations

import glob as globbing
import hashlib
import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

import numpy as np

from detkit.detectors._videos import Video, count_frames
from detkit.errors import InputError, UsageError
from detkit.files import missing_path, refuse_special
from detkit.findings import Finding
from detkit.wording import examples, plural

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["IMAGE_SUFFIXES", "VIDEO_SUFFIXES", "Loader", "Pictures", "find_pictures", "match_pictures"]

_STILL = ".avif .bmp .gif .heic .jp2 .jpeg .jpg .mpo .pgm .png .ppm .tif .tiff .webp"
IMAGE_SUFFIXES = frozenset(_STILL.split())
VIDEO_SUFFIXES = frozenset([".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm", ".wmv"])


@dataclass(frozen=True)
class Pictures:
    """Images to run, in order; a frame of a video is an image too.

    Parameters
    ----------
    names : tuple of str
        Relative to where they were looked for, `/` between; unique.
    paths : tuple of (str or None)
        The file, None where there is none.
    frames : tuple of int
        Number of the frame for videos, -1 for image files; empty where no file is a video.
    findings : tuple of Finding
    """

    names: tuple[str, ...]
    paths: tuple[str | None, ...]
    frames: tuple[int, ...] = ()
    findings: tuple[Finding, ...] = field(default=(), compare=False)

    def __len__(self) -> int:
        return len(self.names)

    def frame(self, i: int) -> int:
        """Number of the frame, -1 for an image file."""
        return self.frames[i] if self.frames else -1

    def digest(self) -> str:
        """SHA-256 over names, frames, and size and time of each file: another list or another file changes it."""
        total = hashlib.sha256()
        stamps: dict[str | None, str] = {None: "absent"}
        for i, (name, path) in enumerate(zip(self.names, self.paths, strict=True)):
            if path not in stamps:
                stamps[path] = _stamp(str(path))
            total.update(f"{name}\0{self.frame(i)}\0{stamps[path]}\n".encode("utf-8", "surrogateescape"))
        return total.hexdigest()


def _stamp(path: str) -> str:
    try:
        found = os.stat(path)  # noqa: PTH116 - a Path for each of millions of images costs more than the call
    except OSError:
        return "absent"
    return f"{found.st_size} {found.st_mtime_ns}"


def find_pictures(source: str | Path, *, every: int = 1) -> Pictures:
    """The images of a folder and its sub-folders, a glob pattern, a list file (.txt), one image or one video.

    Parameters
    ----------
    source : path-like
    every : int
        Every n-th frame of videos.

    Returns
    -------
    Pictures
        Sorted by name; a list keeps its order.

    Raises
    ------
    InputError
        Not there, or no image in it.
    MissingExtraError
        A video without PyAV.
    """
    text, path = str(source), Path(source)
    if path.is_dir():
        files = list(_walk(path))
        return _expanded([(p.relative_to(path).as_posix(), p) for p in files], path, every, "no image file in it")
    if path.is_file():
        if path.suffix.lower() == ".txt":
            return _listed(path, every)
        if path.suffix.lower() not in IMAGE_SUFFIXES | VIDEO_SUFFIXES:
            known = "an image, a video, a list of images (.txt), a folder or a dataset"
            raise InputError(f"found a `{path.suffix}` file, expected {known}", path=path)
        return _expanded([(path.name, path)], path, every, "")
    if globbing.has_magic(text):
        found = sorted(Path(p) for p in globbing.glob(text, recursive=True))  # noqa: PTH207 - any pattern, absolute too
        files = [p for p in found if p.is_file() and p.suffix.lower() in IMAGE_SUFFIXES | VIDEO_SUFFIXES]
        base = _common_folder(files)
        return _expanded([(p.relative_to(base).as_posix(), p) for p in files], path, every, "no image file fits")
    raise missing_path(path)


def _walk(folder: Path) -> Iterator[Path]:
    found = []
    for root, folders, files in os.walk(folder):
        folders[:] = [f for f in folders if not f.startswith(".")]
        known = IMAGE_SUFFIXES | VIDEO_SUFFIXES
        found += [Path(root, f) for f in files if not f.startswith(".") and Path(f).suffix.lower() in known]
    yield from sorted(found, key=lambda p: p.relative_to(folder).as_posix())


def _common_folder(files: Sequence[Path]) -> Path:
    return Path(os.path.commonpath([p.parent for p in files])) if files else Path()


def _listed(path: Path, every: int) -> Pictures:
    """Images of a list file: a path a line, relative to the list, else to the working folder."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"not a readable text file: {error}", path=path) from error
    entries = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    files = []
    for entry in dict.fromkeys(entries):
        beside = path.parent / entry
        files.append(
            (entry.replace("\\", "/"), beside if beside.is_file() or not Path(entry).is_file() else Path(entry))
        )
    repeated = len(entries) - len(files)
    found = _expanded([(_plain(name), file) for name, file in files], path, every, "lists no image")
    if not repeated:
        return found
    note = Finding("DK502", f"{repeated} repeated lines; each image is run once", file=str(path), count=repeated)
    return Pictures(found.names, found.paths, found.frames, (*found.findings, note))


def _plain(name: str) -> str:
    """`./a/b.jpg` as `a/b.jpg`; an absolute path keeps its parts."""
    return PurePosixPath(name).as_posix().lstrip("/")


def _expanded(files: Sequence[tuple[str, Path]], source: Path, every: int, empty: str) -> Pictures:
    names: list[str] = []
    paths: list[str | None] = []
    frames: list[int] = []
    for name, path in files:
        if path.suffix.lower() not in VIDEO_SUFFIXES:
            names.append(name)
            paths.append(str(path))
            frames.append(-1)
            continue
        stem = PurePosixPath(name).with_suffix("").as_posix()
        for number in range(0, count_frames(path), every):
            names.append(f"{stem}_{number:06d}.jpg")
            paths.append(str(path))
            frames.append(number)
    if not names:
        known = ", ".join(sorted(IMAGE_SUFFIXES))
        raise InputError(empty, path=source, hint=f"known: {known}")
    twice = len(names) - len(set(names))
    if twice:
        raise InputError(f"{plural(twice, 'image shares', 'images share')} a name with another", path=source)
    return Pictures(tuple(names), tuple(paths), tuple(frames) if any(f >= 0 for f in frames) else ())


def match_pictures(found: Pictures, names: Sequence[str]) -> Pictures:
    """The pictures that belong to these file names, in their order: by path, then name, then stem, where unique.

    Parameters
    ----------
    found : Pictures
    names : sequence of str
        File names as a dataset states them.

    Returns
    -------
    Pictures
        One entry a name, path None where nothing fits; findings count what was left over.
    """
    keys: list[dict[str, int]] = [{}, {}, {}]
    for position, name in enumerate(found.names):
        pure = PurePosixPath(name)
        for known, key in zip(keys, (name, pure.name, pure.stem), strict=True):
            known[key] = -1 if key in known else position
    at = []
    for name in names:
        pure = PurePosixPath(name.replace("\\", "/"))
        stated = (pure.as_posix(), pure.name, pure.stem)
        at.append(next((k[s] for k, s in zip(keys, stated, strict=True) if s and k.get(s, -1) >= 0), -1))
    rest = sorted(set(range(len(found))) - set(at))
    findings = list(found.findings)
    if rest:
        left = [found.names[i] for i in rest]
        message = f"{plural(len(rest), 'image is', 'images are')} not in the dataset and not run: {examples(left)}"
        findings.append(Finding("DK701", message, count=len(rest)))
    return Pictures(
        tuple(names),
        tuple(found.paths[i] if i >= 0 else None for i in at),
        tuple(found.frame(i) if i >= 0 else -1 for i in at) if found.frames else (),
        tuple(findings),
    )


@dataclass(frozen=True)
class Loaded:
    """An image that was read.

    Parameters
    ----------
    image : PIL.Image.Image
        RGB, as displayed.
    size : (width, height)
        As displayed; larger than the image where the file was read at a reduced size.
    """

    image: Image.Image
    size: tuple[int, int]


class Loader:
    """Reads pictures as RGB images as they are displayed; safe to call from many threads.

    Parameters
    ----------
    pictures : Pictures
    draft : (width, height), optional
        JPEG files may be read at 1/2, 1/4 or 1/8 of their size, where that is still twice this or more.
    """

    def __init__(self, pictures: Pictures, draft: tuple[int, int] | None = None) -> None:
        self._pictures = pictures
        self._draft = draft
        self._videos: dict[str, Video] = {}
        self._lock = threading.Lock()

    def load(self, i: int) -> Loaded:
        """The picture at a position.

        Raises
        ------
        InputError
            There is no file, or it cannot be read.
        """
        path = self._pictures.paths[i]
        if path is None:
            raise InputError("no image file found for it", path=self._pictures.names[i])
        number = self._pictures.frame(i)
        if number < 0:
            return _load(path, self._draft)
        with self._lock:
            if path not in self._videos:
                for old in self._videos.values():
                    old.close()
                self._videos = {path: Video(path)}
            frame = self._videos[path].frame(number)
        return Loaded(frame, frame.size)

    def close(self) -> None:
        """Close open videos."""
        with self._lock:
            for video in self._videos.values():
                video.close()
            self._videos = {}


def load_image(path: str | Path | IO[bytes]) -> Image.Image:
    """An image file as RGB, EXIF orientation applied, all of it decoded.

    Raises
    ------
    InputError
        Missing, truncated, not an image, too large to be one.
    """
    return _load(path, None).image


def _load(path: str | Path | IO[bytes], draft: tuple[int, int] | None) -> Loaded:
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        if isinstance(path, (str, Path)):
            refuse_special(path)
        with Image.open(path) as image:
            by = 1 if draft is None else _reduced(image, draft)
            size = image.size
            if by > 1:
                image.draft("RGB", (size[0] // by, size[1] // by))
            image.load()
            turned = image.size
            ImageOps.exif_transpose(image, in_place=True)
            # A turned image has other sides; only whole reductions are turned.
            size = image.size if by == 1 else size if image.size == turned else (size[1], size[0])
            return Loaded(_rgb(image), size)
    except UnidentifiedImageError as error:
        raise InputError("not a readable image: of no known kind", path=str(path)) from error
    except Exception as error:  # a damaged file makes Pillow's plugins raise nearly anything
        if isinstance(error, MemoryError):
            raise
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or type(error).__name__
        raise InputError(f"not a readable image: {reason}", path=str(path)) from error


def _reduced(image: Image.Image, draft: tuple[int, int]) -> int:
    """By what a JPEG file is reduced while it is read: 1, 2, 4 or 8."""
    if image.format != "JPEG" or image.mode not in ("RGB", "L"):
        return 1
    by = 8
    turned = int(image.getexif().get(0x0112, 1)) != 1
    ratio = min(image.size) / max(draft) / 2
    while by > 1 and (by > ratio or (turned and (image.size[0] % by or image.size[1] % by))):
        by //= 2
    return by


def _rgb(image: Image.Image) -> Image.Image:
    from PIL import Image

    if image.mode.startswith("I"):
        # 16-bit grey: Pillow's own conversion cuts at 255 instead of scaling.
        values = np.asarray(image)
        grey = np.clip(values >> 8 if values.max(initial=0) > 255 else values, 0, 255).astype(np.uint8)
        return Image.fromarray(grey).convert("RGB")
    return image.convert("RGB") if image.mode != "RGB" else image.copy() if image.readonly else image


def check_every(every: int) -> int:
    """The step between frames, once it is known to be one."""
    if every < 1:
        raise UsageError(f"every: found {every}, expected 1 or more")
    return every
