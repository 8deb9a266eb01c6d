"""Supervisely's project folders as rows."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

from detkit.errors import InputError
from detkit.findings import Finding
from detkit.formats._base import Kind, Probe, ReadOptions
from detkit.formats._collect import Collector, Item, named_like
from detkit.formats._images import SUFFIXES
from detkit.formats._json_file import as_number, names_in, read_json, read_many
from detkit.formats._manifest import Manifest, ids_of, read_manifest, table_of_images
from detkit.formats._sidecar import IMAGES_TABLE
from detkit.formats._supervisely_objects import shaped
from detkit.tables import Categories
from detkit.wording import plural

__all__ = ["ANN", "CONFIDENCE", "CROWD", "DIFFICULT", "IMG", "META", "NESTED", "probe", "read_supervisely"]

META, ANN, IMG = "meta.json", "ann", "img"
#: Folder of the datasets inside a dataset.
NESTED = "datasets"
#: Tags that are flags in a table.
DIFFICULT, CROWD = "difficult", "iscrowd"
#: Tag of a prediction's score, as Supervisely's own models write it.
CONFIDENCE = "confidence"
_SAMPLE = 5
_SPLITS = frozenset(("train", "val", "valid", "validation", "test"))
_IMAGE_FIELDS = frozenset(("size", "objects"))
#: Stated by Supervisely whether there is something to say or not; other fields that are empty are kept.
_OFTEN_EMPTY = frozenset(("description", "tags", "customData", "customBigData", "name", "labelerLogin"))
#: `classId` is the number of a class on a server: the title says which class it is.
_OBJECT_FIELDS = frozenset(
    ("classTitle", "classId", "geometryType", "shape", "points", "bitmap", "mask", "angle", "parts", "tags")
)


@dataclass(frozen=True)
class _Project:
    """Folder of `meta.json` (or what stands for it) and what is said there.

    Parameters
    ----------
    root : Path
    meta : Path or None
    titles : tuple of str
        Classes in the order of `meta.json`.
    shapes : mapping of str to str
        Shape of each class, for objects that do not state theirs.
    manifest : Manifest or None
    """

    root: Path
    meta: Path | None
    titles: tuple[str, ...]
    shapes: Mapping[str, str]
    manifest: Manifest | None


def probe(path: Path, kind: Kind) -> Probe:
    """Whether a path is Supervisely's, and why or why not."""
    if path.is_file() and path.suffix.lower() != ".json":
        return Probe(False, f"a `{path.suffix or 'suffixless'}` file, expected .json or a project folder")
    files = list(islice(_annotation_files(path), _SAMPLE))
    if not files:
        return Probe(False, f"no folder `{ANN}` with .json files in it")
    manifest = read_manifest(path, "supervisely") if path.is_dir() else None
    for file in files:
        names = names_in(file)
        if names is not None and not {"size", "objects"} <= names:
            continue
        try:
            value = read_json(file)
        except InputError:
            continue
        if _is_annotation(value) and kind == "dataset":
            is_ours = manifest is None or manifest.kind != "detections"
            return Probe(
                is_ours,
                "JSON with `size` and a list `objects` of figures with `classTitle`"
                if is_ours
                else "detkit.json says these are predictions",
            )
        if _is_annotation(value) and any(_confidence(figure) is not None for figure in value["objects"]):
            is_ours = manifest is None or manifest.kind != "dataset"
            return Probe(
                is_ours, f"figures with a tag `{CONFIDENCE}`" if is_ours else "detkit.json says this is a truth"
            )
    if kind == "detections":
        known = manifest is not None and manifest.kind == "detections"
        return Probe(
            known, "detkit.json says these are predictions" if known else f"no figure with a tag `{CONFIDENCE}`"
        )
    return Probe(False, f"`{files[0].name}` has no `size` beside a list `objects` of figures with `classTitle`")


def _annotation_files(path: Path) -> Iterator[Path]:
    """A file itself, the files of a folder `ann`, or of all such folders below, sorted folder by folder."""
    if path.is_file():
        yield path
        return
    for root, folders, names in os.walk(path):
        folders[:] = sorted(f for f in folders if not f.startswith(".") and f != IMG)
        if Path(root).name == ANN:
            yield from (Path(root, n) for n in sorted(names) if n.lower().endswith(".json") and not n.startswith("."))


def _is_annotation(value: Any) -> bool:
    """Whether a JSON value is the annotation of an image."""
    if not isinstance(value, dict) or not isinstance(value.get("size"), dict):
        return False
    objects = value.get("objects")
    if not isinstance(objects, list) or not {"height", "width"} <= value["size"].keys():
        return False
    return not objects or any(isinstance(o, dict) and "classTitle" in o for o in objects)


def read_supervisely(path: Path, options: ReadOptions) -> tuple[Collector, Categories | tuple[str, ...] | None]:
    """Everything in a project, and its classes.

    Parameters
    ----------
    path : Path
        The project, a dataset of it, a folder `ann` or a file in it.
    options : ReadOptions

    Returns
    -------
    collected : Collector
    stated : Categories, tuple of str or None

    Raises
    ------
    InputError
        No annotation file, or none that can be read.
    """
    project = _project(path)
    found = list(_annotation_files(path))
    collected = Collector(path, "supervisely", options, (project.root,))
    known: dict[str, tuple[Path, Mapping[str, Any]]] = {}
    several = len({_dataset_of(file, project.root) for file in found}) > 1
    for file, value in zip(found, read_many(found, options.jobs), strict=True):
        if isinstance(value, InputError):
            message = value.message.removeprefix(f"{file}: ")
            collected.findings.append(Finding("DK101", message, file=str(file)))
        elif not _is_annotation(value):
            collected.skipped["JSON files that are not Supervisely's"] += 1
        else:
            collected.sources.append(file)
            known[_image_name(file, project, several)] = (file, value)
    if not known:
        first = next((f"; {f.where}: {f.message}" for f in collected.findings if f.code == "DK101"), "")
        raise InputError(
            "no annotation of Supervisely (an object with `size` and `objects`) among "
            f"{plural(len(found), 'file')}{first}",
            path=path,
        )
    _add_all(collected, project, known, whole=path == project.root)
    collected.sources += [] if project.meta is None else [project.meta]
    return collected, _classes(project)


def _add_all(
    collected: Collector, project: _Project, known: Mapping[str, tuple[Path, Mapping[str, Any]]], *, whole: bool
) -> None:
    """All images: those that detkit's table lists first, in its order and with its ids."""
    rows = table_of_images(project.root) if project.manifest is not None and whole else []
    listed = [row.name or row.file for row in rows]
    there = set(listed)
    for name, row in zip(listed, rows, strict=True):
        if name in known:
            _add_file(collected, project, name, *known[name])
        else:
            collected.image(name, row.size)
    for name in (n for n in known if n not in there):
        _add_file(collected, project, name, *known[name])
    if not rows or project.manifest is None:
        return
    collected.sources += [project.manifest.path, project.root / IMAGES_TABLE]
    ids = ids_of(rows, project.manifest)
    if ids is not None and len(ids) == len(collected.names):
        collected.ids = ids


def _project(path: Path) -> _Project:
    """The project that a path is, or is in."""
    start = path if path.is_dir() else path.parent
    for root in (start, *islice(start.parents, 3)):
        try:
            content = read_json(root / META) if (root / META).is_file() else None
        except InputError:
            content = None
        if isinstance(content, dict) and isinstance(content.get("classes"), list):
            classes = [c for c in content["classes"] if isinstance(c, dict) and isinstance(c.get("title"), str)]
            shapes = {c["title"]: str(c.get("shape")) for c in classes}
            return _Project(root, root / META, tuple(shapes), shapes, read_manifest(root, "supervisely"))
        if root.name != ANN and not (root / ANN).is_dir():
            break
    return _Project(start, None, (), {}, None)


def _classes(project: _Project) -> Categories | tuple[str, ...] | None:
    """The manifest's classes where `meta.json` still has the same, else those of `meta.json`."""
    own = None if project.manifest is None else project.manifest.categories
    return own if own is not None and own.names == project.titles else project.titles or None


def _dataset_of(file: Path, root: Path) -> tuple[str, ...]:
    """Names of the dataset and of those it is inside of, outermost first."""
    parts = file.parent.relative_to(root).parts if file.is_relative_to(root) else ()
    parts = parts[:-1] if parts and parts[-1] == ANN else parts
    return tuple(p for n, p in enumerate(parts) if not (n % 2 and p == NESTED))


def _image_name(file: Path, project: _Project, several: bool) -> str:
    """Name of an annotation file's image: with its dataset in front where there are several of them.

    In a project that detkit wrote the outermost dataset is a split, or all images, and is no part of the name.
    """
    parts = _dataset_of(file, project.root)
    if project.manifest is not None:
        parts = parts[1:]
    elif not several:
        parts = ()
    return "/".join((*parts, file.name[: -len(".json")]))


def _add_file(collected: Collector, project: _Project, name: str, file: Path, value: Mapping[str, Any]) -> None:
    size = as_number(value["size"].get("width")), as_number(value["size"].get("height"))
    stated = (size[0], size[1]) if size[0] and size[1] and size[0] > 0 and size[1] > 0 else None
    found = _image_beside(file.parent.parent / IMG / PurePosixPath(name).name) or collected.finder.find(name)
    name = named_like(found, name)
    datasets = _dataset_of(file, project.root)
    position = collected.image(name, stated, found, _split_of(datasets[0], project) if datasets else None)
    extra = {k: v for k, v in value.items() if k not in _IMAGE_FIELDS and not _says_nothing(k, v)}
    if extra:
        collected.image_extra[position] = extra
    for number, figure in enumerate(value["objects"]):
        item = _item(collected, project, figure, stated)
        if isinstance(item, Item):
            collected.add(position, item)
            collected.suspicious(item, file, image=name, annotation=number)
        elif item is not None:
            collected.bad(f"objects[{number}]: {item}", file, annotation=number)


def _image_beside(path: Path) -> str | None:
    """The image file of that name; older exports leave its suffix out."""
    if path.suffix.lower() in SUFFIXES:
        return str(path) if path.is_file() else None
    named = (path.with_name(path.name + suffix) for suffix in sorted(SUFFIXES))
    return next((str(file) for file in named if file.is_file()), None)


def _split_of(dataset: str, project: _Project) -> str | None:
    """The split that a dataset is: as detkit wrote it, else by its name."""
    if project.manifest is not None:
        splits = project.manifest.content.get("splits")
        return dataset if isinstance(splits, list) and dataset in splits else None
    return dataset if dataset.lower() in _SPLITS else None


def _item(collected: Collector, project: _Project, figure: Any, size: tuple[float, float] | None) -> Item | str | None:
    """One figure as an object; a text says what is wrong with it, None that it is no region and was counted."""
    if not isinstance(figure, dict):
        return "not an object"
    title = figure.get("classTitle")
    if not isinstance(title, str) or not title:
        return "`classTitle` is missing or no text"
    kind = figure.get("geometryType") or figure.get("shape") or project.shapes.get(title)
    # What detkit wrote has its corners in order, and a box narrower than a pixel would be turned by sorting them.
    item = shaped(collected, str(kind), figure, size, in_order=project.manifest is not None)
    if not isinstance(item, Item):
        return item
    item.name = title
    _tag(item, figure.get("tags"))
    score = _confidence(figure)
    item.score = float("nan") if score is None else score
    if collected.options.with_extra:
        item.extra = {k: v for k, v in figure.items() if k not in _OBJECT_FIELDS and not _says_nothing(k, v)}
    return item


def _confidence(figure: Any) -> float | None:
    tags = figure.get("tags") if isinstance(figure, dict) else None
    known = tags if isinstance(tags, list) else ()
    values = [t.get("value") for t in known if isinstance(t, dict) and t.get("name") == CONFIDENCE]
    return as_number(values[0]) if values else None


def _says_nothing(name: str, value: Any) -> bool:
    return name in _OFTEN_EMPTY and value in (None, "", [], {})


def _tag(item: Item, tags: Any) -> None:
    """Tags as attributes: their value, or True where they have none; `difficult` and `iscrowd` as flags."""
    attributes: dict[str, Any] = {}
    for tag in tags if isinstance(tags, list) else ():
        name = tag.get("name") if isinstance(tag, dict) else tag
        value = tag.get("value") if isinstance(tag, dict) else None
        if not isinstance(name, str) or not name:
            continue
        if name in (DIFFICULT, CROWD):
            is_set = str(value).lower() not in ("0", "false", "no")
            item.is_ignored |= is_set and name == DIFFICULT
            item.is_crowd |= is_set and name == CROWD
        else:
            attributes.setdefault(name, True if value is None else value)
    item.attributes = attributes
