"""Sizes of images that a text format names only by their stem."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from detkit import files
from detkit.findings import Finding
from detkit.formats._base import ImageSizes, ReadOptions
from detkit.formats._images import SUFFIXES, ImageFinder, displayed_sizes, suffix_of
from detkit.formats._numbers import FARTHEST
from detkit.tables import Images

__all__ = ["ImageLookup", "find_sizes", "is_plain_name", "stem_of"]

_TABLE = "detkit-images.csv"
#: Parts of printable ASCII characters but `/`, `:` and the backslash, none of them `.` or `..`.
_PART = r"(?!\.{1,2}(?:/|$))[ -.0-9;-\[\]-~]+"
_PLAIN = re.compile(f"{_PART}(?:/{_PART})*")


def is_plain_name(name: str) -> bool:
    """Whether a relative name is one that every system takes and no path object would change: nearly all are."""
    return _PLAIN.fullmatch(name) is not None


def stem_of(file_name: str) -> str:
    """A file name with its folders and without an image suffix; other dots are part of the name."""
    if is_plain_name(file_name):
        suffix = suffix_of(file_name.rpartition("/")[2])
        return file_name[: -len(suffix)] if suffix in SUFFIXES else file_name
    path = PurePosixPath(file_name.replace("\\", "/"))
    return str(path.with_suffix("")) if path.suffix.lower() in SUFFIXES else str(path)


class ImageLookup:
    """Finds the position of an image in a table by path, then by name, both without suffix, then by id as text."""

    def __init__(self, images: Images) -> None:
        self._by_path: dict[str, int] = {}
        self._by_name: dict[str, int] = {}
        for position, name in enumerate(images.file_names):
            if name:
                stem = stem_of(name)
                self._by_path.setdefault(stem, position)
                base = stem.rpartition("/")[2]
                # The same name in two folders meets nothing: better unknown than the wrong image's size.
                self._by_name[base] = position if self._by_name.get(base, position) == position else -1
        if not self._by_path:
            self._by_name = {str(own): position for position, own in enumerate(images.ids.tolist())}

    def find(self, name: str) -> int:
        """Position, or -1."""
        stem = stem_of(name)
        if stem in self._by_path:
            return self._by_path[stem]
        return self._by_name.get(stem.rpartition("/")[2], -1)


def find_sizes(
    names: Sequence[str], folder: Path, options: ReadOptions
) -> tuple[NDArray[np.float64], NDArray[np.bool_], list[Finding]]:
    """Sizes of images from options, the truth, `detkit-images.csv` or image headers, in that order.

    Parameters
    ----------
    names : sequence of str
        Relative, without suffix.
    folder : Path
        Where the text files are.
    options : ReadOptions

    Returns
    -------
    sizes : (I, 2) float64
        Width and height in pixels, NaN where unknown.
    in_reference : (I,) bool
        Whether the truth has the image; all true where no truth is given.
    findings : list of Finding
    """
    sizes = np.full((len(names), 2), np.nan)
    in_reference = np.ones(len(names), np.bool_)
    if options.reference_images is not None:
        lookup = ImageLookup(options.reference_images)
        position = np.array([lookup.find(name) for name in names], np.int64)
        in_reference = position >= 0
        sizes[in_reference] = options.reference_images.sizes[position[in_reference]]
    if options.image_sizes is not None:
        _fill(sizes, names, options.image_sizes, replace=True)
    for table in dict.fromkeys((folder / _TABLE, folder.absolute().parent / _TABLE)):
        if np.isnan(sizes).any() and table.is_file():
            _fill(sizes, names, ImageSizes(by_name=_read_table(table)), replace=False)
    return sizes, in_reference, _from_headers(sizes, names, options)


def _fill(sizes: NDArray[np.float64], names: Sequence[str], known: ImageSizes, *, replace: bool) -> None:
    stems = {stem_of(key): size for key, size in known.by_name.items()}
    for i, name in enumerate(names):
        if replace or np.isnan(sizes[i]).any():
            size = known.find(name) or stems.get(stem_of(name))
            if size is not None:
                sizes[i] = size


def _read_table(path: Path) -> Mapping[str, tuple[float, float]]:
    """Sizes by file name; rows without a size are passed over, they may belong to images that were never opened."""
    sizes: dict[str, tuple[float, float]] = {}
    try:
        with os.fdopen(files.open_regular(path), newline="", encoding="utf-8-sig") as handle:
            for row in csv.DictReader(handle):
                width, height = float(row["width"]), float(row["height"])
                if 1 <= width < FARTHEST and 1 <= height < FARTHEST:
                    stem = stem_of(row["file"])
                    sizes[row["file"]] = sizes[stem] = sizes[stem.rpartition("/")[2]] = (width, height)
    except (KeyError, ValueError, TypeError, OSError, csv.Error):
        return sizes
    return sizes


def _from_headers(sizes: NDArray[np.float64], names: Sequence[str], options: ReadOptions) -> list[Finding]:
    missing = np.flatnonzero(np.isnan(sizes).any(axis=1)).tolist()
    if not missing or options.images_dir is None or not options.read_sizes:
        return []
    finder = ImageFinder([options.images_dir])
    paths = [finder.find(names[i]) for i in missing]
    found, findings = displayed_sizes(paths, options.jobs)
    for i, size in zip(missing, found, strict=True):
        if size is not None:
            sizes[i] = size
    return findings
