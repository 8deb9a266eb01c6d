"""Where a YOLO dataset keeps its images: from a data.yaml, Darknet's obj.data, an image list or a plain folder."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from detkit.errors import InputError
from detkit.findings import Finding
from detkit.formats._base import Probe
from detkit.formats._data_yaml import UNASSIGNED, Description, read_darknet, read_data_yaml, resolve, split_name
from detkit.formats._images import SUFFIXES
from detkit.formats._names import load_yaml
from detkit.formats._sidecar import Sidecar, load_sidecar
from detkit.formats._text_start import has_content, text_start
from detkit.wording import plural

__all__ = ["Entry", "Layout", "find_layout", "label_twin", "probe_dataset"]

_SPLIT = re.compile(r"(train|valid|validation|val|test|testing|minival|trainval|unassigned)(_?\d{4})?", re.IGNORECASE)
_SAMPLED_FILES, _SAMPLED_ROWS = 30, 50


@dataclass(frozen=True)
class Entry:
    """One folder of images (or of labels, where there are no images) or one list file of a split."""

    split: str | None
    path: Path


@dataclass(frozen=True)
class Layout:
    """A dataset's parts.

    Parameters
    ----------
    root : Path
        The folder all belongs to.
    entries : tuple of Entry
        In the order the splits are read.
    splits : tuple of str
        Names of all splits stated, also of those that lead nowhere.
    description : Description or None
    sidecar : Sidecar
    findings : tuple of Finding
    """

    root: Path
    entries: tuple[Entry, ...]
    splits: tuple[str, ...]
    description: Description | None
    sidecar: Sidecar
    findings: tuple[Finding, ...] = ()


def label_twin(path: str) -> str:
    """Where labels of this image, or of the images in this folder, are: the last `/images/` becomes `/labels/`."""
    head, separator, tail = (path + "/").rpartition("/images/")
    return (f"{head}/labels/{tail}" if separator else path + "/").rstrip("/")


def find_layout(path: Path) -> Layout:
    """The parts of the dataset at a path.

    Parameters
    ----------
    path : Path
        A data.yaml, an obj.data, a list of images, or a folder.

    Raises
    ------
    InputError
        Nothing of the kind, a description that cannot be read, or one whose entries all lead nowhere.
    """
    path = path.absolute()
    if path.is_dir():
        return _of_folder(path)
    suffix = path.suffix.lower()
    sidecar = _sidecar(path.parent)
    if suffix in (".yaml", ".yml"):
        layout = _of_description(read_data_yaml(path, _extra_splits(sidecar)), sidecar)
    elif suffix == ".data":
        layout = _of_description(read_darknet(path), sidecar)
    elif suffix == ".txt" and _is_image_list(path):
        layout = Layout(path.parent, (Entry(None, path),), (), None, sidecar)
    else:
        raise InputError("expected a data.yaml, an obj.data, a list of images or a folder of labels", path=path)
    return layout


def probe_dataset(path: Path) -> Probe:
    """Whether a YOLO dataset is here, and why or why not."""
    try:
        if path.is_file():
            return _probe_file(path)
        return _probe_folder(path.absolute())
    except InputError as error:
        # A description with a mistake in it is one all the same: reading says what is wrong.
        return Probe(_is_description(path), error.message)


def _is_description(path: Path) -> bool:
    file = path / "data.yaml" if path.is_dir() else path
    try:
        content = load_yaml(file) if file.suffix.lower() in (".yaml", ".yml") and file.is_file() else None
    except InputError:
        return False
    return isinstance(content, Mapping) and "names" in content and bool({"train", "val", "valid"} & set(content))


def _probe_file(path: Path) -> Probe:
    suffix = path.suffix.lower()
    if suffix in (".yaml", ".yml"):
        content = load_yaml(path)
        if not isinstance(content, Mapping) or not {"names", "train", "val", "test", "valid"} & set(content):
            return Probe(False, "a YAML file without `train`, `val`, `test` or `names`")
        layout = find_layout(path)
        if layout.description is not None and layout.description.entries:
            return Probe(True, f"a dataset description with {_keys_of(layout.description)}")
        return _probe_labels(layout, "class names and")
    if suffix == ".data":
        read_darknet(path)
        return Probe(True, "a Darknet description with `train`, `valid` or `names`")
    if suffix == ".txt":
        if _is_image_list(path):
            return Probe(True, "a list of image files")
        return Probe(False, "one text file that is no list of images; give the folder of labels")
    return Probe(False, f"a `{suffix or 'suffixless'}` file, expected data.yaml, obj.data, an image list or a folder")


def _probe_folder(folder: Path) -> Probe:
    layout = find_layout(folder)
    if layout.sidecar.is_predictions and layout.sidecar.root in (folder, folder.parent):
        return Probe(False, "detkit.json says these are predictions")
    if layout.description is not None and layout.description.entries:
        return Probe(True, f"`{layout.description.path.name}` with {_keys_of(layout.description)}")
    what = "folders `images` and `labels` and" if (folder / "images").is_dir() and (folder / "labels").is_dir() else ""
    return _probe_labels(layout, what)


def _keys_of(description: Description) -> str:
    return ", ".join(f"`{key}`" for key in description.entries)


def _probe_labels(layout: Layout, what: str) -> Probe:
    """Judge a sample of label rows."""
    files = _sample(layout)
    if not files:
        return Probe(False, "no data.yaml and no label files (.txt)")
    good, problems, unreadable = 0, [], []
    for file in files:
        try:
            lines = text_start(file).splitlines()[:_SAMPLED_ROWS]
        except InputError as error:
            # A file or two that are no text are for reading to report.
            unreadable.append(error.message)
            continue
        for number, line in enumerate(lines, 1):
            tokens = line.split()
            problem = _row_problem(tokens) if tokens else None
            good += bool(tokens) and problem is None
            if problem:
                problems.append(f"`{file.name}` line {number} {problem}")
    # Folders named `images` and `labels` say what they are: single bad rows there are for reading to report.
    if problems and not (what.startswith("folders") and good):
        return Probe(False, problems[0])
    if good:
        return Probe(True, f"{what} label rows `class cx cy w h` or outlines in [0, 1]".strip())
    if len(unreadable) == len(files):
        return Probe(False, unreadable[0])
    if what.startswith("folders"):
        return Probe(True, "folders `images` and `labels`, all labels sampled are empty")
    return Probe(False, "text files, but all of those sampled are empty")


def _row_problem(tokens: Sequence[str]) -> str | None:
    if not re.fullmatch(r"\d+(\.0*)?", tokens[0]):
        return f"starts with `{tokens[0][:30]}`, expected a class number"
    try:
        values = [float(t) for t in tokens[1:]]
    except ValueError:
        return "holds something that is not a number"
    if len(tokens) == 6 and all(-0.1 <= v <= 1.1 for v in values):
        return "has 6 columns and the last is in [0, 1]: predictions `class cx cy w h confidence`, not labels"
    pose = len(values) > 6 and (len(values) - 4) % 3 == 0
    if not (len(values) == 4 or (len(values) >= 6 and len(values) % 2 == 0) or pose):
        return f"has {plural(len(tokens), 'column')}, expected 5 (box) or an odd count from 7 (polygon)"
    inside = [-0.1 <= v <= 1.1 for v in (values[:4] if pose else values)]
    return None if all(inside) else "has coordinates outside [0, 1]"


def _sample(layout: Layout) -> list[Path]:
    """Some label files that are not empty, and not lists or names."""
    found: list[Path] = []
    empty: list[Path] = []
    for entry in layout.entries:
        if entry.path.is_file():
            continue
        for place in dict.fromkeys((label_twin(entry.path.as_posix()), entry.path.as_posix())):
            for folder, folders, files in os.walk(place):
                folders[:] = sorted(f for f in folders if not f.startswith("."))
                labels = [f for f in sorted(files) if f.lower().endswith(".txt") and f.lower() not in NOT_LABELS]
                for file in (Path(folder, f) for f in labels[: 10 * _SAMPLED_FILES]):
                    (found if has_content(file) else empty).append(file)
                    if len(found) >= _SAMPLED_FILES:
                        return found
            if found:
                break
    return found or empty[:1]


#: Text files that stand beside labels and are none (unless their rows say otherwise, see `_yolo_files`).
NOT_LABELS = frozenset(
    f"{name}.txt"
    for name in ("classes", "names", "labels", "train", "val", "valid", "test", "trainval", "readme", "license",
                 "readme.roboflow", "readme.dataset", "unassigned", "predefined_classes", "requirements")
)  # fmt: skip


def _of_folder(folder: Path) -> Layout:
    sidecar = _sidecar(folder)
    description = _description(folder, _extra_splits(sidecar))
    if description is not None and description.entries:
        return _of_description(description, sidecar)
    root = folder
    if folder.name in ("labels", "images") and (folder.parent / "labels").is_dir():
        root = folder.parent
    entries = tuple(_folder_entries(root))
    splits = tuple(dict.fromkeys(e.split for e in entries if e.split))
    return Layout(root, _in_order(entries), splits, description, sidecar)


def _description(folder: Path, extra: tuple[str, ...]) -> Description | None:
    """The folder's data.yaml, its one other YAML file with `names`, or its obj.data."""
    files = sorted(f for f in folder.iterdir() if f.suffix.lower() in (".yaml", ".yml", ".data") and f.is_file())
    for file in files:
        if file.name.lower() in ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml"):
            return read_data_yaml(file, extra)
    found = [f for f in files if f.suffix.lower() != ".data" and _has_names(f)]
    if len(found) > 1:
        listed = ", ".join(f"`{f.name}`" for f in found)
        raise InputError(f"several dataset descriptions: {listed}", path=folder, hint="give one of them as the path")
    if found:
        return read_data_yaml(found[0], extra)
    darknet = [f for f in files if f.suffix.lower() == ".data"]
    if len(darknet) > 1:
        listed = ", ".join(f"`{f.name}`" for f in darknet)
        raise InputError(f"several Darknet descriptions: {listed}", path=folder, hint="give one of them as the path")
    return read_darknet(darknet[0]) if darknet else None


def _has_names(file: Path) -> bool:
    try:
        content = load_yaml(file)
    except InputError:
        return False
    return isinstance(content, Mapping) and isinstance(content.get("names"), (list, dict))


def _extra_splits(sidecar: Sidecar) -> tuple[str, ...]:
    if not sidecar.manifest:
        return ()
    return (*sidecar.split_keys.values(), str(sidecar.manifest.get("unassigned") or UNASSIGNED))


def _sidecar(folder: Path) -> Sidecar:
    return load_sidecar((folder, folder.parent, folder.parent.parent))


def _folder_entries(root: Path) -> list[Entry]:
    """Entries of a folder without a description: images/ and labels/, split folders, or all in one."""
    parts = [root / name for name in ("images", "labels") if (root / name).is_dir()]
    if parts:
        names = _split_folders(parts)
        if names:
            return [Entry(_as_split(name), root / "images" / name) for name in names]
        return [Entry(None, root / "images")]
    names = _split_folders([root])
    if names:
        inner = [(n, root / n / "images") for n in names]
        has_labels = {n for n in names if (root / n / "labels").is_dir()}
        return [Entry(_as_split(n), images if images.is_dir() or n in has_labels else root / n) for n, images in inner]
    head, separator, tail = (root.as_posix() + "/").rpartition("/labels/")
    images = Path(f"{head}/images/{tail}")
    return [Entry(None, images if separator and images.is_dir() else root)]


def _split_folders(parts: Sequence[Path]) -> list[str]:
    """Names of sub-folders, if all of them are named like splits and nothing stands beside them."""
    names: dict[str, None] = {}
    for part in parts:
        for item in sorted(part.iterdir()):
            if item.name.startswith("."):
                continue
            if item.is_dir():
                names[item.name] = None
            elif item.suffix.lower() in SUFFIXES or (item.suffix.lower() == ".txt" and _is_label(item)):
                return []
    return list(names) if names and all(_SPLIT.fullmatch(n) for n in names) else []


def _is_label(file: Path) -> bool:
    return file.name.lower() not in NOT_LABELS


def _as_split(name: str) -> str | None:
    return None if name.lower() == UNASSIGNED else split_name(name)


def _of_description(description: Description, sidecar: Sidecar) -> Layout:
    root = description.bases[0]
    if sidecar.root != root and not sidecar.files:
        sidecar = _sidecar(root)
    if not description.entries:
        layout = _of_folder_without_description(root)
        return replace(layout, description=description, sidecar=sidecar)
    findings: list[Finding] = []
    if description.root_missing is not None:
        text = f"`path: {description.root_missing}` does not exist; entries are taken relative to the file's folder"
        findings.append(Finding("DK110", text, file=str(description.path)))
    names = {key: name for name, key in sidecar.split_keys.items()}
    unassigned = str(sidecar.manifest.get("unassigned") or UNASSIGNED)
    known = tuple(f"{row}/" for row in dict.fromkeys(os.path.dirname(file) for file in sidecar.rows))  # noqa: PTH120

    def usable(path: Path) -> bool:
        # Labels or the images table stand in for images that are not here.
        text = os.path.normpath(path)
        found = os.path.isdir(text) or os.path.isfile(text) or os.path.isdir(label_twin(Path(text).as_posix()))  # noqa: PTH112, PTH113
        return found or any(folder.startswith(text + "/") for folder in known)

    entries, splits = [], []
    for key, items in description.entries.items():
        split = None if key == unassigned and sidecar.manifest else names.get(key, split_name(key))
        splits += [split] if split else []
        for item in items:
            found, relocated = resolve(item, description.bases, usable)
            if found is None:
                text = f"`{key}: {item}` does not exist"
                findings.append(Finding("DK401", text, file=str(description.path)))
                continue
            if relocated:
                findings.append(Finding("DK110", f"`{key}: {item}` found as `{found}`", file=str(description.path)))
            entries.append(Entry(split, Path(os.path.normpath(found))))
    if not entries:
        stated = ", ".join(f"`{k}: {i}`" for k, items in description.entries.items() for i in items)
        raise InputError(f"none of its image folders exists: {stated}", path=description.path)
    if _is_whole_in_one(sidecar, description):
        return Layout(root, tuple(Entry(None, e.path) for e in entries[:1]), (), description, sidecar, tuple(findings))
    return Layout(root, _in_order(entries), tuple(dict.fromkeys(splits)), description, sidecar, tuple(findings))


def _of_folder_without_description(root: Path) -> Layout:
    entries = tuple(_folder_entries(root))
    splits = tuple(dict.fromkeys(e.split for e in entries if e.split))
    return Layout(root, _in_order(entries), splits, None, Sidecar(root))


def _is_whole_in_one(sidecar: Sidecar, description: Description) -> bool:
    """A dataset without splits as detkit writes it: `train` and `val` are the same folder, for Ultralytics' sake."""
    stated = {tuple(items) for items in description.entries.values()}
    return sidecar.manifest.get("splits") == {} and stated == {("images",)}


def _in_order(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """Train, val, test, others, images in no split; a year (`train2017`) does not matter."""
    order = {"train": 0, "val": 1, "test": 2}
    ranks = {e.split: 4 if e.split is None else order.get(re.sub(r"_?\d{4}$", "", e.split), 3) for e in entries}
    return tuple(sorted(entries, key=lambda e: ranks[e.split]))


def _is_image_list(path: Path) -> bool:
    try:
        lines = [line.strip() for line in text_start(path).splitlines()[:20]]
    except InputError:
        return False
    stated = [line for line in lines if line]
    return bool(stated) and all(PurePosixPath(line).suffix.lower() in SUFFIXES for line in stated)
