"""Score a part: some images, some classes, or with one class read as regions to ignore."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches

import numpy as np
from numpy.typing import NDArray

from detkit.errors import UsageError
from detkit.evaluation.align import Aligned
from detkit.evaluation.images import file_stem
from detkit.findings import Finding
from detkit.tables import Categories, Dataset, freeze
from detkit.wording import examples, plural

__all__ = ["find_classes", "find_images", "ignore_classes", "keep_classes"]


def find_classes(categories: Categories, wanted: Sequence[str]) -> list[int]:
    """Positions of the classes with these names or ids.

    Parameters
    ----------
    categories : Categories
    wanted : sequence of str
        Names (all classes that have one), or ids as text where the source has ids.

    Returns
    -------
    list of int
        Ascending, each once.

    Raises
    ------
    UsageError
        One is unknown; the message lists the nearest names.
    """
    places = categories.places(own_ids=True)
    for want in wanted:
        if want not in places:
            near = get_close_matches(want, categories.names, n=5, cutoff=0.4) or list(categories.names[:5])
            raise UsageError(f"unknown class `{want}`", hint=f"near it: {examples(near, 5)}")
    return sorted({k for want in wanted for k in places[want]})


def find_images(truth: Dataset, wanted: Sequence[str]) -> NDArray[np.int64]:
    """Positions of the images with these file names, ids, or file names without folder and suffix, in table order.

    What is several of these to different images is the first of them.

    Parameters
    ----------
    truth : Dataset
    wanted : sequence of str

    Returns
    -------
    (N,) int64

    Raises
    ------
    UsageError
        One is unknown, or the name of several images.
    """
    names = truth.images.file_names
    ids = [str(i) for i in truth.images.ids.tolist()] if truth.images.has_own_ids else []
    keys: dict[str, list[int]] = {}
    for texts in (names, ids, [file_stem(name) for name in names]):
        found: dict[str, list[int]] = defaultdict(list)
        for n, text in enumerate(texts):
            if text not in keys:
                found[text].append(n)
        keys |= found
    unknown = [w for w in wanted if not w or w not in keys]
    if unknown:
        raise UsageError(f"{len(unknown)} of the images asked for are not in the truth: {examples(unknown)}")
    for want in wanted:
        if len(keys[want]) > 1:
            raise UsageError(f"`{want}` names several images: {examples([names[n] for n in keys[want]])}")
    return np.array(sorted({keys[want][0] for want in wanted}), dtype=np.int64)


def keep_classes(aligned: Aligned, places: Sequence[int]) -> Aligned:
    """Truth and predictions of these classes only; the others are neither truth nor false positives.

    Parameters
    ----------
    aligned : Aligned
    places : sequence of int
        Positions of the classes, in the order they are to have.

    Returns
    -------
    Aligned
    """
    categories = aligned.truth.categories
    new_place = np.full(len(categories), -1, np.int64)
    new_place[list(places)] = np.arange(len(places))
    kept = categories.take(places)
    truth = aligned.truth.take_rows(np.flatnonzero(new_place[aligned.truth.annotations.category_index] >= 0))
    rows = truth.annotations
    truth = replace(
        truth,
        categories=kept,
        annotations=replace(rows, category_index=freeze(new_place[rows.category_index])),
    )
    detections = aligned.detections.take(new_place[aligned.detections.category_index] >= 0)
    detections = replace(detections, categories=kept, category_index=freeze(new_place[detections.category_index]))
    return replace(aligned, truth=truth, detections=detections)


def ignore_classes(aligned: Aligned, places: Sequence[int]) -> Aligned:
    """These classes' boxes as regions in which detections of any class are neither right nor wrong.

    Each region is given to every class that has a detection in its image, as a crowd: a detection that matches no
    truth and lies in it (intersection over its own area) is ignored.

    Parameters
    ----------
    aligned : Aligned
    places : sequence of int
        Positions of the classes.

    Returns
    -------
    Aligned
        Without these classes, with a finding `DK707`.
    """
    truth, detections = aligned.truth, aligned.detections
    rows = truth.annotations
    is_region = np.isin(rows.category_index, places)
    regions, objects = np.flatnonzero(is_region), np.flatnonzero(~is_region)
    count = len(truth.categories)
    kept = detections.take(~np.isin(detections.category_index, places))
    present = np.unique(kept.image_index * count + kept.category_index)
    image, category = present // count, present % count
    first, last = (
        np.searchsorted(image, rows.image_index[regions]),
        np.searchsorted(image, rows.image_index[regions], side="right"),
    )
    copies = np.repeat(regions, last - first)
    parts = [category[a:b] for a, b in zip(first, last, strict=True)]
    classes = np.concatenate(parts) if parts else np.empty(0, np.int64)
    taken = np.concatenate([objects, copies])
    table = rows.take(taken)
    is_copy = np.arange(len(taken)) >= len(objects)
    new_class = table.category_index.copy()
    new_class[is_copy] = classes
    table = replace(
        table,
        category_index=freeze(new_class, np.int64),
        is_crowd=freeze(table.is_crowd | is_copy),
        ids=freeze(np.arange(1, len(taken) + 1)),
    )
    table = table.take(np.argsort(table.image_index, kind="stable"))
    names = examples([truth.categories.names[p] for p in places])
    said = plural(len(regions), f"box of {names} is a region", f"boxes of {names} are regions")
    finding = Finding("DK707", f"{said} to ignore", count=len(regions))
    changed = replace(
        aligned, truth=replace(truth, annotations=table), detections=kept, findings=(*aligned.findings, finding)
    )
    return keep_classes(changed, [p for p in range(count) if p not in set(places)])
