"""The images of a YOLO dataset and the label file of each: from disk, from the images table, or from labels alone."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from detkit.files import open_regular
from detkit.findings import Finding, RoughFinding
from detkit.formats._base import ReadOptions
from detkit.formats._data_yaml import resolve
from detkit.formats._images import SUFFIXES, ImageFinder, image_files
from detkit.formats._names import read_text
from detkit.formats._sidecar import ImageRow
from detkit.formats._yolo_layout import NOT_LABELS, Entry, Layout, label_twin
from detkit.wording import examples

__all__ = ["Listing", "list_images"]


@dataclass
class Listing:
    """All images of a dataset in order.

    Parameters
    ----------
    names : list of str
        File names relative to the image folder.
    paths : list of (str or None)
        The image file where it exists.
    labels : list of (str or None)
        The label file where there is one.
    rows : list of (ImageRow or None)
        The image's row in the images table.
    splits : dict of str to list of int
    read_files : list of str
        List files that were read, for the content hash.
    findings : list of Finding
    """

    names: list[str] = field(default_factory=list)
    paths: list[str | None] = field(default_factory=list)
    labels: list[str | None] = field(default_factory=list)
    rows: list[ImageRow | None] = field(default_factory=list)
    splits: dict[str, list[int]] = field(default_factory=dict)
    read_files: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


@dataclass(slots=True)
class _Item:
    """One image: where it is or would be, the name it gets, its label file."""

    key: str
    name: str
    on_disk: bool
    splits: dict[str, None]
    label: str | None = None
    row: ImageRow | None = None


class _LabelFolders:
    """Label files by image, from one listing a folder."""

    def __init__(self) -> None:
        self._stems: dict[str, dict[str, str]] = {}

    def stems(self, folder: str) -> dict[str, str]:
        """Stem -> file name of the text files in a folder; empty where there is no folder."""
        if folder not in self._stems:
            try:
                with os.scandir(folder) as found:
                    names = sorted(e.name for e in found if e.name.lower().endswith(".txt"))
            except (OSError, ValueError):  # ValueError: a NUL in a path of a list
                names = []
            # In reverse, so that of `a.TXT` and `a.txt` the usual spelling stays.
            self._stems[folder] = {n[:-4]: n for n in names} | {n[:-4]: n for n in names if n.endswith(".txt")}
        return self._stems[folder]

    def find(self, image: str) -> str | None:
        """The label file of an image: in the twin folder, else beside it."""
        for place in dict.fromkeys((label_twin(image), image)):
            folder, _, name = place.rpartition("/")
            stem = name.rpartition(".")[0] or name
            found = self.stems(folder).get(stem)
            if found is not None:
                return f"{folder}/{found}"
        return None


def list_images(layout: Layout, options: ReadOptions) -> Listing:
    """The images of a dataset with their label files.

    Order: the images table's, else train, val, test, others, each sorted by relative path (list files: their order).
    An image in several splits stands once.

    Parameters
    ----------
    layout : Layout
        Only its entries are listed.
    options : ReadOptions
    """
    listing = Listing()
    folders = _LabelFolders()
    items: dict[str, _Item] = {}
    for entry in layout.entries:
        for item in _of_entry(entry, layout, folders, listing):
            known = items.setdefault(item.key, item)
            known.splits.update(item.splits)
    if items:
        for item in items.values():
            item.label = folders.find(item.key)
            item.row = layout.sidecar.rows.get(item.key)
            if item.row and item.row.name:
                item.name = item.row.name
        _report_orphans(layout, items, listing)
    else:
        items = _from_labels(layout, options, listing)
    _find_elsewhere(items, layout, options, listing)
    _fill(listing, list(items.values()), layout)
    return listing


def _of_entry(entry: Entry, layout: Layout, folders: _LabelFolders, listing: Listing) -> Iterable[_Item]:
    splits = {entry.split: None} if entry.split else {}
    if entry.path.is_file():
        listing.read_files.append(str(entry.path))
        keys = _of_list(entry.path, layout, folders, listing)
        base = _common_folder(key for key, _ in keys)
        return [_Item(key, key[len(base) :].lstrip("/"), here, dict(splits)) for key, here in keys]
    base = entry.path.as_posix().rstrip("/") + "/"
    found = {Path(path).as_posix() if os.sep != "/" else path: True for _, path in image_files(entry.path)}
    for key in layout.sidecar.rows:
        if key.startswith(base):
            found.setdefault(key, os.path.isfile(key))  # noqa: PTH113
    return [_Item(key, key[len(base) :], here, dict(splits)) for key, here in found.items()]


def _of_list(file: Path, layout: Layout, folders: _LabelFolders, listing: Listing) -> list[tuple[str, bool]]:
    """Absolute path of each image a list file names, and whether it is there."""
    stated = layout.description.bases if layout.description else (layout.root,)
    rows = layout.sidecar.rows
    keys: dict[str, bool] = {}
    twice = relocated = 0

    def usable(path: Path) -> bool:
        key = os.path.normpath(path)
        return os.path.isfile(key) or key in rows or folders.find(key) is not None  # noqa: PTH113

    for line in read_text(file).splitlines():
        text = line.strip()
        if not text:
            continue
        local = text.startswith("./")
        bases = (file.parent, *stated) if local else (*stated, file.parent, Path.cwd())
        found, moved = resolve(text, tuple(dict.fromkeys(bases)), usable)
        relocated += moved
        key = Path(os.path.normpath(bases[0] / text if found is None else found)).as_posix()
        twice += key in keys
        keys[key] = os.path.isfile(key)  # noqa: PTH113
    if twice:
        listing.findings.append(Finding("DK502", "images listed more than once", file=str(file), count=twice))
    if relocated:
        text = "images found without the leading folders of their paths"
        listing.findings.append(Finding("DK110", text, file=str(file), count=relocated))
    return list(keys.items())


def _report_orphans(layout: Layout, items: dict[str, _Item], listing: Listing) -> None:
    """Label files in the dataset's label folders that no image claims."""
    claimed = {item.label for item in items.values()}
    for entry in layout.entries:
        if entry.path.is_file():
            continue
        folder = _label_folder(entry)
        orphans = [f for f in _label_files(folder) if f not in claimed and _has_label_row(f)]
        if orphans:
            text = f"label files without an image, left out: {examples([f[len(folder) + 1 :] for f in orphans])}"
            listing.findings.append(Finding("DK401", text, file=folder, count=len(orphans)))
            claimed.update(orphans)
    missing = [item for item in items.values() if not item.on_disk]
    if missing and len(missing) < len(items):
        text = f"images listed but not found: {examples([item.name for item in missing])}"
        listing.findings.append(RoughFinding("DK401", text, count=len(missing)))


def _label_folder(entry: Entry) -> str:
    twin = label_twin(entry.path.as_posix())
    return twin if os.path.isdir(twin) else entry.path.as_posix()  # noqa: PTH112


def _label_files(folder: str) -> Iterator[str]:
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        above = Path(root).as_posix()
        for file in sorted(files):
            if file.lower().endswith(".txt") and not file.startswith("."):
                yield f"{above}/{file}"


def _has_label_row(file: str) -> bool:
    """Whether the first row is a class number and at least four values; an empty file has none."""
    try:
        handle = open_regular(file)
    except OSError:
        return False
    try:
        head = os.read(handle, 4096).decode("utf-8-sig", "replace")
    finally:
        os.close(handle)
    tokens = next((t for t in map(str.split, head.splitlines()) if t), [])
    return len(tokens) >= 5 and tokens[0].isdigit() and tokens[1][:1] in "0123456789.-"


def _from_labels(layout: Layout, options: ReadOptions, listing: Listing) -> dict[str, _Item]:
    """One image for each label file, where there are no images at all; `.jpg` is assumed if nothing says more."""
    reference = {} if options.reference_images is None else _by_stem(options.reference_images.file_names)
    sized = {} if options.image_sizes is None else _by_stem(options.image_sizes.by_name)
    items: dict[str, _Item] = {}
    assumed = 0
    for entry in layout.entries:
        if entry.path.is_file():
            continue
        folder = _label_folder(entry)
        for file in _label_files(folder):
            if file.rpartition("/")[2].lower() in NOT_LABELS and not _has_label_row(file):
                continue
            stem = file[len(folder) + 1 : -4]
            name = reference.get(stem) or reference.get(PurePosixPath(stem).name) or sized.get(stem)
            assumed += name is None
            item = _Item(file, name or f"{stem}.jpg", False, {entry.split: None} if entry.split else {}, file)
            items.setdefault(file, item).splits.update(item.splits)
    if items and options.images_dir is None:
        text = "no image files: one image is assumed for each label file"
        listing.findings.append(RoughFinding("DK401", text, count=len(items)))
        if assumed:
            text = "image names are not stated: taken as the label's name with `.jpg`"
            listing.findings.append(Finding("DK107", text, count=assumed))
    return items


def _by_stem(names: Iterable[str]) -> dict[str, str]:
    """Names with an image suffix by their path and by their last part, both without the suffix."""
    found: dict[str, str] = {}
    for name in names:
        path = PurePosixPath(name)
        if path.suffix.lower() in SUFFIXES:
            found[str(path.with_suffix(""))] = name
            found.setdefault(path.stem, name)
    return found


def _find_elsewhere(items: dict[str, _Item], layout: Layout, options: ReadOptions, listing: Listing) -> None:
    """Look for absent images in `images_dir`; without splits, images there that have no label are negatives."""
    if options.images_dir is None:
        return
    finder = ImageFinder([options.images_dir])
    from_labels = {key for key, item in items.items() if key == item.label}
    taken, missing = set(), []
    for key, item in items.items():
        if item.on_disk:
            continue
        found = finder.find(item.name)
        if found is None:
            missing.append(item.name)
            continue
        item.key, item.on_disk = found, True
        taken.add(found)
        if key in from_labels:
            item.name = _relative(found, options.images_dir)
    listing.findings += finder.finding()
    if missing:
        text = f"images not found in `{options.images_dir}`: {examples(missing)}"
        listing.findings.append(RoughFinding("DK401", text, count=len(missing)))
    if from_labels and not layout.splits:
        for name, path in image_files(options.images_dir):
            if path not in taken:
                items[path] = _Item(path, name, True, {})


def _relative(path: str, folder: Path) -> str:
    return Path(path).relative_to(folder).as_posix()


def _fill(listing: Listing, items: list[_Item], layout: Layout) -> None:
    table = layout.sidecar.rows
    if table:
        order = {id(row): i for i, row in enumerate(table.values())}
        items.sort(key=lambda item: order.get(id(item.row), len(order)))
    _tell_apart([item for item in items if not (item.row and item.row.name)])
    for split in layout.splits:
        listing.splits[split] = []
    for position, item in enumerate(items):
        listing.names.append(item.name)
        listing.paths.append(item.key if item.on_disk else None)
        listing.labels.append(item.label)
        listing.rows.append(item.row)
        for split in item.splits:
            listing.splits[split].append(position)


def _tell_apart(unnamed: list[_Item]) -> None:
    """Names relative to the common folder of all images where two would be the same otherwise."""
    if len({item.name for item in unnamed}) == len(unnamed):
        return
    base = _common_folder(item.key for item in unnamed)
    for item in unnamed:
        suffix = PurePosixPath(item.name).suffix
        relative = PurePosixPath(item.key[len(base) :].lstrip("/"))
        item.name = str(relative.with_suffix(suffix) if item.key == item.label else relative)


def _common_folder(keys: Iterable[str]) -> str:
    folders = {key.rpartition("/")[0] or "/" for key in keys}
    return os.path.commonpath(folders) if folders else ""
