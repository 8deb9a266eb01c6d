"""The folders of a VOC dataset: where the XML files are, which splits there are, which image belongs to which file."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from detkit import files
from detkit.errors import InputError
from detkit.findings import Finding
from detkit.formats._images import SUFFIXES, ImageFinder, image_files
from detkit.formats._stems import stem_of
from detkit.wording import examples, plural

__all__ = ["ImageFiles", "VocRoot", "find_roots", "pick_split", "read_splits", "xml_below", "xml_files"]

_SPLIT_FOLDERS = frozenset(("train", "val", "valid", "validation", "test"))


@dataclass(frozen=True)
class VocRoot:
    """One VOC folder: the folder of its XML files, and what its stems are prefixed with (a devkit has several)."""

    folder: Path
    annotations: Path
    prefix: str = ""

    @property
    def lists(self) -> Path:
        """Folder of the split lists; it may be absent."""
        return self.folder / "ImageSets" / "Main"

    def image_folders(self, images_dir: Path | None) -> list[Path]:
        """Where images may lie, the most likely first."""
        beside = self.folder.absolute().parent
        own = [images_dir] if images_dir is not None else []
        names = [self.folder / "JPEGImages", self.folder / "images", self.folder / "Images", self.annotations]
        outside = [beside / "images" / self.folder.name, beside / "JPEGImages", beside / "images"]
        return own + names + (outside if self.annotations == self.folder else [])


def find_roots(path: Path) -> list[VocRoot]:
    """The VOC folders at a path: itself, or the years of a devkit, or a plain folder of XML files; may be empty."""
    if path.is_file():
        return [VocRoot(path.parent, path.parent)] if path.suffix.lower() == ".xml" else []
    own = _annotations_in(path)
    if own is not None:
        return [VocRoot(path, own)]
    years = [(child, _annotations_in(child)) for child in _folders(path)]
    found = [(child, annotations) for child, annotations in years if annotations is not None]
    if len(found) == 1:
        return [VocRoot(*found[0])]
    if found:
        return [VocRoot(child, annotations, f"{child.name}/") for child, annotations in found]
    return [VocRoot(path, path)] if _holds_xml(path) else []


def _annotations_in(folder: Path) -> Path | None:
    for child in _folders(folder):
        if child.name.lower() == "annotations" and _holds_xml(child):
            return child
    return None


def _holds_xml(folder: Path) -> bool:
    """Whether `xml_files` gives anything; a folder of many thousands is not listed for it."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        if any(_is_xml(entry.name) and not entry.is_dir() for entry in entries):
            return True
    return next(xml_files(folder), None) is not None


def _is_xml(name: str) -> bool:
    return name.lower().endswith(".xml") and not name.startswith(".")


def _folders(path: Path) -> list[Path]:
    with os.scandir(path) as entries:
        # A link to itself is no folder, and only a path says so without an error.
        found = [e for e in entries if not e.is_file(follow_symlinks=False) and not e.name.startswith(".")]
    return sorted(place for place in map(Path, found) if place.is_dir())


def xml_below(folder: Path) -> Iterator[tuple[str, Path]]:
    """Stem (relative, with sub-folders) and path of each XML file, folders in sorted order."""
    return ((stem, Path(path)) for stem, path in xml_files(folder))


def xml_files(folder: Path) -> Iterator[tuple[str, str]]:
    """What `xml_below` gives, with paths as text: there may be many."""
    for root, folders, found in os.walk(folder):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        prefix = "" if root == str(folder) else f"{Path(root).relative_to(folder).as_posix()}/"
        above = os.path.join(root, "")  # noqa: PTH118
        for name in sorted(found):
            if _is_xml(name):
                yield prefix + name[: -len(".xml")], above + name


@dataclass
class ImageFiles:
    """Image files of a VOC folder by relative stem."""

    folders: Sequence[Path]
    by_stem: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    found_by: ImageFinder | None = None

    def __post_init__(self) -> None:
        seen: set[Path] = set()
        for folder in self.folders:
            if not folder.is_dir() or folder.resolve() in seen:
                continue
            seen.add(folder.resolve())
            for name, path in image_files(folder):
                # Every name ends in an image's suffix here.
                self.by_stem.setdefault(name.rpartition(".")[0], []).append((name, path))

    def find(self, stem: str, file_name: str) -> str | None:
        """Image file of an XML: the same stem (with the stated suffix if there are several), else the stated name."""
        candidates = self.by_stem.get(stem)
        if candidates and len(candidates) == 1:
            return candidates[0][1]
        if candidates:
            suffix = PurePosixPath(file_name).suffix.lower()
            fitting = [path for name, path in candidates if PurePosixPath(name).suffix.lower() == suffix]
            return (fitting or [path for _, path in candidates])[0]
        if not self.by_stem:
            return None
        if self.found_by is None:
            self.found_by = ImageFinder(self.folders)
        name = PurePosixPath(stem).name
        return self.found_by.find(f"{name}{suffix_of(file_name)}") or (
            self.found_by.find(file_name) if file_name else None
        )

    def findings(self) -> list[Finding]:
        """How images were found where not at their own place."""
        return [] if self.found_by is None else self.found_by.finding()


def suffix_of(file_name: str) -> str:
    """The suffix of a file name if it is an image's, else an empty text."""
    last = file_name.replace("\\", "/").rpartition("/")[2]
    at = last.rfind(".")
    suffix = last[at:] if 0 < at < len(last) - 1 else PurePosixPath(file_name.replace("\\", "/")).suffix
    return suffix if suffix.lower() in SUFFIXES else ""


def read_splits(root: VocRoot, stems: Iterable[str]) -> tuple[dict[str, list[str]], list[Finding]]:
    """Split name -> stems, in list order, from `ImageSets/Main`, or from top folders named like splits.

    `trainval` is left out where it is just `train` and `val` together. Class lists (`<class>_train.txt` with -1, 0, 1)
    are read only where there is nothing else.

    Parameters
    ----------
    root : VocRoot
    stems : iterable of str
        Relative stems of the XML files, without the root's prefix.

    Returns
    -------
    splits : dict of str to list of str
    findings : list of Finding
    """
    known = set(stems)
    if not root.lists.is_dir():
        return _splits_by_folder(root, known), []
    plain: dict[str, list[str]] = {}
    by_class: dict[str, list[str]] = {}
    findings: list[Finding] = []
    for file in sorted(root.lists.glob("*")):
        if file.suffix.lower() != ".txt" or file.name.startswith("."):
            continue
        names, is_class_list = _read_list(file, known, findings)
        if is_class_list:
            by_class.setdefault(file.stem.rpartition("_")[2], []).extend(names)
        else:
            plain[file.stem] = names
    splits = plain or {name: list(dict.fromkeys(names)) for name, names in by_class.items()}
    return _without_trainval(splits, root, findings), findings


def _splits_by_folder(root: VocRoot, known: set[str]) -> dict[str, list[str]]:
    tops = {stem.partition("/")[0] for stem in known if "/" in stem}
    if not known or not tops or not tops <= _SPLIT_FOLDERS or any("/" not in stem for stem in known):
        return {}
    return {top: sorted(s for s in known if s.startswith(f"{top}/")) for top in sorted(tops)}


def _read_list(file: Path, known: set[str], findings: list[Finding]) -> tuple[list[str], bool]:
    """Stems of a list, each once, and whether it is a class list."""
    try:
        lines = [line.strip() for line in files.read_small(file).decode("utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        findings.append(Finding("DK101", f"split list cannot be read: {error}", file=str(file)))
        return [], False
    lines = [line for line in lines if line]
    cut = [line.rsplit(None, 1) for line in lines]
    is_class_list = bool(lines) and all(
        len(c) == 2 and c[1] in ("-1", "0", "1") and line not in known for c, line in zip(cut, lines, strict=True)
    )
    names = [_stem(c[0] if is_class_list else line, known) for c, line in zip(cut, lines, strict=True)]
    unique = list(dict.fromkeys(names))
    if len(unique) < len(names):
        message = f"{plural(len(names) - len(unique), 'image is', 'images are')} listed twice"
        findings.append(Finding("DK502", message, file=str(file), count=len(names) - len(unique)))
    return unique, is_class_list and "_" in file.stem


def _stem(line: str, known: set[str]) -> str:
    line = line.replace("\\", "/") if line not in known else line
    if line in known:
        return line
    shorter = stem_of(line)
    if shorter in known:
        return shorter
    first = line.split(None, 1)[0]
    return first if first in known else line


def _without_trainval(splits: dict[str, list[str]], root: VocRoot, findings: list[Finding]) -> dict[str, list[str]]:
    if not {"trainval", "train", "val"} <= set(splits):
        return splits
    union = set(splits["train"]) | set(splits["val"])
    if set(splits["trainval"]) == union:
        return {name: names for name, names in splits.items() if name != "trainval"}
    differing = sorted(set(splits["trainval"]) ^ union)
    differ = plural(len(differing), "image differs", "images differ")
    message = (
        f"`trainval` is not `train` and `val` together: {differ} ({examples(differing)}); "
        "it is kept as a split of its own"
    )
    findings.append(Finding("DK108", message, file=str(root.lists / "trainval.txt"), count=len(differing)))
    return splits


def pick_split(splits: Mapping[str, Sequence[str]], split: str, path: Path) -> set[str]:
    """Stems of one split; `trainval` is `train` and `val` together where it is no split of its own.

    Raises
    ------
    InputError
        No such split.
    """
    if split in splits:
        return set(splits[split])
    if split == "trainval" and {"train", "val"} <= set(splits):
        return set(splits["train"]) | set(splits["val"])
    known = ", ".join(f"`{name}`" for name in splits) or "none"
    raise InputError(f"no split `{split}`; there are: {known}", path=path)
