"""Image files around a dataset: which there are, how large they are as displayed, putting them beside labels."""

from __future__ import annotations

import os
import re
import shutil
import warnings
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from math import inf
from pathlib import Path, PurePosixPath

from detkit import files
from detkit.errors import InputError, OutputError, UsageError
from detkit.findings import Finding, Loss
from detkit.formats._base import ImageSizes
from detkit.formats._image_headers import plain_size
from detkit.formats._unpacked import is_unpacked
from detkit.tables import Images
from detkit.wording import plural

__all__ = ["SUFFIXES", "ImageFinder", "displayed_size", "displayed_sizes", "is_inside", "parse_image_sizes", "place",
           "place_and_tell"]  # fmt: skip

SUFFIXES = frozenset(
    [".bmp", ".dng", ".jpeg", ".jpg", ".mpo", ".png", ".tif", ".tiff", ".webp", ".pfm", ".heic", ".avif", ".jp2",
     ".gif", ".ppm", ".pgm"]
)  # fmt: skip
_EXPORT_PREFIX = re.compile(r"^(?:[0-9a-f]{6,36}[-_]|\d{10,}[-_])", re.IGNORECASE)
_EXPORT_SUFFIX = re.compile(r"_(?:jpe?g|png|bmp|webp)\.rf\.[0-9a-f]{8,}$", re.IGNORECASE)
_ROTATED = (5, 6, 7, 8)
#: Parts of printable ASCII characters but `/`, `:` and the backslash, none of them `.` or `..`.
_PART = r"(?!\.{1,2}(?:/|$))[ -.0-9;-\[\]-~]+"
_PLAIN = re.compile(f"{_PART}(?:/{_PART})*")


def is_plain_name(name: str) -> bool:
    """Whether a relative name is one that every system takes and no path object would change: nearly all are."""
    return _PLAIN.fullmatch(name) is not None


def is_inside(name: str) -> bool:
    """Whether a relative name stays inside its folder: not absolute, no drive, no `..`."""
    if is_plain_name(name):
        return True
    path = PurePosixPath(name.replace("\\", "/"))
    return bool(name) and not path.is_absolute() and ".." not in path.parts and not re.match(r"^[A-Za-z]:", name)


def displayed_size(path: str | Path) -> tuple[int, int]:
    """Width and height as a viewer shows the image: the header only, EXIF orientation applied.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    (width, height) in pixels

    Raises
    ------
    InputError
        Not an image that can be read.
    """
    size = None if hasattr(path, "read") else plain_size(path)
    if size is not None:
        return size
    if not hasattr(path, "read") and Path(path).exists() and not Path(path).is_file():
        raise InputError("not a readable image: not a regular file", path=path)
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                width, height = image.size
                turned = image.getexif().get(0x0112) in _ROTATED
    except MemoryError:
        raise
    except Exception as error:  # a damaged file makes Pillow's plugins raise nearly anything
        raise InputError(f"not a readable image: {error}", path=path) from error
    return (height, width) if turned else (width, height)


def displayed_sizes(paths: Sequence[str | None], jobs: int) -> tuple[list[tuple[int, int] | None], list[Finding]]:
    """Displayed sizes of many image files, read in parallel.

    Parameters
    ----------
    paths : sequence of (str or None)
        None gives None.
    jobs : int
        Threads.

    Returns
    -------
    sizes : list of (width, height) or None
    findings : list of Finding
        `DK404` for each file that cannot be read.
    """

    def one(path: str) -> tuple[int, int] | InputError:
        try:
            return displayed_size(path)
        except InputError as error:
            return error

    there = [i for i, path in enumerate(paths) if path is not None]
    known = [str(paths[i]) for i in there]
    results: list[tuple[int, int] | InputError | None] = [None] * len(paths)
    for i, size in zip(there, files.each_file(plain_size, known, jobs), strict=True):
        results[i] = size
    with ThreadPoolExecutor(max(1, jobs)) as pool:
        left = [i for i in there if results[i] is None]
        for i, result in zip(left, pool.map(one, [str(paths[i]) for i in left]), strict=True):
            results[i] = result
    findings = [
        Finding("DK404", str(r.message), file=paths[i]) for i, r in enumerate(results) if isinstance(r, InputError)
    ]
    return [None if isinstance(r, InputError) else r for r in results], findings


@dataclass
class ImageFinder:
    """Finds image files under folders by relative path, then name, then name without export prefixes.

    Every fallback is counted in `fallbacks`, for a finding.

    Parameters
    ----------
    folders : sequence of Path
        Searched in this order; missing ones are skipped.
    """

    folders: Sequence[Path]
    fallbacks: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def __post_init__(self) -> None:
        self.folders = [f for f in dict.fromkeys(self.folders) if f.is_dir()]
        self._by_name: dict[str, list[str]] | None = None
        self._by_bare_name: dict[str, list[str]] = {}

    def find(self, file_name: str) -> str | None:
        """Path of the image with this (relative) file name or stem, or None."""
        if is_inside(file_name):
            for folder in self.folders:
                candidate = os.path.join(folder, file_name)  # noqa: PTH118 - hot loop
                if suffix_of(file_name.rpartition("/")[2]) in SUFFIXES and os.path.isfile(candidate):  # noqa: PTH113
                    return candidate
        name = PurePosixPath(file_name.replace("\\", "/")).name
        if self._by_name is None:
            self._index()
        assert self._by_name is not None
        found = self._by_name.get(name) or self._by_name.get(name.lower())
        if not found:
            found = self._by_name.get(PurePosixPath(name).stem if _has_suffix(name) else name)
        if found:
            self.fallbacks["name"] += 1
            return found[0] if len(set(found)) == 1 else None
        found = self._by_bare_name.get(_bare(name))
        if found and len(set(found)) == 1:
            self.fallbacks["name without export prefix"] += 1
            return found[0]
        return None

    def _index(self) -> None:
        self._by_name = defaultdict(list)
        self._by_bare_name = defaultdict(list)
        for folder in self.folders:
            for path in walk_images(folder):
                for key in dict.fromkeys((path.name, path.name.lower(), path.stem)):
                    self._by_name[key].append(str(path))
                self._by_bare_name[_bare(path.name)].append(str(path))

    def finding(self) -> list[Finding]:
        """One finding for each kind of fallback that was used."""
        return [
            Finding("DK110", f"{plural(count, 'image')} found by {how}, not at the path stated", count=count)
            for how, count in self.fallbacks.items()
        ]


def walk_images(folder: Path) -> list[Path]:
    """All image files below a folder, sorted by relative path; hidden folders and files are passed over."""
    return [Path(path) for _, path in image_files(folder)]


def image_files(folder: Path) -> list[tuple[str, str]]:
    """Relative path with `/` between, and path, of each image that `walk_images` gives; no object a file.

    Raises
    ------
    InputError
        The folder is the root of the file system, as a link in a damaged dataset may be: the walk would not end.
    """
    found: list[tuple[str, str]] = []
    if os.path.realpath(folder) == os.path.abspath(os.sep):  # noqa: PTH100
        raise InputError("is the root of the file system, expected a folder of images", path=folder)
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        prefix = "" if root == str(folder) else f"{Path(root).relative_to(folder).as_posix()}/"
        above = os.path.join(root, "")  # noqa: PTH118
        found += [
            (prefix + name, above + name) for name in names if not name.startswith(".") and suffix_of(name) in SUFFIXES
        ]
    return sorted(found)


def suffix_of(name: str) -> str:
    """The suffix of a file's name as `PurePath.suffix` has it, in lower case."""
    at = name.rfind(".")
    return name[at:].lower() if 0 < at < len(name) - 1 else ""


def parse_image_sizes(text: str) -> ImageSizes:
    """Image sizes from `640x480`, or from a CSV file with a column for the name and two for the size.

    The columns are found by header (`file|file_name|image|filename|name`, `width|w`, `height|h`); without a header
    they are taken in the order name, width, height.

    Raises
    ------
    UsageError
        Neither a size nor a file.
    InputError
        A row without two positive numbers.
    """
    match = re.fullmatch(r"\s*(\d{1,9})\s*[xX,]\s*(\d{1,9})\s*", text)
    if match:
        if not (int(match[1]) and int(match[2])):
            raise UsageError(f"image sizes: found `{text}`, expected a width and a height above 0")
        return ImageSizes(default=(float(match[1]), float(match[2])))
    path = Path(text)
    if not path.is_file():
        raise UsageError(f"image sizes: `{text}` is neither a size like `640x480` nor a file")
    import csv

    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:
            rows = [row for row in csv.reader(handle) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"is not a CSV text: {error}", path=path) from None
    header = [cell.strip().lower() for cell in rows[0]] if rows else []
    columns = [
        next((header.index(n) for n in names if n in header), None)
        for names in (("file", "file_name", "filename", "image", "name"), ("width", "w"), ("height", "h"))
    ]
    if None in columns:
        columns, body, first_line = [0, 1, 2], rows, 1
    else:
        body, first_line = rows[1:], 2
    sizes: dict[str, tuple[float, float]] = {}
    for number, row in enumerate(body, first_line):
        try:
            name, width, height = row[columns[0]], float(row[columns[1]]), float(row[columns[2]])  # type: ignore[index]
            if not (0 < width < inf and 0 < height < inf):
                raise ValueError
        except (IndexError, ValueError):
            raise InputError(
                f"found `{','.join(row)}`, expected name, width, height", path=path, place=f"line {number}"
            ) from None
        sizes[name] = sizes[PurePosixPath(name).stem] = (width, height)
    return ImageSizes(by_name=sizes)


def place(images: Images, targets: Iterable[tuple[int, Path]], mode: str) -> int:
    """Link or copy image files to where a layout wants them; sources are never touched.

    Parameters
    ----------
    images : Images
    targets : iterable of (position, path)
        Where the image at that position goes.
    mode : {"link", "copy", "leave"}
        Files that were unpacked from an archive are copied where others are linked.

    Returns
    -------
    int
        How many images have no file to place.
    """
    missing = 0
    made: set[str] = set()
    resolved: dict[str, str] = {}
    for position, target in targets:
        source = images.paths[position]
        if mode == "leave" or source is None:
            missing += source is None
            continue
        folder, _, _ = str(target).rpartition(os.sep)
        if folder not in made:
            target.parent.mkdir(parents=True, exist_ok=True)
            made.add(folder)
        try:
            if mode == "link" and not is_unpacked(source):
                os.symlink(_resolved(source, resolved), target)  # noqa: PTH211 - no object a file
            else:
                files.refuse_special(source)  # a device never ends
                shutil.copyfile(source, target)
        except OSError as error:
            raise OutputError(f"{target}: cannot place image: {error.strerror or error}") from error
    return missing


def place_and_tell(
    images: Images, targets: Sequence[tuple[int, Path]], mode: str, action: str, *, also_all: bool = False
) -> list[Loss]:
    """Place image files, and tell how many are not found.

    Parameters
    ----------
    images, targets, mode
        As `place`.
    action : str
        What becomes of an image without a file: `not found, only listed`.
    also_all : bool
        Tell it also where no image has a file: by default, a dataset that never had its images loses none.

    Returns
    -------
    list of Loss
    """
    missing = place(images, targets, mode) if mode != "leave" else 0
    told = missing and (also_all or missing < len(targets))
    return [Loss("image files", action, missing)] if told else []


def _resolved(source: str, folders: dict[str, str]) -> str:
    """The real path of a file; that of its folder is looked up once."""
    folder, name = os.path.split(source)
    if name in ("", ".", "..") or os.path.islink(source):  # noqa: PTH114
        return os.path.realpath(source)
    if folder not in folders:
        folders[folder] = os.path.realpath(folder)
    return os.path.join(folders[folder], name)  # noqa: PTH118


def _has_suffix(name: str) -> bool:
    """Whether the last part of a path ends as an image does."""
    return suffix_of(name) in SUFFIXES


def _bare(name: str) -> str:
    stem = name.rpartition(".")[0] if _has_suffix(name) else name
    return _EXPORT_SUFFIX.sub("", _EXPORT_PREFIX.sub("", stem)).lower()
