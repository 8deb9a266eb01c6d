"""A `Dataset` as WIDER FACE's lists."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detkit.errors import InputError
from detkit.findings import Loss
from detkit.formats._base import WriteOptions
from detkit.formats._beside import unique_names, write_beside
from detkit.formats._images import is_inside, place_and_tell
from detkit.formats._numbers import number_text
from detkit.formats._widerface_read import FACE
from detkit.formats._widerface_text import ATTRIBUTES, is_name
from detkit.formats._writing import require_pixels
from detkit.tables import Categories, Dataset

__all__ = ["class_texts", "listed_names", "write_dataset"]


def write_dataset(dataset: Dataset, target: Path, options: WriteOptions) -> list[Loss]:
    """Write one list a split into an empty folder.

    Rows have the six marks where any object states one, and a class where it is not a face.

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
        Shares of images of unknown size, an image name that is none, or a class name that a row cannot hold.
    """
    require_pixels(dataset, "WIDER FACE")
    names = listed_names(unique_names(dataset.images))
    marks, losses = _marks(dataset)
    classes = class_texts(dataset.categories, always=False)
    rows = dataset.annotations
    boxes = [" ".join(map(number_text, box)) for box in rows.xywh.tolist()]
    lines = [
        " ".join(part for part in (box, mark, classes[k]) if part)
        for box, mark, k in zip(boxes, marks, rows.category_index.tolist(), strict=True)
    ]
    folder = target / "wider_face_split"
    folder.mkdir()
    splits = _splits(dataset)
    offsets = dataset.offsets.tolist()
    for split, members in splits.items():
        text = []
        for i in members.tolist():
            own = lines[offsets[i] : offsets[i + 1]]
            # WIDER FACE itself puts a row of zeros under the count 0, and its readers count on it.
            text += [names[i], str(len(own)), *(own or [" ".join("0" * 10)])]
        _write(folder / (f"wider_face_{split}_bbx_gt.txt" if split else "wider_face_all_bbx_gt.txt"), text)
    if dataset.categories.names != (FACE,):
        _write(target / "labels.txt", dataset.categories.names)
    write_beside(target, "widerface", "dataset", dataset.images, dataset.categories)
    return [*losses, *_place(dataset, names, splits, target, options)]


def listed_names(names: Sequence[str]) -> list[str]:
    """The names, once it is known that each can stand on a line of its own.

    Raises
    ------
    InputError
        A name without an image suffix, or with a line break or outer blanks.
    """
    for name in names:
        if not is_name(name) or name != name.strip() or len(name.splitlines()) != 1:
            raise InputError(f"image name {name!r} cannot stand in a list; expected one that ends in an image suffix")
    return list(names)


def class_texts(categories: Categories, *, always: bool) -> list[str]:
    """What stands at the end of a row for each class; nothing for faces, unless `always`.

    Raises
    ------
    InputError
        A name with repeated blanks or more than five words: a reader could not tell it from the row's numbers.
    """
    for name in categories.names:
        if " ".join(name.split()) != name or not name or len(name.split()) > 5:
            raise InputError(f"class name {name!r} cannot stand in a row of WIDER FACE", hint="rename the class first")
    if len(set(categories.names)) < len(categories.names):
        raise InputError("two classes have one name, and WIDER FACE has only names", hint="merge or rename them")
    return [name if always or name != FACE else "" for name in categories.names]


def _splits(dataset: Dataset) -> dict[str, NDArray[np.int64]]:
    everything = np.arange(len(dataset.images))
    if not dataset.splits:
        return {"": everything}
    splits = {name: np.asarray(members) for name, members in dataset.splits.items()}
    for name in splits:
        if "/" in name or "\\" in name or "\0" in name or not name:
            raise InputError(f"split name {name!r} cannot be used as a file name")
    rest = np.setdiff1d(everything, np.concatenate(list(splits.values())))
    return {**splits, "unassigned": rest} if len(rest) else splits


def _marks(dataset: Dataset) -> tuple[list[str], list[Loss]]:
    """The six marks of each row as text, empty where no row of the dataset has any."""
    rows = dataset.annotations
    columns = {name: _numbers(rows.attributes[name].tolist()) for name in ATTRIBUTES if name in rows.attributes}
    columns["invalid"] = rows.is_ignored.astype(np.float64)
    losses = []
    for name in ("blur", "expression", "illumination", "occlusion", "pose"):
        if name in rows.attributes:
            given = [v is not None and v != "" and v == v for v in rows.attributes[name].tolist()]
            odd = int(np.count_nonzero(np.array(given, np.bool_) & np.isnan(columns[name])))
            if odd:
                losses.append(Loss(f"attribute `{name}`", "dropped (WIDER FACE has numbers)", odd))
    stated = [name for name, values in columns.items() if name != "invalid" and not np.isnan(values).all()]
    if not stated and not rows.is_ignored.any():
        return [""] * len(rows), losses
    table = np.column_stack([columns.get(name, np.full(len(rows), np.nan)) for name in ATTRIBUTES])
    unknown = int(np.isnan(table).any(axis=1).sum())
    if unknown:
        losses.append(Loss("faces with marks that are not stated", "written as 0", unknown))
    return [" ".join(map(number_text, row)) for row in np.nan_to_num(table).tolist()], losses


def _numbers(values: Sequence[Any]) -> NDArray[np.float64]:
    out = np.full(len(values), np.nan)
    for i, value in enumerate(values):
        try:
            out[i] = float(value)
        except (TypeError, ValueError):
            continue
    return np.where(np.isfinite(out), out, np.nan)


def _place(
    dataset: Dataset, names: Sequence[str], splits: dict[str, NDArray[np.int64]], target: Path, options: WriteOptions
) -> list[Loss]:
    pairs = [
        (i, target / f"WIDER_{split or 'all'}" / "images" / names[i])
        for split, members in splits.items()
        for i in members.tolist()
        if is_inside(names[i])
    ]
    return place_and_tell(dataset.images, pairs, options.place_images or "leave", "not found, only listed")


def _write(path: Path, lines: Sequence[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")
