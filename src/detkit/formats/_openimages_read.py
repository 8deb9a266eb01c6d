"""Open Images CSV files to a `Dataset` or `Detections`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit import files
from detkit.errors import InputError, UsageError
from detkit.findings import Finding
from detkit.formats._base import ReadOptions
from detkit.formats._beside import build_images, load_beside, pixels_or_shares, suspects
from detkit.formats._numbers import difference
from detkit.formats._object_columns import object_column
from detkit.formats._openimages_tables import Table, files_of, load, role_of, split_of
from detkit.formats._sidecar import Sidecar
from detkit.tables import Categories, Dataset, Source, freeze
from detkit.wording import examples

__all__ = ["FLAGS", "read_class_names", "read_dataset", "split_positions"]

#: Attribute -> column of a yes-or-no statement; 1 yes, 0 no, -1 unknown.
FLAGS = {
    "occluded": "IsOccluded",
    "truncated": "IsTruncated",
    "is_group_of": "IsGroupOf",
    "is_depiction": "IsDepiction",
    "is_inside": "IsInside",
}
_READ = {"imageid", "labelname", "xmin", "xmax", "ymin", "ymax", "source", "confidence",
         *(column.lower() for column in FLAGS.values())}  # fmt: skip
_CORNERS = ("xmin", "ymin", "xmax", "ymax")


@dataclass
class _Found:
    """What the files name: images in order of appearance with their splits, rows of boxes, labels of images."""

    keys: dict[str, int] = field(default_factory=dict)
    splits: dict[str, dict[int, None]] = field(default_factory=dict)
    boxes: list[Table] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    written_here: bool = False

    def split_of(self, file: Path) -> str:
        """Split by a file's name; what detkit wrote has lists of images, which name splits of any name."""
        return "" if self.written_here else split_of(file)

    def place(self, key: str, split: str) -> int:
        position = self.keys.setdefault(key, len(self.keys))
        if split:
            self.splits.setdefault(split, {})[position] = None
        return position


def read_dataset(path: Path, options: ReadOptions) -> Dataset:
    """The dataset of a folder of CSV files, or of one file of boxes with those beside it.

    Parameters
    ----------
    path : Path
    options : ReadOptions

    Returns
    -------
    Dataset
        Ids of images and classes are the format's (`000026e7ee790996`, `/m/07j7r`); `pos_category_ids` and
        `neg_category_ids` of an image are its image-level labels that people verified.

    Raises
    ------
    InputError
        No file of boxes, unreadable files, or image sizes known for a part of the images.
    UsageError
        No such split.
    """
    root = path if path.is_dir() else path.parent
    sources = _sources(path)
    if not sources["boxes"]:
        raise InputError("no CSV file with `ImageID,LabelName,XMin,XMax,YMin,YMax`", path=path)
    sidecar = load_beside([root, root.parent], "openimages")
    found = _Found()
    for row in sidecar.rows.values():
        found.place(row.name or row.file, "")
    found.written_here = bool(sidecar.rows)
    for file in sources["images"]:
        _read_images(file, found)
    for file in sources["boxes"]:
        found.boxes.append(_read_boxes(file, found))
    verified = _read_labels(sources["labels"], found)
    described = read_class_names(sources["classes"])
    labels = [label for table in found.boxes for label in table.texts("labelname")]
    categories, position, notes = _categories(described, labels, sidecar, path)
    found.findings += notes
    extra = _image_labels(verified, categories, position)
    images, notes = _images(found, root, options, sidecar, extra)
    findings = [*found.findings, *notes, *(f for table in found.boxes for f in table.findings)]
    image_index = np.array([found.keys[k] for table in found.boxes for k in table.texts("imageid")], np.int64)
    corners = np.vstack([table.numbers(_CORNERS) for table in found.boxes])
    shares = np.hstack([corners[:, :2], difference(corners[:, 2:], corners[:, :2])])
    low, units = pixels_or_shares(corners, image_index, images, path)
    xywh = shares if units == "normalised" else np.hstack([low[:, :2], difference(low[:, 2:], low[:, :2])])
    findings += suspects(path, xywh)
    every = [file for group in sources.values() for file in group]
    dataset = Dataset.build(
        images,
        categories,
        image_index=image_index,
        category_index=[position[label] for label in labels],
        xywh=xywh,
        attributes=_attributes(found.boxes, findings),
        splits=split_positions(found.splits),
        units=units,
        source=Source(str(path), "openimages", files.sha256_of(every, root=root)),
        findings=tuple(findings),
    )
    return dataset if options.split is None else _only(dataset, options.split, path)


def split_positions(members: Mapping[str, Mapping[int, None]]) -> dict[str, NDArray[np.int64]]:
    """Positions of each split's images, ascending."""
    return {name: freeze(np.array(sorted(positions), np.int64)) for name, positions in members.items()}


def _only(dataset: Dataset, split: str, path: Path) -> Dataset:
    if split not in dataset.splits:
        known = examples(list(dataset.splits), 9) or "no splits"
        raise UsageError(f"unknown split `{split}`; {path} has {known}")
    chosen = dataset.take_images(dataset.splits[split])
    return Dataset(
        chosen.images, chosen.categories, chosen.annotations, {split: chosen.splits[split]}, chosen.units, chosen.info,
        chosen.source, chosen.findings,
    )  # fmt: skip


def _sources(path: Path) -> dict[str, list[Path]]:
    """Files by role; for one file of boxes, the files beside it that are of the same split or of none."""
    roles: dict[str, list[Path]] = {"boxes": [], "labels": [], "images": [], "classes": []}
    if path.is_dir():
        for file, role in files_of(path):
            if role in roles:
                roles[role].append(file)
    else:
        roles["boxes"] = [path] if role_of(path)[0] == "boxes" else []
        for file, role in files_of(path.parent):
            fits = role == "classes" or (role in ("labels", "images") and split_of(file) in ("", split_of(path)))
            if file.parent == path.parent and fits:
                roles[role].append(file)
    boxable = [file for file in roles["classes"] if "boxable" in file.name.lower()]
    roles["classes"] = boxable or roles["classes"]
    return roles


def _read_images(file: Path, found: _Found) -> None:
    table = load(file)
    own = found.split_of(file)
    subsets = table.columns.get("subset") or [""] * len(table)
    for key, subset in zip(table.texts("imageid"), subsets, strict=True):
        if key:
            found.place(key, (subset if found.written_here else subset.lower()) or own)
    unused = [name for name in table.columns if name not in ("imageid", "subset")]
    if unused:
        message = f"columns of the list of images that nothing is read from: {examples(unused, 12)}"
        found.findings.append(Finding("DK109", message, file=str(file), count=len(unused)))
    found.findings += table.findings


def _read_boxes(file: Path, found: _Found) -> Table:
    table = load(file)
    values = table.numbers(_CORNERS)
    pairs = zip(table.texts("imageid"), table.texts("labelname"), strict=True)
    named = np.array([bool(key and label) for key, label in pairs], np.bool_)
    usable = np.isfinite(values).all(axis=1)
    table.reject(~named, "`ImageID` or `LabelName` is empty")
    table.reject(named & ~usable, "XMin, XMax, YMin, YMax are not four finite numbers")
    table.keep(named & usable)
    if len(table) and not found.written_here:
        values = values[named & usable]
        beyond = int(np.count_nonzero((np.abs(values) > 1.5).any(axis=1)))
        if 2 * beyond > len(table):
            raise InputError("coordinates beyond 1, expected shares of the image's width and height", path=file)
    split = found.split_of(file)
    for key in table.texts("imageid"):
        found.place(key, split)
    unused = [name for name in table.columns if name not in _READ]
    if unused:
        message = f"columns nothing is read from: {examples(unused, 12)}"
        found.findings.append(Finding("DK109", message, file=str(file), count=len(unused)))
    return table


def _read_labels(paths: Sequence[Path], found: _Found) -> dict[int, dict[str, bool]]:
    """Image position -> class -> whether people saw it there; labels that a machine only supposes are left out."""
    verified: dict[int, dict[str, bool]] = {}
    for file in paths:
        table = load(file)
        name = "confidence" if "confidence" in table.columns else "confidenceimagelabel"
        sure = table.numbers([name])[:, 0]
        supposed = 0
        split = found.split_of(file)
        sources = table.columns.get("source") or [""] * len(table)
        for key, label, confidence, source in zip(
            table.texts("imageid"), table.texts("labelname"), sure.tolist(), sources, strict=True
        ):
            if not (key and label) or confidence not in (0.0, 1.0) or source == "machine":
                supposed += 1
                continue
            verified.setdefault(found.place(key, split), {})[label] = confidence == 1.0
        if supposed:
            message = "image-level labels that are not verified (Confidence between 0 and 1, or of a machine); left out"
            found.findings.append(Finding("DK109", message, file=str(file), count=supposed))
        found.findings += table.findings
    return verified


def read_class_names(paths: Sequence[Path]) -> dict[str, str]:
    """LabelName -> name as people read it, in the order of the files."""
    names: dict[str, str] = {}
    for file in paths:
        first = load(file, ("labelname", "displayname"))
        pairs = list(zip(first.texts("labelname"), first.texts("displayname"), strict=True))
        if pairs and (pairs[0][0].lower(), pairs[0][1].lower()) == ("labelname", "displayname"):
            del pairs[0]
        for label, name in pairs:
            if label:
                names.setdefault(label, name or label)
    return names


def _categories(
    described: Mapping[str, str], labels: Sequence[str], sidecar: Sidecar, path: Path
) -> tuple[Categories, dict[str, int], list[Finding]]:
    bare = sorted(set(labels) - set(described))
    names = [*described.values(), *bare]
    position = {label: i for i, label in enumerate([*described, *bare])}
    stated = sidecar.categories(names)
    if stated is not None:
        return stated, position, []
    findings = []
    if bare:
        message = f"classes without a description; their ids serve as names: {examples(bare)}"
        findings.append(Finding("DK303", message, file=str(path), count=len(bare)))
    ids = np.array(list(position), dtype=object)
    return Categories(ids, tuple(names), has_names=bool(described) or not names), position, findings


def _image_labels(
    verified: Mapping[int, Mapping[str, bool]], categories: Categories, position: Mapping[str, int]
) -> dict[int, dict[str, Any]]:
    own = categories.ids.tolist()
    extra: dict[int, dict[str, Any]] = {}
    for image, stated in verified.items():
        fields: dict[str, Any] = {"pos_category_ids": [], "neg_category_ids": []}
        for label, is_there in stated.items():
            category = own[position[label]] if label in position else label
            fields["pos_category_ids" if is_there else "neg_category_ids"].append(category)
        extra[image] = fields
    return extra


def _images(
    found: _Found, root: Path, options: ReadOptions, sidecar: Sidecar, extra: dict[int, dict[str, Any]]
) -> tuple[Any, list[Finding]]:
    listed = {row.name or row.file: row.file for row in sidecar.rows.values()}
    names = [listed.get(key, f"{key}.jpg") for key in found.keys]
    ids = None if names and all(key in listed for key in found.keys) else list(found.keys)
    home = root.parent if root.name in ("annotations", "labels") else root
    folders = [home / "images", home / "data", *(home / split for split in found.splits), home]
    return build_images(names, folders, options, sidecar=sidecar, ids=ids, extra=extra)


def _attributes(tables: Sequence[Table], findings: list[Finding]) -> dict[str, NDArray[Any]]:
    columns: dict[str, NDArray[Any]] = {}
    for attribute, column in FLAGS.items():
        values: list[int | None] = []
        odd = 0
        for table in tables:
            cells = table.columns.get(column.lower()) or [""] * len(table)
            read = [_FLAG.get(cell, _ODD) for cell in cells]
            odd += sum(value is _ODD for value in read)
            values += [None if value is _ODD else value for value in read]
        if odd:
            message = f"`{column}` is neither 1, 0 nor -1 and is read as unknown"
            findings.append(Finding("DK106", message, count=odd))
        if any(value is not None for value in values):
            columns[attribute] = object_column(values)
    made_by = [cell or None for t in tables for cell in (t.columns.get("source") or [""] * len(t))]
    if any(made_by):
        columns["source"] = object_column(made_by)
    sure = [v for t in tables for v in (t.numbers(["confidence"])[:, 0].tolist() if "confidence" in t.columns else
                                        [np.nan] * len(t))]  # fmt: skip
    if any(value == value and value != 1 for value in sure):
        columns["confidence"] = np.array(sure, np.float64)
    return columns


_ODD: Any = object()
_FLAG: dict[str, Any] = {"1": 1, "0": 0, "-1": None, "": None, "true": 1, "false": 0, "True": 1, "False": 0,
                         "1.0": 1, "0.0": 0, "-1.0": None}  # fmt: skip
