"""Several datasets as one: classes by name, ids made unique, names kept apart, copies of images seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from detkit import boxes
from detkit.columns import repeats
from detkit.errors import InputError, UsageError
from detkit.evaluation.images import image_label
from detkit.findings import Finding, Loss
from detkit.tables import Categories, Dataset, Images, freeze, id_array
from detkit.transforms._change import Change, loss_of_images, loss_of_rows
from detkit.transforms._class_lists import renumbered
from detkit.transforms._concat import concatenate, shifted
from detkit.transforms._groups import same_content
from detkit.transforms._union import distinct_ids, join_info, union_of_classes
from detkit.wording import examples, plural

__all__ = ["Duplicates", "merge"]

Duplicates = Literal["keep", "first", "join", "error"]


def merge(datasets: Sequence[Dataset], names: Sequence[str], duplicates: Duplicates = "keep") -> Change:
    """The datasets as one, in the order given.

    Classes meet by their exact name; two that differ only in case stay apart and are a finding. Ids stay where no
    earlier source has them and are renumbered where one has. A file name that an earlier source has gets the source's
    name as its folder. Splits of the same name are joined.

    Parameters
    ----------
    datasets : sequence of Dataset
        Two or more.
    names : sequence of str
        What to call each: folders of file names that collide.
    duplicates : {"keep", "first", "join", "error"}
        An image file with the same bytes as one of an earlier source: keep both, keep the first with its boxes only,
        keep the first with the boxes of both, or refuse.

    Returns
    -------
    Change

    Raises
    ------
    UsageError
        Class names that one source lacks, or boxes as shares of sizes that are unknown.
    InputError
        Copies, with `error`.
    """
    if len(datasets) < 2:
        raise UsageError(f"found {len(datasets)} dataset, expected two or more to merge")
    datasets = _in_pixels(datasets, names)
    categories, class_of, losses, findings = union_of_classes([d.categories for d in datasets], names)
    copies = _copies(datasets, names, duplicates)
    images, more = _images(datasets, names, copies if duplicates in ("first", "join") else {}, categories, class_of)
    losses += more
    counts = [len(d.annotations) for d in datasets]
    classes = [to[d.annotations.category_index] for d, to in zip(datasets, class_of, strict=True)]
    starts = np.concatenate([[0], np.cumsum([len(d.images) for d in datasets])])
    ids, changed = _annotation_ids(datasets)
    losses += [Loss("annotation ids", "renumbered", changed)] if changed else []
    info, images, more = join_info([d.info for d in datasets], images, [len(d.images) for d in datasets])
    losses += more
    whole = Dataset.build(
        images,
        categories,
        image_index=np.concatenate([d.annotations.image_index + s for d, s in zip(datasets, starts, strict=False)]),
        category_index=np.concatenate(classes),
        ids=ids,
        source_row=_source_rows(datasets),
        **concatenate([d.annotations for d in datasets]),
        splits=_splits(datasets, starts),
        units=datasets[0].units,
        info=info,
        source=datasets[0].source,
        findings=tuple(f for d in datasets for f in d.findings),
    )
    whole, more, seen = _without_copies(whole, copies, duplicates)
    details = {
        "sources": [
            {"name": n, "images": len(d.images), "boxes": c, "classes": len(d.categories)}
            for n, d, c in zip(names, datasets, counts, strict=True)
        ],
        "classes": len(categories),
        "class_names": list(categories.names),
        "duplicates": {"images": len(copies), "action": duplicates},
        "splits": {name: len(members) for name, members in whole.splits.items()},
    }
    absent = sum(path is None for d in datasets for path in d.images.paths)
    if absent:
        message = f"{plural(absent, 'image')} without a file: whether they are copies cannot be told"
        seen.append(Finding("DK401", message, count=absent))
    return Change(whole, (*losses, *more), (*findings, *seen), details)


def _in_pixels(datasets: Sequence[Dataset], names: Sequence[str]) -> list[Dataset]:
    """All in pixels, or all in shares of the image."""
    if len({d.units for d in datasets}) == 1:
        return list(datasets)
    found = []
    for name, dataset in zip(names, datasets, strict=True):
        if dataset.units == "normalised":
            sizes = dataset.images.sizes[dataset.annotations.image_index]
            if np.isnan(sizes).any() or dataset.annotations.shapes is not None:
                raise UsageError(
                    f"boxes of `{name}` are shares of images whose size is unknown, others are in pixels",
                    hint="give the images with `--images DIR`",
                )
            xywh = boxes.denormalise(dataset.annotations.xywh, sizes)
            rows = replace(dataset.annotations, xywh=freeze(xywh), area=freeze(boxes.area(xywh)))
            dataset = replace(dataset, annotations=rows, units="pixels")
        found.append(dataset)
    return found


def _copies(datasets: Sequence[Dataset], names: Sequence[str], duplicates: Duplicates) -> dict[int, int]:
    """Images of later sources with the bytes of an earlier one: position in all images -> that of the first."""
    paths = [path for d in datasets for path in d.images.paths]
    source = np.repeat(np.arange(len(datasets)), [len(d.images) for d in datasets])
    first: dict[str, int] = {}
    found: dict[int, int] = {}
    for position, digest in sorted(same_content(paths).items()):
        other = first.setdefault(digest, position)
        if source[other] != source[position]:
            found[position] = other
    if found and duplicates == "error":
        labels = [image_label(d.images, i) for d in datasets for i in range(len(d.images))]
        pairs = [f"{names[source[b]]}/{labels[b]} is {names[source[a]]}/{labels[a]}" for b, a in found.items()]
        raise InputError(
            f"{plural(len(found), 'image is a copy', 'images are copies')} of an earlier source's: {examples(pairs)}",
            hint="`--duplicates first` keeps the first, `join` keeps it with the boxes of both",
        )
    return found


def _images(
    datasets: Sequence[Dataset],
    names: Sequence[str],
    dropped: Mapping[int, int],
    categories: Categories,
    class_of: Sequence[NDArray[np.int64]],
) -> tuple[Images, list[Loss]]:
    """All images one after another: ids unique, file names apart."""
    parts = [d.images for d in datasets]
    own = any(part.has_own_ids for part in parts)
    ids, moved = distinct_ids([part.ids.tolist() for part in parts], [part.has_own_ids for part in parts])
    file_names, losses = _file_names(parts, names, dropped)
    if own and moved:
        losses.append(Loss("image ids", "renumbered", moved))
    new_ids = [
        dict(zip(d.categories.ids.tolist(), categories.ids[to].tolist(), strict=True))
        for d, to in zip(datasets, class_of, strict=True)
    ]
    extra = [renumbered(part, new) for part, new in zip(parts, new_ids, strict=True)]
    joined = Images(
        id_array(ids if own else range(1, len(ids) + 1)),
        file_names,
        np.concatenate([part.sizes for part in parts]),
        tuple(path for part in parts for path in part.paths),
        own,
        shifted(extra, [len(part) for part in parts]),
    )
    return joined, losses


def _file_names(
    parts: Sequence[Images], names: Sequence[str], dropped: Mapping[int, int]
) -> tuple[tuple[str, ...], list[Loss]]:
    """Names as they are, but for those an earlier source has: their labels would be one file in some formats."""
    taken: set[str] = set()
    found: list[str] = []
    renamed = []
    for source, part in zip(names, parts, strict=True):
        mine = {_label_key(name) for name in part.file_names}
        for name in part.file_names:
            new, number = name, 1
            if name and _label_key(name) in taken and len(found) not in dropped:
                while _label_key(new) in taken or _label_key(new) in mine:
                    new = f"{source}/{name}" if number == 1 else f"{source}-{number}/{name}"
                    number += 1
                renamed.append(new)
                mine.add(_label_key(new))
            found.append(new)
        taken |= mine
    action = "put under a folder, as an earlier source has them"
    return tuple(found), [Loss("file names", action, len(renamed), tuple(renamed[:3]))] if renamed else []


def _label_key(name: str) -> str:
    """What a label file would be called where case does not matter."""
    folder, separator, last = name.casefold().rpartition("/")
    return folder + separator + (last.rpartition(".")[0] or last)


def _source_rows(datasets: Sequence[Dataset]) -> NDArray[np.int64]:
    """File order: all of the first source, then all of the next."""
    found, start = [], 0
    for dataset in datasets:
        rows = dataset.annotations.source_row
        found.append(rows + start)
        start += int(rows.max(initial=-1)) + 1
    return np.concatenate(found)


def _splits(datasets: Sequence[Dataset], starts: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
    found: dict[str, list[NDArray[np.int64]]] = {}
    for dataset, start in zip(datasets, starts.tolist(), strict=False):
        for name, members in dataset.splits.items():
            found.setdefault(name, []).append(members + start)
    return {name: freeze(np.concatenate(parts)) for name, parts in found.items()}


def _annotation_ids(datasets: Sequence[Dataset]) -> tuple[NDArray[Any] | None, int]:
    if not any(d.images.has_own_ids for d in datasets):
        return None, 0
    ids, moved = distinct_ids([d.annotations.ids.tolist() for d in datasets], [d.images.has_own_ids for d in datasets])
    return id_array(ids), moved


def _without_copies(
    dataset: Dataset, first: Mapping[int, int], duplicates: Duplicates
) -> tuple[Dataset, list[Loss], list[Finding]]:
    """The dataset without images that are copies, where that is wanted."""
    if not first:
        return dataset, [], []
    copies = np.array(list(first), np.int64)
    count = f"{plural(len(first), 'image')} with the same bytes as one of an earlier source"
    shown = examples([image_label(dataset.images, i) for i in first])
    if duplicates == "keep":
        hint = "kept (one each: `--duplicates first` or `join`)"
        return dataset, [], [Finding("DK502", f"{count}, {hint}: {shown}", count=len(first))]
    losses = loss_of_images(dataset.images, copies, "images that an earlier source has, too", "dropped")
    rows = dataset.annotations
    mine = np.isin(rows.image_index, copies)
    if duplicates == "join":
        dataset, mine = _moved_to_first(dataset, first)
        losses += loss_of_rows(dataset, np.flatnonzero(mine), "boxes that both copies have", "dropped")
    else:
        losses += loss_of_rows(dataset, np.flatnonzero(mine), "boxes of dropped images", "dropped")
    dataset = dataset.take_rows(np.flatnonzero(~mine))
    kept = np.setdiff1d(np.arange(len(dataset.images)), copies)
    return dataset.take_images(kept), losses, []


def _moved_to_first(dataset: Dataset, first: Mapping[int, int]) -> tuple[Dataset, NDArray[np.bool_]]:
    """The dataset with boxes of copies on the first image, and which of them that image has already."""
    rows = dataset.annotations
    to = np.arange(len(dataset.images))
    to[list(first)] = list(first.values())
    order = np.argsort(to[rows.image_index], kind="stable")
    image = to[rows.image_index][order]
    was_moved = (to != np.arange(len(to)))[rows.image_index][order]
    moved = replace(rows.take(order), image_index=freeze(image))
    repeated = repeats(moved.image_index, moved.category_index, moved.xywh)
    return replace(dataset, annotations=moved), repeated & was_moved
