"""Which sources a conversion means, where each one's result goes, and which classes are better left out first."""

from __future__ import annotations

import glob
from collections import Counter
from pathlib import Path

import numpy as np

from detkit import formats
from detkit.errors import InputError, UsageError
from detkit.findings import Finding
from detkit.tables import Dataset

__all__ = ["conversion_pairs", "is_pattern", "placeholder_findings"]

#: Formats that write a class as its place in the list of classes.
_NUMBERED = frozenset(("yolo", "mot"))

#: Suffixes that say how a file is packed, not what it is called.
_PACKED = frozenset((".gz", ".zst", ".bz2", ".xz", ".tar", ".tgz", ".zip"))


def is_pattern(source: str | Path) -> bool:
    """Whether a source means all paths that fit it, and is none itself.

    Parameters
    ----------
    source : path-like

    Returns
    -------
    bool
    """
    return glob.has_magic(str(source)) and not Path(source).exists()


def conversion_pairs(source: str | Path, target: str | Path, to: str | None) -> list[tuple[Path, Path]]:
    """Source and target of each conversion: one, or one for each path that fits a pattern.

    Parameters
    ----------
    source : path-like
        A path, or a pattern such as `parts/*.json`.
    target : path-like
        Of a pattern a folder: results are called as their sources, with the target format's suffix.
    to : str, optional
        Target format.

    Returns
    -------
    list of (Path, Path)
        In the order of the names.

    Raises
    ------
    InputError
        Nothing fits the pattern.
    UsageError
        A pattern without a format, or two sources whose results would be called the same.
    """
    if not is_pattern(source):
        return [(Path(source), Path(target))]
    found = sorted(Path(path) for path in glob.glob(str(source), recursive=True))  # noqa: PTH207 - may be absolute
    if not found:
        raise InputError("nothing fits this pattern", path=source)
    if to is None:
        raise UsageError("several sources go to a folder, whose name tells no format", hint="name it with --to")
    if to not in formats.names():
        raise UsageError(f"unknown format `{to}`; known: {', '.join(formats.names())}")
    suffix = next(iter(formats.capabilities(to).file_suffixes), "")
    names = [_stem(path) + suffix for path in found]
    twice = [name for name, count in Counter(name.casefold() for name in names).items() if count > 1]
    if twice:
        first = [str(p) for p, name in zip(found, names, strict=True) if name.casefold() == twice[0]]
        raise UsageError(
            f"{' and '.join(first[:2])} would both be written to {Path(target) / twice[0]}",
            hint="convert them one by one",
        )
    return [(path, Path(target) / name) for path, name in zip(found, names, strict=True)]


def placeholder_findings(dataset: Dataset, to: str) -> list[Finding]:
    """A finding `DK306` for each class without boxes that others name as theirs above: it takes a number all the same.

    Roboflow's COCO exports begin with such a class, and every number behind it is one higher than in its YOLO export.
    Nothing is shifted silently: the class stays.

    Parameters
    ----------
    dataset : Dataset
    to : str
        Target format; those that write no class numbers have no such finding.

    Returns
    -------
    list of Finding
    """
    if to not in _NUMBERED:
        return []
    categories = dataset.categories
    count = np.bincount(dataset.annotations.category_index, minlength=len(categories))
    above = set(categories.supercategories)
    path = None if dataset.source is None else dataset.source.path
    return [
        Finding(
            "DK306",
            f"class `{name}` has no boxes, other classes name it as their supercategory, and it takes class number "
            f"{i}: `detkit remap --drop {name}` leaves it out",
            file=path,
        )
        for i, name in enumerate(categories.names)
        if not count[i] and name in above
    ]


def _stem(path: Path) -> str:
    """The name without its suffix, and without those of its packing."""
    if path.is_dir():
        return path.name
    while path.suffix.lower() in _PACKED and path.stem:
        path = Path(path.stem)
    return path.stem
