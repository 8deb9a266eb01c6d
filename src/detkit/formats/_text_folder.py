"""Folders with a text file an image (KITTI, DOTA): which file is which image, and class names without blanks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from detkit import files
from detkit.errors import InputError
from detkit.findings import Finding, Loss
from detkit.formats._collect import Collector, named_like
from detkit.formats._images import walk_images
from detkit.formats._manifest import Manifest, ids_of, read_manifest, table_of_images, write_image_table, write_manifest
from detkit.formats._sidecar import IMAGES_TABLE, ImageRow
from detkit.formats._stems import stem_of
from detkit.tables import Categories, Dataset, Images
from detkit.wording import examples

__all__ = [
    "KnownImages",
    "class_words",
    "first_splits",
    "read_names_of",
    "split_parts",
    "splits_from_lists",
    "write_text_sidecar",
]


class KnownImages:
    """Images of a folder: those that detkit's table lists come first, in its order.

    Parameters
    ----------
    collected : Collector
        Its images are made here.
    root : Path
        Where `detkit.json` and `detkit-images.csv` may stand.
    format : str
    """

    def __init__(self, collected: Collector, root: Path, format: str) -> None:
        self.collected = collected
        self.manifest: Manifest | None = read_manifest(root, format)
        rows = table_of_images(root)
        self.by_label: dict[str, int] = {}
        for row in rows:
            name = row.name or row.file
            position = collected.image(name, row.size)
            for key in (stem_of(name).rpartition("/")[2], stem_of(name), name):
                self.by_label[key] = position
        self.rows: list[ImageRow] = rows
        self.files: dict[str, str] = {}
        for folder in reversed(collected.finder.folders):
            # A label file names its image by the stem: that is no fallback to be told of.
            named = [(path.relative_to(folder).as_posix(), str(path)) for path in walk_images(folder)]
            self.files |= {stem_of(name): path for name, path in named}
        if rows:
            collected.sources.append(root / IMAGES_TABLE)
        if self.manifest is not None:
            collected.sources.append(self.manifest.path)

    def position(self, label: str, prefix: str = "") -> int:
        """Position of the image that a label file (without its suffix) is about.

        Parameters
        ----------
        label : str
            Relative to the folder of labels.
        prefix : str
            Put before the name of an image that only shares it with another one.
        """
        if self.rows and label in self.by_label:
            return self.by_label[label]
        if self.rows and label.rpartition("/")[2] in self.by_label and "/" not in label:
            return self.by_label[label.rpartition("/")[2]]
        key = f"{prefix}/{label}" if prefix else label
        if key not in self.by_label:
            found = self.files.get(key) or self.files.get(label) or self.collected.finder.find(label)
            name = named_like(found, label)
            if name in self.collected.positions and prefix:
                name = f"{prefix}/{name}"
            self.by_label[key] = self.collected.image(name, None, found)
        return self.by_label[key]

    def finish(self) -> None:
        """Take the table's ids where it has all images."""
        ids = ids_of(self.rows, self.manifest) if self.rows else None
        if ids is not None and len(ids) == len(self.collected.names):
            self.collected.ids = ids

    @property
    def categories(self) -> Categories | None:
        """Classes that the manifest states."""
        return None if self.manifest is None else self.manifest.categories


def class_words(names: Sequence[str], format: str) -> list[str]:
    """Class names as one word each: blanks become underscores, which every reader of such rows needs.

    Raises
    ------
    InputError
        Two classes that would become one, or a name that is a number.
    """
    words = ["_".join(name.split()) for name in names]
    seen: dict[str, str] = {}
    for name, word in zip(names, words, strict=True):
        if word in seen or not word:
            other = seen.get(word, "")
            raise InputError(f"classes `{other}` and `{name}` would both be `{word}` in {format}")
        seen[word] = name
    return words


def read_names_of(manifest: Manifest | None) -> Mapping[str, str]:
    """Word -> class name, as `class_words` made them."""
    if manifest is None or manifest.categories is None:
        return {}
    names = manifest.categories.names
    return {"_".join(name.split()): name for name in names}


def write_text_sidecar(
    folder: Path, format: str, kind: str, images: Images, names: Sequence[str], categories: Categories
) -> None:
    """Write `detkit-images.csv` and `detkit.json`."""
    rest: dict[str, Any] = write_image_table(folder, images, names)
    write_manifest(folder, format, kind, categories, **rest)


def splits_from_lists(collected: Collector, known: KnownImages, folder: Path) -> None:
    """Splits from lists of names, one file a split; `trainval` is none where it is `train` and `val` together."""
    members: dict[str, list[int]] = {}
    for file in sorted(folder.glob("*.txt")) if folder.is_dir() else ():
        try:
            lines = files.read_small(file).decode("utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            collected.findings.append(Finding("DK101", f"cannot be read: {error}", file=str(file)))
            continue
        listed = [stem_of(line.strip()) for line in lines if line.strip()]
        gone = [name for name in listed if name not in known.by_label]
        if gone:
            message = f"listed, but there is no label file: {examples(gone)}"
            collected.findings.append(Finding("DK401", message, file=str(file), count=len(gone)))
        members[file.stem] = [known.by_label[name] for name in listed if name in known.by_label]
        collected.sources.append(file)
    if "trainval" in members and set(members["trainval"]) == {*members.get("train", ()), *members.get("val", ())}:
        del members["trainval"]
    collected.splits |= members


def first_splits(dataset: Dataset) -> tuple[dict[int, str], int]:
    """The split of each image that is in one, and how many places in further splits that leaves out.

    Raises
    ------
    InputError
        A split name that is no folder name.
    """
    split: dict[int, str] = {}
    doubled = 0
    for name, members in dataset.splits.items():
        if not name or "/" in name or "\\" in name or "\0" in name or name.startswith("."):
            raise InputError(f"split name {name!r} cannot be used as a folder name")
        for position in members.tolist():
            doubled += position in split
            split.setdefault(position, name)
    return split, doubled


def split_parts(dataset: Dataset) -> tuple[dict[str, list[int]], list[Loss]]:
    """Images of each split, each in the first one it is in; `unassigned` are those of none, "" is all without splits.

    Raises
    ------
    InputError
        As `first_splits`.
    """
    split, doubled = first_splits(dataset)
    parts: dict[str, list[int]] = {name: [] for name in dataset.splits}
    for position in range(len(dataset.images)):
        parts.setdefault(split.get(position, "unassigned" if dataset.splits else ""), []).append(position)
    return parts or {"": []}, [Loss("images in several splits", "kept in the first one", doubled)] if doubled else []
