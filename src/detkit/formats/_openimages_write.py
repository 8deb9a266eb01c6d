"""A `Dataset` as Open Images CSV files: boxes, image-level labels, class descriptions, and lists of images."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.errors import InputError
from detkit.findings import Loss
from detkit.formats._base import WriteOptions
from detkit.formats._beside import sizes_required, unique_names, write_beside
from detkit.formats._images import is_inside, place_and_tell
from detkit.formats._openimages_read import FLAGS
from detkit.formats._stems import stem_of
from detkit.tables import Categories, Dataset, Images
from detkit.wording import examples

__all__ = ["class_labels", "image_keys", "shares_of", "write_dataset"]

_BOXES = ("ImageID", "Source", "LabelName", "Confidence", "XMin", "XMax", "YMin", "YMax", *FLAGS.values())
_LABELS = {"pos_category_ids": 1, "neg_category_ids": 0}


def write_dataset(dataset: Dataset, target: Path, options: WriteOptions) -> list[Loss]:
    """Write a dataset into an empty folder.

    Parameters
    ----------
    dataset : Dataset
    target : Path
    options : WriteOptions

    Returns
    -------
    list of Loss

    Raises
    ------
    InputError
        Unknown image sizes, two images with one name, two classes with one id.
    """
    if dataset.units == "pixels":
        sizes_required(dataset.images, dataset.annotations.image_index, "openimages")
    keys, labels = image_keys(dataset.images), class_labels(dataset.categories)
    folder = target / "annotations"
    folder.mkdir()
    home = _home_split(dataset)
    rows = _box_rows(dataset, keys, labels)
    of_row = home[dataset.annotations.image_index]
    marks, lost = _label_rows(dataset, keys, labels)
    names = list(dataset.splits)
    for number, split in enumerate(["", *names], -1):
        prefix = f"{_file_part(split)}-" if split else ""
        chosen = [rows[i] for i in np.flatnonzero(of_row == number).tolist()]
        if chosen or number >= 0 or not names:
            _write(folder / f"{prefix}annotations-bbox.csv", _BOXES, chosen)
        stated = [row for image, row in marks if home[image] == number]
        if stated:
            _write(folder / f"{prefix}annotations-human-imagelabels.csv", _LABEL_COLUMNS, stated)
        if split:
            members = [(keys[i], split) for i in dataset.splits[split].tolist()]
            _write(folder / f"{prefix}images.csv", ("ImageID", "Subset"), members)
    described = zip(labels, dataset.categories.names, strict=True)
    _write(folder / "class-descriptions-boxable.csv", ("LabelName", "DisplayName"), described)
    write_beside(target, "openimages", "dataset", dataset.images, dataset.categories, keys)
    return [*lost, *_changed_attributes(dataset), *_place(dataset.images, target, options)]


_LABEL_COLUMNS = ("ImageID", "Source", "LabelName", "Confidence")


def _file_part(split: str) -> str:
    if "/" in split or "\\" in split or "\0" in split or split.startswith("."):
        raise InputError(f"split name {split!r} cannot be used as a file name")
    return split


def _home_split(dataset: Dataset) -> NDArray[np.int64]:
    """(I,) int64: the first split of each image, whose files hold its rows; -1 for none."""
    home = np.full(len(dataset.images), -1, np.int64)
    for number, members in reversed(list(enumerate(dataset.splits.values()))):
        home[members] = number
    return home


def image_keys(images: Images) -> list[str]:
    """`ImageID` of each image: its own id where that is text, else its file name without suffix.

    Raises
    ------
    InputError
        Two images with one file name.
    """
    names = unique_names(images)
    if images.has_own_ids and len(images) and all(isinstance(own, str) and own for own in images.ids.tolist()):
        return [str(own) for own in images.ids.tolist()]
    stems = [stem_of(name) for name in names]
    return stems if len(set(stems)) == len(stems) else names


def class_labels(categories: Categories) -> list[str]:
    """`LabelName` of each class: its own id where that is text, its `freebase_id`, else its name.

    Raises
    ------
    InputError
        Two classes with one.
    """
    labels = []
    for i, own in enumerate(categories.ids.tolist()):
        known = categories.extra.get(i, {}).get("freebase_id")
        is_text = categories.has_own_ids and isinstance(own, str) and own
        labels.append(own if is_text else known if isinstance(known, str) and known else categories.names[i])
    if len(set(labels)) < len(labels):
        twice = sorted({label for label in labels if labels.count(label) > 1})
        raise InputError(f"several classes are called {examples(twice)}", hint="merge or rename them")
    return labels


def shares_of(
    xywh: NDArray[np.float64], image_index: NDArray[np.int64], images: Images, units: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lower and upper corners, (N, 2) float64 each, as shares of the image."""
    low, high = xywh[:, :2], xywh[:, :2] + xywh[:, 2:]
    if units == "normalised" or not len(xywh):
        return low, high
    sizes = images.sizes[image_index]
    return low / sizes, high / sizes


def _box_rows(dataset: Dataset, keys: Sequence[str], labels: Sequence[str]) -> list[tuple[Any, ...]]:
    rows = dataset.annotations
    low, high = shares_of(rows.xywh, rows.image_index, dataset.images, dataset.units)
    made_by = rows.attributes.get("source")
    sure = rows.attributes.get("confidence")
    count = len(rows)
    return list(
        zip(
            [keys[i] for i in rows.image_index.tolist()],
            [""] * count if made_by is None else ["" if v is None else str(v) for v in made_by.tolist()],
            [labels[i] for i in rows.category_index.tolist()],
            [1] * count if sure is None else [_number(v) for v in sure.tolist()],
            low[:, 0].tolist(),
            high[:, 0].tolist(),
            low[:, 1].tolist(),
            high[:, 1].tolist(),
            *([_flag(v) for v in _column(rows.attributes.get(name), count)] for name in FLAGS),
            strict=True,
        )
    )


def _column(values: NDArray[Any] | None, count: int) -> list[Any]:
    return [None] * count if values is None else values.tolist()


def _number(value: Any) -> Any:
    return 1 if value is None or value != value else value


def _flag(value: Any) -> int:
    """1 and 0 as stated, -1 for unknown; other tools' flags come as numbers, truth values or text."""
    if value is None or value != value or value in ("", "-1", -1):
        return -1
    return int(bool(value) and value not in ("0", "false", "False"))


def _changed_attributes(dataset: Dataset) -> list[Loss]:
    """Attributes that the CSV states in another form: flags are 1 and 0, and each row has a confidence."""
    columns = dataset.annotations.attributes
    degrees = {name: sum(map(_is_degree, columns[name].tolist())) for name in FLAGS if name in columns}
    losses = [Loss(f"attribute `{name}`", "degrees written as 0 or 1", count) for name, count in degrees.items()]
    sure = columns.get("confidence", np.empty(0)).tolist()
    unstated = sum(value is None or value != value for value in sure)
    losses.append(Loss("attribute `confidence`", "not stated, written as 1", 0 if unstated == len(sure) else unstated))
    return [loss for loss in losses if loss.count]


def _is_degree(value: Any) -> bool:
    """Whether a flag's value says more than yes, no or unknown."""
    return _flag(value) >= 0 and value not in (0, 1, "0", "1", "true", "True", "false", "False")


def _label_rows(
    dataset: Dataset, keys: Sequence[str], labels: Sequence[str]
) -> tuple[list[tuple[int, tuple[Any, ...]]], list[Loss]]:
    """Image-level labels as rows, with the image's position, and what of them cannot be written."""
    name_of = dict(zip(dataset.categories.ids.tolist(), labels, strict=True))
    rows: list[tuple[int, tuple[Any, ...]]] = []
    unknown = 0
    for image, fields in sorted(dataset.images.extra.items()):
        for name, confidence in _LABELS.items():
            stated = fields.get(name)
            for own in stated if isinstance(stated, (list, tuple)) else ():
                label = name_of.get(own, own)
                if isinstance(label, str):
                    rows.append((image, (keys[image], "verification", label, confidence)))
                else:
                    unknown += 1
    lost = [Loss("image-level labels of classes that the dataset does not have", "dropped", unknown)] if unknown else []
    return rows, lost


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def _place(images: Images, target: Path, options: WriteOptions) -> list[Loss]:
    mode = options.place_images or "leave"
    names = unique_names(images)
    inside = [(i, target / "images" / name) for i, name in enumerate(names) if is_inside(name)]
    if mode == "leave":
        return []
    losses = place_and_tell(images, inside, mode, "not found, not placed")
    refused = len(names) - len(inside)
    return [*losses, *([Loss("image files", "not placed (their names leave the folder)", refused)] if refused else [])]
