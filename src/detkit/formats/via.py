"""VGG Image Annotator 2 and 1: a project, its JSON of annotations, or its CSV.

A region's class is one of its attributes: `class`, `label`, `category`, `class_name`, `type`, `name` or `object`, the
first that there is, or the only one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit import files
from detkit.errors import InputError, UsageError
from detkit.findings import Finding, Loss
from detkit.formats._base import Capabilities, Kind, Probe, ReadOptions, WriteOptions
from detkit.formats._beside import build_images, load_beside
from detkit.formats._object_columns import object_column
from detkit.formats._via_regions import Project, box_of, probe_file, read_file, via_files
from detkit.tables import Categories, Dataset, Shapes, Source, freeze
from detkit.wording import examples

__all__ = ["CAPABILITIES", "detect", "read", "write"]

CAPABILITIES = Capabilities(
    holds=frozenset(
        ("image_ids", "image_sizes", "category_ids", "supercategories", "polygons", "attributes", "splits")
    ),
    read_from=(".json", ".csv"),
    folder=True,
)

_CLASS_KEYS = ("class", "label", "category", "class_name", "type", "name", "object")


def detect(path: Path, kind: Kind) -> Probe:
    """Whether this is a VIA project, its annotations as JSON or CSV, or a folder with such files.

    Parameters
    ----------
    path : Path
    kind : {"dataset", "detections"}

    Returns
    -------
    Probe
    """
    if kind == "detections":
        return Probe(False, "holds datasets only")
    if path.is_file():
        return Probe(*probe_file(path))
    found = via_files(path)
    return Probe(
        bool(found), f"VIA's {found[0].name}" if found else "no VIA project, JSON or CSV in it or in its folders"
    )


def read(path: Path, options: ReadOptions) -> Dataset:
    """The dataset of one file, or of a folder: files in its folders are splits of the folder's name.

    Parameters
    ----------
    path : Path
    options : ReadOptions

    Returns
    -------
    Dataset
        Polygons, circles and ellipses have an outline. Regions without an area are left out and counted.

    Raises
    ------
    InputError
        No such file.
    UsageError
        No such split.
    """
    found = via_files(path)
    if not found:
        raise InputError("no VIA project, JSON or CSV", path=path)
    root = path if path.is_dir() else path.parent
    sidecar = load_beside([root, root.parent], "via")
    split_of = {file: file.parent.name if path.is_dir() and file.parent != path else "" for file in found}
    if options.split is not None:
        found = [file for file in found if split_of[file] == options.split]
    if not found:
        known = examples(sorted(set(split_of.values()) - {""}), 9) or "no splits"
        raise UsageError(f"unknown split `{options.split}`; {path} has {known}")
    projects = [read_file(file) for file in found]
    names: dict[str, int] = {}
    if path.is_dir() and options.split is None:
        names = {row.file: i for i, row in enumerate(sidecar.rows.values())}
    members: dict[str, dict[int, None]] = {}
    extra: dict[int, dict[str, Any]] = {}
    key, notes = _class_key(projects, path)
    columns = _Columns(key)
    for project in projects:
        for name, _, own, regions in project.images:
            image = names.setdefault(name.replace("\\", "/"), len(names))
            if split_of[project.path] not in ("", "unassigned"):
                members.setdefault(split_of[project.path], {})[image] = None
            if own and options.with_extra:
                extra[image] = {"file_attributes": dict(own)}
            for place, shape, attributes in regions:
                columns.add(image, place, shape, attributes, project.path)
    folders = [*(root / split for split in members), root / "images", root]
    images, more = build_images(list(names), folders, options, sidecar=sidecar, extra=extra)
    class_names = _class_names(projects, columns.classes, key)
    stated = sidecar.categories(class_names)
    position = {name: i for i, name in enumerate(class_names)}
    shapes = Shapes.from_rows(columns.outlines) if any(columns.outlines) and options.with_shapes else None
    return Dataset.build(
        images,
        Categories.from_names(class_names) if stated is None else stated,
        image_index=columns.image_index,
        category_index=[position[name] for name in columns.classes],
        xywh=np.array(columns.boxes, np.float64).reshape(-1, 4),
        shapes=shapes,
        attributes=columns.table(),
        splits={name: freeze(np.array(sorted(m), np.int64)) for name, m in members.items()},
        source=Source(str(path), "via", files.sha256_of(found, root=root)),
        findings=(*(f for p in projects for f in p.findings), *notes, *columns.findings, *more),
    )


def _class_key(projects: Sequence[Project], path: Path) -> tuple[str | None, list[Finding]]:
    """The region attribute that is the class; None where regions have none."""
    used = dict.fromkeys(
        name
        for project in projects
        for _, _, _, regions in project.images
        for _, _, attributes in regions
        if isinstance(attributes, Mapping)
        for name in attributes
    )
    stated = dict.fromkeys(name for project in projects for name in project.attributes)
    known = used or stated
    for wanted in _CLASS_KEYS:
        for name in known:
            if str(name).lower() == wanted:
                return name, []
    if len(known) == 1:
        return next(iter(known)), []
    message = f"no region attribute that is a class ({', '.join(_CLASS_KEYS)}); every region is an `object`"
    return None, [Finding("DK303", message, file=str(path))] if used or not stated else []


class _Columns:
    """Regions as columns."""

    def __init__(self, key: str | None) -> None:
        self.key = key
        self.image_index: list[int] = []
        self.classes: list[str] = []
        self.boxes: list[list[float]] = []
        self.outlines: list[Any] = []
        self.attributes: list[dict[str, Any]] = []
        self.findings: list[Finding] = []

    def add(self, image: int, place: str, shape: Any, attributes: Any, path: Path) -> None:
        """Add a region, or a finding."""
        found = box_of(shape)
        own = dict(attributes) if isinstance(attributes, Mapping) else {}
        label = "object" if self.key is None else _text(own.pop(self.key, None))
        line = int(place.removeprefix("line ")) if place.startswith("line ") else None
        if isinstance(found, str):
            code = "DK109" if found.startswith("a `") else "DK102"
            self.findings.append(Finding(code, f"{place}: {found}; left out", file=str(path), line=line))
            return
        if not label:
            message = f"{place}: no `{self.key}`, expected a class"
            self.findings.append(Finding("DK102", message, file=str(path), line=line))
            return
        box, rings, _ = found
        if not np.isfinite(box).all():
            message = f"{place}: width and height are not finite; left out"
            self.findings.append(Finding("DK102", message, file=str(path), line=line))
            return
        if min(box[2:]) <= 0:
            message = f"{place}: width {box[2]:g} and height {box[3]:g}, expected both above zero; kept"
            self.findings.append(Finding("DK201", message, file=str(path), line=line))
        self.image_index.append(image)
        self.classes.append(label)
        self.boxes.append(box)
        self.outlines.append(rings)
        self.attributes.append(own)

    def table(self) -> dict[str, NDArray[Any]]:
        """The other attributes as columns."""
        names = dict.fromkeys(name for own in self.attributes for name in own)
        return {str(name): object_column([own.get(name) for own in self.attributes]) for name in names}


def _text(value: Any) -> str:
    """A class as text: a choice, or the one box that is ticked."""
    if isinstance(value, Mapping):
        ticked = [str(name) for name, is_set in value.items() if is_set]
        return ticked[0] if len(ticked) == 1 else ""
    return "" if value is None else str(value).strip()


def _class_names(projects: Sequence[Project], used: Sequence[str], key: str | None) -> list[str]:
    """Classes in the order of the project's options, then the others, sorted."""
    listed: dict[str, None] = {}
    for project in projects:
        described = project.attributes.get(key) if key is not None else None
        choices = described.get("options") if isinstance(described, Mapping) else None
        listed.update(dict.fromkeys(str(name) for name in choices) if isinstance(choices, Mapping) else {})
    return [*listed, *sorted(set(used) - set(listed))]


def write(dataset: Dataset, target: Path, options: WriteOptions) -> list[Loss]:
    """Write `via_project.json`, one a split in a folder of its name, into a folder."""
    from detkit.formats._via_write import write_projects

    return write_projects(dataset, target, options)
